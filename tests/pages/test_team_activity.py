"""The Activity page of a team: members see their own doings, administrators everybody's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.errors import DeniedError
from mohet_keys.model import LOCAL_OWNER, Doing, Role
from mohet_keys.ui import resources
from mohet_keys.ui.downloads import DOWNLOADS, PLACE
from mohet_keys.wiring import Parts
from tests.pages.conftest import ROOT as HERE
from tests.pages.conftest import OpenPage
from tests.pages.team import Visit, save, visit
from tests.team import ADA, BOB, CY, ROOT, allow, join

__all__ = ["visit"]  # a fixture


@pytest.fixture
def parts(visit: Visit) -> Parts:
    """A team in which Ada shares a key, Bob used it and tried more, and Cy has one of his own."""
    built = resources.parts()
    join(built.repository, ADA, BOB, CY)
    join(built.repository, ROOT, administrator=True)
    allow(built.repository, "127.0.0.1")
    entry = save(built, ADA, "Ours", shared=True)
    built.keys.open(entry.id, owner=BOB, why="chat")
    with pytest.raises(DeniedError):
        built.keys.remove(entry.id, owner=BOB)
    save(built, CY, "Cy’s own")
    built.repository.journal.begin(Doing("sign_in", BOB, BOB, datetime.now(UTC)))
    return built


def seen(at: AppTest) -> list[tuple[str, str, str]]:
    """What the table shows: who did what, to what of whom."""
    rows = at.dataframe[0].value.to_dict("records")
    return [(row["who"], row["action"], row["whose"]) for row in rows]


def test_members_see_their_own_doings(visit: Visit, parts: Parts) -> None:
    """And what others did with keys of theirs; there is nobody to choose."""
    bobs = [
        (BOB, "Signed in", BOB),
        (BOB, "Denied", ADA),
        (BOB, "Chat", ADA),
    ]
    at = visit(BOB, "activity")
    assert seen(at) == bobs
    assert "Person" not in [each.label for each in at.selectbox]
    assert seen(visit(ADA, "activity")) == [*bobs[1:], (ADA, "Shared", ADA), (ADA, "Added", ADA)]
    assert seen(visit(CY, "activity")) == [(CY, "Added", CY)]


def test_administrators_see_everybodys_by_person(visit: Visit, parts: Parts) -> None:
    """With sign-ins and refusals; one person's can be picked out."""
    at = visit(ROOT, "activity")
    done = [who for who, _, _ in seen(at)]
    assert sorted(set(done)) == [ADA, BOB, CY, ROOT]
    assert {"Signed in", "Denied"} <= {action for _, action, _ in seen(at)}
    assert at.selectbox("activity.person").options == ["Ada", "Bob", "Cy", "Root"]
    at.selectbox("activity.person").set_value("Cy").run()
    assert seen(at) == [(CY, "Added", CY)]


def test_two_of_one_name_can_be_told_apart(visit: Visit, parts: Parts) -> None:
    """By their addresses."""
    parts.repository.people.arrived("other@example.com", "Ada", datetime.now(UTC))
    at = visit(ROOT, "activity")
    assert at.selectbox("activity.person").options == [
        *(f"Ada ({ADA})", "Ada (other@example.com)", "Bob", "Cy", "Root")
    ]


def test_who_was_made_a_member_takes_no_more_along(visit: Visit, parts: Parts) -> None:
    """The table to take along is of what they may see when it is made."""
    at = visit(ROOT, "activity")
    parts.repository.people.set_role(CY, Role.ADMINISTRATOR)
    parts.repository.people.set_role(ROOT, Role.MEMBER)
    at.button("activity.download").click().run()
    assert not at.exception
    (link,) = at.get("link_button")
    made = DOWNLOADS.take(link.proto.url.removeprefix(PLACE))
    assert made is not None
    assert ADA not in made.content.decode()
    assert {who for who, _, _ in seen(at)} <= {ROOT}


def test_a_local_run_has_no_column_more(open_page: OpenPage, store: Parts) -> None:
    """There is one person."""
    save(store, LOCAL_OWNER)
    at = open_page().switch_page(str(HERE / "pages" / "activity.py")).run()
    assert "who" in at.dataframe[0].value.columns
    assert "whose" not in at.dataframe[0].value.columns
    assert "Person" not in [each.label for each in at.selectbox]
