"""The store of people: who arrives as what, and that a team is never without an administrator."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from mohet_keys.errors import RefusedError
from mohet_keys.journal import Wanted
from mohet_keys.model import Doing, Person, Role
from mohet_keys.people import SEEN_EVERY, People, id_of
from mohet_keys.repository import Repository
from tests.places import Place

ADA, BOB = "ada@example.com", "bob@example.com"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


@pytest.fixture
def people(store: Repository) -> People:
    """Nobody yet."""
    return store.people


# --- who somebody is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "folded"),
    [
        ("Ada@Example.COM", ADA),
        ("  ada@example.com\n", ADA),
        ("ANDRE\u0301@EXAMPLE.FR", "andr\u00e9@example.fr"),
        ("ΣΊΣΥΦΟΣ@example.gr", "σίσυφοσ@example.gr"),
        ("o'brien+keys@mail.example.co.uk", "o'brien+keys@mail.example.co.uk"),
    ],
)
def test_an_address_is_the_same_in_every_case(address: str, folded: str) -> None:
    """However an identity provider writes an address, it is one person."""
    assert id_of(address) == folded
    assert id_of(folded) == folded


@pytest.mark.parametrize(
    "address",
    [
        *("", "   ", "local", "team", "@", "ada@", "@example.com", "a@b@c", "a b@example.com"),
        *("ada\0@example.com", "ada\n@example.com", "a\u202eda@example.com", "a\ud800@example.com"),
        *(f"{'a' * 250}@example.com", "ada\u200b@example.com"),
        *("\u212aarl@example.com", "\u017fam@example.com", "stra\u00dfe@example.com"),
        *("o\ufb03ce@example.com", "\u0130da@example.com", "ada@e\u017fample.com"),
    ],
)
def test_what_is_no_address_or_another_one_in_disguise_is_nobody(address: str) -> None:
    """Neither `local` nor a look-alike that folds into somebody else's address gets in."""
    with pytest.raises(RefusedError, match="no e-mail address"):
        id_of(address)


# --- arriving ---------------------------------------------------------------------------------


def test_whoever_arrives_first_is_a_member(people: People) -> None:
    """A new person is taken in with the least rights, and found again by their folded address."""
    ada = people.arrived("Ada@Example.com", "Ada Lovelace", NOW)
    assert ada == Person(ADA, "Ada Lovelace", Role.MEMBER, False, NOW, NOW)
    assert people.find(ADA) == ada
    assert people.find("Ada@Example.com") is None
    assert not ada.is_administrator


@pytest.mark.parametrize("person_id", ["", "nobody@example.com", "a\0b", "\ud800", "x" * 100_000])
def test_nobody_is_found_for_any_other_id(people: People, person_id: str) -> None:
    """An id nobody has, or no database could hold, is nobody's."""
    people.arrived(ADA, "Ada", NOW)
    assert people.find(person_id) is None


def test_who_comes_back_is_the_same_person(people: People) -> None:
    """A later sign-in brings the new name and time; the first time and the role stay."""
    people.arrived(ADA, "Ada", NOW)
    people.set_role(ADA, Role.ADMINISTRATOR)
    again = people.arrived(ADA, "Ada King", LATER)
    assert again == Person(ADA, "Ada King", Role.ADMINISTRATOR, False, NOW, LATER)
    assert people.everyone() == [again]


@pytest.mark.parametrize(
    "name", ["", "  ", "\n", "Ada\nAdmin", "\u202eadA", "sk-proj-" + "a1" * 60]
)
def test_a_name_that_cannot_be_shown_is_the_address(people: People, name: str) -> None:
    """Whatever an identity provider calls somebody, a name on screen is one harmless line."""
    assert people.arrived(ADA, name, NOW).name == ADA


def test_a_long_name_is_cut(people: People) -> None:
    """A name takes no more room than that of a key."""
    assert people.arrived(ADA, "A" * 1000, NOW).name == "A" * 80


def test_the_settings_name_the_first_administrators(people: People, store: Repository) -> None:
    """Whoever the settings name is an administrator on arrival, and that is on record."""
    assert people.arrived(ADA, "Ada", NOW, administrator=True).is_administrator
    (told,) = store.journal.page(Wanted())
    assert (told.action, told.actor, told.owner, told.at) == ("role", ADA, ADA, NOW)
    assert "settings" in told.detail


def test_somebody_who_is_here_can_be_named_later(people: People) -> None:
    """An operator gets a team without an administrator out of trouble by naming one."""
    people.arrived(BOB, "Bob", NOW)
    assert people.arrived(BOB, "Bob", LATER, administrator=True).is_administrator


def test_a_role_given_by_an_administrator_holds_over_the_settings(
    people: People, store: Repository
) -> None:
    """Demoted is demoted, at every further sign-in, though the settings still name them."""
    people.arrived(ADA, "Ada", NOW, administrator=True)
    people.arrived(BOB, "Bob", NOW, administrator=True)
    people.set_role(BOB, Role.MEMBER)
    for _ in range(2):
        assert people.arrived(BOB, "Bob", LATER, administrator=True).role is Role.MEMBER
    assert len(store.journal.page(Wanted())) == 2
    people.arrived(BOB, "Bob", LATER)
    assert people.arrived(BOB, "Bob", LATER, administrator=True).is_administrator


def test_the_settings_let_no_disabled_person_in(people: People) -> None:
    """Who is disabled stays so whoever names them, and is not seen."""
    people.arrived(ADA, "Ada", NOW, administrator=True)
    people.arrived(BOB, "Bob", NOW)
    gone = people.disable(BOB)
    assert people.arrived(BOB, "Robert", LATER, administrator=True) == gone
    assert people.find(BOB) == gone
    assert (gone.disabled, gone.last_seen, gone.is_administrator) == (True, NOW, False)


def test_one_person_arrives_in_many_places_at_once(people: People) -> None:
    """Eight first sign-ins of one person at the same moment make one person."""
    start = threading.Barrier(8)
    found: list[Person] = []

    def arrive() -> None:
        start.wait()
        found.append(people.arrived(ADA, "Ada", NOW, administrator=True))

    _together(arrive, 8)
    assert found == [Person(ADA, "Ada", Role.ADMINISTRATOR, False, NOW, NOW)] * 8
    assert people.everyone() == found[:1]


def test_when_somebody_was_seen_is_kept_to_the_minute(store: Repository, people: People) -> None:
    """A busy person costs one write a minute; a clock put back changes nothing."""
    people.arrived(ADA, "Ada", NOW)
    written: list[str] = []
    engine = store._database.engine
    event.listen(engine, "before_cursor_execute", lambda *said: written.append(said[2]))
    people.touch(ADA, NOW + SEEN_EVERY / 2)
    people.touch(ADA, NOW - timedelta(days=9))
    people.touch(BOB, LATER)
    assert not [said for said in written if said.startswith(("UPDATE", "BEGIN IMMEDIATE"))]
    people.touch(ADA, NOW + SEEN_EVERY)
    found = people.find(ADA)
    assert found is not None
    assert found.last_seen == NOW + SEEN_EVERY


# --- what they are ----------------------------------------------------------------------------


def test_people_come_in_the_order_of_their_names(people: People) -> None:
    """The list of people is sorted by name, and names are given for ids."""
    people.arrived(BOB, "Bob", NOW)
    people.arrived(ADA, "Ada", NOW)
    assert [person.name for person in people.everyone()] == ["Ada", "Bob"]
    assert people.names([BOB, "nobody"]) == {BOB: "Bob"}


CHANGES: dict[str, Callable[[People, str], Person]] = {
    "demote": lambda people, who: people.set_role(who, Role.MEMBER),
    "disable": lambda people, who: people.disable(who),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_last_administrator_stays(people: People, store: Repository, change: str) -> None:
    """Neither demoted nor disabled, also when a disabled one is beside; and nothing is recorded."""
    people.arrived(ADA, "Ada", NOW, administrator=True)
    people.arrived(BOB, "Bob", NOW, administrator=True)
    people.disable(BOB)
    before = len(store.journal.page(Wanted()))
    with pytest.raises(RefusedError, match="last administrator"):
        CHANGES[change](people, ADA)
    assert people.find(ADA) == Person(ADA, "Ada", Role.ADMINISTRATOR, False, NOW, NOW)
    people.enable(BOB)
    assert not CHANGES[change](people, ADA).is_administrator
    assert len(store.journal.page(Wanted())) == before


@pytest.mark.parametrize("change", CHANGES)
def test_two_administrators_cannot_remove_each_other_at_once(people: People, change: str) -> None:
    """However the two meet, one of them is left."""
    for person in (ADA, BOB):
        people.arrived(person, person, NOW, administrator=True)
    start = threading.Barrier(2)
    targets = iter((ADA, BOB))
    refused: list[str] = []

    def remove() -> None:
        target = next(targets)
        start.wait()
        try:
            CHANGES[change](people, target)
        except RefusedError as error:
            refused.append(str(error))

    _together(remove, 2)
    assert len(refused) == 1
    assert len([person for person in people.everyone() if person.is_administrator]) == 1


def test_a_change_of_nobody_is_refused(people: People) -> None:
    """An id nobody has cannot be given a role, and nothing is recorded of it."""
    people.arrived(ADA, "Ada", NOW, administrator=True)
    for change in (*CHANGES.values(), lambda people, who: people.enable(who)):
        with pytest.raises(RefusedError, match="no such person"):
            change(people, BOB)


def test_a_change_is_recorded_with_it(people: People, store: Repository) -> None:
    """Who made whom an administrator is in the record of the same transaction."""
    people.arrived(BOB, "Bob", NOW)
    people.set_role(BOB, Role.ADMINISTRATOR, doing=Doing("role", ADA, BOB, NOW, detail="promoted"))
    (told,) = store.journal.page(Wanted())
    assert (told.action, told.actor, told.owner, told.detail) == ("role", ADA, BOB, "promoted")


def test_an_unknown_role_has_the_least_rights(store: Repository, people: People) -> None:
    """A role written by a later version, or by hand, makes nobody an administrator."""
    people.arrived(ADA, "Ada", NOW, administrator=True)
    with store._database.writing() as connection:
        connection.execute(text("UPDATE person SET role = 'ADMINISTRATOR '"))
    found = people.find(ADA)
    assert found is not None
    assert found.role is Role.MEMBER


def test_a_person_is_no_place_to_write_on() -> None:
    """What is decided about a person is read anew, so nobody changes the value in hand."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Person(ADA, "Ada").role = Role.ADMINISTRATOR  # type: ignore[misc]


def _together(step: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=step) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
