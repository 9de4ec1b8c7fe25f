"""The events of a reply, with what is peculiar to each provider's stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

COMMENT = b": OPENROUTER PROCESSING\n\n"
DONE = b"data: [DONE]\n\n"
_THOUGHT = "The user wants a short answer."
_CREATED = 1790614598
_IDS = {"mistral": "cmpl-sim", "openrouter": "gen-sim", "ollama": "chatcmpl-480"}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chat:
    """One reply to be given."""

    provider: str
    model: str
    text: str
    asks_usage: bool = False
    obfuscates: bool = True
    secret: str = field(default="", repr=False)

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens, counted as words."""
        words = len(self.text.split())
        return {"prompt_tokens": 7, "completion_tokens": words, "total_tokens": 7 + words}

    @property
    def words(self) -> list[str]:
        """The text in pieces, each with the space that follows it."""
        first, *rest = self.text.split(" ")
        return [first, *(f" {word}" for word in rest)]


def whole(chat: Chat) -> Event:
    """A reply that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": chat.text}
    if chat.provider == "mistral":
        message["content"] = [_thinking(), {"type": "text", "text": chat.text}]
    elif chat.provider in _THOUGHTS:
        message[_THOUGHTS[chat.provider]] = _THOUGHT
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {**_head(chat), "object": "chat.completion"}
    return {**head, "choices": [choice], "usage": chat.usage}


def events(chat: Chat) -> Iterator[Event]:
    """The events of a streamed reply, without the `[DONE]` at its end."""
    return _STREAMS[chat.provider](chat)


def _head(chat: Chat) -> Event:
    name = _IDS.get(chat.provider, "chatcmpl-sim")
    return {"id": name, "object": "chat.completion.chunk", "created": _CREATED, "model": chat.model}


def chunk(chat: Chat, delta: Any, finish: str | None = None, **more: Any) -> Event:
    """An event with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head(chat), "choices": [choice], **more}


def usage_chunk(chat: Chat, **more: Any) -> Event:
    """The event that has no choice, and tells the tokens."""
    return {**_head(chat), "choices": [], "usage": {**chat.usage, **more}}


def _thinking() -> Event:
    return {"type": "thinking", "thinking": [{"type": "text", "text": _THOUGHT}]}


# --- the providers ----------------------------------------------------------------------------


def _openai(chat: Chat) -> Iterator[Event]:
    """Padding against guessing by length, and `usage: null` until the one chunk that has it."""
    more: dict[str, Any] = {"obfuscation": "aB3xQ"} if chat.obfuscates else {}
    if chat.asks_usage:
        more["usage"] = None
    yield chunk(chat, {"role": "assistant", "content": ""}, **more)
    for word in chat.words:
        yield chunk(chat, {"content": word}, **more)
    yield chunk(chat, {}, "stop", **more)
    if chat.asks_usage:
        yield usage_chunk(chat)


def _groq(chat: Chat) -> Iterator[Event]:
    """Usage in a field of its own, in seconds too, on the last chunk."""
    spent = {**chat.usage, "queue_time": 0.05, "prompt_time": 0.004, "completion_time": 0.01}
    yield chunk(chat, {"role": "assistant", "content": ""}, x_groq={"id": "req_sim"})
    yield chunk(chat, {"reasoning": _THOUGHT})
    for word in chat.words:
        yield chunk(chat, {"content": word})
    yield chunk(chat, {}, "stop", x_groq={"id": "req_sim", "usage": spent})
    if chat.asks_usage:
        yield usage_chunk(chat)


def _lmstudio(chat: Chat) -> Iterator[Event]:
    """Thoughts in `reasoning_content`, an empty line before the text, usage only when asked."""
    yield chunk(chat, {"role": "assistant", "reasoning_content": _THOUGHT})
    yield chunk(chat, {"content": "\n\n"})
    for word in chat.words:
        yield chunk(chat, {"content": word})
    yield chunk(chat, {}, "stop")
    if chat.asks_usage:
        yield usage_chunk(chat, completion_tokens_details={"reasoning_tokens": 6})


def _ollama(chat: Chat) -> Iterator[Event]:
    more = {"system_fingerprint": "fp_ollama"}
    yield chunk(chat, {"role": "assistant", "reasoning": _THOUGHT}, **more)
    for word in chat.words:
        yield chunk(chat, {"content": word}, **more)
    yield chunk(chat, {}, "stop", **more)
    if chat.asks_usage:
        yield {**usage_chunk(chat), **more}


def _openrouter(chat: Chat) -> Iterator[Event]:
    """Names who answers, thinks in two fields at once, and always ends with usage and cost."""
    more = {"provider": "Simulated"}
    details = [{"type": "reasoning.text", "text": _THOUGHT}]
    thought = {"content": "", "reasoning": _THOUGHT, "reasoning_details": details}
    yield chunk(chat, {"role": "assistant", **thought}, **more)
    for word in chat.words:
        yield chunk(chat, {"role": "assistant", "content": word}, **more)
    yield chunk(chat, {"content": ""}, "stop", **more)
    yield {**usage_chunk(chat, cost=0.00014), **more}


def _mistral(chat: Chat) -> Iterator[Event]:
    """Content as text or as a list of pieces; usage on the last chunk that has a choice."""
    *words, last = chat.words
    yield chunk(chat, {"role": "assistant", "content": ""})
    yield chunk(chat, {"content": [_thinking()]})
    for place, word in enumerate(words):
        pieces = [{"type": "text", "text": word}]
        yield chunk(chat, {"content": pieces if place == 0 else word})
    yield chunk(chat, {"content": last}, "stop", usage=chat.usage)


_STREAMS: dict[str, Callable[[Chat], Iterator[Event]]] = {
    "openai": _openai,
    "groq": _groq,
    "lmstudio": _lmstudio,
    "ollama": _ollama,
    "openrouter": _openrouter,
    "mistral": _mistral,
}
_THOUGHTS = {
    "groq": "reasoning",
    "lmstudio": "reasoning_content",
    "ollama": "reasoning",
    "openrouter": "reasoning",
}
