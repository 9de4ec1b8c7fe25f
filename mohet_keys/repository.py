"""The saved keys: each method is one transaction, and what comes out has no secret in it.

`sealed` alone reads the sealed bytes. Nothing here encrypts or decrypts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from mohet_keys.database import open_engine, ping, reading, wipe, writing
from mohet_keys.errors import ConflictError, InputError, NotFoundError
from mohet_keys.migrations import migrate
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Proven, Selection, Verdict
from mohet_keys.providers import BY_SLUG
from mohet_keys.sealed import Purpose, WrappedKey
from mohet_keys.tables import CheckRow, DataKeyRow, KeyRow, SelectionRow, WrapRow

Sort = Literal["newest", "oldest", "name", "status"]

_KEY = KeyRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare what it makes
_CHECK = CheckRow.__table__  # type: ignore[attr-defined]
_SELECTION = SelectionRow.__table__  # type: ignore[attr-defined]
_DATA_KEY = DataKeyRow.__table__  # type: ignore[attr-defined]
_WRAP = WrapRow.__table__  # type: ignore[attr-defined]


class _Unset:
    """Marks what an update leaves as it is; None is a value of its own."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Any] = _Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A key as it is first written."""

    id: str
    owner: str
    provider: str
    name: str
    name_key: str
    endpoint: str
    hint: str
    has_secret: bool
    sealed: bytes = field(repr=False)
    fingerprint: str | None = field(repr=False)
    data_key_id: str
    revision: int
    looks_like: str | None
    allow_http: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChanges:
    """What an update writes; the rest stays."""

    provider: str = UNSET
    name: str = UNSET
    name_key: str = UNSET
    endpoint: str = UNSET
    hint: str = UNSET
    has_secret: bool = UNSET
    sealed: bytes = field(default=UNSET, repr=False)
    fingerprint: str | None = field(default=UNSET, repr=False)
    data_key_id: str = UNSET
    revision: int = UNSET
    looks_like: str | None = UNSET
    allow_http: bool = UNSET

    def given(self) -> dict[str, Any]:
        """The columns to write."""
        pairs = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in pairs if value is not UNSET}


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A key with its sealed secret, for the vault to open."""

    entry: KeyEntry
    blob: bytes = field(repr=False)


class Repository:
    """The store at `url`, brought to its present shape. Raises StoreError, on any method too."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        try:
            migrate(self._engine)
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def ping(self) -> None:
        """Read one thing. Raises StoreError."""
        ping(self._engine)

    def is_empty(self) -> bool:
        """Whether nothing was ever sealed here: no key and no data key."""
        with reading(self._engine) as connection:
            tables = (_KEY, _DATA_KEY)
            return all(connection.execute(select(t).limit(1)).first() is None for t in tables)

    # --- reading ----------------------------------------------------------------------------

    def entry(self, key_id: str, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError for an unknown id and for somebody else's alike."""
        with reading(self._engine) as connection:
            return _one(connection, _listed(owner).where(_KEY.c.id == key_id))

    def find(self, ref: str, owner: str) -> KeyEntry:
        """The key with this id, or named `provider/name`; names count as folded by the caller."""
        slug, _, name_key = ref.partition("/")
        by_name = and_(_KEY.c.provider == slug, _KEY.c.name_key == name_key)
        with reading(self._engine) as connection:
            return _one(connection, _listed(owner).where(or_(_KEY.c.id == ref, by_name)))

    def page(
        self,
        owner: str,
        *,
        provider: str | None = None,
        search: str = "",
        sort: Sort = "newest",
        offset: int = 0,
        limit: int | None = None,
    ) -> list[KeyEntry]:
        """Keys in order, without their sealed column. `search` is matched as folded text."""
        asked = _filtered(_listed(owner), provider, search).order_by(*_ORDER[sort])
        with reading(self._engine) as connection:
            rows = connection.execute(asked.offset(offset).limit(limit)).mappings()
            return [_entry(row) for row in rows]

    def count(self, owner: str, *, provider: str | None = None, search: str = "") -> int:
        """How many keys a page is a part of."""
        asked = select(func.count()).select_from(_KEY).where(_KEY.c.owner == owner)
        with reading(self._engine) as connection:
            return int(connection.execute(_filtered(asked, provider, search)).scalar_one())

    def counts(self, owner: str) -> dict[str, int]:
        """How many keys each provider has."""
        asked = select(_KEY.c.provider, func.count()).where(_KEY.c.owner == owner)
        with reading(self._engine) as connection:
            rows = connection.execute(asked.group_by(_KEY.c.provider))
            return {slug: int(count) for slug, count in rows}

    def sealed(self, key_id: str, owner: str) -> SealedRow:
        """A key with its sealed bytes. Raises NotFoundError."""
        asked = _listed(owner).add_columns(_KEY.c.sealed).where(_KEY.c.id == key_id)
        with reading(self._engine) as connection:
            row = connection.execute(asked).mappings().first()
        if row is None:
            raise NotFoundError
        return SealedRow(_entry(row), row["sealed"])

    def twin(self, owner: str, fingerprint: str) -> KeyEntry | None:
        """The owner's key with this fingerprint."""
        asked = _listed(owner).where(_KEY.c.fingerprint == fingerprint)
        with reading(self._engine) as connection:
            row = connection.execute(asked).mappings().first()
            return _entry(row) if row else None

    # --- writing ----------------------------------------------------------------------------

    def insert(self, row: NewRow, *, by: str) -> KeyEntry:
        """Write a new key. Raises InputError when its name or its secret is taken."""
        values = {**_plain(row), "version": 1, "updated_at": row.created_at, "updated_by": by}
        taken = _Taken(row.owner, row.provider, row.name, row.name_key, row.fingerprint)
        with writing(self._engine) as connection:
            _refuse_taken(connection, taken, row.id)
            connection.execute(insert(_KEY).values(values))
            return _one(connection, _listed(row.owner).where(_KEY.c.id == row.id))

    def update(
        self, key_id: str, owner: str, *, version: int, changes: RowChanges, by: str, at: datetime
    ) -> KeyEntry:
        """Change the version that was seen. Raises ConflictError, NotFoundError, InputError."""
        given = changes.given()
        with writing(self._engine) as connection:
            mine = _listed(owner).where(_KEY.c.id == key_id)
            before = _one(connection, mine)
            if before.version != version:
                raise ConflictError(before.name, before.updated_by, before.updated_at)
            _refuse_taken(connection, _taken_by(before, given), key_id)
            stamped = {**given, "version": version + 1, "updated_at": at, "updated_by": by}
            connection.execute(update(_KEY).where(_KEY.c.id == key_id).values(stamped))
            after = _one(connection, mine)
        if "sealed" in given:
            wipe(self._engine)
        return after

    def delete(self, key_id: str, owner: str) -> KeyEntry:
        """Remove a key, its check and the selections of it, for good. Returns what it was."""
        with writing(self._engine) as connection:
            before = _one(connection, _listed(owner).where(_KEY.c.id == key_id))
            for table, column in ((_CHECK, "key_id"), (_SELECTION, "key_id"), (_KEY, "id")):
                connection.execute(delete(table).where(table.c[column] == key_id))
        wipe(self._engine)
        return before

    def save_check(self, result: CheckResult, owner: str) -> CheckResult:
        """Keep a check's result beside what was proven before.

        A result for an older revision, or for a key that is gone, is given back and not kept.
        """
        with writing(self._engine) as connection:
            row = (
                connection.execute(_listed(owner).where(_KEY.c.id == result.key_id))
                .mappings()
                .first()
            )
            if row is None or row["revision"] != result.revision:
                return result
            kept = _with_proof(result, _entry(row).check)
            connection.execute(delete(_CHECK).where(_CHECK.c.key_id == result.key_id))
            connection.execute(insert(_CHECK).values(_check_values(kept)))
            return kept

    def select(self, owner: str, key_id: str | None, model: str | None, at: datetime) -> None:
        """Make a key the owner's selection, or none. Raises NotFoundError."""
        with writing(self._engine) as connection:
            connection.execute(delete(_SELECTION).where(_SELECTION.c.owner == owner))
            if key_id is None:
                return
            _one(connection, _listed(owner).where(_KEY.c.id == key_id))
            values = {"owner": owner, "key_id": key_id, "model": model, "updated_at": at}
            connection.execute(insert(_SELECTION).values(values))

    def selection(self, owner: str) -> Selection | None:
        """The owner's selection."""
        asked = select(_SELECTION).where(_SELECTION.c.owner == owner)
        with reading(self._engine) as connection:
            row = connection.execute(asked).mappings().first()
        return Selection(owner, row["key_id"], row["model"]) if row else None

    # --- data keys ---------------------------------------------------------------------------

    def data_keys(self) -> list[WrappedKey]:
        """Every data key under every master key it is wrapped with."""
        asked = select(_WRAP, _DATA_KEY.c.purpose).join(
            _DATA_KEY, _DATA_KEY.c.id == _WRAP.c.data_key_id
        )
        with reading(self._engine) as connection:
            rows = connection.execute(asked).mappings()
            return [
                WrappedKey(
                    row["data_key_id"],
                    row["master_id"],
                    cast(Purpose, row["purpose"]),
                    row["blob"],
                )
                for row in rows
            ]

    def active_data_key(self) -> str | None:
        """Id of the data key that seals now."""
        asked = select(_DATA_KEY.c.id).where(_DATA_KEY.c.active, _DATA_KEY.c.purpose == "seal")
        with reading(self._engine) as connection:
            return connection.execute(asked).scalar()

    def add_data_keys(self, wraps: Sequence[WrappedKey], *, active: str) -> None:
        """Write the first data keys. When another process was first, its keys stay."""
        with writing(self._engine) as connection:
            if connection.execute(select(_DATA_KEY.c.id).limit(1)).first():
                return
            now = datetime.now(UTC)
            for wrap in wraps:
                keyed = {"id": wrap.data_key_id, "purpose": wrap.purpose, "created_at": now}
                keyed["active"] = wrap.data_key_id == active
                connection.execute(insert(_DATA_KEY).values(keyed))
                wrapped = {"data_key_id": wrap.data_key_id, "master_id": wrap.master_id}
                connection.execute(insert(_WRAP).values({**wrapped, "blob": wrap.blob}))


# --- statements ------------------------------------------------------------------------------

_LISTED = [column for column in _KEY.c if column.name not in {"sealed", "fingerprint"}]
_CHECKED = [column.label(f"check_{column.name}") for column in _CHECK.c]
_STATUS_ORDER = {
    verdict: place
    for place, verdict in enumerate(
        ("invalid", "locked", "misconfigured", "limited", "unreachable", "unverified", "valid")
    )
}


def _listed(owner: str) -> Select[Any]:
    """The owner's keys with check and selection, without the sealed column."""
    checked = and_(_CHECK.c.key_id == _KEY.c.id, _CHECK.c.revision == _KEY.c.revision)
    chosen = and_(_SELECTION.c.key_id == _KEY.c.id, _SELECTION.c.owner == owner)
    return (
        select(*_LISTED, *_CHECKED, _SELECTION.c.owner.label("chosen_by"))
        .select_from(_KEY.outerjoin(_CHECK, checked).outerjoin(_SELECTION, chosen))
        .where(_KEY.c.owner == owner)
    )


def _status() -> Any:
    return case(_STATUS_ORDER, value=_CHECK.c.verdict, else_=len(_STATUS_ORDER))


_ORDER: dict[Sort, tuple[Any, ...]] = {
    "newest": (_KEY.c.created_at.desc(), _KEY.c.id.desc()),
    "oldest": (_KEY.c.created_at, _KEY.c.id),
    "name": (_KEY.c.name_key, _KEY.c.id),
    "status": (_status(), _KEY.c.name_key, _KEY.c.id),
}


def _filtered(asked: Select[Any], provider: str | None, search: str) -> Select[Any]:
    if provider is not None:
        asked = asked.where(_KEY.c.provider == provider)
    if search:
        columns = (_KEY.c.name_key, _KEY.c.endpoint, func.lower(_KEY.c.hint))
        asked = asked.where(or_(*(c.contains(search, autoescape=True) for c in columns)))
    return asked


def _one(connection: Connection, asked: Select[Any]) -> KeyEntry:
    row = connection.execute(asked).mappings().first()
    if row is None:
        raise NotFoundError
    return _entry(row)


def _plain(row: NewRow) -> dict[str, Any]:
    return {item.name: getattr(row, item.name) for item in fields(row)}


@dataclass(frozen=True, slots=True)
class _Taken:
    owner: str
    provider: str
    name: str
    name_key: str
    fingerprint: str | None


def _taken_by(before: KeyEntry, given: dict[str, Any]) -> _Taken:
    return _Taken(
        before.owner,
        given.get("provider", before.provider),
        given.get("name", before.name),
        given.get("name_key", ""),
        given.get("fingerprint"),
    )


def _refuse_taken(connection: Connection, taken: _Taken, own_id: str) -> None:
    """Say which name or secret is taken; the unique indexes would only say that one is.

    The writers' lock is held, so nothing can come between this look and the write.
    """
    others = _listed(taken.owner).where(_KEY.c.id != own_id)
    named = and_(_KEY.c.provider == taken.provider, _KEY.c.name_key == taken.name_key)
    if taken.name_key and connection.execute(others.where(named)).first():
        label = BY_SLUG[taken.provider].label
        raise InputError("name", f"You already have a key for {label} named “{taken.name}”.")
    if taken.fingerprint is None:
        return
    twin = connection.execute(others.where(_KEY.c.fingerprint == taken.fingerprint)).mappings()
    row = twin.first()
    if row is not None:
        label = BY_SLUG[row["provider"]].label
        raise InputError("secret", f"This key is already saved as “{row['name']}” ({label}).")


# --- rows and values -------------------------------------------------------------------------


def _entry(row: RowMapping) -> KeyEntry:
    names = [item.name for item in fields(KeyEntry) if item.name not in _MADE]
    return KeyEntry(
        **{name: row[name] for name in names},
        selected=row["chosen_by"] is not None,
        check=_check(row) if row["check_key_id"] is not None else None,
    )


_MADE = {"selected", "check", "locked"}


def _check(row: RowMapping) -> CheckResult:
    found = {name.removeprefix("check_"): row[name] for name in row if name.startswith("check_")}
    proven = None
    if found["proven_verdict"]:
        verdict = Verdict(found["proven_verdict"])
        proven = Proven(verdict, found["proven_reason"], found["proven_at"])
    said = ("reason", "explanation", "remedy", "retry_after", "endpoint", "link")
    return CheckResult(
        key_id=found["key_id"],
        revision=found["revision"],
        diagnosis=Diagnosis(Verdict(found["verdict"]), **{name: found[name] for name in said}),
        checked_at=found["checked_at"],
        http_status=found["http_status"],
        latency_ms=found["latency_ms"],
        models=tuple(json.loads(found["models"])),
        recommended_model=found["recommended_model"],
        proven=proven,
    )


def _check_values(result: CheckResult) -> dict[str, Any]:
    values = asdict(result.diagnosis)
    names = ("key_id", "revision", "checked_at", "http_status", "latency_ms", "recommended_model")
    values.update({name: getattr(result, name) for name in names})
    values["verdict"] = result.diagnosis.verdict.value
    values["models"] = json.dumps(result.models)
    proven = result.proven
    values["proven_verdict"] = proven.verdict.value if proven else None
    values["proven_reason"] = proven.reason if proven else None
    values["proven_at"] = proven.at if proven else None
    return values


_UNPROVING = {Verdict.UNVERIFIED, Verdict.LOCKED, Verdict.UNCHECKED}


def _with_proof(result: CheckResult, before: CheckResult | None) -> CheckResult:
    """A passing failure, or an answer that proves nothing, leaves the earlier proof standing."""
    said = result.diagnosis
    if said.verdict.is_passing or said.verdict in _UNPROVING:
        return replace(result, proven=before.proven if before else None)
    return replace(result, proven=Proven(said.verdict, said.reason, result.checked_at))
