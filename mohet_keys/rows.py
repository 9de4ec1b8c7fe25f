"""What goes into the repository and what comes out, and how a row becomes a value. No SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from mohet_keys.model import TEAM, CheckResult, Diagnosis, KeyEntry, Proven, Verdict
from mohet_keys.providers import BY_SLUG


class _Unset:
    """Marks what an update leaves as it is; None is a value of its own."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Any] = _Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A key as it is first written: private to its owner, who typed its secret."""

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

    def given(self) -> dict[str, Any]:
        """The columns to write."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**told, "shelf": self.owner, "typed_by": self.owner}


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
    typed_by: str = UNSET
    """Who typed the secret, where it is another one."""

    def given(self) -> dict[str, Any]:
        """The columns to write."""
        pairs = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in pairs if value is not UNSET}


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A key with its sealed secret, for the vault to open."""

    entry: KeyEntry
    blob: bytes = field(repr=False)
    typed_by: str = ""
    """Who typed what is sealed: nobody else may ever read it."""


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A key that has a name or a secret which another one was to get. It may be anybody's."""

    id: str
    owner: str
    shelf: str
    provider: str
    name: str

    def as_namesake(self, person: str) -> str:
        """That it has the name, said to a person."""
        named = f"key for {self._label} named “{self.name}”."
        if self.shelf == TEAM:
            return f"The team already has a {named}"
        if self.owner == person:
            return f"You already have a {named}"
        return f"Its owner already has a private {named}"

    def as_twin(self, person: str) -> str:
        """That it has the secret, said to a person. Of somebody else's key nothing more is said."""
        if self.owner != person:
            return "The owner of this key has saved this secret already."
        return f"This key is already saved as “{self.name}” ({self._label})."

    @property
    def _label(self) -> str:
        provider = BY_SLUG.get(self.provider)
        return provider.label if provider else self.provider


@dataclass(frozen=True, slots=True)
class FormerSecret:
    """What a key had before its secret was replaced, as it was sealed."""

    revision: int
    blob: bytes = field(repr=False)
    typed_by: str = ""


def is_storable(text: str) -> bool:
    """Whether every database can hold this text: no NUL and no half of a surrogate pair."""
    return text == storable(text)


def storable(text: str) -> str:
    """The text without what a database could not hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


# --- rows into values ------------------------------------------------------------------------

CHECK_PREFIX = "check_"
"""What the names of the check's columns begin with where they stand beside the key's."""
_TOLD_OTHERWISE = {
    *("selected", "check", "locked"),
    *("shared", "owner_name", "mine", "may_change"),
}
_ENTRY_COLUMNS = tuple(item.name for item in fields(KeyEntry) if item.name not in _TOLD_OTHERWISE)
_SAID = ("reason", "explanation", "remedy", "retry_after", "endpoint", "link")
_MEASURED = (
    *("key_id", "revision", "checked_at", "http_status", "latency_ms", "recommended_model"),
    *("credit", "expires_at"),
)


def entry_of(row: Mapping[Any, Any]) -> KeyEntry:
    """A key from its columns, those of its check, `chosen_by` and `undo_until`; and whether it is
    `mine` and its `owner_name`, where it may be somebody else's."""
    shared = row["shelf"] == TEAM
    told = _whose(row) if "mine" in row else {}
    return KeyEntry(
        **{name: row[name] for name in _ENTRY_COLUMNS},
        selected=row["chosen_by"] is not None,
        check=_check_of(row) if row[f"{CHECK_PREFIX}key_id"] is not None else None,
        shared=shared,
        **told,
    )


def _whose(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"mine": bool(row["mine"]), "owner_name": row["owner_name"] or row["owner"]}


def _check_of(row: Mapping[Any, Any]) -> CheckResult | None:
    """The check; None when it holds what this version cannot read, for it can be run again."""
    try:
        return _read_check(row)
    except (ValueError, TypeError):
        return None


def _read_check(row: Mapping[Any, Any]) -> CheckResult:
    def read(name: str) -> Any:
        return row[CHECK_PREFIX + name]

    return CheckResult(
        diagnosis=Diagnosis(Verdict(read("verdict")), **{name: read(name) for name in _SAID}),
        models=tuple(json.loads(read("models"))),
        proven=_proven(read("proven_verdict"), read("proven_reason"), read("proven_at")),
        **{name: read(name) for name in _MEASURED},
    )


def _proven(verdict: str | None, reason: str, at: datetime) -> Proven | None:
    return Proven(Verdict(verdict), reason, at) if verdict else None


# --- values into rows ------------------------------------------------------------------------

_PROVES_NOTHING = {Verdict.UNVERIFIED, Verdict.LOCKED, Verdict.UNCHECKED}
_AGAINST_IT = {Verdict.INVALID, Verdict.LIMITED, Verdict.MISCONFIGURED}
_SHOWN = 200


def with_proof(result: CheckResult, before: CheckResult | None) -> CheckResult:
    """The result beside what is proven: by itself, or before it when it proves nothing."""
    said = result.diagnosis
    result = _with_account(result, before)
    if said.verdict.is_passing or said.verdict in _PROVES_NOTHING:
        return replace(result, proven=before.proven if before else None)
    return replace(result, proven=Proven(said.verdict, said.reason, result.checked_at))


def _with_account(result: CheckResult, before: CheckResult | None) -> CheckResult:
    """Where no account was shown and nothing is known against the key, what was told of credit
    and end before still stands."""
    if before is None or result.http_status == _SHOWN or result.diagnosis.verdict in _AGAINST_IT:
        return result
    return replace(result, credit=before.credit, expires_at=before.expires_at)


def check_columns(result: CheckResult) -> dict[str, Any]:
    """A check's columns. Its texts are a stranger's, so what no database can hold is taken out."""
    values = asdict(result.diagnosis)
    values.update({name: getattr(result, name) for name in _MEASURED})
    values["verdict"] = result.diagnosis.verdict.value
    values["models"] = json.dumps([storable(model) for model in result.models])
    proven = result.proven
    values["proven_verdict"] = proven.verdict.value if proven else None
    values["proven_reason"] = proven.reason if proven else None
    values["proven_at"] = proven.at if proven else None
    return {name: storable(v) if isinstance(v, str) else v for name, v in values.items()}
