"""Figures and pages over all keys that a person sees, each answered by an index.

So the first screen takes hardly longer with 10,000 keys than with a hundred: what can be counted
is counted in an index alone, and of what is listed only a page is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select

from mohet_keys.database import Database
from mohet_keys.model import Verdict, shelves_of
from mohet_keys.queries import ORDER, RANKS, Sort, filtered, in_order, is_seen_by
from mohet_keys.tables import CHECK, KEY

TROUBLED = frozenset(verdict for verdict in RANKS if RANKS[verdict] < RANKS[Verdict.UNVERIFIED])
"""Verdicts that ask for something to be done."""
_VERDICTS = {rank: verdict for verdict, rank in RANKS.items()}
_FINE = KEY.c.rank >= RANKS[Verdict.UNVERIFIED]
_AGED = (KEY.c.has_secret.is_(True), KEY.c.secret_at.is_not(None))


@dataclass(frozen=True, slots=True)
class Asked:
    """Which keys are asked for, and in what order; what is left out narrows nothing."""

    provider: str | None = None
    verdict: Verdict | None = None
    search: str = ""
    sort: Sort = "status"
    unused_since: datetime | None = None
    """Only keys that were saved before that, and that nothing was sent through since."""


class Survey:
    """All keys that `owner` sees, counted and paged. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verdicts(self, owner: str) -> dict[tuple[str, Verdict], int]:
        """How many keys of each provider have each verdict."""
        asked = (
            select(KEY.c.provider, KEY.c.rank, func.count())
            .where(is_seen_by(owner))
            .group_by(KEY.c.shelf, KEY.c.provider, KEY.c.rank)
        )
        found: dict[tuple[str, Verdict], int] = {}
        with self._database.reading() as connection:
            for slug, rank, count in connection.execute(asked):
                place = (slug, _VERDICTS.get(rank, Verdict.UNCHECKED))
                found[place] = found.get(place, 0) + count
        return found

    def ids(self, owner: str, asked: Asked, *, offset: int = 0, limit: int | None) -> list[str]:
        """The keys that are asked for, in order."""
        return self._ids(
            owner, ORDER[asked.sort], lambda keys: _narrowed(keys, asked), offset, limit
        )

    def count(self, owner: str, asked: Asked) -> int:
        """How many keys are asked for."""
        every = select(func.count()).select_from(KEY).where(is_seen_by(owner))
        return self._number(_narrowed(every, asked))

    def oldest_secret(self, owner: str) -> datetime | None:
        """When the oldest of all secrets was put in; None without any."""
        oldest = [
            select(KEY.c.secret_at).where(KEY.c.shelf == shelf, *_AGED).order_by(KEY.c.secret_at)
            for shelf in shelves_of(owner)
        ]
        with self._database.reading() as connection:
            found = [connection.execute(each.limit(1)).scalar() for each in oldest]
        return min((at for at in found if at is not None), default=None)

    def unused(self, owner: str, since: datetime) -> int:
        """How many keys were saved before that, and nothing was sent through them since."""
        asked = select(func.count()).select_from(KEY)
        parts = [(KEY.c.shelf == s, *part) for s in shelves_of(owner) for part in _unused(since)]
        return sum(self._number(asked.where(*part)) for part in parts)

    # --- what will bite next --------------------------------------------------------------------

    def ending(self, owner: str, before: datetime) -> int:
        """How many keys their provider ends until then, or has ended."""
        return self._number(_ending(select(func.count()), owner, before))

    def ending_of_working(self, owner: str, before: datetime) -> int:
        """The same, without those that are in trouble anyway."""
        return self._number(_ending(select(func.count()), owner, before, _FINE))

    def ending_ids(self, owner: str, before: datetime, *, offset: int, limit: int) -> list[str]:
        """Those keys, the first to end first."""
        asked = _ending(select(CHECK.c.key_id), owner, before, _FINE)
        ordered = asked.order_by(CHECK.c.expires_at, CHECK.c.key_id).offset(offset).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(ordered).scalars())

    def old(self, owner: str, secret_before: datetime, ending_before: datetime) -> int:
        """How many keys have a secret from before that, and neither end until then nor are in
        trouble anyway."""
        asked = select(func.count()).select_from(KEY).where(is_seen_by(owner))
        return self._number(asked.where(*_old(owner, secret_before, ending_before)))

    def old_ids(
        self,
        owner: str,
        secret_before: datetime,
        ending_before: datetime,
        *,
        offset: int,
        limit: int,
    ) -> list[str]:
        """Those keys, the oldest secret first."""
        old = _old(owner, secret_before, ending_before)
        order = (KEY.c.secret_at, KEY.c.rank, KEY.c.id)
        return self._ids(owner, order, lambda keys: keys.where(*old), offset, limit)

    def troubled_ids(self, owner: str, *, offset: int, limit: int) -> list[str]:
        """Keys whose verdict asks for something to be done, the worst first."""
        return self._ids(
            owner, ORDER["status"], lambda keys: keys.where(not_(_FINE)), offset, limit
        )

    def _ids(
        self,
        owner: str,
        order: Sequence[Any],
        narrow: Callable[[Select[Any]], Select[Any]],
        offset: int,
        limit: int | None,
    ) -> list[str]:
        asked = in_order(owner, order, narrow, offset=offset, limit=limit)
        with self._database.reading() as connection:
            return list(connection.execute(asked).scalars("id"))

    def _number(self, asked: Select[Any]) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(asked).scalar_one())


def _narrowed(wanted: Select[Any], asked: Asked) -> Select[Any]:
    wanted = filtered(wanted, asked.provider, asked.search)
    if asked.verdict is not None:
        wanted = wanted.where(KEY.c.rank == RANKS[asked.verdict])
    if asked.unused_since is not None:
        wanted = wanted.where(or_(*(and_(*part) for part in _unused(asked.unused_since))))
    return wanted


def _unused(since: datetime) -> Sequence[Sequence[ColumnElement[bool]]]:
    """Never used, or not since: two parts, each of them one stretch of the index."""
    saved = KEY.c.created_at <= since
    return ((KEY.c.used_at.is_(None), saved), (KEY.c.used_at <= since, saved))


def _ending(
    wanted: Select[Any], owner: str, before: datetime, *more: ColumnElement[bool]
) -> Select[Any]:
    """Checks of present secrets whose keys end until then. Asked this way round, the few that end
    are looked up among the keys, and not all keys among those that end."""
    present = (KEY.c.id == CHECK.c.key_id, KEY.c.revision == CHECK.c.revision)
    mine = select(KEY.c.id).where(*present, is_seen_by(owner), *more).correlate(CHECK).exists()
    return wanted.select_from(CHECK).where(CHECK.c.expires_at <= before, mine)


def _old(
    owner: str, secret_before: datetime, ending_before: datetime
) -> Sequence[ColumnElement[bool]]:
    ends = _ending(select(CHECK.c.key_id), owner, ending_before)
    return (*_AGED, KEY.c.secret_at < secret_before, _FINE, KEY.c.id.not_in(ends))
