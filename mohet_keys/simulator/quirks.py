"""Streams that are odd, or go wrong, by the behaviour a secret asks for.

A stream is a list of frames, each the bytes of one event. `None` in it hangs up there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mohet_keys.simulator.streams import DONE, Chat, Event, chunk, events, usage_chunk

Frame = bytes | None


def frame(event: Event, name: str = "") -> bytes:
    """An event as bytes, characters as they are."""
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def frames(chat: Chat, behaviour: str | None) -> Iterator[Frame]:
    """The frames of a streamed reply."""
    if behaviour in _OTHER_CHATS:
        chat = _OTHER_CHATS[behaviour](chat)
    plain = [frame(event) for event in events(chat)]
    yield from _QUIRKS.get(behaviour or "", _as_it_is)(chat, plain)


def _as_it_is(_chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    yield from plain
    yield DONE


def _half(chat: Chat, plain: Sequence[bytes]) -> Sequence[bytes]:
    """What comes before the trouble: the first words."""
    return plain[: max(3, len(plain) - len(chat.words) // 2 - 2)]


# --- that break off -----------------------------------------------------------------------------


def _fails(chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    """An error inside of the 200, as each provider writes it; Ollama just stops."""
    yield from _half(chat, plain)
    said = "The model is overloaded. Please try again later."
    inner = {"message": said, "type": "server_error", "param": None, "code": None}
    match chat.provider:
        case "openai":
            yield frame({"error": inner})
        case "groq":
            yield frame(chunk(chat, {}, x_groq={"id": "req_sim", "error": said}))
        case "lmstudio":
            yield frame({"error": {"message": said}}, "error")
        case "openrouter":
            error = {"code": 502, "message": said}
            yield frame(chunk(chat, {"content": ""}, "error", error=error))
        case "mistral":
            yield frame(chunk(chat, {"content": ""}, "error"))
        case "ollama":
            yield frame(chunk(chat, {"role": "assistant", "content": ""}))


def _breaks_off(chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    yield from _half(chat, plain)


def _hangs_up(chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    """In the middle of a character."""
    yield from _half(chat, plain)
    whole = frame(chunk(chat, {"content": " Grüße"}))
    yield whole[: whole.index("ü".encode()) + 1]
    yield None


def _never_done(_chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    yield from plain


# --- that are only odd ----------------------------------------------------------------------------


def _quirky(chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    """Everything that is allowed and nobody expects."""
    yield b"\xef\xbb\xbf: a comment behind a byte order mark\r\n\r\n"
    yield b"retry: 3000\r\nid: 7\r\n\r\n"
    yield frame({**chunk(chat, {}), "choices": []})
    yield frame(chunk(chat, None))
    yield frame({"object": "ping", "unknown": {"deep": [[[[[1]]]]]}})
    for part in plain:
        yield part.replace(b"data: ", b"data:").replace(b"\n", b"\r\n")
        yield b":\n\n"
    yield frame(chunk(chat, {"content": [{"type": "reference", "reference_ids": [1]}]}))
    yield frame(usage_chunk(chat))
    yield b"data: [DONE]\r\n\r\n: behind the end\n\n"


def _aloud(chat: Chat, _plain: Sequence[bytes]) -> Iterator[Frame]:
    """Thoughts inside of the text, their marks cut into pieces."""
    yield frame(chunk(chat, {"role": "assistant", "content": ""}))
    for piece in ("<th", "ink>\nThe user ", "wants a short answer.\n</thi", "nk>", "\n\n"):
        yield frame(chunk(chat, {"content": piece}))
    for word in chat.words:
        yield frame(chunk(chat, {"content": word}))
    yield frame(chunk(chat, {}, "stop", usage=chat.usage))
    yield DONE


def _parrot(chat: Chat, _plain: Sequence[bytes]) -> Iterator[Frame]:
    """Says the key it was sent, three characters at a time, in the text and in the thoughts."""
    said = f"Your key is {chat.secret}, is it not?"
    for start in range(0, len(said), 3):
        piece = said[start : start + 3]
        yield frame(chunk(chat, {"content": piece, "reasoning": piece}))
    yield frame({**chunk(chat, {}, "stop"), "model": f"{chat.model}-{chat.secret}"})
    yield DONE


def _short(chat: Chat, plain: Sequence[bytes]) -> Iterator[Frame]:
    """Ends where it may not be longer."""
    yield from _half(chat, plain)
    yield frame(chunk(chat, {}, "length", usage=chat.usage))
    yield DONE


_OTHER_CHATS: dict[str | None, Callable[[Chat], Chat]] = {
    "othermodel": lambda chat: replace(chat, model="another/model-7b"),
}
_QUIRKS: dict[str, Callable[[Chat, Sequence[bytes]], Iterator[Frame]]] = {
    "midfail": _fails,
    "brokenoff": _breaks_off,
    "hangup": _hangs_up,
    "nodone": _never_done,
    "quirky": _quirky,
    "aloud": _aloud,
    "parrot": _parrot,
    "tooshort": _short,
}


def unknown_field(asked: dict[str, Any], behaviour: str | None) -> str | None:
    """The field of a request that a server of this behaviour does not know."""
    if behaviour == "picky" and "stream_options" in asked:
        return "stream_options"
    return "stream" if behaviour == "unstreamed" and asked.get("stream") else None
