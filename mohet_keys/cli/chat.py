"""The chat on the command line: one prompt out, the reply to stdout as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mohet_keys.chat import ChatService, Delta, Ended, Message, Note
from mohet_keys.cli.output import one_line
from mohet_keys.errors import RefusedError
from mohet_keys.model import LOCAL_OWNER, KeyEntry, Selection
from mohet_keys.model_choice import is_model_id, model_in_use

TICK = 0.5
"""Seconds after which an interruption is noticed even when nothing comes."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A reply that is over."""

    text: str
    reasoning: str
    notes: tuple[str, ...]
    ended: Ended

    @property
    def trouble(self) -> str:
        """Why the reply is not what was asked for, as one line; empty when it is."""
        said = self.ended.diagnosis
        if said is not None:
            return one_line(f"{said.explanation} {said.remedy}")
        return _TROUBLE.get(self.ended.outcome, "")

    def as_json(self) -> dict[str, object]:
        """The reply with what is known about it, for other programs."""
        ended, usage = self.ended, self.ended.usage
        said = ended.diagnosis
        return {
            "reply": self.text,
            "reasoning": self.reasoning,
            "notes": list(self.notes),
            "outcome": ended.outcome,
            "model": ended.answered_model or ended.asked_model,
            "key": {"id": ended.key_id, "name": ended.key_name},
            "seconds": round(ended.seconds, 3),
            "tokens_in": usage.prompt if usage else None,
            "tokens_out": usage.completion if usage else None,
            "verdict": said.verdict.value if said else None,
            "explanation": said.explanation if said else "",
            "remedy": said.remedy if said else "",
        }


_TROUBLE = {
    "cut": "The connection broke off, so the reply may not be whole.",
    "deleted": "The key was deleted while the reply came in.",
    "denied": "You cannot use this key any more.",
    "stopped": "The reply was stopped.",
    "length": "The reply ended at the longest the model may write.",
}


def model_for(entry: KeyEntry, selection: Selection | None, asked: str | None) -> str:
    """The model to use: the one asked for, else the key's own. Raises RefusedError."""
    if asked is not None and not is_model_id(asked):
        raise RefusedError("A model id has no spaces and at most 200 characters.")
    model = asked or model_in_use(entry, selection).id
    if model is None:
        raise RefusedError(
            "No model of this key is known yet. Check the key, or name one: --model."
        )
    return model


def talk(
    chats: ChatService, entry: KeyEntry, model: str, prompt: str, show: Callable[[str], None]
) -> Spoken:
    """Send the prompt and give each piece of the reply to `show` as it comes."""
    text, reasoning, notes = [], [], []
    said = [Message("user", prompt)]
    with chats.start(entry.id, owner=LOCAL_OWNER, messages=said, model=model) as running:
        for event in running.events(TICK):
            if isinstance(event, Delta):
                text.append(event.text)
                reasoning.append(event.reasoning)
                show(event.text)
            elif isinstance(event, Note):
                notes.append(event.words)
            elif isinstance(event, Ended):
                return Spoken("".join(text), "".join(reasoning), tuple(notes), event)
    raise RefusedError("The reply was stopped.")  # never without an Ended before
