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
from collections.abc import Sequence
from contextlib import suppress

import typer
from typer.main import get_command

from mohet_keys.cli import activity, backup, base, copy, keys, master_key, output, replace, transfer
from mohet_keys.cli.base import Done, write
from mohet_keys.cli.input import WrongUse, refuse_secrets
from mohet_keys.errors import InputError, MohetError, StoreError

PROGRAM = "python -m mohet_keys"
INTERRUPTED = 130
COMMANDS = (keys, replace, transfer, activity, backup, copy, master_key)
"""The modules that add their commands to the program by being imported; shown in this order."""

_PLACES = {module.__name__: place for place, module in enumerate(COMMANDS)}
base.app.registered_commands.sort(
    key=lambda command: _PLACES[getattr(command.callback, "__module__", "")]
)

logging.getLogger("mohet_keys").addHandler(logging.NullHandler())  # stderr is for one line


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
        done: Done | int = get_command(base.app).main(
            given, prog_name=PROGRAM, standalone_mode=False
        )
    except SystemExit:  # only the help prints from in there, and nobody read it to its end
        return 0
    return done


def _tell(done: Done) -> int:
    try:
        write(sys.stdout, done.said)
    except OSError as error:
        # Python tries to write the rest at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # nobody reads on, as with `| head`
            raise WrongUse(f"It was done, but cannot be shown: {error.strerror}.") from None
    return done.status


# --- when it does not work ----------------------------------------------------------------------


def _refuse(error: Exception, *, as_json: bool) -> int:
    code, message, fields = _explained(error)
    line = output.one_line(message)
    with suppress(OSError):
        write(sys.stderr, output.error_document(code, line, fields) if as_json else line)
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
    group = getattr(context and context.command, "commands", None)
    if context is None or group:
        own = [each.name or "" for each in base.app.registered_commands]
        own += [each.name or "" for each in base.app.registered_groups]
        commands = ", ".join(group or own)
        path = context.command_path if context else PROGRAM
        return f"Choose a command: {commands}. {path} --help tells more."
    said = "This command has no such option or argument, or an option lacks its value."
    if missing is not None:
        said = f"{missing.metavar} is missing."
    never = "The key itself is never an argument: use --secret-stdin."
    usage = " ".join(context.get_usage().split())
    return f"{said} {usage}. {never if context.info_name in {'add', 'edit', 'replace'} else ''}"


def _asks_json(given: list[str]) -> bool:
    options = given[: given.index("--")] if "--" in given else given
    return "--json" in options
