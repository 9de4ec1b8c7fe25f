"""What checks came to over the last months: kept for each key, counted for all of a shelf's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select, update

from mohet_keys.database import Database
from mohet_keys.model import CheckResult, KeyEntry, Verdict
from mohet_keys.pruning import prune
from mohet_keys.queries import is_seen_by
from mohet_keys.rows import storable
from mohet_keys.tables import HOUR, KEY, SEEN

_UNTOLD = {Verdict.UNCHECKED, Verdict.LOCKED}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check came to. `latency_ms` is None when nobody answered."""

    at: datetime
    verdict: Verdict
    reason: str
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many checks of one provider's keys in one hour came to a verdict.

    `hour` is the beginning of it; `latency_ms` the mean of those that were answered.
    """

    hour: datetime
    provider: str
    verdict: Verdict
    count: int
    latency_ms: float | None


class History:
    """The past checks. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_key(self, key_id: str, owner: str, *, limit: int) -> list[Seen]:
        """The last checks of a key, the latest first."""
        asked = (
            select(SEEN.c.at, SEEN.c.verdict, SEEN.c.reason, SEEN.c.latency_ms)
            .join(KEY, KEY.c.id == SEEN.c.key_id)
            .where(SEEN.c.key_id == key_id, is_seen_by(owner))
            .order_by(SEEN.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_seen(*row) for row in connection.execute(asked)]

    def latencies(self, key_ids: Sequence[str], *, each: int) -> dict[str, list[int | None]]:
        """How long the last answers of these keys took, in milliseconds, the oldest first."""
        older = SEEN.alias("older")
        first = (
            select(older.c.id)
            .where(older.c.key_id == KEY.c.id)
            .order_by(older.c.id.desc())
            .offset(each - 1)
            .limit(1)
            .scalar_subquery()
        )
        # One look into the index for each key: what is older than that is not even counted.
        asked = (
            select(SEEN.c.key_id, SEEN.c.latency_ms)
            .select_from(KEY.join(SEEN, SEEN.c.key_id == KEY.c.id))
            .where(KEY.c.id.in_(key_ids), SEEN.c.id >= func.coalesce(first, 0))
        )
        found: dict[str, list[int | None]] = defaultdict(list)
        with self._database.reading() as connection:
            for key_id, latency in connection.execute(asked.order_by(SEEN.c.id)):
                found[key_id].append(latency)
        return dict(found)

    def tallies(self, owner: str, since: datetime) -> list[Tally]:
        """Checks by hour, provider and verdict, the oldest first, from the hour of `since` on."""
        names = (HOUR.c.hour, HOUR.c.provider, HOUR.c.verdict)
        asked = (
            select(*names, HOUR.c.checks, HOUR.c.timed, HOUR.c.latency_ms)
            .where(is_seen_by(owner, HOUR.c.shelf), HOUR.c.hour >= _hour_of(since))
            .order_by(*names, HOUR.c.shelf)
        )
        with self._database.reading() as connection:
            return [
                Tally(hour, slug, _verdict(verdict), checks, total / timed if timed else None)
                for hour, slug, verdict, checks, timed, total in connection.execute(asked)
            ]

    def prune(self, before: datetime) -> int:
        """Delete what is older. Returns how many checks went."""
        prune(self._database, HOUR, HOUR.c.hour < before)
        return prune(self._database, SEEN, SEEN.c.at < before)


def write(connection: Connection, entry: KeyEntry, result: CheckResult) -> None:
    """Keep what a check of this key came to, in a transaction that is under way."""
    said = result.diagnosis
    if said.verdict in _UNTOLD:
        return
    line = {"key_id": result.key_id, "at": result.checked_at, "latency_ms": result.latency_ms}
    told = {"verdict": said.verdict.value, "reason": storable(said.reason)}
    connection.execute(insert(SEEN).values(**line, **told))
    place = (entry.shelf, _hour_of(result.checked_at), entry.provider, said.verdict.value)
    count(connection, place, 1, [] if result.latency_ms is None else [result.latency_ms])


def count(
    connection: Connection,
    place: tuple[str, datetime, str, str],
    checks: int,
    latencies: Sequence[int],
) -> None:
    """Count checks of one shelf, hour, provider and verdict, in a transaction that is under way.

    `latencies` are in milliseconds, of those that were answered.
    """
    where = dict(zip(("shelf", "hour", "provider", "verdict"), place, strict=True))
    here = [HOUR.c[name] == value for name, value in where.items()]
    more = {"checks": checks, "timed": len(latencies), "latency_ms": sum(latencies)}
    added = {HOUR.c[name]: HOUR.c[name] + value for name, value in more.items()}
    if not connection.execute(update(HOUR).where(*here).values(added)).rowcount:
        connection.execute(insert(HOUR).values(**where, **more))


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _seen(at: datetime, verdict: str, reason: str, latency_ms: int | None) -> Seen:
    return Seen(at, _verdict(verdict), reason, latency_ms)


def _verdict(text: str) -> Verdict:
    """The verdict; `unchecked` for a word that this version does not know."""
    try:
        return Verdict(text)
    except ValueError:
        return Verdict.UNCHECKED
