"""What a PostgreSQL store has besides its tables: triggers, and a table for receipts.

SQLite's triggers are made by the steps. These are made after the last step, whichever that was, so
that every table has what it needs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

from mohet_keys.postgres_link import CHANNEL
from mohet_keys.tables import EVENT, METADATA, OUTCOME

RECORD = (EVENT.name, OUTCOME.name)
"""Tables that are only added to."""
_QUIET = {
    *RECORD,
    *("check_history", "check_hour", "daily_use", "key_check", "lease", "person_use", "process"),
    "watch",
}
"""Tables whose changes say nothing that whoever waits for a change wants to know: they are many,
and each check also says in the key's own row how the key stands now."""
TOLD = tuple(name for name in METADATA.tables if name not in _QUIET)
"""Tables whose changes are told."""
_RECEIPTS = (
    'CREATE TABLE IF NOT EXISTS commit_receipt (place TEXT COLLATE "C" PRIMARY KEY, '
    'token TEXT COLLATE "C" NOT NULL, at TIMESTAMPTZ NOT NULL)'
)
_REFUSE = (
    "CREATE OR REPLACE FUNCTION mohet_only_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'what happened is only added to' "
    "USING ERRCODE = 'integrity_constraint_violation'; END $$"
)
_TELL = (
    "CREATE OR REPLACE FUNCTION mohet_tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"PERFORM pg_notify('{CHANNEL}', ''); RETURN NULL; END $$"
)
_COMPARE = (
    "CREATE OR REPLACE FUNCTION mohet_tell_of_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN IF to_jsonb(NEW) - TG_ARGV IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV THEN "
    f"PERFORM pg_notify('{CHANNEL}', ''); END IF; RETURN NULL; END $$"
)
_FUNCTIONS = {
    "mohet_only_added": _REFUSE,
    "mohet_tell": _TELL,
    "mohet_tell_of_change": _COMPARE,
}
_WHEN_LAST = ("last_at", "last_seen", "used_at")
"""Columns that say when somebody last did something. That alone is told to nobody."""
_ADDED_OR_GONE = "AFTER INSERT OR DELETE OR TRUNCATE", "STATEMENT", "mohet_tell"
_CHANGED = "AFTER UPDATE", "ROW", "mohet_tell_of_change"
_REFUSED = "BEFORE UPDATE OR DELETE OR TRUNCATE", "STATEMENT", "mohet_only_added"
_TRIGGERS = {
    **{f"{table}_only_added": (table, _REFUSED) for table in RECORD},
    **{f"{table}_told": (table, _ADDED_OR_GONE) for table in TOLD},
    **{f"{table}_changed": (table, _CHANGED) for table in TOLD},
}


def settle(connection: Connection) -> None:
    """Make all of it, or what is missing of it, in the transaction of the steps."""
    for statement in (_RECEIPTS, *_FUNCTIONS.values()):
        connection.exec_driver_sql(statement)
    for name, (table, (when, each, function)) in _TRIGGERS.items():
        given = ", ".join(f"'{column}'" for column in _WHEN_LAST if each == "ROW")
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER {name} {when} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION {function}({given})"
        )


# --- looked at ------------------------------------------------------------------------------------

_COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable = 'YES' "
    "FROM information_schema.columns WHERE table_schema = ANY(current_schemas(false))"
)
_UNIQUE = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indisvalid "
    "AND NOT indisprimary"
)
_FOUND = (
    "SELECT tgname, tgrelid::regclass::text, tgfoid::regproc::text, tgenabled::text "
    "FROM pg_trigger WHERE NOT tgisinternal"
)
_BODIES = "SELECT proname, prosrc FROM pg_proc WHERE starts_with(proname, 'mohet_')"
_RULES = "SELECT tablename || '.' || rulename FROM pg_rules WHERE schemaname = current_schema()"
_AS_TOLD = {"FLOAT": "double precision", 'TEXT COLLATE "C"': "text"}


def faults(connection: Connection) -> list[str]:
    """What is missing or different, or acts though it is not ours, in a store at the newest step.

    Further tables and indexes do no harm.
    """
    missing = _wanted(connection.dialect) - _rows(connection, _COLUMNS)
    wrong = [f"{table}.{column}" for table, column, *_ in missing]
    unique = {name for (name,) in _rows(connection, _UNIQUE)}
    wrong += [name for name in _unique() if name not in unique]
    found = _rows(connection, _FOUND)
    ours = {(name, table, does[2], "O") for name, (table, does) in _TRIGGERS.items()}
    tables = {"commit_receipt", *METADATA.tables}
    wrong += [
        each[0] for each in (ours - found) | {row for row in found - ours if row[1] in tables}
    ]
    bodies = dict(_rows(connection, _BODIES))
    wrong += [name for name, text in _FUNCTIONS.items() if bodies.get(name, "?") not in text]
    wrong += [name for (name,) in _rows(connection, _RULES) if name.partition(".")[0] in tables]
    return sorted(wrong)


def _wanted(dialect: Dialect) -> set[tuple[str, str, str, bool]]:
    """The columns of a new store: table, name, type, and whether it may be empty."""
    found = {("commit_receipt", name, "text", False) for name in ("place", "token")}
    for table in METADATA.sorted_tables:
        for column in table.columns:
            kind = column.type.compile(dialect)
            told = _AS_TOLD.get(kind, kind.lower())
            found.add((table.name, column.name, told, bool(column.nullable)))
    return found


def _unique() -> set[str]:
    indexes = (index for table in METADATA.sorted_tables for index in table.indexes)
    return {str(index.name) for index in indexes if index.unique}


def _rows(connection: Connection, asked: str) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in connection.exec_driver_sql(asked)}
