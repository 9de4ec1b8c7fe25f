"""The key of a chat: opened afresh for one message, watched, and judged by what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from mohet_keys.case import KEY_WORKS, NO_KEY_NEEDED, label_of
from mohet_keys.changes import Waits
from mohet_keys.errors import (
    DeniedError,
    LimitError,
    LockedError,
    MohetError,
    NotFoundError,
    RefusedError,
    RuleError,
)
from mohet_keys.model import (
    Action,
    CheckResult,
    Diagnosis,
    KeyEntry,
    OpenedKey,
    Outcome,
    Spent,
    Verdict,
)
from mohet_keys.standing import may_send, standing

_ABOUT_THE_MODEL = frozenset({"model not allowed", "not in the plan", "model cannot run"})
"""Reasons that limit what was asked for, and not the key."""
_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where keys come from and results go."""

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError."""

    def may_use(self, key_id: str, *, owner: str) -> bool:
        """Whether the key is still there for them. Raises DeniedError when nothing is any more."""

    def open(self, key_id: str, *, owner: str, why: Action) -> OpenedKey:
        """The key for one message, which is on record then.

        Raises LockedError, NotFoundError, RefusedError, StoreError.
        """

    def finish(
        self, use: int, result: str, *, detail: str = "", spent: Spent | None = None
    ) -> None:
        """Record how a message went, and count what it took."""

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a result, and give it back with what was proven before."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A key taken for one message, or why there is none. With nothing in it the key is gone."""

    entry: KeyEntry | None = None
    key: OpenedKey | None = field(default=None, repr=False)
    diagnosis: Diagnosis | None = None


class ChatKey:
    """One key of one owner while a message is under way. The store is asked off the loop.

    It is looked after whenever there are `changes`, and at the latest after `watch_every` seconds.
    """

    def __init__(
        self,
        keys: KeySource,
        key_id: str,
        owner: str,
        clock: Callable[[], datetime],
        changes: Waits,
        watch_every: float,
    ) -> None:
        self.id = key_id
        self._keys = keys
        self._owner = owner
        self._clock = clock
        self._changes = changes
        self._watch_every = watch_every
        self._is_lent = False
        """Whether somebody else shares the key, who may take it back."""

    async def take(self) -> Taken:
        """The key as it is in the store now, opened unless it may not send."""
        return await asyncio.to_thread(self._take)

    async def until_gone(self) -> Outcome:
        """Come back when the key may not be used any more, and say how that is called.

        A store that cannot be read says nothing of it.
        """
        seen = self._changes.revision
        while (ended := await asyncio.to_thread(self._ended)) is None:
            seen = await self._changes.wait(seen, self._watch_every)
        return ended

    async def judge(self, revision: int, said: Diagnosis, status: int | None, model: str) -> None:
        """Record what a message brought out about the key, when that is news.

        Raises nothing: the reply is over either way.
        """
        await self._kept("What a chat brought out", self._judge, revision, said, status, model)

    async def finish(self, use: int, result: str, detail: str, spent: Spent) -> None:
        """Record how the message went, and what it took. Raises nothing, for the same reason."""
        told = partial(self._keys.finish, use, result, detail=detail, spent=spent)
        await self._kept("How a chat ended", told)

    async def _kept(self, what: str, step: Callable[..., None], *given: object) -> None:
        try:
            await asyncio.to_thread(step, *given)
        except Exception as error:  # noqa: BLE001  # the reply has to end all the same
            _log.error("%s was not kept: %s.", what, type(error).__name__)

    # --- on a thread ----------------------------------------------------------------------------

    def _ended(self) -> Outcome | None:
        """How it is called that the key may not be used any more; None when it may."""
        try:
            if not self._keys.may_use(self.id, owner=self._owner):
                return "denied" if self._is_lent else "deleted"
        except DeniedError:
            return "denied"
        except Exception as error:  # noqa: BLE001  # the next look may succeed
            _log.warning("A key could not be looked at: %s.", type(error).__name__)
        return None

    def _take(self) -> Taken:
        entry = None
        try:
            entry = self._keys.entry(self.id, owner=self._owner)
            self._is_lent = not entry.mine
            if not may_send(entry):
                return Taken(entry, None, standing(entry))
            return Taken(entry, self._keys.open(self.id, owner=self._owner, why="chat"))
        except NotFoundError:
            return Taken()
        except RuleError as error:
            return Taken(entry, None, ruled_out(error))
        except RefusedError as error:
            said = Diagnosis(Verdict.UNCHECKED, "held back", str(error), "Move it, or check it.")
            return Taken(entry, None, said)
        except LockedError as error:
            return Taken(entry, None, self._locked(entry, str(error)))
        except MohetError as error:
            return Taken(entry, None, not_carried_out(str(error)))

    def _locked(self, entry: KeyEntry | None, why: str) -> Diagnosis:
        """A row that was altered stays marked, as it does when a check finds it."""
        remedy = "Restore the master key or the store, or enter the secret again."
        said = Diagnosis(Verdict.LOCKED, "locked", why, remedy)
        if entry and not entry.locked:
            self._keep(entry, entry.revision, said, None)
        return said

    def _judge(self, revision: int, said: Diagnosis, status: int | None, model: str) -> None:
        """The store keeps no result of a revision that is past."""
        try:
            entry = self._keys.entry(self.id, owner=self._owner)
        except NotFoundError:
            return
        if _is_news(entry, said, model):
            self._keep(entry, revision, said, status)

    def _keep(self, entry: KeyEntry, revision: int, said: Diagnosis, status: int | None) -> None:
        """Record a result beside what the check before told and a chat does not.

        What was left to spend is not said of a key that turned out to be limited since.
        """
        before = entry.check
        is_limited = said.verdict is Verdict.LIMITED
        result = CheckResult(
            key_id=self.id,
            revision=revision,
            diagnosis=said,
            checked_at=self._clock(),
            http_status=status,
            models=before.models if before else (),
            recommended_model=before.recommended_model if before else None,
            credit=before.credit if before and not is_limited else None,
            expires_at=before.expires_at if before else None,
        )
        self._keys.record(result, owner=self._owner)


def answered(key: OpenedKey) -> Diagnosis:
    """What a reply proves."""
    label = label_of(key.provider)
    if not key.secret:
        return Diagnosis(Verdict.VALID, NO_KEY_NEEDED, f"{label} answers and needs no key.")
    return Diagnosis(Verdict.VALID, KEY_WORKS, f"{label} answered a message through this key.")


def ruled_out(error: RuleError) -> Diagnosis:
    """The team's rules forbid it, or allow no more this month."""
    if isinstance(error, LimitError):
        remedy = "Select another key, or ask an administrator."
        if error.of == "person":
            remedy = "Ask an administrator if you need more."
        return Diagnosis(Verdict.UNCHECKED, "monthly limit reached", str(error), remedy)
    return Diagnosis(Verdict.UNCHECKED, "not allowed", str(error), "Ask an administrator.")


def not_carried_out(why: str) -> Diagnosis:
    """The message could not be sent for a reason of our own."""
    return Diagnosis(Verdict.UNCHECKED, "not carried out", why, "Send it again in a moment.")


def _is_news(entry: KeyEntry, said: Diagnosis, model: str) -> bool:
    """Whether what a message brought out should change how the key stands.

    A reply that broke off in the middle is never judged unreachable: it was being answered.
    """
    match said.verdict:
        case Verdict.INVALID | Verdict.UNREACHABLE:
            return True
        case Verdict.LIMITED:
            return said.reason not in _ABOUT_THE_MODEL
        case Verdict.VALID if said.reason in {KEY_WORKS, NO_KEY_NEEDED}:
            return _lifts(entry, model)
    return False


def _lifts(entry: KeyEntry, model: str) -> bool:
    """Whether a reply shows a key in a better light than its last check.

    A server that looks at no key proves none by answering, and a free model no credit.
    """
    if entry.check is None:
        return True
    before = entry.check.diagnosis.verdict
    if before is Verdict.LIMITED:
        return not (model.endswith(":free") or model == "openrouter/free")
    return before not in {Verdict.VALID, Verdict.UNVERIFIED}
