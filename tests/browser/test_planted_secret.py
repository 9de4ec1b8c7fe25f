"""The planted secret: after the whole life of a key, nothing anywhere holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mohet_keys.simulator.server import Simulator
from tests import terminal
from tests.browser.app_server import ROOT, AppServer
from tests.browser.screen import ApiKeys
from tests.browser.waiting import until
from tests.leaks import canary, files_below, leak, scan


def command(app: AppServer, *args: str, stdin: str = "") -> bytes:
    """Run the command line on the app's store; everything it says."""
    own = {
        "MOHET_DATA_DIR": str(app.settings.data_dir),
        "MOHET_CONFIG_DIR": str(app.settings.config_dir),
        "HOME": str(app.folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mohet_keys", *args],
        cwd=ROOT,
        env={**os.environ, **own},
        input=stdin.encode(),
        capture_output=True,
        check=False,
    )
    return done.stdout + done.stderr


def live(app: AppServer, simulator: Simulator, page: Page, secret: str) -> bytes:
    """Add, check, fail, echo, rename, refuse, reload, use elsewhere and delete one key."""
    keys = ApiKeys(page, app.url)
    endpoint = simulator.endpoint("openai")
    keys.open("openai")
    keys.add("Canary", secret + " x", endpoint)  # refused: an inner space
    expect(page.get_by_role("textbox", name="API Key")).to_have_value("")
    keys.fill(secret=f"Bearer {secret}\n")
    page.get_by_role("button", name="Save Key").click()
    keys.expect_badge("Canary", "Invalid")
    said = command(app, "check", "openai/Canary", "--json")
    said += command(app, "add", "groq", "Twin", "--secret-stdin", "--json", stdin=secret)
    said += command(app, "add", "openai", "Argument", secret)
    said += command(app, "edit", "openai/Canary", "--endpoint", "https://elsewhere.example/v1")
    keys.choose("Canary", "Edit")
    keys.fill(name="Renamed", secret=secret)
    page.get_by_role("button", name="Update Key").click()
    expect(keys.card("Renamed")).to_be_visible()
    keys.check("Renamed")
    keys.expect_badge("Renamed", "Invalid")
    page.reload()
    keys.expect_badge("Renamed", "Invalid")
    said += command(app, "list", "--json")
    keys.choose("Renamed", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete Key").click()
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    return said


def carry(app: AppServer, simulator: Simulator, secret: str) -> str:
    """Save a key that works, chat through it, and have it in a backup, in a file for another
    machine, and sealed anew under other keys, while the app runs; then delete it."""
    phrase = "a passphrase of five words"
    return terminal.say(
        app.folder,
        (f"add openai Good --endpoint {simulator.endpoint('openai')} --secret-stdin", secret),
        ("chat Hello --key openai/Good --model gpt-6-luna", ""),
        (f"backup {app.folder}/saved.db", ""),
        (f"export {app.folder}/carried.keys --all --passphrase-stdin", phrase),
        ("master-key rotate --new-data-key", ""),
        ("chat Hello --key openai/Good --model gpt-6-luna", ""),
        ("activity", ""),
        ("remove openai/Good --yes", ""),
    )


def evidence(app: AppServer, heard: list[bytes], said: bytes) -> dict[str, bytes]:
    """Everything the run left behind or let out."""
    found = {f"file {name}": content for name, content in files_below(app.folder)}
    found["frames and requests"] = b"\n".join(heard)
    found["command line output"] = said
    found["process"] = process_facts(app)
    return found


def process_facts(app: AppServer) -> bytes:
    """The command line and environment of the running server, as others on the host see them."""
    process = Path(f"/proc/{app.pid}")
    return b"".join((process / name).read_bytes() for name in ("cmdline", "environ"))


def test_t01_t38_nothing_holds_the_secret(
    verbose_app: AppServer,
    simulator: Simulator,
    watched: tuple[Page, list[bytes]],
) -> None:
    """No file, log, frame, address, exit message or argument has the secret, in any form."""
    page, heard = watched
    secret, good = canary("sk-proj-"), canary("sk-proj-sim-good-")
    said = live(verbose_app, simulator, page, secret)
    carried = carry(verbose_app, simulator, good)
    found = evidence(verbose_app, heard, said + carried.encode())
    assert len(b"".join(heard)) > 10_000, "the frames were not heard"
    assert b"already saved as" in said, "the command line was not heard"
    assert carried.count("What can I help you with") == 2, "nothing was chatted through"
    assert carried.splitlines().count("0") == 8, "a command failed"
    for name in ("mohet_keys.db", "saved.db", "carried.keys", "app.log"):
        assert any(place.endswith(name) for place in found), name
    assert scan(secret, found) == scan(good, found) == []


def test_t30_a_key_the_server_echoes_is_scrubbed(
    verbose_app: AppServer,
    simulator: Simulator,
    watched: tuple[Page, list[bytes]],
) -> None:
    """An endpoint that sends the key back in its error does not get it onto the screen."""
    page, heard = watched
    secret = canary("sk-proj-sim-echo-")
    keys = ApiKeys(page, verbose_app.url)
    keys.open("openai")
    keys.add("Echo", secret, simulator.endpoint("openai"))
    keys.expect_badge("Echo", "Invalid")
    assert scan(secret, evidence(verbose_app, heard, b"")) == []


def told(app: AppServer) -> list[dict[str, Any]]:
    """Every whole line of a log of JSON, from its first on."""
    written, _, _ = app.log.read_text().rpartition("\n")
    lines = written.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith("{")), len(lines))
    return [json.loads(line) for line in lines[first:]]


def test_t01_t30_a_log_of_json_has_no_secret_either(
    json_app: AppServer,
    simulator: Simulator,
    page: Page,
) -> None:
    """Neither what was typed nor what a server echoed is in a line, nor the ticket of a download;
    each line is one JSON object, and those of what was done in the tab have its id."""
    typed, echoed = canary("sk-proj-"), canary("sk-proj-sim-echo-")
    keys = ApiKeys(page, json_app.url)
    keys.open("openai")
    for name, secret in (("Canary", typed), ("Echo", echoed)):
        keys.add(name, secret, simulator.endpoint("openai"))
        keys.expect_badge(name, "Invalid")
    page.goto(f"{json_app.url}/activity")
    page.get_by_role("button", name="Download CSV").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").click()
    ticket = download.value.url.rpartition("/")[2]
    until(lambda: any(line.get("path") == "/download/[cut]" for line in told(json_app)))
    found = evidence(json_app, [], b"")
    assert scan(typed, found) == scan(echoed, found) == scan(ticket, found) == []
    lines = told(json_app)
    assert any(line.get("path") == "/download/[cut]" and line["status"] == 200 for line in lines)
    tabs = {line["request"] for line in lines if line["message"] == "session opened"}
    runs = {line["request"] for line in lines if "." in line.get("request", "")}
    assert {run.partition(".")[0] for run in runs} == tabs


@pytest.mark.parametrize("form", ["raw", "base64", "hex", "url", "json", "part"])
@pytest.mark.parametrize("place", ["file", "frames and requests", "command line output"])
def test_the_scan_finds_a_leak_put_in_on_purpose(tmp_path: Path, place: str, form: str) -> None:
    """The same scan fails when the secret is left in one place in one form."""
    secret = canary("sk-proj-")
    (tmp_path / "app.log").write_bytes(b"quiet\n")
    found = {"frames and requests": b"quiet", "command line output": b"quiet"}
    if place == "file":
        (tmp_path / "app.log").write_bytes(b"noise " + leak(secret, form) + b" noise")
    else:
        found[place] += leak(secret, form)
    found.update(files_below(tmp_path))
    assert scan(secret, found) != []
