"""The command that moves the store to another database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mohet_keys.cli import base, output
from mohet_keys.cli.base import Done, Json, app
from mohet_keys.cli.input import MAX_STDIN, WrongUse

if TYPE_CHECKING:
    from mohet_keys.copying import Copied

_INSTEAD = "Name a variable that has the address (--to-env), or a file (--to-file)"


@app.command("copy")
def copy_store(
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Its address, without a password.")
    ] = None,
    to_env: Annotated[
        str | None, typer.Option("--to-env", metavar="NAME", help="The variable that has it.")
    ] = None,
    to_file: Annotated[
        Path | None, typer.Option("--to-file", metavar="FILE", help="The file that has it.")
    ] = None,
    json: Json = False,
) -> Done:
    """Copy the whole store to an empty database: from SQLite to PostgreSQL, or back."""
    from mohet_keys import copying

    settings = base.settings()
    target = _target(to, to_env, to_file)
    copied = copying.copy(settings.store_url, target)
    base.record(settings, "copy", f"to a {copied.target} database")
    return Done(output.document(_as_object(copied)) if json else _text(copied))


def _target(to: str | None, name: str | None, file: Path | None) -> str:
    """The address of the target. Raises WrongUse, also for a password where others can read it."""
    from mohet_keys.database import has_password

    if sum(each is not None for each in (to, name, file)) != 1:
        raise WrongUse("Say where to copy the store: one of --to, --to-env and --to-file.")
    if name is not None:
        return _given(os.environ.get(name, ""), "There is no address in this variable.")
    if file is not None:
        return _given(_read(file), "There is no address in this file.")
    if has_password(to or ""):
        raise WrongUse(
            "The address has a password in it, and other programs can read arguments. Nothing was "
            f"done. {_INSTEAD}, or leave the password out and put it into ~/.pgpass or PGPASSWORD; "
            "and better change it."
        )
    return _given(to or "", "The address is empty.")


def _given(address: str, otherwise: str) -> str:
    if not address.strip():
        raise WrongUse(f"{otherwise} Nothing was done.")
    return address.strip()


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_STDIN).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise WrongUse("This file cannot be read. Nothing was done.") from None


def _text(copied: Copied) -> str:
    keys = output.counted(copied.keys, "key")
    rows = output.counted(sum(copied.rows.values()), "row")
    lines = (
        f"The store is copied to a {copied.target} database: {keys}, {rows} in all, compared.",
        "Set MOHET_DATABASE_URL to it and start the app; the master key stays the same.",
        "The store that was copied is still there. Delete it when you need it no more.",
    )
    return "\n".join(lines)


def _as_object(copied: Copied) -> dict[str, object]:
    return {
        "source": copied.source,
        "target": copied.target,
        "keys": copied.keys,
        "rows": copied.rows,
    }
