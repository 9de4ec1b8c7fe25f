"""The tables: what protects each column, and that a list is made without a sealed one."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, event, inspect
from sqlalchemy.dialects import postgresql, sqlite

from mohet_keys import queries
from mohet_keys.errors import (
    DeniedError,
    LockedError,
    MohetError,
    NotFoundError,
    RefusedError,
    SealError,
)
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, KeyEntry, NewKey, Verdict
from mohet_keys.providers import PROVIDERS
from mohet_keys.sealed import Label
from mohet_keys.settings import Settings
from mohet_keys.tables import KEY, METADATA
from mohet_keys.vault import Vault
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan

SECRET = canary("sk-proj-")

COSMETIC = {
    *("name", "name_key", "hint", "has_secret", "fingerprint", "data_key_id", "version"),
    *("looks_like", "rank", "created_at", "updated_at", "updated_by", "secret_at"),
    "used_at",
}
"""What may be altered in the row of a key without any harm to its secret."""
TRUST = {
    "api_key": {
        "sealed": {"provider", "endpoint", "sealed", "revision", "allow_http"},
        "identity": {"id", "owner", "shelf", "typed_by"},
        "cosmetic": COSMETIC,
    },
    "key_check": {"identity": {"key_id"}},
    "selection": {"identity": {"owner", "key_id"}},
    "model_choice": {"identity": {"owner", "key_id"}},
    "data_key": {"identity": {"id"}, "sealed": {"purpose"}},
    "data_key_wrap": {"identity": {"data_key_id", "master_id"}, "sealed": {"blob"}},
    "event": {"identity": {"id", "actor", "owner", "key_id"}},
    "event_outcome": {"identity": {"event_id"}},
    "former_secret": {"identity": {"key_id", "typed_by"}, "sealed": {"revision", "sealed"}},
    "lease": {"identity": {"name", "holder"}},
    "process": {"identity": {"id"}},
    "check_history": {"identity": {"id", "key_id"}},
    "daily_use": {"identity": {"key_id", "day"}},
    "check_hour": {"identity": {"shelf", "hour", "provider", "verdict"}},
    "watch": {"identity": {"key_id"}},
    "sign_in": {"identity": {"id", "owner", "last_at", "ends_at", "ended_at"}},
    "notice": {"identity": {"id", "person"}},
    "person_use": {"identity": {"person", "day", "key_id"}},
    "rule": {
        "identity": {
            *("id", "providers", "hosts", "only_these_hosts"),
            *("private_keys", "person_limit", "key_limit"),
        }
    },
    "person": {"identity": {"id", "role", "disabled"}},
}
"""The columns that are sealed or say whose a row is, in full; of a key's own row every one."""
BOUND_AS = {
    "key_id": "id",
    "provider": "provider",
    "destination": "endpoint",
    "revision": "revision",
    "allow_http": "allow_http",
}
"""Each field of what a secret is bound to, and the column that says it."""


# --- what protects what -----------------------------------------------------------------------


@pytest.mark.parametrize("name", METADATA.tables)
def test_t04_each_column_is_trusted_as_written_here(name: str) -> None:
    """A column that is sealed or identifies is written here, and in a key's row every column is:
    one that decides where a secret goes is never taken for a cosmetic one in passing."""
    found: dict[str, set[str]] = {}
    for column in METADATA.tables[name].c:
        found.setdefault(column.info.get("trust", "nothing"), set()).add(column.name)
    if "cosmetic" not in TRUST[name]:
        found.pop("cosmetic", None)
    assert TRUST[name] == found


def test_t04_what_is_sealed_is_what_a_secret_is_bound_to() -> None:
    """No column counts as sealed that the vault does not bind, and the vault binds no other."""
    assert set(BOUND_AS) == {item.name for item in dataclasses.fields(Label)}
    bound = {name for name in BOUND_AS.values() if KEY.c[name].info["trust"] == "sealed"}
    assert TRUST["api_key"]["sealed"] == bound | {"sealed"}
    assert KEY.c.id.info["trust"] == "identity"


def test_no_column_could_hold_a_secret_in_clear() -> None:
    """Bytes are sealed ones, and no name speaks of a secret but the mark that there is one."""
    for table in METADATA.tables.values():
        for column in table.c:
            if "BLOB" in str(column.type.compile(sqlite.dialect())):
                assert column.info["trust"] == "sealed"
            assert "secret" not in column.name or column.name in {"has_secret", "secret_at"}


# --- altered outside the app ------------------------------------------------------------------


@pytest.fixture
def entry(parts: Parts) -> KeyEntry:
    """A saved key."""
    new = NewKey(provider="openai", name="Prod", secret=SecretStr(SECRET))
    return parts.keys.add(new, owner=LOCAL_OWNER).entry


def alter(settings: Settings, column: str, value: object) -> None:
    """Write into the only key's row, past the app."""
    with closing(sqlite3.connect(settings.data_dir / "mohet_keys.db")) as raw, raw:
        raw.execute(f"UPDATE api_key SET {column} = ?", (value,))  # noqa: S608  # a column's name


OTHERWISE: dict[str, Any] = {
    "id": "another-id",
    "owner": "eve",
    "shelf": "eve",
    "typed_by": "eve",
    "provider": "groq",
    "endpoint": "https://evil.example/v1",
    "sealed": b"MK\x01",
    "revision": 2,
    "allow_http": 1,
    "name": "Renamed",
    "name_key": "renamed",
    "hint": "nothing",
    "has_secret": 0,
    "fingerprint": "0" * 64,
    "data_key_id": "another",
    "version": 7,
    "looks_like": "groq",
    "rank": 0,
    "created_at": "2020-01-01 00:00:00.000000",
    "updated_at": "2020-01-01 00:00:00.000000",
    "updated_by": "eve",
    "secret_at": "2020-01-01 00:00:00.000000",
    "used_at": "2020-01-01 00:00:00.000000",
}


def test_t04_every_column_is_tried() -> None:
    """A new column needs another value here, to be tried with."""
    assert set(OTHERWISE) == {column.name for column in KEY.c}


ANSWERS = {"sealed": SealError, "identity": (NotFoundError, SealError)}


@pytest.mark.parametrize("column", KEY.c, ids=lambda column: str(column.name))
def test_t04_a_column_is_protected_as_it_says(
    parts: Parts, settings: Settings, entry: KeyEntry, column: Column[Any]
) -> None:
    """Altered outside the app, a sealed column locks the key; a cosmetic one redirects nothing."""
    alter(settings, column.name, OTHERWISE[column.name])
    if column is KEY.c.typed_by:  # it opens as before, and is not read by anybody
        with pytest.raises(DeniedError):
            parts.keys.reveal(entry.id, owner=LOCAL_OWNER)
        return
    found = {key.id for key in parts.keys.list(owner=LOCAL_OWNER).entries} or {entry.id}
    trust = column.info["trust"]
    if trust in ANSWERS:
        with pytest.raises(ANSWERS[trust]):
            parts.keys.open(found.pop(), owner=LOCAL_OWNER)
        return
    try:
        opened = parts.keys.open(entry.id, owner=LOCAL_OWNER)
    except RefusedError:
        assert column.name == "looks_like"  # it can hold a key back, no more
        return
    assert (opened.secret, opened.destination) == (SECRET, "https://api.openai.com/v1")


def test_t04_a_mark_set_outside_the_app_moves_no_key(
    parts: Parts, settings: Settings, entry: KeyEntry
) -> None:
    """The offer to move a key to its vendor is made for keys that are that vendor's."""
    alter(settings, "looks_like", "openrouter")
    with pytest.raises(RefusedError):
        parts.keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)
    kept = parts.keys.entry(entry.id, owner=LOCAL_OWNER)
    assert (kept.provider, kept.endpoint) == (entry.provider, entry.endpoint)


# --- lists are made without sealed columns ----------------------------------------------------

STATEMENTS = {
    "listed": queries.listed("me"),
    "mine": queries.mine("me", "k1"),
    "referred by id": queries.referred("me", "k1"),
    "referred by name": queries.referred("me", "groq/Prod"),
    "named": queries.named("me", {"provider": "groq", "name_key": "prod"}),
    "twin_of": queries.twin_of("me", "f"),
    **{
        f"page by {sort} of {provider} for “{search}”": queries.paged(
            "me", provider=provider, search=search, sort=sort, offset=12, limit=12
        )
        for sort in ("newest", "oldest", "name", "status")
        for provider in (None, "groq")
        for search in ("", "prod")
    },
}


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=str)
def test_no_listing_statement_names_the_sealed_column(name: str, dialect: Any) -> None:
    """Neither the columns nor any condition of a listing speak of what is sealed."""
    said = str(STATEMENTS[name].compile(dialect=dialect))
    assert "api_key" in said
    assert "sealed" not in said
    assert "blob" not in said


def test_the_statement_for_opening_does_name_it() -> None:
    """The twin: with the sealed column asked for, the same search finds it."""
    said = str(queries.mine("me", "k1").add_columns(KEY.c.sealed))
    assert "sealed" in said


@pytest.fixture
def fifty(parts: Parts) -> list[KeyEntry]:
    """Fifty keys of all providers, half of them checked, one selected."""
    saved = []
    for number in range(50):
        row = PROVIDERS[number % len(PROVIDERS)]
        secret = SecretStr(canary("sk-"))
        new = NewKey(provider=row.slug, name=f"Key {number}", secret=secret)
        saved.append(parts.keys.add(new, owner=LOCAL_OWNER).entry)
    for entry in saved[::2]:
        said = Diagnosis(Verdict.VALID, "r", "e")
        parts.keys.record(
            CheckResult(entry.id, entry.revision, said, datetime.now(UTC)), owner=LOCAL_OWNER
        )
    parts.keys.select(saved[0].id, owner=LOCAL_OWNER)
    return saved


@pytest.fixture
def heard(parts: Parts, fifty: list[KeyEntry]) -> Iterator[list[str]]:
    """Every statement that is run once the fifty keys are there."""
    statements: list[str] = []

    def hear(*said: Any) -> None:
        statements.append(said[2])

    engine = parts.repository._database.engine
    event.listen(engine, "before_cursor_execute", hear)
    yield statements
    event.remove(engine, "before_cursor_execute", hear)


def look_around(parts: Parts, entries: list[KeyEntry]) -> int:
    """Everything the pages and the command line read, save for opening a key."""
    seen = 0
    for sort in ("newest", "oldest", "name", "status"):
        for search in ("", "key 1", "openai"):
            page = parts.keys.list(owner=LOCAL_OWNER, sort=sort, search=search, limit=12)
            seen += len(page.entries)
    seen += len(parts.keys.list(owner=LOCAL_OWNER).entries)
    for entry in entries[:12]:
        seen += parts.keys.entry(entry.id, owner=LOCAL_OWNER).id == entry.id
        seen += parts.keys.find(f"{entry.provider}/{entry.name}", owner=LOCAL_OWNER).id == entry.id
    seen += sum(parts.keys.counts(owner=LOCAL_OWNER).values())
    assert parts.keys.selection(owner=LOCAL_OWNER)
    return seen


def refuse_to_open(*_given: object) -> str:
    """In the place of Vault.open: nothing may be opened here."""
    raise AssertionError


def test_t08_fifty_keys_are_listed_without_opening_one(
    parts: Parts, fifty: list[KeyEntry], heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists, searches and look-ups read no sealed column and never call the vault."""
    monkeypatch.setattr(Vault, "open", refuse_to_open)
    assert look_around(parts, fifty) > 100
    assert len(heard) > 40
    assert not [said for said in heard if "sealed" in said or "data_key_wrap" in said]


def test_t08_the_ear_and_the_trap_are_good(
    parts: Parts, fifty: list[KeyEntry], heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: opening one key is heard, and is caught."""
    monkeypatch.setattr(Vault, "open", refuse_to_open)
    with pytest.raises(AssertionError):
        parts.keys.open(fifty[-1].id, owner=LOCAL_OWNER)
    assert [said for said in heard if "sealed" in said]


def test_t08_a_list_is_drawn_of_keys_that_cannot_be_opened(
    parts: Parts, settings: Settings, fifty: list[KeyEntry]
) -> None:
    """With every sealed value ruined the lists are the same, hints and all."""
    before = parts.keys.list(owner=LOCAL_OWNER).entries
    alter(settings, "sealed", b"ruined")
    assert before == parts.keys.list(owner=LOCAL_OWNER).entries
    assert all(entry.hint for entry in before if entry.has_secret)
    with pytest.raises(LockedError):
        parts.keys.open(fifty[0].id, owner=LOCAL_OWNER)


# --- what is in the file ----------------------------------------------------------------------


def test_t01_no_secret_is_in_any_file(
    parts: Parts, settings: Settings, entry: KeyEntry, tmp_path: Path
) -> None:
    """Database, log and folder hold no piece of a secret, in clear or encoded; the hint aside."""
    assert entry.hint.endswith(SECRET[-4:])
    files = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(b"Prod" in content for content in files.values())
    assert scan(SECRET, files) == []


def test_the_store_has_these_tables_and_no_more(parts: Parts) -> None:
    """What the migrations made is what is written here, and their own bookkeeping."""
    made = set(inspect(parts.repository._database.engine).get_table_names())
    assert made == {*TRUST, "alembic_version"}


def test_an_altered_type_is_no_crash(parts: Parts, settings: Settings, entry: KeyEntry) -> None:
    """A cell of the wrong type locks its key, or is refused, in our own words."""
    for column, value in (("sealed", "text"), ("sealed", 5), ("revision", "two"), ("endpoint", "")):
        alter(settings, column, value)
        with pytest.raises(MohetError):
            parts.keys.open(entry.id, owner=LOCAL_OWNER)
