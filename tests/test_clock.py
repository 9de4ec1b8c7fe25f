"""A clock that jumps: nothing is waited for longer, kept longer, or said to be in the future."""

from __future__ import annotations

import ast
import asyncio
import itertools
import time
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mohet_keys.chat import ChatService
from mohet_keys.http import Limits, Outbound
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    Ended,
    KeyEntry,
    Message,
    NewKey,
    Proven,
    Verdict,
)
from mohet_keys.standing import standing
from mohet_keys.ui.text import ago, brief
from mohet_keys.validation import FRESH_FOR, ValidationService
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.sink import LONG, Script, Sink, raw, reply
from tests.test_floors import MODULES, RULES, nodes
from tests.waiting import BUSY

ME = LOCAL_OWNER
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
JUMPS = [-5 * YEAR, -DAY, -timedelta(hours=1), timedelta(hours=1), DAY, 5 * YEAR]
DEADLINE = 0.5


class Clock:
    """Says what it is set to, and with `jumps` something else each time it is asked."""

    def __init__(self, *jumps: timedelta) -> None:
        self.at = NOW
        self._jumps = itertools.cycle(jumps or (timedelta(),))

    def __call__(self) -> datetime:
        """The present moment."""
        return self.at + next(self._jumps)


def add(parts: Parts, url: str) -> KeyEntry:
    """A key for a server."""
    new = NewKey(provider="openai", name="Key", secret=SecretStr(canary("sk-proj-")), endpoint=url)
    return parts.keys.add(new, owner=ME).entry


# --- deadlines and memories -------------------------------------------------------------------

DRIP: Script = lambda: itertools.chain(  # noqa: E731
    [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"],
    itertools.cycle([b": ping\n\n", 0.05]),
)


def test_t59_a_check_has_its_deadline_whatever_the_clock_says(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the clock jumps by years, to and fro, a check still takes its time and no more."""
    clock = Clock(*JUMPS)
    monkeypatch.setattr(time, "time", lambda: clock().timestamp())
    with Sink(raw(LONG)) as sink:
        entry = add(parts, sink.url())
        checks = ValidationService(parts.keys, Outbound(), deadline=DEADLINE, clock=clock)
        began = time.monotonic()
        result = asyncio.run(checks.check(entry.id, owner=ME))
    assert DEADLINE - 0.1 < time.monotonic() - began < DEADLINE + BUSY
    assert result.diagnosis.verdict is Verdict.UNREACHABLE


def test_t59_a_chat_has_its_limits_whatever_the_clock_says(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that drips is given up on time, and what it took is told as it was."""
    clock = Clock(*JUMPS)
    monkeypatch.setattr(time, "time", lambda: clock().timestamp())
    with Sink(DRIP) as sink:
        entry = add(parts, sink.url())
        limits = Limits(first_byte=5, idle=5, total=DEADLINE)
        chats = ChatService(parts.keys, Outbound(), clock=clock, limits=limits)

        async def story() -> Ended:
            said = [Message("user", "Hello")]
            stream = chats.stream(entry.id, owner=ME, messages=said, model="m")
            async with aclosing(stream) as events:
                ends = [event async for event in events if isinstance(event, Ended)]
            return ends[0]

        ended = asyncio.run(story())
    assert ended.outcome == "failed"
    assert DEADLINE - 0.1 < ended.seconds < DEADLINE + BUSY


@pytest.mark.parametrize("jump", JUMPS)
def test_t59_what_is_known_for_five_minutes_is_known_for_five(
    parts: Parts, jump: timedelta
) -> None:
    """A clock put back makes no result last, and one put forward makes none end."""
    clock, ahead = Clock(), [0.0]
    with Sink(reply(b'{"object": "list", "data": []}')) as sink:
        entry = add(parts, sink.url())
        checks = ValidationService(
            parts.keys, Outbound(), clock=clock, monotonic=lambda: time.monotonic() + ahead[0]
        )
        cache: dict[object, object] = {}

        def asks() -> bool:
            before = sink.accepts
            asyncio.run(checks.check(entry.id, owner=ME, cache=cache))
            return sink.accepts > before

        assert asks()
        clock.at += jump
        assert not asks()
        ahead[0] = FRESH_FOR + 5
        assert asks()


# --- what is said -----------------------------------------------------------------------------

ENTRY = KeyEntry("k", ME, "groq", "Key", "https://x.example", "", True, 1, 1, NOW, NOW, ME)
ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    now=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_t59_nothing_was_checked_in_the_future(at: datetime, now: datetime, zone: ZoneInfo) -> None:
    """Whatever was recorded, a card says a moment that is over, in the reader's zone."""
    said = brief(at, now, zone)
    assert said == brief(min(at, now), now, zone)
    if at >= now:
        assert said == f"{now.astimezone(zone):%H:%M}"
        assert ago(at, now) == "just now"


def test_t59_an_hour_is_an_hour_when_the_clocks_change() -> None:
    """Half past one comes twice in New York on that night, and an hour lies between."""
    zone, first = ZoneInfo("America/New_York"), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    second = first + timedelta(hours=1)
    assert brief(first, second, zone) == brief(second, second, zone) == "01:30"
    assert ago(first, second) == "1 hour ago"


@pytest.mark.parametrize("jump", JUMPS)
def test_t59_a_proof_is_not_told_as_of_the_future(jump: timedelta) -> None:
    """When the clock was put back since, a card says that the key was valid and not when."""
    said = Diagnosis(Verdict.UNREACHABLE, "no connection", "Nobody there.")
    proven = Proven(Verdict.VALID, "key works", NOW)
    check = CheckResult("k", 1, said, NOW + jump, proven=proven)
    told = standing(replace(ENTRY, check=check)).explanation
    assert "It was valid when it was last reached" in told
    assert ("2026" in told) is (jump > timedelta())


@pytest.mark.parametrize("jump", JUMPS)
def test_t59_the_later_check_counts_whatever_its_time(parts: Parts, jump: timedelta) -> None:
    """Which of two results is the newer is a matter of their order, not of their times."""
    with Sink() as sink:
        entry = add(parts, sink.url())
    for verdict, at in ((Verdict.VALID, NOW), (Verdict.INVALID, NOW + jump)):
        said = Diagnosis(verdict, "as told", "As told.")
        parts.keys.record(CheckResult(entry.id, entry.revision, said, at), owner=ME)
    check = parts.keys.entry(entry.id, owner=ME).check
    assert check is not None
    assert check.proven is not None
    assert (check.diagnosis.verdict, check.proven.verdict) == (Verdict.INVALID, Verdict.INVALID)


# --- the source -------------------------------------------------------------------------------


def wall_clocks(source: str) -> set[str]:
    """How a text asks the wall clock for seconds, which no deadline may be made of."""
    attributes = (node for node in nodes(source) if isinstance(node, ast.Attribute))
    return {ast.unparse(node) for node in attributes} & {"time.time", "time.time_ns"}


@pytest.mark.parametrize("module", MODULES)
def test_t59_every_moment_has_its_zone_and_no_deadline_is_of_the_wall(module: str) -> None:
    """No module makes a time without a zone, or counts seconds by a clock that can be set."""
    source = MODULES[module].read_text(encoding="utf-8")
    assert RULES["clock"](module, source) == []
    assert wall_clocks(source) == set()


def test_t59_a_wall_clock_would_be_noticed() -> None:
    """The twin: both ways to go wrong are found."""
    assert wall_clocks("ends = time.time() + 5; t = time.time_ns") == {"time.time", "time.time_ns"}
    assert RULES["clock"]("mohet_keys.x", "at = datetime.now()")
