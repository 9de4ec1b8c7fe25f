"""Files to take along, each at an address that works once and only for a minute.

What is offered waits in the memory of this process and nowhere else. Streamlit's own download
button is not used: its address stays open to everybody who has it.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

PLACE = "/download/"
OPEN_FOR = 60.0
"""Seconds."""
MOST = 20
MOST_BYTES = 64 * 1024 * 1024
"""What waits at most; the oldest goes first."""
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_GONE = "This download is over, or there never was one. Go back and ask for it again."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits to be taken. `until` is a moment of the monotonic clock."""

    content: bytes = field(repr=False)
    name: str
    kind: str
    until: float


class Downloads:
    """The files that wait. Threads may share it."""

    def __init__(
        self,
        *,
        open_for: float = OPEN_FOR,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_for = open_for
        self._most = most
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._waiting: dict[str, Waiting] = {}
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def offer(self, content: bytes, name: str, kind: str) -> str:
        """Have a file wait. Returns the address at which it can be taken once.

        `name` is that of the saved file, `kind` its media type. Raises ValueError for a file that
        is too large and for a name that is more than letters, digits, dots and dashes.
        """
        if len(content) > self._most_bytes or not _NAME.fullmatch(name):
            raise ValueError("a file of this size or name cannot be offered")
        token = secrets.token_urlsafe(32)
        with self._lock:
            until = self._monotonic() + self._open_for
            self._waiting[token] = Waiting(content, name, kind, until)
            self._drop()
            self._drop_later()
        return PLACE + token

    def is_open(self, address: str) -> bool:
        """Whether a file still waits at this address."""
        with self._lock:
            self._drop()
            return address.removeprefix(PLACE) in self._waiting

    def take(self, token: str) -> Waiting | None:
        """The file, which is gone from then on; None for one that is gone, or never was."""
        with self._lock:
            self._drop()
            return self._waiting.pop(token, None)

    def _drop(self) -> None:
        """Let go of what is over, and of the oldest while there is too much."""
        now = self._monotonic()
        for token in [token for token, file in self._waiting.items() if file.until <= now]:
            del self._waiting[token]
        while len(self._waiting) > self._most or self._size() > self._most_bytes:
            del self._waiting[next(iter(self._waiting))]

    def _size(self) -> int:
        return sum(len(file.content) for file in self._waiting.values())

    def _drop_later(self) -> None:
        """What nobody takes leaves the memory all the same."""
        if self._timer is None:
            self._timer = threading.Timer(self._open_for + 0.1, self._over)
            self._timer.daemon = True
            self._timer.start()

    def _over(self) -> None:
        with self._lock:
            self._timer = None
            self._drop()
            if self._waiting:
                self._drop_later()


DOWNLOADS = Downloads()
"""Those of this process."""


async def serve(request: Request) -> Response:
    """The route `/download/{token}`: the file, once; 404 for anything else."""
    token = str(request.path_params["token"])
    # A look at the head alone takes nothing away.
    file = DOWNLOADS.take(token) if request.method == "GET" else None
    if file is None:
        return PlainTextResponse(_GONE, status_code=404, headers={"Cache-Control": "no-store"})
    return Response(
        file.content,
        media_type=file.kind,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{file.name}"',
        },
    )
