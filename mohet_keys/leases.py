"""Who of several processes may do what only one may do at a time, and which of them run.

A lease ends by itself, so that a process that was killed holds nobody up for long; one whose
process is seen to be gone from this machine is taken over at once.
"""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, insert, select, update

from mohet_keys.database import Database
from mohet_keys.tables import LEASE, PROCESS

ALIVE_FOR = timedelta(seconds=60)
"""How long a process counts as running after it was last heard of."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that a process has, until it ends by itself or is renewed."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """A running app. `masters` are the ids of the master keys it can open with."""

    id: str
    masters: tuple[str, ...]
    started_at: datetime
    seen_at: datetime


class Leases:
    """Leases and running processes. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, now: datetime, lasts: timedelta) -> Held | None:
        """Take or renew a lease until `now` and `lasts`. None when it is ours, else who has it."""
        with self._database.writing() as connection:
            row = connection.execute(select(LEASE).where(LEASE.c.name == name)).first()
            # One that ends much later than it may last was taken before the clock was put back.
            lasting = row is not None and now < row.until <= now + 2 * lasts
            if row and row.holder != holder and lasting and not is_gone(row.holder):
                return Held(row.holder, row.until)
            values = {"holder": holder, "until": now + lasts}
            if row:
                connection.execute(update(LEASE).where(LEASE.c.name == name).values(values))
            else:
                connection.execute(insert(LEASE).values(name=name, **values))
        return None

    def held(self, name: str, now: datetime) -> Held | None:
        """Who has a lease now, as far as it can be seen."""
        asked = select(LEASE).where(LEASE.c.name == name, LEASE.c.until > now)
        with self._database.reading() as connection:
            row = connection.execute(asked).first()
        return Held(row.holder, row.until) if row and not is_gone(row.holder) else None

    def let_go(self, name: str, holder: str) -> None:
        """Give a lease back, if it is ours."""
        with self._database.writing() as connection:
            connection.execute(delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))

    def announce(
        self,
        process: str,
        masters: Sequence[str],
        now: datetime,
        *,
        used_at: datetime | None = None,
    ) -> None:
        """Say that a process runs, and which master keys it has; again from time to time.

        `used_at` is when somebody last used it.
        """
        with self._database.writing() as connection:
            values = {"masters": " ".join(masters), "seen_at": now, "used_at": used_at}
            own = PROCESS.c.id == process
            if not connection.execute(update(PROCESS).where(own).values(values)).rowcount:
                connection.execute(insert(PROCESS).values(id=process, started_at=now, **values))
            connection.execute(delete(PROCESS).where(PROCESS.c.seen_at < now - ALIVE_FOR))

    def leave(self, process: str) -> None:
        """Say that a process ends."""
        with self._database.writing() as connection:
            connection.execute(delete(PROCESS).where(PROCESS.c.id == process))

    def last_used(self, now: datetime) -> datetime | None:
        """When somebody last used one of the running processes, as far as they told."""
        asked = select(func.max(PROCESS.c.used_at)).where(PROCESS.c.seen_at >= now - ALIVE_FOR)
        with self._database.reading() as connection:
            used_at: datetime | None = connection.execute(asked).scalar()
        return used_at

    def running(self, now: datetime) -> list[Running]:
        """The processes that were heard of lately and are not seen to be gone."""
        asked = select(PROCESS).where(PROCESS.c.seen_at >= now - ALIVE_FOR)
        with self._database.reading() as connection:
            rows = connection.execute(asked.order_by(PROCESS.c.started_at)).all()
        found = (Running(r.id, tuple(r.masters.split()), r.started_at, r.seen_at) for r in rows)
        return [process for process in found if not is_gone(process.id)]


def name_of_this_process() -> str:
    """A name for this process that no other has: machine, process id, place and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{_place()}-{uuid.uuid4().hex[:8]}"


def shown_process(process: str) -> str:
    """A process in words."""
    host, _, rest = process.partition(":")
    number = rest.partition(":")[0]
    return f"process {number} on {host}" if number else process


def is_gone(process: str) -> bool:
    """Whether a process is seen not to run: it was in this place, and its id is nobody's."""
    host, _, rest = process.partition(":")
    number, _, tail = rest.partition(":")
    here = host == socket.gethostname() and tail.partition("-")[0] == _place()
    if not here or not number.isdecimal() or not hasattr(os, "getpgid"):
        return False
    try:
        os.getpgid(int(number))
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _place() -> str:
    """Where process ids mean the same as here: this machine since its start, in this container.

    Containers may have a host's name in common and yet not see each other's processes.
    """
    known = ""
    with suppress(OSError):
        known += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    with suppress(OSError):
        known += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(known.encode()).hexdigest()[:8]
