"""All keys checked in the background: how far that is at any moment, and its end in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import logs
from mohet_keys.background import Background
from mohet_keys.check_all import BROKE_OFF, CheckAll, Line
from mohet_keys.errors import StoreError
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, CheckResult, NewKey, Verdict
from mohet_keys.service import KeyService
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving
from tests.waiting import BUSY, until

ME = LOCAL_OWNER
STRAY = "gsk_" + "a1B2" * 13


@pytest.fixture
def loop() -> Iterator[Background]:
    """A loop of the test's own."""
    made = Background()
    yield made
    made.close()


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The providers, at two hosts."""
    with Simulator(doors=2) as running:
        running.world.slow = 60.0
        yield running


def save(
    parts: Parts, sim: Simulator, slug: str, behaviours: dict[str, int], door: int = 0
) -> None:
    """So many keys of each behaviour."""
    for behaviour, count in behaviours.items():
        for number in range(count):
            name = f"{behaviour} {door} {number}"
            secret = SecretStr(behaving(slug, behaviour, f"{door}{number:03}"))
            endpoint = sim.endpoint(slug, door)
            new = NewKey(provider=slug, name=name, secret=secret, endpoint=endpoint)
            parts.keys.add(new, owner=ME)


def begin(parts: Parts, loop: Background) -> CheckAll:
    """Check all keys."""
    return CheckAll(parts.keys, parts.checks, loop, owner=ME)


def stored(parts: Parts) -> dict[tuple[str, str], Verdict]:
    """What is on record of each key that was checked."""
    entries = parts.keys.list(owner=ME).entries
    return {
        (each.provider, each.name): each.check.diagnosis.verdict for each in entries if each.check
    }


# --- to the end -------------------------------------------------------------------------------


def test_each_provider_has_a_line_with_what_its_keys_came_to(
    parts: Parts, sim: Simulator, loop: Background
) -> None:
    """Counts by verdict, providers in their order, and nothing is missing at the end."""
    save(parts, sim, "mistral", {"good": 2, "revoked": 3})
    save(parts, sim, "openai", {"good": 1, "restricted": 1, "down": 2})
    held = NewKey(provider="openai", name="held", secret=SecretStr(STRAY))
    assert parts.keys.add(held, owner=ME).entry.looks_like
    run = begin(parts, loop)
    until(lambda: run.is_over)
    assert (run.state, run.problem, run.done, run.total) == ("finished", "", 10, 10)
    assert run.lines() == [
        Line(
            "openai",
            5,
            ((Verdict.VALID, 1), (Verdict.LIMITED, 1), (Verdict.UNREACHABLE, 2)),
            held=1,
            left=0,
            waits=0.0,
        ),
        Line("mistral", 5, ((Verdict.VALID, 2), (Verdict.INVALID, 3)), held=0, left=0, waits=0.0),
    ]
    assert len(stored(parts)) == 9
    took = run.seconds
    time.sleep(0.05)
    assert run.seconds == took


def test_t49_checks_of_several_requests_are_told_apart(
    parts: Parts, sim: Simulator, loop: Background
) -> None:
    """Each is on record under the id of the request that it was asked for in, though they reach the
    store together."""
    save(parts, sim, "mistral", {"good": 24})
    keys = parts.keys.list(owner=ME).entries
    asked = {key.id: f"{number % 3:012}" for number, key in enumerate(keys)}

    def check(key: str) -> Future[CheckResult]:
        logs.REQUEST.set(asked[key])
        return loop.submit(parts.checks.check(key, owner=ME))

    wait([copy_context().run(check, key) for key in asked], timeout=20)
    told = parts.repository.journal.page(Wanted(action="check"), limit=99)
    assert {entry.key_id: entry.request_id for entry in told} == asked


def test_without_keys_it_is_over_at_once(parts: Parts, loop: Background) -> None:
    """Nothing to do is no failure."""
    run = begin(parts, loop)
    until(lambda: run.is_over)
    assert (run.state, run.done, run.lines()) == ("finished", 0, [])


def test_a_key_that_is_deleted_meanwhile_is_no_trouble(
    parts: Parts, sim: Simulator, loop: Background
) -> None:
    """It is not counted as done, and the run ends all the same."""
    sim.delay = 0.3
    save(parts, sim, "groq", {"good": 12})
    run = begin(parts, loop)
    until(lambda: bool(sim.requests))
    for entry in parts.keys.list(owner=ME).entries[:2]:
        parts.keys.remove(entry.id, owner=ME)
    until(lambda: run.is_over)
    assert run.state == "finished"
    assert run.done <= 12
    assert parts.keys.counts(owner=ME) == {"groq": 10}


# --- cancelled in the middle ------------------------------------------------------------------


def test_two_hundred_keys_some_hanging_cancelled_in_the_middle(
    parts: Parts, sim: Simulator, loop: Background
) -> None:
    """Within a second nobody is asked any more, the hanging ones neither; what came by then stays,
    and nothing else is counted or kept."""
    save(parts, sim, "openrouter", {"good": 60, "slow": 12, "revoked": 28})
    save(parts, sim, "mistral", {"good": 64, "slow": 20, "revoked": 16}, door=1)
    sim.delay = 0.05
    run = begin(parts, loop)
    until(lambda: run.done >= 20)
    assert run.state == "running"
    assert run.total == 200
    run.cancel()
    cancelled = time.monotonic()
    assert run.is_over
    until(lambda: not sum(sim.world.active.values()))
    assert time.monotonic() - cancelled < 1 + BUSY
    asked, done = len(sim.requests), run.done
    time.sleep(0.3)
    assert (run.state, run.done, len(sim.requests)) == ("cancelled", done, asked)
    assert 20 <= done < 200
    known = stored(parts)
    assert done <= len(known) <= done + 8  # some were kept while the cancel came in between
    assert set(known.values()) <= {Verdict.VALID, Verdict.INVALID}
    run.cancel()
    assert run.state == "cancelled"


def test_what_comes_in_after_the_cancel_is_not_counted(
    parts: Parts, sim: Simulator, loop: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was on its way changes nothing of what was said when it was cancelled."""
    save(parts, sim, "mistral", {"good": 3})
    check_many, runs, begun = parts.checks.check_many, list[CheckAll](), Event()

    async def cancelled_first(
        ids: list[str], *, on_result: Callable[[CheckResult], None], **more: Any
    ) -> None:
        def heard(result: CheckResult) -> None:
            assert begun.wait(10)
            runs[0].cancel()
            on_result(result)

        await check_many(ids, on_result=heard, **more)

    monkeypatch.setattr(parts.checks, "check_many", cancelled_first)
    runs.append(begin(parts, loop))
    begun.set()
    until(lambda: runs[0].is_over and bool(stored(parts)))
    time.sleep(0.1)
    assert (runs[0].state, runs[0].done, runs[0].total) == ("cancelled", 0, 3)


def test_another_run_may_follow_at_once(parts: Parts, sim: Simulator, loop: Background) -> None:
    """A cancelled run holds nothing up: neither keys nor places at a server."""
    save(parts, sim, "mistral", {"slow": 20})
    run = begin(parts, loop)
    until(lambda: sum(sim.world.active.values()) >= 8)
    run.cancel()
    sim.behave("mistral", "good")
    again = begin(parts, loop)
    until(lambda: again.is_over)
    assert again.done == 20


# --- what breaks ------------------------------------------------------------------------------


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Iterator[Event]:
    """The list of keys cannot be read."""
    asked = Event()

    def fail(*_: object, **__: object) -> None:
        asked.set()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(KeyService, "list", fail)
        yield asked


def test_a_store_that_cannot_be_read_is_said_in_its_words(
    parts: Parts, loop: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with the reason; an unforeseen error is named by no word of its own."""
    for error, said in (
        (StoreError("The disk is full."), "The disk is full."),
        (ValueError("gsk_secret"), BROKE_OFF),
    ):
        with broken(monkeypatch, error) as asked:
            run = begin(parts, loop)
            until(lambda run=run: run.is_over)  # type: ignore[misc]
            assert asked.is_set()
        assert (run.state, run.problem, run.total) == ("failed", said, None)
