"""Short words for the tests of the way out: a key, a question, and the error it ended in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mohet_keys.errors import TransportError
from mohet_keys.http import Guards, Outbound
from mohet_keys.model import Answer, OpenedKey
from tests.leaks import canary

SECRET = canary("sk-proj-")


def key(destination: str, secret: str | None = SECRET, *, allow_http: bool = False) -> OpenedKey:
    """An opened key for a base URL."""
    return OpenedKey("k1", "openai", destination, 1, secret, allow_http)


def off(**parts: Any) -> Outbound:
    """A way out with some guards off: `off(tls=False)`; the rest goes to Outbound."""
    switches = {name: parts.pop(name) for name in list(parts) if parts[name] is False}
    return Outbound(guards=Guards(**switches), **parts)


def ask(opened: OpenedKey, outbound: Outbound | None = None, url: str = "", **more: Any) -> Answer:
    """Ask for the list of models, or for `url`, on an event loop of its own."""
    asked = url or f"{opened.destination}/models"
    method = more.pop("method", "GET")
    return asyncio.run((outbound or Outbound()).ask(opened, method, asked, **more))


def failure(opened: OpenedKey, outbound: Outbound | None = None, **more: Any) -> TransportError:
    """The error that `ask` ends in."""
    with pytest.raises(TransportError) as caught:
        ask(opened, outbound, **more)
    return caught.value
