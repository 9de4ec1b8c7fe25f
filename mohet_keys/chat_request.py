"""What a chat asks for, and what it asks for less when a server does not know a part of it; pure.

Each part is left out once at most, for then it is not there to be left out again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mohet_keys.answers import Said, param_of
from mohet_keys.model import Message

_TELLS_USAGE_UNASKED = frozenset({"openrouter", "mistral"})
"""Mistral even refuses the question."""
_REFUSED = frozenset({400, 422})


class Less(NamedTuple):
    """A request with a part left out, and what to say of that, if anything."""

    body: dict[str, Any]
    note: str = ""


def body_of(provider: str, model: str, messages: Sequence[Message]) -> dict[str, Any]:
    """The JSON of a chat request."""
    said = [{"role": message.role, "content": message.content} for message in messages]
    body: dict[str, Any] = {"model": model, "messages": said, "stream": True}
    if provider not in _TELLS_USAGE_UNASKED:
        body["stream_options"] = {"include_usage": True}
    return body


def less(body: dict[str, Any], status: int, said: Said) -> Less | None:
    """The request without the part that a refusal names; None when it names none of ours."""
    if status not in _REFUSED or not body.get("stream"):
        return None
    rest = {name: value for name, value in body.items() if name != "stream_options"}
    if "stream_options" in body and _names(said, "stream_options"):
        return Less(rest)
    if _names(said, "stream"):
        return Less({**rest, "stream": False}, "This model sends its reply in one piece.")
    return None


def _names(said: Said, field: str) -> bool:
    """Whether a refusal is about this field: by its own word for it, or in its text."""
    if param_of(said.data) == field or _is_located(said.data, field):
        return True
    word = r"stream(?:ing)?(?!_)" if field == "stream" else field
    return re.search(rf"\b{word}\b", said.message[:2000], re.IGNORECASE) is not None


def _is_located(data: Any, field: str) -> bool:
    """Mistral and whoever else is built with pydantic: `{"detail": [{"loc": ["body", field]}]}`."""
    detail = data.get("detail") if isinstance(data, dict) else None
    rows = detail[:20] if isinstance(detail, list) else []
    places = (row.get("loc") for row in rows if isinstance(row, dict))
    return any(isinstance(place, list) and field in place[:3] for place in places)
