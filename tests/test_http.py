"""The way out over real sockets: what is sent where, what is read, and what stays in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import itertools
import json
import logging
import ssl
import time
import tomllib
import traceback
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mohet_keys.dialling import make_context
from mohet_keys.errors import TransportError
from mohet_keys.http import METADATA_BYTES, USER_AGENT, Outbound
from mohet_keys.model import OpenedKey
from tests.asking import SECRET, ask, failure, key, off
from tests.certificates import Authority, authority
from tests.leaks import scan
from tests.sink import LONG, RESET, Script, Sink, Step, deaf_port, port_of_nobody, raw, reply
from tests.waiting import BUSY

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ROOT = Path(__file__).parents[1]


# --- a plain request --------------------------------------------------------------------------


def test_an_answer_comes_back_whole() -> None:
    """Status, headers and body of the answer arrive as the server gave them."""
    with Sink(reply(b'{"data": [1]}', "X-Request-Id: abc", status="404 Not Found")) as sink:
        answer = ask(key(sink.url()))
    assert (answer.status, answer.body) == (404, b'{"data": [1]}')
    assert answer.headers["x-request-id"] == "abc"
    assert 0 <= answer.elapsed_ms < 5000


def test_t37_a_request_says_no_more_than_it_must() -> None:
    """The key goes in one header, and the others are few and known."""
    with Sink() as sink:
        ask(key(sink.url()), url=f"{sink.url()}/models?limit=2")
        assert sink.heads[0].startswith(b"GET /v1/models?limit=2 HTTP/1.1\r\n")
        assert sink.headers() == {
            "host": f"127.0.0.1:{sink.port}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": USER_AGENT,
            "connection": "close",
            "authorization": f"Bearer {SECRET}",
        }


def test_a_body_is_sent_as_json() -> None:
    """What is given as `json` arrives as that."""
    with Sink() as sink:
        ask(key(sink.url()), method="POST", json={"model": "m", "text": "ä"})
        assert sink.headers()["content-type"] == "application/json"
        assert json.loads(sink.bodies[0]) == {"model": "m", "text": "ä"}


@pytest.mark.parametrize(("secret", "authorize"), [(None, True), ("", True), (SECRET, False)])
def test_t37_no_secret_no_header(secret: str | None, authorize: bool) -> None:
    """Without a secret, or when told not to, nothing is sent that could be one."""
    with Sink() as sink:
        ask(key(sink.url(), secret), authorize=authorize)
        assert "authorization" not in sink.headers()
        assert not sink.saw(SECRET)


def test_the_version_told_is_that_of_the_project() -> None:
    """The user agent names the version that pyproject.toml has."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"mohet-keys/{told}" == USER_AGENT


def test_fifty_may_ask_at_once() -> None:
    """Requests wait for nothing of each other's."""
    with Sink(lambda: [0.3, *reply()()]) as sink:

        async def story() -> float:
            outbound, opened, started = Outbound(), key(sink.url()), time.monotonic()
            asked = (outbound.ask(opened, "GET", f"{sink.url()}/{n}") for n in range(50))
            answers = await asyncio.gather(*asked)
            assert {answer.status for answer in answers} == {200}
            return time.monotonic() - started

        assert asyncio.run(story()) < 1.5


# --- redirects --------------------------------------------------------------------------------

REDIRECTS = ("301", "302", "303", "307", "308", "300")


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://elsewhere.example/v1?key=abc#x", "elsewhere.example"),
        ("//elsewhere.example:99/", "elsewhere.example"),
        ("http://user:word@elsewhere.example/", "elsewhere.example"),
        ("/other", "127.0.0.1"),
        ("file:///etc/passwd", "127.0.0.1"),
        ("https://[", ""),
        (f"https://{SECRET}.example/", ""),
        (f"https://elsewhere.example/?key={SECRET}", "elsewhere.example"),
    ],
)
def test_t19_a_redirect_is_an_error_that_names_the_host(
    status: str, location: str, told: str
) -> None:
    """Whatever the kind of redirect, it is not followed, and no more than a host is said of it."""
    with Sink(reply(b"", f"Location: {location}", status=f"{status} Moved")) as sink:
        error = failure(key(sink.url()))
        assert (error.kind, error.detail) == ("redirect", told)
        assert sink.accepts == 1


FORMS = ["http://127.0.0.2:{}/v1", "//127.0.0.2:{}/v1", "http://localhost:{}/", "\\\\127.0.0.2:{}"]
"""Where a redirect may point: another host, by three spellings of an address, and a name."""


@pytest.fixture(scope="module")
def signer() -> Authority:
    """An authority of the test's own."""
    return authority()


def led_astray(
    status: str, form: str, outbound: Outbound, method: str, tls: ssl.SSLContext | None = None
) -> tuple[int, bool]:
    """Calls at another server that a redirect points to, and whether the canary reached it."""
    host = "127.0.0.1" if "localhost" in form else "127.0.0.2"
    with Sink(host=host) as other:
        location = f"Location: {form.format(other.port)}"
        with Sink(reply(b"", location, status=f"{status} Moved"), tls=tls) as sink:
            body = {"prompt": SECRET} if method == "POST" else None
            with contextlib.suppress(TransportError):
                ask(key(sink.url()), outbound, method=method, json=body)
            assert sink.accepts == 1
        return other.accepts, other.saw(SECRET)


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_t19_nothing_is_sent_to_where_a_redirect_points(
    status: str, form: str, method: str
) -> None:
    """To another host or port, whatever the code and the spelling: it hears nothing at all."""
    assert led_astray(status, form, Outbound(), method) == (0, False)


@pytest.mark.parametrize("status", REDIRECTS)
def test_t19_a_redirect_out_of_tls_is_not_followed(signer: Authority, status: str) -> None:
    """From https to http: the server in clear hears nothing."""
    context = make_context()
    context.load_verify_locations(cadata=signer.pem)
    outbound, tls = Outbound(tls=context), signer.server("127.0.0.1")
    assert led_astray(status, FORMS[0], outbound, "POST", tls) == (0, False)


@pytest.mark.parametrize("status", REDIRECTS[:5])
def test_t19_the_other_server_would_be_called_without_the_guard(status: str) -> None:
    """The twin: httpx left to itself calls it, and with 307 and 308 it sends the body on."""
    lax = off(redirects=False, origin=False)
    assert led_astray(status, FORMS[0], lax, "POST") == (1, status in {"307", "308"})


def test_t19_a_redirect_followed_by_mistake_meets_the_rule_on_origins() -> None:
    """The second line: with redirects followed, another origin is still refused."""
    with Sink() as other, Sink(reply(b"", f"Location: {other.url()}", status="307 M")) as sink:
        assert failure(key(sink.url()), off(redirects=False)).kind == "blocked"
        assert other.accepts == 0


# --- the environment --------------------------------------------------------------------------


def through(proxy: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set every variable that could send requests through a proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url(path=""))
        monkeypatch.setenv(name.lower(), proxy.url(path=""))
    monkeypatch.setenv("NO_PROXY", "")


def test_t23_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes straight to its server."""
    with Sink() as proxy, Sink() as sink:
        through(proxy, monkeypatch)
        ask(key(sink.url()))
        assert (proxy.accepts, sink.accepts) == (0, 1)


def test_t23_a_proxy_would_see_the_key_without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: httpx left to itself hands the key to the proxy."""
    with Sink() as proxy, Sink() as sink:
        through(proxy, monkeypatch)
        ask(key(sink.url()), off(proxies=False))
        assert proxy.saw(SECRET)
        assert sink.accepts == 0


def test_t23_no_netrc_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password for the host in the user's .netrc is not sent."""
    file = tmp_path / ".netrc"
    file.write_text("machine 127.0.0.1 login me password hunter2\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(file))
    with Sink() as sink:
        ask(key(sink.url(), None))
        assert "authorization" not in sink.headers()


# --- the origin -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "http://127.0.0.1:{other}/v1/models",
        "http://127.0.0.2:{own}/v1/models",
        "http://localhost:{own}/v1/models",
        "https://127.0.0.1:{own}/v1/models",
        "http://127.0.0.1/v1/models",
        "http://me:word@127.0.0.1:{own}/v1/models",
        "http://me@127.0.0.1:{own}/v1/models",
        "http://127.0.0.1:{own}@127.0.0.1:{other}/v1/models",
        "http://127.0.0.1:{other}\\@127.0.0.1:{own}/v1/models",
        "http://127.0.0.1:{own}.:{other}/",
        "http://127.0.0.1.:{own}/v1/models",
        "http://127.1:{own}/v1/models",
        "http://2130706433:{own}/v1/models",
        "http://127.0.0.1%00.example:{own}/",
        "http://127.0.0.1:99999/v1",
        "http:///v1/models",
        "//127.0.0.1:{own}/v1/models",
        "/v1/models",
        "file:///etc/passwd",
        "http://127.0.0.1:{own}/v1\r\nX: 1",
        "",
    ],
)
def test_t22_no_other_origin_is_asked(form: str) -> None:
    """A URL that is not plainly on the origin of the key goes nowhere."""
    with Sink() as other, Sink() as sink:
        url = form.format(own=sink.port, other=other.port) or " "
        error = failure(key(sink.url()), url=url)
        assert (error.kind, sink.accepts, other.accepts) == ("blocked", 0, 0)


def test_t22_another_origin_would_get_the_key_without_the_guard() -> None:
    """The twin: with the guard off the key arrives at the other server."""
    with Sink() as other, Sink() as sink:
        ask(key(sink.url()), off(origin=False), url=other.url())
        assert other.saw(SECRET)


def test_an_origin_may_be_written_differently() -> None:
    """Capital letters and the path make no other origin."""
    with Sink() as sink:
        assert ask(key(sink.url()), url=f"HTTP://127.0.0.1:{sink.port}/api/tags").status == 200


@pytest.mark.parametrize("destination", ["", "not an address", "ftp://127.0.0.1", "http://a@b/"])
def test_t22_a_key_without_a_readable_address_is_sent_nowhere(destination: str) -> None:
    """What was altered in the store is refused like any other origin."""
    with Sink() as sink:
        assert failure(key(destination), url=sink.url()).kind == "blocked"
        assert sink.accepts == 0


# --- plain http -------------------------------------------------------------------------------


async def _at_home(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def test_t25_a_key_does_not_cross_a_public_network_in_clear() -> None:
    """Plain http to a public name is refused before its name is looked up."""
    with Sink() as sink:
        error = failure(key(sink.url("api.example.com")), Outbound(resolver=_at_home))
        assert (error.kind, sink.accepts) == ("blocked", 0)


def test_t25_the_key_would_cross_in_clear_without_the_guard() -> None:
    """The twin: with the guard off the key arrives, readable by all on the way."""
    with Sink() as sink:
        ask(key(sink.url("api.example.com")), off(plain_http=False, resolver=_at_home))
        assert sink.saw(SECRET)


def test_t25_plain_http_is_there_for_who_asked_for_it() -> None:
    """The user's explicit yes lets it out."""
    with Sink() as sink:
        opened = key(sink.url("api.example.com"), allow_http=True)
        assert ask(opened, Outbound(resolver=_at_home)).status == 200


# --- encoding and caps ------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "503 Busy"])
@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "br", "zstd", "deflate", "IDENTITY, x"])
def test_t26_a_compressed_answer_is_not_read(status: str, coding: str) -> None:
    """Any encoding but identity ends the request at the head, whatever the status."""
    with Sink(lambda: [*reply(b"", f"Content-Encoding: {coding}", status=status)()]) as sink:
        assert failure(key(sink.url())).kind == "encoding"


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_identity_is_no_encoding(coding: str) -> None:
    """A server may say that it did not compress."""
    with Sink(reply(b"{}", f"Content-Encoding: {coding}")) as sink:
        assert ask(key(sink.url())).body == b"{}"


def test_t26_a_compressed_answer_would_be_unpacked_without_the_guard() -> None:
    """The twin: httpx left to itself unpacks it."""
    with Sink(reply(gzip.compress(SECRET.encode() * 3), "Content-Encoding: gzip")) as sink:
        answer = ask(key(sink.url(), "another-secret"), off(encoding=False))
        assert answer.body == SECRET.encode() * 3


def endless(first: bytes, again: bytes) -> Script:
    """A script that does not end by itself."""

    def steps() -> Iterator[Step]:
        yield first
        while True:
            yield again

    return steps


TOO_MUCH = {
    "a length told": raw(HEAD + b"Content-Length: 2000000\r\n\r\n", LONG),
    "an absurd length": raw(HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", LONG),
    "endless chunks": endless(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    "one endless chunk": endless(CHUNKED + b"FFFFFFFF\r\n", b"x" * 65_536),
    "no length, no end": endless(HEAD + b"\r\n", b"x" * 65_536),
    "an endless header": endless(HEAD + b"X: ", b"x" * 4096),
    "endless headers": endless(HEAD, b"X: y\r\n" * 500),
    "an endless status line": endless(b"HTTP/1.1 200 ", b"O" * 4096),
    "endless interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "chunk extensions": endless(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\ny\r\n"),
    "endless trailers": endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 500),
}


@pytest.mark.parametrize("script", TOO_MUCH.values(), ids=list(TOO_MUCH))
def test_t27_what_has_no_end_is_cut_off(script: Script) -> None:
    """However a server makes its answer too large, it is left as soon as that shows."""
    with Sink(script) as sink:
        started = time.monotonic()
        assert failure(key(sink.url()), deadline=5).kind in {"too_large", "protocol"}
        assert time.monotonic() - started < 5
        assert sink.hung_up.wait(BUSY)


@pytest.mark.parametrize("size", [METADATA_BYTES, METADATA_BYTES + 1])
@pytest.mark.parametrize("told", [True, False])
def test_t27_the_cap_is_exact(size: int, told: bool) -> None:
    """An answer of just the cap is read whole, and one byte more is too much."""
    body = b"x" * size
    with Sink(reply(body) if told else raw(HEAD + b"\r\n" + body)) as sink:
        if size == METADATA_BYTES:
            assert ask(key(sink.url())).body == body
        else:
            assert failure(key(sink.url())).kind == "too_large"


def test_a_small_chunked_answer_may_be_wasteful() -> None:
    """A body in one-byte chunks up to the cap is still an answer."""
    with Sink(raw(CHUNKED + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n")) as sink:
        assert ask(key(sink.url()), max_bytes=40_000).body == b"x" * 40_000


def test_t27_a_large_answer_would_be_read_without_the_guard() -> None:
    """The twin: with the caps off three times the cap arrives."""
    with Sink(reply(b"x" * 3 * METADATA_BYTES)) as sink:
        assert len(ask(key(sink.url()), off(caps=False)).body) == 3 * METADATA_BYTES


# --- the deadline -----------------------------------------------------------------------------


def drip(first: bytes, drop: bytes) -> Script:
    """Every byte in time, the whole never."""
    return lambda: itertools.chain([first], itertools.cycle([drop, 0.05]))


SLOW = {
    "silence": raw(LONG),
    "silence after the head": raw(HEAD + b"Content-Length: 9\r\n\r\n", LONG),
    "a dripping body": drip(CHUNKED, b"1\r\nx\r\n"),
    "a dripping head": drip(HEAD + b"X: ", b"x"),
    "dripping headers": drip(HEAD, b"X: y\r\n"),
    "interim answers": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a flood, with caps": raw(CHUNKED, *[b"1\r\nx\r\n", 0.01] * 1000),
}


@pytest.mark.parametrize("script", SLOW.values(), ids=list(SLOW))
def test_t28_the_deadline_holds_whatever_drips(script: Script) -> None:
    """The time is over when it is over, and the connection is closed."""
    with Sink(script) as sink:
        started = time.monotonic()
        error = failure(key(sink.url()), deadline=0.5)
        assert (error.kind, error.detail) == ("deadline", "127.0.0.1")
        assert 0.45 < time.monotonic() - started < 0.5 + BUSY
        assert sink.hung_up.wait(BUSY)


def test_t28_t57_the_deadline_holds_where_nobody_takes_the_call() -> None:
    """An address that neither takes a call nor refuses it costs the deadline."""
    with deaf_port() as port:
        started = time.monotonic()
        assert failure(key(f"http://127.0.0.1:{port}"), deadline=0.5).kind == "deadline"
        assert time.monotonic() - started < 0.5 + BUSY


def test_t28_t57_the_deadline_holds_for_a_slow_resolver() -> None:
    """The look-up of the name counts too."""

    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(LONG)
        return []

    started = time.monotonic()
    error = failure(key("https://slow.example/v1"), Outbound(resolver=never), deadline=0.5)
    assert (error.kind, error.detail) == ("deadline", "slow.example")
    assert time.monotonic() - started < 0.5 + BUSY


def test_t28_a_drip_would_go_on_without_the_guard() -> None:
    """The twin: with the guard off a drip lasts as long as the server likes."""
    with Sink(raw(HEAD + b"Content-Length: 24\r\n\r\n", *[b"x", 0.05] * 24)) as sink:
        started = time.monotonic()
        answer = ask(key(sink.url()), off(deadline=False), deadline=0.3)
        assert answer.body == b"x" * 24
        assert time.monotonic() - started > 1.0


def test_t33_giving_up_hangs_up() -> None:
    """A request that is cancelled closes its connection."""
    with Sink(raw(LONG)) as sink:

        async def story() -> None:
            task = asyncio.create_task(Outbound().ask(key(sink.url()), "GET", sink.url()))
            assert await asyncio.to_thread(sink.asked.wait, 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(sink.hung_up.wait, 1)

        asyncio.run(story())


# --- cookies ----------------------------------------------------------------------------------


def asked_twice(outbound: Outbound) -> tuple[dict[str, str], dict[str, str]]:
    """What the second request said, and what the first answer told, when cookies are handed out."""
    with Sink(reply(b"{}", "Set-Cookie: session=biscuit; Path=/")) as sink:
        first = ask(key(sink.url()), outbound)
        ask(key(sink.url(), "sk-of-somebody-else"), outbound)
        return sink.headers(), dict(first.headers)


def test_t32_no_cookie_is_kept_or_told() -> None:
    """A cookie given to one key comes back with no other, and is in no answer."""
    sent, told = asked_twice(Outbound())
    assert "cookie" not in sent
    assert "set-cookie" not in told


def test_t32_a_cookie_would_come_back_without_the_guard() -> None:
    """The twin: with the guard off the second key brings the cookie of the first."""
    assert asked_twice(off(cookies=False))[0]["cookie"] == "session=biscuit"


# --- the secret -------------------------------------------------------------------------------

DIRT = ["\n", "\r\nX: 1", "\0", " ", "\t", "\x7f", "\u200b", "\ufeff", "\u00a0", "–", "é", "\u202e"]


@pytest.mark.parametrize("dirt", DIRT)
@pytest.mark.parametrize("place", ["before", "inside", "behind"])
def test_t34_a_secret_that_no_header_can_carry_goes_nowhere(dirt: str, place: str) -> None:
    """What is not visible ASCII is refused before there is a header, and not repeated."""
    whole = {"before": f"{dirt}{SECRET}", "behind": f"{SECRET}{dirt}"}
    with Sink() as sink:
        opened = key(sink.url(), whole.get(place, f"{SECRET[:20]}{dirt}{SECRET[20:]}"))
        error = failure(opened)
        assert (error.kind, sink.accepts) == ("blocked", 0)
        assert traces_of(error) == []


def test_t34_a_dirty_secret_would_be_sent_without_the_guard() -> None:
    """The twin: httpx itself sends a space and a DEL as they are."""
    with Sink() as sink:
        ask(key(sink.url(), f" {SECRET}\x7f"), off(secret=False))
        assert sink.saw(SECRET)


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
def test_t30_a_secret_that_a_server_repeats_is_taken_out(status: str) -> None:
    """Body and headers of an answer come back without the secret the server was told."""
    body = json.dumps({"error": f"Bearer {SECRET} is wrong", "sent": SECRET[::-1]}).encode()
    with Sink(reply(body, f"X-Echo: {SECRET}", f"X-{SECRET}: 1", status=status)) as sink:
        answer = ask(key(sink.url()))
    assert scan(SECRET, {"answer": repr(answer).encode()}) == []
    assert json.loads(answer.body)["error"] == "Bearer [key removed] is wrong"
    assert answer.headers["x-echo"] == "[key removed]"


def test_t30_the_secret_would_come_back_without_the_guard() -> None:
    """The twin: with the guard off the answer holds it."""
    with Sink(reply(SECRET.encode())) as sink:
        assert ask(key(sink.url()), off(scrub=False)).body == SECRET.encode()


# --- errors and logs --------------------------------------------------------------------------


def chain(error: BaseException | None) -> Iterable[BaseException]:
    """An exception and all that it hangs on to."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def traces_of(error: BaseException) -> list[str]:
    """Where the secret is found in an error: its words, its chain, the frames of the package."""
    evidence = {}
    for number, link in enumerate(chain(error)):
        evidence[f"{number} words"] = repr((link, link.args, vars(link))).encode()
        told = traceback.TracebackException.from_exception(link)
        evidence[f"{number} told"] = "".join(told.format()).encode()
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if frame.f_globals["__name__"].startswith("mohet_keys"):
                evidence[f"{number} {frame.f_code.co_name}"] = shown(frame.f_locals)
    return scan(SECRET, evidence)


def shown(values: dict[str, object]) -> bytes:
    """Local variables as text, the secrets of opened keys included."""
    keys = [value.secret for value in values.values() if isinstance(value, OpenedKey)]
    return repr((values, keys)).encode()


ENDS = {
    "reset": [raw(RESET), raw(HEAD, RESET), raw(b""), raw(HEAD + b"Content-Length: 9\r\n\r\nabc")],
    "protocol": [
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        raw(b"\x15\x03\x03\x00\x02\x02\x46"),
        raw(b"HTTP/1.1 2000 OK\r\n\r\n"),
        raw(HEAD + b"Content-Length: x\r\n\r\n"),
        raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        raw(HEAD + b"Transfer-Encoding: gzip\r\n\r\n"),
        raw(CHUNKED + b"zz\r\n"),
        raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc"),
        raw(HEAD + b"\0: x\r\n\r\n"),
        raw(SECRET.encode() + b"\r\n\r\n"),
    ],
    "redirect": [reply(b"", f"Location: http://{SECRET}/", status="302 Found")],
    "encoding": [reply(SECRET.encode(), f"Content-Encoding: {SECRET}")],
    "too_large": [reply(SECRET.encode() * 30_000)],
    "deadline": [raw(HEAD + SECRET.encode(), LONG)],
}
ENDINGS = [(kind, script) for kind, scripts in ENDS.items() for script in scripts]


@pytest.mark.parametrize(("kind", "script"), ENDINGS)
def test_t35_t57_an_error_tells_its_kind_and_nothing_of_the_secret(
    kind: str, script: Script
) -> None:
    """However a server ends the talk, the error says which way, and drags no secret along."""
    with Sink(script) as sink:
        opened = key(sink.url())
        error = failure(opened, deadline=0.5, url=f"{sink.url()}/models?q=hidden-query")
    assert error.kind == kind
    assert traces_of(error) == []
    assert (error.__cause__, error.__context__) == (None, None)
    assert "hidden-query" not in repr(error)


def test_t35_who_looks_at_errors_like_this_finds_a_secret() -> None:
    """The twin of the above: the same look at an error with the secret behind it finds it."""
    error = TransportError("reset")
    error.__context__ = ValueError(SECRET)
    assert traces_of(error) != []


def test_t57_nobody_there_is_told_apart() -> None:
    """A closed port is `refused`, an unknown name is `dns`."""

    async def nowhere(_host: str, _port: int) -> list[str]:
        return []

    closed = failure(key(f"http://127.0.0.1:{port_of_nobody()}"))
    assert (closed.kind, closed.detail) == ("refused", "127.0.0.1")
    unknown = failure(key("https://nowhere.example"), Outbound(resolver=nowhere))
    assert (unknown.kind, unknown.detail) == ("dns", "nowhere.example")
    assert traces_of(closed) == traces_of(unknown) == []


def test_t57_a_name_that_ends_in_invalid_is_never_found() -> None:
    """The system's own resolver is asked, and its no is a `dns` error."""
    assert failure(key("https://mohet-keys.invalid/v1"), deadline=8).kind == "dns"


@pytest.mark.parametrize("script", [reply(SECRET.encode(), f"X: {SECRET}"), raw(RESET), raw(b"")])
def test_t37_no_log_line_has_the_secret(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    """With everything logged, what is sent and what is echoed stay out of the log."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpcore").setLevel(logging.DEBUG)
    try:
        with Sink(script) as sink:
            opened, url = key(sink.url()), f"{sink.url()}/models?q=hidden-query"
            try:
                ask(opened, url=url)
            except TransportError:
                caplog.clear()  # what came before is looked at in the other cases
    finally:
        logging.getLogger("httpcore").setLevel(logging.WARNING)
    assert scan(SECRET, {"log": caplog.text.encode()}) == []
    assert "hidden-query" not in caplog.text


def test_no_socket_is_left_open() -> None:
    """Whatever way a request ends, nothing is left for the garbage collector to close."""
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _, script in ENDINGS:
            with Sink(script) as sink:
                failure(key(sink.url()), deadline=0.3)
        gc.collect()
    assert [str(warning.message) for warning in seen] == []
