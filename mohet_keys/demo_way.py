"""The way out in the demo: to simulated providers on this machine, and to nobody else.

Keys keep the addresses that they would have in earnest. What is dialled in their stead is the
simulator on loopback, and the guards below let nothing but loopback through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mohet_keys import addresses, endpoints
from mohet_keys.errors import TransportError
from mohet_keys.http import DEADLINE, METADATA_BYTES, AddressPolicy, Incoming, Limits, Outbound
from mohet_keys.model import Answer, OpenedKey

ELSEWHERE = "this demo asks nobody outside of this machine"
_OWN_NAMES = {"localhost": ["127.0.0.1"]}


@dataclass(frozen=True, slots=True)
class ThisMachine(AddressPolicy):
    """Allows loopback alone."""

    def allows(self, address: str) -> bool:
        """Whether this address is this machine's own."""
        found = addresses.literal(address)
        return found is not None and found.is_loopback


async def _own_names(host: str, _port: int) -> list[str]:
    """The addresses of this machine, by its own name; no other name is looked up."""
    if host not in _OWN_NAMES:
        raise TransportError("blocked", ELSEWHERE)
    return _OWN_NAMES[host]


class DemoOutbound(Outbound):
    """Asks the simulator whenever one of `routes` is asked: an origin, and what plays it."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        super().__init__(policy=ThisMachine(), resolver=_own_names)
        self._routes = dict(routes)

    async def ask(
        self,
        key: OpenedKey,
        method: str,
        url: str,
        *,
        json: object | None = None,
        authorize: bool = True,
        deadline: float = DEADLINE,
        max_bytes: int = METADATA_BYTES,
    ) -> Answer:
        """The answer of what plays the key's server. Raises TransportError."""
        return await super().ask(
            self._played(key),
            method,
            self._there(url),
            json=json,
            authorize=authorize,
            deadline=deadline,
            max_bytes=max_bytes,
        )

    def stream(
        self,
        key: OpenedKey,
        url: str,
        *,
        json: object,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> Incoming:
        """The same for a POST whose answer is read as it comes."""
        return super().stream(self._played(key), self._there(url), json=json, limits=limits)

    def _played(self, key: OpenedKey) -> OpenedKey:
        """The key, for the server that plays its own."""
        return replace(key, destination=self._there(key.destination))

    def _there(self, url: str) -> str:
        origin = endpoints.origin(url)
        played = self._routes.get(origin)
        return url if played is None else played + url[len(origin) :]
