"""A wire to a server that can be cut at the worst moment: after a COMMIT came through, before its
answer did."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SOCKET = ".s.PGSQL.5432"


class Wire:
    """Passes on what comes at a socket in `folder` to that of a server in another one.

    `cut` has it swallow the answer to the next COMMIT, or to something else, and break that
    connection off; for good, if nobody is let through any more.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = str(server / SOCKET)
        self._cutting = threading.Event()
        self._asked = b""
        self._for_good = False
        self.cuts = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / SOCKET))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, asked: bytes = b"COMMIT\0", *, for_good: bool = False) -> None:
        """Do it to whoever asks that next."""
        self._asked = asked
        self._for_good = for_good
        self._cutting.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        (self.folder / SOCKET).unlink(missing_ok=True)
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # which ends the waiting for others
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            doomed = threading.Event()
            for source, target in ((client, server), (server, client)):
                given = (source, target, doomed, source is client)
                threading.Thread(target=self._pass, args=given, daemon=True).start()

    def _pass(
        self,
        source: socket.socket,
        target: socket.socket,
        doomed: threading.Event,
        is_client: bool,  # a thread takes no names
    ) -> None:
        with _closing(source, target):
            while data := source.recv(65536):
                if is_client and self._cutting.is_set() and self._asked in data:
                    self._cutting.clear()
                    doomed.set()
                elif not is_client and doomed.is_set():
                    self.cuts += 1
                    if self._for_good:
                        self._close()
                    return
                target.sendall(data)


@contextmanager
def _closing(*ends: socket.socket) -> Iterator[None]:
    with suppress(OSError):
        yield
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
