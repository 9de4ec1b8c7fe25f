"""The table to take along: made when it is asked for, then fetched with one more click."""

from __future__ import annotations

import streamlit as st

from mohet_keys import activity
from mohet_keys.errors import MohetError
from mohet_keys.journal import Wanted
from mohet_keys.ui import clock, download_link, resources
from mohet_keys.ui.state import Said, act, ui
from mohet_keys.ui.text import escape

WHAT = "activity"


def show(wanted: Wanted) -> None:
    """Draw the button, or the link once there is something to fetch."""
    if download_link.is_ready(WHAT):
        download_link.show()
        return
    st.button(
        "Download CSV",
        icon=":material/download:",
        key="activity.download",
        on_click=_make,
        args=(wanted,),
    )


@act
def _make(wanted: Wanted) -> None:
    try:
        made = resources.record().table(wanted, clock.zone(), owner=resources.owner())
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
        return
    name = f"activity-{clock.now().astimezone(clock.zone()):%Y-%m-%d}.csv"
    download_link.offer(WHAT, made.content, name, "text/csv; charset=utf-8")
    if made.is_cut:
        ui().said.append(Said("warning", escape(activity.cut_words(made.rows))))
