"""Seals secrets, opens them, and wraps the keys it does that with. Only importer of cryptography.

Two layers of AES-256-GCM: random data keys seal the secrets, and a master key wraps the data
keys. Replacing the master key therefore rewrites a handful of wraps and no secret: the same
data key may be wrapped under several master keys, and any one of them opens it. Each sealed
value names its data key, so nothing is ever tried out. Nonces are random, which is safe for
2^32 seals under one data key (NIST SP 800-38D, 8.3).

What leaves for another machine is sealed under a passphrase instead, which scrypt (RFC 7914)
makes slow to guess.
"""

from __future__ import annotations

import hmac
import os
import secrets
import struct
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mohet_keys import envelope
from mohet_keys.envelope import NONCE_BYTES, Envelope, Header
from mohet_keys.errors import LockedError, PassphraseError, RefusedError, SealError
from mohet_keys.sealed import Label, MasterKey, Masters, Purpose, WrappedKey

__all__ = [
    "Label",
    "PassphraseSealed",
    "Stretch",
    "Vault",
    "WrappedKey",
    "master_id",
    "mint",
    "open_with_passphrase",
    "opens",
    "rewrap",
    "seal_with_passphrase",
]

DATA_KEY_BYTES = 32
_WRAP_FORMAT = b"\x01"
_WAY_BACK = "Restore a backup of the store, or enter the secret again."

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
"""How a passphrase is stretched today: 128 MiB and about a third of a second for each try."""
SALT_BYTES = 16
LEAST_WORK = 2**14 * 8
"""The least product of n and r that is taken; less would make a file cheap to guess at."""
MOST_N = 2**20
MOST_BYTES = 2**30
"""The most that opening may take: 128 · n · r · p bytes, which bounds the time with the memory."""
_PASSPHRASE_FORMAT = b"mohet-keys passphrase 1"
_NOT_OPENED = (
    "This passphrase does not open the file, or the file was altered. "
    "Type the passphrase again, or make the file anew."
)
_TOO_DEAR = (
    "The file asks for a passphrase to be stretched in a way that no version of Mohet Keys uses, "
    "so it stays closed. Make the file anew."
)
_NO_MEMORY = "This machine has not the memory that the passphrase takes just now. Try again later."


class Vault:
    """Seals and opens with the data keys that the present master keys can unwrap.

    `masters` is None when there is no master key; then everything stays locked. Wraps that
    cannot be opened do no harm here: only what needs them is locked. The vault does not change
    after it was built, so threads may share it.
    """

    __slots__ = ("_active", "_ciphers", "_fingerprint_keys", "_present", "_wraps")

    def __init__(
        self, masters: Masters | None, wraps: Sequence[WrappedKey], active_seal_key: str | None
    ) -> None:
        present = {master_id(master): _wrapping_cipher(master) for master in _each(masters)}
        seals = _unwrap_all(present, wraps, "seal")
        self._present = tuple(present)
        self._active = active_seal_key
        self._ciphers = {data_key_id: AESGCM(key) for data_key_id, key in seals.items()}
        self._fingerprint_keys = _unwrap_all(present, wraps, "fingerprint")
        self._wraps = tuple(wraps)

    def seal(self, label: Label, secret: str) -> bytes:
        """Encrypt a secret, bound to everything in the label.

        Raises LockedError without the active data key, RefusedError when something is too long.
        """
        header = Header(label, self._active or "")
        cipher = self._cipher(header.data_key_id)
        nonce = os.urandom(NONCE_BYTES)
        sealed = cipher.encrypt(nonce, envelope.pad(secret), header.associated_data())
        return envelope.pack(header, nonce, sealed)

    def open(self, blob: bytes, label: Label) -> str:
        """The secret, if `blob` was sealed with exactly this label.

        Raises LockedError when its data key cannot be unwrapped now, and SealError, which says
        what differs, when the label is another or anything was altered.
        """
        found = envelope.unpack(blob)
        cipher = self._cipher(found.header.data_key_id)
        if found.header.label != label:
            raise SealError(_why_not(cipher, found, label))
        # What the ciphertext must be bound to comes from the caller, not from the envelope.
        expected = Header(label, found.header.data_key_id, found.header.canonical_version)
        padded = _decrypted(cipher, found, expected)
        secret = None if padded is None else envelope.unpad(padded)
        if secret is None:
            raise SealError(envelope.ALTERED)
        return secret

    def fingerprint(self, secret: str) -> str:
        """A keyed mark by which equal secrets are recognised: HMAC-SHA256, as 64 hex digits.

        It stays the same when the master key is replaced. Raises LockedError without its key.
        """
        if len(self._fingerprint_keys) != 1:
            raise LockedError(self._why_no_fingerprint())
        (key,) = self._fingerprint_keys.values()
        return hmac.digest(key, secret.encode("utf-8", "surrogatepass"), "sha256").hex()

    def data_key_of(self, blob: bytes) -> str:
        """Id of the data key that a sealed value names. Raises SealError if it is none."""
        return envelope.unpack(blob).header.data_key_id

    def needs_resealing(self, blob: bytes) -> bool:
        """Whether it would be sealed differently today. Raises SealError if it is no seal."""
        header = envelope.unpack(blob).header
        return header != Header(header.label, self._active or "")

    def why_locked(self, data_key_id: str) -> str | None:
        """Why what this data key sealed cannot be opened now, or None when it can."""
        if data_key_id in self._ciphers:
            return None
        return self._why_not_unwrapped(data_key_id)

    def _cipher(self, data_key_id: str) -> AESGCM:
        cipher = self._ciphers.get(data_key_id)
        if cipher is None:
            raise LockedError(self._why_not_unwrapped(data_key_id))
        return cipher

    def _why_not_unwrapped(self, data_key_id: str) -> str:
        needed = {wrap.master_id for wrap in self._wraps if wrap.data_key_id == data_key_id}
        if not needed:
            return f"The store has no data key for this. {_WAY_BACK}"
        if needed.intersection(self._present):
            return f"The data key that opens this was altered in the store. {_WAY_BACK}"
        have = f"the present one is {_listed(self._present)}" if self._present else "none is set"
        return (
            f"This needs master key {_listed(needed)}, but {have}. "
            "Set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE to the right key and start again."
        )

    def _why_no_fingerprint(self) -> str:
        if self._fingerprint_keys:
            return "The store has two keys for recognising secrets. Restore it from a backup."
        ids = [wrap.data_key_id for wrap in self._wraps if wrap.purpose == "fingerprint"]
        return self._why_not_unwrapped(ids[0] if ids else "")


def master_id(master: MasterKey) -> str:
    """A name for a master key that does not help to guess it: 16 hex digits."""
    return _derived(master, b"master-id", 8).hex()


def mint(master: MasterKey, purpose: Purpose) -> WrappedKey:
    """A new random data key, wrapped under `master`."""
    return _wrap(master, secrets.token_hex(8), purpose, secrets.token_bytes(DATA_KEY_BYTES))


def rewrap(wrapped: WrappedKey, old: MasterKey, new: MasterKey) -> WrappedKey:
    """The same data key under another master key; what it sealed stays as it is.

    Raises LockedError when `old` does not open it. Doing it twice gives two wraps of the same
    (data_key_id, master_id), each as good as the other.
    """
    key = _unwrap(_wrapping_cipher(old), wrapped)
    if wrapped.master_id != master_id(old) or key is None:
        raise LockedError(f"The master key in {old.source} does not open this data key.")
    return _wrap(new, wrapped.data_key_id, wrapped.purpose, key)


def opens(wrapped: WrappedKey, master: MasterKey) -> bool:
    """Whether a master key opens this wrap of a data key."""
    return _unwrap(_wrapping_cipher(master), wrapped) is not None


def _why_not(cipher: AESGCM, found: Envelope, label: Label) -> str:
    """Why an envelope does not go with a label. Its own words count only if they are genuine."""
    if _decrypted(cipher, found, found.header) is None:
        return envelope.ALTERED
    return envelope.difference(found.header.label, label)


def _decrypted(cipher: AESGCM, found: Envelope, bound_to: Header) -> bytes | None:
    """The padded secret, or None: the caller then raises, with no other error in its chain."""
    try:
        return cipher.decrypt(found.nonce, found.ciphertext, bound_to.associated_data())
    except InvalidTag:
        return None


def _each(masters: Masters | None) -> list[MasterKey]:
    if masters is None:
        return []
    return [masters.primary] + ([masters.previous] if masters.previous else [])


def _derived(master: MasterKey, label: bytes, length: int) -> bytes:
    info = b"mohet-keys 1 " + label
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master.raw)


def _wrapping_cipher(master: MasterKey) -> AESGCM:
    return AESGCM(_derived(master, b"wrap", 32))


def _wrap_bound_to(data_key_id: str, master: str, purpose: str) -> bytes:
    """The bytes a wrap is bound to, so that it serves as no other key and for nothing else."""
    return envelope.framed(_WRAP_FORMAT, data_key_id, master, purpose)


def _wrap(master: MasterKey, data_key_id: str, purpose: Purpose, key: bytes) -> WrappedKey:
    named, nonce = master_id(master), os.urandom(NONCE_BYTES)
    bound_to = _wrap_bound_to(data_key_id, named, purpose)
    blob = _WRAP_FORMAT + nonce + _wrapping_cipher(master).encrypt(nonce, key, bound_to)
    return WrappedKey(data_key_id, named, purpose, blob)


def _unwrap(cipher: AESGCM, wrapped: WrappedKey) -> bytes | None:
    """The data key in a wrap, or None when this cipher does not open it."""
    blob = wrapped.blob
    nonce, ciphertext = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    if blob[:1] != _WRAP_FORMAT or len(ciphertext) != DATA_KEY_BYTES + envelope.TAG_BYTES:
        return None
    bound_to = _wrap_bound_to(wrapped.data_key_id, wrapped.master_id, wrapped.purpose)
    try:
        return cipher.decrypt(nonce, ciphertext, bound_to)
    except InvalidTag:
        return None


def _unwrap_all(
    present: dict[str, AESGCM], wraps: Sequence[WrappedKey], purpose: Purpose
) -> dict[str, bytes]:
    """The data keys of one purpose that the present master keys open, by their ids."""
    keys: dict[str, bytes] = {}
    for wrapped in wraps:
        cipher = present.get(wrapped.master_id)
        key = _unwrap(cipher, wrapped) if cipher and wrapped.purpose == purpose else None
        if key is not None:
            keys[wrapped.data_key_id] = key
    return keys


def _listed(master_ids: Iterable[str]) -> str:
    return " or ".join(sorted(envelope.shown(each) for each in master_ids))


# --- under a passphrase -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """How a passphrase was made into a key. Public; another key comes of any other values."""

    n: int
    r: int
    p: int
    salt: bytes

    @property
    def is_bearable(self) -> bool:
        """Whether it is worth something and can be done without harm to the machine."""
        n, r, p = self.n, self.r, self.p
        if min(n, r, p) < 1 or n > MOST_N or n & (n - 1) or not SALT_BYTES <= len(self.salt) <= 64:
            return False
        return n * r >= LEAST_WORK and 128 * n * r * p <= MOST_BYTES


@dataclass(frozen=True, slots=True)
class PassphraseSealed:
    """Bytes sealed under a passphrase: what it takes to open them, but for the passphrase."""

    stretch: Stretch
    blob: bytes = field(repr=False)
    """Nonce and ciphertext."""


_ONE_AT_A_TIME = threading.Lock()
"""Held while a passphrase is stretched, so that the memory is taken once however many wait."""


def seal_with_passphrase(passphrase: str, plain: bytes, bound_to: bytes) -> PassphraseSealed:
    """Encrypt under a passphrase, bound to other bytes, which must be there again on opening.

    Raises RefusedError when there is not the memory for it.
    """
    stretch = Stretch(SCRYPT_N, SCRYPT_R, SCRYPT_P, os.urandom(SALT_BYTES))
    nonce = os.urandom(NONCE_BYTES)
    cipher = _stretched(passphrase, stretch)
    sealed = cipher.encrypt(nonce, plain, _passphrase_bound_to(bound_to, stretch))
    return PassphraseSealed(stretch, nonce + sealed)


def open_with_passphrase(passphrase: str, sealed: PassphraseSealed, bound_to: bytes) -> bytes:
    """What was sealed with this passphrase and bound to these bytes.

    Raises PassphraseError for another passphrase and for anything altered, RefusedError when
    there is not the memory for it.
    """
    if not sealed.stretch.is_bearable:
        raise PassphraseError(_TOO_DEAR)
    plain = _opened(passphrase, sealed, bound_to)
    if plain is None:
        raise PassphraseError(_NOT_OPENED)
    return plain


def _opened(passphrase: str, sealed: PassphraseSealed, bound_to: bytes) -> bytes | None:
    """What is inside, or None: the caller then raises, with no other error in its chain."""
    nonce, ciphertext = sealed.blob[:NONCE_BYTES], sealed.blob[NONCE_BYTES:]
    if len(ciphertext) < envelope.TAG_BYTES:
        return None
    cipher = _stretched(passphrase, sealed.stretch)
    try:
        return cipher.decrypt(nonce, ciphertext, _passphrase_bound_to(bound_to, sealed.stretch))
    except InvalidTag:
        return None


def _stretched(passphrase: str, stretch: Stretch) -> AESGCM:
    """The cipher of a passphrase, which is the same however its accents are composed."""
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    with _ONE_AT_A_TIME:
        kdf = Scrypt(salt=stretch.salt, length=32, n=stretch.n, r=stretch.r, p=stretch.p)
        try:
            return AESGCM(kdf.derive(typed))
        except MemoryError:
            raise RefusedError(_NO_MEMORY) from None


def _passphrase_bound_to(bound_to: bytes, stretch: Stretch) -> bytes:
    numbers = struct.pack(">QQQ", stretch.n, stretch.r, stretch.p)
    return envelope.framed(_PASSPHRASE_FORMAT, bound_to, numbers, stretch.salt)
