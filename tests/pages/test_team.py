"""The Team page: who is in it, what can be done about each, and the rules for all."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.errors import RuleError
from mohet_keys.journal import Wanted
from mohet_keys.model import Role, Spent
from mohet_keys.providers import PROVIDERS
from mohet_keys.rules import TeamRules
from mohet_keys.ui import resources
from mohet_keys.ui.text import escape
from mohet_keys.wiring import Parts
from tests.pages.conftest import ROOT as HERE
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


def links(at: AppTest) -> list[str]:
    """Where the header leads."""
    return [each.label for each in at.get("page_link")]


def rules_of(parts: Parts) -> TeamRules:
    """What is allowed now."""
    return parts.repository.rules.find()


# --- whose page it is -------------------------------------------------------------------------


def test_members_are_told_plainly(visit: Visit, parts: Parts) -> None:
    """The menu does not lead there, and who goes there all the same reads one sentence."""
    at = visit(BOB, "team")
    assert "Team" not in links(at)
    assert [each.value for each in at.info] == ["This page is for administrators."]
    assert ADA not in words(at)
    assert [each for each in at.button if each.key and each.key.startswith("team.")] == []


def test_administrators_are_led_there(visit: Visit, parts: Parts) -> None:
    """The twin: with everybody on it."""
    at = visit(ROOT, "team")
    assert "Team" in links(at)
    told = words(at)
    assert all(each.replace("@", "\\@\u2060").replace(".", "\\.") in told for each in (ADA, BOB))


def test_a_local_run_has_no_such_page(open_page: OpenPage) -> None:
    """Neither in the menu nor anywhere else."""
    at = open_page()
    assert "Team" not in links(at)
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        at.switch_page(str(HERE / "pages" / "team.py"))


def test_who_was_made_a_member_meanwhile_changes_nothing(visit: Visit, parts: Parts) -> None:
    """What is still on their screen is refused by the service, and they are told why."""
    at = visit(ROOT, "team")
    at.button(f"team.able:{BOB}").click().run()
    parts.repository.people.set_role(CY, Role.ADMINISTRATOR)
    parts.repository.people.set_role(ROOT, Role.MEMBER)
    at.button("team.confirm").click().run()
    assert not at.exception
    bob = parts.repository.people.find(BOB)
    assert bob is not None
    assert not bob.disabled
    assert "This page is for administrators." in words(at)


# --- people -----------------------------------------------------------------------------------


def card(at: AppTest, name: str) -> str:
    """What stands on the card of somebody."""
    blocks = [each.value for each in at.markdown]
    place = next(n for n, each in enumerate(blocks) if each.startswith(f"**{name}** "))
    return "\n".join(blocks[place : place + 2])


def test_a_card_says_who_somebody_is_and_what_they_have(visit: Visit, parts: Parts) -> None:
    """Role, when they were last seen, how many keys, and what they sent this month."""
    save(parts, ADA, "Mine")
    save(parts, ADA, "Other")
    entry = save(parts, ADA, "Ours", shared=True)
    now = datetime.now(UTC)
    for _ in range(2):
        use = parts.keys.open(entry.id, owner=BOB, why="chat").use
        parts.repository.journal.end(use, "finished", now, "", Spent(False, 1000, 234))
    at = visit(ROOT, "team")
    assert "2 private keys, 1 team key" in card(at, "Ada")
    assert "Last seen" in card(at, "Ada")
    assert "2 requests this month, 2,468 tokens" in card(at, "Bob")
    assert "No keys" in card(at, "Bob")
    assert "Member" in card(at, "Bob")
    assert "Administrator" in card(at, "Root")
    assert "You" in card(at, "Root")
    assert f"team.hand_over:{ADA}" in [each.key for each in at.button]
    assert f"team.hand_over:{BOB}" not in [each.key for each in at.button]


def test_a_role_is_changed_and_changed_back(visit: Visit, parts: Parts) -> None:
    """After a dialog that says what it means; cancelled, nothing is done."""
    at = visit(ROOT, "team")
    at.button(f"team.role:{BOB}").click().run()
    assert "changes roles and rules" in words(at)
    at.button("team.cancel").click().run()
    assert "Member" in card(at, "Bob")
    at.button(f"team.role:{BOB}").click().run()
    at.button("team.confirm").click().run()
    assert "**Bob** is an administrator now." in words(at)
    assert "Administrator" in card(at, "Bob")
    at.button(f"team.role:{BOB}").click().run()
    at.button("team.confirm").click().run()
    assert "**Bob** is a member now." in words(at)
    done = parts.repository.journal.page(Wanted(action="role"))
    assert [(each.actor, each.owner) for each in done[:2]] == [(ROOT, BOB)] * 2


def test_the_last_administrator_stays_one(visit: Visit, parts: Parts) -> None:
    """They are told why, and both ways out are shut."""
    at = visit(ROOT, "team")
    for button in (f"team.role:{ROOT}", f"team.able:{ROOT}"):
        at.button(button).click().run()
        at.button("team.confirm").click().run()
        assert "last administrator" in at.error[0].value
        assert "Administrator" in card(at, "Root")


def test_somebody_is_disabled_and_enabled(visit: Visit, parts: Parts) -> None:
    """They are out at once, and come in again afterwards."""
    save(parts, BOB)
    his = visit(BOB)
    at = visit(ROOT, "team")
    at.button(f"team.able:{BOB}").click().run()
    assert "used by nobody until you hand them over" in words(at)
    at.button("team.confirm").click().run()
    assert "**Bob** is disabled now." in words(at)
    assert "Disabled" in card(at, "Bob")
    time.sleep(0.6)  # an answer counts for half a second
    his.run()
    assert "You may not use Mohet Keys any more" in words(his)
    at.button(f"team.able:{BOB}").click().run()
    at.button("team.confirm").click().run()
    assert "**Bob** is enabled now." in words(at)
    assert "Production" in words(visit(BOB, provider="groq"))


def test_keys_are_handed_over(visit: Visit, parts: Parts) -> None:
    """To who was chosen, among those who may come in; without a choice nothing is done."""
    save(parts, ADA, "Mine")
    ours = save(parts, ADA, "Ours", shared=True)
    parts.repository.people.disable(CY)
    at = visit(ROOT, "team")
    at.button(f"team.hand_over:{ADA}").click().run()
    at.button("team.confirm").click().run()
    assert parts.keys.entry(ours.id, owner=ADA).mine
    at.button(f"team.hand_over:{ADA}").click().run()
    offered = at.selectbox("team.taker").options
    assert offered == [f"Bob · {BOB}", f"Root · {ROOT}"]
    at.selectbox("team.taker").set_value(BOB)
    at.button("team.confirm").click().run()
    assert "**Bob** has 2 keys of **Ada** now." in words(at)
    assert sorted(each.name for each in parts.keys.list(owner=BOB).entries) == ["Mine", "Ours"]
    assert parts.keys.entry(ours.id, owner=BOB).mine


def test_many_people_are_found_by_name(visit: Visit, parts: Parts) -> None:
    """Twelve stand on a page; what is typed narrows them."""
    join(parts.repository, *(f"p{number:02}@example.com" for number in range(20)))
    at = visit(ROOT, "team")
    drawn = [each.key for each in at.button if each.key and each.key.startswith("team.role:")]
    assert len(drawn) == 12
    at.text_input("team.find").set_value("P17").run()
    drawn = [each.key for each in at.button if each.key and each.key.startswith("team.role:")]
    assert drawn == ["team.role:p17@example.com"]
    at.text_input("team.find").set_value("nobody at all").run()
    assert "Nobody here matches this." in words(at)


# --- rules ------------------------------------------------------------------------------------


def form(at: AppTest) -> dict[str, Any]:
    """The fields of the rules, by label."""
    fields = (*at.pills, *at.text_area, *at.checkbox, *at.number_input)
    return {each.label: each for each in fields}


def submit(at: AppTest) -> AppTest:
    """Save the rules."""
    at.button("team.save_rules").click().run()
    assert not at.exception
    return at


def test_rules_are_changed(visit: Visit, parts: Parts) -> None:
    """All of them in one go; they hold at once, and stand in the form."""
    at = visit(ROOT, "team")
    fields = form(at)
    assert fields["Providers"].value == [row.label for row in PROVIDERS]
    assert fields["Further hosts"].value == "127.0.0.1"
    fields["Providers"].set_value(["Groq", "Mistral"])
    fields["Further hosts"].set_value("https://LLM.example.com/v1\n 127.0.0.1 ")
    fields["Allow no other hosts"].set_value(True)
    fields["Members may save keys of their own"].set_value(False)
    fields["Requests a month for each person"].set_value(100)
    fields["Requests a month through each key"].set_value(2000)
    submit(at)
    assert "The rules hold from now on." in words(at)
    wanted = TeamRules(
        providers=frozenset({"groq", "mistral"}),
        hosts=frozenset({"llm.example.com", "127.0.0.1"}),
        only_these_hosts=True,
        private_keys=False,
        person_limit=100,
        key_limit=2000,
    )
    assert rules_of(parts) == wanted
    assert form(at)["Further hosts"].value == "127.0.0.1\nllm.example.com"
    assert form(visit(ROOT, "team"))["Requests a month for each person"].value == 100
    with pytest.raises(RuleError, match="Only administrators save keys"):
        save(parts, BOB)
    fields = form(at)
    fields["Providers"].set_value([row.label for row in PROVIDERS])
    fields["Requests a month for each person"].set_value(None)
    submit(at)
    assert rules_of(parts).providers is None
    assert rules_of(parts).person_limit is None


def test_what_is_no_rule_is_said_at_its_field(visit: Visit, parts: Parts) -> None:
    """All at once; what was typed stays, and nothing is saved."""
    before = rules_of(parts)
    at = visit(ROOT, "team")
    form(at)["Providers"].set_value([])
    form(at)["Further hosts"].set_value("llm.example.com\n###")
    submit(at)
    told = [each.value for each in at.markdown if each.value.startswith(":red[")]
    assert len(told) == 2
    assert "Choose at least one provider" in told[0]
    assert "is no host" in told[1]
    assert form(at)["Further hosts"].value == "llm.example.com\n###"
    assert rules_of(parts) == before
    form(at)["Providers"].set_value(["Groq"])
    form(at)["Further hosts"].set_value("")
    submit(at)
    assert [each for each in at.markdown if each.value.startswith(":red[")] == []
    assert rules_of(parts) == TeamRules(providers=frozenset({"groq"}))


def test_rules_that_somebody_else_changed_are_not_overwritten(visit: Visit, parts: Parts) -> None:
    """They are shown as they are now, with a word on it."""
    at = visit(ROOT, "team")
    allow(parts.repository, "other.example.com", person_limit=7)
    form(at)["Requests a month through each key"].set_value(5)
    submit(at)
    assert f"{escape(ROOT)} changed the rules while this page was open" in words(at)
    assert rules_of(parts).person_limit == 7
    assert rules_of(parts).key_limit is None
    assert form(at)["Requests a month for each person"].value == 7
    assert form(at)["Requests a month through each key"].value is None
    assert labels(at).count("Save rules") == 1
    allow(parts.repository, person_limit=8)
    form(at)["Providers"].set_value([])  # nor is a form left as it is that cannot be saved anyway
    submit(at)
    assert "Somebody else changed the rules while this page was open" in words(at)
    assert form(at)["Requests a month for each person"].value == 8
