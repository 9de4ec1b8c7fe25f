"""Sealing under a passphrase: opens with that passphrase alone, and only as it was sealed."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys import vault
from mohet_keys.errors import MohetError, PassphraseError, RefusedError
from mohet_keys.vault import (
    PassphraseSealed,
    Stretch,
    open_with_passphrase,
    seal_with_passphrase,
)

CANARY = b"gsk_canary0123456789abcdefghij"
PASSPHRASE = "correct horse battery staple"
BOUND = b"the header of the file"


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """The same scrypt with less work, for thousands of tries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "SCRYPT_N", 2**4)
        patch.setattr(vault, "LEAST_WORK", 2**4 * 8)
        yield


def sealed() -> PassphraseSealed:
    """The canary, sealed."""
    return seal_with_passphrase(PASSPHRASE, CANARY, BOUND)


def refused(parcel: PassphraseSealed, passphrase: str = PASSPHRASE, bound_to: bytes = BOUND) -> str:
    """The sentence with which it does not open; checks that it comes alone and keeps quiet."""
    with pytest.raises(PassphraseError) as caught:
        open_with_passphrase(passphrase, parcel, bound_to)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY.decode() not in repr(caught.value.args)
    assert not passphrase.strip() or passphrase not in repr(caught.value.args)
    return str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=300), st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_bytes_come_back(plain: bytes, passphrase: str) -> None:
    """Whatever was sealed under whatever passphrase is what opens."""
    there = seal_with_passphrase(passphrase, plain, BOUND)
    assert plain == open_with_passphrase(passphrase, there, BOUND)


def test_a_passphrase_is_the_same_however_its_accents_are_composed() -> None:
    """A keyboard that writes ä as two characters opens what one that writes it as one sealed."""
    composed = "drei Schwäne üben Klavier"
    there = seal_with_passphrase(composed, CANARY, BOUND)
    apart = unicodedata.normalize("NFD", composed)
    assert apart != composed
    assert open_with_passphrase(apart, there, BOUND) == CANARY


@pytest.mark.parametrize("other", ["", " ", PASSPHRASE[:-1], PASSPHRASE + " ", PASSPHRASE.upper()])
def test_another_passphrase_does_not_open(other: str) -> None:
    """A passphrase that is nearly right is wrong, and the sentence says both that may be."""
    said = refused(sealed(), other)
    assert "passphrase" in said
    assert "altered" in said


def test_nothing_is_sealed_the_same_way_twice() -> None:
    """Salt and nonce are new each time, and the plain bytes are not in what was sealed."""
    one, other = sealed(), sealed()
    assert one.stretch.salt != other.stretch.salt
    assert one.blob[:12] != other.blob[:12]
    assert CANARY not in one.blob
    assert repr(one.blob)[2:-1] not in repr(one)


def test_t05_no_flipped_bit_is_accepted() -> None:
    """Each bit of nonce, ciphertext, tag, salt and header, flipped by itself, is refused."""
    there = sealed()
    for flipped in flips(there.blob):
        refused(replace(there, blob=flipped))
    for flipped in flips(there.stretch.salt):
        refused(replace(there, stretch=replace(there.stretch, salt=flipped)))
    for flipped in flips(BOUND):
        refused(there, bound_to=flipped)


def flips(content: bytes) -> Iterator[bytes]:
    """The content with each of its bits flipped by itself."""
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)


def test_t05_no_cut_or_longer_content_is_accepted() -> None:
    """What was sealed is whole or refused, and so is what it was bound to."""
    there = sealed()
    for length in range(len(there.blob)):
        refused(replace(there, blob=there.blob[:length]))
        refused(replace(there, blob=there.blob[length + 1 :]))
    refused(replace(there, blob=there.blob + b"\0"))
    refused(replace(there, blob=b"plain"))
    for header in (b"", BOUND[:-1], BOUND + b"\0", b"another header"):
        refused(there, bound_to=header)


@settings(deadline=None)
@given(st.binary(max_size=120), st.integers(0, 60), st.integers(0, 60))
def test_t05_no_spliced_content_is_accepted(junk: bytes, start: int, length: int) -> None:
    """Junk in the place of any part gives the typed error and never the plain bytes."""
    there = sealed()
    spliced = there.blob[:start] + junk + there.blob[start + length :]
    if spliced != there.blob:
        refused(replace(there, blob=spliced))


@settings(deadline=None)
@given(st.integers(1, 2**8), st.integers(1, 16), st.integers(1, 4))
def test_t05_other_parameters_do_not_open(n: int, r: int, p: int) -> None:
    """What says that it was stretched differently than it was is refused."""
    there = sealed()
    told = replace(there.stretch, n=n, r=r, p=p)
    if told != there.stretch:
        refused(replace(there, stretch=told))


SALT = bytes(16)


@pytest.mark.parametrize(
    ("stretch", "bearable"),
    [
        (Stretch(2**17, 8, 1, SALT), True),
        (Stretch(2**14, 8, 1, SALT), True),
        (Stretch(2**20, 8, 1, SALT), True),
        (Stretch(2**17, 8, 8, bytes(64)), True),
        (Stretch(2**13, 8, 1, SALT), False),
        (Stretch(2**21, 8, 1, SALT), False),
        (Stretch(2**21, 1, 1, SALT), False),
        (Stretch(2**20, 9, 1, SALT), False),
        (Stretch(2**17, 8, 9, SALT), False),
        (Stretch(2**17, 2**40, 1, SALT), False),
        (Stretch(2**17 + 1, 8, 1, SALT), False),
        (Stretch(2**17, 8, 0, SALT), False),
        (Stretch(2**17, 8, -1, SALT), False),
        (Stretch(2**17, -8, -1, SALT), False),
        (Stretch(0, 8, 1, SALT), False),
        (Stretch(-(2**17), -8, 1, SALT), False),
        (Stretch(2**17, 8, 1, b""), False),
        (Stretch(2**17, 8, 1, bytes(15)), False),
        (Stretch(2**17, 8, 1, bytes(65)), False),
    ],
)
def test_what_opening_may_take_is_bounded(
    monkeypatch: pytest.MonkeyPatch, stretch: Stretch, bearable: bool
) -> None:
    """More than 1 GiB, n above 2^20, less work than is worth anything, and no sense are refused
    before anything is stretched."""
    monkeypatch.setattr(vault, "LEAST_WORK", 2**14 * 8)
    assert stretch.is_bearable is bearable
    if not bearable:
        said = refused(PassphraseSealed(stretch, bytes(100)))
        assert "no version" in said


def test_what_is_sealed_today_is_worth_it() -> None:
    """The parameters in use: n 2^17, r 8, p 1, 16 bytes of salt, within what is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "SCRYPT_N", 2**17)
        patch.setattr(vault, "LEAST_WORK", 2**14 * 8)
        there = sealed()
        assert (there.stretch.n, there.stretch.r, there.stretch.p) == (131072, 8, 1)
        assert len(there.stretch.salt) == 16
        assert open_with_passphrase(PASSPHRASE, there, BOUND) == CANARY


POOR = """
import resource
from mohet_keys import vault
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
greedy = vault.PassphraseSealed(vault.Stretch(2**20, 8, 1, bytes(16)), bytes(100))
try:
    vault.open_with_passphrase("passphrase", greedy, b"")
except vault.RefusedError as error:
    print(type(error).__name__, error)
"""


def test_a_machine_without_the_memory_says_so() -> None:
    """Where the memory is not to be had, that is the sentence, and the program goes on."""
    done = subprocess.run([sys.executable, "-c", POOR], capture_output=True, check=True)
    assert done.stdout.startswith(b"RefusedError This machine has not the memory")


def test_every_failure_is_one_of_the_family() -> None:
    """Whatever goes wrong here is caught as a MohetError, and as a refusal."""
    assert issubclass(PassphraseError, RefusedError)
    assert issubclass(PassphraseError, MohetError)
