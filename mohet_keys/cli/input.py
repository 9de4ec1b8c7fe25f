"""How secrets come in to the command line: through stdin or typed unseen, never as an argument."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Sequence

from mohet_keys import endpoints
from mohet_keys.errors import Field, InputError
from mohet_keys.model import KeyEntry
from mohet_keys.providers import BY_SLUG, Provider, is_key

MAX_STDIN = 64 * 1024
"""Bytes read of a secret: more than the longest that is taken, so that it is told too long."""


class WrongUse(Exception):  # noqa: N818  # named as the exit status is
    """The command line makes no sense. The sentence is ours, with nothing in it that was typed."""


def refuse_secrets(arguments: Sequence[str]) -> None:
    """Raise WrongUse when an argument is a key: everybody on the machine can read arguments, and
    the shell keeps them. Also when one is no text at all, which nothing further on could handle.
    """
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise WrongUse("An argument is not valid text. Nothing was done.")
        if is_key(argument) or is_key(argument.partition("=")[2]):
            raise WrongUse(
                "An API key was given as an argument, where other programs can read it. "
                "Nothing was done with it. Use --secret-stdin, and better make a new key."
            )


def new_secret(row: Provider, *, from_stdin: bool) -> str:
    """The secret of a new key; empty where none is needed and nobody can be asked.

    Raises WrongUse where one is needed, InputError for what is no text.
    """
    if row.key_optional and not (from_stdin or _at_terminal()):
        return ""
    return needed_secret(from_stdin=from_stdin)


def needed_secret(*, from_stdin: bool) -> str:
    """A secret that there must be. Raises WrongUse when nobody can be asked for it, InputError for
    what is no text."""
    if from_stdin or _at_terminal():
        return _read()
    raise WrongUse("There is no terminal to ask for the key at. Pipe it in with --secret-stdin.")


def changed_secret(entry: KeyEntry, endpoint: str | None, *, from_stdin: bool) -> str:
    """The secret of an edit; empty when the stored one stays. Asked for without `from_stdin`
    only when the key is to go elsewhere. Raises InputError, also for an announced one that is
    missing: the command that should have piped it in has failed.
    """
    if not from_stdin:
        return _prompt() if _at_terminal() and _goes_elsewhere(entry, endpoint) else ""
    secret = _read()
    if not secret.strip():
        raise InputError("secret", "No key came in, so nothing was changed.")
    return secret


def _goes_elsewhere(entry: KeyEntry, endpoint: str | None) -> bool:
    row = BY_SLUG.get(entry.provider)
    if endpoint is None or row is None:
        return False
    try:
        mended = endpoints.mend(row, endpoint).endpoint
        moved = not endpoints.same_destination(mended, entry.endpoint)
    except InputError:
        return False  # the service says what is wrong with it
    return moved and (entry.has_secret or endpoints.host(mended) in row.hosts)


def new_passphrase(*, from_stdin: bool) -> str:
    """The passphrase for a file that is to be made; one that is typed is typed twice.

    Raises InputError for a weak one and when the two differ, WrongUse when nobody can be asked.
    """
    from mohet_keys import parcel

    typed = passphrase(from_stdin=from_stdin)
    parcel.require_passphrase(typed)
    if _at_terminal() and typed != _prompt("The same again: ", "--passphrase-stdin"):
        raise InputError("passphrase", "The two passphrases differ, so nothing was done.")
    return typed


def passphrase(*, from_stdin: bool) -> str:
    """The passphrase of a file. Raises InputError for what is no text, WrongUse when nobody can
    be asked for it."""
    if not from_stdin and not _at_terminal():
        said = "There is no terminal to ask for the passphrase at."
        raise WrongUse(f"{said} Pipe it in with --passphrase-stdin.")
    return _read("passphrase", "Passphrase: ", "--passphrase-stdin")


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _read(field: Field = "secret", asked: str = "API Key: ", option: str = "--secret-stdin") -> str:
    """The secret from stdin, or typed unseen where stdin is a terminal, which would show it."""
    if _at_terminal():
        return _prompt(asked, option)
    content = sys.stdin.buffer.read(MAX_STDIN) if sys.stdin is not None else b""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if content and not text:
        what = "key" if field == "secret" else field
        raise InputError(field, f"What came in as the {what} is not text in UTF-8.")
    return text.removesuffix("\n").removesuffix("\r")


def _prompt(asked: str = "API Key: ", option: str = "--secret-stdin") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(asked)
        except getpass.GetPassWarning:
            told = f"This terminal cannot hide what is typed. Pipe it in with {option}."
        except EOFError:
            told = "Nothing was typed, so nothing was done."
    raise WrongUse(told)
