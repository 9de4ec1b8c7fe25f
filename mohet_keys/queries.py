"""The statements that read the tables. None of those for a listing names the sealed column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, func, not_, or_, select

from mohet_keys import pasted
from mohet_keys.model import UNDO_FOR, Verdict
from mohet_keys.rows import CHECK_PREFIX, is_storable, storable
from mohet_keys.tables import CHECK, DATA_KEY, FORMER, KEY, MODEL_CHOICE, SELECTION, WRAP

Sort = Literal["newest", "oldest", "name", "status"]

_UNLISTED = {"sealed", "fingerprint", "rank"}
_LISTED = [column for column in KEY.c if column.name not in _UNLISTED]
_CHECKED = [column.label(CHECK_PREFIX + column.name) for column in CHECK.c]
_WORST_FIRST = (
    Verdict.INVALID,
    Verdict.LOCKED,
    Verdict.MISCONFIGURED,
    Verdict.LIMITED,
    Verdict.UNREACHABLE,
    Verdict.UNVERIFIED,
    Verdict.VALID,
    Verdict.UNCHECKED,
)
RANKS = {verdict: rank for rank, verdict in enumerate(_WORST_FIRST)}
"""Where a key with this verdict stands in a list by status."""
ORDER: dict[Sort, tuple[Any, ...]] = {
    "newest": (KEY.c.created_at.desc(), KEY.c.id.desc()),
    "oldest": (KEY.c.created_at, KEY.c.id),
    "name": (KEY.c.name_key, KEY.c.id),
    "status": (KEY.c.rank, KEY.c.name_key, KEY.c.id),
}
"""Each ends in the id, so that no key stands on two pages or on none."""


KEPT = 256
"""Statements kept of each kind: making one takes longer than SQLite takes to answer it."""


def listed(owner: str, source: FromClause = KEY) -> Select[Any]:
    """The owner's keys, each with its check (of its present revision), whether it is chosen and
    whether its former secret can be brought back.

    `source` is the table of keys, perhaps joined to what narrows it.
    """
    return _beside(owner, source).where(KEY.c.owner == owner)


def among(owner: str, key_ids: Sequence[str]) -> Select[Any]:
    """Those of these keys that are the owner's.

    To an expression no index leads. By one for the owner, SQLite would walk all of the owner's keys
    rather than look up more than a handful by their ids.
    """
    mine_ = KEY.c.owner.concat("") == owner
    return _beside(owner, KEY).where(KEY.c.id.in_(key_ids), mine_)


def _beside(owner: str, source: FromClause) -> Select[Any]:
    checked = and_(CHECK.c.key_id == KEY.c.id, CHECK.c.revision == KEY.c.revision)
    chosen = and_(SELECTION.c.key_id == KEY.c.id, SELECTION.c.owner == owner)
    beside = source.outerjoin(CHECK, checked).outerjoin(SELECTION, chosen)
    return select(
        *_LISTED, *_CHECKED, SELECTION.c.owner.label("chosen_by"), FORMER.c.undo_until
    ).select_from(beside.outerjoin(FORMER, FORMER.c.key_id == KEY.c.id))


@lru_cache(maxsize=KEPT)
def mine(owner: str, key_id: str) -> Select[Any]:
    """One key of the owner's; none for an id that no database could hold."""
    return listed(owner).where(KEY.c.id == key_id if is_storable(key_id) else false())


@lru_cache(maxsize=KEPT)
def sealed_of(owner: str, key_id: str) -> Select[Any]:
    """The same with the sealed bytes: the one statement that reads them."""
    return mine(owner, key_id).add_columns(KEY.c.sealed)


def is_past(now: datetime) -> ColumnElement[bool]:
    """Whether a former secret cannot be brought back any more. One that could be for longer than
    that ever lasts was put by before the clock was put back, so nobody knows for how long."""
    return or_(FORMER.c.undo_until <= now, FORMER.c.undo_until > now + UNDO_FOR)


def former_of(owner: str, key_id: str, now: datetime) -> Select[Any]:
    """The secret that a key had before, sealed as it was, while it can be brought back."""
    asked = select(FORMER.c.revision, FORMER.c.sealed).join(KEY, KEY.c.id == FORMER.c.key_id)
    mine_ = (KEY.c.owner == owner, KEY.c.id == key_id if is_storable(key_id) else false())
    return asked.where(*mine_, not_(is_past(now)))


@lru_cache(maxsize=KEPT)
def counted(owner: str) -> Select[Any]:
    """How many keys each provider has."""
    asked = select(KEY.c.provider, func.count()).where(KEY.c.owner == owner)
    return asked.group_by(KEY.c.provider)


def referred(owner: str, ref: str) -> Select[Any]:
    """The key with this id, or named `provider/name` in whatever case."""
    slug, slash, name = ref.partition("/")
    if not slash or not is_storable(ref):
        return mine(owner, ref)
    return named(owner, {"provider": slug, "name_key": pasted.name_key(name)})


def named(owner: str, wanted: Mapping[Any, Any], *, but: str = "") -> Select[Any]:
    """The key of this provider with this folded name, unless its id is `but`."""
    same = (KEY.c.provider == wanted.get("provider"), KEY.c.name_key == wanted.get("name_key"))
    return listed(owner).where(*same, KEY.c.id != but)


def twin_of(owner: str, fingerprint: str | None, *, but: str = "") -> Select[Any]:
    """The key with this secret, unless its id is `but`. Keys without a secret are no twins."""
    same = KEY.c.fingerprint == fingerprint if fingerprint is not None else false()
    return listed(owner).where(same, KEY.c.id != but)


def filtered(asked: Select[Any], provider: str | None, search: str) -> Select[Any]:
    """Narrowed to a provider, and to what has `search` in name, hint or endpoint, in any case."""
    if provider is not None:
        asked = asked.where(KEY.c.provider == provider)
    wanted = storable(pasted.name_key(search))
    if wanted:
        columns = (KEY.c.name_key, func.lower(KEY.c.endpoint), func.lower(KEY.c.hint))
        asked = asked.where(or_(*(c.contains(wanted, autoescape=True) for c in columns)))
    return asked


@lru_cache(maxsize=KEPT)
def paged(
    owner: str,
    *,
    provider: str | None,
    search: str,
    sort: Sort,
    offset: int,
    limit: int | None,
) -> Select[Any]:
    """A page of keys. What is skipped is counted off in the index, without check or selection."""
    ids = filtered(select(KEY.c.id).where(KEY.c.owner == owner), provider, search)
    cut = ids.order_by(*ORDER[sort]).offset(offset).limit(limit).subquery("cut")
    return listed(owner, cut.join(KEY, KEY.c.id == cut.c.id)).order_by(*ORDER[sort])


@lru_cache(maxsize=KEPT)
def ranked_as(owner: str, rank: int, limit: int | None) -> Select[Any]:
    """The keys that stand at this rank of a list by status and are not held, by name."""
    standing = (KEY.c.rank == rank, KEY.c.looks_like.is_(None))
    return listed(owner).where(*standing).order_by(KEY.c.name_key, KEY.c.id).limit(limit)


@lru_cache(maxsize=KEPT)
def selected(owner: str) -> Select[Any]:
    """The key the owner selected, with the model once chosen for it."""
    chosen = and_(
        MODEL_CHOICE.c.owner == SELECTION.c.owner, MODEL_CHOICE.c.key_id == SELECTION.c.key_id
    )
    return (
        select(SELECTION.c.key_id, MODEL_CHOICE.c.model, MODEL_CHOICE.c.listed)
        .select_from(SELECTION.outerjoin(MODEL_CHOICE, chosen))
        .where(SELECTION.c.owner == owner)
    )


def wraps() -> Select[Any]:
    """Every data key under every master key, in the order of WrappedKey's fields."""
    return (
        select(WRAP.c.data_key_id, WRAP.c.master_id, DATA_KEY.c.purpose, WRAP.c.blob)
        .select_from(WRAP.join(DATA_KEY, DATA_KEY.c.id == WRAP.c.data_key_id))
        .order_by(DATA_KEY.c.created_at, WRAP.c.data_key_id, WRAP.c.master_id)
    )
