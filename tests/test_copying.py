"""A whole store copied to another database and back: all of it, as it was, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import copying, wiring
from mohet_keys.copying import COPIED, Copied, copy
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.journal import Wanted
from mohet_keys.leases import name_of_this_process
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, Spent, Verdict
from mohet_keys.settings import Settings
from mohet_keys.watches import Next
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.masters import add, replaced
from tests.places import KINDS, Place, place_of

ME = LOCAL_OWNER
NOW = datetime.now(UTC)


@pytest.fixture
def target(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Iterator[Place]:
    """An empty store of the other kind."""
    folder = tmp_path / "target"
    folder.mkdir()
    (other,) = set(KINDS) - {place.kind}
    with place_of(other, folder, request) as made:
        yield made


def app(place: Place, folder: Path) -> Parts:
    """The app on a store, with the master key of this test."""
    settings = Settings(
        data_dir=folder / "unused", config_dir=folder / "config", database_url=SecretStr(place.url)
    )
    return wiring.build(settings)


@pytest.fixture
def secrets(place: Place, tmp_path: Path) -> dict[str, str]:
    """A store in which much has happened: the ids of its keys, and their secrets."""
    with closing(app(place, tmp_path)) as parts:
        known = {add(parts, f"Key {n} ключ", secret := canary("gsk_")).id: secret for n in range(3)}
        first, second, third = known
        known[first] = canary("gsk_")
        replaced(parts, parts.keys.entry(first, owner=ME), known[first])
        said = Diagnosis(Verdict.LIMITED, "no credit", "It has none.", "Add some.", 3.25)
        result = CheckResult(second, 1, said, NOW, models=("模型", "b"), credit=0.1, latency_ms=210)
        parts.keys.record(result, owner=ME)
        parts.keys.select(second, owner=ME, model="b")
        parts.repository.uses.count(second, ME, NOW, Spent(tokens_in=2**40))
        parts.keys.remove(third, owner=ME)
        del known[third]
        parts.repository.watches.put([Next(second, NOW, 2)])
        parts.keys.finish(parts.keys.open(first, owner=ME).use, "valid")
    return known


def rows(place: Place) -> dict[str, list[Any]]:
    """All that a store keeps, as the product reads it."""
    with closing(place.opened()) as store, store._database.reading() as connection:
        return {
            table.name: connection.execute(table.select().order_by(*table.primary_key)).all()
            for table in COPIED
        }


def test_everything_is_there_as_it_was(
    place: Place, target: Place, secrets: dict[str, str], tmp_path: Path
) -> None:
    """Every row of every table, and each secret opens with the same master key."""
    before = rows(place)
    copied = copy(place.url, target.url)
    assert copied == Copied(place.kind, target.kind, {n: len(found) for n, found in before.items()})
    assert copied.keys == 2
    assert [name for name, found in before.items() if not found] == []
    assert rows(target) == rows(place) == before
    with closing(app(target, tmp_path)) as parts:
        found = {key: parts.keys.open(key, owner=ME).secret for key in secrets}
        assert found == secrets
        assert parts.keys.selection(owner=ME) is not None


def test_there_and_back_it_is_the_same(
    place: Place,
    target: Place,
    secrets: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """What comes back to a third database is what left the first."""
    folder = tmp_path / "third"
    folder.mkdir()
    copy(place.url, target.url)
    with place_of(place.kind, folder, request) as third:
        copy(target.url, third.url)
        assert rows(third) == rows(place)


def test_numbers_go_on_where_they_were(
    place: Place, target: Place, secrets: dict[str, str], tmp_path: Path
) -> None:
    """What is recorded next gets a number that nothing ever had, also where the last are gone."""
    with closing(app(place, tmp_path)) as parts:
        history = parts.repository.history
        highest = place.sql("SELECT max(id) FROM check_history")[0][0]
        last = parts.repository.journal.page(Wanted(), limit=1)[0].id
        assert history.prune(NOW + timedelta(days=1)) > 0
    copy(place.url, target.url)
    with closing(app(target, tmp_path)) as parts:
        (key, *_) = secrets
        parts.keys.open(key, owner=ME)
        assert parts.repository.journal.page(Wanted(), limit=1)[0].id == last + 1
        said = Diagnosis(Verdict.VALID, "r", "e")
        entry = parts.keys.entry(key, owner=ME)
        parts.keys.record(CheckResult(key, entry.revision, said, NOW), owner=ME)
    assert target.sql("SELECT max(id) FROM check_history")[0][0] == highest + 1


def test_a_copy_opens_nothing(
    place: Place, target: Place, secrets: dict[str, str], tmp_path: Path
) -> None:
    """It is made without any master key."""
    (tmp_path / "config" / "master.key").unlink()
    assert copy(place.url, target.url).keys == 2


# --- refused --------------------------------------------------------------------------------------


def test_a_target_with_anything_in_it_is_refused(
    place: Place, target: Place, secrets: dict[str, str], tmp_path: Path
) -> None:
    """Also one on which the app was started once; neither store is changed."""
    with closing(app(target, tmp_path / "elsewhere")):
        pass
    before = rows(target)
    with pytest.raises(RefusedError, match="not written over"):
        copy(place.url, target.url)
    with pytest.raises(RefusedError, match="not written over"):
        copy(place.url, place.url)
    assert rows(target) == before


def test_a_store_that_an_app_runs_on_is_refused(
    place: Place, target: Place, secrets: dict[str, str], tmp_path: Path
) -> None:
    """What it would write from then on would be lost; one that is gone holds nobody up."""
    with closing(app(place, tmp_path)) as parts:
        leases, name = parts.repository.leases, name_of_this_process()
        leases.announce(name, [], datetime.now(UTC))
        with pytest.raises(RefusedError, match="The app runs on this store"):
            copy(place.url, target.url)
        leases.leave(name)
    assert copy(place.url, target.url).keys == 2


def test_a_store_without_tables_or_of_another_version_is_refused(
    place: Place, target: Place
) -> None:
    """There is nothing to copy, or not yet, or not any more."""
    place.sql("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(RefusedError, match="earlier version"):
        copy(place.url, target.url)
    place.sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer version"):
        copy(place.url, target.url)
    place.sql("DELETE FROM alembic_version")
    with pytest.raises(RefusedError, match="nothing to copy"):
        copy(place.url, target.url)
    with pytest.raises(StoreError):
        copy("sqlite:////nowhere/at/all.db", target.url)


ALTERED = {
    "a time that is none": "UPDATE api_key SET created_at = 'yesterday' WHERE rowid = 1",
    "bytes for a text": "UPDATE api_key SET hint = x'ff00' WHERE rowid = 1",
    "bytes on record": "UPDATE event SET detail = x'00' WHERE rowid = 1",
    "a NUL": "UPDATE api_key SET hint = 'CANARY' || char(0) WHERE rowid = 1",
}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", ALTERED)
def test_what_cannot_be_kept_as_it_is_stops_it(
    place: Place, target: Place, secrets: dict[str, str], what: str
) -> None:
    """Its table is named and its value is not; the target stays empty, for another try."""
    for (trigger,) in place.sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        place.sql(f"DROP TRIGGER {trigger}")
    table = "event" if "event" in ALTERED[what] else "api_key"
    place.sql(ALTERED[what])
    with pytest.raises(StoreError, match=f"in the table {table}") as failed:
        copy(place.url, target.url)
    assert "CANARY" not in f"{failed.value!r} {failed.value.__context__!r}"
    assert not any(rows(target).values())


def test_a_row_that_is_lost_on_the_way_is_noticed(
    place: Place, target: Place, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the comparison: a target that keeps something else is not believed."""
    parts_of = copying._parts

    def losing(table: Any, connection: Any) -> Iterator[list[dict[str, Any]]]:
        for part in parts_of(table, connection):
            is_new = connection.dialect.name != ("sqlite" if place.is_file else "postgresql")
            yield part[:-1] if is_new and table.name == "event" else part

    monkeypatch.setattr(copying, "_parts", losing)
    with pytest.raises(StoreError, match="in the table event"):
        copy(place.url, target.url)
    monkeypatch.undo()
    assert not any(rows(target).values())
    assert replace(copy(place.url, target.url), rows={}) == Copied(place.kind, target.kind, {})
