"""The repository on both databases: every verb, two owners, difficult names, many keys."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from mohet_keys import queries
from mohet_keys.errors import ConflictError, InputError, NotFoundError, StoreError
from mohet_keys.model import (
    LOCAL_OWNER,
    TEAM,
    CheckResult,
    Diagnosis,
    Doing,
    KeyEntry,
    Proven,
    Selection,
    Verdict,
)
from mohet_keys.pasted import name_key
from mohet_keys.queries import RANKS
from mohet_keys.repository import NewRow, Repository, RowChanges, Sort
from mohet_keys.sealed import WrappedKey
from mohet_keys.tables import METADATA, KeyRow, WrapRow
from tests.places import KINDS, ON_SQLITE, Place, place_of

ME, EVE = "ada@example.com", "eve@example.com"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

DIFFICULT_NAMES = (
    "Prod",
    "100% _sure_ \\ 'quoted' \"twice\"; DROP TABLE api_key;--",
    "ключ продакшн",
    "本番キー",
    "مفتاح الإنتاج",
    "👩‍💻 family 👨‍👩‍👧‍👦",
    "Straße / İstanbul",
    "team/prod/eu",
    "a" * 80,
    "<b>bold</b> **md** [x](http://x)",
)


def row(name: str = "Prod", *, owner: str = ME, provider: str = "groq", **more: Any) -> NewRow:
    """A key as the service writes it, with a secret of its own."""
    key_id = more.pop("id", str(uuid.uuid4()))
    values: dict[str, Any] = {
        "id": key_id,
        "owner": owner,
        "provider": provider,
        "name": name,
        "name_key": name_key(name),
        "endpoint": "https://api.groq.com/openai/v1",
        "hint": "gsk_••••abcd",
        "has_secret": True,
        "sealed": f"sealed {key_id}".encode(),
        "fingerprint": f"print {key_id}",
        "data_key_id": "d1",
        "revision": 1,
        "looks_like": None,
        "allow_http": False,
        "created_at": NOW,
    }
    return NewRow(**{**values, **more})


def result(entry: KeyEntry, verdict: Verdict = Verdict.VALID, **more: Any) -> CheckResult:
    """A check of the entry's present revision."""
    said = Diagnosis(verdict, f"{verdict} reason", "What happened.", "What to do.")
    values: dict[str, Any] = {"revision": entry.revision, "diagnosis": said, "checked_at": NOW}
    return CheckResult(entry.id, **{**values, **more})


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


def sealing(store: Repository, data_key_id: str = "d1") -> Repository:
    """The store with the data key by which its rows say that they are sealed."""
    first = WrappedKey(data_key_id, "m", "seal", b"")
    store.keyring.begin([first], sealing=data_key_id)
    return store


def put(store: Repository, name: str = "Prod", **more: Any) -> KeyEntry:
    """A key, saved by its owner."""
    new = row(name, **more)
    sealing(store, new.data_key_id)
    return store.insert(new, by=new.owner)


def share(store: Repository, entry: KeyEntry) -> None:
    """Have everybody see a key."""
    store.shelves.place(
        entry, TEAM, by=entry.owner, doing=Doing("share", entry.owner, entry.owner, NOW)
    )


def change(store: Repository, entry: KeyEntry, **changes: Any) -> KeyEntry:
    """An update of the version in hand."""
    if "sealed" in changes:
        changes = {"data_key_id": "d1", **changes}
    wanted = RowChanges(**changes)
    return store.update(
        entry.id, entry.owner, version=entry.version, changes=wanted, by=EVE, at=LATER
    )


def steps(store: Repository, ask: Callable[[], object]) -> int:
    """How many steps SQLite takes to answer: what a question costs, on whatever machine."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    with store._database.reading() as connection:  # the one connection there is
        driver = connection.connection.driver_connection
        assert driver is not None
    driver.set_progress_handler(step, 1)
    try:
        ask()
    finally:
        driver.set_progress_handler(None, 1)
    return taken


# --- what goes in comes out -----------------------------------------------------------------


def test_an_empty_store_answers_with_nothing(store: Repository) -> None:
    """Every reading verb has an answer before the first key is there."""
    assert store.is_empty()
    assert (store.page(ME), store.count(ME), store.counts(ME)) == ([], 0, {})
    assert (store.selection(ME), store.keyring.read()) == (None, ([], None))
    assert store.twin(ME, "print") is None
    store.ping()


def test_what_was_inserted_comes_out(store: Repository) -> None:
    """An entry has every field of its row, times in UTC, and no secret in it."""
    new = row(looks_like="openai", allow_http=True)
    entry = sealing(store).insert(new, by=EVE)
    assert entry == KeyEntry(
        id=new.id,
        owner=ME,
        provider="groq",
        name="Prod",
        endpoint=new.endpoint,
        hint=new.hint,
        has_secret=True,
        revision=1,
        version=1,
        created_at=NOW,
        updated_at=NOW,
        updated_by=EVE,
        secret_at=new.created_at,
        looks_like="openai",
        allow_http=True,
        owner_name=ME,
    )
    assert store.entry(new.id, ME) == entry
    assert store.sealed(new.id, ME).blob == new.sealed
    assert store.sealed(new.id, ME).entry == entry
    assert entry.created_at.tzinfo is UTC
    assert not store.is_empty()


@pytest.mark.parametrize("name", DIFFICULT_NAMES)
def test_difficult_names_survive(store: Repository, name: str) -> None:
    """A name of any script and punctuation is kept as it is, found by itself and by a search."""
    put(store, "another")
    entry = put(store, name)
    assert store.entry(entry.id, ME).name == name
    assert store.find(f"groq/{name}", ME).id == entry.id
    assert [found.id for found in store.page(ME, search=name)] == [entry.id]


def test_what_was_stored_outlives_the_process(place: Place) -> None:
    """A store opened again has the same keys, checks and selection."""
    first = place.opened()
    entry = put(first)
    first.save_check(result(entry), ME)
    first.select(ME, entry.id, "llama", NOW)
    before = first.entry(entry.id, ME)
    first.close()
    second = place.opened()
    assert second.entry(entry.id, ME) == before
    assert second.selection(ME) == Selection(ME, entry.id, "llama")
    second.close()


def test_a_time_in_another_zone_is_the_same_moment(store: Repository) -> None:
    """Whatever zone a time comes in with, it comes out as UTC."""
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    entry = put(store, created_at=east)
    assert (entry.created_at, entry.created_at.utcoffset()) == (NOW, timedelta(0))


def test_a_time_without_a_zone_is_refused(store: Repository) -> None:
    """A naive time is an error and nothing is written."""
    with pytest.raises(StoreError):
        put(store, created_at=NOW.replace(tzinfo=None))
    assert store.page(ME) == []


# --- names and secrets are taken once ---------------------------------------------------------


def test_a_name_is_taken_once(store: Repository) -> None:
    """A second key of that folded name is refused at its field, by the first one's name."""
    put(store, "Straße")
    with pytest.raises(InputError) as refused:
        put(store, "STRASSE")
    assert refused.value.field == "name"
    assert str(refused.value) == "You already have a key for Groq named “Straße”."
    assert store.count(ME) == 1


def test_a_secret_is_taken_once(store: Repository) -> None:
    """The same fingerprint under any provider is refused, and says where it is."""
    put(store, "First", fingerprint="same")
    with pytest.raises(InputError) as refused:
        put(store, "Second", provider="openai", fingerprint="same")
    assert refused.value.field == "secret"
    assert str(refused.value) == "This key is already saved as “First” (Groq)."
    assert store.count(ME) == 1


def test_a_rename_or_a_move_meets_the_same_rule(store: Repository) -> None:
    """An update onto a taken name or secret is refused, and the row stays as it was."""
    taken = put(store, "Taken", fingerprint="same")
    mine = put(store, "Mine")
    strayed = put(store, "taken", provider="openai")
    with pytest.raises(InputError, match="“Taken”"):
        change(store, mine, name="TAKEN", name_key="taken")
    with pytest.raises(InputError, match="for Groq named “Taken”"):
        change(store, strayed, provider="groq")
    with pytest.raises(InputError, match="already saved as “Taken”"):
        change(store, mine, fingerprint="same", sealed=b"other")
    assert store.entry(mine.id, ME) == mine
    assert store.entry(strayed.id, ME) == strayed
    assert store.entry(taken.id, ME) == taken


def test_a_key_may_keep_its_own_name_and_secret(store: Repository) -> None:
    """Saving a key under what it has already is no clash with itself."""
    entry = put(store, "Prod", fingerprint="same")
    after = change(store, entry, name="PROD", name_key="prod", fingerprint="same")
    assert after.name == "PROD"


def test_what_may_stand_twice(store: Repository) -> None:
    """Another provider, another owner, and keys without a secret do not clash."""
    put(store, "Prod", fingerprint="same")
    put(store, "Prod", provider="openai", fingerprint=None)
    put(store, "Local", fingerprint=None)
    put(store, "Prod", owner=EVE, fingerprint="same")
    assert (store.count(ME), store.count(EVE)) == (3, 1)


def test_an_id_that_is_taken_is_neither(store: Repository) -> None:
    """A clash of ids, which never happens by itself, blames neither name nor secret."""
    entry = put(store, "Prod", fingerprint=None)
    with pytest.raises(StoreError):
        put(store, "Other", id=entry.id, fingerprint=None)


def test_t56_sixteen_creators_of_one_name(store: Repository) -> None:
    """Of sixteen that save one name at once, one succeeds and fifteen are told the name."""
    start = threading.Barrier(16)
    outcomes: list[str] = []

    def create(number: int) -> None:
        start.wait()
        try:
            put(store, "Prod" if number % 2 else "PROD")
            outcomes.append("saved")
        except InputError as refused:
            outcomes.append(refused.field)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["name"] * 15 + ["saved"]
    assert store.count(ME) == 1


# --- whose it is ------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Repository, str, str], object]] = {
    "entry": lambda store, key_id, owner: store.entry(key_id, owner),
    "find": lambda store, key_id, owner: store.find(key_id, owner),
    "find by name": lambda store, key_id, owner: store.find(f"{key_id}/Prod", owner),
    "sealed": lambda store, key_id, owner: store.sealed(key_id, owner),
    "delete": lambda store, key_id, owner: store.delete(key_id, owner),
    "select": lambda store, key_id, owner: store.select(owner, key_id, None, NOW),
    "update": lambda store, key_id, owner: store.update(
        key_id, owner, version=1, changes=RowChanges(name="x"), by=owner, at=NOW
    ),
}
MALFORMED = ("", " ", "x" * 100_000, "\0", "\ud800", "' OR 1=1 --", "%", "/", "groq/", "-1")


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_malformed_and_anothers_id_answer_alike(store: Repository, verb: str) -> None:
    """Each verb raises the same error for an id that is not there and for somebody else's."""
    entry = put(store)
    told = set()
    for key_id, owner in [(entry.id, EVE), *((bad, ME) for bad in (*MALFORMED, str(uuid.uuid4())))]:
        with pytest.raises(NotFoundError) as missing:
            VERBS[verb](store, key_id, owner)
        told.add((str(missing.value), missing.value.args))
    assert len(told) == 1
    assert store.entry(entry.id, ME) == entry


def test_owners_do_not_see_each_other(store: Repository) -> None:
    """Lists, counts, twins, selections and checks are each owner's own."""
    mine = put(store, fingerprint="same")
    hers = put(store, owner=EVE, fingerprint="same")
    store.select(EVE, hers.id, None, NOW)
    assert [entry.id for entry in store.page(ME)] == [mine.id]
    assert (store.counts(ME), store.counts(EVE)) == ({"groq": 1}, {"groq": 1})
    twin = store.twin(ME, "same")
    assert twin is not None
    assert (twin.id, twin.shelf) == (mine.id, ME)
    assert store.selection(ME) is None
    store.save_check(result(mine), EVE)
    assert store.entry(mine.id, ME).check is None


# --- changing ---------------------------------------------------------------------------------


def test_an_update_writes_what_is_given_and_no_more(store: Repository) -> None:
    """Unset fields stay, None is a value, and version, time and author are stamped."""
    entry = put(store, looks_like="openai")
    after = change(store, entry, name="New", name_key="new", looks_like=None)
    assert after == dataclasses.replace(
        entry, name="New", looks_like=None, version=2, updated_at=LATER, updated_by=EVE
    )
    assert store.sealed(entry.id, ME).blob == f"sealed {entry.id}".encode()


def test_t56_the_second_editor_is_told_who_and_when(store: Repository) -> None:
    """An update of an old version changes nothing and names who was faster."""
    entry = put(store)
    change(store, entry, name="First", name_key="first")
    with pytest.raises(ConflictError) as conflict:
        change(store, entry, name="Second", name_key="second")
    told = conflict.value
    assert (told.name, told.changed_by, told.changed_at) == ("First", EVE, LATER)
    assert store.entry(entry.id, ME).name == "First"


def test_t56_of_many_editors_of_one_version_one_wins(store: Repository) -> None:
    """Sixteen updates of version 1 at once: one is written, fifteen conflict, none is lost."""
    entry = put(store)
    start = threading.Barrier(16)
    outcomes: list[str] = []

    def edit(number: int) -> None:
        start.wait()
        try:
            outcomes.append(change(store, entry, hint=str(number)).hint)
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = store.entry(entry.id, ME)
    assert outcomes.count("conflict") == 15
    assert (stored.version, stored.hint in outcomes) == (2, True)


def test_deleting_takes_check_and_selection_along(store: Repository, place: Place) -> None:
    """What is returned is the key as it was; no row of it stays in any table."""
    entry = put(store)
    store.save_check(result(entry), ME)
    store.select(ME, entry.id, "llama", NOW)
    gone, _ = store.delete(entry.id, ME)
    assert (gone.selected, gone.check is not None) == (True, True)
    assert store.selection(ME) is None
    for table in ("api_key", "key_check", "selection"):
        assert place.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608  # three constants
    with pytest.raises(NotFoundError):
        store.delete(entry.id, ME)


# --- checks -----------------------------------------------------------------------------------


def test_a_check_comes_out_as_it_went_in(store: Repository) -> None:
    """Every field of a check is kept, also those that are empty."""
    entry = put(store)
    said = Diagnosis(Verdict.LIMITED, "no credit", "It has none.", "Add some.", 3.5, "e", "l")
    full = result(
        entry,
        diagnosis=said,
        http_status=429,
        latency_ms=210,
        models=("llama-3", "模型", 'with "quotes"'),
        recommended_model="llama-3",
    )
    kept = store.save_check(full, ME)
    assert kept == dataclasses.replace(full, proven=Proven(said.verdict, said.reason, NOW))
    assert store.entry(entry.id, ME).check == kept
    bare = store.save_check(result(entry), ME)
    assert store.page(ME)[0].check == bare


@pytest.mark.parametrize("verdict", Verdict)
def test_what_proves_nothing_leaves_the_proof(store: Repository, verdict: Verdict) -> None:
    """After `valid`, an outage and the like keep it beside them; a clear word replaces it."""
    entry = put(store)
    store.save_check(result(entry, Verdict.VALID), ME)
    store.save_check(result(entry, verdict, checked_at=LATER), ME)
    check = store.entry(entry.id, ME).check
    assert check is not None
    assert check.diagnosis.verdict is verdict
    passing = {Verdict.UNREACHABLE, Verdict.UNVERIFIED, Verdict.LOCKED, Verdict.UNCHECKED}
    proven = (Verdict.VALID, NOW) if verdict in passing else (verdict, LATER)
    assert check.proven is not None
    assert (check.proven.verdict, check.proven.at) == proven


@pytest.mark.parametrize(
    ("verdict", "status", "stays"),
    [
        (Verdict.UNREACHABLE, None, True),
        (Verdict.UNREACHABLE, 503, True),
        (Verdict.VALID, 429, True),
        (Verdict.LOCKED, None, True),
        (Verdict.VALID, 200, False),
        (Verdict.LIMITED, 402, False),
        (Verdict.INVALID, 401, False),
    ],
)
def test_what_an_account_told_stays_until_it_is_asked_again(
    store: Repository, verdict: Verdict, status: int | None, *, stays: bool
) -> None:
    """Credit and end outlive an outage; not another answer, nor what speaks against the key."""
    entry = put(store)
    kept = store.save_check(result(entry, http_status=200, credit=4.2, expires_at=LATER), ME)
    assert (kept.credit, kept.expires_at) == (4.2, LATER)
    store.save_check(result(entry, verdict, http_status=status), ME)
    check = store.entry(entry.id, ME).check
    assert check is not None
    assert (check.credit, check.expires_at) == ((4.2, LATER) if stays else (None, None))


def test_a_check_of_an_older_revision_is_not_kept(store: Repository) -> None:
    """A check that was under way while the secret changed says nothing of the new one."""
    entry = put(store)
    late = result(entry)
    change(store, entry, sealed=b"new", revision=2)
    assert store.save_check(late, ME) is late
    assert store.entry(entry.id, ME).check is None


def test_a_new_secret_forgets_the_check_and_its_proof(store: Repository) -> None:
    """Neither verdict nor proof of the old secret is shown for the new one."""
    entry = put(store)
    store.save_check(result(entry), ME)
    renamed = change(store, entry, name="New", name_key="new")
    assert renamed.check is not None
    after = change(store, renamed, sealed=b"new", revision=2)
    assert after.check is None
    store.save_check(result(after, Verdict.UNREACHABLE), ME)
    check = store.entry(entry.id, ME).check
    assert check is not None
    assert check.proven is None


def test_a_check_of_a_key_that_is_gone_is_given_back(store: Repository) -> None:
    """Deleting during a check is no error and brings nothing back."""
    entry = put(store)
    store.delete(entry.id, ME)
    late = result(entry)
    assert store.save_check(late, ME) is late
    assert store.page(ME) == []


def test_a_strangers_text_cannot_break_the_writing(store: Repository) -> None:
    """Half surrogates and NULs, which a provider's answer may hold, are taken out."""
    entry = put(store)
    said = Diagnosis(Verdict.INVALID, "bad\0 \ud800", "wo\udfffrse")
    kept = store.save_check(result(entry, diagnosis=said), ME)
    assert (kept.diagnosis.reason, kept.diagnosis.explanation) == ("bad ?", "wo?rse")
    assert store.entry(entry.id, ME).check == kept


# --- the selection ----------------------------------------------------------------------------


def test_each_key_remembers_its_model(store: Repository) -> None:
    """Who comes back to a key finds the model chosen for it; another owner's choice is another."""
    first, second = put(store, "First"), put(store, "Second")
    store.select(ME, first.id, "gpt-6.1-terra", NOW)
    store.select(ME, second.id, None, NOW)
    assert store.selection(ME) == Selection(ME, second.id, None)
    store.select(ME, first.id, None, NOW)
    assert store.selection(ME) == Selection(ME, first.id, "gpt-6.1-terra")
    store.select(ME, first.id, "gpt-6-luna", NOW, listed=True)
    store.select(ME, first.id, None, NOW)
    assert store.selection(ME) == Selection(ME, first.id, "gpt-6-luna", listed=True)


def test_a_deleted_key_leaves_no_choice_of_model(store: Repository) -> None:
    """What was chosen for a key goes with it."""
    entry = put(store)
    store.select(ME, entry.id, "gpt-6-luna", NOW)
    store.delete(entry.id, ME)
    with store._database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM model_choice")).scalar() == 0


def test_several_keys_are_read_in_one_go(store: Repository) -> None:
    """Those there are, of this owner, each once; unknown and odd ids are left out."""
    saved = [put(store, f"Key {n}") for n in range(3)]
    asked = [saved[2].id, "nobody", saved[0].id, saved[2].id, "\ud800", "x\0"]
    assert {e.id for e in store.entries(asked, ME)} == {saved[0].id, saved[2].id}
    assert len(store.entries(asked, ME)) == 2
    assert store.entries([saved[0].id], EVE) == []
    assert store.entries([], ME) == []
    many = [str(n) for n in range(1200)] + [saved[1].id]
    assert [e.id for e in store.entries(many, ME)] == [saved[1].id]


@ON_SQLITE
def test_keys_are_looked_up_by_id_however_many_there_are(store: Repository) -> None:
    """To read ten keys of a hundred takes as long as to read ten of twenty."""
    sealing(store)
    ids = [store.insert(row(f"Key {n}"), by=ME).id for n in range(20)][:10]
    few = steps(store, lambda: store.entries(ids, ME))
    for n in range(20, 100):
        store.insert(row(f"Key {n}"), by=ME)
    assert steps(store, lambda: store.entries(ids, ME)) < 1.1 * few
    assert len(store.entries(ids, ME)) == 10


def test_several_checks_are_kept_together(store: Repository) -> None:
    """Each is kept as by itself; one for an older revision, or of a key that is gone, is not."""
    first, second = put(store, "First"), put(store, "Second")
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    given = [
        CheckResult(first.id, 1, said, NOW),
        CheckResult("gone", 1, said, NOW),
        CheckResult(second.id, 7, said, NOW),
    ]
    kept = store.save_checks(given, ME)
    assert kept[0].proven == Proven(Verdict.VALID, "key works", NOW)
    assert kept[1:] == given[1:]
    assert store.entry(first.id, ME).check == kept[0]
    assert store.entry(second.id, ME).check is None


def test_one_selection_for_each_owner(store: Repository) -> None:
    """Selecting replaces, None clears, and one entry of the list says that it is chosen."""
    first, second = put(store, "First"), put(store, "Second")
    store.select(ME, first.id, None, NOW)
    chosen = store.select(ME, second.id, "llama", LATER)
    assert chosen == store.selection(ME) == Selection(ME, second.id, "llama")
    assert {entry.name: entry.selected for entry in store.page(ME)} == {
        "First": False,
        "Second": True,
    }
    assert store.select(ME, None, None, LATER) is None
    assert store.selection(ME) is None


# --- lists ------------------------------------------------------------------------------------


def names(store: Repository, **how: Any) -> list[str]:
    """The names of a page, in its order."""
    return [entry.name for entry in store.page(ME, **how)]


def test_the_orders_of_a_list(store: Repository) -> None:
    """Newest, oldest, name without regard to case, and worst verdict first."""
    verdicts = {"b": Verdict.VALID, "C": Verdict.INVALID, "a": None, "d": Verdict.LIMITED}
    for age, (name, verdict) in enumerate(verdicts.items()):
        entry = put(store, name, created_at=NOW + timedelta(seconds=age))
        if verdict:
            store.save_check(result(entry, verdict), ME)
    assert names(store) == names(store, sort="newest") == ["d", "a", "C", "b"]
    assert names(store, sort="oldest") == ["b", "C", "a", "d"]
    assert names(store, sort="name") == ["a", "b", "C", "d"]
    assert names(store, sort="status") == ["C", "d", "b", "a"]
    change(store, store.find("groq/C", ME), sealed=b"new", revision=2)
    assert names(store, sort="status") == ["d", "b", "a", "C"]


def test_every_verdict_has_its_place_in_the_order() -> None:
    """A list by status knows every verdict there is."""
    assert set(RANKS) == set(Verdict)


@pytest.mark.parametrize("sort", ["newest", "oldest", "name", "status"])
@pytest.mark.parametrize("provider", [None, "groq"])
def test_pages_hold_each_key_once(store: Repository, sort: Sort, provider: str | None) -> None:
    """Pages of a list, also of keys of one moment, add up to the list."""
    for number in range(11):
        put(store, f"k{number}", provider="groq" if number % 3 else "openai")
    whole = store.page(ME, sort=sort, provider=provider)
    pages = [
        entry
        for offset in range(0, 12, 3)
        for entry in store.page(ME, sort=sort, provider=provider, offset=offset, limit=3)
    ]
    assert pages == whole
    assert len({entry.id for entry in whole}) == store.count(ME, provider=provider)


def test_counts_are_by_provider(store: Repository) -> None:
    """Each tab's number, without those that have none."""
    for number, provider in enumerate(["groq", "openai", "groq"]):
        put(store, str(number), provider=provider)
    assert store.counts(ME) == {"groq": 2, "openai": 1}
    assert (store.count(ME, provider="groq"), store.count(ME, provider="mistral")) == (2, 0)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("PROD", {"Prod EU", "prod_us"}),
        ("d_u", {"prod_us"}),
        ("100%", {"100% mine"}),
        ("%", {"100% mine"}),
        ("strasse", {"Straße"}),
        ("CAFÉ", {"Cafe\u0301"}),
        ("xyz9", {"Straße"}),
        ("Proxy.Example", {"prod_us"}),
        ("/V1/Tenant", {"prod_us"}),
        ("  eu  ", {"Prod EU"}),
        ("\\", set()),
        ("nothing", set()),
        ("\ud800", set()),
    ],
)
def test_a_search_looks_at_name_hint_and_endpoint(
    store: Repository, search: str, found: set[str]
) -> None:
    """Case and Unicode form do not matter; the signs of LIKE mean themselves."""
    put(store, "Prod EU")
    put(store, "prod_us", endpoint="https://proxy.example/v1/Tenant")
    put(store, "100% mine")
    put(store, "Straße", hint="gsk_••••XYZ9")
    put(store, "Cafe\u0301")
    assert set(names(store, search=search)) == found
    assert store.count(ME, search=search) == len(found)


@pytest.fixture(scope="module", params=KINDS)
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    """A store with forty keys of difficult names."""
    with place_of(request.param, tmp_path_factory.mktemp("many"), request) as place:
        repository = place.opened()
        for number in range(40):
            name = DIFFICULT_NAMES[number % len(DIFFICULT_NAMES)][:70]
            sealing(repository).insert(row(f"{name} {number}"), by=ME)
        yield repository
        repository.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(search=st.text(alphabet="prodPROD100%_ \\'\"ßsİi/本👩‍💻<*", max_size=4))
def test_a_search_finds_what_contains_it(many: Repository, search: str) -> None:
    """For any text, the keys found are those whose folded name, endpoint or hint has it."""
    wanted = name_key(search)
    expected = {
        entry.id
        for entry in many.page(ME)
        if wanted in name_key(entry.name)
        or wanted in entry.endpoint.lower()
        or wanted in entry.hint.lower()
    }
    assert {entry.id for entry in many.page(ME, search=search)} == expected


def heard(store: Repository) -> list[str]:
    """A list that fills with every statement the store runs from now on."""
    statements: list[str] = []
    engine = store._database.engine
    event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    return statements


def test_only_opening_a_key_reads_its_sealed_column(store: Repository) -> None:
    """No list and no entry names the sealed column; `sealed` does, so the ear is good."""
    entry = put(store)
    statements = heard(store)
    store.page(ME, search="p", sort="status", limit=5)
    store.entry(entry.id, ME)
    store.find("groq/Prod", ME)
    store.twin(ME, f"print {entry.id}")
    store.count(ME)
    store.counts(ME)
    store.select(ME, entry.id, None, NOW)
    store.save_check(result(entry), ME)
    assert statements
    assert not [said for said in statements if "sealed" in said]
    store.sealed(entry.id, ME)
    assert [said for said in statements if "sealed" in said]


def test_a_page_is_one_query(store: Repository) -> None:
    """Keys, checks and selection come together, however many there are."""
    for number in range(12):
        store.save_check(result(put(store, str(number))), ME)
    statements = heard(store)
    assert len(store.page(ME, limit=12)) == 12
    assert len([said for said in statements if not said.startswith("BEGIN")]) == 1


def effort(store: Repository, **how: Any) -> int:
    """How many hundreds of steps of SQLite's machine a page takes: no clock, so no chance."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with store._database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 100)
    store.page(ME, limit=12, **how)
    driver.set_progress_handler(None, 0)
    return steps[0]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A store with 10,000 keys, half of them checked."""
    path = tmp_path_factory.mktemp("crowd") / "store.db"
    repository = Repository(f"sqlite:///{path}")
    columns = [*row().given(), "version", "updated_at", "updated_by", "rank"]
    rows = []
    for number in range(10_000):
        new = row(f"Key {number * 7919 % 10_000:05}", created_at=NOW + timedelta(seconds=number))
        rows.append({**new.given(), "version": 1, "updated_at": NOW, "updated_by": ME, "rank": 7})
    assert set(columns) == set(rows[0])
    with repository._database.writing() as connection:
        connection.execute(METADATA.tables["api_key"].insert(), rows)
    yield repository
    repository.close()


@ON_SQLITE
@pytest.mark.parametrize("sort", ["newest", "oldest", "name", "status"])
@pytest.mark.parametrize("provider", [None, "groq"])
def test_ten_thousand_keys_are_paged_like_twelve(
    store: Repository, crowd: Repository, sort: Sort, provider: str | None
) -> None:
    """The first page of 10,000 keys takes the database no more work than a page of 12."""
    for number in range(12):
        put(store, f"Key {number:05}", created_at=NOW + timedelta(seconds=number))
    few = effort(store, sort=sort, provider=provider)
    assert few >= 2
    assert effort(crowd, sort=sort, provider=provider) <= few * 1.2 + 1


@pytest.fixture(scope="module")
def two_crowds(crowd: Repository) -> Repository:
    """The same with 10,000 keys that somebody else shares, which I see too."""
    rows = []
    for number in range(10_000):
        new = row(f"Team {number * 7919 % 10_000:05}", owner=EVE, created_at=_after(number))
        told = {"version": 1, "updated_at": NOW, "updated_by": EVE, "rank": 7, "shelf": TEAM}
        rows.append({**new.given(), **told})
    with crowd._database.writing() as connection:
        connection.execute(METADATA.tables["api_key"].insert(), rows)
    return crowd


def _after(number: int) -> datetime:
    return NOW + timedelta(seconds=number, milliseconds=500)


@ON_SQLITE
@pytest.mark.parametrize("sort", ["newest", "oldest", "name", "status"])
@pytest.mark.parametrize("provider", [None, "groq"])
def test_two_shelves_of_ten_thousand_are_paged_like_two_of_six(
    store: Repository, two_crowds: Repository, sort: Sort, provider: str | None
) -> None:
    """A page that is merged of my keys and the team's reads no more of either than it shows."""
    for number in range(6):
        put(store, f"Key {number:05}", created_at=NOW + timedelta(seconds=number))
        shared = put(store, f"Team {number:05}", owner=EVE, created_at=_after(number))
        share(store, shared)
    few = effort(store, sort=sort, provider=provider)
    assert few >= 2
    assert effort(two_crowds, sort=sort, provider=provider) <= few * 1.2 + 1


@pytest.mark.parametrize("sort", ["newest", "oldest", "name", "status"])
def test_two_shelves_come_as_one_list(two_crowds: Repository, sort: Sort) -> None:
    """Pages of both, one behind the other, are in order and have each key once."""
    pages = [two_crowds.page(ME, sort=sort, offset=at, limit=700) for at in range(0, 21_000, 700)]
    found = [entry for page in pages for entry in page]
    assert len(found) == len({entry.id for entry in found}) == 20_000
    orders: dict[str, Callable[[KeyEntry], Any]] = {
        "newest": lambda entry: -entry.created_at.timestamp(),
        "oldest": lambda entry: entry.created_at,
        "name": lambda entry: entry.name,
        "status": lambda entry: entry.name,
    }
    assert found == sorted(found, key=orders[sort])
    assert two_crowds.count(ME) == 20_000
    assert {entry.owner_name for entry in found} == {ME, EVE}
    assert [entry.shared for entry in found] == [not entry.mine for entry in found]


def test_what_is_local_is_read_from_one_shelf(store: Repository) -> None:
    """A local run asks as it always did: no person is looked for, and the team's shelf is not."""
    said = str(queries.paged(LOCAL_OWNER, **_FIRST)).lower()
    assert "person" not in said
    assert "union" not in said
    said = str(queries.paged(ME, **_FIRST)).lower()
    assert "person" in said
    assert "union" in said


_FIRST: dict[str, Any] = {
    "provider": None,
    "search": "",
    "sort": "newest",
    "offset": 0,
    "limit": 12,
}


# --- data keys --------------------------------------------------------------------------------


def wrap(name: str, purpose: str = "seal", master: str = "m1") -> WrappedKey:
    """A wrapped data key."""
    return WrappedKey(name, master, "seal" if purpose == "seal" else "fingerprint", name.encode())


def test_data_keys_come_out_as_they_went_in(store: Repository) -> None:
    """Both keys are kept with their wraps; the active one is named; the store is not empty."""
    wraps = [wrap("a"), wrap("b", "fingerprint")]
    assert store.keyring.begin(wraps, sealing="a") == wraps
    assert store.keyring.read() == (wraps, "a")
    assert not store.is_empty()


def test_the_first_to_write_data_keys_wins(place: Place) -> None:
    """Of eight starts at once all get the same data keys, those of one of them."""
    stores = [place.opened() for _ in range(8)]
    start = threading.Barrier(8)
    got: list[tuple[WrappedKey, ...]] = []

    def mint(number: int) -> None:
        wraps = [wrap(f"seal{number}"), wrap(f"print{number}", "fingerprint")]
        start.wait()
        got.append(tuple(stores[number].keyring.begin(wraps, sealing=f"seal{number}")))

    threads = [threading.Thread(target=mint, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert len(got[0]) == 2
    assert stores[0].keyring.read()[1] in {key.data_key_id for key in got[0]}
    for store in stores:
        store.close()


# --- the tables -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column", [c for table in METADATA.sorted_tables for c in table.c], ids=str
)
def test_every_column_says_what_protects_it(column: Any) -> None:
    """A new column has to be thought about: sealed, identity or cosmetic."""
    assert column.info.get("trust") in {"sealed", "identity", "cosmetic"}


def test_no_repr_shows_sealed_bytes() -> None:
    """Rows and records keep bytes and fingerprint out of their repr."""
    shown = [
        repr(row(sealed=b"CANARY", fingerprint="CANARY")),
        repr(RowChanges(sealed=b"CANARY", fingerprint="CANARY")),
        repr(KeyRow(**row(sealed=b"CANARY", fingerprint="CANARY").given())),
        repr(WrapRow(data_key_id="d", master_id="m", blob=b"CANARY")),
    ]
    assert not [text for text in shown if "CANARY" in text]
