"""The commands that take keys to another machine, and bring in those of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys import private_files
from mohet_keys.cli import output
from mohet_keys.cli.base import Done, Json, all_keys, app, checked, opened
from mohet_keys.cli.input import WrongUse, new_passphrase, passphrase
from mohet_keys.cli.output import Shown
from mohet_keys.errors import RefusedError
from mohet_keys.model import LOCAL_OWNER

if TYPE_CHECKING:
    from mohet_keys.transfer import Exported, Imported, Item, LeftOut, Plan, State
    from mohet_keys.wiring import Parts

WORDS: dict[State, str] = {
    "new": "new",
    "there": "there",
    "clash": "name taken",
    "refused": "refused",
}
"""What becomes of a key of a file, in a word."""

File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]
PassphraseStdin = Annotated[
    bool, typer.Option("--passphrase-stdin", help="Read the passphrase from stdin.")
]


# --- out ----------------------------------------------------------------------------------------


@app.command("export")
def export(
    file: File,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...")] = None,
    every: Annotated[bool, typer.Option("--all", help="Export every key.")] = False,
    passphrase_stdin: PassphraseStdin = False,
    json: Json = False,
) -> Done:
    """Write keys to a new file that opens with a passphrase alone, for another machine.

    Ends with 1 when a key that was asked for is not in it: one that is locked or held back.
    """
    from mohet_keys.transfer import Transfer

    if bool(keys) == every:
        raise WrongUse("Say which keys to export, or --all for every key.")
    _refuse_stream(file)
    if os.path.lexists(file):
        raise RefusedError("This file is there already, and is not written over. Choose a new one.")
    with opened() as parts:
        chosen = [parts.keys.find(ref, owner=LOCAL_OWNER) for ref in keys or ()]
        ids = [entry.id for entry in (all_keys(parts) if every else chosen)]
        typed = new_passphrase(from_stdin=passphrase_stdin)
        exported = Transfer(parts.keys).export(ids, owner=LOCAL_OWNER, passphrase=typed)
    _write(file, exported.content)
    said = output.document(_exported_object(exported)) if json else _exported_text(exported)
    return Done(said, 1 if exported.left_out else 0)


def _write(file: Path, content: bytes) -> None:
    """Make the file, whole and for this user alone, or nothing. Raises RefusedError."""
    try:
        with private_files.part_of(file) as part:
            part.write_bytes(content)
            private_files.place(part, file)
    except FileExistsError:
        raise RefusedError("Somebody else made this file meanwhile. Choose a new one.") from None
    except OSError as error:
        raise RefusedError(f"The file cannot be written: {error.strerror}.") from None


def _exported_text(exported: Exported) -> str:
    lines = [f"The file holds {output.counted(len(exported.entries), 'key')}."]
    lines += [f"  {Shown.of(entry).name}" for entry in exported.entries]
    lines += _left_out_lines(exported.left_out)
    lines.append("Whoever has it and the passphrase has these keys. Delete it when it has arrived.")
    return "\n".join(lines)


def _exported_object(exported: Exported) -> dict[str, object]:
    return {
        "keys": [output.key_object(Shown.of(entry)) for entry in exported.entries],
        "left_out": list(map(_left_out_object, exported.left_out)),
        "bytes": len(exported.content),
    }


# --- in -----------------------------------------------------------------------------------------


@app.command("import")
def bring_in(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", help="Really bring them in.")] = False,
    rename: Annotated[
        bool, typer.Option("--rename", help="Also those whose name is taken, as “Name (2)”.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check what came in.")] = False,
    passphrase_stdin: PassphraseStdin = False,
    json: Json = False,
) -> Done:
    """Bring in the keys of an exported file or of a .env file; without --yes only show them.

    Ends with 1 when a key was left out that is not there already, or a checked one fails.
    """
    from mohet_keys.transfer import Transfer, needs_passphrase

    _refuse_stream(file)
    if check and not yes:
        raise WrongUse("Only what came in can be checked: say --check together with --yes.")
    content = _content(file)
    typed = passphrase(from_stdin=passphrase_stdin) if needs_passphrase(content) else None
    with opened() as parts:
        transfer = Transfer(parts.keys)
        plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase=typed)
        if not yes:
            said = output.document(_plan_object(plan)) if json else _plan_text(plan, rename)
            return Done(said)
        imported = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=rename)
        shown = _shown(parts, imported, check=check)
    failed = check and any(each.is_unusable for each in shown)
    missed = any(each.state != "there" for each in imported.left_out)
    if json:
        said = output.document(_plan_object(plan) | _imported_object(imported, shown))
    else:
        said = _imported_text(imported, shown, plan, check=check)
    return Done(said, 1 if failed or missed else 0)


def _content(file: Path) -> bytes:
    """What is in a file; of a large one only as much as shows that it is. Raises RefusedError."""
    from mohet_keys.parcel import LARGEST

    try:
        with file.open("rb") as opened_file:
            return opened_file.read(LARGEST + 1)
    except OSError as error:
        raise RefusedError(f"The file cannot be read: {error.strerror}.") from None


def _shown(parts: Parts, imported: Imported, *, check: bool) -> list[Shown]:
    """What came in, after a check of it where one is asked for."""
    entries = [saved.entry for saved in imported.saved]
    after = checked(parts, [entry.id for entry in entries]) if check else []
    found = {each.entry.id: each for each in after}
    return [found.get(entry.id, Shown.of(entry)) for entry in entries]


def _plan_text(plan: Plan, rename: bool) -> str:
    lines = [_counted(plan)]
    for item in plan.items:
        lines += _item_lines(item, rename=rename)
    lines += _ignored_lines(plan)
    if plan.count("new") or plan.count("clash"):
        also = " and --rename for those whose name is taken" if plan.count("clash") else ""
        lines.append(f"Nothing was written. Say --yes to bring them in{also}.")
    else:
        lines.append("Nothing was written, for there is nothing to bring in.")
    return "\n".join(lines)


def _counted(plan: Plan) -> str:
    if not plan.items:
        return "There are no keys in this file."
    states: list[State] = [state for state in WORDS if plan.count(state)]
    parts = ", ".join(f"{plan.count(state)} {WORDS[state]}" for state in states)
    return f"{output.counted(len(plan.items), 'key')} in this file: {parts}."


def _item_lines(item: Item, *, rename: bool) -> list[str]:
    name = output.printable(f"{item.provider}/{item.name}")
    head = [f"{WORDS[item.state]}: {name}", item.hint, item.endpoint.removeprefix("https://")]
    below = [item.said, *item.notes]
    if item.state == "clash":
        below.append("It would come in under a name of its own." if rename else "")
    line = output.GAP.join(output.printable(part) for part in head if part)
    return [line, *(f"  {output.one_line(text)}" for text in below if text)]


def _imported_text(imported: Imported, shown: Sequence[Shown], plan: Plan, *, check: bool) -> str:
    came = output.counted(len(imported.saved), "key")
    lines = [f"{came} came in." if imported.saved else "No key came in."]
    for saved, each in zip(imported.saved, shown, strict=True):
        told = check or saved.entry.looks_like
        lines += output.standing_lines(each) if told else [f"{each.name}"]
        lines += [f"  {output.one_line(note)}" for note in saved.notes]
    return "\n".join([*lines, *_left_out_lines(imported.left_out), *_ignored_lines(plan)])


def _left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    return [
        f"Left out: {output.printable(f'{each.provider}/{each.name}')}. {output.one_line(each.why)}"
        for each in left_out
    ]


def _ignored_lines(plan: Plan) -> list[str]:
    return [
        f"Ignored: {output.printable(each.name)}. {output.one_line(each.why)}"
        for each in plan.ignored
    ]


def _plan_object(plan: Plan) -> dict[str, object]:
    """The same fields whether it was carried out or not."""
    return {
        "kind": plan.kind,
        "written": False,
        "keys": [
            {
                "provider": item.provider,
                "name": item.name,
                "state": item.state,
                "said": item.said,
                "endpoint": item.endpoint,
                "hint": item.hint,
                "notes": list(item.notes),
            }
            for item in plan.items
        ],
        "ignored": [{"name": each.name, "why": each.why} for each in plan.ignored],
        "saved": [],
        "left_out": [],
    }


def _imported_object(imported: Imported, shown: Sequence[Shown]) -> dict[str, object]:
    return {
        "written": bool(imported.saved),
        "saved": [
            {**output.key_object(each), "notes": list(saved.notes)}
            for saved, each in zip(imported.saved, shown, strict=True)
        ],
        "left_out": list(map(_left_out_object, imported.left_out)),
    }


def _left_out_object(left_out: LeftOut) -> dict[str, object]:
    return {
        "provider": left_out.provider,
        "name": left_out.name,
        "state": left_out.state,
        "why": left_out.why,
    }


def _refuse_stream(file: Path) -> None:
    if str(file) == "-":
        raise WrongUse("Name a file: keys are neither written to the terminal nor read from it.")
