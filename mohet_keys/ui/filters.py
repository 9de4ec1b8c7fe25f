"""The fields that narrow a table: one to type in, and lists to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def search(label: str, widget: str, placeholder: str, narrow: Callable[[], None]) -> None:
    """A field to type in; `narrow` is called when it was changed."""
    st.text_input(
        label,
        key=widget,
        type="search",
        placeholder=placeholder,
        label_visibility="collapsed",
        on_change=narrow,
    )


def choice(label: str, widget: str, words: Sequence[str], narrow: Callable[[], None]) -> None:
    """A list to choose one from, or none; `narrow` is called when it was changed."""
    st.selectbox(
        label,
        words,
        index=None,
        key=widget,
        placeholder=f"Any {label.lower()}",
        label_visibility="collapsed",
        on_change=narrow,
    )
