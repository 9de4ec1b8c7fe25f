"""The row of figures on top of the Overview."""

from __future__ import annotations

import streamlit as st

from mohet_keys.overview import Figures
from mohet_keys.ui import clock


def show(figures: Figures) -> None:
    """Draw the figures."""
    grid = st.grid(6, min_column_width=150, gap="small", key="overview-figures")
    for label, value, told in (
        ("Keys", _count(figures.keys), "All keys, over all providers"),
        (
            "Working",
            _count(figures.working),
            "The provider accepted them, or answered without looking at them",
        ),
        (
            "Needing attention",
            _count(figures.attention),
            "Invalid, wrong endpoint, limited, locked, unreachable, about to expire, or old",
        ),
        ("Unchecked", _count(figures.unchecked), "Not checked yet, or held back"),
        ("Expiring soon", _count(figures.ending), "Their provider ends them soon, or has done so"),
        ("Oldest secret", _age(figures), "How long ago it was put in"),
    ):
        with grid.cell():
            st.metric(label, value, help=told, border=True)


def _count(number: int) -> str:
    return f"{number:,}"


def _age(figures: Figures) -> str:
    if figures.oldest is None:
        return "–"
    days = max(0, (clock.now() - figures.oldest).days)
    return f"{days:,} day" if days == 1 else f"{days:,} days"
