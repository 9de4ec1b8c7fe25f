"""Simulated chat: whole replies, and streams with each provider's own quirks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from mohet_keys.simulator import wire

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def reply(provider: str, body: bytes, behaviour: str | None, send: Send) -> None:
    """Answer a chat request. One without messages is refused before any work is done."""
    asked = _parsed(body)
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages:
        await _whole(send, 400, wire.error(provider, 400, "messages is a required field"))
        return
    if behaviour == "nocredit":
        status = 402 if provider == "openrouter" else 429
        said = "You exceeded your current quota, please check your plan and billing details."
        await _whole(send, status, wire.error(provider, status, said, "insufficient_quota"))
        return
    text = f"You asked: {str(messages[-1].get('content', ''))[:200]}"
    model = str(asked.get("model", "simulated"))
    if asked.get("stream"):
        await _stream(send, provider, model, text)
        return
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    done = {**choice, "finish_reason": "stop"}
    await _whole(send, 200, {"model": model, "choices": [done], "usage": _usage(text)})


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _usage(text: str) -> dict[str, int]:
    words = len(text.split())
    return {"prompt_tokens": 7, "completion_tokens": words, "total_tokens": 7 + words}


def _chunks(provider: str, model: str, text: str) -> Iterator[dict[str, Any]]:
    """The events of a stream, one word each."""

    def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}
        return {"object": "chat.completion.chunk", "model": model, "choices": [choice], **more}

    thought = {"groq": "reasoning", "ollama": "reasoning", "lmstudio": "reasoning_content"}
    yield chunk({"role": "assistant", "content": ""})
    if provider in thought:
        yield chunk({thought[provider]: "Thinking it over."})
    if provider == "mistral":
        part = {"type": "thinking", "thinking": [{"type": "text", "text": "Thinking it over."}]}
        yield chunk({"content": [part]})
    for word in text.split(" "):
        yield chunk({"content": f"{word} "})
    if provider == "mistral":
        yield chunk({"content": ""}, finish="stop", usage=_usage(text))
        return
    if provider == "groq":
        yield chunk({}, finish="stop", x_groq={"usage": _usage(text)})
        return
    yield chunk({}, finish="stop")
    yield {"model": model, "choices": [], "usage": _usage(text)}


async def _stream(send: Send, provider: str, model: str, text: str) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if provider == "openrouter":
        await _part(send, b": OPENROUTER PROCESSING\n\n")
    for event in _chunks(provider, model, text):
        await _part(send, b"data: " + json.dumps(event).encode() + b"\n\n")
    await _part(send, b"data: [DONE]\n\n")
    await send({"type": "http.response.body", "body": b""})


async def _part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _whole(send: Send, status: int, data: wire.Json) -> None:
    body = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
