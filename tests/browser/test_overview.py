"""The Overview in a real browser: from figure to drawer to form, charts, a file, and what fits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect
from pydantic import SecretStr
from sqlalchemy import insert

from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, NewKey, Spent, Verdict
from mohet_keys.tables import SEEN
from tests.browser.app_server import AppServer
from tests.browser.screen import box_of, expect_to_fit
from tests.browser.unhurried import look
from tests.leaks import canary

NOW = datetime.now(UTC)
SAID = {
    "Production": Diagnosis(Verdict.VALID, "accepted", "The provider accepted this key."),
    "Former": Diagnosis(Verdict.INVALID, "key revoked", "It was revoked.", "Create a new one."),
    "Cellar": Diagnosis(Verdict.UNREACHABLE, "no answer", "Nothing answered.", "Try again."),
}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server on a store with three keys that were checked and used for two days."""
    with AppServer(tmp_path_factory.mktemp("overview"), MOHET_WATCH_MINUTES="0") as server:
        parts = server.parts()
        for number, (name, said) in enumerate(SAID.items()):
            slug, prefix = (("openai", "sk-proj-"), ("groq", "gsk_"), ("mistral", ""))[number]
            new = NewKey(provider=slug, name=name, secret=SecretStr(canary(prefix)))
            entry = parts.keys.add(new, owner=LOCAL_OWNER).entry
            told = {"key_id": entry.id, "verdict": said.verdict.value, "reason": said.reason}
            with parts.repository._database.writing() as connection:
                for hour in range(40, 0, -1):
                    line = {"at": NOW - timedelta(hours=hour), "latency_ms": 100 + hour}
                    connection.execute(insert(SEEN).values(**told, **line))
            result = CheckResult(entry.id, 1, said, NOW, latency_ms=123, models=("m-1", "m-2"))
            parts.repository.save_check(result, LOCAL_OWNER)
            parts.repository.uses.count(entry.id, LOCAL_OWNER, NOW, Spent(tokens_in=5))
        parts.close()
        yield server


def settled(page: Page) -> None:
    """Wait until the whole page stands, down to its first chart."""
    expect(page.get_by_role("heading", name="Charts")).to_be_visible()
    expect(
        page.get_by_test_id("stVegaLiteChart").first.locator("svg, canvas").first
    ).to_be_visible()


def open_drawer(page: Page, row: int) -> Locator:
    """Press the mark before a row of the table, counted from one."""
    box = box_of(page.get_by_test_id("stDataFrame").locator("canvas").first)
    page.mouse.click(box["x"] + 12, box["y"] + 35 * (row + 0.5))
    return page.get_by_role("dialog")


def test_from_the_figures_to_the_key_and_back(busy: AppServer, page: Page) -> None:
    """Figures, what to do next, the drawer of a row with its past, charts, the file, the form."""
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            wrong.append(message.text)

    page.on("console", listen)
    page.goto(f"{busy.url}/overview")
    settled(page)
    for label, value in (("Keys", "3"), ("Working", "1"), ("Needing attention", "2")):
        figure = page.get_by_test_id("stMetric").filter(has_text=label).first
        expect(figure.get_by_test_id("stMetricValue")).to_have_text(value)
    expect(page.get_by_role("button", name="Check again")).to_be_visible()

    drawer = open_drawer(page, 3)  # worst first
    expect(drawer.get_by_role("heading", name="Production")).to_be_visible()
    expect(drawer.get_by_test_id("stVegaLiteChart").locator("svg, canvas").first).to_be_visible()
    drawer.get_by_role("tab", name="Models").click()
    expect(drawer.get_by_text("2 models")).to_be_visible()
    drawer.get_by_role("tab", name="Events").click()
    expect(drawer.get_by_role("row", include_hidden=True).filter(has_text="Added")).to_have_count(1)
    drawer.get_by_role("tab", name="Use").click()
    expect(drawer.get_by_text("1 message, 0 of them failed")).to_be_visible()
    drawer.press("Escape")  # the tabs, drawn anew, may have lost the focus
    expect(drawer).to_have_count(0)
    settled(page)

    for name, title in (
        ("Availability", "Checks that were answered"),
        ("Latency", "Time until the answer"),
        ("Use", "Messages sent through all keys"),
    ):
        page.get_by_role("tab", name=name).click()
        settled(page)
        chart = page.get_by_test_id("stVegaLiteChart").filter(has_text=title)
        expect(chart.locator("svg, canvas").first).to_be_visible()

    page.get_by_role("button", name="Download CSV").click()
    link = page.get_by_role("link", name="Save keys-")
    expect(link).to_be_visible()
    with page.context.expect_event("page"), page.expect_download() as fetched:
        link.click()
    content = Path(fetched.value.path()).read_bytes().decode("utf-8-sig")
    head, *found = csv.reader(io.StringIO(content, newline=""))
    assert [row[head.index("Name")] for row in found] == ["Former", "Cellar", "Production"]

    page.get_by_role("button", name="Fix this key").click()
    expect(page.get_by_role("textbox", name="Key Name")).to_have_value("Former")
    assert page.url.endswith("/api_keys?provider=groq")
    assert wrong == []


def test_it_fits_in_every_width(busy: AppServer, page: Page) -> None:
    """Nothing but the table's own columns reaches over the edge, on a phone neither."""
    page.goto(f"{busy.url}/overview")
    settled(page)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    for width in (1440, 800, 400):
        expect_to_fit(page, width)
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_it_asks_no_other_host(busy: AppServer, page: Page, asked: list[str]) -> None:
    """Neither the page nor its charts load anything from elsewhere."""
    page.goto(f"{busy.url}/overview")
    settled(page)
    assert asked
    own = (busy.url, busy.url.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []


def test_what_is_answered_or_gone_leaves_no_dialog(busy: AppServer, page: Page) -> None:
    """Neither the question before rejected keys are deleted, nor the drawer of a deleted key.

    It takes two of the keys away, so it is the last one here.
    """
    page.goto(f"{busy.url}/overview")
    settled(page)
    page.get_by_role("button", name="Remove invalid").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("Former")
    asked.get_by_role("button", name="Delete 1 key").click()
    expect(asked).to_have_count(0)
    settled(page)
    expect(page.get_by_role("button", name="Remove invalid")).to_be_disabled()

    drawer = open_drawer(page, 1)
    expect(drawer.get_by_role("heading", name="Cellar")).to_be_visible()
    expect(drawer.get_by_role("tab", name="Models")).to_be_visible()
    look(page)
    parts = busy.parts()
    (cellar,) = (e for e in parts.keys.list(owner=LOCAL_OWNER).entries if e.name == "Cellar")
    parts.keys.remove(cellar.id, owner=LOCAL_OWNER)
    parts.close()
    drawer.get_by_role("tab", name="Models").click()
    expect(drawer).to_have_count(0)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
