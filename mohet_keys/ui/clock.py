"""The present moment and the reader's time zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import streamlit as st

from mohet_keys.ui.text import zone_of


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def zone() -> ZoneInfo:
    """The time zone the reader's browser names."""
    return zone_of(st.context.timezone)


@dataclass(frozen=True, slots=True)
class Here:
    """The moment and the time zone of the reader, asked for once for all cards of a run."""

    now: datetime = field(default_factory=now)
    zone: ZoneInfo = field(default_factory=zone)
