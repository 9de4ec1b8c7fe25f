"""The badge of each verdict: words, colour and icon. The words are promised to other programs."""

from __future__ import annotations

from typing import Literal

from mohet_keys.model import Verdict
from mohet_keys.standing import WORDS

Colour = Literal["green", "orange", "red", "gray", "violet"]

_LOOKS: dict[Verdict, tuple[Colour, str]] = {
    Verdict.VALID: ("green", "check_circle"),
    Verdict.LIMITED: ("orange", "error"),
    Verdict.INVALID: ("red", "cancel"),
    Verdict.MISCONFIGURED: ("orange", "wrong_location"),
    Verdict.UNREACHABLE: ("gray", "cloud_off"),
    Verdict.UNVERIFIED: ("gray", "help"),
    Verdict.LOCKED: ("violet", "lock"),
    Verdict.UNCHECKED: ("gray", "radio_button_unchecked"),
}
BADGES: dict[Verdict, tuple[str, Colour, str]] = {
    verdict: (WORDS[verdict], *look) for verdict, look in _LOOKS.items()
}
"""Words, colour and icon."""


def badge(verdict: Verdict) -> str:
    """The verdict's badge as Markdown."""
    words, colour, icon = BADGES[verdict]
    return f":{colour}-badge[:material/{icon}: {words}]"


def colour(verdict: Verdict) -> Colour:
    """The verdict's colour, for the sentences beside the badge."""
    return BADGES[verdict][1]


def dot(verdict: Verdict) -> str:
    """A dot in the verdict's colour as Markdown. Words stand beside it for who sees none."""
    return f":{BADGES[verdict][1]}[●]"


def mark(verdict: Verdict) -> str:
    """What stands beside a key's name: a dot, or the icon of what is wrong, for every eye."""
    _, hue, icon = BADGES[verdict]
    is_plain = verdict in {Verdict.VALID, Verdict.UNCHECKED}
    return dot(verdict) if is_plain else f":{hue}[:material/{icon}:]"
