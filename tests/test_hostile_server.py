"""What a hostile server costs: at most 32 MB and its deadline, whatever is asked of it.

Every answer below is given to a check, to a chat and to the look for local servers, each in a
process of its own whose peak of memory is read afterwards.
"""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from mohet_keys.answers import PARTS
from mohet_keys.guards import EVENT_BYTES
from mohet_keys.hearing import MOST_SAID
from mohet_keys.http import METADATA_BYTES
from mohet_keys.probes import CATALOGUE_BYTES
from mohet_keys.recommend import LONGEST_NAME
from mohet_keys.validation import MODELS_KEPT
from tests.hostile import Cost, Question
from tests.sink import Script, Sink, Step, raw, reply

ROOT = Path(__file__).parents[1]
MOST = 32
"""MB that an answer may take."""
SHORT = 0.4
"""Seconds that a server which drips gets."""
HEARD = 4.0
"""Seconds that it gets where something of it is to be heard, on a busy machine too."""
LONG = 60.0
"""Seconds that the others get; none of them needs as many, on a busy machine either."""
LATE = 20.0
"""Seconds after which nobody can say any more that it was the deadline."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
END = b"\r\n"
DONE = "data: [DONE]\n\n"


def endless(first: bytes, again: bytes) -> Script:
    """A script that does not end by itself."""
    return lambda: itertools.chain([first], itertools.repeat(again))


def drip(first: bytes, drop: bytes) -> Script:
    """Every byte in time, the whole never."""
    return lambda: itertools.chain([first], itertools.cycle([drop, 0.05]))


def told(content: object) -> bytes:
    """An event of a reply."""
    return f"data: {json.dumps({'choices': [{'delta': {'content': content}}]})}\n\n".encode()


def answered(body: str | bytes, head: bytes = OK) -> Script:
    """This body, and the connection closed behind it."""
    return raw(head + END + (body if isinstance(body, bytes) else body.encode()))


# --- the answers ------------------------------------------------------------------------------

STATUSES = ["200 OK", "302 Found", "401 Unauthorized", "404 Not Found", "500 Oh"]


def bombs() -> dict[str, Script]:
    """300 MB of nothing, packed once or twice, under every label and every status."""
    packer = zlib.compressobj(1, wbits=31)
    head = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    once = head + block * 299 + b"\x03\0" + bytes(8)  # its check sum is of no account
    packings = {
        "gzip": once,
        "gzip, gzip": gzip.compress(once),
        "deflate": once[10:-8],
        "br": once,
        "ZSTD": once,
    }
    return {
        f"{coding} below {status}": reply(body, f"Content-Encoding: {coding}", status=status)
        for coding, body in packings.items()
        for status in STATUSES
    }


FLOOD = b"x" * 65_536
ENDLESS: dict[str, Script] = {
    "a body": endless(OK + END, FLOOD),
    "a line of events": endless(EVENTS + END + b"data: ", FLOOD),
    "events": endless(EVENTS + END, told("a" * 900) * 60),
    "tiny events": endless(EVENTS + END, told("a") * 1000),
    "wide events": endless(EVENTS + END, told("😀" + "a" * 60_000)),
    "one event": endless(EVENTS + END, b"data: {}\n" * 8000),
    "comments": endless(EVENTS + END, b": still here\n\n" * 5000),
    "chunks": endless(OK + CHUNKED, b"10000\r\n" + FLOOD + END),
    "one chunk": endless(OK + CHUNKED + b"FFFFFFFF\r\n", FLOOD),
    "extensions of chunks": endless(OK + CHUNKED, b"1;" + FLOOD[:60_000] + b"\r\ny\r\n"),
    "trailers": endless(OK + CHUNKED + b"0\r\n", b"X: y\r\n" * 5000),
    "a header": endless(OK + b"X: ", FLOOD),
    "headers": endless(OK, b"X: y\r\n" * 5000),
    "a status line": endless(b"HTTP/1.1 200 ", FLOOD),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "far less than it told": raw(OK + b"Content-Length: 900000\r\n\r\n{}"),
    "far more than it told": endless(OK + b"Content-Length: 2\r\n\r\n{}", FLOOD),
    "a length that is absurd": endless(OK + b"Content-Length: 99999999999999999999\r\n\r\n", FLOOD),
    "a length that is negative": endless(OK + b"Content-Length: -1\r\n\r\n", FLOOD),
}
DRIPS: dict[str, Script] = {
    "silence": raw(LONG),
    "a body": drip(OK + END, b" "),
    "chunks": drip(OK + CHUNKED, b"1\r\n \r\n"),
    "a header": drip(OK + b"X: ", b"x"),
    "headers": drip(OK, b"X: y\r\n"),
    "a status line": drip(b"HTTP/1.1 200 ", b"O"),
    "interim answers": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a line of events": drip(EVENTS + END, b"x"),
    "comments": drip(EVENTS + END, b": ping\n\n"),
    "events": drip(EVENTS + END, told("a")),
}


def filled(unit: str, size: int, before: str = '{"data":[', behind: str = "{}]}") -> str:
    """JSON of this size, made of the same again and again."""
    return before + unit * ((size - len(before) - len(behind)) // len(unit)) + behind


def dearest(size: int) -> str:
    """The JSON that takes the most memory of all that are parsed: names and texts that differ, in
    letters that take two bytes each, and the rest of the room filled with one that takes four."""
    rows = [f'"é{n:x}":"Ω{n:x}"' for n in range(PARTS // 2 - 20)]
    body = '{"data":[{"id":"m"},{' + ",".join(rows) + '}],"rest":"\\ud83d\\ude00😀'
    return body + "a" * (size - len(body.encode()) - 2) + '"}'


NEAR = METADATA_BYTES - 100


def documents() -> dict[str, str]:
    """What a server may put into one body."""
    codes = '{"error":{"message":"No","code":' + "9" * 100_000 + "}}"
    return {
        "objects": filled("{},", NEAR),
        "lists": filled("[],", NEAR),
        "objects in objects": filled('{"a":{}},', NEAR),
        "numbers": filled("1.5,", NEAR),
        "a million models": filled('{"id":"m"},', 11_000_000),
        "thousands of models": filled('{"id":"m"},', NEAR),
        "names that differ": "{" + ",".join(f'"{n:x}":1' for n in range(90_000)) + "}",
        "the dearest": dearest(NEAR),
        "lines": "{}\n" * (NEAR // 3),
        "empty lines": "data: 1" + "\n" * NEAR,
        "short events": "data:{}\n\n" * (NEAR // 9),
        "shorter events": "data:1\n\n" + "xy\n\n" * (NEAR // 5),
        "depth": '{"data":' + "[" * 10_000 + "]" * 10_000 + "}",
        "depth without end": "[" * NEAR,
        "errors in errors": '{"error":' * 10_000 + "1" + "}" * 10_000,
        "a model id of a megabyte": json.dumps({"data": [{"id": "m" * 1_000_000}, {"id": "m"}]}),
        "a long number": '{"data":[{"id":"m","created":' + "9" * 100_000 + "}]}",
        "a long number as code": codes,
        "no numbers": '{"data":[{"id":"m","context_window":NaN,"x":Infinity,"y":-Infinity}]}',
        "one name twice": '{"data":[],"data":[{"id":"m","id":"m"}],"error":null,"error":null}',
        "wrong types": '{"data":{"id":[]},"models":7,"error":[[{"message":{"code":[true]}}]]}',
        "more wrong types": '{"data":[{"id":7},{"id":null},[],"m",{"id":{}}],"choices":"x"}',
        "NUL": '{"data":[{"id":"m\\u0000n"}],"error":{"message":"a\\u0000b"}}',
        "NUL as it is": '{"data":[{"id":"m\0n"}]}\0',
        "halves of characters": '{"data":[{"id":"\\ud800"}],"error":{"message":"\\udfff x"}}',
        "a wide message": '{"error":{"message":"😀' + "a" * 1_000_000 + '"}}',
        "tags": "<html>" + "<title>" * 100_000,
    }


def lists() -> dict[str, str]:
    """Lists for OpenRouter, which is allowed a longer one."""
    return {
        "objects": filled("{},", CATALOGUE_BYTES - 100),
        "models": filled('{"id":"m"},', CATALOGUE_BYTES - 100),
        "a million models": filled('{"id":"m"},', 11_000_000),
        "the dearest": dearest(CATALOGUE_BYTES - 100),
    }


_KEY_INFO = b'{"data": {"label": "x", "limit": null, "usage": 0, "is_free_tier": false}}'


def behind_key_info(body: str) -> Script:
    """Key information at the first request, and the list at the next."""
    count = itertools.count()

    def steps() -> list[Step]:
        whole = body.encode() if next(count) else _KEY_INFO
        return [OK + END + whole]

    return steps


# --- and what they cost -----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An answer that is given, and what is asked when it is."""

    group: str
    name: str
    verb: str
    script: Script
    provider: str = "openai"
    seconds: float = LONG
    off: tuple[str, ...] = ()
    parts: int = PARTS

    @property
    def question(self) -> str:
        """The case in one word."""
        return f"{self.verb}: {self.group}: {self.name}"


VERBS = ("check", "chat", "look")


def cases() -> Iterator[Case]:
    """Everything that is asked, group by group."""
    bodies = documents()
    packed = bombs()
    for verb in VERBS:
        yield from (Case("bombs", name, verb, bomb) for name, bomb in packed.items())
        yield from (Case("endless", name, verb, one) for name, one in ENDLESS.items())
        yield from (Case("bodies", name, verb, answered(body)) for name, body in bodies.items())
    for verb in VERBS[:2]:
        for name, body in bodies.items():
            yield Case("refusals", name, verb, answered(body, b"HTTP/1.1 400 Bad Request\r\n"))
        for name, one in DRIPS.items():
            seconds = HEARD if (verb, name) == ("chat", "events") else SHORT
            yield Case(f"drips, {name}", name, verb, one, seconds=seconds)
    for name, body in bodies.items():
        if "\n" not in body:
            yield Case("in events", name, "chat", answered(f"data: {body}\n\n{DONE}", EVENTS))
    for name, body in lists().items():
        yield Case("lists", name, "check", behind_key_info(body), "openrouter")
    bomb = gzip.compress(gzip.compress(bytes(96 * 1024 * 1024), 1))
    twin = reply(bomb, "Content-Encoding: gzip, gzip")
    yield Case("twin", "bomb", "look", twin, off=("encoding",))
    line = raw(EVENTS + END + b"data: ", *[FLOOD] * 1500)
    yield Case("another twin", "line", "chat", line, off=("caps",))
    lists_in_lists = answered(bodies["objects in objects"])
    yield Case("a third twin", "objects", "check", lists_in_lists, parts=10**9)


Costs = dict[str, Cost]


@pytest.fixture(scope="module")
def every() -> Costs:
    """What each case cost."""
    asked = list(cases())
    with ExitStack() as servers:
        questions = [
            Question(
                f"{case.verb} {case.group}", case.verb,
                servers.enter_context(Sink(case.script)).url(),
                case.provider, case.seconds, list(case.off), case.parts,
            )
            for case in asked
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile"],
            input="\n".join(json.dumps(asdict(question)) for question in questions),
            capture_output=True, text=True, check=True, timeout=600, cwd=ROOT,
        )  # fmt: skip
    told = [Cost(**json.loads(line)) for line in done.stdout.splitlines()]
    return {case.question: cost for case, cost in zip(asked, told, strict=True)}


def of(every: Costs, *groups: str) -> Costs:
    """The costs of some groups."""
    return {name: cost for name, cost in every.items() if name.split(": ")[1].startswith(groups)}


def guarded(every: Costs) -> Costs:
    """All but those with a guard off."""
    return {name: cost for name, cost in every.items() if "twin" not in name}


def test_t26_t27_t28_t29_nothing_takes_more_than_32_megabytes(every: Costs) -> None:
    """Whatever a server sends, a check, a chat and the look for servers stay within that."""
    found = guarded(every)
    assert len(found) > 250
    assert {name: cost for name, cost in found.items() if cost.megabytes >= MOST} == {}


def test_t26_t27_t28_t29_everything_ends_in_a_word_of_ours(every: Costs) -> None:
    """Nothing is raised, no key is condemned, no thread stays, and the deadline is kept."""
    words = {"valid", "misconfigured", "unreachable", "unverified", "whole", "found", "nothing"}
    for name, cost in guarded(every).items():
        assert cost.outcome in words, name
        assert cost.threads == 0, name
        assert cost.seconds < LONG, name


def test_t26_a_bomb_is_left_where_it_is(every: Costs) -> None:
    """Any encoding ends the request at the head, under every label and below every status."""
    for name, cost in of(every, "bombs").items():
        assert (cost.outcome, cost.reason) in {("misconfigured", "not this API"), ("nothing", "")}
        assert cost.megabytes < MOST / 2, name


def test_t26_a_bomb_would_go_off_without_the_guards(every: Costs) -> None:
    """The twin: unpacked, a few kilobytes take the memory of the whole."""
    assert of(every, "twin")["look: twin: bomb"].megabytes > 90


def test_t27_a_reply_that_goes_on_is_kept_up_to_its_cap(every: Costs) -> None:
    """Events without end are a reply that was cut off, and what came before the cut is there."""
    kept = of(every, "endless")
    for name in ("events", "tiny events", "wide events"):
        cost = kept[f"chat: endless: {name}"]
        assert (cost.outcome, cost.reason) == ("valid", "reply cut off")
        assert 100_000 < cost.said <= MOST_SAID + EVENT_BYTES


def test_t27_a_long_line_would_fill_the_memory_without_the_guard(every: Costs) -> None:
    """The twin: without the caps a parser keeps all of a line of a hundred megabytes."""
    assert of(every, "another twin")["chat: another twin: line"].megabytes > 2 * MOST


def test_t28_a_drip_costs_its_deadline(every: Costs) -> None:
    """One byte at a time, in head or body, lasts as long as the deadline says and no longer."""
    dripped = of(every, "drips")
    assert len(dripped) == 2 * len(DRIPS)
    for name, cost in dripped.items():
        heard = name == "chat: drips, events: events"
        deadline = HEARD if heard else SHORT
        assert deadline - 0.1 < cost.seconds < deadline + LATE, name
        assert (cost.outcome == "valid") == heard, name


def test_t29_no_list_is_longer_or_wider_than_it_may_be(every: Costs) -> None:
    """Ids are short and plain, and a list has so many models at most."""
    read = of(every, "bodies", "refusals", "lists", "in events")
    assert max(cost.longest_id for cost in read.values()) <= LONGEST_NAME
    assert max(cost.models for cost in read.values()) <= MODELS_KEPT
    one = {"a model id of a megabyte", "no numbers", "one name twice", "the dearest"}
    assert {n: read[f"check: bodies: {n}"].models for n in one} == dict.fromkeys(one, 1)
    none = {"a million models", "thousands of models", "a long number", "NUL", "wrong types"}
    assert {n: read[f"check: bodies: {n}"].models for n in none} == dict.fromkeys(none, 0)


def test_t29_finely_cut_json_would_fill_the_memory_without_the_guard(every: Costs) -> None:
    """The twin: parsed whatever it is made of, a megabyte takes more than is allowed."""
    assert of(every, "a third twin")["check: a third twin: objects"].megabytes > MOST
