"""The safe of a running app, while another process changes what the data keys are (T52)."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import backup, envelope, resealing, restore, vault
from mohet_keys.errors import InputError, LockedError, MasterKeyError, SealError
from mohet_keys.keyring import Keyring, OutdatedSealError
from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry, NewKey
from mohet_keys.safe import NO_DATA_KEYS, NO_MASTER, Safe
from mohet_keys.sealed import Label, MasterKey, Masters
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.masters import (
    NEW_ID,
    OLD,
    OLD_ID,
    THIRD,
    add,
    replaced,
    secret_of,
    settings_in,
    started,
    store_in,
)

ME = LOCAL_OWNER
LABEL = Label("k1", "groq", "https://api.groq.com/openai/v1", 1, allow_http=False)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is to be let in."""
    monkeypatch.setattr(resealing, "PAUSE", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store under the old master key, which is also under the new one."""
    store_in(tmp_path, "old")
    with started(tmp_path, "both") as parts:
        parts.rotation.rotate()
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Iterator[Parts]:
    """A running app that has only the old master key."""
    with started(folder, "old") as parts:
        yield parts


@pytest.fixture
def operator(folder: Path) -> Iterator[Parts]:
    """Another process, with both."""
    with started(folder, "both") as parts:
        yield parts


def reseal(operator: Parts) -> str:
    """Have a new data key, and everything sealed anew with it. Returns its id."""
    resealed = operator.rotation.rotate(new_data_key=True).resealed
    assert resealed
    return resealed.data_key


def sealed_with(parts: Parts) -> set[str]:
    """The data keys that the envelopes in the store name."""
    found = [*parts.repository.keyring.secrets(100), *parts.repository.keyring.former_secrets()]
    return {envelope.unpack(each.blob).header.data_key_id for each in found}


def edit(parts: Parts, entry: KeyEntry, **changes: Any) -> KeyEntry:
    """Change a key, as it was when it was read."""
    wanted = KeyChanges.model_validate(changes)
    return parts.keys.edit(entry.id, wanted, owner=ME, version=entry.version).entry


# --- another process seals everything anew ----------------------------------------------------


def test_t52_a_running_app_goes_on_after_a_resealing(app: Parts, operator: Parts) -> None:
    """What it knew, what it saves and what it edits opens on both sides, under the new data key."""
    entry = add(app, "K")
    secret = secret_of(app, entry)
    new = reseal(operator)
    assert secret_of(app, entry) == secret
    more = add(app, "L")
    assert secret_of(operator, more) == secret_of(app, more)
    text = canary("gsk_")
    assert edit(app, entry, secret=SecretStr(text)).version == entry.version + 1
    assert secret_of(operator, entry) == text
    assert sealed_with(app) == {new}


def test_t52_a_secret_that_can_come_back_comes_back(app: Parts, operator: Parts) -> None:
    """Also when it was sealed anew between the swap and taking that back."""
    entry = add(app, "K")
    secret = secret_of(app, entry)
    swapped = replaced(app, entry, canary("gsk_"))
    new = reseal(operator)
    back = app.keys.undo_swap(entry.id, owner=ME, version=swapped.version).entry
    assert secret_of(app, back) == secret
    assert sealed_with(app) == {new}


def test_t52_each_of_many_resealings_is_noticed(app: Parts, operator: Parts) -> None:
    """Whether a secret is read first or written first after it."""
    entry = add(app, "K")
    for turn in range(6):
        new = reseal(operator)
        if turn % 2:
            entry = edit(app, entry, secret=SecretStr(canary("gsk_")))
        assert secret_of(app, entry) == secret_of(operator, entry)
        assert sealed_with(app) == {new}


def test_t52_what_is_sealed_too_late_is_sealed_anew(app: Parts, operator: Parts) -> None:
    """A data key that is replaced between sealing and writing is refused in the transaction; the
    twin shows that the safe alone would not have noticed."""
    stale: list[str] = []
    entry = add(app, "K")
    label = Label(entry.id, entry.provider, entry.endpoint, 2, allow_http=False)

    def write(blob: bytes, data_key_id: str) -> str:
        stale.append(data_key_id)
        if len(stale) < 4:
            reseal(operator)
        if app.repository.keyring.read()[1] != data_key_id:
            raise OutdatedSealError
        return vault.Vault(masters(OLD), *app.repository.keyring.read()).open(blob, label)

    assert app.safe.sealing(label, "secret", write) == "secret"
    assert len(set(stale)) == 4
    assert app.safe.sealing(label, "twin", lambda _, data_key_id: data_key_id) == stale[-1]
    reseal(operator)
    assert app.safe.sealing(label, "twin", lambda _, data_key_id: data_key_id) == stale[-1]


def masters(text: str) -> Masters:
    """Master keys as they would be loaded."""
    return Masters(MasterKey(base64.b64decode(text), "a test"))


def test_t52_a_seal_that_is_always_too_late_is_refused(app: Parts) -> None:
    """It is not tried for ever, and nothing is written."""
    tried = []

    def write(_: bytes, data_key_id: str) -> None:
        tried.append(data_key_id)
        raise OutdatedSealError("Try again.")

    with pytest.raises(OutdatedSealError):
        app.safe.sealing(LABEL, "secret", write)
    assert len(tried) < 10


def test_t52_a_secret_that_was_read_opens_whatever_happens_then(
    app: Parts, operator: Parts
) -> None:
    """Between reading the row and opening it the data key is replaced and deleted, and another
    thread of the app has read the new ones already."""
    entry = add(app, "K")
    read = app.repository.sealed(entry.id, ME).blob
    label = Label(entry.id, entry.provider, entry.endpoint, entry.revision, allow_http=False)
    secret = secret_of(app, entry)
    for _ in range(3):
        reseal(operator)
        app.safe.refresh()
        assert app.safe.open(read, label) == secret
    assert app.repository.sealed(entry.id, ME).blob != read


def test_t52_a_prepared_key_is_saved_under_the_keys_there_are(app: Parts, operator: Parts) -> None:
    """It waited for a test of it while everything was sealed anew and the old data key went."""
    secret = canary("gsk_")
    prepared = app.keys.prepare(typed("K", secret), owner=ME)
    new = reseal(operator)
    entry = app.keys.insert(prepared, owner=ME).entry
    assert secret_of(operator, entry) == secret
    assert sealed_with(app) == {new}


def test_threads_share_a_safe_while_the_data_keys_change(app: Parts, operator: Parts) -> None:
    """None of them is told of a data key that another one has read already."""
    entries = [add(app, f"K{number}") for number in range(4)]
    secrets = {entry.id: secret_of(app, entry) for entry in entries}
    over = threading.Event()
    wrong: list[object] = []

    def opens() -> None:
        while not over.is_set():
            for each in app.repository.keyring.secrets(10):
                try:
                    found = app.safe.open(each.blob, each.label)
                except LockedError as error:
                    wrong.append(error)
                else:
                    wrong.extend([found] * (found != secrets[each.label.key_id]))

    threads = [threading.Thread(target=opens) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        reseal(operator)
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_a_thread_read_later_is_not_undone(
    app: Parts, operator: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that read the data keys before they were replaced comes to its end after another one."""
    add(app, "K")
    read, refreshed = threading.Event(), threading.Event()
    real = Keyring.read

    def slow(self: Keyring) -> Any:
        found = real(self)
        if threading.current_thread() is first:
            read.set()
            refreshed.wait(0.3)  # in vain, for the other one has to wait
        return found

    first = threading.Thread(target=app.safe.refresh)
    monkeypatch.setattr(Keyring, "read", slow)
    first.start()
    read.wait()
    new = reseal(operator)
    app.safe.refresh()
    refreshed.set()
    first.join()
    assert app.safe.sealing(LABEL, "x", lambda _, data_key_id: data_key_id) == new


# --- keys come and go -------------------------------------------------------------------------


def test_t09_a_key_file_that_comes_back_opens_everything(folder: Path) -> None:
    """Without a restart: while it is away everything is locked, and nothing is made or written."""
    path = folder / "key"
    path.write_text(OLD)
    path.chmod(0o600)
    with started(folder, "old") as parts:
        entry = add(parts, "K")
    path.rename(folder / "away")
    wrong = folder / "key"
    wrong.write_text(THIRD)
    wrong.chmod(0o600)
    with started(folder, master_key_file=path) as parts:
        assert OLD_ID in (parts.keys.locked or "")
        with pytest.raises(LockedError):
            secret_of(parts, entry)
        (folder / "away").rename(path)
        assert secret_of(parts, entry)
        assert parts.keys.locked is None


def test_t09_a_key_that_goes_while_the_app_runs_locks_nothing(folder: Path) -> None:
    """What was read at the start is enough, also when the data keys are read anew."""
    path = folder / "key"
    path.write_text(OLD)
    path.chmod(0o600)
    with started(folder, master_key_file=path) as parts, started(folder, "both") as operator:
        entry = add(parts, "K")
        path.unlink()
        reseal(operator)
        assert secret_of(parts, entry)
        assert add(parts, "L")


def test_a_generated_key_that_comes_back_opens_everything(tmp_path: Path) -> None:
    """Its file was missing at the start; none is made in its place."""
    store_in(tmp_path, "generated")
    with started(tmp_path) as parts:
        entry = add(parts, "K")
    file = settings_in(tmp_path).generated_master_key_file
    file.rename(tmp_path / "away")
    with started(tmp_path) as parts:
        assert parts.keys.locked == NO_MASTER
        assert not file.exists()
        (tmp_path / "away").rename(file)
        assert parts.keys.locked is None
        assert secret_of(parts, entry)


def test_t10_a_key_that_comes_back_malformed_is_told(folder: Path) -> None:
    """A running app says source and rule, and goes on when the file is right."""
    path = folder / "key"
    path.write_text(THIRD)
    path.chmod(0o600)
    with started(folder, master_key_file=path) as parts:
        path.write_text("not a key")
        with pytest.raises(MasterKeyError, match=str(path)):
            parts.safe.refresh()
        path.write_text(OLD)
        assert parts.keys.locked is None


def test_a_retired_key_is_told_to_an_app_that_missed_it(app: Parts, operator: Parts) -> None:
    """Everything it had open stays open; what it cannot open says which master key it takes."""
    entry = add(app, "K")
    assert operator.rotation.retire().gone
    assert secret_of(app, entry)
    assert add(app, "L")
    reseal(operator)
    with pytest.raises(LockedError, match=NEW_ID):
        secret_of(app, entry)
    assert NEW_ID in (app.keys.locked or "")
    assert app.safe.master_ids == (OLD_ID,)


# --- a backup comes back ----------------------------------------------------------------------


def test_a_restored_store_is_read_anew(folder: Path, app: Parts, operator: Parts) -> None:
    """Its data keys are others: what is in it opens, and what is saved is sealed with those."""
    entry = add(app, "K")
    secret = secret_of(app, entry)
    (before,) = sealed_with(app)
    backup.save(settings_in(folder, "old"), folder / "backup.db")
    reseal(operator)
    edit(app, entry, secret=SecretStr(canary("gsk_")))
    restore.restore(settings_in(folder, "old"), folder / "backup.db")
    assert secret_of(app, entry) == secret
    assert secret_of(app, add(app, "L"))
    assert sealed_with(app) == {before}


def test_a_secret_is_recognised_after_a_restore(folder: Path, app: Parts) -> None:
    """What waited to be saved is marked with the key for that which the store has by now."""
    with started(folder / "other", "old"):
        backup.save(settings_in(folder / "other", "old"), folder / "backup.db")
    prepared = app.keys.prepare(typed("K", secret := canary("gsk_")), owner=ME)
    restore.restore(settings_in(folder, "old"), folder / "backup.db")
    app.keys.insert(prepared, owner=ME)
    with pytest.raises(InputError, match="already saved"):
        app.keys.add(typed("L", secret), owner=ME)
    with started(folder, "old") as later, pytest.raises(InputError, match="already saved"):
        later.keys.add(typed("L", secret), owner=ME)


def test_an_added_secret_is_recognised_after_a_restore(folder: Path, app: Parts) -> None:
    """The same of one that is saved at once, and of one that is edited."""
    with started(folder / "other", "old") as elsewhere:
        entry = add(elsewhere, "E")
        backup.save(settings_in(folder / "other", "old"), folder / "backup.db")
    restore.restore(settings_in(folder, "old"), folder / "backup.db")
    added, edited = canary("gsk_"), canary("gsk_")
    add(app, "K", added)
    edit(app, entry, secret=SecretStr(edited))
    with started(folder, "old") as later:
        for secret in (added, edited):
            with pytest.raises(InputError, match="already saved"):
                later.keys.add(typed("L", secret), owner=ME)


def typed(name: str, secret: str) -> NewKey:
    """A key as somebody types it."""
    return NewKey(provider="groq", name=name, secret=SecretStr(secret))


def test_data_keys_that_are_lost_lock_an_app_that_would_seal(app: Parts) -> None:
    """Nothing is sealed with a data key that is nowhere; what it had open still opens."""
    entry = add(app, "K")
    with app.repository._database.writing() as raw:
        raw.exec_driver_sql("DELETE FROM data_key_wrap")
        raw.exec_driver_sql("DELETE FROM data_key")
    assert secret_of(app, entry)
    with pytest.raises(LockedError, match="lost the keys"):
        add(app, "L")
    assert app.keys.locked == NO_DATA_KEYS
    assert [each.id for each in app.keys.list(owner=ME).entries] == [entry.id]


# --- what it says of itself -------------------------------------------------------------------


def test_a_safe_names_the_master_keys_it_has(folder: Path) -> None:
    """The one in use first; none when there is none."""
    ids = {"old": (OLD_ID,), "new": (NEW_ID,), "both": (NEW_ID, OLD_ID)}
    for which, wanted in ids.items():
        with started(folder, which) as parts:
            assert parts.safe.master_ids == wanted
    with started(folder, "generated") as parts:
        assert parts.safe.master_ids == ()


def test_a_safe_reads_no_more_than_it_must(app: Parts) -> None:
    """While nothing changed nothing is built anew, and an altered row is no reason to read."""
    entry = add(app, "K")
    before = app.safe._vault
    app.safe.refresh()
    assert app.safe._vault is before
    read: list[str] = []

    def load() -> Masters:
        read.append("read")
        return masters(OLD)

    safe = Safe(app.repository.keyring, load)
    blob = app.repository.sealed(entry.id, ME).blob
    wrong = Label(entry.id, "openai", entry.endpoint, 1, allow_http=False)
    with pytest.raises(SealError):
        safe.open(blob, wrong)
    assert read == ["read"]
