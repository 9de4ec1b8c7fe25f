"""Opens keys: for one request, for their owner's eyes, and for a change of what is sealed.

Each use is on record before it happens; one that cannot be recorded does not happen.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mohet_keys import pasted
from mohet_keys.errors import NotFoundError, RefusedError, SealError
from mohet_keys.journal import MARK, Wanted, about
from mohet_keys.model import Action, Doing, KeyEntry, OpenedKey, Spent
from mohet_keys.repository import Repository, SealedRow
from mohet_keys.safe import Safe
from mohet_keys.sealed import Label
from mohet_keys.standing import standing

SHOWN_FOR = timedelta(seconds=20)
"""How long a secret may be seen after it was asked for."""
_NOT_SHOWN = "Secrets are not shown here. MOHET_ALLOW_REVEAL=1 would allow it."
_NOTHING_TO_SHOW = "This key has no secret that could be shown."
_HIDDEN = "The time to see this secret is over. Ask for it again."


def _now() -> datetime:
    return datetime.now(UTC)


class Opening:
    """The saved keys of everybody, opened only through `safe`.

    When the present master key opens nothing, listing, renaming, selecting and deleting still
    work; saving a secret and using one do not.
    """

    def __init__(
        self,
        repository: Repository,
        safe: Safe,
        *,
        clock: Callable[[], datetime] = _now,
        allow_reveal: bool = False,
    ) -> None:
        self._repository = repository
        self._safe = safe
        self._clock = clock
        self.allow_reveal = allow_reveal

    @property
    def locked(self) -> str | None:
        """Why no key can be opened now; None when they can. Looked at anew while it is so."""
        if self._safe.locked:
            self._safe.refresh()
        return self._safe.locked

    # --- for a use ----------------------------------------------------------------------------

    def open(self, key_id: str, *, owner: str, why: Action = "use") -> OpenedKey:
        """The secret, for one request to the destination it was sealed with.

        That it is used, and for what, is on record when this comes back; `finish` tells how it
        went. Raises NotFoundError, LockedError (SealError when the row was altered; that is on
        record too), RefusedError while the key is held because it looks like another vendor's,
        and StoreError when nothing can be recorded.
        """
        (outcome,) = self.open_all([key_id], owner=owner, why=why)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def open_all(
        self, key_ids: Sequence[str], *, owner: str, why: Action = "use"
    ) -> Sequence[OpenedKey | Exception]:
        """The same for several, in order, recorded in one go; an error in the place of each that
        `open` would raise it for. Raises StoreError.
        """
        rows = {row.entry.id: row for row in self._repository.sealed_all(key_ids, owner)}
        outcomes = [self._for_use(rows.get(key_id)) for key_id in key_ids]
        doings = {
            place: self._used(rows[key_id].entry, outcome, owner, why)
            for place, (key_id, outcome) in enumerate(zip(key_ids, outcomes, strict=True))
            if isinstance(outcome, OpenedKey | SealError)
        }
        told = self._repository.journal.begin_all(list(doings.values()))
        numbers = dict(zip(doings, told, strict=True))
        return [
            replace(outcome, use=numbers[place]) if isinstance(outcome, OpenedKey) else outcome
            for place, outcome in enumerate(outcomes)
        ]

    def _used(
        self, entry: KeyEntry, outcome: OpenedKey | SealError, owner: str, why: Action
    ) -> Doing:
        doing = about(self._doing(why, owner, result=""), entry)
        if isinstance(outcome, SealError):
            return replace(doing, result="locked", detail=str(outcome))
        return doing

    def _for_use(self, sealed: SealedRow | None) -> OpenedKey | Exception:
        """A key opened for a use that is not recorded yet, or why it may not be used."""
        try:
            if sealed is None:
                raise NotFoundError
            if sealed.entry.looks_like:
                raise RefusedError(standing(sealed.entry).explanation)
            return self._unsealed(sealed)
        except Exception as error:  # noqa: BLE001  # what is wrong with one key stops no other
            return error.with_traceback(None)

    def finish(
        self, use: int, result: str, *, detail: str = "", spent: Spent | None = None
    ) -> None:
        """Record how a use went: a verdict, or the way a reply ended. `detail` is our own words.

        `spent` is what a message took; it is counted for its key.
        """
        if use:
            self._repository.journal.end(use, result, self._clock(), detail, spent)

    # --- for its owner's eyes --------------------------------------------------------------------

    def reveal(self, key_id: str, *, owner: str) -> datetime:
        """Have a secret shown to its owner; that is on record when this comes back.

        Until the moment that is returned, `revealed` gives the secret out. Raises RefusedError
        for a key without a secret and where secrets are not shown, which is on record too;
        NotFoundError, LockedError, StoreError.
        """
        sealed = self._repository.sealed(key_id, owner)
        doing = about(self._doing("reveal", owner), sealed.entry)
        if not self.allow_reveal:
            self._begin(replace(doing, result="refused"))
            raise RefusedError(_NOT_SHOWN)
        if self._opened(sealed, doing).secret is None:
            raise RefusedError(_NOTHING_TO_SHOW)
        self._begin(doing)
        return doing.at + SHOWN_FOR

    def revealed(self, key_id: str, *, owner: str) -> str:
        """The secret whose showing was recorded just now. It is not recorded again.

        Raises RefusedError when the time is over, when the clock was set back meanwhile, and when
        the key has another secret by now; else like `reveal`.
        """
        if not self.allow_reveal:
            raise RefusedError(_NOT_SHOWN)
        shown = Wanted(owner=owner, action="reveal", key_id=key_id, result="done")
        last = next(iter(self._repository.journal.page(shown, limit=1)), None)
        if last is None or not last.at <= self._clock() < last.at + SHOWN_FOR:
            raise RefusedError(_HIDDEN)
        secret = self._unsealed(self._repository.sealed(key_id, owner)).secret or ""
        if last.fingerprint != self._mark(secret):
            raise RefusedError(_HIDDEN)
        return secret

    # --- means --------------------------------------------------------------------------------

    def _opened(self, sealed: SealedRow, doing: Doing) -> OpenedKey:
        """What is sealed. That it was altered is recorded of what was to be done with it."""
        try:
            return self._unsealed(sealed)
        except SealError as error:
            self._begin(replace(doing, result="locked", detail=str(error)))
            raise

    def _unsealed(self, sealed: SealedRow) -> OpenedKey:
        """What is sealed, bound to the label that its row has now. Raises LockedError."""
        entry = sealed.entry
        label = Label(entry.id, entry.provider, entry.endpoint, entry.revision, entry.allow_http)
        secret = self._safe.open(sealed.blob, label)
        return OpenedKey(
            id=label.key_id,
            provider=label.provider,
            destination=label.destination,
            revision=label.revision,
            secret=secret or None,
            allow_http=label.allow_http,
        )

    def _fingerprint(self, secret: str) -> str | None:
        """Its mark; none for one too short to be a credential: local servers may share it."""
        return self._safe.fingerprint(secret) if len(secret) >= pasted.SHORTEST_SHOWN else None

    def _mark(self, secret: str) -> str | None:
        print_ = self._fingerprint(secret)
        return print_[:MARK] if print_ else None

    def _doing(
        self, action: Action, owner: str, *, at: datetime | None = None, **told: Any
    ) -> Doing:
        request = secrets.token_hex(6)
        return Doing(action, owner, owner, at or self._clock(), request_id=request, **told)

    def _begin(self, doing: Doing) -> int:
        return self._repository.journal.begin(doing)
