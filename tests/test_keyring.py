"""The data keys in a real SQLite file: wraps added and taken away, secrets sealed anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from mohet_keys.errors import RefusedError
from mohet_keys.journal import Wanted
from mohet_keys.keyring import DataKey, Keyring, OutdatedSealError, SealedSecret
from mohet_keys.model import LOCAL_OWNER, Action, Doing
from mohet_keys.repository import Repository, RowChanges
from mohet_keys.sealed import Purpose, WrappedKey
from mohet_keys.tables import DATA_KEY
from tests.places import Place
from tests.test_repository import LATER, ME, NOW, change, put, row


def wrap(name: str, master: str = "m1", blob: bytes = b"") -> WrappedKey:
    """A data key under a master key; one named with a p is for fingerprints."""
    purpose: Purpose = "fingerprint" if name.startswith("p") else "seal"
    return WrappedKey(name, master, purpose, blob or f"{name} {master}".encode())


def doing(action: Action, result: str = "done") -> Doing:
    """What is to go on record."""
    return Doing(action, LOCAL_OWNER, LOCAL_OWNER, NOW, result=result)


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """A store with a data key that seals, and one for fingerprints."""
    repository = place.opened()
    repository.keyring.begin([wrap("d1"), wrap("p1")], sealing="d1")
    yield repository
    repository.close()


def recorded(store: Repository, action: Action) -> list[str]:
    """The results on record of what was done."""
    return [each.result for each in store.journal.page(Wanted(action=action))]


def wrapped(keyring: Keyring) -> list[tuple[str, str]]:
    """Data keys and the master keys they are under."""
    return sorted((each.data_key_id, each.master_id) for each in keyring.read()[0])


# --- another master key -----------------------------------------------------------------------


def test_wraps_are_added_beside_those_that_are_there(store: Repository) -> None:
    """Both stay; it is recorded with them, and not when there is nothing to add."""
    assert store.keyring.add_wraps([wrap("d1", "m2"), wrap("p1", "m2")], doing("rotate")) == 2
    assert wrapped(store.keyring) == [("d1", "m1"), ("d1", "m2"), ("p1", "m1"), ("p1", "m2")]
    assert store.keyring.add_wraps([], doing("rotate")) == 0
    assert recorded(store, "rotate") == ["done"]


def test_a_wrap_takes_the_place_of_a_damaged_one(store: Repository) -> None:
    """There is one of each data key under each master key."""
    assert store.keyring.add_wraps([wrap("d1", "m1", b"mended")], doing("rotate")) == 1
    assert wrap("d1", "m1", b"mended") in store.keyring.read()[0]
    assert wrapped(store.keyring) == [("d1", "m1"), ("p1", "m1")]


def test_a_data_key_that_is_gone_gets_no_wrap(store: Repository) -> None:
    """It was deleted while its wrap was made."""
    assert store.keyring.add_wraps([wrap("gone", "m2")], doing("rotate")) == 0
    assert recorded(store, "rotate") == []


def test_wraps_are_taken_away_when_others_are_kept(store: Repository) -> None:
    """All but those of one master key, in one go and on record."""
    kept = [wrap("d1", "m2"), wrap("p1", "m2")]
    store.keyring.add_wraps([*kept, wrap("d1", "m3")], doing("rotate"))
    assert store.keyring.retire(kept, doing("retire")) == 3
    assert store.keyring.read()[0] == kept
    assert store.keyring.retire(kept, doing("retire")) == 0
    assert recorded(store, "retire") == ["done"]


@pytest.mark.parametrize(
    "kept",
    [
        [],
        [wrap("d1", "m2")],
        [wrap("d1", "m2"), wrap("p1", "m2", b"as it was when it opened")],
        [wrap("d1", "m2"), wrap("p1", "m1")],
    ],
)
def test_no_wrap_goes_that_is_the_last_one_known_to_open(
    store: Repository, kept: list[WrappedKey]
) -> None:
    """What is kept must be every data key, as it is stored now, under one master key."""
    store.keyring.add_wraps([wrap("d1", "m2"), wrap("p1", "m2")], doing("rotate"))
    before = store.keyring.read()
    with pytest.raises(RefusedError):
        store.keyring.retire(kept, doing("retire"))
    assert store.keyring.read() == before
    assert recorded(store, "retire") == []


def test_a_data_key_without_a_wrap_is_listed_and_keeps_the_others(store: Repository) -> None:
    """It may still come back with a backup, so nothing is retired meanwhile."""
    with store._database.writing() as connection:
        lost = {"id": "d0", "purpose": "seal", "active": False, "created_at": NOW}
        connection.execute(insert(DATA_KEY).values(lost))
    assert store.keyring.data_keys() == [
        DataKey("d0", "seal", seals=False),
        DataKey("d1", "seal", seals=True),
        DataKey("p1", "fingerprint", seals=False),
    ]
    with pytest.raises(RefusedError):
        store.keyring.retire([wrap("d1"), wrap("p1")], doing("retire"))


# --- another data key -------------------------------------------------------------------------


def replace(store: Repository, name: str = "d2", before: str = "d1") -> int | None:
    """Have a new data key seal."""
    told = doing("reseal", "")
    return store.keyring.replace_sealing([wrap(name)], before=before, doing=told)


def test_a_new_data_key_seals_and_the_old_one_stays(store: Repository) -> None:
    """That it is under way is on record until it is finished."""
    number = replace(store)
    assert number is not None
    assert store.keyring.read()[1] == "d2"
    assert [key.id for key in store.keyring.data_keys() if key.purpose == "seal"] == ["d1", "d2"]
    assert store.keyring.unfinished() == number
    assert store.keyring.finish(number, LATER, "all of it") == ["d1"]
    assert store.keyring.unfinished() is None
    assert wrapped(store.keyring) == [("d2", "m1"), ("p1", "m1")]
    (event,) = store.journal.page(Wanted(action="reseal"))
    assert (event.result, event.detail) == ("done", "all of it")


def test_only_one_of_two_can_replace_a_data_key(store: Repository) -> None:
    """The second has seen another one than seals by now, and nothing of it is written."""
    assert replace(store, "d2")
    before = store.keyring.read(), store.keyring.data_keys(), recorded(store, "reseal")
    assert replace(store, "d3") is None
    assert replace(store, "d3", "p1") is None
    assert replace(store, "d3", "unknown") is None
    assert (store.keyring.read(), store.keyring.data_keys(), recorded(store, "reseal")) == before


def test_a_new_data_key_must_be_under_every_master_key_in_use(store: Repository) -> None:
    """Else an app that has another one would be locked out."""
    store.keyring.add_wraps([wrap("d1", "m2"), wrap("p1", "m2")], doing("rotate"))
    assert replace(store) is None
    both = [wrap("d2"), wrap("d2", "m2")]
    told = doing("reseal", "")
    assert store.keyring.replace_sealing(both, before="d1", doing=told)
    assert wrapped(store.keyring)[2:4] == [("d2", "m1"), ("d2", "m2")]


def test_the_last_unfinished_one_counts(store: Repository) -> None:
    """One that was finished is over, whatever else is on record."""
    first = replace(store, "d2")
    assert first
    store.keyring.finish(first, LATER, "")
    second = replace(store, "d3", "d2")
    assert store.keyring.unfinished() == second


def test_a_data_key_in_use_is_not_deleted(store: Repository) -> None:
    """Neither one that sealed a secret, nor one of a secret that can come back, nor a spared one,
    nor that for fingerprints."""
    entry = put(store, "One")
    put(store, "Two")
    assert replace(store, "d2")
    changes = RowChanges(sealed=b"new", data_key_id="d2", revision=2)
    store.update(*(entry.id, ME), version=1, changes=changes, by=ME, at=NOW, undo_until=LATER)
    number = store.keyring.unfinished() or 0
    assert store.keyring.finish(number, NOW, "") == []
    store.delete(store.find("groq/Two", ME).id, ME)
    assert store.keyring.finish(number, NOW, "") == []
    store.forget_former(LATER + timedelta(seconds=1))
    assert store.keyring.finish(number, NOW, "", spared=["d1"]) == []
    assert store.keyring.finish(number, NOW, "") == ["d1"]
    assert [key.id for key in store.keyring.data_keys()] == ["p1", "d2"]


# --- sealing anew -----------------------------------------------------------------------------


def test_secrets_come_in_parts_each_once(store: Repository) -> None:
    """With what each is bound to, and what it is called."""
    for number in range(7):
        put(store, f"K{number}")
    found: list[SealedSecret] = []
    while part := store.keyring.secrets(3, after=found[-1].label.key_id if found else ""):
        assert len(part) <= 3
        found += part
    assert sorted(each.name for each in found) == [f"K{number}" for number in range(7)]
    for each in found:
        entry = store.entry(each.label.key_id, ME)
        assert (each.label.provider, each.label.destination) == (entry.provider, entry.endpoint)
        assert (each.label.revision, each.label.allow_http) == (entry.revision, entry.allow_http)
        assert each.blob == store.sealed(entry.id, ME).blob
        assert (each.data_key_id, each.owner, each.holds, each.former) == ("d1", ME, True, False)
        assert repr(each.blob) not in repr(each)


def test_a_secret_that_can_come_back_has_its_own_revision(store: Repository) -> None:
    """It is bound to the one it had then."""
    entry = put(store)
    before = store.sealed(entry.id, ME).blob
    changes = RowChanges(sealed=b"new", data_key_id="d1", revision=2)
    store.update(*(entry.id, ME), version=1, changes=changes, by=ME, at=NOW, undo_until=LATER)
    (former,) = store.keyring.former_secrets()
    assert (former.label.revision, former.blob, former.former) == (1, before, True)
    (present,) = store.keyring.secrets(10)
    assert (present.label.revision, present.blob) == (2, b"new")


def test_what_is_sealed_anew_is_the_same_key(store: Repository) -> None:
    """Version, times and everything else stay; only the bytes and their data key are others."""
    entry = put(store)
    assert replace(store)
    (secret,) = store.keyring.secrets(10)
    assert store.keyring.reseal([(secret, b"anew")], "d2") == 1
    assert store.entry(entry.id, ME) == entry
    assert store.sealed(entry.id, ME).blob == b"anew"
    (secret,) = store.keyring.secrets(10)
    assert secret.data_key_id == "d2"


def test_t52_an_edit_in_between_is_not_lost(store: Repository) -> None:
    """What was changed since it was read stays as it was changed."""
    entry, other = put(store, "One"), put(store, "Two")
    assert replace(store)
    read = store.keyring.secrets(10)
    change(store, entry, sealed=b"edited", data_key_id="d2", revision=2)
    assert store.keyring.reseal([(each, b"anew") for each in read], "d2") == 1
    assert store.sealed(entry.id, ME).blob == b"edited"
    assert store.sealed(other.id, ME).blob == b"anew"


def test_t52_nothing_is_sealed_under_a_data_key_that_seals_no_more(store: Repository) -> None:
    """Neither saved, nor changed, nor sealed anew; a change of the name alone is none of it."""
    entry = put(store)
    assert replace(store)
    before = store.sealed(entry.id, ME)
    (read,) = store.keyring.secrets(10)
    with pytest.raises(OutdatedSealError):
        store.insert(row("New", data_key_id="d1"), by=ME)
    with pytest.raises(OutdatedSealError):
        change(store, entry, sealed=b"x", data_key_id="d1")
    with pytest.raises(OutdatedSealError):
        store.keyring.reseal([(read, b"x")], "d1")
    assert store.count(ME) == 1
    assert store.sealed(entry.id, ME) == before
    assert change(store, entry, name="Other", name_key="other").name == "Other"


def test_nothing_is_sealed_in_a_store_that_lost_its_data_keys(store: Repository) -> None:
    """What a running app would seal with a key that is nowhere could be opened by nobody."""
    with store._database.writing() as connection:
        for table in ("data_key_wrap", "data_key"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    with pytest.raises(OutdatedSealError):
        store.insert(row("New"), by=ME)
    assert store.count(ME) == 0
