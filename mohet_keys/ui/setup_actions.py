"""What the setup's buttons do, and the work they start off the script's thread."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

from pydantic import SecretStr

from mohet_keys import discovery
from mohet_keys.discovery import LocalServer, Variable
from mohet_keys.errors import InputError, MohetError
from mohet_keys.model import LOCAL_OWNER, Diagnosis, NewKey, Verdict
from mohet_keys.providers import BY_SLUG, Provider
from mohet_keys.starting import Started
from mohet_keys.ui import resources
from mohet_keys.ui.state import Said, act, peek, put, take, ticked, ui
from mohet_keys.ui.text import escape

FORM = "setup"
PROVIDER = "setup.provider"


def found() -> tuple[list[LocalServer], list[Variable]]:
    """What was found so far. The look begins with the first call, and nobody waits for it.

    What is on a server that many share is not the visitor's: neither the keys in its environment
    nor the servers beside it.
    """
    if resources.owner() != LOCAL_OWNER:
        return [], []
    setup = ui().setup
    if setup.look is None:
        setup.look = resources.background().submit(discovery.local_servers(resources.outbound()))
    return _servers(setup.look), discovery.variables()


def _servers(look: Future[list[LocalServer]]) -> list[LocalServer]:
    done = look.done() and not look.cancelled() and look.exception() is None
    return look.result() if done else []


# --- what is typed ----------------------------------------------------------------------------


@act
def choose(labels: Mapping[str, str]) -> None:
    """Open the form of the chosen provider."""
    _open(labels.get(peek(PROVIDER)))


@act
def take_server(server: LocalServer) -> None:
    """Open the form for a server that was found."""
    _open(server.provider, endpoint=server.endpoint)


@act
def take_variable(variable: Variable) -> None:
    """Open the form for a key in the environment. It stays there until the test is asked for."""
    _open(variable.provider)
    ui().setup.variable = variable


def _open(slug: str | None, endpoint: str | None = None) -> None:
    setup, row = ui().setup, BY_SLUG.get(slug or "")
    setup.provider, setup.variable, setup.failed = slug, None, None
    take(f"{FORM}.secret")
    if row is None:
        return
    put(PROVIDER, row.label)
    put(f"{FORM}.name", row.label)
    put(f"{FORM}.endpoint", endpoint or row.endpoint)


# --- the test -----------------------------------------------------------------------------------


@act
def start(row: Provider) -> None:
    """Test what the form holds; once it is good it is saved, selected, and the chat opens."""
    setup = ui().setup
    variable = setup.variable if resources.owner() == LOCAL_OWNER else None
    typed = SecretStr(take(f"{FORM}.secret"))
    new = NewKey(
        provider=row.slug,
        name=peek(f"{FORM}.name"),
        secret=discovery.value_of(variable) if variable else typed,
        endpoint=peek(f"{FORM}.endpoint"),
        allow_http=ticked(f"{FORM}.allow_http"),
    )
    setup.failed = None
    try:
        resources.keys().draft(new, owner=resources.owner())  # refuse at the fields, at once
    except MohetError as error:
        refuse(error)
        return
    work = resources.starter().start(new, owner=resources.owner())
    setup.test = resources.background().submit(work)


def settle(test: Future[Started]) -> bool:
    """Take in the end of a test. Whether the chat may open."""
    setup = ui().setup
    setup.test = None
    if test.cancelled():
        return False
    error = test.exception()
    if isinstance(error, MohetError):
        refuse(error)
        return False
    if error is not None:
        said = "The test broke off."
        setup.failed = Diagnosis(Verdict.UNCHECKED, "not carried out", said, "Try again.")
        return False
    started = test.result()
    setup.failed = None if started.entry else started.diagnosis
    return started.entry is not None


def refuse(error: MohetError) -> None:
    """Say what was refused, at its field where it has one."""
    state = ui()
    if isinstance(error, InputError):
        state.problems = error.by_field()
        state.consenting = state.consenting or "plain http" in state.problems.get("endpoint", "")
    else:
        state.said.append(Said("error", escape(str(error))))
