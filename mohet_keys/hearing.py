"""Listens to the answer of one chat request: a stream of events, a whole reply, or a refusal."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from mohet_keys import pasted
from mohet_keys.answers import Said, clean, read
from mohet_keys.case import label_of
from mohet_keys.diagnosis import diagnose, diagnose_failure
from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.incoming import Incoming
from mohet_keys.model import ChatEvent, Delta, Diagnosis, Note, OpenedKey, Verdict
from mohet_keys.providers import BY_SLUG
from mohet_keys.replies import Reader, is_same_model, lines_of, written

MOST_SAID = 1_000_000
"""Characters of text and thoughts that are taken of one reply: twice the longest that any model
writes, and little enough for a page to hold."""
_BREAKS_OFF_SILENTLY = "ollama"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a chat request asks of whom; nothing of the secret, only whether there is one."""

    provider: str
    endpoint: str
    model: str
    has_key: bool
    looks_like: str | None

    @property
    def url(self) -> str:
        """Where chats are sent."""
        return f"{self.endpoint}/chat/completions"

    @property
    def label(self) -> str:
        """What to call the provider at the start of a sentence."""
        return label_of(self.provider)

    def judge(
        self, status: int, headers: Mapping[str, str], body: bytes | str, now: datetime
    ) -> Diagnosis:
        """What an answer says about the key."""
        return diagnose(
            self.provider,
            method="POST",
            path=self.url,
            status=status,
            headers=headers,
            body=body,
            endpoint=self.endpoint,
            has_key=self.has_key,
            asked_model=self.model,
            looks_like=self.looks_like,
            now=now,
        )


def asked_of(key: OpenedKey, model: str) -> Asked:
    """What a request through this key asks."""
    row, secret = BY_SLUG.get(key.provider), key.secret or ""
    held = pasted.looks_like(secret, row, key.destination) if row and secret else None
    label = held.label if held else None
    return Asked(key.provider, key.destination, model, bool(secret), label)


class Hearing:
    """One answer, heard to its end. `diagnosis` says what was wrong with it, None if nothing.

    `status` is None until an answer came; `said` is what a body said that was no reply.
    """

    def __init__(self, asked: Asked, incoming: Incoming, clock: Callable[[], datetime]) -> None:
        self.reader = Reader(needs_reason=asked.provider == _BREAKS_OFF_SILENTLY)
        self.answering = ""
        """The model that answers, as the server names it."""
        self.status: int | None = None
        self.said: Said | None = None
        self.diagnosis: Diagnosis | None = None
        self._asked = asked
        self._incoming = incoming
        self._clock = clock
        self._has_said = False

    async def events(self) -> AsyncGenerator[ChatEvent, None]:
        """What is heard. Raises nothing but what cancels it."""
        incoming = self._incoming
        try:
            async with incoming:
                self.status = incoming.status
                if incoming.is_events and incoming.status < 300:
                    async with aclosing(self._streamed()) as deltas:
                        async for event in deltas:
                            yield event
                else:
                    for event in self._whole(await incoming.body()):
                        yield event
        except TransportError as error:
            self._broke(error)

    # --- a stream -------------------------------------------------------------------------------

    async def _streamed(self) -> AsyncGenerator[ChatEvent, None]:
        reader, incoming, left = self.reader, self._incoming, MOST_SAID
        text, thought = incoming.scrubber(), incoming.scrubber()
        try:
            async with aclosing(incoming.events()) as events:
                async for name, data in events:
                    piece = reader.feed(data, name)
                    said = text.feed(piece.text) if piece.text else ""
                    mused = thought.feed(piece.reasoning) if piece.reasoning else ""
                    if reader.model and not self.answering:
                        for note in self._meet(reader.model):
                            yield note
                    if said or mused:
                        self._has_said = True
                        yield Delta(said, mused)
                        left -= len(said) + len(mused)
                    if reader.is_over:
                        break
                    if left < 0:
                        self._broke(TransportError("too_large"))
                        break
        except TransportError as error:
            self._broke(error)
        rest = reader.close()
        last = Delta(
            text.feed(rest.text) + text.end(), thought.feed(rest.reasoning) + thought.end()
        )
        if last != Delta():
            self._has_said = True
            yield last
        self._look_at_the_end()

    def _meet(self, model: str) -> Iterator[Note]:
        """Get to know who answers; a note when that is not who was asked."""
        self.answering = self._incoming.text(model)
        if not is_same_model(self._asked.model, model):
            yield Note(f"The server answered with {clean(self.answering)}.")

    def _look_at_the_end(self) -> None:
        """Say what is wrong with a stream that did not end as it should."""
        reader = self.reader
        if reader.error is not None:
            told = f"data: {self._incoming.text(written(reader.error))}\n\n"
            self.diagnosis = self._judge(told)
        elif not reader.is_complete and self.diagnosis is None:
            what = "ended its reply before it was complete" if self._has_said else _NOTHING
            self.diagnosis = _unfinished(f"{self._asked.label} {what}.", cut=self._has_said)

    # --- anything else --------------------------------------------------------------------------

    def _whole(self, body: bytes) -> Iterator[ChatEvent]:
        """A whole reply, or what is no reply; read one after the other, so that never two
        readings of a large body are in memory."""
        incoming = self._incoming
        if incoming.status < 300:
            yield from self._reply_in(read(body, incoming.headers))
            if self.reader.error is None and self.reader.has_choices:
                return
        self.diagnosis = self._judge(body)
        self.said = read(body, incoming.headers)

    def _reply_in(self, said: Said) -> Iterator[ChatEvent]:
        """The reply in a body of JSON, or in a stream that came under another name."""
        reader = self.reader
        if said.kind == "stream":
            pieces = [*map(reader.feed, lines_of(said.text))]
        else:
            pieces = [reader.take(said.data)]
        pieces.append(reader.close())
        reader.finish = reader.finish or ("stop" if reader.has_choices else None)
        if reader.error is not None or not reader.has_choices:
            return
        yield from self._meet(reader.model)
        text = "".join(piece.text for piece in pieces)
        mused = "".join(piece.reasoning for piece in pieces)
        self._has_said = bool(text or mused)
        if self._has_said:
            yield Delta(self._incoming.text(text), self._incoming.text(mused))

    def _judge(self, body: bytes | str) -> Diagnosis:
        incoming = self._incoming
        return self._asked.judge(incoming.status, incoming.headers, body, self._clock())

    def _broke(self, error: TransportError) -> None:
        """The connection failed: before anything came, or in the middle."""
        if self._has_said:
            self.diagnosis = _broken_off(self._asked.label, error.kind)
        else:
            asked = self._asked
            self.diagnosis = diagnose_failure(asked.provider, error, endpoint=asked.endpoint)


# --- ends that no provider puts into words --------------------------------------------------------

_NOTHING = "began to answer and then sent nothing"
_AGAIN = "Send the message again."
_BREAKS: dict[TransportKind, str] = {
    "too_large": "The reply of {label} was longer than is read, so it was cut off.",
    "timeout": "{label} stopped sending in the middle of its reply.",
    "deadline": "The reply of {label} took too long, so it was cut off.",
}


def _unfinished(explanation: str, *, cut: bool) -> Diagnosis:
    if not cut:
        again = "Try again, or choose another model."
        return Diagnosis(Verdict.VALID, "reply failed", explanation, again)
    return Diagnosis(Verdict.VALID, "reply cut off", explanation, _AGAIN)


def _broken_off(label: str, kind: TransportKind) -> Diagnosis:
    lost = "The connection to {label} ended in the middle of its reply."
    return _unfinished(_BREAKS.get(kind, lost).format(label=label), cut=True)
