"""Log lines as JSON, one object a line, and the id of the request that they belong to.

Nothing that a line says can begin another one: what is not plain ASCII is escaped. Whatever looks
like a key, a ticket or a query is cut out of it. The words of errors never come this far (`ui`
sees to that), and none is written here either.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import string
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

REQUEST: ContextVar[str] = ContextVar("mohet_request", default="")
"""The id of the request that is being answered; threads and tasks that it begins take it along."""
TOLD = "mohet_told"
"""The name under which a log call hands over further members of its line, as `extra`."""
CUT = "[cut]"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{8,64}")
_LONGEST = 8_000
"""Characters of a text; more is cut off."""
_QUERY = re.compile(r"\?[^\s\"']+")
_TICKET = re.compile(r"(/(?:download|media|_stcore/upload_file)/)[^\s\"']+")
_OF_A_KEY = string.ascii_letters + string.digits + "_-"
_KEY_LIKE = re.compile(r"[A-Za-z0-9_-]{20,}")
_SHOWN = 4
"""Characters that stay of what is cut, so that two of them can be told apart."""


def request_id() -> str:
    """The id of the request that is being answered; empty when there is none."""
    return REQUEST.get()


def id_to_record() -> str:
    """The same for the record, which has one for what nobody asked for, too."""
    return REQUEST.get() or new_id()


def new_id() -> str:
    """The id of one more request."""
    return secrets.token_hex(6)


def is_well_formed(text: str) -> bool:
    """Whether a text that came from elsewhere may be the id of a request."""
    return _WELL_FORMED.fullmatch(text) is not None


def without_tickets(text: str) -> str:
    """The text without queries, and without whatever looks like a key or lets somebody in."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rstrip(_OF_A_KEY) + CUT  # no half of a key is left at the end
    text = _TICKET.sub(rf"\1{CUT}", _QUERY.sub(f"?{CUT}", text))
    return _KEY_LIKE.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    """What has letters and digits is no word and no name of a file."""
    text = found.group()
    is_word = text.isalpha() or not any(map(str.isdigit, text)) or not any(map(str.isalpha, text))
    return text if is_word else text[:_SHOWN] + CUT


class JsonLines(logging.Formatter):
    """Makes one JSON object of a record. `request` tells the id that the record belongs to."""

    def __init__(self, request: Callable[[], str] = request_id) -> None:
        super().__init__()
        self._request = request

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_tickets(_message(record)),
        }
        request = self._request()
        if request:
            line["request"] = request
        told: Mapping[str, object] = getattr(record, TOLD, {})
        line.update(told)
        return json.dumps(line, default=_kind)


def _message(record: logging.LogRecord) -> str:
    """What is said. A call whose arguments do not fit says what it was to say without them."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # whatever somebody hands to a log
        return str(record.msg) if isinstance(record.msg, str) else _kind(record.msg)


def _kind(thing: object) -> str:
    return type(thing).__name__


def write_json(request: Callable[[], str] = request_id, stream: TextIO | None = None) -> None:
    """From now on every log line of this process, and every warning, is such an object."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(request))
    logging.getLogger().handlers = [handler]
    for name in list(logging.getLogger().manager.loggerDict):
        hand_over(logging.getLogger(name))
    logging.captureWarnings(True)
    logging.getLogger("mohet_keys").setLevel(logging.INFO)


def hand_over(logger: logging.Logger) -> None:
    """Have a logger write through the one handler, and through none of its own."""
    logger.handlers = []
    logger.propagate = True
