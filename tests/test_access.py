"""An id for each request, in the answer, the log and the record; and a log of JSON alone."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from mohet_keys import logs, wiring
from mohet_keys.journal import Wanted
from mohet_keys.ui.access import Requests
from tests.browser.app_server import AppServer
from tests.leaks import canary, scan
from tests.tab import Tab
from tests.test_listening import start

EMAIL = "X-Forwarded-Email"
OURS = r"[0-9a-f]{12}"
PROXYS = "7f3c-proxy_0001"
JSON_ONLY = {"MOHET_LOG": "json", "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server behind a proxy that signs people in, which says all that it has to say in JSON."""
    team = {
        "MOHET_IDENTITY_HEADER": EMAIL,
        "MOHET_ALLOWED_DOMAINS": "example.com",
        "MOHET_ADMINISTRATORS": "ada@example.com",
    }
    folder = tmp_path_factory.mktemp("app")
    with AppServer(folder, **team, **JSON_ONLY, STREAMLIT_LOGGER_LEVEL="debug") as server:
        yield server


def lines(app: AppServer) -> list[dict[str, Any]]:
    """Every line of the log since the app was read; each is a JSON object or this fails."""
    written = app.log.read_text().splitlines()
    first = next(n for n, line in enumerate(written) if line.startswith("{"))
    return [json.loads(line) for line in written[first:]]


def heard(app: AppServer, **wanted: object) -> list[dict[str, Any]]:
    """The lines about requests that have these members."""
    told = [line for line in lines(app) if line["logger"] == "mohet_keys.access"]
    return [line for line in told if wanted.items() <= line.items()]


def soon(app: AppServer, count: int, **wanted: object) -> list[dict[str, Any]]:
    """The same once there are so many: an answer is told of when it is out."""
    until = time.monotonic() + 20
    while len(found := heard(app, **wanted)) < count and time.monotonic() < until:
        time.sleep(0.02)
    assert len(found) == count
    return found


def get(app: AppServer, path: str, *ids: str) -> tuple[int, str | None]:
    """Ask for a path under these ids; the status, and the id of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=20)
    with closing(connection):
        connection.putrequest("GET", path)
        for each in ids:
            connection.putheader("X-Request-ID", each)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["X-Request-ID"]


def test_a_request_has_one_line(app: AppServer) -> None:
    """With what was asked, how it ended, how long it took and its id, which the answer has too."""
    status, request = get(app, "/overview?provider=groq")
    (line,) = soon(app, 1, path="/overview")
    assert (status, line["request"], line["method"], line["status"]) == (200, request, "GET", 200)
    assert line["message"] == "GET /overview 200"
    assert 0 <= line["milliseconds"] < 20_000
    assert re.fullmatch(OURS, request or "")
    assert "provider=groq" not in app.log.read_text()


def test_what_is_asked_for_all_the_time_has_none(app: AppServer) -> None:
    """Health checks and the files of Streamlit's own page. Their answers have ids all the same."""
    paths = ("/healthz", "/readyz", "/_stcore/health", "/favicon.png", "/static/none.js")
    assert all(get(app, path)[1] for path in paths)
    get(app, "/the-last-one")
    soon(app, 1, path="/the-last-one")
    assert not {line["path"] for line in heard(app)} & set(paths)


def test_no_path_lets_anybody_in(app: AppServer) -> None:
    """The ticket of a download is not in the log, nor a key that came into an address."""
    secret = canary("sk-proj-")
    for path in (f"/download/{secret}", "/download/abc", f"/{secret}", f"/setup?key={secret}"):
        get(app, path)
    soon(app, 2, path="/download/[cut]", status=404)
    soon(app, 1, path="/sk-p[cut]")
    soon(app, 1, path="/setup")
    assert scan(secret, {"log": app.log.read_bytes()}) == []


def test_no_path_forges_a_line(app: AppServer) -> None:
    """What an address says stays in the line it is in."""
    get(app, "/x%0A%7B%22level%22%3A%20%22ERROR%22%7D%0D%1B%5B2J")
    soon(app, 1, path='/x\n{"level": "ERROR"}\r\x1b[2J')
    assert not any(each["level"] == "ERROR" for each in lines(app))


def test_the_proxys_id_is_taken(app: AppServer) -> None:
    """As it is, when it is one; else the request gets an id of ours."""
    assert get(app, "/api_keys", PROXYS)[1] == PROXYS
    soon(app, 1, request=PROXYS)
    for malformed in (("no id!",), ("short",), ("x" * 65,), (PROXYS, "another-0002")):
        assert re.fullmatch(OURS, get(app, "/api_keys", *malformed)[1] or "")


def test_t49_log_and_record_have_one_id(app: AppServer) -> None:
    """What somebody does in a tab is on record under the id of the run, which the log has too,
    and which begins with the id of the tab's own request."""
    known = [(EMAIL, "ada@example.com"), ("X-Request-ID", "tab-of-ada")]
    with Tab(app.url, headers=known) as tab:
        for _ in range(2):
            tab.run()
    with closing(wiring.build(app.settings)) as parts:
        (entry,) = parts.repository.journal.page(Wanted(), limit=10)
    assert (entry.action, entry.actor) == ("role", "ada@example.com")
    assert re.fullmatch(r"tab-of-ada\.[0-9a-f]{6}", entry.request_id)
    opened, closed = soon(app, 2, request="tab-of-ada")
    assert (opened["message"], closed["message"]) == ("session opened", "session closed")
    assert opened["path"] == closed["path"] == "/_stcore/stream"
    assert (closed["status"], closed["milliseconds"] > 0) == (1000, True)
    runs = {line.get("request", "") for line in lines(app)}
    assert entry.request_id in runs
    assert len({each for each in runs if each.startswith("tab-of-ada.")}) >= 2


def test_a_session_that_is_refused_has_a_line(app: AppServer) -> None:
    """One that another page would open."""
    with pytest.raises(Exception, match="403"), Tab(app.url, origin="https://evil.example"):
        pass
    soon(app, 1, message="session refused", status=403)


def test_a_start_that_is_refused_has_a_line(tmp_path: Path) -> None:
    """The reason, in JSON, and nothing else."""
    flags = ("--server.address", "0.0.0.0")  # noqa: S104  # what must be refused
    status, out, told = start(tmp_path, *flags, **JSON_ONLY)
    assert (status, out) == (1, "")
    (line,) = map(json.loads, told.splitlines())
    assert line["level"] == "CRITICAL"
    assert line["message"].startswith("Mohet Keys does not start. Nobody has to sign in")


# --- who may say what its id is -------------------------------------------------------------------


async def _inner(scope: Scope, receive: Receive, send: Send) -> None:
    ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
    assert ids == [logs.request_id().encode()]
    await PlainTextResponse("inside")(scope, receive, send)


def answered(given: str, *, behind_proxy: bool, server: tuple[str, int | None] | None) -> str:
    """The id of the answer to a request that came with one."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"x-request-id", given.encode())]
    scope = {"type": "http", "server": server, "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Requests(_inner, behind_proxy=behind_proxy)(scope, receive, send))
    assert logs.request_id() == ""
    return dict(sent[0]["headers"])[b"x-request-id"].decode()


@pytest.mark.parametrize("server", [("127.0.0.1", 80), ("/run/mohet.sock", None)])
def test_only_a_proxy_says_what_an_id_is(server: tuple[str, int | None]) -> None:
    """Where nobody signs in there is none, and whoever reaches the port from elsewhere is none."""
    assert answered(PROXYS, behind_proxy=True, server=server) == PROXYS
    assert re.fullmatch(OURS, answered(PROXYS, behind_proxy=False, server=server))
    for elsewhere in (("192.168.1.5", 80), None):
        assert re.fullmatch(OURS, answered(PROXYS, behind_proxy=True, server=elsewhere))


def test_an_answer_that_breaks_off_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """As one that failed."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    async def nothing(*_: object) -> Message:
        return {}

    caplog.set_level("INFO", logger="mohet_keys.access")
    scope = {"type": "http", "server": None, "method": "GET", "path": "/x", "headers": []}
    with pytest.raises(RuntimeError):
        asyncio.run(Requests(broken, behind_proxy=False)(scope, nothing, nothing))
    assert [record.getMessage() for record in caplog.records] == ["GET /x 500"]
