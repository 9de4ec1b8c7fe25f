"""Restores over a real store: while the app runs, over damage, where nothing is, killed midway."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import backup, restore, sqlite_copy, sqlite_file, wiring
from mohet_keys.errors import LockedError, RefusedError, StoreError
from mohet_keys.migrations import HEAD
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.settings import Settings
from tests.leaks import canary
from tests.masters import store_in
from tests.test_backup import add, broken, files, live_file, names, names_in, no_links, told
from tests.test_candidate import OTHER, to_first_step

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    """A backup with key A, of a store that has A and B."""
    store_in(tmp_path)
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, "A", canary("gsk_"))
        saved = backup.save(settings, tmp_path / "a.db")
        add(parts, "B")
    return saved.file


def beside(settings: Settings) -> list[str]:
    """What lies in the store's folder besides the store."""
    return sorted(name for name in files(settings.data_dir) if name != "mohet_keys.db")


# --- what a restore does ------------------------------------------------------------------------


def test_t13_a_running_app_goes_on_with_the_restored_keys(settings: Settings, file: Path) -> None:
    """Its next statement sees them, and what it saves then is in the store."""
    with contextlib.closing(wiring.build(settings)) as parts:
        assert names(parts) == ["A", "B"]
        restore.restore(settings, file)
        assert names(parts) == ["A"]
        add(parts, "C")
        assert names(parts) == ["A", "C"]
    assert names_in(live_file(settings)) == ["A", "C"]


def test_t13_the_store_that_was_there_is_kept(settings: Settings, file: Path) -> None:
    """As one file beside it, for its owner alone, named by the time; a second one has its own."""
    restored = restore.restore(settings, file, now=NOW)
    again = restore.restore(settings, file, now=NOW)
    name = "mohet_keys.db.before-restore-20260301-123456"
    assert beside(settings) == [name, f"{name}-2"]
    assert [restored.kept, again.kept] == [settings.data_dir / each for each in beside(settings)]
    assert (names_in(settings.data_dir / name), restored.was_damaged) == (["A", "B"], False)
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()} == {0o600}
    assert beside(settings) == [name, f"{name}-2"]


def test_what_was_kept_can_be_restored(settings: Settings, file: Path) -> None:
    """The way back from a restore is a restore."""
    kept = restore.restore(settings, file).kept
    assert kept is not None
    assert restore.restore(settings, kept).candidate.keys == 2
    assert names_in(live_file(settings)) == ["A", "B"]


def test_t13_unpacked_elsewhere_it_opens_with_the_key_alone(
    settings: Settings, file: Path, tmp_path: Path
) -> None:
    """On another machine it is refused without the key, locked on demand, and open with it."""
    new = Settings(data_dir=tmp_path / "new" / "data", config_dir=tmp_path / "new" / "config")
    with pytest.raises(RefusedError, match=r"This needs master key .*, but none is set"):
        restore.restore(new, file)
    assert not new.data_dir.exists()
    assert restore.restore(new, file, locked=True).candidate.locked == 1
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in new.data_dir.iterdir()} == {
        "mohet_keys.db": "600"
    }
    assert oct(new.data_dir.stat().st_mode)[-3:] == "700"
    with contextlib.closing(wiring.build(new)) as parts:
        (entry,) = parts.keys.list(owner=LOCAL_OWNER).entries
        assert (entry.name, bool(entry.locked)) == ("A", True)
        with pytest.raises(LockedError):
            parts.safe.require()
    shutil.copytree(settings.config_dir, new.config_dir, dirs_exist_ok=True)
    with contextlib.closing(wiring.build(new)) as parts:
        (entry,) = parts.keys.list(owner=LOCAL_OWNER).entries
        assert entry.locked is None
        parts.safe.require()


def test_a_key_that_does_not_open_it_changes_nothing(settings: Settings, file: Path) -> None:
    """A refused restore leaves the folder as it was, byte for byte."""
    settings.generated_master_key_file.write_text(OTHER)
    before = files(settings.data_dir)
    with pytest.raises(RefusedError, match="--locked"):
        restore.restore(settings, file)
    assert files(settings.data_dir) == before


def test_a_store_with_other_data_keys_is_used_at_once(
    settings: Settings, file: Path, tmp_path: Path
) -> None:
    """What was sealed under data keys the running app never saw opens, and saving goes on."""
    master = settings.generated_master_key_file.read_text().strip()
    other = Settings(data_dir=tmp_path / "other", master_key=SecretStr(master))
    with contextlib.closing(wiring.build(other)) as parts:
        add(parts, "Elsewhere")
    with contextlib.closing(wiring.build(settings)) as parts:
        restore.restore(settings, live_file(other))
        (entry,) = parts.keys.list(owner=LOCAL_OWNER).entries
        sealed = parts.repository.sealed(entry.id, LOCAL_OWNER)
        label = wiring.vault.Label(entry.id, "groq", entry.endpoint, 1, False)
        assert parts.safe.open(sealed.blob, label).startswith("gsk_")
        add(parts, "C")
    with contextlib.closing(wiring.build(settings)) as parts:
        assert names(parts) == ["C", "Elsewhere"]
        for each in parts.keys.list(owner=LOCAL_OWNER).entries:
            label = wiring.vault.Label(each.id, "groq", each.endpoint, 1, False)
            parts.safe.open(parts.repository.sealed(each.id, LOCAL_OWNER).blob, label)


def test_an_older_backup_comes_in_at_the_newest_step(settings: Settings, file: Path) -> None:
    """A running app of this version finds the tables it needs."""
    to_first_step(file)
    with contextlib.closing(wiring.build(settings)) as parts:
        assert restore.restore(settings, file).candidate.schema == "0001"
        add(parts, "C")
        assert names(parts) == ["A", "C"]
    with contextlib.closing(sqlite3.connect(live_file(settings))) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert found == [(HEAD,)]


@pytest.mark.parametrize("many", [0, 300])
def test_size_does_not_matter(settings: Settings, file: Path, tmp_path: Path, many: int) -> None:
    """A store becomes smaller or larger by it, and is whole after."""
    large, small = (many, 0) if many else (0, 300)
    with contextlib.closing(wiring.build(settings)) as parts:
        fill(file, large)
        fill(live_file(settings), small)
        restore.restore(settings, file)
        assert len(names(parts)) == 1 + large
    assert sqlite_copy.faults(live_file(settings)) == []


def fill(path: Path, many: int) -> None:
    """Put so many copies of key A, which do not open, into a store."""
    columns = "owner, provider, endpoint, hint, has_secret, sealed, data_key_id, revision, "
    columns += "version, allow_http, rank, created_at, updated_at, updated_by, shelf, typed_by"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            f"INSERT INTO api_key (id, name, name_key, {columns}) "  # noqa: S608
            f"SELECT ?1, ?1, ?1, {columns} FROM api_key WHERE name = 'A'",
            [(f"copy {number}",) for number in range(many)],
        )


def test_pages_of_another_size_are_brought_to_the_stores_own(
    settings: Settings, file: Path
) -> None:
    """A log takes no pages of another size than its database has."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size=1024")
        connection.execute("VACUUM")
    with contextlib.closing(wiring.build(settings)) as parts:
        restore.restore(settings, file)
        assert names(parts) == ["A"]


def test_t14_nothing_of_the_replaced_keys_stays_in_the_store(
    settings: Settings, file: Path
) -> None:
    """What was in the store alone is in no file of it any more, only in what is kept of it."""
    with contextlib.closing(wiring.build(settings)) as parts:
        (gone,) = (e for e in parts.keys.list(owner=LOCAL_OWNER).entries if e.name == "B")
        blob = parts.repository.sealed(gone.id, LOCAL_OWNER).blob
        kept = restore.restore(settings, file).kept
        found = [name for name, content in files(settings.data_dir).items() if blob in content]
    assert kept is not None
    assert found == [kept.name]


# --- beside others ------------------------------------------------------------------------------


def test_t13_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    """Beside a writer every key is in what was kept or in the store, and the writer goes on."""
    said = told("restores", tmp_path)
    assert (said["error"], said["lost"]) == ("", [])
    assert len(said["kept"]) == 5


def test_t13_a_copy_made_before_the_lock_would_lose_some(tmp_path: Path) -> None:
    """The twin: what is written between the copy and the lock is nowhere any more."""
    assert told("restores", tmp_path, "--careless")["lost"]


def test_the_old_store_is_copied_while_nobody_can_write(settings: Settings, file: Path) -> None:
    """At that moment another program reads the old content, and its write is told to wait."""
    seen: list[Any] = []

    def first() -> None:
        with contextlib.closing(sqlite3.connect(live_file(settings), timeout=0)) as other:
            seen.extend(other.execute("SELECT count(*) FROM api_key").fetchone())
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("DELETE FROM api_key")

    sqlite_copy.overwrite(live_file(settings), file, first)
    assert seen == [2]


def test_a_store_that_another_program_holds_is_waited_for(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not for ever: then it says so, and nothing is changed."""
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 50)
    with contextlib.closing(wiring.build(settings)) as parts:
        other = sqlite3.connect(live_file(settings), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds it"):
            restore.restore(settings, file)
        other.close()
        assert names(parts) == ["A", "B"]
        assert [name for name in beside(settings) if "restore" in name] == []
        restore.restore(settings, file)
        assert names(parts) == ["A"]


# --- over damage --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["list of tables", "pages", "cut"])
def test_t54_a_damaged_store_is_replaced_in_its_place(
    settings: Settings, file: Path, how: str
) -> None:
    """Where its head is whole SQLite itself puts the new content in; the damage is kept."""
    broken(live_file(settings), how)
    inode = live_file(settings).stat().st_ino
    restored = restore.restore(settings, file)
    assert live_file(settings).stat().st_ino == inode
    assert restored.kept is not None
    assert "before-restore" in restored.kept.name
    with contextlib.closing(wiring.build(settings)) as parts:
        assert names(parts) == ["A"]


@pytest.mark.parametrize("links", [True, False])
def test_t54_what_is_no_database_is_moved_aside(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """With the files beside it, for its owner alone, and not one byte of it is lost."""
    if not links:
        monkeypatch.setattr("os.link", no_links)
    broken(live_file(settings), "no database")
    live_file(settings).chmod(0o644)
    for side in ("-wal", "-shm"):
        live_file(settings).with_name(f"mohet_keys.db{side}").write_bytes(side.encode() * 50)
    before = files(settings.data_dir)
    restored = restore.restore(settings, file, now=NOW)
    name = "mohet_keys.db.damaged-20260301-123456"
    assert (restored.kept, restored.was_damaged) == (settings.data_dir / name, True)
    after = files(settings.data_dir)
    assert sorted(after) == ["mohet_keys.db", name, f"{name}-shm", f"{name}-wal"]
    for side in ("", "-wal"):  # -shm is but an index of the log, made anew by whoever reads it
        assert after[name + side] == before[f"mohet_keys.db{side}"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()} == {0o600}
    assert names_in(live_file(settings)) == ["A"]


def test_t54_an_app_that_met_the_damage_recovers(settings: Settings, file: Path) -> None:
    """It says so while the store is no database, and works after the restore without a restart."""
    with contextlib.closing(wiring.build(settings)) as parts:
        broken(live_file(settings), "no database")
        parts.repository._database.engine.dispose()  # as when it needs a further connection
        for _ in range(3):
            with pytest.raises(StoreError, match="not a database"):
                parts.repository.ping()
        restore.restore(settings, file)
        parts.repository.ping()
        assert names(parts) == ["A"]
        add(parts, "C")
    assert names_in(live_file(settings)) == ["A", "C"]


def test_t54_an_app_that_did_not_notice_goes_on_with_the_new_file(
    settings: Settings, file: Path
) -> None:
    """Its open connections still have the file that was moved aside, and no error tells them."""
    with contextlib.closing(wiring.build(settings)) as parts:
        assert names(parts) == ["A", "B"]
        broken(live_file(settings), "no database")
        assert names(parts) == ["A", "B"]  # as they remember it
        restore.restore(settings, file)
        assert names(parts) == ["A"]
        add(parts, "C")
    assert names_in(live_file(settings)) == ["A", "C"]
    assert sqlite_copy.faults(live_file(settings)) == []


# --- where nothing is ---------------------------------------------------------------------------


def test_t54_a_store_that_was_deleted_comes_back_under_a_running_app(
    settings: Settings, file: Path
) -> None:
    """The log it left is moved aside, for it would be taken for the new file's own."""
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, "C")
        live_file(settings).unlink()
        with pytest.raises(StoreError, match="is gone"):
            parts.repository.ping()
        restored = restore.restore(settings, file, now=NOW)
        name = "mohet_keys.db.damaged-20260301-123456"
        assert (restored.kept, restored.was_damaged) == (settings.data_dir / f"{name}-wal", False)
        assert names(parts) == ["A"]
        add(parts, "D")
        assert names(parts) == ["A", "D"]
    assert sqlite_copy.faults(live_file(settings)) == []
    assert names_in(live_file(settings)) == ["A", "D"]


def test_a_log_that_stayed_would_have_ruined_it(settings: Settings, file: Path) -> None:
    """The twin: put beside the log of another store, a whole file is none any more."""
    with contextlib.closing(wiring.build(settings)) as parts:
        for number in range(30):
            add(parts, f"{number}")
        live_file(settings).unlink()
        shutil.copy(file, live_file(settings))
        with contextlib.closing(sqlite3.connect(live_file(settings))) as connection:
            found = connection.execute("SELECT count(*) FROM api_key").fetchone()
    assert found != (1,)


def test_a_store_made_at_the_same_moment_stays(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that comes while the new one is put in place is not written over."""
    live_file(settings).unlink()
    real = restore._set_aside

    def slow(live: Path, aside: Path) -> Path | None:
        kept = real(live, aside)
        live.write_text("mine")
        return kept

    monkeypatch.setattr(restore, "_set_aside", slow)
    with pytest.raises(StoreError, match="at the same moment"):
        restore.restore(settings, file)
    assert files(settings.data_dir) == {"mohet_keys.db": b"mine"}


# --- broken off ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["whole", "damaged", "missing"])
def test_t54_killed_at_any_step_it_leaves_the_old_or_the_new(tmp_path: Path, state: str) -> None:
    """Never half of one; and where it is the new one, the old one is kept."""
    said = told("kill", tmp_path, state)
    assert said["wrong"] == []
    assert (said["now"], said["steps"] > 10, said["new_when_killed"] > 0) == ([1], True, True)


def test_t54_written_over_it_would_be_half_of_each(tmp_path: Path) -> None:
    """The twin: killed while it is written over, the file is damaged, and that is noticed."""
    assert any(
        "malformed" in line for line in told("kill", tmp_path, "whole", "--careless")["wrong"]
    )


def test_t53_no_room_for_the_exchange_changes_nothing(tmp_path: Path) -> None:
    """With the old store copied and no room for more, it stays as it is; then it works."""
    said = told("full", tmp_path, "late")
    assert said["said"][-1].startswith("store: The disk")
    assert (said["found"], said["then"]) == ([1, 2], [1])
    assert all("before-restore" in name or name == "other.db" for name in said["left"])


def test_a_folder_that_cannot_be_written_is_said(settings: Settings, file: Path) -> None:
    """A data folder below a file is no place for a store."""
    inside = Settings(data_dir=file / "data", config_dir=settings.config_dir)
    with pytest.raises(StoreError, match="cannot be replaced"):
        restore.restore(inside, file)


def test_another_database_is_left_to_its_own_tools(settings: Settings, file: Path) -> None:
    """Nothing is looked at, and no address is said."""
    elsewhere = settings.model_copy(update={"database_url": SecretStr("postgresql://me:pw@host/k")})
    elsewhere.__dict__.pop("store_url", None)
    with pytest.raises(RefusedError, match="pg_restore"):
        restore.restore(elsewhere, file)
