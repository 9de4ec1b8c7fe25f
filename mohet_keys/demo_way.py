"""The way out in the demo: to simulated providers on this machine, and to nobody else.

Keys keep the addresses that they would have in earnest. What is dialled in their stead is the
simulator on loopback, and the guards below let nothing but loopback through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mohet_keys import addresses, endpoints
from mohet_keys.errors import TransportError
from mohet_keys.http import AddressPolicy, Outbound
from mohet_keys.model import OpenedKey

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

    def _addressed(self, key: OpenedKey, url: str) -> tuple[OpenedKey, str]:
        """The same at the server that plays the key's own."""
        return replace(key, destination=self._there(key.destination)), self._there(url)

    def _there(self, url: str) -> str:
        origin = endpoints.origin(url)
        played = self._routes.get(origin)
        return url if played is None else played + url[len(origin) :]
