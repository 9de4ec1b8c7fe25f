"""Opens keys: for one request, for their owner's eyes, and for a change of what is sealed.

Each use is on record before it happens; one that cannot be recorded does not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mohet_keys import logs, pasted
from mohet_keys.errors import DeniedError, NotFoundError, RefusedError, RuleError, SealError
from mohet_keys.journal import MARK, Wanted, about
from mohet_keys.model import (
    LOCAL_OWNER,
    Action,
    Doing,
    KeyEntry,
    OpenedKey,
    Person,
    Spent,
)
from mohet_keys.repository import Repository, SealedRow
from mohet_keys.rights import Asked, Rights, may_change
from mohet_keys.rules import TeamRules
from mohet_keys.safe import Safe
from mohet_keys.sealed import Label
from mohet_keys.standing import standing

SHOWN_FOR = timedelta(seconds=20)
"""How long a secret may be seen after it was asked for."""
WATCHER = "watcher"
"""Who looks at the keys of people who sign in, in the record."""
_NOT_SHOWN = "Secrets are not shown here. MOHET_ALLOW_REVEAL=1 would allow it."
_NOTHING_TO_SHOW = "This key has no secret that could be shown."
_HIDDEN = "The time to see this secret is over. Ask for it again."

_FOR_EVERYBODY = {"chat", "use"}
"""What everybody may use a key for who sees it."""
_TRIED: dict[Action, str] = {"check": "check", "watch": "check", "export": "export"}
"""What a use is called in a sentence, where it is not to use the key."""


def _now() -> datetime:
    return datetime.now(UTC)


class Opening:
    """The saved keys of everybody, opened only through `safe`.

    `owner` is who asks; each verb looks up what they may do. DeniedError, for who may not or not
    any more, and NotFoundError are on record when they are raised, except in a local run.

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
        rights: Rights | None = None,
    ) -> None:
        self._repository = repository
        self._safe = safe
        self._rights = rights or Rights(repository, clock=clock)
        self._asking = self._rights.asking
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
        with self._asking(_TRIED.get(why, "use"), owner) as asked:
            rules = self._rules(owner)
            rows = {row.entry.id: row for row in self._repository.sealed_all(key_ids, owner)}
            outcomes = [self._for_use(asked, rows.get(key_id), why, rules) for key_id in key_ids]
            doings = {}
            for place, (key_id, outcome) in enumerate(zip(key_ids, outcomes, strict=True)):
                doing = self._to_record(asked, key_id, rows.get(key_id), outcome, why)
                if doing is not None:
                    doings[place] = doing
            told = self._repository.journal.begin_all(list(doings.values()), rules)
        numbers = dict(zip(doings, told, strict=True))
        return [
            replace(outcome, use=numbers[place]) if isinstance(outcome, OpenedKey) else outcome
            for place, outcome in enumerate(outcomes)
        ]

    def _for_use(
        self, asked: Asked, sealed: SealedRow | None, why: Action, rules: TeamRules | None
    ) -> OpenedKey | Exception:
        """A key opened for a use that is not recorded yet, or why it may not be used."""
        asked.entry = sealed.entry if sealed else None
        try:
            if sealed is None:
                raise NotFoundError
            self._require(asked, sealed, why)
            if sealed.entry.looks_like:
                raise RefusedError(standing(sealed.entry).explanation)
            key = self._unsealed(sealed)
            if rules is not None and why != "export":
                rules.vet(key.provider, key.destination)
            return kept_in(key, rules)
        except Exception as error:  # noqa: BLE001  # what is wrong with one key stops no other
            return error.with_traceback(None)

    def _require(self, asked: Asked, sealed: SealedRow, why: Action) -> None:
        """Whoever sees a key may chat with it; the rest takes more. Raises DeniedError."""
        if why == "export":
            asked.to_read(sealed.entry, sealed.typed_by)
        elif why not in _FOR_EVERYBODY:
            asked.to_change(sealed.entry)

    def _to_record(
        self,
        asked: Asked,
        key_id: str,
        sealed: SealedRow | None,
        outcome: OpenedKey | Exception,
        why: Action,
    ) -> Doing | None:
        """What is recorded of one key that was to be used; None for what says nothing."""
        if isinstance(outcome, NotFoundError | DeniedError | RuleError):
            of_this = replace(asked, key_id=key_id, entry=sealed.entry if sealed else None)
            return self._rights.denial(of_this)
        if sealed is None or not isinstance(outcome, OpenedKey | SealError):
            return None
        doing = about(self._doing(why, asked.person.id, result=""), sealed.entry)
        if isinstance(outcome, SealError):
            return replace(doing, result="locked", detail=str(outcome))
        return doing

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
        with self._asking("see the secret of", owner, key_id) as asked:
            sealed = self._repository.sealed(key_id, owner)
            asked.to_read(sealed.entry, sealed.typed_by)
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
        with self._asking("see the secret of", owner, key_id) as asked:
            sealed = self._repository.sealed(key_id, owner)
            asked.to_read(sealed.entry, sealed.typed_by)
            shown = Wanted(owner=owner, action="reveal", key_id=key_id, result="done")
            last = next(iter(self._repository.journal.page(shown, limit=1)), None)
            if last is None or not last.at <= self._clock() < last.at + SHOWN_FOR:
                raise RefusedError(_HIDDEN)
            secret = self._unsealed(sealed).secret or ""
            if last.fingerprint != self._mark(secret):
                raise RefusedError(_HIDDEN)
            return secret

    # --- who asks -----------------------------------------------------------------------------

    def _rules(self, owner: str) -> TeamRules | None:
        """What is allowed to who asks, or to whose keys the app looks at; None for everything."""
        return None if owner == LOCAL_OWNER else self._repository.rules.find()

    def _vet(self, asked: Asked, provider: str, endpoint: str) -> TeamRules | None:
        """The rules for who asks, once they allow this provider and address. Raises RuleError."""
        rules = self._rules(asked.person.id)
        if rules is not None:
            rules.vet(provider, endpoint)
        return rules

    def _vet_new(self, asked: Asked, provider: str, endpoint: str) -> TeamRules | None:
        """The same for a key that is to be saved. Raises RuleError."""
        rules = self._vet(asked, provider, endpoint)
        if rules is not None:
            rules.vet_private(asked.person)
        return rules

    def _shown(self, entry: KeyEntry, person: Person) -> KeyEntry:
        """The key as this person sees it."""
        locked, may = self._safe.locked, may_change(person, entry)
        return replace(entry, locked=locked, may_change=may) if locked or not may else entry

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
        actor = WATCHER if action == "watch" and owner != LOCAL_OWNER else owner
        request = logs.id_to_record()
        return Doing(action, actor, owner, at or self._clock(), request_id=request, **told)

    def _begin(self, doing: Doing) -> int:
        return self._repository.journal.begin(doing)


def kept_in(key: OpenedKey, rules: TeamRules | None) -> OpenedKey:
    """The key, dialled on no private network that the team's rules do not name."""
    if rules is None:
        return key
    return replace(key, allow_private=rules.allows_private(key.destination))
