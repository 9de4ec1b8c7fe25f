"""Pages in process: the real shell and the real parts, on a store of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from mohet_keys import wiring
from mohet_keys.ui import resources
from tests.masters import store_in

ROOT = Path(__file__).parents[2]
SHELL = ROOT / "mohet_keys" / "ui" / "shell.py"

OpenPage = Callable[..., AppTest]


@pytest.fixture(autouse=True, scope="package")
def components() -> Iterator[None]:
    """Streamlit looks for its components in all that is installed, and does so for each visitor
    of a test: that takes longer than everything else, and finds the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        found = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the app's data and configuration, of which neither is there yet."""
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    st.cache_resource.clear()
    resources.settings.cache_clear()
    yield tmp_path
    st.cache_resource.clear()
    resources.settings.cache_clear()


@pytest.fixture
def open_page(place: Path) -> OpenPage:
    """Opens the app on a new store as a fresh visitor, at the tab of a provider."""
    store_in(place)

    def open_(provider: str | None = None) -> AppTest:
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.context = {"timezone": "Asia/Tokyo"}
        at.run()  # the page can be opened once navigation knows it
        at.switch_page(str(ROOT / "pages" / "api_keys.py"))
        if provider:
            at.query_params["provider"] = provider
        at.run()
        assert not at.exception
        return at

    return open_


@pytest.fixture
def store(open_page: OpenPage) -> wiring.Parts:
    """The parts the page itself works with."""
    return resources.parts()
