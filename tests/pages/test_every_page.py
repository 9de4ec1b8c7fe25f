"""What holds for every file in `pages/`: it comes by way of the shell, behind the guard."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mohet_keys.ui import places
from tests.pages.conftest import ROOT, SHELL, OpenPage

PAGES = sorted(page for page in (ROOT / "pages").glob("*.py") if page.stem != places.TEAM.name)
"""Those of a local run."""


def visit(page: Path) -> AppTest:
    """The page as a visitor of the shell gets it."""
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    return at.switch_page(str(page)).run()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_draws(place: Path, page: Path) -> None:
    """On a new store every page draws without an error."""
    at = visit(page)
    assert not at.exception
    assert not at.error
    assert at.markdown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_stops_at_the_guard(place: Path, page: Path) -> None:
    """Without a store a page says why, and shows nothing that could be used."""
    data = place / "data"
    data.mkdir()
    (data / "mohet_keys.db").write_bytes(b"not a database at all" * 100)
    at = visit(page)
    assert not at.exception
    assert len(at.error) == 1
    assert [*at.button, *at.text_input, *at.tabs] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_comes_back_with_the_store(place: Path, page: Path) -> None:
    """A store that is mended is used again without a restart."""
    database = place / "data" / "mohet_keys.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database at all" * 100)
    at = visit(page)
    assert at.error
    database.unlink()
    at.run()
    assert not at.error
    assert not at.exception


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_store_that_fails_under_the_page_is_said(
    open_page: OpenPage, tmp_path: Path, page: Path
) -> None:
    """A store that breaks while the server runs ends in a sentence, and heals without a restart."""
    visit(page)
    data = tmp_path / "data"
    data.rename(tmp_path / "away")
    st.cache_resource.clear()
    data.write_bytes(b"a file where the folder should be")
    at = visit(page)
    assert not at.exception
    assert len(at.error) == 1
    data.unlink()
    (tmp_path / "away").rename(data)
    assert not visit(page).error
