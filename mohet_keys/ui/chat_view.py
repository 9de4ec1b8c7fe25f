"""The chat: what was said, the reply that comes in, and the field to type in."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import chat_actions, chat_gate, chat_reply, messages, resources, team_limits
from mohet_keys.ui.chosen import Chosen, chosen
from mohet_keys.ui.conversation import Conversation, Turn
from mohet_keys.ui.state import ui

SUGGESTIONS = (
    "Explain how an API key is kept safe",
    "Write a haiku about a lighthouse",
    "Show a Python function that reads a CSV file",
)


def show() -> None:
    """Draw the chat. A reply that comes in is followed last, when everything else is drawn."""
    chat, now = ui().chat, chosen()
    quotas = team_limits.of(now)
    may_send = chat_gate.is_open(now) and not team_limits.is_used_up(quotas)
    if may_send:
        _begin(chat, now)
    welcome = st.empty()  # which takes it away at once, not only when the reply is over
    if chat.turns:
        _toolbar()
    else:
        with welcome.container():
            _welcome(enabled=may_send)
    messages.show(pops_up=True)  # its field stands at the lower edge
    for place, turn in enumerate(chat.turns):
        if not chat.is_coming(turn):
            _turn(chat, turn, place, may_send=may_send)
    coming = st.container()
    if chat.running is None:
        chat_gate.show(now)
        team_limits.show(quotas, now)
    st.chat_input(
        _invitation(may_send=may_send, is_used_up=team_limits.is_used_up(quotas)),
        key=chat_actions.INPUT,
        disabled=not may_send,
        submit_mode="disable",
        on_submit=chat_actions.send,
    )
    with coming:
        chat_reply.follow(chat)


def _invitation(*, may_send: bool, is_used_up: bool) -> str:
    if may_send:
        return "Ask anything…"
    return "No request left this month" if is_used_up else "Select a key that works to send"


def _welcome(*, enabled: bool) -> None:
    st.space("large")
    st.markdown("# Welcome to :blue[Mohet]", text_alignment="center", anchors=False)
    st.markdown(
        "Your intelligent AI assistant ready to help with **questions**, **creative tasks**, "
        "**coding challenges**, and more.",
        text_alignment="center",
    )
    with st.container(horizontal=True, horizontal_alignment="center", gap="xsmall"):
        for place, words in enumerate(SUGGESTIONS):
            st.button(
                words,
                key=f"chat.suggestion:{place}",
                on_click=chat_actions.suggest,
                args=(words,),
                disabled=not enabled,
            )
    st.space("large")


def _toolbar() -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button(
            "New chat",
            icon=":material/add:",
            type="tertiary",
            key="chat.new",
            on_click=chat_actions.new_chat,
        )


def _begin(chat: Conversation, now: Chosen | None) -> None:
    """Begin the reply to the message that awaits one."""
    if not chat.awaits or chat.running or now is None or now.model.id is None:
        return
    chat.begin(
        resources.chats().start(
            now.entry.id,
            owner=resources.owner(),
            messages=chat.messages(),
            model=now.model.id,
        )
    )


def _turn(chat: Conversation, turn: Turn, place: int, *, may_send: bool) -> None:
    with st.chat_message(turn.role):
        if turn.role == "user":
            _message(chat, turn)
        else:
            is_last = turn is chat.turns[-1]
            chat_reply.show(turn, place, is_last=is_last, may_send=may_send)


def _message(chat: Conversation, turn: Turn) -> None:
    if turn is not chat.last_message:
        st.text(turn.text)
    elif chat.editing:
        _rewording()
    else:
        st.text(turn.text)
        if not chat.running:
            _message_tools(chat)


def _message_tools(chat: Conversation) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Edit",
            icon=":material/edit:",
            type="tertiary",
            key="chat.edit",
            on_click=chat_actions.edit_last,
        )
        if chat.awaits:
            st.caption("Not sent yet", width="content")


def _rewording() -> None:
    with st.form("chat.rewording", border=False):
        st.text_area("Your message", key=chat_actions.REWORDED, label_visibility="collapsed")
        with st.container(horizontal=True):
            st.form_submit_button("Send", type="primary", on_click=chat_actions.send_reworded)
            st.form_submit_button("Cancel", on_click=chat_actions.keep_last)
