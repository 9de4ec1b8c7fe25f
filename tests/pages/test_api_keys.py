"""Stories of the API Keys page, told without a browser."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from mohet_keys.journal import Wanted
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Proven,
    Spent,
    Verdict,
)
from mohet_keys.providers import PROVIDERS
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui import resources
from mohet_keys.ui.text import day, escape
from mohet_keys.ui.verdict_badge import BADGES
from mohet_keys.watches import Next
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.leaks import canary, scan
from tests.pages.conftest import OpenPage

DEAD = "http://127.0.0.1:9/v1"  # the discard port: nothing answers there


def words(at: AppTest) -> str:
    """Everything the page says, in one text."""
    kinds = (at.markdown, at.caption, at.error, at.warning, at.info, at.success, at.text)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def save(store: Parts, name: str = "Production", secret: str | None = None) -> KeyEntry:
    """A Groq key at an address where nothing listens."""
    typed = NewKey(
        provider="groq",
        name=name,
        secret=SecretStr(secret or canary("gsk_")),
        endpoint=DEAD,
    )
    return store.keys.add(typed, owner=LOCAL_OWNER).entry


def fill(at: AppTest, form: str, **values: str) -> None:
    """Type into an open form."""
    for name, value in values.items():
        at.text_input(key=f"{form}.{name}").set_value(value)


@pytest.mark.parametrize("slug", [row.slug for row in PROVIDERS])
def test_an_empty_tab_invites(open_page: OpenPage, slug: str) -> None:
    """Each provider's tab opens by address and invites to add the first key."""
    at = open_page(slug)
    label = next(row.label for row in PROVIDERS if row.slug == slug)
    assert "No API keys yet" in words(at)
    assert f"{label} Keys" in words(at)
    assert at.button(key=f"head.add:{slug}").label == "Add New Key"


def test_only_the_open_tab_is_computed(open_page: OpenPage) -> None:
    """The other five tabs hold nothing until they are opened."""
    at = open_page("groq")
    assert len([button for button in at.button if button.label == "Add New Key"]) == 1


def test_t38_t39_a_saved_key_leaves_no_secret_in_the_session(
    open_page: OpenPage, store: Parts
) -> None:
    """After the callback neither session state nor any element holds the secret."""
    secret = canary("gsk_")
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", name="Production", secret=secret, endpoint=DEAD)
    at.button(key="add:groq.save").click().run()
    assert not at.exception
    assert [entry.name for entry in store.keys.list(owner=LOCAL_OWNER).entries] == ["Production"]
    state = repr({key: at.session_state[key] for key in at.session_state})
    tree = "".join(
        str(element.proto) for kind in ("markdown", "text_input") for element in at.get(kind)
    )
    assert scan(secret, {"state": state.encode(), "tree": tree.encode()}) == []


def test_t38_a_refused_form_keeps_what_was_typed_but_the_secret(open_page: OpenPage) -> None:
    """Name and endpoint stay in the form, the secret is gone, and each field says its problem."""
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", name="Production", secret="two words here", endpoint="ftp://nowhere")
    at.button(key="add:groq.save").click().run()
    assert at.text_input(key="add:groq.name").value == "Production"
    assert at.text_input(key="add:groq.endpoint").value == "ftp://nowhere"
    assert at.text_input(key="add:groq.secret").value == ""
    problems = [text for text in words(at).splitlines() if text.startswith(":red[:material/error:")]
    assert len(problems) == 2
    assert "two words here" not in words(at)


def test_t38_the_edit_form_never_holds_the_secret(open_page: OpenPage, store: Parts) -> None:
    """The secret field starts empty and says how to keep what is saved."""
    entry = save(store)
    at = open_page("groq")
    open_edit(at, entry)
    field = at.text_input(key=f"edit:{entry.id}.secret")
    assert field.value == ""
    assert field.placeholder == f"Leave empty to keep …{entry.hint[-4:]}"


def choose(at: AppTest, entry: KeyEntry, choice: str) -> None:
    """Choose something in a card's menu."""
    at.menu_button(key=f"card.menu:{entry.id}").click(choice).run()
    assert not at.exception


def open_edit(at: AppTest, entry: KeyEntry) -> None:
    """Open a card's edit form."""
    choose(at, entry, "Edit")


def test_t15_a_moved_endpoint_asks_for_the_key_again(open_page: OpenPage, store: Parts) -> None:
    """Changing the address without the key is refused at the key's field."""
    entry = save(store)
    at = open_page("groq")
    open_edit(at, entry)
    fill(at, f"edit:{entry.id}", endpoint="https://elsewhere.example/v1")
    at.button(key=f"edit:{entry.id}.save").click().run()
    assert "Enter the key again" in words(at)
    assert store.keys.entry(entry.id, owner=LOCAL_OWNER).endpoint == DEAD


def test_the_second_editor_keeps_what_was_typed(open_page: OpenPage, store: Parts) -> None:
    """Who was slower is told, keeps the form, and may save over it."""
    entry = save(store)
    at = open_page("groq")
    open_edit(at, entry)
    store.keys.edit(entry.id, KeyChanges(name="Theirs"), owner=LOCAL_OWNER, version=1)
    fill(at, f"edit:{entry.id}", name="Mine")
    at.button(key=f"edit:{entry.id}.save").click().run()
    assert "was changed by local" in words(at)
    assert at.text_input(key=f"edit:{entry.id}.name").value == "Mine"
    at.button(key=f"edit:{entry.id}.save").click().run()
    assert store.keys.entry(entry.id, owner=LOCAL_OWNER).name == "Mine"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_its_badge_and_its_words(
    open_page: OpenPage, store: Parts, verdict: Verdict
) -> None:
    """The card shows the badge, and beside it reason and remedy where there are some."""
    entry = save(store)
    said = Diagnosis(verdict, "some reason", "This happened.", "Do this.")
    result = CheckResult(entry.id, entry.revision, said, datetime.now(UTC), 200, 312)
    store.keys.record(result, owner=LOCAL_OWNER)
    at = open_page("groq")
    text = words(at)
    assert f"{BADGES[verdict][0]}]" in text
    assert "Some reason" in text
    assert "answered in 312 ms" in text


@pytest.mark.parametrize(
    ("credit", "left", "line"),
    [
        (4.2, None, "$4.20 left"),
        (None, 400, "Ends on "),
        (1234.5, 400, "$1,234.50 left · Ends on "),
        (0.0, -400, "$0.00 left · Ended on "),
    ],
)
def test_credit_and_end_are_on_the_card(
    open_page: OpenPage, store: Parts, credit: float | None, left: int | None, line: str
) -> None:
    """Where the provider tells them, as plain words and no formula."""
    entry, now = save(store), datetime.now(UTC)
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    ends = None if left is None else now + timedelta(days=left)
    result = CheckResult(entry.id, entry.revision, said, now, credit=credit, expires_at=ends)
    store.keys.record(result, owner=LOCAL_OWNER)
    shown = words(open_page("groq"))
    assert escape(line).strip() in shown
    if ends:
        assert escape(day(ends, ZoneInfo("Asia/Tokyo"))) in shown


def test_a_card_without_an_account_says_nothing_of_it(open_page: OpenPage, store: Parts) -> None:
    """Nor does a young key remind of anything."""
    save(store)
    shown = words(open_page("groq"))
    assert ":material/account_balance_wallet:" not in shown
    assert ":material/notifications:" not in shown


def checked(
    store: Parts, entry: KeyEntry, verdict: Verdict = Verdict.VALID, days: float | None = None
) -> None:
    """A check just now; its provider ends the key in so many days."""
    now = datetime.now(UTC)
    ends = None if days is None else now + timedelta(days=days)
    said = Diagnosis(verdict, "some reason", "This happened.", "Do this.")
    result = CheckResult(entry.id, entry.revision, said, now, expires_at=ends)
    store.keys.record(result, owner=LOCAL_OWNER)


def test_what_is_coming_is_reminded_of(
    open_page: OpenPage, store: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the card; nothing beside trouble, nor where the setting says never."""
    entry = save(store)
    with sqlite3.connect(tmp_path / "data" / "mohet_keys.db") as database:
        old = str((datetime.now(UTC) - timedelta(days=120)).replace(tzinfo=None))
        database.execute("update api_key set secret_at = ?, created_at = ?", (old, old))
    is_old = escape("This secret is 120 days old. Create a new one at the provider")
    is_unused = escape("Nothing was sent through this key for 60 days or more. Delete it if")
    ends = escape("The provider ends this key in 3 days. Create a new key there")
    shown = words(open_page("groq"))
    assert is_old in shown
    assert is_unused in shown
    store.repository.uses.count(entry.id, LOCAL_OWNER, datetime.now(UTC), Spent())
    checked(store, entry, days=3.1)
    shown = words(open_page("groq"))
    assert -1 < shown.find(ends) < shown.find(is_old)
    assert is_unused not in shown
    checked(store, entry, Verdict.INVALID)
    assert ":material/notifications:" not in words(open_page("groq"))
    checked(store, entry)
    assert is_old in words(open_page("groq"))
    monkeypatch.setenv("MOHET_SECRET_MAX_AGE_DAYS", "0")
    resources.settings.cache_clear()
    assert is_old not in words(open_page("groq"))


def test_an_outage_says_what_was_proven(open_page: OpenPage, store: Parts) -> None:
    """An unreachable key that was valid says both, with the time in the reader's zone."""
    entry = save(store)
    at_time = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    proven = Proven(Verdict.VALID, "key works", at_time)
    for diagnosis in (
        Diagnosis(Verdict.VALID, "key works", "It works."),
        Diagnosis(Verdict.UNREACHABLE, "offline", "No answer came.", "Try later."),
    ):
        result = CheckResult(entry.id, entry.revision, diagnosis, at_time, proven=proven)
        store.keys.record(result, owner=LOCAL_OWNER)
    text = words(open_page("groq"))
    assert "Unreachable]" in text
    assert "It was valid when it was last reached" in text
    assert "25 November 2026" in text


def test_delete_asks_names_the_key_and_warns(open_page: OpenPage, store: Parts) -> None:
    """The dialog names the key and warns in red when it is the selected one."""
    entry = save(store)
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_page("groq")
    choose(at, entry, "Delete")
    assert 'Are you sure you want to delete the API key "**Production**"?' in words(at)
    assert "This is your currently selected key." in words(at)
    pressed = at.button(key="delete.confirm").proto.id
    at.button(key="delete.confirm").click().run()
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    assert "was deleted" in words(at)
    # A busy server may be told twice of one press: the second changes nothing of what was said.
    states = at._tree.get_widget_states()
    states.widgets.append(WidgetState(id=pressed, trigger_value=True))
    at._run(states)
    assert not at.error
    assert "was deleted" in words(at)


def test_a_message_lives_until_the_next_action(open_page: OpenPage, store: Parts) -> None:
    """What was said about one action is gone after the next."""
    entry = save(store)
    at = open_page("groq")
    open_edit(at, entry)
    at.button(key=f"edit:{entry.id}.save").click().run()
    assert "Nothing was changed" in words(at)
    at.button(key=f"edit:{entry.id}.cancel").click().run()
    assert "Nothing was changed" not in words(at)


def test_a_store_that_cannot_be_opened_is_said_on_the_page(
    open_page: OpenPage, tmp_path: Path
) -> None:
    """A file that is no store gets a sentence, no traceback, and is left as it is."""
    data = tmp_path / "data"
    (data / "mohet_keys.db").write_bytes(b"not a database at all" * 100)
    at = open_page("groq")
    assert at.error
    assert not at.button
    assert (data / "mohet_keys.db").read_bytes() == b"not a database at all" * 100


def test_t09_without_the_master_key_the_keys_are_shown_as_locked(
    open_page: OpenPage, store: Parts, tmp_path: Path
) -> None:
    """A lost master key locks the keys and loses none."""
    entry = save(store)
    (tmp_path / "config" / "master.key").unlink()
    st.cache_resource.clear()
    at = open_page("groq")
    assert "right master key" in words(at)
    assert "Locked]" in words(at)
    assert at.button(key=f"card.check:{entry.id}").disabled
    with sqlite3.connect(tmp_path / "data" / "mohet_keys.db") as database:
        assert database.execute("select count(*) from api_key").fetchone() == (1,)
    assert not (tmp_path / "config" / "master.key").exists()


# --- checks ------------------------------------------------------------------------------------


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


def settle(at: AppTest) -> None:
    """Wait for the checks this session started, and draw the page with what came of them."""
    wait(list(at.session_state["mohet"].running.values()), timeout=15)
    at.run()
    assert not at.exception


def save_at(store: Parts, simulator: Simulator, secret: str) -> KeyEntry:
    """A Groq key at the simulator."""
    typed = NewKey(
        provider="groq",
        name="Production",
        secret=SecretStr(secret),
        endpoint=simulator.endpoint("groq"),
    )
    return store.keys.add(typed, owner=LOCAL_OWNER).entry


def test_a_saved_key_is_checked_at_once(open_page: OpenPage, simulator: Simulator) -> None:
    """While the check runs the card says so, and then it shows the badge."""
    simulator.delay = 0.3
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", name="New", secret=good("groq"), endpoint=simulator.endpoint("groq"))
    at.button(key="add:groq.save").click().run()
    assert "Checking]" in words(at)
    settle(at)
    assert "Valid]" in words(at)


def test_a_rerun_never_asks_the_provider_again(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Reruns and other visitors show what is known; the button asks, and asks each time."""
    entry = save_at(store, simulator, good("groq"))
    at = open_page("groq")
    assert simulator.requests == []
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    asked = len(simulator.requests)
    for _ in range(3):
        at.run()
    other = open_page("groq")
    assert "Valid]" in words(other)
    assert asked == len(simulator.requests)
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    assert len(simulator.requests) > asked


def test_t49_what_one_press_begins_has_one_request_id(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The key that is saved and its check in the background have that of the press; the next press
    has another."""
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", name="New", secret=good("groq"), endpoint=simulator.endpoint("groq"))
    at.button(key="add:groq.save").click().run()
    settle(at)
    (entry,) = store.keys.list(owner=LOCAL_OWNER).entries
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    again, checked, added = store.repository.journal.page(Wanted(), limit=9)
    assert [each.action for each in (again, checked, added)] == ["check", "check", "add"]
    assert checked.request_id == added.request_id != again.request_id


def test_choosing_a_key_asks_only_when_nothing_is_known(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """A key checked in this session within five minutes is taken as it is."""
    entry = save_at(store, simulator, good("groq"))
    at = open_page("groq")
    choose(at, entry, "Use in chat")
    settle(at)
    asked = len(simulator.requests)
    assert asked > 0
    assert "In use]" in words(at)
    choose(at, entry, "Use in chat")
    settle(at)
    assert asked == len(simulator.requests)
    selection = store.keys.selection(owner=LOCAL_OWNER)
    assert selection is not None
    assert entry.id == selection.key_id


def test_choosing_a_key_that_is_gone_is_no_success(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Who chooses a key that somebody deleted a moment ago is told so."""
    entry = save_at(store, simulator, good("groq"))
    at = open_page("groq")
    store.keys.remove(entry.id, owner=LOCAL_OWNER)
    choose(at, entry, "Use in chat")
    assert "There is no such key" in words(at)
    assert "is now the key" not in words(at)


def test_a_key_checked_and_edited_at_once_is_checked_in_its_new_form(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """A check of the old secret that still runs does not stand in for one of the new."""
    entry = save_at(store, simulator, behaving("groq", "revoked"))
    simulator.delay = 0.4
    at = open_page("groq")
    at.button(key=f"card.check:{entry.id}").click().run()
    open_edit(at, entry)
    fill(at, f"edit:{entry.id}", secret=good("groq"))
    at.button(key=f"edit:{entry.id}.save").click().run()
    settle(at)
    assert "Valid]" in words(at)


def test_a_check_that_breaks_is_said(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """A check of a key that was deleted meanwhile ends in a sentence, not in a spinner."""
    entry = save_at(store, simulator, good("groq"))
    at = open_page("groq")
    store.keys.remove(entry.id, owner=LOCAL_OWNER)
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    assert "There is no such key" in words(at)


def test_a_wrong_path_is_mended_with_one_click_where_no_key_is_needed(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """A server without keys is moved to the form of its address that answers, and checked."""
    wrong = simulator.endpoint("ollama").removesuffix("/v1") + "/openai/v1"
    typed = NewKey(provider="ollama", name="Home", secret=SecretStr(""), endpoint=wrong)
    entry = store.keys.add(typed, owner=LOCAL_OWNER).entry
    at = open_page("ollama")
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    assert "Wrong endpoint]" in words(at)
    at.button(key=f"card.endpoint:{entry.id}").click().run()
    settle(at)
    assert "Valid]" in words(at)
    assert simulator.endpoint("ollama") == store.keys.entry(entry.id, owner=LOCAL_OWNER).endpoint


def test_t15_a_wrong_path_with_a_key_asks_for_the_key_again(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The form opens with the address that answers, and wants the key for it."""
    wrong = simulator.endpoint("mistral").removesuffix("/v1")
    typed = NewKey(
        provider="mistral", name="Home", secret=SecretStr(good("mistral")), endpoint=wrong
    )
    entry = store.keys.add(typed, owner=LOCAL_OWNER).entry
    at = open_page("mistral")
    at.button(key=f"card.check:{entry.id}").click().run()
    settle(at)
    at.button(key=f"card.endpoint:{entry.id}").click().run()
    assert "Enter the key again" in words(at)
    form = f"edit:{entry.id}"
    assert simulator.endpoint("mistral") == at.text_input(key=f"{form}.endpoint").value
    fill(at, form, secret=good("mistral"))
    at.button(key=f"{form}.save").click().run()
    settle(at)
    assert "Valid]" in words(at)


# --- forms -------------------------------------------------------------------------------------


def test_plain_http_is_offered_only_after_it_was_refused(open_page: OpenPage, store: Parts) -> None:
    """Sending a key in clear over a public network takes an explicit yes."""
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    assert not at.checkbox
    fields = {"name": "Plain", "endpoint": "http://proxy.example/v1"}
    fill(at, "add:groq", secret=canary("gsk_"), **fields)
    at.button(key="add:groq.save").click().run()
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    at.checkbox(key="add:groq.allow_http").check()
    fill(at, "add:groq", secret=canary("gsk_"), **fields)
    at.button(key="add:groq.save").click().run()
    (entry,) = store.keys.list(owner=LOCAL_OWNER).entries
    assert entry.allow_http


def test_t38_t39_a_cancelled_form_leaves_no_secret_in_the_session(open_page: OpenPage) -> None:
    """What was typed as a secret is dropped with the form."""
    secret = canary("gsk_")
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", secret=secret)
    at.button(key="add:groq.cancel").click().run()
    state = repr({key: at.session_state[key] for key in at.session_state})
    assert scan(secret, {"state": state.encode()}) == []


def test_what_was_mended_is_said_on_the_card(open_page: OpenPage) -> None:
    """Quotes around the key and a tail of the address come off, and the card tells it."""
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    typed = f"{DEAD}/chat/completions"
    fill(at, "add:groq", name="Mended", secret=f'"{canary("gsk_")}"', endpoint=typed)
    at.button(key="add:groq.save").click().run()
    assert "Took off the quotes around the key" in words(at)
    assert "off the end of the address" in words(at)


@pytest.mark.parametrize("slug", ["nobody", "", "GROQ", "../x"])
def test_an_unknown_provider_in_the_address_opens_the_first_tab(
    open_page: OpenPage, slug: str
) -> None:
    """A mistyped address is no error."""
    assert "OpenAI Keys" in words(open_page(slug))


def test_a_tab_that_is_named_by_its_former_label_stays_open(
    open_page: OpenPage, store: Parts
) -> None:
    """The count in a label may change while a browser still tells of the one before: nobody is led
    to another tab, and what was said and typed stays."""
    page = open_page("groq")
    former = page.session_state["api_keys.tab"]
    (tabs,) = page.get("tab_container")
    page.button(key="head.add:groq").click().run()
    store.keys.add(
        NewKey(provider="groq", name="New", secret=SecretStr("gsk_" + "n" * 40)), owner=LOCAL_OWNER
    )
    page.run()
    sent = WidgetStates()
    sent.widgets.add(id=tabs.proto.id, string_value=former)
    page._run(sent)
    assert "Groq Keys" in words(page)
    assert "Save Key" in [button.label for button in page.button]


def test_a_card_says_when_its_key_is_looked_at_next(
    open_page: OpenPage, store: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the reader's zone; and nothing where the watcher is off."""
    entry = store.keys.add(
        NewKey(provider="groq", name="Watched", secret=SecretStr("gsk_" + "w" * 40)),
        owner=LOCAL_OWNER,
    ).entry
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    store.keys.record(CheckResult(entry.id, 1, said, datetime.now(UTC)), owner=LOCAL_OWNER)
    at = datetime.now(UTC) + timedelta(minutes=20)
    store.repository.watches.put([Next(entry.id, at)])
    seen = at.astimezone(ZoneInfo("Asia/Tokyo"))
    page = open_page("groq")
    assert any(f"{seen:%H:%M}" in each.value and " · next " in each.value for each in page.markdown)
    off = resources.settings().model_copy(update={"watch_minutes": 0.0})
    with monkeypatch.context() as patched:
        patched.setattr(resources, "settings", lambda: off)
        assert not any(" · next " in each.value for each in page.run().markdown)
