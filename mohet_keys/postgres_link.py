"""All that is PostgreSQL's own of a connection: how it is set up, how a write begins, its errors.

A transaction that writes takes one lock first, as SQLite has it: so whoever writes sees what was
written before, nobody can be told of a deadlock or a failed serialization, and numbers are given
out in the order of the commits. It reads what is committed at each statement; one that only reads
sees the store as it was at its first.

Each of them also leaves a receipt. When the connection breaks in a COMMIT, that tells afterwards
whether the transaction came through.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

CONNECT_S = 3
"""Seconds that one attempt to connect may take."""
LOCK_MS = 10_000
"""How long a statement waits for a lock, that of the writers too."""
_STATEMENT_MS = 30_000
_IDLE_MS = 10_000
"""How long a transaction may do nothing: its process hangs, and holds up all that write."""
DRIVER = "postgresql+psycopg"
READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
WRITING = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}

_WRITERS = 0x6D6F686574  # “mohet”: any number that no other program takes in the same database
_LOCK = text(f"SELECT pg_advisory_xact_lock({_WRITERS})")
_LEAVE = text(
    "INSERT INTO commit_receipt (place, token, at) VALUES (:place, :token, now()) "
    "ON CONFLICT (place) DO UPDATE SET token = :token, at = now()"
)
_FIND = text("SELECT token FROM commit_receipt WHERE place = :place")
_FORGET = text("DELETE FROM commit_receipt WHERE at < now() - interval '1 day'")
# Without it a server that loses its power would lose what was acknowledged.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
_SETTINGS = (
    f"SET statement_timeout = {_STATEMENT_MS}",
    f"SET lock_timeout = {LOCK_MS}",
    f"SET idle_in_transaction_session_timeout = {_IDLE_MS}",
    "SET client_min_messages = error",
    _DURABLE,
)
_UNBOUNDED = (
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL lock_timeout = 0"),
    text("SET LOCAL idle_in_transaction_session_timeout = 0"),
)
_PLACE = "mohet_keys.place"
_FIRST = "mohet_keys.first"


def mended(url: URL) -> URL:
    """The same address with the driver that there is, also for one that says `postgres://`."""
    return url.set(drivername=DRIVER)


def is_postgres(url: URL) -> bool:
    """Whether an address names a PostgreSQL database."""
    return url.drivername.partition("+")[0] in {"postgresql", "postgres"}


def arguments(url: URL) -> dict[str, Any]:
    """What a connection is made with, unless the address says something else.

    The other end of a connection that is not used for a while may be gone without a word, so it
    is asked for a sign of life.
    """
    usual = {
        "connect_timeout": CONNECT_S,
        "application_name": "mohet-keys",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    return {name: value for name, value in usual.items() if name not in url.query}


def connected(connection: Any, record: Any) -> None:
    """Set up a fresh connection, and give it a place for its receipts."""
    record.info[_PLACE] = uuid.uuid4().hex
    record.info[_FIRST] = True
    connection.autocommit = True
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.autocommit = False


# --- writing ------------------------------------------------------------------------------------


def begun(connection: Connection) -> tuple[str, str]:
    """Take the writers' lock for a transaction, and leave its receipt. Returns that."""
    known = connection.connection.info
    place, token = str(known[_PLACE]), uuid.uuid4().hex
    connection.execute(_LEAVE, {"place": place, "token": token})
    connection.execute(_LOCK)
    if known.pop(_FIRST, False):
        connection.execute(_FORGET)  # those of connections that are long gone
    return place, token


def has_landed(connection: Connection, receipt: tuple[str, str]) -> bool:
    """Whether a transaction came through that lost its connection while it was committed.

    It holds the writers' lock until it is over, one way or the other; so that is waited for.
    """
    connection.execute(_LOCK)
    return bool(connection.execute(_FIND, {"place": receipt[0]}).scalar() == receipt[1])


def alone(connection: Connection) -> None:
    """Take the writers' lock, however long that takes, and leave no receipt.

    For what brings the tables about: there may be none yet for receipts.
    """
    for setting in _UNBOUNDED:
        connection.execute(setting)
    connection.execute(_LOCK)


# --- listening ----------------------------------------------------------------------------------

CHANNEL = "mohet_keys"
"""Where it is told that keys, or who may do what with them, changed."""


class Listener:
    """Hears what the triggers of the store tell, of every process. `connection` is the driver's."""

    every = 60.0

    def __init__(self, connection: Any) -> None:
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        self._connection = connection
        self.handles: tuple[int, ...] = (connection.fileno(),)

    def has_heard(self) -> bool:
        """Whether anything was told. Raises the driver's error when the connection is broken."""
        return bool(list(self._connection.notifies(timeout=0)))


# --- errors -------------------------------------------------------------------------------------

_ABSENT = "The database does not answer, so nothing was done. Check that PostgreSQL runs."
BUSY = "The store is busy: another program holds it. Try again in a moment."
"""What is said when something was waited for long enough."""
_GONE = "The connection to the database broke off. Nothing was changed. Try again in a moment."
_SENTENCES = {
    "08": _GONE,
    "57P01": _GONE,
    "57P02": _GONE,
    "25P03": _GONE,
    "57P03": "The database is starting or stopping. Try again in a moment.",
    "53100": "The disk of the database is full, so nothing was saved. Free some space there.",
    "53200": "The database is out of memory, so nothing was saved. Try again in a moment.",
    "53300": "The database takes no more connections now. Try again, or raise max_connections.",
    "55P03": BUSY,
    "57014": BUSY,
    "40001": BUSY,
    "40P01": BUSY,
    "25006": "The database is read-only, so nothing was saved. Is it a standby?",
    "42501": "The database’s user may not do this. Give it the rights, or name another one.",
    "42P01": "The database lacks a table of the store. Restore it from a backup.",
    "42703": "The database lacks a column of the store. Restore it from a backup.",
    "58": "The disk of the database failed, so nothing was saved. Look at its log.",
    "XX": "The database says that it is damaged. Restore it from a backup.",
}
_REFUSALS = {
    "the database system is": _SENTENCES["57P03"],
    "too many": _SENTENCES["53300"],
    "remaining connection slots": _SENTENCES["53300"],
    "password": "The database refused the user or the password of MOHET_DATABASE_URL.",
    "pg_hba.conf": "The database does not let this user in from here. Look at its pg_hba.conf.",
    "role ": "The database knows no such user as MOHET_DATABASE_URL names.",
    "database ": "There is no such database as MOHET_DATABASE_URL names. Make it first: createdb.",
}
"""What stands in a refusal to connect, which has no code."""
_FOR_NOW = {_ABSENT, _GONE, _SENTENCES["53300"], _SENTENCES["57P03"]}


def sentence(error: BaseException | None) -> str | None:
    """What a driver's error means in plain words; None when there are none for it."""
    if error is None or not type(error).__module__.startswith("psycopg"):
        return None
    code = getattr(error, "sqlstate", None)
    if code:
        return _SENTENCES.get(code) or _SENTENCES.get(code[:2])
    return _of_connecting(error) if type(error).__name__ in _CONNECTING else None


_CONNECTING = {"OperationalError", "ConnectionTimeout"}


def _of_connecting(error: BaseException) -> str:
    _, fatal, said = str(error).partition("FATAL:")
    if not fatal:
        return _ABSENT
    return next((words for sign, words in _REFUSALS.items() if sign in said), _ABSENT)


def is_for_now(error: BaseException | None) -> bool:
    """Whether the database is only away or full: the same is worth another try soon."""
    return sentence(error) in _FOR_NOW
