"""Names are looked up off the loop, and a resolver that hangs holds nothing up."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mohet_keys.lookup import Lookup

ROOT = Path(__file__).parents[1]


def entry(address: str) -> tuple[Any, ...]:
    """One line of what getaddrinfo gives."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, 443))


class Resolver:
    """Stands for the system's: slow on demand, and it counts."""

    def __init__(self, *addresses: str, error: Exception | None = None) -> None:
        self.asked = 0
        self.goes_on = threading.Event()
        self._found = [entry(address) for address in addresses]
        self._error = error

    def __call__(self, _host: str, _port: int, **_how: Any) -> list[tuple[Any, ...]]:
        """The addresses, once it may go on."""
        self.asked += 1
        self.goes_on.wait(10)
        if self._error:
            raise self._error
        return self._found


def test_each_address_comes_once_in_the_systems_order() -> None:
    """What the system prefers is tried first."""
    resolver = Resolver("::1", "127.0.0.1", "::1")
    resolver.goes_on.set()
    assert asyncio.run(Lookup(resolver)("localhost", 443)) == ["::1", "127.0.0.1"]


def test_the_system_knows_localhost() -> None:
    """The real resolver is asked."""
    assert {"127.0.0.1", "::1"} & set(asyncio.run(Lookup()("localhost", 80)))


@pytest.mark.parametrize("error", [socket.gaierror(-2, "no"), UnicodeError("label too long")])
def test_a_failure_reaches_all_who_wait(error: Exception) -> None:
    """Whoever waits for a name that is not found hears so."""

    async def story() -> list[Any]:
        resolver = Resolver(error=error)
        asked = [asyncio.ensure_future(Lookup(resolver)("x", 1)) for _ in range(3)]
        resolver.goes_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    assert asyncio.run(story()) == [error] * 3


def test_t57_many_who_ask_for_one_name_cost_one_thread() -> None:
    """A look-up under way is shared; one who gives up takes it from no other; then it is over."""

    async def story() -> None:
        resolver = Resolver("10.0.0.1")
        lookup = Lookup(resolver)
        before = threading.active_count()
        asked = [asyncio.ensure_future(lookup("x", 1)) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert threading.active_count() == before + 1
        asked[0].cancel()
        await asyncio.sleep(0)
        resolver.goes_on.set()
        assert await asyncio.gather(*asked[1:]) == [["10.0.0.1"]] * 19
        assert resolver.asked == 1
        await lookup("x", 1)
        assert resolver.asked == 2

    asyncio.run(story())


HANGS = """
import asyncio, time
from mohet_keys.background import shared
from mohet_keys.errors import TransportError
from mohet_keys.http import Outbound
from mohet_keys.lookup import Lookup
from tests.asking import key
def hang(*_place, **_how):
    time.sleep({seconds})
    return []
async def as_asyncio_does(*place):
    return await asyncio.get_running_loop().run_in_executor(None, hang, *place)
try:
    url, outbound = "https://slow.example/", Outbound(resolver={resolver})
    shared().run(outbound.ask(key(url), "GET", url, deadline=0.2))
except TransportError as error:
    print(error, flush=True)
"""


def seconds_to_end(resolver: str, seconds: float) -> float:
    """How long a program lives on after it said that its request had failed."""
    program = HANGS.format(seconds=seconds, resolver=resolver)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "deadline: slow.example\n"
        said = time.monotonic()
        running.wait(30)
        return time.monotonic() - said


def test_t57_a_program_ends_while_a_resolver_hangs() -> None:
    """The end of the program waits for no look-up."""
    assert seconds_to_end("Lookup(hang)", 20) < 1.5


def test_t57_a_program_would_wait_for_asyncios_own_pool() -> None:
    """The twin: the way asyncio looks names up, the program lives as long as the look-up."""
    assert seconds_to_end("as_asyncio_does", 3) > 1.5
