"""The badges: words, colours and icons that people and programs rely on."""

from __future__ import annotations

import pytest

from mohet_keys.model import Verdict
from mohet_keys.ui.verdict_badge import BADGES, badge, colour

PROMISED = {
    "valid": ("Valid", "green"),
    "limited": ("Valid, limited", "orange"),
    "invalid": ("Invalid", "red"),
    "misconfigured": ("Wrong endpoint", "orange"),
    "unreachable": ("Unreachable", "gray"),
    "unverified": ("Unverified", "gray"),
    "locked": ("Locked", "violet"),
    "unchecked": ("Not checked", "gray"),
}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_words_and_colour_are_the_promised_ones(verdict: Verdict) -> None:
    """Each verdict has the words and the colour of the table."""
    words, tint = PROMISED[verdict]
    assert tint == colour(verdict)
    assert badge(verdict).startswith(f":{tint}-badge[")
    assert badge(verdict).endswith(f" {words}]")


def test_no_badge_is_told_by_its_colour_alone() -> None:
    """Who cannot see colours tells badges apart by words and icons."""
    assert len(BADGES) == len({(words, icon) for words, _, icon in BADGES.values()})
    assert len(BADGES) == len({icon for _, _, icon in BADGES.values()})
