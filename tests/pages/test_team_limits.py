"""The monthly limits as the chat tells them: four fifths used, and nothing left."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.pages.team import Visit, save, visit, words
from tests.team import ADA, BOB, ROOT, allow, join

__all__ = ["visit"]  # a fixture


@pytest.fixture
def parts(visit: Visit) -> Parts:
    """The parts that the pages work with, in a team of two and an administrator."""
    built = resources.parts()
    join(built.repository, ADA, BOB)
    join(built.repository, ROOT, administrator=True)
    allow(built.repository, "127.0.0.1")
    return built


@pytest.fixture
def entry(parts: Parts) -> KeyEntry:
    """A team key of Ada's that works and that Bob chats with."""
    entry = save(parts, ADA, shared=True)
    works(parts, entry)
    parts.keys.select(entry.id, owner=BOB, model="m")
    return entry


def works(parts: Parts, entry: KeyEntry) -> None:
    """Have its provider accept a key."""
    said = Diagnosis(Verdict.VALID, "works", "It works.")
    result = CheckResult(entry.id, entry.revision, said, datetime.now(UTC), models=("m",))
    parts.keys.record(result, owner=entry.owner)


def send(parts: Parts, entry: KeyEntry, number: int) -> None:
    """Have Bob send so many messages."""
    for _ in range(number):
        parts.keys.open(entry.id, owner=BOB, why="chat")


def is_open(at: AppTest) -> bool:
    """Whether something can be typed."""
    return not at.chat_input[0].disabled


@pytest.mark.parametrize(("sent", "is_told"), [(0, False), (7, False), (8, True), (9, True)])
def test_a_limit_that_is_near_is_said(
    visit: Visit, parts: Parts, entry: KeyEntry, sent: int, is_told: bool
) -> None:
    """From four fifths on, with what is left and when it starts anew; one may go on."""
    allow(parts.repository, "127.0.0.1", person_limit=10)
    send(parts, entry, sent)
    at = visit(BOB, "chat")
    told = f"You have {10 - sent} of 10 requests left this month. It starts anew on"
    assert (told in words(at)) == is_told
    assert is_open(at)


def test_a_person_at_their_limit_cannot_send(visit: Visit, parts: Parts, entry: KeyEntry) -> None:
    """They are told when they can again and whom to ask; others still can."""
    parts.keys.select(entry.id, owner=ADA, model="m")
    allow(parts.repository, "127.0.0.1", person_limit=3)
    send(parts, entry, 3)
    at = visit(BOB, "chat")
    assert "Your monthly limit of 3 requests is reached. It starts anew on" in at.error[0].value
    assert "Ask an administrator" in at.error[0].value
    assert not is_open(at)
    assert is_open(visit(ADA, "chat"))


def test_a_key_at_its_limit_is_left_for_another(
    visit: Visit, parts: Parts, entry: KeyEntry
) -> None:
    """For everybody; keys that work are offered, and with one of those it goes on."""
    own = save(parts, BOB, "Own")
    works(parts, own)
    allow(parts.repository, "127.0.0.1", key_limit=2)
    send(parts, entry, 2)
    at = visit(BOB, "chat")
    assert "The monthly limit for **Production** of 2 requests is reached" in at.error[0].value
    assert not is_open(at)
    at.button(f"gate.use:{own.id}").click().run()
    assert not at.error
    assert parts.keys.entry(own.id, owner=BOB).selected
