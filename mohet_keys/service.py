"""The verbs: add, edit, remove, select, list. The only way in to the saved keys.

Every verb takes the owner it acts for and decides from the store. What comes out is a `KeyEntry`,
which never has the secret; `open` alone gives it out, for one request, to validation and chat.
What is done is recorded with it, and a use before it happens: one that cannot be recorded is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mohet_keys import pasted
from mohet_keys.errors import InputError, LockedError, NotFoundError, RefusedError
from mohet_keys.journal import host_of
from mohet_keys.keeping import Keeping
from mohet_keys.model import UNDO_FOR, CheckResult, KeyEntry, NewKey, OpenedKey, Selection
from mohet_keys.model_choice import is_model_id
from mohet_keys.opening import SHOWN_FOR, kept_in
from mohet_keys.repository import Sort
from mohet_keys.saving import Draft, Page, Prepared, Saved
from mohet_keys.standing import held_diagnosis
from mohet_keys.typed import provider_row, read_new

__all__ = ["SHOWN_FOR", "UNDO_FOR", "Draft", "KeyService", "Page", "Prepared", "Saved"]


class KeyService(Keeping):
    """Everything that can be done with saved keys."""

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError for an unknown id and for somebody else's alike."""
        with self._asking("see", owner, key_id) as asked:
            return self._shown(self._repository.entry(key_id, owner), asked.person)

    def entries(self, key_ids: Sequence[str], *, owner: str) -> Sequence[KeyEntry]:
        """Those of these keys that there are, in no certain order."""
        with self._asking("list keys", owner) as asked:
            found = self._repository.entries(key_ids, owner)
            return [self._shown(entry, asked.person) for entry in found]

    def may_use(self, key_id: str, *, owner: str) -> bool:
        """Whether a key is still there for this person. Nothing is recorded: this is for whoever
        looks again and again, such as a chat while its reply comes.

        Raises DeniedError for whoever may not use anything any more.
        """
        self._rights.person(owner)
        try:
            self._repository.entry(key_id, owner)
        except NotFoundError:
            return False
        return True

    def find(self, ref: str, *, owner: str) -> KeyEntry:
        """The key with this id, or named `provider/name`. Raises NotFoundError."""
        slug, slash, name = ref.partition("/")
        folded = f"{slug.strip().lower()}/{pasted.name_key(name)}" if slash else ref
        with self._asking("see", owner, ref) as asked:
            return self._shown(self._repository.find(folded, owner), asked.person)

    def list(
        self,
        *,
        owner: str,
        provider: str | None = None,
        search: str = "",
        sort: Sort = "newest",
        offset: int = 0,
        limit: int | None = None,
        in_all: int | None = None,
    ) -> Page:
        """A page of keys; nothing is decrypted for it.

        `in_all` is how many there are without `search`, where the caller knows it already.
        """
        search = pasted.name_key(search)
        with self._asking("list keys", owner) as asked:
            found = self._repository.page(
                owner, provider=provider, search=search, sort=sort, offset=offset, limit=limit
            )
            total = len(found)
            if in_all is not None and not search:
                total = in_all
            elif offset or total == limit:
                total = self._repository.count(owner, provider=provider, search=search)
            return Page(tuple(self._shown(entry, asked.person) for entry in found), total)

    def counts(self, *, owner: str) -> dict[str, int]:
        """How many keys each provider has."""
        with self._asking("list keys", owner):
            return self._repository.counts(owner)

    def selection(self, *, owner: str) -> Selection | None:
        """The key and model the owner chats with now."""
        with self._asking("list keys", owner):
            return self._repository.selection(owner)

    def sealed_endpoint(self, key_id: str, *, owner: str) -> str | None:
        """The address that is sealed with the secret; None when it cannot be told now.

        The column beside it may have been changed by somebody who can write the database. Raises
        NotFoundError.
        """
        with self._asking("see", owner, key_id):
            sealed = self._repository.sealed(key_id, owner)
            try:
                return self._unsealed(sealed).destination
            except LockedError:
                return None

    # --- choosing and checking -------------------------------------------------------------------

    def select(self, key_id: str | None, *, owner: str, model: str | None = None) -> None:
        """Make a key (None: no key) the one the owner chats with. Raises NotFoundError.

        `model` is remembered for the key; without one, what was remembered is used again. Raises
        InputError for a text that is no model id.
        """
        if model is not None and not is_model_id(model):
            raise InputError("model", "A model id has no spaces and at most 200 characters.")
        with self._asking("select", owner, key_id):
            listed = False
            if key_id is not None and model is not None:
                check = self._repository.entry(key_id, owner).check
                listed = check is not None and model in check.models
            self._repository.select(owner, key_id, model, self._clock(), listed=listed)

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a check's result; a passing failure leaves what was proven before."""
        with self._asking("check", owner, result.key_id):
            return self._repository.save_check(result, owner)

    def record_all(self, results: Sequence[CheckResult], *, owner: str) -> Sequence[CheckResult]:
        """The same for several at once, which takes hardly longer than for one."""
        with self._asking("check", owner):
            return self._repository.save_checks(results, owner)

    def draft(self, new: NewKey, *, owner: str) -> Draft:
        """A key as it would be saved, for a test before that. Nothing is written.

        Raises InputError for what was typed, LockedError when nothing could be saved anyway.
        """
        with self._asking("add a key", owner) as asked:
            row = provider_row(new.provider)
            self._safe.require()
            typed = read_new(new)
            rules = self._vet_new(asked, row.slug, typed.endpoint)
            self._unused_fingerprint(typed.secret, owner)
            held = pasted.looks_like(typed.secret, row, typed.endpoint)
            secret = typed.secret or None
            key = OpenedKey("", row.slug, typed.endpoint, 0, secret, typed.allow_http)
            key = kept_in(key, rules)
            return Draft(key, typed.name, held_diagnosis(held.slug) if held else None)

    def trying(self, draft: Draft, *, owner: str) -> OpenedKey:
        """The key of a draft, for one test at its server, which is on record then.

        Raises RefusedError for one that is held, and StoreError.
        """
        with self._asking("test a key", owner):
            if draft.held is not None:
                raise RefusedError(draft.held.explanation)
            key = draft.key
            doing = self._doing(
                "try",
                owner,
                key_name=draft.name,
                provider=key.provider,
                host=host_of(key.destination),
                result="",
                mark=self._fingerprint(key.secret or "") or "",
            )
            return replace(key, use=self._begin(doing))
