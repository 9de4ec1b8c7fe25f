"""What is in a store, and what of it a master key opens, without a start of the product on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mohet_keys import migrations
from mohet_keys.database import Database, looking, url_of
from mohet_keys.errors import LockedError, SealError
from mohet_keys.queries import wraps
from mohet_keys.vault import Label, Vault, WrappedKey

_ROWS = (
    "SELECT id, owner, provider, name, endpoint, revision, allow_http, sealed FROM api_key "
    "ORDER BY owner, provider, name_key"
)
_ACTIVE = "SELECT id FROM data_key WHERE active AND purpose = 'seal'"
_HAS_TABLES = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
_HAS_TABLES_ELSEWHERE = "SELECT count(to_regclass('alembic_version'))"


@dataclass(slots=True)
class Contents:
    """What was read of a store; empty when there is none, or none that can be read."""

    wraps: list[WrappedKey] = field(default_factory=list)
    active: str | None = None
    rows: list[Any] = field(default_factory=list, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever sealed in it."""
        return not self.wraps and not self.rows


@dataclass(slots=True)
class Opening:
    """How opening every key went, one after the other; each was forgotten again.

    `locked` counts the keys that another master key may open, by the reason; `altered` has those
    that no master key opens, with what is wrong.
    """

    opened: int = 0
    locked: Counter[str] = field(default_factory=Counter)
    altered: list[tuple[Any, str]] = field(default_factory=list, repr=False)


def version(connection: Any, *, is_file: bool = True) -> str | None:
    """The step a store is at; None for one without tables."""
    if not connection.exec_driver_sql(_HAS_TABLES if is_file else _HAS_TABLES_ELSEWHERE).scalar():
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def keys(connection: Any) -> int:
    """How many keys there are, of all owners, at whatever step the store is."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM api_key").scalar() or 0)


def is_known(step: str) -> bool:
    """Whether a step is one of this version's or an earlier one's; else a later one made it."""
    files = (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
    return step in {file.name.partition("_")[0] for file in files}


def read(connection: Any) -> Contents:
    """All that opening needs, of a store at the newest step."""
    return Contents(
        [WrappedKey(*row) for row in connection.execute(wraps())],
        connection.exec_driver_sql(_ACTIVE).scalar(),
        list(connection.exec_driver_sql(_ROWS)),
    )


def opening(rows: list[Any], vault: Vault | None) -> Opening:
    """Try to open every key. None is no master key at all."""
    result = Opening()
    for row in rows:
        try:
            _try_open(vault, row)
        except SealError as error:
            result.altered.append((row, str(error)))
        except LockedError as error:
            result.locked[str(error)] += 1
        else:
            result.opened += 1
    return result


def _try_open(vault: Vault | None, row: Any) -> None:
    if vault is None:
        raise LockedError("There is no master key to open them with.")
    label = Label(row.id, str(row.provider), str(row.endpoint), row.revision, bool(row.allow_http))
    vault.open(row.sealed, label)


# --- is it one of ours --------------------------------------------------------------------------

_COLUMNS = (
    'SELECT t.name, c.name, upper(c.type), c."notnull", c.pk FROM sqlite_master t '
    "JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' "
    "ESCAPE '\\'"
)
_UNIQUE = (
    "SELECT t.name, i.name, c.seqno, c.name FROM sqlite_master t "
    "JOIN pragma_index_list(t.name) i JOIN pragma_index_info(i.name) c "
    "WHERE t.type = 'table' AND i.\"unique\" AND i.origin = 'c'"
)
_ACTORS = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"


def is_ours(connection: Any) -> bool:
    """Whether a SQLite store at the newest step has the tables and triggers of a new one.

    Further tables and indexes do no harm; a trigger that is not ours could do anything to what is
    saved later. Raises StoreError.
    """
    columns, unique, actors = _of_a_new_store()
    ours = {row[0] for row in columns}
    same = {row for row in _rows(connection, _COLUMNS) if row[0] in ours} == columns
    guarded = unique <= _rows(connection, _UNIQUE)
    return same and guarded and _rows(connection, _ACTORS) == actors


@cache
def _of_a_new_store() -> tuple[frozenset[tuple[Any, ...]], ...]:
    with TemporaryDirectory(prefix="mohet-keys-") as folder:
        url = url_of(Path(folder) / "sample.db")
        bring_up(url)
        with looking(url) as connection:
            return tuple(_rows(connection, asked) for asked in (_COLUMNS, _UNIQUE, _ACTORS))


def bring_up(url: str) -> None:
    """Bring the store at `url` to the newest step. Raises StoreError."""
    database = Database(url)
    try:
        migrations.migrate(database)
    finally:
        database.close()


def _rows(connection: Any, asked: str) -> frozenset[tuple[Any, ...]]:
    return frozenset(tuple(row) for row in connection.exec_driver_sql(asked))
