"""The one door to session state.

One dataclass under one slot for what a visitor is doing, and `take`, `put`, `peek` for the values
of widgets. A secret is only ever taken: read and blanked in the callback that uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NoReturn

import streamlit as st

from mohet_keys.errors import Field
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry
from mohet_keys.ui.conversation import Conversation

if TYPE_CHECKING:  # what a page draws only once something was asked of it
    from mohet_keys.check_all import CheckAll
    from mohet_keys.discovery import LocalServer, Variable
    from mohet_keys.replacing import Replaced
    from mohet_keys.rules import TeamRules
    from mohet_keys.starting import Started
    from mohet_keys.transfer import Plan

_SLOT = "mohet"
HOLDS = 1.0
"""Seconds for which a widget is given its value again; too short to have typed something."""

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
class Replacing:
    """The form for a new secret of one key. Never holds a secret."""

    version: int
    """The version of the key that was seen."""
    problem: str = ""
    """What was refused in the field."""
    failed: Diagnosis | None = None
    """What came of the last test, when it was no good."""
    test: Future[Replaced] | None = None


@dataclass(slots=True)
class Revealing:
    """The dialog that shows a secret, which is not in here."""

    key_id: str
    until: datetime | None = None
    """Until when it may be seen; None while the dialog still asks."""


@dataclass(slots=True)
class ActivityState:
    """Where a visitor is in what happened."""

    before: list[int] = field(default_factory=list)
    """The last entry of each page that was turned over."""
    leads_to: str | None = None
    """Slug of the provider whose tab an entry leads to."""


@dataclass(slots=True)
class OverviewState:
    """What of all keys a visitor looks at."""

    open: str | None = None
    """Id of the key whose drawer is open."""
    turn: int = 0
    """How often the table was asked for something else, so that no row stays marked."""
    all_concerns: bool = False
    """Whether all keys that need attention are listed, and not only the first."""


@dataclass(slots=True)
class TransferState:
    """A file that is being brought in. It holds no secret but sealed ones."""

    turn: int = 0
    """How many files were handed in."""
    name: str = ""
    content: bytes | None = field(default=None, repr=False)
    """A protected file that still needs its passphrase."""
    plan: Plan | None = None
    refused_at: str = ""
    """The form whose passphrase was refused."""

    def forget(self) -> None:
        """No file any more."""
        self.name, self.content, self.plan = "", None, None


TeamAsk = Literal["role", "able", "hand_over"]
"""What is to be done about a person: their role, whether they may come in, their keys."""


@dataclass(slots=True)
class TeamState:
    """What an administrator is doing on the Team page."""

    asking: tuple[TeamAsk, str] | None = None
    """What the open dialog asks about, and the id of the person."""
    rules: TeamRules | None = None
    """The rules that the form was filled with."""
    turn: int = 0
    """How often it was filled, so that no field keeps what it had before."""
    problems: dict[str, str] = field(default_factory=dict)
    """What was refused in the form, by field."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A file that waits for this visitor at an address that works once."""

    what: str
    """Which part of which page made it."""
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class SeenKey:
    """How the selected key stood when a page was last drawn; a higher `grade` is worse."""

    key_id: str
    revision: int
    grade: int


@dataclass(slots=True)
class AllState:
    """What is done with all keys at once."""

    run: CheckAll | None = None
    """The check of all keys that runs, or ran last; None when there is none to be seen."""
    watched: bool = False
    """Whether it was still running when its button was drawn, so that its end draws that anew."""
    drawn: tuple[int, float] = (0, 0.0)
    """How many results the page was last drawn with, and after how many seconds of the run."""
    removing: tuple[KeyEntry, ...] = ()
    """The rejected keys that the open dialog lists; empty while there is no dialog."""
    more: bool = False
    """There are more of them than it lists."""


@dataclass(slots=True)
class UiState:
    """What one visitor is doing now. Never holds a secret."""

    owner: str | None = None
    """Whose this is, once they were let in."""
    by_itself: bool = False
    """The next run is none of the visitor's doing."""
    adding: str | None = None
    """Slug of the provider whose add form is open."""
    editing: str | None = None
    """Id of the key whose edit form is open."""
    editing_version: int = 0
    deleting: str | None = None
    """Id of the key the delete dialog asks about."""
    sharing: str | None = None
    """Id of the key the dialog asks about that shares it with the team, or makes it private."""
    replacing: dict[str, Replacing] = field(default_factory=dict)
    """Open forms for a new secret, by key id; of several, all but one wait for their tests."""
    revealing: Revealing | None = None
    consenting: bool = False
    """The open form was refused for plain http, so it now offers to allow it."""
    problems: dict[Field, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What was mended on the way in, by key id, shown on the card."""
    chat: Conversation = field(default_factory=Conversation)
    setup: SetupState = field(default_factory=SetupState)
    activity: ActivityState = field(default_factory=ActivityState)
    overview: OverviewState = field(default_factory=OverviewState)
    transfer: TransferState = field(default_factory=TransferState)
    every: AllState = field(default_factory=AllState)
    team: TeamState = field(default_factory=TeamState)
    ready: Ready | None = None
    seen: SeenKey | None = None
    turned: Said | None = None
    """What is to be told of the selected key, which turned worse."""
    given: dict[str, tuple[str | bool | int | None, float]] = field(default_factory=dict)
    """What widgets were given just now, and when by the monotonic clock."""
    running: dict[str, Future[CheckResult]] = field(default_factory=dict)
    """Checks under way, by key id."""
    cache: MutableMapping[Hashable, object] = field(default_factory=dict)
    """Results of checks by key id and revision, kept for five minutes by the check service."""

    def begin(self) -> None:
        """A new action of the visitor: what was said about the last one has had its time."""
        self.said.clear()
        self.turned = None
        self.notes.clear()
        self.problems = {}

    def close_forms(self) -> None:
        """Close whichever form is open. A new secret that is being tested keeps its own."""
        self.adding = self.editing = None
        self.replacing = {key: form for key, form in self.replacing.items() if form.test}
        self.consenting = False
        self.problems = {}


def ui() -> UiState:
    """The visitor's state, made on first use."""
    try:
        state: UiState = st.session_state[_SLOT]
    except KeyError:
        state = st.session_state[_SLOT] = UiState()
    return state


def belong_to(owner: str) -> None:
    """Say whose state this is. What somebody else did before goes, though there is no way to it.

    Streamlit gives a session back to nobody but whoever it began with; this holds it to that.
    """
    if ui().owner not in {None, owner}:
        forget()
    ui().owner = owner


def forget() -> None:
    """Nothing of what the visitor was doing is there any more."""
    st.session_state.clear()


def redraw() -> NoReturn:
    """Draw the page anew although the visitor did nothing."""
    ui().by_itself = True
    st.rerun()


def ran_by_itself() -> bool:
    """Whether this run is none of the visitor's doing; says so once."""
    state = ui()
    by_itself, state.by_itself = state.by_itself, False
    return by_itself


def act(callback: Callable[..., None]) -> Callable[..., None]:
    """Mark a callback as an action of the visitor, which ends the messages of the last one."""

    def acting(*args: object) -> None:
        ui().begin()
        callback(*args)

    return acting


def answers(
    is_open: Callable[[UiState], object],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a callback as an answer to a dialog: an action, if the dialog is still open.

    A busy server may be told twice of one press. The second time must neither do anything nor end
    the message about the first.
    """

    def mark(callback: Callable[..., None]) -> Callable[..., None]:
        acting = act(callback)

        def answering(*args: object) -> None:
            if is_open(ui()):
                acting(*args)

        return answering

    return mark


def peek(widget: str, default: str = "") -> str:
    """The present value of a text widget."""
    value = st.session_state.get(widget, default)
    return value if isinstance(value, str) else default


def ticked(widget: str) -> bool:
    """Whether a checkbox is ticked."""
    return bool(st.session_state.get(widget, False))


def chosen_of(widget: str) -> list[str]:
    """What is chosen in a list of several."""
    value = st.session_state.get(widget)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def number(widget: str, default: int) -> int:
    """The present value of a widget that counts."""
    value = st.session_state.get(widget, default)
    return value if isinstance(value, int) else default


def count(widget: str) -> int | None:
    """The value of a field for a number that may stay empty."""
    value = st.session_state.get(widget)
    return value if isinstance(value, int) else None


def pressed(widget: str) -> int | None:
    """The row of a table whose button was pressed just now."""
    click = st.session_state.get(widget)
    return click["row"] if click else None


def marked(widget: str) -> int | None:
    """The row of a table that is marked."""
    state = st.session_state.get(widget)
    rows = state["selection"]["rows"] if state else ()
    return rows[0] if rows else None


def put(widget: str, value: str | bool | int | None) -> None:
    """Set a widget before it is drawn. Never for a secret."""
    st.session_state[widget] = value
    ui().given[widget] = (value, time.monotonic())


def fill(widget: str, value: int | None) -> None:
    """Give a widget that is drawn for the first time its value. One that is given a default when
    it is drawn cannot be emptied any more."""
    if widget not in st.session_state:
        st.session_state[widget] = value


def take(widget: str, *, blank: str | None = "") -> str:
    """Read a text widget and blank it, so that the value lives for one callback only."""
    value = peek(widget)
    put(widget, blank)
    return value


def renew() -> None:
    """Give widgets once more what they were given a moment ago; before any of them is drawn.

    When one run follows the other at once, Streamlit drops what the first had to say, and does
    not say it again: a form would open with empty fields. What a person changed since stays.
    """
    state, now = ui(), time.monotonic()
    state.given = {w: (v, at) for w, (v, at) in state.given.items() if now - at < HOLDS}
    for widget, (value, _) in state.given.items():
        if st.session_state.get(widget, value) == value:
            st.session_state[widget] = value


def take_out(widget: str) -> object:
    """The value of a widget that takes files, which has none from then on; None without one."""
    value: object = st.session_state.pop(widget, None)
    return value
