"""How far a check of all keys is, drawn anew while it runs, and what it came to afterwards."""

from __future__ import annotations

import streamlit as st

from mohet_keys.check_all import CheckAll, Line
from mohet_keys.model import Verdict
from mohet_keys.standing import WORDS, vendor_label
from mohet_keys.ui import check_all_actions
from mohet_keys.ui.state import redraw, ui
from mohet_keys.ui.text import escape
from mohet_keys.ui.verdict_badge import dot

EVERY = 0.5
"""Seconds between two looks."""
REDRAWN = 2.0
"""Seconds after which the rest of the page is drawn anew, too, when there are results for it."""
_FIRM = "\u00a0"
_SHORT = {verdict: words.lower() for verdict, words in WORDS.items()} | {Verdict.LIMITED: "limited"}


def show() -> None:
    """Draw how far it is, or how it ended; nothing when there is none to be seen."""
    state = ui().every
    run = state.run
    if run is None:
        return
    state.drawn = (run.done, run.seconds)
    if state.watched:
        _watch()
    else:
        _ended(run)


@st.fragment(run_every=EVERY)
def _watch() -> None:
    state = ui().every
    run = state.run
    if run is None or run.is_over:
        redraw()
    results, after = state.drawn
    if run.done > results and run.seconds - after >= REDRAWN:
        redraw()
    _draw(run)


def _draw(run: CheckAll) -> None:
    done, total = run.done, run.total
    with st.container(border=True, gap="small", key="check-all.progress"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            words = "Reading the keys" if total is None else f"{done} of {total}"
            share = done / total if total else 0.0
            st.progress(min(share, 1.0), text=f"{words} · {clock_of(run.seconds)}")
            st.button("Cancel", key="check-all.cancel", on_click=check_all_actions.cancel)
        _lines(run)


def _ended(run: CheckAll) -> None:
    with st.container(border=True, gap="small", key="check-all.ended"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(_end(run), width="content")
            st.button("Close", key="check-all.close", on_click=check_all_actions.put_away)
        _lines(run)


def _end(run: CheckAll) -> str:
    checked = sum(count for line in run.lines() for _, count in line.verdicts)
    took = clock_of(run.seconds)
    if run.state == "cancelled":
        total = run.total or 0
        return f":material/cancel: Cancelled: {checked} of {total} keys were checked · {took}"
    if run.state == "failed":
        return f":red[:material/error: {escape(run.problem)}]"
    return f":material/done_all: {_keys(checked)} checked · {took}"


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"


def _lines(run: CheckAll) -> None:
    lines = run.lines()
    if lines:
        st.markdown("  \n".join(map(line_words, lines)))


def line_words(line: Line) -> str:
    """“OpenAI 12 of 40 · 9 valid · 2 invalid · 1 unreachable” as Markdown.

    A narrow window breaks it between its parts only.
    """
    parts = [f"**{escape(vendor_label(line.provider))}** {line.done} of {line.of}"]
    parts += [f"{dot(verdict)} {count} {_SHORT[verdict]}" for verdict, count in line.verdicts]
    parts += [f"{line.held} held back"] if line.held else []
    parts += [f"{line.left} not carried out"] if line.left else []
    if line.waits:
        parts.append(f":gray[waiting {max(1, round(line.waits))} s, as it asked]")
    return " · ".join(part.replace(" ", _FIRM) for part in parts)


def clock_of(seconds: float) -> str:
    """How long something runs: “0:07”, “1:05:09”."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
