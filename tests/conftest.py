"""What holds for every test: an environment without keys or proxies, and the real parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mohet_keys import wiring
from mohet_keys.settings import Settings
from tests.masters import store_in
from tests.places import KINDS, Place, place_of
from tests.postgres import Server, Stores, serving

_STRIPPED = ("MOHET_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "STREAMLIT_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, proxy or provider key of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.upper().startswith(_STRIPPED) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that keep store and master key in two folders of the test's own."""
    return Settings(data_dir=tmp_path / "data", config_dir=tmp_path / "config")


@pytest.fixture
def parts(settings: Settings) -> Iterator[wiring.Parts]:
    """The wired product on a real SQLite file of the test's own."""
    if not (settings.data_dir.exists() or settings.config_dir.exists()):
        store_in(settings.data_dir.parent)
    built = wiring.build(settings)
    yield built
    built.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started when the first test asks for it."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_stores(postgres: Server) -> Stores:
    """Empty stores on it."""
    return Stores(postgres)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty store of the test's own, on SQLite and then on PostgreSQL."""
    with place_of(request.param, tmp_path, request) as place:
        yield place


@pytest.fixture
def on_both(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product is on SQLite, and then on PostgreSQL."""
    monkeypatch.setenv("MOHET_DATABASE_URL", place.url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with a browser come last: its event loop runs in this thread until the end."""
    items.sort(key=lambda item: "browser" in item.path.parts)
