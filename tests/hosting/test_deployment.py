"""What a team gets when the document was followed: two processes, PostgreSQL and nginx, running.

All of it goes through nginx with TLS, as a browser does; what a browser would never send as well.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Thread

import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mohet_keys.background import shared
from mohet_keys.errors import NotFoundError
from mohet_keys.model import KeyEntry, NewKey
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui.server import HEADERS
from mohet_keys.wiring import Parts
from tests.browser.app_server import ROOT, AppServer
from tests.browser.secrets import good
from tests.hosting import document
from tests.hosting.machine import NAME, PATIENCE, URL, Machine
from tests.sink import Sink
from tests.tab import Tab

ADA, GRACE = "ada@example.com", "grace@example.com"
SOON = 5.0
"""Seconds within which what has to happen within one has to, on a busy machine."""
IDENTITY = (
    "X-Forwarded-Email",
    "X-Forwarded-User",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Preferred-Username",
    "X-Remote-User",
    "Remote-User",
    "Remote-Email",
    "X-Webauth-User",
    "X-Authenticated-User",
    "Cf-Access-Authenticated-User-Email",
    "X-Goog-Authenticated-User-Email",
    "X-Ms-Client-Principal-Name",
    "Tailscale-User-Login",
    "X_Forwarded_Email",
)
"""In which proxies name somebody."""
UPGRADE = (
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "streamlit"),
)


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


def at(machine: Machine, port: int, who: str = "ada", **more: str) -> Tab:
    """A tab of somebody who was at this process before."""
    return machine.tab(machine.cookie(who), cookies=f"mohet_process={port}", **more)


def until(holds: Callable[[], bool], within: float = PATIENCE) -> float:
    """Wait until something holds. Returns how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within, f"not within {within} seconds"
        time.sleep(0.01)
    return time.monotonic() - began


# --- other sites, other names, forged headers ----------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Origin", URL)], 101),
        ([("Origin", "https://evil.org")], 403),
        ([("Origin", "http://localhost:1")], 403),
        ([("Origin", f"http://{NAME}")], 403),
        ([("Origin", f"{URL}.evil.org")], 403),
        ([("Origin", "null")], 403),
        ([], 403),
        ([("Host", "evil.org"), ("Origin", "https://evil.org")], 403),
        ([("Host", "evil.org"), ("Origin", URL)], 403),
        ([("Host", "127.0.0.1"), ("Origin", "https://127.0.0.1")], 403),
    ],
)
def test_t48_only_our_own_pages_open_a_websocket(
    machine: Machine, headers: list[tuple[str, str]], status: int
) -> None:
    """Not another site's, none that is no page's, and none whose name was made to lead here."""
    user = machine.cookie("ada")
    cookie = ("Cookie", f"_streamlit_user={user}")
    assert machine.ask("/_stcore/stream", *headers, *UPGRADE, cookie).status == status


def test_t48_another_name_gets_nothing(machine: Machine) -> None:
    """Not even the page; nor does a page of another site ask for anything."""
    assert machine.ask("/").status == 200
    assert machine.ask("/", ("Host", "evil.org")).status == 403
    assert machine.ask("/", ("Host", "127.0.0.1")).status == 403
    assert machine.ask("/_stcore/host-config", ("Origin", "https://evil.org")).status == 403
    assert machine.ask("/_stcore/host-config", ("Origin", URL)).status == 200


def test_t48_no_page_may_hold_this_one(machine: Machine) -> None:
    """The app's headers arrive, with nginx's own beside them."""
    headers = machine.ask("/").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["server"] == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/metrics/",
        "//_stcore//metrics",
        "/_stcore%2fmetrics",
        "/%5fstcore/metrics",
        "/x/../_stcore/metrics",
        "/_stcore/agent/mcp",
        "/_stcore/script-health-check",
    ],
)
def test_t48_what_is_inside_stays_inside(machine: Machine, path: str) -> None:
    """Figures of people and sessions, and the other ways to drive the app."""
    assert machine.ask(path).status in {400, 404}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_state_is_for_this_machine(machine: Machine, path: str) -> None:
    """Whoever watches may ask; everybody else may not."""
    found = machine.ask(path)
    assert (found.status, found.body) == (200, "ok")
    assert machine.ask(path, source="127.0.0.2").status == 403


def test_a_large_body_is_refused(machine: Machine) -> None:
    """Before it reaches a process."""
    asked = machine.ask("/", ("Content-Length", "3000000"), method="POST")
    assert asked.status == 413


def test_plain_http_leads_to_tls(machine: Machine) -> None:
    """And the certificate that nginx shows is one for this name."""
    done = subprocess.run(
        ["curl", "-si", "-H", f"Host: {NAME}", f"http://127.0.0.1:{machine.http}/overview"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Location: {URL}/overview" in done.stdout


def test_t44_t48_nothing_that_names_somebody_gets_in(machine: Machine) -> None:
    """Of whatever a visitor sends, what nginx names is passed on, and nothing else."""
    text = (machine.root / "etc/nginx/sites-available/mohet-keys").read_text()
    forged = [(name, "root@example.com") for name in IDENTITY]
    with Sink() as sink, other_site(machine, text, sink.port) as other:
        other.ask("/", *forged, ("X-Request-ID", "mine"), ("X-Forwarded-For", "10.0.0.1"))
        told = sink.headers()
    assert b"root@" not in sink.received
    assert told["host"] == NAME
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-request-id"] != "mine"
    assert re.fullmatch(r"[0-9a-f]{32}", told["x-request-id"])


HEADER = "X-Forwarded-Email"


@pytest.fixture(scope="module")
def believing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """An app that believes a header."""
    folder = tmp_path_factory.mktemp("believing")
    named = {"MOHET_IDENTITY_HEADER": HEADER, "STREAMLIT_SERVER_ALLOWED_HOSTS": NAME}
    with AppServer(folder, **named) as server:
        yield server


@pytest.mark.parametrize("passes", [False, True])
def test_t44_t48_a_forged_header_names_nobody(
    machine: Machine, believing: AppServer, passes: bool
) -> None:
    """Though the app would believe it: it never gets there. The twin lets it through."""
    text = (machine.root / "etc/nginx/sites-available/mohet-keys").read_text()
    if passes:
        text = text.replace("proxy_pass_request_headers off;", "")
    with (
        other_site(machine, text, believing.port) as other,
        other.tab(headers=[(HEADER, ADA)]) as tab,
    ):
        assert ("No API keys yet" in tab.run("api_keys")) is passes


@contextmanager
def other_site(machine: Machine, text: str, port: int) -> Iterator[Machine]:
    """One more nginx with the same configuration, in front of another server."""
    for own in machine.ports:
        text = text.replace(f"127.0.0.1:{own}", f"127.0.0.1:{port}")
    folder = machine.folder / f"other-{time.monotonic_ns()}"
    other = Machine(folder, machine.server, "")
    other.authority = machine.authority
    text = text.replace(f"127.0.0.1:{machine.tls}", f"127.0.0.1:{other.tls}")
    text = text.replace(f"127.0.0.1:{machine.http}", f"127.0.0.1:{other.http}")
    text = text.replace(f"{machine.root}/var/log", f"{other.root}/var/log")
    (other.root / "etc/nginx/sites-enabled/mohet-keys").write_text(text)
    try:
        other.reload()
        yield other
    finally:
        other.end()


# --- which process -------------------------------------------------------------------------------


def test_one_browser_comes_to_one_process(machine: Machine) -> None:
    """To the one that has its WebSocket: that is written into a cookie, and all else follows."""
    for port in machine.ports:
        with at(machine, port) as tab:
            tab.run("api_keys")
            assert tab.cookie("mohet_process") == str(port)
        for path in ("/", "/_stcore/health", "/_stcore/upload_file/a/b", "/download/x", "/media/x"):
            answer = machine.ask(path, ("Cookie", f"mohet_process={port}"))
            assert machine.served(answer.headers["x-request-id"]) == [str(port)]
    with machine.tab() as tab:
        tab.run()
        first = tab.cookie("mohet_process")
    assert first in map(str, machine.ports)


def test_the_cookie_is_for_this_site_alone(machine: Machine) -> None:
    """No script reads it, and it goes over TLS alone; so does every other cookie."""
    answer = machine.ask("/_stcore/stream", ("Origin", URL), *UPGRADE)
    assert answer.status == 101
    assert "Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax" in answer.headers["set-cookie"]
    assert "Secure" in machine.ask("/_stcore/health").headers["set-cookie"].title()
    assert "mohet_process" not in str(machine.ask("/").headers)


def test_the_log_has_no_queries_and_no_tickets(machine: Machine) -> None:
    """A sign-in has its code in the query, and the address of a download is as good as a ticket."""
    for path in (
        "/oauth2callback?code=c0de&state=st4te",
        "/download/t1cket",
        "/_stcore/upload_file/s3ssion/f1le",
        "/media/m3dia.bin",
    ):
        machine.ask(path, ("Referer", f"{URL}{path}"))
    logs = "".join(map(machine.log, ("mohet-keys.log", "mohet-keys-error.log", "error.log")))
    for place in ("/oauth2callback", "/download/...", "/_stcore/upload_file/...", "/media/..."):
        assert f'"path":"{place}"' in logs
    for secret in ("c0de", "st4te", "t1cket", "s3ssion", "f1le", "m3dia"):
        assert secret not in logs


# --- two processes, one store --------------------------------------------------------------------


@pytest.mark.parametrize("what", ["deleted", "disabled"])
def test_t45_t58_what_one_process_ends_stops_the_reply_in_the_other(
    machine: Machine, parts: Parts, simulator: Simulator, what: str
) -> None:
    """A key that is deleted, and a person who is disabled."""
    who = "ada" if what == "deleted" else "alan"
    owner = f"{who}@example.com"
    parts.repository.people.arrived(owner, who.title(), datetime.now(UTC), administrator=False)
    entry = save(parts, simulator, f"Flowing {what}", owner, selected=True)
    here, there = machine.ports
    with at(machine, here, who) as chatting, at(machine, there, who) as deleting:
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
    print(f"\nthe reply ended {took:.2f} s after its key was {what}")  # noqa: T201  # measured


def test_t56_two_people_edit_one_key_at_different_processes(
    machine: Machine, parts: Parts, simulator: Simulator
) -> None:
    """Whoever comes second is told of the other, and overwrites nothing."""
    entry = save(parts, simulator, "Edited by two")
    here, there = machine.ports
    with at(machine, here) as one, at(machine, there) as other:
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
        while not over.is_set():
            try:
                with at(machine, machine.ports[0]) as tab:
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


# --- killed, and restarted -----------------------------------------------------------------------

WRITERS = ("one@example.com", "two@example.com")


class Writers:
    """Two processes of the product that write, and what they were told."""

    def __init__(self, machine: Machine, rate: int) -> None:
        self._said: dict[str, list[str]] = {owner: [] for owner in WRITERS}
        self._processes = [self._begun(machine, owner, rate / len(WRITERS)) for owner in WRITERS]
        self._threads = [
            Thread(target=_hear, args=each)
            for each in zip(self._processes, self._said.values(), strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def _begun(self, machine: Machine, owner: str, rate: float) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.hosting.writer", owner, str(rate)],
            cwd=ROOT,
            env={**os.environ, **machine.environment, "HOME": str(machine.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        """End them in the middle of it."""
        for process in self._processes:
            process.kill()
            process.communicate()
        for thread in self._threads:
            thread.join()

    @property
    def names(self) -> dict[str, list[str]]:
        """What was acknowledged so far, by whom."""
        return {
            owner: [line.split()[1] for line in list(said) if line.startswith("saved")]
            for owner, said in self._said.items()
        }

    @property
    def failed(self) -> set[str]:
        """What was refused so far, in words."""
        return {line for said in self._said.values() for line in said if line.startswith("failed")}

    def wait_for(self, more: int, within: float = PATIENCE) -> None:
        """Wait until each was told so much more to be saved."""
        wanted = {owner: len(names) + more for owner, names in self.names.items()}
        until(lambda: all(len(names) >= wanted[o] for o, names in self.names.items()), within)

    def lost(self, parts: Parts) -> list[str]:
        """What was acknowledged and is not there. What has an odd number got the next one's name
        afterwards, also when nobody was told of it any more."""
        missing = []
        for owner, names in self.names.items():
            there = {entry.name for entry in parts.keys.list(owner=owner).entries}
            for name in names:
                number = int(name[1:])
                if not there & {name, f"W{number + 1}" if number % 2 else name}:
                    missing.append(f"{owner}: {name}")
        return missing


def _hear(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stdout
    with suppress(ValueError):  # it was closed when the process was killed
        for line in process.stdout:
            said.append(line)  # noqa: PERF402  # others look at it meanwhile


@contextmanager
def writing(machine: Machine, parts: Parts, rate: int = 50) -> Iterator[Writers]:
    """Two processes write so often in a second, until they are killed at the end of the block."""
    for owner in WRITERS:
        parts.repository.people.arrived(owner, owner, datetime.now(UTC), administrator=False)
    writers = Writers(machine, rate)
    try:
        writers.wait_for(5)
        yield writers
    finally:
        writers.kill()


class Chooser:
    """Somebody who selects one of two keys of the team after the other, until the line breaks."""

    def __init__(self, machine: Machine, port: int, who: str, keys: list[KeyEntry]) -> None:
        self.chosen: list[str] = []
        """What the page said is selected, in order."""
        self.asked = ""
        self.session = ""
        self._keys = keys
        self._over = Event()
        self._tab = at(machine, port, who)
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


def test_t58_a_process_may_be_killed_at_any_time(
    machine: Machine, parts: Parts, simulator: Simulator
) -> None:
    """Under fifty writes a second: nothing that was acknowledged is lost, and whoever it served
    goes on at the other one with keys, selection and model. There they stay when it is back."""
    keys = [save(parts, simulator, f"Team {name}", GRACE) for name in ("one", "two")]
    models = {}
    for entry in keys:
        shown = parts.keys.entry(entry.id, owner=GRACE)
        parts.keys.share(entry.id, owner=GRACE, version=shown.version)
        assert shown.check
        models[entry.id] = shown.check.models[-1]
        parts.keys.select(entry.id, owner=ADA, model=models[entry.id])
    here, there = machine.ports
    with writing(machine, parts) as writers:
        ada = Chooser(machine, here, "ada", keys)
        try:
            until(lambda: len(ada.chosen) > 4)
            machine.stop(here, signal.SIGKILL)
            writers.wait_for(25)
        finally:
            ada.end()
        with at(machine, here, resume=ada.session) as tab:
            assert tab.cookie("mohet_process") == str(there)
            drawn = tab.run("api_keys")
            assert {entry.name for entry in keys} == {
                name for name in ("Team one", "Team two") if name in drawn
            }
            selection = parts.keys.selection(owner=ADA)
            assert selection
            assert selection.key_id in {ada.chosen[-1], ada.asked}
            assert models[selection.key_id] in drawn
            machine.start(here)
            machine.ready(here)
            with at(machine, there) as another:
                another.run("api_keys")
                assert another.cookie("mohet_process") == str(there)
        writers.wait_for(5)
    assert writers.lost(parts) == []
    assert writers.failed == set()


def test_t58_postgresql_restarts_under_load(
    machine: Machine, parts: Parts, simulator: Simulator
) -> None:
    """Both processes are well again within five seconds, pages draw, and nothing is lost."""
    save(parts, simulator, "Before the restart")
    with writing(machine, parts) as writers:
        machine.server.stop(signal.SIGQUIT)
        machine.server.start()
        took = until(lambda: all(map(machine.is_well, machine.ports)), SOON)
        writers.wait_for(5, SOON)
        for port in machine.ports:
            with at(machine, port) as tab:
                assert "Before the restart" in tab.run("api_keys")
                assert tab.cookie("mohet_process") == str(port)
    print(f"\nwell again {took:.2f} s after PostgreSQL was")  # noqa: T201  # measured
    assert writers.lost(parts) == []


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
