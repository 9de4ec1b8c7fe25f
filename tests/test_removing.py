"""Deleting: what was seen and nothing else, and of many only those their providers rejected."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from mohet_keys import removing
from mohet_keys.errors import ConflictError
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Verdict,
)
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.team import ADA, join

NOW = datetime(2026, 11, 19, 14, 5, tzinfo=UTC)
ME = LOCAL_OWNER


def save(parts: Parts, name: str, verdict: Verdict | None = None, **more: str) -> KeyEntry:
    """A key whose last check came to this verdict."""
    given = {"provider": "groq", **more}
    secret = SecretStr(given.pop("secret", "") or canary("gsk_"))
    entry = parts.keys.add(NewKey(name=name, secret=secret, **given), owner=ME).entry
    return check(parts, entry, verdict) if verdict else entry


def check(parts: Parts, entry: KeyEntry, verdict: Verdict) -> KeyEntry:
    """The key after a check that came to this verdict."""
    said = Diagnosis(verdict, "said so", "The provider said so.", "Do something.")
    parts.keys.record(CheckResult(entry.id, entry.revision, said, NOW), owner=ME)
    return parts.keys.entry(entry.id, owner=ME)


def names(entries: object) -> list[str]:
    """What they are called, in order."""
    return [entry.name for entry in entries]  # type: ignore[attr-defined]


def left(parts: Parts) -> list[str]:
    """What is still saved."""
    return names(parts.keys.list(owner=ME, sort="name").entries)


# --- one --------------------------------------------------------------------------------------


def test_a_key_that_was_changed_since_it_was_seen_stays(parts: Parts) -> None:
    """With the version that was seen, a delete is no longer about what is there now."""
    seen = save(parts, "Production")
    parts.keys.edit(seen.id, KeyChanges(name="Staging"), owner=ME, version=seen.version)
    with pytest.raises(ConflictError):
        parts.keys.remove(seen.id, owner=ME, version=seen.version)
    assert left(parts) == ["Staging"]
    assert parts.keys.remove(seen.id, owner=ME).entry.name == "Staging"


# --- those that were rejected -----------------------------------------------------------------


def test_only_what_its_provider_rejected_is_listed(parts: Parts) -> None:
    """One key of each verdict, one unchecked, one held, one locked: the rejected one alone."""
    for verdict in Verdict:
        save(parts, verdict.value, verdict)
    save(parts, "never checked")
    save(parts, "held", Verdict.INVALID, secret="sk-or-v1-" + "0123456789abcdef" * 4)
    assert names(parts.keys.rejected(owner=ME)) == ["invalid"]
    join(parts.repository, ADA)
    assert parts.keys.rejected(owner=ADA) == []


def test_a_rejection_of_an_earlier_secret_does_not_count(parts: Parts) -> None:
    """A key with a new secret is not rejected until its provider rejects that one."""
    entry = save(parts, "Production", Verdict.INVALID)
    changes = KeyChanges(secret=SecretStr(canary("gsk_")))
    parts.keys.edit(entry.id, changes, owner=ME, version=entry.version)
    assert parts.keys.rejected(owner=ME) == []


def test_an_outage_after_a_rejection_spares_the_key(parts: Parts) -> None:
    """The last check alone counts; it said nothing of the key."""
    entry = check(parts, save(parts, "Production", Verdict.INVALID), Verdict.UNREACHABLE)
    assert parts.keys.rejected(owner=ME) == []
    assert names(parts.keys.remove_rejected([entry], owner=ME).kept) == ["Production"]


def test_in_a_locked_store_nothing_counts_as_rejected(parts: Parts, settings: Settings) -> None:
    """With another master key every key is locked, whatever was said of it before."""
    entry = save(parts, "Production", Verdict.INVALID)
    with closing(sqlite3.connect(settings.data_dir / "mohet_keys.db")) as database:
        database.execute("UPDATE data_key_wrap SET blob = x'00'")
        database.commit()
    parts.safe.refresh()
    assert parts.keys.locked
    assert parts.keys.rejected(owner=ME) == []
    assert parts.keys.remove_rejected([entry], owner=ME).gone == ()


def sorted_out(parts: Parts) -> removing.Removed:
    """Five are listed; three of them change in another way before they are deleted."""
    listed = [save(parts, name, Verdict.INVALID) for name in "ABCDE"]
    changes = KeyChanges(secret=SecretStr(canary("gsk_")))
    parts.keys.edit(listed[0].id, changes, owner=ME, version=listed[0].version)  # fixed
    check(parts, listed[1], Verdict.VALID)  # checked again
    parts.keys.remove(listed[2].id, owner=ME)  # gone
    check(parts, listed[3], Verdict.INVALID)  # rejected once more
    save(parts, "F", Verdict.INVALID)  # rejected since, and not listed
    return parts.keys.remove_rejected(listed, owner=ME)


def test_what_was_listed_and_is_still_rejected_is_deleted_and_nothing_else(parts: Parts) -> None:
    """A key fixed or checked in between stays, and so does one that nobody was shown."""
    done = sorted_out(parts)
    assert (names(done.gone), names(done.kept)) == (["D", "E"], ["A", "B"])
    assert left(parts) == ["A", "B", "F"]


def test_a_key_that_is_rejected_with_another_secret_is_not_the_one_that_was_listed(
    parts: Parts,
) -> None:
    """Nobody said yes to deleting that one, nor to one of another name."""
    listed = [save(parts, name, Verdict.INVALID) for name in "ABC"]
    for seen, changes in (
        (listed[0], KeyChanges(secret=SecretStr(canary("gsk_")))),
        (listed[1], KeyChanges(name="Still needed")),
    ):
        changed = parts.keys.edit(seen.id, changes, owner=ME, version=seen.version).entry
        check(parts, changed, Verdict.INVALID)
    assert names(parts.keys.rejected(owner=ME)) == ["A", "C", "Still needed"]
    done = parts.keys.remove_rejected(listed, owner=ME)
    assert (names(done.gone), names(done.kept)) == (["C"], ["A", "Still needed"])


def test_without_the_second_look_a_key_that_works_would_be_deleted(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: what was checked again and is fine would be deleted all the same."""
    listed = [save(parts, name, Verdict.INVALID) for name in "AB"]
    check(parts, listed[1], Verdict.VALID)
    monkeypatch.setattr(removing, "is_rejected", lambda _entry: True)
    assert names(parts.keys.remove_rejected(listed, owner=ME).gone) == ["A", "B"]


def test_somebody_elses_key_is_not_deleted_by_being_listed(parts: Parts) -> None:
    """A list that names another's key deletes nothing of theirs."""
    entry = replace(save(parts, "Production", Verdict.INVALID))
    join(parts.repository, ADA)
    assert parts.keys.remove_rejected([entry], owner=ADA).gone == ()
    assert left(parts) == ["Production"]
