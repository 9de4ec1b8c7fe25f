"""What happened to keys, as people ask for it and read it: filters, words, a table to take along.

Everything that is shown of an entry comes out of the database, where somebody may have altered it,
so each text is made harmless for where it goes: a page, a terminal or a spreadsheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

from mohet_keys.errors import NotFoundError
from mohet_keys.journal import UNREADABLE, Journal, Wanted
from mohet_keys.model import LOCAL_OWNER, Activity
from mohet_keys.repository import Repository
from mohet_keys.rights import Rights
from mohet_keys.rows import is_storable
from mohet_keys.spreadsheet import BOM, cell, harmless, lines
from mohet_keys.standing import WORDS, vendor_label

ACTIONS: dict[str, str] = {
    "add": "Added",
    "rename": "Renamed",
    "edit": "Edited",
    "move": "Moved",
    "release": "Hold lifted",
    "replace": "Secret replaced",
    "undo": "Replacement undone",
    "delete": "Deleted",
    "share": "Shared",
    "unshare": "Made private",
    "check": "Checked",
    "watch": "Watched",
    "try": "Tested",
    "chat": "Chat",
    "use": "Used",
    "reveal": "Shown",
    "export": "Exported",
    "rotate": "Master key changed",
    "retire": "Old master key retired",
    "reseal": "Sealed anew",
    "backup": "Backed up",
    "copy": "Copied to another database",
    "restore": "Restored",
    "sign_in": "Signed in",
    "sign_out": "Signed out",
    "role": "Role changed",
    "disable": "Disabled",
    "enable": "Enabled",
    "hand_over": "Handed over",
    "rules": "Rules changed",
    "denied": "Denied",
}
"""What can happen, as people read it."""
QUIET = ("watch",)
"""What happens by itself all day long, so that it is told only to those who ask for it."""
ENDS: dict[str, str] = {
    "done": "Done",
    "finished": "Finished",
    "length": "Length limit",
    "cut": "Broken off",
    "stopped": "Stopped",
    "deleted": "Key deleted",
    "denied": "Not allowed any more",
    "refused": "Refused",
    "failed": "Failed",
    "": "No end recorded",
}
"""How something can end besides with a verdict."""
RESULTS: dict[str, str] = {verdict.value: words for verdict, words in WORDS.items()} | ENDS
"""All results, as people read them."""
PERIODS: dict[str, timedelta | None] = {
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "All": None,
}
PAGE = 50
"""Entries on a page."""
MOST_ROWS = 50_000
"""Entries that a table takes along at most."""
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what happened, the latest first, and whether there is more that is older."""

    entries: tuple[Activity, ...]
    is_last: bool


def page(journal: Journal, wanted: Wanted, *, before: int | None = None, size: int = PAGE) -> Page:
    """What happened before the entry `before`, or until now. Raises StoreError."""
    found = journal.page(wanted, before=before, limit=size + 1)
    return Page(tuple(found[:size]), is_last=len(found) <= size)


def since(period: str, now: datetime) -> datetime | None:
    """When a period began; None for all of the time."""
    length = PERIODS.get(period)
    return None if length is None else now - length


# --- words ------------------------------------------------------------------------------------


def action_words(entry: Activity) -> str:
    """What was done."""
    return harmless(_action(entry))


def result_words(entry: Activity) -> str:
    """How it ended."""
    return harmless(_result(entry))


def provider_words(entry: Activity) -> str:
    """Whose key it was."""
    return harmless(vendor_label(entry.provider))


def _action(entry: Activity) -> str:
    if entry.action == UNREADABLE:
        return "Cannot be read"
    return ACTIONS.get(entry.action, entry.action)


def _result(entry: Activity) -> str:
    if entry.action == UNREADABLE:
        return ""
    return RESULTS.get(entry.result, entry.result)


def moment(entry: Activity, zone: tzinfo | None) -> datetime | None:
    """When it was, in a zone or in that of this machine; None where that cannot be read."""
    return None if entry.action == UNREADABLE else entry.at.astimezone(zone)


# --- a table for spreadsheets -----------------------------------------------------------------

_TOLD = (
    *("Who", "Action", "Key", "Provider", "Host", "Result", "Detail", "Key id", "Request id"),
    "Secret’s mark",
)
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """What happened as CSV, how many entries are in it, and whether older ones were left out."""

    content: bytes = field(repr=False)
    rows: int
    is_cut: bool


def table(
    journal: Journal,
    wanted: Wanted,
    zone: tzinfo,
    *,
    most: int = MOST_ROWS,
    largest: int = MOST_BYTES,
) -> Table:
    """What happened as CSV in UTF-8, the latest first. Raises StoreError.

    At most `most` entries and about `largest` bytes; its last line says when that cut it.
    """
    written = [BOM, lines([("Time (UTC)", f"Time ({zone})", *_TOLD)])]
    count = size = 0
    for part in _parts(journal.all(wanted, most + 1)):
        kept = part[: most - count] if size <= largest else []
        written.append(lines(_row(entry, zone) for entry in kept))
        count, size = count + len(kept), size + len(written[-1])
        if len(kept) < len(part):
            written.append(lines([(cut_words(count),)]))
            return Table(b"".join(written), count, is_cut=True)
    return Table(b"".join(written), count, is_cut=False)


def cut_words(rows: int) -> str:
    """That older entries were left out, as one sentence."""
    return f"Only the latest {rows:,} entries are here; older ones were left out."


def _row(entry: Activity, zone: tzinfo) -> list[str]:
    times = (moment(entry, UTC), moment(entry, zone))
    told = (
        *(entry.actor, _action(entry), entry.key_name, vendor_label(entry.provider), entry.host),
        *(_result(entry), entry.detail, entry.key_id, entry.request_id, entry.fingerprint),
    )
    said = (f"{time:%Y-%m-%d %H:%M:%S}" if time else "" for time in times)
    return [*said, *(cell(text or "") for text in told)]


def _parts(entries: Iterator[Activity]) -> Iterator[list[Activity]]:
    part: list[Activity] = []
    for entry in entries:
        part.append(entry)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


# --- for whoever asks -------------------------------------------------------------------------

_TRIED = "see the activity"
_NO_KEY = "-"
"""The id of no key: what cannot be one is looked for as long as what could."""


class Record:
    """What happened, for whoever asks: their own doings and what was done to keys of theirs; for
    administrators everybody's. Any method may raise StoreError, and DeniedError.

    `involving` and `owner` of what is wanted can narrow that, and never widen it.
    """

    def __init__(self, repository: Repository, *, rights: Rights | None = None) -> None:
        self._journal = repository.journal
        self._rights = rights or Rights(repository)

    def page(
        self, wanted: Wanted, *, owner: str, before: int | None = None, size: int = PAGE
    ) -> Page:
        """What happened before the entry `before`, or until now."""
        return page(self._journal, self._allowed(wanted, owner), before=before, size=size)

    def table(self, wanted: Wanted, zone: tzinfo, *, owner: str) -> Table:
        """What happened as CSV in UTF-8, the latest first; its last line says when it was cut."""
        return table(self._journal, self._allowed(wanted, owner), zone)

    def of_key(self, key_id: str, *, owner: str) -> Wanted:
        """What happened to a key, also to one that is gone. Raises NotFoundError.

        What happened to somebody else's key is not found, like that of no key.
        """
        with self._rights.asking(_TRIED, owner, key_id):
            wanted = Wanted(key_id=key_id if key_id and is_storable(key_id) else _NO_KEY)
            allowed = self._allowed(wanted, owner)
            if not self._journal.page(allowed, limit=1):
                raise NotFoundError
            return allowed

    def _allowed(self, wanted: Wanted, owner: str) -> Wanted:
        person = self._rights.let_in(_TRIED, owner)
        if owner == LOCAL_OWNER:
            return replace(wanted, owner=owner)
        return wanted if person.is_administrator else replace(wanted, involving=owner)
