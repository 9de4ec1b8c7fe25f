"""A fault at any layer: the page tells a visitor nothing of it, and the log no more than its class.

What is raised holds a secret in its words, as an error of a library might.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.ui import unforeseen
from tests.leaks import canary, scan
from tests.pages.conftest import OpenPage
from tests.sink import Sink, reply

LAYERS = {
    "sealing": "mohet_keys.vault.Vault.seal",
    "a statement": "sqlalchemy.engine.default.DefaultDialect.do_execute",
    "the commit": "sqlalchemy.engine.default.DefaultDialect.do_commit",
    "the connection": "mohet_keys.exchange.dial",
    "TLS": "mohet_keys.http.shared_context",
    "reading the answer": "mohet_keys.probes.diagnose",
    "sorting the models": "mohet_keys.recommend.models",
    "drawing": "mohet_keys.ui.key_card.standing",
}
"""Where something breaks that nobody foresaw."""


@pytest.fixture
def quiet() -> Iterator[None]:
    """What the server does at its start, undone afterwards."""
    factory, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook)
    unforeseen.keep_quiet()
    yield
    logging.setLogRecordFactory(factory)
    logging.raiseExceptions = True
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def noticed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Callable[[], dict[str, bytes]]:
    """What was logged and printed by now, with everything logged."""
    caplog.set_level(logging.DEBUG)
    printed: list[str] = []

    def read() -> dict[str, bytes]:
        printed.extend(capfd.readouterr())
        return {"log": caplog.text.encode(), "printed": "".join(printed).encode()}

    return read


def add_a_key(open_page: OpenPage, endpoint: str, spoil: Callable[[], None]) -> AppTest:
    """Fill the form, have something break, and save; what the check came to is drawn, too."""
    at = open_page("openai")
    at.button(key="head.add:openai").click().run()
    for name, value in {"name": "K", "secret": canary("sk-proj-"), "endpoint": endpoint}.items():
        at.text_input(key=f"add:openai.{name}").set_value(value)
    spoil()
    at.button(key="add:openai.save").click().run()
    wait(list(at.session_state["mohet"].running.values()), timeout=15)
    return at.run()


def drawn(at: AppTest) -> bytes:
    """Everything that the browser got."""
    return "\n".join(str(getattr(node, "proto", "")) for node in at).encode()


def breaking(secret: str) -> Callable[..., Any]:
    """A step that fails with a secret in its words, and one more behind it."""

    def broken(*_given: object, **_more: object) -> None:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise RuntimeError(f"bad value {secret!r}", secret) from error

    return broken


def fail_at(
    layer: str, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, secret: str
) -> AppTest:
    """Save a key while a layer is broken."""
    with Sink(reply(b'{"object": "list", "data": [{"id": "m"}]}')) as sink:
        url = sink.url().replace("http:", "https:") if layer == "TLS" else sink.url()
        broken = breaking(secret)
        return add_a_key(open_page, url, lambda: monkeypatch.setattr(LAYERS[layer], broken))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.usefixtures("quiet")
def test_t35_a_fault_tells_nobody_what_it_was_about(
    layer: str,
    open_page: OpenPage,
    monkeypatch: pytest.MonkeyPatch,
    noticed: Callable[[], dict[str, bytes]],
) -> None:
    """Page, log and stderr have no piece of the words; the log has the class."""
    secret = canary("sk-proj-")
    at = fail_at(layer, open_page, monkeypatch, secret)
    monkeypatch.undo()
    found = {**noticed(), "page": drawn(at), "state": repr(at.session_state["mohet"]).encode()}
    assert len(found["page"]) > 500
    assert scan(secret, found) == []
    assert b"RuntimeError" in found["log"] + found["printed"]
    assert b"RuntimeError" not in found["page"]
    assert b"Traceback" not in found["page"]


def test_t35_without_the_quiet_the_log_would_tell(
    open_page: OpenPage,
    monkeypatch: pytest.MonkeyPatch,
    noticed: Callable[[], dict[str, bytes]],
) -> None:
    """The twin: Streamlit's own log line has the words of the error, with the secret in them."""
    secret = canary("sk-proj-")
    fail_at("sealing", open_page, monkeypatch, secret)
    assert scan(secret, noticed()) != []
