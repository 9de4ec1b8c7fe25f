"""When keys are looked at next, on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mohet_keys.model import CheckResult, Diagnosis, Verdict
from mohet_keys.repository import NewRow, Repository
from mohet_keys.sealed import WrappedKey
from mohet_keys.watches import Next, Watched
from tests.places import Place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAR = NOW + timedelta(days=1)


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store with a data key."""
    repository = place.opened()
    repository.keyring.begin([WrappedKey("d", "m", "seal", b"")], sealing="d")
    yield repository
    repository.close()


def row(number: int, owner: str = "ada", looks_like: str | None = None) -> NewRow:
    """A key that says in each field which one it is."""
    return NewRow(
        id=f"k{number}",
        owner=owner,
        provider="groq",
        name=f"K{number}",
        name_key=f"k{number}",
        endpoint="https://api.groq.com/openai/v1",
        hint="",
        has_secret=True,
        sealed=b"x",
        fingerprint=None,
        data_key_id="d",
        revision=1,
        looks_like=looks_like,
        allow_http=False,
        created_at=NOW - timedelta(hours=number),
    )


def put(store: Repository, *rows: NewRow) -> None:
    """Write keys."""
    for each in rows:
        store.insert(each, by=each.owner)


def checked(store: Repository, key_id: str, verdict: Verdict, at: datetime = NOW) -> None:
    """Keep a check of a key."""
    said = Diagnosis(verdict, "why", "Because.")
    store.save_check(CheckResult(key_id, 1, said, at), "ada")


def due(store: Repository, now: datetime = NOW, *, latest: datetime = FAR) -> list[str]:
    """The ids of the keys whose time has come."""
    return [each.key_id for each in store.watches.due(now, latest=latest, limit=9)]


def test_keys_are_taken_in_from_the_time_they_were_last_heard_of(store: Repository) -> None:
    """The check counts, else when the secret was put in; each is taken in once."""
    put(store, row(1), row(2))
    checked(store, "k1", Verdict.VALID, NOW - MINUTE)
    assert store.watches.enrol(lambda since: since + timedelta(hours=1)) == 2
    assert store.watches.next_at(["k1", "k2"]) == {
        "k1": NOW + timedelta(minutes=59),
        "k2": NOW - timedelta(hours=1),
    }
    assert store.watches.enrol(lambda since: since) == 0


def test_what_is_due_comes_with_how_it_stands_the_longest_overdue_first(store: Repository) -> None:
    """Everybody's keys, as many as are asked for, and none whose time has not come."""
    put(store, row(1), row(2, "eve"), row(3))
    checked(store, "k1", Verdict.INVALID)
    store.watches.put([Next("k1", NOW, 2), Next("k2", NOW - MINUTE), Next("k3", NOW + MINUTE)])
    assert due(store) == ["k2", "k1"]
    assert [w.key_id for w in store.watches.due(NOW, latest=FAR, limit=1)] == ["k2"]
    assert [w.key_id for w in store.watches.soonest(limit=9)] == ["k2", "k1", "k3"]
    second = store.watches.due(NOW, latest=FAR, limit=9)[1]
    assert second == Watched("k1", "ada", row(1).endpoint, NOW, 2, "invalid")


def test_held_keys_and_altered_rows_are_not_looked_at(store: Repository) -> None:
    """Nothing would be sent; so nothing says when they come next either."""
    put(store, row(1, looks_like="openai"), row(2), row(3))
    checked(store, "k2", Verdict.LOCKED)
    store.watches.enrol(lambda _: NOW)
    store.watches.put([Next("k1", NOW), Next("k2", NOW)])
    assert due(store) == ["k3"]
    assert store.watches.next_at(["k1", "k2", "k3"]) == {"k3": NOW}


def test_a_look_that_is_later_than_can_be_is_due(store: Repository) -> None:
    """The clock was put back, or keys are to be looked at more often from now on."""
    put(store, row(1), row(2))
    store.watches.put([Next("k1", FAR + MINUTE), Next("k2", FAR)])
    assert due(store) == ["k1"]


def test_a_key_that_is_gone_is_not_put(store: Repository) -> None:
    """It was deleted while it was looked at; its row went with it."""
    put(store, row(1))
    store.watches.put([Next("k1", NOW)])
    store.delete("k1", "ada")
    store.watches.put([Next("k1", NOW)])
    assert store.watches.next_at(["k1"]) == {}


def test_only_what_failed_is_hastened(store: Repository) -> None:
    """The others have their time."""
    put(store, row(1), row(2))
    store.watches.put([Next("k1", NOW + MINUTE, 1), Next("k2", NOW + MINUTE)])
    assert store.watches.hasten(NOW) == 1
    assert due(store) == ["k1"]
    (one, _) = store.watches.soonest(limit=9)
    assert one == replace(one, key_id="k1", failures=1)
