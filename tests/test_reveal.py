"""A secret shown to its owner: only where that is allowed, on record first, and not for long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from mohet_keys.errors import (
    LockedError,
    MohetError,
    NotFoundError,
    RefusedError,
    SealError,
    StoreError,
)
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry, NewKey
from mohet_keys.service import SHOWN_FOR
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.team import EVE, join

START = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


@dataclass
class Bench:
    """The product, with a clock that the test turns."""

    parts: Parts
    settings: Settings
    now: datetime = START

    def save(self, secret: str, slug: str = "groq", name: str = "Production") -> KeyEntry:
        """A key."""
        new = NewKey(provider=slug, name=name, secret=SecretStr(secret))
        return self.parts.keys.add(new, owner=LOCAL_OWNER).entry

    def reveal(self, entry: KeyEntry, owner: str = LOCAL_OWNER) -> datetime:
        """Ask for the secret."""
        return self.parts.keys.reveal(entry.id, owner=owner)

    def seen(self, entry: KeyEntry, owner: str = LOCAL_OWNER) -> str:
        """What would be drawn now."""
        return self.parts.keys.revealed(entry.id, owner=owner)

    def sql(self, statement: str) -> None:
        """Reach into the store behind the product's back."""
        file = self.settings.data_dir / "mohet_keys.db"
        with closing(sqlite3.connect(file)) as raw, raw:
            raw.execute(statement)

    def recorded(self) -> list[str]:
        """How each reveal went, the latest first."""
        wanted = Wanted(action="reveal")
        return [each.result for each in self.parts.repository.journal.page(wanted)]


@pytest.fixture
def bench(parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An empty store where secrets may be shown."""
    made = Bench(parts, settings)
    monkeypatch.setattr(parts.keys, "_clock", lambda: made.now)
    parts.keys.allow_reveal = True
    return made


def test_a_secret_is_shown_for_twenty_seconds(bench: Bench) -> None:
    """As often as it is drawn in that time, and on record once, with its mark."""
    secret = canary("gsk_")
    entry = bench.save(secret)
    until = bench.reveal(entry)
    assert until == START + timedelta(seconds=20) == START + SHOWN_FOR
    assert bench.seen(entry) == secret
    bench.now = until - timedelta(milliseconds=1)
    assert bench.seen(entry) == secret
    assert bench.recorded() == ["done"]
    (told,) = bench.parts.repository.journal.page(Wanted(action="reveal"))
    assert (told.key_id, told.key_name, told.at) == (entry.id, "Production", START)
    assert told.fingerprint
    assert secret not in repr(told)


@pytest.mark.parametrize("seconds", [20.0, 3600.0, -1.0])
def test_t59_afterwards_it_cannot_be_drawn(bench: Bench, seconds: float) -> None:
    """Neither when the time is over nor when the clock was set back."""
    entry = bench.save(canary("gsk_"))
    bench.reveal(entry)
    bench.now += timedelta(seconds=seconds)
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_it_is_off_unless_it_is_allowed(parts: Parts, settings: Settings) -> None:
    """The service refuses by itself, and that somebody tried is on record."""
    bench = Bench(parts, settings)
    entry = bench.save(canary("gsk_"))
    with pytest.raises(RefusedError, match="MOHET_ALLOW_REVEAL"):
        bench.reveal(entry)
    with pytest.raises(RefusedError):
        bench.seen(entry)
    assert bench.recorded() == ["refused"]


def test_what_was_allowed_ends_with_the_permission(bench: Bench) -> None:
    """A record of an earlier reveal opens nothing where secrets are not shown any more."""
    entry = bench.save(canary("gsk_"))
    bench.reveal(entry)
    bench.parts.keys.allow_reveal = False
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_a_refused_reveal_opens_nothing_later(bench: Bench) -> None:
    """That somebody tried where it was off does not count once it is on."""
    entry = bench.save(canary("gsk_"))
    bench.parts.keys.allow_reveal = False
    with pytest.raises(RefusedError):
        bench.reveal(entry)
    bench.parts.keys.allow_reveal = True
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_t49_what_cannot_be_recorded_is_not_shown(bench: Bench) -> None:
    """The record comes first."""
    entry = bench.save(canary("gsk_"))
    refuse = "SELECT RAISE(ABORT, 'no')"
    bench.sql(f"CREATE TRIGGER broken BEFORE INSERT ON event BEGIN {refuse}; END")
    with pytest.raises(StoreError):
        bench.reveal(entry)
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_nothing_is_shown_that_was_not_asked_for(bench: Bench) -> None:
    """A reveal is of one key of one owner; anybody else gets the answer of an unknown id."""
    asked, other = bench.save(canary("gsk_")), bench.save(canary("gsk_"), name="Other")
    join(bench.parts.repository, EVE)
    bench.reveal(asked)
    with pytest.raises(RefusedError):
        bench.seen(other)
    with pytest.raises(NotFoundError):
        bench.reveal(asked, owner=EVE)
    with pytest.raises(MohetError):
        bench.seen(asked, owner=EVE)
    assert bench.recorded() == ["done"]


def test_a_record_of_one_short_secret_shows_no_other(bench: Bench) -> None:
    """Too short to have marks that would tell them apart."""
    asked, other = bench.save("abc123", "lmstudio"), bench.save("def456", "lmstudio", "Other")
    bench.reveal(asked)
    with pytest.raises(RefusedError):
        bench.seen(other)


def test_a_secret_that_was_replaced_meanwhile_is_not_shown(bench: Bench) -> None:
    """The record names another one."""
    entry = bench.save(canary("gsk_"))
    bench.reveal(entry)
    changes = KeyChanges(secret=SecretStr(canary("gsk_")))
    bench.parts.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_a_short_secret_is_shown_too(bench: Bench) -> None:
    """One that is too short to have a mark."""
    entry = bench.save("abc123", slug="lmstudio")
    bench.reveal(entry)
    assert bench.seen(entry) == "abc123"


def test_a_key_without_a_secret_has_none_to_show(bench: Bench) -> None:
    """It says so, and nothing is on record as shown."""
    with pytest.raises(RefusedError, match="no secret"):
        bench.reveal(bench.save("", slug="lmstudio"))
    assert bench.recorded() == []


def test_t02_an_altered_row_shows_nothing(bench: Bench) -> None:
    """It stays closed, and that it was tried is on record."""
    entry = bench.save(canary("gsk_"))
    bench.sql("UPDATE api_key SET endpoint = 'https://elsewhere.example/v1'")
    with pytest.raises(SealError):
        bench.reveal(entry)
    assert bench.recorded() == ["locked"]
    with pytest.raises(RefusedError):
        bench.seen(entry)


def test_without_the_master_key_nothing_is_shown(bench: Bench) -> None:
    """Neither asked for anew nor drawn again."""
    entry = bench.save(canary("gsk_"))
    bench.reveal(entry)
    (bench.settings.config_dir / "master.key").unlink()
    bench.parts.safe._masters = None
    bench.parts.safe.refresh()
    with pytest.raises(LockedError):
        bench.reveal(entry)
    with pytest.raises(LockedError):
        bench.seen(entry)
