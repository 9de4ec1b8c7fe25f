"""T43: every verb of every service, for everybody who may ask: what they get, and what is recorded.

A verb without a row here fails a test, so none is added without deciding who may.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from mohet_keys import rights, wiring
from mohet_keys.activity import Record
from mohet_keys.background import shared
from mohet_keys.chat import ChatService
from mohet_keys.check_all import CheckAll
from mohet_keys.errors import DeniedError, NotFoundError, RefusedError
from mohet_keys.journal import Wanted
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    Ended,
    KeyChanges,
    KeyEntry,
    Message,
    NewKey,
    Role,
    Verdict,
)
from mohet_keys.overview import Asked, Overview
from mohet_keys.replacing import Replacer
from mohet_keys.rights import Rights
from mohet_keys.saving import Trial
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.starting import Starter
from mohet_keys.team import Team, TeamRules
from mohet_keys.transfer import Transfer
from mohet_keys.validation import ValidationService
from tests.browser.secrets import good
from tests.team import ADA, BOB, CY, ROOT, allow, join

GONE = "gone@example.com"
"""Somebody who was disabled."""
NOBODY = "nobody@example.com"
MODEL = "openai/gpt-oss-20b"
PASSPHRASE = "correct horse battery staple"
STRAY = "sk-or-v1-" + "0123456789abcdef" * 4
_NUMBERS = itertools.count(1000)

Answer = Literal["ok", "denied", "absent", "refused"]
"""It was done; DeniedError; NotFoundError, as for an unknown id; left out with a sentence."""


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """The providers."""
    with Simulator() as running:
        yield running


@dataclass
class World:
    """A team, and the services it asks."""

    parts: wiring.Parts
    sim: Simulator
    team: Team = field(init=False)
    record: Record = field(init=False)
    overview: Overview = field(init=False)

    def __post_init__(self) -> None:
        store = self.parts.repository
        join(store, ADA, BOB, CY, GONE)
        join(store, ROOT, administrator=True)
        store.people.disable(GONE)
        allow(store, "127.0.0.1")
        self.team, self.record = Team(store), Record(store)
        self.overview = Overview(self.parts.keys, store)

    @property
    def keys(self) -> KeyService:
        """The verbs on keys."""
        return self.parts.keys

    def new(self) -> NewKey:
        """A key that works, with a name and a secret that nobody has yet."""
        number = next(_NUMBERS)
        return NewKey(
            provider="groq",
            name=f"Key {number}",
            secret=SecretStr(good("groq", str(number))),
            endpoint=self.sim.endpoint("groq"),
        )

    def private(self, **changed: Any) -> KeyEntry:
        """A private key of Ada's that its provider rejected and that is held back or not."""
        new = self.new().model_copy(update=changed)
        entry = self.keys.add(new, owner=ADA).entry
        said = Diagnosis(Verdict.INVALID, "revoked", "e", "r")
        self.keys.record(CheckResult(entry.id, 1, said, datetime.now(UTC)), owner=ADA)
        return self.keys.entry(entry.id, owner=ADA)

    def shared(self, **changed: Any) -> KeyEntry:
        """A key that Ada shares with the team."""
        entry = self.private(**changed)
        return self.keys.share(entry.id, owner=ADA, version=entry.version)


@pytest.fixture
def world(tmp_path: Path, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A team on a store of the test's own, where an owner may see a secret, and where it is as if a
    minute passed between two things that somebody asks."""
    monkeypatch.setattr(rights, "ANEW", 0.0)
    settings = Settings(
        data_dir=tmp_path / "data", config_dir=tmp_path / "config", allow_reveal=True
    )
    parts = wiring.build(settings)
    yield World(parts, sim)
    parts.close()


# --- the table --------------------------------------------------------------------------------

PEOPLE: dict[str, tuple[str, bool]] = {
    "owner": (ADA, True),
    "member": (BOB, True),
    "administrator": (ROOT, True),
    "other": (BOB, False),
    "administrator_private": (ROOT, False),
    "disabled": (GONE, True),
    "nobody": (NOBODY, True),
}
"""Who asks, and whether about a key that Ada shares or about a private one of hers."""
EVERYBODY = frozenset(PEOPLE)
Do = Callable[[World, str, KeyEntry], object]
"""A verb: in which world, who asks, and about which key."""


@dataclass(frozen=True)
class Row:
    """A verb, and what each person gets.

    `owner`, `member` and `administrator` ask about a key that Ada shares; `other` and
    `administrator_private` about a private one of hers. `key` says what it is like.
    """

    do: Do
    owner: Answer = "ok"
    member: Answer = "ok"
    administrator: Answer = "ok"
    other: Answer = "absent"
    administrator_private: Answer = "absent"
    key: dict[str, Any] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    """Those of whom nothing is recorded: what is looked for again and again, and what is left out
    of several."""


def whole(do: Do) -> Row:
    """A verb that is about no key of somebody else's."""
    return Row(do, other="ok", administrator_private="ok")


def changing(do: Do, silent: frozenset[str] = frozenset(), **key: Any) -> Row:
    """A verb that changes a key."""
    return Row(do, member="denied", key=key, silent=silent)


def reading(do: Do, answer: Answer = "denied", absent: Answer = "absent") -> Row:
    """A verb that brings a secret to light."""
    return Row(do, member=answer, administrator=answer, other=absent, administrator_private=absent)


def administering(do: Do) -> Row:
    """A verb for administrators, about no key."""
    return Row(do, owner="denied", member="denied", other="denied", administrator_private="ok")


def _said(entry: KeyEntry) -> CheckResult:
    said = Diagnosis(Verdict.VALID, "r", "e")
    return CheckResult(entry.id, entry.revision, said, datetime.now(UTC))


def _trial(w: World, who: str, e: KeyEntry) -> Trial:
    return w.keys.trial(e.id, w.new().secret.get_secret_value(), owner=who, version=e.version)


def _others_trial(w: World, e: KeyEntry) -> Trial:
    """A trial that its owner began, in somebody else's hands."""
    return _trial(w, ADA, e)


def _undo(w: World, who: str, e: KeyEntry) -> object:
    swapped = w.keys.swap(_trial(w, ADA, e), owner=ADA).entry
    return w.keys.undo_swap(e.id, owner=who, version=swapped.version)


def _revealed(w: World, who: str, e: KeyEntry) -> object:
    w.keys.reveal(e.id, owner=ADA)
    return w.keys.revealed(e.id, owner=who)


def _rename(w: World, who: str, e: KeyEntry) -> object:
    changes = KeyChanges(name=f"Renamed {next(_NUMBERS)}")
    return w.keys.edit(e.id, changes, owner=who, version=e.version)


def _insert(w: World, who: str, _e: KeyEntry) -> object:
    return w.keys.insert(w.keys.prepare(w.new(), owner=ADA), owner=who)


def _draft(w: World, who: str, _e: KeyEntry) -> object:
    return w.keys.trying(w.keys.draft(w.new(), owner=ADA), owner=who)


async def _ended(stream: Any) -> Ended:
    last: Any = None
    async for said in stream:
        last = said
    assert isinstance(last, Ended)
    return last


def _answer_of(ended: Ended) -> None:
    """A chat raises nothing: what came of it as the errors of the others."""
    if ended.outcome == "deleted":
        raise NotFoundError
    if ended.diagnosis and "may not use Mohet Keys" in ended.diagnosis.explanation:
        raise DeniedError(ended.diagnosis.explanation)
    assert ended.outcome == "finished", ended


def _stream(w: World, who: str, e: KeyEntry) -> None:
    said = [Message("user", "Say hi")]
    stream = w.parts.chats.stream(e.id, owner=who, messages=said, model=MODEL)
    _answer_of(asyncio.run(_ended(stream)))


def _start(w: World, who: str, e: KeyEntry) -> None:
    said = [Message("user", "Say hi")]
    with w.parts.chats.start(e.id, owner=who, messages=said, model=MODEL) as running:
        last = list(running.events())[-1]
    assert isinstance(last, Ended)
    _answer_of(last)


def _check_many(w: World, who: str, e: KeyEntry) -> object:
    (result,) = asyncio.run(w.parts.checks.check_many([e.id], owner=who)) or [None]
    if result is None:
        raise NotFoundError
    if "can check this key" in result.diagnosis.explanation:
        raise DeniedError(result.diagnosis.explanation)
    assert result.diagnosis.verdict is Verdict.VALID
    return result


def _carry_out(w: World, who: str, _e: KeyEntry) -> object:
    content = f"GROQ_API_KEY_{next(_NUMBERS)}={good('groq', str(next(_NUMBERS)))}".encode()
    done = w.parts.transfer.carry_out(w.parts.transfer.plan(content, owner=who), owner=who)
    assert len(done.saved) == 1
    return done


def _gives(names: Callable[[World, str], object], finds: bool = False) -> Do:
    """A list: it gives what this person sees, and a private key of somebody else's never."""

    def do(w: World, who: str, e: KeyEntry) -> object:
        given = repr(names(w, who))
        if not finds:
            assert (e.id in given) == (e.shared or who == ADA), (who, given)
        return given

    return do


RULES = TeamRules(hosts=frozenset({"127.0.0.1"}))
ZONE = ZoneInfo("UTC")

ROWS: dict[str, Row] = {
    # looking
    "KeyService.entry": Row(lambda w, who, e: w.keys.entry(e.id, owner=who)),
    "KeyService.find": Row(lambda w, who, e: w.keys.find(f"groq/{e.name}", owner=who)),
    "KeyService.sealed_endpoint": Row(lambda w, who, e: w.keys.sealed_endpoint(e.id, owner=who)),
    "KeyService.may_use": Row(
        lambda w, who, e: w.keys.may_use(e.id, owner=who) or _raise(NotFoundError()),
        silent=EVERYBODY,
    ),
    "KeyService.entries": whole(_gives(lambda w, who: w.keys.entries(_all_ids(w), owner=who))),
    "KeyService.list": whole(_gives(lambda w, who: w.keys.list(owner=who))),
    "KeyService.counts": whole(lambda w, who, _: w.keys.counts(owner=who)),
    "KeyService.selection": whole(lambda w, who, _: w.keys.selection(owner=who)),
    # using
    "KeyService.select": Row(lambda w, who, e: w.keys.select(e.id, owner=who, model="m")),
    "KeyService.open": Row(lambda w, who, e: w.keys.open(e.id, owner=who, why="chat")),
    "KeyService.open_all": Row(
        lambda w, who, e: _first(w.keys.open_all([e.id], owner=who, why="chat"))
    ),
    "KeyService.record": whole(lambda w, who, e: w.keys.record(_said(e), owner=who)),
    "KeyService.record_all": whole(lambda w, who, e: w.keys.record_all([_said(e)], owner=who)),
    "ChatService.stream": Row(_stream, key={"chats": True}),
    "ChatService.start": Row(_start, key={"chats": True}),
    # changing
    "KeyService.edit": changing(_rename),
    "KeyService.move": changing(
        lambda w, who, e: w.keys.move(e.id, owner=who, version=e.version), stray=True
    ),
    "KeyService.send_anyway": changing(
        lambda w, who, e: w.keys.send_anyway(e.id, owner=who, version=e.version), stray=True
    ),
    "KeyService.trial": changing(_trial),
    "KeyService.swap": changing(lambda w, who, e: w.keys.swap(_others_trial(w, e), owner=who)),
    "KeyService.undo_swap": changing(_undo),
    "KeyService.share": changing(
        lambda w, who, e: w.keys.share(e.id, owner=who, version=e.version)
    ),
    "KeyService.unshare": changing(
        lambda w, who, e: w.keys.unshare(e.id, owner=who, version=e.version)
    ),
    "KeyService.chosen_by": changing(lambda w, who, e: w.keys.chosen_by(e.id, owner=who)),
    "KeyService.remove": changing(lambda w, who, e: w.keys.remove(e.id, owner=who)),
    "KeyService.rejected": whole(lambda w, who, _: _no_others(w.keys.rejected(owner=who), who)),
    "KeyService.remove_rejected": whole(
        lambda w, who, e: _no_others(w.keys.remove_rejected([e], owner=who).gone, who)
    ),
    "ValidationService.check": changing(
        lambda w, who, e: asyncio.run(w.parts.checks.check(e.id, owner=who))
    ),
    "ValidationService.check_many": changing(
        _check_many, silent=frozenset({"other", "administrator_private"})
    ),
    "CheckAll": whole(lambda w, who, _: _checked_all(w, who)),
    "Replacer.replace": changing(
        lambda w, who, e: asyncio.run(w.parts.replacer.replace(_others_trial(w, e), owner=who))
    ),
    # a secret comes to light
    "KeyService.reveal": reading(lambda w, who, e: w.keys.reveal(e.id, owner=who)),
    "KeyService.revealed": reading(_revealed),
    "Transfer.export": reading(
        lambda w, who, e: w.parts.transfer.export([e.id], owner=who, passphrase=PASSPHRASE),
        "refused",
    ),
    # adding
    "KeyService.add": whole(lambda w, who, _: w.keys.add(w.new(), owner=who)),
    "KeyService.prepare": whole(lambda w, who, _: w.keys.prepare(w.new(), owner=who)),
    "KeyService.insert": whole(_insert),
    "KeyService.draft": whole(lambda w, who, _: w.keys.draft(w.new(), owner=who)),
    "KeyService.trying": whole(_draft),
    "Starter.start": whole(
        lambda w, who, _: asyncio.run(w.parts.starter.start(w.new(), owner=who))
    ),
    "Transfer.plan": whole(
        lambda w, who, _: w.parts.transfer.plan(b"GROQ_API_KEY=" + b"gsk_" + b"a1" * 26, owner=who)
    ),
    "Transfer.carry_out": whole(_carry_out),
    # all keys at a glance
    "Overview.figures": whole(lambda w, who, _: w.overview.figures(owner=who)),
    "Overview.concerns": whole(
        _gives(
            lambda w, who: w.overview.concerns(
                w.parts.repository.survey.verdicts(who), owner=who, offset=0, limit=99
            )
        )
    ),
    "Overview.page": whole(
        _gives(
            lambda w, who: w.overview.page(
                Asked(), w.parts.repository.survey.verdicts(who), owner=who
            )
        )
    ),
    "Overview.all": whole(_gives(lambda w, who: w.overview.all(Asked(), owner=who, most=99))),
    "Overview.checks_of": whole(
        lambda w, who, e: _only_if_seen(w.overview.checks_of(e.id, owner=who, limit=9), who, e)
    ),
    "Overview.points": whole(lambda w, who, _: w.overview.points("24 h", owner=who)),
    "Overview.use": whole(lambda w, who, e: w.overview.use(7, owner=who, key_id=e.id)),
    # what happened
    "Record.page": whole(lambda w, who, _: w.record.page(Wanted(), owner=who)),
    "Record.table": whole(lambda w, who, _: w.record.table(Wanted(), ZONE, owner=who)),
    "Record.of_key": Row(
        lambda w, who, e: w.record.of_key(e.id, owner=who),
        member="absent",
        administrator_private="ok",
    ),
    # the team
    "Team.me": whole(lambda w, who, _: w.team.me(owner=who)),
    "Team.rules": whole(lambda w, who, _: w.team.rules(owner=who)),
    "Team.quotas": Row(lambda w, who, e: w.team.quotas(e.id, owner=who)),
    "Team.notices": whole(lambda w, who, _: w.team.notices(owner=who)),
    "Team.seen": whole(lambda w, who, _: w.team.seen([1], owner=who)),
    "Team.members": administering(lambda w, who, _: w.team.members(owner=who)),
    "Team.set_role": administering(lambda w, who, _: w.team.set_role(CY, Role.MEMBER, owner=who)),
    "Team.disable": administering(lambda w, who, _: w.team.disable(GONE, owner=who)),
    "Team.enable": administering(lambda w, who, _: _enable(w, who)),
    "Team.hand_over": administering(lambda w, who, _: w.team.hand_over(CY, BOB, owner=who)),
    "Team.set_rules": administering(lambda w, who, _: w.team.set_rules(RULES, owner=who)),
}

FOR_NOBODY = {
    # ends what was begun, by its number, or looks after what everybody has
    *("KeyService.finish", "KeyService.forget_former", "KeyService.locked"),
    *("ValidationService.try_out", "Replacer.forget", "Overview.reminders"),
    "Overview.unused_since",
}
"""Public names that take no person: none of them finds a key by its id."""


def _raise(error: Exception) -> None:
    raise error


def _first(outcomes: Any) -> object:
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _all_ids(w: World) -> list[str]:
    return [e.id for who in (ADA, BOB) for e in w.parts.repository.page(who)]


def _no_others(entries: Any, who: str) -> object:
    """Members get no more of these than what is theirs."""
    assert who in (ADA, ROOT) or not entries, entries
    return entries


def _only_if_seen(found: Any, who: str, e: KeyEntry) -> object:
    assert bool(found) == (e.shared or who == ADA)
    return found


def _enable(w: World, who: str) -> object:
    w.parts.repository.people.disable(CY)
    try:
        return w.team.enable(CY, owner=who)
    finally:
        w.parts.repository.people.enable(CY)


def _checked_all(w: World, who: str) -> object:
    run = CheckAll(w.keys, w.parts.checks, shared(), owner=who)
    run._future.exception(timeout=60)
    if run.state == "failed":
        raise run._future.exception() or AssertionError
    wanted = sum(entry.may_change for entry in w.keys.list(owner=who).entries)
    assert run.done == wanted
    return run


# --- what is asked ----------------------------------------------------------------------------


def _key(w: World, row: Row, *, is_shared: bool) -> KeyEntry:
    changed = {}
    if row.key.get("stray"):
        tail = f"{next(_NUMBERS):04}"
        changed = {"secret": SecretStr(STRAY[:-4] + tail)}
    entry = w.shared(**changed) if is_shared else w.private(**changed)
    if row.key.get("chats"):
        w.keys.record(_said(entry), owner=ADA)
    return entry


def _asked(do: Callable[[], object]) -> Answer:
    try:
        do()
    except DeniedError:
        return "denied"
    except NotFoundError:
        return "absent"
    except RefusedError:
        return "refused"
    return "ok"


@pytest.mark.parametrize("verb", ROWS)
def test_t43_everybody_gets_what_is_theirs_of(world: World, verb: str) -> None:
    """A verb answers the owner, a member with a team key, somebody else, an administrator, one who
    is disabled and nobody at all as the table says, and what it denies is on record."""
    row = ROWS[verb]
    found, wanted = {}, {}
    for name, (who, is_shared) in PEOPLE.items():
        entry = _key(world, row, is_shared=is_shared)
        before = _denials(world, who)
        found[name] = _asked(partial(row.do, world, who, entry))
        wanted[name] = getattr(row, name, "denied")
        if name not in row.silent and found[name] != "ok":
            assert _denials(world, who) > before, f"{name}: not on record"
    assert found == wanted


def _denials(w: World, who: str) -> int:
    asked = Wanted(action="denied", involving=who)
    return len([e for e in w.parts.repository.journal.page(asked) if e.actor == who])


def test_t43_no_verb_is_forgotten() -> None:
    """Every public name of a service has a row, or is known to take no person."""
    services = (
        *(KeyService, ValidationService, ChatService, Replacer, Transfer, Overview),
        *(Record, Team, Starter),
    )
    verbs = {
        f"{service.__name__}.{name}"
        for service in services
        for name in dir(service)
        if not name.startswith("_")
    }
    assert verbs == (set(ROWS) - {"CheckAll"}) | FOR_NOBODY


def test_t43_whoever_is_asked_for_is_named() -> None:
    """What takes no person has no way to name one, and every row's verb takes one."""
    for name in [*ROWS, *FOR_NOBODY]:
        service, _, verb = name.partition(".")
        found = globals()[service] if verb else None
        if found is None or isinstance(getattr(found, verb), property):
            continue
        takes = "owner" in inspect.signature(getattr(found, verb)).parameters
        assert takes == (name in ROWS), name


# --- the same answer in the same time ---------------------------------------------------------


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """Every statement that is run meanwhile."""
    statements: list[str] = []

    def hear(*said: Any) -> None:
        statements.append(said[2])

    engine = world.parts.repository._database.engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", hear)


MALFORMED = ("", "a\0b", "\ud800", "x" * 100_000, "groq/nothing of that name")
BY_ID = [
    name
    for name, row in ROWS.items()
    if row.other == "absent" and name not in {"KeyService.undo_swap", "KeyService.revealed"}
]
"""Verbs that find a key by its id. The two left out do something as its owner first."""


@pytest.mark.parametrize("verb", BY_ID)
def test_t43_what_is_not_there_and_what_is_not_yours_take_the_same(world: World, verb: str) -> None:
    """Somebody else's private key, an unknown id and a malformed one: the same error, and as many
    statements, of which the first two are the same ones."""
    row = ROWS[verb]
    theirs = _key(world, row, is_shared=False)
    found = {}
    ids = {"theirs": theirs.id, "unknown": str(uuid.uuid4())}
    ids |= {f"malformed {number}": text for number, text in enumerate(MALFORMED)}
    for name, key_id in ids.items():
        entry = _with_id(theirs, key_id, keep_name=name == "theirs")
        tried = verb in {"KeyService.swap", "Replacer.replace"}
        trial = _trial(world, ADA, theirs) if tried else None
        with counted(world) as statements:
            answer = _asked(partial(_do, world, row, verb, entry, trial))
        found[name] = (answer, [_bare(said) for said in statements])
    assert {answer for answer, _ in found.values()} == {"absent"}
    assert found["theirs"] == found["unknown"]
    assert {len(statements) for _, statements in found.values()} == {len(found["theirs"][1])}
    assert len(found["theirs"][1]) > 1


def _with_id(entry: KeyEntry, key_id: str, *, keep_name: bool) -> KeyEntry:
    name = entry.name if keep_name else f"No such name {key_id[:40]}"
    return replace(entry, id=key_id, name=name)


def _do(w: World, row: Row, verb: str, entry: KeyEntry, trial: Trial | None) -> object:
    if trial is None:
        return row.do(w, BOB, entry)
    other = replace(trial, key_id=entry.id)
    if verb == "KeyService.swap":
        return w.keys.swap(other, owner=BOB)
    return asyncio.run(w.parts.replacer.replace(other, owner=BOB))


def _bare(statement: str) -> str:
    return " ".join(statement.split())


def test_t43_a_denial_does_not_say_whose_key_it_was(world: World) -> None:
    """What somebody finds in their own activity of a key that is not theirs is what they find of
    none: neither its name nor the mark of its secret."""
    theirs, unknown = world.private(), str(uuid.uuid4())
    for key_id in (theirs.id, unknown):
        with pytest.raises(NotFoundError):
            world.keys.remove(key_id, owner=BOB)
    told = world.record.page(Wanted(action="denied"), owner=BOB).entries
    bare = {(e.key_name, e.provider, e.host, e.fingerprint, e.detail, e.owner) for e in told}
    assert bare == {("", "", "", None, "tried to delete", BOB)}
    assert {e.key_id for e in told} == {theirs.id, unknown}
    assert world.record.page(Wanted(action="denied"), owner=ADA).entries == ()


@pytest.fixture
def now() -> list[float]:
    """The seconds that a clock shows."""
    return [1000.0]


@pytest.fixture
def keys(world: World, now: list[float], monkeypatch: pytest.MonkeyPatch) -> KeyService:
    """The verbs by that clock."""
    monkeypatch.setattr(rights, "ANEW", 60.0)
    asked = Rights(world.parts.repository, monotonic=lambda: now[0])
    return KeyService(world.parts.repository, world.parts.safe, rights=asked)


def _ask(keys: KeyService, who: str, *key_ids: str, times: int = 20) -> None:
    """Have somebody ask again and again for what they may not."""
    for key_id in key_ids * times:
        assert _asked(lambda: keys.remove(key_id, owner=who)) in {"denied", "absent"}  # noqa: B023
        (outcome,) = keys.open_all([key_id], owner=who, why="check")
        assert isinstance(outcome, DeniedError | NotFoundError)


def test_t49_the_same_denial_does_not_fill_the_record(
    world: World, keys: KeyService, now: list[float]
) -> None:
    """The first of each is on record, by person, key and what they tried; then one a minute."""
    theirs, shared = world.private(), world.shared()
    asked = (theirs.id, shared.id, str(uuid.uuid4()), "malformed")
    _ask(keys, BOB, *asked)
    assert _denials(world, BOB) == 8
    _ask(keys, CY, theirs.id)
    assert (_denials(world, BOB), _denials(world, CY)) == (8, 2)
    now[0] += 59.9
    _ask(keys, BOB, *asked)
    assert _denials(world, BOB) == 8
    now[0] += 0.2
    _ask(keys, BOB, *asked)
    assert _denials(world, BOB) == 16


def test_t49_whatever_is_asked_for_little_is_remembered(
    world: World, keys: KeyService, now: list[float]
) -> None:
    """Somebody who asks for ever other keys is on record for each, and takes up no more room."""
    lately = keys._rights._lately
    for number in range(2500):
        assert lately.is_news(BOB, "delete", f"{number}")
        assert len(lately._until) <= 1000
    assert not lately.is_news(BOB, "delete", "2499")
    now[0] += 61
    for number in range(1500):
        assert lately.is_news(BOB, "check", f"{number}")


def test_t43_a_local_run_is_asked_nothing(world: World) -> None:
    """Nobody is looked up for it, no rule is read, and nothing is recorded of what is not there."""
    entry = world.keys.add(world.new(), owner=LOCAL_OWNER).entry
    with counted(world) as statements:
        world.keys.list(owner=LOCAL_OWNER)
        world.keys.entry(entry.id, owner=LOCAL_OWNER)
        world.keys.open(entry.id, owner=LOCAL_OWNER, why="chat")
        with pytest.raises(NotFoundError):
            world.keys.entry("unknown", owner=LOCAL_OWNER)
        world.team.notices(owner=LOCAL_OWNER)
        assert world.team.quotas(entry.id, owner=LOCAL_OWNER) == ()
    assert not [said for said in statements if "person" in said or "rule" in said]
    assert not world.parts.repository.journal.page(Wanted(action="denied", owner=LOCAL_OWNER))
