"""A new secret for a saved key: tested beside the present one, swapped in, brought back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import vault, wiring
from mohet_keys.errors import (
    ConflictError,
    InputError,
    LockedError,
    NotFoundError,
    RefusedError,
    SealError,
    StoreError,
)
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, Activity, Doing, KeyChanges, KeyEntry, NewKey, Verdict
from mohet_keys.replacing import Replaced
from mohet_keys.sealed import Label
from mohet_keys.service import UNDO_FOR
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.team import EVE, join

START = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
OLD, NEW = good("groq"), good("groq", "new")


@dataclass
class Bench:
    """The product on a store of the test's own, with a clock that the test turns."""

    parts: Parts
    settings: Settings
    simulator: Simulator
    now: datetime = START

    def save(
        self, secret: str = OLD, *, slug: str = "groq", server: str = "", name: str = "Production"
    ) -> KeyEntry:
        """A key at the simulator."""
        endpoint = self.simulator.endpoint(server or slug)
        typed = NewKey(provider=slug, name=name, secret=SecretStr(secret), endpoint=endpoint)
        return self.parts.keys.add(typed, owner=LOCAL_OWNER).entry

    def replace(self, entry: KeyEntry, secret: str = NEW) -> Replaced:
        """Replace the secret of a key as it was seen."""
        trial = self.parts.keys.trial(entry.id, secret, owner=LOCAL_OWNER, version=entry.version)
        return asyncio.run(self.parts.replacer.replace(trial, owner=LOCAL_OWNER))

    def swapped(self, secret: str = NEW, **how: str) -> KeyEntry:
        """A key whose secret was just replaced."""
        entry = self.replace(self.save(**how), secret).entry
        assert entry is not None
        return entry

    def undo(self, entry: KeyEntry) -> KeyEntry:
        """Bring back what the key had before."""
        keys = self.parts.keys
        return keys.undo_swap(entry.id, owner=LOCAL_OWNER, version=entry.version).entry

    def edit(self, entry: KeyEntry, **changes: Any) -> KeyEntry:
        """Change a key as its form would."""
        typed = KeyChanges.model_validate(changes)
        keys = self.parts.keys
        return keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version).entry

    def secret(self, entry: KeyEntry) -> str | None:
        """What a key opens to now."""
        return self.parts.keys.open(entry.id, owner=LOCAL_OWNER).secret

    def done(self) -> list[Activity]:
        """What is on record, the latest first."""
        return self.parts.repository.journal.page(Wanted())

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Reach into the store behind the product's back."""
        file = self.settings.data_dir / "mohet_keys.db"
        with closing(sqlite3.connect(file)) as raw, raw:
            return raw.execute(statement, values).fetchall()

    def content(self) -> list[Any]:
        """All keys and former secrets, every column, as they are stored."""
        return self.sql("SELECT * FROM api_key") + self.sql("SELECT * FROM former_secret")

    def files_with(self, trace: bytes) -> list[str]:
        """The files of the store that hold these bytes."""
        files = self.settings.data_dir.iterdir()
        return [file.name for file in files if trace in file.read_bytes()]

    def arrived(self) -> set[str]:
        """The secrets that reached a server."""
        return {request.secret for request in self.simulator.requests if request.secret}


@pytest.fixture(scope="module")
def providers() -> Iterator[Simulator]:
    """The six providers, for the whole file."""
    with Simulator() as running:
        yield running


@pytest.fixture
def bench(
    parts: Parts, settings: Settings, providers: Simulator, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """An empty store, and providers that were asked nothing yet."""
    providers.requests.clear()
    providers.delay = 0.0
    made = Bench(parts, settings, providers)
    monkeypatch.setattr(parts.keys, "_clock", lambda: made.now)
    return made


# --- the test and the swap ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "server", "behaviour", "verdict"),
    [
        ("groq", "groq", "good", Verdict.VALID),
        ("openrouter", "openrouter", "nocredit", Verdict.LIMITED),
        ("openai", "open-gateway", "good", Verdict.UNVERIFIED),
    ],
)
def test_a_good_secret_takes_the_place_of_the_old_one(
    bench: Bench, slug: str, server: str, behaviour: str, verdict: Verdict
) -> None:
    """It is tested, swapped in at the same address, and the test counts as its check."""
    before = bench.save(good(slug), slug=slug, server=server)
    new = behaving(slug, behaviour, "new")
    done = bench.replace(before, new)
    after = bench.parts.keys.entry(before.id, owner=LOCAL_OWNER)
    assert done.entry is not None
    assert done.diagnosis.verdict is verdict
    assert bench.secret(after) == new
    assert (after.endpoint, after.revision) == (before.endpoint, before.revision + 1)
    assert after.undo_until == START + UNDO_FOR
    assert after.check is not None
    assert (after.check.diagnosis.verdict, after.check.revision) == (verdict, after.revision)
    assert bench.arrived() == {new}


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        ("revoked", Verdict.INVALID),
        ("down", Verdict.UNREACHABLE),
        ("html", Verdict.MISCONFIGURED),
    ],
)
def test_a_bad_secret_changes_nothing(bench: Bench, behaviour: str, verdict: Verdict) -> None:
    """The old one stays as it is stored, nothing is put by, and it is said why and what helps."""
    entry, before = bench.save(), bench.content()
    done = bench.replace(entry, behaving("groq", behaviour))
    assert done.entry is None
    assert done.diagnosis.verdict is verdict
    assert done.diagnosis.remedy
    assert bench.content() == before
    assert bench.secret(entry) == OLD


def test_the_old_secret_works_while_the_new_one_is_tested(bench: Bench) -> None:
    """Who uses the key during the test gets the old one."""
    entry = bench.save()
    bench.simulator.delay = 0.3

    async def both() -> tuple[str | None, Replaced]:
        trial = bench.parts.keys.trial(entry.id, NEW, owner=LOCAL_OWNER, version=entry.version)
        test = asyncio.create_task(bench.parts.replacer.replace(trial, owner=LOCAL_OWNER))
        await asyncio.sleep(0.1)
        meanwhile = bench.secret(entry)
        return meanwhile, await test

    meanwhile, done = asyncio.run(both())
    assert meanwhile == OLD
    assert done.entry is not None
    assert bench.secret(entry) == NEW


def test_what_was_mended_is_told(bench: Bench) -> None:
    """Quotes around a pasted secret come off, and that is said."""
    done = bench.replace(bench.save(), f'"{NEW}"')
    assert done.notes == ("Took off the quotes around the key.",)


# --- what is refused before anything is sent ----------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter the API key"),
        ("two words", "is a space"),
        (OLD, "the secret that the key has now"),
        (f'"{OLD}"', "the secret that the key has now"),
        (good("openrouter"), "looks like an OpenRouter key"),
        (good("groq", "twin"), "already saved as “Twin”"),
    ],
)
def test_what_cannot_be_right_is_refused_at_its_field(bench: Bench, typed: str, words: str) -> None:
    """Nothing is sent, nothing is recorded as sent, and the key stays as it is."""
    entry = bench.save()
    bench.save(good("groq", "twin"), name="Twin")
    before, told = bench.content(), bench.done()
    with pytest.raises(InputError, match=words) as refused:
        bench.replace(entry, typed)
    assert refused.value.field == "secret"
    assert (bench.arrived(), bench.content(), bench.done()) == (set(), before, told)


def test_a_key_without_a_secret_has_none_to_replace(bench: Bench) -> None:
    """A local server's key is led to the form that can give it one."""
    entry = bench.save("", slug="ollama")
    with pytest.raises(RefusedError, match="Edit the key"):
        bench.replace(entry, "something-else-entirely")


def test_t03_an_address_altered_in_the_database_gets_no_new_secret(bench: Bench) -> None:
    """The key does not open, so there is no address to try a secret at; that is on record."""
    entry = bench.save()
    evil = bench.simulator.endpoint("openai")
    bench.sql("UPDATE api_key SET endpoint = ?", evil)
    with pytest.raises(SealError):
        bench.replace(entry)
    assert bench.arrived() == set()
    assert (bench.done()[0].action, bench.done()[0].result) == ("try", "locked")


def test_t03_an_address_altered_during_the_test_gets_nothing(bench: Bench) -> None:
    """The new secret is sealed for the address that it was tried at."""
    entry = bench.save()
    trial = bench.parts.keys.trial(entry.id, NEW, owner=LOCAL_OWNER, version=entry.version)
    bench.sql("UPDATE api_key SET endpoint = ?", bench.simulator.endpoint("openai"))
    done = asyncio.run(bench.parts.replacer.replace(trial, owner=LOCAL_OWNER))
    assert done.entry is not None
    opened = bench.parts.keys.open(entry.id, owner=LOCAL_OWNER)
    assert (opened.secret, opened.destination) == (NEW, entry.endpoint)


def test_with_the_wrong_master_key_nothing_is_replaced(bench: Bench) -> None:
    """Neither test nor swap nor undo: all say that it is locked."""
    entry = bench.swapped()
    bench.simulator.requests.clear()
    (bench.settings.config_dir / "master.key").unlink()
    bench.parts.safe._masters = None
    bench.parts.safe.refresh()
    with pytest.raises(LockedError):
        bench.replace(entry, good("groq", "third"))
    with pytest.raises(LockedError):
        bench.undo(entry)
    assert bench.arrived() == set()


# --- on record ----------------------------------------------------------------------------------


def test_t49_the_test_is_on_record_and_then_the_swap(bench: Bench) -> None:
    """Which secret was tried at which host, how it went, and that it was swapped in."""
    entry = bench.save()
    added = bench.done()[0]
    bench.replace(entry)
    swap, test = bench.done()[:2]
    assert (test.action, test.result, test.host) == ("try", "valid", "127.0.0.1")
    assert (swap.action, swap.result, swap.key_id) == ("replace", "done", entry.id)
    assert test.fingerprint == swap.fingerprint
    assert test.fingerprint not in {added.fingerprint, None}


def test_t49_a_bad_test_is_on_record_too(bench: Bench) -> None:
    """With its verdict and reason, and no swap."""
    bench.replace(bench.save(), behaving("groq", "revoked"))
    assert [(each.action, each.result) for each in bench.done()[:1]] == [("try", "invalid")]
    assert bench.done()[0].detail


def break_record(bench: Bench) -> None:
    """The table of what happened takes nothing any more."""
    refuse = "SELECT RAISE(ABORT, 'no')"
    bench.sql(f"CREATE TRIGGER broken BEFORE INSERT ON event BEGIN {refuse}; END")


def test_t49_what_cannot_be_recorded_is_not_tried(bench: Bench) -> None:
    """Nothing reaches the server, and nothing changes."""
    entry, before = bench.save(), bench.content()
    break_record(bench)
    with pytest.raises(StoreError):
        bench.replace(entry)
    assert (bench.arrived(), bench.content()) == (set(), before)


def test_t49_what_cannot_be_recorded_is_neither_swapped_nor_brought_back(bench: Bench) -> None:
    """The record is a part of the transaction."""
    entry = bench.swapped()
    trial = bench.parts.keys.trial(
        entry.id, good("groq", "third"), owner=LOCAL_OWNER, version=entry.version
    )
    before = bench.content()
    break_record(bench)
    for step in (
        lambda: bench.parts.keys.swap(trial, owner=LOCAL_OWNER),
        lambda: bench.undo(entry),
    ):
        with pytest.raises(StoreError):
            step()
    assert bench.content() == before


def test_a_swap_counts_even_when_its_check_cannot_be_kept(bench: Bench) -> None:
    """The key has its new secret then, and is shown as not checked."""
    refuse = "SELECT RAISE(ABORT, 'no')"
    entry = bench.save()
    bench.sql(f"CREATE TRIGGER broken BEFORE INSERT ON key_check BEGIN {refuse}; END")
    done = bench.replace(entry)
    assert done.entry is not None
    assert bench.parts.keys.entry(entry.id, owner=LOCAL_OWNER).check is None
    assert bench.secret(entry) == NEW


# --- somebody else at the same time -------------------------------------------------------------


def during_the_test(bench: Bench, entry: KeyEntry, step: Callable[[], object]) -> Replaced:
    """Replace a secret while somebody does something else to the key."""
    bench.simulator.delay = 0.3

    async def both() -> Replaced:
        trial = bench.parts.keys.trial(entry.id, NEW, owner=LOCAL_OWNER, version=entry.version)
        test = asyncio.create_task(bench.parts.replacer.replace(trial, owner=LOCAL_OWNER))
        await asyncio.sleep(0.1)
        step()
        return await test

    return asyncio.run(both())


def test_t56_a_key_changed_during_the_test_keeps_that_change(bench: Bench) -> None:
    """The swap is refused with who was faster; how the test went is on record all the same."""
    entry = bench.save()
    with pytest.raises(ConflictError):
        during_the_test(bench, entry, lambda: bench.edit(entry, name="Theirs"))
    now = bench.parts.keys.entry(entry.id, owner=LOCAL_OWNER)
    assert (now.name, now.undo_until, bench.secret(now)) == ("Theirs", None, OLD)
    assert ("try", "valid") in {(each.action, each.result) for each in bench.done()}


def test_t56_a_key_that_is_not_as_it_was_seen_gets_no_test(bench: Bench) -> None:
    """It was changed before: that is said, and nothing is sent."""
    entry = bench.save()
    bench.edit(entry, name="Theirs")
    with pytest.raises(ConflictError):
        bench.replace(entry)
    assert bench.arrived() == set()


def test_a_key_deleted_during_the_test_stays_deleted(bench: Bench) -> None:
    """Neither of the two secrets is kept."""
    entry = bench.save()
    with pytest.raises(NotFoundError):
        during_the_test(bench, entry, lambda: bench.parts.keys.remove(entry.id, owner=LOCAL_OWNER))
    assert bench.content() == []


def test_t43_another_owner_finds_no_such_key(bench: Bench) -> None:
    """Trying, swapping and bringing back answer as for an unknown id."""
    join(bench.parts.repository, EVE)
    entry = bench.swapped()
    keys, third = bench.parts.keys, good("groq", "third")
    trial = keys.trial(entry.id, third, owner=LOCAL_OWNER, version=entry.version)
    with pytest.raises(NotFoundError):
        keys.trial(entry.id, third, owner=EVE, version=entry.version)
    with pytest.raises(NotFoundError):
        keys.swap(trial, owner=EVE)
    with pytest.raises(NotFoundError):
        keys.undo_swap(entry.id, owner=EVE, version=entry.version)


# --- undo ---------------------------------------------------------------------------------------


def test_the_former_secret_comes_back(bench: Bench) -> None:
    """As a new revision, for the same address, on record, unchecked, and there is no way back."""
    entry = bench.swapped()
    bench.now += UNDO_FOR - timedelta(seconds=1)
    back = bench.undo(entry)
    assert bench.secret(back) == OLD
    assert (back.endpoint, back.revision) == (entry.endpoint, entry.revision + 1)
    assert (back.undo_until, back.check) == (None, None)
    assert bench.sql("SELECT * FROM former_secret") == []
    assert ("undo", "done") in {(each.action, each.result) for each in bench.done()}
    with pytest.raises(RefusedError):
        bench.undo(back)


def test_t59_a_clock_that_is_put_back_makes_no_way_back_for_years(bench: Bench) -> None:
    """What could come back for longer than a quarter of an hour cannot come back at all."""
    entry = bench.swapped()
    bench.now -= timedelta(days=365)
    with pytest.raises(RefusedError, match="deleted for good"):
        bench.undo(entry)
    assert bench.sql("SELECT * FROM former_secret") == []


def test_only_the_last_secret_comes_back_and_only_as_it_was_seen(bench: Bench) -> None:
    """Who saw an earlier state is told of the change; the first of three is gone for good."""
    first = bench.swapped()
    second = bench.replace(first, good("groq", "third")).entry
    assert second is not None
    with pytest.raises(ConflictError):
        bench.undo(first)
    assert bench.secret(bench.undo(second)) == NEW


def test_t14_after_a_quarter_of_an_hour_it_is_gone(bench: Bench) -> None:
    """Undo is refused, and no file of the store holds the former bytes any more."""
    (sealed,) = bench.sql("SELECT sealed FROM api_key WHERE id = ?", bench.save().id)[0]
    entry = bench.parts.keys.find("groq/Production", owner=LOCAL_OWNER)
    swapped = bench.replace(entry).entry
    assert swapped is not None
    assert bench.files_with(sealed) != []  # so the search is good
    bench.now += UNDO_FOR
    with pytest.raises(RefusedError, match="deleted for good"):
        bench.undo(swapped)
    assert bench.files_with(sealed) == []
    assert bench.secret(swapped) == NEW


def test_t14_it_goes_without_anybody_asking(bench: Bench) -> None:
    """A former secret is deleted when its time is over, and not before."""
    (sealed,) = bench.sql("SELECT sealed FROM api_key WHERE id = ?", bench.save().id)[0]
    bench.replace(bench.parts.keys.find("groq/Production", owner=LOCAL_OWNER))
    bench.now += UNDO_FOR - timedelta(seconds=1)
    bench.parts.replacer.forget()
    assert bench.files_with(sealed) != []
    bench.now += timedelta(seconds=1)
    bench.parts.replacer.forget()
    assert bench.files_with(sealed) == []


def test_t14_what_ran_out_meanwhile_goes_at_the_next_start(bench: Bench) -> None:
    """A process that opens the store deletes what no process was there to delete."""
    bench.swapped()
    assert bench.sql("SELECT count(*) FROM former_secret") == [(1,)]
    bench.sql("UPDATE former_secret SET undo_until = '2020-01-01 00:00:00.000000'")
    wiring.build(bench.settings).close()
    assert bench.sql("SELECT count(*) FROM former_secret") == [(0,)]


def test_a_store_that_cannot_be_written_still_opens(bench: Bench) -> None:
    """A former secret that cannot be deleted now stands in nobody's way."""
    bench.swapped()
    refuse = "SELECT RAISE(ABORT, 'no')"
    bench.sql(f"CREATE TRIGGER broken BEFORE DELETE ON former_secret BEGIN {refuse}; END")
    bench.now += UNDO_FOR
    bench.parts.replacer.forget()
    with pytest.raises(StoreError):
        bench.parts.keys.forget_former()


@pytest.mark.parametrize("change", ["secret", "address", "move"])
def test_another_change_of_secret_or_address_drops_it(bench: Bench, change: str) -> None:
    """There is no way back to a secret over a change that came later."""
    entry = bench.swapped()
    if change == "secret":
        entry = bench.edit(entry, secret=SecretStr(good("groq", "third")))
    elif change == "address":
        elsewhere = bench.simulator.endpoint("groq").replace("127.0.0.1", "localhost")
        entry = bench.edit(entry, secret=SecretStr(NEW), endpoint=elsewhere)
    else:
        bench.sql("UPDATE api_key SET looks_like = 'groq'")
        keys = bench.parts.keys
        entry = keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version).entry
    assert bench.sql("SELECT * FROM former_secret") == []
    with pytest.raises(RefusedError):
        bench.undo(entry)


def test_a_new_name_leaves_the_way_back_open(bench: Bench) -> None:
    """It is the same secret for the same address."""
    entry = bench.edit(bench.swapped(), name="Renamed")
    back = bench.undo(entry)
    assert (back.name, bench.secret(back)) == ("Renamed", OLD)


def test_a_former_secret_that_was_saved_elsewhere_is_named(bench: Bench) -> None:
    """Two keys never have the same secret, so it stays where it is now."""
    entry = bench.swapped()
    bench.save(OLD, name="Twin")
    before = bench.content()
    with pytest.raises(RefusedError, match=r"not brought back.*“Twin”"):
        bench.undo(entry)
    assert bench.content() == before


def test_a_held_secret_comes_back_held(bench: Bench) -> None:
    """What looked like another vendor's key still does, and is sent nowhere."""
    entry = bench.save(good("openrouter"))
    assert entry.looks_like == "openrouter"
    swapped = bench.replace(entry).entry
    assert swapped is not None
    assert swapped.looks_like is None
    assert bench.undo(swapped).looks_like == "openrouter"
    assert bench.arrived() == {NEW}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE former_secret SET sealed = CAST(substr(sealed, 1, 90) || x'00' AS BLOB)",
        "UPDATE former_secret SET sealed = (SELECT sealed FROM api_key)",
        "UPDATE former_secret SET revision = revision + 1",
        "UPDATE api_key SET endpoint = 'https://api.groq.com/openai/v1'",
        "UPDATE api_key SET provider = 'openai'",
    ],
)
def test_t02_t03_an_altered_former_secret_stays_closed(bench: Bench, statement: str) -> None:
    """It says so, that is on record, and nothing is brought back or sent."""
    entry = bench.swapped()
    bench.simulator.requests.clear()
    bench.sql(statement)
    before = bench.content()
    with pytest.raises(SealError):
        bench.undo(entry)
    assert (bench.content(), bench.arrived()) == (before, set())
    assert (bench.done()[0].action, bench.done()[0].result) == ("undo", "locked")


def former(bench: Bench, entry: KeyEntry) -> tuple[Label, bytes]:
    """The secret a key had before, as it is put by, and what it is bound to."""
    found = bench.parts.repository.former(entry.id, LOCAL_OWNER, START)
    assert found is not None
    revision = found.revision
    return Label(entry.id, entry.provider, entry.endpoint, revision, entry.allow_http), found.blob


@pytest.mark.parametrize("resealed", [False, True])
def test_t51_it_comes_back_under_another_data_key(bench: Bench, resealed: bool) -> None:
    """Whether the former secret was sealed anew meanwhile or not."""
    entry = bench.swapped()
    masters = bench.parts.safe._masters
    assert masters is not None
    keyring = bench.parts.repository.keyring
    wrap = vault.mint(masters.primary, "seal")
    doing = Doing("reseal", LOCAL_OWNER, LOCAL_OWNER, START)
    assert keyring.replace_sealing([wrap], before=keyring.read()[1] or "", doing=doing)
    if resealed:
        label, blob = former(bench, entry)
        secret = bench.parts.safe.open(blob, label)
        bench.parts.safe.refresh()
        anew = bench.parts.safe.sealing(label, secret, lambda *sealed: sealed)
        bench.sql("UPDATE former_secret SET sealed = ?, data_key_id = ?", *anew)
    back = bench.undo(entry)
    assert bench.secret(back) == OLD
    assert bench.sql("SELECT data_key_id FROM api_key") == [(wrap.data_key_id,)]


def test_the_former_secret_is_bound_to_its_revision(bench: Bench) -> None:
    """The twin of the above: under its own label, and only there, it opens."""
    entry = bench.swapped()
    label, blob = former(bench, entry)
    assert bench.parts.safe.open(blob, label) == OLD
    with pytest.raises(SealError):
        bench.parts.safe.open(blob, replace(label, revision=entry.revision))


def test_no_record_of_a_test_shows_a_secret(bench: Bench) -> None:
    """Neither the trial nor what comes of it has a secret in its repr."""
    entry = bench.save()
    trial = bench.parts.keys.trial(entry.id, NEW, owner=LOCAL_OWNER, version=entry.version)
    assert NEW not in repr(trial)
    assert NEW not in repr(bench.done())
