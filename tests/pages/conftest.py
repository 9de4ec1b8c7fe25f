"""Pages in process: the real shell and the real parts, on a store of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mohet_keys import wiring
from mohet_keys.ui import resources

ROOT = Path(__file__).parents[2]
SHELL = ROOT / "mohet_keys" / "ui" / "shell.py"

OpenPage = Callable[..., AppTest]


@pytest.fixture
def open_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens the app as a fresh visitor, at the tab of a provider."""
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    st.cache_resource.clear()
    resources.settings.cache_clear()

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

    yield open_
    st.cache_resource.clear()
    resources.settings.cache_clear()


@pytest.fixture
def store(open_page: OpenPage) -> wiring.Parts:
    """The parts the page itself works with."""
    return resources.parts()
