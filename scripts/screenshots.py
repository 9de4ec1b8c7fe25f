"""Makes the pictures in `docs/` from the demo: `python -m scripts.screenshots [NAME …]`.

Everything that can be the same each time is: window, zone, language and the made-up past. What
stays is the time of day, and how long ago things were.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.app_server import ROOT, AppServer
from tests.browser.chat_screen import ChatScreen
from tests.browser.conftest import FLAGS, chromium
from tests.browser.screen import ApiKeys

WIDTH = 1440
FOLDER = ROOT / "docs"
SETTLED = 1200
"""Milliseconds until what moves has come to rest."""


def api_keys(page: Page, url: str) -> None:
    """A tab with keys in several verdicts."""
    ApiKeys(page, url).open("openai")
    expect(page.get_by_text("Old Marketing Site").first).to_be_visible()


def overview(page: Page, url: str) -> None:
    """All keys at a glance."""
    page.goto(f"{url}/overview")
    expect(page.get_by_text("Needs attention").first).to_be_visible()
    expect(page.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()
    # What stands below comes last, and moves what is above until then.
    chart = page.get_by_test_id("stVegaLiteChart").locator("svg, canvas")
    expect(chart.first).to_be_visible()


def chat(page: Page, url: str) -> None:
    """A question and its answer."""
    screen = ChatScreen(page, url)
    screen.open()
    screen.send("How do we keep our API keys safe?")
    screen.expect_done("A new secret every 90 days")


def activity(page: Page, url: str) -> None:
    """What happened to the keys."""
    page.goto(f"{url}/activity")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def replace(page: Page, url: str) -> None:
    """What is wrong with two keys and what to do, and the form for a new secret of a third."""
    keys = ApiKeys(page, url)
    keys.open("mistral")
    keys.choose("Invoice Reader", "Replace secret")
    expect(page.get_by_role("textbox", name="API Key")).to_be_visible()


Shot = Callable[[Page, str], None]
SHOTS: dict[str, tuple[Shot, int, str]] = {
    "api_keys": (api_keys, 860, "light"),
    "overview": (overview, 1390, "light"),
    "chat": (chat, 760, "light"),
    "activity": (activity, 820, "light"),
    "replace": (replace, 860, "dark"),
}
"""Each picture by the name of its file: what is on it, its height in pixels, and the theme."""


def take(browser: Browser, url: str, name: str) -> Path:
    """Make one picture."""
    shot, height, scheme = SHOTS[name]
    context = browser.new_context(
        viewport={"width": WIDTH, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Europe/Berlin",
        locale="en-US",
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    shot(page, url)
    page.mouse.move(0, height - 1)
    page.wait_for_timeout(SETTLED)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    context.close()
    return path


def main(names: list[str]) -> int:
    """Make the pictures of these names, or all. Returns the exit status."""
    unknown = set(names) - set(SHOTS)
    if unknown:
        sys.stderr.write(f"There are {', '.join(SHOTS)}; not {', '.join(sorted(unknown))}.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with AppServer(Path(folder), MOHET_DEMO="1") as server:
            for name in names or SHOTS:
                path = take(browser, server.url, name)
                sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
