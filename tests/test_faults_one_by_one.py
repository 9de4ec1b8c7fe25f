"""Faults one by one: the first statement fails, then the second, and so on until nothing does.

The same for the steps of a request: the connection ends at each byte of the answer, and at each
step of the way there. Afterwards nothing is half done, no secret was said, nothing went astray,
and the same thing done again succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from mohet_keys import connection, dialling, wiring
from mohet_keys.errors import LockedError, MohetError, NotFoundError
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Ended,
    KeyChanges,
    KeyEntry,
    Message,
    NewKey,
    Verdict,
)
from mohet_keys.rows import RowChanges
from mohet_keys.simulator.server import Simulator
from tests.leaks import scan
from tests.sink import RESET, Sink, raw

ME = LOCAL_OWNER
MODEL = "openai/gpt-oss-20b"
MOST = 200
"""Statements or steps that no verb needs as many of."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Groq, at two addresses."""
    with Simulator(doors=2) as running:
        yield running


def secret() -> str:
    """A secret that the simulated Groq accepts."""
    return f"gsk_sim-good-{secrets.token_hex(20)}"


@dataclass
class Case:
    """A saved key, and what it may become."""

    parts: wiring.Parts
    simulator: Simulator
    entry: KeyEntry
    old: str
    new: str

    @property
    def keys(self) -> Any:
        """The verbs."""
        return self.parts.keys

    def edit(self, **changes: Any) -> None:
        """Change the key as it was seen."""
        typed = KeyChanges(**changes)
        self.keys.edit(self.entry.id, typed, owner=ME, version=self.entry.version)

    def state(self) -> tuple[str, str, str] | None:
        """Name, address and secret of the key now; None when it is gone."""
        try:
            now = self.keys.entry(self.entry.id, owner=ME)
        except NotFoundError:
            return None
        return now.name, now.endpoint, self.keys.open(now.id, owner=ME).secret


def add(case: Case) -> None:
    """Another key."""
    new = NewKey(
        provider="groq",
        name=f"More {secrets.token_hex(4)}",
        secret=SecretStr(case.new),
        endpoint=case.entry.endpoint,
    )
    case.keys.add(new, owner=ME)


def rename(case: Case) -> None:
    """Another name."""
    case.edit(name=f"Other {case.entry.name}")


def reenter(case: Case) -> None:
    """Another secret."""
    case.edit(secret=SecretStr(case.new))


def move(case: Case) -> None:
    """Another address, with a secret for it."""
    case.edit(secret=SecretStr(case.new), endpoint=case.simulator.endpoint("groq", 1))


def delete(case: Case) -> None:
    """Away with it."""
    case.keys.remove(case.entry.id, owner=ME)


def select(case: Case) -> None:
    """The key for the chat."""
    case.keys.select(case.entry.id, owner=ME, model=MODEL)


def check(case: Case) -> CheckResult:
    """Ask the provider."""
    return asyncio.run(case.parts.checks.check(case.entry.id, owner=ME))


def chat(case: Case) -> Ended:
    """Send a message."""
    said = [Message("user", "Write 3 words")]
    with case.parts.chats.start(case.entry.id, owner=ME, messages=said, model=MODEL) as running:
        *_, last = running.events()
    assert isinstance(last, Ended)
    return last


VERBS: dict[str, Callable[[Case], object]] = {
    verb.__name__: verb for verb in (add, rename, reenter, move, delete, select, check, chat)
}


@pytest.fixture
def cases(parts: wiring.Parts, simulator: Simulator) -> Iterator[Case]:
    """Keys without end, each with a name and a secret of its own."""

    def made() -> Iterator[Case]:
        for number in itertools.count():
            old = secret()
            new = NewKey(
                provider="groq",
                name=f"Key {number}",
                secret=SecretStr(old),
                endpoint=simulator.endpoint("groq"),
            )
            yield Case(parts, simulator, parts.keys.add(new, owner=ME).entry, old, secret())

    return made()


@contextmanager
def failing(parts: wiring.Parts, number: int) -> Iterator[list[str]]:
    """The n-th statement fails as it does on a bad disk; the list then holds it."""
    failed: list[str] = []
    count = itertools.count(1)

    def before(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if next(count) == number:
            failed.append(statement)
            raise OperationalError(statement, values, sqlite3.OperationalError("disk I/O error"))

    engine = parts.repository._database.engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        yield failed
    finally:
        event.remove(engine, "before_cursor_execute", before)


def told(error: BaseException) -> bytes:
    """All that an error says, with what it came of."""
    return "".join(traceback.format_exception(error)).encode() + repr(error.args).encode()


@pytest.mark.parametrize("verb", VERBS)
def test_whichever_statement_fails_nothing_is_half_done(
    cases: Iterator[Case],
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
    verb: str,
) -> None:
    """The failure has a type and no secret in it; the key is as before or as it was to be; what
    was not recorded was not sent; and the next try succeeds."""
    caplog.set_level(logging.DEBUG)
    for number in range(1, MOST):
        case = next(cases)
        before, asked = case.state(), len(simulator.requests)
        evidence: dict[str, bytes] = {}
        with failing(case.parts, number) as failed:
            try:
                VERBS[verb](case)
            except MohetError as error:
                evidence["error"] = told(error)
        sent = simulator.requests[asked:]
        assert {r.secret or case.old for r in sent} <= {case.old}
        if any("INSERT INTO event (" in statement for statement in failed):
            assert not sent
        assert case.state() in {before, _after(case, verb)}
        evidence["log"] = caplog.text.encode()
        for typed in (case.old, case.new):
            assert scan(typed, evidence) == []
        _again(case, verb)
        assert verb in {"add", "select", "check", "chat"} or case.state() != before
        if not failed:
            break
    assert 1 < number < MOST - 1


def _after(case: Case, verb: str) -> tuple[str, str, str] | None:
    name, endpoint = case.entry.name, case.entry.endpoint
    return {
        "rename": (f"Other {name}", endpoint, case.old),
        "reenter": (name, endpoint, case.new),
        "move": (name, case.simulator.endpoint("groq", 1), case.new),
        "delete": None,
    }.get(verb, (name, endpoint, case.old))


def _again(case: Case, verb: str) -> None:
    """The same once more, unless it was done; the disk is well again."""
    if verb in {"rename", "reenter", "move", "delete"} and case.state() == _after(case, verb):
        return
    case.new = case.new if verb != "add" else secret()
    VERBS[verb](case)


# --- the steps of a request --------------------------------------------------------------------

LIST = b'{"object": "list", "data": [{"id": "openai/gpt-oss-20b", "object": "model"}]}'
EVENT = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
)


def _answer(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ANSWERS = {
    "check": _answer(LIST, "application/json"),
    "chat": _answer(EVENT + b"data: [DONE]\n\n", "text/event-stream"),
}


@pytest.mark.parametrize(("end", "stride"), [("goodbye", 2), ("reset", 7)])
@pytest.mark.parametrize("verb", ["check", "chat"])
def test_t57_wherever_the_answer_ends_the_key_stays_as_good_as_it_was(
    parts: wiring.Parts, verb: str, end: str, stride: int
) -> None:
    """Cut at every other byte: never “invalid”, always words, and a message is sent once."""
    answer, typed = ANSWERS[verb], secret()
    for length in range(0, len(answer), stride):
        steps = [answer[:length]] if length else []
        script = raw(*steps, *([RESET] if end == "reset" else []))
        with Sink(script) as sink:
            new = NewKey(
                provider="groq",
                name=f"{verb} {length}",
                secret=SecretStr(typed),
                endpoint=f"http://127.0.0.1:{sink.port}/v1",
            )
            entry = parts.keys.add(new, owner=ME).entry
            case = Case(parts, Simulator(), entry, typed, "")
            outcome = VERBS[verb](case)
            now = parts.keys.remove(entry.id, owner=ME).entry
            assert sink.accepts <= (2 if verb == "check" else 1)
        verdict = now.check.diagnosis.verdict if now.check else Verdict.UNCHECKED
        assert verdict not in {Verdict.INVALID, Verdict.LOCKED}
        if isinstance(outcome, Ended):
            assert outcome.outcome in {"failed", "cut", "finished"}


STEPS = {
    "look up": (dialling, "_look_up"),
    "connect": (dialling, "_connect"),
    "read": (connection.Meter, "read"),
    "write": (connection.Meter, "write"),
}


@pytest.mark.parametrize("verb", ["check", "chat"])
@pytest.mark.parametrize("step", STEPS)
def test_t57_whichever_step_of_a_request_fails_it_is_a_result(
    cases: Iterator[Case], monkeypatch: pytest.MonkeyPatch, verb: str, step: str
) -> None:
    """The n-th of its steps breaks on this side: a result in words, and the next try is well."""
    place, name = STEPS[step]
    real = getattr(place, name)
    for number in range(1, MOST):
        case, count, failed = next(cases), itertools.count(1), []

        async def breaking(*given: Any, **more: Any) -> Any:
            if next(count) == number:  # noqa: B023  # called within this turn alone
                failed.append(number)  # noqa: B023
                raise OSError("a network card on fire")
            return await real(*given, **more)

        with monkeypatch.context() as patched:
            patched.setattr(place, name, breaking)
            VERBS[verb](case)
        now = case.keys.entry(case.entry.id, owner=ME)
        assert not now.check or now.check.diagnosis.verdict is not Verdict.INVALID
        assert (
            asyncio.run(case.parts.checks.check(case.entry.id, owner=ME)).diagnosis.verdict
            is Verdict.VALID
        )
        if not failed:
            break
    assert 1 < number < MOST - 1


def test_the_loop_would_notice_a_half_done_write(
    cases: Iterator[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: were an edit written in two transactions, a failure in between would show."""
    case = next(cases)
    whole = case.parts.repository.update

    def in_two(*given: Any, changes: RowChanges, version: int, **more: Any) -> KeyEntry:
        first = RowChanges(endpoint=changes.endpoint)
        whole(*given, changes=first, version=version, **more)
        return whole(*given, changes=changes, version=version + 1, **more)

    monkeypatch.setattr(case.parts.repository, "update", in_two)
    halves = 0
    for number in range(1, MOST):
        case = next(cases)
        with failing(case.parts, number) as failed, contextlib.suppress(MohetError):
            move(case)
        try:
            case.state()
        except LockedError:
            halves += 1
        if not failed:
            break
    assert halves
