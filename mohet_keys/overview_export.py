"""All keys as CSV: what the table shows, without a secret or a part of one; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from mohet_keys.journal import host_of
from mohet_keys.overview import Line
from mohet_keys.spreadsheet import BOM, cell, lines
from mohet_keys.standing import WORDS, standing, vendor_label

MOST_ROWS = 20_000
"""Keys that a file takes along at most."""


def table(keys: Sequence[Line], now: datetime, zone: tzinfo) -> bytes:
    """The keys as CSV in UTF-8, in the order given."""
    head = (
        *("Provider", "Name", "Verdict", "Reason", "Endpoint host", "Latency (ms)"),
        *(f"Last checked ({zone})", f"Last used ({zone})", "Secret’s age (days)"),
        *("Credit left ($)", f"Expires ({zone})", "Owner"),
    )
    return BOM + lines([head]) + lines(_row(key, now, zone) for key in keys)


def _row(key: Line, now: datetime, zone: tzinfo) -> list[str]:
    entry, said, check = key.entry, standing(key.entry), key.entry.check
    aged = entry.secret_at if entry.has_secret else None
    return [
        cell(vendor_label(entry.provider)),
        cell(entry.name),
        WORDS[said.verdict],
        cell(said.reason),
        cell(host_of(entry.endpoint)),
        _number(check.latency_ms if check else None),
        _moment(check.checked_at if check else None, zone),
        _moment(entry.used_at, zone),
        _number(max(0, (now - aged).days) if aged else None),
        _number(check.credit if check else None),
        _moment(check.expires_at if check else None, zone),
        cell(entry.owner),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else str(round(value, 2))


def _moment(at: datetime | None, zone: tzinfo) -> str:
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
