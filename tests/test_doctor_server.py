"""The doctor of a store on PostgreSQL: what is right is said to be, and what is wrong too."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys import doctor, wiring
from mohet_keys.doctor import Report
from mohet_keys.errors import LockedError
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.settings import Settings
from tests.leaks import scan
from tests.masters import add
from tests.places import ON_POSTGRES, Place
from tests.postgres import Server, programs, serving
from tests.test_postgres_faults import SECRET

NO_FSYNC = "server: fsync or full_page_writes is off"


@pytest.fixture
def settings(place: Place, tmp_path: Path) -> Settings:
    """A store on PostgreSQL with two keys."""
    made = settings_of(place.url, tmp_path)
    with contextlib.closing(wiring.build(made)) as parts:
        add(parts, "Work")
        add(parts, "Home")
    return made


def settings_of(url: str, folder: Path) -> Settings:
    """Settings for a store at this address."""
    return Settings(
        data_dir=folder / "unused", config_dir=folder / "config", database_url=SecretStr(url)
    )


def found(report: Report, level: str) -> list[str]:
    """The findings of this kind."""
    return [f"{each.area}: {each.message}" for each in report.findings if each.level == level]


def wrong(settings: Settings) -> list[str]:
    """What is wrong, but for what the server of the tests does for the sake of speed."""
    said = found(doctor.examine(settings, {}), "wrong")
    return [line for line in said if not line.startswith(NO_FSYNC)]


@ON_POSTGRES
def test_a_healthy_store_is_all_right(settings: Settings) -> None:
    """Server, tables, master key and keys are looked at, and nothing is wrong with them."""
    said = found(doctor.examine(settings, {}), "ok")
    assert wrong(settings) == []
    for line in (
        "settings: The store is a postgresql database.",
        "server: It answers: PostgreSQL 18",
        "server: Nobody else can read what is sent to it.",
        "store: Its tables are at the newest step",
        "store: Its tables and triggers are those that this version makes.",
        "keys: 2 of 2 keys open.",
    ):
        assert any(each.startswith(line) for each in said), (line, said)


@ON_POSTGRES
def test_a_server_that_may_lose_what_is_saved_is_wrong(settings: Settings) -> None:
    """The one of the tests does: so the doctor sees that."""
    report = doctor.examine(settings, {})
    assert any(line.startswith(NO_FSYNC) for line in found(report, "wrong"))
    assert report.status == 1


def test_a_careful_server_is_all_right(tmp_path: Path) -> None:
    """With fsync on nothing is wrong; few connections, and being its superuser, are noted."""
    with serving(fsync="on", full_page_writes="on", max_connections="20") as server:
        settings = settings_of(server.url(server.create()), tmp_path)
        report = doctor.examine(settings, {})
        assert found(report, "wrong") == []
        assert "store: It has no tables yet. The next start makes them." in found(report, "note")
        wiring.build(settings).close()
        report = doctor.examine(settings, {})
    assert report.status == 0
    assert "server: It has on its disk what it says is saved." in found(report, "ok")
    notes = "\n".join(found(report, "note"))
    assert "It takes 20 connections" in notes
    assert "The app is a superuser there" in notes


_LAX = "RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
_SPYING = "CREATE TRIGGER spying BEFORE INSERT ON api_key EXECUTE FUNCTION spy()"
CHANGED = {
    "a guard taken away": ("DROP TRIGGER event_only_added ON event", "event_only_added"),
    "a guard put to sleep": (
        "ALTER TABLE event DISABLE TRIGGER event_only_added",
        "event_only_added",
    ),
    "a guard that lets through": (
        f"CREATE OR REPLACE FUNCTION mohet_only_added() {_LAX}",
        "mohet_only_added",
    ),
    "a trigger of somebody else": (
        f"CREATE FUNCTION spy() {_LAX}; {_SPYING}",
        "spying",
    ),
    "a rule of somebody else": (
        "CREATE RULE nothing AS ON DELETE TO api_key DO INSTEAD NOTHING",
        "api_key.nothing",
    ),
    "a column of another kind": (
        "ALTER TABLE api_key ALTER COLUMN hint TYPE VARCHAR(99)",
        "api_key.hint",
    ),
    "a column that may be empty": (
        "ALTER TABLE api_key ALTER COLUMN owner DROP NOT NULL",
        "api_key.owner",
    ),
    "names no longer unique": ("DROP INDEX api_key_name", "api_key_name"),
    "no receipts": ("DROP TABLE commit_receipt", "commit_receipt"),
}


@ON_POSTGRES
@pytest.mark.parametrize("what", CHANGED)
def test_tables_that_somebody_changed_are_wrong(
    settings: Settings, place: Place, what: str
) -> None:
    """Each is found, and said by its name."""
    statement, name = CHANGED[what]
    place.sql(statement)
    (said,) = wrong(settings)
    assert said.startswith("store: Its tables or triggers are not those")
    assert name in said
    place.sql("DROP FUNCTION IF EXISTS spy() CASCADE")


@ON_POSTGRES
def test_further_tables_do_no_harm(settings: Settings, place: Place) -> None:
    """Somebody may keep something else in the same database, and an index of his own."""
    place.sql("CREATE TABLE notes (id int PRIMARY KEY); CREATE INDEX mine ON api_key (hint)")
    assert wrong(settings) == []


@ON_POSTGRES
def test_an_altered_key_is_wrong(settings: Settings, place: Place) -> None:
    """As on SQLite, it is told by its name, with what differs."""
    place.sql("UPDATE api_key SET endpoint = 'https://elsewhere.example/v1' WHERE name = 'Work'")
    (said,) = wrong(settings)
    assert said.startswith("keys: groq/Work")


def test_a_server_that_does_not_answer_is_fatal(tmp_path: Path) -> None:
    """Status 3, in a sentence without any part of the address."""
    url = f"postgresql://ada:{SECRET}@127.0.0.1:9/keys"
    report = doctor.examine(settings_of(url, tmp_path), {})
    assert report.status == 3
    said = "\n".join(found(report, "wrong"))
    assert "store: The database does not answer" in said
    assert scan(SECRET, {"report": said.encode()}) == []


# --- backups --------------------------------------------------------------------------------------


@ON_POSTGRES
def test_t13_a_dump_holds_everything_but_the_master_key(
    settings: Settings, place: Place, postgres: Server, tmp_path: Path
) -> None:
    """Restored into an empty database it opens with the same master key, and is locked without;
    the guards of the record are there again."""
    key = settings.generated_master_key_file.read_text().strip()
    restored = postgres.create("template0")
    name = place.url.partition("@/")[2].partition("?")[0]
    with (tmp_path / "dump").open("wb") as dump:
        run("pg_dump", "-Fc", "-d", postgres.link(name), stdout=dump)
    assert scan(key, {"dump": (tmp_path / "dump").read_bytes()}) == []
    run("pg_restore", "-d", postgres.link(restored), tmp_path / "dump")
    there = settings_of(postgres.url(restored), tmp_path)
    assert wrong(there) == []
    with contextlib.closing(wiring.build(there)) as parts:
        entries = parts.keys.list(owner=LOCAL_OWNER).entries
        assert len(entries) == 2
        assert all(parts.keys.open(each.id, owner=LOCAL_OWNER).secret for each in entries)
    elsewhere = settings_of(postgres.url(restored), tmp_path / "elsewhere")
    with contextlib.closing(wiring.build(elsewhere)) as parts, pytest.raises(LockedError):
        parts.keys.open(entries[0].id, owner=LOCAL_OWNER)
    postgres.drop(restored)


def run(program: str, *arguments: object, **more: object) -> None:
    """Run one of the server's own programs."""
    command = [str(programs() / program), *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60, **more)  # type: ignore[call-overload]
