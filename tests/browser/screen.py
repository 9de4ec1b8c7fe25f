"""What a person does on the API Keys page, in a person's words."""

from __future__ import annotations

import contextlib
import re

from playwright.sync_api import Error, FloatRect, Locator, Page, expect

from tests.browser.waiting import PATIENCE


class ApiKeys:
    """The API Keys page in one browser tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, slug: str) -> None:
        """Go to a provider's tab by its address."""
        self.page.goto(f"{self.url}/api_keys?provider={slug}")
        expect(self.tab_panel()).to_be_visible()

    def tab_panel(self) -> Locator:
        """What the open tab shows."""
        return self.page.get_by_role("tabpanel")

    def add(self, name: str, secret: str, endpoint: str) -> None:
        """Fill the add form and save it."""
        self.page.get_by_role("button", name="Add New Key").click()
        self.fill(name, secret, endpoint)
        self.page.get_by_role("button", name="Save Key").click()

    def fill(
        self, name: str | None = None, secret: str | None = None, endpoint: str | None = None
    ) -> None:
        """Type into the open form; None leaves a field alone."""
        fields = {"Key Name": name, "API Key": secret, "Endpoint": endpoint}
        for label, value in fields.items():
            if value is not None:
                self.page.get_by_role("textbox", name=label).fill(value)

    def card(self, name: str) -> Locator:
        """The card of the key with this name."""
        cards = self.page.locator("[class*='st-key-keycard-']")
        return cards.filter(has=self.page.get_by_text(name, exact=True))

    def choose(self, name: str, choice: str) -> None:
        """Choose something in the menu of a card."""
        entry = self.page.get_by_role("menuitem", name=choice)
        for _ in range(6):  # a check that ends in between draws the card anew and closes the menu
            if not entry.is_visible():
                self.card(name).get_by_role("button", name="Actions").click()
            with contextlib.suppress(Error):
                entry.click(timeout=5000)
                return
        raise AssertionError(f"the menu of {name} does not stay open")

    def check(self, name: str) -> None:
        """Press Check API Key on a card."""
        self.card(name).get_by_role("button", name="Check API Key").click()

    def expect_badge(self, name: str, words: str) -> None:
        """Wait until the card's badge says these words."""
        badge = self.card(name).get_by_text(re.compile(rf"^\s*(\w+\s*)?{re.escape(words)}\s*$"))
        expect(badge.first).to_be_visible()


# --- where things stand -------------------------------------------------------------------------


def expect_to_fit(page: Page, width: int, height: int = 900) -> None:
    """In a window of this size nothing reaches over its edge, once the page has been laid out."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(
        """width => innerWidth === width &&
            [document.documentElement, document.querySelector('[data-testid=stMain]')].every(
                box => box && box.scrollWidth <= box.clientWidth)""",
        arg=width,
        timeout=PATIENCE * 1000,
    )


def box_of(target: Locator) -> FloatRect:
    """Where something stands, once it stands still."""
    expect(target).to_be_visible()
    before = None
    for _ in range(100):
        box = target.bounding_box()
        if box is not None and box == before:
            return box
        before = box
        target.page.wait_for_timeout(100)
    raise AssertionError(f"{target} does not stand still")
