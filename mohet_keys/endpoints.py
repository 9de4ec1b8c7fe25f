"""Endpoints: what people type becomes one canonical address, and addresses are compared; pure.

The canonical form is a promise like a file format: it is sealed with each secret. A change of
its rules needs a new `CANONICAL_VERSION`, with the old one kept readable.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna

from mohet_keys import addresses
from mohet_keys.errors import InputError
from mohet_keys.providers import PROVIDERS, Provider, is_key, owner_of_host

CANONICAL_VERSION = 1
LONGEST = 2000
"""Characters of an endpoint; browsers and proxies cut longer ones."""

_PORTS = {"http": 80, "https": 443}
_WHOLE = re.compile(r"(https?):(?://([^/?#]*))?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_NETLOC = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::([0-9]*))?")
_HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
)
_NUMBER_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)$")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_AROUND = " \t\r\n\u00a0\"'`“”‘’«»<>" + _INVISIBLE
_BEHIND = ",;" + _AROUND
_ASSIGNED = re.compile(
    r"^(?:export\s+|set\s+|\$env:)?[\"']?[a-z_][a-z0-9_ -]*[\"']?\s*[=:]\s*[\"']?(?=https?:/)",
    re.IGNORECASE,
)
_DOUBLED = re.compile(r"^(?:https?:/{0,2})+(?=https?:)", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:https?:/*|[a-z][a-z0-9+.-]*:/{1,2}(?!/))", re.IGNORECASE)
_TAILS = (
    "/chat/completions",
    "/fim/completions",
    "/completions",
    "/responses",
    "/messages",
    "/embeddings",
    "/models",
    "/api/chat",
    "/api/tags",
    "/api/generate",
    "/api/show",
    "/api/version",
)
_NATIVE = re.compile(
    r"/api(/v[01])?(/(chat|generate|tags|show|version|ps|embed|embeddings|completions"
    r"|models(/(load|unload|download))?))?(/v1)?$",
    re.IGNORECASE,
)
"""Paths of the own interfaces of LM Studio and Ollama."""
_LOCAL_PORTS = frozenset(row.local_port for row in PROVIDERS if row.local_port)
_MISSPELT = {
    "api.openrouter.ai": "openrouter.ai",
    "www.openrouter.ai": "openrouter.ai",
    "www.ollama.com": "ollama.com",
    "api.ollama.com": "ollama.com",
    "www.api.openai.com": "api.openai.com",
    "openai.com": "api.openai.com",
    "platform.openai.com": "api.openai.com",
    "groq.com": "api.groq.com",
    "console.groq.com": "api.groq.com",
    "mistral.ai": "api.mistral.ai",
    "console.mistral.ai": "api.mistral.ai",
}
"""Hosts of the vendors at which there is no API, and where it is. Each pair is one vendor's."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A canonical endpoint and a sentence for each thing that was mended."""

    endpoint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str
    port: int | None
    path: str

    def text(self) -> str:
        port = "" if self.port in (None, _PORTS[self.scheme]) else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}{self.path}"


# --- canonical form ---------------------------------------------------------------------------


def canonical(url: str) -> str:
    """The one spelling of an absolute http(s) address. Raises InputError on anything doubtful."""
    return _split(url).text()


def same_destination(first: str, second: str) -> bool:
    """Whether two addresses are the same destination, however they are written."""
    return canonical(first) == canonical(second)


def origin(destination: str) -> str:
    """Scheme, host and port of a canonical endpoint."""
    parts = _split(destination)
    return _Parts(parts.scheme, parts.host, parts.port, "").text()


def host(destination: str) -> str:
    """The host of an endpoint, in punycode, an IPv6 address without brackets."""
    return _split(destination).host


def native_root(destination: str) -> str:
    """The endpoint without its last `/v1`: what a provider's native paths hang off."""
    return canonical(destination).removesuffix("/v1")


def is_private(destination: str) -> bool:
    """Whether the endpoint is on this machine or a private network, by the look of its host."""
    return addresses.is_private_host(host(destination))


def needs_http_consent(destination: str) -> bool:
    """Whether a key would cross a public network unencrypted."""
    return destination.startswith("http://") and not is_private(destination)


def _refuse(message: str) -> InputError:
    return InputError("endpoint", message)


def _split(url: str) -> _Parts:
    if len(url) > LONGEST:
        raise _refuse(f"The address is longer than {LONGEST} characters.")
    _refuse_odd_characters(url)
    found = _WHOLE.fullmatch(url)
    if found is None:
        raise _refuse("The address must begin with https:// or http://.")
    scheme, netloc, path, more = found.groups(default="")
    if "@" in netloc:
        raise _refuse(
            "The address must not contain a user name or password. Leave out the part before @."
        )
    if more:
        raise _refuse("The address must end before any ? or #.")
    name, port = _host_and_port(netloc)
    return _Parts(scheme.lower(), name, port or _PORTS[scheme.lower()], _path(path))


def _refuse_odd_characters(url: str) -> None:
    for position, character in enumerate(url, start=1):
        if character == "\\":
            raise _refuse("The address contains a backslash. Use / instead.")
        if character.isspace() or ord(character) < 0x20 or ord(character) == 0x7F:
            raise _refuse(
                f"The address contains a space or control character (character {position})."
            )


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    found = _NETLOC.fullmatch(netloc)
    if not found and "[" in netloc:
        raise _refuse("The address in brackets is not an IPv6 address.")
    ipv6, name, digits = found.groups() if found else (None, "", "0")
    if digits is not None and not 1 <= int(digits or 0) <= 65535:
        raise _refuse("The port of the address is not a number from 1 to 65535.")
    where = _host(name) if ipv6 is None else _ipv6(ipv6)
    return where, int(digits) if digits else None


def _host(name: str) -> str:
    if not name:
        raise _refuse("The address has no host. It should look like https://host/v1.")
    if name.endswith("."):
        raise _refuse("The host of the address must not end with a dot.")
    plain = _ascii(name)
    if not _HOST.fullmatch(plain):
        raise _refuse("The host of the address contains a character that no host can have.")
    return _forbid(_dotted(plain))


def _ascii(name: str) -> str:
    """Punycode of an international name. Refuses digits and dots in disguise."""
    if name.isascii():
        return name.lower()
    if re.fullmatch(r"[0-9xa-f.]+", unicodedata.normalize("NFKC", name).replace("。", ".").lower()):
        raise _refuse("Write the IP address as four plain numbers, such as 192.168.1.20.")
    try:
        return idna.encode(name, uts46=False, transitional=False).decode().lower()
    except (idna.IDNAError, UnicodeError):
        pass
    try:
        return idna.encode(name.lower()).decode()
    except (idna.IDNAError, UnicodeError):
        raise _refuse(
            "The host of the address contains a character that no host can have."
        ) from None


def _dotted(name: str) -> str:
    """A host that ends in a number must be a plain dotted IPv4 address, as browsers see it too."""
    if not _NUMBER_LABEL.fullmatch(name.rsplit(".", 1)[-1]):
        return name
    address = addresses.literal(name)
    if address is None or str(address) != name:
        raise _refuse("Write the IP address as four plain numbers, such as 192.168.1.20.")
    return name


def _ipv6(name: str) -> str:
    address = addresses.literal(name)
    if address is None or "%" in name:
        raise _refuse("The address in brackets is not an IPv6 address.")
    return _forbid(str(address))


def _forbid(name: str) -> str:
    if name in {"0.0.0.0", "::"}:  # noqa: S104  # nothing is bound to it here
        raise _refuse(
            f"{name} is where a server listens, not where it is reached. "
            "Use localhost, or the address of that machine."
        )
    if addresses.is_forbidden_host(name):
        raise _refuse(
            f"{name} is reserved for the machine itself or its cloud, so no key is ever sent there."
        )
    return name


def _path(text: str) -> str:
    folded = re.sub("/{2,}", "/", text).rstrip("/")
    decoded = re.sub("%2[eE]", ".", folded)
    if any(segment in {".", ".."} for segment in decoded.split("/")):
        raise _refuse("The path of the address must not contain . or .. parts.")
    if re.search("%(?![0-9A-Fa-f]{2})", folded) or re.search(
        "%(2[fF]|5[cC]|[01][0-9A-Fa-f]|7[fF])", folded
    ):
        raise _refuse("The path of the address contains a broken or hidden character.")
    if not _PATH.fullmatch(folded):
        raise _refuse("The path of the address contains a character that belongs in no address.")
    return re.sub("%[0-9A-Fa-f]{2}", lambda found: found.group().upper(), folded)


# --- mending what was typed -------------------------------------------------------------------


def mend(row: Provider, text: str) -> Mended:
    """What a person typed, as a canonical endpoint with notes. Empty means the usual address.

    Raises InputError with a sentence when no one address is meant. What was mended once needs no
    mending again.
    """
    notes: list[str] = []
    typed = _trim(text)
    if not typed:
        return Mended(canonical(row.endpoint))
    if is_key(typed):
        raise _refuse("This looks like an API key, not an address. Paste the key in its own field.")
    whole = _without_query(_with_scheme(typed, notes), notes)
    parts = _split(whole)
    name = _mend_name(parts.host, notes)
    scheme, port = _mend_scheme(name, parts, notes)
    path = _mend_path(row, _Parts(scheme, name, port, parts.path), notes)
    if not whole.isascii():
        notes.append(f"The host is {name} in plain letters. Make sure that this is who you mean.")
    return Mended(_Parts(scheme, name, port, path).text(), tuple(notes))


def _trim(text: str) -> str:
    bare = text.lstrip(_AROUND).rstrip(_BEHIND)
    if len(bare) > LONGEST:
        raise _refuse(f"The address is longer than {LONGEST} characters.")
    return bare.translate(dict.fromkeys(map(ord, _INVISIBLE)))


def _with_scheme(text: str, notes: list[str]) -> str:
    bare = _ASSIGNED.sub("", text, count=1)
    if bare != text:
        notes.append("Took off the name before the address.")
    single = _DOUBLED.sub("", bare, count=1)
    if single != bare:
        notes.append("The address began with https:// twice; one is left.")
    found = _SCHEME.match(single)
    if found:
        return found.group().partition(":")[0].lower() + "://" + single[found.end() :]
    return _with_guessed_scheme(single.removeprefix("//"), notes)


def _with_guessed_scheme(text: str, notes: list[str]) -> str:
    """http inside the house, where few servers have a certificate; https everywhere else."""
    head, rest = re.fullmatch("([^/?#]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if ":" in head and addresses.literal(head):
        head = f"[{head.strip('[]')}]"  # an IPv6 address as people write it
    name = re.sub(":[0-9]*$", "", head) if not head.endswith("]") else head
    scheme = "http" if addresses.is_private_host(name.lower().strip("[]")) else "https"
    notes.append(f"Added {scheme}:// to the address.")
    return f"{scheme}://{head}{rest}"


def _without_query(text: str, notes: list[str]) -> str:
    bare = re.split(r"[?#]", text, maxsplit=1)[0]
    if bare != text:
        notes.append("Took off the part of the address after ? or #.")
    return bare


def _mend_name(name: str, notes: list[str]) -> str:
    right = _MISSPELT.get(name)
    if right:
        notes.append(f"Changed {name} to {right}, where the API is.")
    return right or name


def _mend_scheme(name: str, parts: _Parts, notes: list[str]) -> tuple[str, int | None]:
    """A vendor's own host is only ever asked over https."""
    if parts.scheme == "http" and owner_of_host(name):
        notes.append("Changed http to https.")
        return "https", None if parts.port == _PORTS["http"] else parts.port
    return parts.scheme, parts.port


def _mend_path(row: Provider, parts: _Parts, notes: list[str]) -> str:
    owner = owner_of_host(parts.host)
    if owner:
        return _vendor_path(row, owner, parts.path, notes)
    private = addresses.is_private_host(parts.host)
    if row.is_local or (private and parts.port in _LOCAL_PORTS):
        return _local_path(parts.path, notes)
    return _collapse(_without_tail(parts.path, notes), notes)


def _vendor_path(row: Provider, owner: Provider, path: str, notes: list[str]) -> str:
    if owner.slug != row.slug:
        notes.append(f"This is an address of {owner.label}, not of {row.label}.")
    if path != owner.base_path:
        notes.append(f"Set the path to {owner.base_path}, where {owner.label} has its API.")
    return owner.base_path


def _local_path(path: str, notes: list[str]) -> str:
    """LM Studio and Ollama: their native paths and a bare host become `/v1`."""
    bare, native = path, False
    while True:
        stem = _NATIVE.sub("", bare)
        native = native or stem != bare
        shorter = _collapse(_without_tail(stem, notes), notes)
        if shorter == bare:
            break
        bare = shorter
    stem = re.sub("/v1$", "", bare, flags=re.IGNORECASE)
    if native:
        notes.append("Changed the native path to /v1, which chats use.")
    elif stem == bare:
        notes.append("Added /v1 to the address.")
    elif not bare.endswith("/v1"):
        notes.append("Wrote /v1 in small letters.")
    return f"{stem}/v1"


def _without_tail(path: str, notes: list[str]) -> str:
    bare = path.rstrip(_BEHIND + "/")
    while tail := next((tail for tail in _TAILS if bare.lower().endswith(tail)), None):
        notes.append(f"Took {tail} off the end of the address.")
        bare = bare[: -len(tail)].rstrip(_BEHIND + "/")
    return bare


def _collapse(path: str, notes: list[str]) -> str:
    once = re.sub(r"(/v1){2,}(?=/|$)", "/v1", path, flags=re.IGNORECASE)
    if once != path:
        notes.append("The address had /v1 twice; one is left.")
    return once


def other_forms(row: Provider, destination: str) -> tuple[str, ...]:
    """Other base addresses on the same origin worth trying when the path seems wrong."""
    parts = _split(destination)
    owner = owner_of_host(parts.host)
    stem = re.sub(r"(/openai|/api)?(/v1)?$", "", parts.path)
    paths = [owner.base_path] if owner else []
    paths += [] if parts.path.endswith("/v1") else [f"{parts.path}/v1"]
    paths += [f"{stem}{row.base_path}", f"{stem}/v1", f"{stem}/api/v1"]
    paths += [f"{stem}/openai/v1", "/v1", stem]
    texts = [_Parts(parts.scheme, parts.host, parts.port, path).text() for path in paths]
    here = canonical(destination)
    return tuple(text for text in dict.fromkeys(texts) if text != here)
