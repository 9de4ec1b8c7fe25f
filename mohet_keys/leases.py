"""Who of several processes may do what only one may do at a time, and which of them run.

A lease ends by itself, so that a process that was killed holds nobody up for long; one whose
process is seen to be gone from this machine is taken over at once.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from mohet_keys.database import Database
from mohet_keys.tables import LEASE, PROCESS

ALIVE_FOR = timedelta(seconds=60)
"""How long a process counts as running after it was last heard of."""


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

    def take(self, name: str, holder: str, now: datetime, lasts: timedelta) -> str | None:
        """Take or renew a lease until `now` and `lasts`. None when it is ours, else its holder."""
        with self._database.writing() as connection:
            row = connection.execute(select(LEASE).where(LEASE.c.name == name)).first()
            if row and row.holder != holder and row.until > now and not is_gone(row.holder):
                return str(row.holder)
            values = {"holder": holder, "until": now + lasts}
            if row:
                connection.execute(update(LEASE).where(LEASE.c.name == name).values(values))
            else:
                connection.execute(insert(LEASE).values(name=name, **values))
        return None

    def let_go(self, name: str, holder: str) -> None:
        """Give a lease back, if it is ours."""
        with self._database.writing() as connection:
            connection.execute(delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))

    def announce(self, process: str, masters: Sequence[str], now: datetime) -> None:
        """Say that a process runs, and which master keys it has; again from time to time."""
        with self._database.writing() as connection:
            values = {"masters": " ".join(masters), "seen_at": now}
            own = PROCESS.c.id == process
            if not connection.execute(update(PROCESS).where(own).values(values)).rowcount:
                connection.execute(insert(PROCESS).values(id=process, started_at=now, **values))
            connection.execute(delete(PROCESS).where(PROCESS.c.seen_at < now - ALIVE_FOR))

    def leave(self, process: str) -> None:
        """Say that a process ends."""
        with self._database.writing() as connection:
            connection.execute(delete(PROCESS).where(PROCESS.c.id == process))

    def running(self, now: datetime) -> list[Running]:
        """The processes that were heard of lately and are not seen to be gone."""
        asked = select(PROCESS).where(PROCESS.c.seen_at >= now - ALIVE_FOR)
        with self._database.reading() as connection:
            rows = connection.execute(asked.order_by(PROCESS.c.started_at)).all()
        found = (Running(r.id, tuple(r.masters.split()), r.started_at, r.seen_at) for r in rows)
        return [process for process in found if not is_gone(process.id)]


def name_of_this_process() -> str:
    """A name for this process that no other has: machine, process id and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_gone(process: str) -> bool:
    """Whether a process is seen not to run: it was on this machine, and its id is nobody's."""
    host, _, rest = process.partition(":")
    number = rest.partition(":")[0]
    if host != socket.gethostname() or not number.isdigit() or not hasattr(os, "getpgid"):
        return False
    try:
        os.getpgid(int(number))
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
