"""Keys are watched in the background, on a real store and the simulated providers."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys.background import Background
from mohet_keys.errors import StoreError
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, KeyEntry, NewKey, Verdict
from mohet_keys.presence import Presence
from mohet_keys.rights import BackgroundRights
from mohet_keys.service import KeyService
from mohet_keys.simulator.server import Simulator
from mohet_keys.standing import standing
from mohet_keys.uses import Spent
from mohet_keys.watches import Next
from mohet_keys.watching import AGAIN, EVERY, IN_USE, LEASE, TICK, Watcher
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.masters import settings_in, started, store_in
from tests.team import ADA, BOB, allow, join
from tests.waiting import until

ROOT = Path(__file__).parents[1]
SOON = timedelta(seconds=1)


@pytest.fixture(scope="module")
def providers() -> Iterator[Simulator]:
    """Three hosts with the six providers."""
    with Simulator(doors=3) as running:
        yield running


@pytest.fixture
def sim(providers: Simulator) -> Iterator[Simulator]:
    """The same, as they were at first."""
    providers.requests.clear()
    yield providers
    providers.world.revoked.clear()
    providers.world.forced.clear()
    providers.down = False


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """An app."""
    store_in(tmp_path, "generated")
    with started(tmp_path) as made:
        yield made


class Desk:
    """A watcher whose clock stands still until it is moved, and an app that is in use."""

    def __init__(self, parts: Parts, sim: Simulator, **more: object) -> None:
        self.parts, self.sim = parts, sim
        self.now = datetime.now(UTC)
        given = {"chance": lambda: 0.5, "is_far": lambda _: True, **more}
        self.watcher = Watcher(
            KeyService(parts.repository, parts.safe, rights=BackgroundRights(parts.repository)),
            parts.repository,
            parts.outbound,
            clock=lambda: self.now,
            **given,  # type: ignore[arg-type]
        )
        self.presence = Presence(parts.repository, parts.safe, clock=lambda: self.now)

    def add(self, name: str, secret: str, slug: str = "groq", door: int = 0) -> KeyEntry:
        """A key that was checked when it was saved."""
        given = SecretStr(secret)
        endpoint = self.sim.endpoint(slug, door)
        new = NewKey(provider=slug, name=name, secret=given, endpoint=endpoint)
        entry = self.parts.keys.add(new, owner=LOCAL_OWNER).entry
        asyncio.run(self.parts.checks.check(entry.id, owner=LOCAL_OWNER))
        self.sim.requests.clear()
        return self.entry(entry)

    def entry(self, entry: KeyEntry) -> KeyEntry:
        """The key as it stands now."""
        return self.parts.keys.entry(entry.id, owner=LOCAL_OWNER)

    def verdict(self, entry: KeyEntry) -> Verdict:
        """How it stands now."""
        return standing(self.entry(entry)).verdict

    def next(self, entry: KeyEntry) -> timedelta:
        """How long it is until it is looked at next."""
        return self.parts.repository.watches.next_at([entry.id])[entry.id] - self.now

    def look(self, after: timedelta = timedelta(), *, in_use: bool = True) -> list[str]:
        """Let time pass, and the watcher do what is to be done. The names it looked at."""
        self.now += after
        if in_use:
            self.presence.touch()
        self.presence.announce()
        before = len(self.looks())

        async def all_of_it() -> float:
            while not (pause := await self.watcher.turn()):
                pass
            return pause

        assert 0 < asyncio.run(all_of_it()) <= TICK
        return self.looks()[before:]

    def looks(self) -> list[str]:
        """The names of the keys that were looked at, on record."""
        told = self.parts.repository.journal.page(Wanted(action="watch"))[::-1]
        return [entry.key_name for entry in told]


@pytest.fixture
def desk(parts: Parts, sim: Simulator) -> Desk:
    """A watcher."""
    return Desk(parts, sim)


# --- who comes when ----------------------------------------------------------------------------


def test_each_key_is_looked_at_every_half_hour(desk: Desk) -> None:
    """Not before its time, then once, on record with how it ended; and again after that."""
    entry = desk.add("One", good("groq"))
    assert desk.look() == []
    assert timedelta(minutes=29) < desk.next(entry) < timedelta(minutes=31)
    assert desk.look(EVERY - timedelta(minutes=2)) == []
    assert desk.sim.requests == []
    assert desk.look(timedelta(minutes=3)) == ["One"]
    assert desk.next(entry) == EVERY
    assert desk.look(EVERY) == ["One"]
    (last, *_) = desk.parts.repository.journal.page(Wanted(action="watch"))
    assert (last.result, last.owner, last.actor) == ("valid", LOCAL_OWNER, LOCAL_OWNER)
    assert len(desk.parts.repository.history.of_key(entry.id, LOCAL_OWNER, limit=9)) == 3


def test_a_look_sends_nothing_that_costs(desk: Desk) -> None:
    """It asks for lists and for what is known of the key, and never for a reply."""
    for slug in ("openai", "groq", "openrouter", "mistral"):
        desk.add(slug, good(slug), slug)
    desk.look(EVERY * 2)
    assert {request.method for request in desk.sim.requests} == {"GET"}


def test_looks_are_spread(parts: Parts, sim: Simulator) -> None:
    """A tenth earlier or later, whatever chance says, and no two at the same time."""
    chances = itertools.cycle([0.0, 1.0, 0.25])
    desk = Desk(parts, sim, chance=lambda: next(chances))
    three = [desk.add(f"K{n}", good("groq", str(n))) for n in range(3)]
    assert len(desk.look(EVERY * 2)) == 3
    waits = sorted(desk.next(entry) / EVERY for entry in three)
    assert waits == pytest.approx([0.9, 0.95, 1.1])


def test_a_key_that_goes_on_failing_is_looked_at_less_and_less(desk: Desk) -> None:
    """Twice as long each time, up to eight times; as often as any once it works again."""
    entry = desk.add("Shut", behaving("groq", "revoked"))
    waits: list[float] = []
    for _ in range(7):
        desk.look(desk.next(entry) if waits else EVERY * 2)
        waits.append(desk.next(entry) / EVERY)
    assert waits == [1, 1, 2, 4, 8, 8, 8]
    desk.sim.behave("groq", "good")
    desk.look(desk.next(entry))
    assert (desk.next(entry), desk.verdict(entry)) == (EVERY, Verdict.VALID)


def test_a_provider_that_names_a_wait_gets_it(desk: Desk) -> None:
    """Nobody asks again before the time it said."""
    entry = desk.add("One", good("groq"))
    due = desk.parts.repository.watches
    desk.look()
    (watched,) = due.soonest(limit=1)
    said = Diagnosis(Verdict.LIMITED, "too many", "Too many requests.", retry_after=7200.0)
    result = CheckResult(entry.id, 1, said, desk.now, http_status=429)
    assert desk.watcher._next(watched, result).at == desk.now + timedelta(hours=2)


def test_nothing_is_asked_while_nobody_uses_the_app(desk: Desk) -> None:
    """Half an hour after somebody last did something; at once when somebody comes back."""
    desk.add("One", good("groq"))
    desk.look()
    assert desk.look(IN_USE + EVERY, in_use=False) == []
    assert desk.sim.requests == []
    assert desk.look() == ["One"]


def test_an_app_that_nobody_opened_asks_nothing(desk: Desk) -> None:
    """That it runs is no use of it."""
    desk.add("One", good("groq"))
    assert desk.look(EVERY * 2, in_use=False) == []


def test_zero_turns_it_off(parts: Parts, sim: Simulator) -> None:
    """Nothing is asked however long it takes."""
    desk = Desk(parts, sim, every=timedelta())
    desk.add("One", good("groq"))
    assert desk.look(timedelta(days=2)) == []
    assert sim.requests == []


def test_the_settings_say_how_often_and_how_long(tmp_path: Path) -> None:
    """What is no number counts as not set; zero minutes are a setting, zero days are none."""
    settings = settings_in(tmp_path)
    assert (settings.watch_minutes, settings.keep_days) == (30, 90)
    settings = settings_in(tmp_path, watch_minutes="0.5", keep_days="7")
    assert (settings.watch_minutes, settings.keep_days) == (0.5, 7)
    assert settings_in(tmp_path, watch_minutes="0").watch_minutes == 0
    for odd in ("often", "-1", "nan", "inf", ""):
        settings = settings_in(tmp_path, watch_minutes=odd, keep_days=odd)
        assert (settings.watch_minutes, settings.keep_days) == (30, 90)
    assert settings_in(tmp_path, keep_days="0").keep_days == 90


# --- what a look changes -----------------------------------------------------------------------


def test_a_key_that_works_must_fail_twice(desk: Desk) -> None:
    """The first time is only kept among the past checks; the second, a minute later, counts."""
    entry = desk.add("One", good("groq"))
    desk.look()
    desk.sim.down = True
    assert desk.look(EVERY * 2) == ["One"]
    assert desk.verdict(entry) is Verdict.VALID
    past = desk.parts.repository.history.of_key(entry.id, LOCAL_OWNER, limit=1)
    assert past[0].verdict is Verdict.UNREACHABLE
    assert desk.next(entry) == AGAIN
    assert desk.look(AGAIN) == ["One"]
    assert desk.verdict(entry) is Verdict.UNREACHABLE
    assert desk.next(entry) == EVERY


def test_a_failure_that_passes_leaves_no_mark(desk: Desk) -> None:
    """And the next one is a first one again."""
    entry = desk.add("One", good("groq"))
    desk.look()
    for is_down in (True, False, True):
        desk.sim.down = is_down
        desk.look(desk.next(entry))
        assert desk.verdict(entry) is Verdict.VALID
    assert desk.next(entry) == AGAIN


def test_a_failure_of_yesterday_is_no_first_of_two(desk: Desk) -> None:
    """The app was closed in between: whoever opens it without a network keeps green keys."""
    entry = desk.add("One", good("groq"))
    desk.look()
    desk.sim.down = True
    desk.look(EVERY * 2)
    desk.look(timedelta(days=1))
    assert desk.verdict(entry) is Verdict.VALID


def test_one_odd_page_is_no_wrong_endpoint_yet(desk: Desk) -> None:
    """What answers like a web page may be a network that wants a sign-in: two are needed."""
    entry = desk.add("One", good("groq"))
    desk.look()
    desk.sim.behave("groq", "html")
    desk.look(EVERY * 2)
    assert desk.verdict(entry) is Verdict.VALID
    desk.look(AGAIN)
    assert desk.verdict(entry) is not Verdict.VALID


def test_the_clear_no_of_a_provider_counts_at_once(desk: Desk) -> None:
    """A key that was revoked is red after one look."""
    entry = desk.add("One", good("groq"))
    desk.look()
    desk.sim.revoke(good("groq"))
    desk.look(EVERY * 2)
    assert desk.verdict(entry) is Verdict.INVALID


def test_held_keys_and_those_of_a_locked_store_are_not_asked(
    desk: Desk, tmp_path: Path, sim: Simulator
) -> None:
    """One that looks like another vendor's, and all of them without the master key."""
    desk.add("Held", "sk-or-v1-" + "0123456789abcdef" * 4)
    entry = desk.add("One", good("groq"))
    assert desk.look(EVERY * 2) == ["One"]
    settings_in(tmp_path).generated_master_key_file.unlink()
    with started(tmp_path, "new") as other:
        locked = Desk(other, sim)
        desk.watcher._lease.leave()
        locked.now = desk.now
        due_at = locked.now + locked.next(entry)
        assert locked.look(EVERY * 2) == []
        assert locked.now + locked.next(entry) == due_at  # at once when the key is back


def test_keys_of_everybody_are_watched(desk: Desk, tmp_path: Path) -> None:
    """Each is asked about and recorded as its owner's: private or shared, also of somebody who was
    disabled since; a look is nobody's own doing."""
    join(desk.parts.repository, ADA, BOB)
    allow(desk.parts.repository, "127.0.0.1")
    entry = desk.add("One", good("groq"))
    new = NewKey(
        provider="groq",
        name="Hers",
        secret=SecretStr(good("groq", "2")),
        endpoint=desk.sim.endpoint("groq"),
    )
    hers = desk.parts.keys.add(new, owner=ADA).entry
    desk.parts.keys.share(hers.id, owner=ADA, version=hers.version)
    his = desk.parts.keys.add(new.model_copy(update={"name": "His"}), owner=BOB).entry
    desk.parts.repository.people.disable(ADA)
    assert sorted(desk.look(EVERY * 2)) == ["Hers", "His", "One"]
    assert desk.parts.keys.entry(hers.id, owner=BOB).check is not None
    assert desk.parts.keys.entry(his.id, owner=BOB).check is not None
    told = desk.parts.repository.journal.page(Wanted(action="watch"))
    assert {(each.actor, each.owner, each.key_id) for each in told} == {
        ("watcher", ADA, hers.id),
        ("watcher", BOB, his.id),
        ("local", "local", entry.id),
    }
    assert not desk.parts.repository.journal.page(Wanted(action="denied"))


def test_t49_a_look_that_cannot_be_recorded_is_none(desk: Desk, tmp_path: Path) -> None:
    """Nobody is called, and it is tried again after a minute."""
    entry = desk.add("One", good("groq"))
    desk.look()
    with closing(sqlite3.connect(tmp_path / "data" / "mohet_keys.db")) as other:
        other.execute(
            "CREATE TRIGGER no_event BEFORE INSERT ON event "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        assert desk.look(EVERY * 2) == []
        assert (desk.sim.requests, desk.next(entry)) == ([], AGAIN)
        other.execute("DROP TRIGGER no_event")
    assert desk.look(AGAIN) == ["One"]


# --- when our own network is out ---------------------------------------------------------------


def test_during_an_outage_one_key_is_looked_at_for_all(parts: Parts) -> None:
    """About every minute; when one answers, those that failed are looked at at once."""
    with Simulator(doors=3) as sim:
        desk = Desk(parts, sim)
        three = [desk.add(f"K{n}", good("groq", str(n)), door=n) for n in range(3)]
        desk.look()
        sim.stop()
        assert len(desk.look(EVERY * 2)) == 3
        assert desk.watcher.is_outage
        assert desk.look(AGAIN / 2) == []
        for _ in range(6):
            assert len(desk.look(AGAIN)) == 1
            assert desk.look(AGAIN / 4) == []
        sim.start()
        assert sorted(set(desk.look(AGAIN))) == ["K0", "K1", "K2"]
        assert not desk.watcher.is_outage
        assert {desk.verdict(entry) for entry in three} == {Verdict.VALID}
        assert {desk.next(entry) for entry in three} == {EVERY}


def test_one_host_that_is_away_is_no_outage(parts: Parts) -> None:
    """Others answer, or there are none: each key has its time."""
    with Simulator() as gone, Simulator() as there:
        desk = Desk(parts, gone)
        desk.add("Away", good("groq"))
        desk.add("Away too", good("groq", "2"))
        desk.sim = there
        desk.add("There", good("groq", "3"))
        desk.look()
        gone.stop()
        assert len(desk.look(EVERY * 2)) == 3
        assert not desk.watcher.is_outage
        assert len(desk.look(AGAIN)) == 2
        assert not desk.watcher.is_outage


def test_what_answers_in_between_ends_the_doubt(parts: Parts) -> None:
    """Two hosts that fail one after the other are no outage while a third answers."""
    with Simulator() as first, Simulator() as second, Simulator() as third:
        desk = Desk(parts, first)
        gone: list[KeyEntry] = []
        for sim in (first, second, third):
            desk.sim = sim
            gone.append(desk.add(f"K{len(gone)}", good("groq", str(len(gone)))))
        desk.look()
        put = parts.repository.watches.put
        first.stop()
        second.stop()
        for turn in (0, 2, 1):  # one at a time, the one that answers in the middle
            desk.now += EVERY
            put([Next(e.id, desk.now + EVERY * (n != turn)) for n, e in enumerate(gone)])
            assert desk.look() == [f"K{turn}"]
        assert not desk.watcher.is_outage


def test_servers_of_the_own_network_say_nothing_of_the_way_out(parts: Parts) -> None:
    """Two local servers that are off are two servers that are off."""
    with Simulator(doors=2) as sim:
        desk = Desk(parts, sim, is_far=lambda _: False)
        for door in range(2):
            desk.add(f"Local {door}", "", "ollama", door)
        desk.look()
        sim.stop()
        desk.look(EVERY * 2)
        assert not desk.watcher.is_outage


# --- one watcher ---------------------------------------------------------------------------------


def test_one_of_two_watches(desk: Desk, sim: Simulator, tmp_path: Path) -> None:
    """However many processes share the store; another goes on when it leaves."""
    desk.add("One", good("groq"))
    with started(tmp_path) as second:
        other = Desk(second, sim)
        desk.look()
        assert (desk.look(EVERY * 2), other.look(EVERY * 2)) == (["One"], [])
        desk.watcher._lease.leave()
        assert (desk.look(EVERY * 2), other.look(EVERY * 2)) == ([], ["One"])


def test_a_watcher_that_is_not_heard_of_is_replaced_within_a_minute(
    desk: Desk, sim: Simulator
) -> None:
    """One on another machine, of which nobody can see that it is gone."""
    desk.add("One", good("groq"))
    desk.now += EVERY * 2
    leases = desk.parts.repository.leases
    assert leases.take(LEASE, "far-away:1:x", desk.now, timedelta(seconds=45)) is None
    assert desk.look(timedelta(seconds=44)) == []
    assert desk.look(timedelta(seconds=60 - TICK - 44)) == ["One"]


PROGRAM = """
import asyncio, sys
from datetime import timedelta
from mohet_keys import wiring
from mohet_keys.settings import Settings
parts = wiring.build(Settings(data_dir=sys.argv[1] + "/data", config_dir=sys.argv[1] + "/config"))
assert asyncio.run(parts.watcher.turn())
print("watching", flush=True)
asyncio.run(parts.watcher.run())
"""


def test_a_watcher_that_is_killed_is_replaced(desk: Desk, tmp_path: Path) -> None:
    """Another process holds the lease while it lives, and not a moment longer on this machine."""
    desk.add("One", good("groq"))
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"watching\n"
        assert not asyncio.run(_is_ours(desk))
        watching.send_signal(signal.SIGKILL)
        watching.wait(10)
    assert asyncio.run(_is_ours(desk))


async def _is_ours(desk: Desk) -> bool:
    await desk.watcher.turn()
    return desk.watcher._lease._taken_at is not None


def test_a_watcher_that_lost_its_turn_stops_looking(desk: Desk) -> None:
    """It was asleep for a while, and another has taken over."""
    desk.add("One", good("groq"))
    desk.look()
    desk.now += EVERY * 2
    taken = desk.parts.repository.leases.take(LEASE, "far:1:x", desk.now, timedelta(seconds=45))
    assert taken is None
    assert desk.look() == []


# --- the course ---------------------------------------------------------------------------------


@pytest.fixture
def loop() -> Iterator[Background]:
    """The background loop."""
    running = Background()
    yield running
    running.close()


async def _briefly(_seconds: float) -> None:
    await asyncio.sleep(0.01)


def test_it_runs_by_itself_until_the_loop_is_closed(
    parts: Parts, sim: Simulator, loop: Background
) -> None:
    """Then the lease is free again."""
    desk = Desk(parts, sim, sleep=_briefly)
    desk.add("One", good("groq"))
    desk.presence.touch()
    desk.presence.announce()
    loop.submit(desk.watcher.run())
    until(lambda: parts.repository.leases.held(LEASE, desk.now))
    desk.now += timedelta(seconds=40)
    desk.presence.announce()
    desk.now += EVERY - timedelta(seconds=10)
    desk.presence.touch()
    desk.presence.announce()
    until(desk.looks)
    loop.close()
    assert parts.repository.leases.held(LEASE, desk.now) is None
    assert not asyncio.run(_is_ours(desk))


def test_a_store_that_fails_ends_nothing(
    parts: Parts, sim: Simulator, loop: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does anything unforeseen; the keys are watched as soon as it works."""
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.01)

    desk = Desk(parts, sim, sleep=noted)
    desk.add("One", good("groq"))
    desk.now += EVERY * 2
    desk.presence.touch()
    desk.presence.announce()
    faults = iter([StoreError("The disk failed."), ValueError("odd"), StoreError("Again.")])
    is_ours = desk.watcher._lease.is_ours

    def failing(now: datetime) -> bool:
        for fault in faults:
            raise fault
        return is_ours(now)

    monkeypatch.setattr(desk.watcher._lease, "is_ours", failing)
    running = loop.submit(desk.watcher.run())
    until(desk.looks)
    assert not running.done()
    assert pauses[:3] == [TICK, AGAIN.total_seconds(), TICK]


# --- what was kept for long enough ----------------------------------------------------------------


def test_what_is_older_than_it_is_kept_is_deleted_once_an_hour(
    parts: Parts, sim: Simulator
) -> None:
    """Past checks and daily use; what is younger stays. Also when nothing is looked at."""
    desk = Desk(parts, sim, keep=timedelta(days=10), every=timedelta())
    entry = desk.add("One", good("groq"))
    repository = parts.repository
    old = desk.now - timedelta(days=11)
    said = Diagnosis(Verdict.VALID, "fine", "Fine.")

    def fill() -> None:
        repository.note_checks([CheckResult(entry.id, entry.revision, said, old)], LOCAL_OWNER)
        repository.uses.count(entry.id, LOCAL_OWNER, old, Spent())

    def left() -> tuple[int, int]:
        history = repository.history.of_key(entry.id, LOCAL_OWNER, limit=9)
        return len(history), len(repository.uses.days(LOCAL_OWNER, date.min))

    repository.uses.count(entry.id, LOCAL_OWNER, desk.now, Spent())
    fill()
    assert left() == (2, 2)
    desk.look(in_use=False)
    assert left() == (1, 1)
    fill()
    desk.look(timedelta(minutes=59), in_use=False)
    assert left() == (2, 2)
    desk.look(timedelta(minutes=1), in_use=False)
    assert left() == (1, 1)
