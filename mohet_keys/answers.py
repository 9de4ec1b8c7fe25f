"""Reads what an answer says, in whichever of the many envelopes it comes; pure, never raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

Kind = Literal["json", "html", "stream", "text", "empty"]

LONGEST = 2 * 1024 * 1024
"""Characters of a body that are looked at."""
TOLD = 4000
"""Characters of a message that are looked at."""
QUOTED = 160
"""Characters of a provider's own words that may be quoted."""
PARTS = 100_000
"""Values, names, lists and objects that JSON may be made of. OpenRouter's list has about half of
that. Each takes up to a hundred bytes of memory, so a megabyte of `{},{},…` would take sixty.
"""
STREAM = 256 * 1024
"""Characters of a stream that are looked at for an error."""
EVENTS = 1000
"""Events of one that are looked at."""
_DEEPEST = 5
"""How far a message or a code may be wrapped up."""

_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,200}?)</title>", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ufff9-\\ufffb\\ud800-\\udfff\\U000e0000-\\U000e007f]+"
)
_SECRETISH = re.compile(
    r"(?P<name>(?i:\b(?:key|token|secret|password)s?(?: provided| passed| received)?\s*[:=]\s*))"
    r"[\"'`]?\S+"
    r"|(?i:\bbearer\s+)\S+"
    r"|\b(?:sk|gsk|xai|pplx|hf|nvapi|r8|fw|csk|tgp)[-_][^\s\"',)]*|AIza\S+|\bAQ\.\S+"
    r"|\S*\*{2,}\S*|\S*•{2,}\S*"
    r"|(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16,}|\d{16,}|[A-Za-z0-9]{24,}"
    r"|(?=(?:[A-Za-z_-]*\d){6})[A-Za-z0-9_-]{20,}|[A-Za-z0-9+/_-]{28,}={0,2}"
)
"""Letters and digits in one long word, a vendor's prefix, stars, or what stands behind “key:”."""
_NAMED = re.compile(
    r"`[^`\s]{1,200}`|\"[^\"\s]{1,200}\"|“[^”\s]{1,200}”|(?<!\w)'[^'\s]{1,200}'(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: its kind, its message, every code it carries, and the parsed body.

    `begun` tells of a stream that something came before the error. `plain` is the message without
    names of models, addresses and the like: a model that is called “key-expired” must not be read
    as an expired key, nor a link to a billing page as a bill.
    """

    kind: Kind
    message: str = ""
    codes: frozenset[str] = frozenset()
    data: Any = field(default=None, repr=False)
    text: str = field(default="", repr=False)
    begun: bool = False
    plain: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the names out of the message, once."""
        words = _NAMED.sub(" x ", self.message).split()
        plain = (_unnamed(word) for word in words)
        object.__setattr__(self, "plain", " ".join(plain))

    def has(self, *codes: str) -> bool:
        """Whether the answer carries one of these codes."""
        return not self.codes.isdisjoint(codes)

    def tells(self, pattern: str) -> bool:
        """Whether the message matches, in any case, names left out."""
        return re.search(pattern, self.plain, re.IGNORECASE) is not None


def _unnamed(word: str) -> str:
    """A word, or what stands for an address or a name with a slash; Google's say what they name."""
    if "/" not in word:
        return word
    return "model" if word.lower().startswith("models/") else "x"


def read(body: bytes | str, headers: Mapping[str, str]) -> Said:
    """Everything worth knowing of a body. Any bytes will do."""
    text = body if isinstance(body, str) else bytes(body[:LONGEST]).decode("utf-8", "replace")
    text = text[:LONGEST].lstrip("\ufeff").strip()
    content_type = headers.get("content-type", "").lower()
    if not text:
        return Said("empty")
    if text[0] == "<":
        return Said("html", _title(text), text=text)
    data = parse(text)  # before the content type is believed: errors come labelled as anything
    if data is not None:
        part = failure_of(data) or data
        return Said("json", message_of(part), codes_of(part), data, text)
    if "text/event-stream" in content_type or re.match(r"(data|event|id|retry)?:", text):
        return _stream(text, _event_payloads(text))
    if "text/html" in content_type:
        return Said("html", _title(text), text=text)
    if isinstance(parse(text.partition("\n")[0]), dict):
        return _stream(text, map(parse, text[:STREAM].split("\n")))
    return Said("text", clean(text), text=text)


def parse(text: str) -> Any:
    """JSON, or None for what is none, too deep, too finely cut, or holds absurd numbers."""
    if len(text) > PARTS and sum(map(text.count, ",:[{")) > PARTS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def clean(text: str) -> str:
    """A provider's words, fit to be quoted: one line, short, without anything like a key."""
    flat = "".join(char if char.isprintable() else " " for char in text[: QUOTED * 8])
    if len(text) > QUOTED * 8:
        flat = flat.rpartition(" ")[0]  # half a key at the end would not look like one
    plain = " ".join(_SECRETISH.sub(lambda found: (found["name"] or "") + "…", flat).split())
    return plain if len(plain) <= QUOTED else plain[: QUOTED - 1].rstrip() + "…"


def quote(text: str) -> str:
    """The first sentence of a provider's words in quotation marks; empty when there are none."""
    first = re.split(r"(?<=[.!?])\s", clean(text), maxsplit=1)[0].rstrip(".!?:;, ")
    return f"“{first}”" if re.search(r"\w", first) else ""


def _title(text: str) -> str:
    found = _TITLE.search(text[:65_536])
    return clean(re.sub(r"<[^>]*>", " ", found.group(1))) if found else ""


# --- messages and codes -----------------------------------------------------------------------

_MESSAGES = (
    "error", "message", "detail", "msg", "title", "error_description", "errors", "error_message",
    "errorMessage", "fault", "faultstring",
)  # fmt: skip
_CODES = (
    "code", "type", "status", "error_type", "error_code", "reason", "limit_source", "http_status",
    "statusCode",
)  # fmt: skip
_WRAPPERS = (
    "error", "errors", "message", "metadata", "availability", "detail", "details", "fault",
)  # fmt: skip


def message_of(data: Any, depth: int = 0) -> str:
    """The message inside any of the known envelopes: a sentence before a single word."""
    if depth > _DEEPEST:
        return ""
    if isinstance(data, str):
        return _CONTROL.sub(" ", data[:TOLD])
    if isinstance(data, list):
        return message_of(data[0], depth + 1) if data else ""
    if not isinstance(data, dict):
        return ""
    found = [message_of(data[name], depth + 1) for name in _MESSAGES if name in data]
    sentences = (text for text in found if " " in text.strip())
    return next(sentences, "") or next((text for text in found if text), "")


def codes_of(data: Any) -> frozenset[str]:
    """Every code, type and status an envelope carries, in lower case."""
    return frozenset(str(code).lower() for code in _codes(data) if _is_code(code))


def _is_code(code: Any) -> bool:
    if isinstance(code, str):
        return 0 < len(code) < 99
    return isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**9


def _codes(data: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(data, list):
        for item in data[:5]:
            yield from _codes(item, depth + 1)
    if not isinstance(data, dict) or depth > _DEEPEST:
        return
    yield from (data.get(name) for name in _CODES)
    word = data.get("error")
    if isinstance(word, str) and re.fullmatch(r"\w{3,60}", word):
        yield word
    for name in _WRAPPERS:
        if isinstance(data.get(name), (dict, list)):
            yield from _codes(data[name], depth + 1)


def error_of(data: Any) -> dict[str, Any]:
    """The innermost error object of a body; empty when there is none."""
    for _ in range(_DEEPEST):
        inner = data[0] if isinstance(data, list) and data else None
        if isinstance(data, dict):
            inner = data.get("error", data.get("detail"))
        if not isinstance(inner, (dict, list)):
            break
        data = inner
    return data if isinstance(data, dict) else {}


def param_of(data: Any) -> str:
    """The request field an error names."""
    found = error_of(data).get("param")
    return found if isinstance(found, str) else ""


def metadata_of(data: Any) -> dict[str, Any]:
    """What OpenRouter tells beside an error."""
    found = error_of(data).get("metadata")
    return found if isinstance(found, dict) else {}


# --- streams, and errors inside of a success ----------------------------------------------------


def _event_payloads(text: str) -> Iterator[Any]:
    """The data of each event; lines that make no sense together are taken one by one."""
    for block in re.split(r"\r?\n\r?\n", text[:STREAM]):
        lines = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        whole = parse("\n".join(lines)) if len(lines) > 1 else None
        yield from [whole] if whole is not None else map(parse, lines)


def _stream(text: str, payloads: Iterator[Any]) -> Said:
    """A stream: its first error if it has one, else its first payload. `data` is the payload."""
    first: dict[str, Any] | None = None
    for payload in islice(payloads, EVENTS):
        if not isinstance(payload, dict):
            continue
        first = first or payload
        failure = failure_of(payload)
        if failure is not None:
            begun = payload is not first
            return Said("stream", message_of(failure), codes_of(failure), payload, text, begun)
    return Said("stream", "", frozenset(), first, text)


def failure_of(payload: Any) -> dict[str, Any] | None:
    """The part of a reply, or of one piece of it, that says what went wrong; None if all is well.

    Groq stops a stream early with a text in `x_groq`, OpenRouter puts the error into the choice.
    """
    if not isinstance(payload, dict):
        return None
    choices, extra, inner = (payload.get(name) for name in ("choices", "x_groq", "response"))
    choice = choices[0] if isinstance(choices, list) and choices else None
    for part in (payload, choice, extra, inner):
        if isinstance(part, dict) and part.get("error"):
            return part
    broke = isinstance(choice, dict) and choice.get("finish_reason") == "error"
    return payload if broke else None


def is_error(said: Said) -> bool:
    """Whether what came as a success says that it is an error, in any of the usual ways."""
    data = said.data
    if failure_of(data) is not None:
        return True
    if not isinstance(data, dict) or any(map(data.get, ("choices", "data", "models"))):
        return False
    marked = data.get("object") == "error" or data.get("type") == "error"
    failed = data.get("success") is False or data.get("code") in range(400, 600)
    return bool(said.message) and (marked or failed)
