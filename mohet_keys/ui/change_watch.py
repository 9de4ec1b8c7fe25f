"""Notices on every page when the selected key changes elsewhere, without a reload.

The page is drawn anew, which waits for the end of a reply that comes in; of a change for the worse
there is a notice besides, which stands among the messages of the page.
"""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from mohet_keys.errors import DeniedError, RefusedError, SignedOutError, StoreError
from mohet_keys.model import Diagnosis, Verdict
from mohet_keys.standing import may_send, standing
from mohet_keys.ui import resources
from mohet_keys.ui.chosen import Chosen, chosen
from mohet_keys.ui.state import Said, SeenKey, Tone, redraw, ui
from mohet_keys.ui.text import escape, literal

EVERY = 2.0
"""Seconds between two looks; each costs two small questions to the store."""

_GRADES = {
    Verdict.VALID: 0,
    Verdict.LIMITED: 1,
    Verdict.UNREACHABLE: 2,
    Verdict.UNVERIFIED: 2,
    Verdict.UNCHECKED: 2,
}
_WORST = 3
_TOLD = {
    Verdict.LIMITED: "{name} works, but is limited now: {reason}.",
    Verdict.UNREACHABLE: "{name} cannot be reached: {reason}. Wait, or choose another key.",
    Verdict.UNVERIFIED: "{name} cannot be verified any more: {reason}.",
    Verdict.INVALID: "{name} turned invalid: {reason}. Fix it or choose another key.",
    Verdict.MISCONFIGURED: (
        "{name} has a wrong endpoint now: {reason}. Fix it or choose another key."
    ),
    Verdict.LOCKED: "{name} is locked now, so nothing is sent. Choose another key.",
}


def show(now: Chosen | None) -> None:
    """Tell what turned worse since the visitor last saw it, and watch for the next change."""
    resources.parts().presence.touch()
    _tell(now)
    _watch(now.mark if now else None, iter([True]))


def _tell(now: Chosen | None) -> None:
    state, seen = ui(), _seen(now) if now else None
    before, state.seen = state.seen, seen
    if seen == before:
        return
    state.turned = None
    if now and before and seen and _is_worse(before, seen):
        said = standing(now.entry)
        if said.verdict in _TOLD:
            tone: Tone = "warning" if said.verdict.may_send else "error"
            state.turned = Said(tone, words(now.entry.name, said))


def words(name: str, said: Diagnosis) -> str:
    """What is told of a key that turned worse, as Markdown."""
    return _TOLD[said.verdict].format(name=literal(name), reason=escape(said.reason))


def _seen(now: Chosen) -> SeenKey:
    grade = _GRADES.get(standing(now.entry).verdict, _WORST)
    return SeenKey(now.entry.id, now.entry.revision, grade if may_send(now.entry) else _WORST)


def _is_worse(before: SeenKey, seen: SeenKey) -> bool:
    """Whether the same key, with the same secret, is less good than it was."""
    is_same = (before.key_id, before.revision) == (seen.key_id, seen.revision)
    return is_same and seen.grade > before.grade


@st.fragment(run_every=EVERY)
def _watch(drawn: tuple[object, ...] | None, just_read: Iterator[bool]) -> None:
    """Look whether it still is what was drawn; not with the page, which has `just_read` it."""
    if next(just_read, False):
        return
    try:
        now = chosen()
    except (SignedOutError, DeniedError, RefusedError):
        redraw()  # which leads out
    except StoreError:
        return  # the next run of the page says it
    if (now.mark if now else None) != drawn:
        redraw()
