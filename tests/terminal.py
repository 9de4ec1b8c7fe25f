"""The command line in processes of its own: one command, several in one process, at a terminal.

Several in one process cost one start instead of many.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.shell import Said

ROOT = Path(__file__).parents[1]
Line = tuple[str, str]
"""A command, its words parted by blanks, and what is piped in."""

_PIPED = """
import io, json, sys
from mohet_keys.cli.program import main
for words, typed in json.load(sys.stdin):
    sys.stdin = io.TextIOWrapper(io.BytesIO(typed.encode()))
    print(main(words.split()), flush=True)
"""
_TYPED = """
import json, sys
from mohet_keys.cli.program import main
for words in json.loads(sys.argv[1]):
    print(main(words.split()), flush=True)
"""


def environment(folder: Path) -> dict[str, str]:
    """Variables that keep store, master key and temporary files in a folder."""
    own = {
        "MOHET_DATA_DIR": str(folder / "data"),
        "MOHET_CONFIG_DIR": str(folder / "config"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    return {**os.environ, **own}


def say(folder: Path, *lines: Line, **more: str) -> str:
    """Run commands on the store in a folder; all they say, with the status of each on a line."""
    done = subprocess.run(
        [sys.executable, "-c", _PIPED],  # what is piped in is a secret, and no argument
        cwd=ROOT, env={**environment(folder), **more}, input=json.dumps(lines),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


class Process:
    """Runs `python -m mohet_keys` in processes of its own, on the store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = environment(folder)

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start it."""
        return self.run([sys.executable, "-m", "mohet_keys", *arguments], **more)

    def run(self, command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        """Start any program beside the same store."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, **{**pipes, **more})

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run it to its end."""
        with self.start(*arguments) as running:
            out, err = running.communicate(stdin.encode(), timeout=60)
        return Said(running.returncode, out.decode(), err.decode())

    def typed(
        self, *commands: str, answers: Sequence[tuple[bytes, str]]
    ) -> tuple[list[Any], bytes]:
        """Run commands at a terminal, one after the other, and type an answer at each of the
        prompts. Gives the document of each, where it has one, followed by its status; and all
        that was to be seen on the screen."""
        ours, theirs = pty.openpty()
        program = [sys.executable, "-c", _TYPED, json.dumps(commands)]
        screen = b""
        with self.run(program, stdin=theirs, stderr=theirs, start_new_session=True) as running:
            os.close(theirs)
            try:
                for prompt, answer in answers:
                    screen += b"".join(_shown(ours, prompt))
                    os.write(ours, f"{answer}\n".encode())
                out, _ = running.communicate(timeout=60)
                screen += b"".join(_shown(ours, b"nothing more"))
            finally:
                running.kill()
                os.close(ours)
        return list(documents(out.decode())), screen


def _shown(terminal: int, awaited: bytes) -> Iterator[bytes]:
    """What comes to a terminal until this has come, or its other end is gone."""
    last = b""
    with contextlib.suppress(OSError):
        while awaited not in last and select.select([terminal], [], [], 60)[0]:
            piece = os.read(terminal, 4000)
            last += piece
            yield piece


def documents(text: str) -> Iterator[Any]:
    """The JSON documents that stand behind each other in a text."""
    while text := text.strip():
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:]
