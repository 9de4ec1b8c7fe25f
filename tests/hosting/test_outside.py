"""What nginx keeps outside, and to which process it leads, with the file of the repository.

It is asked as a browser asks, and as none ever would.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import InvalidStatus

from mohet_keys.ui.server import HEADERS
from tests.browser.app_server import AppServer
from tests.browser.waiting import until
from tests.hosting.machine import NAME, URL, Machine
from tests.sink import Sink, port_of_nobody, reply

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
        other.tab(headers=[(HEADER, "ada@example.com")]) as tab,
    ):
        assert ("No API keys yet" in tab.run("api_keys")) is passes


@pytest.mark.parametrize(
    ("status", "inside"), [("202 Accepted", True), ("401 Unauthorized", False)]
)
def test_t44_whom_the_proxy_of_a_sign_in_names_is_in(
    machine: Machine, believing: AppServer, status: str, inside: bool
) -> None:
    """With the lines for it turned on, nginx asks that proxy and says what it says, whatever a
    visitor sends besides; whom it does not let in gets nothing."""
    text = (machine.root / "etc/nginx/sites-available/mohet-keys").read_text().replace("#@", "")
    answer = reply(b"", "X-Auth-Request-Email: grace@example.com", status=status)
    with Sink(answer) as sign_in:
        text = text.replace("127.0.0.1:4180", f"127.0.0.1:{sign_in.port}")
        with other_site(machine, text, believing.port) as other:
            assert (other.ask("/").status == 200) is inside
            if inside:
                with other.tab(headers=[(HEADER, "root@example.com")]) as tab:
                    drawn = tab.run("api_keys")
                assert "No API keys yet" in drawn
                assert "Grace" in drawn.title()
            else:
                with pytest.raises(InvalidStatus):
                    other.tab(headers=[(HEADER, "root@example.com")])
    assert b"root@" not in sign_in.received


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
        with machine.tab_at(port) as tab:
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


def test_a_request_has_one_id_in_all_logs(machine: Machine) -> None:
    """In nginx's log, in the journal of the process that answered, and once in the answer; and
    each line of the journal is an object."""
    answer = machine.ask("/_stcore/host-config")
    request = answer.headers["x-request-id"]
    assert answer.names.count("x-request-id") == 1
    (port,) = machine.served(request)
    journal = machine.folder / f"{port}.log"
    until(lambda: request in journal.read_text())
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    (line,) = (each for each in lines if each.get("request") == request)
    assert {"at", "level", "logger", "message"} <= set(line)
    assert "/_stcore/host-config" in line["message"]


TICKETS = (
    "/oauth2callback?code=c0de&state=st4te",
    "/download/t1cket",
    "/_stcore/upload_file/s3ssion/f1le",
    "/media/m3dia.bin",
)


def test_the_logs_have_no_queries_and_no_tickets(machine: Machine) -> None:
    """A sign-in has its code in the query, and the address of a download is as good as a ticket.
    That goes for the log of errors too, when no process is there."""
    for path in TICKETS:
        machine.ask(path)
    text = (machine.root / "etc/nginx/sites-available/mohet-keys").read_text()
    with other_site(machine, text, port_of_nobody()) as broken:
        for path in (*TICKETS, "/overview"):
            assert broken.ask(path).status == 502
        broken.served(broken.ask("/overview").headers["x-request-id"])
        errors = broken.log("mohet-keys-error.log")
    assert 'request: "GET /overview HTTP/1.1"' in errors
    logs = "".join(map(machine.log, ("mohet-keys.log", "mohet-keys-error.log", "error.log")))
    for place in ("/oauth2callback", "/download/...", "/_stcore/upload_file/...", "/media/..."):
        assert f'"path":"{place}"' in logs
    for secret in ("c0de", "st4te", "t1cket", "s3ssion", "f1le", "m3dia"):
        assert secret not in logs + errors + broken.log()


@pytest.mark.parametrize("path", ["/", "/oauth2callback"])
def test_who_asks_too_often_has_to_wait(machine: Machine, path: str) -> None:
    """The limits hold; here they are so low that no machine is too slow to reach them."""
    text = (machine.root / "etc/nginx/sites-available/mohet-keys").read_text()
    text = re.sub(
        r"rate=\d+r/s", "rate=1r/m", re.sub(r" burst=\d+( nodelay)?;", " burst=3 nodelay;", text)
    )
    with other_site(machine, text, port_of_nobody()) as strict:
        answers = [strict.ask(path).status for _ in range(6)]
    assert answers == [502] * 4 + [429] * 2
