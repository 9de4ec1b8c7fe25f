"""What a simulated provider does with a secret, by the word after `sim-` in it.

`gsk_sim-revoked-0123456789` is a revoked Groq key. Servers that need no key take any secret for
good, as the real ones do, but for the words that are about the connection or the server.
"""

from __future__ import annotations

import re

BEHAVIOURS: dict[str, str] = {
    "good": "everything works",
    "revoked": "the key is no longer known (401 in the provider's own envelope)",
    "expired": "the key was set to end and has; OpenRouter names the date, the others say 401",
    "expiring": "an OpenRouter key that ends in nine days",
    "deactivated": "the account is closed (OpenAI 401, Groq 400 organization_restricted)",
    "restricted": "the key is real and lacks a permission (403)",
    "management": "an OpenRouter key that manages keys and runs no models",
    "freetier": "an OpenRouter account that never bought credit",
    "nocredit": "models are listed and no chat is answered, for there is no money left (402, 429)",
    "ratelimited": "too many requests (429 with Retry-After: 12)",
    "region": "the caller's country is not served (403)",
    "wronghost": "the key's project lives on another host (OpenAI 401 incorrect_hostname)",
    "empty": "the key sees no models",
    "slow": "the answer takes `World.slow` seconds, three unless changed",
    "loading": "the server is still loading its model (503)",
    "down": "the provider has an outage (503)",
    "html": "a login page answers (200)",
    "redirect": "the answer sends the caller to `World.redirect_to` (302)",
    "echo": "the error quotes the whole key, in body and header",
    "garbage": "the answer is JSON of some other kind",
    "gzip": "the answer is compressed although nobody asked",
    "drip": "the answer comes one byte every `World.drip` seconds, for ever",
    "huge": "the answer does not end",
    "cut": "the connection ends in the middle of the answer",
    "midfail": "a chat fails in the middle, as an error inside of the stream",
    "brokenoff": "a chat ends in the middle, without a word",
    "hangup": "a chat's connection ends in the middle of a character",
    "tooshort": "a chat ends at the longest its reply may be",
    "nodone": "a chat's stream ends without its [DONE]",
    "quirky": "a chat's stream has everything odd that is allowed",
    "aloud": "the model thinks inside of <think> tags",
    "parrot": "the model says the key it was sent",
    "othermodel": "another model answers than the one that was asked",
    "whole": "a chat is answered in one piece although a stream was asked for",
    "slowstart": "the first word of a chat takes `World.slow` seconds",
    "picky": "chats with `stream_options` are refused (400)",
    "unstreamed": "chats with `stream` are refused (400)",
}

_WORD = re.compile(r"sim-([a-z]+)")


def behaviour_of(secret: str) -> str | None:
    """The behaviour a secret asks for; None when it names none."""
    found = _WORD.search(secret)
    return found.group(1) if found and found.group(1) in BEHAVIOURS else None
