"""What was sent through keys, day by day. A day begins at midnight UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from mohet_keys.database import Database
from mohet_keys.model import Spent
from mohet_keys.tables import KEY, USE

__all__ = ["DayOfUse", "Spent", "Uses"]


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """What was sent on one day."""

    day: date
    requests: int
    errors: int
    tokens_in: int
    tokens_out: int


class Uses:
    """What was sent. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, key_id: str, owner: str, at: datetime, spent: Spent) -> None:
        """Count one message. One through a key that is gone by now is not counted."""
        with self._database.writing() as connection:
            add(connection, key_id, owner, at, spent)

    def days(self, owner: str, since: date, *, key_id: str | None = None) -> list[DayOfUse]:
        """Each day on which something was sent, the oldest first; of one key, or of all."""
        sums = (USE.c.requests, USE.c.errors, USE.c.tokens_in, USE.c.tokens_out)
        asked = (
            select(USE.c.day, *(func.sum(column) for column in sums))
            .join(KEY, KEY.c.id == USE.c.key_id)
            .where(KEY.c.owner == owner, USE.c.day >= since.isoformat())
            .group_by(USE.c.day)
            .order_by(USE.c.day)
        )
        if key_id is not None:
            asked = asked.where(USE.c.key_id == key_id)
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return [DayOfUse(date.fromisoformat(row[0]), *map(int, row[1:])) for row in rows]

    def last_used(self, key_ids: Sequence[str]) -> dict[str, datetime]:
        """When something was last sent through each of these keys, as far as is kept."""
        # One look into the index for each key: of its days only the last one is read.
        last = (
            select(USE.c.last_at)
            .where(USE.c.key_id == KEY.c.id)
            .order_by(USE.c.day.desc())
            .limit(1)
            .scalar_subquery()
        )
        asked = select(KEY.c.id, last).where(KEY.c.id.in_(key_ids))
        with self._database.reading() as connection:
            return {key_id: at for key_id, at in connection.execute(asked) if at is not None}

    def prune(self, before: date) -> int:
        """Delete the days before, but for the last day of each key, which says when it was used.

        Returns how many lines went.
        """
        later = USE.alias()
        has_later = select(later.c.day).where(
            later.c.key_id == USE.c.key_id, later.c.day > USE.c.day
        )
        with self._database.writing() as connection:
            old = delete(USE).where(USE.c.day < before.isoformat(), has_later.exists())
            return connection.execute(old).rowcount


def add(connection: Connection, key_id: str, owner: str, at: datetime, spent: Spent) -> None:
    """Count one message, in a transaction that is under way."""
    mine = select(KEY.c.id).where(KEY.c.id == key_id, KEY.c.owner == owner)
    if connection.execute(mine).first() is None:
        return
    here = (USE.c.key_id == key_id, USE.c.day == at.date().isoformat())
    more = {
        USE.c.requests: USE.c.requests + 1,
        USE.c.errors: USE.c.errors + int(spent.is_error),
        USE.c.tokens_in: USE.c.tokens_in + spent.tokens_in,
        USE.c.tokens_out: USE.c.tokens_out + spent.tokens_out,
        USE.c.last_at: at,
    }
    if not connection.execute(update(USE).where(*here).values(more)).rowcount:
        first = {"requests": 1, "errors": int(spent.is_error), "last_at": at}
        tokens = {"tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}
        place = {"key_id": key_id, "day": at.date().isoformat()}
        connection.execute(insert(USE).values(**place, **first, **tokens))
