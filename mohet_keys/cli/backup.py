"""The commands that save the store to a file and bring it back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys.cli import base, output
from mohet_keys.cli.base import Done, Json, app
from mohet_keys.errors import RefusedError

if TYPE_CHECKING:
    from mohet_keys.backup import Saved
    from mohet_keys.candidate import Candidate
    from mohet_keys.restore import Restored

_APART = (
    "The master key is not in it. Keep a copy of that somewhere else: without it nobody can open "
    "these keys, and with both in one place whoever finds them can."
)

File = typer.Argument(metavar="FILE", show_default=False)


@app.command("backup")
def back_up(file: Annotated[Path, File], json: Json = False) -> Done:
    """Save the store to a new file, also while the app runs. The master key is not in it."""
    from mohet_keys import backup

    settings = base.settings()
    saved = backup.save(settings, file)
    base.record(settings, "backup", f"to {file.name}")
    return Done(output.document(_saved_object(saved)) if json else "\n".join(_saved_lines(saved)))


def _saved_object(saved: Saved) -> dict[str, object]:
    return {
        "file": str(saved.file),
        "keys": saved.keys,
        "bytes": saved.bytes,
        "schema": saved.schema,
        "has_master_key": False,
    }


def _saved_lines(saved: Saved) -> list[str]:
    count = output.counted(saved.keys, "key")
    lines = [f"{_shown(saved.file)} holds {count} ({saved.bytes:,} bytes).", _APART]
    if saved.beside_master_key:
        beside = _shown(saved.beside_master_key)
        lines.append(f"Now they are in one place: move the backup away from {beside}.")
    return lines


@app.command("restore")
def bring_back(
    file: Annotated[Path, File],
    yes: Annotated[bool, typer.Option("--yes", help="Really replace the store.")] = False,
    locked: Annotated[
        bool, typer.Option("--locked", help="Also one that this master key does not open.")
    ] = False,
    json: Json = False,
) -> Done:
    """Put a backup in the place of the store, which is kept in a file beside it."""
    from mohet_keys import candidate, restore

    settings = base.settings()
    if not yes:
        raise RefusedError(_announced(candidate.inspect(settings, file)))
    restored = restore.restore(settings, file, locked=locked)
    base.record(settings, "restore", f"from {file.name}")
    said = output.document(_restored_object(restored)) if json else _restored_text(restored)
    return Done(said)


def _announced(found: Candidate) -> str:
    """What `--yes` would do."""
    now = "There is no store yet."
    if not found.is_first:
        count = "an unknown number of keys, for it cannot be read"
        if found.replaces is not None:
            count = output.counted(found.replaces, "key")
        now = f"The present store, with {count}, would be kept in a file beside it."
    said = f"This restores the store from {_shown(found.file)}: {_described(found)}. {now}"
    if found.why_locked:
        said += f" The master key does not open all of it. {found.why_locked}"
        return f"{said} Say --yes --locked to do it all the same."
    return f"{said} Say --yes to do it."


def _described(found: Candidate) -> str:
    """How much is in a backup, and from when it is."""
    parts = [output.counted(found.keys, "key"), f"saved {_said(found.saved_at)}"]
    if found.changed_at:
        parts.append(f"last key changed {_said(found.changed_at)}")
    if found.altered:
        parts.append(f"{found.altered} altered and never to be opened")
    return ", ".join(parts)


def _restored_text(restored: Restored) -> str:
    found = restored.candidate
    lines = [f"The store is restored from {found.file}: {_described(found)}."]
    if restored.kept:
        before = "What was left of the one before" if found.is_first else "The one before"
        if restored.was_damaged:
            before = "What was there, no database any more,"
        lines.append(f"{before} is kept: {restored.kept}.")
    if found.why_locked:
        lines.append(f"{output.counted(found.locked, 'key')} locked. {found.why_locked}")
    return "\n".join(map(output.one_line, lines))


def _restored_object(restored: Restored) -> dict[str, object]:
    found = restored.candidate
    return {
        "file": str(found.file),
        "keys": found.keys,
        "replaced_keys": found.replaces,
        "locked": found.locked,
        "altered": found.altered,
        "why_locked": found.why_locked,
        "schema": found.schema,
        "saved_at": _time(found.saved_at),
        "changed_at": _time(found.changed_at) if found.changed_at else None,
        "kept": str(restored.kept) if restored.kept else None,
        "was_damaged": restored.was_damaged,
    }


def _shown(path: Path) -> str:
    return output.printable(str(path))


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
