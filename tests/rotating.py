"""Rotations that are killed at every step, and rotations beside processes that write.

Run as `python -m tests.rotating MODE FOLDER …`; prints one JSON object. It is a program of its own
because it forks: everything is imported once, and each child works after some milliseconds. With
the name of a guard at the end it does the same without that guard, to see that the harm would be
noticed.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import alembic.command  # noqa: F401  # so that a child need not import it when it migrates
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, event

from mohet_keys import masterkey, masterkey_next, resealing, sqlite_file, wiring
from mohet_keys.errors import RefusedError
from mohet_keys.keyring import Keyring
from mohet_keys.leases import name_of_this_process
from mohet_keys.model import LOCAL_OWNER, KeyChanges
from mohet_keys.rotation import Rotation
from mohet_keys.safe import Safe
from mohet_keys.sealed import MasterKey
from mohet_keys.settings import Settings
from tests.leaks import canary
from tests.masters import SETS, add, opened, replaced, secret_of, started
from tests.storm import drained, forked

KILLED = 77
Say = Callable[[str], object]


# --- killed at the n-th step --------------------------------------------------------------------


def in_memory() -> None:
    """Do not wait for the disk: what was written stays when a process is killed."""
    sqlite_file._PRAGMAS = ("synchronous=OFF", *sqlite_file._PRAGMAS[1:])
    patch.object(os, "fsync", lambda _handle: None).start()


class Failpoint:
    """Ends this process at the n-th step: a statement of a transaction that writes, its commit, or
    a touch of a key's file. What only reads leaves what was there before it."""

    def __init__(self, number: int, config: Path) -> None:
        self._left = number
        self._config = str(config)
        event.listen(Engine, "before_cursor_execute", self._step)
        event.listen(Engine, "commit", self._step)
        sys.addaudithook(self._touched)

    def _step(self, connection: Connection, *_: object) -> None:
        if connection.get_execution_options().get("writing"):
            self._count()

    def _touched(self, what: str, values: tuple[Any, ...]) -> None:
        touches = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.chmod"}
        if what in touches and str(values[0]).startswith(self._config):
            self._count()

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            os._exit(KILLED)


OPERATIONS: dict[str, Callable[[Rotation], object]] = {
    "rotate": lambda rotation: rotation.rotate(),
    "new-data-key": lambda rotation: rotation.rotate(new_data_key=True),
    "retire": lambda rotation: rotation.retire(),
}


def prepared(folder: Path, which: str, operation: str) -> list[str]:
    """A store to rotate, under the old master key. Returns the secrets that are in it."""
    secrets = [canary("gsk_") for _ in range(4)]
    with started(folder, which) as parts:
        keys = [add(parts, f"K{number}", secret) for number, secret in enumerate(secrets[:3])]
        replaced(parts, keys[0], secrets[3])
    if operation == "retire":
        with started(folder, "generated" if which == "generated" else "both") as parts:
            parts.rotation.rotate()
    return sorted(secrets)


def crash(folder: Path, kind: str, operation: str, enough: int = 4) -> dict[str, Any]:
    """Kill an operation at its first step, at its second, and so on until it comes through, or
    until enough is wrong.

    `kind` says whether the master key is "set" or "generated".
    """
    first, run = ("old", "both") if kind == "set" else ("generated", "generated")
    secrets = prepared(folder / "template", first, operation)
    shutil.copytree(folder / "template", folder / "place")
    with started(folder / "place", run) as parts:
        matrix = Matrix(folder, kind, operation, secrets, parts)
        for number in itertools.count(1):
            came_through = matrix.kill(number)
            matrix.look(number)
            if came_through or len(matrix.broken) >= enough:
                break
    return {
        "points": number,
        "states": len(matrix.seen),
        "opened": matrix.opened,
        "broken": matrix.broken[:5],
    }


class Matrix:
    """One store that is set back before each kill; what is looked at, and what was wrong.

    The parts are the same all the time, for to set them up takes longer than all the rest.
    """

    def __init__(
        self, folder: Path, kind: str, operation: str, secrets: list[str], parts: wiring.Parts
    ) -> None:
        self.template, self.place = folder / "template", folder / "place"
        self.operation = operation
        self.secrets = secrets
        self.parts = parts
        self.broken: list[str] = []
        self.opened: dict[str, int] = {}
        """How often each set opened everything straight after the kill."""
        self.seen: set[str] = set()
        """What kills left that was gone on from."""
        sets = {name: SETS[name] for name in ("both", "new", "old")}
        if kind == "generated":
            file = self.template / "config" / "master.key"
            old = file.with_name("master.key.previous") if operation == "retire" else file
            sets = {"generated": {}, "old": {"master_key": old.read_text().strip()}}
        self.always = next(iter(sets))
        self.sets = {name: self.settings(name, keys) for name, keys in sets.items()}

    def settings(self, name: str, keys: dict[str, str]) -> Settings:
        """A start with these keys; where any is set, without a generated one."""
        config = self.place / ("config" if name == "generated" else "elsewhere")
        folders = {"data_dir": self.place / "data", "config_dir": config}
        return Settings.model_validate({**folders, **keys})

    def kill(self, number: int) -> bool:
        """Do it in a child that is killed at the n-th step. Returns whether it came through."""
        self.parts.repository._database.engine.dispose()
        for name in ("data", "config"):
            shutil.rmtree(self.place / name, ignore_errors=True)
        shutil.copytree(self.template, self.place, dirs_exist_ok=True)

        def work(say: Say) -> None:
            Failpoint(number, self.place / "config")
            self.operate()
            say("through")

        child, reader = forked(work)
        said = drained(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if said and said[0][0] == "error":
            raise AssertionError(said)
        return status != KILLED

    def operate(self) -> None:
        """Do what is killed."""
        OPERATIONS[self.operation](self.parts.rotation)

    def look(self, number: int) -> None:
        """Start with each set. Where the kill left something new, run it again and start with each
        set again: most of the steps are in one transaction with the one before, and leave the
        same."""
        wrong = raw_faults(self.place)
        before = self.opening()
        for name in before:
            self.opened[name] = self.opened.get(name, 0) + 1
        needed = {self.always} | ({"old"} if self.operation != "retire" else set())
        wrong += [f"{name} alone does not open everything" for name in needed - before]
        left = shape(self.place)
        if left not in self.seen:
            self.seen.add(left)
            wrong += self.gone_on()
        self.broken += [f"{number}: {each}" for each in wrong]

    def gone_on(self) -> list[str]:
        """What is wrong once it was run again."""
        wrong, begun = [], unfinished(self.place)
        try:
            self.operate()
        except RefusedError as error:
            wrong.append(f"it cannot be finished: {error}")
        after = self.opening()
        wanted = set(self.sets) - ({"old"} if self.operation == "retire" else set())
        wrong += [f"{sorted(after)} open everything at the end"] * (after != wanted)
        wrong += raw_faults(self.place) + left_over(self.parts, self.operation)
        minted = sum(action == "reseal" for (action,) in recorded(self.place))
        if begun and minted != 1:
            wrong.append(f"{minted} data keys were minted for one run")
        return wrong

    def opening(self) -> set[str]:
        """The sets with which a start finds every secret."""
        return {name for name, settings in self.sets.items() if self.opens(settings)}

    def opens(self, settings: Settings) -> bool:
        """Whether a start finds every secret."""
        keyring = self.parts.repository.keyring
        safe = Safe(keyring, lambda: masterkey.load(settings, store_is_empty=False))
        return opened(keyring, safe) == self.secrets


def raw(place: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the store answers to a statement, read past the product."""
    with closing(sqlite3.connect(place / "data" / "mohet_keys.db")) as connection:
        return connection.execute(statement).fetchall()


def raw_faults(place: Path) -> list[str]:
    """What must hold at every moment: a whole file, and one data key that seals."""
    whole = [row[0] for row in raw(place, "PRAGMA integrity_check")]
    sealing = raw(place, "SELECT count(*) FROM data_key WHERE active AND purpose = 'seal'")
    orphans = raw(place, "PRAGMA foreign_key_check")
    return (
        [f"damaged: {whole}"] * (whole != ["ok"])
        + [f"{sealing[0][0]} data keys seal"] * (sealing[0][0] != 1)
        + [f"no parent: {orphans}"] * bool(orphans)
    )


_CHANCE = re.compile(r"X'[0-9A-F]*'|[\w+/=:-]{12,}")
_TIME = re.compile(r"'\d{4}-\d\d-\d\d [^']*'")


def shape(place: Path) -> str:
    """The store and the key files, where what was made by chance is told by its order alone: two
    kills that left the same have the same shape."""
    with closing(sqlite3.connect(place / "data" / "mohet_keys.db")) as connection:
        store = "\n".join(line for line in connection.iterdump() if line.startswith("INSERT"))
    config = place / "config"
    keys = [f"{path.name} '{path.read_text()}'" for path in sorted(config.glob("*"))]
    met: dict[str, str] = {}
    told = _TIME.sub("then", "\n".join([store, *keys]))
    return _CHANCE.sub(lambda found: met.setdefault(found[0], f"<{len(met)}>"), told)


def recorded(place: Path) -> list[tuple[Any, ...]]:
    """What is on record of the master key."""
    return raw(place, "SELECT action FROM event WHERE action IN ('rotate', 'retire', 'reseal')")


def unfinished(place: Path) -> bool:
    """Whether a re-sealing is under way, read past the product."""
    asked = "SELECT 1 FROM event LEFT JOIN event_outcome ON event_id = event.id"
    return bool(raw(place, f"{asked} WHERE action = 'reseal' AND event_id IS NULL"))


def left_over(parts: wiring.Parts, operation: str) -> list[str]:
    """What a finished operation must not leave."""
    status = parts.rotation.status()
    sealing = [key for key in status.data_keys if key.purpose == "seal"]
    wrong = [f"data keys are left: {sealing}"] * (len(sealing) != 1)
    wrong += ["it says that it is under way"] * (status.is_resealing or status.rotation is not None)
    wanted = "nothing" if operation == "retire" else "retire"
    wrong += [f"next is {status.next}"] * (status.next[0] != wanted)
    if operation == "new-data-key":
        wrong += [f"{sealing[0].secrets} are sealed anew"] * (sealing[0].secrets != 4)
    return wrong


# --- beside a process that writes ---------------------------------------------------------------


def edits(folder: Path, rotations: int) -> dict[str, Any]:
    """Rotate so many times with re-sealing while a process that knows only the old master key
    edits all the time. Everything that it was told is saved has to be there afterwards."""
    with started(folder, "old") as parts:
        ids = [add(parts, f"K{each}").id for each in range(30)]
    enough = folder / "enough"
    writer, said = forked(lambda say: edit(folder, ids, enough, say))
    os.read(said, len("ready\n"))
    refused = ""
    with started(folder, "both") as parts:
        for _ in range(rotations):
            parts.rotation.rotate(new_data_key=True)
            try:
                parts.rotation.retire()
            except RefusedError as error:
                refused = refused or str(error)
        enough.touch()
        lines = drained(said)
        os.waitpid(writer, 0)
        parts.rotation.retire()
    wanted = {line[1]: line[2] for line in lines if line[0] == "saved"}
    with started(folder, "new") as parts:
        found = {key: parts.keys.open(key, owner=LOCAL_OWNER).secret for key in wanted}
    return {
        "edits": sum(line[0] == "saved" for line in lines),
        "lost": sum(found[key] != wanted[key] for key in wanted),
        "errors": [" ".join(line) for line in lines if line[0] == "error"][:3],
        "refused": refused,
        "writer": writer,
    }


def edit(folder: Path, ids: list[str], enough: Path, say: Say) -> None:
    """Edit keys, one after the other, each with a new secret, and add some; 60 and until it is
    enough."""
    with started(folder, "old") as parts:
        me = name_of_this_process()
        for turn in range(5000):
            if turn % 25 == 0:
                now = datetime.now(UTC)
                parts.repository.leases.announce(me, parts.safe.master_ids, now)
            if not turn:
                say("ready")
            if turn >= 60 and enough.exists():
                break
            secret = canary("gsk_")
            if turn % 10 == 9:
                say(f"saved {add(parts, f'N{turn}', secret).id} {secret}")
                continue
            entry = parts.keys.entry(ids[turn % len(ids)], owner=LOCAL_OWNER)
            changes = KeyChanges(secret=SecretStr(secret))
            parts.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)
            say(f"saved {entry.id} {secret}")
            assert secret_of(parts, entry) == secret
        parts.repository.leases.leave(me)


# --- two operators ------------------------------------------------------------------------------


def two(folder: Path) -> dict[str, Any]:
    """A second rotation while one is under way, and another one when the first was killed."""
    with started(folder, "old") as parts:
        for each in range(4):
            add(parts, f"K{each}")

    def slow(say: Say) -> None:
        def wait(*_: object) -> list[object]:
            say("under way")
            time.sleep(60)
            return []

        with patch.object(Keyring, "former_secrets", wait), started(folder, "both") as mine:
            mine.rotation.rotate(new_data_key=True)

    def second(say: Say) -> None:
        with started(folder, "both") as mine:
            for operation in OPERATIONS.values():
                try:
                    operation(mine.rotation)
                except RefusedError as error:
                    say(f"refused x {error}")

    first, reader = forked(slow)
    os.read(reader, 5)
    other, said = forked(second)
    refused = [line[2] for line in drained(said) if line[0] == "refused"]
    os.waitpid(other, 0)
    with started(folder, "both") as parts:
        waits = parts.rotation.status().next
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        os.close(reader)
        after = parts.rotation.status().next
        resealed = parts.rotation.rotate(new_data_key=True).resealed
        parts.rotation.retire()
    with started(folder, "new") as parts:
        opens = len(opened(parts.repository.keyring, parts.safe))
    return {
        "holder": first,
        "refused": refused,
        "waits": waits,
        "after": after,
        "went_on": resealed is not None and resealed.went_on,
        "opens": opens,
    }


# --- without a guard ----------------------------------------------------------------------------


@contextmanager
def place_first() -> Iterator[None]:
    """Put the new generated key in its place before anything opens with it, and forget the old."""
    wrap = Rotation._wrap

    def wrapped(self: Rotation, target: MasterKey, at_hand: Sequence[MasterKey]) -> int:
        if masterkey_next.waiting(self._settings):
            masterkey_next.promote(self._settings)
        return wrap(self, target, at_hand)

    forgotten = patch.object(masterkey_next, "_keep", lambda *_: None)
    with patch.object(Rotation, "_wrap", wrapped), forgotten:
        yield


@contextmanager
def mint_again() -> Iterator[None]:
    """Begin a new data key, also where one is under way."""
    with patch.object(Keyring, "unfinished", lambda _self: None):
        yield


CASES = (
    ("set", "rotate"),
    ("set", "new-data-key"),
    ("set", "retire"),
    ("generated", "rotate"),
)


def crash_all(folder: Path) -> dict[str, Any]:
    """Every operation, with the kind of master key that it has the most steps with."""
    return {
        f"{kind} {operation}": crash(folder / kind / operation, kind, operation)
        for kind, operation in CASES
    }


def without(folder: Path) -> dict[str, list[str]]:
    """What is found to be broken without each of some guards."""
    found = {}
    for guard, kind, operation in (
        (place_first, "generated", "rotate"),
        (mint_again, "set", "new-data-key"),
    ):
        with guard():
            found[guard.__name__] = crash(folder / guard.__name__, kind, operation, 1)["broken"]
    return found


def main() -> None:
    """Read the arguments, rotate, print what came of it."""
    mode, folder, *more = sys.argv[1:]
    resealing.BATCH = 2 if mode in {"crash", "without"} else 10
    modes: dict[str, Callable[[Path], object]] = {
        "crash": crash_all,
        "without": without,
        "edits": lambda place: edits(place, int(more[0])),
        "two": two,
    }
    if mode in {"crash", "without"}:
        in_memory()
        resealing.PAUSE = 0
        gc.disable()  # a child would copy every page that a collection touches
    sys.stdout.write(json.dumps(modes[mode](Path(folder))) + "\n")


if __name__ == "__main__":
    main()
