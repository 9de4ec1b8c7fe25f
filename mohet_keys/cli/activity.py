"""The command that tells what happened to keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys.cli import output
from mohet_keys.cli.base import Done, Json, app, opened
from mohet_keys.cli.input import WrongUse
from mohet_keys.errors import NotFoundError
from mohet_keys.model import LOCAL_OWNER, Activity

if TYPE_CHECKING:
    from mohet_keys.activity import Page, Record
    from mohet_keys.journal import Wanted
    from mohet_keys.wiring import Parts

MOST = 10_000


@app.command("activity")
def tell(
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only of this; its id when it is gone.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many, the latest first.")] = 50,
    json: Json = False,
) -> Done:
    """Show what happened to keys: when, what, which, where, how it ended, and who did it."""
    from mohet_keys.activity import Record

    if not 1 <= limit <= MOST:
        raise WrongUse(f"--limit takes a number from 1 to {MOST}.")
    with opened() as parts:
        record = Record(parts.repository)
        page = record.page(_wanted(parts, record, key), owner=LOCAL_OWNER, size=limit)
    if json:
        return Done(output.document(list(map(_as_object, page.entries))))
    return Done(_lines(page))


def _wanted(parts: Parts, record: Record, ref: str | None) -> Wanted:
    """What is asked for. Raises NotFoundError for a key that there never was."""
    from mohet_keys import activity
    from mohet_keys.journal import Wanted

    if ref is None:
        return Wanted(but=activity.QUIET)
    try:
        return Wanted(key_id=parts.keys.find(ref, owner=LOCAL_OWNER).id)
    except NotFoundError:
        return record.of_key(ref, owner=LOCAL_OWNER)


def _as_object(entry: Activity) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": output.moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "key_id": entry.key_id,
        "key_name": entry.key_name,
        "provider": entry.provider,
        "host": entry.host,
        "result": entry.result,
        "detail": entry.detail,
        "request_id": entry.request_id,
        "fingerprint": entry.fingerprint,
    }


def _lines(page: Page) -> str:
    from mohet_keys import activity
    from mohet_keys.spreadsheet import harmless

    if not page.entries:
        return "Nothing happened yet."
    rows = []
    for entry in page.entries:
        time = activity.moment(entry, None)
        key = f"{entry.provider}/{entry.key_name}" if entry.provider else entry.key_name
        rows.append(
            (
                f"{time:%Y-%m-%d %H:%M:%S}" if time else "",
                activity.action_words(entry),
                harmless(key),
                harmless(entry.host),
                activity.result_words(entry),
                harmless(entry.actor),
                harmless(entry.detail),
            )
        )
    more = "" if page.is_last else "\nThere is more that is older: --limit shows it."
    return output.aligned(rows) + more
