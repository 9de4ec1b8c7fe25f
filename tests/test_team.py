"""The team as administrators see and change it, and keys that change hands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys.errors import DeniedError, NotFoundError, RefusedError
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, KeyEntry, NewKey, Role, Spent
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.team import HandedOver, Team
from mohet_keys.uses import PersonsUse
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.team import ADA, BOB, CY, ROOT, join

pytestmark = pytest.mark.usefixtures("on_both")
SECRET = canary("gsk_")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings under which an owner may see a secret."""
    return Settings(data_dir=tmp_path / "data", config_dir=tmp_path / "config", allow_reveal=True)


@pytest.fixture
def team(parts: Parts) -> Team:
    """Ada, Bob and Cy, and an administrator."""
    join(parts.repository, ADA, BOB, CY)
    join(parts.repository, ROOT, administrator=True)
    return parts.team


@pytest.fixture
def keys(parts: Parts, team: Team) -> KeyService:
    """The verbs on keys."""
    return parts.keys


def add(keys: KeyService, owner: str = ADA, name: str = "Production", secret: str = "") -> KeyEntry:
    """A private key."""
    typed = SecretStr(secret or canary("gsk_"))
    return keys.add(NewKey(provider="groq", name=name, secret=typed), owner=owner).entry


def share(keys: KeyService, entry: KeyEntry) -> KeyEntry:
    """The same for everybody."""
    return keys.share(entry.id, owner=entry.owner, version=entry.version)


def told(team: Team, person: str) -> list[str]:
    """What somebody is to be told."""
    return [notice.words for notice in team.notices(owner=person)]


# --- people -----------------------------------------------------------------------------------


def test_administrators_see_everybody_and_how_many_keys_they_have(
    parts: Parts, keys: KeyService, team: Team
) -> None:
    """Role, last seen, private keys by their number alone, team keys, and this month's use."""
    add(keys)
    add(keys, name="Second")
    entry = share(keys, add(keys, BOB))
    use = keys.open(entry.id, owner=ADA, why="chat").use
    keys.finish(use, "finished", spent=Spent(tokens_in=3, tokens_out=4))
    found = {each.person.id: each for each in team.members(owner=ROOT)}
    assert list(found) == [ADA, BOB, CY, ROOT]
    assert [(each.private_keys, each.team_keys) for each in found.values()] == [
        (2, 0),
        (0, 1),
        (0, 0),
        (0, 0),
    ]
    assert found[ADA].use == PersonsUse(1, 0, 3, 4)
    assert found[BOB].use == PersonsUse(0, 0, 0, 0)
    assert found[ROOT].person.is_administrator
    assert "Production" not in repr(found)


def test_a_role_is_changed_on_record(parts: Parts, team: Team) -> None:
    """Who made whom what is there for administrators and for the person."""
    assert team.set_role(BOB, Role.ADMINISTRATOR, owner=ROOT).is_administrator
    assert team.members(owner=BOB)
    assert not team.set_role(ROOT, Role.MEMBER, owner=BOB).is_administrator
    with pytest.raises(DeniedError, match="Only an administrator can do this"):
        team.members(owner=ROOT)
    done = parts.repository.journal.page(Wanted(action="role"))
    assert [(each.actor, each.owner, each.detail) for each in done][:2] == [
        (BOB, ROOT, "a member now"),
        (ROOT, BOB, "an administrator now"),
    ]


def test_there_is_always_an_administrator(team: Team) -> None:
    """The last one neither steps down nor shuts themselves out."""
    with pytest.raises(RefusedError, match="last administrator"):
        team.set_role(ROOT, Role.MEMBER, owner=ROOT)
    with pytest.raises(RefusedError, match="last administrator"):
        team.disable(ROOT, owner=ROOT)
    assert team.me(owner=ROOT).is_administrator


def test_a_disabled_person_is_out_and_what_they_share_stays(
    parts: Parts, keys: KeyService, team: Team
) -> None:
    """From the next thing they ask for on; and they come back as what they were."""
    entry = share(keys, add(keys))
    team.disable(ADA, owner=ROOT)
    with pytest.raises(DeniedError):
        team.me(owner=ADA)
    assert keys.open(entry.id, owner=BOB, why="chat").secret
    team.enable(ADA, owner=ROOT)
    assert team.me(owner=ADA).name == "Ada"
    done = [each.action for each in parts.repository.journal.page(Wanted(involving=ADA))]
    assert (done.count("disable"), done.count("enable")) == (1, 1)


@pytest.mark.parametrize("who", ["nobody@example.com", "local", "a\0b"])
def test_nobody_cannot_be_changed(team: Team, who: str) -> None:
    """Neither somebody who never signed in nor the one of a local run."""
    for change in (
        lambda: team.set_role(who, Role.MEMBER, owner=ROOT),
        lambda: team.disable(who, owner=ROOT),
        lambda: team.enable(who, owner=ROOT),
        lambda: team.hand_over(who, BOB, owner=ROOT),
        lambda: team.hand_over(ADA, who, owner=ROOT),
    ):
        with pytest.raises(RefusedError, match="no such person"):
            change()


def test_notices_are_seen_once(keys: KeyService, team: Team) -> None:
    """By whom they are for; seeing nothing does nothing."""
    entry = share(keys, add(keys))
    keys.select(entry.id, owner=BOB)
    keys.remove(entry.id, owner=ADA)
    (notice,) = team.notices(owner=BOB)
    assert notice.words == "Ada deleted “Groq/Production”. Select another key."
    team.seen([], owner=BOB)
    team.seen([notice.id], owner=CY)
    assert team.notices(owner=BOB) == [notice]
    team.seen([notice.id], owner=BOB)
    assert team.notices(owner=BOB) == []
    assert team.notices(owner=LOCAL_OWNER) == []


# --- keys change hands ------------------------------------------------------------------------


def test_all_keys_of_a_person_go_to_another(parts: Parts, keys: KeyService, team: Team) -> None:
    """Private ones stay private and team keys shared; both people are told, and each key's story
    goes on with its new owner."""
    private, shared = add(keys), share(keys, add(keys, name="For all"))
    keys.select(private.id, owner=ADA)
    keys.select(shared.id, owner=CY)
    assert team.hand_over(ADA, BOB, owner=ROOT) == HandedOver(2)
    mine = {entry.name: entry for entry in keys.list(owner=BOB).entries}
    assert {name: (e.mine, e.shared) for name, e in mine.items()} == {
        "Production": (True, False),
        "For all": (True, True),
    }
    assert [entry.name for entry in keys.list(owner=ADA).entries] == ["For all"]
    assert keys.entry(shared.id, owner=ADA).owner_name == "Bob"
    with pytest.raises(NotFoundError):
        keys.entry(private.id, owner=ADA)
    assert keys.selection(owner=ADA) is None
    assert keys.selection(owner=CY) is not None
    assert told(team, ADA) == ["Root handed 2 keys of yours to Bob."]
    assert told(team, BOB) == ["Root handed 2 keys of Ada’s to you."]
    done = parts.repository.journal.page(Wanted(action="hand_over", involving=BOB))
    assert {(e.actor, e.owner, e.key_id, e.detail) for e in done} == {
        (ROOT, BOB, private.id, "was Ada’s"),
        (ROOT, BOB, shared.id, "was Ada’s"),
    }


def test_nobody_reads_what_was_handed_over(keys: KeyService, team: Team) -> None:
    """An administrator who takes somebody's keys uses them, and sees no secret until they type
    another; nor does whoever gets them."""
    entry = add(keys, secret=SECRET)
    team.hand_over(ADA, ROOT, owner=ROOT)
    assert keys.open(entry.id, owner=ROOT, why="chat").secret == SECRET
    for ask in (
        lambda: keys.reveal(entry.id, owner=ROOT),
        lambda: keys.open(entry.id, owner=ROOT, why="export"),
    ):
        with pytest.raises(DeniedError, match="Only who entered its secret can"):
            ask()
    now = keys.entry(entry.id, owner=ROOT)
    trial = keys.trial(entry.id, canary("gsk_"), owner=ROOT, version=now.version)
    swapped = keys.swap(trial, owner=ROOT).entry
    keys.reveal(entry.id, owner=ROOT)
    keys.undo_swap(entry.id, owner=ROOT, version=swapped.version)
    with pytest.raises(DeniedError):
        keys.reveal(entry.id, owner=ROOT)


def test_names_that_are_taken_get_a_number(keys: KeyService, team: Team) -> None:
    """Private keys of one name stand beside each other at their new owner's."""
    add(keys, BOB)
    add(keys, BOB, "Production (2)")
    add(keys, ADA)
    share(keys, add(keys, ADA, "Shared"))
    team.hand_over(ADA, BOB, owner=ROOT)
    names = sorted(entry.name for entry in keys.list(owner=BOB).entries)
    assert names == ["Production", "Production (2)", "Production (3)", "Shared"]


def test_a_secret_that_is_there_already_stays(keys: KeyService, team: Team) -> None:
    """Its new owner would have it twice, so it stays where it is, and how many is said."""
    add(keys, BOB, "Mine", SECRET)
    kept = add(keys, ADA, "Same", SECRET)
    add(keys, ADA, "Other")
    assert team.hand_over(ADA, BOB, owner=ROOT) == HandedOver(1, left=1)
    assert keys.entry(kept.id, owner=ADA).mine


def test_who_has_no_keys_hands_none_over(parts: Parts, team: Team) -> None:
    """Nobody is told of nothing."""
    assert team.hand_over(ADA, BOB, owner=ROOT) == HandedOver(0)
    assert (told(team, ADA), told(team, BOB)) == ([], [])


def test_keys_go_to_somebody_who_is_there(keys: KeyService, team: Team) -> None:
    """Not to somebody disabled, not to oneself; from somebody disabled they do."""
    add(keys)
    team.disable(ADA, owner=ROOT)
    with pytest.raises(RefusedError, match="Ada is disabled"):
        team.hand_over(BOB, ADA, owner=ROOT)
    with pytest.raises(RefusedError, match="theirs already"):
        team.hand_over(BOB, BOB, owner=ROOT)
    assert team.hand_over(ADA, BOB, owner=ROOT) == HandedOver(1)


def test_who_edits_meanwhile_finds_that_it_is_gone(keys: KeyService, team: Team) -> None:
    """A form that was open over the change saves nothing."""
    entry = add(keys)
    team.hand_over(ADA, BOB, owner=ROOT)
    with pytest.raises(NotFoundError):
        keys.share(entry.id, owner=ADA, version=entry.version)
    assert keys.entry(entry.id, owner=BOB).version == entry.version + 1


def test_last_seen_is_shown(parts: Parts, team: Team) -> None:
    """The list has when somebody was there last."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    parts.repository.people.touch(CY, at)
    (cy,) = (each.person for each in team.members(owner=ROOT) if each.person.id == CY)
    assert cy.last_seen == at
