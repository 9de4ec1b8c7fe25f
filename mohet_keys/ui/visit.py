"""Whether somebody still looks at the page that a script draws, and still may."""

from __future__ import annotations

import time

from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mohet_keys.errors import DeniedError, RefusedError, SignedOutError, StoreError
from mohet_keys.ui import resources

EVERY = 1.0
"""Seconds between two looks at the door while a script goes on for long."""


def goes_on() -> bool:
    """False once the visitor's tab is closed or the connection lost.

    A script that waits for a provider would otherwise go on for nobody. Without a server, as in
    a test of a page, there is somebody.
    """
    context = get_script_run_ctx()
    return not exists() or context is None or get_instance().is_active_session(context.session_id)


class Door:
    """Whether the visitor is still let in, asked again and again in one long run."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY

    def is_shut(self) -> bool:
        """True once they signed out elsewhere, were disabled, or their time is up.

        A store that fails just now shuts nobody out: the end of the run says that.
        """
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + EVERY
        try:
            resources.person()
        except (SignedOutError, DeniedError, RefusedError):
            return True
        except StoreError:
            return False
        return False
