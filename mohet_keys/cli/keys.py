"""The commands on saved keys, and the chat through one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import SecretStr

from mohet_keys.cli import base, output
from mohet_keys.cli.base import (
    AllowHttp,
    Done,
    Endpoint,
    FromStdin,
    Json,
    Key,
    Slug,
    all_keys,
    app,
    checked,
    one_key,
    opened,
    row_of,
    saved_key,
    write,
)
from mohet_keys.cli.input import WrongUse, changed_secret, new_secret
from mohet_keys.cli.output import Shown
from mohet_keys.errors import RefusedError
from mohet_keys.model import LOCAL_OWNER, KeyChanges, NewKey
from mohet_keys.standing import may_send, vendor_label


@app.command("providers")
def providers(json: Json = False) -> Done:
    """Say which providers there are, and how many keys each has."""
    with opened() as parts:
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
    row = row_of(provider)
    new = NewKey(
        provider=row.slug,
        name=name,
        secret=SecretStr(new_secret(row, from_stdin=secret_stdin)),
        endpoint=endpoint,
        allow_http=allow_http,
    )
    with opened() as parts:
        saved = parts.keys.add(new, owner=LOCAL_OWNER)
        return saved_key(parts, saved, "saved", check=not no_check, json=json)


@app.command("list")
def list_keys(
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only of this.")] = None,
    json: Json = False,
) -> Done:
    """Show the keys, one a line: provider, name, verdict, hint, endpoint, when it was checked."""
    slug = None if provider is None else row_of(provider).slug
    with opened() as parts:
        entries = all_keys(parts, slug)
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
    with opened() as parts:
        entries = [parts.keys.find(ref, owner=LOCAL_OWNER) for ref in keys or ()]
        for entry in entries if here_anyway else ():
            if entry.looks_like:
                parts.keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)
        shown = checked(parts, [entry.id for entry in (all_keys(parts) if all else entries)])
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
    with opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        secret = changed_secret(entry, endpoint, from_stdin=secret_stdin)
        changes = KeyChanges(
            name=name, secret=SecretStr(secret), endpoint=endpoint, allow_http=allow_http
        )
        saved = parts.keys.edit(entry.id, changes, owner=LOCAL_OWNER, version=entry.version)
        return saved_key(parts, saved, "updated", check=True, json=json)


@app.command("move")
def move(key: Key, json: Json = False) -> Done:
    """Give a key that looks like another vendor’s to that vendor, and check it there."""
    with opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        saved = parts.keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)
        verb = f"moved to {vendor_label(saved.entry.provider)}"
        return saved_key(parts, saved, verb, check=True, json=json)


@app.command("remove")
def remove(
    key: Key,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete it.")] = False,
    json: Json = False,
) -> Done:
    """Delete a key for good."""
    with opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        if not yes:
            said = f"This deletes {Shown.of(entry).name} for good. Say --yes to do it."
            raise RefusedError(said)
        gone = Shown.of(parts.keys.remove(entry.id, owner=LOCAL_OWNER).entry)
    text = f"{gone.name} was deleted."
    if gone.entry.selected:
        text += " It was the key selected for the chat; no key is selected now."
    return one_key(gone, text, json=json)


@app.command("select")
def select(
    key: Key,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Model to chat with.")] = None,
    json: Json = False,
) -> Done:
    """Make a key, and perhaps a model, the one to chat with."""
    with opened() as parts:
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
    return one_key(chosen, "\n".join(lines), json=json)


@app.command("chat")
def chat(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to say.")],
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Instead of the selected.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Model to ask.")] = None,
    json: Json = False,
) -> Done:
    """Send a prompt through a key; the reply comes to stdout as it is given."""
    from mohet_keys.cli import chat as talking

    with opened() as parts:
        selection = parts.keys.selection(owner=LOCAL_OWNER)
        ref = key or (selection.key_id if selection else None)
        if ref is None:
            raise RefusedError("No key is selected. Name one with --key, or select one first.")
        entry = parts.keys.find(ref, owner=LOCAL_OWNER)
        asked = talking.model_for(entry, selection, model)
        show = _stream if not json else (lambda _piece: None)
        spoken = talking.talk(parts.chats, entry, asked, prompt, show)
    status = 0 if spoken.ended.outcome in {"finished", "length"} else 1
    if spoken.trouble and not json:
        write(sys.stderr, spoken.trouble)
    return Done(output.document(spoken.as_json()) if json else "", status)


def _stream(piece: str) -> None:
    """Show a piece of a reply at once, without what could move the cursor."""
    sys.stdout.write(output.running_text(piece))
    sys.stdout.flush()


@app.command("doctor")
def examine(json: Json = False) -> Done:
    """Look for what is wrong with settings, store and master key; nothing is changed."""
    from mohet_keys import doctor

    report = doctor.examine(base.settings())
    if json:
        return Done(output.document(report.as_json()), report.status)
    lines = [f"{f.level:<5} {f.area}: {output.one_line(f.message)}" for f in report.findings]
    return Done("\n".join(lines), report.status)
