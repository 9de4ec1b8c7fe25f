"""Whether somebody still looks at the page that a script draws."""

from __future__ import annotations

from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx


def goes_on() -> bool:
    """False once the visitor's tab is closed or the connection lost.

    A script that waits for a provider would otherwise go on for nobody. Without a server, as in
    a test of a page, there is somebody.
    """
    context = get_script_run_ctx()
    return not exists() or context is None or get_instance().is_active_session(context.session_id)
