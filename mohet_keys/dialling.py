"""Opens a connection to an address that was vetted, in plain or inside of TLS.

The name is looked up once, every address found is vetted, and one of just those is dialled: a
second look-up could be answered otherwise. Failures are told apart here, where they happen.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path

import certifi  # comes with httpx, which trusts the same authorities

from mohet_keys import addresses
from mohet_keys.errors import TransportError, TransportKind

PATIENCE = 5.0
"""Seconds an address has to take the call."""
IMPATIENCE = 1.0
"""The same while the host has another address to try: many networks drop IPv6 without a word."""

Resolver = Callable[[str, int], Awaitable[list[str]]]
Allows = Callable[[str], bool]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
"""What OpenSSL says when the other side does not speak TLS at all."""


async def dial(
    host: str, port: int, *, tls: ssl.SSLContext | None, resolver: Resolver, allows: Allows
) -> Line:
    """A connection to `host`, which TLS then has to prove to be. Raises TransportError."""
    found = await _look_up(host, port, resolver)
    if not all(map(allows, found)):
        raise TransportError("blocked", f"{host} is at an address that is never asked")
    return await _greet(await _reach(host, found, port), host, tls)


async def _look_up(host: str, port: int, resolver: Resolver) -> Sequence[str]:
    if addresses.literal(host):
        return [host]
    try:
        found = await resolver(host, port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise TransportError("dns", host)
    return found


async def _reach(host: str, found: Sequence[str], port: int) -> socket.socket:
    """The first address that takes the call; `localhost` may be two, and only one of them serves.

    A host counts as refusing only when every address of it did.
    """
    kind: TransportKind = "refused"
    for place, address in enumerate(found, start=1):
        try:
            async with asyncio.timeout(PATIENCE if place == len(found) else IMPATIENCE):
                return await _connect(address, port)
        except TimeoutError:
            kind = "timeout"
        except ConnectionResetError:
            kind = "reset"
        except OSError:
            continue
    raise TransportError(kind, host)


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, (address, port))
    except BaseException:
        line.close()
        raise
    return line


async def _greet(line: socket.socket, host: str, tls: ssl.SSLContext | None) -> Line:
    try:
        return await asyncio.open_connection(
            sock=line, ssl=tls, server_hostname=host if tls else None
        )
    except ssl.SSLError as error:
        kind: TransportKind = "protocol" if error.reason in _NO_TLS else "tls"
    except OSError:
        kind = "reset"
    except ValueError:
        kind = "tls"  # a host name that no certificate can be compared with
    raise TransportError(kind, host)


# --- whom to trust ----------------------------------------------------------------------------


def make_context() -> ssl.SSLContext:
    """A context that checks chain and name, from TLS 1.2 on.

    It trusts the usual public authorities, and those that the operator of this machine installed.
    Made by hand, because `ssl.create_default_context` writes the keys of every connection to the
    file that SSLKEYLOGFILE names, and reads SSL_CERT_FILE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=certifi.where())
    installed = ssl.get_default_verify_paths().openssl_cafile
    if Path(installed).is_file():
        context.load_verify_locations(cafile=installed)
    return context


@cache
def shared_context() -> ssl.SSLContext:
    """The one context of the process; making it takes tens of milliseconds."""
    return make_context()


def gullible_context() -> ssl.SSLContext:
    """Trusts anybody. Only for the tests that show what the other one keeps in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
