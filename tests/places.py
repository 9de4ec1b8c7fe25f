"""Where a test keeps its store: a SQLite file or a PostgreSQL database, of its own.

A test that takes the fixture `place` runs on both.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from mohet_keys.repository import Repository
from tests.postgres import Server, Stores

KINDS = ("sqlite", "postgresql")
ON_SQLITE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize("place", ["postgresql"], indirect=True)
"""For a test that is about one of them."""
REFUSED = (sqlite3.IntegrityError, psycopg.IntegrityError)
"""What the drivers raise when the database itself refuses something."""


@dataclass(frozen=True)
class Place:
    """An empty store that has its tables."""

    kind: str
    url: str
    connect: Callable[[], Any]
    """Reaches into it behind the product's back: a connection of the driver."""

    @property
    def is_file(self) -> bool:
        """Whether it is SQLite's."""
        return self.kind == "sqlite"

    def opened(self) -> Repository:
        """The store."""
        return Repository(self.url)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Do something behind the product's back. Returns the rows. `?` stands for a value."""
        with closing(self.connect()) as connection, connection:
            asked = statement if self.is_file else statement.replace("?", "%s")
            done = connection.execute(asked, values) if values else connection.execute(asked)
            return list(done.fetchall()) if done.description else []


def refuse_records(place: Place) -> None:
    """Have the database refuse to record anything, as a full disk does."""
    if place.is_file:
        place.sql("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
        return
    body = "RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no' USING ERRCODE = '23000'; END$$"
    place.sql(f"CREATE FUNCTION refuse() {body}")
    place.sql("CREATE TRIGGER no BEFORE INSERT ON event EXECUTE FUNCTION refuse()")


@cache
def _template() -> TemporaryDirectory[str]:
    """A store made once: to make the tables takes longer than most tests."""
    folder: TemporaryDirectory[str] = TemporaryDirectory()
    Repository(f"sqlite:///{folder.name}/store.db").close()
    return folder


def file_place(folder: Path) -> Place:
    """An empty SQLite store in a folder of its own."""
    path = folder / "data" / "store.db"
    path.parent.mkdir(mode=0o700)
    shutil.copyfile(Path(_template().name) / "store.db", path)
    path.chmod(0o600)
    return Place("sqlite", f"sqlite:///{path}", lambda: sqlite3.connect(path))


@contextmanager
def server_place(server: Server, stores: Stores) -> Iterator[Place]:
    """An empty PostgreSQL store, as long as the block."""
    with stores.lent() as name:
        yield Place("postgresql", server.url(name), lambda: psycopg.connect(server.link(name)))


@contextmanager
def place_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty store of this kind, as long as the block; a server is started for the first."""
    if kind == "sqlite":
        yield file_place(folder)
    else:
        server, stores = map(request.getfixturevalue, ("postgres", "postgres_stores"))
        with server_place(server, stores) as place:
            yield place
