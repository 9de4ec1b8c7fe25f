"""Simulated chat: requests judged as each provider does, replies whole or streamed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from mohet_keys.simulator import lists, wire
from mohet_keys.simulator.asgi import Reply, Request, Send, answer, begin, part
from mohet_keys.simulator.quirks import frames, unknown_field
from mohet_keys.simulator.replies import reply_text
from mohet_keys.simulator.streams import COMMENT, Chat, whole

__all__ = ["reply", "reply_text"]

_LISTED = {"ollama": "ollama-tags"}
"""Where the name of a provider's model list is not its own."""


async def reply(
    request: Request, behaviour: str | None, send: Send, *, pace: float, slow: float
) -> None:
    """Answer a chat request; a bad one is refused before any work is done.

    `pace` is in seconds between two events, `slow` what a slow start takes.
    """
    asked = _parsed(request.body)
    refusal = _refusal(request, asked, behaviour)
    if refusal:
        await answer(send, refusal)
        return
    chat = _chat(request, asked)
    if not asked.get("stream") or behaviour == "whole":
        await answer(send, Reply(200, whole(chat)))
        return
    await begin(send, 200, {"content-type": "text/event-stream"})
    if behaviour == "slowstart":
        await asyncio.sleep(slow)
    await _stream(send, chat, behaviour, pace)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _chat(request: Request, asked: dict[str, Any]) -> Chat:
    provider = request.provider
    options = asked.get("stream_options")
    model = str(asked.get("model"))
    if provider == "lmstudio" and not lists.has_model("lmstudio", model):
        model = lists.loaded_model()
    return Chat(
        provider,
        model,
        reply_text(_prompt(asked["messages"]), model),
        asks_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        obfuscates=not isinstance(options, dict) or options.get("include_obfuscation", True),
        secret=request.secret,
    )


async def _stream(send: Send, chat: Chat, behaviour: str | None, pace: float) -> None:
    if chat.provider == "openrouter":
        await part(send, COMMENT * 2)
    for frame in frames(chat, behaviour):
        if frame is None:
            return  # the server hangs up on what was not finished
        await asyncio.sleep(pace)
        await part(send, frame)
    await part(send, b"", last=True)


# --- what is refused --------------------------------------------------------------------------


def _refusal(request: Request, asked: dict[str, Any], behaviour: str | None) -> Reply | None:
    if behaviour == "nocredit" and asked and (found := wire.no_credit(request)):
        return found
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages:
        return _bad(request, "messages is a required field", param="messages")
    unknown = unknown_field(asked, behaviour)
    if unknown:
        said = f"Unsupported parameter: '{unknown}' is not supported with this model."
        return Reply(400, wire.wrapped(said, param=unknown))
    return _bad_field(request, asked) or _bad_model(request, str(asked.get("model", "")))


def _bad(request: Request, message: str, param: str, status: int = 400, code: str = "") -> Reply:
    """A refusal in the words of the OpenAI-like paths."""
    if request.provider in {"lmstudio", "ollama"}:
        kind = "not_found_error" if status == 404 else "invalid_request_error"
        return Reply(status, wire.wrapped(message, kind, param))
    return Reply(status, wire.error(request.provider, status, message, code or None))


def _bad_field(request: Request, asked: dict[str, Any]) -> Reply | None:
    """Fields that some refuse: OpenAI's newer models an old one, Mistral every foreign one."""
    if request.provider == "openai" and "max_tokens" in asked:
        said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        inner = {"message": said, "type": "invalid_request_error", "param": "max_tokens"}
        return Reply(400, {"error": {**inner, "code": "unsupported_parameter"}})
    foreign = {"stream_options", "max_completion_tokens", "store"} & set(asked)
    if request.provider == "mistral" and foreign:
        name = min(foreign)
        said = "Extra inputs are not permitted"
        where = {"type": "extra_forbidden", "loc": ["body", name], "msg": said}
        return Reply(422, {"detail": [{**where, "input": asked[name]}]})
    return None


def _bad_model(request: Request, model: str) -> Reply | None:
    """LM Studio answers with what it has loaded; the others know no such model."""
    provider = request.provider
    if provider == "lmstudio" or lists.has_model(_LISTED.get(provider, provider), model):
        return None
    if provider == "ollama":
        said = f'model "{model}" not found, try pulling it first'
        return _bad(request, said, "model", status=404)
    if provider == "openrouter":
        return _bad(request, f"{model} is not a valid model ID", "model")
    if provider == "mistral":
        body = {"object": "error", "message": f"Invalid model: {model}", "type": "invalid_model"}
        return Reply(400, {**body, "param": None, "code": "1500"})
    said = f"The model `{model}` does not exist or you do not have access to it."
    return _bad(request, said, "model", status=404, code="model_not_found")


# --- what is said -----------------------------------------------------------------------------


def _prompt(messages: list[Any]) -> str:
    last = messages[-1]
    content = last.get("content", "") if isinstance(last, dict) else ""
    if isinstance(content, list):
        texts = [piece.get("text", "") for piece in content if isinstance(piece, dict)]
        return " ".join(map(str, texts))
    return str(content)
