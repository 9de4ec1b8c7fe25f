"""The keys that are asked for as a table to take along."""

from __future__ import annotations

from functools import partial

from mohet_keys import overview_export
from mohet_keys.overview import Asked
from mohet_keys.ui import clock, download_link, resources


def show(asked: Asked) -> None:
    """Draw the button, or the link once there is something to fetch."""
    download_link.table("overview", "keys", partial(_made, asked))


def _made(asked: Asked) -> download_link.Made:
    most = overview_export.MOST_ROWS
    lines = resources.overview().all(asked, owner=resources.owner(), most=most + 1)
    content = overview_export.table(lines[:most], clock.now(), clock.zone())
    left_out = f"Only the first {most:,} keys are in the file." if len(lines) > most else ""
    return download_link.Made(content, left_out)
