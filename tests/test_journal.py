"""The record of what happened: only ever added to, read in order, no row hiding another."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mohet_keys import activity
from mohet_keys.errors import StoreError
from mohet_keys.journal import UNREADABLE, Journal, Wanted
from mohet_keys.model import Activity, Doing
from mohet_keys.repository import Repository
from mohet_keys.tables import EVENT
from tests.places import ON_SQLITE, REFUSED, Place
from tests.test_floors import MODULES, nodes

ME = "local"
NOW = datetime(2026, 11, 19, 14, 5, tzinfo=UTC)
Sql = Callable[..., list[Any]]


def doing(name: str = "Production", **more: Any) -> Doing:
    """Something that was done."""
    told = {"actor": ME, "owner": ME, "at": NOW, "key_id": "k1", "provider": "groq"}
    given = {"action": "check", "host": "api.groq.com", "request_id": "r1", **told, **more}
    return Doing(key_name=name, **given)


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


@pytest.fixture
def journal(store: Repository) -> Journal:
    """Its record."""
    return store.journal


@pytest.fixture
def sql(place: Place) -> Sql:
    """Reaches into the store behind the product's back."""
    return place.sql


def names(entries: list[Activity]) -> list[str]:
    """The keys' names."""
    return [entry.key_name for entry in entries]


# --- adding -----------------------------------------------------------------------------------


def test_what_begins_stands_there_without_an_end(journal: Journal) -> None:
    """Something that was begun is on record at once, and says that its end is not known."""
    number = journal.begin(doing(result=""))
    (entry,) = journal.page(Wanted())
    assert (entry.id, entry.result, entry.at, entry.host) == (number, "", NOW, "api.groq.com")


def test_the_first_end_counts(journal: Journal) -> None:
    """How it ended is told once; a second word changes nothing."""
    number = journal.begin(doing(result=""))
    journal.end(number, "valid", NOW, "key works")
    journal.end(number, "invalid", NOW, "changed my mind")
    (entry,) = journal.page(Wanted())
    assert (entry.result, entry.detail) == ("valid", "key works")


def test_an_end_of_nothing_is_refused(journal: Journal) -> None:
    """The end of something that never began cannot be recorded."""
    with pytest.raises(StoreError):
        journal.end(99, "valid", NOW)
    assert journal.page(Wanted()) == []


# --- only added to ----------------------------------------------------------------------------

_COLUMNS = "action, key_id, key_name, provider, host, result, detail, request_id, fingerprint"
_AGAIN = f"SELECT id, at, 'x', owner, {_COLUMNS} FROM event"  # noqa: S608  # constants
_OR_ELSE = "ON CONFLICT (id) DO UPDATE SET actor = excluded.actor"
CHANGES = {
    "sqlite": (
        "UPDATE event SET actor = 'somebody else'",
        "UPDATE event_outcome SET result = 'valid'",
        "DELETE FROM event",
        "DELETE FROM event_outcome",
        f"REPLACE INTO event {_AGAIN}",
        "REPLACE INTO event_outcome SELECT event_id, at, 'valid', detail FROM event_outcome",
    ),
    "postgresql": (
        "UPDATE event SET actor = 'somebody else'",
        "UPDATE event_outcome SET result = 'valid'",
        "DELETE FROM event_outcome",
        "TRUNCATE event, event_outcome",
        "TRUNCATE event_outcome",
        f"INSERT INTO event (id, at, actor, owner, {_COLUMNS}) {_AGAIN} {_OR_ELSE}",
    ),
}
FORBIDDEN = [(kind, statement) for kind, statements in CHANGES.items() for statement in statements]


@pytest.mark.parametrize(("place", "statement"), FORBIDDEN, indirect=["place"])
def test_t49_the_database_refuses_to_change_the_record(
    journal: Journal, sql: Sql, statement: str
) -> None:
    """Nothing that is on record is changed or taken away, whoever holds the connection."""
    journal.end(journal.begin(doing(result="")), "invalid", NOW)
    before = journal.page(Wanted())
    with pytest.raises(REFUSED, match="only added to"):
        sql(statement)
    assert journal.page(Wanted()) == before


@pytest.mark.parametrize(("place", "statement"), FORBIDDEN, indirect=["place"])
def test_without_the_triggers_the_record_could_be_changed(
    journal: Journal, place: Place, statement: str
) -> None:
    """The twin: it is the triggers that refuse."""
    journal.end(journal.begin(doing(result="")), "invalid", NOW)
    before = journal.page(Wanted())
    drop_triggers(place)
    place.sql(statement)
    assert journal.page(Wanted()) != before


def drop_triggers(place: Place) -> None:
    """Take the guards of the record away."""
    if place.is_file:
        for (trigger,) in place.sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            place.sql(f"DROP TRIGGER {trigger}")
    else:
        for table in ("event", "event_outcome"):
            place.sql(f"DROP TRIGGER {table}_only_added ON {table}")


_CHANGING = re.compile(
    r"\b(UPDATE|DELETE\s+FROM|REPLACE\s+INTO|DROP\s+TABLE)\s+(event|event_outcome)\b", re.IGNORECASE
)


_TABLES = {"EVENT", "OUTCOME", "EventRow", "OutcomeRow"}


def changes_the_record(source: str) -> list[int]:
    """The lines of a module that would change or delete something on record."""
    found = []
    for node in nodes(source):
        if isinstance(node, ast.Call) and re.search(r"\b(update|delete)$", ast.unparse(node.func)):
            named = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            found += [node.lineno] if named & _TABLES else []
        elif isinstance(node, ast.Constant) and _CHANGING.search(str(node.value)):
            found.append(node.lineno)
    return found


def test_t49_no_statement_of_ours_changes_the_record() -> None:
    """No module updates or deletes what is on record."""
    found = {module: changes_the_record(path.read_text()) for module, path in MODULES.items()}
    assert {module: lines for module, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "connection.execute(update(EVENT).values(actor='x'))",
        "connection.execute(sqlalchemy.delete(OUTCOME))",
        "connection.execute(text('delete from event'))",
        "op.execute('UPDATE event_outcome SET result = 1')",
        "OUTCOME.delete()",
    ],
)
def test_a_statement_that_changes_the_record_would_be_found(source: str) -> None:
    """The twin: the look at the code sees what it forbids."""
    assert changes_the_record(source) == [1]


def test_no_number_comes_again(journal: Journal, place: Place) -> None:
    """Even when somebody takes the last entry away, its number stays missing."""
    last = journal.begin(doing())
    drop_triggers(place)
    place.sql("DELETE FROM event")
    assert journal.begin(doing()) == last + 1


# --- reading ----------------------------------------------------------------------------------


def test_the_latest_comes_first(journal: Journal) -> None:
    """In the order of recording, whatever the clock said."""
    for place, name in enumerate(("one", "two", "three")):
        journal.begin(doing(name, at=NOW - timedelta(hours=place)))
    assert names(journal.page(Wanted())) == ["three", "two", "one"]


def test_pages_do_not_shift(journal: Journal) -> None:
    """A page is what is older than an entry, so what happens meanwhile moves nothing."""
    for place in range(7):
        journal.begin(doing(str(place)))
    first = journal.page(Wanted(), limit=3)
    journal.begin(doing("new"))
    second = journal.page(Wanted(), before=first[-1].id, limit=3)
    assert (names(first), names(second)) == (["6", "5", "4"], ["3", "2", "1"])


def test_all_is_read_in_parts_each_once(journal: Journal, store: Repository) -> None:
    """More than fits in one part comes whole, in order, and no more than was asked for."""
    record(store, 2500)
    found = [entry.id for entry in journal.all(Wanted(), 9000)]
    assert found == list(range(2500, 0, -1))
    assert [entry.id for entry in journal.all(Wanted(), 1200)] == found[:1200]
    assert list(journal.all(Wanted(), 0)) == []


def test_all_leaves_no_transaction_open(journal: Journal, store: Repository, place: Place) -> None:
    """Between two parts somebody else may write, and the log be emptied."""
    record(store, 1500)
    reading = journal.all(Wanted(), 9000)
    next(reading)
    journal.begin(doing("meanwhile"))
    if place.is_file:
        assert place.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0
    else:
        open_ones = "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
        assert place.sql(f"{open_ones} AND state LIKE 'idle in transaction%'") == []
    assert "meanwhile" not in names(list(reading))


OTHERS = [
    ("owner", {"owner": "ada"}, Wanted(owner="ada")),
    ("action", {"action": "reveal"}, Wanted(action="reveal")),
    ("provider", {"provider": "mistral"}, Wanted(provider="mistral")),
    ("key", {"key_id": "k2"}, Wanted(key_id="k2")),
    ("result", {"result": "failed"}, Wanted(result="failed")),
    ("no end", {"result": ""}, Wanted(result="")),
    ("since", {"at": NOW + timedelta(hours=1)}, Wanted(since=NOW + timedelta(minutes=1))),
    ("but", {"action": "add"}, Wanted(but=("check",))),
    ("name", {"key_name": "Other"}, Wanted(search="oTHEr")),
    ("host", {"host": "proxy.example"}, Wanted(search="proxy")),
    ("who", {"actor": "grace"}, Wanted(search=" grace ")),
    ("request", {"request_id": "abc123"}, Wanted(search="ABC123")),
    ("percent", {"key_name": "100 %"}, Wanted(search="0 %")),
    ("underscore", {"key_name": "a_b"}, Wanted(search="a_b")),
    ("quote", {"key_name": "a'); DROP TABLE event; --"}, Wanted(search="'); DROP")),
]


@pytest.mark.parametrize(("_what", "other", "wanted"), OTHERS)
def test_what_is_wanted_is_found_alone(
    journal: Journal, _what: str, other: dict[str, Any], wanted: Wanted
) -> None:
    """Each filter finds the one entry that differs, and none of the others."""
    name = other.get("key_name", "Production")
    journal.begin(doing("axb"))
    number = journal.begin(doing(name, **{k: v for k, v in other.items() if k != "key_name"}))
    journal.end(journal.begin(doing(result="")), "valid", NOW)
    assert [entry.id for entry in journal.page(wanted)] == [number]


def test_a_result_told_later_is_found(journal: Journal) -> None:
    """An end that was told afterwards counts like one that was told at once."""
    number = journal.begin(doing(result=""))
    assert [entry.id for entry in journal.page(Wanted(result=""))] == [number]
    journal.end(number, "limited", NOW)
    assert journal.page(Wanted(result="")) == []
    assert [entry.id for entry in journal.page(Wanted(result="limited"))] == [number]


# --- rows that somebody altered ---------------------------------------------------------------

INSERT = (
    "INSERT INTO event (at, actor, owner, action, key_name, provider, host, result, detail,"
    " request_id) VALUES ({}, 'local', 'local', 'check', {}, 'groq', 'h', 'valid', '', '')"
)
# Only SQLite lets a column hold what it is not for.
ALTERED = {
    "a time that is none": INSERT.format("'yesterday'", "'x'"),
    "a time that is a number": INSERT.format("5", "'x'"),
    "bytes for a text": INSERT.format("'2026-11-19 14:05:00.000000'", "x'ff00'"),
    "a text that is no UTF-8": INSERT.format("'2026-11-19 14:05:00.000000'", "CAST(x'ff' AS TEXT)"),
}


@ON_SQLITE
@pytest.mark.parametrize("statement", ALTERED.values(), ids=list(ALTERED))
def test_an_entry_that_cannot_be_read_hides_no_other(
    journal: Journal, sql: Sql, statement: str
) -> None:
    """It stands there as one that cannot be read, between those that can."""
    journal.begin(doing("before"))
    sql(statement)
    journal.begin(doing("after"))
    found = journal.page(Wanted(owner=ME))
    assert [(e.id, e.action, e.key_name) for e in found] == [
        (3, "check", "after"),
        (2, UNREADABLE, ""),
        (1, "check", "before"),
    ]
    assert [entry.id for entry in journal.all(Wanted(owner=ME), 9)] == [3, 2, 1]


@ON_SQLITE
@pytest.mark.parametrize("statement", ALTERED.values(), ids=list(ALTERED))
def test_read_all_at_once_it_would_hide_them(
    journal: Journal, sql: Sql, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: without the second look nothing at all is shown."""
    journal.begin(doing("before"))
    sql(statement)

    def give_up(_journal: Journal, _asked: object) -> list[Activity]:
        raise StoreError("gave up")

    monkeypatch.setattr(Journal, "_one_by_one", give_up)
    with pytest.raises(StoreError, match="gave up"):
        journal.page(Wanted(owner=ME))


# --- how much work it is ----------------------------------------------------------------------


def record(store: Repository, count: int, *, of: str = "others") -> None:
    """Write many entries at once, of 50 keys; each third belongs to a check that ended."""
    told = {**asdict(doing(owner=of)), "key_id": "k0", "key_name": "Key 0", "result": "", "id": 1}
    del told["mark"]
    own = ("id", "key_id", "key_name", "result")
    same = ", ".join(name for name in told if name not in own)
    with store._database.writing() as connection:
        connection.execute(EVENT.insert(), [told])
        numbers = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < :more)"
        others = "i + 1, 'k' || (i % 50), 'Key ' || (i % 50), CASE i % 3 WHEN 0 THEN '' ELSE 'done'"
        connection.execute(
            text(
                f"{numbers} INSERT INTO event ({', '.join(own)}, {same}) "  # noqa: S608
                f"SELECT {others} END, {same} FROM n, event WHERE id = 1"
            ),
            {"more": count - 1},
        )
        connection.execute(
            text(
                "INSERT INTO event_outcome (event_id, at, result, detail) "
                "SELECT id, at, 'valid', 'key works' FROM event WHERE result = ''"
            )
        )
        if connection.dialect.name == "postgresql":
            next_one = "pg_get_serial_sequence('event', 'id')"
            connection.execute(text(f"SELECT setval({next_one}, max(id)) FROM event"))  # noqa: S608


def effort(store: Repository, wanted: Wanted) -> int:
    """How many hundreds of steps of SQLite's machine a page takes: no clock, so no chance."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with store._database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 100)
    store.journal.page(wanted, limit=51)
    driver.set_progress_handler(None, 0)
    return steps[0]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A store in which 100,000 things happened."""
    repository = Repository(f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'store.db'}")
    record(repository, 100_000)
    yield repository
    repository.close()


@ON_SQLITE
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(owner="others"),
        Wanted(owner="others", key_id="k3"),
        Wanted(owner="others", search="ke"),
    ],
    ids=["all", "of a key", "searched"],
)
def test_a_hundred_thousand_entries_are_paged_like_a_hundred(
    store: Repository, crowd: Repository, wanted: Wanted
) -> None:
    """The first page takes the database no more work for 100,000 entries than for some."""
    record(store, 100 if not wanted.key_id else 5000)
    few = effort(store, wanted)
    assert few >= 5
    assert effort(crowd, wanted) <= few * 1.2 + 1


@ON_SQLITE
def test_the_few_of_one_person_are_found_among_those_of_others(
    store: Repository, crowd: Repository
) -> None:
    """What somebody with three entries sees costs no look at the 100,000 of others."""
    for _ in range(3):
        store.journal.begin(doing())
        crowd.journal.begin(doing())
    few = effort(store, Wanted(owner=ME))
    assert effort(crowd, Wanted(owner=ME)) <= few + 2


@ON_SQLITE
def test_looks_hide_nothing_and_cost_nothing(store: Repository, crowd: Repository) -> None:
    """What was done is found at once below 20,000 looks; the twin is a word no index is for."""
    for each in (store, crowd):
        each.journal.begin(doing(owner="busy"))
    with crowd._database.writing() as connection:
        told = {**asdict(doing(owner="busy", action="watch")), "result": ""}
        del told["mark"]
        connection.execute(EVENT.insert(), [told] * 20_000)
    few = effort(store, Wanted(owner="busy", but=activity.QUIET))
    assert effort(crowd, Wanted(owner="busy", but=activity.QUIET)) <= few + 2
    assert effort(crowd, Wanted(owner="busy", but=("watch", "other"))) <= few + 2
    assert effort(crowd, Wanted(owner="busy", result="done")) > 100 * few


def test_the_effort_would_be_noticed(crowd: Repository) -> None:
    """The twin: a question that no index answers takes a hundred times the work."""
    all_of_it = Wanted(owner="others", search="nowhere to be found")
    assert effort(crowd, all_of_it) > 100 * effort(crowd, Wanted(owner="others"))
