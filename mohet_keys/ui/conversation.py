"""What was said in this session's chat, and the reply that is being given. Kept nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mohet_keys.chat import ChatEvent, Delta, Ended, Message, Note, Running


@dataclass(slots=True)
class Turn:
    """One message of either side; a reply grows while it comes in."""

    role: Literal["user", "assistant"]
    text: str = ""
    reasoning: str = ""
    notes: list[str] = field(default_factory=list)
    ended: Ended | None = None

    def take(self, event: ChatEvent) -> None:
        """Add what an event brings."""
        match event:
            case Delta():
                self.text += event.text
                self.reasoning += event.reasoning
            case Note():
                self.notes.append(event.words)
            case Ended():
                self.ended = event

    @property
    def failed(self) -> bool:
        """Whether a reply ended without a word of text."""
        return self.role == "assistant" and self.ended is not None and not self.text.strip()


@dataclass(slots=True)
class Conversation:
    """The turns so far. `awaits` means that the last one is a message without a reply yet."""

    turns: list[Turn] = field(default_factory=list)
    running: Running | None = None
    awaits: bool = False
    editing: bool = False
    """The last message is open for editing."""

    @property
    def last_message(self) -> Turn | None:
        """The last thing the user said."""
        return next((turn for turn in reversed(self.turns) if turn.role == "user"), None)

    def is_coming(self, turn: Turn) -> bool:
        """Whether this is the reply that comes in now."""
        return self.running is not None and turn is self.turns[-1]

    def say(self, text: str) -> None:
        """Add a message of the user's, which now awaits its reply."""
        self._drop_failed()
        self.turns.append(Turn("user", text))
        self.awaits, self.editing = True, False

    def again(self) -> None:
        """Ask for the last message's reply once more; the present one goes."""
        while self.turns and self.turns[-1].role == "assistant":
            self.turns.pop()
        self.awaits, self.editing = bool(self.turns), False

    def reword(self, text: str) -> None:
        """Put another text in the place of the last message, and ask again."""
        self.again()
        if self.turns:
            self.turns[-1].text = text

    def begin(self, running: Running) -> None:
        """A reply is on its way."""
        self.running, self.awaits = running, False
        self.turns.append(Turn("assistant"))

    def finish(self) -> None:
        """The reply is over, or given up; its connection is let go of."""
        running, self.running = self.running, None
        if running is None:
            return
        with running:  # leaving that hangs up
            turn = self.turns[-1]
            turn.ended = turn.ended or Ended("stopped", "", "", "")

    def messages(self) -> list[Message]:
        """What a request sends: everything said so far, without replies that failed."""
        return [
            Message(turn.role, turn.text) for turn in self.turns if turn.text and not turn.failed
        ]

    def _drop_failed(self) -> None:
        while self.turns and self.turns[-1].failed:
            self.turns.pop()
