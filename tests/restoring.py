"""Backups and restores beside a process that writes, on a disk that is full, and killed midway.

Run as `python -m tests.restoring MODE FOLDER …`; prints one JSON object. It is a program of its own
because it forks: everything is imported once, and each child works after some milliseconds. With
`--careless` at the end it does the same without the care, to see that the harm would be noticed.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import resource
import shutil
import signal
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  # so that a child need not import it when it migrates
from pydantic import SecretStr

from mohet_keys import backup, candidate, restore, sqlite_copy, wiring
from mohet_keys.errors import MohetError
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.settings import Settings
from tests.leaks import canary


def settings_in(folder: Path) -> Settings:
    """A store and a master key of its own."""
    return Settings(data_dir=folder / "data", config_dir=folder / "config")


def add(parts: wiring.Parts, number: int) -> None:
    """Save a key that is named by a number."""
    new = NewKey(provider="groq", name=f"{number}", secret=SecretStr(canary("gsk_")))
    parts.keys.add(new, owner=LOCAL_OWNER)


def numbers(path: Path) -> list[int]:
    """The keys in a file, in order; raises sqlite3.Error for what is no whole database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(str(found))
        return sorted(int(row[0]) for row in connection.execute("SELECT name FROM api_key"))


class Writer:
    """A process that saves keys 1, 2, 3… through one opened product, until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._shared = mmap.mmap(-1, 32)
        self._error = settings.data_dir.parent / "writer-error.txt"
        self.pid = os.fork()
        if self.pid:
            return
        try:
            self._write(settings)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test has to hear of it
            self._error.write_text(f"{type(error).__name__}: {error}")
        os._exit(0)

    def _write(self, settings: Settings) -> None:
        parts = wiring.build(settings)
        while not self._shared[8]:
            number = self.acknowledged + 1
            add(parts, number)
            self._shared[0:8] = struct.pack("q", number)

    @property
    def acknowledged(self) -> int:
        """The last key of which it was told that it is saved."""
        (number,) = struct.unpack("q", self._shared[0:8])
        return int(number)

    def wait_for(self, number: int) -> None:
        """Wait until it has saved so many; give up when it has died."""
        until = time.monotonic() + 20
        while self.acknowledged < number and not self._error.exists() and time.monotonic() < until:
            time.sleep(0.002)

    def stopped(self) -> str:
        """Tell it to stop, wait for that, and return its error, empty for none."""
        self._shared[8] = 1
        os.waitpid(self.pid, 0)
        return self._error.read_text() if self._error.exists() else ""


CARELESS = "--careless" in sys.argv
NAME = "mohet_keys.db"


def backups(folder: Path) -> dict[str, Any]:
    """Make backups beside a writer: each must hold the first so many keys, and all it had to."""
    settings, wrong, sizes = settings_in(folder), [], []
    if CARELESS:
        sqlite_copy.copy = lambda live, part: shutil.copyfile(live, part)
    writer = Writer(settings)
    for turn in range(8):
        writer.wait_for(writer.acknowledged + 3)
        before = writer.acknowledged
        try:
            saved = backup.save(settings, folder / f"{turn}.db")
        except MohetError as error:
            wrong.append(str(error))
            continue
        after = writer.acknowledged
        found = numbers(saved.file)
        sizes.append(len(found))
        if found != list(range(1, len(found) + 1)) or not before <= len(found) <= after + 1:
            wrong.append(f"{before} before, {after} after, in it {found}")
    return {"error": writer.stopped(), "wrong": wrong, "keys": sizes}


def restores(folder: Path) -> dict[str, Any]:
    """Restore a backup beside a writer: nothing it was told is saved may be lost."""
    settings, kept = settings_in(folder), []
    if CARELESS:
        sqlite_copy.overwrite = unlocked
    writer = Writer(settings)
    writer.wait_for(10)
    saved = backup.save(settings, folder / "backup.db")
    writer.wait_for(saved.keys + 10)
    for _ in range(5):
        restored = restore.restore(settings, saved.file)
        writer.wait_for(writer.acknowledged + 10)
        kept.append(numbers(restored.kept or Path()))
    last = kept[-1][-1]
    error = writer.stopped()
    lost = set(range(1, writer.acknowledged + 1)) - set(numbers(settings.data_dir / NAME))
    return {
        "error": error,
        "lost": sorted(lost.difference(*kept)),
        "kept": [len(each) for each in kept],
        "last": last,
    }


def unlocked(live: Path, source: Path, first: Callable[[], None]) -> None:
    """A restore that keeps the old store before it has the lock, or a moment before."""
    first()
    time.sleep(0.05)
    with (
        contextlib.closing(sqlite3.connect(live)) as write,
        contextlib.closing(sqlite3.connect(source)) as read,
    ):
        read.backup(write)


# --- killed midway --------------------------------------------------------------------------


_STEPS = ("open", "os.", "sqlite3.", "shutil.", "tempfile.")


def dying(n: int, live: Path, copy: Path) -> bool:
    """Exchange a store in a child that is killed at the n-th step. Returns whether it was.

    Steps are all that is asked of the system, and every page.
    """
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = [n]

    def step(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    not_busy = sqlite_copy._not_busy

    def page(*status: int) -> None:
        step()
        not_busy(*status)

    sqlite_copy._not_busy = page
    sys.addaudithook(lambda event, _: step() if event.startswith(_STEPS) else None)
    if CARELESS:
        written_over(live, copy, step)
    else:
        restore._replace(live, copy, datetime.now(UTC))
    os._exit(0)


def written_over(live: Path, copy: Path, step: Callable[[], None]) -> None:
    """What `cp` does."""
    with live.open("r+b") as file:
        content = copy.read_bytes()
        for at in range(0, len(content), 4096):
            file.write(content[at : at + 4096])
            file.flush()
            step()
        file.truncate()


def kill(folder: Path, state: str) -> dict[str, Any]:
    """Kill a restore at its first, second, third… step, until one comes through."""
    template = folder / "template"
    settings = settings_in(template)
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, 1)
        saved = backup.save(settings, folder / "backup.db")
        for number in range(2, 40):
            add(parts, number)
    live = template / "data" / NAME
    if state == "damaged":
        live.write_bytes(b"\xff" * 100 + live.read_bytes()[100:])
    elif state == "missing":
        live.unlink()
    old, wrong, news = seen(template), [], 0
    for n in range(1, 1000):
        home = folder / f"{n}"
        shutil.copytree(template, home)
        shutil.copy(saved.file, home)
        killed = dying(n, home / "data" / NAME, home / saved.file.name)
        now = seen(home)
        if now not in (old, [1]):
            wrong.append(f"at step {n}: {now}")
        if now == [1] and state != "missing" and not any(map(is_kept, (home / "data").iterdir())):
            wrong.append(f"at step {n}: the old store is gone")
        news += killed and now == [1]
        shutil.rmtree(home)
        if not killed:
            return {"steps": n - 1, "wrong": wrong, "now": now, "new_when_killed": news}
    return {"steps": 1000, "wrong": ["it never came through"]}


def is_kept(file: Path) -> bool:
    """Whether a file is the old store, whole, under the name it is kept by."""
    if ".damaged-" in file.name:
        return file.read_bytes()[:100] == b"\xff" * 100
    return ".before-restore-" in file.name and ".part-" not in file.name and numbers(file) != [1]


def seen(home: Path) -> list[int] | str:
    """What is in a store as its users find it: the keys, or why there are none."""
    path = home / "data" / NAME
    if not path.exists():
        return "missing"
    try:
        return numbers(path)
    except sqlite3.Error as error:
        return str(error)


# --- no room --------------------------------------------------------------------------------


@contextlib.contextmanager
def room(size: int) -> Iterator[None]:
    """A disk on which no file may grow beyond so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full(folder: Path, when: str) -> dict[str, Any]:
    """A backup and a restore on a disk that is full, and again when it is not.

    `early` it has no room for a copy of the store, `late` none for the exchange after it.
    """
    settings, said = settings_in(folder), []
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, 1)
        saved = backup.save(settings, folder / "backup.db")
        add(parts, 2)
        before = sorted(path.name for path in folder.rglob("*") if path.is_file())
        with candidate.examined(settings, saved.file) as (_, copy):
            for work in (
                lambda: backup.save(settings, folder / "other.db"),
                lambda: restore.restore(settings, saved.file),
                lambda: restore._replace(settings.data_dir / NAME, copy, datetime.now(UTC)),
            ):
                with room(20_000 if when == "early" else saved.bytes + 100):
                    try:
                        work()
                    except MohetError as error:
                        said.append(f"{error.code}: {error}")
        after = sorted(path.name for path in folder.rglob("*") if path.is_file())
        found = sorted(int(e.name) for e in parts.keys.list(owner=LOCAL_OWNER).entries)
        restore.restore(settings, saved.file)
        then = sorted(int(e.name) for e in parts.keys.list(owner=LOCAL_OWNER).entries)
    return {"said": said, "left": sorted(set(after) - set(before)), "found": found, "then": then}


def main() -> None:
    """Read the arguments, do it, print what came of it."""
    mode, place = sys.argv[1:3]
    folder = Path(place)
    modes: dict[str, Callable[[], dict[str, Any]]] = {
        "backups": lambda: backups(folder),
        "restores": lambda: restores(folder),
        "kill": lambda: kill(folder, sys.argv[3]),
        "full": lambda: full(folder, sys.argv[3]),
    }
    sys.stdout.write(json.dumps(modes[mode]()) + "\n")


if __name__ == "__main__":
    main()
