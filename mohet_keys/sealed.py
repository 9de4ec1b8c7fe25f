"""The plain records that the vault, the repository and the master key's sources share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mohet_keys.errors import MasterKeyError

Purpose = Literal["seal", "fingerprint"]

MASTER_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key and where it came from. Its repr hides the key.

    Raises MasterKeyError unless `raw` is exactly 32 bytes.
    """

    raw: bytes = field(repr=False)
    source: str
    """Where it was found, in words for a person."""

    def __post_init__(self) -> None:
        if len(self.raw) != MASTER_KEY_BYTES:
            raise MasterKeyError(f"The master key in {self.source} must be 32 bytes long.")


@dataclass(frozen=True, slots=True)
class Masters:
    """The master key in use and, while one is being replaced, the one before it."""

    primary: MasterKey
    previous: MasterKey | None = None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One data key, encrypted under one master key.

    The same data key may be stored wrapped under several master keys at once; the pair
    (data_key_id, master_id) tells the wraps apart. `master_id` names a master key without
    revealing it.
    """

    data_key_id: str
    master_id: str
    purpose: Purpose
    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Label:
    """Everything a sealed secret is bound to: which record it is of and where it may be sent.

    `destination` is a canonical destination (see endpoints.canonical); `revision` is that of
    the record's secret and address; `allow_http` is the consent to an unencrypted connection.
    """

    key_id: str
    provider: str
    destination: str
    revision: int
    allow_http: bool
