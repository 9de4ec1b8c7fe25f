"""Values of widgets that no page of the sender has, sent by hand over a real WebSocket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from mohet_keys.journal import Wanted
from mohet_keys.model import KeyEntry, NewKey, Role
from mohet_keys.ui import places
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.tab import Tab
from tests.team import ADA, BOB, CY, ROOT, join
from tests.test_sign_in import Team

NOW = datetime.now(UTC)
PAGES = ["", *(place.name for place in places.PLACES)]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """A server of this test's own."""
    with Team(tmp_path, MOHET_ADMINISTRATORS=ROOT) as server:
        yield server


@pytest.fixture
def parts(team: Team) -> Iterator[Parts]:
    """Its store, with an administrator and three members in it."""
    opened = team.parts()
    join(opened.repository, ROOT, administrator=True)
    join(opened.repository, ADA, BOB, CY)
    yield opened
    opened.close()


def save(parts: Parts, owner: str, name: str) -> KeyEntry:
    """A key of somebody."""
    new = NewKey(provider="openai", name=name, secret=SecretStr(canary("sk-proj-")))
    return parts.keys.add(new, owner=owner).entry


def cookie(team: Team, person: str) -> str:
    """What somebody's browser sends after they signed in."""
    return team.cookie(person.partition("@")[0], nonce=person)


def ids(drawn: str) -> set[str]:
    """The widgets in what was drawn."""
    return set(re.findall(r'id: "(\$\$ID-[^"]+)"', drawn))


def named(drawn: str, key: str) -> str:
    """The one widget with this key."""
    (found,) = (each for each in ids(drawn) if each.endswith(f"-{key}"))
    return found


def pressed(*buttons: str) -> bytes:
    """What a browser sends when these are pressed, all at once."""
    states = WidgetStates()
    for each in buttons:
        states.widgets.add(id=each, trigger_value=True)
    return states.SerializeToString()


def said(widgets: Iterable[str], words: str) -> bytes:
    """What a browser sends when these words are chosen or typed in each of these."""
    states = WidgetStates()
    for each in widgets:
        states.widgets.add(id=each, string_value=words)
    return states.SerializeToString()


def all_there_is(parts: Parts) -> object:
    """What nobody may change here: people, keys and whose they are, selections, rules."""
    people = parts.repository.people.everyone()
    return (
        [(each.id, each.role, each.disabled) for each in people],
        [
            (e.id, e.name, e.owner, e.shared, e.selected, e.revision, e.version)
            for person in people
            for e in parts.keys.list(owner=person.id).entries
        ],
        parts.repository.rules.find(),
    )


def test_t43_buttons_of_others_do_nothing(team: Team, parts: Parts) -> None:
    """Neither an administrator's nor another member's, on whatever page they are sent."""
    hers, shared = save(parts, ADA, "Private"), save(parts, ADA, "Shared")
    parts.keys.share(shared.id, owner=ADA, version=shared.version)
    save(parts, BOB, "His own")
    found: set[str] = set()
    for person, page in ((ROOT, "team"), (ADA, "api_keys")):
        with Tab(team.url, user=cookie(team, person)) as tab:
            found |= ids(tab.run(page))
    assert any(f"team.able:{CY}" in each for each in found)
    assert any(hers.id in each for each in found)
    before = all_there_is(parts)
    with Tab(team.url, user=cookie(team, BOB)) as tab:
        for page in PAGES:
            own = ids(tab.run(page))
            forged = sorted(found - own)
            assert forged
            drawn = tab.run(page, widgets=pressed(*forged))
            drawn += tab.run(page, widgets=said(forged, hers.id))
            assert "Private" not in re.findall(r'body: "([^"]*)', drawn)
            assert "put out of every tab" not in drawn
    assert all_there_is(parts) == before


def test_t43_the_buttons_are_real(team: Team, parts: Parts) -> None:
    """The twin: whoever has them on their page is asked and heard."""
    with Tab(team.url, user=cookie(team, ROOT)) as tab:
        ask = named(tab.run("team"), f"team.able:{CY}")
        asked = tab.run("team", widgets=pressed(ask))
        assert "put out of every tab" in asked
        tab.run("team", widgets=pressed(named(asked, "team.confirm")))
    assert [each.id for each in parts.repository.people.everyone() if each.disabled] == [CY]


def test_t45_an_open_question_is_of_no_use_to_who_was_demoted(team: Team, parts: Parts) -> None:
    """The page that is open has the button, and the session all that belongs to it."""
    parts.repository.people.arrived(BOB, "Bob", NOW, administrator=True)
    with Tab(team.url, user=cookie(team, BOB)) as tab:
        parts.team.set_role(BOB, Role.ADMINISTRATOR, owner=ROOT)
        asked = tab.run("team", widgets=pressed(named(tab.run("team"), f"team.able:{CY}")))
        confirm = named(asked, "team.confirm")
        parts.team.set_role(BOB, Role.MEMBER, owner=ROOT)
        before = all_there_is(parts)
        drawn = tab.run("team", widgets=pressed(confirm))
    assert all_there_is(parts) == before
    assert "team.able" not in drawn
    denied = parts.repository.journal.page(Wanted(action="denied"))
    assert [each.actor for each in denied] == [BOB]


def test_t43_ones_own_widgets_choose_nothing_of_others(team: Team, parts: Parts) -> None:
    """Whatever is typed or chosen where one has a list or a field: keys of others stay theirs."""
    hers = save(parts, ADA, "Private")
    save(parts, BOB, "His own")
    before = all_there_is(parts)
    with Tab(team.url, user=cookie(team, BOB)) as tab:
        for page in PAGES:
            own = ids(tab.run(page))
            for words in (hers.id, f"openai/{hers.name}", "\x00" * 3, "9" * 5000):
                drawn = tab.run(page, widgets=said(own, words))
                assert hers.hint not in drawn
                assert "exception {" not in drawn
    assert all_there_is(parts) == before
