"""Makes the pictures in `docs/`: `python -m scripts.screenshots [NAME …]`.

They are of the demo, and of a team made up here. Everything that can be the same each time is:
window, zone, language and the made-up past. What stays is the time of day, and how long ago things
were.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from mohet_keys.model import CheckResult, Diagnosis, Doing, NewKey, Verdict
from mohet_keys.rules import TeamRules
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


# --- a team -------------------------------------------------------------------------------------

HEADER, NAME = "X-Forwarded-Email", "X-Forwarded-Name"
PEOPLE = {
    "grace": "Grace Hopper",
    "ada": "Ada Lovelace",
    "alan": "Alan Turing",
    "katherine": "Katherine Johnson",
}
"""The first one is the administrator, who looks at the page."""
KEYS = (
    ("ada", "openai", "Production", "sk-proj-", True),
    ("ada", "mistral", "Experiments", "", False),
    ("alan", "groq", "Transcripts", "gsk_", True),
    ("alan", "openrouter", "Model comparison", "sk-or-v1-", False),
    ("grace", "openai", "Evaluation", "sk-proj-", False),
)
"""Whose, at which provider, called what, beginning how, and whether the team shares it."""


def address(who: str) -> str:
    """The e-mail address of somebody."""
    return f"{who}@example.com"


@contextmanager
def a_team(folder: Path) -> Iterator[AppServer]:
    """A server for a team, behind a proxy that the browser plays."""
    settings = {
        "MOHET_IDENTITY_HEADER": HEADER,
        "MOHET_IDENTITY_NAME_HEADER": NAME,
        "MOHET_ADMINISTRATORS": address("grace"),
        "MOHET_WATCH_MINUTES": "0",  # made-up keys are shown to no provider
    }
    with AppServer(folder, **settings) as server:
        parts = server.parts()
        now = datetime.now(UTC)
        for hours, (who, name) in enumerate(PEOPLE.items()):
            seen = now - timedelta(hours=5 * hours)
            parts.repository.people.arrived(address(who), name, seen, administrator=who == "grace")
        for number, (who, slug, name, prefix, is_shared) in enumerate(KEYS):
            secret = SecretStr(f"{prefix}{'made0up1' * 5}{number}")
            new = NewKey(provider=slug, name=name, secret=secret)
            entry = parts.keys.add(new, owner=address(who)).entry
            said = Diagnosis(Verdict.VALID, "key works", "The provider accepts this key.")
            result = CheckResult(entry.id, 1, said, now - timedelta(minutes=9), latency_ms=240)
            parts.repository.save_check(result, address(who))
            if is_shared:
                parts.keys.share(entry.id, owner=address(who), version=entry.version)
        rules = TeamRules(hosts=frozenset({"ollama.example.com"}), person_limit=2000)
        parts.repository.rules.save(
            rules, doing=Doing("rules", address("grace"), address("grace"), now)
        )
        parts.close()
        yield server


def team(page: Page, url: str) -> None:
    """Who is there, what they have, and the rules."""
    page.goto(f"{url}/team")
    expect(page.get_by_text(PEOPLE["katherine"]).first).to_be_visible()
    expect(page.get_by_role("button", name="Save rules")).to_be_visible()


Shot = Callable[[Page, str], None]
SHOTS: dict[str, tuple[Shot, int, str]] = {
    "api_keys": (api_keys, 860, "light"),
    "overview": (overview, 1390, "light"),
    "chat": (chat, 760, "light"),
    "activity": (activity, 820, "light"),
    "replace": (replace, 860, "dark"),
    "team": (team, 1130, "light"),
}
"""Each picture by the name of its file: what is on it, its height in pixels, and the theme."""


OF_A_TEAM = {"team"}


def take(browser: Browser, url: str, name: str) -> Path:
    """Make one picture."""
    shot, height, scheme = SHOTS[name]
    first = next(iter(PEOPLE))
    context = browser.new_context(
        extra_http_headers={HEADER: address(first), NAME: PEOPLE[first]},
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
        demo, ours = (Path(folder, name) for name in ("demo", "team"))
        for each in (demo, ours):
            each.mkdir()
        asked = [name for name in SHOTS if name in (names or SHOTS)]
        with AppServer(demo, MOHET_DEMO="1") as server, a_team(ours) as hosted:
            for name in asked:
                url = hosted.url if name in OF_A_TEAM else server.url
                path = take(browser, url, name)
                sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
