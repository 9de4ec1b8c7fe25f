"""A key that is prepared and saved later: the same as one that is saved at once, and no secret."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from mohet_keys import envelope, masterkey, vault
from mohet_keys.errors import InputError
from mohet_keys.model import LOCAL_OWNER, Doing, NewKey
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan

ME = LOCAL_OWNER


def typed(secret: str, name: str = "Production") -> NewKey:
    """A Groq key as a form sends it."""
    return NewKey(provider="groq", name=name, secret=SecretStr(secret))


def test_what_was_prepared_is_saved_as_at_once(parts: Parts) -> None:
    """The same key comes of both ways, with the same notes, and opens to the same secret."""
    one, other = canary("gsk_"), canary("gsk_")
    prepared = parts.keys.prepare(typed(f'export X="{one}"', "One"), owner=ME)
    assert parts.keys.counts(owner=ME) == {}
    later = parts.keys.insert(prepared, owner=ME)
    at_once = parts.keys.add(typed(f'export X="{other}"', "Other"), owner=ME)
    assert later.notes == at_once.notes != ()
    assert later.entry.endpoint == at_once.entry.endpoint
    opened = [parts.keys.open(s.entry.id, owner=ME).secret for s in (later, at_once)]
    assert opened == [one, other]


def test_what_waits_holds_no_secret(parts: Parts) -> None:
    """A preview may keep it for as long as somebody thinks about it."""
    secret = canary("gsk_")
    prepared = parts.keys.prepare(typed(secret), owner=ME)
    assert scan(secret, {"repr": repr(prepared).encode(), "all": pickle.dumps(prepared)}) == []


def test_what_is_there_already_is_told_before_it_is_written(parts: Parts) -> None:
    """The twin is named while nothing is written yet; writing it all the same is refused."""
    secret = canary("gsk_")
    entry = parts.keys.add(typed(secret, "First"), owner=ME).entry
    prepared = parts.keys.prepare(typed(secret, "Second"), owner=ME)
    assert prepared.twin is not None
    assert prepared.twin.id == entry.id
    with pytest.raises(InputError, match="First"):
        parts.keys.insert(prepared, owner=ME)


def test_another_name_may_be_given_when_it_is_written(parts: Parts) -> None:
    """A name that is taken is refused at its field, and another one is cleaned like any."""
    parts.keys.add(typed(canary("gsk_")), owner=ME)
    prepared = parts.keys.prepare(typed(canary("gsk_")), owner=ME)
    with pytest.raises(InputError, match="named “Production”") as refused:
        parts.keys.insert(prepared, owner=ME)
    assert refused.value.field == "name"
    with pytest.raises(InputError, match="Character 4"):
        parts.keys.insert(prepared, owner=ME, name="Pro\x1bduction")
    assert parts.keys.insert(prepared, owner=ME, name=" Production 2 ").entry.name == "Production 2"


def test_another_data_key_in_the_meantime_does_no_harm(parts: Parts, settings: Settings) -> None:
    """What was sealed too early is sealed anew, so that nothing stays under a key that goes."""
    secret = canary("gsk_")
    prepared = parts.keys.prepare(typed(secret), owner=ME)
    masters = masterkey.load(settings, store_is_empty=False)
    assert masters
    fresh = vault.mint(masters.primary, "seal")
    _, before = parts.repository.keyring.read()
    doing = Doing("reseal", ME, ME, datetime.now(UTC))
    assert parts.repository.keyring.replace_sealing([fresh], before=before or "", doing=doing)
    entry = parts.keys.insert(prepared, owner=ME).entry
    assert parts.keys.open(entry.id, owner=ME).secret == secret
    assert parts.keys.add(typed(canary("gsk_"), "More"), owner=ME).entry.name == "More"
    sealed = [secret.blob for secret in parts.repository.keyring.secrets(10)]
    assert {envelope.unpack(blob).header.data_key_id for blob in sealed} == {fresh.data_key_id}
