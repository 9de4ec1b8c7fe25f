"""What others did that the visitor has to know: on every page, until they say that they saw it.

No look of its own is needed while a page is open: whoever loses the key they had selected gets the
page drawn anew by the change watch.
"""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.ui import resources
from mohet_keys.ui.state import Said, act, ui
from mohet_keys.ui.text import escape


def show() -> None:
    """Draw the notices; in a local run there is nobody else."""
    owner = resources.owner()
    if owner == LOCAL_OWNER:
        return
    notices = resources.team().notices(owner=owner)
    if not notices:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="notices"):
        st.warning(
            "  \n".join(escape(notice.words) for notice in notices),
            icon=":material/notifications:",
        )
        st.button(
            "Got it",
            key="notices.seen",
            on_click=_seen,
            args=([notice.id for notice in notices],),
        )


@act
def _seen(ids: list[int]) -> None:
    try:
        resources.team().seen(ids, owner=resources.owner())
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
