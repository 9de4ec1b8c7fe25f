"""The Overview page: figures, what to do next, the table, its drawer, the charts, a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, KeyEntry, NewKey, Spent, Verdict
from mohet_keys.tables import KEY
from mohet_keys.ui.downloads import DOWNLOADS, PLACE
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.pages.conftest import ROOT, SHELL, OpenPage

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def visit(open_page: OpenPage) -> Callable[[], AppTest]:
    """Opens the page as a fresh visitor in Tokyo."""

    def open_() -> AppTest:
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.context = {"timezone": "Asia/Tokyo"}
        at.run()
        at.switch_page(str(ROOT / "pages" / "overview.py")).run()
        assert not at.exception
        return at

    return open_


def save(store: Parts, name: str, provider: str = "groq", **more: str) -> KeyEntry:
    """A key."""
    secret = more.pop("secret", "") or canary("gsk_" if provider == "groq" else "")
    new = NewKey(provider=provider, name=name, secret=SecretStr(secret), **more)
    return store.keys.add(new, owner=LOCAL_OWNER).entry


def check(store: Parts, entry: KeyEntry, verdict: Verdict, **more: Any) -> None:
    """A check of it."""
    said = Diagnosis(verdict, f"{verdict} then", "What happened.", "What to do.", **more)
    told = CheckResult(entry.id, entry.revision, said, NOW, latency_ms=120, models=("m-1", "m-2"))
    store.repository.save_check(told, LOCAL_OWNER)


def age(store: Parts, entry: KeyEntry, days: int) -> None:
    """Make its secret that old."""
    with store.repository._database.writing() as connection:
        there = KEY.update().where(KEY.c.id == entry.id)
        connection.execute(there.values(secret_at=NOW - days * DAY))


def rows(at: AppTest) -> list[dict[str, Any]]:
    """What the table shows."""
    return list(at.dataframe[0].value.to_dict("records"))


def column(at: AppTest, name: str) -> list[Any]:
    """One column of it."""
    return [row[name] for row in rows(at)]


def words(at: AppTest) -> str:
    """All running text."""
    return "\n".join(block.value for block in (*at.markdown, *at.caption, *at.success))


def figures(at: AppTest) -> dict[str, str]:
    """The row on top."""
    return {metric.label: metric.value for metric in at.metric}


def labels(at: AppTest, prefix: str) -> list[str]:
    """What the buttons with such keys say."""
    return [button.label for button in at.button if (button.key or "").startswith(prefix)]


# --- what is shown --------------------------------------------------------------------------------


def test_a_store_without_keys_invites(visit: Callable[[], AppTest]) -> None:
    """No row of zeros and no empty table, but the way to the first key."""
    at = visit()
    assert "No API keys yet" in words(at)
    links = [link.proto.label for link in at.get("page_link")]
    assert "Set up your first key" in links
    assert [*at.metric, *at.dataframe] == []


def test_the_figures_and_the_table_say_how_it_is(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """Counted on top; each key with verdict, reason, host, latency, check, use and age."""
    good, bad = save(store, "Good", endpoint="https://example.com/v1"), save(store, "Bad")
    save(store, "New", "openai")
    check(store, good, Verdict.VALID)
    check(store, bad, Verdict.INVALID)
    age(store, good, 30)
    store.repository.uses.count(good.id, LOCAL_OWNER, NOW, Spent())
    at = visit()
    told = figures(at)
    assert (told["Keys"], told["Working"], told["Needing attention"]) == ("3", "1", "1")
    assert (told["Unchecked"], told["Oldest secret"]) == ("1", "30 days")
    assert column(at, "name") == ["Bad", "Good", "New"]
    line = rows(at)[1]
    assert list(line["verdict"]) == ["Valid"]
    assert (line["provider"], line["reason"]) == ("Groq", "valid then")
    assert (line["host"], line["latency"], line["age"]) == ("example.com", 120, 30)
    assert list(line["lately"]) == [120]
    assert line["checked"] == line["used"]
    assert line["owner"] == LOCAL_OWNER


def test_t01_no_secret_is_on_the_page(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Nothing that is drawn has a piece of the secret, in the drawer neither."""
    secret = canary("gsk_")
    entry = save(store, "Canary", secret=secret)
    check(store, entry, Verdict.VALID)
    at = visit()
    at.session_state["mohet"].overview.open = entry.id
    at.run()
    tables = b"".join(frame.value.to_csv().encode() for frame in at.dataframe)
    assert len(at.dataframe) == 2
    assert scan(secret, {"page": str(at._tree).encode(), "tables": tables}) == []


HOSTILE = "![x](https://evil.example/x.png) <img src=x>"


def test_t49_a_name_or_reason_forges_nothing(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Each is text to the letter: no picture, no link, in the card, the table and the drawer."""
    entry = save(store, HOSTILE)
    said = Diagnosis(Verdict.INVALID, HOSTILE, HOSTILE, HOSTILE)
    told = CheckResult(entry.id, entry.revision, said, NOW, models=(HOSTILE,))
    store.repository.save_check(told, LOCAL_OWNER)
    at = visit()
    at.session_state["mohet"].overview.open = entry.id
    at.run()
    assert not at.exception
    assert column(at, "reason") == [HOSTILE]
    loose = [text for text in words(at).splitlines() if "![x](https://evil" in text]
    assert [text for text in loose if f"`{HOSTILE}`" not in text] == []


def test_a_table_is_drawn_while_every_provider_is_down(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """The page asks nobody: a host that does not exist costs it nothing."""
    entry = save(store, "Gone", endpoint="https://nowhere.invalid/v1")
    check(store, entry, Verdict.UNREACHABLE)
    before = [each.action for each in store.repository.journal.page(Wanted(owner=LOCAL_OWNER))]
    assert column(visit(), "name") == ["Gone"]
    after = [each.action for each in store.repository.journal.page(Wanted(owner=LOCAL_OWNER))]
    assert before == after == ["add"]


# --- needs attention ------------------------------------------------------------------------------


def test_each_concern_has_the_one_button_that_comes_next(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """Fix, provider's page, check again or replace, by what it is; with reason and remedy."""
    for verdict in (Verdict.INVALID, Verdict.MISCONFIGURED, Verdict.UNREACHABLE):
        check(store, save(store, f"{verdict}"), verdict)
    check(store, save(store, "limited"), Verdict.LIMITED, link="https://example.com/billing")
    old = save(store, "old")
    check(store, old, Verdict.VALID)
    age(store, old, 91)
    at = visit()
    assert labels(at, "concern.") == [
        "Fix this key",
        "Fix this key",
        "Check again",
        "Replace secret",
    ]
    assert [link.proto.label for link in at.get("link_button")] == ["Open provider’s page"]
    assert "Invalid then" in words(at)
    assert "This secret is 91 days old" in words(at)


def test_six_stand_there_and_the_rest_is_paged(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Show all lists every one in pages of twelve, and Show fewer goes back."""
    for number in range(14):
        check(store, save(store, f"Key {number:02}"), Verdict.UNREACHABLE)
    at = visit()
    assert len(labels(at, "concern.check")) == 6
    at.button("overview.concerns_all").click().run()
    assert len(labels(at, "concern.check")) == 12
    at.button("overview.concerns_all").click().run()
    assert len(labels(at, "concern.check")) == 6


@pytest.mark.parametrize("others", [0, 13])
def test_the_button_leads_to_the_form_of_the_key(
    store: Parts, visit: Callable[[], AppTest], others: int
) -> None:
    """Also when the key's card would stand on another page of the list."""
    entry = save(store, "Broken", endpoint="https://example.com/v1")
    check(store, entry, Verdict.INVALID)
    for number in range(others):
        save(store, f"Other {number}")
    at = visit()
    at.button(f"concern.fix:{entry.id}").click().run()
    assert not at.exception
    assert at.text_input(f"edit:{entry.id}.name").value == "Broken"


def test_replace_leads_to_the_form_for_a_new_secret(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """An old secret is replaced where that is done."""
    entry = save(store, "Old")
    age(store, entry, 100)
    at = visit()
    at.button(f"concern.replace:{entry.id}").click().run()
    assert at.text_input(f"replace:{entry.id}.secret").value == ""


def test_when_all_is_well_it_says_so(store: Parts, visit: Callable[[], AppTest]) -> None:
    """No empty heading."""
    check(store, save(store, "Good"), Verdict.VALID)
    at = visit()
    assert "No key needs attention." in words(at)
    assert "Needs attention" not in words(at)


def idle(store: Parts, entry: KeyEntry, days: int) -> None:
    """Make it that old, and never used."""
    with store.repository._database.writing() as connection:
        there = KEY.update().where(KEY.c.id == entry.id)
        connection.execute(there.values(created_at=NOW - days * DAY))


def test_keys_that_nobody_uses_are_a_line_and_a_filter(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """They are counted under what needs attention, and one click shows them in the table, until
    the switch among its filters is turned off."""
    for name, days in (("Old one", 61), ("Old two", 200), ("New", 5)):
        entry = save(store, name)
        check(store, entry, Verdict.VALID)
        idle(store, entry, days)
    at = visit()
    assert "No key needs attention." in words(at)
    assert "2 keys were not used for 60 days or more." in words(at)
    assert figures(at)["Needing attention"] == "0"
    at.button("overview.show_unused").click().run()
    assert column(at, "name") == ["Old one", "Old two"]
    assert labels(at, "overview.show_unused") == []
    assert at.toggle("overview.unused").label == "Only keys not used for 60 days or more"
    at.toggle("overview.unused").set_value(False).run()
    assert column(at, "name") == ["New", "Old one", "Old two"]
    for name in ("Old one", "Old two"):
        entry = store.keys.find(f"groq/{name}", owner=LOCAL_OWNER)
        store.repository.uses.count(entry.id, LOCAL_OWNER, NOW, Spent())
    at.run()
    assert "not used for" not in words(at)
    assert not at.toggle


def test_the_last_unused_key_leaves_a_way_out_of_the_filter(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """A table that shows nothing any more still has the switch that narrows it."""
    entry = save(store, "Old one")
    idle(store, entry, 61)
    at = visit()
    assert "1 key was not used for 60 days or more." in words(at)
    at.button("overview.show_unused").click().run()
    store.repository.uses.count(entry.id, LOCAL_OWNER, NOW, Spent())
    at.run()
    assert "No key matches this." in words(at)
    at.toggle("overview.unused").set_value(False).run()
    assert column(at, "name") == ["Old one"]


# --- the table ------------------------------------------------------------------------------------


def test_filters_narrow_and_sort_orders(store: Parts, visit: Callable[[], AppTest]) -> None:
    """By provider, verdict and text; and what finds nothing says so."""
    check(store, save(store, "Alpha"), Verdict.VALID)
    check(store, save(store, "Beta", "openai"), Verdict.INVALID)
    at = visit()
    at.selectbox("overview.sort").select("By name").run()
    assert column(at, "name") == ["Alpha", "Beta"]
    at.selectbox("overview.provider").select("OpenAI").run()
    assert column(at, "name") == ["Beta"]
    at.selectbox("overview.verdict").select("Valid").run()
    assert not at.dataframe
    assert "No key matches this." in words(at)
    at.selectbox("overview.provider").select_index(None).run()
    at.text_input("overview.search").input("ALPH").run()
    assert column(at, "name") == ["Alpha"]


def test_the_drawer_has_the_past_of_a_key(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Its checks; closed, it is gone, and so is the mark of its row."""
    entry = save(store, "One")
    save(store, "Other")
    check(store, entry, Verdict.VALID)
    at = visit()
    assert len(at.dataframe) == 1
    state = at.session_state["mohet"].overview
    state.open = entry.id
    at.run()
    assert list(at.dataframe[1].value["Reason"]) == ["valid then"]
    store.keys.remove(entry.id, owner=LOCAL_OWNER)
    at.run()
    assert not at.exception
    assert state.open is None
    assert state.turn == 1


def marked(at: AppTest, row: int) -> WidgetState:
    """What a browser says while this row of the table is marked."""
    said = json.dumps({"selection": {"rows": [row], "columns": [], "cells": []}})
    return WidgetState(id=at.dataframe[0].proto.id, string_value=said)


def send(at: AppTest, *said: WidgetState) -> None:
    """A run for what a browser says of some widgets, and of the others as they are."""
    states = at._tree.get_widget_states()
    states.widgets.extend(said)
    at._run(states)
    assert not at.exception


def drawer(at: AppTest) -> list[str]:
    """The names of the keys whose drawers are open."""
    blocks = at._tree.children[2].children.values()
    return [block.proto.dialog.title.strip("*") for block in blocks]


def test_a_marked_row_opens_its_drawer_and_escape_closes_it(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """It stays open while the page is drawn anew, and another row opens another one."""
    for name in ("A", "B"):
        save(store, name)
    at = visit()
    row = marked(at, 1)
    send(at, row)
    assert drawer(at) == ["B"]
    send(at, row)
    assert drawer(at) == ["B"]
    dialog = at._tree.children[2].children[0].proto.dialog.id
    send(at, row, WidgetState(id=dialog, trigger_value=True))
    assert drawer(at) == []
    send(at, marked(at, 0))
    assert drawer(at) == ["A"]


def test_a_click_that_follows_escape_at_once_does_not_open_the_drawer_again(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """A browser that has not seen the page without it yet says again that its row is marked."""
    save(store, "A")
    at = visit()
    row = marked(at, 0)
    send(at, row)
    dialog = at._tree.children[2].children[0].proto.dialog.id
    send(at, row, WidgetState(id=dialog, trigger_value=True))
    assert drawer(at) == []
    for _ in range(2):
        send(at, row)
        assert drawer(at) == []


# --- the file -------------------------------------------------------------------------------------


def test_t40_the_file_has_what_is_asked_for(store: Parts, visit: Callable[[], AppTest]) -> None:
    """The same filters as on the screen, at an address that works once."""
    save(store, "Mine")
    save(store, "Other", "openai")
    at = visit()
    at.selectbox("overview.provider").select("Groq").run()
    at.button("overview.download").click().run()
    (link,) = at.get("link_button")
    file = DOWNLOADS.take(link.proto.url.removeprefix(PLACE))
    assert file is not None
    head, *found = csv.reader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
    assert [line[head.index("Name")] for line in found] == ["Mine"]
    assert at.get("download_button") == []
