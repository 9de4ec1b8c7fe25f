"""Asks a server in a process of its own and says what that cost. Run as a program by the tests.

Each line of stdin is a question as JSON; each line of stdout is what came of one. Everything is
imported before the first question, and those of one group are asked in a fork of their own. So
what grows is what the answers took, and no peak hides a lower one of another group.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import threading
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, cast

from mohet_keys import answers, diagnosis, discovery, exchange, probes, recommend, talk
from mohet_keys.hearing import Hearing, asked_of
from mohet_keys.http import Guards, Limits, Outbound
from mohet_keys.model import Delta, OpenedKey
from mohet_keys.validation import ValidationService
from tests.asking import key

LOADED = (diagnosis, exchange, probes, recommend, talk)
"""What the product loads with its first question, which is no cost of an answer."""

AT_ONCE = 4


@dataclass(frozen=True)
class Question:
    """What to ask of a server: `check`, `chat` or `look`, within so many seconds."""

    group: str
    verb: str
    url: str
    provider: str = "openai"
    seconds: float = 5.0
    off: list[str] = field(default_factory=list)
    """Guards that are switched off."""
    parts: int = answers.PARTS
    """Of how many parts JSON may be."""


@dataclass(frozen=True)
class Cost:
    """What came of it. `outcome` is a verdict, or what was raised; `megabytes` the growth of the
    process by then."""

    outcome: str
    reason: str
    megabytes: float
    seconds: float
    longest_id: int
    """Characters of the longest model id that was kept."""
    models: int
    said: int
    """Characters of a chat's reply."""
    threads: int
    """Threads left over."""


def main() -> None:
    """Answer every question of stdin in their order, some groups at a time."""
    questions = [Question(**json.loads(line)) for line in sys.stdin]
    groups = [list(group) for _, group in groupby(questions, lambda question: question.group)]
    running: list[tuple[int, int]] = []
    for group in groups:
        running.append(_fork(group))
        if len(running) == AT_ONCE:
            _tell(*running.pop(0))
    for left in running:
        _tell(*left)


def _fork(group: list[Question]) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.close(read)
    before = _peak()
    with os.fdopen(write, "w") as pipe:
        pipe.writelines(json.dumps(asdict(_measured(one, before))) + "\n" for one in group)
    os._exit(0)


def _tell(child: int, read: int) -> None:
    with os.fdopen(read) as pipe:
        sys.stdout.write(pipe.read())
    os.waitpid(child, 0)


def _measured(question: Question, before: int) -> Cost:
    began, answers.PARTS = time.monotonic(), question.parts
    found: dict[str, Any] = {"outcome": "", "reason": "", "longest_id": 0, "models": 0, "said": 0}
    try:
        found |= asyncio.run(_ASKED[question.verb](question))
    except BaseException as error:  # noqa: BLE001  # the test wants to know of anything
        found["outcome"] = f"raised {error!r}"
    grown, took = (_peak() - before) / 1024, time.monotonic() - began
    return Cost(megabytes=grown, seconds=took, threads=threading.active_count() - 1, **found)


def _peak() -> int:
    """The most memory that this process ever held, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _outbound(question: Question) -> Outbound:
    return Outbound(guards=Guards(**dict.fromkeys(question.off, False)))


def _key(question: Question) -> OpenedKey:
    return replace(key(question.url), provider=question.provider)


async def _check(question: Question) -> dict[str, Any]:
    nobody = cast(Any, None)  # a key that is not saved comes from no store
    checks = ValidationService(nobody, _outbound(question), deadline=question.seconds)
    opened = _key(question)
    result = await checks.try_out(opened)
    said, ids = result.diagnosis, [*result.models, result.recommended_model or ""]
    return {
        "outcome": said.verdict.value, "reason": said.reason,
        "models": len(result.models), "longest_id": max(map(len, ids)),
    }  # fmt: skip


async def _chat(question: Question) -> dict[str, Any]:
    opened = _key(question)
    asked = asked_of(opened, "m")
    limits = Limits(question.seconds, question.seconds, question.seconds)
    incoming = _outbound(question).stream(opened, asked.url, json={"stream": True}, limits=limits)
    heard, text = Hearing(asked, incoming, lambda: datetime.now(UTC)), ""
    async with aclosing(heard.events()) as events:
        async for event in events:
            text += event.text + event.reasoning if isinstance(event, Delta) else ""
    said = heard.diagnosis
    return {
        "outcome": said.verdict.value if said else "whole", "reason": said.reason if said else "",
        "said": len(text), "longest_id": len(heard.answering),
    }  # fmt: skip


async def _look(question: Question) -> dict[str, Any]:
    places, discovery.PATIENCE = {"lmstudio": (question.url,)}, question.seconds
    found = await discovery.local_servers(_outbound(question), candidates=places)
    return {"outcome": "found" if found else "nothing"}


_ASKED = {"check": _check, "chat": _chat, "look": _look}

if __name__ == "__main__":
    main()
