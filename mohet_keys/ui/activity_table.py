"""What happened, as a table. Its cells show text to the letter and load nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from mohet_keys import activity
from mohet_keys.activity import ENDS
from mohet_keys.model import LOCAL_OWNER, Activity, KeyEntry
from mohet_keys.spreadsheet import harmless
from mohet_keys.ui import clock, memory, resources
from mohet_keys.ui.state import act, pressed, ui
from mohet_keys.ui.verdict_badge import BADGES, Colour

LEADS = "activity.leads"
_TINTS: dict[str, Colour] = {
    "done": "gray",
    "finished": "green",
    "length": "orange",
    "cut": "orange",
    "stopped": "gray",
    "deleted": "gray",
    "denied": "red",
    "refused": "red",
    "failed": "red",
    "": "orange",
}
_RESULTS: dict[str, Colour] = {words: tint for words, tint, _ in BADGES.values()} | {
    words: _TINTS[end] for end, words in ENDS.items()
}

_SHOWN = ("time", "action", "key", "provider", "result", "host", "who", "detail", "leads")
"""The columns that stand there at once; the others can be shown."""
_IN_A_TEAM = (*_SHOWN[:7], "whose", *_SHOWN[7:])
_WIDTHS = (130, 140, 90, 135, 140, 70, 175)
"""Pixels of action, key, provider, result, host, person and detail, which fill the page."""
_WIDTHS_IN_A_TEAM = (115, 120, 85, 120, 105, 130, 160)
"""The same where there are two columns of persons, with whole addresses."""


def show(entries: Sequence[Activity]) -> None:
    """Draw the table; an entry of a key that still is there leads to it."""
    zone, owner = clock.zone(), resources.owner()
    there = _still_there(entries, owner)
    keys = [there.get(entry.key_id or "") for entry in entries]
    st.dataframe(
        {
            "time": [_time(entry, zone) for entry in entries],
            "action": [activity.action_words(entry) for entry in entries],
            "key": [harmless(entry.key_name) for entry in entries],
            "provider": [activity.provider_words(entry) for entry in entries],
            "result": [[words] if (words := activity.result_words(e)) else [] for e in entries],
            "host": [harmless(entry.host) for entry in entries],
            "who": [harmless(entry.actor) for entry in entries],
            "detail": [harmless(entry.detail) for entry in entries],
            "leads": ["Open" if key else None for key in keys],
            "request": [harmless(entry.request_id) for entry in entries],
            "mark": [harmless(entry.fingerprint or "") for entry in entries],
            **_whose(entries, owner),
        },
        column_config=_columns(zone, keys, owner),
        column_order=_SHOWN if owner == LOCAL_OWNER else _IN_A_TEAM,
        hide_index=True,
        height="content",
        key="activity-table",
        alt="What happened to keys, the latest first",
    )
    memory.settle("table")  # the first one loads pandas


def _whose(entries: Sequence[Activity], owner: str) -> dict[str, list[str]]:
    """One column more where there is more than one person."""
    return {} if owner == LOCAL_OWNER else {"whose": [harmless(entry.owner) for entry in entries]}


def _time(entry: Activity, zone: ZoneInfo) -> datetime | None:
    """When it was by the reader's clock: the same to be seen and to be read aloud."""
    moment = activity.moment(entry, zone)
    return None if moment is None else moment.replace(tzinfo=None)


def _columns(zone: ZoneInfo, keys: Sequence[KeyEntry | None], owner: str) -> dict[str, Any]:
    column = st.column_config
    widths = _WIDTHS if owner == LOCAL_OWNER else _WIDTHS_IN_A_TEAM
    return {
        "time": column.DatetimeColumn(
            "Time",
            format="MMM D, YYYY, HH:mm:ss",
            width=165,
            help=f"In the time zone of this browser: {zone.key}",
        ),
        "action": column.TextColumn("Action", width=widths[0]),
        "key": column.TextColumn("Key", width=widths[1]),
        "provider": column.TextColumn("Provider", width=widths[2]),
        "result": column.MultiselectColumn(
            "Result", options=list(_RESULTS), color=list(_RESULTS.values()), width=widths[3]
        ),
        "host": column.TextColumn("Host", width=widths[4]),
        "who": column.TextColumn("Who", width=widths[5]),
        "whose": column.TextColumn(
            "Whose", width=widths[5], help="Who owns the key, or whom else it was about"
        ),
        "detail": column.TextColumn("Detail", width=widths[6]),
        "leads": column.ButtonColumn(
            "", type="tertiary", key=LEADS, on_click=_lead, args=(keys,), width=70
        ),
        "request": column.TextColumn("Request id"),
        "mark": column.TextColumn(
            "Secret’s mark", help="Equal for equal secrets, and never a part of one"
        ),
    }


def _still_there(entries: Sequence[Activity], owner: str) -> dict[str, KeyEntry]:
    ids = [entry.key_id for entry in entries if entry.key_id]
    found = resources.keys().entries(ids, owner=owner)
    return {entry.id: entry for entry in found}


@act
def _lead(keys: Sequence[KeyEntry | None]) -> None:
    """Lead to the key whose entry was pressed: the table may have other rows by now."""
    row = pressed(LEADS)
    entry = keys[row] if row is not None and row < len(keys) else None
    ui().activity.leads_to = entry.provider if entry else None
