"""`python -m mohet_keys`: everything the pages do with keys, for a terminal and for scripts.

Exit status: 0 done; 1 done, and a checked key is not usable; 2 wrong use or refused, nothing
changed (also the end of a command that broke off unforeseen); 3 the store cannot be opened; 130
interrupted. What was typed on the command line is never said back, for it may be a secret put
in the wrong place: so no message of the parser is shown, only sentences from here.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer
from pydantic import SecretStr
from typer.main import get_command

from mohet_keys import background
from mohet_keys import cli_output as output
from mohet_keys.cli_input import WrongUse, changed_secret, new_secret, refuse_secrets
from mohet_keys.cli_output import Shown
from mohet_keys.errors import InputError, MohetError, NotFoundError, RefusedError, StoreError
from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry, NewKey
from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider
from mohet_keys.settings import Settings
from mohet_keys.standing import may_send, vendor_label

if TYPE_CHECKING:
    from mohet_keys.service import Saved
    from mohet_keys.wiring import Parts

T = TypeVar("T")

PROGRAM = "python -m mohet_keys"
INTERRUPTED = 130

logging.getLogger("mohet_keys").addHandler(logging.NullHandler())  # stderr is for one line

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Keep, check and switch the API keys of your AI providers.",
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has to say on stdout, and its exit status."""

    said: str
    status: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (of `sys.argv` unless given) and return its exit status. Raises nothing."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        done = _run(given)
        return done if isinstance(done, int) else _tell(done)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # a traceback could show what must not be seen
        return _refuse(error, as_json=_asks_json(given))


def _run(given: list[str]) -> Done | int:
    """The command's outcome; a number when help was shown or Ctrl-C came."""
    refuse_secrets(given)
    try:
        done: Done | int = get_command(app).main(given, prog_name=PROGRAM, standalone_mode=False)
    except SystemExit:  # only the help prints from in there, and nobody read it to its end
        return 0
    return done


def _tell(done: Done) -> int:
    try:
        _write(sys.stdout, done.said)
    except OSError as error:
        # Python tries to write the rest at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # nobody reads on, as with `| head`
            raise WrongUse(f"It was done, but cannot be shown: {error.strerror}.") from None
    return done.status


def _write(stream: TextIO | None, text: str) -> None:
    """Write a line; nothing when the stream was closed before the start."""
    if stream is not None:
        stream.write(f"{text}\n")
        stream.flush()


# --- when it does not work ----------------------------------------------------------------------


def _refuse(error: Exception, *, as_json: bool) -> int:
    code, message, fields = _explained(error)
    line = output.one_line(message)
    with suppress(OSError):
        _write(sys.stderr, output.error_document(code, line, fields) if as_json else line)
    return 3 if isinstance(error, StoreError) else 2


def _explained(error: Exception) -> tuple[str, str, dict[str, str]]:
    """Code, message and refused fields of an error. Of an unforeseen one, its type alone."""
    if isinstance(error, InputError):
        fields = {str(field): said for field, said in error.by_field().items()}
        return error.code, " ".join(fields.values()), fields
    if isinstance(error, MohetError):
        return error.code, str(error), {}
    if isinstance(error, WrongUse):
        return "usage", str(error), {}
    if isinstance(error, typer.TyperException):
        return "usage", _usage(error), {}
    return "internal", f"Something unforeseen happened ({type(error).__name__}).", {}


def _usage(error: typer.TyperException) -> str:
    """What an error of the parser means, built from our own names alone."""
    context, missing = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or context.parent is None:
        commands = ", ".join(command.name or "" for command in app.registered_commands)
        return f"Choose a command: {commands}. {PROGRAM} --help tells more."
    said = "This command has no such option or argument, or an option lacks its value."
    if missing is not None:
        said = f"{missing.metavar} is missing."
    never = "The key itself is never an argument: use --secret-stdin."
    usage = " ".join(context.get_usage().split())
    return f"{said} {usage}. {never if context.info_name in {'add', 'edit'} else ''}"


def _asks_json(given: list[str]) -> bool:
    options = given[: given.index("--")] if "--" in given else given
    return "--json" in options


# --- the store, and checks -----------------------------------------------------------------------


@contextmanager
def _opened() -> Iterator[Parts]:
    # Reading the database's library takes most of the start, so a wrong use does not wait for it.
    from mohet_keys import wiring

    parts = wiring.build()
    try:
        yield parts
    finally:
        parts.close()


def _row(slug: str) -> Provider:
    row = BY_SLUG.get(slug.strip().lower())
    if row is None:
        raise RefusedError(f"There is no such provider. Choose one of {', '.join(BY_SLUG)}.")
    return row


def _all(parts: Parts, slug: str | None = None) -> list[KeyEntry]:
    """The keys, of one provider or in the order of the providers, by name."""
    found = parts.keys.list(owner=LOCAL_OWNER, provider=slug, sort="name").entries
    order = {row.slug: place for place, row in enumerate(PROVIDERS)}
    return sorted(found, key=lambda entry: order.get(entry.provider, len(order)))


def _wait(work: Coroutine[Any, Any, T]) -> T:
    loop = background.shared()
    try:
        return loop.run(work)
    except KeyboardInterrupt:
        loop.close()  # so that what was cancelled can tidy up before the process ends
        raise


def _checked(parts: Parts, ids: Sequence[str]) -> list[Shown]:
    """Check these keys; one that is gone by then is left out."""
    shown = []
    for result in _wait(parts.checks.check_many(ids, owner=LOCAL_OWNER)):
        with suppress(NotFoundError):
            shown.append(Shown.after(parts.keys.entry(result.key_id, owner=LOCAL_OWNER), result))
    return shown


def _saved(parts: Parts, saved: Saved, verb: str, *, check: bool, json: bool) -> Done:
    """Say what was saved and mended, after a check of it where one is due."""
    due = check and saved.recheck
    shown = Shown.of(saved.entry)
    if due and not saved.entry.looks_like:
        shown = next(iter(_checked(parts, [saved.entry.id])), shown)
    status = 1 if due and shown.is_unusable else 0
    if json:
        document = {**output.key_object(shown), "notes": list(saved.notes)}
        return Done(output.document(document), status)
    lines = [f"{shown.name} was {verb}." if saved.changed else "Nothing was changed."]
    lines += map(output.one_line, saved.notes)
    if due or saved.entry.looks_like:
        lines += output.standing_lines(shown)
    return Done("\n".join(lines), status)


def _key(shown: Shown, text: str, *, json: bool) -> Done:
    return Done(output.document(output.key_object(shown)) if json else text)


# --- the commands -------------------------------------------------------------------------------

Json = Annotated[bool, typer.Option("--json", help="Say it in JSON.")]
Slug = Annotated[str, typer.Argument(metavar="PROVIDER", help=", ".join(BY_SLUG))]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or provider/name.")]
Endpoint = typer.Option(metavar="URL", help="Base URL; the provider’s own unless given.")
FromStdin = Annotated[bool, typer.Option("--secret-stdin", help="Read the key from stdin.")]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Allow unencrypted http outside private networks.")
]


@app.command("providers")
def providers(json: Json = False) -> Done:
    """Say which providers there are, and how many keys each has."""
    with _opened() as parts:
        counts = parts.keys.counts(owner=LOCAL_OWNER)
    if json:
        return Done(output.document(output.provider_objects(counts)))
    return Done(output.provider_lines(counts))


@app.command("add")
def add(
    provider: Slug,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the key.")],
    endpoint: Annotated[str, Endpoint] = "",
    secret_stdin: FromStdin = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Save it unchecked.")] = False,
    allow_http: AllowHttp = False,
    json: Json = False,
) -> Done:
    """Save a key and check it. The key is read from stdin or asked for, never an argument."""
    row = _row(provider)
    new = NewKey(
        provider=row.slug,
        name=name,
        secret=SecretStr(new_secret(row, from_stdin=secret_stdin)),
        endpoint=endpoint,
        allow_http=allow_http,
    )
    with _opened() as parts:
        saved = parts.keys.add(new, owner=LOCAL_OWNER)
        return _saved(parts, saved, "saved", check=not no_check, json=json)


@app.command("list")
def list_keys(
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only of this.")] = None,
    json: Json = False,
) -> Done:
    """Show the keys, one a line: provider, name, verdict, hint, endpoint, when it was checked."""
    slug = None if provider is None else _row(provider).slug
    with _opened() as parts:
        entries = _all(parts, slug)
    if json:
        return Done(output.document([output.key_object(Shown.of(entry)) for entry in entries]))
    return Done(output.key_lines(entries, datetime.now(UTC)))


@app.command("check")
def check(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...")] = None,
    all: Annotated[bool, typer.Option("--all", help="Check every key.")] = False,
    here_anyway: Annotated[
        bool, typer.Option("--here-anyway", help="Also keys that look like another vendor’s.")
    ] = False,
    json: Json = False,
) -> Done:
    """Ask the providers whether keys work."""
    if bool(keys) == all:
        raise WrongUse("Say which keys to check, or --all for every key.")
    if all and here_anyway:
        raise WrongUse("Name the keys to check with --here-anyway; --all would send each one.")
    with _opened() as parts:
        entries = [parts.keys.find(ref, owner=LOCAL_OWNER) for ref in keys or ()]
        for entry in entries if here_anyway else ():
            if entry.looks_like:
                parts.keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)
        shown = _checked(parts, [entry.id for entry in (_all(parts) if all else entries)])
    status = 1 if any(each.is_unusable for each in shown) else 0
    if json:
        return Done(output.document([output.key_object(each) for each in shown]), status)
    lines = [line for each in shown for line in output.standing_lines(each)]
    return Done("\n".join(lines) or "No API keys yet.", status)


@app.command("edit")
def edit(
    key: Key,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A new name.")] = None,
    endpoint: Annotated[str | None, Endpoint] = None,
    secret_stdin: FromStdin = False,
    allow_http: AllowHttp = False,
    json: Json = False,
) -> Done:
    """Change a key, and check it where it matters. A new address needs the key again."""
    if name is None and endpoint is None and not secret_stdin:
        raise WrongUse("Say what to change: --name, --endpoint or --secret-stdin.")
    with _opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        secret = changed_secret(entry, endpoint, from_stdin=secret_stdin)
        changes = KeyChanges(
            name=name, secret=SecretStr(secret), endpoint=endpoint, allow_http=allow_http
        )
        saved = parts.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)
        return _saved(parts, saved, "updated", check=True, json=json)


@app.command("move")
def move(key: Key, json: Json = False) -> Done:
    """Give a key that looks like another vendor’s to that vendor, and check it there."""
    with _opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        saved = parts.keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)
        verb = f"moved to {vendor_label(saved.entry.provider)}"
        return _saved(parts, saved, verb, check=True, json=json)


@app.command("remove")
def remove(
    key: Key,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete it.")] = False,
    json: Json = False,
) -> Done:
    """Delete a key for good."""
    with _opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        if not yes:
            said = f"This deletes {Shown.of(entry).name} for good. Say --yes to do it."
            raise RefusedError(said)
        gone = Shown.of(parts.keys.remove(entry.id, owner=LOCAL_OWNER))
    text = f"{gone.name} was deleted."
    if gone.entry.selected:
        text += " It was the key selected for the chat; no key is selected now."
    return _key(gone, text, json=json)


@app.command("select")
def select(
    key: Key,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Model to chat with.")] = None,
    json: Json = False,
) -> Done:
    """Make a key, and perhaps a model, the one to chat with."""
    with _opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        parts.keys.select(entry.id, owner=LOCAL_OWNER, model=model)
        chosen = Shown.of(parts.keys.entry(entry.id, owner=LOCAL_OWNER))
        selection = parts.keys.selection(owner=LOCAL_OWNER)
    model = selection.model if selection else model  # without one, that of the last time counts
    with_model = f", with the model {output.one_line(model)}" if model else ""
    lines = [f"{chosen.name} is now the key for the chat{with_model}."]
    known = chosen.entry.check.models if chosen.entry.check else ()
    if model and known and model not in known:
        lines.append("That model is not among those the key last showed.")
    if not may_send(chosen.entry):
        lines += ["A chat cannot send through it now:", *output.standing_lines(chosen)]
    return _key(chosen, "\n".join(lines), json=json)


@app.command("chat")
def chat(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to say.")],
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Instead of the selected.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Model to ask.")] = None,
    json: Json = False,
) -> Done:
    """Send a prompt through a key; the reply comes to stdout as it is given."""
    from mohet_keys import cli_chat

    with _opened() as parts:
        selection = parts.keys.selection(owner=LOCAL_OWNER)
        ref = key or (selection.key_id if selection else None)
        if ref is None:
            raise RefusedError("No key is selected. Name one with --key, or select one first.")
        entry = parts.keys.find(ref, owner=LOCAL_OWNER)
        asked = cli_chat.model_for(entry, selection, model)
        show = _stream if not json else (lambda _piece: None)
        spoken = cli_chat.talk(parts.chats, entry, asked, prompt, show)
    status = 0 if spoken.ended.outcome in {"finished", "length"} else 1
    if spoken.trouble and not json:
        _write(sys.stderr, spoken.trouble)
    return Done(output.document(spoken.as_json()) if json else "", status)


def _stream(piece: str) -> None:
    """Show a piece of a reply at once, without what could move the cursor."""
    sys.stdout.write(output.running_text(piece))
    sys.stdout.flush()


@app.command("doctor")
def examine(json: Json = False) -> Done:
    """Look for what is wrong with settings, store and master key; nothing is changed."""
    from mohet_keys import doctor

    report = doctor.examine(Settings())
    if json:
        return Done(output.document(report.as_json()), report.status)
    lines = [f"{f.level:<5} {f.area}: {output.one_line(f.message)}" for f in report.findings]
    return Done("\n".join(lines), report.status)
