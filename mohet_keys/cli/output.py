"""How the command line says things: a key as JSON, a list as aligned text, no stranger's text raw.

What it shows comes out of the store and from providers' answers, so whatever could move the
cursor, hide text or turn its direction is written as an escape.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.printed import one_line as one_line
from mohet_keys.printed import printable as printable
from mohet_keys.printed import running_text as running_text
from mohet_keys.providers import BY_SLUG, PROVIDERS
from mohet_keys.standing import UNUSABLE, standing, vendor_label
from mohet_keys.standing import WORDS as WORDS

LINE = 100
"""Columns that a list tries to keep to, by cutting endpoints; whole ones are in the JSON."""
LEAST_OF_ENDPOINT = 24
GAP = "  "


@dataclass(frozen=True, slots=True)
class Shown:
    """A key and how it is said to stand."""

    entry: KeyEntry
    diagnosis: Diagnosis

    @classmethod
    def of(cls, entry: KeyEntry) -> Shown:
        """The key as the store knows it."""
        return cls(entry, standing(entry))

    @classmethod
    def after(cls, entry: KeyEntry, result: CheckResult) -> Shown:
        """The key after a check of it. A check that was not carried out leaves no record, and
        must not pass for the result of an earlier one."""
        told = result.diagnosis.verdict is Verdict.UNCHECKED and not entry.looks_like
        return cls(entry, result.diagnosis) if told else cls.of(entry)

    @property
    def is_unusable(self) -> bool:
        """Whether a check ended badly: the key fails, is held back, or could not be checked."""
        return self.diagnosis.verdict in UNUSABLE or self.diagnosis.verdict is Verdict.UNCHECKED

    @property
    def name(self) -> str:
        """`provider/name`, fit for a terminal."""
        return printable(f"{self.entry.provider}/{self.entry.name}")


# --- columns ----------------------------------------------------------------------------------


def _width(text: str) -> int:
    """Columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    none = sum(unicodedata.category(character) in {"Mn", "Me", "Cf"} for character in text)
    return len(text) + wide - none


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with their columns below each other."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = (GAP.join(map(_padded, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


# --- JSON -------------------------------------------------------------------------------------


def document(value: object) -> str:
    """One JSON document, in plain ASCII: safe in any encoding and on any terminal."""
    return json.dumps(value, indent=2)


def error_document(code: str, message: str, fields: Mapping[str, str]) -> str:
    """An error as one line of JSON; `field` is the first of the refused `fields`."""
    error: dict[str, object] = {"code": code, "message": message}
    if fields:
        error |= {"field": next(iter(fields)), "fields": dict(fields)}
    return json.dumps({"error": error})


def key_object(shown: Shown) -> dict[str, object]:
    """A key with its check, under the names that other programs rely on."""
    entry, said, check = shown.entry, shown.diagnosis, shown.entry.check
    return {
        "id": entry.id,
        "provider": entry.provider,
        "name": entry.name,
        "endpoint": entry.endpoint,
        "hint": entry.hint,
        "owner": entry.owner,
        "created_at": moment(entry.created_at),
        "updated_at": moment(entry.updated_at),
        "verdict": said.verdict.value,
        "reason": said.reason,
        "explanation": said.explanation,
        "remedy": said.remedy,
        "http_status": check.http_status if check else None,
        "latency_ms": check.latency_ms if check else None,
        "checked_at": moment(check.checked_at) if check else None,
        "models": list(check.models) if check else [],
        "recommended_model": check.recommended_model if check else None,
        "selected": entry.selected,
    }


def moment(at: datetime) -> str:
    """A point in time for other programs, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def provider_objects(counts: Mapping[str, int]) -> list[dict[str, object]]:
    """The providers, each with how many keys it has."""
    return [
        {
            "slug": row.slug,
            "label": row.label,
            "endpoint": row.endpoint,
            "keys_url": row.keys_url,
            "key_optional": row.key_optional,
            "keys": counts.get(row.slug, 0),
        }
        for row in PROVIDERS
    ]


# --- plain text -------------------------------------------------------------------------------


def provider_lines(counts: Mapping[str, int]) -> str:
    """The providers, one a line."""
    return aligned(
        [
            (
                row.slug,
                counted(counts.get(row.slug, 0), "key"),
                row.endpoint.removeprefix("https://"),
                f"{'a key is optional' if row.key_optional else 'keys'}: {row.keys_url}",
            )
            for row in PROVIDERS
        ]
    )


def key_lines(entries: Sequence[KeyEntry], now: datetime) -> str:
    """The keys, one a line, with a star before the selected one."""
    if not entries:
        return "No API keys yet."
    rows = [
        (
            "*" if entry.selected else " ",
            printable(entry.provider),
            printable(entry.name),
            WORDS[standing(entry).verdict],
            printable(entry.hint),
            printable(entry.endpoint.removeprefix("https://")),
            _ago(entry.check, now),
        )
        for entry in entries
    ]
    taken = [max(map(_width, column)) + len(GAP) for column in zip(*rows, strict=True)]
    room = max(LEAST_OF_ENDPOINT, LINE - sum(taken[:-2]) - taken[-1])
    return aligned([(*row[:-2], _cut(row[-2], room), row[-1]) for row in rows])


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _ago(check: CheckResult | None, now: datetime) -> str:
    """When a key was checked, in the largest fitting unit."""
    if check is None:
        return "never"
    gone = (now - check.checked_at).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if gone >= size:
            return f"{int(gone // size)} {unit} ago"
    return "just now"


def standing_lines(shown: Shown) -> list[str]:
    """How a key stands: badge and reason, what that means, what to do, and what was measured."""
    said = shown.diagnosis
    below = (said.explanation, said.remedy, _measured(shown.entry.check), _way_on(shown.entry))
    head = f"{shown.name}: {WORDS[said.verdict]} ({one_line(said.reason)})"
    return [head, *(f"  {one_line(text)}" for text in below if text)]


def _measured(check: CheckResult | None) -> str:
    if check is None or check.latency_ms is None:
        return ""
    parts = [f"Answered in {check.latency_ms} ms"]
    if check.models:
        parts.append(counted(len(check.models), "chat model"))
    if check.recommended_model:
        parts.append(f"recommended: {check.recommended_model}")
    return " · ".join(parts)


def _way_on(entry: KeyEntry) -> str:
    """The commands that end the hold of a key that looks like another vendor's."""
    if not entry.looks_like or entry.locked:
        return ""
    row = BY_SLUG.get(entry.looks_like)
    here = f"check {entry.id} --here-anyway"
    if row is None or not row.hosts:
        return f"To check it here: {here}"
    return f"To move it to {vendor_label(entry.looks_like)}: move {entry.id} · to stay: {here}"


def counted(count: int, noun: str) -> str:
    """“1 key”, “2 keys”."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
