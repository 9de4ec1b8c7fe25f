"""The record as a table to take along."""

from __future__ import annotations

from functools import partial

from mohet_keys import activity
from mohet_keys.journal import Wanted
from mohet_keys.ui import clock, download_link, resources


def show(wanted: Wanted) -> None:
    """Draw the button, or the link once there is something to fetch."""
    download_link.table("activity", "activity", partial(_made, wanted))


def _made(wanted: Wanted) -> download_link.Made:
    made = resources.record().table(wanted, clock.zone(), owner=resources.owner())
    return download_link.Made(made.content, activity.cut_words(made.rows) if made.is_cut else "")
