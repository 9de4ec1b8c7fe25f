"""The Activity page: what happened, for the one who looks, in words; filters, pages, a file."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mohet_keys.journal import NOT_RECORDED
from mohet_keys.model import LOCAL_OWNER, Doing, KeyEntry, NewKey
from mohet_keys.ui import downloads
from mohet_keys.ui.downloads import DOWNLOADS, PLACE
from mohet_keys.ui.text import escape
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.pages.conftest import ROOT, SHELL, OpenPage
from tests.sink import Sink

NOW = datetime.now(UTC)


@pytest.fixture
def visit(open_page: OpenPage) -> Callable[[], AppTest]:
    """Opens the page as a fresh visitor in Tokyo."""

    def open_() -> AppTest:
        at = AppTest.from_file(SHELL, default_timeout=20)
        at.context = {"timezone": "Asia/Tokyo"}
        at.run()
        at.switch_page(str(ROOT / "pages" / "activity.py")).run()
        assert not at.exception
        return at

    return open_


def note(store: Parts, name: str = "Production", **more: Any) -> int:
    """Put something on record."""
    given = {"action": "check", "result": "valid", "at": NOW, "owner": LOCAL_OWNER} | more
    told = {"actor": LOCAL_OWNER, "provider": "groq", "host": "api.groq.com", "key_id": "gone"}
    return store.repository.journal.begin(Doing(key_name=name, **{**told, **given}))


def save(store: Parts, name: str = "Production", secret: str = "") -> KeyEntry:
    """A key, which is on record with that."""
    new = NewKey(provider="groq", name=name, secret=SecretStr(secret or canary("gsk_")))
    return store.keys.add(new, owner=LOCAL_OWNER).entry


def rows(at: AppTest) -> list[dict[str, Any]]:
    """What the table shows."""
    return list(at.dataframe[0].value.to_dict("records"))


def column(at: AppTest, name: str) -> list[Any]:
    """One column of it."""
    return [row[name] for row in rows(at)]


def words(at: AppTest) -> str:
    """All running text."""
    return "\n".join(block.value for block in (*at.markdown, *at.caption, *at.error, *at.warning))


# --- what is shown ----------------------------------------------------------------------------


def test_on_a_new_store_it_says_that_nothing_happened(visit: Callable[[], AppTest]) -> None:
    """No empty table and no filters, but what is going to stand here."""
    at = visit()
    assert "Nothing happened yet" in words(at)
    assert [*at.dataframe, *at.selectbox, *at.text_input] == []


def test_what_happened_is_told_in_words(store: Parts, visit: Callable[[], AppTest]) -> None:
    """When, what, which key, whose, where, how it ended, who and why; the latest first."""
    entry = save(store, "Production")
    opened = store.keys.open(entry.id, owner=LOCAL_OWNER, why="check")
    store.keys.finish(opened.use, "limited", detail="no credit left")
    store.keys.open(entry.id, owner=LOCAL_OWNER, why="chat")
    chat, check, added = rows(visit())
    assert [row["action"] for row in (chat, check, added)] == ["Chat", "Checked", "Added"]
    assert [list(row["result"]) for row in (chat, check, added)] == [
        ["No end recorded"],
        ["Valid, limited"],
        ["Done"],
    ]
    assert (check["key"], check["provider"], check["host"]) == (
        "Production",
        "Groq",
        "api.groq.com",
    )
    assert (check["who"], check["detail"]) == ("local", "no credit left")
    here = datetime.now(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
    assert abs(check["time"].to_pydatetime() - here) < timedelta(minutes=1)


def test_what_happened_to_the_keys_of_others_is_not_shown(
    store: Parts, visit: Callable[[], AppTest]
) -> None:
    """Everybody sees their own doings."""
    note(store, "Mine")
    note(store, "Theirs", owner="ada")
    assert column(visit(), "key") == ["Mine"]


def test_only_a_key_that_is_there_can_be_opened(store: Parts, visit: Callable[[], AppTest]) -> None:
    """The way to a key stands beside each of its entries, until it is deleted."""
    kept, gone = save(store, "Kept"), save(store, "Gone")
    store.keys.remove(gone.id, owner=LOCAL_OWNER)
    assert [(row["key"], row["leads"] == "Open") for row in rows(visit())] == [
        ("Gone", False),
        ("Gone", False),
        (kept.name, True),
    ]


HOSTILE = "![x](https://evil.example/x.png) \x1b[2J\u202e=1+1\r\n<img src=x>"


def test_t49_a_name_that_was_altered_forges_nothing(
    store: Parts, tmp_path: Path, visit: Callable[[], AppTest]
) -> None:
    """It is one line of one cell, to the letter, and the entries beside it are as they were."""
    note(store, "before")
    note(store, HOSTILE, detail=HOSTILE, host=HOSTILE, actor=HOSTILE, request_id=HOSTILE)
    note(store, "after")
    at = visit()
    shown = "![x](https://evil.example/x.png) \\x1b[2J\\u202e=1+1\\r\\n<img src=x>"
    assert column(at, "key") == ["after", shown, "before"]
    for name in ("detail", "host", "who", "request"):
        assert column(at, name)[1] == shown
    assert "evil" not in words(at)


def test_an_entry_that_cannot_be_read_hides_no_other(
    store: Parts, tmp_path: Path, visit: Callable[[], AppTest]
) -> None:
    """It says so, without a time, and the page is there all the same."""
    note(store, "before")
    with closing(sqlite3.connect(tmp_path / "data" / "mohet_keys.db")) as connection, connection:
        connection.execute(
            "INSERT INTO event (at, actor, owner, action, key_name, provider, host, result, detail,"
            " request_id) VALUES ('never', 'x', 'local', 'check', '', '', '', '', '', '')"
        )
    note(store, "after")
    at = visit()
    assert column(at, "action") == ["Checked", "Cannot be read", "Checked"]
    assert str(column(at, "time")[1]) == "NaT"
    assert not at.exception


def test_t01_no_secret_is_on_the_page(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Nothing that is drawn has a piece of the secret, and no visitor's state has."""
    secret = canary("gsk_")
    entry = save(store, "Canary", secret)
    store.keys.open(entry.id, owner=LOCAL_OWNER, why="chat")
    at = visit()
    assert len(rows(at)) == 2
    drawn = {"page": str(at._tree).encode(), "table": at.dataframe[0].value.to_csv().encode()}
    assert scan(secret, drawn) == []


def test_t49_a_use_that_cannot_be_recorded_is_said_on_the_page(
    open_page: OpenPage, store: Parts, tmp_path: Path
) -> None:
    """The check is not carried out, nobody is called, and a sentence says why."""
    with Sink() as sink:
        new = NewKey(
            provider="groq", name="K", secret=SecretStr(canary("gsk_")), endpoint=sink.url()
        )
        entry = store.keys.add(new, owner=LOCAL_OWNER).entry
        with closing(sqlite3.connect(tmp_path / "data" / "mohet_keys.db")) as connection:
            connection.execute(
                "CREATE TRIGGER no_entries BEFORE INSERT ON event "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        at = open_page("groq")
        at.button(f"card.check:{entry.id}").click().run()
        wait(list(at.session_state["mohet"].running.values()), timeout=15)
        at.run()
        assert [error.value for error in at.error] == [escape(NOT_RECORDED)]
        assert sink.accepts == 0


# --- filters ----------------------------------------------------------------------------------


@pytest.fixture
def mixed(store: Parts) -> None:
    """One of each kind."""
    note(store, "Production")
    note(store, "Chatty", action="chat", result="finished")
    note(store, "Elsewhere", provider="mistral", host="api.mistral.ai")
    note(store, "Looked at", action="watch")
    note(store, "Broken", result="invalid")
    note(store, "Begun", result="")
    note(store, "Old", at=NOW - timedelta(days=8))
    note(store, "Older", at=NOW - timedelta(days=40))


@pytest.mark.parametrize(
    ("widget", "choice", "found"),
    [
        ("activity.action", "Chat", ["Chatty"]),
        ("activity.action", "Watched", ["Looked at"]),
        ("activity.provider", "Mistral", ["Elsewhere"]),
        ("activity.result", "Invalid", ["Broken"]),
        ("activity.result", "No end recorded", ["Begun"]),
    ],
)
def test_a_filter_leaves_what_it_names(
    mixed: None, visit: Callable[[], AppTest], widget: str, choice: str, found: list[str]
) -> None:
    """Action, provider and result each narrow the table."""
    at = visit()
    at.selectbox(widget).select(choice).run()
    assert column(at, "key") == found


def test_the_period_leaves_what_is_recent(mixed: None, visit: Callable[[], AppTest]) -> None:
    """24 hours, a week, a month, or all of it."""
    at = visit()
    counts = {}
    for period in ("24 h", "7 d", "30 d", "All"):
        at.button_group("activity.period").set_value(period).run()
        counts[period] = len(rows(at))
    assert counts == {"24 h": 5, "7 d": 5, "30 d": 6, "All": 7}


def test_the_search_looks_at_names_hosts_and_people(
    mixed: None, visit: Callable[[], AppTest]
) -> None:
    """Whatever its case; and what finds nothing says so and can be taken back."""
    at = visit()
    for text, found in (("ELSE", ["Elsewhere"]), ("mistral.ai", ["Elsewhere"])):
        at.text_input("activity.search").input(text).run()
        assert column(at, "key") == found
    at.text_input("activity.search").input("nobody has this").run()
    assert not at.dataframe
    assert "Nothing that happened matches this." in words(at)
    at.text_input("activity.search").input("").run()
    assert len(rows(at)) == 7


# --- pages ------------------------------------------------------------------------------------


def test_pages_of_fifty_are_turned(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Older and back to newer, each entry once; a filter begins at the first page."""
    for number in range(120):
        note(store, f"Key {number:03}", action="chat" if number < 60 else "check")
    at = visit()
    assert column(at, "key")[0] == "Key 119"
    assert at.button("activity.newer").disabled
    at.button("activity.older").click().run()
    assert (column(at, "key")[0], len(rows(at))) == ("Key 069", 50)
    note(store, "meanwhile")
    at.button("activity.older").click().run()
    assert column(at, "key") == [f"Key {number:03}" for number in range(19, -1, -1)]
    assert at.button("activity.older").disabled
    assert "101 to 120" in words(at)
    at.button("activity.newer").click().run()
    assert column(at, "key")[0] == "Key 069"
    at.button("activity.older").click().run()
    at.selectbox("activity.action").select("Chat").run()
    assert column(at, "key")[0] == "Key 059"


def test_what_fits_on_a_page_has_no_pages(store: Parts, visit: Callable[[], AppTest]) -> None:
    """Fifty entries need nothing to turn."""
    for _ in range(50):
        note(store)
    at = visit()
    assert len(rows(at)) == 50
    assert "activity.older" not in [button.key for button in at.button]


# --- the file ---------------------------------------------------------------------------------


def address(at: AppTest) -> str | None:
    """Where the file waits."""
    found = [link.proto.url for link in at.get("link_button")]
    return found[0] if found else None


def taken(at: AppTest) -> list[list[str]]:
    """Fetch the file as the browser does, and read it."""
    file = DOWNLOADS.take((address(at) or "").removeprefix(PLACE))
    assert file is not None
    assert file.name.endswith(".csv")
    return list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))


def test_t40_the_file_has_what_is_asked_for(mixed: None, visit: Callable[[], AppTest]) -> None:
    """The same filters as on the screen, all pages of it, at an address that works once."""
    at = visit()
    at.selectbox("activity.provider").select("Groq").run()
    at.button("activity.download").click().run()
    head, *found = taken(at)
    keys = [row[head.index("Key")] for row in found]
    assert keys == ["Older", "Old", "Begun", "Broken", "Chatty", "Production"]
    assert "Time (Asia/Tokyo)" in head


def test_another_question_needs_another_file(mixed: None, visit: Callable[[], AppTest]) -> None:
    """As soon as something else is asked for the link is gone."""
    at = visit()
    at.button("activity.download").click().run()
    assert address(at)
    at.selectbox("activity.action").select("Chat").run()
    assert address(at) is None
    assert at.button("activity.download")


def test_a_link_whose_file_is_gone_is_not_shown(mixed: None, visit: Callable[[], AppTest]) -> None:
    """Fetched, or its minute over: the button is back."""
    at = visit()
    at.button("activity.download").click().run()
    taken(at)
    at.run()
    assert address(at) is None
    assert at.button("activity.download")


def test_t40_no_button_of_streamlits_own_has_a_file(
    mixed: None, visit: Callable[[], AppTest]
) -> None:
    """Its address would be open to everybody who has it, and again and again."""
    at = visit()
    at.button("activity.download").click().run()
    assert at.get("download_button") == []
    assert (address(at) or "").startswith(downloads.PLACE)


def test_a_store_that_fails_gives_no_file(
    mixed: None, visit: Callable[[], AppTest], tmp_path: Path
) -> None:
    """It is said, and nothing waits."""
    at = visit()
    data = tmp_path / "data"
    data.rename(tmp_path / "away")
    at.button("activity.download").click().run()
    (tmp_path / "away").rename(data)
    assert not at.exception
    assert len(at.error) == 1
    assert address(at) is None


# --- the way there ----------------------------------------------------------------------------


def test_every_page_leads_to_the_others(visit: Callable[[], AppTest]) -> None:
    """The header has a link to the chat, the keys, all keys at a glance and this page."""
    labels = [link.proto.label for link in visit().get("page_link")]
    assert labels[:4] == ["Chat", "API Keys", "Overview", "Activity"]
