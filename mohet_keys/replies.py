"""Reads the events of a chat's reply, whichever way a provider words them; pure, never raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from mohet_keys.answers import TOLD, Said, codes_of, failure_of, is_error, message_of, parse
from mohet_keys.model import Usage
from mohet_keys.pieces import Joined, Opening, readable

LONGEST_NAME = 200
"""Characters of a model's name."""
_MOST_TOKENS = 10**12
_PIECES = 1000
"""Pieces of one event's content that are looked at."""
_DEEPEST = 4
_LENGTH = frozenset({"length", "model_length", "max_tokens", "max_output_tokens"})
_NO_REASON = frozenset({"", "null", "none"})
_LINES = 20_000
"""Lines of data of a whole body that are looked at: a piece of a reply takes some fifty bytes."""
_DATA = re.compile(r"(?<![^\r\n])data:([^\r\n]*)")
_SNAPSHOT = re.compile(r"-\d{4}(-?\d{2}(-?\d{2})?)?|:\d+|:latest")
"""What a server adds to the name of a model that is still the same."""


class Piece(NamedTuple):
    """What an event added to the reply."""

    text: str = ""
    reasoning: str = ""


NOTHING = Piece()


class Reader:
    """Puts together one reply. Feed it the data of each event, then call `close` for the rest.

    `finish` is why the reply ended, in the provider's word; `error` the payload that says what
    went wrong; `model` who answered; `done` whether the stream said that it is over.
    """

    def __init__(self, *, needs_reason: bool = False) -> None:
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.model = ""
        self.error: Any = None
        self.done = False
        self.has_choices = False
        """Whether anything looked like a reply at all."""
        self._needs_reason = needs_reason
        self._opening = Opening()
        self._said = Joined()
        self._thought = Joined()
        self._has_said = False

    @property
    def is_over(self) -> bool:
        """Whether nothing that comes now belongs to the reply."""
        return self.done or self.error is not None

    @property
    def is_complete(self) -> bool:
        """Whether the reply ended as it should. Ollama breaks off without giving a reason."""
        if self.error is not None:
            return False
        return self.finish is not None or (self.done and not self._needs_reason)

    @property
    def is_too_long(self) -> bool:
        """Whether the reply ended because it may not be longer."""
        return self.finish in _LENGTH

    def feed(self, data: str, name: str = "message") -> Piece:
        """What this event adds. `name` is the event's own."""
        if self.is_over or not data:
            return NOTHING
        if data.strip() == "[DONE]":
            self.done = True
            return NOTHING
        payload = parse(data)
        if not isinstance(payload, dict):
            return self._odd(payload, data, name)
        self._note(payload, may_tell_usage="usage" in data)
        return self._read(payload, name, may_fail="error" in data)

    def take(self, payload: Any) -> Piece:
        """What a whole body adds, when it is parsed already."""
        if isinstance(payload, dict):
            self._note(payload, may_tell_usage=True)
            return self._read(payload, "message", may_fail=True)
        return self._odd(payload, "", "message")

    def close(self) -> Piece:
        """What was held back, now that nothing more comes."""
        text, reasoning = self._opening.close()
        return Piece(text + self._said.close(), reasoning + self._thought.close())

    # --- one event ------------------------------------------------------------------------------

    def _odd(self, payload: Any, data: str, name: str) -> Piece:
        """Several payloads that stand in one event, an error without an envelope, or nonsense."""
        if payload is None and "\n" in data:
            pieces = [self.feed(line) for line in data.split("\n")[:_PIECES]]
            return Piece("".join(p.text for p in pieces), "".join(p.reasoning for p in pieces))
        if isinstance(payload, list) and payload and isinstance(payload[0], dict):
            return self._read(payload[0], name, may_fail=True)
        if name == "error":
            self.error = {"error": {"message": data[:TOLD]}}
        return NOTHING

    def _read(self, payload: dict[str, Any], name: str, *, may_fail: bool) -> Piece:
        choices = payload.get("choices")
        if name == "error" or may_fail or not isinstance(choices, list):
            self._look_for_error(payload, name)
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return NOTHING
        self.has_choices = True
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason.lower() not in _NO_REASON:
            self.finish = reason.lower()[:LONGEST_NAME]
        return self._added(choice)

    def _look_for_error(self, payload: dict[str, Any], name: str) -> None:
        """Whether an event says that something went wrong, in any of the usual ways."""
        is_reply = isinstance(payload.get("choices"), list)
        said = Said("json", message_of(payload), codes_of(payload), payload)
        if failure_of(payload) is not None or (not is_reply and is_error(said)):
            self.error = payload
        elif name == "error":
            self.error = {"error": payload}

    def _note(self, payload: dict[str, Any], *, may_tell_usage: bool) -> None:
        """Who answers, and what it takes."""
        model = "" if self.model else payload.get("model")
        if isinstance(model, str) and model:
            self.model = readable(model[:LONGEST_NAME])
        if not may_tell_usage:
            return
        extra = payload.get("x_groq")
        for told in (payload.get("usage"), extra.get("usage") if isinstance(extra, dict) else None):
            self.usage = _usage(told) or self.usage

    def _added(self, choice: dict[str, Any]) -> Piece:
        """The delta, or the whole message where none was said in parts."""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice.get("message") if not self._has_said else None
        if not isinstance(delta, dict):
            return NOTHING
        content = delta.get("content")
        if isinstance(content, str):
            text, thought = content, ""
        else:
            text, thought = _pieces(content)
        if not text and isinstance(delta.get("refusal"), str):
            text = delta["refusal"]
        if len(delta) > 1 or not text:
            thought += _reasoning(delta)
        if not text and not thought:
            return NOTHING
        self._has_said = True
        text, aloud = self._opening.feed(self._said.feed(text))
        return Piece(text, self._thought.feed(thought) + aloud)


# --- parts of a payload ---------------------------------------------------------------------------


def _pieces(content: Any, depth: int = 0) -> tuple[str, str]:
    """Text and thoughts of a list of pieces: `text`, `thinking`, and references, which are none."""
    text = thought = ""
    if not isinstance(content, list) or depth > _DEEPEST:
        return text, thought
    for piece in content[:_PIECES]:
        if isinstance(piece, str):
            text += piece
        elif isinstance(piece, dict):
            text += _text(piece.get("text"))
            inner = piece.get("thinking")
            thought += inner if isinstance(inner, str) else _pieces(inner, depth + 1)[0]
    return text, thought


def _reasoning(delta: dict[str, Any]) -> str:
    """The thoughts, from the first field that has any: some servers send them in two at once."""
    for name in ("reasoning", "reasoning_content"):
        told = delta.get(name)
        if isinstance(told, str) and told:
            return told
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    rows = [row for row in details[:_PIECES] if isinstance(row, dict)]
    return "".join(_text(row.get("text")) or _text(row.get("summary")) for row in rows)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _usage(told: Any) -> Usage | None:
    if not isinstance(told, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = Usage(*(_count(told.get(name)) for name in names))
    return None if found == Usage() else found


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _MOST_TOKENS else None


def is_same_model(asked: str, answered: str) -> bool:
    """Whether an answer's model is the one asked for, perhaps by a fuller name."""
    asked, answered = asked.lower(), answered.lower()
    if not answered or answered == asked or answered.endswith(f"/{asked}"):
        return True
    rest = answered.removeprefix(asked)
    return rest != answered and _SNAPSHOT.fullmatch(rest) is not None


def lines_of(body: str) -> Iterator[str]:
    """The data of each event in a whole body, for a stream that came under another name."""
    for line in islice(_DATA.finditer(body), _LINES):
        yield line[1].strip()


def written(payload: Any) -> str:
    """A payload as JSON on one line, its characters as they are."""
    try:
        return json.dumps(payload, ensure_ascii=False)
    except (ValueError, RecursionError):
        return json.dumps({"error": {"message": message_of(payload)}}, ensure_ascii=False)
