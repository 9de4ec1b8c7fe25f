"""`backup` and `restore` on the command line, over a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from mohet_keys.journal import Wanted
from mohet_keys.migrations import HEAD
from tests import terminal
from tests.masters import started
from tests.shell import Shell
from tests.test_backup import add, broken, files, live_file, names, names_in
from tests.test_candidate import OTHER

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """Commands in this process, on a store with keys A and B."""
    with started(shell.folder) as parts:
        for name in ("A", "B"):
            add(parts, name)
    return shell


def test_t13_a_backup_says_what_it_holds_and_what_it_does_not(shell: Shell, tmp_path: Path) -> None:
    """How many keys, and that the master key is not in it and has to be kept elsewhere."""
    said = shell("backup", tmp_path / "b.db")
    assert (said.status, said.err) == (0, "")
    first, second = said.out.splitlines()
    assert first.startswith(f"{tmp_path / 'b.db'} holds 2 keys (")
    assert second.startswith("The master key is not in it. Keep a copy of that somewhere else")
    assert names_in(tmp_path / "b.db") == ["A", "B"]


def test_a_backup_beside_the_master_key_is_told(shell: Shell) -> None:
    """Whoever finds both can open the keys."""
    said = shell("backup", shell.settings.config_dir / "b.db")
    assert "in one place: move the backup away from" in said.out.splitlines()[-1]
    assert str(shell.settings.generated_master_key_file) in said.out


def test_a_backup_in_json(shell: Shell, tmp_path: Path) -> None:
    """The same for programs."""
    file = tmp_path / "b.db"
    assert shell("backup", file, "--json").json == {
        "file": str(file),
        "keys": 2,
        "bytes": file.stat().st_size,
        "schema": HEAD,
        "has_master_key": False,
    }


def test_t13_a_file_that_is_there_is_refused(shell: Shell, tmp_path: Path) -> None:
    """With 2, one line, and the file as it was."""
    (tmp_path / "b.db").write_text("mine")
    said = shell("backup", tmp_path / "b.db")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert "is there already" in said.err
    assert shell("backup", tmp_path / "b.db", "--json").error["code"] == "refused"
    assert (tmp_path / "b.db").read_text() == "mine"


def test_a_store_that_cannot_be_read_ends_with_3(shell: Shell, tmp_path: Path) -> None:
    """Damaged, or not there: the backup is not made."""
    broken(live_file(shell.settings), "pages")
    assert shell("backup", tmp_path / "b.db").status == 3
    live_file(shell.settings).unlink()
    assert shell("backup", tmp_path / "b.db").status == 3
    assert not (tmp_path / "b.db").exists()
    assert files(shell.settings.data_dir) == {}


@pytest.fixture
def file(shell: Shell, tmp_path: Path) -> Path:
    """A backup with A and B, of a store that has C too by now."""
    shell("backup", tmp_path / "b.db")
    with started(shell.folder) as parts:
        add(parts, "C")
    return tmp_path / "b.db"


def test_t13_a_restore_says_first_what_it_would_do(shell: Shell, file: Path) -> None:
    """Without --yes: how many keys come in and from when, how many there are, and no change."""
    before = files(shell.settings.data_dir)
    said = shell("restore", file)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(f"This restores the store from {file}: 2 keys, saved 20")
    assert "The present store, with 3 keys, would be kept in a file beside it." in said.err
    assert said.err.endswith("Say --yes to do it.\n")
    assert files(shell.settings.data_dir) == before


def test_t13_a_restore_with_yes_does_it(shell: Shell, file: Path) -> None:
    """And names the file that the store before is kept in."""
    said = shell("restore", file, "--yes")
    assert (said.status, said.err) == (0, "")
    first, second = said.out.splitlines()
    assert first.startswith(f"The store is restored from {file}: 2 keys, saved 20")
    kept = Path(second.removeprefix("The one before is kept: ").removesuffix("."))
    assert names_in(kept) == ["A", "B", "C"]
    with started(shell.folder) as parts:
        assert names(parts) == ["A", "B"]


def test_a_restore_in_json(shell: Shell, file: Path) -> None:
    """The same for programs, times in UTC."""
    said = shell("restore", file, "--yes", "--json").json
    assert said["saved_at"].endswith("Z")
    assert said["changed_at"].endswith("Z")
    assert names_in(Path(said["kept"])) == ["A", "B", "C"]
    for name in ("saved_at", "changed_at", "kept"):
        del said[name]
    assert said == {
        "file": str(file),
        "keys": 2,
        "replaced_keys": 3,
        "locked": 0,
        "altered": 0,
        "why_locked": None,
        "schema": HEAD,
        "was_damaged": False,
    }


def test_t13_a_backup_for_another_key_needs_locked(shell: Shell, file: Path) -> None:
    """It is refused with what is needed, announced with it, and done on demand."""
    shell.settings.generated_master_key_file.write_text(OTHER)
    before = files(shell.settings.data_dir)
    announced, refused = shell("restore", file), shell("restore", file, "--yes")
    assert (announced.status, refused.status) == (2, 2)
    for said in (announced, refused):
        assert "This needs master key " in said.err
    assert announced.err.endswith("Say --yes --locked to do it all the same.\n")
    assert "--locked" in refused.err
    assert files(shell.settings.data_dir) == before
    done = shell("restore", file, "--yes", "--locked")
    assert done.status == 0
    assert done.out.splitlines()[-1].startswith("2 keys locked. This needs master key ")


def test_t54_the_damaged_store_is_said_and_replaced(shell: Shell, file: Path) -> None:
    """How many keys it has is not known; it is kept as it was, and named."""
    broken(live_file(shell.settings), "no database")
    damaged = live_file(shell.settings).read_bytes()
    assert "an unknown number of keys, for it cannot be read" in shell("restore", file).err
    last = shell("restore", file, "--yes").out.splitlines()[-1]
    kept = Path(last.removeprefix("What was there, no database any more, is kept: ")[:-1])
    assert kept.read_bytes() == damaged
    assert names_in(live_file(shell.settings)) == ["A", "B"]


def test_where_there_is_no_store_one_is_made(shell: Shell, file: Path) -> None:
    """As on a new machine: nothing is replaced and nothing kept."""
    live_file(shell.settings).unlink()
    assert "There is no store yet. Say --yes" in shell("restore", file).err
    assert shell("restore", file, "--yes", "--json").json["kept"] is None
    assert names_in(live_file(shell.settings)) == ["A", "B"]


def test_what_is_no_backup_ends_with_2(shell: Shell, tmp_path: Path) -> None:
    """With a line that says which file, whatever is in its name."""
    odd = tmp_path / "odd\x1b[31m\nname"
    odd.write_text("My notes.")
    said = shell("restore", odd, "--yes")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert "damaged, or is no database" in said.err
    assert "\x1b" not in said.err


def test_a_malformed_master_key_ends_with_3(shell: Shell, file: Path) -> None:
    """As it would end every start."""
    shell.monkeypatch.setenv("MOHET_MASTER_KEY", "too short")
    assert shell("restore", file, "--yes").status == 3
    assert shell("backup", file.with_name("again.db")).status == 0


def test_another_database_is_left_to_its_own_tools(shell: Shell, file: Path) -> None:
    """Both commands say which, and do nothing."""
    shell.monkeypatch.setenv("MOHET_DATABASE_URL", "postgresql://me:pw@host/keys")
    for arguments in (("backup", file.with_name("other.db")), ("restore", file, "--yes")):
        said = shell(*arguments)
        assert said.status == 2
        assert "pg_dump and pg_restore" in said.err
    assert not file.with_name("other.db").exists()


def test_as_a_program(shell: Shell, file: Path) -> None:
    """Both work in a process of their own, and leave nothing in the folder for temporary files."""
    folder = file.parent / "temporary"
    folder.mkdir()
    other = file.with_name("other.db")
    terminal.say(
        shell.folder, (f"backup {other}", ""), (f"restore {file} --yes", ""), TMPDIR=str(folder)
    )
    assert (names_in(other), names_in(live_file(shell.settings))) == (["A", "B", "C"], ["A", "B"])
    assert files(folder) == {}


def test_t49_backup_and_restore_are_on_record(shell: Shell, tmp_path: Path) -> None:
    """Both are, and the restore stands in the store that came back."""
    shell("backup", tmp_path / "b.db")
    assert shell("restore", tmp_path / "b.db", "--yes").status == 0
    with started(shell.folder) as parts:
        (latest, *_) = parts.repository.journal.page(Wanted(), limit=1)
    assert (latest.action, latest.detail, latest.result) == ("restore", "from b.db", "done")
    assert shell("backup", tmp_path / "c.db").status == 0
    with started(shell.folder) as parts:
        actions = [each.action for each in parts.repository.journal.page(Wanted(), limit=2)]
    assert actions == ["backup", "restore"]
