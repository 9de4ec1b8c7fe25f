"""What is done with keys is on record: each verb as it should be, a use before it happens or not at
all, and never a part of a secret."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from mohet_keys import wiring
from mohet_keys.chat import Ended, Message
from mohet_keys.errors import MohetError, NotFoundError, RefusedError, StoreError
from mohet_keys.journal import MARK, NOT_RECORDED, Journal, Wanted
from mohet_keys.model import (
    LOCAL_OWNER,
    Activity,
    CheckResult,
    Diagnosis,
    Doing,
    KeyChanges,
    KeyEntry,
    NewKey,
    Verdict,
)
from mohet_keys.saving import Trial
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.secrets import good, revoked
from tests.leaks import canary, scan
from tests.shell import Shell, shell, shell_without_store, simulator
from tests.sink import LONG, Sink, raw

__all__ = [
    "shell",
    "shell_without_store",
    "simulator",
]  # the command line on a store of the test's own

NOW = datetime(2026, 11, 19, 14, 5, 7, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
GROQ = "gsk_" + "a1B2" * 13
OTHER = "gsk_" + "z9Y8" * 13
MODEL = "openai/gpt-oss-20b"
STRAY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture
def keys(parts: Parts) -> KeyService:
    """The verbs, at a moment that stands still, where secrets may be shown."""
    return KeyService(parts.repository, parts.safe, clock=lambda: NOW, allow_reveal=True)


def new(name: str = "Production", secret: str = GROQ, **more: str) -> NewKey:
    """What a form sends."""
    return NewKey(**{"provider": "groq", **more}, name=name, secret=SecretStr(secret))


def add(keys: KeyService, *given: str, **more: str) -> KeyEntry:
    """A saved key."""
    return keys.add(new(*given, **more), owner=LOCAL_OWNER).entry


def story(parts: Parts) -> list[Activity]:
    """All that is on record, the earliest first."""
    return parts.repository.journal.page(Wanted())[::-1]


def told(parts: Parts) -> list[tuple[str, str]]:
    """What happened and how it ended."""
    return [(entry.action, entry.result) for entry in story(parts)]


# --- each verb --------------------------------------------------------------------------------

SILENT = {
    *("entry", "entries", "find", "list", "counts", "selection", "locked", "allow_reveal"),
    *("prepare", "draft", "sealed_endpoint", "select", "record", "record_all", "finish"),
    *("revealed", "forget_former", "rejected", "may_use", "chosen_by"),
}
"""What looks at keys, what ends what was begun, and what chooses: nothing happens to a key."""
OF_A_TEAM = {"share", "unshare"}
"""What a local run has no use for: see `test_sharing.py`."""


def _edit(keys: KeyService, entry: KeyEntry, **changes: Any) -> KeyEntry:
    typed = KeyChanges.model_validate(changes)
    return keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version).entry


def _remove(keys: KeyService) -> None:
    keys.remove(add(keys).id, owner=LOCAL_OWNER)


def _remove_rejected(keys: KeyService) -> None:
    entry = add(keys)
    said = Diagnosis(Verdict.INVALID, "wrong key", "Groq does not know this key.", "Replace it.")
    keys.record(CheckResult(entry.id, entry.revision, said, NOW), owner=LOCAL_OWNER)
    keys.remove_rejected(keys.rejected(owner=LOCAL_OWNER), owner=LOCAL_OWNER)


def _open(keys: KeyService) -> None:
    keys.open(add(keys).id, owner=LOCAL_OWNER)


def _swap(keys: KeyService) -> KeyEntry:
    entry = add(keys)
    tried = keys.trial(entry.id, OTHER, owner=LOCAL_OWNER, version=entry.version)
    return keys.swap(tried, owner=LOCAL_OWNER).entry


def _undo(keys: KeyService) -> None:
    entry = _swap(keys)
    keys.undo_swap(entry.id, owner=LOCAL_OWNER, version=entry.version)


def _move(keys: KeyService) -> None:
    entry = add(keys, "Stray", STRAY)
    keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)


def _release(keys: KeyService) -> None:
    entry = add(keys, "Stray", STRAY)
    keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)


def _trial(keys: KeyService) -> Trial:
    entry = add(keys)
    return keys.trial(entry.id, OTHER, owner=LOCAL_OWNER, version=entry.version)


def _insert(keys: KeyService) -> None:
    prepared = keys.prepare(new(), owner=LOCAL_OWNER)
    keys.insert(prepared, owner=LOCAL_OWNER, name="Brought in")


def _try(keys: KeyService) -> None:
    keys.trying(keys.draft(new("First"), owner=LOCAL_OWNER), owner=LOCAL_OWNER)


ELSEWHERE = "https://proxy.example/v1"
WAS = "was for https://api.groq.com/openai/v1"

DONE: list[tuple[str, str, Callable[[KeyService], object], dict[str, str | None]]] = [
    ("add", "add", add, {"key_name": "Production"}),
    ("insert", "insert", _insert, {"action": "add", "key_name": "Brought in"}),
    (
        "edit",
        "rename",
        lambda keys: _edit(keys, add(keys), name="Staging"),
        {"action": "rename", "key_name": "Staging", "detail": "was named “Production”"},
    ),
    (
        "edit",
        "new secret",
        lambda keys: _edit(keys, add(keys), secret=OTHER),
        {"action": "edit", "detail": "new secret", "fingerprint": OTHER},
    ),
    (
        "edit",
        "elsewhere",
        lambda keys: _edit(keys, add(keys), secret=GROQ, endpoint=ELSEWHERE),
        {"action": "edit", "host": "proxy.example", "detail": WAS},
    ),
    (
        "remove",
        "remove",
        lambda keys: keys.remove(add(keys).id, owner=LOCAL_OWNER),
        {"action": "delete"},
    ),
    ("remove_rejected", "remove_rejected", _remove_rejected, {"action": "delete"}),
    (
        "move",
        "move",
        _move,
        {
            "key_name": "Stray",
            "provider": "openrouter",
            "host": "openrouter.ai",
            "detail": WAS,
            "fingerprint": STRAY,
        },
    ),
    (
        "send_anyway",
        "send_anyway",
        _release,
        {"action": "release", "key_name": "Stray", "fingerprint": STRAY},
    ),
    ("swap", "swap", _swap, {"action": "replace", "fingerprint": OTHER}),
    ("undo_swap", "undo_swap", _undo, {"action": "undo"}),
    (
        "open",
        "open",
        lambda keys: keys.open(add(keys).id, owner=LOCAL_OWNER),
        {"action": "use", "result": ""},
    ),
    (
        "open_all",
        "open_all",
        lambda keys: keys.open_all([add(keys).id], owner=LOCAL_OWNER, why="export"),
        {"action": "export", "result": ""},
    ),
    ("reveal", "reveal", lambda keys: keys.reveal(add(keys).id, owner=LOCAL_OWNER), {}),
    ("trial", "trial", _trial, {"action": "try", "result": "", "fingerprint": OTHER}),
    ("trying", "trying", _try, {"action": "try", "key_name": "First", "result": ""}),
]


STEPS = {
    "add": [],
    "insert": [],
    "trying": [],
    "swap": ["add", "try"],
    "undo_swap": ["add", "try", "replace"],
}
"""What leads to a verb besides the key's being added."""


def test_t49_no_verb_is_forgotten() -> None:
    """Every verb either leaves a record that is looked at here, or is known to need none."""
    verbs = {name for name in dir(KeyService) if not name.startswith("_")} | {"allow_reveal"}
    assert verbs - SILENT - OF_A_TEAM == {verb for verb, *_ in DONE}
    assert verbs >= SILENT | OF_A_TEAM


@pytest.mark.parametrize(
    ("verb", "what", "do", "expected"), DONE, ids=[what for _, what, *_ in DONE]
)
def test_t49_a_verb_is_on_record(
    parts: Parts,
    keys: KeyService,
    verb: str,
    what: str,
    do: Callable[[KeyService], object],
    expected: dict[str, str | None],
) -> None:
    """Who, what, which key, where to, how it ended, when in UTC, which request, which secret; once,
    after the steps that led there."""
    do(keys)
    *before, entry = story(parts)
    assert [step.action for step in before] == STEPS.get(verb, ["add"])
    assert entry.request_id not in {step.request_id for step in before}
    secret = expected.get("fingerprint") or GROQ
    usual = {
        "actor": LOCAL_OWNER,
        "owner": LOCAL_OWNER,
        "action": verb,
        "key_name": "Production",
        "provider": "groq",
        "host": "api.groq.com",
        "result": "done",
        "detail": "",
        **expected,
        "fingerprint": parts.safe.fingerprint(secret)[:MARK],
    }
    assert {name: getattr(entry, name) for name in usual} == usual
    assert entry.at == NOW
    assert entry.at.tzinfo is UTC
    assert re.fullmatch(r"[0-9a-f]{12}", entry.request_id)
    assert (entry.key_id is None) == (verb == "trying")


def test_looking_and_choosing_leave_no_record(parts: Parts, keys: KeyService) -> None:
    """What does nothing to a key is not on record."""
    entry = add(keys)
    keys.entry(entry.id, owner=LOCAL_OWNER)
    keys.find("groq/Production", owner=LOCAL_OWNER)
    keys.list(owner=LOCAL_OWNER, search="prod")
    keys.select(entry.id, owner=LOCAL_OWNER, model="some-model")
    keys.sealed_endpoint(entry.id, owner=LOCAL_OWNER)
    keys.draft(new("Second", OTHER), owner=LOCAL_OWNER)
    keys.prepare(new("Second", OTHER), owner=LOCAL_OWNER)
    keys.forget_former()
    keys.finish(0, "valid")
    assert _edit(keys, entry, name="Production").version == entry.version
    assert told(parts) == [("add", "done")]


def test_what_was_refused_leaves_no_record_of_having_been_done(
    parts: Parts, keys: KeyService
) -> None:
    """In a local run nothing is denied to anybody: a change that is not made is not on record."""
    entry = add(keys)
    for key_id in ("unknown", "a\0b"):
        with pytest.raises(NotFoundError):
            keys.remove(key_id, owner=LOCAL_OWNER)
        with pytest.raises(NotFoundError):
            keys.open(key_id, owner=LOCAL_OWNER)
    with pytest.raises(MohetError):
        _edit(keys, entry, endpoint=ELSEWHERE)  # without the secret typed again
    assert told(parts) == [("add", "done")]


def test_a_showing_that_is_refused_is_on_record(parts: Parts) -> None:
    """Who asks for a secret where none are shown is on record, and sees nothing."""
    entry = add(parts.keys)
    with pytest.raises(RefusedError):
        parts.keys.reveal(entry.id, owner=LOCAL_OWNER)
    assert told(parts)[-1] == ("reveal", "refused")


def test_a_change_and_its_record_are_one(parts: Parts, keys: KeyService, forbidden: None) -> None:
    """What cannot be recorded is not changed either."""
    with pytest.raises(StoreError):
        add(keys)
    assert keys.counts(owner=LOCAL_OWNER) == {}


# --- the mark of a secret ---------------------------------------------------------------------


def test_t49_a_mark_tells_secrets_apart_and_nothing_else(parts: Parts, keys: KeyService) -> None:
    """Equal for equal secrets, another one after a change, and no part of any."""
    entry = add(keys)
    keys.remove(entry.id, owner=LOCAL_OWNER)
    entry = add(keys, "Again")
    _edit(keys, entry, secret=OTHER)
    first, deleted, again, edited = [entry.fingerprint for entry in story(parts)]
    assert first == deleted == again
    assert edited not in {first, None}
    for mark, secret in ((first, GROQ), (edited, OTHER)):
        assert re.fullmatch(r"[0-9a-f]{16}", mark or "")
        assert mark not in secret


def test_t49_a_mark_is_keyed(parts: Parts, keys: KeyService, tmp_path: Path) -> None:
    """The same secret has another mark in another store, so that nobody can look it up."""
    add(keys)
    settings = Settings(data_dir=tmp_path / "other", config_dir=tmp_path / "other-config")
    other = wiring.build(settings)
    add(other.keys)
    assert story(parts)[0].fingerprint != story(other)[0].fingerprint
    other.close()


def test_a_secret_too_short_to_be_one_has_no_mark(parts: Parts, keys: KeyService) -> None:
    """What could be guessed from its mark gets none."""
    add(keys, "Local", "1234", provider="lmstudio")
    assert story(parts)[0].fingerprint is None


def test_t49_no_part_of_a_secret_is_on_record(parts: Parts, keys: KeyService) -> None:
    """After a whole life no column of any entry has a piece of either secret."""
    secret, later = canary("gsk_"), canary("gsk_")
    entry = add(keys, "Canary", secret)
    opened = keys.open(entry.id, owner=LOCAL_OWNER, why="chat")
    keys.finish(opened.use, "refused", detail="wrong key")
    entry = _edit(keys, entry, secret=later, name="Renamed")
    keys.reveal(entry.id, owner=LOCAL_OWNER)
    keys.remove(entry.id, owner=LOCAL_OWNER)
    record = {str(entry.id): repr(entry).encode() for entry in story(parts)}
    assert len(record) == 5
    assert scan(secret, record) == []
    assert scan(later, record) == []


# --- uses ---------------------------------------------------------------------------------------


def check(parts: Parts, entry: KeyEntry) -> CheckResult:
    """Check a key."""
    return asyncio.run(parts.checks.check(entry.id, owner=LOCAL_OWNER))


def chat(parts: Parts, entry: KeyEntry) -> Ended:
    """Send one message; how it ended."""

    async def talk() -> Ended:
        said = [Message("user", "Hello")]
        stream = parts.chats.stream(entry.id, owner=LOCAL_OWNER, messages=said, model=MODEL)
        async with aclosing(stream) as events:
            ends = [event async for event in events if isinstance(event, Ended)]
        return ends[-1]

    return asyncio.run(talk())


@pytest.mark.parametrize(
    ("secret", "verdict", "outcome"),
    [(good("groq"), "valid", "finished"), (revoked("groq"), "invalid", "refused")],
)
def test_t49_checks_and_chats_are_on_record_with_their_end(
    parts: Parts, simulator: Simulator, secret: str, verdict: str, outcome: str
) -> None:
    """Each use with where it went and how it ended."""
    entry = add(parts.keys, "Sim", secret, endpoint=simulator.endpoint("groq"))
    chat(parts, entry)
    check(parts, entry)
    _, talked, checked = story(parts)
    assert (talked.action, talked.result) == ("chat", outcome)
    assert (checked.action, checked.result) == ("check", verdict)
    for use in (talked, checked):
        assert (use.key_id, use.host, use.key_name) == (entry.id, "127.0.0.1", "Sim")
        assert abs((datetime.now(UTC) - use.at).total_seconds()) < 60


@pytest.mark.parametrize(
    ("secret", "ends"),
    [
        (good("groq"), [("try", "valid"), ("add", "done")]),
        (revoked("groq"), [("try", "invalid")]),
    ],
)
def test_t49_the_test_of_the_setup_is_on_record(
    parts: Parts, simulator: Simulator, secret: str, ends: list[tuple[str, str]]
) -> None:
    """Also of a key that is not saved then."""
    first = new("First", secret, endpoint=simulator.endpoint("groq"))
    asyncio.run(parts.starter.start(first, owner=LOCAL_OWNER))
    assert told(parts) == ends
    assert story(parts)[0].fingerprint == parts.safe.fingerprint(secret)[:MARK]


def test_t49_a_key_that_is_sent_nowhere_is_not_on_record_as_used(parts: Parts) -> None:
    """One that looks like another vendor's is held back: nothing was used."""
    check(parts, add(parts.keys, "Stray", STRAY))
    assert told(parts) == [("add", "done")]


@pytest.mark.parametrize("use", [check, chat])
def test_t49_a_row_that_was_altered_is_on_record_as_locked(
    parts: Parts, settings: Settings, use: Callable[[Parts, KeyEntry], object]
) -> None:
    """What was to be done with it, that it is locked and why; nothing is sent."""
    with Sink() as sink:
        entry = add(parts.keys, "Moved", endpoint=sink.url())
        other = add(parts.keys, "Other", OTHER)
        sql(
            settings,
            "UPDATE api_key SET sealed = (SELECT sealed FROM api_key WHERE id = ?)",
            other.id,
        )
        use(parts, entry)
        assert sink.accepts == 0
    locked = story(parts)[-1]
    assert (locked.action, locked.result) == (use.__name__, "locked")
    assert locked.detail.endswith(".")


def sql(settings: Settings, statement: str, *values: object) -> None:
    """Reach into the store behind the product's back."""
    with closing(sqlite3.connect(settings.data_dir / "mohet_keys.db")) as connection, connection:
        connection.execute(statement, values)


# --- a use that cannot be recorded does not happen -------------------------------------------


@pytest.fixture
def forbidden(parts: Parts, settings: Settings) -> None:
    """From now on the database refuses every entry."""
    forbid(settings)


def forbid(settings: Settings, table: str = "event") -> None:
    """Have the database refuse every entry of a table."""
    sql(
        settings,
        f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )


def _setup(parts: Parts, entry: KeyEntry) -> str:
    first = new("First", OTHER, endpoint=entry.endpoint)
    try:
        return str(asyncio.run(parts.starter.start(first, owner=LOCAL_OWNER)))
    except StoreError as error:
        return str(error)


def _replacement(parts: Parts, entry: KeyEntry) -> str:
    async def tried() -> str:
        trial = parts.keys.trial(entry.id, OTHER, owner=LOCAL_OWNER, version=entry.version)
        return str(await parts.replacer.replace(trial, owner=LOCAL_OWNER))

    try:
        return asyncio.run(tried())
    except StoreError as error:
        return str(error)


def _checked(parts: Parts, entry: KeyEntry) -> str:
    try:
        return str(check(parts, entry))
    except StoreError as error:
        return str(error)


def _talked(parts: Parts, entry: KeyEntry) -> str:
    return str(chat(parts, entry).diagnosis)


def _checked_many(parts: Parts, entry: KeyEntry) -> str:
    done = asyncio.run(parts.checks.check_many([entry.id], owner=LOCAL_OWNER))
    return str(done[0].diagnosis)


USES = (_checked, _checked_many, _talked, _setup, _replacement)


@pytest.mark.parametrize("use", USES)
def test_t49_what_cannot_be_recorded_is_not_sent(
    parts: Parts, settings: Settings, use: Callable[[Parts, KeyEntry], str]
) -> None:
    """Check, chat, a test in the setup or of a replacement: nobody is called, and it is said."""
    with Sink() as sink:
        entry = add(parts.keys, endpoint=sink.url())
        forbid(settings)
        assert NOT_RECORDED in use(parts, entry)
        assert sink.accepts == 0


@pytest.mark.parametrize("use", USES)
def test_t49_without_the_record_it_would_be_sent(
    parts: Parts,
    settings: Settings,
    use: Callable[[Parts, KeyEntry], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin: where nothing is recorded the same use reaches the server."""

    def forget(_journal: Journal, doings: Sequence[Doing], _rules: object = None) -> list[int]:
        return [0] * len(doings)

    monkeypatch.setattr(Journal, "begin_all", forget)
    with Sink() as sink:
        entry = add(parts.keys, endpoint=sink.url())
        forbid(settings)
        use(parts, entry)
        assert sink.accepts > 0


def test_t49_what_cannot_be_recorded_is_not_shown(
    parts: Parts, keys: KeyService, settings: Settings
) -> None:
    """A secret is shown only after it is on record that it is."""
    entry = add(keys)
    forbid(settings)
    with pytest.raises(StoreError, match=NOT_RECORDED):
        keys.reveal(entry.id, owner=LOCAL_OWNER)
    with pytest.raises(RefusedError):
        keys.revealed(entry.id, owner=LOCAL_OWNER)


def test_t49_a_store_that_only_reads_says_why(parts: Parts) -> None:
    """Disk full, read-only: the sentence has the cause, and the key is not used."""
    with Sink() as sink:
        entry = add(parts.keys, endpoint=sink.url())
        engine = parts.repository._database.engine
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("PRAGMA query_only=ON"))
        said = _checked(parts, entry)
        assert sink.accepts == 0
    assert said.startswith(f"{NOT_RECORDED} ")
    assert "read" in said.removeprefix(NOT_RECORDED)


def test_t49_the_command_line_says_so(shell: Shell, simulator: Simulator) -> None:
    """A check, a chat and an addition that cannot be recorded end in a clear line, and not well."""
    made = shell.add("groq", "Production").json["id"]
    forbid(shell.settings)
    before = len(simulator.requests)
    for command in (("check", made), ("chat", "Hello", "--key", made)):
        said = shell(*command)
        assert said.status == 1
        assert NOT_RECORDED in said.out + said.err
    assert shell.add("groq", "Second", good("groq", "2")).status == 3
    assert len(simulator.requests) == before


# --- a use that breaks off ----------------------------------------------------------------------


def test_t49_a_check_that_is_cancelled_stays_begun(parts: Parts) -> None:
    """It is on record, and that its end is not known."""

    async def cancel(entry: KeyEntry, sink: Sink) -> None:
        running = asyncio.create_task(parts.checks.check(entry.id, owner=LOCAL_OWNER))
        await asyncio.to_thread(sink.asked.wait, 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with Sink(raw(LONG)) as sink:
        entry = add(parts.keys, endpoint=sink.url())
        asyncio.run(cancel(entry, sink))
    assert told(parts)[-1] == ("check", "")


def test_t49_a_chat_that_is_left_is_on_record_as_stopped(parts: Parts) -> None:
    """Whoever goes away before the reply has sent a message all the same."""
    with Sink(raw(LONG)) as sink:
        entry = add(parts.keys, endpoint=sink.url())
        said = [Message("user", "Hello")]
        with parts.chats.start(entry.id, owner=LOCAL_OWNER, messages=said, model=MODEL):
            assert sink.asked.wait(10)
    ends = time.monotonic() + 10
    while told(parts)[-1] != ("chat", "stopped"):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_t49_a_process_that_is_killed_leaves_what_it_began(
    parts: Parts, settings: Settings, tmp_path: Path
) -> None:
    """The use was on disk before it happened."""
    own = {"MOHET_DATA_DIR": str(settings.data_dir), "MOHET_CONFIG_DIR": str(settings.config_dir)}
    with Sink(raw(LONG)) as sink:
        entry = add(parts.keys, endpoint=sink.url())
        command = [sys.executable, "-m", "mohet_keys", "check", entry.id]
        running = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own})
        assert sink.asked.wait(20)
        running.send_signal(signal.SIGKILL)
        running.wait(10)
    assert told(parts) == [("add", "done"), ("check", "")]


# --- the end of a use ---------------------------------------------------------------------------


def test_t49_a_reply_is_whole_though_its_end_cannot_be_recorded(
    parts: Parts, settings: Settings, simulator: Simulator
) -> None:
    """The message was sent and paid for: what came of it is not thrown away."""
    entry = add(parts.keys, "Sim", good("groq"), endpoint=simulator.endpoint("groq"))
    forbid(settings, "event_outcome")
    assert chat(parts, entry).outcome == "finished"
    assert told(parts)[-1] == ("chat", "")


def test_t49_a_failed_test_says_why_though_its_end_cannot_be_recorded(
    parts: Parts, settings: Settings, simulator: Simulator
) -> None:
    """What the provider said of the key comes first."""
    first = new("First", revoked("groq"), endpoint=simulator.endpoint("groq"))
    forbid(settings, "event_outcome")
    started = asyncio.run(parts.starter.start(first, owner=LOCAL_OWNER))
    assert started.diagnosis.verdict is Verdict.INVALID
    assert told(parts) == [("try", "")]
