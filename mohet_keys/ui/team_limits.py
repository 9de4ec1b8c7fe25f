"""The monthly limits in the chat: a notice when one is near, and when nothing is left."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mohet_keys.errors import NotFoundError
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.team import Quota
from mohet_keys.ui import chat_gate, resources
from mohet_keys.ui.chosen import Chosen
from mohet_keys.ui.text import literal


def of(now: Chosen | None) -> Sequence[Quota]:
    """The limits that hold for the visitor and their key; none where nobody signs in."""
    owner = resources.owner()
    if owner == LOCAL_OWNER:
        return ()
    try:
        return resources.team().quotas(now.entry.id if now else None, owner=owner)
    except NotFoundError:
        return ()  # deleted a moment ago


def is_used_up(quotas: Sequence[Quota]) -> bool:
    """Whether a limit lets no further message through."""
    return any(quota.is_used_up for quota in quotas)


def show(quotas: Sequence[Quota], now: Chosen | None) -> None:
    """Draw a notice for each limit that is near or reached."""
    for quota in quotas:
        if quota.is_used_up:
            st.error(_reached(quota, now), icon=":material/hourglass_disabled:")
        elif quota.is_near:
            st.warning(_near(quota, now), icon=":material/hourglass_bottom:")
    used_up = {quota.of for quota in quotas if quota.is_used_up}
    if used_up == {"key"} and now is not None:
        with st.container(horizontal=True):
            chat_gate.offer_others(now.entry)


def _reached(quota: Quota, now: Chosen | None) -> str:
    whose = "Your monthly limit" if quota.of == "person" else f"The monthly limit for {_key(now)}"
    ask = "Ask an administrator if you need more."
    if quota.of == "key":
        ask = f"Select another key, or {ask[0].lower()}{ask[1:]}"
    return f"{whose} of {_requests(quota.limit)} is reached. {_anew(quota)} {ask}"


def _near(quota: Quota, now: Chosen | None) -> str:
    left = f"{quota.limit - quota.used:,} of {_requests(quota.limit)}"
    if quota.of == "person":
        return f"You have {left} left this month. {_anew(quota)}"
    return f"{_key(now)} has {left} left for everybody this month. {_anew(quota)}"


def _requests(number: int) -> str:
    return f"{number:,} request{'' if number == 1 else 's'}"


def _anew(quota: Quota) -> str:
    return f"It starts anew on {quota.resets_at:%B} {quota.resets_at.day} (UTC)."


def _key(now: Chosen | None) -> str:
    return literal(now.entry.name) if now else "this key"
