"""All keys as one table. Its cells show text to the letter and load nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from mohet_keys.journal import host_of
from mohet_keys.overview import PAGE, Asked, Counts, Line
from mohet_keys.spreadsheet import harmless
from mohet_keys.standing import standing, vendor_label
from mohet_keys.ui import clock, memory, overview_actions, resources
from mohet_keys.ui.overview_filters import PAGES
from mohet_keys.ui.state import act, number, put, ui
from mohet_keys.ui.verdict_badge import BADGES

_ROW = 35
_AT_ONCE = 10
"""Rows that are seen without scrolling."""
_ALWAYS = (
    *("name", "provider", "verdict", "reason", "host", "latency", "lately", "checked", "used"),
    "age",
)
_SOMETIMES = ("credit", "expires")
"""Columns that stand there when a provider tells of any key on the page."""


def show(asked: Asked, verdicts: Counts) -> None:
    """Draw a page of the table, and the way to the others."""
    page = number(PAGES, 1)
    found = resources.overview().page(asked, verdicts, owner=resources.owner(), page=page)
    if not found.total:
        st.caption("No key matches this.")
        return
    _table(found.lines)
    _pages(found.total)


def _table(lines: Sequence[Line]) -> None:
    here = clock.Here()
    columns = _cells(lines, here)
    told = [name for name in _SOMETIMES if any(cell is not None for cell in columns[name])]
    turn = ui().overview.turn
    ids = [line.entry.id for line in lines]
    st.dataframe(
        columns,
        column_config=_columns(here.zone),
        column_order=(*_ALWAYS, *told, "owner"),
        hide_index=True,
        height=_ROW * (1 + min(len(lines), _AT_ONCE)) + 3,
        key=overview_actions.table(turn),
        on_select=partial(overview_actions.open_drawer, turn, ids),
        selection_mode="single-row",
        placeholder="–",
        alt="All keys; mark a row to see its history",
    )
    memory.settle("table")  # the first one loads pandas


def _cells(lines: Sequence[Line], here: clock.Here) -> dict[str, list[Any]]:
    entries = [line.entry for line in lines]
    said = [standing(entry, here.zone) for entry in entries]
    checks = [entry.check for entry in entries]
    zone = here.zone
    return {
        "name": [harmless(entry.name) for entry in entries],
        "provider": [harmless(vendor_label(entry.provider)) for entry in entries],
        "verdict": [[BADGES[each.verdict][0]] for each in said],
        "reason": [harmless(each.reason) for each in said],
        "host": [harmless(host_of(entry.endpoint)) for entry in entries],
        "latency": [check.latency_ms if check else None for check in checks],
        "lately": [[took for took in line.latencies if took is not None] for line in lines],
        "checked": [_local(check.checked_at if check else None, zone) for check in checks],
        "used": [_local(entry.used_at, zone) for entry in entries],
        "age": [_days(entry.secret_at if entry.has_secret else None, here) for entry in entries],
        "credit": [check.credit if check else None for check in checks],
        "expires": [_local(check.expires_at if check else None, zone) for check in checks],
        "owner": [harmless(entry.owner) for entry in entries],
    }


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    """When it was by the reader's clock: the same to be seen and to be read aloud."""
    return None if at is None else at.astimezone(zone).replace(tzinfo=None)


def _days(since: datetime | None, here: clock.Here) -> int | None:
    return None if since is None else max(0, (here.now - since).days)


def _columns(zone: ZoneInfo) -> dict[str, Any]:
    column = st.column_config
    badges = list(BADGES.values())
    here = f"In the time zone of this browser: {zone.key}"
    return {
        "name": column.TextColumn("Name", width=130, pinned=True),
        "provider": column.TextColumn("Provider", width=82),
        "verdict": column.MultiselectColumn(
            "Verdict",
            options=[words for words, *_ in badges],
            color=[tint for _, tint, _ in badges],
            width=116,
        ),
        "reason": column.TextColumn("Reason", width=120),
        "host": column.TextColumn("Endpoint host", width=106),
        "latency": column.NumberColumn(
            "Latency", format="%d ms", width=62, help="How long the last answer took"
        ),
        "lately": column.LineChartColumn(
            "Lately", width=60, y_min=0, help="How long the last 20 answers took, up to the last"
        ),
        "checked": column.DatetimeColumn(
            "Last checked", format="MMM D, HH:mm", width=94, help=here
        ),
        "used": column.DatetimeColumn("Last used", format="MMM D, HH:mm", width=94, help=here),
        "age": column.NumberColumn(
            "Secret’s age", format="%d d", width=85, help="Days since the secret was put in"
        ),
        "credit": column.NumberColumn(
            "Credit left", format="$%.2f", width=75, help="As far as the provider tells"
        ),
        "expires": column.DatetimeColumn(
            "Expires", format="MMM D, YYYY", width=90, help="As far as the provider tells"
        ),
        "owner": column.TextColumn("Owner", width=50),
    }


def _pages(total: int) -> None:
    pages = max(1, -(-total // PAGE))
    if number(PAGES, 1) > pages:
        put(PAGES, pages)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.caption(f"{total:,} key{'s' if total != 1 else ''}", width="content")
        if pages > 1:
            st.pagination(pages, key=PAGES, on_change=_turned)


@act
def _turned() -> None:
    """Another page: no row of it is marked."""
    ui().overview.turn += 1
