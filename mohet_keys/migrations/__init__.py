"""Brings a store to the present shape, one step after the other, under the writers' lock."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from mohet_keys.database import reading, said_plainly, writing
from mohet_keys.errors import StoreError

HEAD = "0001"
"""The newest step. A test holds it to the scripts in `versions/`."""


def migrate(engine: Engine) -> None:
    """Bring the store to `HEAD`; nothing is done when it is there. Raises StoreError.

    Several processes may start at once: the first takes the lock, the others find it done.
    """
    with reading(engine) as connection:
        if _version(connection) == HEAD:
            return
    with writing(engine) as connection:
        if _version(connection) != HEAD:
            _upgrade(connection)


def _version(connection: Connection) -> str | None:
    """The step the store is at; None for a new one. Raises StoreError for one from the future."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and str(found) > HEAD:
        raise StoreError(
            "The store was written by a newer version of Mohet Keys. Start that version instead."
        )
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    # Alembic takes a third of a second to import, so only a store that needs it pays for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with said_plainly():
        command.upgrade(config, HEAD)
