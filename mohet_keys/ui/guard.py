"""The first statement of every page: let in, open the store, and say it when that fails."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from mohet_keys.errors import StoreError
from mohet_keys.ui import places, resources
from mohet_keys.ui.text import escape


def refuse(error: StoreError) -> NoReturn:
    """Say why the store cannot be used and draw nothing more."""
    st.error(escape(str(error)), title="The key store cannot be opened", icon=":material/lock:")
    st.stop()


def needs_a_key() -> None:
    """Lead to the setup while there is no key at all."""
    if not resources.keys().counts(owner=resources.owner()):
        st.switch_page(places.SETUP.file)


def enter() -> None:
    """Stop the page with a plain sentence when the store cannot be opened.

    Nothing is remembered of the failure, so the page works again as soon as the store does.
    """
    try:
        locked = resources.keys().locked
    except StoreError as error:
        refuse(error)
    if locked:
        st.warning(
            f"{escape(locked)} Start Mohet Keys with the right master key and everything opens "
            "again. Until then keys can be listed, renamed and deleted.",
            title="Keys are locked, not lost",
            icon=":material/lock:",
        )
