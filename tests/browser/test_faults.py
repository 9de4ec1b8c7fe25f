"""A fault that nobody foresaw, as people meet it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.app_server import ROOT, AppServer
from tests.browser.screen import ApiKeys
from tests.leaks import canary, scan


def test_t35_a_visitor_gets_the_number_of_a_fault_and_the_log_its_class(
    tmp_path: Path, watched: tuple[Page, list[bytes]]
) -> None:
    """A number on the page leads to the line in the log; neither has the words of the error."""
    page, heard = watched
    words, typed = canary("sk-proj-"), canary("sk-proj-")
    path = os.pathsep.join(map(str, (ROOT / "tests" / "faulty", ROOT)))
    with AppServer(tmp_path, PYTHONPATH=path, FAULT_WORDS=words) as app:
        keys = ApiKeys(page, app.url)
        keys.open("openai")
        keys.add("Fault", typed, "http://127.0.0.1:9/v1")
        said = page.get_by_text("Something unforeseen happened")
        expect(said).to_be_visible()
        number = re.search(r"error ([0-9a-f]{8})", said.inner_text())
        assert number is not None
        log = app.log.read_bytes()
    assert f"error {number[1]}: RuntimeError at ".encode() in log
    found = {"frames": b"\n".join(heard), "log": log, "page": page.content().encode()}
    assert scan(words, found) == scan(typed, found) == []
    assert b"RuntimeError" not in found["frames"] + found["page"]
