"""People for the tests: whoever signs in before they can ask for anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mohet_keys.model import Doing, Person
from mohet_keys.repository import Repository
from mohet_keys.rules import TeamRules

ADA = "ada@example.com"
BOB = "bob@example.com"
CY = "cy@example.com"
EVE = "eve@example.com"
ROOT = "root@example.com"
"""The administrator."""
SIGNED_IN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def name_of(person_id: str) -> str:
    """What somebody is called."""
    return person_id.partition("@")[0].capitalize()


def join(store: Repository, *person_ids: str, administrator: bool = False) -> list[Person]:
    """Have people sign in for the first time."""
    return [
        store.people.arrived(each, name_of(each), SIGNED_IN, administrator=administrator)
        for each in person_ids
    ]


def allow(store: Repository, *hosts: str, **rules: Any) -> None:
    """Have the administrator allow these hosts, and whatever else is given."""
    doing = Doing("rules", ROOT, ROOT, SIGNED_IN)
    store.rules.save(TeamRules(hosts=frozenset(hosts), **rules), doing=doing)
