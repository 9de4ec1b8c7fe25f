"""A server of a team as people meet it: nginx, TLS and two processes, one of which is killed."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from mohet_keys.background import shared
from mohet_keys.model import NewKey
from mohet_keys.simulator.server import Simulator
from tests.browser.conftest import FLAGS, LOOK, chromium
from tests.browser.identity_provider import IdentityProvider
from tests.browser.screen import ApiKeys
from tests.browser.secrets import good
from tests.browser.waiting import until
from tests.hosting.machine import NAME, URL, Machine, deployed
from tests.team import allow

GRACE = "grace@example.com"


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The document on hosting, followed; with a real identity provider."""
    folder = tmp_path_factory.mktemp("machine")
    with IdentityProvider(folder) as provider, deployed(folder, provider.url) as running:
        yield running


@pytest.fixture
def tab(browser: Browser, machine: Machine) -> Iterator[Page]:
    """A browser for which the public name leads to this machine's nginx."""
    way = f"--host-resolver-rules=MAP {NAME}:443 127.0.0.1:{machine.tls}"
    own = browser.browser_type.launch(executable_path=chromium(), args=[*FLAGS, way])
    yield own.new_context(ignore_https_errors=True, **LOOK).new_page()
    own.close()


def seed(machine: Machine, simulator: Simulator) -> str:
    """Two checked keys of Grace; the first is selected, with another model than the recommended
    one. Returns that."""
    with closing(machine.parts()) as parts:
        parts.repository.people.arrived(GRACE, "Grace", datetime.now(UTC), administrator=True)
        allow(parts.repository, "127.0.0.1")
        for name in ("Second", "First"):
            secret, endpoint = SecretStr(good("groq", f"-{name}")), simulator.endpoint("groq")
            new = NewKey(provider="groq", name=name, secret=secret, endpoint=endpoint)
            entry = parts.keys.add(new, owner=GRACE).entry
            shared().run(parts.checks.check(entry.id, owner=GRACE), 10)
        check = parts.keys.entry(entry.id, owner=GRACE).check
        assert check
        model = max(check.models)
        parts.keys.select(entry.id, owner=GRACE, model=model)
        return model


def process_of(page: Page) -> int:
    """The port of the process that has the page."""
    (found,) = (c for c in page.context.cookies() if c.get("name") == "mohet_process")
    return int(found.get("value", ""))


def test_a_page_goes_on_at_the_other_process_when_its_own_is_killed(
    machine: Machine, tab: Page, simulator: Simulator
) -> None:
    """Signed in through nginx; nobody reloads anything; keys, selection and model are there."""
    model = seed(machine, simulator)
    tab.goto(URL)
    tab.get_by_role("button", name="Sign in with Company").click()
    tab.get_by_role("button", name="grace", exact=True).click()
    tab.wait_for_url(re.compile(re.escape(URL)))
    keys = ApiKeys(tab, URL)
    keys.open("groq")
    keys.expect_badge("First", "Valid")
    expect(keys.card("First").get_by_text("In use")).to_be_visible()
    expect(tab.get_by_role("button", name=model)).to_be_visible()
    tab.evaluate("window.stayed = true")

    killed = process_of(tab)
    machine.stop(killed, signal.SIGKILL)
    until(lambda: process_of(tab) != killed)
    expect(keys.card("First").get_by_text("In use")).to_be_visible()
    expect(tab.get_by_role("button", name=model)).to_be_visible()
    keys.choose("Second", "Use in chat")
    expect(keys.card("Second").get_by_text("In use")).to_be_visible()
    expect(keys.card("First").get_by_text("In use")).to_have_count(0)
    assert tab.evaluate("window.stayed")
    cookies = {each.get("name", ""): each for each in tab.context.cookies(URL)}
    assert {"_streamlit_user", "_streamlit_xsrf", "mohet_process"} <= set(cookies)
    assert all(each.get("secure") for each in cookies.values())
    log = machine.log()
    assert '"path":"/oauth2callback"' in log
    assert not re.search("code=|state=", log + machine.log("mohet-keys-error.log"))
