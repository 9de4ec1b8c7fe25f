"""One saved key: name, badge, hint, where it goes, when it was checked, and what to do next."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from mohet_keys import reminders
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.providers import BY_SLUG
from mohet_keys.reminders import Reminder
from mohet_keys.standing import standing, vendor_label
from mohet_keys.ui import actions, card_menu, clock, replace_form, resources, team_words
from mohet_keys.ui.state import UiState
from mohet_keys.ui.text import (
    ago,
    brief,
    code,
    day,
    dollars,
    duration,
    escape,
    literal,
    upcoming,
)
from mohet_keys.ui.verdict_badge import badge, colour

_IN_TROUBLE = {Verdict.INVALID, Verdict.LIMITED, Verdict.MISCONFIGURED, Verdict.LOCKED}
BUSY = ":gray-badge[:material/progress_activity: Checking]"


def show(
    entry: KeyEntry, state: UiState, here: clock.Here, next_at: datetime | None = None
) -> None:
    """Draw the card. Its buttons act through callbacks; `next_at` is when it is looked at next."""
    said = standing(entry, here.zone)
    checking = entry.id in state.running
    _head(entry, said, checking=checking)
    st.markdown(_facts(entry, said, here, next_at))
    if not checking:
        _reason(said, advises=entry.may_change)
    for note in state.notes.get(entry.id, ()):
        st.caption(f":material/healing: {escape(note)}")
    if entry.undo_until is not None and entry.may_change:
        replace_form.show_undo(entry, entry.undo_until, here)
    if not entry.may_change and said.verdict in _IN_TROUBLE:
        st.caption(team_words.who_may(entry))
    st.space("stretch")  # the buttons of all cards in a row stand in one line
    with st.container(horizontal=True, horizontal_alignment="right", gap="xsmall"):
        if entry.may_change:
            _tools(entry, said, checking=checking)
        elif not entry.selected:
            _use_button(entry)


def _tools(entry: KeyEntry, said: Diagnosis, *, checking: bool) -> None:
    """What whoever may change a key can do."""
    if not checking:
        _remedies(entry, said)
    # The menu does not always let the keyboard in, so what it leads to has buttons as well.
    st.button(
        "Edit",
        icon=":material/edit:",
        type="tertiary",
        key=f"card.edit:{entry.id}",
        on_click=actions.open_edit,
        args=(entry,),
    )
    _check_button(entry, checking=checking)


def _use_button(entry: KeyEntry) -> None:
    """What everybody else can."""
    st.button(
        card_menu.USE,
        icon=":material/chat:",
        key=f"card.use:{entry.id}",
        on_click=actions.use_in_chat,
        args=(entry,),
    )


def _head(entry: KeyEntry, said: Diagnosis, *, checking: bool) -> None:
    badges = BUSY if checking else badge(said.verdict)
    if entry.selected:
        badges += " :blue-badge[:material/chat: In use]"
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        wrap=False,
    ):
        st.markdown(f"{literal(entry.name)} {badges}")
        card_menu.show(entry)


def _facts(
    entry: KeyEntry, said: Diagnosis, here: clock.Here, next_at: datetime | None = None
) -> str:
    zone = here.zone
    hint = code(entry.hint) if entry.hint else _no_hint(entry)
    lines = [
        *team_words.line(entry),
        f":small[:gray[API KEY]]  \n{hint}",
        f":small[:material/public: {code(entry.endpoint)}]",
        f":small[:material/calendar_today: Added {day(entry.created_at, zone)}]",
    ]
    if entry.check:
        at, now = entry.check.checked_at, here.now
        when = f"{ago(at, now)} ({brief(at, now, zone)})"
        took = entry.check.latency_ms
        answered = f", answered in {duration(took)}" if took is not None else ""
        next_look = f" · next {upcoming(next_at, now, zone)}" if next_at else ""
        lines.append(f":small[:material/schedule: Checked {when}{answered}{next_look}]")
        if told := _account(entry.check, here):
            lines.append(f":small[:material/account_balance_wallet: {escape(told)}]")
    for each in _reminders(entry, said, here):
        told = escape(f"{each.words} {each.remedy}")
        lines.append(f":small[:gray[:material/notifications: {told}]]")
    return "  \n".join(lines)


def _reminders(entry: KeyEntry, said: Diagnosis, here: clock.Here) -> tuple[Reminder, ...]:
    """What is coming of what the reader can change; nothing where the key is in trouble, for then
    that comes first."""
    if said.verdict in _IN_TROUBLE or not entry.may_change:
        return ()
    return reminders.of(entry, now=here.now, rules=resources.rules())


def _account(check: CheckResult, here: clock.Here) -> str:
    """What the provider tells of credit and end."""
    told = [] if check.credit is None else [f"{dollars(check.credit)} left"]
    if (at := check.expires_at) is not None:
        told.append(f"{'Ends' if at > here.now else 'Ended'} on {day(at, here.zone)}")
    return " · ".join(told)


def _no_hint(entry: KeyEntry) -> str:
    return ":gray[saved, too short to show a part of]" if entry.has_secret else ":gray[none]"


def _reason(said: Diagnosis, *, advises: bool) -> None:
    """Why the key is not plainly valid, and what whoever may change it can do about it."""
    if said.verdict is Verdict.UNCHECKED and said.reason == "not checked yet":
        return  # the badge says it all
    if said.verdict is Verdict.VALID and not said.remedy:
        st.caption(escape(said.explanation))
        return
    tint = colour(said.verdict)
    reason = escape(said.reason[:1].upper() + said.reason[1:])
    remedy = (
        f"  \n:small[:material/arrow_forward: {escape(said.remedy)}]"
        if said.remedy and advises
        else ""
    )
    st.markdown(f":small[:{tint}[**{reason}.**] {escape(said.explanation)}]{remedy}")


def _remedies(entry: KeyEntry, said: Diagnosis) -> None:
    """One click for each way out that needs no typing."""
    if entry.looks_like:
        _held(entry, entry.looks_like)
    if said.link:
        st.link_button("Provider’s page", said.link, icon=":material/open_in_new:")
    if said.endpoint and said.endpoint != entry.endpoint:
        st.button(
            f"Use {code(said.endpoint)}",
            key=f"card.endpoint:{entry.id}",
            on_click=actions.use_endpoint,
            args=(entry, said.endpoint),
        )


def _held(entry: KeyEntry, slug: str) -> None:
    label = vendor_label(slug)
    row = BY_SLUG.get(slug)
    if row and row.hosts:
        st.button(
            f"Move to {label}",
            type="primary",
            key=f"card.move:{entry.id}",
            on_click=actions.move,
            args=(entry, label),
        )


def _check_button(entry: KeyEntry, *, checking: bool) -> None:
    if checking:
        st.button("Checking…", icon="spinner", key=f"card.check:{entry.id}", disabled=True)
        return
    held = bool(entry.looks_like)
    st.button(
        "Check here anyway" if held else "Check API Key",
        icon=":material/science:",
        key=f"card.check:{entry.id}",
        on_click=actions.send_anyway if held else actions.check,
        args=(entry,) if held else (entry.id,),
        disabled=bool(entry.locked),
    )
