"""The background loop: work starts, ends, fails and is cancelled from any thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from mohet_keys import background
from mohet_keys.background import Background
from mohet_keys.http import Outbound
from tests.asking import key
from tests.sink import LONG, Sink, raw

ROOT = Path(__file__).parents[1]


@pytest.fixture
def loop() -> Iterator[Background]:
    """A loop of the test's own."""
    made = Background()
    yield made
    made.close()


class Work:
    """Waits until it is cancelled, and tells."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self, seconds: float = LONG) -> str:
        """Take a while."""
        self.begun.set()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "done"


async def _name() -> str:
    return threading.current_thread().name


async def _fail() -> None:
    raise LookupError("not there")


def test_work_runs_on_one_daemon_thread(loop: Background) -> None:
    """All work is done on the one thread, which holds up the end of no program."""
    names = {loop.run(_name()), loop.submit(_name()).result(2)}
    assert names == {"mohet-background"}
    threads = [thread for thread in threading.enumerate() if thread.name in names]
    assert all(thread.daemon for thread in threads)


def test_submit_does_not_wait(loop: Background) -> None:
    """It comes back at once, with a future."""
    started = time.monotonic()
    future = loop.submit(Work()(0.5))
    assert time.monotonic() - started < 0.45
    assert future.result(2) == "done"


def test_many_threads_share_it(loop: Background) -> None:
    """Fifty threads that wait at once wait for the longest, not for the sum."""
    started = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(lambda _n: loop.run(Work()(0.2)), range(50)))
    assert said == ["done"] * 50
    assert time.monotonic() - started < 2


def test_exceptions_travel(loop: Background) -> None:
    """What the work raises is raised where it is waited for."""
    with pytest.raises(LookupError, match="not there"):
        loop.run(_fail())
    assert isinstance(loop.submit(_fail()).exception(2), LookupError)


def test_a_cancelled_future_cancels_its_task(loop: Background) -> None:
    """Who no longer wants an answer stops the work for it."""
    work = Work()
    future = loop.submit(work())
    assert work.begun.wait(2)
    future.cancel()
    assert work.cancelled.wait(2)


def test_a_wait_that_is_over_cancels_the_work(loop: Background) -> None:
    """After the timeout nothing goes on behind the caller's back."""
    work = Work()
    with pytest.raises(TimeoutError):
        loop.run(work(), timeout=0.1)
    assert work.cancelled.wait(2)


def test_t33_cancelling_a_request_hangs_up(loop: Background) -> None:
    """A cancelled check leaves its server at once."""
    with Sink(raw(LONG)) as sink:
        future = loop.submit(Outbound().ask(key(sink.url()), "GET", sink.url()))
        assert sink.asked.wait(2)
        future.cancel()
        assert sink.hung_up.wait(5)


def test_the_loop_cannot_wait_for_itself(loop: Background) -> None:
    """Work that runs more work and waits is told so, instead of waiting for ever."""

    async def story() -> None:
        loop.run(_name())

    with pytest.raises(RuntimeError, match="wait for itself"):
        loop.run(story(), timeout=2)


def test_close_cancels_what_runs() -> None:
    """Who waits is told, the thread ends, and closing again does nothing."""
    loop, work = Background(), Work()
    future = loop.submit(work())
    assert work.begun.wait(2)
    loop.close()
    assert work.cancelled.is_set()
    assert not loop.is_running
    with pytest.raises(CancelledError):
        future.result(2)
    loop.close()


def test_a_closed_loop_takes_no_work() -> None:
    """What comes too late is refused, and not lost in silence."""
    loop = Background()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.submit(_name())
    with pytest.raises(RuntimeError, match="closed"):
        loop.run(_name())


def test_no_work_is_lost_in_a_race_with_close() -> None:
    """Every future comes to an end, whatever the moment of closing."""
    for _ in range(30):
        loop = Background()
        with ThreadPoolExecutor(4) as pool:
            ended = [pool.submit(_outcome, loop) for _ in range(20)]
            loop.close()
            assert {future.result(5) for future in ended} <= {"done", "cancelled", "closed"}


def _outcome(loop: Background) -> str:
    try:
        return loop.submit(Work()(0.001)).result(4)
    except CancelledError:
        return "cancelled"
    except RuntimeError:
        return "closed"


def test_the_shared_loop_is_one() -> None:
    """All get the same, from any thread, and a new one after it was closed."""
    with ThreadPoolExecutor(8) as pool:
        assert len({id(pool.submit(background.shared).result()) for _ in range(20)}) == 1
    first = background.shared()
    first.close()
    assert background.shared() is not first
    assert background.shared().run(_name()) == "mohet-background"


FORKS = """
import os, threading, time
from mohet_keys import background
async def number(): return 42
parent = background.shared()
assert parent.run(number()) == 42
background._lock.acquire()  # another thread may hold it at the moment of the fork
child = os.fork()
if child == 0:
    ours = background.shared()
    assert ours is not parent and not parent.is_running
    parent.close()
    assert ours.run(number(), timeout=5) == 42
    os._exit(7)
background._lock.release()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), parent.run(number(), timeout=5))
"""


def test_a_fork_gets_a_loop_of_its_own() -> None:
    """A forked child makes a new loop, and the parent's works on."""
    told = subprocess.run(
        [sys.executable, "-c", FORKS],
        capture_output=True, text=True, check=True, timeout=30, cwd=ROOT,
    )  # fmt: skip
    assert told.stdout == "7 42\n"


def test_a_program_ends_with_work_under_way() -> None:
    """Nobody has to close the loop for the program to end."""
    program = (
        "import asyncio; from mohet_keys.background import shared; "
        "shared().submit(asyncio.sleep(30))"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20, cwd=ROOT)
    assert time.monotonic() - started < 5
