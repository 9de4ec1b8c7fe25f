"""Bringing a store to the present shape, on both databases: new, at the head, from the future,
many at once."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from mohet_keys import migrations
from mohet_keys.database import Database
from mohet_keys.errors import StoreError
from mohet_keys.model import UNDO_FOR, Selection, Spent
from mohet_keys.repository import Repository, RowChanges
from mohet_keys.rules import TeamRules
from mohet_keys.tables import METADATA
from tests.places import KINDS
from tests.postgres import Server
from tests.test_database_faults import storm
from tests.test_repository import ME, NOW, put, result


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store that is not there yet; its folder needs quoting everywhere."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / '100% my data' / 'store.db'}"
        return
    server: Server = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def is_ours(thing: object, name: str | None, kind: str, _reflected: object, _other: object) -> bool:
    """Whether it is a table of the product, and not for receipts, which SQLite needs none of."""
    return (kind, name) != ("table", "commit_receipt")


def scripts() -> ScriptDirectory:
    """The steps as Alembic sees them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def test_the_steps_make_exactly_the_tables(url: str) -> None:
    """A store made by the steps has the columns, types, keys and indexes the code expects."""
    Repository(url).close()
    database = Database(url)
    with database.reading() as connection:
        how = {"compare_type": True, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=how)
        assert compare_metadata(context, METADATA) == []
    database.close()


def test_head_is_the_newest_step() -> None:
    """The constant that spares Alembic's import agrees with the scripts, and so do their names."""
    steps = {script.revision for script in scripts().walk_revisions()}
    assert scripts().get_heads() == [migrations.HEAD]
    assert migrations._known() == steps


@pytest.mark.parametrize("step", [script.revision for script in scripts().walk_revisions()][1:])
def test_an_older_store_is_brought_up_to_date(url: str, step: str) -> None:
    """A store of every earlier version opens with its keys and when they were last used, the
    selection and its model."""
    store = Repository(url)
    entry = put(store)
    store.select(ME, entry.id, None, entry.created_at)
    used_at = entry.created_at + timedelta(days=40)
    for at in (entry.created_at, used_at):
        store.uses.count(entry.id, ME, at, Spent())
    _down_to(store, step)
    if step < "0002":
        with store._database.writing() as connection:
            connection.execute(text("UPDATE selection SET model = 'llama'"))
    store.close()
    reopened = Repository(url)
    (found,) = reopened.page(ME)
    assert (found.id, found.used_at) == (entry.id, used_at if step >= "0004" else None)
    assert reopened.selection(ME) == Selection(ME, entry.id, "llama" if step < "0002" else None)
    reopened.close()


def test_keys_of_before_are_private_to_who_typed_them(url: str) -> None:
    """A store from before there were teams: each key is on its owner's shelf, its secret and the
    one it had before are its owner's own, and its checks are still counted."""
    store = Repository(url)
    entry = put(store)
    store.save_check(result(entry), ME)
    more = {"sealed": b"new", "revision": 2, "data_key_id": "d1"}
    store.update(
        *(entry.id, ME),
        version=1,
        changes=RowChanges(**more),
        by=ME,
        at=NOW,
        undo_until=NOW + UNDO_FOR,
    )
    tallies = store.history.tallies(ME, NOW - UNDO_FOR)
    _down_to(store, "0004")
    store.close()
    reopened = Repository(url)
    kept = reopened.entry(entry.id, ME)
    assert (kept.shared, kept.mine, kept.shelf) == (False, True, ME)
    assert reopened.sealed(entry.id, ME).typed_by == ME
    former = reopened.former(entry.id, ME, NOW)
    assert former is not None
    assert former.typed_by == ME
    assert reopened.history.tallies(ME, NOW - UNDO_FOR) == tallies != []
    assert reopened.people.everyone() == []
    assert reopened.rules.find() == TeamRules()
    with reopened._database.reading() as connection:
        shelves = connection.execute(text("SELECT owner, shelf FROM api_key")).all()
    assert [tuple(row) for row in shelves] == [(ME, ME)]
    reopened.close()


def _down_to(store: Repository, step: str) -> None:
    """Bring a store to the shape of an earlier version."""
    with store._database.writing() as connection:
        config = Config()
        folder = str(Path(migrations.__file__).parent).replace("%", "%%")
        config.set_main_option("script_location", folder)
        config.attributes["connection"] = connection
        command.downgrade(config, step)


def test_a_store_at_the_head_is_opened_without_alembic(url: str) -> None:
    """Only a store that needs a step pays for the import."""
    program = (
        "import sys\n"
        "from mohet_keys.repository import Repository\n"
        "for url in sys.argv[1:]:\n"
        "    Repository(url).close()\n"
        "    print('alembic' in sys.modules)\n"
    )
    Repository(url).close()
    done = subprocess.run(
        [sys.executable, "-c", program, url, f"{url}-new"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("found", ["0999", "9999", "0000", "f3a9c2"])
def test_a_store_from_the_future_is_refused(url: str, found: str) -> None:
    """A store at a step unknown here is not opened, and nothing in it changes."""
    store = Repository(url)
    entry = put(store)
    move(store, found)
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        Repository(url)
    database = Database(url)
    with database.writing() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :v"), {"v": migrations.HEAD}
        )
    database.close()
    reopened = Repository(url)
    assert reopened.page(ME) == [entry]
    reopened.close()


def move(store: Repository, step: str) -> None:
    """Say that the store is at another step."""
    with store._database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": step})


def test_a_step_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that breaks in the middle of a step leaves an empty store for the next one."""
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_upgrade", _half_an_upgrade)
        with pytest.raises(RuntimeError):
            Repository(url)
    store = Repository(url)
    assert store.is_empty()
    store.close()


def _half_an_upgrade(connection: object) -> None:
    METADATA.tables["api_key"].create(connection)  # type: ignore[arg-type]  # a Connection
    raise RuntimeError("the lights went out")


@pytest.mark.parametrize("kind", KINDS)
def test_many_processes_start_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Eight processes that open a new store together all find it ready, five times over."""
    place = tmp_path if kind == "sqlite" else request.getfixturevalue("postgres").url("{}")
    told = storm("start", place, 5)
    assert (told["opened"], told["errors"]) == (40, [])


def test_many_threads_start_at_once(url: str) -> None:
    """Eight threads of one process that open a new store together all find it ready."""
    start = threading.Barrier(8)
    opened: list[bool] = []

    def open_one() -> None:
        start.wait()
        store = Repository(url)
        opened.append(store.is_empty())
        store.close()

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [True] * 8


def test_logging_stays_as_it_was(url: str) -> None:
    """A start changes no handler and no level, and silences no logger."""
    mine = logging.getLogger("somebody.elses")

    def state() -> tuple[object, ...]:
        root = logging.getLogger()
        return (root.level, list(root.handlers), mine.disabled, logging.getLogger("alembic").level)

    before = state()
    Repository(url).close()
    assert state() == before
