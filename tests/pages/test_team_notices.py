"""What people are told when somebody else takes a key away, on whatever page they are."""

from __future__ import annotations

import pytest

from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.pages.team import Visit, labels, save, visit, words
from tests.team import ADA, BOB, CY, ROOT, allow, join

__all__ = ["visit"]  # a fixture

TOLD = r"Ada deleted “Groq\/Production”\. Select another key\."


@pytest.fixture
def parts(visit: Visit) -> Parts:
    """The parts that the pages work with, in a team of three and an administrator."""
    built = resources.parts()
    join(built.repository, ADA, BOB, CY)
    join(built.repository, ROOT, administrator=True)
    allow(built.repository, "127.0.0.1")
    return built


@pytest.mark.parametrize("page", ["chat", "overview"])
def test_who_had_it_selected_is_told_until_they_saw_it(
    visit: Visit, parts: Parts, page: str
) -> None:
    """On whatever page, again and again, and not once more after that; nobody else is told."""
    entry = save(parts, ADA, shared=True)
    save(parts, BOB, "Other")
    parts.keys.select(entry.id, owner=BOB)
    at = visit(BOB, page)
    assert "deleted" not in words(at)
    parts.keys.remove(entry.id, owner=ADA)
    for _ in range(2):
        at.run()
        assert TOLD in [each.value for each in at.warning]
    at.button("notices.seen").click().run()
    assert TOLD not in words(at)
    assert "Got it" not in labels(at)
    assert "deleted" not in words(visit(CY, page))


def test_an_owner_is_told_what_an_administrator_did(visit: Visit, parts: Parts) -> None:
    """They need not select another key when they had not selected it."""
    entry = save(parts, ADA, shared=True)
    parts.keys.unshare(entry.id, owner=ROOT, version=entry.version)
    at = visit(ADA)
    assert [each.value for each in at.warning] == [r"Root stopped sharing “Groq\/Production”\."]
