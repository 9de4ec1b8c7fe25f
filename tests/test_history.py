"""The past of a key: what its checks came to, how long they took, and what was sent through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mohet_keys.errors import StoreError
from mohet_keys.history import Seen, Tally
from mohet_keys.journal import Wanted
from mohet_keys.model import CheckResult, Diagnosis, Doing, KeyEntry, Verdict
from mohet_keys.repository import Repository, RowChanges
from mohet_keys.uses import DayOfUse, Spent
from tests.places import Place
from tests.test_repository import ME, put, sealing

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


def check(
    store: Repository,
    entry: KeyEntry,
    verdict: Verdict = Verdict.VALID,
    at: datetime = NOW,
    latency_ms: int | None = 100,
) -> None:
    """A check with this result."""
    said = Diagnosis(verdict, f"{verdict} then", "…", "…")
    result = CheckResult(entry.id, entry.revision, said, at, latency_ms=latency_ms)
    store.save_check(result, ME)


# --- checks -------------------------------------------------------------------------------------


def test_every_check_is_kept_the_latest_first(store: Repository) -> None:
    """The last one in full beside the key, the others in short."""
    entry = put(store)
    check(store, entry, at=NOW - HOUR)
    check(store, entry, Verdict.UNREACHABLE, latency_ms=None)
    assert store.history.of_key(entry.id, ME, limit=5) == [
        Seen(NOW, Verdict.UNREACHABLE, "unreachable then", None),
        Seen(NOW - HOUR, Verdict.VALID, "valid then", 100),
    ]
    assert len(store.history.of_key(entry.id, ME, limit=1)) == 1
    assert store.history.of_key(entry.id, "eve", limit=5) == []


@pytest.mark.parametrize("verdict", [Verdict.UNCHECKED, Verdict.LOCKED])
def test_what_no_server_was_asked_is_no_part_of_it(store: Repository, verdict: Verdict) -> None:
    """A key that did not open says nothing of its provider."""
    entry = put(store)
    check(store, entry, verdict)
    assert store.history.of_key(entry.id, ME, limit=5) == []


def test_a_result_for_an_older_secret_is_no_part_of_it(store: Repository) -> None:
    """It came late, and is about another secret."""
    entry = put(store)
    said = Diagnosis(Verdict.VALID, "r", "…")
    store.save_check(CheckResult(entry.id, entry.revision + 1, said, NOW), ME)
    assert store.history.of_key(entry.id, ME, limit=5) == []


def test_the_last_times_of_several_keys(store: Repository) -> None:
    """As many of each as is asked for, the oldest first, with gaps where nobody answered."""
    one, other = put(store, "One"), put(store, "Other")
    for number in range(4):
        check(store, one, at=NOW + HOUR * number, latency_ms=number)
    check(store, other, Verdict.UNREACHABLE, latency_ms=None)
    found = store.history.latencies([one.id, other.id, "nobody"], each=3)
    assert found == {one.id: [1, 2, 3], other.id: [None]}


def test_checks_are_counted_by_hour_provider_and_verdict(store: Repository) -> None:
    """With the mean time of those that were answered; other people's do not count."""
    one, other = put(store, "One"), put(store, "Other")
    check(store, one, latency_ms=100)
    check(store, other, at=NOW + timedelta(minutes=10), latency_ms=300)
    check(store, one, Verdict.UNREACHABLE, NOW - HOUR, None)
    hour = NOW.replace(minute=0)
    assert store.history.tallies(ME, NOW - DAY) == [
        Tally(hour - HOUR, "groq", Verdict.UNREACHABLE, 1, None),
        Tally(hour, "groq", Verdict.VALID, 2, 200.0),
    ]
    assert store.history.tallies(ME, NOW) == [Tally(hour, "groq", Verdict.VALID, 2, 200.0)]
    assert store.history.tallies("eve", NOW - DAY) == []


def test_what_is_older_than_is_kept_goes(store: Repository) -> None:
    """Also when it is more than goes in one step; what is younger stays."""
    entry = put(store)
    for _ in range(3):
        check(store, entry, at=NOW - DAY)
    check(store, entry)
    assert store.history.prune(NOW - HOUR) == 3
    assert [tally.count for tally in store.history.tallies(ME, NOW - DAY * 9)] == [1]
    assert [seen.at for seen in store.history.of_key(entry.id, ME, limit=9)] == [NOW]


def test_the_past_goes_with_its_key(store: Repository) -> None:
    """Nothing of it is left behind, but that its provider answered."""
    entry = put(store)
    check(store, entry)
    store.uses.count(entry.id, ME, NOW, Spent())
    store.delete(entry.id, ME)
    assert store.history.latencies([entry.id], each=5) == {}
    assert store.uses.days(ME, date(2000, 1, 1)) == []


# --- the age of a secret ------------------------------------------------------------------------


def test_a_secret_is_as_old_as_its_last_change(store: Repository) -> None:
    """Another secret is new; a new name, or the same secret for another address, is not."""
    entry = put(store, "One", created_at=NOW)
    assert entry.secret_at == NOW
    ring = sealing(store)
    changes = RowChanges(sealed=b"x", fingerprint="other", data_key_id="d1", revision=2)
    later = NOW + DAY
    changed = ring.update(entry.id, ME, version=1, changes=changes, by=ME, at=later)
    assert changed.secret_at == later
    moved = RowChanges(
        sealed=b"y", fingerprint="other", data_key_id="d1", revision=3, endpoint="https://b/v1"
    )
    same = ring.update(entry.id, ME, version=2, changes=moved, by=ME, at=later + DAY)
    assert same.secret_at == later


# --- use ----------------------------------------------------------------------------------------


def test_messages_are_counted_by_day(store: Repository) -> None:
    """Requests, errors and tokens of each day, of one key and of all; and when it was last used."""
    one, other = put(store, "One"), put(store, "Other")
    store.uses.count(one.id, ME, NOW - DAY, Spent(tokens_in=5, tokens_out=7))
    store.uses.count(one.id, ME, NOW, Spent(tokens_in=1, tokens_out=2))
    store.uses.count(one.id, ME, NOW + HOUR, Spent(is_error=True))
    store.uses.count(other.id, ME, NOW, Spent(tokens_in=10))
    first, second = date(2026, 3, 9), date(2026, 3, 10)
    assert store.uses.days(ME, first) == [
        DayOfUse(first, 1, 0, 5, 7),
        DayOfUse(second, 3, 1, 11, 2),
    ]
    assert store.uses.days(ME, second, key_id=one.id) == [DayOfUse(second, 2, 1, 1, 2)]
    assert [store.entry(each.id, ME).used_at for each in (one, other)] == [NOW + HOUR, NOW]
    assert store.uses.days("eve", first) == []


def test_a_message_is_counted_with_the_record_of_its_end(store: Repository) -> None:
    """For the key and the owner it was recorded of; once, and only if it was a message."""
    entry = put(store)

    def begun(key_id: str | None = entry.id) -> int:
        return store.journal.begin(Doing("chat", ME, ME, NOW, key_id=key_id, result=""))

    number, spent = begun(), Spent(tokens_in=5, tokens_out=7)
    store.journal.end(number, "finished", NOW, spent=spent)
    store.journal.end(number, "finished", NOW, spent=spent)
    store.journal.end(begun(), "valid", NOW)
    store.journal.end(begun(None), "finished", NOW, spent=spent)
    store.journal.end(begun("nobody"), "finished", NOW, spent=spent)
    assert store.uses.days(ME, NOW.date()) == [DayOfUse(NOW.date(), 1, 0, 5, 7)]


def test_an_end_that_is_not_counted_is_not_recorded(store: Repository) -> None:
    """Both are written at once, or neither is."""
    entry = put(store)
    number = store.journal.begin(Doing("chat", ME, ME, NOW, key_id=entry.id, result=""))
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE daily_use RENAME TO elsewhere")
    with pytest.raises(StoreError):
        store.journal.end(number, "finished", NOW, spent=Spent())
    (event,) = store.journal.page(Wanted(owner=ME))
    assert event.result == ""


def test_a_key_that_is_gone_or_somebody_elses_counts_nothing(store: Repository) -> None:
    """The message is over either way."""
    entry = put(store)
    store.uses.count(entry.id, "eve", NOW, Spent())
    store.uses.count("nobody", ME, NOW, Spent())
    assert store.uses.days(ME, date(2000, 1, 1)) == []
    assert store.entry(entry.id, ME).used_at is None


def test_a_use_is_no_change_of_the_key(store: Repository) -> None:
    """Whoever edits it meanwhile has seen what there is."""
    entry = put(store)
    store.uses.count(entry.id, ME, NOW, Spent())
    assert store.entry(entry.id, ME) == replace(entry, used_at=NOW)


def test_old_days_go(store: Repository) -> None:
    """Those before the first that is kept; when a key was last used is known all the same."""
    entry = put(store)
    for days in (2, 1, 0):
        store.uses.count(entry.id, ME, NOW - DAY * days, Spent())
    idle = put(store, "Idle")
    store.uses.count(idle.id, ME, NOW - DAY * 100, Spent())
    assert store.uses.prune(date(2026, 3, 10)) == 3
    assert [each.day for each in store.uses.days(ME, date(2025, 1, 1))] == [date(2026, 3, 10)]
    assert store.entry(idle.id, ME).used_at == NOW - DAY * 100
