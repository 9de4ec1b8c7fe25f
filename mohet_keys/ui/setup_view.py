"""First run: choose a provider, test a key, and start to chat."""

from __future__ import annotations

import streamlit as st

from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider
from mohet_keys.ui import heading, key_form, messages, places, setup_actions, setup_watch
from mohet_keys.ui.setup_actions import FORM, PROVIDER
from mohet_keys.ui.state import ui
from mohet_keys.ui.text import code, escape

_REASONS = (
    (":material/bolt:", "Fast start", "One test that spends nothing, and the chat is ready."),
    (":material/lock:", "Kept safe", "A key is sealed for its address and goes nowhere else."),
    (":material/swap_horiz:", "Free to switch", "Keep several keys and change at any time."),
)  # fmt: skip


def show() -> None:
    """Draw the setup."""
    messages.show()
    left, right = st.columns([2, 1], gap="medium")
    with left, st.container(border=True, key="setup"):
        heading.titled(
            "key", "#### API key Setup", "Choose your provider and connect with an API key"
        )
        _found()
        _provider()
        row = BY_SLUG.get(ui().setup.provider or "")
        if row is not None:
            _configure(row)
    with right, st.container(border=True, key="setup-reasons"):
        _reasons()
    setup_watch.show()


def _found() -> None:
    """What is on this machine already, each with one click to take it up."""
    servers, variables = setup_actions.found()
    if not servers and not variables:
        return
    st.caption("Found on this machine:")
    with st.container(horizontal=True, gap="xsmall"):
        for server in servers:
            label = BY_SLUG[server.provider].label
            st.button(
                f"{label} at {code(server.endpoint)}",
                key=f"setup.server:{server.provider}",
                icon=":material/dns:",
                on_click=setup_actions.take_server,
                args=(server,),
            )
        for variable in variables:
            st.button(
                f"{BY_SLUG[variable.provider].label} key in {code(variable.name)}",
                key=f"setup.variable:{variable.name}",
                icon=":material/key:",
                on_click=setup_actions.take_variable,
                args=(variable,),
            )


def _provider() -> None:
    labels = {row.label: row.slug for row in PROVIDERS}
    st.selectbox(
        "AI Provider",
        list(labels),
        index=None,
        placeholder="Select a provider…",
        key=PROVIDER,
        on_change=setup_actions.choose,
        args=(labels,),
    )


def _configure(row: Provider) -> None:
    busy = ui().setup.test is not None
    with st.container(border=True, key="setup-configure"):
        st.markdown(f"**Configure {row.label}**  \n:small[Enter your connection details below]")
        with st.form(FORM, border=False):
            left, right = st.columns(2)
            with left:
                key_form.name_field(FORM)
            with right:
                _secret(row)
            key_form.endpoint_field(FORM, row, f"We filled in the usual address of {row.label}.")
            st.form_submit_button(
                "Testing…" if busy else "Test & Start Chat",
                type="primary",
                icon="spinner" if busy else ":material/arrow_forward:",
                key=f"{FORM}.start",
                on_click=setup_actions.start,
                args=(row,),
                disabled=busy,
            )
        st.caption("A quick test request, which spends nothing, will verify your API key.")
        _failure()
        _links(row)


def _secret(row: Provider) -> None:
    variable = ui().setup.variable
    if variable is not None and variable.provider == row.slug:
        st.text_input("API Key", value=f"Taken from {variable.name}", disabled=True)
    else:
        key_form.secret_field(FORM, row)


def _failure() -> None:
    """Why the last test failed. Name and address are still in the form."""
    said = ui().setup.failed
    if said is not None:
        reason = escape(said.reason[:1].upper() + said.reason[1:])
        st.error(
            f"**{reason}.** {escape(said.explanation)} {escape(said.remedy)}",
            icon=":material/error:",
        )


def _links(row: Provider) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.link_button(
            f"About keys in {row.label}" if row.is_local else f"Get a key from {row.label}",
            row.keys_url,
            type="tertiary",
            icon=":material/open_in_new:",
        )
        st.page_link(
            places.API_KEYS.file,
            label="Save keys without a test",
            icon=":material/settings:",
            query_params={"provider": row.slug},
        )


def _reasons() -> None:
    st.markdown("#### Why connect your API?", anchors=False)
    for icon, title, words in _REASONS:
        st.markdown(f"{icon} **{title}**  \n:small[{words}]")
