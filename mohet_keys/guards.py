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

    def headers(self, *, authorize: bool, has_body: bool) -> dict[str, str]:
        """Everything that is said besides the URL. The secret goes here and nowhere else."""
        headers = {
            "Accept": "application/json",
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
        if secure or self.key.allow_http or not self.guards.plain_http:
            return True
        found = addresses.literal(address)
        return found is not None and addresses.is_private(found)

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
