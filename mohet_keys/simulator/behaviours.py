"""What a simulated provider does with a secret, by the word after `sim-` in it."""

from __future__ import annotations

import re

BEHAVIOURS: dict[str, str] = {
    "good": "everything works",
    "revoked": "the key is no longer known (401)",
    "nocredit": "the key is known and there is no money left",
    "restricted": "the key lacks the permission to list models",
    "deactivated": "the account is closed",
    "ratelimited": "too many requests (429 with Retry-After)",
    "region": "the caller's country is not served",
    "wronghost": "the key's project lives on another host",
    "expired": "the key was set to end and has",
    "management": "the key manages keys and runs no models",
    "freetier": "the account never bought credit",
    "slow": "the answer takes three seconds",
    "drip": "the answer comes one byte at a time, for ever",
    "html": "a login page answers",
    "redirect": "the answer sends the caller to another host",
    "echo": "the error quotes the whole key, in body and header",
    "cut": "the connection ends in the middle of the answer",
    "garbage": "the answer is JSON of some other kind",
    "empty": "the key sees no models",
    "huge": "the answer does not end",
    "gzip": "the answer is compressed although nobody asked",
    "down": "the provider has an outage (503)",
    "loading": "a local server is still loading its model",
}

_WORD = re.compile(r"sim-([a-z]+)")


def behaviour_of(secret: str) -> str | None:
    """The behaviour a secret asks for; None when it names none."""
    found = _WORD.search(secret)
    return found.group(1) if found and found.group(1) in BEHAVIOURS else None
