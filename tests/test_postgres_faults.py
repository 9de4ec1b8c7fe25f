"""What the store does on PostgreSQL when the server, the wire or another process fails it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import event, text

from mohet_keys import database, postgres_link, postgres_shape
from mohet_keys.errors import StoreError
from mohet_keys.repository import Repository
from tests.places import ON_POSTGRES, Place
from tests.postgres import PATIENCE, Server, serving
from tests.proxy import Wire
from tests.test_database_faults import CANARY, ROOT, storm, told
from tests.test_repository import ME, NOW, change, put, row


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


def with_setting(store: Repository, setting: str) -> None:
    """Give every connection from now on another setting, as a test switch."""
    engine = store._database.engine
    engine.dispose()

    def connected(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f"SET {setting}")
        connection.autocommit = False

    event.listen(engine, "connect", connected)


# --- how it is set up ---------------------------------------------------------------------------


@ON_POSTGRES
def test_every_connection_is_set_up(store: Repository) -> None:
    """Nothing waits for ever, and what was acknowledged has reached the disk."""
    wanted = {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
        "synchronous_commit": "on",
        "application_name": "mohet-keys",
    }
    with store._database.reading() as connection:
        found = {n: connection.execute(text(f"SHOW {n}")).scalar() for n in wanted}
    assert found == wanted


@ON_POSTGRES
def test_a_server_that_would_not_wait_for_its_disk_is_made_to(place: Place) -> None:
    """Where the operator turned that off for speed, an acknowledged key could be lost."""
    name = place.url.partition("@/")[2].partition("?")[0]
    place.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with closing(place.opened()) as store, store._database.reading() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
    place.sql(f"ALTER DATABASE {name} RESET synchronous_commit")


@ON_POSTGRES
def test_who_reads_sees_one_moment_and_cannot_write(store: Repository) -> None:
    """A list is of one moment, also while somebody writes between two of its statements."""
    count = text("SELECT count(*) FROM api_key")
    with store._database.reading() as connection:
        before = connection.execute(count).scalar()
        put(store)
        assert connection.execute(count).scalar() == before == 0
        with pytest.raises(StoreError, match="read-only"), database.said_plainly():
            connection.execute(text("DELETE FROM api_key"))
    assert store.count(ME) == 1


@ON_POSTGRES
def test_every_text_sorts_by_its_code_points(place: Place) -> None:
    """No column leaves it to the language of the database, which would sort and lower otherwise
    than SQLite does."""
    columns = place.sql(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'text'"
    )
    assert len(columns) > 40
    assert [column for column in columns if column[2] != "C"] == []


@ON_POSTGRES
def test_names_sort_as_on_sqlite(store: Repository) -> None:
    """Capitals, accents and other scripts stand where their code points say."""
    for name in ("ä", "z", "a", "-a", "_", "Ω", "日", "10", "9"):
        put(store, name)
    assert [entry.name for entry in store.page(ME, sort="name")] == sorted(
        ("ä", "z", "a", "-a", "_", "Ω", "日", "10", "9"), key=str.casefold
    )


@ON_POSTGRES
def test_every_table_tells_of_its_changes_or_is_known_to_be_quiet(place: Place) -> None:
    """A table of a later step is told of without anybody thinking of it."""
    for what in ("told", "changed"):
        asked = f"SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_{what}'"  # noqa: S608
        assert {table for (table,) in place.sql(asked)} == set(postgres_shape.TOLD)
    assert {"api_key", "selection", "data_key"} <= set(postgres_shape.TOLD)


# --- an address that does not lead there --------------------------------------------------------

SECRET = CANARY.lower()
ADDRESSES = {
    "nobody listens": (f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:9/keys", "does not answer"),
    "no such host": (f"postgresql://ada:{SECRET}@nowhere.invalid/keys", "does not answer"),
    "another driver": (f"postgresql+psycopg2://ada:{SECRET}@127.0.0.1:9/keys", "not answer"),
    "as others write it": (f"postgres://ada:{SECRET}@127.0.0.1:9/keys", "does not answer"),
    "no such port": (f"postgresql://ada:{SECRET}@127.0.0.1:none/keys", "no address"),
    "another product": (f"mysql://ada:{SECRET}@127.0.0.1/keys", "no address"),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_t36_an_address_that_leads_nowhere_is_said_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One plain sentence, and nothing that it hangs on has the password."""
    monkeypatch.setattr(database, "BACK_WITHIN", 0.0)
    url, said = ADDRESSES[address]
    with pytest.raises(StoreError, match=said) as refused:
        Repository(url)
    assert SECRET not in told(refused.value)


REFUSALS = {
    "no such database": ("mohet", "nowhere", "no such database"),
    "no such user": ("nobody_known", "postgres", "no such user"),
    "a wrong password": (f"stranger:{SECRET}", "postgres", "refused the user or the password"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_t36_a_refusal_says_which_of_its_parts_is_wrong(postgres: Server, refusal: str) -> None:
    """Database, user and password are told apart, at once and without the password."""
    user, name, said = REFUSALS[refusal]
    with pytest.raises(StoreError, match=said) as refused:
        Repository(postgres.url(name).replace("mohet@", f"{user}@"))
    assert SECRET not in told(refused.value)


# --- errors -------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[Repository], object]] = {
    "cannot be bound": lambda store: put(store, "x", sealed=CANARY.encode(), hint=object()),
    "no zone": lambda store: put(store, CANARY, created_at=NOW.replace(tzinfo=None)),
    "same id": lambda store: [put(store, f"{CANARY} {n}", id="same") for n in range(2)],
    "too large": lambda store: put(store, CANARY, revision=10**30),
    "half a character": lambda store: put(store, f"{CANARY}\ud800", sealed=CANARY.encode()),
    "a NUL": lambda store: put(store, f"{CANARY}\0", sealed=CANARY.encode()),
}


@ON_POSTGRES
@pytest.mark.parametrize("fault", FAULTS)
def test_t36_no_database_error_carries_a_value(store: Repository, fault: str) -> None:
    """Neither the error, nor its arguments, nor anything it hangs on holds what was written."""
    with pytest.raises(StoreError) as failed:
        FAULTS[fault](store)
    assert CANARY not in told(failed.value)


CODES = {
    "disk_full": "disk of the database is full",
    "read_only_sql_transaction": "database is read-only",
    "out_of_memory": "out of memory",
    "too_many_connections": "no more connections",
    "serialization_failure": "store is busy",
    "deadlock_detected": "store is busy",
    "query_canceled": "store is busy",
    "io_error": "disk of the database failed",
    "data_corrupted": "says that it is damaged",
    "undefined_table": "lacks a table",
    "raise_exception": "The store failed",
}


@ON_POSTGRES
@pytest.mark.parametrize("code", CODES)
def test_t53_what_the_server_says_is_said_in_plain_words(
    store: Repository, place: Place, code: str
) -> None:
    """Each trouble has its sentence; nothing is half written; when it is over, writing works."""
    body = f"BEGIN RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{code}'; END"
    place.sql(
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $${body}$$; "
        "CREATE TRIGGER failing BEFORE INSERT ON api_key EXECUTE FUNCTION fail()"
    )
    with pytest.raises(StoreError, match=CODES[code]) as failed:
        put(store)
    assert CANARY not in told(failed.value)
    assert store.page(ME) == []
    place.sql("DROP FUNCTION fail() CASCADE")
    put(store)


@ON_POSTGRES
def test_t53_a_user_who_may_only_read_reads(place: Place, postgres: Server) -> None:
    """Listing works; writing says that the database's user may not."""
    with closing(place.opened()) as store:
        put(store)
    place.sql("CREATE ROLE only_reads LOGIN")
    place.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
    with closing(Repository(place.url.replace("mohet@", "only_reads@"))) as store:
        assert store.count(ME) == 1
        with pytest.raises(StoreError, match="user may not do this"):
            put(store, "Other")
    place.sql("DROP OWNED BY only_reads; DROP ROLE only_reads")


# --- locks --------------------------------------------------------------------------------------


@ON_POSTGRES
def test_a_writer_that_waits_too_long_is_told(store: Repository, place: Place) -> None:
    """While another process writes, reading works and writing fails in plain words."""
    entry = put(store)
    with_setting(store, "lock_timeout = 50")
    with closing(place.connect()) as other:
        other.execute(str(postgres_link._LOCK))
        assert store.page(ME) == [entry]
        with pytest.raises(StoreError, match="another program holds it"):
            put(store, "Other")
    with_setting(store, "lock_timeout = 10000")
    put(store, "Other")


@ON_POSTGRES
def test_a_process_that_hangs_while_it_writes_is_shut_out(store: Repository, place: Place) -> None:
    """It holds up all that write, so the server ends it; what it had begun is not there."""
    with_setting(store, "idle_in_transaction_session_timeout = 50")

    def hang(*said: Any) -> None:
        if "lease" in said[2]:
            time.sleep(0.3)

    event.listen(store._database.engine, "before_cursor_execute", hang)
    with pytest.raises(StoreError, match="Nothing was changed"):
        store.leases.take("x", "me", NOW, timedelta(minutes=1))
    with closing(place.opened()) as other:  # whose hands a busy machine may tie for a moment
        put(other)
        assert other.leases.held("x", NOW) is None


@ON_POSTGRES
def test_t56_without_the_lock_edits_would_be_lost(
    store: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: of many editors of one version more than one is told that it was saved."""
    entry = put(store)
    monkeypatch.setattr(postgres_link, "_LOCK", text("SELECT 1"))
    monkeypatch.setattr(store._database, "_turn", threading.Semaphore(16))
    saved: list[str] = []
    start = threading.Barrier(8)

    def edit(number: int) -> None:
        start.wait()
        try:
            saved.append(change(store, entry, hint=str(number)).hint)
        except Exception:  # noqa: BLE001  # whoever is told of a conflict is fine
            return

    for _ in range(20):
        threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(saved) > 1:
            break
        saved.clear()
        entry = store.entry(entry.id, ME)
    assert len(saved) > 1


# --- connections that break ---------------------------------------------------------------------


def end_connections(place: Place) -> None:
    """Break off every connection to the store but this one."""
    place.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@ON_POSTGRES
def test_t58_idle_connections_that_broke_are_not_noticed(store: Repository, place: Place) -> None:
    """The next reader and the next writer get new ones."""
    entry = put(store)
    end_connections(place)
    assert store.page(ME) == [entry]
    end_connections(place)
    put(store, "Other")


@ON_POSTGRES
def test_t58_a_write_that_could_not_begin_is_begun_again(wired: Repository, wire: Wire) -> None:
    """Nothing was asked of the server by then."""
    put(wired)
    wire.cut(b"READ COMMITTED")
    put(wired, "Other")
    assert (wire.cuts, wired.count(ME)) == (1, 2)


def test_t58_a_write_whose_connection_breaks_changes_nothing(
    store: Repository, place: Place
) -> None:
    """It is told so, and the next one works."""

    def breaking(*said: Any) -> None:
        if said[2].startswith("INSERT INTO lease"):
            end_connections(place)

    event.listen(store._database.engine, "before_cursor_execute", breaking)
    with pytest.raises(StoreError, match="Nothing was changed"):
        store.leases.take("x", "me", NOW, timedelta(minutes=1))
    event.remove(store._database.engine, "before_cursor_execute", breaking)
    assert place.sql("SELECT count(*) FROM lease") == [(0,)]
    put(store)


@pytest.fixture
def wire(postgres: Server) -> Iterator[Wire]:
    """A wire to the server that can be cut."""
    with TemporaryDirectory() as folder, Wire(Path(folder), postgres.folder) as wire:
        yield wire


@pytest.fixture
def wired(wire: Wire, place: Place, postgres: Server) -> Iterator[Repository]:
    """The store at the other end of it."""
    repository = Repository(place.url.replace(str(postgres.folder), str(wire.folder)))
    yield repository
    repository.close()


@ON_POSTGRES
def test_t58_a_commit_whose_answer_is_lost_is_found_to_be_done(
    wired: Repository, wire: Wire
) -> None:
    """The server carried it out, so it counts as saved, once."""
    put(wired)
    wire.cut()
    entry = wired.insert(row("Other"), by=ME)
    assert wire.cuts == 1
    assert wired.entry(entry.id, ME) == entry
    wire.cut()
    assert change(wired, entry, name="New", name_key="new").version == 2
    assert (wire.cuts, wired.count(ME)) == (2, 2)


@ON_POSTGRES
def test_t58_without_its_receipt_it_would_be_told_as_failed(
    wired: Repository, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: it is there, and whoever saved it was told that it is not."""
    put(wired)
    monkeypatch.setattr(postgres_link, "has_landed", lambda *_: False)
    wire.cut()
    with pytest.raises(StoreError, match="nothing was done"):
        wired.insert(row("Other"), by=ME)
    assert wired.count(ME) == 2


AT_COMMIT = (
    "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN PERFORM pg_sleep(20); RETURN NULL; END$$; "
    "CREATE CONSTRAINT TRIGGER lingering AFTER INSERT ON api_key "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()"
)


@ON_POSTGRES
def test_t58_a_commit_that_broke_off_is_found_not_to_be_done(
    store: Repository, place: Place
) -> None:
    """The server was interrupted in it, so it is told that nothing was changed; and that is so."""
    put(store)
    place.sql(AT_COMMIT)
    waits = "SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"

    def interrupt() -> None:
        until = time.monotonic() + PATIENCE
        while not place.sql(waits) and time.monotonic() < until:
            time.sleep(0.01)
        end_connections(place)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(StoreError, match="Nothing was changed"):
        put(store, "Other")
    thread.join()
    assert store.count(ME) == 1


@ON_POSTGRES
def test_t58_a_commit_that_nobody_can_tell_of_is_said_to_be_unclear(
    wired: Repository, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the server stays away, nobody is told that nothing was changed."""
    put(wired)
    monkeypatch.setattr(database, "BACK_WITHIN", 0.2)
    wire.cut(for_good=True)
    with pytest.raises(StoreError, match="nobody can tell"):
        put(wired, "Other")


def test_a_server_that_stays_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a restart takes; after that everybody is told at once until it is back."""
    monkeypatch.setattr(database, "BACK_WITHIN", 0.4)
    waits: list[float] = []
    sleep = time.sleep
    with serving() as server:
        name = server.create()
        with closing(Repository(server.url(name))) as store:
            server.stop()
            monkeypatch.setattr(database.time, "sleep", lambda s: (waits.append(s), sleep(s)))
            for expected in (True, False):
                waits.clear()
                with pytest.raises(StoreError, match="does not answer"):
                    store.count(ME)
                assert bool(waits) is expected
            server.start()
            assert store.count(ME) == 0


@ON_POSTGRES
def test_receipts_are_few_and_go(store: Repository, place: Place) -> None:
    """One for each connection; those of connections long gone are deleted by the next one."""
    for number in range(5):
        put(store, str(number))
    assert place.sql("SELECT count(*) FROM commit_receipt") == [(1,)]
    place.sql("UPDATE commit_receipt SET at = at - interval '2 days'")
    with closing(place.opened()) as other:
        put(other, "Other")
    assert place.sql("SELECT count(*) FROM commit_receipt") == [(1,)]


# --- storms ---------------------------------------------------------------------------------------


def test_t50_killed_while_writing(postgres: Server) -> None:
    """No acknowledged write is lost and no half of one stays, however a writer is killed."""
    found = storm("kill", postgres.url("{}"), 12)
    assert found["broken"] == []
    assert (found["kills"], found["acknowledged"] >= 30) == (12, True)


def test_t55_eight_processes_write_at_once(postgres: Server) -> None:
    """Not one write fails for a lock, and every row is whole at the end."""
    found = storm("write", postgres.url("{}"), 25)
    assert (found["writes"], found["errors"], found["broken"]) == (200, 0, [])


def restarted(server: Server, how: signal.Signals | None) -> float:
    """End the server this way, or all connections to it, after a while of writing, and start it
    again. Returns when it was back."""
    time.sleep(1.0)
    if how is None:
        server.tell(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'steady'"
        )
    else:
        server.stop(how)
        server.start()
    return time.monotonic()


def test_t58_restarts_under_fifty_writes_a_second() -> None:
    """All that was acknowledged is there and nothing that was refused is, whether the server was
    stopped in order, was killed, or threw everybody out; each time it goes on within five seconds
    after it was back."""
    with serving() as server:
        command = [sys.executable, "-m", "tests.storm", "steady", server.url("{}"), "16"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writing:
            assert writing.stdout is not None
            assert writing.stdout.readline() == "ready\n"
            back = [restarted(server, how) for how in (signal.SIGINT, signal.SIGQUIT, None)]
            found = json.loads(writing.stdout.read())
    sys.stdout.write(f"\n{len(found['done'])} done, failed: {found['failed']}\n")
    assert found["broken"] == []
    assert len(found["done"]) > 50
    for at in back:
        assert any(at < done < at + 5 for done in found["done"])
