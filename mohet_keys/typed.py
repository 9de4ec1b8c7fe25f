"""What a form or a command line asked for: cleaned, mended, or refused field by field; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mohet_keys import endpoints, pasted
from mohet_keys.errors import InputError, RefusedError
from mohet_keys.model import KeyChanges, KeyEntry, NewKey
from mohet_keys.providers import BY_SLUG, Provider

T = TypeVar("T")


def provider_row(slug: str) -> Provider:
    """The provider's row. Raises RefusedError naming those there are."""
    row = BY_SLUG.get(slug)
    if row is None:
        known = ", ".join(BY_SLUG)
        raise RefusedError(f"There is no such provider. Choose one of {known}.")
    return row


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form or a command line asked for, cleaned and mended."""

    name: str
    secret: str = field(repr=False)
    endpoint: str
    allow_http: bool
    notes: tuple[str, ...]
    provider: str | None = None


def read_new(new: NewKey) -> Typed:
    """A new key. Raises one InputError that carries every refusal, RefusedError for no provider."""
    row = provider_row(new.provider)
    return _read(row, new.name, new.secret.get_secret_value(), new.endpoint, new.allow_http)


def _read(
    row: Provider, name: str, secret: str, endpoint: str, allow_http: bool, *, keeps: bool = False
) -> Typed:
    """Clean all three fields; raises one InputError that carries every refusal.

    `keeps` when there is a secret already, so that none needs to be typed.
    """
    problems: list[InputError] = []
    mended = _try(problems, lambda: _mend(row, endpoint, allow_http))
    anywhere = mended is None or endpoints.host(mended.endpoint) not in row.hosts
    optional = keeps or (row.key_optional and anywhere)
    cleaned = _try(problems, lambda: pasted.clean_secret(secret, optional=optional))
    named = _try(problems, lambda: pasted.clean_name(name))
    if problems or mended is None or cleaned is None or named is None:
        raise _all(problems)
    consent = allow_http and endpoints.needs_http_consent(mended.endpoint)
    return Typed(named, cleaned.secret, mended.endpoint, consent, cleaned.notes + mended.notes)


def _all(problems: list[InputError]) -> InputError:
    first, *rest = problems
    return InputError(first.field, str(first), tuple(rest))


def _try(problems: list[InputError], step: Callable[[], T]) -> T | None:
    try:
        return step()
    except InputError as error:
        problems.append(error)
        return None


def _mend(row: Provider, text: str, allow_http: bool) -> endpoints.Mended:
    mended = endpoints.mend(row, text)
    if endpoints.needs_http_consent(mended.endpoint) and not allow_http:
        raise InputError(
            "endpoint",
            "http would send the key unencrypted over the network. Use https, or allow plain "
            "http for this key.",
        )
    return mended


def read_changes(entry: KeyEntry, changes: KeyChanges) -> Typed:
    """The key as it shall be. A mere rename takes the rest as it is stored, even when altered."""
    secret = changes.secret.get_secret_value() if changes.secret else ""
    name = entry.name if changes.name is None else changes.name
    endpoint = entry.endpoint if changes.endpoint is None else changes.endpoint
    keeps = not secret.strip()
    if keeps and endpoint == entry.endpoint:
        return Typed(pasted.clean_name(name), "", endpoint, entry.allow_http, ())
    row = provider_row(entry.provider)
    consent = changes.allow_http or (entry.allow_http and _is_at(row, endpoint, entry.endpoint))
    return _read(row, name, secret, endpoint, consent, keeps=keeps)


def _is_at(row: Provider, text: str, destination: str) -> bool:
    try:
        return endpoints.mend(row, text).endpoint == destination
    except InputError:
        return False


def require_no_secret(entry: KeyEntry, typed: Typed) -> None:
    """A stored secret goes only where it was saved for, so a new address needs it again."""
    there = endpoints.host(typed.endpoint)
    if entry.has_secret:
        was, now = _told_apart(entry.endpoint, typed.endpoint)
        raise InputError(
            "secret",
            f"The address changed from {was} to {now}. Enter the key again to use it there.",
        )
    if there in provider_row(entry.provider).hosts:
        raise InputError("secret", f"{there} needs a key. Enter one.")


def _told_apart(was: str, now: str) -> tuple[str, str]:
    """The two hosts, or the whole addresses when the hosts are alike."""
    try:
        hosts = endpoints.host(was), endpoints.host(now)
    except InputError:  # altered outside the app
        return "another one", endpoints.host(now)
    return hosts if hosts[0] != hosts[1] else (was, now)
