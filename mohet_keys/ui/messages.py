"""What was said about the visitor's last action."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui.state import ui


def show() -> None:
    """Draw the messages; they stay until the visitor does the next thing."""
    draw = {"success": st.success, "info": st.info, "warning": st.warning, "error": st.error}
    for said in ui().said:
        draw[said.tone](said.text)
