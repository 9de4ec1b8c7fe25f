"""The charts below the table. Only the open one is asked for and drawn."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from mohet_keys.overview import PERIODS, Counts
from mohet_keys.standing import vendor_label
from mohet_keys.ui import charts, resources
from mohet_keys.ui.state import peek

_TABS = "overview.charts"
_PERIOD = "overview.period"
_DAYS = 30


def show(verdicts: Counts) -> None:
    """Draw the tabs, and of them only the open one."""
    st.markdown("#### Charts")
    drawn: dict[str, Callable[[], None]] = {
        "Verdicts": lambda: charts.verdicts(verdicts),
        "Availability": _availability,
        "Latency": _latency,
        "Use": _use,
    }
    tabs = st.tabs(list(drawn), key=_TABS, on_change="rerun")
    for tab, draw in zip(tabs, drawn.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def _period() -> str:
    """Draw the choice of the period, and tell it."""
    st.segmented_control(
        "Period",
        list(PERIODS),
        default="24 h",
        required=True,
        key=_PERIOD,
        label_visibility="collapsed",
    )
    chosen = peek(_PERIOD)
    return chosen if chosen in PERIODS else "24 h"


def _availability() -> None:
    period = _period()
    points = resources.overview().points(period, owner=resources.owner())
    if not points:
        st.caption("No check was made in this period.")
        return
    checks = sum(point.checks for point in points)
    share = sum(point.answered for point in points) / checks
    st.markdown(f"**{share:.1%}** of {checks:,} checks in the last {period} were answered.")
    charts.lines(
        [
            (point.at, vendor_label(point.provider), 100 * point.answered / point.checks)
            for point in points
        ],
        title=f"Checks that were answered, last {period}",
        unit="Answered (%)",
        top=100,
    )


def _latency() -> None:
    period = _period()
    points = resources.overview().points(period, owner=resources.owner())
    timed = [
        (point.at, vendor_label(point.provider), point.latency_ms)
        for point in points
        if point.latency_ms is not None
    ]
    if not timed:
        st.caption("No check was answered in this period.")
        return
    charts.lines(timed, title=f"Time until the answer, last {period}", unit="Mean latency (ms)")


def _use() -> None:
    charts.use(
        resources.overview().use(_DAYS, owner=resources.owner()),
        title=f"Messages sent through all keys, {_DAYS} days",
    )
