"""Who is let in, for how long, and what ends it: the rows of the sign-ins, and the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from mohet_keys.errors import DeniedError, SignedOutError
from mohet_keys.identity import Identity, SignIn
from mohet_keys.journal import Wanted
from mohet_keys.model import Person, Role
from mohet_keys.sessions import KEPT_FOR, Session
from mohet_keys.settings import Settings
from mohet_keys.visitors import FRESH, TOLD_EVERY, Visitors
from mohet_keys.wiring import Parts
from tests.statements import statements

LASTS, IDLE = timedelta(hours=12), timedelta(minutes=30)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Watch:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, tzinfo=UTC)
        self.ticks = 0.0

    def forward(self, by: timedelta) -> None:
        """Let time go by."""
        self.now += by
        self.ticks += abs(by.total_seconds())


@pytest.fixture
def watch() -> Watch:
    """The time of day in this test."""
    return Watch()


Door = Callable[..., Visitors]


@pytest.fixture
def door(parts: Parts, watch: Watch) -> Door:
    """Makes the door of one server; several have the same store."""

    def make(**more: object) -> Visitors:
        return Visitors(
            parts.repository,
            lasts=LASTS,
            idle=IDLE,
            clock=lambda: watch.now,
            monotonic=lambda: watch.ticks,
            **more,  # type: ignore[arg-type]
        )

    return make


def ada(watch: Watch, one: str = "a", *, lasts: timedelta = 24 * HOUR) -> Identity:
    """Ada with a sign-in of just now."""
    sign_in = SignIn(one * 64, watch.now, watch.now + lasts)
    return Identity("ada@example.com", "Ada Lovelace", sign_in)


def is_out(visitors: Visitors, identity: Identity) -> str:
    """The words of whoever is not let in; that goes for what they do and what happens by itself."""
    with pytest.raises(SignedOutError) as error:
        visitors.come(identity)
    with pytest.raises(SignedOutError):
        visitors.stay(identity)
    return str(error.value)


def test_a_first_sign_in_makes_a_person(door: Door, watch: Watch, parts: Parts) -> None:
    """With the name the identity provider tells, and one line in the record."""
    person = door().come(ada(watch))
    assert (person.id, person.name, person.role) == ("ada@example.com", "Ada Lovelace", Role.MEMBER)
    told = parts.repository.journal.page(Wanted(owner=person.id))
    assert [entry.action for entry in told] == ["sign_in"]


def test_the_settings_name_the_first_administrators(door: Door, watch: Watch) -> None:
    """By address; whoever is not named is a member."""
    visitors = door(administrators=frozenset({"ada@example.com"}))
    assert visitors.come(ada(watch)).role is Role.ADMINISTRATOR
    other = Identity("bob@example.com", "Bob", ada(watch, "b").sign_in)
    assert visitors.come(other).role is Role.MEMBER


def test_t46_a_sign_in_ends_after_twelve_hours(door: Door, watch: Watch) -> None:
    """However busy its owner is, counted from when the identity provider let them in."""
    visitors, identity = door(), ada(watch)
    for _ in range(47):
        visitors.come(identity)
        watch.forward(15 * MINUTE)
    visitors.come(identity)
    watch.forward(15 * MINUTE)
    assert is_out(visitors, identity) == "Your sign-in has ended. Sign in again to go on."


def test_t46_a_sign_in_ends_with_its_token(door: Door, watch: Watch) -> None:
    """When the identity provider's word for it is over earlier."""
    visitors, identity = door(), ada(watch, lasts=HOUR)
    for _ in range(4):
        visitors.come(identity)
        watch.forward(15 * MINUTE)
    assert "has ended" in is_out(visitors, identity)


def test_t46_a_cookie_first_seen_too_late_lets_nobody_in(
    door: Door, watch: Watch, parts: Parts
) -> None:
    """One that was kept by for a day is no new sign-in, and makes no person."""
    identity = ada(watch)
    watch.forward(LASTS)
    assert "has ended" in is_out(door(), identity)
    assert parts.repository.people.everyone() == []


def test_t46_who_does_nothing_for_half_an_hour_is_out(door: Door, watch: Watch) -> None:
    """What happens by itself does not count as doing something."""
    visitors, identity = door(), ada(watch)
    visitors.come(identity)
    for _ in range(29):
        watch.forward(MINUTE)
        visitors.stay(identity)
    watch.forward(MINUTE)
    assert "did nothing for a while" in is_out(visitors, identity)
    assert is_out(door(), identity)


def test_t46_each_doing_counts(door: Door, watch: Watch) -> None:
    """To within the twenty seconds between two writes."""
    visitors, identity = door(), ada(watch)
    for _ in range(3):
        visitors.come(identity)
        watch.forward(IDLE - MINUTE)
    visitors.come(identity)
    watch.forward(TOLD_EVERY - timedelta(seconds=1))
    visitors.come(identity)  # too soon to be written
    watch.forward(IDLE - TOLD_EVERY)
    visitors.come(identity)


def test_t45_t46_signing_out_ends_every_tab_on_every_server(
    door: Door, watch: Watch, parts: Parts
) -> None:
    """And the cookie, wherever it was copied to, never counts again."""
    here, there, identity = door(), door(), ada(watch)
    for visitors in (here, there):
        visitors.come(identity)
    here.leave(identity)
    assert is_out(here, identity) == "You are signed out."
    assert there.stay(identity)  # asked half a second ago at most
    watch.forward(timedelta(seconds=FRESH))
    assert is_out(there, identity) == "You are signed out."
    watch.forward(timedelta(days=30))
    assert is_out(door(), identity) == "You are signed out."
    told = parts.repository.journal.page(Wanted(owner="ada@example.com"))
    assert [entry.action for entry in told] == ["sign_out", "sign_in"]


def test_signing_out_leaves_other_sign_ins_alone(door: Door, watch: Watch) -> None:
    """Another browser of the same person goes on."""
    visitors, first, second = door(), ada(watch), ada(watch, "b")
    visitors.come(first)
    visitors.come(second)
    visitors.leave(first)
    assert is_out(visitors, first)
    assert visitors.come(second)


def test_t45_who_is_disabled_is_out_everywhere(door: Door, watch: Watch, parts: Parts) -> None:
    """At once, in words of its own; and no sign-in of before comes to life with them again."""
    visitors, first, second = door(), ada(watch), ada(watch, "b")
    visitors.come(first)
    visitors.come(second)
    parts.repository.people.arrived("boss@example.com", "", watch.now, administrator=True)
    parts.repository.people.disable("ada@example.com")
    watch.forward(timedelta(seconds=FRESH))
    for identity in (first, second, ada(watch, "c")):
        for ask in (visitors.come, visitors.stay):
            with pytest.raises(DeniedError, match="may not use Mohet Keys any more"):
                ask(identity)
    parts.repository.people.enable("ada@example.com")
    for identity in (first, second):
        assert is_out(visitors, identity)
    assert visitors.come(ada(watch, "d"))


@pytest.mark.parametrize("by", [timedelta(days=-1), timedelta(days=-2000)])
def test_t59_a_clock_put_back_ends_a_sign_in(door: Door, watch: Watch, by: timedelta) -> None:
    """Rather than having it last until the clock is there again."""
    visitors, identity = door(), ada(watch)
    visitors.come(identity)
    watch.forward(by)
    assert is_out(visitors, identity)


def test_t59_a_little_clock_skew_ends_nothing(door: Door, watch: Watch) -> None:
    """No two servers agree to the second."""
    visitors, identity = door(), ada(watch)
    visitors.come(identity)
    watch.forward(-MINUTE)
    assert visitors.come(identity)


def test_two_tabs_may_come_at_once(parts: Parts, door: Door, watch: Watch) -> None:
    """The first page of a sign-in is often opened twice; there is one row then, and no error."""
    identity, came, together = ada(watch), list[Person](), Barrier(8)

    def come() -> None:
        visitors = door()
        together.wait(10)
        came.append(visitors.come(identity))

    threads = [Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {person.id for person in came} == {"ada@example.com"}
    assert len(came) == 8
    assert [person.id for person in parts.repository.people.everyone()] == ["ada@example.com"]
    assert len(parts.repository.journal.page(Wanted(owner="ada@example.com"))) == 1


def test_a_row_outlives_its_cookie(parts: Parts, watch: Watch) -> None:
    """Only then may it go, for without it the cookie would count anew."""
    sessions = parts.repository.sessions

    def begun(name: str, at: datetime) -> object:
        return sessions.begin(Session(name, "ada@example.com", at, at, at + LASTS))

    begun("old", watch.now)
    begun("other", watch.now + KEPT_FOR)
    assert sessions.find("old")
    begun("last", watch.now + KEPT_FOR + MINUTE)
    assert sessions.find("old") is None
    assert sessions.find("other")
    assert timedelta(days=31) < KEPT_FOR


def test_an_end_is_never_moved(parts: Parts, watch: Watch) -> None:
    """Neither by a second one nor by what is done afterwards."""
    sessions, at = parts.repository.sessions, watch.now
    sessions.begin(Session("one", "ada@example.com", at, at, at + LASTS))
    sessions.end("one", at + MINUTE)
    sessions.end("one", at + HOUR)
    sessions.end_all("ada@example.com", at + HOUR)
    sessions.touch("one", at + HOUR)
    found = sessions.find("one")
    assert found
    assert (found.ended_at, found.last_at) == (at + MINUTE, at)


def test_whom_a_proxy_names_needs_no_sign_in(door: Door, watch: Watch, parts: Parts) -> None:
    """The proxy keeps it and ends it; whoever is disabled is out all the same."""
    visitors, identity = door(), Identity("ada@example.com", "Ada")
    visitors.come(identity)
    watch.forward(timedelta(days=3))
    assert visitors.come(identity).id == "ada@example.com"
    found = parts.repository.people.find("ada@example.com")
    assert found
    assert found.last_seen == watch.now
    parts.repository.people.arrived("boss@example.com", "", watch.now, administrator=True)
    parts.repository.people.disable("ada@example.com")
    watch.forward(timedelta(seconds=FRESH))
    for ask in (visitors.come, visitors.stay):
        with pytest.raises(DeniedError):
            ask(identity)
    visitors.leave(identity)


def test_a_proxys_administrators_are_heeded_at_the_next_start(door: Door, watch: Watch) -> None:
    """A person who is known already becomes one when the settings name them."""
    identity = Identity("ada@example.com", "Ada")
    assert door().come(identity).role is Role.MEMBER
    named = door(administrators=frozenset({"ada@example.com"}))
    assert named.stay(identity).role is Role.ADMINISTRATOR


def test_most_questions_cost_the_store_nothing(door: Door, watch: Watch) -> None:
    """A run asks who the visitor is a dozen times; half a second later the store is asked again."""
    visitors, identity = door(), ada(watch)
    visitors.come(identity)
    with statements() as asked:
        for _ in range(20):
            visitors.stay(identity)
        assert asked == []
        watch.forward(timedelta(seconds=FRESH))
        for _ in range(20):
            visitors.stay(identity)
    assert [" ".join(words.split()[:1]) for words in asked] == ["SELECT", "SELECT"]


def test_times_are_settings(settings: Settings) -> None:
    """Hours and minutes; what is no sensible number changes nothing."""
    assert (settings.session_hours, settings.idle_minutes) == (12.0, 30.0)
    for odd in ("forever", "0", "-1", "inf", "nan"):
        wrong = Settings(session_hours=odd, idle_minutes=odd)  # type: ignore[arg-type]
        assert (wrong.session_hours, wrong.idle_minutes) == (12.0, 30.0)
    short = Settings(session_hours="0.5", idle_minutes="5")  # type: ignore[arg-type]
    assert (short.session_hours, short.idle_minutes) == (0.5, 5.0)
