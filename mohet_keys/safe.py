"""Opens and seals with the data keys as they are in the store now.

A vault is what the data keys were when they were read. Another process may have added some since,
or brought back a backup: so what a vault cannot open, and what it seals too late, is tried once
more with the keys read anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from mohet_keys import vault
from mohet_keys.errors import LockedError, SealError
from mohet_keys.keyring import Keyring, OutdatedSealError
from mohet_keys.sealed import Label, Masters
from mohet_keys.vault import Vault

T = TypeVar("T")

NO_MASTER = "The master key these keys were saved under is missing, so they stay sealed."
NO_DATA_KEYS = "The store has lost the keys that seal its secrets. Restore a backup of it."
_TRIES = 4
"""How often the data keys may be replaced while one secret waits to be written."""
_REMEMBERED = 4
"""Vaults kept from before; each is one change of the data keys."""


class Safe:
    """The store's secrets, as far as the present master keys open them. Threads may share it.

    `masters` is asked again as long as nothing opens, so a key file that comes back opens all.
    """

    def __init__(self, keyring: Keyring, masters: Callable[[], Masters | None]) -> None:
        self._keyring = keyring
        self._load = masters
        self._masters: Masters | None = None
        self._vault: Vault | None = None
        self._locked: str | None = NO_MASTER
        self._read: object = None
        self._earlier: deque[Vault] = deque(maxlen=_REMEMBERED)
        # What is read later must not be undone by what another thread read before it.
        self._reading = threading.Lock()
        self.refresh()

    @property
    def locked(self) -> str | None:
        """Why nothing can be opened, as it was when the keys were last read; None when it can."""
        return self._locked

    @property
    def master_ids(self) -> tuple[str, ...]:
        """The ids of the master keys there are, the one in use first."""
        present = self._masters
        both = (present.primary, present.previous) if present else ()
        return tuple(vault.master_id(master) for master in both if master)

    def refresh(self) -> None:
        """Read the data keys anew. Raises StoreError, also for a malformed master key."""
        with self._reading:
            if self._masters is None or self._locked:
                self._masters = self._load()
            wraps, sealing = self._keyring.read()
            read = (self._masters, wraps, sealing)
            if read == self._read:
                return
            if self._vault is not None and not self._locked:
                self._earlier.appendleft(self._vault)
            self._vault = Vault(*read)
            self._locked = self._why_locked(self._vault, sealing)
            self._read = read

    def open(self, blob: bytes, label: Label) -> str:
        """The secret, if it was sealed with exactly this label. Raises LockedError, SealError."""
        ready = self._ready()
        try:
            return ready.open(blob, label)
        except SealError:
            raise
        except LockedError:
            self.refresh()
        return self._that_opens(blob).open(blob, label)

    def sealing(self, label: Label, secret: str, write: Callable[[bytes, str], T]) -> T:
        """Seal a secret and write it: `write` gets the sealed bytes and the id of its data key.

        It is called once more when the data keys were replaced meanwhile. Raises LockedError,
        RefusedError, and what `write` raises.
        """
        for _ in range(_TRIES):
            try:
                return write(*self._sealed(label, secret))
            except OutdatedSealError:
                self.refresh()
        return write(*self._sealed(label, secret))

    def seal(self, label: Label, secret: str) -> bytes:
        """The secret, sealed. Raises LockedError, RefusedError for what is too long."""
        return self._sealed(label, secret)[0]

    def fingerprint(self, secret: str) -> str:
        """A keyed mark by which equal secrets are recognised. Raises LockedError."""
        return self._ready().fingerprint(secret)

    def require(self) -> None:
        """Raises LockedError when nothing can be opened or sealed now."""
        self._ready()

    def _sealed(self, label: Label, secret: str) -> tuple[bytes, str]:
        ready = self._ready()
        blob = ready.seal(label, secret)
        return blob, ready.data_key_of(blob)

    def _ready(self) -> Vault:
        if self._locked:
            self.refresh()
        if self._vault is None or self._locked:
            raise LockedError(self._locked or NO_MASTER)
        return self._vault

    def _that_opens(self, blob: bytes) -> Vault:
        """The vault that has the blob's data key: now, or when the blob may have been read.

        A secret that another process seals anew between being read and being opened names a data
        key that is gone by now.
        """
        ready = self._ready()
        named = ready.data_key_of(blob)
        vaults = (ready, *tuple(self._earlier))
        return next((each for each in vaults if each.why_locked(named) is None), ready)

    def _why_locked(self, opened: Vault, sealing: str | None) -> str | None:
        if self._masters is None:
            return NO_MASTER
        if sealing is None:  # none is made over what is there: it would open nothing of that
            return NO_DATA_KEYS
        try:
            opened.fingerprint("self-test")
        except LockedError as error:
            return str(error)
        return None
