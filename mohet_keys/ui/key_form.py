"""The form to add a key, and the same form on a card to edit one."""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import Field
from mohet_keys.model import KeyEntry
from mohet_keys.providers import Provider
from mohet_keys.ui import actions, card_menu
from mohet_keys.ui.actions import field
from mohet_keys.ui.state import ui
from mohet_keys.ui.text import code, escape, literal


def show_add(row: Provider) -> None:
    """The form for a new key of this provider."""
    form = f"add:{row.slug}"
    with st.container(border=True, key=f"adding-{row.slug}"):
        _heading(f"#### Add New {row.label} Key", form)
        with st.form(form, border=False):
            left, right = st.columns(2)
            with left:
                name_field(form)
            with right:
                secret_field(form, row)
            endpoint_field(form, row, f"We filled in the usual address of {row.label}.")
            _submit(form, "Save Key", actions.save_new, row)


def show_edit(entry: KeyEntry, row: Provider) -> None:
    """The form for a saved key, in the place of its card."""
    form = f"edit:{entry.id}"
    _heading(f"#### Edit {literal(entry.name)}", form)
    with st.form(form, border=False):
        name_field(form)
        kept = f"Leave empty to keep …{entry.hint[-4:]}" if entry.hint else "Leave empty to keep it"
        _secret(form, kept if entry.has_secret else _placeholder(row), optional=True)
        endpoint_field(form, row, f"The usual address of {row.label} is {code(row.endpoint)}.")
        _submit(form, "Update Key", actions.save_edit, entry.id)
    card_menu.buttons(entry, form)


def _heading(words: str, form: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", wrap=False):
        st.markdown(words)
        st.button(
            "Close",
            icon=":material/close:",
            type="tertiary",
            key=field(form, "close"),
            on_click=actions.cancel,
            args=(form,),
        )


def name_field(form: str) -> None:
    """The field for the key's name, with what was refused in it."""
    st.text_input("Key Name", key=field(form, "name"), placeholder="Production")
    _problem("name")


def secret_field(form: str, row: Provider) -> None:
    """The field for the secret of a new key."""
    _secret(form, _placeholder(row), optional=row.key_optional)


def _secret(form: str, placeholder: str, *, optional: bool) -> None:
    st.text_input(
        "API Key",
        type="password",
        key=field(form, "secret"),
        placeholder=placeholder,
        autocomplete="new-password",
        help="May stay empty." if optional else None,
    )
    _problem("secret")


def endpoint_field(form: str, row: Provider, usual: str) -> None:
    """The field for the address. `usual` says, as Markdown, what the provider's own one is."""
    st.text_input("Endpoint", key=field(form, "endpoint"), placeholder=row.endpoint)
    _problem("endpoint")
    st.caption(f"{usual} Change it if you use a proxy or a regional base URL.")
    if ui().consenting:
        st.checkbox(
            "Send this key over plain http, where others on the network can read it",
            key=field(form, "allow_http"),
        )


def _placeholder(row: Provider) -> str:
    return "Not needed unless your server asks for one" if row.key_optional else ""


def _problem(name: Field) -> None:
    """What was refused in a field, right below it."""
    words = ui().problems.get(name)
    if words:
        st.markdown(f":red[:material/error: {escape(words)}]")


def _submit(form: str, label: str, save: object, what: object) -> None:
    # The saving button comes first, so that the Enter key saves and does not cancel.
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.form_submit_button(
            label,
            type="primary",
            icon=":material/save:",
            key=field(form, "save"),
            on_click=save if callable(save) else None,
            args=(what,),
        )
        st.form_submit_button(
            "Cancel", key=field(form, "cancel"), on_click=actions.cancel, args=(form,)
        )
