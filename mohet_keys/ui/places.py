"""The pages: file, title and address of each. The menu and every link read them here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PAGES = Path(__file__).parents[2] / "pages"


@dataclass(frozen=True, slots=True)
class Place:
    """One page. `width` is in pixels; None takes Streamlit's narrow column."""

    name: str
    title: str
    layout: Literal["wide", "centered"] = "wide"

    @property
    def file(self) -> str:
        """The script."""
        return str(PAGES / f"{self.name}.py")


CHAT = Place("chat", "Chat", layout="centered")
API_KEYS = Place("api_keys", "API Keys")
OVERVIEW = Place("overview", "Overview")
ACTIVITY = Place("activity", "Activity")
TRANSFER = Place("transfer", "Import and export")
SETUP = Place("setup", "Chat Setup")
TEAM = Place("team", "Team")
"""There is one only where people sign in, and it is of use to administrators alone."""

PLACES = (CHAT, API_KEYS, OVERVIEW, ACTIVITY, TRANSFER, SETUP, TEAM)
"""The first is what the bare address opens."""
IN_MENU = (CHAT, API_KEYS, OVERVIEW, ACTIVITY)
"""Those that the header leads to."""
