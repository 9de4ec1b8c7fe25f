"""The master key rotated and retired, and every secret sealed anew: in one process, killed at each
step (T51), and beside others (T52)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import masterkey_next, resealing
from mohet_keys.errors import LockedError, MasterKeyError, RefusedError, StoreError
from mohet_keys.journal import Wanted
from mohet_keys.keyring import Keyring
from mohet_keys.leases import Leases, name_of_this_process
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.rotation import LASTS, LEASE
from mohet_keys.wiring import Parts
from tests.leaks import canary, files_below
from tests.masters import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    THIRD,
    THIRD_ID,
    add,
    opened,
    replaced,
    secret_of,
    settings_in,
    started,
    store_in,
)
from tests.places import Place

ROOT = Path(__file__).parents[1]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store under the old master key."""
    store_in(tmp_path, "old")
    return tmp_path


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """A store under a generated master key."""
    store_in(tmp_path, "generated")
    return tmp_path


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is to be let in."""
    monkeypatch.setattr(resealing, "PAUSE", 0)


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    """Reach into the store behind the product's back."""
    with closing(sqlite3.connect(folder / "data" / "mohet_keys.db")) as raw, raw:
        return raw.execute(statement, values).fetchall()


def content(folder: Path) -> list[str]:
    """Everything in the store but who has the lease, row by row."""
    with closing(sqlite3.connect(folder / "data" / "mohet_keys.db")) as raw:
        return [line for line in raw.iterdump() if 'INTO "lease"' not in line]


def wrapped_under(folder: Path) -> set[str]:
    """The ids of the master keys that the data keys are wrapped under."""
    return {row[0] for row in sql(folder, "SELECT master_id FROM data_key_wrap")}


def done(parts: Parts) -> list[tuple[str, str]]:
    """What is on record of the master key, the latest first, each with its result."""
    wanted = {"rotate", "retire", "reseal"}
    found = parts.repository.journal.page(Wanted(owner=LOCAL_OWNER))
    return [(each.action, each.result) for each in found if each.action in wanted]


def keys_in(folder: Path) -> list[str]:
    """The files beside the generated master key."""
    return sorted(path.name for path in (folder / "config").iterdir())


def refused(work: Callable[[], object]) -> str:
    """The sentence of a refusal."""
    with pytest.raises(RefusedError) as caught:
        work()
    return str(caught.value)


# --- rotate -----------------------------------------------------------------------------------


def test_after_a_rotation_either_key_opens_everything(old: Path) -> None:
    """Old alone, new alone and both together; it is on record once, however often it is run."""
    with started(old, "old") as parts:
        entry = add(parts, "K")
        secret = secret_of(parts, entry)
    with started(old, "both") as parts:
        assert parts.rotation.status().next[0] == "rotate"
        assert (parts.rotation.rotate().added, parts.rotation.rotate().added) == (2, 0)
        assert done(parts) == [("rotate", "done")]
    for which in ("old", "new", "both"):
        with started(old, which) as parts:
            assert secret_of(parts, entry) == secret
            assert add(parts, which)


def test_a_rotation_reseals_nothing(old: Path) -> None:
    """A handful of wraps is added; every row of a key stays byte for byte as it is."""
    with started(old, "old") as parts:
        add(parts, "K")
    before = sql(old, "SELECT * FROM api_key"), sql(old, "SELECT * FROM data_key_wrap")
    with started(old, "both") as parts:
        parts.rotation.rotate()
    assert sql(old, "SELECT * FROM api_key") == before[0]
    assert set(before[1]) < set(sql(old, "SELECT * FROM data_key_wrap"))


@pytest.mark.parametrize("new_data_key", [False, True])
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"master_key": OLD}, "set it as MOHET_MASTER_KEY"),
        ({"master_key": THIRD, "master_key_previous": NEW}, OLD_ID),
        ({"master_key": THIRD}, OLD_ID),
        ({}, "No master key is set"),
    ],
)
def test_a_rotation_without_its_keys_changes_nothing(
    old: Path, keys: dict[str, str], told: str, new_data_key: bool
) -> None:
    """What is missing is said, also which master key the data keys need."""
    if new_data_key and keys.get("master_key") == OLD:
        keys = {"master_key": NEW}
        told = OLD_ID
    before = content(old)
    with started(old, "generated", **keys) as parts:
        assert told in refused(lambda: parts.rotation.rotate(new_data_key=new_data_key))
    assert content(old) == before
    assert not (old / "config").exists()


def test_a_damaged_wrap_is_made_anew(old: Path) -> None:
    """One that the new key does not open is put right from the old one."""
    with started(old, "both") as parts:
        parts.rotation.rotate()
        entry = add(parts, "K")
    flipped = "UPDATE data_key_wrap SET blob = zeroblob(length(blob)) WHERE master_id = ?"
    sql(old, flipped, NEW_ID)
    with started(old, "both") as parts:
        assert parts.rotation.status().next[0] == "rotate"
        assert parts.rotation.rotate().added == 2
    with started(old, "new") as parts:
        assert secret_of(parts, entry)
    sql(old, flipped, NEW_ID)
    sql(old, flipped, OLD_ID)
    with started(old, "both") as parts:
        assert "Restore a backup" in refused(parts.rotation.rotate)
        assert parts.rotation.status().next[0] == "restore"


# --- a generated key --------------------------------------------------------------------------


def test_a_generated_key_is_followed_by_another(generated: Path) -> None:
    """An app that runs goes on with the old key; a start finds the new one, and the old beside."""
    before = (generated / "config" / "master.key").read_bytes()
    with started(generated) as app, started(generated) as operator:
        first = add(app, "K")
        assert operator.rotation.rotate().is_new
        assert add(app, "L")
        assert secret_of(app, first)
        assert keys_in(generated) == ["master.key", "master.key.previous"]
        assert (generated / "config" / "master.key.previous").read_bytes() == before
        assert (generated / "config" / "master.key").read_bytes() != before
        assert done(operator) == [("rotate", "done")]
    with started(generated) as parts:
        assert secret_of(parts, first)
        assert parts.rotation.status().next[0] == "retire"


def test_the_next_generated_key_waits_for_the_former_to_be_retired(generated: Path) -> None:
    """Run again, it finds itself done; after retire it makes a third, and no key is ever lost."""
    with started(generated) as parts:
        parts.rotation.rotate()
        kept = {path.name: path.read_bytes() for path in (generated / "config").iterdir()}
        again = parts.rotation.rotate()
        assert (again.is_new, again.added) == (False, 0)
        assert kept == {path.name: path.read_bytes() for path in (generated / "config").iterdir()}
        gone = parts.rotation.retire()
        assert gone.kept == generated / "config" / "master.key.previous"
        assert parts.rotation.rotate().is_new
    assert keys_in(generated) == ["master.key", f"master.key.{gone.gone[0]}", "master.key.previous"]
    aside = generated / "config" / f"master.key.{gone.gone[0]}"
    assert aside.read_bytes() == kept["master.key.previous"]


def test_an_interrupted_rotation_goes_on_with_the_key_it_made(generated: Path) -> None:
    """A key that waits is taken, whatever was done with it before the run was cut short."""
    with started(generated) as parts:
        masterkey_next.prepare(settings_in(generated))
        waiting = (generated / "config" / "master.key.next").read_bytes()
        assert parts.rotation.status().next[0] == "rotate"
        assert "cut short" in refused(parts.rotation.retire)
        assert parts.rotation.rotate().is_new
    assert (generated / "config" / "master.key").read_bytes() == waiting
    assert keys_in(generated) == ["master.key", "master.key.previous"]


def test_resealing_again_makes_no_third_generated_key(
    generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cut short after the new key is in place goes on without yet another one."""
    with started(generated) as parts:
        add(parts, "K")
        with monkeypatch.context() as patch:
            patch.setattr(Keyring, "secrets", failing)
            with pytest.raises(StoreError):
                parts.rotation.rotate(new_data_key=True)
        key = (generated / "config" / "master.key").read_bytes()
        assert parts.rotation.status().is_resealing
        again = parts.rotation.rotate(new_data_key=True)
    assert (again.is_new, again.resealed and again.resealed.went_on) == (False, True)
    assert (generated / "config" / "master.key").read_bytes() == key


def failing(*_: object, **__: object) -> list[Any]:
    """A store that breaks off."""
    raise StoreError("The disk failed.")


def test_a_generated_key_that_opens_nothing_is_not_followed(generated: Path) -> None:
    """No new key is made for data keys that cannot be put under it."""
    key = generated / "config" / "master.key"
    key.write_text(THIRD)
    with started(generated) as parts:
        assert "opens only with master key" in refused(parts.rotation.rotate)
    assert keys_in(generated) == ["master.key"]
    assert key.read_text() == THIRD


def test_a_key_that_cannot_be_kept_is_not_used(generated: Path) -> None:
    """Where the new key's file cannot be made, nothing is wrapped under it."""
    before = wrapped_under(generated)
    (generated / "config").chmod(0o777)
    with started(generated) as parts, pytest.raises(MasterKeyError, match="cannot be saved"):
        parts.rotation.rotate()
    assert wrapped_under(generated) == before
    assert keys_in(generated) == ["master.key"]


# --- a new data key ---------------------------------------------------------------------------


def test_after_a_theft_every_secret_is_sealed_anew(old: Path) -> None:
    """Those that can come back too; the old data key goes, the names of all keys are told."""
    secrets = [canary("gsk_") for _ in range(4)]
    with started(old, "old") as parts:
        entries = [add(parts, f"K{at}", secret) for at, secret in enumerate(secrets[:3])]
        replaced(parts, entries[0], secrets[3])
        local = NewKey(provider="ollama", name="Mine", secret=SecretStr(""))
        parts.keys.add(local, owner=LOCAL_OWNER)
        before = {blob for (blob,) in sql(old, "SELECT sealed FROM api_key")}
        _, stolen = parts.repository.keyring.read()
    with started(old, "both") as parts:
        resealed = parts.rotation.rotate(new_data_key=True).resealed
        assert resealed
        assert (resealed.done, resealed.left, resealed.gone) == (5, {}, [stolen])
        assert resealed.known == ["groq/K0", "groq/K1", "groq/K2"]
        assert done(parts) == [("reseal", "done"), ("rotate", "done")]
        assert parts.rotation.status().next[0] == "retire"
    after = sql(old, "SELECT sealed FROM api_key UNION ALL SELECT sealed FROM former_secret")
    assert not before & {blob for (blob,) in after}
    for which in ("old", "new"):
        with started(old, which) as parts:
            found = opened(parts.repository.keyring, parts.safe)
            assert found == sorted(["", *secrets])


def test_a_resealed_secret_is_the_same_to_everybody_else(old: Path) -> None:
    """Revision, version, check and selection stay, so an edit in hand is not refused."""
    with started(old, "both") as parts:
        parts.rotation.rotate()
        entry = add(parts, "K")
        parts.keys.select(entry.id, owner=LOCAL_OWNER)
        before = parts.keys.entry(entry.id, owner=LOCAL_OWNER)
        parts.rotation.rotate(new_data_key=True)
        assert parts.keys.entry(entry.id, owner=LOCAL_OWNER) == before
        assert replaced(parts, before, canary("gsk_")).version == before.version + 1


def test_a_new_data_key_needs_no_new_master_key(old: Path) -> None:
    """After the old master key was retired, the data key alone can be replaced, again and again."""
    with started(old, "old") as parts:
        add(parts, "K")
        first = parts.rotation.rotate(new_data_key=True).resealed
        second = parts.rotation.rotate(new_data_key=True).resealed
    assert first
    assert second
    assert (first.went_on, second.went_on, second.gone) == (False, False, [first.data_key])


def test_what_does_not_open_is_named_and_left(old: Path) -> None:
    """An altered row stays as it is with its data key, until it is deleted and the next run."""
    with started(old, "old") as parts:
        entry = add(parts, "Bad")
        add(parts, "Good")
        _, stolen = parts.repository.keyring.read()
        sql(old, "UPDATE api_key SET endpoint = 'https://evil.example/v1' WHERE name = 'Bad'")
        altered = sql(old, "SELECT * FROM api_key WHERE name = 'Bad'")
        resealed = parts.rotation.rotate(new_data_key=True).resealed
        assert resealed
        assert (resealed.done, list(resealed.left), resealed.gone) == (1, ["groq/Bad"], [])
        assert resealed.known == ["groq/Bad", "groq/Good"]
        assert sql(old, "SELECT * FROM api_key WHERE name = 'Bad'") == altered
        assert not parts.rotation.status().is_resealing
        parts.keys.remove(entry.id, owner=LOCAL_OWNER)
        again = parts.rotation.rotate(new_data_key=True).resealed
    assert again
    assert sorted(again.gone) == sorted([stolen or "", resealed.data_key])


def test_a_secret_that_can_come_back_and_does_not_open_is_named(old: Path) -> None:
    """Apart from the one its key has now, which is sealed anew."""
    with started(old, "old") as parts:
        replaced(parts, add(parts, "K"), canary("gsk_"))
        sql(old, "UPDATE former_secret SET revision = 9")
        resealed = parts.rotation.rotate(new_data_key=True).resealed
    assert resealed
    assert (resealed.done, list(resealed.left)) == (1, ["groq/K, the secret it had before"])
    assert (resealed.known, resealed.gone) == (["groq/K"], [])


@pytest.mark.parametrize("altered", [False, True])
def test_the_column_beside_a_secret_cannot_cost_it(
    old: Path, monkeypatch: pytest.MonkeyPatch, altered: bool
) -> None:
    """Which data key sealed it is read from the envelope: the secret is sealed anew, or where its
    row was altered its data key stays, for the row can be put right."""
    with started(old, "old") as parts:
        entry = add(parts, "K")
        _, before = parts.repository.keyring.read()
        if altered:
            sql(old, "UPDATE api_key SET revision = 9")
        real = Keyring.secrets

        def lied(self: Keyring, *given: Any, **more: Any) -> list[Any]:
            sql(old, "UPDATE api_key SET data_key_id = (SELECT id FROM data_key WHERE active)")
            return real(self, *given, **more)

        monkeypatch.setattr(Keyring, "secrets", lied)
        resealed = parts.rotation.rotate(new_data_key=True).resealed
        kept = [key.id for key in parts.rotation.status().data_keys if key.purpose == "seal"]
    assert resealed
    assert kept == ([before, resealed.data_key] if altered else [resealed.data_key])
    sql(old, "UPDATE api_key SET revision = 1")
    with started(old, "old") as parts:
        assert secret_of(parts, entry)


def test_a_column_that_lies_is_put_right(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the envelope beside it is new already; status goes by the envelopes."""
    with started(old, "old") as parts:
        add(parts, "K")
        with monkeypatch.context() as patch:
            patch.setattr(Keyring, "finish", failing)
            with pytest.raises(StoreError):
                parts.rotation.rotate(new_data_key=True)
        sql(old, "UPDATE api_key SET data_key_id = 'lie'")
        assert sum(key.secrets for key in parts.rotation.status().data_keys) == 1
        resealed = parts.rotation.rotate(new_data_key=True).resealed
    assert resealed
    assert resealed.went_on
    assert sql(old, "SELECT data_key_id FROM api_key") == [(resealed.data_key,)]


def test_a_new_data_key_is_not_made_behind_a_master_keys_back(old: Path) -> None:
    """Whoever has the old key only must not be locked out: it is retired first, or at hand."""
    with started(old, "both") as parts:
        parts.rotation.rotate()
    before = content(old)
    with started(old, "new") as parts:
        told = refused(lambda: parts.rotation.rotate(new_data_key=True))
        assert OLD_ID in told
        assert "retire" in told
        assert content(old) == before
    with started(old, "old", master_key=THIRD, master_key_previous=OLD) as parts:
        assert NEW_ID in refused(lambda: parts.rotation.rotate(new_data_key=True))
        assert content(old) == before
    with started(old, "new") as parts:
        parts.rotation.retire()
        assert parts.rotation.rotate(new_data_key=True).resealed


def test_a_data_key_that_somebody_else_replaced_is_left_alone(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one takes the place of the one that was seen, or of none."""
    with started(old, "old") as parts:
        monkeypatch.setattr(Keyring, "replace_sealing", lambda *_, **__: None)
        before = content(old)
        told = refused(lambda: parts.rotation.rotate(new_data_key=True))
        assert "Run it again" in told
        assert content(old) == before


# --- retire -----------------------------------------------------------------------------------


def test_what_is_retired_opens_nothing_more(old: Path) -> None:
    """New alone opens everything; old alone is told which key it takes; it is on record."""
    with started(old, "old") as parts:
        entry = add(parts, "K")
        blobs = [blob for (blob,) in sql(old, "SELECT blob FROM data_key_wrap")]
    with started(old, "both") as parts:
        parts.rotation.rotate()
        assert parts.rotation.retire().gone == [OLD_ID]
        assert parts.rotation.retire().gone == []
        assert done(parts) == [("retire", "done"), ("rotate", "done")]
        assert parts.rotation.status().next[0] == "nothing"
        left = dict(files_below(old / "data"))
        assert not [name for name, bytes_ in left.items() for blob in blobs if blob in bytes_]
    with started(old, "new") as parts:
        assert secret_of(parts, entry)
    with started(old, "old") as parts:
        assert NEW_ID in (parts.keys.locked or "")
        assert parts.rotation.status().next[0] == "set"


def test_retire_waits_for_every_data_key(old: Path) -> None:
    """While one of them opens with the old key alone, or with no key, nothing is taken away."""
    with started(old, "both") as parts:
        before = content(old)
        assert "Run master-key rotate first" in refused(parts.rotation.retire)
        parts.rotation.rotate()
    sql(old, "UPDATE data_key_wrap SET blob = x'01' WHERE master_id = ?", NEW_ID)
    damaged = content(old)
    with started(old, "both") as parts:
        assert "Run master-key rotate first" in refused(parts.rotation.retire)
    assert content(old) == damaged
    assert before != damaged
    with started(old, "old") as parts:
        assert parts.keys.locked is None


def test_t52_retire_waits_for_every_running_app(old: Path) -> None:
    """One that has not announced the new key is named, until it has it or is gone."""
    with started(old, "both") as parts:
        parts.rotation.rotate()
        app = name_of_this_process()
        number = app.split(":")[1]
        now = datetime.now(UTC)
        parts.repository.leases.announce(app, [OLD_ID], now)
        assert f"process {number} on" in refused(parts.rotation.retire)
        assert parts.rotation.status().next[0] == "restart"
        assert wrapped_under(old) == {OLD_ID, NEW_ID}
        parts.repository.leases.announce(app, [NEW_ID, OLD_ID], now)
        assert parts.rotation.status().next[0] == "retire"
        parts.repository.leases.announce("elsewhere:1:x", [OLD_ID], now - timedelta(seconds=70))
        assert parts.rotation.retire().gone == [OLD_ID]


def test_a_backup_from_before_opens_as_long_as_the_old_key_is_there(generated: Path) -> None:
    """What `retire` says of backups holds: they open with the previous file, and only with it."""
    with started(generated) as parts:
        entry = add(parts, "K")
    backup = generated / "backup.db"
    shutil.copy(generated / "data" / "mohet_keys.db", backup)
    with started(generated) as parts:
        parts.rotation.rotate()
        kept = parts.rotation.retire().kept
    assert kept
    shutil.copy(backup, generated / "data" / "mohet_keys.db")
    with started(generated) as parts:
        assert secret_of(parts, entry)
        assert parts.rotation.status().next[0] == "rotate"
        assert parts.rotation.rotate().added == 2
        assert parts.rotation.retire().gone
    shutil.copy(backup, generated / "data" / "mohet_keys.db")
    kept.unlink()
    with started(generated) as parts, pytest.raises(LockedError, match="needs master key"):
        secret_of(parts, entry)


# --- one at a time ----------------------------------------------------------------------------


@pytest.fixture
def held(old: Path) -> Iterator[Parts]:
    """A store on which another process is at a rotation."""
    with started(old, "both") as parts:
        now = datetime.now(UTC)
        parts.repository.leases.take(LEASE, "far-away:77:x", now, LASTS)
        yield parts


@pytest.mark.parametrize("operation", ["rotate", "retire"])
def test_t52_never_two_at_once(held: Parts, old: Path, operation: str) -> None:
    """The second is refused with who holds the first, and changes nothing."""
    before = content(old)
    told = refused(getattr(held.rotation, operation))
    assert "process 77 on far-away is at it" in told
    assert "UTC" in told
    assert content(old) == before
    assert held.rotation.status().next[0] == "wait"


def lose_the_turn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another process take over before the turn is renewed."""
    take, told = Leases.take, 0

    def taken(self: Leases, *given: Any) -> object:
        nonlocal told
        told += 1
        if told == 2:
            sql(folder, "UPDATE lease SET holder = 'far-away:77:x'")
        return take(self, *given)

    monkeypatch.setattr(Leases, "take", taken)


def test_t52_a_rotation_that_lost_its_turn_stops(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stood still for so long that another began does nothing more."""
    with started(old, "both") as parts:
        add(parts, "K")
        before = sql(old, "SELECT * FROM api_key")
        lose_the_turn(old, monkeypatch)
        assert "far-away" in refused(lambda: parts.rotation.rotate(new_data_key=True))
    assert sql(old, "SELECT holder FROM lease") == [("far-away:77:x",)]
    assert sql(old, "SELECT * FROM api_key") == before


def test_t52_a_rotation_that_lost_its_turn_puts_no_key_in_place(
    generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may be at the same files; the key waits for whoever goes on."""
    before = (generated / "config" / "master.key").read_bytes()
    with started(generated) as parts:
        lose_the_turn(generated, monkeypatch)
        assert "far-away" in refused(parts.rotation.rotate)
    assert (generated / "config" / "master.key").read_bytes() == before
    assert keys_in(generated) == ["master.key", "master.key.next"]


def test_a_rotation_gives_its_turn_back(old: Path) -> None:
    """After it, and after one that was refused, the next need not wait."""
    with started(old, "both") as parts:
        parts.rotation.rotate()
        assert sql(old, "SELECT * FROM lease") == []
    with started(old, "new", master_key=THIRD) as parts:
        refused(parts.rotation.rotate)
    assert sql(old, "SELECT * FROM lease") == []


# --- status -----------------------------------------------------------------------------------


def test_status_says_what_there_is(old: Path) -> None:
    """Sources, data keys with what they seal and what opens them, and the apps that run."""
    with started(old, "both") as parts:
        add(parts, "K")
        replaced(parts, add(parts, "L"), canary("gsk_"))
        app = name_of_this_process()
        parts.repository.leases.announce(app, [OLD_ID], datetime.now(UTC))
        status = parts.rotation.status()
    assert status.present
    assert status.previous
    assert (status.present.id, status.present.source) == (NEW_ID, "MOHET_MASTER_KEY")
    assert (status.previous.id, status.previous.source) == (OLD_ID, "MOHET_MASTER_KEY_PREVIOUS")
    seal, print_ = sorted(status.data_keys, key=lambda key: not key.seals)
    assert (seal.purpose, seal.seals, seal.secrets, seal.opens) == ("seal", True, 3, {OLD_ID: True})
    assert (print_.purpose, print_.seals, print_.secrets) == ("fingerprint", False, 0)
    assert [running.id for running in status.apps] == [app]
    assert status.closed is None


@pytest.mark.parametrize(
    ("keys", "step", "told"),
    [
        ({}, "set", OLD_ID),
        ({"master_key": THIRD}, "set", OLD_ID),
        ({"master_key": OLD}, "nothing", "Nothing"),
        ({"master_key": OLD, "master_key_previous": THIRD}, "nothing", "_PREVIOUS any more"),
        ({"master_key": THIRD, "master_key_previous": OLD}, "rotate", "rotate"),
    ],
)
def test_status_says_what_to_do_next(old: Path, keys: dict[str, str], step: str, told: str) -> None:
    """Also when everything is locked: then which master key it takes."""
    with started(old, "generated", **keys) as parts:
        status = parts.rotation.status()
        assert status.next[0] == step
        assert told in status.next[1]
        assert (status.closed is None) == (parts.keys.locked is None or step == "rotate")
        assert THIRD_ID not in status.others


def test_status_of_a_store_that_lost_its_data_keys(old: Path) -> None:
    """Then there is nothing to rotate, and a backup is the way back."""
    with started(old, "old") as parts:
        add(parts, "K")
        for table in ("data_key_wrap", "data_key"):
            sql(old, f"DELETE FROM {table}")  # noqa: S608
            assert parts.rotation.status().next[0] == "restore"
            told = refused(lambda: parts.rotation.rotate(new_data_key=True))
            assert "Restore a backup" in told
        for work in (parts.rotation.rotate, parts.rotation.retire):
            assert "Restore a backup" in refused(work)


def test_a_malformed_key_is_told_and_nothing_is_done(generated: Path) -> None:
    """A file of the next key that holds none is named; the present one stays in its place."""
    path = generated / "config" / "master.key.next"
    path.write_text("not a key")
    path.chmod(0o600)
    with started(generated) as parts:
        before = content(generated)
        for work in (parts.rotation.status, parts.rotation.rotate, parts.rotation.retire):
            with pytest.raises(MasterKeyError, match=str(path)):
                work()
        assert content(generated) == before
        assert parts.keys.locked is None


def test_nothing_of_it_shows_a_key(old: Path) -> None:
    """What comes out can be printed and logged."""
    with started(old, "both") as parts:
        add(parts, "K")
        said = [parts.rotation.rotate(new_data_key=True), parts.rotation.status()]
        said += [parts.rotation.retire(), parts.rotation.status()]
    shown = repr(said)
    for hidden in (OLD, NEW):
        assert hidden not in shown


# --- T51: killed at every step ----------------------------------------------------------------


def storm(folder: Path, *arguments: str, url: str = "") -> Any:
    """What the program of rotations prints, on the store at `url` or on one in its folder."""
    command = [sys.executable, "-m", "tests.rotating", arguments[0], str(folder), *arguments[1:]]
    environment = {**os.environ, "MOHET_DATABASE_URL": url}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every operation, killed at its first step, at its second, and so on to the end."""
    found: dict[str, Any] = storm(tmp_path_factory.mktemp("killed"), "crash")
    return found


@pytest.mark.parametrize(
    ("case", "points", "states"),
    [
        ("set rotate", 12, 4),
        ("set new-data-key", 40, 8),
        ("set retire", 10, 4),
        ("generated rotate", 30, 10),
    ],
)
def test_t51_killed_at_every_step(
    killed: dict[str, Any], case: str, points: int, states: int
) -> None:
    """At each step both keys, and before retire the old one alone, open everything; from each
    state that kills leave, what is run again comes to its end; never do two data keys seal."""
    found = killed[case]
    assert found["broken"] == []
    assert found["points"] >= points
    assert found["states"] >= states
    always = "generated" if case.startswith("generated") else "both"
    assert found["opened"][always] == found["points"]
    at_risk = "new" if case == "set retire" else "old"
    assert found["opened"][at_risk] == found["points"]


def test_t51_the_other_key_opens_everything_once_it_is_said_to(killed: dict[str, Any]) -> None:
    """The new key from some step of a rotation on, the old one up to some step of a retirement."""
    for case, name in (("set rotate", "new"), ("set new-data-key", "new"), ("set retire", "old")):
        assert 0 < killed[case]["opened"][name] < killed[case]["points"]


def test_t51_without_the_guards_it_would_be_seen(tmp_path: Path) -> None:
    """The twin: a key put in place too early, or a second data key for one run, is found."""
    found = storm(tmp_path, "without")
    assert any("does not open everything" in line for line in found["place_first"])
    assert any("2 data keys were minted" in line for line in found["mint_again"])


# --- T52: beside other processes --------------------------------------------------------------


def test_t52_rotations_beside_an_app_that_edits(tmp_path: Path, place: Place) -> None:
    """An app that has only the old key edits all the time: no edit of it is lost or refused, and
    the old key is not retired under it."""
    found = storm(tmp_path, "edits", "3", url=place.url)
    assert (found["lost"], found["errors"]) == (0, [])
    assert found["edits"] >= 60
    assert f"process {found['writer']} on" in found["refused"]


def test_t52_two_operators_at_once(tmp_path: Path, place: Place) -> None:
    """The second is refused whatever it does; when the first is killed, the next goes on at once
    with what it had begun."""
    found = storm(tmp_path, "two", url=place.url)
    assert len(found["refused"]) == 3
    assert all(f"process {found['holder']} on" in told for told in found["refused"])
    assert (found["waits"][0], found["after"][0]) == ("wait", "rotate")
    assert (found["went_on"], found["opens"]) == (True, 4)
