"""The Activity page in a real browser: the way there and on, the file, what leaks, what fits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Download, Locator, Page, WebSocket, expect

from mohet_keys.model import LOCAL_OWNER, Doing
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.screen import ApiKeys, box_of, expect_to_fit
from tests.leaks import canary, scan


def table(page: Page) -> Locator:
    """The table, which is a picture with its cells named beside it."""
    return page.get_by_test_id("stDataFrame")


def row(page: Page, *cells: str) -> Locator:
    """The row of the table that has these cells."""
    found = table(page).get_by_role("row", include_hidden=True)
    for cell in cells:
        found = found.filter(has_text=cell)
    return found


def download(page: Page) -> Download:
    """Ask for the file and fetch it, as a person does."""
    page.get_by_role("button", name="Download CSV").click()
    link = page.get_by_role("link", name="Save activity-")
    expect(link).to_be_visible()
    with page.context.expect_event("page"), page.expect_download() as fetched:
        link.click()
    return fetched.value


def has_pandas(app: AppServer) -> bool:
    """Whether the server has loaded what only a table needs, which takes half a second."""
    return "/pandas/" in Path(f"/proc/{app.pid}/maps").read_text()


def test_the_life_of_a_key_is_on_record_and_can_be_taken_along(
    own_app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Add and check a key; see both in the table; save the file, once; go from entry to key."""
    heard: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framereceived",
            lambda data: heard.append(data.encode() if isinstance(data, str) else data),
        )

    page.on("websocket", listen)
    page.on("request", lambda request: heard.append(request.url.encode()))
    secret = canary("sk-proj-")
    keys = ApiKeys(page, own_app.url)
    keys.open("openai")
    keys.add("Canary", secret, simulator.endpoint("openai"))
    keys.expect_badge("Canary", "Invalid")
    assert not has_pandas(own_app)
    page.get_by_role("link", name="Activity", exact=True).click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect(row(page, "Checked", "Canary", "Invalid")).to_have_count(1)
    expect(row(page, "Added", "Canary", "Done")).to_have_count(1)
    assert has_pandas(own_app)  # so that the look at it would be noticed

    file = download(page)
    assert file.suggested_filename.startswith("activity-")
    content = Path(file.path()).read_bytes()
    head, *found = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert [row[head.index("Action")] for row in found] == ["Checked", "Added"]
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
    again = page.request.get(file.url)
    assert (again.status, again.headers["cache-control"]) == (404, "no-store")
    assert b"Canary" not in again.body()
    assert page.request.get(f"{own_app.url}/download/{'x' * 43}").body() == again.body()

    tabs = page.context.pages
    box = box_of(table(page).locator("canvas").first)
    page.mouse.click(box["x"] + box["width"] - 40, box["y"] + 35 * 1.5)  # “Open”
    expect(keys.card("Canary")).to_be_visible()
    assert page.url.endswith("/api_keys?provider=openai")
    assert page.context.pages == tabs

    assert len(b"".join(heard)) > 10_000
    evidence = {"frames and requests": b"\n".join(heard), "file": content}
    assert scan(secret, evidence | {"log": own_app.log.read_bytes()}) == []


@pytest.fixture(scope="module")
def busy_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server on a store in which sixty things happened."""
    with AppServer(tmp_path_factory.mktemp("busy")) as server:
        parts = server.parts()
        for number in range(60):
            parts.repository.journal.begin(
                Doing(
                    *("check", LOCAL_OWNER, LOCAL_OWNER, datetime.now(UTC)),
                    key_id="gone",
                    key_name=f"Key {number:02}",
                    provider="groq",
                    host="api.groq.com",
                    result="valid",
                )
            )
        parts.close()
        yield server


PAGES = ("Chat", "API Keys", "Overview", "Activity")


def test_the_way_between_the_pages_fits(app: AppServer, page: Page) -> None:
    """The links to the pages lead there, and stand in one line and inside, on a phone too."""
    page.goto(f"{app.url}/activity")
    for name in ("Activity", "Overview", "API Keys", "Chat"):
        _link(page, name).click()
        for width in (1440, 400):
            expect_to_fit(page, width)
            boxes = [box_of(_link(page, other)) for other in PAGES]
            assert len({round(box["y"]) for box in boxes}) == 1
            assert boxes[-1]["x"] + boxes[-1]["width"] <= width


def _link(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stPageLink-NavLink").filter(has_text=name).first


def test_t40_pages_are_turned_and_the_table_itself_gives_no_file(
    busy_app: AppServer, page: Page
) -> None:
    """Older shows what is older, and newer comes back. What the table's own tools would save is
    not safe for spreadsheets, so they save nothing."""
    page.goto(f"{busy_app.url}/activity")
    expect(row(page, "Key 59")).to_have_count(1)
    table(page).hover()
    expect(page.get_by_role("button", name="Search: What happened")).to_be_visible()
    assert page.get_by_role("button", name="Download as CSV").count() == 0
    page.get_by_role("button", name="Older").click()
    expect(row(page, "Key 09")).to_have_count(1)
    expect(page.get_by_text("51 to 60")).to_be_visible()
    page.get_by_role("button", name="Newer").click()
    expect(row(page, "Key 59")).to_have_count(1)
