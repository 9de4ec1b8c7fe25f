"""The line on every page of the demo that says that it is one. Nothing in earnest."""

from __future__ import annotations

import streamlit as st

from mohet_keys import demo
from mohet_keys.ui import resources

WORDS = (
    ":gray-badge[Demo] :gray[:small[Made-up keys at simulated providers. Nothing leaves this "
    "machine, and all of it is gone when the demo ends.]]"
)


def show() -> None:
    """Draw the line, and have begin what is there to be watched."""
    if not resources.settings().demo:
        return
    with st.container(horizontal_alignment="center", key="demo-banner"):
        st.markdown(WORDS, width="content")
    demo.visited(resources.parts())
