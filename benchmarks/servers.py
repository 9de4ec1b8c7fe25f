"""Eight slow providers in a process of their own: prints their addresses, ends with its input.

They say what the simulator says, but from memory and without parsing: a real provider's work is
done elsewhere, so it must not count here.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mohet_keys.simulator.lists import model_list

HOSTS = 8
DELAY = 0.2
"""Seconds before each answer."""


@contextmanager
def running() -> Iterator[list[str]]:
    """The base URLs of the eight, while the block lasts."""
    command = [sys.executable, "-m", "benchmarks.servers"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


class _Provider(asyncio.Protocol):
    """Lists models to everybody who sends a key; requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._heard = transport, b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            request, self._heard = self._heard.split(b"\r\n\r\n", 1)
            has_key = b"\r\nauthorization: bearer " in request.lower()
            answer = _MODELS if has_key else _REFUSAL
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, answer)


def _answer(status: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


_MODELS = _answer("200 OK", model_list("groq"))
_REFUSAL = _answer(
    "401 Unauthorized",
    {"error": {"message": "Invalid API Key", "type": "invalid_request_error", "code": None}},
)


async def main() -> None:
    """Serve until the parent closes our input."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_Provider, "127.0.0.1", 0) for _ in range(HOSTS)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps([f"http://127.0.0.1:{port}/openai/v1" for port in ports]), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
