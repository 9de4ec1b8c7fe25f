"""The app of a team in process: who a proxy names is in, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mohet_keys.model import KeyEntry, NewKey
from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.pages.conftest import ROOT, SHELL
from tests.team import ROOT as ADMINISTRATOR
from tests.team import name_of

DEAD = "http://127.0.0.1:9/v1"  # the discard port: nothing answers there

Visit = Callable[..., AppTest]


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """Opens a page as somebody; `root@example.com` is the administrator."""
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MOHET_IDENTITY_HEADER", "X-Forwarded-Email")
    monkeypatch.setenv("MOHET_ADMINISTRATORS", ADMINISTRATOR)

    def clear() -> None:
        st.cache_resource.clear()
        resources.settings.cache_clear()
        resources.entrance.cache_clear()

    def open_(who: str, page: str = "api_keys", **query: str) -> AppTest:
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.context = {"timezone": "Asia/Tokyo"}
        at.user = {"email": who, "name": name_of(who)}
        at.run()  # the page can be opened once navigation knows it
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    clear()
    yield open_
    clear()


def save(parts: Parts, owner: str, name: str = "Production", *, shared: bool = False) -> KeyEntry:
    """A Groq key at an address where nothing listens, of somebody who came before."""
    new = NewKey(provider="groq", name=name, secret=SecretStr(canary("gsk_")), endpoint=DEAD)
    entry = parts.keys.add(new, owner=owner).entry
    return parts.keys.share(entry.id, owner=owner, version=entry.version) if shared else entry


def words(at: AppTest) -> str:
    """Everything the page says, in one text."""
    kinds = (at.markdown, at.caption, at.error, at.warning, at.info, at.success, at.text)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def labels(at: AppTest) -> list[str]:
    """What can be pressed."""
    return [button.label for button in at.button]
