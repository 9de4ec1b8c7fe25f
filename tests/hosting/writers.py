"""Processes that write to the store of a machine, through the product, until they are killed.

Run as `python -m tests.hosting.writers OWNER RATE` it is one of them, with the settings of the
machine in the environment: it prints a line for all that it was told, `saved NAME` or `failed WHY`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from threading import Thread

from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.errors import MohetError
from mohet_keys.model import KeyChanges, KeyEntry, NewKey
from mohet_keys.wiring import Parts
from tests.browser.app_server import ROOT
from tests.browser.waiting import PATIENCE, until
from tests.hosting.machine import Machine
from tests.leaks import canary

WRITERS = ("one@example.com", "two@example.com")


class Writers:
    """Two processes of the product that write, and what they were told."""

    def __init__(self, machine: Machine, rate: int) -> None:
        self._since = (0.0, 0)
        self._said: dict[str, list[str]] = {owner: [] for owner in WRITERS}
        self._processes = [self._begun(machine, owner, rate / len(WRITERS)) for owner in WRITERS]
        self._threads = [
            Thread(target=_hear, args=each)
            for each in zip(self._processes, self._said.values(), strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def _begun(self, machine: Machine, owner: str, rate: float) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.hosting.writers", owner, str(rate)],
            cwd=ROOT,
            env={**os.environ, **machine.environment, "HOME": str(machine.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        """End them in the middle of it."""
        for process in self._processes:
            process.kill()
            process.communicate()
        for thread in self._threads:
            thread.join()

    @property
    def names(self) -> dict[str, list[str]]:
        """What was acknowledged so far, by whom."""
        return {
            owner: [line.split()[1] for line in list(said) if line.startswith("saved")]
            for owner, said in self._said.items()
        }

    def count(self) -> None:
        """Count them from now on."""
        self._since = (time.monotonic(), sum(map(len, self.names.values())))

    @property
    def rate(self) -> float:
        """How many a second were acknowledged since they are counted."""
        at, before = self._since
        return (sum(map(len, self.names.values())) - before) / (time.monotonic() - at)

    @property
    def failed(self) -> set[str]:
        """What was refused so far, in words."""
        return {line for said in self._said.values() for line in said if line.startswith("failed")}

    def wait_for(self, more: int, within: float = PATIENCE) -> None:
        """Wait until each was told so much more to be saved."""
        wanted = {owner: len(names) + more for owner, names in self.names.items()}
        until(lambda: all(len(names) >= wanted[o] for o, names in self.names.items()), within)

    def lost(self, parts: Parts) -> list[str]:
        """What was acknowledged and is not there. What has an odd number got the next one's name
        afterwards, also when nobody was told of it any more."""
        missing = []
        for owner, names in self.names.items():
            there = {entry.name for entry in parts.keys.list(owner=owner).entries}
            for name in names:
                number = int(name[1:])
                if not there & {name, f"W{number + 1}" if number % 2 else name}:
                    missing.append(f"{owner}: {name}")
        return missing


def _hear(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stdout
    with suppress(ValueError):  # it was closed when the process was killed
        for line in process.stdout:
            said.append(line)  # noqa: PERF402  # others look at it meanwhile


@contextmanager
def writing(machine: Machine, rate: int = 50) -> Iterator[Writers]:
    """Two processes write so often in a second, until they are killed at the end of the block."""
    with closing(machine.parts()) as parts:
        for owner in WRITERS:
            parts.repository.people.arrived(owner, owner, datetime.now(UTC), administrator=False)
    writers = Writers(machine, rate)
    try:
        writers.wait_for(1)
        writers.count()
        yield writers
    finally:
        writers.kill()


# --- one of them ----------------------------------------------------------------------------


def main() -> None:
    """Read the arguments, and write."""
    owner, rate = sys.argv[1], float(sys.argv[2])
    parts = wiring.build()
    number, last = 0, None
    while True:
        began = time.monotonic()
        number += 1
        try:
            last = write(parts, owner, number, last)
        except MohetError as error:
            last = None
            say(f"failed {error}")
        else:
            say(f"saved {last.name}")
        time.sleep(max(0.0, began + 1 / rate - time.monotonic()))


def write(parts: Parts, owner: str, number: int, last: KeyEntry | None) -> KeyEntry:
    """Save a key, or give the one that was saved last another name."""
    if number % 2 or last is None:
        new = NewKey(provider="groq", name=f"W{number}", secret=SecretStr(canary("gsk_")))
        return parts.keys.add(new, owner=owner).entry
    changes = KeyChanges(name=f"W{number}")
    return parts.keys.edit(last.id, changes, owner=owner, version=last.version).entry


def say(line: str) -> None:
    """Say it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
