"""The story that the past of the demo is told in: its clock, its steps, and their order.

What happened is told in the order in which it happened, and everything is as old as it looks: the
service works with a clock that stands where the story is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from mohet_keys import endpoints, journal
from mohet_keys.database import Database
from mohet_keys.demo_keys import Cast
from mohet_keys.model import LOCAL_OWNER, Action, CheckResult, Doing, KeyEntry
from mohet_keys.providers import BY_SLUG
from mohet_keys.service import KeyService
from mohet_keys.tables import EVENT, KEY
from mohet_keys.wiring import Parts


@dataclass(slots=True)
class Story:
    """What is written, and at which moment of it the clock stands."""

    parts: Parts
    keys: KeyService
    now: datetime
    at: datetime
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    locked: list[CheckResult] = field(default_factory=list)
    """What was found of the row that was altered."""

    def entry(self, cast: Cast) -> KeyEntry:
        """A key as it stands at this moment of the story."""
        return self.keys.entry(self.ids[cast.provider, cast.name], owner=LOCAL_OWNER)


@dataclass(frozen=True, slots=True)
class Told:
    """Something for the record: a use of a key, and how it ended."""

    at: datetime
    cast: Cast
    action: Action
    result: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Something that is done by the service."""

    at: datetime
    do: Callable[[], object]


def address_of(cast: Cast) -> str:
    """The base URL that a key is said to go to."""
    return cast.endpoint or BY_SLUG[cast.provider].endpoint


def begun(parts: Parts, now: datetime) -> Story:
    """A story that ends `now`."""
    story: Story
    keys = KeyService(parts.repository, parts.safe, clock=lambda: story.at)
    story = Story(parts, keys, now, now)
    return story


def tell(story: Story, database: Database, steps: list[Told | Done]) -> None:
    """Tell everything in the order in which it happened; what is only told, in one go."""
    numbers = itertools.count(0x5EED00)
    steps.sort(key=lambda step: step.at)
    for _, part in itertools.groupby(steps, key=type):
        told = []
        for step in part:
            if isinstance(step, Done):
                story.at = step.at
                step.do()
            else:
                told.append(_doing(story, step, f"{next(numbers):012x}"))
        _record(database, told)


def _record(database: Database, doings: list[Doing]) -> None:
    """Put many doings on record at once, each with the mark that its key has at the time."""
    if not doings:
        return
    with database.writing() as connection:
        keys = connection.execute(KEY.select())
        marks = {key.id: key.fingerprint and key.fingerprint[: journal.MARK] for key in keys}
        rows = [asdict(doing) | {"fingerprint": marks.get(doing.key_id)} for doing in doings]
        for row in rows:
            del row["mark"]
        connection.execute(EVENT.insert(), rows)


def _doing(story: Story, told: Told, request: str) -> Doing:
    return Doing(
        *(told.action, LOCAL_OWNER, LOCAL_OWNER, told.at),
        key_id=story.ids[told.cast.provider, told.cast.name],
        key_name=told.cast.name,
        provider=told.cast.provider,
        host=endpoints.host(address_of(told.cast)),
        result=told.result,
        detail=told.detail,
        request_id=request,
    )
