"""One reply: while it comes in, and when it is over. What is drawn loads nothing from elsewhere."""

from __future__ import annotations

import time

import streamlit as st

from mohet_keys.chat import ChatEvent, Ended
from mohet_keys.model import Diagnosis
from mohet_keys.ui import chat_actions, visit
from mohet_keys.ui.conversation import Conversation, Turn
from mohet_keys.ui.reply_text import reply
from mohet_keys.ui.state import redraw
from mohet_keys.ui.text import code, escape

TICK = 0.2
"""Seconds after which the screen is looked after even when nothing comes."""
FRAME = 0.08
"""Seconds between two drawings of a growing reply: more than a browser can show helps nobody."""

_OUTCOMES = {
    "length": "The reply ended at the longest the model may write.",
    "cut": "The connection broke off, so the reply may not be whole.",
    "stopped": "Stopped.",
    "deleted": "The key was deleted while the reply came in. Select another key to go on.",
    "denied": "You cannot use this key any more. Select another key to go on.",
}


# --- over -------------------------------------------------------------------------------------


def show(turn: Turn, place: int, *, is_last: bool, may_send: bool) -> None:
    """Draw a reply that is over, with what can be done about it. `place` is its number."""
    if turn.reasoning:
        with st.expander("Thought process", type="compact"):
            st.markdown(reply(turn.reasoning))
    if turn.text:
        st.markdown(reply(turn.text))
    if turn.ended is None:
        return
    _outcome(turn.ended)
    st.caption(_footer(turn))
    with st.container(horizontal=True, gap="xsmall"):
        if turn.text:
            _copy(turn, place)
        if is_last:
            _again(turn, may_send=may_send)


def _outcome(ended: Ended) -> None:
    if ended.outcome == "refused":  # the notice below the chat says the rest
        st.caption(":material/block: The provider rejected the key, so this was not answered.")
    elif ended.diagnosis is not None:
        _problem(ended.diagnosis)
    elif ended.outcome in _OUTCOMES:
        st.caption(f":material/info: {_OUTCOMES[ended.outcome]}")


def _problem(said: Diagnosis) -> None:
    st.error(f"{escape(said.explanation)} {escape(said.remedy)}", icon=":material/error:")
    if said.link:
        st.link_button("Provider’s page", said.link, icon=":material/open_in_new:")


def _footer(turn: Turn) -> str:
    """Model, key, seconds and tokens, as far as they are known."""
    ended = turn.ended
    if ended is None:
        return ""
    model = ended.answered_model or ended.asked_model
    facts = [code(model), escape(ended.key_name), f"{ended.seconds:.1f} s", _tokens(ended)]
    return " · ".join(filter(None, [*facts, *map(escape, turn.notes)]))


def _tokens(ended: Ended) -> str:
    usage = ended.usage
    if usage is None:
        return ""
    if usage.prompt is not None and usage.completion is not None:
        return f"{usage.prompt} tokens in, {usage.completion} out"
    return f"{usage.total} tokens" if usage.total is not None else ""


def _copy(turn: Turn, place: int) -> None:
    box = st.popover(
        "Copy",
        icon=":material/content_copy:",
        type="tertiary",
        key=f"chat.copy:{place}",
        on_change="rerun",
    )
    if box.open:
        with box:
            st.code(turn.text, language=None, wrap_lines=True)


def _again(turn: Turn, *, may_send: bool) -> None:
    """Closed while nothing can be sent: it would take the present reply away for nothing."""
    st.button(
        "Send again" if turn.failed else "Regenerate",
        icon=":material/refresh:",
        type="tertiary",
        key="chat.again",
        disabled=not may_send,
        on_click=chat_actions.again,
    )


# --- coming in ----------------------------------------------------------------------------------


def follow(chat: Conversation) -> None:
    """Draw the reply as it comes in, until it is over; then draw the page anew."""
    if chat.running is None:
        return
    turn = chat.turns[-1]
    with st.chat_message("assistant"):
        screen, door = _Screen(), visit.Door()
        for event in chat.running.events(TICK):
            _take(turn, event)
            if not visit.goes_on():
                chat.finish()
                st.stop()
            if door.is_shut():
                break
            screen.draw(turn)
    chat.finish()
    redraw()


def _take(turn: Turn, event: ChatEvent | None) -> None:
    """Keep what came before anything is drawn: drawing is where a run may be broken off."""
    if event is not None:
        turn.take(event)


class _Screen:
    """The places that a growing reply is drawn to."""

    def __init__(self) -> None:
        self._began = self._drawn = time.monotonic()
        self._thought = st.empty()
        self._body = st.empty()
        st.button(
            "Stop", icon=":material/stop_circle:", key="chat.stop", on_click=chat_actions.stop
        )

    def draw(self, turn: Turn) -> None:
        """Draw what is there now, if the last drawing is long enough ago."""
        now = time.monotonic()
        if now - self._drawn < FRAME:
            return
        self._drawn = now
        if turn.reasoning:
            with self._thought.expander("Thought process", type="compact"):
                st.markdown(reply(turn.reasoning))
        if turn.text:
            self._body.markdown(reply(turn.text))
        else:
            seconds = round(now - self._began)
            self._body.caption(f":shimmer[Model is thinking… ({seconds} s)]")
