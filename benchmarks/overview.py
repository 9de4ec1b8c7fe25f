"""Reruns of the Overview with 10,000 keys, of 90 days each, against 100 such keys.

As for the other pages, what counts is the script alone, in Streamlit's own script runner.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks import page, store
from benchmarks.page import Timed
from benchmarks.row import Row, middle
from mohet_keys.database import Database
from mohet_keys.providers import PROVIDERS
from mohet_keys.tables import SEEN, USE

FEW, MANY = 100, 10_000
DAYS = 90
RUNS, WARM_UP = 60, 6
_AT_ONCE = 50_000


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    few, many = _stored(folder / "few", FEW), _stored(folder / "many", MANY)
    page.take_turns((few, many), WARM_UP)
    gc.freeze()
    few.forget()
    many.forget()
    page.take_turns((few, many), RUNS)
    processor = middle(many.cpu) / middle(few.cpu)
    what = f"Overview, {MANY:,} keys of {DAYS} days"
    times = middle(many.wall), middle(few.wall)
    return [Row(what, *times, f"with {FEW}", 1.2, f"processor {processor:.2f} ×")]


def _stored(folder: Path, count: int) -> Timed:
    """The page on a new store of so many keys, checked and used once a day."""
    where = store.settings(folder)
    places = [(row.slug, row.endpoint) for row in PROVIDERS]
    ids = store.seed(where, count, lambda n: places[n % len(places)])
    database = Database(where.store_url)
    for table, lines in ((SEEN, _checks(ids)), (USE, _uses(ids))):
        for part in _parts(lines):
            with database.writing() as connection:
                connection.execute(insert(table), part)
    database.close()
    timed = Timed(page.SHELL, folder, "overview")
    timed.enter()
    timed.visitor.run()
    return timed


def _checks(ids: list[str]) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for day in range(DAYS, 0, -1):
        for number, key_id in enumerate(ids):
            at = now - timedelta(days=day, seconds=number % 3600)
            said = {"verdict": "valid", "reason": "key works", "latency_ms": 100 + number % 97}
            yield {"key_id": key_id, "at": at, **said}


def _uses(ids: list[str]) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for day in range(DAYS):
        at = now - timedelta(days=day)
        for key_id in ids:
            spent = {"requests": 3, "errors": 0, "tokens_in": 90, "tokens_out": 300}
            yield {"key_id": key_id, "day": at.date().isoformat(), "last_at": at, **spent}


def _parts(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for line in lines:
        part.append(line)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
