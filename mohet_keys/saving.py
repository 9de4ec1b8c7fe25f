"""What the verbs give back, and the row that is made of what was typed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime

from mohet_keys import pasted
from mohet_keys.model import Diagnosis, KeyEntry, OpenedKey
from mohet_keys.providers import BY_SLUG
from mohet_keys.rows import InTheWay, NewRow, RowChanges
from mohet_keys.sealed import Label
from mohet_keys.typed import Typed


@dataclass(frozen=True, slots=True)
class Saved:
    """A key that was saved, with a sentence for each thing that was mended on the way in."""

    entry: KeyEntry
    notes: tuple[str, ...] = ()
    changed: bool = True
    recheck: bool = True
    """Whether the secret or its destination is new, so that an earlier check says nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of keys and how many there are in all."""

    entries: tuple[KeyEntry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A key that is not saved. `held` says why it must not be sent, where that is so."""

    key: OpenedKey
    name: str = ""
    held: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A new secret for a key, opened for one test at the address that the key's own is sealed for.

    It holds for the version of the key that was seen.
    """

    key_id: str
    version: int
    key: OpenedKey
    """The new secret. It is nobody's yet, so it has neither the key's id nor a revision."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A key as it would be saved: read, mended and sealed, but not written.

    It may wait for an answer without anybody holding the secret.
    """

    row: NewRow
    notes: tuple[str, ...] = ()
    twin: InTheWay | None = None
    """The key that has this secret already."""


def row_of(
    label: Label,
    typed: Typed,
    owner: str,
    at: datetime,
    fingerprint: str | None,
    sealed: bytes,
    data_key_id: str,
) -> NewRow:
    """The row of a key as it was typed, sealed with this label. `at` is when it was made."""
    held = pasted.looks_like(typed.secret, BY_SLUG[label.provider], typed.endpoint)
    return NewRow(
        id=label.key_id,
        owner=owner,
        provider=label.provider,
        name=typed.name,
        name_key=pasted.name_key(typed.name),
        endpoint=typed.endpoint,
        hint=pasted.hint(typed.secret),
        has_secret=bool(typed.secret),
        sealed=sealed,
        fingerprint=fingerprint,
        data_key_id=data_key_id,
        revision=label.revision,
        looks_like=held.slug if held else None,
        allow_http=typed.allow_http,
        created_at=at,
    )


def changes_of(row: NewRow) -> RowChanges:
    """What an update writes to make a key that is there into this one."""
    same = {item.name for item in fields(RowChanges)} & {item.name for item in fields(NewRow)}
    return RowChanges(**{name: getattr(row, name) for name in same})


_TOLD = ("name", "provider", "endpoint")


def changed_entry(entry: KeyEntry, changes: RowChanges) -> KeyEntry:
    """The key with its new name, provider and address, for the record."""
    given = changes.given()
    return replace(entry, **{name: given[name] for name in _TOLD if name in given})


def what_changed(before: KeyEntry, after: KeyEntry, *, typed_anew: bool = False) -> str:
    """What the record says of a change besides what is so afterwards.

    `typed_anew` says that the secret came in again: at the same address it is another one then.
    """
    told = ["new secret"] if typed_anew and before.endpoint == after.endpoint else []
    if before.name != after.name:
        told.append(f"was named “{before.name}”")
    if before.endpoint != after.endpoint:
        told.append(f"was for {before.endpoint}")
    return ", ".join(told)
