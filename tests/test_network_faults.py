"""Networks and servers in trouble: no key is condemned for it, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager

import pytest
from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.chat import ChatService
from mohet_keys.http import Limits, Outbound
from mohet_keys.lookup import Lookup
from mohet_keys.model import LOCAL_OWNER, CheckResult, Delta, Ended, Message, NewKey, Verdict
from mohet_keys.probes import MOST_REQUESTS
from mohet_keys.providers import PROVIDERS
from mohet_keys.settings import Settings
from mohet_keys.validation import ValidationService
from mohet_keys.waiting import LONGEST
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.sink import LONG, RESET, Script, Sink, deaf_port, port_of_nobody, raw, reply
from tests.waiting import BUSY

ME = LOCAL_OWNER
SECONDS = 0.4
FLAPPING = "flapping"
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\n\r\n"
WORD = b'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\n'
HELD = (
    "Retry-After: 99999999999999",
    "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
    "Retry-After: -5",
)


TROUBLE: dict[str, Script] = {
    "a reset at once": raw(RESET),
    "a goodbye at once": raw(),
    "a reset in the status line": raw(b"HTTP/1.1 20", RESET),
    "a reset in a header": raw(OK + b"Content-Ty", RESET),
    "a reset in the body": raw(OK + b"Content-Length: 99\r\n\r\n{", RESET),
    "an end in the body": raw(OK + b"Content-Length: 99\r\n\r\n{"),
    "silence": raw(LONG),
    "silence in the body": raw(OK + b"Content-Length: 99\r\n\r\n{", LONG),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a proxy's page": reply(b"<html>Sign in</html>", status="407 Proxy Authentication Required"),
    **{f"{code}": reply(b"", status=f"{code} Oh") for code in (500, 502, 503, 504, 520, 529, 599)},
    **{
        f"429, {held[:20]}": reply(b"{}", f"Retry-After: {held}", status="429 Too Many")
        for held in HELD
    },
}


def script_of(trouble: str) -> Script:
    """What a server in this trouble does; one that flaps fails every other time."""
    if trouble != FLAPPING:
        return TROUBLE[trouble]
    answers = itertools.cycle([reply(b"oh", status="502 Bad Gateway"), reply(b'{"data": []}')])
    return lambda: next(answers)()


def failing(code: int) -> Lookup:
    """A resolver that fails like the system's."""

    def ask(*_given: object, **_how: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(code, "no")

    return Lookup(ask)  # type: ignore[arg-type]


def hanging(over: threading.Event) -> Lookup:
    """A resolver that takes as long as it likes."""

    def ask(*_given: object, **_how: object) -> list[tuple[object, ...]]:
        over.wait(LONG)
        return []

    return Lookup(ask)  # type: ignore[arg-type]


@contextmanager
def out_of_reach(how: str) -> Iterator[tuple[str, Outbound]]:
    """An address that nobody answers at, and the way out that finds this out."""
    with ExitStack() as stack:
        over = threading.Event()
        stack.callback(over.set)
        if how == "nobody listens":
            yield f"http://127.0.0.1:{port_of_nobody()}/v1", Outbound()
        elif how == "a black hole":
            yield f"http://127.0.0.1:{stack.enter_context(deaf_port())}/v1", Outbound()
        elif how == "a resolver that hangs":
            yield "https://slow.example/v1", Outbound(resolver=hanging(over))
        else:
            code = {"no such name": socket.EAI_NONAME, "no answer": socket.EAI_AGAIN}.get(how)
            resolver = failing(socket.EAI_FAIL if code is None else code)
            yield "https://nowhere.example/v1", Outbound(resolver=resolver)


GONE = [
    *("nobody listens", "a black hole", "a resolver that hangs", "no such name", "no answer"),
    "a resolver in trouble",
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """One store for all tests of this file: making one takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("faults")
    built = wiring.build(
        Settings(
            data_dir=folder / "data", config_dir=folder / "config",
            database_url=None, master_key=None, master_key_file=None,
        )
    )  # fmt: skip
    yield built
    built.close()


def save(parts: Parts, url: str, provider: str = "openai") -> str:
    """A key at an address; its id."""
    new = NewKey(
        provider=provider,
        name=canary("")[:12],
        secret=SecretStr(canary("")),
        endpoint=url,
        allow_http=True,
    )
    entry = parts.keys.add(new, owner=ME).entry
    assert not entry.looks_like
    return entry.id


def check(parts: Parts, outbound: Outbound, *ids: str) -> list[CheckResult]:
    """Checks of some keys at once, within the deadline of one."""
    began = time.monotonic()
    checks = ValidationService(parts.keys, outbound, deadline=SECONDS)
    results = asyncio.run(checks.check_many(ids, owner=ME, per_host=len(ids)))
    assert time.monotonic() - began < SECONDS + BUSY
    return results


def chat(parts: Parts, key_id: str, outbound: Outbound) -> tuple[str, Ended]:
    """One message: what came of it, and how it ended, within its limits."""
    limits = Limits(first_byte=SECONDS, idle=SECONDS, total=SECONDS)
    chats = ChatService(parts.keys, outbound, limits=limits)

    async def story() -> tuple[str, Ended]:
        text = ""
        stream = chats.stream(key_id, owner=ME, messages=[Message("user", "Hi")], model="m")
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Ended):
                    return text, event
                text += event.text if isinstance(event, Delta) else ""
        raise AssertionError

    began = time.monotonic()
    said = asyncio.run(story())
    assert time.monotonic() - began < SECONDS + BUSY
    return said


def asked(sink: Sink) -> Counter[tuple[bytes, bool]]:
    """How often each request arrived, by its first line and whether it brought the key."""
    lines = (head.partition(b"\r\n")[0] for head in sink.heads)
    with_key = (b"uthorization:" in head for head in sink.heads)
    return Counter(zip(lines, with_key, strict=True))


# --- checks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [*TROUBLE, FLAPPING])
def test_t57_no_trouble_condemns_a_key(parts: Parts, trouble: str) -> None:
    """Whatever breaks at whichever provider, the verdict is never `invalid`, and no request is
    made a second time."""
    with ExitStack() as stack:
        sinks = {row.slug: stack.enter_context(Sink(script_of(trouble))) for row in PROVIDERS}
        ids = [save(parts, sink.url(), slug) for slug, sink in sinks.items()]
        results = check(parts, Outbound(), *ids)
        counts = [asked(sink) for sink in sinks.values()]
    assert len(results) == len(PROVIDERS)
    for result, count in zip(results, counts, strict=True):
        assert result.diagnosis.verdict is not Verdict.INVALID
        assert 0 < sum(count.values()) <= MOST_REQUESTS
        assert set(count.values()) == {1}
        wait = result.diagnosis.retry_after
        assert wait is None or 0 <= wait <= LONGEST


def test_t57_a_clear_refusal_does_condemn_it(parts: Parts) -> None:
    """The twin: the provider's own no is heard over the same wire."""
    said = b'{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}'
    with Sink(reply(said, status="401 Unauthorized")) as sink:
        (result,) = check(parts, Outbound(), save(parts, sink.url()))
    assert result.diagnosis.verdict is Verdict.INVALID


@pytest.mark.parametrize("how", GONE)
def test_t57_a_server_out_of_reach_judges_no_key(parts: Parts, how: str) -> None:
    """Refused, swallowed, not found or not looked up in time: the key is unreachable."""
    with out_of_reach(how) as (url, outbound):
        key_id = save(parts, url)
        (result,) = check(parts, outbound, key_id)
        text, ended = chat(parts, key_id, outbound)
    assert result.diagnosis.verdict is Verdict.UNREACHABLE
    assert (text, ended.outcome) == ("", "failed")
    assert ended.diagnosis is not None
    assert ended.diagnosis.verdict is Verdict.UNREACHABLE


def test_t57_many_checks_of_a_name_that_hangs_take_one_thread(parts: Parts) -> None:
    """However many keys wait for one name, the system is asked for it once at a time."""
    with out_of_reach("a resolver that hangs") as (url, outbound):
        results = check(parts, outbound, *(save(parts, url) for _ in range(12)))
        names = [thread.name for thread in threading.enumerate()]
    assert [result.diagnosis.verdict for result in results] == [Verdict.UNREACHABLE] * 12
    assert names.count("mohet-lookup") == 1


# --- chats ------------------------------------------------------------------------------------

BROKEN: dict[str, Script] = {
    "a reset": raw(EVENTS + WORD, 0.05, RESET),
    "an end": raw(EVENTS + WORD + b'data: {"cho'),
    "silence": raw(EVENTS + WORD, LONG),
    "a drip": raw(EVENTS + WORD, *[b": x\n\n", 0.05] * 40),
    "a broken chunk": raw(OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                          + b"\r\n" + f"{len(WORD):x}\r\n".encode() + WORD + b"\r\nzz\r\n"),
    "an error of the server's": raw(EVENTS + WORD + b'data: {"error": {"code": 502}}\n\n'),
}  # fmt: skip


@pytest.mark.parametrize("trouble", BROKEN)
def test_t57_a_reply_that_began_is_not_asked_for_again(parts: Parts, trouble: str) -> None:
    """What broke off after the first word is cut, kept, and no second request is made."""
    with Sink(BROKEN[trouble]) as sink:
        text, ended = chat(parts, save(parts, sink.url()), Outbound())
        assert (text, ended.outcome) == ("Hello", "cut")
        assert ended.diagnosis is None or ended.diagnosis.verdict is not Verdict.INVALID
        assert sink.accepts == 1


@pytest.mark.parametrize("trouble", [*TROUBLE, FLAPPING])
def test_t57_a_message_is_sent_once(parts: Parts, trouble: str) -> None:
    """A message that met trouble before its first word is not sent again by itself."""
    with Sink(script_of(trouble)) as sink:
        key_id = save(parts, sink.url())
        text, ended = chat(parts, key_id, Outbound())
        assert (text, ended.outcome) == ("", "failed")
        assert ended.diagnosis is not None
        assert ended.diagnosis.verdict is not Verdict.INVALID
        assert sink.accepts == 1
    check = parts.keys.entry(key_id, owner=ME).check
    assert check is None or check.diagnosis.verdict is not Verdict.INVALID
