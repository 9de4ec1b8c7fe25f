"""Import and export: a file of chosen keys out, and what a file would bring in before it does."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import KeyEntry
from mohet_keys.parcel import SHORTEST_PASSPHRASE
from mohet_keys.standing import vendor_label
from mohet_keys.transfer import Item, Plan, State
from mohet_keys.ui import download_link, messages, places, resources, transfer_actions
from mohet_keys.ui.state import ticked, ui
from mohet_keys.ui.text import escape, literal
from mohet_keys.ui.transfer_actions import ALL, CHOSEN, EXPORT, OPEN, RENAME, WHAT

MOST = 1000
"""Keys that can be chosen from."""
_STATES: dict[State, str] = {
    "new": "Comes in",
    "clash": "Name is taken",
    "there": "Saved already",
    "refused": "Cannot come in",
}


def show() -> None:
    """Draw both halves; below each other where the window is narrow."""
    messages.show()
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="export"):
        _export()
    with right, st.container(border=True, key="import"):
        _import()
    plan = ui().transfer.plan
    if plan is not None:
        with st.container(border=True, key="plan"):
            _plan(plan)


# --- out ----------------------------------------------------------------------------------------


def _export() -> None:
    _title("Export", "A file that only its passphrase opens")
    page = resources.keys().list(owner=resources.owner(), sort="name", limit=MOST)
    if not page.entries:
        st.caption("No API keys yet, so there is nothing to export.")
        return
    st.checkbox(f"All {page.total} keys" if page.total > 1 else "The one key there is", key=ALL)
    if not ticked(ALL):
        _choice(page.entries)
    with st.form(EXPORT, border=False):
        _passphrase(
            f"{EXPORT}.passphrase",
            "Passphrase",
            f"At least {SHORTEST_PASSPHRASE} characters. Without it nobody can open the file.",
        )
        _passphrase(f"{EXPORT}.again", "Passphrase once more")
        _problem(EXPORT)
        st.form_submit_button(
            "Make the file",
            type="secondary" if download_link.is_ready(WHAT) else "primary",
            icon=":material/lock:",
            key=f"{EXPORT}.make",
            on_click=transfer_actions.export,
            args=(page.entries,),
        )
    if download_link.is_ready(WHAT):
        download_link.show()


def _title(title: str, subtitle: str) -> None:
    with st.container(gap=None):
        st.markdown(f"#### {title}", anchors=False)
        st.caption(subtitle)


def _choice(entries: tuple[KeyEntry, ...]) -> None:
    known = {entry.id: entry for entry in entries}
    st.multiselect(
        "Keys to export",
        list(known),
        format_func=lambda key_id: _plain(known[key_id]),
        key=CHOSEN,
        placeholder="Choose keys",
    )


def _plain(entry: KeyEntry) -> str:
    return " · ".join(filter(None, (entry.name, vendor_label(entry.provider), entry.hint)))


# --- in -----------------------------------------------------------------------------------------


def _import() -> None:
    _title("Import", "An export file of Mohet Keys, or a .env file")
    st.file_uploader(
        "File to import",
        key=transfer_actions.uploader(),
        on_change=transfer_actions.received,
        max_upload_size=1,
    )
    st.caption("You see what would come in before anything is saved.")
    if ui().transfer.content is not None:
        _protected(ui().transfer.name)


def _protected(name: str) -> None:
    st.markdown(f":material/lock: {literal(name)} is protected by a passphrase.")
    with st.form(OPEN, border=False):
        _passphrase(f"{OPEN}.passphrase", "Passphrase of the file")
        _problem(OPEN)
        with st.container(horizontal=True):
            st.form_submit_button(
                "Open the file",
                type="primary",
                key=f"{OPEN}.open",
                on_click=transfer_actions.open_file,
            )
            st.form_submit_button(
                "Cancel", key=f"{OPEN}.cancel", on_click=transfer_actions.put_away
            )


def _plan(plan: Plan) -> None:
    st.markdown(f"#### What {literal(ui().transfer.name)} would bring in", anchors=False)
    if plan.items:
        st.dataframe(
            [_row(item) for item in plan.items],
            key="transfer.table",
            hide_index=True,
            column_config={"Remarks": st.column_config.TextColumn(width="large")},
        )
    else:
        st.caption("There is no key in this file.")
    if plan.ignored:
        names = ", ".join(each.name for each in plan.ignored[:20])
        more = f" and {len(plan.ignored) - 20} more" if len(plan.ignored) > 20 else ""
        st.caption(f"Not taken for keys: {escape(names)}{more}.")
    clashes, count = plan.count("clash"), plan.count("new")
    if clashes:
        said = "1 key whose name is taken" if clashes == 1 else f"{clashes} keys with taken names"
        st.checkbox(f"Also bring in {said}, under another name such as “Name (2)”", key=RENAME)
        count += clashes if ticked(RENAME) else 0
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Import {count} key{'' if count == 1 else 's'}",
            type="primary",
            icon=":material/download_done:",
            key="transfer.import",
            on_click=transfer_actions.bring_in,
            disabled=not count,
        )
        st.button("Cancel", key="transfer.cancel", on_click=transfer_actions.put_away)
        st.page_link(places.API_KEYS.file, label="Manage API Keys", icon=":material/settings:")


def _row(item: Item) -> dict[str, str]:
    """A line of the table, which shows any text as it is."""
    return {
        "What happens": _STATES[item.state],
        "Provider": vendor_label(item.provider),
        "Key name": item.name,
        "API key": item.hint,
        "Endpoint": item.endpoint,
        "Remarks": " ".join((item.said, *item.notes)).strip(),
    }


# --- fields -------------------------------------------------------------------------------------


def _passphrase(widget: str, label: str, help_text: str | None = None) -> None:
    st.text_input(label, type="password", key=widget, autocomplete="new-password", help=help_text)


def _problem(form: str) -> None:
    """What was refused of a passphrase, in the form that it was typed in."""
    words = ui().problems.get("passphrase")
    if words and ui().transfer.refused_at == form:
        st.markdown(f":red[:material/error: {escape(words)}]")
