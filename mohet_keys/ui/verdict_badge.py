"""The badge of each verdict: words, colour and icon. The words are promised to other programs."""

from __future__ import annotations

from typing import Literal

from mohet_keys.model import Verdict

Colour = Literal["green", "orange", "red", "gray", "violet"]

BADGES: dict[Verdict, tuple[str, Colour, str]] = {
    Verdict.VALID: ("Valid", "green", "check_circle"),
    Verdict.LIMITED: ("Valid, limited", "orange", "error"),
    Verdict.INVALID: ("Invalid", "red", "cancel"),
    Verdict.MISCONFIGURED: ("Wrong endpoint", "orange", "wrong_location"),
    Verdict.UNREACHABLE: ("Unreachable", "gray", "cloud_off"),
    Verdict.UNVERIFIED: ("Unverified", "gray", "help"),
    Verdict.LOCKED: ("Locked", "violet", "lock"),
    Verdict.UNCHECKED: ("Not checked", "gray", "radio_button_unchecked"),
}


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
