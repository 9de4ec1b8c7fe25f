"""A server on loopback that counts what reaches it and plays back any bytes it is given.

It speaks no protocol of its own, so that a test can have it do what no proper server would.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

LONG = 30.0
"""Seconds; a pause ends at once when the sink is closed."""
RESET = object()
"""In a script: hang up with a reset instead of a goodbye."""

Step = bytes | float | object
Script = Callable[[], Iterable[Step]]
"""What one connection is told after its request: bytes to send, seconds to wait, or RESET."""


def reply(body: bytes = b'{"data": []}', *headers: str, status: str = "200 OK") -> Script:
    """A plain answer with the length of its body told."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    whole = "\r\n".join(lines).encode("latin-1") + body
    return lambda: [whole]


def raw(*steps: Step) -> Script:
    """Just these steps."""
    return lambda: steps


class Sink:
    """Listens on a port of its own while the `with` block lasts.

    `reads=False` answers before anything is asked. With `tls` it greets in TLS; `heads`, `bodies`
    and `received` then hold what came inside of it.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        reads: bool = True,
    ) -> None:
        self.accepts = 0
        self.received = b""
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.asked = threading.Event()
        """Set when the first request is here."""
        self.hung_up = threading.Event()
        """Set when a client left while it was still being served."""
        self.names: list[str | None] = []
        """The host names that clients asked for in TLS."""
        self._script = script or reply()
        self._tls = tls
        self._reads = reads
        self._host = host
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port: int = self._listening.getsockname()[1]

    @property
    def scheme(self) -> str:
        """`https` with TLS, else `http`."""
        return "https" if self._tls else "http"

    def url(self, host: str | None = None, path: str = "/v1") -> str:
        """A base URL of this server, by any name for it."""
        name = host or (f"[{self._host}]" if ":" in self._host else self._host)
        return f"{self.scheme}://{name}:{self.port}{path}"

    def saw(self, text: str) -> bool:
        """Whether these characters arrived, in whatever part."""
        return text.encode() in self.received

    def headers(self, number: int = -1) -> dict[str, str]:
        """The header lines of a request, names in lower case."""
        lines = self.heads[number].decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    # --- serving --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="sink", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self.accepts += 1
            self._start(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        line.settimeout(0.1)
        try:
            with self._greeted(line) as talking:
                if self._reads and not self._read_request(talking):
                    return
                self._play(talking)
                self._linger(talking)
        except OSError:
            self.hung_up.set()
        finally:
            line.close()

    def _greeted(self, line: socket.socket) -> socket.socket:
        if self._tls is None:
            return line
        line.settimeout(5)
        self._tls.sni_callback = lambda _line, name, _context: self.names.append(name)
        talking = self._tls.wrap_socket(line, server_side=True)
        talking.settimeout(0.1)
        return talking

    def _read_request(self, line: socket.socket) -> bool:
        """Read one head and the body it announces; False when the client left before."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            part = self._receive(line)
            if not part:
                return False
            seen += part
        head, _, body = seen.partition(b"\r\n\r\n")
        self.heads.append(head)
        self.asked.set()
        length = int(self.headers().get("content-length", "0"))
        while len(body) < length:
            part = self._receive(line)
            if not part:
                break
            body += part
        self.bodies.append(body)
        return True

    def _receive(self, line: socket.socket) -> bytes:
        """The next bytes; empty when the client, or the test, is over."""
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                part = line.recv(65_536)
                self.received += part
                return part
        return b""

    def _play(self, line: socket.socket) -> None:
        for step in self._script():
            if self._over.is_set():
                return
            if isinstance(step, bytes):
                self._send(line, step)
            elif isinstance(step, float):
                self._wait(line, step)
            else:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.close()
                return

    def _send(self, line: socket.socket, data: bytes) -> None:
        """Send all, however slowly the client reads."""
        rest = memoryview(data)
        while rest and not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                rest = rest[line.send(rest) :]

    def _wait(self, line: socket.socket, seconds: float) -> None:
        """Wait, but no longer than the client or the test does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._over.wait(min(left, 0.02)):
            if self._client_left(line):
                raise ConnectionResetError

    def _client_left(self, line: socket.socket) -> bool:
        if isinstance(line, ssl.SSLSocket) or not select.select([line], [], [], 0)[0]:
            return False
        try:
            return line.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _linger(self, line: socket.socket) -> None:
        """Say goodbye and let the client finish: what is closed with bytes unread is reset."""
        if line.fileno() == -1 or isinstance(line, ssl.SSLSocket):
            return
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_WR)
            self._receive(line)


def port_of_nobody(host: str = "127.0.0.1") -> int:
    """A port at which nobody listens."""
    with socket.create_server((host, 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def deaf_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port whose queue is full, so that a call is neither taken nor refused."""
    with contextlib.ExitStack() as lines:
        listening = lines.enter_context(socket.create_server((host, 0), backlog=0))
        port = int(listening.getsockname()[1])
        for _ in range(3):
            caller = lines.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((host, port))
        yield port
