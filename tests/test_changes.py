"""Each process learns of the changes of others: on both databases, through every way of waiting."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mohet_keys import changes
from mohet_keys.changes import Changes, Unheard
from mohet_keys.model import KeyEntry, Spent, Verdict
from mohet_keys.repository import Repository
from mohet_keys.sqlite_file import Counter, files_of
from tests.places import ON_POSTGRES, ON_SQLITE, Place, file_place
from tests.postgres import serving
from tests.test_repository import LATER, ME, NOW, change, put, result

LONG = 20.0
"""Seconds after which a wait is given up: a machine may be busy."""


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """The store of one process."""
    repository = place.opened()
    yield repository
    repository.close()


@pytest.fixture
def other(place: Place, store: Repository) -> Iterator[Repository]:
    """The same store in another process: it shares nothing with the first."""
    repository = place.opened()
    yield repository
    repository.close()


def quiet(heard: Changes, since: int, seconds: float = 0.7) -> bool:
    """Whether nothing is told for a while."""
    return heard.wait_here(since, seconds) == since


def settled(heard: Changes, seconds: float = 0.7) -> int:
    """The revision once all that happened before is told."""
    since = heard.revision
    while not quiet(heard, since, seconds):
        since = heard.revision
    return since


# --- what is told -------------------------------------------------------------------------------

DOINGS: dict[str, Callable[[Repository, KeyEntry], object]] = {
    "a key deleted": lambda store, entry: store.delete(entry.id, ME),
    "a key saved": lambda store, _: put(store, "Another"),
    "a key renamed": lambda store, entry: change(store, entry, name="New", name_key="new"),
    "a key turned invalid": lambda store, entry: store.save_check(
        result(entry, Verdict.INVALID), ME
    ),
    "another selected": lambda store, entry: store.select(ME, entry.id, None, NOW),
}


@pytest.mark.parametrize("doing", DOINGS)
def test_what_another_process_does_is_told(
    store: Repository, other: Repository, doing: str
) -> None:
    """Whoever waits is woken, and finds it in the store."""
    entry = put(store)
    since = settled(store.changes)
    DOINGS[doing](other, entry)
    assert store.changes.wait_here(since, LONG) != since


def test_what_this_process_does_is_told_too(store: Repository) -> None:
    """A tab of the same server has to hear of it as well."""
    since = settled(store.changes)
    put(store)
    assert store.changes.wait_here(since, LONG) != since


def test_what_happens_before_the_wait_is_not_missed(store: Repository, other: Repository) -> None:
    """Between reading the revision and waiting with it, and before anybody ever listened."""
    since = store.changes.revision
    put(other)
    assert store.changes.wait_here(since, LONG) != since
    since = settled(store.changes)
    put(other, "Other")
    time.sleep(0.5)
    assert store.changes.wait_here(since, 0) != since


def test_nothing_is_told_of_nothing(store: Repository, other: Repository) -> None:
    """Who only reads wakes nobody."""
    put(store)
    since = settled(store.changes)
    other.page(ME)
    assert quiet(store.changes, since)


@ON_POSTGRES
def test_what_happens_all_day_long_is_not_told(
    store: Repository, other: Repository, place: Place
) -> None:
    """A sign of life, a lease, the record, and when a key was last used: nobody waits for that."""
    entry = put(store)
    since = settled(store.changes)
    other.leases.announce("far-away:1:x", [], NOW)
    other.leases.take("x", "far-away:1:x", NOW, timedelta(minutes=1))
    other.note_checks([result(entry)], ME)
    other.uses.count(entry.id, ME, NOW, Spent())
    place.sql("UPDATE api_key SET used_at = now()")
    assert quiet(store.changes, since)
    other.select(ME, entry.id, None, LATER)
    assert store.changes.wait_here(since, LONG) != since


# --- who waits ----------------------------------------------------------------------------------


def test_a_coroutine_waits_and_the_loop_goes_on(store: Repository, other: Repository) -> None:
    """Several wait at once, each is woken; the time of one is over when it is."""
    since = settled(store.changes)

    async def story() -> list[int]:
        waits = [asyncio.create_task(store.changes.wait(since, LONG)) for _ in range(3)]
        assert await store.changes.wait(since, 0.05) == since
        await asyncio.to_thread(put, other)
        return await asyncio.gather(*waits)

    assert since not in asyncio.run(story())


def test_a_loop_that_is_gone_disturbs_nobody(store: Repository, other: Repository) -> None:
    """Its coroutine waited when it was closed."""
    since = settled(store.changes)

    async def leave() -> None:
        task = asyncio.create_task(store.changes.wait(since, LONG))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(leave())
    put(other)
    assert store.changes.wait_here(since, LONG) != since


def test_a_wait_that_nobody_tells_takes_its_time() -> None:
    """Where nobody listens, a wait is a pause."""
    assert asyncio.run(Unheard().wait(0, 0.01)) == Unheard.revision


def test_closing_wakes_the_threads_that_wait(store: Repository) -> None:
    """None is left waiting, and none listens any more."""
    since = settled(store.changes)
    thread = threading.Thread(target=store.changes.wait_here, args=(since, LONG))
    thread.start()
    store.changes.close()
    thread.join(LONG)
    assert not thread.is_alive()
    store.changes.close()
    assert store.changes.revision == since
    assert "mohet-changes" not in {thread.name for thread in threading.enumerate()}


def test_nobody_listens_for_nobody(store: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after the last who asked the thread ends; the next who asks hears everything."""
    monkeypatch.setattr(changes, "LINGER", 0.2)
    since = settled(store.changes)
    thread = store.changes._thread
    assert thread is not None
    thread.join(LONG)
    assert not thread.is_alive()
    put(store)
    assert store.changes.wait_here(since, LONG) != since


# --- when the database is away ------------------------------------------------------------------


def exchange(place: Place, folder: Path) -> None:
    """Put another store in the place of one, as a restore does where there is no database."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    fresh, live = (
        Path(each.url.removeprefix("sqlite:///")) for each in (file_place(elsewhere), place)
    )
    for side in files_of(live)[1:]:
        side.unlink(missing_ok=True)
    fresh.replace(live)


@ON_SQLITE
def test_a_file_that_was_exchanged_is_followed(
    store: Repository, place: Place, tmp_path: Path
) -> None:
    """A restore may put another file in the place of the store: from then on that one counts."""
    since = settled(store.changes)
    exchange(place, tmp_path)
    assert store.changes.wait_here(since, LONG) != since
    since = settled(store.changes, 1.5)
    with closing(place.opened()) as other:
        put(other)
        assert store.changes.wait_here(since, LONG) != since


@ON_SQLITE
def test_without_a_look_at_the_file_it_would_not_be(
    store: Repository, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the old file is counted, in which nothing happens any more."""
    monkeypatch.setattr(Counter, "has_heard", Counter.has_moved)
    since = settled(store.changes)
    exchange(place, tmp_path)
    with closing(place.opened()) as other:
        put(other)
    assert quiet(store.changes, since)


def test_a_server_that_was_restarted_is_listened_to_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What happened meanwhile is told as soon as it is back, and what happens from then on."""
    with serving() as server:
        url = server.url(server.create())
        with closing(Repository(url)) as store:
            entry = put(store)
            since = settled(store.changes)
            server.stop()
            server.start()
            assert store.changes.wait_here(since, LONG) != since
            since = settled(store.changes, 1.5)
            with closing(Repository(url)) as other:
                other.delete(entry.id, ME)
            assert store.changes.wait_here(since, LONG) != since
    assert {each.name for each in caplog.records if each.levelno >= logging.ERROR} == set()
