"""Brings a store to the present shape, one step after the other, under the writers' lock."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mohet_keys import postgres_shape
from mohet_keys.database import Database
from mohet_keys.errors import StoreError

HEAD = "0007"
"""The newest step. A test holds it to the scripts in `versions/`."""
_FOLDER = Path(__file__).parent


def migrate(database: Database) -> None:
    """Bring the store to `HEAD`; nothing is done when it is there. Raises StoreError.

    Several processes may start at once: the first takes the lock, the others find it done.
    """
    with database.reading() as connection:
        if step_of(connection) == HEAD:
            return
    with database.alone() as connection:
        if step_of(connection) != HEAD:
            _upgrade(connection)
            if not database.file:
                postgres_shape.settle(connection)


def step_of(connection: Connection) -> str | None:
    """The step the store is at; None for a new one. Raises StoreError for a step unknown here."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and str(found) not in _known():
        raise StoreError(
            "The store was written by a newer version of Mohet Keys. Start that version instead."
        )
    return None if found is None else str(found)


def _known() -> set[str]:
    """The steps that are here: each file of `versions/` begins with its own."""
    return {path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")}


def _upgrade(connection: Connection) -> None:
    # Alembic takes a third of a second to import, so only a store that needs it pays for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
