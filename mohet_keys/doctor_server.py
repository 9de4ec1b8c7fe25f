"""Looks at the PostgreSQL server of a store: what it promises, and who may do what there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mohet_keys import postgres_shape
from mohet_keys.doctor_files import Finding, note, ok, wrong

OLDEST = 14
"""The oldest version that is supported."""
_SERVER = (
    "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000, "
    "current_setting('fsync'), current_setting('full_page_writes'), pg_is_in_recovery(), "
    "current_setting('max_connections')::int, rolsuper FROM pg_roles WHERE rolname = current_user"
)
_WIRE = (
    "SELECT coalesce(ssl, false), inet_server_addr() IS NULL "
    "OR inet_client_addr() = inet_server_addr() FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
)
_ENOUGH = 50
"""Connections that two processes with all that they may take leave room beside."""


def server(connection: Any) -> Iterator[Finding]:
    """Whether it keeps what it acknowledged, takes writes, and is talked to in private."""
    version, major, fsync, whole, standby, most, is_super = connection.exec_driver_sql(
        _SERVER
    ).one()
    if major < OLDEST:
        yield wrong("server", f"It is PostgreSQL {version}, and {OLDEST} is the oldest supported.")
    else:
        yield ok("server", f"It answers: PostgreSQL {version}.")
    if (fsync, whole) == ("on", "on"):
        yield ok("server", "It has on its disk what it says is saved.")
    else:
        said = "fsync or full_page_writes is off: when its machine dies, the store may be broken."
        yield wrong("server", f"{said} Turn both on.")
    if standby:
        yield wrong("server", "It is a standby, which takes no writes. Name the primary one.")
    if most < _ENOUGH:
        yield note("server", f"It takes {most} connections. Each process may use up to 21 of them.")
    if is_super:
        said = "The app is a superuser there, who could also alter the record of what happened."
        yield note("server", f"{said} Give it a user of its own.")
    yield from _wire(connection)


def _wire(connection: Any) -> Iterator[Finding]:
    encrypted, near = connection.exec_driver_sql(_WIRE).one()
    if encrypted or near:
        yield ok("server", "Nobody else can read what is sent to it.")
    else:
        said = "What is sent to it is not encrypted, and it is on another machine."
        yield wrong("server", f"{said} Add ?sslmode=verify-full to MOHET_DATABASE_URL.")


def tables(connection: Any) -> Iterator[Finding]:
    """Whether anybody else had a hand in the tables."""
    faults = postgres_shape.faults(connection)
    if not faults:
        yield ok("store", "Its tables and triggers are those that this version makes.")
    else:
        told = f"Its tables or triggers are not those that this version makes: {faults[0]}"
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        yield wrong("store", f"{told}{more}. Somebody changed them. Restore it from a backup.")
