"""All keys at once, on the Overview: checked while the page goes on, and the rejected removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from mohet_keys.check_all import CheckAll
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Verdict,
)
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving
from tests.leaks import canary
from tests.pages.conftest import ROOT, SHELL

NOW = datetime.now(UTC)
ME = LOCAL_OWNER
Visit = Callable[[], AppTest]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The providers."""
    with Simulator() as running:
        running.world.slow = 60.0
        yield running


@pytest.fixture
def visit(store: Parts) -> Visit:
    """Opens the page as a fresh visitor in Tokyo."""

    def open_() -> AppTest:
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.context = {"timezone": "Asia/Tokyo"}
        at.run()
        return to(at, "overview")

    return open_


def to(at: AppTest, page: str) -> AppTest:
    """The same visitor on a page."""
    at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception
    return at


def save(store: Parts, name: str, verdict: Verdict | None = None, **more: str) -> KeyEntry:
    """A key whose last check came to this verdict."""
    given = {"provider": "groq", "secret": canary("gsk_"), **more}
    secret = SecretStr(given.pop("secret"))
    entry = store.keys.add(NewKey(name=name, secret=secret, **given), owner=ME).entry
    return checked(store, entry, verdict) if verdict else entry


def checked(store: Parts, entry: KeyEntry, verdict: Verdict) -> KeyEntry:
    """The key after a check that came to this verdict."""
    said = Diagnosis(verdict, "key not known", "The provider said so.", "Do something.")
    store.keys.record(CheckResult(entry.id, entry.revision, said, NOW), owner=ME)
    return store.keys.entry(entry.id, owner=ME)


def simulated(store: Parts, sim: Simulator, slug: str, *behaviours: str) -> None:
    """A key for each of these behaviours."""
    for number, behaviour in enumerate(behaviours):
        secret = behaving(slug, behaviour, f"{number:03}")
        save(store, f"{number}", provider=slug, secret=secret, endpoint=sim.endpoint(slug))


def words(at: AppTest) -> str:
    """All running text."""
    shown = (*at.markdown, *at.caption, *at.success, *at.info, *at.error)
    return "\n".join(block.value for block in shown).replace("\u00a0", " ")


def press(at: AppTest, key: str) -> AppTest:
    """Press a button."""
    at.button(key=key).click().run()
    assert not at.exception
    return at


def run_until(at: AppTest, done: Callable[[AppTest], bool]) -> AppTest:
    """Look again and again until it is so; a browser does that by itself."""
    end = time.monotonic() + 15
    while not done(at.run()):
        assert time.monotonic() < end, words(at)
        time.sleep(0.05)
    assert not at.exception
    return at


def shows(at: AppTest, key: str) -> bool:
    """Whether a button is there."""
    return key in {button.key for button in at.button}


def left(store: Parts) -> list[str]:
    """The names of the keys that there are."""
    return [entry.name for entry in store.keys.list(owner=ME, sort="name").entries]


# --- check all --------------------------------------------------------------------------------


def test_all_keys_are_checked_with_a_line_for_each_provider(
    store: Parts, sim: Simulator, visit: Visit
) -> None:
    """One press; at the end the counts stand there until they are put away."""
    simulated(store, sim, "openrouter", "good", "good", "revoked", "down")
    simulated(store, sim, "mistral", "good")
    at = press(visit(), "check-all.start")
    run_until(at, lambda at: shows(at, "check-all.close"))
    assert "**OpenRouter** 4 of 4 · :green[●] 2 valid · :red[●] 1 invalid" in words(at)
    assert "1 unreachable" in words(at)
    assert "**Mistral** 1 of 1" in words(at)
    assert "5 keys checked" in words(at)
    assert not at.button(key="check-all.start").disabled
    press(at, "check-all.close")
    assert "**Mistral** 1 of 1" not in words(at)


def test_a_run_goes_on_while_other_pages_are_looked_at_and_there_is_only_one(
    store: Parts, sim: Simulator, visit: Visit
) -> None:
    """Who comes back finds it still running; cancelled, it says how far it came."""
    simulated(store, sim, "openrouter", "good", "slow", "good", "slow")
    at = press(visit(), "check-all.start")
    run_until(at, lambda at: "2 of 4" in words(at))
    assert at.button(key="check-all.start").disabled
    assert "valid" in words(at)
    to(at, "activity")
    assert not shows(at, "check-all.cancel")
    to(at, "overview")
    assert shows(at, "check-all.cancel")
    assert sum(sim.world.active.values()) == 2
    press(at, "check-all.cancel")
    at.run()
    assert "Cancelled: 2 of 4 keys were checked" in words(at)
    assert not at.button(key="check-all.start").disabled


def test_a_second_press_begins_no_second_run(store: Parts, sim: Simulator, visit: Visit) -> None:
    """Of a double click the second press comes before the button is drawn as one of no use."""
    simulated(store, sim, "openrouter", "slow")
    at = visit()
    state = at.session_state["mohet"].every
    run = state.run = CheckAll(store.keys, store.checks, resources.background(), owner=ME)
    press(at, "check-all.start")
    assert state.run is run
    run.cancel()


def test_a_run_is_not_put_away_before_it_is_over(
    store: Parts, sim: Simulator, visit: Visit
) -> None:
    """A late press of Close is about the run before: the one that runs can still be cancelled."""
    simulated(store, sim, "openrouter", "good")
    at = press(visit(), "check-all.start")
    run_until(at, lambda at: shows(at, "check-all.close"))
    simulated(store, sim, "mistral", "slow")
    state = at.session_state["mohet"].every
    run = state.run = CheckAll(store.keys, store.checks, resources.background(), owner=ME)
    press(at, "check-all.close")
    assert state.run is run
    run.cancel()


def test_what_a_run_may_not_do_is_not_offered(store: Parts, visit: Visit) -> None:
    """Without a key there is nothing to check or to remove."""
    at = visit()
    assert not shows(at, "check-all.start")
    assert not shows(at, "remove-invalid.ask")


# --- remove invalid ---------------------------------------------------------------------------


def test_the_dialog_lists_exactly_what_it_deletes(store: Parts, visit: Visit) -> None:
    """Name, provider, hint, reason and when; the selected one in red; and only those go."""
    rejected = save(store, "Old *one*", Verdict.INVALID)
    save(store, "Offline", Verdict.UNREACHABLE)
    save(store, "Spent", Verdict.LIMITED)
    save(store, "New")
    at = press(visit(), "remove-invalid.ask")
    (line,) = [line for line in words(at).splitlines() if "rejected " in line and "- " in line]
    assert line.startswith("- `Old *one*` · Groq · `")
    assert rejected.hint in line
    assert ":red[key not known]" in line
    assert "Your currently selected key" not in words(at)
    press(at, "remove-invalid.confirm")
    assert left(store) == ["New", "Offline", "Spent"]
    assert "1 key (`Old *one*`) was deleted." in words(at)
    assert at.button(key="remove-invalid.ask").disabled


def test_a_press_that_arrives_twice_is_answered_once(store: Parts, visit: Visit) -> None:
    """What was said of the first stays, whether the second is another yes or a no."""
    save(store, "Old", Verdict.INVALID)
    at = press(visit(), "remove-invalid.ask")
    ids = [at.button(key=f"remove-invalid.{answer}").proto.id for answer in ("confirm", "cancel")]
    press(at, "remove-invalid.confirm")
    for pressed in ids:
        states = at._tree.get_widget_states()
        states.widgets.append(WidgetState(id=pressed, trigger_value=True))
        at._run(states)
        assert not at.exception
        assert "1 key (**Old**) was deleted." in words(at)
        assert "deleted already" not in words(at)


def test_nothing_is_deleted_without_a_yes(store: Parts, visit: Visit) -> None:
    """Cancel closes the dialog, and it stays closed."""
    store.keys.select(save(store, "Old", Verdict.INVALID).id, owner=ME)
    at = press(visit(), "remove-invalid.ask")
    assert "Your currently selected key is among them" in words(at)
    press(at, "remove-invalid.cancel")
    assert not shows(at.run(), "remove-invalid.confirm")
    assert left(store) == ["Old"]


def test_a_key_that_was_mended_while_the_dialog_was_open_stays(store: Parts, visit: Visit) -> None:
    """What changed since it was listed is kept and named; what was rejected since is not taken."""
    fixed, again = save(store, "Fixed", Verdict.INVALID), save(store, "Again", Verdict.INVALID)
    save(store, "Bad", Verdict.INVALID)
    at = press(visit(), "remove-invalid.ask")
    changes = KeyChanges(secret=SecretStr(canary("gsk_")))
    store.keys.edit(fixed.id, changes, owner=ME, version=fixed.version)
    checked(store, again, Verdict.VALID)
    save(store, "Later", Verdict.INVALID)
    press(at, "remove-invalid.confirm")
    assert left(store) == ["Again", "Fixed", "Later"]
    assert "1 key (**Bad**) was deleted." in words(at)
    assert "2 keys (**Again**, **Fixed**) were kept" in words(at)
