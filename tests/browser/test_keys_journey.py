"""The life of a key in a real browser, for each of the six providers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from mohet_keys.providers import PROVIDERS
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.screen import ApiKeys
from tests.browser.secrets import good, revoked


@pytest.mark.parametrize("slug", [row.slug for row in PROVIDERS])
def test_a_key_can_be_added_checked_spoilt_mended_and_deleted(
    slug: str, app: AppServer, simulator: Simulator, page: Page
) -> None:
    """From an empty tab to a valid key, a wrong one, a mended one, and an empty tab again."""
    keys = ApiKeys(page, app.url)
    keys.open(slug)
    expect(page.get_by_text("No API keys yet")).to_be_visible()

    keys.add("Production", good(slug), simulator.endpoint(account(slug)))
    keys.expect_badge("Production", "Valid")
    keys.check("Production")
    keys.expect_badge("Production", "Valid")

    keys.choose("Production", "Edit")
    keys.fill(secret=revoked(slug))
    page.get_by_role("button", name="Update Key").click()
    keys.expect_badge("Production", "Invalid")

    keys.choose("Production", "Edit")
    keys.fill(name="Mended", secret=good(slug, "mended"))
    page.get_by_role("button", name="Update Key").click()
    keys.expect_badge("Mended", "Valid")

    keys.choose("Mended", "Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text('Are you sure you want to delete the API key "Mended"?')
    dialog.get_by_role("button", name="Delete Key").click()
    expect(page.get_by_text("No API keys yet")).to_be_visible()


def account(slug: str) -> str:
    """The simulator's server that asks for a key, also where the usual local one does not."""
    return {"ollama": "ollama-cloud", "lmstudio": "lmstudio-auth"}.get(slug, slug)
