"""Writes to the store of a machine, through the product, until it is killed or its input ends.

Run as `python -m tests.hosting.writer OWNER RATE`, with the settings of the machine in the
environment. Prints a line for everything that was acknowledged: `saved NAME`, and `failed WHY`.
"""

from __future__ import annotations

import select
import sys
import time

from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.errors import MohetError
from mohet_keys.model import KeyChanges, KeyEntry, NewKey
from tests.leaks import canary


def main() -> None:
    """Read the arguments, and write."""
    owner, rate = sys.argv[1], float(sys.argv[2])
    parts = wiring.build()
    say("ready")
    number, last = 0, None
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.monotonic()
        number += 1
        try:
            last = write(parts, owner, number, last)
        except MohetError as error:
            last = None
            say(f"failed {error}")
        else:
            say(f"saved {last.name} {time.monotonic():.3f}")
        time.sleep(max(0.0, began + 1 / rate - time.monotonic()))


def write(parts: wiring.Parts, owner: str, number: int, last: KeyEntry | None) -> KeyEntry:
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
