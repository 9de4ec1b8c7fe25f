"""A running app's signs of life, on a real store of both kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mohet_keys import postgres_link
from mohet_keys.background import Background
from mohet_keys.errors import StoreError
from mohet_keys.leases import ALIVE_FOR, Leases, Running
from mohet_keys.presence import EVERY, Presence
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.masters import NEW_ID, OLD_ID, add, replaced, started
from tests.places import Place
from tests.waiting import until


@pytest.fixture
def parts(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    """An app with both master keys."""
    monkeypatch.setenv("MOHET_DATABASE_URL", place.url)
    with started(tmp_path, "old"):
        pass
    with started(tmp_path, "both") as both:
        both.rotation.rotate()
        yield both


@pytest.fixture
def loop() -> Iterator[Background]:
    """The background loop."""
    running = Background()
    yield running
    running.close()


def running(parts: Parts) -> list[Running]:
    """The apps that run now."""
    return parts.repository.leases.running(datetime.now(UTC))


def test_a_beating_app_is_seen_with_its_master_keys(parts: Parts, loop: Background) -> None:
    """From its first beat on, again and again, until the loop is closed."""
    loop.submit(Presence(parts.repository, parts.safe).beat(0.02))
    until(lambda: running(parts))
    (first,) = running(parts)
    assert first.masters == (NEW_ID, OLD_ID)
    until(lambda: running(parts)[0].seen_at > first.seen_at)
    (later,) = running(parts)
    assert (later.id, later.started_at) == (first.id, first.started_at)
    loop.close()
    assert running(parts) == []


def test_an_app_that_beats_counts_as_running_in_between(parts: Parts) -> None:
    """Some beats may fail before it seems to be gone."""
    assert timedelta(seconds=EVERY) * 4 < ALIVE_FOR
    Presence(parts.repository, parts.safe).announce()
    assert parts.repository.leases.running(datetime.now(UTC) + timedelta(seconds=4 * EVERY))


def test_a_store_that_fails_is_tried_again(
    parts: Parts, loop: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beat goes on, and is seen when the store works again."""
    failed: list[str] = []
    announce = Leases.announce

    def failing(self: Leases, process: str, *more: object, **told: object) -> None:
        if len(failed) < 3:
            failed.append(process)
            raise StoreError("The disk failed.")
        announce(self, process, *more, **told)  # type: ignore[arg-type]

    monkeypatch.setattr(Leases, "announce", failing)
    beat = loop.submit(Presence(parts.repository, parts.safe).beat(0.01))
    until(lambda: running(parts))
    assert (len(set(failed)), len(failed), beat.done()) == (1, 3, False)


def test_a_store_that_is_held_by_another_stops_no_network_work(
    parts: Parts, loop: Background, place: Place
) -> None:
    """The loop runs on while a beat waits for the lock, and the beat comes when it is free."""
    with closing(place.connect()) as other:
        other.execute("BEGIN IMMEDIATE" if place.is_file else str(postgres_link._LOCK))
        beat = loop.submit(Presence(parts.repository, parts.safe).beat(0.01))
        assert loop.run(asyncio.sleep(0.05, "on time"), timeout=5) == "on time"
        assert running(parts) == []
        other.execute("ROLLBACK")
    until(lambda: running(parts))
    assert not beat.done()


def test_former_secrets_are_forgotten_with_the_beat(parts: Parts) -> None:
    """Those whose time is over, and no other."""
    replaced(parts, add(parts, "K"), canary("gsk_"))
    moment = [datetime.now(UTC)]
    presence = Presence(parts.repository, parts.safe, clock=lambda: moment[0])
    presence.announce()
    assert len(parts.repository.keyring.former_secrets()) == 1
    moment[0] += timedelta(minutes=15)
    presence.announce()
    assert parts.repository.keyring.former_secrets() == []


def test_a_use_is_told_with_the_next_beat(parts: Parts) -> None:
    """Nothing is written for it at once; each beat after it tells it again."""
    leases, now = parts.repository.leases, datetime.now(UTC)
    presence = Presence(parts.repository, parts.safe, clock=lambda: now)
    presence.announce()
    assert leases.last_used(now) is None
    presence.touch()
    assert leases.last_used(now) is None
    presence.announce()
    presence.announce()
    assert leases.last_used(now) == now


def test_after_leaving_no_beat_comes(parts: Parts) -> None:
    """One that was under way must not bring the app back."""
    presence = Presence(parts.repository, parts.safe)
    presence.announce()
    presence.leave()
    presence.announce()
    assert running(parts) == []


def test_an_app_that_is_cancelled_twice_has_left(parts: Parts, loop: Background) -> None:
    """Once by whoever started it, once by the loop that closes; after that nothing is asked."""
    beat = loop.submit(Presence(parts.repository, parts.safe).beat(0.01))
    until(lambda: running(parts))
    beat.cancel()
    loop.close()
    assert running(parts) == []


def test_leaving_a_store_that_fails_raises_nothing(
    parts: Parts, loop: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app is seen to be gone all the same before long."""
    presence = Presence(parts.repository, parts.safe)
    beat = loop.submit(presence.beat(0.01))
    until(lambda: running(parts))

    def failing(*_: object) -> None:
        raise StoreError("The disk failed.")

    monkeypatch.setattr(Leases, "leave", failing)
    loop.close()
    assert beat.cancelled()
    assert parts.repository.leases.running(datetime.now(UTC) + ALIVE_FOR * 2) == []


def test_two_apps_are_two(parts: Parts) -> None:
    """Also in one process, each comes and goes for itself."""
    one, other = (Presence(parts.repository, parts.safe) for _ in range(2))
    one.announce()
    other.announce()
    assert len(running(parts)) == 2
    one.leave()
    assert len(running(parts)) == 1
