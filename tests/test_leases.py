"""Leases and running processes, seen from several processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from mohet_keys import leases
from mohet_keys.leases import ALIVE_FOR, Held, Leases, is_gone, name_of_this_process, shown_process
from mohet_keys.repository import Repository
from tests.places import Place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ELSEWHERE, OTHER = "far-away:1:x", "far-away:2:y"


@pytest.fixture
def store(place: Place) -> Iterator[Repository]:
    """An empty store."""
    repository = place.opened()
    yield repository
    repository.close()


@cache
def ended() -> str:
    """The name of a process on this machine that has ended."""
    program = "from mohet_keys.leases import name_of_this_process as n; print(n())"
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[1]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=root
    ).stdout.strip()


# --- leases -----------------------------------------------------------------------------------


def test_a_lease_has_one_holder(store: Repository) -> None:
    """The second is told who has it and until when; the holder renews it, and gives it back."""
    assert store.leases.take("x", ELSEWHERE, NOW, MINUTE) is None
    assert store.leases.take("x", OTHER, NOW, MINUTE) == Held(ELSEWHERE, NOW + MINUTE)
    assert store.leases.take("x", ELSEWHERE, NOW + MINUTE / 2, MINUTE) is None
    assert store.leases.held("x", NOW + MINUTE) == Held(ELSEWHERE, NOW + MINUTE * 1.5)
    store.leases.let_go("x", OTHER)
    assert store.leases.take("x", OTHER, NOW, MINUTE)
    store.leases.let_go("x", ELSEWHERE)
    assert store.leases.held("x", NOW) is None
    assert store.leases.take("x", OTHER, NOW, MINUTE) is None


def test_two_leases_have_nothing_to_do_with_each_other(store: Repository) -> None:
    """Each has its own holder."""
    assert store.leases.take("x", ELSEWHERE, NOW, MINUTE) is None
    assert store.leases.take("y", OTHER, NOW, MINUTE) is None
    assert store.leases.held("z", NOW) is None


def test_a_lease_ends_by_itself(store: Repository) -> None:
    """Whoever had it holds nobody up for longer, and does not get it back unasked."""
    store.leases.take("x", ELSEWHERE, NOW, MINUTE)
    later = NOW + MINUTE
    assert store.leases.held("x", later) is None
    assert store.leases.take("x", OTHER, later, MINUTE) is None
    assert store.leases.take("x", ELSEWHERE, later, MINUTE) == Held(OTHER, later + MINUTE)


def test_t59_a_lease_from_before_the_clock_was_put_back_is_over(store: Repository) -> None:
    """It would end long after a lease may last, so it holds nobody up."""
    store.leases.take("watch", ELSEWHERE, NOW, MINUTE)
    assert store.leases.take("watch", OTHER, NOW - timedelta(days=365), MINUTE) is None


def test_a_lease_of_a_process_that_is_gone_is_taken_over(store: Repository) -> None:
    """It was killed, so it cannot give it back."""
    store.leases.take("x", ended(), NOW, MINUTE)
    assert store.leases.held("x", NOW) is None
    assert store.leases.take("x", OTHER, NOW, MINUTE) is None


def test_a_lease_of_a_process_that_runs_is_respected(store: Repository) -> None:
    """As is that of one on another machine, which cannot be seen."""
    store.leases.take("x", name_of_this_process(), NOW, MINUTE)
    assert store.leases.take("x", OTHER, NOW, MINUTE)


def test_of_many_at_once_one_gets_it(store: Repository) -> None:
    """Whoever asks at the same moment is told of the one that was first."""
    start = threading.Barrier(8)
    got: list[Held | None] = []

    def take(number: int) -> None:
        start.wait()
        got.append(store.leases.take("x", f"far-away:{number}:x", NOW, MINUTE))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(None) == 1
    assert len({held.holder for held in got if held}) == 1


# --- processes --------------------------------------------------------------------------------


def seen(leases_: Leases, now: datetime = NOW) -> list[tuple[str, tuple[str, ...]]]:
    """The running processes with their master keys."""
    return [(each.id, each.masters) for each in leases_.running(now)]


def test_a_process_says_which_master_keys_it_has(store: Repository) -> None:
    """The last word counts; when it began stays; when it leaves it is gone at once."""
    store.leases.announce(ELSEWHERE, ["a"], NOW)
    store.leases.announce(OTHER, [], NOW + MINUTE / 4)
    store.leases.announce(ELSEWHERE, ["b", "a"], NOW + MINUTE / 2)
    assert seen(store.leases, NOW + MINUTE) == [(ELSEWHERE, ("b", "a")), (OTHER, ())]
    first = store.leases.running(NOW)[0]
    assert (first.started_at, first.seen_at) == (NOW, NOW + MINUTE / 2)
    store.leases.leave(ELSEWHERE)
    assert seen(store.leases) == [(OTHER, ())]


def test_a_process_that_is_not_heard_of_does_not_count(store: Repository) -> None:
    """It may have been killed on a machine that cannot be seen; its row goes with the next word."""
    store.leases.announce(ELSEWHERE, ["a"], NOW)
    late = NOW + ALIVE_FOR + timedelta(seconds=1)
    assert seen(store.leases, NOW + ALIVE_FOR) == [(ELSEWHERE, ("a",))]
    assert seen(store.leases, late) == []
    store.leases.announce(OTHER, [], late)
    assert [name for name, _ in seen(store.leases)] == [OTHER]


def test_a_process_that_is_gone_does_not_count(store: Repository) -> None:
    """One of this machine is seen to be gone; one that runs counts."""
    me = name_of_this_process()
    store.leases.announce(ended(), ["a"], NOW)
    store.leases.announce(me, ["a"], NOW)
    assert [name for name, _ in seen(store.leases)] == [me]


# --- names ------------------------------------------------------------------------------------


def test_every_name_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also two of the same process; in words it is the machine and the process id."""
    one, other = name_of_this_process(), name_of_this_process()
    assert one != other
    assert shown_process(one) == f"process {os.getpid()} on {socket.gethostname()}"
    assert shown_process("strange") == "strange"
    assert not is_gone(one)
    monkeypatch.setattr(os, "getpgid", lambda _: (_ for _ in ()).throw(PermissionError()))
    assert not is_gone(one)


@pytest.mark.parametrize("name", ["", "x", "a:b:c", "::", f"{socket.gethostname()}:1:x"])
def test_what_cannot_be_told_is_not_gone(name: str) -> None:
    """Another machine, another container of the same name, or no name of a process at all."""
    assert not is_gone(name)


def test_a_process_of_another_container_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process id may be nobody's here, though the machine has the same name."""
    name = ended()
    assert is_gone(name)
    monkeypatch.setattr(leases, "_place", lambda: "another")
    assert not is_gone(name)


def test_an_absurd_process_id_is_nobodys() -> None:
    """No process has it."""
    host, _, tail = name_of_this_process().split(":")
    assert is_gone(f"{host}:{10**30}:{tail}")
