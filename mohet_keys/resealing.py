"""A new data key in the place of one that may be known, and every secret sealed anew with it.

It happens in small steps beside people's work, and each can be the last one of this run: the
record says that it is under way, and the next run goes on instead of beginning another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mohet_keys import vault
from mohet_keys.errors import LockedError, RefusedError
from mohet_keys.keyring import Keyring, SealedSecret
from mohet_keys.model import LOCAL_OWNER, Doing
from mohet_keys.ring import Ring
from mohet_keys.safe import NO_DATA_KEYS
from mohet_keys.sealed import Masters
from mohet_keys.vault import Vault, master_id

BATCH = 50
"""Secrets sealed anew in one transaction, which others wait for."""

PAUSE = 0.02
"""Seconds between two of them, in which others get at the store: they wait asleep."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was done: `went_on` says that an earlier run had begun it.

    `left` are keys that did not open, with the reason, and `known` all keys whose secrets whoever
    has the old keys may know; both as provider/name.
    """

    data_key: str
    went_on: bool
    done: int
    left: dict[str, str]
    known: list[str]
    gone: list[str]
    """The data keys that were deleted, for they seal nothing more."""


def require_at_hand(ring: Ring, masters: Sequence[str]) -> None:
    """Raise RefusedError unless a new data key can be wrapped under all master keys in use."""
    away = sorted(ring.masters - set(masters))
    if away:
        raise RefusedError(
            f"The data keys are wrapped under master key {' and '.join(away)} too, which is not at "
            "hand. Run master-key retire first, or set it as MOHET_MASTER_KEY_PREVIOUS."
        )


@dataclass(slots=True)
class Resealing:
    """One run of it. `renew` is called between the steps, and may raise to end the run."""

    keyring: Keyring
    masters: Masters
    doing: Callable[[str], Doing]
    """What to record, given what to say of it."""
    renew: Callable[[], None]
    _done: int = 0
    _left: dict[str, str] = field(default_factory=dict)
    _spared: set[str] = field(default_factory=set)
    _known: dict[str, str] = field(default_factory=dict)

    def run(self) -> Resealed:
        """Seal everything anew. Raises RefusedError, StoreError."""
        number = self.keyring.unfinished()
        went_on = number is not None
        if number is None:
            number = self._replace()
        ring = Ring.of(self.keyring)
        opened, sealing = ring.vault(self.masters), ring.sealing or ""
        while self._sweep(opened, sealing):  # until nothing is found that came in meanwhile
            pass
        told = self.doing(f"{self._done} sealed anew, {len(self._left)} could not be opened")
        spared = sorted(self._spared)
        gone = self.keyring.finish(number, told.at, told.detail, spared=spared)
        known = sorted(self._known.values())
        return Resealed(sealing, went_on, self._done, self._left, known, gone)

    def _replace(self) -> int:
        """Have a new data key seal from now on. Returns the number of that on record."""
        ring = Ring.of(self.keyring)
        both = [self.masters.primary, self.masters.previous]
        masters = {master_id(each): each for each in both if each}
        require_at_hand(ring, list(masters))
        if ring.sealing is None:
            raise RefusedError(NO_DATA_KEYS)
        first = vault.mint(self.masters.primary, "seal")
        others = [each for name, each in masters.items() if name in ring.masters][1:]
        minted = [first, *(vault.rewrap(first, self.masters.primary, each) for each in others)]
        told = self.doing(f"data key {first.data_key_id} seals from now on")
        number = self.keyring.replace_sealing(minted, before=ring.sealing, doing=told)
        if number is None:
            raise RefusedError("Somebody else changed the keys at this moment. Run it again.")
        return number

    def _sweep(self, opened: Vault, sealing: str) -> int:
        """Go through all secrets once. Returns how many were sealed anew."""
        before, after = self._done, ""
        self._left.clear()
        self._spared.clear()
        while batch := self.keyring.secrets(BATCH, after=after):
            self._seal(batch, opened, sealing)
            after = batch[-1].label.key_id
        self._seal(self.keyring.former_secrets(), opened, sealing)
        return self._done - before

    def _seal(self, batch: Sequence[SealedSecret], opened: Vault, sealing: str) -> None:
        self.renew()
        anew = [(each, blob) for each in batch if (blob := self._anew(each, opened, sealing))]
        if anew:
            self._done += self.keyring.reseal(anew, sealing)
            time.sleep(PAUSE)

    def _anew(self, secret: SealedSecret, opened: Vault, sealing: str) -> bytes | None:
        """The secret, sealed with the new data key; None for one that is, or that does not open."""
        if secret.holds and not secret.former:
            self._known[secret.label.key_id] = _named(secret)
        named = ""
        try:
            named = opened.data_key_of(secret.blob)
            if named == sealing == secret.data_key_id:
                return None
            return opened.seal(secret.label, opened.open(secret.blob, secret.label))
        except (LockedError, RefusedError) as error:
            self._left[_named(secret)] = str(error)
            self._spared.add(named)
        return None


def _named(secret: SealedSecret) -> str:
    owner = "" if secret.owner == LOCAL_OWNER else f" of {secret.owner}"
    before = ", the secret it had before" if secret.former else ""
    return f"{secret.label.provider}/{secret.name}{owner}{before}"
