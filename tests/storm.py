"""Many processes on one store, and processes killed in the middle of writing.

Run as `python -m tests.storm MODE FOLDER …`; prints one JSON object. It is a program of its own
because it forks: everything is imported once, and each child is writing after some milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  # so that a child need not import it when it migrates

from mohet_keys import sqlite_file
from mohet_keys.errors import MohetError
from mohet_keys.model import CheckResult, Diagnosis, Verdict
from mohet_keys.queries import RANKS
from mohet_keys.repository import NewRow, Repository, RowChanges
from mohet_keys.sealed import WrappedKey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERDICTS = (Verdict.VALID, Verdict.INVALID, Verdict.LIMITED)


def blob_of(key_id: str, version: int) -> bytes:
    """Sealed bytes from which can be read whose they are, and of which version."""
    return f"{key_id}/{version}/".encode() * (3 + version % 3)


def new_row(owner: str, key_id: str) -> NewRow:
    """A key as the service would write it."""
    return NewRow(
        id=key_id,
        owner=owner,
        provider="groq",
        name=key_id,
        name_key=key_id,
        endpoint="https://api.groq.com/openai/v1",
        hint="gsk_••••abcd",
        has_secret=True,
        sealed=blob_of(key_id, 1),
        fingerprint=key_id,
        data_key_id="d",
        revision=1,
        looks_like=None,
        allow_http=False,
        created_at=NOW,
    )


class Writer:
    """One child: does random things to keys of its own, and says what was acknowledged."""

    def __init__(self, url: str, owner: str, say: Callable[[str], object]) -> None:
        self.repository = Repository(url)
        self.repository.keyring.begin([WrappedKey("d", "m", "seal", b"")], sealing="d")
        self.owner = owner
        self.say = say
        self.versions: dict[str, int] = {}
        self.checks = 0

    def step(self) -> None:
        """One write, chosen at random."""
        verbs = [self.insert]
        if self.versions:
            verbs += [self.update, self.update, self.check, self.choose]
        if len(self.versions) > 3:
            verbs += [self.delete, self.delete]
        random.choice(verbs)()  # noqa: S311  # a storm, not a secret

    def any_key(self) -> str:
        return random.choice(list(self.versions))  # noqa: S311  # a storm, not a secret

    def insert(self) -> None:
        key_id = str(uuid.uuid4())
        self.repository.insert(new_row(self.owner, key_id), by=self.owner)
        self.versions[key_id] = 1
        self.say(f"version {key_id} 1")

    def update(self) -> None:
        key_id = self.any_key()
        version = self.versions[key_id]
        blob, hint = blob_of(key_id, version + 1), str(version + 1)
        changes = RowChanges(sealed=blob, data_key_id="d", hint=hint)
        self.repository.update(
            key_id, self.owner, version=version, changes=changes, by=self.owner, at=NOW
        )
        self.versions[key_id] = version + 1
        self.say(f"version {key_id} {version + 1}")

    def check(self) -> None:
        key_id = self.any_key()
        self.checks += 1
        verdict = VERDICTS[self.checks % 3]
        result = CheckResult(key_id, 1, Diagnosis(verdict, "r", "e"), NOW, latency_ms=self.checks)
        self.repository.save_check(result, self.owner)
        self.say(f"check {key_id} {self.checks}")

    def choose(self) -> None:
        self.repository.select(self.owner, self.any_key(), None, NOW)

    def delete(self) -> None:
        key_id = self.any_key()
        self.say(f"deleting {key_id} 0")
        del self.versions[key_id]
        self.repository.delete(key_id, self.owner)
        self.say(f"deleted {key_id} 0")


def forked(work: Callable[[Callable[[str], object]], None]) -> tuple[int, int]:
    """Run `work` in a child. Returns its process id and the end of a pipe to read from."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    os.close(reader)
    try:
        work(lambda line: os.write(writer, f"{line}\n".encode()))
    except Exception as error:  # noqa: BLE001  # whatever it is, the test has to hear of it
        os.write(writer, f"error {type(error).__name__}: {error}\n".encode())
    os._exit(0)


def drained(reader: int) -> list[list[str]]:
    """What a child said until it ended, in words; a line cut by its death is left out."""
    with os.fdopen(reader, "rb") as pipe:
        return words(pipe.read())


def begun(reader: int, lines: int) -> bytes:
    """The first lines that a child says, or those it said before it ended or fell silent."""
    said = b""
    while said.count(b"\n") < lines and select.select([reader], [], [], 60)[0]:
        byte = os.read(reader, 1)
        if not byte:
            break
        said += byte
    return said


def words(said: bytes) -> list[list[str]]:
    """Lines in words; the last one is left out when it was cut."""
    return [line.decode().split(" ", 2) for line in said.split(b"\n")[:-1]]


# --- kill ----------------------------------------------------------------------------------


def kill(folder: Path, times: int) -> dict[str, Any]:
    """Kill a writer `times` times, on a new store every 16 times, and look at what is left."""
    broken: list[str] = []
    acknowledged = 0
    for turn in range(times):
        path = folder / str(turn // 16) / "store.db"
        owner = f"turn-{turn}"
        said = killed_writer(f"sqlite:///{path}", owner, turn % 6)
        acknowledged += len(said)
        broken += [line[2] for line in said if line[0] == "error"]
        broken += look(path, owner, said) if path.exists() else []
    return {"kills": times, "acknowledged": acknowledged, "broken": broken[:5]}


def killed_writer(url: str, owner: str, least: int) -> list[list[str]]:
    """Let a child write until it was told of so many writes and some milliseconds longer, kill
    it, and return what it said."""

    def work(say: Callable[[str], object]) -> None:
        writer = Writer(url, owner, say)
        while True:
            writer.step()

    child, reader = forked(work)
    said = begun(reader, least)
    time.sleep(random.uniform(0, 0.060 if not least else 0.010))  # noqa: S311  # no secret
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return words(said) + drained(reader)


def look(path: Path, owner: str, said: list[list[str]]) -> list[str]:
    """Everything that is wrong with the store, opened after a kill, given what was said."""
    repository = Repository(f"sqlite:///{path}")
    entries = {entry.id: entry for entry in repository.page(owner)}
    wrong = [
        f"{key_id}: blob and version differ"
        for key_id, entry in entries.items()
        if repository.sealed(key_id, owner).blob != blob_of(key_id, entry.version)
    ]
    repository.close()
    going = {key_id for verb, key_id, _ in said if verb == "deleting"}
    for verb, key_id, number in said:
        entry = entries.get(key_id)
        if verb == "deleted" and entry is not None:
            wrong.append(f"{key_id}: deleted, and there")
        if verb in {"version", "check"} and key_id not in going:
            seen = 0 if entry is None else entry.version
            if verb == "check":
                seen = entry.check.latency_ms or 0 if entry and entry.check else 0
            if seen < int(number):
                wrong.append(f"{key_id}: {verb} {number} lost, {seen} there")
    return wrong + looked_raw(path)


def looked_raw(path: Path) -> list[str]:
    """What SQLite itself finds wrong, and rows of which the other half is missing."""
    connection = sqlite3.connect(path)
    wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    wrong += [f"no parent: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    halves = connection.execute(
        "SELECT verdict, rank FROM key_check JOIN api_key ON api_key.id = key_check.key_id"
    )
    wrong += [f"rank {rank} of {v}" for v, rank in halves if RANKS[Verdict(v)] != rank]
    connection.close()
    return wrong


# --- write ---------------------------------------------------------------------------------


def write(folder: Path, times: int) -> dict[str, Any]:
    """Eight processes write to one store, each so many times."""
    url = f"sqlite:///{folder / 'store.db'}"
    Repository(url).close()
    sqlite_file.BUSY_MS = 60_000  # on a busy machine, too, it is the lock alone that may fail them

    def work(say: Callable[[str], object]) -> None:
        writer = Writer(url, f"owner-{os.getpid()}", lambda _: None)
        for _ in range(times):
            try:
                writer.step()
            except MohetError as error:
                say(f"error {error}")
            else:
                say("wrote")

    children = [forked(work) for _ in range(8)]
    said = [line for _, reader in children for line in drained(reader)]
    for child, _ in children:
        os.waitpid(child, 0)
    errors = [" ".join(line[1:]) for line in said if line[0] == "error"]
    return {
        "writes": said.count(["wrote"]),
        "errors": len(errors),
        "first_errors": errors[:3],
        "broken": looked_raw(folder / "store.db"),
    }


# --- start ---------------------------------------------------------------------------------


def start(folder: Path, times: int) -> dict[str, Any]:
    """Eight processes open a new store at the same moment, `times` times."""
    said: list[list[str]] = []
    for turn in range(times):
        url = f"sqlite:///{folder / str(turn) / 'store.db'}"
        at = time.monotonic() + 0.03

        def work(say: Callable[[str], object], url: str = url, at: float = at) -> None:
            while time.monotonic() < at:
                pass
            repository = Repository(url)
            say(f"empty {repository.is_empty()}")
            repository.close()

        children = [forked(work) for _ in range(8)]
        said += [line for _, reader in children for line in drained(reader)]
        for child, _ in children:
            os.waitpid(child, 0)
    errors = [" ".join(line[1:]) for line in said if line[0] == "error"]
    return {"opened": sum(line == ["empty", "True"] for line in said), "errors": errors[:3]}


def main() -> None:
    """Read the arguments, run the storm, print what came of it."""
    mode, folder, number, *switches = sys.argv[1:]
    if "--deferred" in switches:  # the twin: see what happens without the lock at the start
        sqlite_file.BEGIN_WRITING = "BEGIN"
    modes: dict[str, Callable[[], dict[str, Any]]] = {
        "kill": lambda: kill(Path(folder), int(number)),
        "write": lambda: write(Path(folder), int(number)),
        "start": lambda: start(Path(folder), int(number)),
    }
    sys.stdout.write(json.dumps(modes[mode]()) + "\n")


if __name__ == "__main__":
    main()
