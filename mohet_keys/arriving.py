"""What a file would bring into the store: each of its keys judged, sealed, and not yet written.

A plan may wait for an answer, in a browser's session too, and nobody holds a secret meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from mohet_keys import dotenv, parcel, pasted
from mohet_keys.dotenv import Ignored
from mohet_keys.errors import InputError, NotFoundError, RefusedError
from mohet_keys.model import KeyEntry, NewKey
from mohet_keys.parcel import Carried
from mohet_keys.providers import BY_SLUG
from mohet_keys.service import KeyService, Prepared
from mohet_keys.standing import held_diagnosis, vendor_label

__all__ = ["Ignored", "Item", "Plan", "State", "namesake", "needs_passphrase", "plan"]

MOST_KEYS = 1000
"""Keys of one file."""
_SHOWN = 2 * pasted.LONGEST_NAME
"""Characters of a name that is shown though it cannot be one."""
_UNENCRYPTED = "Its connection is not encrypted. That was allowed where the file was made."

State = Literal["new", "there", "clash", "refused"]
"""Would come in; is saved already; its name is taken by another key; cannot come in."""


@dataclass(frozen=True, slots=True)
class Item:
    """A key of a file and what would become of it. It holds the key sealed, never plain.

    What is here of a `refused` one is the file's own text: fit to be shown, not to be trusted.
    """

    provider: str
    name: str
    state: State
    said: str = ""
    """Why it would not come in as it is."""
    endpoint: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    prepared: Prepared | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would bring in. Nothing is written yet."""

    kind: Literal["export", "env"]
    owner: str
    items: tuple[Item, ...]
    ignored: tuple[Ignored, ...] = ()
    """Lines of a `.env` file that are no keys, by name."""

    def count(self, state: State) -> int:
        """How many keys of the file are in this state."""
        return sum(item.state == state for item in self.items)


def plan(keys: KeyService, content: bytes, *, owner: str, passphrase: str | None = None) -> Plan:
    """What this file would bring in; nothing is written.

    Raises InputError when a passphrase is needed and none is given, PassphraseError when it
    does not open the file, RefusedError for what is no file to import, LockedError when
    nothing could be saved, StoreError.
    """
    planning = _Planning(keys, owner)
    if not needs_passphrase(content):
        found = dotenv.read(_text(content))
        return Plan("env", owner, planning.items(map(_found, found.candidates)), found.ignored)
    if not passphrase:
        raise InputError("passphrase", "This file is protected. Enter its passphrase.")
    return Plan("export", owner, planning.items(map(_carried, parcel.unpack(content, passphrase))))


def needs_passphrase(content: bytes) -> bool:
    """Whether a file opens with a passphrase alone. Raises RefusedError for what is no file to
    import, so that nobody is asked for a passphrase in vain."""
    if parcel.is_parcel(content):
        parcel.require_parcel(content)
        return True
    _text(content)
    return False


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A key of a file, on its way to being sealed."""

    new: NewKey
    notes: tuple[str, ...] = ()
    doubt: str | None = None


class _Planning:
    """Judges the keys of one file one after the other, for they may clash with each other."""

    def __init__(self, keys: KeyService, owner: str) -> None:
        self._keys = keys
        self._owner = owner
        self._names: dict[tuple[str, str], str] = {}
        self._fingerprints: dict[str, str] = {}

    def items(self, wanted: Iterable[_Wanted]) -> tuple[Item, ...]:
        """What would become of each key. Raises RefusedError when they are too many."""
        each = list(wanted)
        if len(each) > MOST_KEYS:
            raise RefusedError(f"The file has more than {MOST_KEYS} keys, so none was read.")
        return tuple(map(self._item, each))

    def _item(self, wanted: _Wanted) -> Item:
        new = wanted.new
        if wanted.doubt or new.provider not in BY_SLUG:
            return _refused(new, wanted.doubt or "There is no provider here for this key.")
        try:
            prepared = self._keys.prepare(new, owner=self._owner)
        except InputError as error:
            return _refused(new, " ".join(error.by_field().values()))
        except RefusedError as error:
            return _refused(new, str(error))
        row = prepared.row
        state, said = self._state(prepared)
        held = (held_diagnosis(row.looks_like).explanation,) if row.looks_like else ()
        clear = (_UNENCRYPTED,) if row.allow_http else ()
        notes = (*wanted.notes, *prepared.notes, *held, *clear)
        keep = prepared if state in {"new", "clash"} else None
        return Item(row.provider, row.name, state, said, row.endpoint, row.hint, notes, keep)

    def _state(self, prepared: Prepared) -> tuple[State, str]:
        row, twin = prepared.row, prepared.twin
        if twin is not None:
            return "there", f"Saved already as “{twin.name}” ({vendor_label(twin.provider)})."
        again = self._fingerprints.get(row.fingerprint or "")
        if again is not None:
            return "there", f"The same key as “{again}” of this file."
        if row.fingerprint:
            self._fingerprints[row.fingerprint] = row.name
        called = (row.provider, row.name_key)
        before = self._names.get(called)
        self._names.setdefault(called, row.name)
        if before is not None:
            return "clash", f"Another key of this file is named “{before}”."
        other = namesake(self._keys, row.provider, row.name, self._owner)
        if other is None:
            return "new", ""
        if not (other.has_secret or row.has_secret) and other.endpoint == row.endpoint:
            return "there", f"Saved already as “{other.name}”."
        label = vendor_label(row.provider)
        return "clash", f"You already have a key for {label} named “{other.name}”."


def _carried(key: Carried) -> _Wanted:
    return _Wanted(
        NewKey(
            provider=key.provider,
            name=key.name,
            secret=SecretStr(key.secret),
            endpoint=key.endpoint,
            allow_http=key.allow_http,
        )
    )


def _found(key: dotenv.Candidate) -> _Wanted:
    new = NewKey(
        provider=key.provider,
        name=key.name,
        secret=SecretStr(key.secret),
        endpoint=key.endpoint,
    )
    return _Wanted(new, key.notes, key.doubt)


def _refused(new: NewKey, said: str) -> Item:
    return Item(new.provider, new.name[:_SHOWN], "refused", said)


def namesake(keys: KeyService, slug: str, name: str, owner: str) -> KeyEntry | None:
    """The key of this provider that has this name, however it is written."""
    try:
        return keys.find(f"{slug}/{name}", owner=owner)
    except NotFoundError:
        return None


def _text(content: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark in front. Raises RefusedError."""
    if len(content) > parcel.LARGEST:
        raise RefusedError("The file is larger than 1 MiB, so it was not read. Choose another one.")
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise RefusedError(
            "This is neither an export of Mohet Keys nor a text such as a .env file. "
            "Choose another one."
        )
    return text
