"""Many processes on one store, and processes killed in the middle of writing.

Run as `python -m tests.storm MODE PLACE …`, where PLACE is a folder for SQLite stores, or the
address of a PostgreSQL server with `{}` for the database; prints one JSON object. It is a program
of its own because it forks: everything is imported once, and each child is writing after some
milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  # so that a child need not import it when it migrates
import psycopg

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


class Ground:
    """Where the stores of a storm are, each by a name: in a folder, or on a server."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._link = place.replace("+psycopg", "")
        self.is_files = "://" not in place

    def make(self, name: str) -> str:
        """A new store without tables. Returns its address."""
        if not self.is_files:
            with psycopg.connect(self._link.format("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return self.url(name)

    def url(self, name: str) -> str:
        """The address of a store."""
        return f"sqlite:///{self._file(name)}" if self.is_files else self._place.format(name)

    def is_there(self, name: str) -> bool:
        """Whether anything of a store is there; its first writer may have been killed before."""
        return not self.is_files or self._file(name).exists()

    def _file(self, name: str) -> Path:
        return Path(self._place) / name / "store.db"

    def faults(self, name: str) -> list[str]:
        """What the database itself finds wrong, and rows of which the other half is missing."""
        if not self.is_files:
            with psycopg.connect(self._link.format(name)) as connection:
                return self._halves(connection)
        with closing(sqlite3.connect(self._file(name))) as file:
            wrong = [row[0] for row in file.execute("PRAGMA integrity_check") if row[0] != "ok"]
            wrong += [f"no parent: {row}" for row in file.execute("PRAGMA foreign_key_check")]
            return wrong + self._halves(file)

    def _halves(self, connection: Any) -> list[str]:
        halves = connection.execute(
            "SELECT verdict, rank FROM key_check JOIN api_key ON api_key.id = key_check.key_id"
        )
        return [f"rank {rank} of {v}" for v, rank in halves if RANKS[Verdict(v)] != rank]


class Writer:
    """One child: does random things to keys of its own, and says what was acknowledged."""

    def __init__(self, repository: Repository, owner: str, say: Callable[[str], object]) -> None:
        self.repository = repository
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
    return words(all_of(reader))


def all_of(reader: int) -> bytes:
    """What a child said until it ended."""
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


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
    return [line.split(" ", 2) for line in whole_lines(said)]


def whole_lines(said: bytes) -> list[str]:
    """The same, line by line."""
    return [line.decode() for line in said.split(b"\n")[:-1]]


# --- kill ----------------------------------------------------------------------------------


def kill(ground: Ground, times: int) -> dict[str, Any]:
    """Kill a writer `times` times, on a new store every 16 times, and look at what is left."""
    broken: list[str] = []
    acknowledged = 0
    for turn in range(times):
        name, owner = f"kill_{turn // 16}", f"turn-{turn}"
        if turn % 16 == 0:
            ground.make(name)
        said = killed_writer(ground.url(name), owner, turn % 6)
        acknowledged += len(said)
        broken += [line[2] for line in said if line[0] == "error"]
        broken += look(ground, name, owner, said) if ground.is_there(name) else []
    return {"kills": times, "acknowledged": acknowledged, "broken": broken[:5]}


def killed_writer(url: str, owner: str, least: int) -> list[list[str]]:
    """Let a child write until it was told of so many writes and some milliseconds longer, kill
    it, and return what it said."""

    def work(say: Callable[[str], object]) -> None:
        writer = Writer(Repository(url), owner, say)
        while True:
            writer.step()

    child, reader = forked(work)
    said = begun(reader, least)
    time.sleep(random.uniform(0, 0.060 if not least else 0.010))  # noqa: S311  # no secret
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return words(said) + drained(reader)


def look(ground: Ground, name: str, owner: str, said: list[list[str]]) -> list[str]:
    """Everything that is wrong with the store, opened after a kill, given what was said."""
    repository = Repository(ground.url(name))
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
    return wrong + ground.faults(name)


# --- write ---------------------------------------------------------------------------------


def write(ground: Ground, times: int) -> dict[str, Any]:
    """Eight processes write to one store, each so many times."""
    url = ground.make("write")
    Repository(url).close()
    sqlite_file.BUSY_MS = 60_000  # on a busy machine, too, it is the lock alone that may fail them

    def work(say: Callable[[str], object]) -> None:
        writer = Writer(Repository(url), f"owner-{os.getpid()}", lambda _: None)
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
        "broken": ground.faults("write"),
    }


# --- steady --------------------------------------------------------------------------------


def steady(ground: Ground, seconds: float, rate: int = 50) -> dict[str, Any]:
    """Two processes write so often in a second, for so long, whatever becomes of the database.

    What is told to have failed must not be there, and what is told to be done must be.
    """
    url = ground.make("steady")
    Repository(url).close()
    until = time.monotonic() + seconds
    hands = [f"hand-{number}" for number in range(8)]

    def work(say: Callable[[str], object], own: list[str]) -> None:
        repository = Repository(url)

        def write(owner: str) -> None:
            writer = Writer(repository, owner, lambda line: say(f"{owner}: {line}"))
            while time.monotonic() < until:
                try:
                    writer.step()
                except MohetError as error:
                    say(f"{owner}: failed {error}")
                else:
                    say(f"{owner}: done {time.monotonic():.3f} -")
                time.sleep(len(hands) / rate)

        threads = [threading.Thread(target=write, args=(owner,)) for owner in own]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    children = [forked(lambda say, own=own: work(say, own)) for own in (hands[:4], hands[4:])]
    said = [line for _, reader in children for line in whole_lines(all_of(reader))]
    for child, _ in children:
        os.waitpid(child, 0)
    return seen_of(ground, hands, said)


def seen_of(ground: Ground, hands: list[str], said: list[str]) -> dict[str, Any]:
    """What came of steady writing, by what each of them was told."""
    done, failed, broken = [], [], [line for line in said if line.startswith("error")]
    for owner in hands:
        own = [line.partition(": ")[2] for line in said if line.startswith(f"{owner}: ")]
        lines = [line.split(" ", 2) for line in own]
        done += [float(line[1]) for line in lines if line[0] == "done"]
        failed += [line.removeprefix("failed ") for line in own if line.startswith("failed")]
        broken += look(ground, "steady", owner, lines)
        broken += phantoms(ground, owner, lines)
    return {"done": sorted(done), "failed": sorted(set(failed)), "broken": broken[:5]}


def phantoms(ground: Ground, owner: str, lines: list[list[str]]) -> list[str]:
    """What is there though its writer was told that it was not done."""
    told: dict[str, int] = {}
    for line in lines:
        if line[0] == "version":
            told[line[1]] = int(line[2])
        elif line[0] == "deleted":
            told.pop(line[1], None)
    repository = Repository(ground.url("steady"))
    there = {entry.id: entry.version for entry in repository.page(owner)}
    repository.close()
    return [f"{owner}: {there} and not {told}"] if there != told else []


# --- race ----------------------------------------------------------------------------------


def race(ground: Ground, turns: int) -> dict[str, Any]:
    """Two processes of eight threads each create one name, and edit one version of it, at once."""
    url = ground.make("race")
    Repository(url).close()
    created, edited = [], []
    for turn in range(turns):
        owner, at = f"turn-{turn}", time.monotonic() + 0.3

        def work(say: Callable[[str], object], owner: str = owner, at: float = at) -> None:
            repository = Repository(url)
            repository.keyring.begin([WrappedKey("d", "m", "seal", b"")], sealing="d")
            eight(lambda number: create(repository, owner, number, say), at)
            time.sleep(max(0.0, at + 0.5 - time.monotonic()))
            eight(lambda number: edit(repository, owner, number, say), at + 0.5)

        children = [forked(work) for _ in range(2)]
        said = [line for _, reader in children for line in drained(reader)]
        for child, _ in children:
            os.waitpid(child, 0)
        created.append(sorted(line[1] for line in said if line[0] == "create"))
        edited.append(sorted(line[1] for line in said if line[0] == "edit"))
    return {"created": created, "edited": edited}


def eight(work: Callable[[int], None], at: float) -> None:
    """Do something in eight threads, from one moment on."""

    def begin(number: int) -> None:
        time.sleep(max(0.0, at - time.monotonic()))
        work(number)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def create(repository: Repository, owner: str, number: int, say: Callable[[str], object]) -> None:
    """Save a key under the one name, and say what came of it."""
    row = replace(new_row(owner, str(uuid.uuid4())), name="Prod" if number % 2 else "PROD")
    try:
        repository.insert(replace(row, name_key="prod"), by=owner)
    except MohetError as error:
        say(f"create {getattr(error, 'field', error)} -")
    else:
        say("create saved -")


def edit(repository: Repository, owner: str, number: int, say: Callable[[str], object]) -> None:
    """Edit the first version of the key, and say what came of it."""
    entry = repository.find("groq/prod", owner)
    changes = RowChanges(hint=f"{os.getpid()}-{number}")
    try:
        repository.update(entry.id, owner, version=1, changes=changes, by=owner, at=NOW)
    except MohetError as error:
        say(f"edit {error.code} -")
    else:
        say("edit saved -")


# --- start ---------------------------------------------------------------------------------


def start(ground: Ground, times: int) -> dict[str, Any]:
    """Eight processes open a new store at the same moment, `times` times."""
    said: list[list[str]] = []
    for turn in range(times):
        url = ground.make(f"start_{turn}")
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
    mode, place, number, *switches = sys.argv[1:]
    ground = Ground(place)
    if "--deferred" in switches:  # the twin: see what happens without the lock at the start
        sqlite_file.BEGIN_WRITING = "BEGIN"
    modes: dict[str, Callable[[], dict[str, Any]]] = {
        "kill": lambda: kill(ground, int(number)),
        "write": lambda: write(ground, int(number)),
        "race": lambda: race(ground, int(number)),
        "steady": lambda: steady(ground, int(number)),
        "start": lambda: start(ground, int(number)),
    }
    sys.stdout.write(json.dumps(modes[mode]()) + "\n")


if __name__ == "__main__":
    main()
