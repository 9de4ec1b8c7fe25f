"""The statements that read the tables. None of those for a listing names the sealed column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.operators import desc_op

from mohet_keys import pasted
from mohet_keys.model import LOCAL_OWNER, TEAM, UNDO_FOR, Verdict, shelves_of
from mohet_keys.rows import CHECK_PREFIX, is_storable, storable
from mohet_keys.tables import CHECK, DATA_KEY, FORMER, KEY, MODEL_CHOICE, PERSON, SELECTION, WRAP

Sort = Literal["newest", "oldest", "name", "status"]

_UNLISTED = {"sealed", "fingerprint", "rank", "typed_by"}
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


def is_seen_by(person: str, column: ColumnElement[str] = KEY.c.shelf) -> ColumnElement[bool]:
    """Whether something stands where this person looks."""
    own, *others = shelves_of(person)
    return column.in_((own, *others)) if others else column == own


def listed(person: str, source: FromClause = KEY) -> Select[Any]:
    """The keys this person sees, each with its check (of its present revision), whether it is
    chosen and whether its former secret can be brought back; and whose it is, where that can be
    somebody else's.

    `source` is the table of keys, perhaps joined to what narrows it.
    """
    return _beside(person, source).where(is_seen_by(person))


def among(person: str, key_ids: Sequence[str]) -> Select[Any]:
    """Those of these keys that the person sees.

    To an expression no index leads. By one for the shelf, SQLite would walk all keys on it rather
    than look up more than a handful by their ids.
    """
    seen = KEY.c.shelf.concat("").in_(shelves_of(person))
    return _beside(person, KEY).where(KEY.c.id.in_(key_ids), seen)


def _beside(person: str, source: FromClause) -> Select[Any]:
    checked = and_(CHECK.c.key_id == KEY.c.id, CHECK.c.revision == KEY.c.revision)
    chosen = and_(SELECTION.c.key_id == KEY.c.id, SELECTION.c.owner == person)
    beside = source.outerjoin(CHECK, checked).outerjoin(SELECTION, chosen)
    beside = beside.outerjoin(FORMER, FORMER.c.key_id == KEY.c.id)
    told = [*_LISTED, *_CHECKED, SELECTION.c.owner.label("chosen_by"), FORMER.c.undo_until]
    if person != LOCAL_OWNER:
        beside = beside.outerjoin(PERSON, PERSON.c.id == KEY.c.owner)
        told += [(KEY.c.owner == person).label("mine"), PERSON.c.name.label("owner_name")]
    return select(*told).select_from(beside)


@lru_cache(maxsize=KEPT)
def mine(person: str, key_id: str) -> Select[Any]:
    """One key this person sees; none for an id that no database could hold, and none that stands
    on another shelf than its owner's or the team's: it was put there behind the app's back."""
    one = KEY.c.id == key_id if is_storable(key_id) else false()
    return listed(person).where(one, KEY.c.shelf.in_((KEY.c.owner, TEAM)))


@lru_cache(maxsize=KEPT)
def sealed_of(person: str, key_id: str) -> Select[Any]:
    """The same with the sealed bytes, and who typed what they hold: the one statement that reads
    them."""
    return mine(person, key_id).add_columns(KEY.c.sealed, KEY.c.typed_by)


def is_past(now: datetime) -> ColumnElement[bool]:
    """Whether a former secret cannot be brought back any more. One that could be for longer than
    that ever lasts was put by before the clock was put back, so nobody knows for how long."""
    return or_(FORMER.c.undo_until <= now, FORMER.c.undo_until > now + UNDO_FOR)


def former_of(person: str, key_id: str, now: datetime) -> Select[Any]:
    """The secret that a key had before, sealed as it was, while it can be brought back."""
    asked = select(FORMER.c.revision, FORMER.c.sealed, FORMER.c.typed_by)
    one = KEY.c.id == key_id if is_storable(key_id) else false()
    beside = asked.join(KEY, KEY.c.id == FORMER.c.key_id)
    return beside.where(is_seen_by(person), one, not_(is_past(now)))


@lru_cache(maxsize=KEPT)
def counted(person: str) -> Select[Any]:
    """How many keys each provider has on each shelf: so they are counted as the index has them."""
    asked = select(KEY.c.provider, func.count()).where(is_seen_by(person))
    return asked.group_by(KEY.c.shelf, KEY.c.provider)


def referred(person: str, ref: str) -> Select[Any]:
    """The key with this id, or named `provider/name` in whatever case: a person's own first."""
    slug, slash, name = ref.partition("/")
    if not slash or not is_storable(ref):
        return mine(person, ref)
    same = (KEY.c.provider == slug, KEY.c.name_key == pasted.name_key(name))
    return listed(person).where(*same).order_by(KEY.c.shelf != person)


def named(shelf: str, wanted: Mapping[Any, Any], *, but: str = "") -> Select[Any]:
    """The key of this provider and shelf with this folded name, unless its id is `but`."""
    same = (KEY.c.provider == wanted.get("provider"), KEY.c.name_key == wanted.get("name_key"))
    return _alone().where(KEY.c.shelf == shelf, *same, KEY.c.id != but)


def twin_of(owner: str, fingerprint: str | None, *, but: str = "") -> Select[Any]:
    """The owner's key with this secret, unless its id is `but`. Keys without a secret are no
    twins."""
    same = KEY.c.fingerprint == fingerprint if fingerprint is not None else false()
    return _alone().where(KEY.c.owner == owner, same, KEY.c.id != but)


def _alone() -> Select[Any]:
    """Keys of everybody with what is said of one that is in the way: no more than what it is."""
    return select(KEY.c.id, KEY.c.owner, KEY.c.shelf, KEY.c.provider, KEY.c.name)


def filtered(asked: Select[Any], provider: str | None, search: str) -> Select[Any]:
    """Narrowed to a provider, and to what has `search` in name, hint or endpoint, in any case."""
    if provider is not None:
        asked = asked.where(KEY.c.provider == provider)
    wanted = storable(pasted.name_key(search))
    if wanted:
        columns = (KEY.c.name_key, func.lower(KEY.c.endpoint), func.lower(KEY.c.hint))
        asked = asked.where(or_(*(c.contains(wanted, autoescape=True) for c in columns)))
    return asked


def in_order(
    person: str,
    order: Sequence[Any],
    narrow: Callable[[Select[Any]], Select[Any]],
    *,
    offset: int = 0,
    limit: int | None = None,
) -> Select[Any] | CompoundSelect[Any]:
    """Ids of the keys this person sees and that `narrow` leaves, from one place to another.

    Of two shelves each is read in the order of its index and the two are merged as far as the page
    goes, so that it costs no more than a page of one.
    """
    shelves = shelves_of(person)
    if len(shelves) == 1:
        one = narrow(select(KEY.c.id).where(is_seen_by(person))).order_by(*order)
        return one.offset(offset).limit(limit)
    columns = {item.name: item for item in map(_bare, order)} | {"id": KEY.c.id}
    both = (narrow(select(*columns.values()).where(KEY.c.shelf == shelf)) for shelf in shelves)
    merged = union_all(*both).order_by(*map(_by_name, order))
    return merged.offset(offset).limit(limit)


def _bare(term: Any) -> Any:
    """The column of a term of an order."""
    return term.element if getattr(term, "modifier", None) is desc_op else term


def _by_name(term: Any) -> Any:
    """A term of an order as it is written behind two statements: by the name of its column."""
    named_: ColumnElement[Any] = literal_column(_bare(term).name)
    return named_.desc() if _bare(term) is not term else named_


@lru_cache(maxsize=KEPT)
def paged(
    person: str,
    *,
    provider: str | None,
    search: str,
    sort: Sort,
    offset: int,
    limit: int | None,
) -> Select[Any]:
    """A page of keys. What is skipped is counted off in the index, without check or selection."""
    ids = in_order(
        person,
        ORDER[sort],
        lambda asked: filtered(asked, provider, search),
        offset=offset,
        limit=limit,
    )
    return _whole(person, ids, sort)


@lru_cache(maxsize=KEPT)
def ranked_as(person: str, rank: int, limit: int | None, *, own_alone: bool = False) -> Select[Any]:
    """The keys that stand at this rank of a list by status and are not held, by name.

    With `own_alone` without those that somebody else shares.
    """
    standing = [KEY.c.rank == rank, KEY.c.looks_like.is_(None)]
    if own_alone and person != LOCAL_OWNER:
        standing.append(KEY.c.owner == person)
    ids = in_order(person, ORDER["name"], lambda asked: asked.where(*standing), limit=limit)
    return _whole(person, ids, "name")


def _whole(person: str, ids: Select[Any] | CompoundSelect[Any], sort: Sort) -> Select[Any]:
    cut = ids.subquery("cut")
    return listed(person, cut.join(KEY, KEY.c.id == cut.c.id)).order_by(*ORDER[sort])


@lru_cache(maxsize=KEPT)
def selected(person: str) -> Select[Any]:
    """The key this person selected, with the model once chosen for it; one they do not see any
    more is none."""
    chosen = and_(
        MODEL_CHOICE.c.owner == SELECTION.c.owner, MODEL_CHOICE.c.key_id == SELECTION.c.key_id
    )
    asked = (
        select(SELECTION.c.key_id, MODEL_CHOICE.c.model, MODEL_CHOICE.c.listed)
        .select_from(SELECTION.outerjoin(MODEL_CHOICE, chosen))
        .where(SELECTION.c.owner == person)
    )
    if person == LOCAL_OWNER:
        return asked
    return asked.where(
        select(KEY.c.id).where(KEY.c.id == SELECTION.c.key_id, is_seen_by(person)).exists()
    )


def wraps() -> Select[Any]:
    """Every data key under every master key, in the order of WrappedKey's fields."""
    return (
        select(WRAP.c.data_key_id, WRAP.c.master_id, DATA_KEY.c.purpose, WRAP.c.blob)
        .select_from(WRAP.join(DATA_KEY, DATA_KEY.c.id == WRAP.c.data_key_id))
        .order_by(DATA_KEY.c.created_at, WRAP.c.data_key_id, WRAP.c.master_id)
    )
