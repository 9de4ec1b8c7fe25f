"""The sign-ins: when each began, when its owner last did something, when it ends or ended.

A cookie is good for a month and can be copied, so it alone lets nobody in: what counts is here. A
row is kept for longer than its cookie counts, for without it the cookie would count anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mohet_keys.database import ClashError, Database
from mohet_keys.tables import SIGN_IN

KEPT_FOR = timedelta(days=40)
"""After its beginning; Streamlit takes a cookie for 31 days."""
CLOCK_MAY_JUMP = timedelta(minutes=5)


class Over(StrEnum):
    """Why a sign-in is over."""

    SIGNED_OUT = "signed_out"
    TIME_IS_UP = "time_is_up"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in as it is kept. `owner` is the id of whoever signed in."""

    id: str
    owner: str
    started_at: datetime
    last_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None

    def over(self, now: datetime, idle: timedelta) -> Over | None:
        """Why it is over, if it is, when `idle` is how long nothing need be done.

        A clock that was put back does not make it longer: what was done in the future counts as
        done too long ago.
        """
        if self.ended_at is not None:
            return Over.SIGNED_OUT
        if now >= self.ends_at or now < self.started_at - CLOCK_MAY_JUMP:
            return Over.TIME_IS_UP
        if now >= self.last_at + idle or now < self.last_at - CLOCK_MAY_JUMP:
            return Over.IDLE
        return None


class Sessions:
    """The sign-ins of everybody. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, session_id: str) -> Session | None:
        """One sign-in; None for one that was never seen."""
        with self._database.reading() as connection:
            return _one(connection, session_id)

    def begin(self, session: Session) -> tuple[Session, bool]:
        """Keep a sign-in that is seen for the first time. Returns it, and that it is new.

        Another tab or another server may have been faster. Those that are long over go.
        """
        past = SIGN_IN.c.started_at < session.last_at - KEPT_FOR
        try:
            with self._database.writing() as connection:
                found = _one(connection, session.id)
                if found is None:
                    connection.execute(insert(SIGN_IN).values(_columns(session)))
                    connection.execute(delete(SIGN_IN).where(past))
        except ClashError:
            found = self.find(session.id)
        return found or session, found is None

    def touch(self, session_id: str, now: datetime) -> None:
        """Its owner did something just now; one that ended stays as it is."""
        open_ = (SIGN_IN.c.id == session_id, SIGN_IN.c.ended_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(update(SIGN_IN).where(*open_).values(last_at=now))

    def end(self, session_id: str, now: datetime) -> bool:
        """Sign out, everywhere it is used. Returns whether it was open until then."""
        return self._end(SIGN_IN.c.id == session_id, now) > 0

    def end_all(self, owner: str, now: datetime) -> None:
        """Sign somebody out of everything."""
        self._end(SIGN_IN.c.owner == owner, now)

    def _end(self, which: ColumnElement[bool], now: datetime) -> int:
        open_ = update(SIGN_IN).where(which, SIGN_IN.c.ended_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(open_.values(ended_at=now)).rowcount


def _one(connection: Connection, session_id: str) -> Session | None:
    row = connection.execute(select(SIGN_IN).where(SIGN_IN.c.id == session_id)).first()
    return None if row is None else Session(*row)


def _columns(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in Session.__slots__}
