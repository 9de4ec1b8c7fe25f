"""Writes the past of the demo into its store: keys, checks, messages, and what was done to keys."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mohet_keys import background, demo_past, endpoints
from mohet_keys.case import KEY_WORKS, NO_KEY_NEEDED
from mohet_keys.database import Database
from mohet_keys.demo_keys import ALTERED, ALTERED_TO, CAST, CHOSEN, ROUTES, Cast
from mohet_keys.demo_past import Look, Sent
from mohet_keys.demo_story import Done, Story, Told, address_of, begun, tell
from mohet_keys.diagnosis import diagnose
from mohet_keys.errors import SealError
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    NewKey,
    OpenedKey,
    Verdict,
)
from mohet_keys.providers import BY_SLUG
from mohet_keys.tables import HOUR, KEY, SEEN, USE
from mohet_keys.wiring import Parts

_GONE = Cast("groq", "Trial Account", "good", "k1Tz", 10.2)
_RENAMED = {("mistral", "EU Customers"): ("Mistral Main", 6.3)}
_MANUAL = 2
"""Checks of each key that somebody asked for, besides the last one."""


def fill(parts: Parts, store_url: str, now: datetime) -> dict[tuple[str, str], str]:
    """Write all of it. Returns the ids of the keys by provider and name. Raises StoreError."""
    story = begun(parts, now)
    sent = {cast: demo_past.messages(cast, now) for cast in CAST}
    with closing(Database(store_url)) as database:
        results = background.shared().run(_asked(story))
        seen = {cast: _looks(cast, results[cast], now) for cast in CAST if cast in results}
        life = _life(story, database)
        tell(story, database, [*life, *_uses(sent), *_checks(seen, results)])
        _keep_checks(story, database, seen, results)
        _keep_uses(story, database, sent)
    return dict(story.ids)


def server_of(cast: Cast) -> str:
    """The simulated server that plays the one of a key."""
    origin = endpoints.origin(address_of(cast))
    return ROUTES.get(origin, cast.provider)


# --- keys ---------------------------------------------------------------------------------------


def _add(story: Story, cast: Cast) -> None:
    first = replace(cast, tail=f"0{cast.tail[1:]}") if cast.renewed else cast
    name, _ = _RENAMED.get((cast.provider, cast.name), (cast.name, 0))
    story.at = story.now - timedelta(days=cast.age)
    new = NewKey(provider=cast.provider, name=name, secret=first.secret, endpoint=address_of(cast))
    story.ids[cast.provider, cast.name] = story.keys.add(new, owner=LOCAL_OWNER).entry.id


def _life(story: Story, database: Database) -> Iterator[Done]:
    """What was done to keys."""

    def ago(days: float) -> datetime:
        return story.now - timedelta(days=days)

    for cast in CAST:
        yield Done(ago(cast.age), partial(_add, story, cast))
        if cast.renewed:
            yield Done(ago(cast.renewed), partial(_renew, story, cast))
        _, renamed = _RENAMED.get((cast.provider, cast.name), ("", 0.0))
        if renamed:
            yield Done(ago(renamed), partial(_rename, story, cast))
    yield Done(ago(_GONE.age), partial(_add, story, _GONE))
    yield Done(ago(4.4), partial(_remove, story, _GONE))
    yield Done(ago(0.4), partial(_choose, story))
    yield Done(story.now - timedelta(minutes=21), partial(_alter, story, database))


def _choose(story: Story) -> None:
    story.keys.select(story.ids[CHOSEN], owner=LOCAL_OWNER)


def _renew(story: Story, cast: Cast) -> None:
    """Replace a secret the way a person does: the new one is tested first."""
    entry = story.entry(cast)
    trial = story.keys.trial(entry.id, cast.secret, owner=LOCAL_OWNER, version=entry.version)
    story.keys.finish(trial.key.use, Verdict.VALID.value, detail=KEY_WORKS)
    story.at += timedelta(seconds=1)
    story.keys.swap(trial, owner=LOCAL_OWNER)


def _rename(story: Story, cast: Cast) -> None:
    entry = story.entry(cast)
    changes = KeyChanges(name=cast.name)
    story.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)


def _remove(story: Story, cast: Cast) -> None:
    story.keys.remove(story.ids.pop((cast.provider, cast.name)), owner=LOCAL_OWNER)


def _alter(story: Story, database: Database) -> None:
    """Change an address in the database, as somebody might who can write it; then look."""
    cast = next(each for each in CAST if (each.provider, each.name) == ALTERED)
    entry = story.entry(cast)
    with database.writing() as connection:
        connection.execute(KEY.update().where(KEY.c.id == entry.id).values(endpoint=ALTERED_TO))
    try:
        story.keys.open(entry.id, owner=LOCAL_OWNER, why="check")
    except SealError as error:
        remedy = "Restore the master key or the store, or enter the secret again."
        said = Diagnosis(Verdict.LOCKED, "locked", str(error), remedy)
        story.locked.append(CheckResult(entry.id, entry.revision, said, story.at))


# --- checks -------------------------------------------------------------------------------------


async def _asked(story: Story) -> dict[Cast, CheckResult]:
    """How each key stands at its simulated provider, looked at a few minutes ago."""

    async def one(cast: Cast) -> tuple[Cast, CheckResult]:
        key = OpenedKey("", cast.provider, address_of(cast), 0, cast.secret or None)
        found = await story.parts.checks.try_out(key)
        dice = demo_past.dice_of(cast)
        at = story.now - timedelta(minutes=dice.uniform(3, 29))
        took = demo_past.latency_now(cast, server_of(cast), at)
        answered = found.latency_ms is not None
        return cast, replace(found, checked_at=at, latency_ms=took if answered else None)

    asked = [cast for cast in CAST if cast.is_checked]
    return dict(await asyncio.gather(*map(one, asked)))


def _looks(cast: Cast, result: CheckResult, now: datetime) -> list[Look]:
    down = diagnose(
        cast.provider, method="GET", path="/v1/models", status=503, headers={}, body=b""
    )
    good = NO_KEY_NEEDED if not cast.secret else KEY_WORKS
    found = demo_past.looks(
        cast, server_of(cast), now, good=good, said=result.diagnosis, outage=down.reason
    )
    ends = result.checked_at
    if (cast.provider, cast.name) == ALTERED:
        ends = now - timedelta(days=cast.since)
    return [look for look in found if look.at < ends]


def _keep_checks(
    story: Story,
    database: Database,
    seen: dict[Cast, list[Look]],
    results: dict[Cast, CheckResult],
) -> None:
    """The history, and the last check of each key beside what was proven before it."""
    last = {}
    for cast, result in results.items():
        entry = story.entry(cast)
        last[cast] = replace(result, key_id=entry.id, revision=entry.revision)
    earlier = [_proven(cast, result, story.now) for cast, result in last.items() if cast.before]
    repository = story.parts.repository
    repository.save_checks(earlier, LOCAL_OWNER)
    rows: list[dict[str, Any]] = [
        {"key_id": story.ids[cast.provider, cast.name], "at": look.at, "reason": look.reason}
        | {"verdict": look.verdict.value, "latency_ms": look.latency_ms}
        for cast, each in seen.items()
        for look in each
    ]
    rows.sort(key=lambda row: row["at"])
    with database.writing() as connection:
        connection.execute(SEEN.delete())
        connection.execute(SEEN.insert(), rows)
        connection.execute(HOUR.delete())
        connection.execute(HOUR.insert(), list(_hours(seen)))
    final = [each for cast, each in last.items() if (cast.provider, cast.name) != ALTERED]
    final = sorted(final + story.locked, key=lambda each: each.checked_at)
    repository.save_checks(final, LOCAL_OWNER)


def _hours(seen: dict[Cast, list[Look]]) -> Iterator[dict[str, Any]]:
    """The same looks counted by hour, provider and verdict."""
    found: dict[tuple[datetime, str, str], list[int | None]] = defaultdict(list)
    for cast, each in seen.items():
        for look in each:
            hour = look.at.replace(minute=0, second=0, microsecond=0)
            found[hour, cast.provider, look.verdict.value].append(look.latency_ms)
    for (hour, provider, verdict), latencies in found.items():
        timed = [latency for latency in latencies if latency is not None]
        place = {"shelf": LOCAL_OWNER, "hour": hour, "provider": provider, "verdict": verdict}
        counts = {"checks": len(latencies), "timed": len(timed), "latency_ms": sum(timed)}
        yield {**place, **counts}


def _proven(cast: Cast, result: CheckResult, now: datetime) -> CheckResult:
    """What was found when the key was as it had been."""
    label = BY_SLUG[cast.provider].label
    said = Diagnosis(Verdict(cast.before), KEY_WORKS, f"{label} accepts this key.")
    at = now - timedelta(days=cast.since)
    return replace(result, diagnosis=said, checked_at=at)


# --- the record ---------------------------------------------------------------------------------


def _uses(sent: dict[Cast, list[Sent]]) -> Iterator[Told]:
    for cast, messages in sent.items():
        yield from (Told(each.at, cast, "chat", each.result) for each in messages)


def _checks(seen: dict[Cast, list[Look]], results: dict[Cast, CheckResult]) -> Iterator[Told]:
    """The checks that are on record: the last of each key, and some before."""
    for cast, looks in seen.items():
        for look in demo_past.dice_of(cast).sample(looks, min(_MANUAL, len(looks))):
            yield Told(look.at, cast, "check", look.verdict.value, look.reason)
        result = results[cast]
        if (cast.provider, cast.name) != ALTERED:
            said = result.diagnosis
            yield Told(result.checked_at, cast, "check", said.verdict.value, said.reason)


def _keep_uses(story: Story, database: Database, sent: dict[Cast, list[Sent]]) -> None:
    """What was sent, day by day."""
    days: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    for cast, messages in sent.items():
        for each in messages:
            day = each.at.astimezone(UTC).date().isoformat()
            days[story.ids[cast.provider, cast.name], day].append(each)
    rows = [
        {
            "key_id": key_id,
            "day": day,
            "requests": len(messages),
            "errors": sum(each.is_error for each in messages),
            "tokens_in": sum(each.tokens_in for each in messages),
            "tokens_out": sum(each.tokens_out for each in messages),
            "last_at": messages[-1].at,
        }
        for (key_id, day), messages in days.items()
    ]
    last = {key_id: messages[-1].at for (key_id, _), messages in days.items()}
    with database.writing() as connection:
        connection.execute(USE.insert(), rows)
        for key_id, at in last.items():
            connection.execute(KEY.update().where(KEY.c.id == key_id).values(used_at=at))
