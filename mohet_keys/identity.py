"""Who a visitor is: what an identity provider or a trusted proxy said in, an identity out; pure.

Nothing here is taken on trust that was not said in clear words: an address that is not verified,
an odd character, a token without a time are refused. Addresses are compared as plain ASCII, for
there are letters that look alike, or become alike when they are made small.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mohet_keys.errors import RefusedError

EVERY_DOMAIN = "*"
LEEWAY = timedelta(minutes=5)
"""How much later than ours the clock of an identity provider may be."""
_EMAIL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_LONGEST_NAME = 80
_ONE_OF_THEM = ("iss", "sub", "aud", "iat", "nonce", "sid", "jti")
"""What tells one sign-in from another, also of the same person."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in at an identity provider; `id` tells nothing of what it is made of.

    `ends` is when the identity provider's own word for it ends.
    """

    id: str
    at: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is. `sign_in` is None where a proxy keeps it."""

    email: str
    name: str
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may come in. Addresses and domains are in small letters."""

    domains: frozenset[str] = field(default_factory=frozenset)
    people: frozenset[str] = field(default_factory=frozenset)
    administrators: frozenset[str] = field(default_factory=frozenset)
    issuers: frozenset[str] = field(default_factory=frozenset)
    """Those whose addresses count as verified although they do not say so."""

    @classmethod
    def of(
        cls,
        *,
        domains: Iterable[str] = (),
        people: Iterable[str] = (),
        administrators: Iterable[str] = (),
        issuers: Iterable[str] = (),
    ) -> Rules:
        """The rules as they are written in the settings."""
        return cls(
            frozenset(domain.removeprefix("@").lower() for domain in domains),
            frozenset(map(str.lower, people)),
            frozenset(map(str.lower, administrators)),
            frozenset(issuers),
        )

    @property
    def narrows(self) -> bool:
        """Whether anything is said about who may come in."""
        return bool(self.domains or self.people or self.administrators)

    def admits(self, email: str) -> bool:
        """Whether this address may come in."""
        if email in self.people or email in self.administrators:
            return True
        return EVERY_DOMAIN in self.domains or email.rpartition("@")[2] in self.domains


def from_claims(claims: Mapping[str, object], rules: Rules, now: datetime) -> Identity:
    """The identity that a signed identity token tells of. Raises RefusedError, in plain words.

    Whether the sign-in is over is not judged here, for that is in the store as well.
    """
    email = _email(claims.get("email"))
    if not _is_verified(claims, rules):
        raise RefusedError(
            f"Your identity provider does not say that it verified {email}, so it does not count."
        )
    _admit(email, rules)
    return Identity(email, _name(claims.get("name"), email), _sign_in(claims, now))


def from_header(values: Mapping[str, object], rules: Rules) -> Identity:
    """The identity that a trusted proxy tells of. Raises RefusedError, in plain words.

    The rules narrow only where they say anything: it is the proxy that lets in.
    """
    email = _email(values.get("email"))
    if rules.domains or rules.people:
        _admit(email, rules)
    return Identity(email, _name(values.get("name"), email))


def _email(said: object) -> str:
    email = said.strip() if isinstance(said, str) else ""
    if not email:
        raise RefusedError("Your identity provider did not give an e-mail address.")
    # Only what is ASCII is made small: there are other letters that become a k or an s.
    email = email.lower() if email.isascii() else email
    if not _EMAIL.fullmatch(email):
        raise RefusedError("Your identity provider gave an e-mail address that is none.")
    return email


def _admit(email: str, rules: Rules) -> None:
    if not rules.admits(email):
        raise RefusedError(f"{email} is not among those who may come in.")


def _is_verified(claims: Mapping[str, object], rules: Rules) -> bool:
    said = claims.get("email_verified")
    if said is None:
        return claims.get("iss") in rules.issuers
    return said is True or said == "true"  # some write the word


def _name(said: object, email: str) -> str:
    """The name as one line, or what stands before the `@`."""
    name = " ".join(said.split()) if isinstance(said, str) else ""
    shown = "".join(each for each in name if each.isprintable())[:_LONGEST_NAME]
    return shown or email.partition("@")[0]


def _sign_in(claims: Mapping[str, object], now: datetime) -> SignIn:
    at, ends = _moment(claims.get("iat")), _moment(claims.get("exp"))
    nonce = claims.get("nonce")
    if at is None or ends is None or not (isinstance(nonce, str) and nonce):
        raise RefusedError("Your identity provider’s word is not whole. Sign in again.")
    if at > now + LEEWAY:
        raise RefusedError(
            "By this server’s clock your sign-in is yet to come. Set the clock, then sign in again."
        )
    made_of = json.dumps([claims.get(name) for name in _ONE_OF_THEM], default=str)
    return SignIn(hashlib.sha256(made_of.encode()).hexdigest(), at, ends)


def _moment(said: object) -> datetime | None:
    """A time in seconds since 1970."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        return datetime.fromtimestamp(said, UTC)
    except (ValueError, OverflowError, OSError):
        return None
