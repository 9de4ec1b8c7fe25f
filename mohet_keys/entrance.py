"""How people come in, decided once at the start: nobody signs in, or everybody does; pure.

What cannot be meant is refused in plain words, for a server that starts all the same would let in
more people than whoever set it up thinks. No value of a secret is ever in those words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from mohet_keys.errors import RefusedError
from mohet_keys.identity import Rules
from mohet_keys.settings import Settings

FILE = ".streamlit/secrets.toml"
UNREADABLE = f"{FILE} cannot be read. It has to be a TOML file."
SHORTEST = 32
"""Characters that the secret which signs the cookies has at least."""
_FEWEST = 8
"""Different ones among them, so that it is no placeholder."""
_DEFAULT = "default"
_OF_A_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
_LABELS = {"github": "GitHub", "gitlab": "GitLab", "auth0": "Auth0", "onelogin": "OneLogin"}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


class Mode(StrEnum):
    """Who says who a visitor is: nobody, an identity provider, or a proxy."""

    LOCAL = "local"
    OIDC = "oidc"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider: the name it is called by, and how a button says it."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Entrance:
    """How people come in, and who may. `headers` are those of a proxy, by what they tell."""

    mode: Mode = Mode.LOCAL
    providers: tuple[Provider, ...] = ()
    headers: Mapping[str, str] | None = None
    rules: Rules = field(default_factory=Rules)
    sign_out_url: str = ""


def entrance_of(settings: Settings, auth: Mapping[str, object] | None) -> Entrance:
    """The way in that the settings and the `[auth]` section of the secrets come to.

    Raises RefusedError with one sentence on what to set.
    """
    rules = Rules.of(
        domains=settings.allowed_domains,
        people=settings.allowed_people,
        administrators=settings.administrators,
        issuers=settings.trusted_issuers,
    )
    if settings.identity_header and auth is not None:
        raise RefusedError(
            f"Both MOHET_IDENTITY_HEADER and [auth] in {FILE} are set. Keep one of them: either a "
            "proxy says who somebody is, or an identity provider does."
        )
    if auth is not None:
        return Entrance(Mode.OIDC, _providers(auth, rules), rules=rules)
    if settings.identity_header:
        return Entrance(
            Mode.HEADER,
            headers=_headers(settings),
            rules=rules,
            sign_out_url=_address_of_sign_out(settings.sign_out_url),
        )
    if rules.narrows or settings.identity_name_header:
        raise RefusedError(
            "It is set who may come in, but nobody would have to sign in. Set up the sign-in: "
            f"[auth] in {FILE}, or MOHET_IDENTITY_HEADER for a proxy that signs people in."
        )
    return Entrance()


def auth_of(secrets: Mapping[str, object]) -> Mapping[str, object] | None:
    """The `[auth]` section of the secrets; None when there is none. Raises RefusedError."""
    section = secrets.get("auth")
    if section is not None and not isinstance(section, Mapping):
        raise RefusedError(f"auth in {FILE} must be a section: [auth].")
    return section


def vet_address(address: str | None, entrance: Entrance) -> None:
    """Refuse an address to listen on that others reach, unless everybody has to sign in here.

    Raises RefusedError. `address` is as Streamlit takes it; none is every address there is.
    """
    if entrance.mode is Mode.OIDC or (address and is_near(address)):
        return
    where = f"server.address is “{address}”" if address else "server.address is not set"
    if entrance.mode is Mode.HEADER:
        raise RefusedError(
            f"Whoever reaches the port could name anybody in {_first(entrance)}, and {where}, "
            "which others reach. Set server.address to 127.0.0.1 and let the proxy connect there."
        )
    raise RefusedError(
        f"Nobody has to sign in, and {where}, which others reach. Set server.address to "
        f"127.0.0.1, or set up the sign-in: [auth] in {FILE} (see {FILE}.example), or "
        "MOHET_IDENTITY_HEADER for a proxy that signs people in."
    )


def is_near(address: str) -> bool:
    """Whether only this machine reaches an address: a loopback address or a unix socket.

    A name may lead anywhere tomorrow, so `localhost` is the only one.
    """
    if address.startswith(("unix://", "/")) or address.lower() == "localhost":
        return True
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback


def _first(entrance: Entrance) -> str:
    return next(iter(entrance.headers or {}), "")


# --- a proxy ----------------------------------------------------------------------------------


def _headers(settings: Settings) -> dict[str, str]:
    named = {"email": settings.identity_header, "name": settings.identity_name_header}
    headers = {header: tells for tells, header in named.items() if header}
    if not all(map(_HEADER.fullmatch, headers)):
        raise RefusedError(
            "MOHET_IDENTITY_HEADER and MOHET_IDENTITY_NAME_HEADER are names of headers, "
            "such as X-Forwarded-Email."
        )
    if len({header.lower() for header in headers}) < len(list(filter(None, named.values()))):
        raise RefusedError("MOHET_IDENTITY_HEADER and MOHET_IDENTITY_NAME_HEADER must differ.")
    return headers


def _address_of_sign_out(url: str) -> str:
    if url and not url.startswith(("https://", "/")):
        raise RefusedError("MOHET_SIGN_OUT_URL begins with https:// or with /.")
    return url


# --- identity providers -----------------------------------------------------------------------


def _providers(auth: Mapping[str, object], rules: Rules) -> tuple[Provider, ...]:
    _vet_cookie_secret(auth.get("cookie_secret"))
    _vet_redirect(auth.get("redirect_uri"))
    if auth.get("expose_tokens"):
        raise RefusedError(f"Take expose_tokens out of [auth] in {FILE}: nothing here needs them.")
    sections = {name: part for name, part in auth.items() if isinstance(part, Mapping)}
    sections.pop("client_kwargs", None)
    if any(name in auth for name in _OF_A_PROVIDER):
        sections = {_DEFAULT: auth, **sections}
    if not sections:
        raise RefusedError(f"[auth] in {FILE} names no identity provider.")
    if not rules.narrows:
        raise RefusedError(
            "Everybody with an account at the identity provider could come in. Set "
            "MOHET_ALLOWED_DOMAINS or MOHET_ALLOWED_PEOPLE; MOHET_ALLOWED_DOMAINS=* lets all in."
        )
    return tuple(_provider(name, section) for name, section in sections.items())


def _provider(name: str, section: Mapping[str, object]) -> Provider:
    shown = f"[auth.{name}]" if name != _DEFAULT else "[auth]"
    if "_" in name:
        raise RefusedError(f"The name of {shown} in {FILE} may have no underscore.")
    missing = [each for each in _OF_A_PROVIDER if not section.get(each)]
    if missing:
        raise RefusedError(f"{shown} in {FILE} has no {' and no '.join(missing)}.")
    _vet_url(f"server_metadata_url of {shown}", str(section["server_metadata_url"]))
    if name == _DEFAULT:
        return Provider(name, "Sign in")
    return Provider(name, f"Sign in with {_LABELS.get(name, name.capitalize())}")


def _vet_cookie_secret(secret: object) -> None:
    if not isinstance(secret, str) or len(secret) < SHORTEST or len(set(secret)) < _FEWEST:
        raise RefusedError(
            f"cookie_secret of [auth] in {FILE} must be {SHORTEST} random characters or more, for "
            "it signs who somebody is. This makes one: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )


def _vet_redirect(redirect: object) -> None:
    url = redirect if isinstance(redirect, str) else ""
    if not url.endswith("/oauth2callback"):
        raise RefusedError(
            f"redirect_uri of [auth] in {FILE} is the public address of this server with "
            "/oauth2callback behind it."
        )
    _vet_url("redirect_uri of [auth]", url)


def _vet_url(what: str, url: str) -> None:
    """Both are where somebody's identity passes: in clear on this machine alone."""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and is_near(parts.hostname or "")
        )
    except ValueError:
        is_safe = False
    if not is_safe:
        raise RefusedError(f"{what} in {FILE} must begin with https://.")
