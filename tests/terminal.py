"""Several commands of the command line in one process, which costs one start instead of many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
Line = tuple[str, str]
"""A command, its words parted by blanks, and what is typed."""

_PROGRAM = """
import io, json, sys
from mohet_keys.cli.program import main
for words, typed in json.load(sys.stdin):
    sys.stdin = io.TextIOWrapper(io.BytesIO(typed.encode()))
    print(main(words.split()), flush=True)
"""


def say(folder: Path, *lines: Line, **environment: str) -> str:
    """Run commands on the store in a folder; all they say, with the status of each on a line."""
    own = {
        "MOHET_DATA_DIR": str(folder / "data"),
        "MOHET_CONFIG_DIR": str(folder / "config"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],  # what is typed is a secret, and no argument
        cwd=ROOT, env={**os.environ, **own, **environment}, input=json.dumps(lines),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr
