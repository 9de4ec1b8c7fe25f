"""The record of what happened to keys: it is added to and read, and nothing else.

What is done in the store is recorded in the transaction that does it. What leaves the store, a use
of a key, is recorded before it happens, and its outcome beside it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    union,
)

from mohet_keys import endpoints, uses
from mohet_keys.database import ClashError, Database
from mohet_keys.errors import InputError, StoreError
from mohet_keys.model import LOCAL_OWNER, Activity, Doing, KeyEntry, Spent
from mohet_keys.rows import is_storable, storable
from mohet_keys.rules import TeamRules
from mohet_keys.tables import EVENT, KEY, OUTCOME

MARK = 16
"""Hex digits of a fingerprint that are recorded: enough to tell secrets apart."""
MESSAGE = "chat"
"""The action that is counted against a limit."""
UNREADABLE = "unreadable"
"""The action of an entry that somebody altered in the database so that it cannot be read."""
NOT_RECORDED = "This cannot be recorded, so it was not done."
_AT_ONCE = 1000
_RESULT = func.coalesce(OUTCOME.c.result, EVENT.c.result)
_DETAIL = func.coalesce(OUTCOME.c.detail, EVENT.c.detail)
_SEARCHED = (EVENT.c.key_name, EVENT.c.host, EVENT.c.actor, EVENT.c.key_id, EVENT.c.request_id)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of what happened is asked for; what is left out narrows nothing.

    An empty `result` asks for what began and never told how it ended. `search` is looked for in
    name, host, who, key id and request id, whatever the case of its Latin letters.
    """

    owner: str | None = None
    involving: str | None = None
    """Whoever did it, or had it done to a key of theirs."""
    action: str = ""
    provider: str = ""
    key_id: str = ""
    result: str | None = None
    search: str = ""
    since: datetime | None = None
    but: tuple[str, ...] = ()
    """Actions that are left out."""


class Journal:
    """What happened, in the order it was recorded. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, doing: Doing) -> int:
        """Record something before it happens, and have it on disk. Returns its number."""
        return self.begin_all([doing])[0]

    def begin_all(self, doings: Sequence[Doing], rules: TeamRules | None = None) -> list[int]:
        """The same for several in one transaction. Returns their numbers, in order.

        With `rules` a message is counted for whoever sends it. Raises LimitError when they allow no
        more, and nothing is recorded then.
        """
        if not doings:
            return []
        with _needed(), self._database.writing() as connection:
            for doing in doings if rules else ():
                if rules and doing.action == MESSAGE and doing.key_id and not doing.result:
                    uses.take(connection, doing.actor, doing.key_id, doing.at, rules)
            return [write(connection, doing) for doing in doings]

    def end(
        self,
        number: int,
        result: str,
        at: datetime,
        detail: str = "",
        spent: Spent | None = None,
    ) -> None:
        """Record how something ended, and count what it took, if it was a message.

        The first word counts; a second one changes nothing.
        """
        with self._database.writing() as connection:
            if close(connection, number, result, at, detail) and spent is not None:
                _count(connection, number, at, spent)

    def page(
        self, wanted: Wanted, *, before: int | None = None, limit: int | None = None
    ) -> list[Activity]:
        """What happened, the latest first; only what is older than the entry `before`, if given."""
        asked = _asked(wanted, before, limit)
        try:
            return self._read(asked)
        except (StoreError, TypeError):  # the latter for a time that is no text
            return self._one_by_one(asked)

    def all(self, wanted: Wanted, most: int) -> Iterator[Activity]:
        """The latest `most`, read in parts, so that no transaction stays open for long."""
        before: int | None = None
        while part := self.page(wanted, before=before, limit=min(most, _AT_ONCE)):
            yield from part
            before, most = part[-1].id, most - len(part)

    def _read(self, asked: Select[Any]) -> list[Activity]:
        with self._database.reading() as connection:
            return [_activity(row) for row in connection.execute(asked).mappings()]

    def _one_by_one(self, asked: Select[Any]) -> list[Activity]:
        """The same where an entry cannot be read: it shall not hide the others."""
        with self._database.reading() as connection:
            numbers = connection.execute(asked.with_only_columns(EVENT.c.id)).scalars().all()
        return [self._one(number) for number in numbers]

    def _one(self, number: int) -> Activity:
        try:
            return self._read(_ENTRIES.where(EVENT.c.id == number))[0]
        except (StoreError, TypeError):
            nothing = dict.fromkeys(_TEXTS, "")
            return Activity(id=number, at=_NEVER, key_id=None, **nothing | {"action": UNREADABLE})


@contextmanager
def _needed() -> Iterator[None]:
    """Say of what cannot be recorded what comes of that, and why."""
    try:
        yield
    except ClashError:  # there are no two of a number, so somebody else refuses it
        raise StoreError(NOT_RECORDED) from None
    except StoreError as error:
        raise StoreError(f"{NOT_RECORDED} {error}") from None


def about(doing: Doing, entry: KeyEntry) -> Doing:
    """The same, said of this key: whoever owns it is told of it."""
    return replace(
        doing,
        owner=entry.owner,
        key_id=entry.id,
        key_name=entry.name,
        provider=entry.provider,
        host=host_of(entry.endpoint),
    )


def host_of(endpoint: str) -> str:
    """The host of an address; empty for one that was altered and cannot be read."""
    try:
        return endpoints.host(endpoint)
    except InputError:
        return ""


def write(connection: Connection, doing: Doing) -> int:
    """Record something in a transaction that is under way. Returns its number.

    Unless it says which, the mark of its secret is that which the key has at this moment of the
    transaction.
    """
    marked = select(func.substr(KEY.c.fingerprint, 1, MARK)).where(KEY.c.id == doing.key_id)
    told = {k: storable(v) if isinstance(v, str) else v for k, v in asdict(doing).items()}
    given = told.pop("mark")
    mark = marked.scalar_subquery() if given is None else given[:MARK] or None
    made = connection.execute(insert(EVENT).values(**told, fingerprint=mark))
    (number,) = made.inserted_primary_key or (0,)
    return int(number)


def close(connection: Connection, number: int, result: str, at: datetime, detail: str = "") -> bool:
    """Record how something ended, in a transaction that is under way. False if it was told."""
    there = select(OUTCOME.c.event_id).where(OUTCOME.c.event_id == number)
    if connection.execute(there).first() is not None:
        return False
    told = {"result": result, "detail": storable(detail)}
    connection.execute(insert(OUTCOME).values(event_id=number, at=at, **told))
    return True


def _count(connection: Connection, number: int, at: datetime, spent: Spent) -> None:
    """Count a message for the key that it was recorded of."""
    asked = select(EVENT.c.key_id, EVENT.c.owner, EVENT.c.actor).where(EVENT.c.id == number)
    sent = connection.execute(asked).first()
    if sent is not None and sent.key_id is not None:
        uses.add(connection, sent.key_id, sent.owner, at, spent)
        if sent.actor != LOCAL_OWNER:
            uses.spend(connection, sent.actor, sent.key_id, at, spent)


_TEXTS = (
    *("actor", "owner", "action", "key_name", "provider", "host", "result", "detail"),
    "request_id",
)
_ENTRIES = select(
    *(column for column in EVENT.c if column.name not in {"result", "detail"}),
    _RESULT.label("result"),
    _DETAIL.label("detail"),
).select_from(EVENT.outerjoin(OUTCOME, OUTCOME.c.event_id == EVENT.c.id))

_NUMBERS = select(EVENT.c.id).select_from(
    EVENT.outerjoin(OUTCOME, OUTCOME.c.event_id == EVENT.c.id)
)


def _activity(row: Mapping[Any, Any]) -> Activity:
    if not all(isinstance(row[name], str) for name in _TEXTS):
        raise ValueError("an entry holds something else than text")
    return Activity(**row)


def _asked(wanted: Wanted, before: int | None, limit: int | None) -> Select[Any]:
    """The entries that are wanted, the latest first."""

    def narrowed(asked: Select[Any]) -> Select[Any]:
        asked = _narrowed(asked, wanted)
        return asked if before is None else asked.where(EVENT.c.id < before)

    if wanted.involving is None:
        return narrowed(_ENTRIES).order_by(EVENT.c.id.desc()).limit(limit)
    # Both are read in the order of their index and merged as far as the page goes.
    parts = (
        narrowed(_NUMBERS.where(column == wanted.involving))
        for column in (EVENT.c.actor, EVENT.c.owner)
    )
    cut = union(*parts).order_by(literal_column("id").desc()).limit(limit).subquery("cut")
    return _ENTRIES.join(cut, cut.c.id == EVENT.c.id).order_by(EVENT.c.id.desc())


def _narrowed(asked: Select[Any], wanted: Wanted) -> Select[Any]:
    same = {
        EVENT.c.owner: wanted.owner or None,
        EVENT.c.action: wanted.action or None,
        EVENT.c.provider: wanted.provider or None,
        EVENT.c.key_id: wanted.key_id or None,
        _RESULT: wanted.result,
    }
    asked = asked.where(
        *(_is(column, value) for column, value in same.items() if value is not None)
    )
    for action in wanted.but:  # each written out: an index of the others must be seen to fit
        asked = asked.where(EVENT.c.action != bindparam(None, action, literal_execute=True))
    if wanted.since is not None:
        asked = asked.where(EVENT.c.at >= wanted.since)
    sought = _lowered(storable(wanted.search.strip()))
    if sought:
        lowered = (func.lower(column) for column in _SEARCHED)
        asked = asked.where(or_(*(c.contains(sought, autoescape=True) for c in lowered)))
    return asked


def _is(column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    return column == value if is_storable(value) else false()


def _lowered(text: str) -> str:
    """With its Latin letters in lower case, and no others: so do the databases with a column."""
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)
