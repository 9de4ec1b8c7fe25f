"""Secrets that tell the simulator how to behave. None opens anything real."""

from __future__ import annotations

_PREFIX = {
    "openai": "sk-proj-",
    "groq": "gsk_",
    "lmstudio": "",
    "ollama": "",
    "openrouter": "sk-or-v1-",
    "mistral": "",
}


def behaving(slug: str, behaviour: str, tail: str = "") -> str:
    """A secret of this provider's kind that makes the simulator behave so."""
    return f"{_PREFIX[slug]}sim-{behaviour}-{slug}{tail}-0123456789abcdef"


def good(slug: str, tail: str = "") -> str:
    """A secret the simulated provider accepts."""
    return behaving(slug, "good", tail)


def revoked(slug: str) -> str:
    """A secret the simulated provider no longer knows."""
    return behaving(slug, "revoked")
