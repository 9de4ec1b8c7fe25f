"""What nobody foresaw has a number, and the log has no words of it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mohet_keys.ui import unforeseen
from tests.leaks import canary, scan

ROOT = Path(__file__).parents[2]
SECRET = canary("sk-proj-")


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error that cannot be changed."""

    what: str


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What a logger of another library writes, line by line, while the log is kept quiet."""
    written: list[str] = []
    before, factory = logging.getLogger("library"), logging.getLogRecordFactory()
    handler = logging.Handler()
    handler.emit = lambda record: written.append(  # type: ignore[method-assign]
        logging.Formatter("%(levelname)s %(message)s").format(record)
    )
    before.addHandler(handler)
    before.propagate = False
    logging.setLogRecordFactory(unforeseen._wordless)
    yield written
    logging.setLogRecordFactory(factory)
    before.removeHandler(handler)
    before.propagate = True


def failed(error: Exception) -> Exception:
    """An error as it arrives, with the one it came from."""
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise error from cause
    except type(error) as raised:
        return raised


ERRORS = [RuntimeError(SECRET), FrozenError(SECRET), KeyError(SECRET), UnicodeError(SECRET)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_t35_no_line_has_the_words_of_an_error(lines: list[str], error: Exception) -> None:
    """However a library hands an error to its log: class, cause and place are there, and its
    number, and nothing that it says."""
    log, raised = logging.getLogger("library"), failed(error)
    log.error("It broke at 100%", exc_info=raised)
    log.error("%s broke at 100%%", "It", exc_info=raised)
    log.error("It broke: %s", raised)
    log.error(raised)
    log.error("%(a)s", {"a": "It broke"}, exc_info=raised)
    number = unforeseen.number_of(raised)
    assert len(lines) == 5
    for line in lines:
        assert f"error {number}: {type(error).__name__} from ValueError at " in line
        assert "test_unforeseen.py:" in line
    assert lines[0].startswith("ERROR It broke at 100% [error")
    assert lines[1].startswith("ERROR It broke at 100% [error")
    assert scan(SECRET, {"log": "\n".join(lines).encode()}) == []


def test_other_lines_stay_as_they_are(lines: list[str]) -> None:
    """What has no error in it is logged as it was meant."""
    log = logging.getLogger("library")
    log.warning("%d of %s", 3, "four")
    log.warning("plain %")
    log.warning("nothing was raised", exc_info=True)
    assert lines[:2] == ["WARNING 3 of four", "WARNING plain %"]
    assert "nothing was raised" in lines[2]


def test_two_errors_have_two_numbers() -> None:
    """A number is that of one error, each time it is asked for."""
    one, other = RuntimeError(), RuntimeError()
    assert unforeseen.number_of(one) == unforeseen.number_of(one)
    assert unforeseen.number_of(one) != unforeseen.number_of(other)


ENDS = """
import sys, threading
from mohet_keys.ui import unforeseen
unforeseen.keep_quiet()
def fail():
    raise RuntimeError(sys.argv[1])
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_t35_what_nobody_catches_is_told_without_words() -> None:
    """An error that ends a thread, or the program, does not print what it says."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS, SECRET], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count(b"RuntimeError at ") == 2
    assert scan(SECRET, {"stderr": done.stderr}) == []
