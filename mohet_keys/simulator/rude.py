"""Servers that misbehave on the connection itself: they drip, flood, cut and compress."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable

from mohet_keys.simulator.asgi import Reply, Request, Send, answer, begin, part
from mohet_keys.simulator.lists import model_list

_JSON = {"content-type": "application/json"}
Rude = Callable[[Request, Send, float], Awaitable[None]]


async def _drip(_request: Request, send: Send, pause: float) -> None:
    """One byte at a time; each of them starts a naive time limit anew."""
    await begin(send, 200, _JSON)
    while True:
        await part(send, b" ")
        await asyncio.sleep(pause)


async def _huge(_request: Request, send: Send, _pause: float) -> None:
    await begin(send, 200, _JSON)
    while True:
        await part(send, b"x" * 65_536)
        await asyncio.sleep(0)


async def _cut(_request: Request, send: Send, _pause: float) -> None:
    """Promises a whole list and hangs up in the middle; the server closes what is not whole."""
    body = json.dumps(model_list("openai")).encode()
    await begin(send, 200, {**_JSON, "content-length": str(len(body))})
    await part(send, body[:40])


async def _gzip(_request: Request, send: Send, _pause: float) -> None:
    body = gzip.compress(json.dumps(model_list("openai")).encode())
    await answer(send, Reply(200, body, {"content-encoding": "gzip"}))


RUDE: dict[str | None, Rude] = {"drip": _drip, "huge": _huge, "cut": _cut, "gzip": _gzip}
"""By behaviour."""
