"""The notice of a selected key that turned worse, on whatever page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy import event
from streamlit.testing.v1 import AppTest

from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Verdict,
)
from mohet_keys.ui.places import CHAT, PLACES, TEAM
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.pages.conftest import ROOT, SHELL, OpenPage


def save(store: Parts, name: str) -> KeyEntry:
    """A key."""
    new = NewKey(provider="groq", name=name, secret=SecretStr(canary("gsk_")))
    return store.keys.add(new, owner=LOCAL_OWNER).entry


def say(store: Parts, entry: KeyEntry, verdict: Verdict, reason: str = "the reason") -> None:
    """What a check comes to that somebody else makes."""
    said = Diagnosis(verdict, reason, "Because.", "Do something.")
    now = store.keys.entry(entry.id, owner=LOCAL_OWNER)
    store.keys.record(
        CheckResult(entry.id, now.revision, said, datetime.now(UTC)), owner=LOCAL_OWNER
    )


@pytest.fixture
def entry(open_page: OpenPage, store: Parts) -> KeyEntry:
    """The selected key, which works."""
    made = save(store, "Production")
    say(store, made, Verdict.VALID)
    store.keys.select(made.id, owner=LOCAL_OWNER)
    return made


def visit(page: str = "activity") -> AppTest:
    """A page, as a fresh visitor gets it."""
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not at.exception
    return at


def told(at: AppTest) -> list[str]:
    """The notices after the page was drawn anew."""
    at.run()
    assert not at.exception
    return notices(at)


def notices(at: AppTest) -> list[str]:
    """The notices at the lower edge of the window."""
    assert not at.toast
    return [each.value for each in (*at.error, *at.warning)]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.INVALID, "**Production** turned invalid: no. Fix it or choose another key."),
        (Verdict.LIMITED, "**Production** works, but is limited now: no."),
        (Verdict.UNREACHABLE, "**Production** cannot be reached: no. Wait, or choose another key."),
        (Verdict.UNVERIFIED, "**Production** cannot be verified any more: no."),
        (
            Verdict.MISCONFIGURED,
            "**Production** has a wrong endpoint now: no. Fix it or choose another key.",
        ),
        (Verdict.LOCKED, "**Production** is locked now, so nothing is sent. Choose another key."),
    ],
)
def test_a_change_for_the_worse_is_told(
    store: Parts, entry: KeyEntry, verdict: Verdict, words: str
) -> None:
    """With its reason and what to do, until it is closed; and then it is not told again."""
    at = visit()
    assert told(at) == []
    say(store, entry, verdict, "no")
    assert told(at) == [words]
    assert told(at) == [words]
    at.button("notice.close").click().run()
    assert notices(at) == []
    assert told(at) == []


@pytest.mark.parametrize("page", [place.name for place in PLACES if place not in (CHAT, TEAM)])
def test_it_is_told_on_every_page(store: Parts, entry: KeyEntry, page: str) -> None:
    """Until the visitor does something, whatever that is."""
    at = visit(page)
    say(store, entry, Verdict.INVALID)
    assert len(told(at)) == 1
    at.session_state["mohet"].begin()
    assert told(at) == []


def test_the_chat_tells_it_once_beside_its_own_notice(store: Parts, entry: KeyEntry) -> None:
    """Its field is at the lower edge, so it pops up; what is wrong stands above the field."""
    at = visit("chat")
    say(store, entry, Verdict.INVALID, "no")
    at.run()
    assert [toast.value for toast in at.toast] == [
        "**Production** turned invalid: no. Fix it or choose another key."
    ]
    assert told(at) == ["**Production** cannot be used: no. Because\\. Do something\\."]


def test_what_is_mended_is_told_no_longer(store: Parts, entry: KeyEntry) -> None:
    """The notice goes by itself when the key is better again, or another one is selected."""
    other = save(store, "Other")
    at = visit()
    say(store, entry, Verdict.INVALID)
    assert len(told(at)) == 1
    say(store, entry, Verdict.VALID)
    assert told(at) == []
    say(store, entry, Verdict.INVALID)
    assert len(told(at)) == 1
    store.keys.select(other.id, owner=LOCAL_OWNER)
    assert told(at) == []


@pytest.mark.usefixtures("entry")
def test_the_page_asks_for_the_selection_once(store: Parts) -> None:
    """What the header has read is not read again to see whether it changed since."""
    at = visit()
    asked: list[str] = []
    engine = store.repository._database.engine
    event.listen(engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    at.run()
    assert len([said for said in asked if "FROM selection" in said]) == 1


def test_a_change_for_the_better_is_not_told(store: Parts, entry: KeyEntry) -> None:
    """Nor one between two that are equally good."""
    say(store, entry, Verdict.INVALID)
    at = visit()
    for verdict in (
        Verdict.UNREACHABLE,
        Verdict.LIMITED,
        Verdict.LIMITED,
        Verdict.VALID,
        Verdict.VALID,
    ):
        say(store, entry, verdict)
        assert told(at) == []


def test_an_outage_of_a_key_that_was_refused_is_not_news(store: Parts, entry: KeyEntry) -> None:
    """It could not be used before, and it cannot now."""
    say(store, entry, Verdict.INVALID)
    say(store, entry, Verdict.UNREACHABLE)
    at = visit()
    say(store, entry, Verdict.INVALID)
    assert told(at) == []


def test_another_key_and_another_secret_are_no_change(store: Parts, entry: KeyEntry) -> None:
    """Choosing a bad key, and typing a secret that is not checked yet, is one's own doing."""
    other = save(store, "Other")
    say(store, other, Verdict.INVALID)
    at = visit()
    store.keys.select(other.id, owner=LOCAL_OWNER)
    assert told(at) == []
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    assert told(at) == []
    changes = KeyChanges(secret=SecretStr(canary("gsk_")))
    store.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)
    assert told(at) == []


def test_names_and_reasons_are_shown_to_the_letter(store: Parts, entry: KeyEntry) -> None:
    """Both may be anybody’s words."""
    store.keys.edit(entry.id, KeyChanges(name="![x](y)"), owner=LOCAL_OWNER, version=entry.version)
    at = visit()
    say(store, entry, Verdict.INVALID, "see [here](http://evil)")
    (words,) = told(at)
    assert words.startswith("`![x](y)` turned invalid: see \\[here\\]")


def test_a_visit_is_a_use_of_the_app(store: Parts, entry: KeyEntry) -> None:
    """Each run of a page is; nothing is written for it before the next sign of life."""
    leases, now = store.repository.leases, datetime.now(UTC)
    store.presence.announce()
    assert leases.last_used(now) is None
    visit()
    assert leases.last_used(now) is None
    store.presence.announce()
    used_at = leases.last_used(datetime.now(UTC))
    assert used_at is not None
    assert used_at >= now
