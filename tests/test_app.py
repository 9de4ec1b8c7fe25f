"""The server around the pages: health check, security headers, what it does by default."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path

import pytest

from mohet_keys.ui import marks
from mohet_keys.ui.server import HEADERS
from tests.browser.app_server import AppServer


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server on an empty store."""
    with AppServer(tmp_path_factory.mktemp("app")) as server:
        yield server


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Message
    words: str


def get(app: AppServer, path: str, body: bytes | None = None) -> Answer:
    """Ask the server for a path; with a body, send that."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=10)
    try:
        connection.request("POST" if body else "GET", path, body=body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def test_healthz_says_ok_when_the_store_opens(app: AppServer) -> None:
    """200 and `ok`, for whoever watches the server."""
    answer = get(app, "/healthz")
    assert (answer.status, answer.words) == (200, "ok")


def test_healthz_gives_the_reason_when_it_does_not(tmp_path: Path) -> None:
    """503 and a sentence, and ok again once the store is mended, without a restart."""
    database = tmp_path / "data" / "mohet_keys.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database at all" * 100)
    with AppServer(tmp_path) as server:
        answer = get(server, "/healthz")
        assert answer.status == 503
        assert answer.words.endswith(".")
        assert "Traceback" not in answer.words
        database.unlink()
        assert get(server, "/healthz").status == 200


def test_t09_readyz_says_when_the_keys_are_locked(tmp_path: Path) -> None:
    """The store opens, so it is healthy; nothing can be used, so it is not ready, and says why."""
    with AppServer(tmp_path) as server:
        assert get(server, "/readyz").words == "ok"
    with AppServer(
        tmp_path, MOHET_MASTER_KEY="0123456789abcdef" * 4, MOHET_CONFIG_DIR=str(tmp_path)
    ) as server:
        assert get(server, "/healthz").status == 200
        answer = get(server, "/readyz")
    assert answer.status == 503
    assert "master key" in answer.words


def test_a_running_app_says_so_and_takes_its_leave(tmp_path: Path) -> None:
    """Whoever retires a master key sees that it runs and which key it has, until it ends."""
    with AppServer(tmp_path) as server:
        get(server, "/healthz")
        parts = server.parts()
        now = datetime.now(UTC)
        until = time.monotonic() + 10
        while not parts.repository.leases.running(now) and time.monotonic() < until:
            time.sleep(0.05)
        (running,) = parts.repository.leases.running(now)
        assert running.masters == parts.safe.master_ids
    assert parts.repository.leases.running(datetime.now(UTC)) == []
    parts.close()


def test_the_tabs_picture_is_our_mark(app: AppServer) -> None:
    """Where Streamlit's page looks for the picture of its tab there is ours, and as what it is."""
    assert 'href="./favicon.png"' in get(app, "/").words
    answer = get(app, "/favicon.png")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.words == marks.icon()


@pytest.mark.parametrize("path", ["/", "/api_keys", "/healthz", "/_stcore/health", "/nowhere"])
def test_every_answer_has_the_security_headers(app: AppServer, path: str) -> None:
    """No path of the server is without them."""
    answer = get(app, path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_remote_pictures_and_framing_are_forbidden() -> None:
    """The policy names the two things that would give a visitor away."""
    rules = dict(rule.split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split("; "))
    assert rules["img-src"] == "'self' data: blob:"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["object-src"] == "'none'"


def test_it_listens_on_this_machine_alone(app: AppServer) -> None:
    """By default nobody else on the network reaches it."""
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{app.pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{app.port:04X}")
    ]
    assert listening == [f"0100007F:{app.port:04X}"]


def test_no_second_way_in(app: AppServer) -> None:
    """The page is the only way to drive the app; Streamlit's other one is off."""
    answer = get(app, "/_stcore/agent/interact", body=b"{}")
    assert answer.status >= 400
    assert "session_id" not in json.loads(answer.words or "{}")


def test_t10_a_malformed_master_key_stays_refused(tmp_path: Path) -> None:
    """It is refused each time it is asked for, its value is told nowhere, and none is made."""
    wrong = "not-a-master-key-" * 3
    with AppServer(tmp_path, MOHET_MASTER_KEY=wrong) as server:
        for _ in range(3):
            answer = get(server, "/healthz")
            assert answer.status == 503
            assert "MOHET_MASTER_KEY" in answer.words
            assert wrong not in answer.words
        log = server.log.read_text()
    assert wrong not in log
    assert "Traceback" not in log
    assert list(tmp_path.rglob("master.key")) == []
