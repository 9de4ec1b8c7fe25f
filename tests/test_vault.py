"""Sealing: opens only what was sealed, where it was sealed for, with the keys it was sealed by."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys import envelope, vault
from mohet_keys.envelope import Header
from mohet_keys.errors import LockedError, MasterKeyError, MohetError, RefusedError, SealError
from mohet_keys.sealed import Label, MasterKey, Masters, WrappedKey
from mohet_keys.vault import Vault

GOLDEN = json.loads((Path(__file__).parent / "data" / "golden_seal.json").read_text())
CANARY = "gsk_canary0123456789abcdefghij"
LABEL = Label("key-a", "groq", "https://api.groq.com/openai/v1", 1, allow_http=False)

MASTER = MasterKey(bytes(range(32)), "the first test key")
OTHER = MasterKey(bytes(range(32, 64)), "the second test key")
SEAL = vault.mint(MASTER, "seal")
FINGERPRINT = vault.mint(MASTER, "fingerprint")
VAULT = Vault(Masters(MASTER), [SEAL, FINGERPRINT], SEAL.data_key_id)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that hang on it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refused(blob: bytes, label: Label = LABEL, by: Vault = VAULT) -> str:
    """The sentence with which it does not open; checks that it comes alone and keeps quiet."""
    with pytest.raises(LockedError) as caught:
        by.open(blob, label)
    assert [caught.value] == list(chain(caught.value))
    assert CANARY not in repr(caught.value.args)
    return str(caught.value)


# Round trip


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "0",
        "123456",
        "null",
        "true",
        "{}",
        " ",
        CANARY,
        "k" * 8192,
        "ключ-🔑",
        "a\x00b",
        "\ud800",
    ],
)
def test_t07_odd_secrets_come_back_as_the_same_text(secret: str) -> None:
    """A secret that looks like a number, JSON or nothing is still the same str."""
    opened = VAULT.open(VAULT.seal(LABEL, secret), LABEL)
    assert (secret, str) == (opened, type(opened))


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_t07_any_text_comes_back(secret: str) -> None:
    """Whatever was sealed is what opens."""
    assert secret == VAULT.open(VAULT.seal(LABEL, secret), LABEL)


def test_a_sealed_secret_shows_neither_itself_nor_its_length() -> None:
    """The secret is not in the bytes, and 1 and 60 characters give the same number of them."""
    sealed = VAULT.seal(LABEL, CANARY)
    assert CANARY.encode() not in sealed
    assert len(VAULT.seal(LABEL, "k")) == len(VAULT.seal(LABEL, "k" * 60))


def test_too_long_a_secret_is_refused_without_being_quoted() -> None:
    """A refusal says that it is too long, not what it is."""
    with pytest.raises(RefusedError) as caught:
        VAULT.seal(LABEL, CANARY * 10_000)
    assert CANARY not in repr(caught.value)


def test_threads_may_share_a_vault() -> None:
    """Sealing and opening from eight threads at once mixes nothing up."""

    def work(number: int) -> bool:
        label, secret = replace(LABEL, key_id=f"key-{number}"), f"secret-{number}"
        return all(VAULT.open(VAULT.seal(label, secret), label) == secret for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))


# T02 to T05: altered outside the app


def test_t02_swapped_rows_do_not_open() -> None:
    """The ciphertext of one record in another's row is refused, same provider and host or not."""
    label_b = replace(LABEL, key_id="key-b")
    blob_a, blob_b = VAULT.seal(LABEL, CANARY), VAULT.seal(label_b, CANARY)
    assert "sealed for another key" in refused(blob_b)
    assert "sealed for another key" in refused(blob_a, label_b)


def test_t03_an_edited_address_names_both_hosts() -> None:
    """A destination changed in the row is refused, with the host that was and the one that is."""
    sentence = refused(
        VAULT.seal(LABEL, CANARY), replace(LABEL, destination="https://evil.example/v1")
    )
    assert sentence == (
        "This key was sealed for api.groq.com, but its address now says evil.example. "
        "Nothing was sent."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": "key-b"},
        {"provider": "openai"},
        {"destination": "https://api.groq.com/openai/v2"},
        {"destination": "http://api.groq.com/openai/v1"},
        {"destination": "https://api.groq.com:444/openai/v1"},
        {"revision": 2},
        {"allow_http": True},
    ],
)
def test_t04_every_field_of_the_label_is_bound(change: dict[str, object]) -> None:
    """No field can be changed: not beside the envelope, and not in both places at once."""
    edited = replace(LABEL, **change)  # type: ignore[arg-type]  # one table for fields of several types
    blob = VAULT.seal(LABEL, CANARY)
    assert "Nothing was sent" in refused(blob, edited)
    assert refused(forged(blob, edited), edited) == envelope.ALTERED


def test_an_altered_envelope_is_not_quoted() -> None:
    """Whoever edits the header of an envelope cannot put an address of his into the message."""
    blob = VAULT.seal(LABEL, CANARY)
    lure = replace(LABEL, destination="https://evil.example/v1")
    assert refused(forged(blob, lure)) == envelope.ALTERED


def forged(blob: bytes, label: Label) -> bytes:
    """The same ciphertext under a header that claims another label."""
    found = envelope.unpack(blob)
    return envelope.pack(Header(label, found.header.data_key_id), found.nonce, found.ciphertext)


def test_t05_no_flipped_bit_is_accepted() -> None:
    """Each single bit of an envelope counts."""
    blob = VAULT.seal(LABEL, CANARY)
    for position in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << position % 8
        refused(bytes(flipped))


def test_t05_no_cut_or_longer_envelope_is_accepted() -> None:
    """An envelope is whole or refused."""
    blob = VAULT.seal(LABEL, CANARY)
    for length in range(len(blob)):
        refused(blob[:length])
        refused(blob[length + 1 :])
    refused(blob + b"\x00")
    refused(blob + blob)


@given(st.binary(max_size=600), st.integers(0, 400), st.integers(0, 400))
def test_t05_no_spliced_envelope_is_accepted(junk: bytes, start: int, length: int) -> None:
    """Junk in the place of any part gives the typed error and never a secret."""
    blob = VAULT.seal(LABEL, CANARY)
    spliced = blob[:start] + junk + blob[start + length :]
    if spliced != blob:
        refused(spliced)


def test_t05_parts_of_two_envelopes_do_not_mix() -> None:
    """The header of one and the ciphertext of another, both genuine, are refused together."""
    one, other = (envelope.unpack(VAULT.seal(LABEL, text)) for text in (CANARY, "other"))
    refused(envelope.pack(one.header, one.nonce, other.ciphertext))
    refused(envelope.pack(one.header, other.nonce, one.ciphertext))


# T06: randomness

FORKING = """
import os, sys
from mohet_keys import vault
from mohet_keys.envelope import unpack
from mohet_keys.sealed import Label, MasterKey, Masters
master = MasterKey(bytes(range(32)), "test")
seal = vault.mint(master, "seal")
sealer = vault.Vault(Masters(master), [seal], seal.data_key_id)
label = Label("key", "groq", "https://api.groq.com/openai/v1", 1, False)
first = sealer.seal(label, "same")
at = first.index(unpack(first).nonce)  # in all of them, for they are of one length
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        blobs = (sealer.seal(label, "same") for _ in range(25_000))
        lines = [blob[at : at + 12].hex() + "\\n" for blob in blobs]
        for start in range(0, len(lines), 160):  # so short a write is never mixed with another's
            os.write(1, "".join(lines[start : start + 160]).encode())
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""


def test_t06_nonces_are_distinct_after_a_fork() -> None:
    """Four forked processes that seal one value 25,000 times each never repeat a nonce."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, check=True)
    nonces = done.stdout.split()
    assert (len(nonces), len(set(nonces))) == (100_000, 100_000)


# T09, T51, T52: master keys


def test_t09_another_master_key_leaves_all_locked() -> None:
    """With a wrong master key nothing opens, and the sentence names the right one and this one."""
    stranger = Vault(Masters(OTHER), [SEAL, FINGERPRINT], SEAL.data_key_id)
    sentence = refused(VAULT.seal(LABEL, CANARY), by=stranger)
    assert vault.master_id(MASTER) in sentence
    assert vault.master_id(OTHER) in sentence
    assert sentence == stranger.why_locked(SEAL.data_key_id)
    for use in (lambda: stranger.seal(LABEL, CANARY), lambda: stranger.fingerprint(CANARY)):
        with pytest.raises(LockedError, match=vault.master_id(MASTER)):
            use()


def test_t09_without_a_master_key_all_is_locked() -> None:
    """No master key at all is said as such, with the setting that brings it back."""
    bare = Vault(None, [SEAL, FINGERPRINT], SEAL.data_key_id)
    sentence = refused(VAULT.seal(LABEL, CANARY), by=bare)
    assert "none is set" in sentence
    assert "MOHET_MASTER_KEY" in sentence
    with pytest.raises(LockedError):
        bare.fingerprint(CANARY)


def test_the_right_master_key_brings_everything_back() -> None:
    """Locked is not lost: a vault built again with the right key opens what was sealed before."""
    blob = VAULT.seal(LABEL, CANARY)
    again = Vault(Masters(OTHER, previous=MASTER), [SEAL, FINGERPRINT], SEAL.data_key_id)
    assert (again.open(blob, LABEL), again.why_locked(SEAL.data_key_id)) == (CANARY, None)


@pytest.mark.parametrize("active", [None, "", "0" * 16, FINGERPRINT.data_key_id])
def test_without_its_data_key_nothing_is_sealed(active: str | None) -> None:
    """A missing active data key, or one for another purpose, locks; nothing is stored in clear."""
    lacking = Vault(Masters(MASTER), [SEAL, FINGERPRINT], active)
    with pytest.raises(LockedError):
        lacking.seal(LABEL, CANARY)


def test_the_data_key_is_chosen_by_its_id() -> None:
    """What an unknown data key sealed is locked, though another key is there; none is tried."""
    younger = vault.mint(MASTER, "seal")
    blob = Vault(Masters(MASTER), [younger], younger.data_key_id).seal(LABEL, CANARY)
    assert "The store has no data key for this" in refused(blob)
    both = Vault(Masters(MASTER), [SEAL, younger], younger.data_key_id)
    assert (
        both.open(blob, LABEL),
        both.open(VAULT.seal(LABEL, CANARY), LABEL),
    ) == (CANARY, CANARY)


def test_t51_either_master_key_opens_while_both_wraps_are_stored() -> None:
    """A data key wrapped under two masters serves with each of them; no secret is rewritten."""
    blob, mark = VAULT.seal(LABEL, CANARY), VAULT.fingerprint(CANARY)
    wraps = [SEAL, FINGERPRINT]
    wraps += [vault.rewrap(wrap, MASTER, OTHER) for wrap in (SEAL, FINGERPRINT)]
    for masters in (Masters(MASTER), Masters(OTHER), Masters(OTHER, MASTER)):
        during = Vault(masters, wraps, SEAL.data_key_id)
        assert (CANARY, mark) == (during.open(blob, LABEL), during.fingerprint(CANARY))
        assert not during.needs_resealing(blob)
    after = Vault(Masters(OTHER), wraps[2:], SEAL.data_key_id)
    assert (CANARY, mark) == (after.open(blob, LABEL), after.fingerprint(CANARY))


def test_t51_wrapping_again_changes_nothing() -> None:
    """Rewrapping twice gives the same ids, and each of the wraps opens."""
    blob = VAULT.seal(LABEL, CANARY)
    wraps = [vault.rewrap(SEAL, MASTER, OTHER) for _ in range(2)]
    assert len({(wrap.data_key_id, wrap.master_id, wrap.purpose) for wrap in wraps}) == 1
    for wrap in wraps:
        assert Vault(Masters(OTHER), [wrap], SEAL.data_key_id).open(blob, LABEL) == CANARY


def test_rewrapping_needs_the_right_master_key() -> None:
    """A master key that does not open a wrap cannot pass it on."""
    with pytest.raises(LockedError, match="the second test key"):
        vault.rewrap(SEAL, OTHER, MASTER)


def test_t05_an_altered_wrap_locks_and_says_so() -> None:
    """Each flipped bit, cut, or changed name of a wrapped data key is refused when it is used."""
    blob = VAULT.seal(LABEL, CANARY)
    younger = vault.mint(MASTER, "seal")
    flipped = [
        bytes(byte ^ (1 << bit if at == where else 0) for at, byte in enumerate(SEAL.blob))
        for where in range(len(SEAL.blob))
        for bit in range(8)
    ]
    cut = [SEAL.blob[:length] for length in range(len(SEAL.blob))] + [SEAL.blob + b"\x00"]
    for wrapped in [*flipped, *cut, younger.blob, FINGERPRINT.blob]:
        broken = Vault(Masters(MASTER), [replace(SEAL, blob=wrapped)], SEAL.data_key_id)
        assert "altered in the store" in refused(blob, by=broken)


def test_a_wrap_serves_for_its_purpose_only() -> None:
    """A data key for fingerprints passed off as one for sealing does not unwrap."""
    posing = replace(FINGERPRINT, purpose="seal")
    posed = Vault(Masters(MASTER), [posing], posing.data_key_id)
    with pytest.raises(LockedError, match="altered"):
        posed.seal(LABEL, CANARY)


def test_one_broken_wrap_harms_no_other() -> None:
    """The good wraps of a store still open when one of them is junk."""
    junk = WrappedKey("junk", vault.master_id(MASTER), "seal", b"junk")
    mixed = Vault(Masters(MASTER), [junk, SEAL, FINGERPRINT], SEAL.data_key_id)
    assert mixed.open(VAULT.seal(LABEL, CANARY), LABEL) == CANARY
    assert VAULT.fingerprint(CANARY) == mixed.fingerprint(CANARY)


def test_needs_resealing_after_a_new_data_key() -> None:
    """Only what another than the active data key sealed is to be sealed anew."""
    younger = vault.mint(MASTER, "seal")
    moved = Vault(Masters(MASTER), [SEAL, FINGERPRINT, younger], younger.data_key_id)
    old, new = VAULT.seal(LABEL, CANARY), moved.seal(LABEL, CANARY)
    assert (moved.needs_resealing(old), moved.needs_resealing(new)) == (True, False)
    assert (SEAL.data_key_id, younger.data_key_id) == (
        moved.data_key_of(old),
        moved.data_key_of(new),
    )
    with pytest.raises(SealError):
        moved.needs_resealing(b"junk")
    with pytest.raises(SealError):
        moved.data_key_of(b"junk")


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_master_key_has_32_bytes(length: int) -> None:
    """Anything but 32 bytes is no master key, whoever builds it."""
    with pytest.raises(MasterKeyError, match="a test"):
        MasterKey(b"k" * length, "a test")


# T49: fingerprints


def test_t49_a_fingerprint_is_keyed_and_stable() -> None:
    """Equal secrets have equal marks, others do not, and another store has other marks."""
    elsewhere = Vault(Masters(MASTER), [vault.mint(MASTER, "fingerprint")], None)
    mark = VAULT.fingerprint(CANARY)
    assert (mark, 64) == (VAULT.fingerprint(CANARY), len(mark))
    assert len({mark, VAULT.fingerprint(CANARY + "x"), elsewhere.fingerprint(CANARY)}) == 3


def test_two_fingerprint_keys_are_refused() -> None:
    """Marks made with two keys could not be compared, so none is made."""
    twice = Vault(Masters(MASTER), [FINGERPRINT, vault.mint(MASTER, "fingerprint")], None)
    with pytest.raises(LockedError, match="two keys"):
        twice.fingerprint(CANARY)


# What must never show


def test_no_repr_holds_a_secret() -> None:
    """Master keys, data keys, seals and vaults can be printed without giving anything away."""
    blob = VAULT.seal(LABEL, CANARY)
    shown = "".join(map(repr, [MASTER, Masters(MASTER, OTHER), SEAL, VAULT, envelope.unpack(blob)]))
    for hidden in (MASTER.raw, OTHER.raw, SEAL.blob, envelope.unpack(blob).ciphertext):
        assert repr(hidden)[2:-1] not in shown
        assert hidden.hex() not in shown


def test_a_master_id_is_no_part_or_plain_hash_of_the_key() -> None:
    """The id of a master key is stable, distinct, and differs from what it wraps with."""
    ids = {vault.master_id(MASTER), vault.master_id(OTHER)}
    assert (2, {16}) == (len(ids), {len(each) for each in ids})
    assert vault.master_id(MASTER) == GOLDEN["master_id"]


def test_every_failure_is_one_of_the_family() -> None:
    """Whatever goes wrong here is caught as a MohetError."""
    assert issubclass(SealError, LockedError)
    assert issubclass(LockedError, MohetError)


# The format is a promise


def test_the_golden_seal_opens_forever() -> None:
    """What the first version stored is opened, recognised and unwrapped by every later one."""
    master = MasterKey(bytes.fromhex(GOLDEN["master"]), "the golden sample")
    wraps = [
        WrappedKey(**{**row, "blob": base64.b64decode(row["blob"])}) for row in GOLDEN["wraps"]
    ]
    keeper = Vault(Masters(master), wraps, wraps[0].data_key_id)
    blob = base64.b64decode(GOLDEN["sealed"])
    assert GOLDEN["secret"] == keeper.open(blob, Label(**GOLDEN["label"]))
    assert GOLDEN["fingerprint"] == keeper.fingerprint(GOLDEN["secret"])
    assert wraps[0].data_key_id == keeper.data_key_of(blob)
