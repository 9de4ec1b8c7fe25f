"""Keys going out to another machine, and coming in from one or from a `.env` file.

What would come in is shown before anything is written. In between nobody holds a secret: a plan
has each key sealed as the store seals it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mohet_keys import arriving, parcel, pasted
from mohet_keys.arriving import (
    MOST_KEYS,
    Ignored,
    Item,
    Plan,
    State,
    namesake,
    needs_passphrase,
)
from mohet_keys.errors import (
    DeniedError,
    InputError,
    LockedError,
    MohetError,
    RefusedError,
    StoreError,
)
from mohet_keys.model import KeyEntry, OpenedKey
from mohet_keys.parcel import Carried
from mohet_keys.service import KeyService, Prepared, Saved

__all__ = [
    "Exported",
    "Ignored",
    "Imported",
    "Item",
    "LeftOut",
    "Plan",
    "State",
    "Transfer",
    "needs_passphrase",
]

_MOST_NAMES = 99
"""As many keys may have names that differ in their number alone."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A key that was left out, and why, as one or two sentences."""

    provider: str
    name: str
    why: str
    state: State = "refused"


@dataclass(frozen=True, slots=True)
class Exported:
    """A file, which keys are in it, and which are not."""

    content: bytes = field(repr=False)
    entries: tuple[KeyEntry, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in, and what was left out."""

    saved: tuple[Saved, ...]
    left_out: tuple[LeftOut, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Transfer:
    """Takes keys out of the store into a file, and keys of a file into the store."""

    def __init__(self, keys: KeyService, *, clock: Callable[[], datetime] = _now) -> None:
        self._keys = keys
        self._clock = clock

    # --- out --------------------------------------------------------------------------------

    def export(self, key_ids: Sequence[str], *, owner: str, passphrase: str) -> Exported:
        """A file with these keys, as `parcel` makes it. That each was opened is on record.

        Keys that are locked or held back are left out, and those whose secret is not this person's:
        a key that is shared with them, or that another person typed. Raises InputError for a weak
        passphrase, NotFoundError for a key that is not there, RefusedError when no key could go in
        or they are too many, LockedError when nothing can be opened, StoreError.
        """
        parcel.require_passphrase(passphrase)
        chosen = list(dict.fromkeys(key_ids))
        if len(chosen) > MOST_KEYS:
            raise RefusedError(f"One file holds at most {MOST_KEYS} keys. Choose fewer of them.")
        if self._keys.locked:
            raise LockedError(self._keys.locked)
        entries = self._all_of(chosen, owner)
        outcomes = self._keys.open_all(chosen, owner=owner, why="export")
        opened = [each for each in outcomes if isinstance(each, OpenedKey)]
        try:
            left_out = _left_out(entries, outcomes)
            content = self._packed(entries, opened, left_out, passphrase)
        except MohetError:
            self._finish(opened, "failed")
            raise
        self._finish(opened, "done")
        taken = {each.id for each in opened}
        return Exported(content, tuple(e for e in entries if e.id in taken), left_out)

    def _all_of(self, key_ids: Sequence[str], owner: str) -> list[KeyEntry]:
        """These keys in order. Raises NotFoundError when one is not there."""
        found = {entry.id: entry for entry in self._keys.entries(key_ids, owner=owner)}
        missing = [key_id for key_id in key_ids if key_id not in found]
        found |= {key_id: self._keys.entry(key_id, owner=owner) for key_id in missing}
        return [found[key_id] for key_id in key_ids]

    def _packed(
        self,
        entries: Sequence[KeyEntry],
        opened: Sequence[OpenedKey],
        left_out: Sequence[LeftOut],
        passphrase: str,
    ) -> bytes:
        if not opened:
            why = left_out[0].why if left_out else "Choose some."
            raise RefusedError(f"There is no key to export. {why}")
        of = {entry.id: entry for entry in entries}
        carried = [
            Carried(
                each.provider,
                of[each.id].name,
                each.destination,
                each.secret or "",
                each.allow_http,
                of[each.id].created_at,
            )
            for each in opened
        ]
        return parcel.pack(carried, passphrase, at=self._clock())

    def _finish(self, opened: Sequence[OpenedKey], result: str) -> None:
        for each in opened:
            self._keys.finish(each.use, result)

    # --- in ---------------------------------------------------------------------------------

    def plan(self, content: bytes, *, owner: str, passphrase: str | None = None) -> Plan:
        """What this file would bring in; nothing is written. Raises as `arriving.plan` does."""
        return arriving.plan(self._keys, content, owner=owner, passphrase=passphrase)

    def carry_out(self, plan: Plan, *, owner: str, renamed: bool = False) -> Imported:
        """Save what a plan brings in, each key by itself. What was saved meanwhile is left out.

        With `renamed`, keys whose name is taken come in as “Name (2)”. Raises RefusedError for
        somebody else's plan, and StoreError when the store fails before anything was saved.
        """
        if plan.owner != owner:
            raise RefusedError("This file was read for somebody else. Choose it again.")
        saved: list[Saved] = []
        left_out: list[LeftOut] = []
        failed: StoreError | None = None
        for item in plan.items:
            try:
                if failed:
                    raise failed
                saved.append(self._save(item, owner, renamed=renamed))
            except _LeftOutError as error:
                left_out.append(LeftOut(item.provider, item.name, str(error), error.state))
            except StoreError as error:
                if not saved:
                    raise
                failed = error
                left_out.append(LeftOut(item.provider, item.name, str(error)))
        return Imported(tuple(saved), tuple(left_out))

    def _save(self, item: Item, owner: str, *, renamed: bool) -> Saved:
        """Save one key. Raises _LeftOutError with its state and sentence, StoreError."""
        prepared = item.prepared
        if prepared is None or (item.state == "clash" and not renamed):
            raise _LeftOutError(item.state, item.said)
        if self._is_there(prepared.row.id, owner):
            raise _LeftOutError("there", "This key came in already.")
        names = self._names(prepared, owner) if renamed else iter([None])
        told = f"{_MOST_NAMES} keys are named like this one."
        for name in names:
            try:
                return self._keys.insert(prepared, owner=owner, name=name)
            except InputError as error:
                told = str(error)
                if error.field != "name":
                    raise _LeftOutError("there", told) from None
            except LockedError as error:
                raise _LeftOutError("refused", str(error)) from None
        raise _LeftOutError("clash", told)

    def _is_there(self, key_id: str, owner: str) -> bool:
        return bool(self._keys.entries([key_id], owner=owner))

    def _names(self, prepared: Prepared, owner: str) -> Iterator[str | None]:
        """Its name, then “Name (2)” and so on: those that are free."""
        row = prepared.row
        for number in range(1, _MOST_NAMES + 1):
            end = f" ({number})" if number > 1 else ""
            name = f"{row.name[: pasted.LONGEST_NAME - len(end)].rstrip()}{end}"
            if namesake(self._keys, row.provider, name, owner) is None:
                yield name


class _LeftOutError(Exception):
    """A key is not saved. Its sentence is ours."""

    def __init__(self, state: State, said: str) -> None:
        super().__init__(said)
        self.state: State = state


def _left_out(
    entries: Sequence[KeyEntry], outcomes: Sequence[OpenedKey | Exception]
) -> tuple[LeftOut, ...]:
    """The keys that are locked, held back, or not this person's to take along. Raises what else
    went wrong with one."""
    left_out = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, LockedError | RefusedError | DeniedError):
            left_out.append(LeftOut(entry.provider, entry.name, str(outcome)))
        elif isinstance(outcome, Exception):
            raise outcome
    return tuple(left_out)
