"""Turns: a server that asks for a wait gets it, from those who check many keys, within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import pytest

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.simulator.server import Simulator
from mohet_keys.turns import REMEMBERED, Rests
from mohet_keys.validation import NOT_CARRIED_OUT
from tests.sink import Script, Sink, Step, reply
from tests.test_validation import ME, Shelf, checks, run

GOOD = reply(b'{"data": {"label": "sim", "is_free_tier": false}}')


def hasty(wait: str) -> Script:
    """Too many requests, and how long to wait."""
    return reply(b'{"error": {"message": "Slow down", "code": 429}}', f"Retry-After: {wait}",
                 status="429 Too Many Requests")  # fmt: skip


class Busy(Sink):
    """A server that asks its first `times` callers to wait, and takes the others."""

    def __init__(self, wait: str, times: int = 1) -> None:
        super().__init__(self._next)
        self.at: list[float] = []
        self._wait_for, self._times = wait, times

    def _next(self) -> Iterable[Step]:
        self.at.append(time.monotonic())
        return (hasty(self._wait_for) if len(self.at) <= self._times else GOOD)()


def crowd(shelf: Shelf, server: Sink, count: int) -> list[str]:
    """So many keys at a server."""
    return [shelf.put("openrouter", server.url()) for _ in range(count)]


def left_out(results: list[CheckResult]) -> list[CheckResult]:
    """Those that nobody was asked about."""
    return [each for each in results if each.diagnosis.reason == NOT_CARRIED_OUT]


def gap_after_the_no() -> float:
    """Seconds between a server's “not now” and the next request, one at a time."""
    shelf = Shelf()
    with Busy("1") as server:
        run(checks(shelf).check_many(crowd(shelf, server, 2), owner=ME, per_host=1))
        return server.at[1] - server.at[0]


def test_the_others_wait_as_long_as_the_server_asked_and_are_checked_then() -> None:
    """After 429 with `Retry-After: 1` nothing is sent for a second; who looks on is told so."""
    shelf, waits = Shelf(), list[tuple[str, float]]()

    def told(entry: KeyEntry, seconds: float) -> None:
        waits.append((entry.id, seconds))

    with Busy("1") as server:
        ids = crowd(shelf, server, 3)
        results = run(checks(shelf).check_many(ids, owner=ME, per_host=1, on_wait=told))
        assert server.at[1] - server.at[0] >= 1
    assert {each.diagnosis.verdict for each in results} == {Verdict.VALID}
    assert [each.diagnosis.reason for each in results].count("rate limited") == 1
    assert [key_id for key_id, _ in waits] == [ids[1]]
    assert 0 < waits[0][1] <= 1


def test_they_would_not_wait_if_nobody_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the next request follows at once."""
    monkeypatch.setattr(Rests, "told", lambda *_: None)
    assert gap_after_the_no() < 1


@pytest.mark.parametrize("wait", ["61", "86400", "999999999999"])
def test_t57_for_an_absurd_wait_the_others_are_left_out(wait: str) -> None:
    """Nothing more is sent there, nothing of it is on record as a use, and other servers go on."""
    shelf = Shelf()
    with Busy(wait) as server, Simulator() as other:
        ids = crowd(shelf, server, 5)
        elsewhere = shelf.put("openrouter", other.endpoint("openrouter"))
        results = run(checks(shelf).check_many([*ids, elsewhere], owner=ME, per_host=1))
        assert len(server.at) == 1
    assert [each.key_id for each in left_out(results)] == ids[1:]
    assert {each.diagnosis.verdict for each in left_out(results)} == {Verdict.UNCHECKED}
    assert all("asked to be left alone" in r.diagnosis.explanation for r in left_out(results))
    assert results[-1].diagnosis.verdict is Verdict.VALID
    assert shelf.opened == len(shelf.recorded) == 2


def test_t57_a_server_that_is_always_busy_is_waited_for_once_and_not_for_ever() -> None:
    """A run has so much patience with a server in all, however often that asks."""
    shelf = Shelf()
    with Busy("1", times=99) as server:
        ids = crowd(shelf, server, 5)
        results = run(checks(shelf, patience=1.5).check_many(ids, owner=ME, per_host=1))
        assert len(server.at) == 2
    assert [each.key_id for each in left_out(results)] == ids[2:]


def test_who_waits_for_one_server_keeps_nobody_else_from_another() -> None:
    """Keys that wait take no place among those that are under way."""
    shelf = Shelf()
    with Busy("2") as server, Simulator() as other:
        ids = crowd(shelf, server, 4)
        elsewhere = [shelf.put("openrouter", other.endpoint("openrouter")) for _ in range(4)]
        told: list[str] = []
        work = checks(shelf).check_many(
            [*ids, *elsewhere], owner=ME, cap=1, on_result=lambda r: told.append(r.key_id)
        )
        run(work)
    assert set(told[1:5]) == set(elsewhere)


def test_one_key_alone_is_asked_about_whatever_was_said() -> None:
    """The visitor who wants to know about one key is not made to wait, nor to stand in line."""
    shelf = Shelf()
    with Busy("30") as server:
        ids = crowd(shelf, server, 2)
        service = checks(shelf)

        async def asked() -> CheckResult:
            many = asyncio.create_task(service.check_many(ids, owner=ME, per_host=1))
            while not shelf.recorded:  # noqa: ASYNC110  # the first one is told to wait
                await asyncio.sleep(0.01)
            one = await service.check(ids[1], owner=ME)
            many.cancel()
            return one

        assert run(asked()).diagnosis.verdict is Verdict.VALID


def test_a_wait_ends_when_the_run_is_cancelled() -> None:
    """Nobody sits a wait out for nothing."""
    shelf = Shelf()
    with Busy("30") as server:
        ids = crowd(shelf, server, 3)

        async def cancelled() -> float:
            many = asyncio.create_task(checks(shelf).check_many(ids, owner=ME, per_host=1))
            while not shelf.recorded:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            many.cancel()
            since = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await many
            return time.monotonic() - since

        assert run(cancelled()) < 1
        assert len(server.at) == 1


def test_a_server_that_asks_to_be_left_alone_is_not_asked_for_its_models() -> None:
    """Not even by the check that was told so."""
    shelf = Shelf()
    with Busy("5", times=99) as server:
        run(checks(shelf).check(*crowd(shelf, server, 1), owner=ME))
        assert len(server.at) == 1


def test_a_run_later_on_still_knows() -> None:
    """The wait is the server's, not that of one run."""
    shelf = Shelf()
    with Busy("90") as server:
        service = checks(shelf)
        ids = crowd(shelf, server, 2)
        run(service.check_many(ids[:1], owner=ME))
        assert left_out(run(service.check_many(ids, owner=ME)))
        assert len(server.at) == 1


# --- what counts as a wait --------------------------------------------------------------------


def rested(verdict: Verdict, wait: float | None) -> float:
    """For how long a server is left alone after such an answer."""
    rests = Rests(lambda: 1000.0)
    rests.told("https://api.example/v1", Diagnosis(verdict, "", "", retry_after=wait))
    assert rests.left("https://other.example") == 0
    return rests.left("https://api.example")


def test_an_allowance_that_is_used_up_is_not_the_servers() -> None:
    """Only what is said of the requests, or by a server in trouble, concerns the other keys."""
    assert rested(Verdict.VALID, 12) == 12
    assert rested(Verdict.UNREACHABLE, 12) == 12
    assert rested(Verdict.LIMITED, 12) == 0
    assert rested(Verdict.VALID, None) == 0
    assert rested(Verdict.VALID, 1e9) == REMEMBERED


def test_a_shorter_wait_takes_nothing_from_a_longer_one() -> None:
    """Of two answers the one that asks for more counts."""
    now = [1000.0]
    rests = Rests(lambda: now[0])
    for wait in (30.0, 5.0):
        rests.told("https://api.example/v1", Diagnosis(Verdict.VALID, "", "", retry_after=wait))
    assert rests.left("https://api.example") == 30
    now[0] += 31
    assert rests.left("https://api.example") == 0
