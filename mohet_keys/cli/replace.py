"""The command that gives a key a new secret, tested before, and the way back to the former one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys.cli import output
from mohet_keys.cli.base import Done, FromStdin, Json, Key, app, opened, saved_key, wait
from mohet_keys.cli.input import WrongUse, needed_secret
from mohet_keys.cli.output import WORDS, Shown, one_line
from mohet_keys.model import LOCAL_OWNER, KeyEntry

if TYPE_CHECKING:
    from mohet_keys.replacing import Replaced
    from mohet_keys.wiring import Parts


@app.command("replace")
def replace(
    key: Key,
    secret_stdin: FromStdin = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring the former secret back.")] = False,
    json: Json = False,
) -> Done:
    """Give a key a new secret when a test says it is good. --undo takes that back for 15 minutes.

    Ends with 1 when the test is not good: the key then keeps the secret that it has.
    """
    if undo and secret_stdin:
        raise WrongUse("--undo brings the former secret back, so it takes no new one.")
    with opened() as parts:
        entry = parts.keys.find(key, owner=LOCAL_OWNER)
        if undo:
            saved = parts.keys.undo_swap(entry.id, owner=LOCAL_OWNER, version=entry.version)
            return saved_key(parts, saved, "given its former secret back", check=True, json=json)
        done = _tested(parts, entry, needed_secret(from_stdin=secret_stdin))
        shown = Shown.of(parts.keys.entry(entry.id, owner=LOCAL_OWNER))
    status = 0 if done.entry else 1
    said = output.document(_object(shown, done)) if json else "\n".join(_lines(shown, done))
    return Done(said, status)


def _tested(parts: Parts, entry: KeyEntry, secret: str) -> Replaced:
    trial = parts.keys.trial(entry.id, secret, owner=LOCAL_OWNER, version=entry.version)
    return wait(parts.replacer.replace(trial, owner=LOCAL_OWNER))


def _object(shown: Shown, done: Replaced) -> dict[str, object]:
    """The key as it is now, and beside it how the test of the new secret went."""
    said, until = done.diagnosis, shown.entry.undo_until
    tested = {
        "verdict": said.verdict.value,
        "reason": said.reason,
        "explanation": said.explanation,
        "remedy": said.remedy,
    }
    return {
        **output.key_object(shown),
        "replaced": done.entry is not None,
        "tested": tested,
        "undo_until": output.moment(until) if until else None,
        "notes": list(done.notes),
    }


def _lines(shown: Shown, done: Replaced) -> list[str]:
    if done.entry is None:
        said = done.diagnosis
        head = f"{shown.name} keeps the secret it has. The new one is not good:"
        verdict = f"{WORDS[said.verdict]} ({one_line(said.reason)})"
        below = (verdict, said.explanation, said.remedy)
        return [head, *(f"  {one_line(text)}" for text in below if text)]
    way_back = f"The former one can be brought back for 15 minutes: replace {shown.entry.id} --undo"
    lines = [f"{shown.name} has its new secret.", *map(one_line, done.notes)]
    return [*lines, *output.standing_lines(shown), way_back]
