"""What was sent through keys, day by day, and when last. A day begins at midnight UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from mohet_keys.database import Database
from mohet_keys.errors import LimitError
from mohet_keys.model import Spent
from mohet_keys.pruning import prune
from mohet_keys.queries import is_seen_by
from mohet_keys.rules import TeamRules
from mohet_keys.tables import KEY, PERSON_USE, RULE, USE

__all__ = ["DayOfUse", "Spent", "Uses"]


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """What was sent on one day."""

    day: date
    requests: int
    errors: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class PersonsUse:
    """What one person sent within some time, through all keys."""

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
            .where(is_seen_by(owner), USE.c.day >= since.isoformat())
            .group_by(USE.c.day)
            .order_by(USE.c.day)
        )
        if key_id is not None:
            asked = asked.where(USE.c.key_id == key_id)
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return [DayOfUse(date.fromisoformat(row[0]), *map(int, row[1:])) for row in rows]

    # --- of people ----------------------------------------------------------------------------

    def of_people(self, since: date) -> dict[str, PersonsUse]:
        """What each person sent since a day, without those who sent nothing."""
        columns = (PERSON_USE.c[name] for name in ("requests", "errors", "tokens_in", "tokens_out"))
        asked = (
            select(PERSON_USE.c.person, *(func.sum(column) for column in columns))
            .where(PERSON_USE.c.day >= since.isoformat())
            .group_by(PERSON_USE.c.person)
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return {person: PersonsUse(*map(int, sums)) for person, *sums in rows}

    def this_month(self, person: str, key_id: str, at: datetime) -> tuple[int, int]:
        """How many requests the person sent this month, and how many were sent through the key."""
        with self._database.reading() as connection:
            return (
                _requests(connection, PERSON_USE.c.person == person, at),
                _requests(connection, PERSON_USE.c.key_id == key_id, at),
            )

    def prune_people(self, before: date) -> int:
        """Delete the days before of everybody's use. Returns how many lines went."""
        return prune(self._database, PERSON_USE, PERSON_USE.c.day < before.isoformat())

    def prune(self, before: date) -> int:
        """Delete the days before. Returns how many lines went."""
        return prune(self._database, USE, USE.c.day < before.isoformat())


def add(connection: Connection, key_id: str, owner: str, at: datetime, spent: Spent) -> None:
    """Count one message, in a transaction that is under way."""
    mine = update(KEY).where(KEY.c.id == key_id, KEY.c.owner == owner)
    if not connection.execute(mine.values(used_at=at)).rowcount:
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


# --- of people, in a transaction that is under way -------------------------------------------


def month_of(at: datetime) -> tuple[datetime, datetime]:
    """When the month of a moment began, and when the next one does; in UTC."""
    first = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, (first + timedelta(days=32)).replace(day=1)


def take(connection: Connection, person: str, key_id: str, at: datetime, rules: TeamRules) -> None:
    """Count a message that is about to be sent, so that no two take the last one together.

    Raises LimitError when the person, or everybody through this key, sent as many as allowed.
    """
    if rules.person_limit is not None or rules.key_limit is not None:
        _hold(connection)
    resets_at = month_of(at)[1]
    limit = rules.person_limit
    if limit is not None and _requests(connection, PERSON_USE.c.person == person, at) >= limit:
        raise LimitError("person", limit, resets_at)
    limit = rules.key_limit
    if limit is not None and _requests(connection, PERSON_USE.c.key_id == key_id, at) >= limit:
        raise LimitError("key", limit, resets_at)
    _add(connection, person, key_id, at, {"requests": 1})


def spend(connection: Connection, person: str, key_id: str, at: datetime, spent: Spent) -> None:
    """Count what a message took that was counted when it began."""
    tokens = {"tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}
    _add(connection, person, key_id, at, {"errors": int(spent.is_error), **tokens})


def _hold(connection: Connection) -> None:
    """Hold the rules until the transaction is over, so that what is counted against them is
    counted one after the other. SQLite lets one write at a time anyway."""
    connection.execute(select(RULE.c.id).with_for_update())


def _requests(connection: Connection, whose: ColumnElement[bool], at: datetime) -> int:
    """The requests of the month. Days after it are of a clock that was wrong."""
    first, then = (moment.date().isoformat() for moment in month_of(at))
    days = (PERSON_USE.c.day >= first, PERSON_USE.c.day < then)
    asked = select(func.coalesce(func.sum(PERSON_USE.c.requests), 0)).where(whose, *days)
    return int(connection.execute(asked).scalar_one())


def _add(
    connection: Connection, person: str, key_id: str, at: datetime, more: dict[str, int]
) -> None:
    place = {"person": person, "day": at.astimezone(UTC).date().isoformat(), "key_id": key_id}
    here = [PERSON_USE.c[name] == value for name, value in place.items()]
    added = {PERSON_USE.c[name]: PERSON_USE.c[name] + value for name, value in more.items()}
    if not connection.execute(update(PERSON_USE).where(*here).values(added)).rowcount:
        none = dict.fromkeys(("requests", "errors", "tokens_in", "tokens_out"), 0)
        connection.execute(insert(PERSON_USE).values(**place, **none | more))
