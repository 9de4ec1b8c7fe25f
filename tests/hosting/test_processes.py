"""Two processes and one store, as the document has them: what one does the other knows, either may
be killed, and what is told to be done to them is done while people work.

All of it goes through nginx with TLS, as a browser does.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from threading import Event, Thread

import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mohet_keys.background import shared
from mohet_keys.errors import NotFoundError
from mohet_keys.model import KeyEntry, NewKey
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.secrets import good
from tests.browser.waiting import until
from tests.hosting import document
from tests.hosting.machine import Machine
from tests.hosting.writers import Writers, writing

ADA, GRACE = "ada@example.com", "grace@example.com"
SOON = 5.0
"""Seconds within which what has to happen within one has to, on a busy machine."""


def secret_of(name: str) -> str:
    """The secret of a key that is called so."""
    return good("openai", "-" + name.lower().replace(" ", "-"))


def save(
    parts: Parts, simulator: Simulator, name: str, owner: str = ADA, *, selected: bool = False
) -> KeyEntry:
    """A key that was checked."""
    secret, endpoint = SecretStr(secret_of(name)), simulator.endpoint("openai")
    new = NewKey(provider="openai", name=name, secret=secret, endpoint=endpoint)
    entry = parts.keys.add(new, owner=owner).entry
    shared().run(parts.checks.check(entry.id, owner=owner), 10)
    if selected:
        parts.keys.select(entry.id, owner=owner)
    return entry


# --- two processes, one store --------------------------------------------------------------------


TOLD = {
    "deleted": "The key was deleted while the reply came in",
    "disabled": "You may not use Mohet Keys any more",
}


@pytest.mark.parametrize("what", TOLD)
def test_t45_t58_what_one_process_ends_stops_the_reply_in_the_other(
    machine: Machine, parts: Parts, simulator: Simulator, what: str
) -> None:
    """A key that is deleted, and a person who is disabled."""
    who = "ada" if what == "deleted" else "alan"
    owner = f"{who}@example.com"
    parts.repository.people.arrived(owner, who.title(), datetime.now(UTC), administrator=False)
    save(parts, simulator, f"Kept {what}", owner)
    entry = save(parts, simulator, f"Flowing {what}", owner, selected=True)
    here, there = machine.ports
    with machine.tab_at(here, who) as chatting, machine.tab_at(there, who) as deleting:
        chatting.run()
        chatting.press("chat.suggestion:0", wait=False)
        until(lambda: any(simulator.world.active.values()))
        if what == "deleted":
            deleting.run("api_keys")
            deleting.press(f"card.edit:{entry.id}", "api_keys")
            deleting.press(f"edit:{entry.id}.delete", "api_keys")
            began = time.monotonic()
            deleting.press("delete.confirm", "api_keys", wait=False)
        else:
            began = time.monotonic()
            parts.repository.people.disable(owner)
        until(lambda: not any(simulator.world.active.values()), SOON)
        took = time.monotonic() - began
        while TOLD[what] not in chatting.next():
            pass  # it is drawn within patience, or that ends it
    print(f"\nthe reply ended {took:.2f} s after its key was {what}")  # noqa: T201  # measured


def test_t56_two_people_edit_one_key_at_different_processes(
    machine: Machine, parts: Parts, simulator: Simulator
) -> None:
    """Whoever comes second is told of the other, and overwrites nothing."""
    entry = save(parts, simulator, "Edited by two")
    here, there = machine.ports
    with machine.tab_at(here) as one, machine.tab_at(there) as other:
        for tab in (one, other):
            tab.run("api_keys")
            tab.press(f"card.edit:{entry.id}", "api_keys")
        form = f"edit:{entry.id}"
        assert "was updated" in one.press(f"{form}.save", "api_keys", name="By the first")
        told = other.press(f"{form}.save", "api_keys", name="By the second")
    assert "was changed by" in told
    assert parts.keys.entry(entry.id, owner=ADA).name == "By the first"


def test_t52_the_master_key_moves_on_while_both_run(
    machine: Machine, parts: Parts, simulator: Simulator
) -> None:
    """As the document says it: pages draw and keys open all the time, and at the end the old
    master key opens nothing."""
    entry = save(parts, simulator, "Before the rotation", selected=True)
    old = (machine.root / "etc/mohet-keys/master.key").read_text()
    over, failed = Event(), list[str]()

    def look() -> None:
        while not over.wait(0.1):
            try:
                with machine.tab_at(machine.ports[0]) as tab:
                    drawn = tab.run("api_keys")
                if "Before the rotation" not in drawn or "Locked" in drawn:
                    failed.append(drawn)
            except ConnectionClosed:
                continue  # its process was restarted; a browser comes again
            except (InvalidStatus, OSError) as error:
                failed.append(repr(error))

    thread = Thread(target=look)
    thread.start()
    try:
        machine.follow("A new master key")
    finally:
        over.set()
        thread.join()
    for port in machine.ports:
        machine.ready(port)
    assert (machine.root / "etc/mohet-keys/master.key").read_text() != old
    with closing(machine.parts()) as anew:
        assert anew.keys.open(entry.id, owner=ADA).secret == secret_of("Before the rotation")
        assert len(anew.rotation.status().data_keys[0].opens) == 1
    assert failed == []


# --- saved, and brought back ----------------------------------------------------------------------


def test_a_backup_is_brought_back(machine: Machine, simulator: Simulator) -> None:
    """As the document says it: a key that was deleted after the backup is there again, and opens;
    one that was saved after it is not."""
    dump, back = document.section("Backup and restore")
    with closing(machine.parts()) as parts:
        entry = save(parts, simulator, "In the backup")
        for command in dump.commands:
            machine.do(command)
        parts.keys.remove(entry.id, owner=ADA)
        later = save(parts, simulator, "After the backup")
    for command in back.commands:
        machine.do(command)
    for port in machine.ports:
        machine.ready(port)
    with closing(machine.parts()) as parts:
        assert parts.keys.open(entry.id, owner=ADA).secret == secret_of("In the backup")
        with pytest.raises(NotFoundError):
            parts.keys.entry(later.id, owner=ADA)


def test_an_upgrade_as_the_document_says_it(machine: Machine) -> None:
    """Both processes come back."""
    machine.follow("Upgrade")
    for port in machine.ports:
        machine.ready(port)
    with machine.tab(machine.cookie("ada")) as tab:
        assert "API Keys" in tab.run("api_keys")


# --- killed, and restarted -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def writers(machine: Machine) -> Iterator[Writers]:
    """Fifty writes a second by two processes, from the first test that wants them to the end of
    the module. Those that bring back a backup stand before."""
    with writing(machine) as running:
        yield running


class Chooser:
    """Somebody who selects one of two keys of the team after the other, until the line breaks."""

    def __init__(self, machine: Machine, port: int, who: str, keys: list[KeyEntry]) -> None:
        self.chosen: list[str] = []
        """What the page said is selected, in order."""
        self.asked = ""
        self.session = ""
        self._keys = keys
        self._over = Event()
        self._tab = machine.tab_at(port, who)
        self._thread = Thread(target=self._choose)
        self._thread.start()

    def _choose(self) -> None:
        with suppress(ConnectionClosed), self._tab as tab:
            tab.run("api_keys")
            self.session = tab.session
            while not self._over.is_set():
                key = self._keys[len(self.chosen) % 2]
                self.asked = key.id
                tab.press(f"card.use:{key.id}", "api_keys")
                self.chosen.append(key.id)

    def end(self) -> None:
        """Have no more chosen."""
        self._over.set()
        self._thread.join()


def team_keys(parts: Parts, simulator: Simulator) -> list[KeyEntry]:
    """Two keys of the team; Ada has chosen another model than the recommended one for each, and
    the second key."""
    entries = []
    for name in ("Team one", "Team two"):
        saved = save(parts, simulator, name, GRACE)
        entry = parts.keys.entry(saved.id, owner=GRACE)
        entries.append(parts.keys.share(entry.id, owner=GRACE, version=entry.version))
        parts.keys.select(entry.id, owner=ADA, model=MODEL)
    return entries


MODEL = "gpt-4o"


def test_t58_a_process_may_be_killed_at_any_time(
    machine: Machine, parts: Parts, simulator: Simulator, writers: Writers
) -> None:
    """Under fifty writes a second: nothing that was acknowledged is lost, and whoever it served
    goes on at the other one with keys, selection and model. There they stay when it is back."""
    keys = team_keys(parts, simulator)
    here, there = machine.ports
    ada = Chooser(machine, here, "ada", keys)
    try:
        until(lambda: len(ada.chosen) > 4)
        machine.stop(here, signal.SIGKILL)
        writers.wait_for(25)
        ada.end()
        with machine.tab_at(here, resume=ada.session) as tab:
            drawn = tab.run("api_keys").replace("\\", "")
            came_to = tab.cookie("mohet_process")
    finally:
        ada.end()
        machine.start(here)
    assert came_to == str(there)
    machine.ready(here)
    with machine.tab_at(there) as tab:
        tab.run("api_keys")
        assert tab.cookie("mohet_process") == str(there)
    writers.wait_for(5)
    assert all(words in drawn for words in ("Team one", "Team two", "In use", MODEL))
    selection = parts.keys.selection(owner=ADA)
    assert selection
    assert selection.key_id in {ada.chosen[-1], ada.asked}
    assert writers.lost(parts) == []
    assert writers.failed == set()
    print(f"\n{writers.rate:.0f} writes a second were acknowledged")  # noqa: T201  # measured


def test_t58_postgresql_restarts_under_load(
    machine: Machine, parts: Parts, simulator: Simulator, writers: Writers
) -> None:
    """Both processes are well again within five seconds, pages draw, and nothing is lost."""
    save(parts, simulator, "Before the restart")
    machine.server.stop(signal.SIGQUIT)
    machine.server.start()
    began = time.monotonic()
    until(lambda: all(map(machine.is_well, machine.ports)), SOON)
    took = time.monotonic() - began
    writers.wait_for(5, SOON)
    for port in machine.ports:
        with machine.tab_at(port) as tab:
            assert "Before the restart" in tab.run("api_keys")
            assert tab.cookie("mohet_process") == str(port)
    print(f"\nwell again {took:.2f} s after PostgreSQL was")  # noqa: T201  # measured
    assert writers.lost(parts) == []


def test_no_secret_is_in_what_was_written_down(machine: Machine) -> None:
    """The journal and the logs of nginx, after all of this."""
    logs = [path.read_bytes() for path in machine.folder.rglob("*.log")]
    assert len(logs) > 3
    secrets = [
        machine.cookie_secret,
        (machine.root / "etc/mohet-keys/master.key").read_text().strip(),
    ]
    for secret in [*secrets, secret_of("Flowing")[:24]]:
        assert not any(secret.encode() in log for log in logs)
