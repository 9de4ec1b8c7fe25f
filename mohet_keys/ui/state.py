"""The one door to session state.

One dataclass under one slot for what a visitor is doing, and `take`, `put`, `peek` for the values
of widgets. A secret is only ever taken: read and blanked in the callback that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from mohet_keys.discovery import LocalServer, Variable
from mohet_keys.errors import Field
from mohet_keys.model import CheckResult, Diagnosis
from mohet_keys.starting import Started
from mohet_keys.ui.conversation import Conversation

_SLOT = "mohet"

Tone = Literal["success", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Said:
    """A message that stays until the visitor does the next thing."""

    tone: Tone
    text: str


@dataclass(slots=True)
class SetupState:
    """What the setup of a first key is doing. Never holds a secret."""

    provider: str | None = None
    """Slug of the provider whose form is open."""
    variable: Variable | None = None
    """Where the key is taken from instead of being typed."""
    failed: Diagnosis | None = None
    """What came of the last test, when it was no good."""
    look: Future[list[LocalServer]] | None = None
    test: Future[Started] | None = None


@dataclass(slots=True)
class UiState:
    """What one visitor is doing now. Never holds a secret."""

    adding: str | None = None
    """Slug of the provider whose add form is open."""
    editing: str | None = None
    """Id of the key whose edit form is open."""
    editing_version: int = 0
    deleting: str | None = None
    """Id of the key the delete dialog asks about."""
    consenting: bool = False
    """The open form was refused for plain http, so it now offers to allow it."""
    problems: dict[Field, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What was mended on the way in, by key id, shown on the card."""
    chat: Conversation = field(default_factory=Conversation)
    setup: SetupState = field(default_factory=SetupState)
    running: dict[str, Future[CheckResult]] = field(default_factory=dict)
    """Checks under way, by key id."""
    cache: MutableMapping[Hashable, object] = field(default_factory=dict)
    """Results of checks by key id and revision, kept for five minutes by the check service."""

    def begin(self) -> None:
        """A new action of the visitor: what was said about the last one has had its time."""
        self.said.clear()
        self.notes.clear()
        self.problems = {}

    def close_forms(self) -> None:
        """Close whichever form is open."""
        self.adding = self.editing = None
        self.consenting = False
        self.problems = {}


def ui() -> UiState:
    """The visitor's state, made on first use."""
    try:
        state: UiState = st.session_state[_SLOT]
    except KeyError:
        state = st.session_state[_SLOT] = UiState()
    return state


def act(callback: Callable[..., None]) -> Callable[..., None]:
    """Mark a callback as an action of the visitor, which ends the messages of the last one."""

    def acting(*args: object) -> None:
        ui().begin()
        callback(*args)

    return acting


def peek(widget: str, default: str = "") -> str:
    """The present value of a text widget."""
    value = st.session_state.get(widget, default)
    return value if isinstance(value, str) else default


def ticked(widget: str) -> bool:
    """Whether a checkbox is ticked."""
    return bool(st.session_state.get(widget, False))


def number(widget: str, default: int) -> int:
    """The present value of a widget that counts."""
    value = st.session_state.get(widget, default)
    return value if isinstance(value, int) else default


def put(widget: str, value: str | bool | int | None) -> None:
    """Set a widget before it is drawn. Never for a secret."""
    st.session_state[widget] = value


def take(widget: str, *, blank: str | None = "") -> str:
    """Read a text widget and blank it, so that the value lives for one callback only."""
    value = peek(widget)
    st.session_state[widget] = blank
    return value
