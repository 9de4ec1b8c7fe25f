"""Waits for running checks off to the side, and redraws the page when one has an answer."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.model import CheckResult
from mohet_keys.ui.state import Said, redraw, ui
from mohet_keys.ui.text import escape

_log = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between two looks. A look costs nothing but the fragment itself."""


def show() -> None:
    """Watch while something runs; draw nothing otherwise."""
    if ui().running:
        _watch()


@st.fragment(run_every=EVERY)
def _watch() -> None:
    running = ui().running
    done = [key_id for key_id, future in running.items() if future.done()]
    for key_id in done:
        _tell_failure(running.pop(key_id))
    if done:
        redraw()


def _tell_failure(future: Future[CheckResult]) -> None:
    """Say why a check was not carried out; what a provider answered is a result, and no failure."""
    if future.cancelled():
        return
    error = future.exception()
    if isinstance(error, MohetError):
        ui().said.append(Said("error", escape(str(error))))
    elif error is not None:
        _log.error("A check broke off with %s.", type(error).__name__)
        ui().said.append(Said("error", "The check broke off. Try again."))
