"""When each key is looked at next. Held keys and altered rows are not looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, insert, or_, select, update

from mohet_keys.database import Database
from mohet_keys.model import Verdict
from mohet_keys.tables import CHECK, KEY, WATCH, Moment

_AT_ONCE = 500
"""Keys in one statement or transaction."""
_CHECKED = and_(CHECK.c.key_id == KEY.c.id, CHECK.c.revision == KEY.c.revision)
_ASKED = and_(
    KEY.c.looks_like.is_(None),
    func.coalesce(CHECK.c.verdict, "") != Verdict.LOCKED.value,
)
"""Whether anything would be sent for a key."""
_LOOKED_AT = WATCH.join(KEY, KEY.c.id == WATCH.c.key_id).outerjoin(CHECK, _CHECKED)
_NEXT_AT = (
    select(KEY.c.id, WATCH.c.next_at)
    .select_from(_LOOKED_AT)
    .where(_ASKED, KEY.c.id.in_(bindparam("key_ids", expanding=True)))
)
"""Made once: every page asks, and making it takes longer than SQLite takes to answer."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A key that is looked at from time to time, as it stands.

    `failures` is how often in a row a look at it failed. `verdict` is None without a check, and
    the word as stored, which may be one of a later version.
    """

    key_id: str
    owner: str
    endpoint: str
    next_at: datetime
    failures: int
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Next:
    """When a key is to be looked at, and how often in a row a look at it failed."""

    key_id: str
    at: datetime
    failures: int = 0


class Watches:
    """The looks to come, at everybody's keys. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, *, latest: datetime, limit: int) -> list[Watched]:
        """The keys whose time has come, the longest overdue first.

        So are those whose next look is later than it can be, `latest`: the clock was put back
        since, or the setting changed.
        """
        come = or_(WATCH.c.next_at <= now, WATCH.c.next_at > latest)
        return self._watched(_watched().where(come), limit)

    def soonest(self, *, limit: int) -> list[Watched]:
        """The keys whose time comes next, whether it has come or not."""
        return self._watched(_watched(), limit)

    def next_at(self, key_ids: Sequence[str]) -> dict[str, datetime]:
        """When these keys are looked at next; those are left out that are not looked at."""
        found: dict[str, datetime] = {}
        with self._database.reading() as connection:
            for at in range(0, len(key_ids), _AT_ONCE):
                part = {"key_ids": key_ids[at : at + _AT_ONCE]}
                found.update((row.id, row.next_at) for row in connection.execute(_NEXT_AT, part))
        return found

    def put(self, nexts: Sequence[Next]) -> None:
        """Say when keys are looked at next. One that is gone by now is left out."""
        for at in range(0, len(nexts), _AT_ONCE):
            with self._database.writing() as connection:
                for each in nexts[at : at + _AT_ONCE]:
                    values = {"next_at": each.at, "failures": each.failures}
                    row = update(WATCH).where(WATCH.c.key_id == each.key_id).values(values)
                    there = select(KEY.c.id).where(KEY.c.id == each.key_id)
                    if connection.execute(row).rowcount or not connection.execute(there).first():
                        continue
                    connection.execute(insert(WATCH).values(key_id=each.key_id, **values))

    def enrol(self, first: Callable[[datetime], datetime]) -> int:
        """Take in the keys that are not looked at yet; a few hundred at a time.

        `first` says when, from the time that something was last heard of the key. Returns how many.
        """
        since = func.coalesce(CHECK.c.checked_at, KEY.c.secret_at, KEY.c.created_at, type_=Moment)
        beside = KEY.outerjoin(CHECK, _CHECKED).outerjoin(WATCH, WATCH.c.key_id == KEY.c.id)
        asked = select(KEY.c.id, since.label("since")).select_from(beside)
        with self._database.reading() as connection:
            missing = asked.where(WATCH.c.key_id.is_(None), _ASKED).limit(_AT_ONCE)
            rows = connection.execute(missing).all()
        self.put([Next(row.id, first(row.since)) for row in rows])
        return len(rows)

    def hasten(self, now: datetime) -> int:
        """Have the keys that failed looked at now, and not only later. Returns how many."""
        late = (WATCH.c.failures > 0, WATCH.c.next_at > now)
        with self._database.writing() as connection:
            return connection.execute(update(WATCH).where(*late).values(next_at=now)).rowcount

    def _watched(self, asked: Select[Any], limit: int) -> list[Watched]:
        ordered = asked.order_by(WATCH.c.next_at, WATCH.c.key_id).limit(limit)
        with self._database.reading() as connection:
            return [Watched(*row) for row in connection.execute(ordered)]


def _watched() -> Select[Any]:
    """The keys that are looked at, in the order of the fields of `Watched`."""
    about = (KEY.c.id, KEY.c.owner, KEY.c.endpoint, WATCH.c.next_at, WATCH.c.failures)
    return select(*about, CHECK.c.verdict).select_from(_LOOKED_AT).where(_ASKED)
