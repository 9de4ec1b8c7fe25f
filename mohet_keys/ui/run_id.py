"""The id of a script run: that of the tab's WebSocket request, a point, and one of its own.

So one search finds what a person did in a tab, and one what came of a single press. Callbacks, the
script and its repeated parts are all runs to Streamlit, on threads that may have served another
run before; what they begin elsewhere takes the id along.
"""

from __future__ import annotations

import secrets
import weakref
from contextvars import ContextVar

import streamlit as st
from streamlit.runtime import exists
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mohet_keys import logs

HEADER = "X-Request-ID"
_RUN: ContextVar[tuple[weakref.ref[object], str] | None] = ContextVar("mohet_run", default=None)


def settle() -> str:
    """The id of what is being answered just now, given to the run if it has none yet."""
    context = get_script_run_ctx(suppress_warning=True)
    run = context.parallel_coordinator if context else None  # a new one for each run
    if run is None:
        return logs.request_id()
    known = _RUN.get()
    if known is None or known[0]() is not run:
        known = (weakref.ref(run), logs.new_id())
        _keep(known)  # so that whatever is logged meanwhile finds one
        connection = _of_connection()
        if connection:
            known = (known[0], f"{connection}.{secrets.token_hex(3)}")
            _keep(known)
    return known[1]


def _keep(known: tuple[weakref.ref[object], str]) -> None:
    _RUN.set(known)
    logs.REQUEST.set(known[1])


def _of_connection() -> str:
    """The id of the request that the tab's WebSocket began with; empty without a server."""
    given = st.context.headers.get(HEADER) if exists() else None
    return given if isinstance(given, str) and logs.is_well_formed(given) else ""
