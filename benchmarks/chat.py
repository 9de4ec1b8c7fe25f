"""A chat beside the same request by bare httpx and by OpenAI's own client, in one run.

The provider is the simulator in a process of its own. Bare httpx does the least that a chat needs:
it reads lines, parses each, and puts the words together, with one client for all of its requests.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks import store
from benchmarks.row import Row, middle
from mohet_keys import wiring
from mohet_keys.chat import ChatService, Delta, Ended, Message
from mohet_keys.http import Outbound
from mohet_keys.model import LOCAL_OWNER

TOKENS = 2000
RUNS = 9
"""Replies each, in turns; the first of them warms up."""
FIRST_RUNS = 40
MODEL = "openai/gpt-oss-20b"
LATER = 0.010
"""Seconds that the first token may come later than by bare httpx."""
SECRET = f"gsk_sim-good-{0:032}"

Reply = AsyncGenerator[str, None]
"""The words of a reply as they come."""
Asks = Callable[[str], Reply]
"""A prompt in, a reply out."""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    where = store.settings(folder)
    with _provider() as endpoint:
        (key_id,) = store.seed(where, 1, lambda _n: ("groq", endpoint))
        parts = wiring.build(where)
        try:
            return asyncio.run(_measured(parts, key_id, endpoint))
        finally:
            parts.close()


async def _measured(parts: wiring.Parts, key_id: str, endpoint: str) -> list[Row]:
    service = ChatService(parts.keys, Outbound())
    ways: dict[str, Asks] = {"ours": lambda prompt: _ours(service, key_id, prompt)}
    async with httpx.AsyncClient(trust_env=False) as client:
        ways["bare"] = lambda prompt: _bare(client, endpoint, prompt)
        sdk = _sdk(endpoint)
        if sdk:
            ways["sdk"] = sdk
        firsts = await _in_turns(ways, FIRST_RUNS, _first_token)
        spent = await _in_turns(ways, RUNS, _processor)
    thread = [_threaded(service, key_id) for _ in range(RUNS)][1:]
    return [_first_row(firsts), *_token_rows(spent, middle(thread))]


def _first_row(firsts: dict[str, float]) -> Row:
    what = "first token of a chat"
    note = f"{(firsts['ours'] - firsts['bare']) * 1000:+.1f} ms"
    if "sdk" in firsts:
        note += f"; openai {firsts['sdk'] * 1000:.1f} ms"
    return Row(what, firsts["ours"], firsts["bare"] + LATER, "bare httpx + 10 ms", 1.0, note)


def _token_rows(spent: dict[str, float], threaded: float) -> list[Row]:
    what, floor = f"processor, reply of {TOKENS:,} tokens", spent["bare"]
    each = f"{spent['ours'] / TOKENS * 1e6:.0f} µs a token"
    found = [
        Row(what, spent["ours"], floor, "bare httpx", 2.0, each),
        Row("the same, read by a thread", threaded, floor, "bare httpx", 2.0),
    ]
    if "sdk" in spent:
        return [*found, Row("the same by the openai package", spent["sdk"], floor, "bare httpx")]
    missing = "openai is not installed: pip install -r benchmarks/requirements.txt"
    return [*found, Row("the same by bare httpx", floor, floor, "bare httpx", None, missing)]


# --- measuring ----------------------------------------------------------------------------------


async def _in_turns(
    ways: dict[str, Asks], runs: int, measure: Callable[[Asks], Awaitable[float]]
) -> dict[str, float]:
    """The middle of the measures of each way; they take turns, and the first turn warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs + 1):
        for name, way in ways.items():
            found[name].append(await measure(way))
    return {name: middle(times[1:]) for name, times in found.items()}


async def _first_token(way: Asks) -> float:
    began = time.perf_counter()
    async with aclosing(way("hello")) as reply:
        async for _ in reply:
            return time.perf_counter() - began
    raise AssertionError("no token came")


async def _processor(way: Asks) -> float:
    began = time.process_time()
    async with aclosing(way(_LONG)) as reply:
        words = [word async for word in reply]
    spent = time.process_time() - began
    _assert_whole("".join(words))
    return spent


def _threaded(service: ChatService, key_id: str) -> float:
    """What a reply takes when a thread reads it."""
    began = time.process_time()
    asked = {"owner": LOCAL_OWNER, "messages": _said(_LONG), "model": MODEL}
    with service.start(key_id, **asked) as running:
        words = [event.text for event in running.events() if isinstance(event, Delta)]
    spent = time.process_time() - began
    _assert_whole("".join(words))
    return spent


def _assert_whole(text: str) -> None:
    assert len(text.split()) == TOKENS, f"{len(text.split())} words came"


# --- ways to chat ---------------------------------------------------------------------------------

_LONG = f"Write {TOKENS} words, please"


def _said(prompt: str) -> list[Message]:
    return [Message("user", prompt)]


async def _ours(service: ChatService, key_id: str, prompt: str) -> Reply:
    asked = service.stream(key_id, owner=LOCAL_OWNER, messages=_said(prompt), model=MODEL)
    async with aclosing(asked) as events:
        async for event in events:
            if isinstance(event, Delta):
                if event.text:
                    yield event.text
            elif isinstance(event, Ended):
                assert event.outcome == "finished", event


async def _bare(client: httpx.AsyncClient, endpoint: str, prompt: str) -> Reply:
    headers = {"Authorization": f"Bearer {SECRET}"}
    body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    body["stream_options"] = {"include_usage": True}
    url = f"{endpoint}/chat/completions"
    async with client.stream("POST", url, json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            for choice in json.loads(line[6:])["choices"]:
                if text := choice["delta"].get("content"):
                    yield text


def _sdk(endpoint: str) -> Asks | None:
    """OpenAI's own client, if it is installed."""
    try:
        from openai import AsyncOpenAI  # it takes seconds and 30 MB, and only this needs it
    except ImportError:
        return None
    client = AsyncOpenAI(base_url=endpoint, api_key=SECRET)

    async def asks(prompt: str) -> Reply:
        said: Any = [{"role": "user", "content": prompt}]
        options: Any = {"include_usage": True}
        reply = await client.chat.completions.create(
            model=MODEL, messages=said, stream=True, stream_options=options
        )
        async for chunk in reply:
            for choice in chunk.choices:
                if choice.delta.content:
                    yield choice.delta.content

    return asks


@contextmanager
def _provider() -> Iterator[str]:
    """The base URL of a simulated Groq in a process of its own, while the block lasts."""
    command = [sys.executable, "-m", "mohet_keys.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = (process.stdout.readline().split() for _ in range(20))
            yield next(line[1] for line in lines if line and line[0] == "groq")
        finally:
            process.terminate()
