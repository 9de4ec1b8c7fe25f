"""Log lines as JSON: one object each, whatever is said, and nothing in them that lets in."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from mohet_keys import logs
from tests.leaks import canary, scan

ROOT = Path(__file__).parents[1]
NASTY = 'It\nbroke\r\n{"level": "INFO"}\x1b[2J\x00\x7f\x85\u2028\u202e\udcff "quoted" \\n'
TOKEN = "Zk3_-9aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789a"  # as downloads make them


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger that writes such lines, and what it wrote."""
    stream = io.StringIO()
    log, handler = logging.getLogger("somebody.elses"), logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.DEBUG)
    yield log, stream
    log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Each line as it is read."""
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_a_line_tells_when_how_bad_who_and_what(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    """The time is UTC to the millisecond; without a request there is no word of one."""
    log, stream = written
    log.warning("%d of %s", 3, "four")
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("at"))
    assert line == {"level": "WARNING", "logger": "somebody.elses", "message": "3 of four"}


def test_t49_nothing_that_is_said_forges_a_line(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    """Line ends, control characters and quotes of every kind stay in the message they are in."""
    log, stream = written
    log.error(NASTY)
    log.error("%s", NASTY)
    log.error("as it is", extra={logs.TOLD: {"path": NASTY, "thing": object()}})
    assert [line["message"] for line in lines(stream)] == [NASTY, NASTY, "as it is"]
    assert lines(stream)[2]["path"] == NASTY
    assert lines(stream)[2]["thing"] == "object"
    whole = stream.getvalue()
    assert whole.count("\n") == 3
    assert all(" " <= character <= "~" for character in whole.replace("\n", ""))


def test_a_call_that_does_not_fit_its_arguments_is_logged() -> None:
    """Without them, for who knows what they are."""

    def said(*given: object) -> object:
        record = logging.LogRecord("x", logging.INFO, "x", 1, given[0], given[1:], None)
        return json.loads(logs.JsonLines().format(record))["message"]

    assert said("%d of %s", "three", TOKEN) == "%d of %s"
    assert said(17) == "17"
    assert said(_Unspeakable()) == "_Unspeakable"


class _Unspeakable:
    """Cannot be said."""

    def __str__(self) -> str:
        raise RuntimeError(TOKEN)


def test_t35_what_an_error_says_is_left_out(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    """Should one come this far, its words go no further."""
    log, stream = written
    secret = canary("sk-proj-")
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("It broke.", stack_info=True)
    assert lines(stream)[0]["message"] == "It broke."
    assert scan(secret, {"log": stream.getvalue().encode()}) == []


def test_the_request_is_told_where_there_is_one(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    """It belongs to what is done for that request alone."""
    log, stream = written

    def ask() -> str:
        logs.REQUEST.set("0123456789ab")
        log.info("asked")
        return logs.id_to_record()

    assert copy_context().run(ask) == "0123456789ab"
    log.info("not asked")
    assert [line.get("request") for line in lines(stream)] == ["0123456789ab", None]
    assert logs.request_id() == ""
    assert re.fullmatch(r"[0-9a-f]{12}", logs.id_to_record())
    assert logs.id_to_record() != logs.id_to_record()


@pytest.mark.parametrize(
    ("said", "stays"),
    [
        (f"GET /download/{TOKEN} 200", "GET /download/[cut] 200"),
        ("GET /download/abc 404", "GET /download/[cut] 404"),
        ("PUT /_stcore/upload_file/1-2/3 204", "PUT /_stcore/upload_file/[cut] 204"),
        ("GET /media/a.png", "GET /media/[cut]"),
        ("'GET /api_keys?provider=groq&x=y'", "'GET /api_keys?[cut]'"),
        ("https://sso.example.com/cb?code=1", "https://sso.example.com/cb?[cut]"),
        ("Bearer gsk_0123456789abcdefghij.", "Bearer gsk_[cut]."),
        ("token " + "a1" * 5_000, "token [cut]"),
        ("x" * 7_999 + "sk-proj-0123456789abcdefghij", "[cut]"),
        # What is none of that stays.
        ("Is it you? Yes", "Is it you? Yes"),
        ("disconnectedSessionTTL in starlette_websocket_handler.py:33", None),
        ("[error 1a2b3c4d: ValueError at /srv/mohet/pages/api_keys.py:12]", None),
        ("2026-11-19 14:05:00.123 at 127.0.0.1:8501", None),
        ("12345678901234567890123", None),
    ],
)
def test_what_lets_in_is_cut(said: str, stays: str | None) -> None:
    """Tickets, queries, and what looks like a key; words, places and numbers are left."""
    assert logs.without_tickets(said) == (said if stays is None else stays)


def test_what_is_long_is_cut_in_time() -> None:
    """A visitor who sends much of the worst makes nobody wait."""
    for worst in ("/" * 1_000_000, "?" * 1_000_000, "a1" * 1_000_000, "/download/" * 100_000):
        assert len(logs.without_tickets(worst)) < 10_000


@pytest.mark.parametrize("given", ["0123456789abcdef", "a-b_C-d0", "x" * 64])
def test_an_id_from_elsewhere_may_be_plain(given: str) -> None:
    """Letters, digits, dashes and underscores, eight to sixty-four of them."""
    assert logs.is_well_formed(given)


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space", "a.b.c.d.e", "12345678\n"])
def test_an_id_from_elsewhere_may_be_nothing_else(given: str) -> None:
    """So nothing can be said by way of it."""
    assert not logs.is_well_formed(given)


ENDS = """
import logging, sys, threading, warnings
early = logging.getLogger("early")
early.addHandler(logging.StreamHandler())
early.propagate = False
from mohet_keys import logs
from mohet_keys.ui import unforeseen
unforeseen.keep_quiet()
logs.write_json()
class Broken:
    def __del__(self):
        raise RuntimeError(sys.argv[1])
def fail():
    raise RuntimeError(sys.argv[1])
early.error("early\\nand late")
logging.getLogger("late").error("late")
logging.getLogger("mohet_keys.somewhere").info("told")
warnings.warn("a warning\\nof two lines", stacklevel=1)
Broken()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_t35_every_line_of_a_process_is_json() -> None:
    """Of loggers from before, warnings, and errors that nobody catches; without their words."""
    secret = canary("sk-proj-")
    done = subprocess.run(
        [sys.executable, "-c", ENDS, secret], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert [line["logger"] for line in told] == [
        *("early", "late", "mohet_keys.somewhere", "py.warnings"),
        *["mohet_keys.ui.unforeseen"] * 3,
    ]
    assert "a warning\nof two lines" in told[3]["message"]
    assert all("RuntimeError at " in line["message"] for line in told[4:])
    assert scan(secret, {"stderr": done.stderr}) == []
