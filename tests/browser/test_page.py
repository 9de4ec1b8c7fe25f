"""What the API Keys page shows and how it behaves around the keys themselves."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from mohet_keys.model import LOCAL_OWNER, KeyChanges, NewKey
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer, free_port
from tests.browser.screen import ApiKeys, box_of, expect_to_fit
from tests.browser.secrets import behaving, good
from tests.browser.waiting import Stopwatch
from tests.leaks import canary
from tests.sink import Sink, reply


def seed(app: AppServer, slug: str, endpoint: str, *names: str) -> list[str]:
    """Save keys from the test's side; gives their ids."""
    parts = app.parts()
    saved = [
        parts.keys.add(
            NewKey(
                provider=slug,
                name=name,
                secret=SecretStr(good(slug, str(number))),
                endpoint=endpoint,
            ),
            owner=LOCAL_OWNER,
        ).entry.id
        for number, name in enumerate(names)
    ]
    parts.close()
    return saved


def test_a_deep_link_opens_its_tab_on_a_cold_server(own_app: AppServer, page: Page) -> None:
    """The first visitor of a fresh server may come straight to a provider's tab."""
    keys = ApiKeys(page, own_app.url)
    keys.open("mistral")
    expect(page.get_by_role("tab", selected=True)).to_contain_text("Mistral")
    expect(page.get_by_role("heading", name="API Keys").first).to_be_visible()
    expect(page.get_by_text("6 providers available")).to_be_visible()


def test_the_open_tab_is_in_the_address(app: AppServer, page: Page) -> None:
    """The address names the open tab, and reload and the back button keep to it."""
    keys = ApiKeys(page, app.url)
    keys.open("openai")
    page.get_by_role("tab", name="Groq").click()
    expect(page.get_by_role("heading", name="Groq Keys")).to_be_visible()
    assert "/api_keys?provider=groq" in page.url
    page.get_by_role("tab", name="Ollama").click()
    expect(page.get_by_role("heading", name="Ollama Keys")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Groq Keys")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Groq Keys")).to_be_visible()


def test_bad_input_is_explained_at_its_field_and_kept(app: AppServer, page: Page) -> None:
    """A refusal stands below the field, what was typed stays, and the secret does not."""
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    keys.add("Kept name", "two words", "https://api.groq.com/openai/v1")
    expect(page.get_by_text("space", exact=False).first).to_be_visible()
    expect(page.get_by_role("textbox", name="Key Name")).to_have_value("Kept name")
    expect(page.get_by_role("textbox", name="API Key")).to_have_value("")
    assert app.parts().keys.counts(owner=LOCAL_OWNER) == {}


def test_a_failing_key_is_saved_and_says_why(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A key the provider refuses is kept, with the reason and what to do next."""
    keys = ApiKeys(page, app.url)
    keys.open("openai")
    keys.add("Broken", behaving("openai", "revoked"), simulator.endpoint("openai"))
    keys.expect_badge("Broken", "Invalid")
    expect(keys.card("Broken")).to_contain_text("OpenAI does not")


def test_every_provider_down_still_draws_the_page(app: AppServer, page: Page) -> None:
    """With nothing listening anywhere the page draws as fast as ever, and the check says so."""
    dead = f"http://127.0.0.1:{free_port()}/v1"
    keys = ApiKeys(page, app.url)
    keys.open("openai")  # the first visit warms the server up
    seed(app, "openai", dead, "Down")
    watch = Stopwatch()
    keys.open("openai")
    expect(keys.card("Down")).to_be_visible()
    assert watch.seconds < 5
    keys.check("Down")
    keys.expect_badge("Down", "Unreachable")


def test_three_hundred_keys_are_paged_searched_and_sorted(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Twelve cards a page, and search finds one of three hundred."""
    seed(app, "mistral", simulator.endpoint("mistral"), *[f"Key {n:03}" for n in range(300)])
    keys = ApiKeys(page, app.url)
    keys.open("mistral")
    cards = page.locator("[class*='st-key-keycard-']")
    expect(cards).to_have_count(12)
    expect(page.get_by_text("300 keys")).to_be_visible()
    search = page.get_by_role("searchbox", name="Search keys")
    search.fill("Key 123")
    search.press("Enter")
    expect(cards).to_have_count(1)
    expect(keys.card("Key 123")).to_be_visible()


def test_the_page_fits_a_phone(app: AppServer, simulator: Simulator, page: Page) -> None:
    """At 400 pixels the cards stand below each other and nothing sticks out."""
    seed(app, "groq", simulator.endpoint("groq"), "One", "Two")
    page.set_viewport_size({"width": 400, "height": 800})
    ApiKeys(page, app.url).open("groq")
    cards = page.locator("[class*='st-key-keycard-']")
    expect(cards).to_have_count(2)
    expect_to_fit(page, 400)
    first, second = (box_of(cards.nth(n)) for n in range(2))
    assert first["x"] == pytest.approx(second["x"], abs=2)
    assert second["y"] > first["y"] + first["height"] - 2


def test_the_buttons_of_a_row_stand_in_one_line(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Also when one card has more to say than the one beside it."""
    seed(app, "groq", simulator.endpoint("groq"), "One", "Two")
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    keys.check("One")
    expect(keys.card("One")).to_contain_text("answered in")
    names = ("One", "Two")
    texts = [box_of(keys.card(name).get_by_test_id("stMarkdown").nth(1)) for name in names]
    assert texts[0]["height"] > texts[1]["height"]
    ends = [box_of(keys.card(n).get_by_role("button", name="Check API Key")) for n in names]
    assert ends[0]["y"] == ends[1]["y"]
    assert ends[0]["x"] != ends[1]["x"]


def test_the_dark_theme_is_dark(app: AppServer, page: Page) -> None:
    """A browser that prefers dark gets light words on a dark page."""
    page.emulate_media(color_scheme="dark")
    ApiKeys(page, app.url).open("groq")
    app_box = page.get_by_test_id("stApp")
    assert app_box.evaluate("box => getComputedStyle(box).backgroundColor") == "rgb(15, 23, 43)"
    assert app_box.evaluate("box => getComputedStyle(box).color") == "rgb(241, 245, 249)"


def test_two_people_editing_one_key_lose_nothing(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The second is told who was faster and when, keeps what was typed, and can save over it."""
    (key_id,) = seed(app, "groq", simulator.endpoint("groq"), "Shared")
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    keys.choose("Shared", "Edit")
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()
    other = app.parts()
    other.keys.edit(key_id, KeyChanges(name="Theirs"), owner=LOCAL_OWNER, version=1)
    keys.fill(name="Mine")
    page.get_by_role("button", name="Update Key").click()
    expect(page.get_by_text("was changed by local on")).to_be_visible()
    expect(page.get_by_role("textbox", name="Key Name")).to_have_value("Mine")
    page.get_by_role("button", name="Update Key").click()
    expect(keys.card("Mine")).to_be_visible()
    assert other.keys.entry(key_id, owner=LOCAL_OWNER).name == "Mine"
    other.close()


def test_update_with_nothing_changed_says_so(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Nothing changed, nothing saved, and a sentence that says it."""
    seed(app, "groq", simulator.endpoint("groq"), "Same")
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    keys.choose("Same", "Edit")
    page.get_by_role("button", name="Update Key").click()
    expect(page.get_by_text("Nothing was changed")).to_be_visible()


def test_deleting_the_selected_key_warns_in_red(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The dialog says that the key is in use, and deleting it clears the selection."""
    (key_id,) = seed(app, "groq", simulator.endpoint("groq"), "Chosen")
    parts = app.parts()
    parts.keys.select(key_id, owner=LOCAL_OWNER)
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    keys.choose("Chosen", "Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This is your currently selected key.")
    dialog.get_by_role("button", name="Delete Key").click()
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    assert parts.keys.selection(owner=LOCAL_OWNER) is None
    parts.close()


def test_a_key_of_another_provider_is_held_and_moved_with_one_click(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A Groq key saved under OpenAI is sent nowhere until it is moved to Groq."""
    keys = ApiKeys(page, app.url)
    keys.open("openai")
    before = len(simulator.requests)
    keys.add("Stray", good("groq", "stray"), simulator.endpoint("openai"))
    expect(keys.card("Stray")).to_contain_text("This looks like a Groq key")
    assert len(simulator.requests) == before
    keys.card("Stray").get_by_role("button", name="Move to Groq").click()
    expect(page.get_by_text("was moved to Groq")).to_be_visible()
    page.get_by_role("tab", name="Groq").click()
    expect(keys.card("Stray")).to_contain_text("https://api.groq.com/openai/v1")


HOSTILE = (
    "![x](https://evil.example/x.png)",
    "<img src=https://evil.example/y.png>",
    ":blue-badge[x] :red[x] :streamlit:",
    "www.evil.example",
    "$x^2$ `code` -> x",
)


def test_t31_a_name_is_shown_to_the_letter_and_loads_nothing(
    app: AppServer, simulator: Simulator, page: Page, asked: list[str]
) -> None:
    """Names that look like Markdown or HTML stay text, and the browser asks nobody else."""
    seed(app, "groq", simulator.endpoint("groq"), *HOSTILE)
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    for name in HOSTILE:
        expect(keys.card(name)).to_be_visible()
    assert page.locator("a[href*='evil']").count() == 0
    own = (app.url, "data:", "blob:", app.url.replace("http", "ws"))
    assert [url for url in asked if not url.startswith(own)] == []


RUDE = (
    "No ![x](https://evil.example/x.png) <img src=https://evil.example/y.png>",
    "No :red[x] $x^2$ :material/home: www.evil.example \u202egnp.x\u202c \x1b[31m",
)


def test_t31_a_server_is_quoted_to_the_letter_and_loads_nothing(
    app: AppServer, page: Page, asked: list[str]
) -> None:
    """What servers write into their refusals stands on the cards as text, on one line, without
    marks of direction or control characters, and the browser asks nobody else."""
    keys = ApiKeys(page, app.url)
    keys.open("openai")
    for number, text in enumerate(RUDE):
        said = json.dumps({"error": {"message": text, "code": "no"}}).encode()
        with Sink(reply(said, status="403 Forbidden")) as sink:
            keys.add(f"Rude {number}", canary("sk-proj-"), sink.url())
            keys.expect_badge(f"Rude {number}", "Valid, limited")
        card = keys.card(f"Rude {number}")
        shown = card.inner_text().replace("\u2060", "")  # an invisible joiner of our own
        assert f"It says: “{text[:40]}" in shown
        assert not {"\u202e", "\u202c", "\x1b"} & set(shown)
        assert card.locator("img[src*='evil'], a[href*='evil'], .katex").count() == 0
    own = (app.url, "data:", "blob:", app.url.replace("http", "ws"))
    assert [url for url in asked if not url.startswith(own)] == []


def test_the_server_sends_security_headers_and_says_it_is_well(app: AppServer, page: Page) -> None:
    """Every answer forbids remote images and framing; the health check says ok."""
    answer = page.request.get(f"{app.url}/healthz")
    assert (answer.status, answer.text()) == (200, "ok")
    policy = page.request.get(f"{app.url}/").headers["content-security-policy"]
    assert "img-src 'self' data: blob:" in policy
    assert "frame-ancestors 'none'" in policy
