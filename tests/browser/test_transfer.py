"""Keys carried from one machine to another, by the page, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from mohet_keys.model import LOCAL_OWNER
from tests.browser.app_server import AppServer
from tests.browser.test_planted_secret import evidence
from tests.leaks import canary, scan

PASSPHRASE = "correct horse battery"


def hand_in(page: Page, file: Path) -> None:
    """Choose a file in the uploader, and see what it would bring in."""
    page.set_input_files("input[type=file]", file)
    expect(page.get_by_text(file.name, exact=False).first).to_be_visible()


def test_t40_keys_travel_and_leave_no_trace_on_the_way(
    verbose_app: AppServer, watched: tuple[Page, list[bytes]], tmp_path: Path
) -> None:
    """From a `.env` file into the store, out in a protected file, which is fetched once and whose
    keys are known again; and no frame, file, log or address has a secret of them."""
    page, heard = watched
    groq, openai = canary("gsk_"), canary("sk-proj-")
    dotenv = tmp_path.parent / f"{tmp_path.name}-team.env"
    dotenv.write_text(f"export GROQ_API_KEY='{groq}'\nOPENAI_API_KEY={openai}\nPORT=1\n")
    page.goto(f"{verbose_app.url}/transfer")
    hand_in(page, dotenv)
    page.get_by_role("button", name="Import 2 keys").click()
    expect(page.get_by_text("2 keys were brought in")).to_be_visible()

    page.get_by_text("All 2 keys").click()
    expect(page.get_by_text("Keys to export")).to_be_hidden()
    expect(page.get_by_role("textbox", name="Passphrase once more")).to_have_count(1)
    page.get_by_role("textbox", name="Passphrase", exact=True).fill(PASSPHRASE)
    page.get_by_role("textbox", name="Passphrase once more").fill(PASSPHRASE)
    page.get_by_role("button", name="Make the file").click()
    link = page.get_by_role("link", name="Save mohet-keys")
    address = link.get_attribute("href") or ""
    with page.expect_download() as fetched:
        link.click()
    carried = tmp_path.parent / f"{tmp_path.name}-keys.json"
    fetched.value.save_as(carried)
    assert json.loads(carried.read_text())["format"] == "mohet-keys-export"
    assert page.request.get(f"{verbose_app.url}{address}").status == 404  # once is enough

    hand_in(page, carried)
    page.get_by_role("textbox", name="Passphrase of the file").fill(PASSPHRASE)
    page.get_by_role("button", name="Open the file").click()
    expect(page.get_by_text(f"What {carried.name} would bring in")).to_be_visible()
    expect(page.get_by_role("button", name="Import 0 keys")).to_be_disabled()

    parts = verbose_app.parts()
    opened = {e.provider: e.id for e in parts.keys.list(owner=LOCAL_OWNER).entries}
    assert parts.keys.open(opened["groq"], owner=LOCAL_OWNER).secret == groq
    parts.close()
    found = evidence(verbose_app, heard, carried.read_bytes())
    for secret in (groq, openai, PASSPHRASE):
        assert scan(secret, found) == []
