"""The look at a backup before it is restored: what is refused, what is said, what stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr

from mohet_keys import backup, candidate, migrations, wiring
from mohet_keys.candidate import Candidate
from mohet_keys.database import Database, url_of
from mohet_keys.errors import MasterKeyError, RefusedError
from mohet_keys.migrations import HEAD
from mohet_keys.settings import Settings
from tests.leaks import canary
from tests.masters import settings_in, started, store_in
from tests.test_backup import DAMAGES, add, broken, files, live_file

OTHER = "f0e1d2c3b4a59687" * 4
"""A master key that opens nothing here."""


class Looker:
    """A store with three keys, a backup of it with two, and a look at that changes nothing."""

    def __init__(self, settings: Settings, folder: Path, ids: list[str]) -> None:
        self.settings = settings
        self.folder = folder
        self.file = folder / "b.db"
        self.ids = ids

    def sql(self, *statements: str) -> None:
        """Reach into the backup."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def set(self, **more: Any) -> None:
        """Give it other settings from now on."""
        self.settings = self.settings.model_copy(update=more)

    def look(self, file: Path | None = None) -> Candidate:
        """Look at the backup, and see that it, the store and the temporary files stay as is."""
        before = self._all()
        try:
            return candidate.inspect(self.settings, file or self.file)
        finally:
            assert self._all() == before

    def refused(self, file: Path | None = None) -> str:
        """Why the backup is refused."""
        with pytest.raises(RefusedError) as refused:
            self.look(file)
        return str(refused.value)

    def _all(self) -> dict[str, dict[str, bytes]]:
        folders = (self.settings.data_dir, self.folder)
        found = {str(each): files(each) for each in folders}
        for each in found.values():
            each.pop("mohet_keys.db-shm", None)  # in it, readers of a log make their marks
        return {**found, "temporary": files(Path(tempfile.gettempdir()))}


@dataclass(frozen=True)
class Made:
    """The folder of a store and its backup, to be copied, and the keys that are in both."""

    folder: Path
    ids: list[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store with a backup on which nothing is wrong."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "outside").mkdir()
    store_in(folder)
    with started(folder) as parts:
        ids = [add(parts, name) for name in ("A", "B")]
        backup.save(settings_in(folder), folder / "outside" / "b.db")
        add(parts, "C")
    return Made(folder, ids)


@pytest.fixture
def looker(
    made: Made, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Looker:
    """A backup to break, with a folder for temporary files of the test's own."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return Looker(settings, tmp_path / "outside", made.ids)


# --- what is said of a good one -----------------------------------------------------------------


def test_a_good_backup_is_described(looker: Looker) -> None:
    """How many keys come in and how many there are now, from when it is, and that all opens."""
    os.utime(looker.file, (1_800_000_000, 1_800_000_000))
    looker.sql("UPDATE api_key SET updated_at = '2026-02-03 04:05:06.000000' WHERE name = 'B'")
    looker.sql("UPDATE api_key SET updated_at = '2026-02-03 04:05:05.000000' WHERE name = 'A'")
    os.utime(looker.file, (1_800_000_000, 1_800_000_000))
    assert looker.look() == Candidate(
        file=looker.file,
        saved_at=datetime.fromtimestamp(1_800_000_000, UTC),
        changed_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        schema=HEAD,
        keys=2,
        locked=0,
        altered=0,
        why_locked=None,
        replaces=3,
        is_first=False,
    )


def test_where_there_is_no_store_yet_that_is_said(looker: Looker, tmp_path: Path) -> None:
    """On another machine nothing is replaced; and nothing is made by looking."""
    (tmp_path / "new").mkdir()
    config = looker.settings.config_dir
    looker.settings = Settings(data_dir=tmp_path / "new", config_dir=config)
    found = looker.look()
    assert (found.replaces, found.is_first, found.keys) == (None, True, 2)


def test_a_store_that_cannot_be_read_is_no_obstacle(looker: Looker) -> None:
    """How many keys a damaged store has is not known; the backup is looked at all the same."""
    broken(live_file(looker.settings), "no database")
    found = looker.look()
    assert (found.replaces, found.is_first, found.keys) == (None, False, 2)


def test_a_copy_with_its_log_is_read_whole(looker: Looker) -> None:
    """Of a store that was copied file by file, what stands in the log alone is seen too."""
    with contextlib.closing(wiring.build(looker.settings)) as parts:
        add(parts, "Late")
        for file in looker.settings.data_dir.iterdir():
            shutil.copy(file, looker.folder)
    assert looker.look(looker.folder / "mohet_keys.db").keys == 4


def test_an_older_backup_is_brought_up_on_a_copy(looker: Looker) -> None:
    """It is looked at as it will be, its own step is said, and the file stays at that step."""
    to_first_step(looker.file)
    found = looker.look()
    assert (found.schema, found.keys, found.why_locked) == ("0001", 2, None)


def to_first_step(file: Path) -> None:
    """Make a store one of the first version, with the keys that are in it."""
    config, database = Config(), Database(url_of(file))
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    database.close()


# --- what cannot be restored --------------------------------------------------------------------


@pytest.mark.parametrize("how", DAMAGES)
def test_t54_a_damaged_backup_is_refused(looker: Looker, how: str) -> None:
    """What SQLite's own check finds, and what is no database at all, never gets to the store."""
    broken(looker.file, how)
    assert "damaged" in looker.refused()


def test_t54_a_reference_that_leads_nowhere_is_refused(looker: Looker) -> None:
    """Which integrity_check does not look for."""
    looker.sql("INSERT INTO selection VALUES ('me', 'nobody', '2026-01-01')")
    assert "row 1 of selection refers to a row of api_key" in looker.refused()


def _text(file: Path) -> None:
    file.write_text("My notes, which matter.\n" * 300)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _others(file: Path) -> None:
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE api_key (id)")


def _newer(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _gone(file: Path) -> None:
    file.unlink()


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_text, "no database"),
        (_empty, "not one of Mohet Keys"),
        (_others, "not one of Mohet Keys"),
        (_newer, "newer version"),
        (_gone, "No such file"),
        (_pipe, "is not a file"),
        (_folder, "is not a file"),
    ],
)
def test_what_is_no_backup_of_ours_is_refused(
    looker: Looker, make: Callable[[Path], None], said: str
) -> None:
    """Each is told apart, and none is waited for or changed."""
    make(looker.file)
    assert said in looker.refused()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE key_check",
        "ALTER TABLE api_key DROP COLUMN looks_like",
        "ALTER TABLE api_key ADD COLUMN more TEXT",
        "DROP INDEX api_key_name",
        "CREATE TRIGGER t AFTER INSERT ON api_key BEGIN DELETE FROM api_key; END",
        "CREATE VIEW v AS SELECT * FROM api_key",
        "DROP TRIGGER event_no_update",
    ],
)
def test_tables_that_somebody_changed_are_refused(looker: Looker, change: str) -> None:
    """What is missing would break later; a trigger could do anything with what is saved later."""
    looker.sql(change)
    assert "other tables or triggers" in looker.refused()


def test_more_tables_and_indexes_do_no_harm(looker: Looker) -> None:
    """A table of somebody's own, and what SQLite keeps for itself, are no reason to refuse."""
    looker.sql("CREATE TABLE notes (x)", "CREATE INDEX i ON api_key (hint)", "ANALYZE")
    assert looker.look().keys == 2


def test_a_backup_of_nothing_is_refused(looker: Looker) -> None:
    """One in which nothing was ever sealed would leave an app that runs without its data keys."""
    looker.sql("DELETE FROM api_key", "DELETE FROM data_key_wrap", "DELETE FROM data_key")
    assert "holds no key" in looker.refused()


@pytest.mark.parametrize("how", ["itself", "link", "hard link", "its log"])
def test_the_store_itself_is_no_backup(looker: Looker, how: str) -> None:
    """By whatever name it is given."""
    live, other = live_file(looker.settings), looker.folder / "other.db"
    with contextlib.closing(wiring.build(looker.settings)):
        if how == "link":
            other.symlink_to(live)
        elif how == "hard link":
            other.hardlink_to(live)
        file = {"itself": live, "its log": live.with_name(f"{live.name}-wal")}.get(how, other)
        assert "is the store itself" in looker.refused(file)


# --- the master key -----------------------------------------------------------------------------


def missing(looker: Looker) -> None:
    """Take the master key away."""
    looker.settings.generated_master_key_file.unlink()


def another(looker: Looker) -> None:
    """Put another master key in its place."""
    looker.settings.generated_master_key_file.write_text(OTHER)


@pytest.mark.parametrize(
    ("change", "have"), [(missing, "none is set"), (another, "present one is")]
)
def test_t13_a_key_that_does_not_open_it_is_said(
    looker: Looker, change: Callable[[Looker], None], have: str
) -> None:
    """How many keys stay locked, which master key it takes, and which there is."""
    change(looker)
    found = looker.look()
    assert (found.keys, found.locked, found.altered) == (2, 2, 0)
    assert "This needs master key " in (found.why_locked or "")
    assert have in (found.why_locked or "")


def test_a_malformed_master_key_is_no_other_key(looker: Looker) -> None:
    """It is said as at every start, and nothing is guessed."""
    looker.set(master_key=SecretStr("too short"))
    with pytest.raises(MasterKeyError):
        looker.look()


def test_the_previous_master_key_counts(looker: Looker) -> None:
    """A backup from before a rotation opens while the old key is still named."""
    before = looker.settings.generated_master_key_file.read_text().strip()
    looker.set(master_key=SecretStr(OTHER), master_key_previous=SecretStr(before))
    assert looker.look().why_locked is None


@pytest.mark.parametrize("purpose", ["seal", "fingerprint"])
def test_a_data_key_that_stays_closed_is_said_even_without_keys(
    looker: Looker, purpose: str
) -> None:
    """Else nothing could be saved after the restore."""
    looker.sql(
        "DELETE FROM api_key",
        "UPDATE data_key_wrap SET blob = zeroblob(length(blob)) WHERE data_key_id IN "  # noqa: S608
        f"(SELECT id FROM data_key WHERE purpose = '{purpose}')",
    )
    assert "altered in the store" in (looker.look().why_locked or "")


def test_t54_an_altered_key_does_not_hold_up_the_others(looker: Looker) -> None:
    """It is counted, and stays locked after the restore as it would before."""
    looker.sql("UPDATE api_key SET endpoint = 'https://evil.example/v1' WHERE name = 'A'")
    found = looker.look()
    assert (found.keys, found.locked, found.altered, found.why_locked) == (2, 0, 1, None)


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    """No test leaves a copy of a store among the temporary files."""
    yield
    assert files(tmp_path / "temporary") == {}


def test_a_secret_in_a_name_is_not_repeated(looker: Looker) -> None:
    """What is wrong with a damaged backup is told without anything that is saved in it."""
    secret = canary("gsk_")
    looker.sql(f"UPDATE api_key SET name = '{secret}' WHERE name = 'A'")  # noqa: S608
    looker.sql("INSERT INTO selection VALUES ('me', 'nobody', '2026-01-01')")
    broken(looker.file, "an index")
    assert secret not in looker.refused()
