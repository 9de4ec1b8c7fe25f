"""The drawer of one key: how it stands, its past, its models, its events and its use."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from mohet_keys import activity
from mohet_keys.errors import MohetError
from mohet_keys.journal import Wanted
from mohet_keys.model import KeyEntry
from mohet_keys.spreadsheet import harmless
from mohet_keys.standing import WORDS, standing, vendor_label
from mohet_keys.ui import charts, clock, overview_actions, resources, team_words
from mohet_keys.ui.state import ui
from mohet_keys.ui.text import ago, code, day, duration, escape, literal, upcoming
from mohet_keys.ui.verdict_badge import badge, colour

_PAST = 100
_EVENTS = 30
_DAYS = 30


def show() -> None:
    """Open the drawer of the key whose row was marked."""
    key_id = ui().overview.open
    if key_id is None:
        return
    try:
        entry = resources.keys().entry(key_id, owner=resources.owner())
    except MohetError:
        overview_actions.close_drawer()  # deleted elsewhere in the meantime
        return
    drawer = st.dialog(
        literal(entry.name),
        width="medium",
        position="right",
        icon=":material/key:",
        on_dismiss=overview_actions.close_drawer,
    )
    drawer(_drawer)(entry.id)


def _drawer(key_id: str) -> None:
    if ui().overview.open != key_id:
        st.rerun()
    try:
        entry = resources.keys().entry(key_id, owner=resources.owner())
    except MohetError:
        st.rerun()
    _head(entry)
    drawn: dict[str, Callable[[KeyEntry], None]] = {
        "History": _history,
        "Models": _models,
        "Events": _events,
        "Use": _use,
    }
    tabs = st.tabs(list(drawn), key="overview.drawer", on_change="rerun")
    for tab, draw in zip(tabs, drawn.values(), strict=True):
        if tab.open:
            with tab:
                draw(entry)


def _head(entry: KeyEntry) -> None:
    here = clock.Here()
    said = standing(entry, here.zone)
    facts = [
        f"{badge(said.verdict)} :small[:gray[{escape(vendor_label(entry.provider))}]]",
        *team_words.line(entry),
        f":small[:material/public: {code(entry.endpoint)}]",
        f":small[:material/calendar_today: Added {day(entry.created_at, here.zone)}]",
    ]
    if entry.check:
        took = entry.check.latency_ms
        answered = f", answered in {duration(took)}" if took is not None else ""
        when = ago(entry.check.checked_at, here.now)
        next_at = resources.next_looks([entry]).get(entry.id)
        next_look = f" · next {upcoming(next_at, here.now, here.zone)}" if next_at else ""
        facts.append(f":small[:material/schedule: Checked {when}{answered}{next_look}]")
    reason = escape(said.reason[:1].upper() + said.reason[1:])
    told = [f":small[:{colour(said.verdict)}[**{reason}.**] {escape(said.explanation)}]"]
    if said.remedy:
        told.append(f":small[:material/arrow_forward: {escape(said.remedy)}]")
    told += [
        f":small[:orange[:material/event: {escape(each.words)}] {escape(each.remedy)}]"
        for each in resources.overview().reminders(entry)
    ]
    with st.container(gap="xsmall"):
        st.markdown("  \n".join(facts))
        st.markdown("  \n".join(told))
    with st.container(horizontal=True, gap="small"):
        if entry.may_change and st.button("Open key", icon=":material/edit:", key="drawer.open"):
            overview_actions.lead_to_form(entry)
        overview_actions.check_button(entry, "drawer.check", "Check API Key")


def _history(entry: KeyEntry) -> None:
    past = resources.overview().checks_of(entry.id, owner=resources.owner(), limit=_PAST)
    if not past:
        st.caption("This key was not checked yet.")
        return
    timed = [(seen.at, seen.latency_ms) for seen in past if seen.latency_ms is not None]
    if len(timed) > 1:
        charts.latencies(timed)
    zone = clock.zone()
    st.dataframe(
        {
            "Time": [seen.at.astimezone(zone).replace(tzinfo=None) for seen in past],
            "Verdict": [WORDS[seen.verdict] for seen in past],
            "Reason": [harmless(seen.reason) for seen in past],
            "Latency": [seen.latency_ms for seen in past],
        },
        column_config={
            "Time": st.column_config.DatetimeColumn(format="MMM D, HH:mm:ss", width=120),
            "Verdict": st.column_config.TextColumn(width=110),
            "Latency": st.column_config.NumberColumn(format="%d ms", width=75),
        },
        hide_index=True,
        placeholder="–",
        alt="Checks of this key, the latest first",
    )


def _models(entry: KeyEntry) -> None:
    models = entry.check.models if entry.check else ()
    if not models:
        st.caption("No model of this key is known. A check asks for them.")
        return
    recommended = entry.check.recommended_model if entry.check else None
    st.caption(f"{len(models):,} model{'s' if len(models) != 1 else ''}")
    st.dataframe(
        {
            "Model": [harmless(model) for model in models],
            "": ["Recommended" if model == recommended else "" for model in models],
        },
        hide_index=True,
        alt="Models of this key",
    )


def _events(entry: KeyEntry) -> None:
    wanted = Wanted(key_id=entry.id)
    found = resources.record().page(wanted, owner=resources.owner(), size=_EVENTS)
    if not found.entries:
        st.caption("Nothing is on record for this key.")
        return
    zone = clock.zone()
    moments = [activity.moment(each, zone) for each in found.entries]
    st.dataframe(
        {
            "Time": [at.replace(tzinfo=None) if at else None for at in moments],
            "Action": [activity.action_words(each) for each in found.entries],
            "Result": [activity.result_words(each) for each in found.entries],
            "Who": [harmless(each.actor) for each in found.entries],
            "Detail": [harmless(each.detail) for each in found.entries],
        },
        column_config={
            "Time": st.column_config.DatetimeColumn(format="MMM D, HH:mm:ss", width=120),
        },
        hide_index=True,
        alt="What happened to this key, the latest first",
    )
    if not found.is_last:
        st.caption(f"The latest {_EVENTS}; the Activity page has all.")


def _use(entry: KeyEntry) -> None:
    charts.use(
        resources.overview().use(_DAYS, owner=resources.owner(), key_id=entry.id),
        title=f"Messages sent through this key, {_DAYS} days",
    )
