"""Replies over real sockets as they come: whole however they are cut, and held within limits."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mohet_keys.connection import body_of
from mohet_keys.errors import TransportError
from mohet_keys.exchange import events_of
from mohet_keys.guards import EVENT_BYTES, LINE_BYTES, REPLY_BYTES, EventGauge
from mohet_keys.http import Limits, Outbound
from mohet_keys.incoming import BODY_BYTES, Incoming
from mohet_keys.model import OpenedKey, Usage
from mohet_keys.replies import Reader, written
from mohet_keys.simulator.quirks import frames
from mohet_keys.simulator.streams import COMMENT, Chat
from tests.asking import SECRET, key, off
from tests.leaks import scan
from tests.sink import LONG, RESET, Script, Sink, Step, raw, reply
from tests.waiting import BUSY

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
OPEN = HEAD + b"\r\n"
DONE = b"data: [DONE]\n\n"
SHORT = Limits(first_byte=2, idle=2, total=3)


def chunk(part: bytes) -> bytes:
    """A chunk of a chunked body."""
    return f"{len(part):x}\r\n".encode() + part + b"\r\n"


def told(text: str) -> bytes:
    """An event that says this."""
    return f"data: {json.dumps({'t': text})}\n\n".encode()


class Heard:
    """What came of a stream: the data of its events, or its body, and how it ended."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.body = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.error: TransportError | None = None
        self.seconds = 0.0

    @property
    def kind(self) -> str:
        """The kind of error it ended with; empty when with none."""
        return self.error.kind if self.error else ""


async def listen(opened: OpenedKey, outbound: Outbound, heard: Heard, limits: Limits) -> None:
    """Ask, and write down what comes."""
    url = f"{opened.destination}/chat/completions"
    try:
        async with outbound.stream(opened, url, json={"stream": True}, limits=limits) as incoming:
            heard.status, heard.headers = incoming.status, dict(incoming.headers)
            if not incoming.is_events:
                heard.body = await incoming.body()
                return
            async for _, data in incoming.events():
                heard.events.append(data)
    except TransportError as error:
        heard.error = error


def hear(opened: OpenedKey, outbound: Outbound | None = None, limits: Limits = SHORT) -> Heard:
    """The whole of a stream, on an event loop of its own."""
    heard, began = Heard(), time.monotonic()
    asyncio.run(listen(opened, outbound or Outbound(), heard, limits))
    heard.seconds = time.monotonic() - began
    return heard


# --- a plain stream -----------------------------------------------------------------------------


def test_events_come_one_by_one() -> None:
    """Each event is there as soon as it was sent, before the next one is."""
    with Sink(raw(CHUNKED, chunk(told("a")), LONG)) as sink:

        async def story() -> str:
            outbound, opened = Outbound(), key(sink.url())
            async with outbound.stream(opened, f"{sink.url()}/chat", json={}) as incoming:
                async for _, data in incoming.events():
                    return data
            return ""

        assert asyncio.run(asyncio.wait_for(story(), 2)) == '{"t": "a"}'
        assert sink.hung_up.wait(BUSY)


def test_t37_the_request_is_a_post_that_says_what_it_takes() -> None:
    """One POST with the key in a header, JSON in the body, and both kinds of answer accepted."""
    with Sink(raw(CHUNKED, chunk(DONE), b"0\r\n\r\n")) as sink:
        assert hear(key(sink.url())).events == ["[DONE]"]
        assert sink.heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        headers = sink.headers()
        assert headers["accept"] == "text/event-stream, application/json"
        assert headers["accept-encoding"] == "identity"
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert json.loads(sink.bodies[0]) == {"stream": True}
        assert SECRET.encode() not in sink.heads[0].split(b"\r\n", 1)[0] + sink.bodies[0]


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream;x=latin-1"]
)
def test_a_stream_is_known_by_its_type(kind: str) -> None:
    """Capital letters and parameters make no other type, and the text is UTF-8 all the same."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=latin-1\r\n\r\n".encode()
    with Sink(raw(head + "data: Grüße\n\n".encode())) as sink:
        assert hear(key(sink.url())).events == ["Grüße"]


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "500 Oh"])
def test_what_is_no_stream_is_given_whole(status: str) -> None:
    """JSON, a page or nothing at all comes back as bytes, with status and headers."""
    with Sink(reply(b'{"error": 1}', "X-Request-Id: abc", status=status)) as sink:
        heard = hear(key(sink.url()))
    assert (heard.status, heard.body) == (int(status[:3]), b'{"error": 1}')
    assert heard.headers["x-request-id"] == "abc"


def test_the_last_event_needs_no_blank_line() -> None:
    """What a server forgets at the end changes nothing."""
    with Sink(raw(OPEN + told("a") + b"data: [DONE]")) as sink:
        assert hear(key(sink.url())).events == ['{"t": "a"}', "[DONE]"]


def test_a_byte_order_mark_hides_nothing() -> None:
    """The first event counts, whatever stands before it."""
    with Sink(raw(OPEN + b"\xef\xbb\xbf" + told("a") + DONE)) as sink:
        assert hear(key(sink.url())).events == ['{"t": "a"}', "[DONE]"]


# --- however it is cut --------------------------------------------------------------------------

TEXT = "Grüße, 你好! 👩‍🚀"
PROVIDERS = ("openai", "groq", "lmstudio", "ollama", "openrouter", "mistral")
THINKS = {"groq", "lmstudio", "ollama", "openrouter", "mistral"}
Read = tuple[str, str, Usage | None, str, str | None, bool, bytes]


class Parts:
    """An answer whose body comes in these parts."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    async def aiter_stream(self) -> AsyncIterator[bytes]:
        """The parts."""
        for part in self._parts:
            yield part


class Stream(httpx.AsyncByteStream):
    """The body of an answer as the way out gives it to httpx: measured, in parts."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in body_of(Parts(self._parts), REPLY_BYTES):  # type: ignore[arg-type]
            yield part


async def read(parts: Iterable[bytes]) -> Read:
    """What a stream in these parts says, read by the layers that read it in the product."""
    reader, text, thought = Reader(), "", ""
    async for name, data in events_of(httpx.Response(200, stream=Stream(parts))):
        piece = reader.feed(data, name)
        text, thought = text + piece.text, thought + piece.reasoning
    rest = reader.close()
    error = written(reader.error).encode() if reader.error else b""
    whole = reader.is_complete
    return (
        text + rest.text, thought + rest.reasoning, reader.usage, reader.model, reader.finish,
        whole, error,
    )  # fmt: skip


def body(provider: str, behaviour: str | None = None) -> bytes:
    """A short stream of a provider, with characters of every length."""
    chat = Chat(provider, "m/1", TEXT, asks_usage=provider not in {"mistral", "openrouter"})
    start = COMMENT if provider == "openrouter" else b""
    return start + b"".join(frame or b"" for frame in frames(chat, behaviour))


CUT = [
    *((provider, None) for provider in PROVIDERS),
    *((provider, "midfail") for provider in PROVIDERS),
    ("groq", "quirky"),
    ("mistral", "quirky"),
    ("lmstudio", "aloud"),
    ("openai", "hangup"),
]


@pytest.mark.parametrize(("provider", "behaviour"), CUT)
def test_a_stream_may_be_cut_at_every_byte(provider: str, behaviour: str | None) -> None:
    """In a character, in `data:`, between CR and LF: text, thoughts, usage and errors are alike."""
    whole = body(provider, behaviour)

    async def story() -> None:
        expected = await read([whole])
        for cut in range(1, len(whole)):
            assert await read([whole[:cut], whole[cut:]]) == expected, cut
        assert await read([whole[n : n + 1] for n in range(len(whole))]) == expected

    asyncio.run(story())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_compared_is_right(provider: str) -> None:
    """The stream that the cut ones are compared with is read as it was meant."""

    async def story() -> tuple[Read, Read]:
        return await read([body(provider)]), await read([body(provider, "midfail")])

    whole, failed = asyncio.run(story())
    words = len(TEXT.split())
    assert whole[:1] + whole[2:] == (TEXT, Usage(7, words, 7 + words), "m/1", "stop", True, b"")
    assert bool(whole[1]) == (provider in THINKS)
    assert (failed[5], bool(failed[6])) == (False, provider != "ollama")


ENDS = [b"\n", b"\r\n", b"\r"]


@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_line_is_one(end: bytes) -> None:
    """LF, CR LF and CR alone end lines alike, wherever the parts do."""
    whole = b"".join([b"data: a", end, b"data:b", end, b": c", end, b"data: ", end, end]) * 2

    async def story(parts: Iterable[bytes]) -> list[str]:
        stream = events_of(httpx.Response(200, stream=Stream(parts)))
        return [data async for _, data in stream]

    for cut in range(len(whole) + 1):
        assert asyncio.run(story([whole[:cut], whole[cut:]])) == ["a\nb\n"] * 2


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    provider=st.sampled_from(PROVIDERS),
    behaviour=st.sampled_from([None, "quirky", "midfail", "aloud", "tooshort", "nodone"]),
    cuts=st.lists(st.integers(1, 4000), max_size=12),
)
def test_parts_over_a_socket_say_the_same(
    provider: str, behaviour: str | None, cuts: list[int]
) -> None:
    """For all cuts: what a server sends in chunks reads like what it sends at once."""
    whole = body(provider, behaviour)
    places = [0, *sorted(cut for cut in set(cuts) if cut < len(whole)), len(whole)]
    chunks = [chunk(whole[a:b]) for a, b in itertools.pairwise(places)]
    with (
        Sink(raw(CHUNKED, *chunks, b"0\r\n\r\n")) as cut,
        Sink(raw(OPEN + whole)) as plain,
    ):
        assert hear(key(cut.url())).events == hear(key(plain.url())).events


# --- too much -----------------------------------------------------------------------------------


def endless(first: bytes, again: bytes) -> Script:
    """A script that does not end by itself."""
    return lambda: itertools.chain([first], itertools.repeat(again))


EVENT = told("x" * 900)
KEPT = told("a") + told("b")
TOO_MUCH: dict[str, Script] = {
    "events": endless(CHUNKED + chunk(KEPT), chunk(EVENT * 60)),
    "comments": endless(CHUNKED + chunk(KEPT), chunk(b": still here\n\n" * 4000)),
    "a line": endless(OPEN + KEPT, b"x" * 65_536),
    "a line of data": endless(OPEN + KEPT + b"data: ", b"x" * 65_536),
    "a line of carriage returns": endless(OPEN + KEPT + b"data: ", b"x\ry" * 20_000),
    "an event": endless(OPEN + KEPT, b"data: x\n" * 8000),
    "an event with other ends": endless(OPEN + KEPT, b"data: x\r\n" * 8000),
    "a comment": endless(OPEN + KEPT + b": ", b"x" * 65_536),
    "blank lines": endless(OPEN + KEPT, b"\n" * 65_536),
    "one chunk": endless(CHUNKED + chunk(KEPT) + b"FFFFFFFF\r\n", EVENT * 60),
    "chunk extensions": endless(CHUNKED + chunk(KEPT), b"1;" + b"x" * 60_000 + b"\r\n:\r\n"),
}


@pytest.mark.parametrize("script", TOO_MUCH.values(), ids=list(TOO_MUCH))
def test_t27_what_has_no_end_is_cut_off_and_kept(script: Script) -> None:
    """However a reply goes on for ever it is left, and what came before that stays."""
    limits = Limits(total=20, reply_bytes=REPLY_BYTES // 8)
    with Sink(script) as sink:
        heard = hear(key(sink.url()), limits=limits)
        assert heard.kind == "too_large"
        assert heard.events[:2] == ['{"t": "a"}', '{"t": "b"}']
        assert sum(map(len, heard.events)) <= limits.reply_bytes
        assert heard.seconds < 15
        assert sink.hung_up.wait(BUSY)


SIZES = {
    "line": (lambda size: b"data: " + b"x" * (size - 6) + b"\n\n", LINE_BYTES),
    "event": (lambda size: (b"data: xxx\n" * (size // 10 + 1))[:size] + b"\n\n", EVENT_BYTES),
}


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(("made", "most"), SIZES.values(), ids=list(SIZES))
def test_t27_the_caps_are_exact(made: Callable[[int], bytes], most: int, more: int) -> None:
    """A line, or an event, of just the cap is read, and one byte more is too much."""
    whole = made(most + more)
    for parts in ([whole[n : n + 9000] for n in range(0, len(whole), 9000)],):
        gauge = EventGauge()
        passed = sum(gauge.room(part) for part in parts)
        assert (passed == len(whole)) is (more == 0)


@given(
    parts=st.lists(st.text("ab\r\n", max_size=6).map(str.encode), max_size=40),
    line=st.integers(6, 12),  # never shorter than a part, as what is read at once never is
    event=st.integers(6, 40),
)
def test_t27_the_gauge_agrees_with_who_reads_it_all(
    parts: list[bytes], line: int, event: int
) -> None:
    """For all parts: it stops where a line or an event of the whole is too long, not before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mohet_keys.guards.LINE_BYTES", line)
        patch.setattr("mohet_keys.guards.EVENT_BYTES", event)
        gauge = EventGauge()
        fits = all(gauge.room(part) == len(part) for part in parts if part)
    lines, events = measured(b"".join(parts))
    if fits:
        assert (lines <= line, events <= event + 1) == (True, True)
    else:
        assert lines > line or events > event - 1


def measured(whole: bytes) -> tuple[int, int]:
    """The longest line and the longest event of a whole, byte by byte."""
    longest, widest, line, event, ended = 0, 0, 0, 0, True
    for byte in whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n"):
        is_end = byte == ord("\n")
        line = 0 if is_end else line + 1
        event = 0 if is_end and ended else event + 1
        ended = is_end
        longest, widest = max(longest, line), max(widest, event)
    return longest, widest


def test_a_line_end_that_is_cut_in_two_is_one() -> None:
    """Parts that end between CR and LF make no blank lines, which would begin a new event."""
    gauge = EventGauge()
    parts = [b"data: x\r", b"\n"] * (EVENT_BYTES // 4)
    assert not all(gauge.room(part) == len(part) for part in parts)


def test_t27_a_reply_may_be_as_long_as_the_cap() -> None:
    """The cap on a whole reply is that of the limits, and small ones are kept to as well."""
    with Sink(raw(OPEN + told("a") * 10)) as sink:
        limits = Limits(reply_bytes=len(told("a")) * 10)
        assert hear(key(sink.url()), limits=limits).kind == ""
        limits = Limits(reply_bytes=len(told("a")) * 10 - 1)
        heard = hear(key(sink.url()), limits=limits)
        assert (heard.kind, len(heard.events)) == ("too_large", 9)


def test_t27_a_body_that_is_no_stream_has_a_smaller_cap() -> None:
    """An error page does not get the room of a reply."""
    with Sink(raw(b"HTTP/1.1 401 No\r\n\r\n" + b"x" * (BODY_BYTES + 1))) as sink:
        assert hear(key(sink.url())).kind == "too_large"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_t26_a_compressed_stream_is_not_read(coding: str) -> None:
    """Any encoding but identity ends the request at the head."""
    head = HEAD + f"Content-Encoding: {coding}\r\n\r\n".encode()
    with Sink(raw(head, LONG)) as sink:
        assert hear(key(sink.url())).kind == "encoding"


def test_t27_a_long_line_would_be_read_without_the_guard() -> None:
    """The twin: with the caps off a line of three times the cap comes through."""
    with Sink(raw(OPEN + b"data: " + b"x" * LINE_BYTES * 3 + b"\n\n")) as sink:
        assert [len(data) for data in hear(key(sink.url()), off(caps=False)).events] == [
            LINE_BYTES * 3
        ]
        assert hear(key(sink.url())).events == []


# --- too late -----------------------------------------------------------------------------------


def drip(first: bytes, drop: bytes, pause: float = 0.05) -> Script:
    """Every byte in time, the whole never."""
    return lambda: itertools.chain([first], itertools.cycle([drop, pause]))


TOTAL = Limits(first_byte=5, idle=5, total=0.35)
FIRST = Limits(first_byte=0.35, idle=5, total=5)
IDLE = Limits(first_byte=5, idle=0.35, total=5)
LATE: dict[str, tuple[Script, Limits, str]] = {
    "silence": (raw(LONG), FIRST, "timeout"),
    "silence after the head": (raw(CHUNKED, LONG), FIRST, "timeout"),
    "a dripping head": (drip(HEAD + b"X: ", b"x"), FIRST, "timeout"),
    "interim answers": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), FIRST, "timeout"),
    "silence in the middle": (raw(CHUNKED + chunk(KEPT), LONG), IDLE, "timeout"),
    "half a chunk": (raw(CHUNKED + chunk(KEPT) + b"ff\r\nabc", LONG), IDLE, "timeout"),
    "a dripping line": (drip(CHUNKED, chunk(b"x")), TOTAL, "deadline"),
    "dripping chunks": (drip(CHUNKED + chunk(KEPT) + b"f", b"f"), TOTAL, "deadline"),
    "dripping comments": (drip(CHUNKED, chunk(b": ping\n\n")), TOTAL, "deadline"),
    "dripping events": (drip(CHUNKED, chunk(told("a"))), TOTAL, "deadline"),
    "a refusal that drips": (drip(b"HTTP/1.1 401 No\r\n\r\n", b"x"), TOTAL, "deadline"),
}


@pytest.mark.parametrize(("script", "limits", "kind"), LATE.values(), ids=list(LATE))
def test_t28_every_limit_holds_whatever_drips(script: Script, limits: Limits, kind: str) -> None:
    """First byte, next byte and whole reply are in time, or the connection is closed on time."""
    with Sink(script) as sink:
        heard = hear(key(sink.url()), limits=limits)
        assert (heard.kind, heard.error and heard.error.detail) == (kind, "127.0.0.1")
        assert 0.3 < heard.seconds < 0.4 + BUSY
        assert sink.hung_up.wait(BUSY)


def test_t28_a_refusal_has_less_time_than_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error page that drips is given up long before a reply would be."""
    monkeypatch.setattr("mohet_keys.incoming.REFUSAL_SECONDS", 0.3)
    with Sink(drip(b"HTTP/1.1 401 No\r\n\r\n", b"x")) as sink:
        heard = hear(key(sink.url()), limits=Limits(total=30))
        assert (heard.kind, heard.seconds < 1 + BUSY) == ("deadline", True)


def test_t27_t28_what_came_in_time_is_kept() -> None:
    """A limit that is over takes nothing away of what was read."""
    with Sink(LATE["silence in the middle"][0]) as sink:
        assert hear(key(sink.url()), limits=IDLE).events == ['{"t": "a"}', '{"t": "b"}']


def test_a_stream_that_goes_on_is_not_cut() -> None:
    """As long as something comes, the limits for the first and the next byte are no matter."""
    steps: list[Step] = [CHUNKED]
    for _ in range(10):
        steps += [chunk(told("a")), 0.05]
    with Sink(raw(*steps, b"0\r\n\r\n")) as sink:
        heard = hear(key(sink.url()), limits=Limits(first_byte=0.3, idle=0.3, total=5))
        assert (heard.kind, len(heard.events)) == ("", 10)
        assert heard.seconds > 0.4


def test_time_that_the_reader_takes_is_not_the_servers() -> None:
    """Who reads slowly finds everything there, for nobody was waited for."""
    with Sink(raw(CHUNKED, chunk(told("a")) * 3, b"0\r\n\r\n")) as sink:

        async def story() -> int:
            seen, limits = 0, Limits(first_byte=2, idle=0.1, total=5)
            outbound, opened = Outbound(), key(sink.url())
            async with outbound.stream(opened, sink.url(), json={}, limits=limits) as incoming:
                async for _ in incoming.events():
                    seen += 1
                    await asyncio.sleep(0.15)
            return seen

        assert asyncio.run(story()) == 3


def test_t28_a_drip_would_go_on_without_the_guard() -> None:
    """The twin: with the guard off a drip lasts as long as the server likes."""
    with Sink(raw(CHUNKED, *[chunk(b": ping\n\n"), 0.05] * 14, b"0\r\n\r\n")) as sink:
        heard = hear(key(sink.url()), off(deadline=False), TOTAL)
        assert (heard.kind, heard.seconds > 0.6) == ("", True)


# --- leaving ------------------------------------------------------------------------------------


def left_while(sink: Sink, leave: Callable[[Incoming, asyncio.Task[Heard]], None]) -> Heard:
    """Start listening, leave when the request is there, and wait for the end."""

    async def story() -> Heard:
        opened, heard = key(sink.url()), Heard()
        incoming = Outbound().stream(opened, sink.url(), json={})

        async def listening() -> Heard:
            try:
                async with incoming:
                    async for _, data in incoming.events():
                        heard.events.append(data)
            except TransportError as error:
                heard.error = error
            return heard

        task = asyncio.create_task(listening())
        assert await asyncio.to_thread(sink.asked.wait, 2)
        await asyncio.sleep(0.05)
        leave(incoming, task)
        try:
            await asyncio.wait_for(task, 1)
        except asyncio.CancelledError:
            heard.status = -1
        assert await asyncio.to_thread(sink.hung_up.wait, 1)
        assert len(asyncio.all_tasks()) == 1
        return heard

    return asyncio.run(story())


SILENT = [raw(LONG), raw(CHUNKED, LONG), raw(CHUNKED + chunk(told("a")), LONG)]


@pytest.mark.parametrize("script", SILENT)
def test_t33_hanging_up_ends_it_wherever_it_is(script: Script) -> None:
    """Before the head, before the first byte and in the middle: it ends, and the socket closes."""
    with Sink(script) as sink:
        heard = left_while(sink, lambda incoming, _: incoming.hang_up())
        assert heard.kind == "reset"


@pytest.mark.parametrize("script", SILENT)
def test_t33_cancelling_hangs_up(script: Script) -> None:
    """Who stops waiting closes the connection."""
    with Sink(script) as sink:
        assert left_while(sink, lambda _, task: task.cancel() and None).status == -1


def test_t33_leaving_without_reading_hangs_up() -> None:
    """The end of the block closes the connection, whether anything was read or not."""
    with Sink(raw(CHUNKED + chunk(told("a")), LONG)) as sink:

        async def story() -> None:
            async with Outbound().stream(key(sink.url()), sink.url(), json={}) as incoming:
                assert incoming.is_events
            assert await asyncio.to_thread(sink.hung_up.wait, 1)

        asyncio.run(story())


def test_t33_hanging_up_ends_a_look_up() -> None:
    """While the name is still looked up there is no connection, and the wait ends all the same."""

    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(LONG)
        return []

    async def story() -> str:
        opened = key("https://slow.example/v1")
        incoming = Outbound(resolver=never).stream(opened, f"{opened.destination}/chat", json={})
        asyncio.get_running_loop().call_later(0.05, incoming.hang_up)
        try:
            async with incoming:
                return "open"
        except TransportError as error:
            return error.kind

    began = time.monotonic()
    assert asyncio.run(story()) == "reset"
    assert time.monotonic() - began < BUSY


def test_who_hung_up_before_asks_nobody() -> None:
    """A request that was given up before it began is not sent."""

    async def story(opened: OpenedKey) -> str:
        incoming = Outbound().stream(opened, opened.destination, json={})
        incoming.hang_up()
        try:
            async with incoming:
                return "open"
        except TransportError as error:
            return error.kind

    with Sink() as sink:
        assert asyncio.run(story(key(sink.url()))) == "reset"
        assert sink.heads == []


# --- the secret, errors and logs ----------------------------------------------------------------


def echoing(text: str) -> Script:
    """Say this in a header, in one event, and in an event that is cut into chunks."""
    said = told(text)
    head = HEAD + f"X-Echo: {text}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = [chunk(said[n : n + 7]) for n in range(0, len(said), 7)]
    return raw(head, chunk(said), *chunks, b"0\r\n\r\n")


def test_t30_a_secret_that_a_stream_repeats_is_taken_out() -> None:
    """Headers and events come back without the secret, also where chunks cut it."""
    with Sink(echoing(SECRET)) as sink:
        heard = hear(key(sink.url()))
    assert scan(SECRET, {"heard": repr((heard.events, heard.headers)).encode()}) == []
    assert heard.events == ['{"t": "[key removed]"}'] * 2
    assert heard.headers["x-echo"] == "[key removed]"


def test_t30_the_secret_would_come_back_without_the_guard() -> None:
    """The twin: with the guard off the events hold it."""
    with Sink(echoing(SECRET)) as sink:
        assert SECRET in hear(key(sink.url()), off(scrub=False)).events[1]


@pytest.mark.parametrize("word", ["ollama", "lm-studio"])
def test_replies_may_speak_of_what_everybody_enters(word: str) -> None:
    """What the makers of local servers tell people to type is no secret, and not taken out."""
    with Sink(echoing(f"I like {word}!")) as sink:
        assert hear(key(sink.url(), word)).events == [f'{{"t": "I like {word}!"}}'] * 2


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and all that it hangs on to."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


FAILURES: dict[str, tuple[Script, str]] = {
    "reset before": (raw(RESET), "reset"),
    "reset in the head": (raw(HEAD, RESET), "reset"),
    "reset in the middle": (raw(CHUNKED + chunk(KEPT), 0.05, RESET), "reset"),
    "an end in the middle": (raw(CHUNKED + chunk(KEPT) + b"ff\r\nabc"), "reset"),
    "no http": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
    "a broken chunk": (raw(CHUNKED + b"zz\r\n"), "protocol"),
    "the secret as http": (raw(SECRET.encode() + b"\r\n\r\n"), "protocol"),
    "a redirect": (reply(b"", f"Location: http://{SECRET}/", status="302 Found"), "redirect"),
    "an encoding": (reply(b"", f"Content-Encoding: {SECRET}"), "encoding"),
    "too much": (raw(OPEN + b"data: " + SECRET.encode() * 3000), "too_large"),
    "too late": (raw(OPEN + b"data: " + SECRET.encode(), LONG), "deadline"),
}
HASTY = Limits(first_byte=1, idle=1, total=0.4)


@pytest.mark.parametrize(("script", "kind"), FAILURES.values(), ids=list(FAILURES))
def test_t35_t57_an_error_tells_its_kind_and_nothing_of_the_request(
    script: Script, kind: str
) -> None:
    """However a stream breaks off, the error says which way, and drags nothing along."""
    with Sink(script) as sink:
        error = hear(key(sink.url()), limits=HASTY).error
    assert error is not None
    assert error.kind == kind
    assert (error.__cause__, error.__context__) == (None, None)
    evidence = {}
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_name
        if trace.tb_frame.f_globals["__name__"].startswith("mohet_keys"):
            evidence[name] = repr(trace.tb_frame.f_locals).encode()
        trace = trace.tb_next
    assert evidence
    assert scan(SECRET, {**evidence, "words": repr((error, error.args)).encode()}) == []


@pytest.mark.parametrize("script", [echoing(SECRET), raw(RESET), raw(CHUNKED + chunk(KEPT), RESET)])
def test_t39_nothing_keeps_the_secret_when_it_is_over(script: Script) -> None:
    """When a stream is over no opened key and no request with the secret is alive."""
    secret = SECRET[:-1] + "Z"  # one that no other test holds on to
    with Sink(script) as sink:

        async def story() -> TransportError | None:
            opened: list[OpenedKey] = [key(sink.url(), secret)]
            heard = Heard()
            await listen(opened.pop(), Outbound(), heard, SHORT)
            return heard.error

        error = asyncio.run(story())
    if error is not None:
        error.with_traceback(None)  # the frames of this test hold the key that they were given
    gc.collect()
    keys = [thing for thing in gc.get_objects() if isinstance(thing, OpenedKey)]
    assert [kept for kept in keys if kept.secret == secret] == []
    requests = [thing for thing in gc.get_objects() if isinstance(thing, httpx.Request)]
    assert scan(secret, {"requests": repr([r.headers.raw for r in requests]).encode()}) == []
    del error


def test_t39_an_answer_that_is_held_on_to_holds_no_secret() -> None:
    """What stays of an answer when its block was left has neither the key nor the request."""
    secret = SECRET[:-1] + "Y"  # one that no other test holds on to
    with Sink(raw(CHUNKED + chunk(KEPT), b"0\r\n\r\n")) as sink:

        async def story() -> Incoming:
            opened = key(sink.url(), secret)
            async with Outbound().stream(opened, sink.url(), json={}) as incoming:
                async for _ in incoming.events():
                    pass
            return incoming

        held = asyncio.run(story())
        gc.collect()
        keys = [thing for thing in gc.get_objects() if isinstance(thing, OpenedKey)]
        assert [kept for kept in keys if kept.secret == secret] == []
        assert held.text(secret) == secret  # it could not take out what it does not know


def test_t37_no_log_line_has_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    """With everything logged, what is sent and what is echoed stay out of the log."""
    caplog.set_level(logging.DEBUG)
    for script in (echoing(SECRET), raw(CHUNKED + chunk(KEPT), RESET)):
        with Sink(script) as sink:
            hear(key(sink.url()))
    assert scan(SECRET, {"log": caplog.text.encode()}) == []


def test_no_socket_is_left_open() -> None:
    """Whatever way a stream ends, nothing is left for the garbage collector to close."""
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for script, _ in FAILURES.values():
            with Sink(script) as sink:
                hear(key(sink.url()), limits=Limits(first_byte=1, idle=1, total=0.3))
        gc.collect()
    assert [str(warning.message) for warning in seen] == []


@pytest.mark.parametrize("url", ["https://other.example/v1", "http://127.0.0.1:1/v1", " "])
def test_t22_no_other_origin_is_asked(url: str) -> None:
    """The rules for where a request may go are those of every request."""

    async def story(opened: OpenedKey) -> str:
        try:
            async with Outbound().stream(opened, url, json={}):
                return "open"
        except TransportError as error:
            return error.kind

    with Sink() as sink:
        assert asyncio.run(story(key(sink.url()))) == "blocked"
        assert sink.accepts == 0
