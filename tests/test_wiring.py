"""Putting the product together: first start, second start, and a start with the wrong master."""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.errors import LockedError, MasterKeyError, StoreError
from mohet_keys.http import Outbound
from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry, NewKey
from mohet_keys.repository import Repository
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan

SECRET = canary("gsk_")
MASTER, OTHER = (base64.b64encode(bytes(range(at, at + 32))).decode() for at in (1, 101))


@contextmanager
def started(settings: Settings) -> Iterator[Parts]:
    """The product, put together from these settings and let go of again."""
    built = wiring.build(settings)
    try:
        yield built
    finally:
        built.close()


def at(tmp_path: Path, **more: object) -> Settings:
    """Settings with both folders below one."""
    return Settings.model_validate(
        {"data_dir": tmp_path / "data", "config_dir": tmp_path / "config", **more}
    )


def save(parts: Parts, name: str = "Prod", secret: str = SECRET) -> KeyEntry:
    """A Groq key."""
    typed = NewKey(provider="groq", name=name, secret=SecretStr(secret))
    return parts.keys.add(typed, owner=LOCAL_OWNER).entry


def content(settings: Settings) -> list[str]:
    """Everything in the store, row by row."""
    with closing(sqlite3.connect(settings.data_dir / "mohet_keys.db")) as raw:
        return list(raw.iterdump())


def listed(folder: Path) -> list[str]:
    """The files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- starts -----------------------------------------------------------------------------------


def test_a_first_start_is_ready(tmp_path: Path) -> None:
    """Out of nothing comes a store that saves and opens, with its master key elsewhere."""
    with started(at(tmp_path)) as parts:
        assert parts.keys.locked is None
        assert parts.keys.open(save(parts).id, owner=LOCAL_OWNER).secret == SECRET
        assert "config/master.key" in listed(tmp_path)
        assert not [name for name in listed(tmp_path / "data") if "key" in name.replace("keys", "")]


def test_a_second_start_finds_everything(tmp_path: Path) -> None:
    """What was saved opens again, and neither master key nor data keys are made anew."""
    settings = at(tmp_path)
    with started(settings) as parts:
        entry = save(parts)
        wraps = parts.repository.keyring.read()[0]
    with started(settings) as parts:
        assert parts.keys.open(entry.id, owner=LOCAL_OWNER).secret == SECRET
        assert wraps == parts.repository.keyring.read()[0]
        assert [wrap.purpose for wrap in wraps].count("seal") == 1


def test_two_starts_at_once_share_the_store(tmp_path: Path) -> None:
    """What one saves the other opens, and a secret is recognised across both."""
    settings = at(tmp_path)
    with started(settings) as one, started(settings) as other:
        entry = save(one)
        assert other.keys.open(entry.id, owner=LOCAL_OWNER).secret == SECRET


PROGRAM = """
import os, sys
from pathlib import Path
from pydantic import SecretStr
from mohet_keys import wiring
from mohet_keys.model import NewKey
from mohet_keys.settings import Settings
folder = Path(sys.argv[1])
go, ready = os.pipe()
children = []
for number in "0123":
    child = os.fork()
    if not child:
        os.close(ready)
        os.read(go, 1)
        parts = wiring.build(Settings(data_dir=folder / "data", config_dir=folder / "config"))
        new = NewKey(provider="groq", name=number, secret=SecretStr("gsk_" + number * 40))
        os.write(1, f"{number} {parts.keys.add(new, owner='local').entry.id}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(ready)  # all at once
for child in children:
    os.waitpid(child, 0)
"""


def test_first_starts_of_several_processes_agree(tmp_path: Path) -> None:
    """Four processes that start on nothing at once seal with one set of keys."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True,
    )  # fmt: skip
    ids = dict(line.split() for line in done.stdout.splitlines())
    with started(at(tmp_path)) as parts:
        opened = {n: parts.keys.open(key_id, owner=LOCAL_OWNER).secret for n, key_id in ids.items()}
    assert opened == {number: "gsk_" + number * 40 for number in "0123"}


def test_the_environment_is_read_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without settings given the environment counts, and no child process sees the master key."""
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MOHET_MASTER_KEY", MASTER)
    monkeypatch.setenv("MOHET_MASTER_KEY_PREVIOUS", MASTER)
    built = wiring.build()
    built.close()
    assert not [name for name in os.environ if name.startswith("MOHET_MASTER_KEY")]
    assert listed(tmp_path) == ["data/mohet_keys.db"]


def test_checks_go_out_by_the_way_that_was_given(tmp_path: Path) -> None:
    """The seam for tests and the demo: another way out is taken by the checks."""
    outbound = Outbound()
    built = wiring.build(at(tmp_path), outbound=outbound)
    built.close()
    assert built.checks._outbound is outbound


# --- T09: the wrong master key, or none -------------------------------------------------------


def without_master(tmp_path: Path) -> Settings:
    """The generated key is gone."""
    (tmp_path / "config" / "master.key").unlink()
    return at(tmp_path)


def wrong_master(tmp_path: Path) -> Settings:
    """Another key stands in its file."""
    (tmp_path / "config" / "master.key").unlink()
    return at(tmp_path, master_key=OTHER)


WRONG = [without_master, wrong_master]


@pytest.fixture(params=WRONG, ids=lambda made: made.__name__)
def locked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Parts, KeyEntry]]:
    """A store with one key, opened with no master key or with the wrong one."""
    with started(at(tmp_path)) as parts:
        entry = save(parts)
    settings: Settings = request.param(tmp_path)
    with started(settings) as parts:
        yield parts, entry


def test_t09_a_locked_store_says_why(locked: tuple[Parts, KeyEntry]) -> None:
    """The sentence is there for the pages, and each key carries it."""
    parts, entry = locked
    assert parts.keys.locked
    assert "master key" in parts.keys.locked
    assert parts.keys.entry(entry.id, owner=LOCAL_OWNER).locked == parts.keys.locked


def test_t09_names_change_in_a_locked_store_and_secrets_do_not(
    locked: tuple[Parts, KeyEntry], tmp_path: Path
) -> None:
    """Listing, renaming, selecting and deleting work; whatever needs a secret is refused."""
    parts, entry = locked
    keys, me = parts.keys, LOCAL_OWNER
    sealed = parts.repository.sealed(entry.id, me).blob

    def change(seen: KeyEntry, **changes: object) -> KeyEntry:
        typed = KeyChanges.model_validate(changes)
        return keys.edit(seen.id, typed, owner=me, version=seen.version).entry

    renamed = change(entry, name="Renamed", endpoint=entry.endpoint)
    keys.select(entry.id, owner=me)
    refused: list[Callable[[], object]] = [
        lambda: keys.open(entry.id, owner=me),
        lambda: save(parts, "More", canary("gsk_")),
        lambda: change(renamed, secret=SecretStr(SECRET)),
        lambda: change(renamed, secret=SecretStr(canary("gsk_"))),
        lambda: change(
            renamed, secret=SecretStr(SECRET), endpoint="https://proxy.example/openai/v1"
        ),
    ]
    for verb in refused:
        with pytest.raises(LockedError) as said:
            verb()
        assert str(said.value) == keys.locked
    assert sealed == parts.repository.sealed(entry.id, me).blob
    assert [seen.name for seen in keys.list(owner=me).entries] == ["Renamed"]
    assert keys.remove(entry.id, owner=me).entry.selected


@pytest.mark.parametrize("wrong", WRONG)
def test_t09_nothing_is_made_or_written_over_what_is_there(
    tmp_path: Path, wrong: Callable[[Path], Settings]
) -> None:
    """A start without the right key leaves every row and every file as it was."""
    with started(at(tmp_path)) as parts:
        save(parts)
    before = content(at(tmp_path))
    settings = wrong(tmp_path)
    for _ in range(2):
        with started(settings) as parts:
            assert parts.keys.locked
        assert before == content(settings)
        assert listed(tmp_path) == ["data/mohet_keys.db"]


@pytest.mark.parametrize("wrong", WRONG)
def test_t09_the_right_key_brings_everything_back(
    tmp_path: Path, wrong: Callable[[Path], Settings]
) -> None:
    """Locked is not lost, also for what was renamed meanwhile."""
    with started(at(tmp_path, master_key=MASTER)) as parts:
        entry = save(parts)
    (tmp_path / "config").mkdir(mode=0o700)
    (tmp_path / "config" / "master.key").write_text("")
    with started(wrong(tmp_path)) as parts:
        typed = KeyChanges(name="Renamed")
        parts.keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version)
    with started(at(tmp_path, master_key=MASTER)) as parts:
        assert parts.keys.entry(entry.id, owner=LOCAL_OWNER).name == "Renamed"
        assert parts.keys.open(entry.id, owner=LOCAL_OWNER).secret == SECRET


def test_t09_data_keys_that_are_gone_are_not_made_anew(tmp_path: Path) -> None:
    """A store whose data keys were emptied shows its keys, opens none, and gets no others."""
    settings = at(tmp_path)
    with started(settings) as parts:
        entry = save(parts)
    with closing(sqlite3.connect(settings.data_dir / "mohet_keys.db")) as raw, raw:
        raw.execute("DELETE FROM data_key_wrap")
        raw.execute("DELETE FROM data_key")
    with started(settings) as parts:
        assert "Restore a backup" in (parts.keys.locked or "")
        assert [seen.id for seen in parts.keys.list(owner=LOCAL_OWNER).entries] == [entry.id]
        with pytest.raises(LockedError):
            parts.keys.open(entry.id, owner=LOCAL_OWNER)
        assert parts.repository.keyring.read()[0] == []


# --- starts that fail -------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [MASTER[:-5], MASTER + "\n", "0" * 64, "ab" * 31])
def test_t10_a_malformed_master_key_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    """It is refused by source and rule, its value is not told, and the store is let go of."""
    closed: list[Repository] = []
    monkeypatch.setattr(Repository, "close", lambda self: closed.append(self))
    with pytest.raises(MasterKeyError, match="MOHET_MASTER_KEY") as refused:
        wiring.build(at(tmp_path, master_key=bad))
    assert len(closed) == 1
    assert bad.strip() not in str(refused.value)
    monkeypatch.undo()
    closed[0].close()


def test_a_store_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    """It is one kind of error, and no master key is made for a store that is not there."""
    (tmp_path / "data").write_text("a file where the folder belongs")
    with pytest.raises(StoreError):
        wiring.build(at(tmp_path))
    assert listed(tmp_path) == ["data"]


def test_what_is_wired_shows_no_secret(tmp_path: Path) -> None:
    """The parts can be printed."""
    with started(at(tmp_path, master_key=MASTER)) as parts:
        save(parts)
        said = f"{parts!r} {parts.keys!r} {parts.checks!r} {vars(parts.keys)!r}"
    assert scan(SECRET, {"said": said.encode()}) == []
    assert MASTER not in said
