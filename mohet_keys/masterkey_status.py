"""How the master key stands: what it opens, who has it, and what to do next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mohet_keys.keyring import DataKey
from mohet_keys.leases import Held, Running, shown_process
from mohet_keys.ring import Ring
from mohet_keys.safe import NO_DATA_KEYS
from mohet_keys.sealed import MasterKey, Masters, Purpose
from mohet_keys.vault import master_id

Step = Literal["nothing", "set", "restore", "wait", "rotate", "restart", "retire"]
"""What is to be done next: set the right key, restore a backup, wait for a rotation to end, run
rotate, restart an app, run retire."""

_AGAIN = "master-key rotate --new-data-key again"


@dataclass(frozen=True, slots=True)
class MasterSeen:
    """A master key by its name, and where it came from."""

    id: str
    source: str

    @classmethod
    def of(cls, master: MasterKey | None) -> MasterSeen | None:
        """The same without the key."""
        return cls(master_id(master), master.source) if master else None


@dataclass(frozen=True, slots=True)
class DataKeySeen:
    """A data key: what it is for, how many secrets name it, and what opens it.

    `opens` has the id of each master key that it is wrapped under, with whether that opens it;
    None is one that is not at hand.
    """

    id: str
    purpose: Purpose
    seals: bool
    secrets: int
    opens: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class Status:
    """All that is to be said of the master key.

    `waiting` is a new one that is not in place yet, `closed` says why not everything opens with
    those that are at hand.
    """

    present: MasterSeen | None
    previous: MasterSeen | None
    waiting: MasterSeen | None
    data_keys: Sequence[DataKeySeen]
    apps: Sequence[Running]
    rotation: Held | None
    is_resealing: bool
    closed: str | None

    @property
    def others(self) -> list[str]:
        """The ids of the master keys beside the present one that open data keys."""
        under = {name for key in self.data_keys for name in key.opens}
        return sorted(under - {self.present.id if self.present else ""})

    @property
    def unaware(self) -> list[Running]:
        """The running apps that do not have the present master key."""
        present = self.present.id if self.present else ""
        return [app for app in self.apps if present not in app.masters]

    @property
    def is_whole(self) -> bool:
        """Whether the present master key opens every data key."""
        present = self.present.id if self.present else ""
        return all(key.opens.get(present) for key in self.data_keys)

    @property
    def next(self) -> tuple[Step, str]:
        """What to do next, and that in words."""
        if self.closed:
            return "set" if self._is_away else "restore", self.closed
        if self.rotation:
            return "wait", f"A rotation is under way: {shown_holder(self.rotation)}."
        if self.waiting or not self.is_whole:
            return (
                "rotate",
                "Run master-key rotate: the data keys are not under the new master key yet.",
            )
        if self.is_resealing:
            return "rotate", f"Run {_AGAIN}: not every secret is sealed anew yet."
        if self.others:
            return self._after_rotation()
        return "nothing", self._at_rest()

    @property
    def _is_away(self) -> bool:
        """Whether a master key that is not at hand would open what is closed."""
        closed = [key.opens.values() for key in self.data_keys if not any(key.opens.values())]
        return self.present is None or any(None in opens for opens in closed)

    def _after_rotation(self) -> tuple[Step, str]:
        if self.unaware:
            return "restart", f"{restart(self.unaware)} Then run master-key retire."
        return "retire", "Run master-key retire: nothing needs the old master key any more."

    def _at_rest(self) -> str:
        if self.previous is None:
            return "Nothing is to be done."
        return (
            f"Nothing is to be done. No data key needs {self.previous.source} any more; keep that "
            "master key for backups that were made with it."
        )


def status_of(
    ring: Ring,
    masters: Masters | None,
    secrets: Mapping[str, int],
    *,
    waiting: MasterKey | None,
    apps: Sequence[Running],
    rotation: Held | None,
    is_resealing: bool,
) -> Status:
    """What is to be said of these data keys and master keys. `secrets` counts by data key."""
    present = masters.primary if masters else None
    previous = masters.previous if masters else None
    at_hand = [master for master in (present, previous, waiting) if master]
    opened = {master_id(each): {w.data_key_id for w in ring.opening(each)} for each in at_hand}
    return Status(
        present=MasterSeen.of(present),
        previous=MasterSeen.of(previous),
        waiting=MasterSeen.of(waiting),
        data_keys=[_seen(key, ring, secrets.get(key.id, 0), opened) for key in ring.keys],
        apps=apps,
        rotation=rotation,
        is_resealing=is_resealing,
        closed=_closed(ring, at_hand),
    )


def _seen(
    key: DataKey, ring: Ring, secrets: int, opened: Mapping[str, Collection[str]]
) -> DataKeySeen:
    """A data key, given what each master key at hand opens."""
    under = [wrap.master_id for wrap in ring.wraps if wrap.data_key_id == key.id]
    opens = {name: key.id in opened[name] if name in opened else None for name in under}
    return DataKeySeen(key.id, key.purpose, key.seals, secrets, opens)


def _closed(ring: Ring, at_hand: Sequence[MasterKey]) -> str | None:
    """Why not everything opens; None when it does."""
    if ring.sealing is None:
        return NO_DATA_KEYS
    if not at_hand:
        needed = " or ".join(sorted(ring.masters))
        return (
            "No master key is set, and there is no generated one, so everything stays sealed. "
            f"Set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE to master key {needed}."
        )
    opened = {wrap.data_key_id for each in at_hand for wrap in ring.opening(each)}
    closed = next((key for key in ring.keys if key.id not in opened), None)
    return ring.why_closed(closed, at_hand) if closed else None


def restart(apps: Sequence[Running]) -> str:
    """That these apps have to be restarted to know the present master key."""
    named = ", ".join(shown_process(app.id) for app in apps)
    return f"Restart the app ({named}), for it does not have the present master key yet."


def shown_holder(held: Held) -> str:
    """Who is at a rotation, and how long to wait should that have stopped without a word."""
    until = f"{held.until:%H:%M:%S} UTC"
    return f"{shown_process(held.holder)} is at it; should that have stopped, wait until {until}"
