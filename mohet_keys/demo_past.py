"""Fourteen made-up days: what checks of each key came to and what was sent. The same each time."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mohet_keys.demo_keys import PACES, Cast
from mohet_keys.model import Diagnosis, Verdict

DAYS = 14
SEED = 20_261_125
EVERY = timedelta(minutes=30)
"""Between two checks of a key."""
_WORKING_DAY = 9.0
"""Hours of a day in which messages are sent."""
_WEEKEND = 0.2
"""What is sent on a day of the weekend, beside what is sent on another."""
_ENDS = {"finished": 94, "stopped": 3, "length": 1, "failed": 2}
"""How replies end, and how many of a hundred do."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one check came to."""

    at: datetime
    verdict: Verdict
    reason: str
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """One message, how its reply ended, and the tokens it took."""

    at: datetime
    result: str
    tokens_in: int
    tokens_out: int

    @property
    def is_error(self) -> bool:
        """Whether no reply came."""
        return self.result in {"failed", "refused"}


def dice_of(cast: Cast) -> random.Random:
    """Chance that is the same for a key each time."""
    return random.Random(f"{SEED} {cast.provider} {cast.name}")  # noqa: S311  # not for secrets


def looks(
    cast: Cast, server: str, now: datetime, *, good: str, said: Diagnosis, outage: str
) -> Iterator[Look]:
    """The checks of a key until shortly before now, the oldest first.

    `said` is how it stands now. `good` is the reason beside what was valid, `outage` that beside
    an hour in which its server failed.
    """
    dice = dice_of(cast)
    turned = now - timedelta(days=cast.since if cast.before else 10_000)
    fails = [timedelta(days=dice.uniform(0.5, DAYS)) for _ in range(dice.randint(0, 2))]
    at = now - timedelta(days=min(DAYS, cast.age))
    while at < now - EVERY:
        latency = _latency(server, at, dice)
        if any(now - gone <= at < now - gone + timedelta(minutes=70) for gone in fails):
            yield Look(at, Verdict.UNREACHABLE, outage, None)
        elif cast.before and at < turned:
            yield Look(at, Verdict(cast.before), good, latency)
        else:
            answered = said.verdict is not Verdict.UNREACHABLE
            yield Look(at, said.verdict, said.reason, latency if answered else None)
        at += EVERY + timedelta(seconds=dice.uniform(-180, 180))


def latency_now(cast: Cast, server: str, now: datetime) -> int:
    """How long the last answer took, in milliseconds."""
    return _latency(server, now, dice_of(cast))


def _latency(server: str, at: datetime, dice: random.Random) -> int:
    """Milliseconds: longer in the afternoon, and now and then much longer."""
    busy = 1 + 0.3 * math.sin((at.hour - 9) / 24 * 2 * math.pi)
    return max(1, round(1000 * PACES[server] * busy * dice.lognormvariate(0, 0.16)))


def messages(cast: Cast, now: datetime) -> list[Sent]:
    """What was sent through a key, the oldest first."""
    dice = dice_of(cast)
    last = now - timedelta(days=cast.last_used)
    times = [last] if cast.last_used else []
    for day in range(min(DAYS, math.ceil(cast.age)) if cast.messages else 0):
        evening = now - timedelta(days=day)
        wanted = cast.messages * (_WEEKEND if evening.weekday() > 4 else 1)
        hours = [
            dice.uniform(0, _WORKING_DAY) for _ in range(round(wanted * dice.uniform(0.5, 1.4)))
        ]
        times += [evening - timedelta(hours=each, minutes=3) for each in hours]
    began = now - timedelta(days=cast.age)
    return [_sent(at, dice) for at in sorted(times) if began < at <= last]


def _sent(at: datetime, dice: random.Random) -> Sent:
    (result,) = dice.choices(list(_ENDS), list(_ENDS.values()))
    asked, said = (round(dice.lognormvariate(math.log(size), 0.7)) for size in (340, 260))
    return Sent(at, result, asked, 0 if result == "failed" else said)
