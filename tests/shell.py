"""Commands of the command line in this process, on a store of the test's own."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mohet_keys import wiring
from mohet_keys.cli import main
from mohet_keys.http import Outbound
from mohet_keys.providers import PROVIDERS
from mohet_keys.simulator.server import Simulator
from tests.browser.secrets import good
from tests.masters import settings_in, store_in

SLUGS = [row.slug for row in PROVIDERS]
SERVER = {slug: slug for slug in SLUGS} | {"lmstudio": "lmstudio-auth", "ollama": "ollama-cloud"}
"""The simulated server of each provider that looks at keys."""
FIELDS = [
    "id",
    "provider",
    "name",
    "endpoint",
    "hint",
    "owner",
    "created_at",
    "updated_at",
    "verdict",
    "reason",
    "explanation",
    "remedy",
    "http_status",
    "latency_ms",
    "checked_at",
    "models",
    "recommended_model",
    "selected",
]
"""Those of a key as JSON."""


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error on stderr, which with --json is one line of JSON."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


class Shell:
    """Runs commands in this process, on a store in a folder of the test's own."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        simulator: Simulator,
        folder: Path,
    ) -> None:
        self.folder = folder
        self.settings = settings_in(folder)
        self.simulator = simulator
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("MOHET_DATA_DIR", str(self.settings.data_dir))
        monkeypatch.setenv("MOHET_CONFIG_DIR", str(self.settings.config_dir))
        monkeypatch.setenv("HOME", str(folder))

    def __call__(self, *arguments: object, stdin: str | bytes = b"") -> Said:
        """Run one command; `stdin` is never a terminal."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)

    def add(
        self, slug: str, name: str, secret: str = "", *more: str, server: str | None = None
    ) -> Said:
        """Add a key of a simulated server, as JSON."""
        where = self.simulator.endpoint(server or SERVER[slug])
        return self(
            *("add", slug, name, "--endpoint", where, "--secret-stdin", "--json", *more),
            stdin=secret or good(slug),
        )

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.settings.data_dir / "mohet_keys.db"

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Reach into the store behind the product's back."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def content(self) -> list[Any]:
        """All keys and the selection, every column, as they are stored."""
        return self.sql("SELECT * FROM api_key ORDER BY id") + self.sql("SELECT * FROM selection")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The six providers, for the whole file."""
    with Simulator() as running:
        yield running


@pytest.fixture
def shell_without_store(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    simulator: Simulator,
    tmp_path: Path,
) -> Iterator[Shell]:
    """Commands in this process. No name but the simulator's address is ever looked up."""

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError

    outbound = Outbound(resolver=nowhere)
    monkeypatch.setattr(wiring, "build", partial(wiring.build, outbound=outbound))
    yield Shell(monkeypatch, capsys, simulator, tmp_path)
    simulator.down = False


@pytest.fixture
def shell(shell_without_store: Shell) -> Shell:
    """The same on a store without keys."""
    store_in(shell_without_store.folder)
    return shell_without_store
