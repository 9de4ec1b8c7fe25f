"""Private and team keys as each sees them: cards, switcher, dialogs, and what is told of them."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.journal import Wanted
from mohet_keys.model import KeyChanges, Role
from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.pages.conftest import OpenPage
from tests.pages.team import Visit, labels, save, visit, words
from tests.team import ADA, BOB, CY, ROOT, allow, join

__all__ = ["visit"]  # a fixture


@pytest.fixture
def parts(visit: Visit) -> Parts:
    """The parts that the pages work with, in a team of three and an administrator."""
    built = resources.parts()
    join(built.repository, ADA, BOB, CY)
    join(built.repository, ROOT, administrator=True)
    allow(built.repository, "127.0.0.1")
    return built


def menu_of(at: AppTest, key_id: str) -> list[str]:
    """What the menu of a card offers; nothing where it has none."""
    found = [each for each in at.get("menu_button") if f"card.menu:{key_id}" in each.proto.id]
    return [option for each in found for option in each.proto.options]


# --- whose is whose ---------------------------------------------------------------------------


def test_a_card_says_whose_it_is(visit: Visit, parts: Parts) -> None:
    """“Private” on one's own, “Team, by Ada” on what Ada shares, to her as to everybody."""
    save(parts, ADA, "Mine")
    save(parts, ADA, "Ours", shared=True)
    assert {"Private", "Team, by Ada"} <= set(said_on_cards(visit(ADA, provider="groq")))
    assert said_on_cards(visit(BOB, provider="groq")) == ["Team, by Ada"]


def said_on_cards(at: AppTest) -> list[str]:
    """Whose the cards say that they are."""
    found = re.findall(
        r"^:small\[:\w+\[:material/\w+: (Private|Team\\, by Ada)\]\]", words(at), re.MULTILINE
    )
    return [said.replace("\\", "") for said in found]


def test_a_local_run_says_nothing_of_a_team(open_page: OpenPage, store: Parts) -> None:
    """No word of it on cards, in menus and in the switcher."""
    entry = save(store, "local")
    at = open_page("groq")
    at.session_state["header.keys"] = True
    at.run()
    told = "\n".join((words(at), *labels(at), *menu_of(at, entry.id))).lower()
    assert "production" in told
    assert not [word for word in ("private", "team", "share") if word in told]


def test_the_switcher_says_whose_they_are(visit: Visit, parts: Parts) -> None:
    """So that two of one name can be told apart."""
    save(parts, ADA, shared=True)
    save(parts, BOB)
    at = visit(BOB)
    at.session_state["header.keys"] = True
    at.run()
    listed = [label for label in labels(at) if "Production" in label]
    assert len(listed) == 2
    assert sum("Private" in label for label in listed) == 1
    assert sum(r"Team\, by Ada" in label for label in listed) == 1


# --- who may what -----------------------------------------------------------------------------


def test_a_member_is_offered_to_use_a_team_key(visit: Visit, parts: Parts) -> None:
    """And nothing that would be refused; pressed, it is the key for the chat, and nothing was
    asked for that they may not."""
    entry = save(parts, ADA, shared=True)
    at = visit(BOB, provider="groq")
    offered = [each.key for each in at.button if each.key and entry.id in each.key]
    assert offered == [f"card.use:{entry.id}"]
    assert menu_of(at, entry.id) == ["Use in chat"]
    at.button(f"card.use:{entry.id}").click().run()
    assert not at.exception
    assert parts.keys.entry(entry.id, owner=BOB).selected
    assert "is now the key for the chat" in words(at)
    assert not at.error
    assert denials(parts) == []
    assert f"card.use:{entry.id}" not in [each.key for each in at.button]


@pytest.mark.parametrize("who", [ADA, ROOT])
def test_its_owner_and_administrators_are_offered_everything(
    visit: Visit, parts: Parts, who: str
) -> None:
    """The twin: for a team key of Ada’s."""
    entry = save(parts, ADA, shared=True)
    at = visit(who, provider="groq")
    assert {f"card.edit:{entry.id}", f"card.check:{entry.id}"} <= {each.key for each in at.button}
    assert menu_of(at, entry.id) == [
        *("Edit", "Replace secret", "Use in chat", "Make private", "Delete")
    ]


def test_a_form_is_closed_when_it_is_not_ones_to_fill_any_more(visit: Visit, parts: Parts) -> None:
    """An administrator who edits a team key is made a member meanwhile."""
    entry = save(parts, ADA, shared=True)
    at = visit(ROOT, provider="groq")
    at.button(f"card.edit:{entry.id}").click().run()
    assert at.text_input(f"edit:{entry.id}.name")
    parts.repository.people.set_role(CY, Role.ADMINISTRATOR)
    parts.repository.people.set_role(ROOT, Role.MEMBER)
    at.run()
    assert [each.key for each in at.text_input if each.key and entry.id in each.key] == []
    assert f"card.use:{entry.id}" in [each.key for each in at.button]


def denials(parts: Parts) -> list[str]:
    """What was denied."""
    return [each.detail for each in parts.repository.journal.page(Wanted(action="denied"))]


# --- sharing, and taking it back --------------------------------------------------------------


def press_below_form(at: AppTest, key_id: str, name: str) -> AppTest:
    """Press what is offered in the menu where it stands as a button: below the edit form."""
    if f"card.edit:{key_id}" in [each.key for each in at.button]:
        at.button(f"card.edit:{key_id}").click().run()
    at.button(f"edit:{key_id}.{name}").click().run()
    assert not at.exception
    return at


def test_an_owner_shares_a_key_and_makes_it_private(visit: Visit, parts: Parts) -> None:
    """After a dialog that says what it means; cancelled, nothing is done."""
    entry = save(parts, ADA)
    at = press_below_form(visit(ADA, provider="groq"), entry.id, "share")
    assert "Nobody can read the key itself" in words(at)
    at.button("share.cancel").click().run()
    assert not parts.keys.entry(entry.id, owner=ADA).shared
    press_below_form(at, entry.id, "share").button("share.confirm").click().run()
    assert parts.keys.entry(entry.id, owner=BOB).name == "Production"
    assert "is the team’s to use now" in words(at)
    at = press_below_form(at, entry.id, "make")
    assert "Nobody but you can use **Production** from then on" in words(at)
    at.button("share.confirm").click().run()
    assert not parts.keys.entry(entry.id, owner=ADA).shared
    assert "is private now" in words(at)


@pytest.mark.parametrize(
    ("who", "before", "after"),
    [
        (ADA, "**2 other people** have it selected", "2 other people had it selected"),
        (ROOT, "**Bob** and **Cy** have it selected", "**Bob** and **Cy** had it selected"),
    ],
)
def test_unsharing_says_who_has_it_selected(
    visit: Visit, parts: Parts, who: str, before: str, after: str
) -> None:
    """How many to its owner, who to administrators; the owner keeps it and is not counted."""
    entry = save(parts, ADA, shared=True)
    for person in (ADA, BOB, CY):
        parts.keys.select(entry.id, owner=person)
    at = press_below_form(visit(who, provider="groq"), entry.id, "make")
    assert before in words(at)
    assert ("You do not see it any more" in words(at)) == (who == ROOT)
    at.button("share.confirm").click().run()
    assert after in words(at)
    assert [parts.keys.selection(owner=each) for each in (BOB, CY)] == [None, None]


@pytest.mark.parametrize(
    ("who", "told"),
    [(ADA, "**1 other person** has it selected"), (ROOT, "**Bob** has it selected")],
)
def test_deleting_says_who_has_it_selected(visit: Visit, parts: Parts, who: str, told: str) -> None:
    """Before and after."""
    entry = save(parts, ADA, shared=True)
    parts.keys.select(entry.id, owner=BOB)
    at = press_below_form(visit(who, provider="groq"), entry.id, "delete")
    assert told in words(at)
    at.button("delete.confirm").click().run()
    assert "had it selected and is told to select another key" in words(at)


def test_a_team_key_that_nobody_selected_is_the_teams_all_the_same(
    visit: Visit, parts: Parts
) -> None:
    """Its deletion says so; that of a private one says nothing of a team."""
    ours, mine = save(parts, ADA, "Ours", shared=True), save(parts, ADA, "Mine")
    at = press_below_form(visit(ADA, provider="groq"), ours.id, "delete")
    assert "This is a key of the team" in words(at)
    at.button("delete.cancel").click().run()
    press_below_form(at, mine.id, "delete")
    assert "This is a key of the team" not in words(at)


def test_a_name_that_is_taken_is_said(visit: Visit, parts: Parts) -> None:
    """Two keys of one name cannot stand in the team; the second stays private."""
    save(parts, ADA, shared=True)
    entry = save(parts, BOB)
    at = press_below_form(visit(BOB, provider="groq"), entry.id, "share")
    at.button("share.confirm").click().run()
    assert "already has a key for Groq named" in at.error[0].value
    assert not parts.keys.entry(entry.id, owner=BOB).shared


def test_a_key_that_changed_meanwhile_is_not_shared(visit: Visit, parts: Parts) -> None:
    """What the dialog showed is what is shared, or nothing."""
    entry = save(parts, ADA)
    at = press_below_form(visit(ADA, provider="groq"), entry.id, "share")
    parts.keys.edit(entry.id, KeyChanges(name="Renamed"), owner=ADA, version=entry.version)
    at.button("share.confirm").click().run()
    assert "in the meantime" in at.error[0].value
    assert not parts.keys.entry(entry.id, owner=ADA).shared
