"""Looks for what a newcomer already has: servers on this machine, keys in the environment.

Only this machine is asked, and only whether somebody answers. A key in the environment is named by
its variable; it is read when the user says so, and sent to nobody before that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from mohet_keys import endpoints
from mohet_keys.errors import TransportError
from mohet_keys.http import Outbound
from mohet_keys.model import OpenedKey
from mohet_keys.providers import PROVIDERS

PATIENCE = 2.0
"""Seconds that all of it takes at most."""
_BYTES = 256 * 1024
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_SIGN_OF_LIFE = {"lmstudio": "/api/v1/models", "ollama": "/api/version"}


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answers on this machine."""

    provider: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A key that stands in the environment, by the name of its variable."""

    provider: str
    name: str


def variables(environment: Mapping[str, str] = os.environ) -> list[Variable]:
    """The providers' usual variables that are set; what is in them stays there."""
    return [
        Variable(row.slug, row.env)
        for row in PROVIDERS
        if row.env and environment.get(row.env, "").strip()
    ]


def value_of(variable: Variable, environment: Mapping[str, str] = os.environ) -> SecretStr:
    """The key in a variable, for the user who asked to use it."""
    return SecretStr(environment.get(variable.name, ""))


def in_container() -> bool:
    """Whether this process runs in a container, where localhost is not the user's machine."""
    return any(mark.exists() for mark in _CONTAINER_MARKS)


async def local_servers(
    outbound: Outbound,
    *,
    container: bool | None = None,
    candidates: Mapping[str, tuple[str, ...]] | None = None,
) -> list[LocalServer]:
    """The local servers that answer, each provider once, within `PATIENCE` seconds in all.

    `candidates` are the base URLs to ask, by provider; those of this machine unless given.
    """
    asked = candidates or _usual(in_container() if container is None else container)
    places = [(slug, endpoint) for slug, tried in asked.items() for endpoint in tried]
    answers = await asyncio.gather(*(_answers(outbound, *place) for place in places))
    found: dict[str, LocalServer] = {}
    for (slug, endpoint), answered in zip(places, answers, strict=True):
        if answered:
            found.setdefault(slug, LocalServer(slug, endpoint))
    return list(found.values())


def _usual(container: bool) -> dict[str, tuple[str, ...]]:
    hosts = ("localhost", "host.docker.internal") if container else ("localhost",)
    return {
        row.slug: tuple(row.endpoint.replace("localhost", host) for host in hosts)
        for row in PROVIDERS
        if row.is_local
    }


async def _answers(outbound: Outbound, slug: str, endpoint: str) -> bool:
    """Whether something that looks like this provider's server is there. No key is sent."""
    nobody = OpenedKey("", slug, endpoints.canonical(endpoint), 0, None)
    url = endpoints.native_root(endpoint) + _SIGN_OF_LIFE.get(slug, "")
    try:
        answer = await outbound.ask(
            nobody, "GET", url, authorize=False, deadline=PATIENCE, max_bytes=_BYTES
        )
    except TransportError:
        return False
    # One that wants a token is there as well; LM Studio then says so with 401.
    return answer.status in {200, 401} and b"<html" not in answer.body[:500].lower()
