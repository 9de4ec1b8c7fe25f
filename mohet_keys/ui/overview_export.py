"""The keys that are asked for as a file to take along: made when asked for, fetched once."""

from __future__ import annotations

import streamlit as st

from mohet_keys import overview_export
from mohet_keys.errors import MohetError
from mohet_keys.overview import Asked
from mohet_keys.ui import clock, download_link, resources
from mohet_keys.ui.state import Said, act, ui
from mohet_keys.ui.text import escape

WHAT = "overview"


def show(asked: Asked) -> None:
    """Draw the button, or the link once there is something to fetch."""
    if download_link.is_ready(WHAT):
        download_link.show()
        return
    st.button(
        "Download CSV",
        icon=":material/download:",
        key="overview.download",
        on_click=_make,
        args=(asked,),
    )


@act
def _make(asked: Asked) -> None:
    most = overview_export.MOST_ROWS
    try:
        lines = resources.overview().all(asked, owner=resources.owner(), most=most + 1)
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
        return
    content = overview_export.table(lines[:most], clock.now(), clock.zone())
    name = f"keys-{clock.now().astimezone(clock.zone()):%Y-%m-%d}.csv"
    download_link.offer(WHAT, content, name, "text/csv; charset=utf-8")
    if len(lines) > most:
        ui().said.append(Said("warning", f"Only the first {most:,} keys are in the file."))
