"""Which data keys open with which master keys, without a store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mohet_keys import vault
from mohet_keys.errors import RefusedError
from mohet_keys.keyring import DataKey
from mohet_keys.ring import Ring
from mohet_keys.sealed import Label, MasterKey, Masters, WrappedKey
from mohet_keys.vault import master_id

A, B, C = (MasterKey(bytes(range(at, at + 32)), f"source {at}") for at in (1, 101, 201))
LABEL = Label("k1", "groq", "https://api.groq.com/openai/v1", 1, allow_http=False)


@pytest.fixture
def ring() -> Ring:
    """Two data keys under A."""
    wraps = [vault.mint(A, "seal"), vault.mint(A, "fingerprint")]
    keys = [DataKey(wrap.data_key_id, wrap.purpose, wrap is wraps[0]) for wrap in wraps]
    return Ring(keys, wraps, wraps[0].data_key_id)


def damaged(wrap: WrappedKey) -> WrappedKey:
    """The same with its last bit flipped."""
    return replace(wrap, blob=wrap.blob[:-1] + bytes([wrap.blob[-1] ^ 1]))


def test_a_master_key_opens_its_own_wraps_alone(ring: Ring) -> None:
    """Neither those of another, nor damaged ones, nor one that is only said to be its own."""
    first = ring.wraps[0]
    assert vault.opens(first, A)
    assert not vault.opens(first, B)
    assert not vault.opens(damaged(first), A)
    assert not vault.opens(replace(first, master_id=master_id(B)), A)
    assert not vault.opens(replace(first, master_id=master_id(B)), B)
    assert not vault.opens(replace(first, purpose="fingerprint"), A)
    assert not vault.opens(replace(first, blob=b""), A)
    assert ring.opening(A) == list(ring.wraps)
    assert (ring.opening(B), ring.lacking(A), ring.lacking(B)) == ([], [], list(ring.keys))
    assert ring.masters == {master_id(A)}


def test_data_keys_are_put_under_another_by_way_of_any_at_hand(ring: Ring) -> None:
    """Only those that it does not open yet; what comes out opens, and what was sealed too."""
    sealed = ring.vault(Masters(A)).seal(LABEL, "secret")
    more = ring.under(B, [C, A])
    both = replace(ring, wraps=[*ring.wraps, *more])
    assert (len(more), both.under(B, [A, B]), both.lacking(B)) == (2, [], [])
    assert both.vault(Masters(B)).open(sealed, LABEL) == "secret"
    broken = replace(ring, wraps=[*ring.wraps, damaged(more[0]), more[1]])
    assert [key.id for key in broken.lacking(B)] == [ring.keys[0].id]
    assert [wrap.data_key_id for wrap in broken.under(B, [A, B])] == [ring.keys[0].id]


def test_what_opens_with_no_key_at_hand_says_what_it_takes(ring: Ring) -> None:
    """The master key that is needed; or a backup, where none would help."""
    with pytest.raises(RefusedError, match=master_id(A)):
        ring.under(B, [B, C])
    for wraps in ([damaged(wrap) for wrap in ring.wraps], []):
        with pytest.raises(RefusedError, match="Restore a backup"):
            replace(ring, wraps=wraps).under(B, [A, B])
