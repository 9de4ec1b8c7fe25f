"""What every command is made of: its outcome, its common options, the opened store."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from mohet_keys import background
from mohet_keys.cli import output
from mohet_keys.cli.output import Shown
from mohet_keys.errors import NotFoundError, RefusedError, StoreError
from mohet_keys.model import LOCAL_OWNER, Action, Doing, KeyEntry
from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider
from mohet_keys.settings import Settings

if TYPE_CHECKING:
    from mohet_keys.service import Saved
    from mohet_keys.wiring import Parts

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Keep, check and switch the API keys of your AI providers.",
)
"""The program. Each module of commands adds its own."""

Json = Annotated[bool, typer.Option("--json", help="Say it in JSON.")]
Slug = Annotated[str, typer.Argument(metavar="PROVIDER", help=", ".join(BY_SLUG))]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or provider/name.")]
Endpoint = typer.Option(metavar="URL", help="Base URL; the provider’s own unless given.")
FromStdin = Annotated[bool, typer.Option("--secret-stdin", help="Read the key from stdin.")]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Allow unencrypted http outside private networks.")
]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has to say on stdout, and its exit status."""

    said: str
    status: int = 0


@contextmanager
def opened() -> Iterator[Parts]:
    """The product, as long as a command runs. Raises StoreError."""
    # Reading the database's library takes most of the start, so a wrong use does not wait for it.
    from mohet_keys import demo

    parts = demo.build()
    try:
        yield parts
    finally:
        parts.close()


def settings() -> Settings:
    """The environment, for a command on the store itself. Raises RefusedError in the demo."""
    found = Settings()
    if found.demo:
        raise RefusedError(
            "The demo’s store is gone when its command ends, so this command has nothing to work "
            "on. Leave MOHET_DEMO out to use it on your own store."
        )
    return found


def record(settings: Settings, action: Action, detail: str) -> None:
    """Put something on record that was done with the store itself, in the store as it is then.

    What cannot be recorded was done all the same: a store that can only be read is one to make a
    backup of.
    """
    from mohet_keys.repository import Repository

    request = secrets.token_hex(6)
    doing = Doing(
        *(action, LOCAL_OWNER, LOCAL_OWNER, datetime.now(UTC)), detail=detail, request_id=request
    )
    with suppress(StoreError), closing(Repository(settings.store_url)) as repository:
        repository.journal.begin(doing)


def row_of(slug: str) -> Provider:
    """The provider of this name. Raises RefusedError."""
    row = BY_SLUG.get(slug.strip().lower())
    if row is None:
        raise RefusedError(f"There is no such provider. Choose one of {', '.join(BY_SLUG)}.")
    return row


def all_keys(parts: Parts, slug: str | None = None) -> list[KeyEntry]:
    """The keys, of one provider or in the order of the providers, by name."""
    found = parts.keys.list(owner=LOCAL_OWNER, provider=slug, sort="name").entries
    order = {row.slug: place for place, row in enumerate(PROVIDERS)}
    return sorted(found, key=lambda entry: order.get(entry.provider, len(order)))


def wait(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of some work on the background loop. Raises what it raises."""
    loop = background.shared()
    try:
        return loop.run(work)
    except KeyboardInterrupt:
        loop.close()  # so that what was cancelled can tidy up before the process ends
        raise


def checked(parts: Parts, ids: Sequence[str]) -> list[Shown]:
    """Check these keys; one that is gone by then is left out."""
    shown = []
    for result in wait(parts.checks.check_many(ids, owner=LOCAL_OWNER)):
        with suppress(NotFoundError):
            shown.append(Shown.after(parts.keys.entry(result.key_id, owner=LOCAL_OWNER), result))
    return shown


def saved_key(parts: Parts, saved: Saved, verb: str, *, check: bool, json: bool) -> Done:
    """Say what was saved and mended, after a check of it where one is due."""
    due = check and saved.recheck
    shown = Shown.of(saved.entry)
    if due and not saved.entry.looks_like:
        shown = next(iter(checked(parts, [saved.entry.id])), shown)
    status = 1 if due and shown.is_unusable else 0
    if json:
        document = {**output.key_object(shown), "notes": list(saved.notes)}
        return Done(output.document(document), status)
    lines = [f"{shown.name} was {verb}." if saved.changed else "Nothing was changed."]
    lines += map(output.one_line, saved.notes)
    if due or saved.entry.looks_like:
        lines += output.standing_lines(shown)
    return Done("\n".join(lines), status)


def one_key(shown: Shown, text: str, *, json: bool) -> Done:
    """One key as JSON, or what is said of it."""
    return Done(output.document(output.key_object(shown)) if json else text)


def write(stream: TextIO | None, text: str) -> None:
    """Write a line; nothing when the stream was closed before the start."""
    if stream is not None:
        stream.write(f"{text}\n")
        stream.flush()
