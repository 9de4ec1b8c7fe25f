"""The course of one message: the key taken, the request sent, the reply read, the end told.

A message is sent once. Only what a server does not know of the request is left out and asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from mohet_keys import endpoints
from mohet_keys.addresses import is_private_host
from mohet_keys.chat_keys import ChatKey, Taken, answered, not_carried_out
from mohet_keys.chat_request import body_of, less
from mohet_keys.hearing import Hearing, asked_of
from mohet_keys.http import Outbound
from mohet_keys.incoming import LOCAL_FIRST_BYTE, Incoming, Limits
from mohet_keys.model import (
    ChatEvent,
    Delta,
    Diagnosis,
    Ended,
    Message,
    Note,
    OpenedKey,
    Outcome,
    Spent,
    Usage,
    Verdict,
)

_WORDLESS = {
    "content_filter": "The provider’s filter ended this reply.",
    "": "The model sent an empty reply.",
}
_ERRORS = frozenset({"cut", "refused", "failed"})
"""Outcomes that count as errors. Who stopped a reply, or deleted its key, wanted it so."""
_log = logging.getLogger(__name__)


class Talk:
    """One message and its reply. `events` is read once; `end` may be called meanwhile."""

    def __init__(
        self,
        key: ChatKey,
        outbound: Outbound,
        messages: Sequence[Message],
        model: str,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        limits: Limits | None,
    ) -> None:
        self._key = key
        self._outbound = outbound
        self._messages = messages
        self._model = model
        self._clock = clock
        self._monotonic = monotonic
        self._limits = limits
        self._name = ""
        self._began = monotonic()
        self._first: float | None = None
        """When the first words came."""
        self._incoming: Incoming | None = None
        self._hearing: Hearing | None = None
        self._ending: Outcome | None = None
        """How somebody here ended it, before the reply was over."""

    def end(self, outcome: Outcome) -> None:
        """Close the connection now; the last event will say this. On the loop's own thread."""
        self._ending = self._ending or outcome
        if self._incoming is not None:
            self._incoming.hang_up()

    def ended(self, outcome: Outcome, diagnosis: Diagnosis | None = None) -> Ended:
        """The last event, with what is known by now."""
        heard, now = self._hearing, self._monotonic()
        return Ended(
            outcome,
            key_id=self._key.id,
            key_name=self._name,
            asked_model=self._model,
            answered_model=heard.answering if heard else "",
            diagnosis=diagnosis,
            usage=heard.reader.usage if heard else None,
            seconds=now - self._began,
            first_token_seconds=None if self._first is None else self._first - self._began,
        )

    async def events(self) -> AsyncGenerator[ChatEvent, None]:
        """The reply, with an Ended as its last event."""
        self._began = self._monotonic()
        try:
            async with aclosing(self._course()) as course:
                async for event in course:
                    if self._first is None and isinstance(event, Delta):
                        self._first = self._monotonic()
                    yield event
        except Exception as error:  # noqa: BLE001  # a bug of ours ends in words, too
            _log.error("A chat broke off with %s.", type(error).__name__)
            said = not_carried_out("The message could not be sent.")
            yield self.ended("failed" if self._first is None else "cut", said)

    async def _course(self) -> AsyncGenerator[ChatEvent, None]:
        taken = await self._key.take()
        self._name = taken.entry.name if taken.entry else ""
        if taken.key is None:
            yield self._not_sent(taken)
            return
        proof, revision, use = answered(taken.key), taken.key.revision, taken.key.use
        watch = asyncio.create_task(self._watch())
        try:
            async with aclosing(self._reply(taken.key)) as reply:
                del taken  # the secret is needed no longer than the request
                async for event in reply:
                    yield event
        except BaseException as error:
            if not isinstance(error, Exception):  # whoever listened has left
                self.end("stopped")
            await self._tell(use, *self._outcome())
            raise
        finally:
            watch.cancel()
        outcome, diagnosis = self._outcome()
        if outcome not in {"stopped", "deleted", "denied"}:
            await self._judge(revision, diagnosis or proof)
        await self._tell(use, outcome, diagnosis)
        yield self.ended(outcome, diagnosis)

    def _not_sent(self, taken: Taken) -> Ended:
        if taken.diagnosis is None:
            return self.ended("deleted")
        return self.ended("failed", taken.diagnosis)

    async def _watch(self) -> None:
        self.end(await self._key.until_gone())

    # --- the request ----------------------------------------------------------------------------

    async def _reply(self, key: OpenedKey) -> AsyncGenerator[ChatEvent, None]:
        """The reply, asked for with less when the server does not know a part of the request."""
        asked = asked_of(key, self._model)
        body = body_of(key.provider, self._model, self._messages)
        while self._ending is None:
            limits = self._limits or _limits(key.destination, streams=bool(body["stream"]))
            self._incoming = self._outbound.stream(key, asked.url, json=body, limits=limits)
            self._hearing = heard = Hearing(asked, self._incoming, self._clock)
            async with aclosing(heard.events()) as events:
                async for event in events:
                    yield event
            rest = less(body, heard.status or 0, heard.said) if heard.said else None
            if rest is None:
                break
            if rest.note:
                yield Note(rest.note)
            body = rest.body
        if (note := self._remark()) is not None:
            yield note

    def _remark(self) -> Note | None:
        """What to say of a reply that ended well and has no words, or was ended by a filter."""
        heard = self._hearing
        if heard is None or not heard.reader.is_complete:
            return None
        finish = heard.reader.finish or ""
        if finish in _WORDLESS:
            return Note(_WORDLESS[finish])
        return Note(_WORDLESS[""]) if self._first is None else None

    # --- the end --------------------------------------------------------------------------------

    def _outcome(self) -> tuple[Outcome, Diagnosis | None]:
        """How it ended. A reply that is whole is that, whoever hung up afterwards."""
        heard = self._hearing
        if heard and heard.reader.is_complete:
            return ("length" if heard.reader.is_too_long else "finished"), None
        if self._ending or heard is None:
            return self._ending or "stopped", None
        if heard.diagnosis and heard.diagnosis.verdict is Verdict.INVALID:
            return "refused", heard.diagnosis
        return ("failed" if self._first is None else "cut"), heard.diagnosis

    async def _tell(self, use: int, outcome: Outcome, said: Diagnosis | None) -> None:
        """Have it on record how the message went, and what it took."""
        usage = self._hearing.reader.usage if self._hearing else None
        spent = _spent(usage or Usage(), is_error=outcome in _ERRORS)
        await self._key.finish(use, outcome, said.reason if said else "", spent)

    async def _judge(self, revision: int, said: Diagnosis) -> None:
        """Let everybody know what came out about the key."""
        status = self._hearing.status if self._hearing else None
        await self._key.judge(revision, said, status, self._model)


def _spent(usage: Usage, *, is_error: bool) -> Spent:
    """The tokens of a message. What no provider parts into in and out is counted as in."""
    tokens_in, tokens_out = usage.prompt, usage.completion
    if usage.total is not None:
        if tokens_in is None:
            tokens_in = max(0, usage.total - (tokens_out or 0))
        elif tokens_out is None:
            tokens_out = max(0, usage.total - tokens_in)
    return Spent(is_error, tokens_in or 0, tokens_out or 0)


def _limits(destination: str, *, streams: bool) -> Limits:
    """A server of the user's own may have to load its model; a reply in one piece takes longer."""
    if streams and not is_private_host(endpoints.host(destination)):
        return Limits()
    return Limits(first_byte=LOCAL_FIRST_BYTE)
