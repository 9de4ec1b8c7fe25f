"""Lets in those whom an identity provider or a proxy named, for as long as the store says so.

Each run asks the store: who signed out in another tab, was disabled, or did nothing for too long
is out, whatever the browser still holds. For half a second an answer is not asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from mohet_keys import logs
from mohet_keys.errors import DeniedError, SignedOutError
from mohet_keys.identity import Identity, SignIn
from mohet_keys.model import Doing, Person
from mohet_keys.repository import Repository
from mohet_keys.sessions import Over, Session

FRESH = 0.5
"""Seconds for which an answer of the store counts."""
TOLD_EVERY = timedelta(seconds=20)
"""How exactly it is kept when somebody last did something: a write for each click is too much."""
_MOST = 1000
"""Answers that are kept at once."""
_WHY = {
    Over.SIGNED_OUT: "You are signed out.",
    Over.TIME_IS_UP: "Your sign-in has ended. Sign in again to go on.",
    Over.IDLE: "You did nothing for a while, so you were signed out.",
}


def _now() -> datetime:
    return datetime.now(UTC)


class Visitors:
    """The people at the door. Threads may share it. Any method may raise StoreError.

    `lasts` is how long a sign-in is good for, `idle` how long without its owner doing anything.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        lasts: timedelta,
        idle: timedelta,
        administrators: frozenset[str] = frozenset(),
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._people = repository.people
        self._sessions = repository.sessions
        self._journal = repository.journal
        self._lasts = lasts
        self._idle = idle
        self._administrators = administrators
        self._clock = clock
        self._monotonic = monotonic
        self._told: dict[str, tuple[Person, float]] = {}
        self._arrived: set[str] = set()
        """Those whom a proxy named since this process began."""

    def come(self, identity: Identity) -> Person:
        """Let somebody in who does something just now.

        Raises SignedOutError when their sign-in is over, DeniedError when they are disabled.
        """
        return self._keep(identity, self._person(identity, acts=True))

    def stay(self, identity: Identity) -> Person:
        """The same for what happens by itself: it makes no sign-in last longer."""
        person, until = self._told.get(_key(identity), (None, 0.0))
        if person is not None and self._monotonic() < until:
            return person
        return self._keep(identity, self._person(identity, acts=False))

    def leave(self, identity: Identity) -> None:
        """Sign somebody out, in every tab and on every server."""
        self._told.pop(_key(identity), None)
        if identity.sign_in is not None:
            now = self._clock()
            if self._sessions.end(identity.sign_in.id, now):
                self._record("sign_out", identity.email, now)

    def _keep(self, identity: Identity, person: Person) -> Person:
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[_key(identity)] = (person, self._monotonic() + FRESH)
        return person

    def _person(self, identity: Identity, *, acts: bool) -> Person:
        self._told.pop(_key(identity), None)
        now = self._clock()
        if identity.sign_in is None:
            return self._sent_by_proxy(identity, now, acts=acts)
        session = self._sessions.find(identity.sign_in.id)
        if session is None:
            return self._signed_in(identity, identity.sign_in, now)
        person = self._people.find(session.owner)
        if (person is None or person.disabled) and session.ended_at is None:
            self._sessions.end_all(session.owner, now)  # so that none lives again with its owner
        person = _able(person)
        self._vet(session, now)
        if acts and now >= session.last_at + min(TOLD_EVERY, self._idle / 4):
            self._sessions.touch(session.id, now)
            self._people.touch(person.id, now)
        return person

    def _signed_in(self, identity: Identity, sign_in: SignIn, now: datetime) -> Person:
        """Whoever comes with a sign-in that was never seen."""
        ends = min(sign_in.at + self._lasts, sign_in.ends)
        session = Session(sign_in.id, identity.email, sign_in.at, now, ends)
        self._vet(session, now)
        person = self._arrive(identity, now)
        kept, is_new = self._sessions.begin(replace(session, owner=person.id))
        self._vet(kept, now)
        if is_new:
            self._record("sign_in", person.id, now)
        return person

    def _sent_by_proxy(self, identity: Identity, now: datetime, *, acts: bool) -> Person:
        """The proxy keeps the sign-in; whether somebody is disabled is known here."""
        person = self._people.find(identity.email)
        if person is None or identity.email not in self._arrived:
            person = self._arrive(identity, now)
            self._arrived.add(identity.email)
        elif acts:
            self._people.touch(person.id, now)
        return _able(person)

    def _arrive(self, identity: Identity, now: datetime) -> Person:
        named = identity.email in self._administrators
        return _able(self._people.arrived(identity.email, identity.name, now, administrator=named))

    def _vet(self, session: Session, now: datetime) -> None:
        over = session.over(now, self._idle)
        if over is not None:
            raise SignedOutError(_WHY[over])

    def _record(self, action: Literal["sign_in", "sign_out"], person: str, now: datetime) -> None:
        request = logs.id_to_record()
        self._journal.begin(Doing(action, person, person, now, request_id=request))


def _key(identity: Identity) -> str:
    return identity.sign_in.id if identity.sign_in else identity.email


def _able(person: Person | None) -> Person:
    """This person, unless they may not come in any more, or are gone."""
    if person is None or person.disabled:
        raise DeniedError
    return person
