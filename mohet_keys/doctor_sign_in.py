"""Looks at how people sign in: who else can read the file of its secrets, and what the start would
refuse of it. No value of that file is ever in what is found."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mohet_keys.doctor_files import Finding, is_there, mode_of, note, ok, wrong
from mohet_keys.entrance import FILE, UNREADABLE, Entrance, Mode, auth_of, entrance_of
from mohet_keys.errors import RefusedError
from mohet_keys.settings import Settings

FILES = "STREAMLIT_SECRETS_FILES"
"""The variable by which Streamlit is told of other files."""


def sign_in(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the secrets are kept from others, and whether people can come in as it is set."""
    there = [path for path in _files(environment) if is_there(path)]
    for path in there:
        yield from _kept(path)
    try:
        found = entrance_of(settings, _auth([path for path in there if path.is_file()]))
    except RefusedError as error:
        yield wrong("sign-in", f"So it would not start. {error}")
    else:
        yield from _way_in(found)


def _files(environment: Mapping[str, str]) -> list[Path]:
    """Where Streamlit looks, in its order: what comes later counts more."""
    named = environment.get(FILES, "").split()
    return list(map(Path, named)) or [Path.home() / FILE, Path.cwd() / FILE]


def _kept(path: Path) -> Iterator[Finding]:
    """Who else can read a file, or put another one there."""
    if path.is_dir():
        yield note("sign-in", f"{path} is a folder; what is in it is not looked at.")
    elif os.name == "posix":
        mode, folder = mode_of(path), mode_of(path.parent)
        if mode & 0o077:
            said = f"{path} can be read by other users (mode {mode:04o}), and who knows its"
            yield wrong("permissions", f"{said} cookie_secret can be anybody. Run chmod 600 on it.")
        elif folder & 0o022 and not folder & stat.S_ISVTX:
            yield wrong("permissions", f"Other users can replace {path} (folder {folder:04o}).")
        else:
            yield ok("permissions", f"{path} is this user’s alone (mode {mode:04o}).")


def _auth(paths: Sequence[Path]) -> Mapping[str, object] | None:
    """The `[auth]` section of all files together. Raises RefusedError."""
    secrets: dict[str, object] = {}
    try:
        for path in paths:
            secrets |= tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RefusedError(UNREADABLE) from None
    return auth_of(secrets)


def _way_in(found: Entrance) -> Iterator[Finding]:
    if found.mode is Mode.OIDC:
        names = ", ".join(provider.name for provider in found.providers)
        yield ok("sign-in", f"People sign in at {names}, and it is set who may come in.")
    elif found.mode is Mode.HEADER:
        yield ok("sign-in", f"A proxy names people in {', '.join(found.headers or ())}.")
