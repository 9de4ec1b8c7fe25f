"""What the buttons of the header and the chat do. Each acts on the state and draws nothing."""

from __future__ import annotations

from collections.abc import Mapping

from mohet_keys.errors import MohetError
from mohet_keys.model import KeyEntry
from mohet_keys.model_choice import is_model_id
from mohet_keys.ui import actions, resources
from mohet_keys.ui.state import Said, act, peek, put, take, ui
from mohet_keys.ui.text import code, escape

INPUT = "chat.input"
REWORDED = "chat.reworded"


# --- choosing -------------------------------------------------------------------------------


@act
def use_key(entry: KeyEntry) -> None:
    """Chat through this key from now on, here and in every other tab."""
    _close_lists()
    actions.select_key(entry)


@act
def found_key(known: Mapping[str, KeyEntry]) -> None:
    """Use the key that was picked in the switcher's search."""
    entry = known.get(take("header.find_key", blank=None))
    if entry is not None:
        _close_lists()
        actions.select_key(entry)


@act
def use_model(key_id: str, model: str) -> None:
    """Chat with this model through this key, and remember it for the key."""
    _close_lists()
    _use_model(key_id, model)


@act
def found_model(key_id: str) -> None:
    """Use the model that was picked or typed in the picker's search."""
    model = take("header.find_model", blank=None).strip()
    if not model:
        return
    _close_lists()
    if is_model_id(model):
        _use_model(key_id, model)
    else:
        ui().said.append(
            Said("error", f"{code(model[:60])} is no model id: it has a space or an odd character.")
        )


def _use_model(key_id: str, model: str) -> None:
    try:
        resources.keys().select(key_id, owner=resources.owner(), model=model)
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))


def _close_lists() -> None:
    for popover in ("header.keys", "header.models"):
        put(popover, False)


# --- talking --------------------------------------------------------------------------------


@act
def send() -> None:
    """Send what was typed."""
    text = peek(INPUT).strip()
    if text:
        ui().chat.say(text)


@act
def suggest(text: str) -> None:
    """Send a suggestion."""
    ui().chat.say(text)


@act
def again() -> None:
    """Ask for the reply once more: it failed, or another one is wanted."""
    ui().chat.again()


@act
def stop() -> None:
    """Stop the reply; what came of it stays."""
    running = ui().chat.running
    if running is not None:
        running.stop()


@act
def new_chat() -> None:
    """Forget what was said."""
    chat = ui().chat
    chat.finish()
    chat.turns.clear()
    chat.awaits = chat.editing = False


@act
def edit_last() -> None:
    """Open the last message for editing."""
    chat = ui().chat
    if chat.last_message is not None:
        chat.editing = True
        put(REWORDED, chat.last_message.text)


@act
def keep_last() -> None:
    """Leave the last message as it is."""
    ui().chat.editing = False


@act
def send_reworded() -> None:
    """Send the edited message in the place of the last one."""
    text = peek(REWORDED).strip()
    if text:
        ui().chat.reword(text)
