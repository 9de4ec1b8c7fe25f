"""The data keys at one moment, and which master keys open them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mohet_keys import vault
from mohet_keys.errors import RefusedError
from mohet_keys.keyring import DataKey, Keyring
from mohet_keys.sealed import MasterKey, Masters, WrappedKey
from mohet_keys.vault import Vault, master_id


@dataclass(frozen=True, slots=True)
class Ring:
    """The data keys as the store had them, each under every master key it is wrapped under."""

    keys: Sequence[DataKey]
    wraps: Sequence[WrappedKey]
    sealing: str | None
    """The data key that seals."""

    @classmethod
    def of(cls, keyring: Keyring) -> Ring:
        """As they are in the store now. Raises StoreError."""
        return cls(keyring.data_keys(), *keyring.read())

    @property
    def masters(self) -> set[str]:
        """The ids of the master keys that the data keys are wrapped under."""
        return {wrap.master_id for wrap in self.wraps}

    def opening(self, master: MasterKey) -> list[WrappedKey]:
        """The wraps that this master key opens."""
        named = master_id(master)
        mine = (wrap for wrap in self.wraps if wrap.master_id == named)
        return [wrap for wrap in mine if vault.opens(wrap, master)]

    def lacking(self, master: MasterKey) -> list[DataKey]:
        """The data keys that this master key does not open."""
        opened = {wrap.data_key_id for wrap in self.opening(master)}
        return [key for key in self.keys if key.id not in opened]

    def under(self, master: MasterKey, at_hand: Sequence[MasterKey]) -> list[WrappedKey]:
        """The data keys that `master` does not open, under it, by way of a key at hand.

        Raises RefusedError when one of them opens with none of those.
        """
        return [self._under(key, master, at_hand) for key in self.lacking(master)]

    def _under(self, key: DataKey, master: MasterKey, at_hand: Sequence[MasterKey]) -> WrappedKey:
        for each in at_hand:
            for wrap in self.opening(each):
                if wrap.data_key_id == key.id:
                    return vault.rewrap(wrap, each, master)
        raise RefusedError(self.why_closed(key, at_hand))

    def why_closed(self, key: DataKey, at_hand: Sequence[MasterKey]) -> str:
        """Why a data key opens with none of the master keys at hand, and the way back."""
        needed = {wrap.master_id for wrap in self.wraps if wrap.data_key_id == key.id}
        away = sorted(needed - {master_id(each) for each in at_hand})
        if not away:
            return f"Data key {key.id} is damaged in the store. Restore a backup of it."
        return (
            f"Data key {key.id} opens only with master key {' or '.join(away)}, which is not at "
            "hand. Set it as MOHET_MASTER_KEY, or as MOHET_MASTER_KEY_PREVIOUS to move on from it."
        )

    def vault(self, masters: Masters) -> Vault:
        """What opens and seals with them."""
        return Vault(masters, self.wraps, self.sealing)
