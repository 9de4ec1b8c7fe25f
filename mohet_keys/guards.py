"""What a request for a key may do, and what of its answer is read; pure.

Each rule raises TransportError with a kind and at most a host, and can be switched off for the
test that shows what it keeps in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from mohet_keys import addresses, endpoints
from mohet_keys.errors import InputError, TransportError
from mohet_keys.model import OpenedKey

VERSION = "0.1.0"
USER_AGENT = f"mohet-keys/{VERSION}"
LINE_BYTES = 64 * 1024
"""The longest line that is read of a stream of events."""
EVENT_BYTES = 256 * 1024
"""The longest event."""
REPLY_BYTES = 8 * 1024 * 1024
"""The longest reply, with all that its events wrap around it."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Test switches: what does each guard keep in? The product never passes this."""

    redirects: bool = True
    proxies: bool = True
    cookies: bool = True
    tls: bool = True
    encoding: bool = True
    caps: bool = True
    deadline: bool = True
    plain_http: bool = True
    link_local: bool = True
    private: bool = True
    origin: bool = True
    secret: bool = True
    scrub: bool = True


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be dialled. A local run allows private ones: Ollama lives there."""

    allow_private: bool = True

    def allows(self, address: str) -> bool:
        """Whether this resolved address may be asked."""
        found = addresses.literal(address)
        if found is None or addresses.is_forbidden(found):
            return False
        return self.allow_private or not addresses.is_private(found)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for the requests of one key."""

    key: OpenedKey
    guards: Guards
    policy: AddressPolicy

    @property
    def host(self) -> str:
        """The host that the key was saved for; empty when its address cannot be read."""
        try:
            return endpoints.host(self.key.destination)
        except InputError:
            return ""

    def headers(
        self, *, authorize: bool, has_body: bool, accept: str = "application/json"
    ) -> dict[str, str]:
        """Everything that is said besides the URL. The secret goes here and nowhere else."""
        headers = {
            "Accept": accept,
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
            "Connection": "close",
        }
        if has_body:
            headers["Content-Type"] = "application/json"
        secret = self.key.secret if authorize else None
        if not secret:
            return headers
        if self.guards.secret and not all("!" <= character <= "~" for character in secret):
            raise TransportError("blocked", "the key has a character that no header can carry")
        return {**headers, "Authorization": f"Bearer {secret}"}

    def vet_origin(self, asked: str) -> None:
        """Refuse every origin but that of the key, and to send the secret where all can read."""
        if self.guards.origin and not self._is_own(asked):
            raise TransportError("blocked", "another host than the key was saved for")
        if self.key.allow_http or not self.guards.plain_http:
            return
        if _crosses_in_clear(asked):
            raise TransportError("blocked", "plain http to a public address")

    def _is_own(self, asked: str) -> bool:
        own = _origin(self.key.destination)
        return own is not None and own == _origin(asked)

    def allows(self, address: str, *, secure: bool) -> bool:
        """Whether an address that a host was found at may be dialled."""
        if self.guards.link_local and not self.policy.allows(address):
            return False
        found = addresses.literal(address)
        is_private = found is not None and addresses.is_private(found)
        if self.guards.private and is_private and not self.key.allow_private:
            return False
        return secure or self.key.allow_http or not self.guards.plain_http or is_private

    def vet_head(self, status: int, headers: Mapping[str, str], max_bytes: int) -> None:
        """Refuse an answer whose body is not worth reading. Header names are in lower case."""
        if status < 200:  # 101 would turn the connection into something else
            raise TransportError("protocol", self.host)
        if self.guards.redirects and 300 <= status < 400 and "location" in headers:
            raise TransportError("redirect", self._target(headers["location"]))
        coded = headers.get("content-encoding", "").strip().lower()
        if self.guards.encoding and coded not in {"", "identity"}:
            raise TransportError("encoding", self.host)
        length = headers.get("content-length", "")
        if self.guards.caps and length.isdigit() and int(length) > max_bytes:
            raise TransportError("too_large", f"more than {max_bytes} bytes")

    def _target(self, location: str) -> str:
        """The host that a redirect points to and nothing else of it; empty when it is unclear."""
        try:
            name = urlsplit(location).hostname or self.host
            found = endpoints.host(f"https://[{name}]" if ":" in name else f"https://{name}")
        except (ValueError, InputError):
            return ""
        echoed = (self.key.secret or "").lower()
        return "" if echoed and echoed in found else found


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request is about."""

    rules: Rules
    method: str
    url: str
    content: bytes | None
    max_bytes: int
    authorize: bool = True
    accept: str = "application/json"


class EventGauge:
    """Measures the lines and events of a stream, below a parser that would take any of them.

    It sees bytes as they come, so it knows lines by their ends and events by their blank lines.
    """

    __slots__ = ("_after_cr", "_at_start", "_event", "_line")

    def __init__(self) -> None:
        self._line = self._event = 0
        self._at_start = True
        """Whether the last byte ended a line, so that a further end makes a blank one."""
        self._after_cr = False

    def room(self, part: bytes) -> int:
        """How many bytes of `part` may pass: all, or fewer when a line or an event is too long.

        Raises nothing. A part that came in one piece should be shorter than a line may be.
        """
        fits = self._line + len(part) <= LINE_BYTES and self._event + len(part) <= EVENT_BYTES
        if fits and part.endswith(b"\n\n"):  # whole events, which is what nearly all parts are
            self._line, self._event, self._at_start, self._after_cr = 0, 0, True, False
            return len(part)
        plain = self._plain(part)
        size, end = len(plain), plain.find(b"\n")
        starts_blank = self._at_start and end == 0
        blank = 0 if starts_blank else plain.find(b"\n\n")
        line_left, event_left = LINE_BYTES - self._line, EVENT_BYTES - self._event
        if (end if end >= 0 else size) > line_left or (blank if blank >= 0 else size) > event_left:
            return min(line_left, event_left)
        if end >= 0:
            end, blank = plain.rfind(b"\n"), plain.rfind(b"\n\n") + 1 or (0 if starts_blank else -1)
            self._at_start = end == size - 1
        elif size:
            self._at_start = False
        self._line = size - end - 1 if end >= 0 else self._line + size
        self._event = size - blank - 1 if blank >= 0 else self._event + size
        return len(part)

    def _plain(self, part: bytes) -> bytes:
        """The same with one kind of line end, also where a part begins within one."""
        if self._after_cr and part.startswith(b"\n"):
            part = part[1:]
        self._after_cr = part.endswith(b"\r")
        return part.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in part else part


@lru_cache(maxsize=256)
def _origin(url: str) -> str | None:
    """The canonical origin; None when there is none. The same few are asked for all the time."""
    try:
        return endpoints.origin(url)
    except InputError:
        return None


@lru_cache(maxsize=256)
def _crosses_in_clear(url: str) -> bool:
    return url.startswith("http://") and endpoints.needs_http_consent(url)
