"""Reads what an answer says, in whichever of the many envelopes it comes; pure, never raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["json", "html", "stream", "text", "empty"]

LONGEST = 2 * 1024 * 1024
"""Characters of a body that are looked at."""
QUOTED = 160
"""Characters of a provider's own words that may be quoted."""

_TITLE = re.compile(r"<title[^>]*>(.{0,200}?)</title>", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_SECRETISH = re.compile(
    r"(?i:bearer\s+\S+)|\b(?:sk|gsk|xai|pplx|hf|nvapi|r8|fw|csk|tgp)[-_][^\s\"',)]*|AIza\S+|AQ\.\S+"
    r"|\S*\*{2,}\S*|\S*•{2,}\S*|[A-Za-z0-9+/_-]{28,}={0,2}"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: its kind, its message, every code it carries, and the parsed body."""

    kind: Kind
    message: str = ""
    codes: frozenset[str] = frozenset()
    data: Any = field(default=None, repr=False)
    text: str = field(default="", repr=False)

    def has(self, *codes: str) -> bool:
        """Whether the answer carries one of these codes."""
        return not self.codes.isdisjoint(codes)

    def tells(self, pattern: str) -> bool:
        """Whether the message matches, in any case."""
        return re.search(pattern, self.message, re.IGNORECASE) is not None


def read(body: bytes | str, headers: Mapping[str, str]) -> Said:
    """Everything worth knowing of a body. Any bytes will do."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    text = text[:LONGEST].lstrip("\ufeff").strip()
    content_type = headers.get("content-type", "").lower()
    if not text:
        return Said("empty")
    if "text/event-stream" in content_type or re.match(r"(data|event|id|retry)?:", text):
        return _stream(text, _event_payloads(text))
    if text[0] == "<" or "text/html" in content_type:
        return Said("html", _title(text), text=text)
    data = parse(text)
    if data is None and "\n" in text and text[0] == "{":
        return _stream(text, _lines(text))
    if data is None:
        return Said("text", clean(text), text=text)
    return Said("json", message_of(data), codes_of(data), data, text)


def parse(text: str) -> Any:
    """JSON, or None for what is none, too deep, or holds absurd numbers."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def clean(text: str) -> str:
    """A provider's words, fit to be quoted: one line, short, without anything like a key."""
    flat = _CONTROL.sub(" ", text[: QUOTED * 8])
    plain = " ".join(_SECRETISH.sub("…", flat).split())
    return plain if len(plain) <= QUOTED else plain[: QUOTED - 1].rstrip() + "…"


def _title(text: str) -> str:
    found = _TITLE.search(text)
    return clean(re.sub(r"<[^>]*>", " ", found.group(1))) if found else ""


# --- messages and codes -----------------------------------------------------------------------


def message_of(data: Any, depth: int = 0) -> str:
    """The message inside any of the known envelopes, unshortened; empty when there is none."""
    if depth > 5:
        return ""
    if isinstance(data, str):
        return _CONTROL.sub(" ", data)
    if isinstance(data, list):
        return message_of(data[0], depth + 1) if data else ""
    if not isinstance(data, dict):
        return ""
    for name in ("error", "message", "detail", "msg", "title", "error_description"):
        found = message_of(data.get(name), depth + 1)
        if found:
            return found
    return ""


def codes_of(data: Any) -> frozenset[str]:
    """Every code, type and status an envelope carries, in lower case."""
    return frozenset(str(code).lower() for code in _codes(data) if _is_code(code))


def _is_code(code: Any) -> bool:
    return isinstance(code, (str, int)) and not isinstance(code, bool) and len(str(code)[:99]) < 99


def _codes(data: Any) -> Iterator[Any]:
    if isinstance(data, list):
        yield from _codes(data[0]) if data and isinstance(data[0], dict) else ()
        return
    if not isinstance(data, dict):
        return
    for name in ("code", "type", "status", "error_type", "error_code", "reason"):
        yield data.get(name)
    for name in ("error", "metadata", "availability"):
        if isinstance(data.get(name), (dict, list)):
            yield from _codes(data[name])
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        yield metadata.get("limit_source")
    yield from _detail_codes(data.get("details"))
    yield from _detail_codes(data.get("detail"))


def _detail_codes(details: Any) -> Iterator[Any]:
    for item in details if isinstance(details, list) else [details]:
        if isinstance(item, dict):
            yield from (item.get(name) for name in ("reason", "error_code", "type"))


def param_of(data: Any) -> str:
    """The request field an error names."""
    error = data.get("error", data) if isinstance(data, dict) else {}
    found = error.get("param") if isinstance(error, dict) else None
    return found if isinstance(found, str) else ""


# --- streams ----------------------------------------------------------------------------------


def _event_payloads(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield parse(line[5:].strip())


def _lines(text: str) -> Iterator[Any]:
    return (parse(line) for line in text.splitlines() if line.strip())


def _stream(text: str, payloads: Iterator[Any]) -> Said:
    """A stream: its first error if it has one, else its first payload."""
    first = None
    for payload in payloads:
        if not isinstance(payload, dict):
            continue
        first = first or payload
        if payload.get("error") or _failed(payload):
            return Said("stream", message_of(payload), codes_of(payload), payload, text)
    return Said("stream", "", frozenset(), first, text)


def _failed(payload: dict[str, Any]) -> bool:
    """Whether a chunk says that the reply went wrong without an `error` of its own."""
    choices = payload.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and (
        first.get("finish_reason") == "error" or bool(first.get("error"))
    )


def is_error(said: Said) -> bool:
    """Whether a JSON body or a stream carries an error."""
    data = said.data
    return isinstance(data, dict) and (bool(data.get("error")) or _failed(data))
