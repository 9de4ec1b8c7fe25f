"""Another generated master key in the place of the present one, step by step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mohet_keys import masterkey, masterkey_next, private_files
from mohet_keys.errors import MasterKeyError
from mohet_keys.sealed import MasterKey
from mohet_keys.settings import Settings
from mohet_keys.vault import master_id
from tests.masters import NEW, OLD, THIRD, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A generated key, and a store that has rows."""
    made = settings_in(tmp_path)
    assert masterkey.load(made, store_is_empty=True)
    return made


def present(settings: Settings) -> MasterKey:
    """The master key that a start finds."""
    masters = masterkey.load(settings, store_is_empty=False)
    assert masters
    return masters.primary


def previous(settings: Settings) -> MasterKey | None:
    """The one before it that a start finds."""
    masters = masterkey.load(settings, store_is_empty=False)
    return masters.previous if masters else None


def followed(settings: Settings) -> MasterKey:
    """Move on to a new key."""
    made = masterkey_next.prepare(settings)
    masterkey_next.promote(settings)
    return made


def files(settings: Settings) -> dict[str, int]:
    """The files beside the key, with their modes."""
    folder = settings.config_dir
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("umask", [0o022, 0, 0o077])
def test_a_new_key_waits_and_then_takes_its_place(settings: Settings, umask: int) -> None:
    """While it waits a start finds the old one alone; then the new one, and the old before it. All
    of them are this user's alone, whatever the umask."""
    old = present(settings)
    before = os.umask(umask)
    made = masterkey_next.prepare(settings)
    assert (present(settings).raw, previous(settings)) == (old.raw, None)
    assert files(settings) == {"master.key": 0o600, "master.key.next": 0o600}
    masterkey_next.promote(settings)
    os.umask(before)
    found = previous(settings)
    assert found
    assert (present(settings).raw, found.raw) == (made.raw, old.raw)
    assert "previous generated file" in found.source
    assert files(settings) == {"master.key": 0o600, "master.key.previous": 0o600}
    assert masterkey_next.waiting(settings) is None


def test_a_key_that_waits_is_taken(settings: Settings) -> None:
    """What a run that was cut short had made is not made again."""
    assert masterkey_next.prepare(settings).raw == masterkey_next.prepare(settings).raw
    assert masterkey_next.waiting(settings) == masterkey_next.prepare(settings)


def test_a_key_two_keys_old_is_set_aside(settings: Settings) -> None:
    """Nothing is written over a key: it gets a file that is named by its id."""
    keys = [present(settings), *(followed(settings) for _ in range(3))]
    names = [f"master.key.{master_id(key)}" for key in keys[:2]]
    assert sorted(files(settings)) == sorted(["master.key", "master.key.previous", *names])
    aside = settings.config_dir / names[0]
    assert masterkey.load(settings_in(Path("/nowhere"), master_key_file=aside), store_is_empty=True)
    assert set(files(settings).values()) == {0o600}


def test_a_file_system_without_links_does_as_well(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key before is kept by copying it."""
    old = present(settings)

    def unknown(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", unknown)
    made = followed(settings)
    found = previous(settings)
    assert found
    assert (present(settings).raw, found.raw) == (made.raw, old.raw)
    assert set(files(settings).values()) == {0o600}


def test_what_killed_runs_left_is_removed(settings: Settings) -> None:
    """A part of a file may hold a key, so it goes; what is not ours stays."""
    for name in ("master.key.part-1", "master.key.next.part-2", "notes.part-3"):
        (settings.config_dir / name).write_text("x")
    followed(settings)
    assert sorted(files(settings)) == ["master.key", "master.key.previous", "notes.part-3"]


def test_a_waiting_key_that_is_the_present_one_is_refused(settings: Settings) -> None:
    """Somebody copied it there; moving on to it would be no rotation."""
    path = settings.config_dir / "master.key.next"
    path.write_bytes((settings.config_dir / "master.key").read_bytes())
    path.chmod(0o600)
    with pytest.raises(MasterKeyError, match="holds no new master key"):
        masterkey_next.prepare(settings)


@pytest.mark.parametrize("name", ["next", "previous"])
@pytest.mark.parametrize("broken", ["malformed", "open to others", "a link"])
def test_t10_a_file_beside_the_key_is_held_to_the_same_rules(
    settings: Settings, name: str, broken: str
) -> None:
    """It is refused by its source and the rule, and left as it is."""
    path = settings.config_dir / f"master.key.{name}"
    if broken == "a link":
        path.symlink_to(settings.config_dir / "master.key")
    else:
        path.write_text("short" if broken == "malformed" else NEW)
        path.chmod(0o644 if broken == "open to others" else 0o600)
    before = settings.generated_master_key_file.read_bytes()
    with pytest.raises(MasterKeyError, match=str(path)) as caught:
        followed(settings)
    assert NEW not in str(caught.value)
    assert settings.generated_master_key_file.read_bytes() == before
    assert path.is_symlink() == (broken == "a link")


@pytest.mark.parametrize("at", ["prepare", "_set_aside", "_keep", "exchange"])
def test_whatever_fails_the_present_key_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A disk that fails is told with the file, and the next run comes through."""
    old = present(settings)

    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if at == "prepare":
            patch.setattr(private_files, "place", failing)
        else:
            patch.setattr(private_files if at == "exchange" else masterkey_next, at, failing)
        with pytest.raises(MasterKeyError, match="No space left"):
            followed(settings)
    assert present(settings).raw == old.raw
    made = followed(settings)
    assert present(settings).raw == made.raw


def test_the_previous_file_counts_only_beside_a_generated_key(settings: Settings) -> None:
    """Once an operator sets keys, those and no others are meant."""
    old = present(settings)
    followed(settings)
    folder = settings.config_dir.parent
    text = (settings.config_dir / "master.key").read_text().strip()
    named = settings_in(folder, master_key=text)
    masters = masterkey.load(named, store_is_empty=False)
    assert masters
    assert masters.previous is None
    asked = settings_in(folder, master_key_previous=OLD)
    masters = masterkey.load(asked, store_is_empty=False)
    assert masters
    assert masters.previous
    assert masters.previous.raw not in {old.raw, masters.primary.raw}
    assert masterkey.is_generated(settings)
    assert not masterkey.is_generated(named)
    assert not masterkey.is_generated(asked)


def test_without_a_present_key_the_previous_one_is_no_key(settings: Settings) -> None:
    """It may be an old one: nothing is opened or made with it by itself."""
    followed(settings)
    settings.generated_master_key_file.unlink()
    assert masterkey.load(settings, store_is_empty=False) is None
    other = settings_in(settings.config_dir.parent, master_key=THIRD)
    masters = masterkey.load(other, store_is_empty=False)
    assert masters
    assert masters.previous is None
