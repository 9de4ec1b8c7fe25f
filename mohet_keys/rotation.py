"""The master key through its life: how it stands, another one in its place, the old one retired.

All of it happens while people work. At every moment the old key opens everything until it is
retired, and the new one from the moment on when it is in its place; what breaks off is finished
by running it again; and a lease sees to it that there are never two at once.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mohet_keys import envelope, masterkey, masterkey_next
from mohet_keys.errors import RefusedError, SealError, StoreError
from mohet_keys.keyring import SealedSecret
from mohet_keys.leases import name_of_this_process
from mohet_keys.masterkey_status import MasterSeen, Status, restart, shown_holder, status_of
from mohet_keys.model import LOCAL_OWNER, Action, Doing
from mohet_keys.repository import Repository
from mohet_keys.resealing import Resealed, Resealing, require_at_hand
from mohet_keys.ring import Ring
from mohet_keys.safe import NO_DATA_KEYS
from mohet_keys.sealed import MasterKey, Masters
from mohet_keys.settings import Settings
from mohet_keys.vault import master_id

LEASE = "rotation"
LASTS = timedelta(seconds=60)
"""How long a rotation that stopped somewhere else keeps others waiting."""
_TRIES = 3
_READ_AT_ONCE = 500
_NO_MASTER = "No master key is set, and there is no generated one. Set the one that opens the keys."
_NOTHING_NEW = (
    "The master key that is set opens everything already. To move on to a new one, set it as "
    "MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE, and the present one as MOHET_MASTER_KEY_PREVIOUS."
)
_CUT_SHORT = "A rotation was cut short. Run master-key rotate to finish it, and then retire."


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation that was finished. `added` counts the data keys that are newly under the key."""

    present: MasterSeen
    added: int
    is_new: bool
    """Whether a new generated key was put in place."""
    resealed: Resealed | None


@dataclass(frozen=True, slots=True)
class Retired:
    """Old master keys that open nothing here any more; backups made before still need them.

    `kept` is where a generated one lies.
    """

    present: MasterSeen
    gone: list[str]
    kept: Path | None


def _now() -> datetime:
    return datetime.now(UTC)


class Rotation:
    """What an operator does with the master key of a store."""

    def __init__(
        self, repository: Repository, settings: Settings, *, clock: Callable[[], datetime] = _now
    ) -> None:
        self._keyring = repository.keyring
        self._leases = repository.leases
        self._settings = settings
        self._clock = clock

    def status(self) -> Status:
        """How it stands, also when nothing opens. Raises StoreError."""
        now = self._clock()
        return status_of(
            Ring.of(self._keyring),
            self._load(),
            Counter(map(_data_key_of, self._secrets())),
            waiting=self._waiting(),
            apps=self._leases.running(now),
            rotation=self._leases.held(LEASE, now),
            is_resealing=self._keyring.unfinished() is not None,
        )

    def rotate(self, *, new_data_key: bool = False) -> Rotated:
        """Put the data keys under the new master key too; where it is generated, make that first.

        With `new_data_key`, a new one of those seals from then on and all secrets are sealed anew.
        Raises RefusedError when another rotation is under way or a key is not at hand; nothing is
        changed then. Raises StoreError.
        """
        with self._turn() as renew:
            masters = self._masters()
            target = self._target(masters, new_data_key=new_data_key)
            at_hand = [target, *_each(masters)]
            if new_data_key and self._keyring.unfinished() is None:
                require_at_hand(Ring.of(self._keyring), list(map(master_id, at_hand)))
            added = self._wrap(target, at_hand)
            is_new = self._waiting() is not None
            if is_new:
                renew()
                masterkey_next.promote(self._settings)
                masters = self._masters()
            resealed = self._reseal(masters, renew) if new_data_key else None
            return Rotated(_seen(masters.primary), added, is_new, resealed)

    def retire(self) -> Retired:
        """Have the data keys open with the present master key alone.

        Raises RefusedError, and changes nothing, while one of them does not open with it or a
        running app does not have it. Raises StoreError.
        """
        with self._turn():
            masters = self._masters()
            present = masters.primary
            if self._waiting() is not None:
                raise RefusedError(_CUT_SHORT)
            ring = self._ring()
            self._require_retirable(ring, present)
            gone = sorted(ring.masters - {master_id(present)})
            if gone:
                told = self._doing("retire", f"master key {' and '.join(gone)}")
                self._keyring.retire(ring.opening(present), told)
        kept = masterkey.previous_file(self._settings)
        has_kept = masterkey.is_generated(self._settings) and kept.exists()
        return Retired(_seen(present), gone, kept if has_kept else None)

    # --- the steps ---------------------------------------------------------------------------

    def _target(self, masters: Masters, *, new_data_key: bool) -> MasterKey:
        """The master key to move on to."""
        ring = self._ring()
        is_done = not ring.lacking(masters.primary)
        if masterkey.is_generated(self._settings):
            # One rotation at a time: the former key is retired before the next one is made.
            is_next = is_done and ring.masters == {master_id(masters.primary)}
            waiting = self._waiting()
            return waiting or (
                masterkey_next.prepare(self._settings) if is_next else masters.primary
            )
        if is_done and masters.previous is None and not new_data_key:
            raise RefusedError(_NOTHING_NEW)
        return masters.primary

    def _wrap(self, target: MasterKey, at_hand: Sequence[MasterKey]) -> int:
        """Put every data key under a master key. Returns how many were not."""
        added = 0
        for _ in range(_TRIES):
            more = Ring.of(self._keyring).under(target, at_hand)
            if not more:
                return added
            told = self._doing("rotate", f"master key {master_id(target)} opens everything too")
            added += self._keyring.add_wraps(more, told)
        raise RefusedError("The data keys do not stay as they are. Run it again in a moment.")

    def _reseal(self, masters: Masters, renew: Callable[[], None]) -> Resealed:
        def doing(detail: str) -> Doing:
            return self._doing("reseal", detail, result="")

        return Resealing(self._keyring, masters, doing, renew).run()

    def _require_retirable(self, ring: Ring, present: MasterKey) -> None:
        lacking = ring.lacking(present)
        if lacking:
            raise RefusedError(
                f"Data key {lacking[0].id} does not open with the present master key, "
                f"{master_id(present)}. Run master-key rotate first."
            )
        named = master_id(present)
        unaware = [app for app in self._leases.running(self._clock()) if named not in app.masters]
        if unaware and ring.masters != {named}:
            raise RefusedError(restart(unaware))

    @contextmanager
    def _turn(self) -> Iterator[Callable[[], None]]:
        """Be the only rotation; what comes out has to be called from time to time to stay so."""
        me = name_of_this_process()

        def renew() -> None:
            held = self._leases.take(LEASE, me, self._clock(), LASTS)
            if held:
                raise RefusedError(f"Another rotation is under way: {shown_holder(held)}.")

        renew()
        try:
            yield renew
        finally:
            with suppress(StoreError):  # it ends by itself
                self._leases.let_go(LEASE, me)

    # --- what there is -----------------------------------------------------------------------

    def _load(self) -> Masters | None:
        return masterkey.load(self._settings, store_is_empty=False)  # so that none is made

    def _masters(self) -> Masters:
        masters = self._load()
        if masters is None:
            raise RefusedError(_NO_MASTER)
        return masters

    def _ring(self) -> Ring:
        ring = Ring.of(self._keyring)
        if ring.sealing is None:
            raise RefusedError(NO_DATA_KEYS)
        return ring

    def _waiting(self) -> MasterKey | None:
        """A generated key that is not in place yet; it counts only where the present one is."""
        is_generated = masterkey.is_generated(self._settings)
        return masterkey_next.waiting(self._settings) if is_generated else None

    def _secrets(self) -> Iterator[SealedSecret]:
        after = ""
        while batch := self._keyring.secrets(_READ_AT_ONCE, after=after):
            yield from batch
            after = batch[-1].label.key_id
        yield from self._keyring.former_secrets()

    def _doing(self, action: Action, detail: str, *, result: str = "done") -> Doing:
        return Doing(
            action,
            LOCAL_OWNER,
            LOCAL_OWNER,
            self._clock(),
            result=result,
            detail=detail,
            request_id=secrets.token_hex(6),
        )


def _each(masters: Masters) -> list[MasterKey]:
    return [masters.primary, *([masters.previous] if masters.previous else [])]


def _seen(master: MasterKey) -> MasterSeen:
    return MasterSeen(master_id(master), master.source)


def _data_key_of(secret: SealedSecret) -> str:
    """The data key that a sealed secret names, or the one beside it where it is damaged."""
    try:
        return envelope.unpack(secret.blob).header.data_key_id
    except SealError:
        return secret.data_key_id
