"""What nobody foresaw: the log gets its number, class and place, the page its number alone.

The words of an error may hold what it was about, a secret included, and whoever raised it did not
know that. So no error's words reach a log, whichever library writes the line.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import streamlit as st

from mohet_keys.errors import DeniedError, SignedOutError
from mohet_keys.ui.text import escape

_NUMBER = "mohet_number"
_CHAIN = 5
"""Errors behind an error that are named."""
_PLACES = 12
"""Places that an error came through that are named, the last ones."""
_plain = logging.getLogRecordFactory()
_log = logging.getLogger(__name__)


def keep_quiet() -> None:
    """From now on no log line of this process has the words of an error. Again does nothing."""
    logging.setLogRecordFactory(_wordless)
    logging.raiseExceptions = False  # a log that cannot be written would print what led to that
    sys.excepthook = _uncaught
    threading.excepthook = sys.unraisablehook = _caught_nowhere


def say(error: Exception) -> bool:
    """Tell the visitor that something went wrong, by the number it has in the log.

    That they may not, or not any more, may come up anywhere and is said as it is; the page leads
    out a moment later.
    """
    if isinstance(error, SignedOutError | DeniedError):
        st.error(escape(str(error)), icon=":material/lock:")
        return True
    st.error(
        f"Something unforeseen happened, so this was not done. The log has more on error "
        f"{number_of(error)}. Reload the page and try again.",
        icon=":material/error:",
    )
    return True


def number_of(error: BaseException) -> str:
    """The number of this error, the same each time it is asked for."""
    number: str | None = getattr(error, _NUMBER, None)
    if number is None:
        number = secrets.token_hex(4)
        BaseException.__setattr__(error, _NUMBER, number)  # one that is frozen takes it, too
    return number


def told(error: BaseException) -> str:
    """An error for the log: its number, its class and those behind it, and where it was."""
    classes, link = [type(error).__name__], error.__cause__ or error.__context__
    while link is not None and len(classes) <= _CHAIN:
        classes.append(type(link).__name__)
        link = link.__cause__ or link.__context__
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    return f"[error {number_of(error)}: {' from '.join(classes)} at {places or 'no place'}]"


def _wordless(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A log record whose errors are told without their words."""
    record = _plain(*args, **kwargs)
    if isinstance(record.msg, BaseException):
        record.msg = told(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(told(a) if isinstance(a, BaseException) else a for a in record.args)
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        words = told(error)
        # What comes with arguments is formatted later, where a bare % would be one too many.
        record.msg = f"{record.msg} {words.replace('%', '%%') if record.args else words}"
        record.exc_info = record.exc_text = None
    return record


def _caught_nowhere(given: Any) -> None:
    """What ended a thread, or came up where nothing can be raised."""
    error = given.exc_value or given.exc_type()
    _uncaught(given.exc_type, error, given.exc_traceback)


def _uncaught(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    if not isinstance(error, (KeyboardInterrupt, SystemExit)):
        _log.error("Uncaught.", exc_info=error)
