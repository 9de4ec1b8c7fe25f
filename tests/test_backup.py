"""Backups of a real store, also while another process writes to it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import backup, private_files, sqlite_copy, wiring
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.migrations import HEAD
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.settings import Settings
from tests.leaks import canary, leak, scan

ROOT = Path(__file__).parents[1]


def add(parts: wiring.Parts, name: str, secret: str = "") -> str:
    """Save a key. Returns its id."""
    new = NewKey(provider="groq", name=name, secret=SecretStr(secret or canary("gsk_")))
    return parts.keys.add(new, owner=LOCAL_OWNER).entry.id


def names(parts: wiring.Parts) -> list[str]:
    """What the keys are called, in order."""
    return sorted(entry.name for entry in parts.keys.list(owner=LOCAL_OWNER).entries)


def names_in(path: Path) -> list[str]:
    """The same of a file that nobody runs on."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return sorted(row[0] for row in connection.execute("SELECT name FROM api_key"))


def live_file(settings: Settings) -> Path:
    """The store's file."""
    return settings.data_dir / "mohet_keys.db"


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with what is in it."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def told(mode: str, folder: Path, *more: str) -> dict[str, Any]:
    """What came of a run of tests/restoring.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.restoring", mode, str(folder), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    sys.stdout.write(f"\n{mode} {more}: {said}\n")
    return said


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the test's own for backups."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def no_umask() -> Iterator[None]:
    """A umask that takes no right away from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


# --- what a backup is ---------------------------------------------------------------------------


def test_t13_backups_beside_a_writer_are_whole(tmp_path: Path) -> None:
    """Each has every key that was acknowledged before, none without those before it, no fault."""
    said = told("backups", tmp_path)
    assert (said["error"], said["wrong"]) == ("", [])
    assert len(said["keys"]) == 8


def test_t13_a_plain_copy_beside_a_writer_would_not_be(tmp_path: Path) -> None:
    """The twin: what `cp` makes lacks keys that were acknowledged."""
    assert told("backups", tmp_path, "--careless")["wrong"]


def test_t13_a_backup_is_one_file(parts: wiring.Parts, settings: Settings, outside: Path) -> None:
    """Nothing lies beside it, it needs no log, and it says how much is in it."""
    for name in ("A", "B"):
        add(parts, name)
    saved = backup.save(settings, outside / "b.db")
    assert [path.name for path in outside.iterdir()] == ["b.db"]
    assert (saved.keys, saved.schema, saved.bytes) == (2, HEAD, saved.file.stat().st_size)
    with contextlib.closing(sqlite3.connect(saved.file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert names_in(saved.file) == ["A", "B"]
    assert [path.name for path in outside.iterdir()] == ["b.db"]


@pytest.mark.usefixtures("no_umask")
def test_t12_a_backup_is_for_its_owner_alone(
    parts: wiring.Parts, settings: Settings, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has mode 0600 whatever the umask, from the moment there is anything in it."""
    add(parts, "A")
    seen = []
    real = sqlite_copy.copy

    def watched(live: Path, part: Path) -> None:
        seen.append(part.stat())
        real(live, part)
        seen.append(part.stat())

    monkeypatch.setattr(sqlite_copy, "copy", watched)
    saved = backup.save(settings, outside / "b.db")
    modes = {stat.S_IMODE(each.st_mode) for each in (*seen, saved.file.stat())}
    assert (modes, seen[0].st_size) == ({0o600}, 0)


def test_t13_no_master_key_and_no_environment_is_in_it(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the master key in any form, nor a saved secret, nor what is in the environment."""
    raw = os.urandom(32)
    around, secret = canary("env-"), canary("gsk_")
    monkeypatch.setenv("MOHET_MASTER_KEY", base64.b64encode(raw).decode())
    monkeypatch.setenv("SOMETHING", around)
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    settings = Settings()
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, "A", secret)
        saved = backup.save(settings, outside / "b.db")
    content = {"backup": saved.file.read_bytes()}
    assert [found for what in (secret, around) for found in scan(what, content)] == []
    master = (raw, base64.b64encode(raw), raw.hex().encode(), raw.hex().upper().encode())
    assert not [form for form in master if form[2:-4] in content["backup"]]


def test_t13_the_search_would_find_a_leak(outside: Path) -> None:
    """The twin: the same search sees a secret in a file, raw and encoded."""
    secret = canary("gsk_")
    for form in ("raw", "base64", "hex", "url", "json", "part"):
        assert scan(secret, {"backup": b"\0" * 100 + leak(secret, form)})


def test_t14_what_was_deleted_is_not_in_it(
    parts: wiring.Parts, settings: Settings, outside: Path
) -> None:
    """The sealed bytes of a deleted key are in no backup made after; those of others are."""
    gone, kept = add(parts, "Gone"), add(parts, "Kept")
    blobs = [parts.repository.sealed(each, LOCAL_OWNER).blob for each in (gone, kept)]
    first = backup.save(settings, outside / "1.db").file.read_bytes()
    parts.keys.remove(gone, owner=LOCAL_OWNER)
    second = backup.save(settings, outside / "2.db").file.read_bytes()
    assert [blob in first for blob in blobs] == [True, True]
    assert [blob in second for blob in blobs] == [False, True]
    assert blobs[0][-40:] not in second


def test_t14_without_wiping_it_would_be_there(settings: Settings, outside: Path) -> None:
    """The twin: a backup copies free pages too, so what is not wiped from them goes along."""
    with contextlib.closing(wiring.build(settings)) as parts:
        gone = add(parts, "Gone")
        blob = parts.repository.sealed(gone, LOCAL_OWNER).blob
    with contextlib.closing(sqlite3.connect(live_file(settings))) as connection, connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("DELETE FROM api_key")
    assert blob[-40:] in backup.save(settings, outside / "b.db").file.read_bytes()


def test_a_backup_beside_the_master_key_is_told(
    parts: wiring.Parts, settings: Settings, outside: Path
) -> None:
    """Whoever finds both can open the keys, so it is said where the key lies."""
    assert backup.save(settings, outside / "b.db").beside_master_key is None
    saved = backup.save(settings, settings.config_dir / "b.db")
    assert saved.beside_master_key == settings.generated_master_key_file


def test_a_store_without_its_master_key_is_backed_up(settings: Settings, outside: Path) -> None:
    """A backup needs no key: it is also the way to bring locked keys somewhere else."""
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, "A")
    settings.generated_master_key_file.write_text("malformed")
    assert backup.save(settings, outside / "b.db").keys == 1


# --- what is refused ----------------------------------------------------------------------------


def made(path: Path, what: str) -> None:
    """Put something where the backup should go."""
    if what == "file":
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_t13_what_is_there_is_never_written_over(
    parts: wiring.Parts, settings: Settings, outside: Path, what: str
) -> None:
    """A file, a folder or a link that leads nowhere is refused and stays as it is."""
    made(outside / "b.db", what)
    before = (os.lstat(outside / "b.db"), files(outside))
    with pytest.raises(RefusedError, match="is there already"):
        backup.save(settings, outside / "b.db")
    assert (os.lstat(outside / "b.db"), files(outside)) == before


@pytest.mark.parametrize("links", [True, False])
def test_t13_nor_is_what_comes_while_it_is_made(
    parts: wiring.Parts,
    settings: Settings,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    """Another program's file of that name stays, also on a file system without links."""
    real = sqlite_copy.copy
    target = outside / "b.db"

    def slow(live: Path, part: Path) -> None:
        real(live, part)
        target.write_text("mine")

    monkeypatch.setattr(sqlite_copy, "copy", slow)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(RefusedError, match="meanwhile"):
        backup.save(settings, target)
    assert files(outside) == {"b.db": b"mine"}


def no_links(*_: object) -> None:
    """What os.link does on a stick with FAT."""
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_links_does_as_well(
    parts: wiring.Parts, settings: Settings, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is taken first, then the file is put in its place; nothing else is left."""
    add(parts, "A")
    monkeypatch.setattr(os, "link", no_links)
    saved = backup.save(settings, outside / "b.db")
    assert names_in(saved.file) == ["A"]
    assert list(files(outside)) == ["b.db"]


def test_a_place_that_cannot_be_written_is_refused(
    parts: wiring.Parts, settings: Settings, tmp_path: Path
) -> None:
    """A folder that is not there, and names that the store itself uses, are said."""
    with pytest.raises(RefusedError, match="No such file or directory"):
        backup.save(settings, tmp_path / "nowhere" / "b.db")
    parts.close()
    with pytest.raises(RefusedError, match="the store itself uses"):
        backup.save(settings, live_file(settings).with_name("mohet_keys.db-wal"))
    assert list(files(settings.data_dir)) == ["mohet_keys.db"]


def test_no_store_is_made_for_a_backup(settings: Settings, outside: Path) -> None:
    """Where there is no store, that is said, and neither store nor backup is made."""
    with pytest.raises(StoreError, match="is gone"):
        backup.save(settings, outside / "b.db")
    assert not settings.data_dir.exists()
    assert files(outside) == {}


def test_a_store_that_was_never_used_has_nothing_to_back_up(
    settings: Settings, outside: Path
) -> None:
    """A file without tables is no store yet."""
    settings.data_dir.mkdir()
    live_file(settings).touch()
    with pytest.raises(RefusedError, match="nothing in the store"):
        backup.save(settings, outside / "b.db")
    assert files(outside) == {}


def broken(path: Path, how: str) -> None:
    """Damage a store's file in one of several ways."""
    content = bytearray(path.read_bytes())
    if how == "no database":
        content[:100] = b"\xff" * 100
    elif how == "list of tables":
        content[100:4096] = b"\xff" * 3996
    elif how == "pages":
        content[8192:] = b"\xff" * len(content[8192:])
    elif how == "cut":
        del content[5000:]
    else:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (mark,) = connection.execute("SELECT fingerprint FROM api_key").fetchone()
        content[content.index(mark.encode())] = ord("g")
    path.write_bytes(content)


DAMAGES = ["no database", "list of tables", "pages", "cut", "an index"]


@pytest.mark.parametrize("how", DAMAGES)
def test_t54_no_backup_is_made_of_a_damaged_store(
    settings: Settings, outside: Path, how: str
) -> None:
    """It would replace a good one in somebody's mind; so it is refused, and the store stays."""
    with contextlib.closing(wiring.build(settings)) as parts:
        add(parts, "A")
    broken(live_file(settings), how)
    before = live_file(settings).read_bytes()
    with pytest.raises(StoreError, match=r"damaged|not a database"):
        backup.save(settings, outside / "b.db")
    assert files(outside) == {}
    assert live_file(settings).read_bytes() == before


def test_a_row_without_its_key_is_damage(settings: Settings, outside: Path) -> None:
    """A reference that leads nowhere is found too, and named."""
    wiring.build(settings).close()
    with contextlib.closing(sqlite3.connect(live_file(settings))) as connection, connection:
        connection.execute("INSERT INTO selection VALUES ('me', 'nobody', '2026-01-01')")
    with pytest.raises(StoreError, match="row 1 of selection refers to a row of api_key"):
        backup.save(settings, outside / "b.db")


def test_t53_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """Without room for the copy backup and restore say so, and all is as it was; then it works."""
    said = told("full", tmp_path, "early")
    assert [line.partition(":")[0] for line in said["said"]] == ["store", "refused", "store"]
    assert all("The disk" in line for line in said["said"])
    assert (said["left"], said["found"], said["then"]) == ([], [1, 2], [1])


def test_another_database_has_its_own_tools(tmp_path: Path, outside: Path) -> None:
    """What to use for it is said without its address, and nothing is done."""
    secret = canary("pw-")
    settings = Settings(
        data_dir=tmp_path / "data", database_url=SecretStr(f"postgresql://me:{secret}@host/keys")
    )
    with pytest.raises(RefusedError, match="pg_dump and pg_restore") as refused:
        backup.save(settings, outside / "b.db")
    assert scan(secret, {"error": str(refused.value).encode()}) == []
    assert files(outside) == {}


# --- private files ------------------------------------------------------------------------------


def test_a_part_goes_with_all_that_lies_beside_it(outside: Path) -> None:
    """When the work breaks off, neither the part nor what a database put beside it stays."""

    def breaks() -> None:
        with private_files.part_of(outside / "b.db") as part:
            part.with_name(f"{part.name}-journal").touch()
            (outside / "other").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaks()
    assert list(files(outside)) == ["other"]


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_is_for_its_owner_alone(
    outside: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """A file that was open to others is not so any more under its second name."""
    (outside / "one").write_text("same")
    (outside / "one").chmod(0o644)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    private_files.also_named(outside / "one", outside / "two")
    assert files(outside) == {"one": b"same", "two": b"same"}
    assert stat.S_IMODE((outside / "two").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        private_files.also_named(outside / "one", outside / "two")


def test_t13_a_former_master_key_beside_a_backup_is_told(
    parts: wiring.Parts, settings: Settings
) -> None:
    """A backup from before opens with it, so it must not lie beside one either."""
    add(parts, "A")
    elsewhere = settings.config_dir.parent / "elsewhere"
    elsewhere.mkdir()
    former = elsewhere / "old.key"
    former.write_bytes(settings.generated_master_key_file.read_bytes())
    more = settings.model_copy(update={"master_key_previous_file": former})
    assert backup.save(more, elsewhere / "b.db").beside_master_key == former
