"""Chats through saved keys, over real sockets and a real store: what is sent, said and recorded."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import background, running, wiring
from mohet_keys.changes import Unheard
from mohet_keys.chat import ChatService, Delta, Ended, Message, Note, Running, Usage
from mohet_keys.errors import LockedError, NotFoundError, StoreError
from mohet_keys.http import Guards, Limits, Outbound
from mohet_keys.journal import Wanted
from mohet_keys.model import (
    Action,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    OpenedKey,
    Spent,
    Verdict,
)
from mohet_keys.safe import Safe
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.simulator.replies import reply_text
from mohet_keys.simulator.server import Simulator
from mohet_keys.simulator.servers import SERVERS
from mohet_keys.standing import may_send
from mohet_keys.talk import _limits, _spent
from tests.leaks import canary, scan
from tests.places import Place
from tests.sink import LONG, Script, Sink, raw, reply
from tests.team import ADA, BOB, EVE, allow, join
from tests.waiting import BUSY, until

ME = "local"
MODELS = {
    "openai": "gpt-6-luna",
    "groq": "openai/gpt-oss-20b",
    "lmstudio": "google/gemma-4-e4b",
    "ollama": "qwen3:8b",
    "openrouter": "openrouter/free",
    "mistral": "mistral-small-latest",
}
SIX = ("openai", "groq", "lmstudio-auth", "ollama-cloud", "openrouter", "mistral")
"""The server that looks at keys, for each of the six."""
PREFIX = {"openai": "sk-proj-", "groq": "gsk_", "openrouter": "sk-or-v1-"}
PROMPT = "What is a key?"
QUICK = Limits(first_byte=1.0, idle=1.0, total=2.0)
SOON = 5.0
"""Seconds: one is promised, and a busy machine may have other things to do first."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a store for all tests of this file: making one takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("chat")
    return Settings(
        data_dir=folder / "data",
        config_dir=folder / "config",
        database_url=None,
        master_key=None,
        master_key_file=None,
    )


@pytest.fixture(scope="module")
def house(settings: Settings) -> Iterator[wiring.Parts]:
    """The wired product."""
    built = wiring.build(settings)
    yield built
    built.close()


@pytest.fixture
def parts(house: wiring.Parts) -> Iterator[wiring.Parts]:
    """The same, with no key in it."""
    yield house
    for entry in house.keys.list(owner=ME).entries:
        house.keys.remove(entry.id, owner=ME)


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One simulator for the tests that change nothing about it."""
    with Simulator() as running:
        running.world.slow, running.world.drip = 30.0, 0.05
        yield running


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A simulator that a test may change."""
    with Simulator() as running:
        yield running


@dataclasses.dataclass
class Heard:
    """A reply that is over."""

    text: str = ""
    reasoning: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)
    ends: list[Ended] = dataclasses.field(default_factory=list)
    ticks: int = 0

    def take(self, event: Delta | Note | Ended | None) -> None:
        """Add what came."""
        match event:
            case Delta(text, reasoning):
                self.text, self.reasoning = self.text + text, self.reasoning + reasoning
            case Note(words):
                self.notes.append(words)
            case Ended():
                self.ends.append(event)
            case None:
                self.ticks += 1

    @property
    def end(self) -> Ended:
        """How it ended."""
        (end,) = self.ends
        return end

    @property
    def verdict(self) -> Verdict | None:
        """What the end says about the key."""
        return self.end.diagnosis.verdict if self.end.diagnosis else None


class Desk:
    """Saved keys of simulated servers, and a chat through them."""

    def __init__(self, parts: wiring.Parts, **more: Any) -> None:
        self.keys: KeyService = parts.keys
        self.uses = parts.repository.uses
        more = {"changes": parts.changes, **more}
        self.chat = ChatService(more.pop("keys", parts.keys), Outbound(), **more)
        self._count = 0

    def put(self, server: str, endpoint: str, behaviour: str = "good", secret: str = "") -> str:
        """Save a key whose secret asks for a behaviour; its id."""
        self._count += 1
        provider = SERVERS[server].provider
        own = f"{PREFIX.get(provider, '')}sim-{behaviour}-{self._count:016}"
        new = NewKey(
            provider=provider,
            name=f"Key {self._count}",
            secret=SecretStr(secret or own),
            endpoint=endpoint,
        )
        return self.keys.add(new, owner=ME).entry.id

    def entry(self, key_id: str) -> KeyEntry:
        """The key as it is stored now."""
        return self.keys.entry(key_id, owner=ME)

    def mark(self, key_id: str, verdict: Verdict, **more: Any) -> None:
        """Record a check with this verdict, and two models."""
        said = Diagnosis(verdict, "as before", "It was so before.")
        at = datetime.now(UTC)
        models = {"models": ("m-1", "m-2"), "recommended_model": "m-2"}
        self.keys.record(CheckResult(key_id, 1, said, at, **{**models, **more}), owner=ME)

    def say(self, key_id: str, prompt: str = PROMPT, model: str = "m") -> Heard:
        """Send a message and hear the reply to its end, on an event loop of its own."""
        heard = Heard()

        async def story() -> None:
            messages = [Message("user", prompt)]
            reply = self.chat.stream(key_id, owner=ME, messages=messages, model=model)
            async with aclosing(reply) as events:
                async for event in events:
                    heard.take(event)

        asyncio.run(story())
        return heard

    def start(self, key_id: str, prompt: str = PROMPT, model: str = "m") -> Running:
        """Send a message on the background loop."""
        said = [Message("user", prompt)]
        return self.chat.start(key_id, owner=ME, messages=said, model=model)


@pytest.fixture
def desk(parts: wiring.Parts) -> Desk:
    """A chat over the real store."""
    return Desk(parts)


def say(desk: Desk, simulator: Simulator, server: str, behaviour: str = "good") -> Heard:
    """Save a key for a simulated server, and hear one reply through it."""
    key_id = desk.put(server, simulator.endpoint(server), behaviour)
    return desk.say(key_id, model=MODELS[SERVERS[server].provider])


# --- replies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", SIX)
def test_a_reply_comes_with_all_that_is_known_of_it(
    desk: Desk, shared: Simulator, server: str
) -> None:
    """Text, thoughts, tokens, model, key and times are those of the reply, for all six."""
    provider = SERVERS[server].provider
    heard = say(desk, shared, server)
    said = reply_text(PROMPT, MODELS[provider])
    assert heard.text == said
    assert heard.reasoning == ("" if provider == "openai" else "The user wants a short answer.")
    words = len(said.split())
    assert heard.end.usage == Usage(7, words, 7 + words)
    assert (heard.end.outcome, heard.end.diagnosis, heard.notes) == ("finished", None, [])
    assert heard.end.asked_model == heard.end.answered_model == MODELS[provider]
    assert heard.end.key_name == "Key 1"
    assert heard.end.first_token_seconds is not None
    assert 0 < heard.end.first_token_seconds <= heard.end.seconds < 3 + BUSY


def test_the_conversation_is_sent_as_it_is(desk: Desk, sim: Simulator) -> None:
    """All messages in their order, the model, and a stream with its usage are asked for."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    said = [Message("system", "Be brief."), Message("user", "Grüße"), Message("assistant", "Hm")]

    async def story() -> None:
        reply = desk.chat.stream(
            key_id, owner=ME, messages=[*said, Message("user", "hi")], model="openai/gpt-oss-20b"
        )
        assert [event async for event in reply]

    asyncio.run(story())
    (request,) = sim.requests
    assert (request.method, request.path) == ("POST", "/groq/openai/v1/chat/completions")
    assert json.loads(request.body) == {
        "model": "openai/gpt-oss-20b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Grüße"},
            {"role": "assistant", "content": "Hm"},
            {"role": "user", "content": "hi"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("server", ["mistral", "openrouter"])
def test_who_tells_the_tokens_anyway_is_not_asked(desk: Desk, sim: Simulator, server: str) -> None:
    """Mistral would refuse the question, and OpenRouter needs none."""
    heard = say(desk, sim, server)
    assert heard.end.usage is not None
    assert "stream_options" not in json.loads(sim.requests[0].body)
    assert len(sim.requests) == 1


ODD: dict[str, tuple[str, bool]] = {
    "nodone": ("finished", True),
    "quirky": ("finished", True),
    "othermodel": ("finished", True),
    "whole": ("finished", True),
    "picky": ("finished", True),
    "unstreamed": ("finished", True),
    "tooshort": ("length", False),
    "midfail": ("cut", False),
    "brokenoff": ("cut", False),
    "hangup": ("cut", False),
}


@pytest.mark.parametrize("server", SIX)
@pytest.mark.parametrize("behaviour", list(ODD))
def test_odd_replies_end_as_they_should(
    desk: Desk, shared: Simulator, server: str, behaviour: str
) -> None:
    """What is only odd is read whole; what breaks off is kept and said to be cut, with a reason."""
    outcome, is_whole = ODD[behaviour]
    heard = say(desk, shared, server, behaviour)
    whole = reply_text(PROMPT, MODELS[SERVERS[server].provider])
    assert heard.end.outcome == outcome
    assert heard.text == whole if is_whole else whole.startswith(heard.text) and heard.text
    assert (heard.end.diagnosis is not None) == (outcome == "cut")
    if heard.end.diagnosis:
        assert heard.end.diagnosis.explanation
        assert heard.end.diagnosis.remedy
        assert heard.verdict is Verdict.VALID


@pytest.mark.parametrize("server", ["lmstudio", "ollama", "groq"])
def test_thoughts_said_aloud_are_no_text(desk: Desk, shared: Simulator, server: str) -> None:
    """What a model says inside of its think tags is told apart from the reply."""
    heard = say(desk, shared, server, "aloud")
    assert heard.text == reply_text(PROMPT, MODELS[server])
    assert heard.reasoning.strip() == "The user wants a short answer."


@pytest.mark.parametrize(
    ("server", "behaviour", "asked", "answered"),
    [
        ("lmstudio", "good", "none-such", "google/gemma-4-e4b"),
        ("openai", "othermodel", "gpt-6-luna", "another/model-7b"),
    ],
)
def test_another_model_is_said_to_be_one(
    desk: Desk, shared: Simulator, server: str, behaviour: str, asked: str, answered: str
) -> None:
    """A server that answers with another model than asked is found out."""
    key_id = desk.put(server, shared.endpoint(server), behaviour)
    heard = desk.say(key_id, model=asked)
    assert heard.notes == [f"The server answered with {answered}."]
    assert (heard.end.asked_model, heard.end.answered_model) == (asked, answered)


EMPTY = {
    "": "The model sent an empty reply.",
    "content_filter": "The provider’s filter ended this reply.",
}


@pytest.mark.parametrize("reason", list(EMPTY))
def test_a_reply_without_words_says_so(desk: Desk, reason: str) -> None:
    """An empty reply is told from one that a filter ended, and neither is an error."""
    choice = {"delta": {"content": ""}, "finish_reason": reason or "stop"}
    data = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode()
    with Sink(stream(data)) as sink:
        heard = desk.say(desk.put("groq", sink.url()))
    assert (heard.end.outcome, heard.notes) == ("finished", [EMPTY[reason]])


def stream(*steps: Any) -> Script:
    """A stream of events with these bytes and pauses, without a length told."""
    return raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", *steps)


def test_a_stream_under_another_name_is_understood(desk: Desk) -> None:
    """Events that come as plain text are still a reply."""
    data = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    with Sink(reply(data, "Content-Type: text/plain")) as sink:
        heard = desk.say(desk.put("groq", sink.url()))
    assert (heard.text, heard.end.outcome) == ("Hi", "finished")


def test_a_stream_that_says_nothing_failed(desk: Desk) -> None:
    """A server that begins and ends without a word is no reply, and no fault of the key's."""
    with Sink(stream(b": ping\n\n")) as sink:
        heard = desk.say(desk.put("groq", sink.url()))
    assert (heard.end.outcome, heard.verdict) == ("failed", Verdict.VALID)
    assert heard.end.diagnosis
    assert "sent nothing" in heard.end.diagnosis.explanation


# --- parameters that are not known --------------------------------------------------------------


def refusing(param: str, message: str = "Unsupported parameter") -> Script:
    """Always refuse a field of the request."""
    error = {"message": message, "type": "invalid_request_error", "param": param}
    return reply(json.dumps({"error": error}).encode(), status="400 Bad Request")


@pytest.mark.parametrize(
    ("script", "bodies"),
    [
        (refusing("stream_options"), 2),
        (refusing("stream"), 2),
        (refusing("", "stream_options is for stream=true, and stream is not supported"), 3),
        (refusing("temperature"), 1),
        (refusing("messages"), 1),
        (reply(b'{"error": {"param": "stream"}}', status="401 No"), 1),
    ],
)
def test_no_part_is_left_out_twice(desk: Desk, script: Script, bodies: int) -> None:
    """A server that goes on refusing is asked once for each rule that its words name."""
    with Sink(script) as sink:
        assert desk.say(desk.put("groq", sink.url())).end.outcome in {"failed", "refused"}
        assert len(sink.bodies) == bodies


def test_a_picky_server_is_asked_for_less(desk: Desk, sim: Simulator) -> None:
    """Only what it named is left out, and a reply in one piece is said to be one."""
    assert say(desk, sim, "openai", "picky").notes == []
    first, second = (json.loads(request.body) for request in sim.requests)
    assert {**second, "stream_options": first["stream_options"]} == first
    assert "stream_options" not in second
    sim.requests.clear()
    notes = say(desk, sim, "openai", "unstreamed").notes
    assert notes == ["This model sends its reply in one piece."]
    assert [json.loads(request.body)["stream"] for request in sim.requests] == [True, False]


def test_mistrals_way_to_name_a_field_is_understood(desk: Desk) -> None:
    """422 with the place of the field, as servers built with pydantic say it."""
    detail = [
        {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Not permitted"}
    ]
    with Sink(reply(json.dumps({"detail": detail}).encode(), status="422 No")) as sink:
        desk.say(desk.put("groq", sink.url()))
        assert len(sink.bodies) == 2


# --- what a refusal does ------------------------------------------------------------------------

REFUSALS: dict[str, tuple[str, Verdict, bool]] = {
    "revoked": ("refused", Verdict.INVALID, True),
    "deactivated": ("refused", Verdict.INVALID, True),
    "nonsense": ("refused", Verdict.INVALID, True),
    "nocredit": ("failed", Verdict.LIMITED, True),
    "region": ("failed", Verdict.LIMITED, True),
    "ratelimited": ("failed", Verdict.VALID, False),
    "down": ("failed", Verdict.UNREACHABLE, True),
    "loading": ("failed", Verdict.UNREACHABLE, True),
    "cut": ("failed", Verdict.UNREACHABLE, True),
    "html": ("failed", Verdict.MISCONFIGURED, False),
    "garbage": ("failed", Verdict.MISCONFIGURED, False),
    "redirect": ("failed", Verdict.MISCONFIGURED, False),
    "gzip": ("failed", Verdict.MISCONFIGURED, False),
}


@pytest.mark.parametrize("server", ["openai", "mistral"])
@pytest.mark.parametrize("behaviour", list(REFUSALS))
def test_a_refusal_is_diagnosed_and_what_it_says_of_the_key_recorded(
    desk: Desk, shared: Simulator, server: str, behaviour: str
) -> None:
    """Rejected is recorded at once, no credit too; what is not about the key is not; once each."""
    outcome, verdict, is_recorded = REFUSALS[behaviour]
    key_id = desk.put(server, shared.endpoint(server), behaviour)
    desk.mark(key_id, Verdict.VALID)
    before = len(shared.requests)
    heard = desk.say(key_id, model=MODELS[server])
    assert (heard.end.outcome, heard.verdict, heard.text) == (outcome, verdict, "")
    assert len(shared.requests) == before + 1
    check = desk.entry(key_id).check
    assert check
    assert check.diagnosis.verdict is (verdict if is_recorded else Verdict.VALID)
    assert (check.models, check.recommended_model) == (("m-1", "m-2"), "m-2")


def test_a_rate_limit_names_the_wait(desk: Desk, shared: Simulator) -> None:
    """The seconds of Retry-After reach the end of the reply."""
    end = say(desk, shared, "groq", "ratelimited").end
    assert end.diagnosis
    assert end.diagnosis.retry_after == 12


def test_no_credit_links_to_where_there_is_some(desk: Desk, shared: Simulator) -> None:
    """The diagnosis of a lack of money has the provider's own page."""
    end = say(desk, shared, "openrouter", "nocredit").end
    assert end.diagnosis
    assert end.diagnosis.link == "https://openrouter.ai/settings/credits"


def test_an_outage_wipes_nothing_that_was_proven(desk: Desk, sim: Simulator) -> None:
    """A server that is down makes a proven key unreachable, and it may still be tried."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    desk.mark(key_id, Verdict.VALID)
    sim.stop()
    assert desk.say(key_id).verdict is Verdict.UNREACHABLE
    entry = desk.entry(key_id)
    assert entry.check
    assert entry.check.proven
    assert entry.check.proven.verdict is Verdict.VALID
    assert may_send(entry)
    sim.start()
    assert desk.say(key_id, model=MODELS["groq"]).end.outcome == "finished"
    check = desk.entry(key_id).check
    assert check
    assert check.diagnosis.verdict is Verdict.VALID


@pytest.mark.parametrize("server", SIX)
@pytest.mark.parametrize("behaviour", ["hangup", "brokenoff", "midfail"])
def test_a_cut_reply_records_nothing(
    desk: Desk, shared: Simulator, server: str, behaviour: str
) -> None:
    """What broke off in the middle says nothing against the key."""
    key_id = desk.put(server, shared.endpoint(server), behaviour)
    desk.mark(key_id, Verdict.VALID)
    before = desk.entry(key_id).check
    assert desk.say(key_id, model=MODELS[SERVERS[server].provider]).end.outcome == "cut"
    assert desk.entry(key_id).check == before


def test_a_key_rejected_in_the_middle_is_refused(desk: Desk) -> None:
    """An error inside of a stream counts like one before it: the text stays, the key is invalid."""
    error = {"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}
    data = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
    with Sink(stream(data, f"data: {json.dumps(error)}\n\n".encode())) as sink:
        key_id = desk.put("groq", sink.url())
        heard = desk.say(key_id)
    assert (heard.text, heard.end.outcome) == ("Hi", "refused")
    check = desk.entry(key_id).check
    assert check
    assert check.diagnosis.verdict is Verdict.INVALID


def test_what_only_the_model_is_not_allowed_says_nothing_of_the_key(desk: Desk) -> None:
    """A key that may not use one model stays valid: another may be chosen."""
    said = "Project `proj_x` does not have access to model `gpt-6-astra`"
    error = {"message": said, "type": "invalid_request_error", "code": "model_not_found"}
    with Sink(reply(json.dumps({"error": error}).encode(), status="403 Forbidden")) as sink:
        key_id = desk.put("openai", sink.url())
        desk.mark(key_id, Verdict.VALID)
        heard = desk.say(key_id)
    assert (heard.end.outcome, heard.verdict) == ("failed", Verdict.LIMITED)
    check = desk.entry(key_id).check
    assert check
    assert check.diagnosis.verdict is Verdict.VALID


LIFTED = [
    (None, "groq", True),
    (Verdict.VALID, "groq", False),
    (Verdict.LIMITED, "groq", True),
    (Verdict.UNREACHABLE, "groq", True),
    (Verdict.UNVERIFIED, "groq", False),
    (Verdict.LIMITED, "openrouter", False),
]


@pytest.mark.parametrize(("before", "server", "is_lifted"), LIFTED)
def test_a_reply_shows_a_key_in_its_better_light(
    desk: Desk, shared: Simulator, before: Verdict | None, server: str, is_lifted: bool
) -> None:
    """What a reply proves is recorded where it is news; a free model proves no credit."""
    key_id = desk.put(server, shared.endpoint(server))
    if before:
        desk.mark(key_id, before)
    assert desk.say(key_id, model=MODELS[server]).end.outcome == "finished"
    check = desk.entry(key_id).check
    assert check
    assert (check.diagnosis.reason == "key works") is is_lifted
    if before:
        assert check.models == ("m-1", "m-2")


@pytest.mark.parametrize(("behaviour", "credit"), [("good", 4.2), ("nocredit", None)])
def test_a_message_forgets_no_end_and_no_credit_but_what_is_spent(
    desk: Desk, shared: Simulator, behaviour: str, credit: float | None
) -> None:
    """A chat tells neither, so what the check before told stays, unless it is known better."""
    key_id = desk.put("openai", shared.endpoint("openai"), behaviour)
    ends = datetime(2027, 1, 3, tzinfo=UTC)
    desk.mark(key_id, Verdict.UNREACHABLE, credit=4.2, expires_at=ends)
    desk.say(key_id, model=MODELS["openai"])
    check = desk.entry(key_id).check
    assert check
    assert check.diagnosis.reason != "as before"
    assert (check.credit, check.expires_at) == (credit, ends)


# --- what it took -------------------------------------------------------------------------------


def used(desk: Desk, key_id: str) -> tuple[int, int, int, int] | None:
    """Requests, errors and tokens in and out that were counted for a key; None without any."""
    days = desk.uses.days(ME, datetime.now(UTC).date() - timedelta(days=1), key_id=key_id)
    (day,) = days or [None]
    return (day.requests, day.errors, day.tokens_in, day.tokens_out) if day else None


@pytest.mark.parametrize(
    ("behaviour", "counted"),
    [
        ("good", (1, 0, 7, 8)),
        ("picky", (1, 0, 0, 0)),
        ("hangup", (1, 1, 0, 0)),
        ("revoked", (1, 1, 0, 0)),
        ("down", (1, 1, 0, 0)),
    ],
)
def test_each_message_counts_for_its_key(
    desk: Desk, shared: Simulator, behaviour: str, counted: tuple[int, ...]
) -> None:
    """Once, whatever it took to send it, with its tokens as far as they are told."""
    key_id = desk.put("openai", shared.endpoint("openai"), behaviour)
    before = datetime.now(UTC)
    desk.say(key_id, "Hello", model=MODELS["openai"])
    assert used(desk, key_id) == counted
    used_at = desk.keys.entry(key_id, owner=ME).used_at
    assert used_at is not None
    assert before <= used_at <= datetime.now(UTC)


def test_messages_add_up(desk: Desk, shared: Simulator) -> None:
    """Those of one day, in one line."""
    key_id = desk.put("groq", shared.endpoint("groq"))
    for _ in range(2):
        desk.say(key_id, "Hello", model=MODELS["groq"])
    assert used(desk, key_id) == (2, 0, 14, 16)


@pytest.mark.parametrize("how", ["stopped", "left", "closed"])
def test_a_message_that_was_stopped_counts_and_is_no_error(
    desk: Desk, slow: Simulator, how: str
) -> None:
    """By the button, by leaving the page, and by a coroutine that has heard enough."""
    key_id = desk.put("groq", slow.endpoint("groq"))
    if how == "closed":

        async def story() -> None:
            said = [Message("user", LONG_PROMPT)]
            reply = desk.chat.stream(key_id, owner=ME, messages=said, model=MODELS["groq"])
            async with aclosing(reply) as events:
                await anext(events)

        asyncio.run(story())
    else:
        with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
            next(running.events())
            if how == "stopped":
                running.stop()
                list(running.events())
    until(lambda: used(desk, key_id) is not None)
    assert used(desk, key_id) == (1, 0, 0, 0)


def test_what_was_never_sent_counts_nothing(desk: Desk, sim: Simulator) -> None:
    """A key that may not send took nothing."""
    key_id = invalid(desk, sim)
    assert desk.say(key_id).end.outcome == "failed"
    assert used(desk, key_id) is None


def test_a_count_that_fails_spoils_no_reply(parts: wiring.Parts, shared: Simulator) -> None:
    """A store that takes nothing does not take the reply away."""
    desk = Desk(parts, keys=Broken(parts.keys, finish=StoreError("The disk is full.")))
    key_id = desk.put("groq", shared.endpoint("groq"))
    assert desk.say(key_id, model=MODELS["groq"]).end.outcome == "finished"
    assert used(desk, key_id) is None


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (Usage(), (0, 0)),
        (Usage(5, 7, 12), (5, 7)),
        (Usage(5, 7), (5, 7)),
        (Usage(total=12), (12, 0)),
        (Usage(prompt=5, total=12), (5, 7)),
        (Usage(completion=7, total=12), (5, 7)),
        (Usage(prompt=5), (5, 0)),
        (Usage(prompt=5, total=1), (5, 0)),
    ],
)
def test_tokens_are_counted_as_far_as_they_are_told(usage: Usage, counted: tuple[int, int]) -> None:
    """What nobody parts into in and out counts as in, so that the sum is right."""
    assert _spent(usage, is_error=False) == Spent(False, *counted)


# --- nothing is sent ----------------------------------------------------------------------------


class Broken:
    """A source of keys in which one verb fails."""

    def __init__(self, keys: KeyService, **errors: Exception) -> None:
        self._keys = keys
        self._errors = errors
        self.recorded: list[CheckResult] = []

    def _maybe(self, verb: str) -> None:
        if verb in self._errors:
            raise self._errors[verb]

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key."""
        self._maybe("entry")
        return self._keys.entry(key_id, owner=owner)

    def may_use(self, key_id: str, *, owner: str) -> bool:
        """Whether the key is still there."""
        self._maybe("may_use")
        return self._keys.may_use(key_id, owner=owner)

    def open(self, key_id: str, *, owner: str, why: Action) -> OpenedKey:
        """The key with its secret."""
        self._maybe("open")
        return self._keys.open(key_id, owner=owner, why=why)

    def finish(
        self, use: int, result: str, *, detail: str = "", spent: Spent | None = None
    ) -> None:
        """Record how a message went."""
        self._maybe("finish")
        self._keys.finish(use, result, detail=detail, spent=spent)

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a result."""
        self.recorded.append(result)
        self._maybe("record")
        return self._keys.record(result, owner=owner)


def invalid(desk: Desk, sim: Simulator) -> str:
    """A key that a provider rejected."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    desk.mark(key_id, Verdict.INVALID)
    return key_id


def misplaced(desk: Desk, sim: Simulator) -> str:
    """A key at a wrong endpoint."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    desk.mark(key_id, Verdict.MISCONFIGURED)
    return key_id


def held(desk: Desk, sim: Simulator) -> str:
    """A key that looks like another vendor's."""
    return desk.put("openai", sim.endpoint("openai"), secret=canary("gsk_"))


def locked(desk: Desk, sim: Simulator) -> str:
    """A key that was found altered."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    desk.mark(key_id, Verdict.LOCKED)
    return key_id


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (invalid, Verdict.INVALID),
        (misplaced, Verdict.MISCONFIGURED),
        (held, Verdict.UNCHECKED),
        (locked, Verdict.LOCKED),
    ],
)
def test_a_key_that_may_not_send_sends_nothing(
    desk: Desk, sim: Simulator, made: Callable[[Desk, Simulator], str], verdict: Verdict
) -> None:
    """Rejected, misplaced, held and locked keys fail in the words of how they stand."""
    heard = desk.say(made(desk, sim))
    assert (heard.end.outcome, heard.verdict) == ("failed", verdict)
    assert heard.end.key_name == "Key 1"
    assert sim.requests == []


def test_the_same_key_sends_once_it_may(desk: Desk, sim: Simulator) -> None:
    """The twin: with a better verdict, or let go, the same keys are used."""
    rejected, foreign = invalid(desk, sim), held(desk, sim)
    desk.mark(rejected, Verdict.VALID)
    assert desk.say(rejected, model=MODELS["groq"]).end.outcome == "finished"
    desk.keys.send_anyway(foreign, owner=ME, version=desk.entry(foreign).version)
    desk.say(foreign, model=MODELS["openai"])
    assert len(sim.requests) == 2


def test_t09_t11_a_locked_store_sends_nothing(parts: wiring.Parts, sim: Simulator) -> None:
    """Without the master key every key says why it cannot be used, and nothing is recorded."""
    desk = Desk(parts)
    key_id = desk.put("groq", sim.endpoint("groq"))
    shut = KeyService(parts.repository, Safe(parts.repository.keyring, lambda: None))
    heard = Desk(parts, keys=shut).say(key_id)
    assert (heard.end.outcome, heard.verdict) == ("failed", Verdict.LOCKED)
    assert heard.end.diagnosis
    assert "master key" in heard.end.diagnosis.explanation
    assert (sim.requests, desk.entry(key_id).check) == ([], None)


def test_t11_a_row_that_was_altered_stays_marked(parts: wiring.Parts, sim: Simulator) -> None:
    """A key that does not open alone is locked for everybody from then on."""
    source = Broken(parts.keys, open=LockedError("It was altered."))
    desk = Desk(parts, keys=source)
    key_id = desk.put("groq", sim.endpoint("groq"))
    heard = desk.say(key_id)
    assert (heard.end.outcome, heard.verdict) == ("failed", Verdict.LOCKED)
    assert not may_send(desk.entry(key_id))
    assert sim.requests == []


@pytest.mark.parametrize("verb", ["entry", "open"])
@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (NotFoundError(), "deleted", ""),
        (StoreError("The disk is full."), "failed", "The disk is full."),
        (RuntimeError("secret words"), "failed", "The message could not be sent."),
    ],
)
def test_t35_a_store_that_fails_ends_in_words(
    parts: wiring.Parts, sim: Simulator, verb: str, error: Exception, outcome: str, words: str
) -> None:
    """A key that is gone, a store in trouble and a bug of ours are ends like any other."""
    desk = Desk(parts, keys=Broken(parts.keys, **{verb: error}))
    heard = desk.say(desk.put("groq", sim.endpoint("groq")))
    assert heard.end.outcome == outcome
    assert (heard.end.diagnosis.explanation if heard.end.diagnosis else "") == words
    assert sim.requests == []


def test_a_result_that_cannot_be_kept_spoils_no_reply(
    parts: wiring.Parts, shared: Simulator
) -> None:
    """A store that takes nothing does not take the reply away."""
    source = Broken(parts.keys, record=StoreError("The disk is full."))
    heard = say(Desk(parts, keys=source), shared, "groq")
    assert (heard.end.outcome, len(source.recorded)) == ("finished", 1)


def test_somebody_elses_key_is_no_key(parts: wiring.Parts, desk: Desk, sim: Simulator) -> None:
    """Another owner's key is answered like one that was deleted, and nothing is sent."""
    join(parts.repository, EVE)
    key_id = desk.put("groq", sim.endpoint("groq"))

    async def story() -> list[Any]:
        reply = desk.chat.stream(key_id, owner=EVE, messages=[Message("user", "hi")], model="m")
        return [event async for event in reply]

    (end,) = asyncio.run(story())
    assert (end.outcome, end.key_name, sim.requests) == ("deleted", "", [])


# --- the key changes meanwhile ------------------------------------------------------------------


LONG_PROMPT = "Write 400 words"


def in_the_middle(running: Running, heard: Heard, then: Callable[[], None]) -> float:
    """Listen; do something after the first words, and go on. Seconds from that to the end."""
    acted = 0.0
    for event in running.events(0.05):
        heard.take(event)
        if heard.text and not acted:
            then()
            acted = time.monotonic()
    return time.monotonic() - acted


@pytest.fixture
def slow(sim: Simulator) -> Simulator:
    """A simulator that takes four seconds for a long reply."""
    sim.world.pace = 0.01
    return sim


def test_a_key_deleted_elsewhere_stops_within_a_second(
    parts: wiring.Parts, settings: Settings, slow: Simulator
) -> None:
    """Another process deletes the key: the socket closes, the text stays, and no more is sent."""
    desk, elsewhere = Desk(parts), wiring.build(settings)
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
        seconds = in_the_middle(
            running, heard, lambda: elsewhere.keys.remove(key_id, owner=ME) and None
        )
    elsewhere.close()
    assert seconds < SOON
    assert heard.end.outcome == "deleted"
    assert 0 < len(heard.text.split()) < 400
    until(lambda: slow.requests[0].dropped)
    assert desk.say(key_id).end.outcome == "deleted"
    assert len(slow.requests) == 1


TAKEN: dict[str, Callable[[wiring.Parts, KeyEntry], object]] = {
    "unshared": lambda parts, e: parts.keys.unshare(e.id, owner=ADA, version=e.version),
    "deleted": lambda parts, e: parts.keys.remove(e.id, owner=ADA),
    "disabled": lambda parts, _: parts.repository.people.disable(BOB),
}


@pytest.mark.parametrize("how", TAKEN)
def test_t45_what_is_not_theirs_any_more_stops_within_a_second(
    parts: wiring.Parts, settings: Settings, slow: Simulator, how: str
) -> None:
    """A member chats through a team key while it is taken back or they are disabled, by another
    process: their reply ends and says so, and nothing of that counts as an attempt of theirs."""
    join(parts.repository, ADA, BOB)
    parts.repository.people.enable(BOB)
    allow(parts.repository, "127.0.0.1")
    secret = SecretStr(f"gsk_sim-good-000000000{how}")
    new = NewKey(provider="groq", name=how, secret=secret, endpoint=slow.endpoint("groq"))
    made = parts.keys.add(new, owner=ADA).entry
    entry = parts.keys.share(made.id, owner=ADA, version=made.version)
    elsewhere, heard = wiring.build(settings), Heard()
    asked = {"owner": BOB, "messages": [Message("user", LONG_PROMPT)], "model": MODELS["groq"]}
    with parts.chats.start(entry.id, **asked) as running:
        seconds = in_the_middle(running, heard, lambda: TAKEN[how](elsewhere, entry) and None)
    elsewhere.close()
    assert seconds < SOON
    assert (heard.end.outcome, 0 < len(heard.text.split()) < 400) == ("denied", True)
    until(lambda: slow.requests[0].dropped)
    told = parts.repository.journal.page(Wanted(key_id=entry.id))
    assert [(each.action, each.result) for each in told if each.actor == BOB] == [
        ("chat", "denied")
    ]


def test_a_key_deleted_by_another_process_stops_within_a_second(
    place: Place, tmp_path: Path, slow: Simulator
) -> None:
    """On both databases, and though nobody looks after it by himself: the change is told."""
    slow.world.pace = 0.05
    folders = {"data_dir": tmp_path / "data", "config_dir": tmp_path / "config"}
    settings = Settings(database_url=SecretStr(place.url), **folders)
    with closing(wiring.build(settings)) as parts:
        desk, heard = Desk(parts, watch_every=60.0), Heard()
        key_id = desk.put("groq", slow.endpoint("groq"))
        removing: list[subprocess.Popen[bytes]] = []

        def remove() -> None:
            command = [sys.executable, "-m", "mohet_keys", "remove", key_id, "--yes"]
            environment = {
                **os.environ,
                "MOHET_DATABASE_URL": place.url,
                **{f"MOHET_{name.upper()}": str(folder) for name, folder in folders.items()},
            }
            removing.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))

        with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
            in_the_middle(running, heard, remove)
        ended_at = datetime.now(UTC)
        assert removing[0].wait(60) == 0
        (removed,) = parts.repository.journal.page(Wanted(action="delete"))
    assert heard.end.outcome == "deleted"
    assert ended_at - removed.at < timedelta(seconds=SOON)


def test_it_would_go_on_without_the_watch(parts: wiring.Parts, slow: Simulator) -> None:
    """The twin: nobody looks, so the stream of a deleted key goes on."""
    desk = Desk(parts, changes=Unheard(), watch_every=60.0)
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    with desk.start(key_id, "Write 130 words", MODELS["groq"]) as running:
        in_the_middle(running, heard, lambda: desk.keys.remove(key_id, owner=ME) and None)
    assert (heard.end.outcome, len(heard.text.split())) == ("finished", 130)


def test_a_key_deleted_before_the_first_word_stops_too(desk: Desk, sim: Simulator) -> None:
    """While a server still thinks, a deleted key's request is given up as well."""
    sim.world.slow = 30.0
    for behaviour in ("slow", "slowstart"):
        key_id, heard = desk.put("openrouter", sim.endpoint("openrouter"), behaviour), Heard()
        sim.requests.clear()
        with desk.start(key_id, model=MODELS["openrouter"]) as running:
            until(lambda: bool(sim.requests))
            desk.keys.remove(key_id, owner=ME)
            began = time.monotonic()
            for event in running.events():
                heard.take(event)
        assert (heard.end.outcome, heard.text) == ("deleted", "")
        assert time.monotonic() - began < 1 + BUSY
        until(lambda: sim.requests[0].dropped)


def test_a_store_in_trouble_stops_no_reply(parts: wiring.Parts, slow: Simulator) -> None:
    """When the watch cannot see whether the key is there, the reply goes on."""
    source = Broken(parts.keys)
    desk, heard = Desk(parts, keys=source, changes=Unheard(), watch_every=0.05), Heard()
    key_id = desk.put("groq", slow.endpoint("groq"))
    with desk.start(key_id, "Write 40 words", MODELS["groq"]) as running:
        trouble = {"may_use": StoreError("The disk is full.")}
        in_the_middle(running, heard, lambda: source._errors.update(trouble))
    assert (heard.end.outcome, len(heard.text.split())) == ("finished", 40)


def test_an_edited_key_is_used_in_its_new_form_from_the_next_message_on(
    desk: Desk, slow: Simulator
) -> None:
    """An edit stops no reply under way; the next message carries the new secret."""
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    new = "gsk_sim-good-the-new-one-0123"

    def edit() -> None:
        changes = KeyChanges(secret=SecretStr(new))
        desk.keys.edit(key_id, changes, owner=ME, version=desk.entry(key_id).version)

    with desk.start(key_id, "Write 60 words", MODELS["groq"]) as running:
        in_the_middle(running, heard, edit)
    assert (heard.end.outcome, len(heard.text.split())) == ("finished", 60)
    assert desk.entry(key_id).check is None  # what the old secret proved says nothing of the new
    slow.world.pace = 0.0
    assert desk.say(key_id, model=MODELS["groq"]).end.outcome == "finished"
    assert [request.secret == new for request in slow.requests] == [False, True]


def test_a_key_revoked_between_two_messages_is_refused_and_invalid_everywhere(
    desk: Desk, settings: Settings, sim: Simulator
) -> None:
    """The second message is refused, every other process sees that, and a third is not sent."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    assert desk.say(key_id, model=MODELS["groq"]).end.outcome == "finished"
    sim.revoke(sim.requests[0].secret)
    heard = desk.say(key_id, model=MODELS["groq"])
    assert (heard.end.outcome, heard.verdict) == ("refused", Verdict.INVALID)
    elsewhere = wiring.build(settings)
    assert not may_send(elsewhere.keys.entry(key_id, owner=ME))
    elsewhere.close()
    assert desk.say(key_id).end.outcome == "failed"
    assert len(sim.requests) == 2


# --- stopping and leaving -----------------------------------------------------------------------


def calm() -> tuple[int, int]:
    """Threads, and tasks on the background loop, when nothing is under way."""

    async def tasks() -> int:
        return len(asyncio.all_tasks()) - 1

    return threading.active_count(), background.shared().run(tasks())


@pytest.fixture
def warm(desk: Desk, slow: Simulator) -> tuple[int, int]:
    """What is there once everything that stays was made."""
    slow.world.pace = 0.0
    for _ in range(8):
        with desk.start(desk.put("groq", slow.endpoint("groq")), model=MODELS["groq"]) as running:
            list(running.events())
    slow.requests.clear()
    slow.world.pace = 0.01
    return calm()


def test_t33_stop_closes_the_connection_within_a_second(
    desk: Desk, slow: Simulator, warm: tuple[int, int]
) -> None:
    """The text so far stays, the end says that it was stopped, and nothing is left running."""
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
        assert in_the_middle(running, heard, running.stop) < 1.0
        running.stop()
        assert list(running.events()) == []
    assert (heard.end.outcome, heard.end.key_name) == ("stopped", desk.entry(key_id).name)
    assert 0 < len(heard.text.split()) < 400
    assert heard.end.first_token_seconds is not None
    until(lambda: slow.requests[0].dropped and not sum(slow.world.active.values()))
    until(lambda: calm()[1] == warm[1])
    assert calm()[0] <= warm[0]


def test_t33_leaving_the_block_closes_the_connection(
    desk: Desk, slow: Simulator, warm: tuple[int, int]
) -> None:
    """A thread that is thrown out while it listens leaves no request and no task behind."""
    key_id = desk.put("groq", slow.endpoint("groq"))
    with (
        contextlib.suppress(ZeroDivisionError),
        desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running,
    ):
        for event in running.events():
            raise ZeroDivisionError if isinstance(event, Delta) else AssertionError
    until(lambda: slow.requests[0].dropped and not sum(slow.world.active.values()))
    until(lambda: calm() == warm, 10.0)


def test_t33_a_reply_that_nobody_holds_any_more_ends(
    desk: Desk, slow: Simulator, warm: tuple[int, int]
) -> None:
    """Who forgets the block, and the reply, still leaves nothing behind."""
    running = desk.start(desk.put("groq", slow.endpoint("groq")), LONG_PROMPT, MODELS["groq"])
    until(lambda: bool(slow.requests))
    del running
    gc.collect()
    until(lambda: slow.requests[0].dropped and not sum(slow.world.active.values()))
    until(lambda: calm() == warm, 10.0)


@pytest.mark.parametrize("behaviour", ["slow", "slowstart"])
def test_t33_stopping_before_the_first_word(desk: Desk, sim: Simulator, behaviour: str) -> None:
    """A server that still thinks is left just as quickly."""
    sim.world.slow = 30.0
    key_id = desk.put("openrouter", sim.endpoint("openrouter"), behaviour)
    with desk.start(key_id, model=MODELS["openrouter"]) as running:
        until(lambda: bool(sim.requests))
        running.stop()
        began = time.monotonic()
        (end,) = [event for event in running.events() if event]
    assert isinstance(end, Ended)
    assert (end.outcome, end.first_token_seconds) == ("stopped", None)
    assert time.monotonic() - began < 1 + BUSY
    until(lambda: sim.requests[0].dropped)
    assert desk.entry(key_id).check is None


def test_t33_closing_the_generator_closes_the_connection(desk: Desk, slow: Simulator) -> None:
    """A coroutine that has heard enough, or is cancelled, leaves nothing behind either."""
    key_id = desk.put("groq", slow.endpoint("groq"))

    async def story() -> None:
        said = [Message("user", LONG_PROMPT)]
        asked = {"owner": ME, "messages": said, "model": MODELS["groq"]}
        async with aclosing(desk.chat.stream(key_id, **asked)) as events:
            async for _ in events:
                break

        async def listening() -> None:
            async for _ in desk.chat.stream(key_id, **asked):
                heard.set()

        heard = asyncio.Event()
        task = asyncio.create_task(listening())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(200):
            if all(request.dropped for request in slow.requests):
                break
            await asyncio.sleep(0.005)
        assert [request.dropped for request in slow.requests] == [True, True]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())


def test_t33_t57_a_server_that_goes_away_ends_the_reply(desk: Desk, slow: Simulator) -> None:
    """A crash in the middle is a cut reply, with what came before it."""
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
        assert in_the_middle(running, heard, slow.stop) < 2.0
    assert heard.end.outcome == "cut"
    assert heard.text
    assert heard.end.diagnosis
    assert heard.end.diagnosis.reason == "reply cut off"


# --- a thread that listens ----------------------------------------------------------------------


def test_a_thread_hears_ticks_while_nothing_comes(desk: Desk, sim: Simulator) -> None:
    """While a model thinks there is a moment to show for how long already."""
    sim.world.slow = 0.5
    heard = Heard()
    key_id = desk.put("openrouter", sim.endpoint("openrouter"), "slowstart")
    with desk.start(key_id, model=MODELS["openrouter"]) as running:
        for event in running.events(0.1):
            heard.take(event)
    assert heard.end.outcome == "finished"
    assert 3 <= heard.ticks <= 6


def test_what_piled_up_comes_together(desk: Desk, sim: Simulator) -> None:
    """A thread that is busy finds all words that came since, in order, and misses none."""
    key_id = desk.put("groq", sim.endpoint("groq"))
    with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
        time.sleep(0.6)
        events = [event for event in running.events() if event]
    assert len(events) <= 3
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert text == reply_text(LONG_PROMPT)
    assert isinstance(events[-1], Ended)


def test_many_chat_at_once(desk: Desk, sim: Simulator) -> None:
    """Twenty threads that listen at once each hear their own reply."""
    sim.world.pace = 0.01
    key_id = desk.put("groq", sim.endpoint("groq"))
    found: list[tuple[int, Heard]] = []

    def listen(count: int) -> None:
        heard = Heard()
        with desk.start(key_id, f"Write {count} words", MODELS["groq"]) as running:
            for event in running.events():
                heard.take(event)
        found.append((count, heard))

    threads = [threading.Thread(target=listen, args=(count,)) for count in range(10, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(count for count, _ in found) == list(range(10, 30))
    for count, heard in found:
        assert (heard.end.outcome, len(heard.text.split())) == ("finished", count)


def test_a_loop_that_is_closed_ends_the_reply(desk: Desk, slow: Simulator) -> None:
    """When the program ends under a reply, whoever listens hears an end."""
    key_id, heard = desk.put("groq", slow.endpoint("groq")), Heard()
    with desk.start(key_id, LONG_PROMPT, MODELS["groq"]) as running:
        assert in_the_middle(running, heard, background.shared().close) < 2.0
        running.stop()
    assert heard.end.outcome == "stopped"
    assert heard.text


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["slow", "slowstart"])
def test_t28_the_first_byte_has_a_limit(
    parts: wiring.Parts, shared: Simulator, behaviour: str
) -> None:
    """A server that does not begin in time is given up, which judges no key."""
    desk = Desk(parts, limits=Limits(first_byte=0.4))
    heard = say(desk, shared, "groq", behaviour)
    assert (heard.end.outcome, heard.verdict) == ("failed", Verdict.UNREACHABLE)
    assert 0.35 < heard.end.seconds < 0.4 + BUSY


def test_local_servers_have_longer() -> None:
    """A server of the user's own may take two minutes to begin, others half a minute."""
    assert _limits("https://api.openai.com/v1", streams=True).first_byte == 30
    for local in ("http://localhost:1234/v1", "http://192.168.1.7:11434/v1", "http://10.0.0.1/v1"):
        assert _limits(local, streams=True).first_byte == 120
    assert _limits("https://api.openai.com/v1", streams=False).first_byte == 120
    assert (Limits().idle, Limits().total) == (60, 600)


WORD = b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
CUTS: dict[str, tuple[Script, str]] = {
    "a line without an end": (stream(WORD, b"data: " + b"x" * 70_000, LONG), "longer"),
    "silence": (stream(WORD, LONG), "stopped sending"),
    "a drip": (stream(WORD, *[b": ping\n\n", 0.1] * 60), "took too long"),
    "a lost connection": (
        raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n37\r\n" + WORD + b"\r\n"
        ),
        "ended in the middle",
    ),
}


@pytest.mark.parametrize(("script", "words"), CUTS.values(), ids=list(CUTS))
def test_t27_t28_a_reply_that_is_cut_is_kept_and_said_to_be(
    parts: wiring.Parts, script: Script, words: str
) -> None:
    """However it is cut off, the text stays, and the end says what happened to it."""
    desk = Desk(parts, limits=Limits(first_byte=5, idle=0.4, total=0.8))
    with Sink(script) as sink:
        heard = desk.say(desk.put("groq", sink.url()))
    assert (heard.text, heard.end.outcome) == ("word ", "cut")
    assert heard.end.diagnosis
    assert words in heard.end.diagnosis.explanation


# --- the secret ---------------------------------------------------------------------------------


def leaks(secret: str, heard: Heard) -> list[str]:
    """Where the secret is found in what a reply came to."""
    return scan(secret, {"heard": repr(heard).encode()})


@pytest.mark.parametrize("server", SIX)
@pytest.mark.parametrize("behaviour", ["parrot", "echo"])
def test_t30_a_model_that_says_the_key_does_not_get_it_through(
    desk: Desk, shared: Simulator, server: str, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut over many events, in text, thoughts, model or error: no event and no log has the key."""
    caplog.set_level(logging.DEBUG)
    provider = SERVERS[server].provider
    secret = canary(f"{PREFIX.get(provider, '')}sim-{behaviour}-")
    heard = desk.say(
        desk.put(server, shared.endpoint(server), secret=secret), model=MODELS[provider]
    )
    assert any(request.secret == secret for request in shared.requests)
    assert leaks(secret, heard) == scan(secret, {"log": caplog.text.encode()}) == []
    if behaviour == "parrot":
        assert heard.text == heard.reasoning == "Your key is [key removed], is it not?"


def test_t30_the_key_would_be_said_without_the_scrubbing(
    parts: wiring.Parts, shared: Simulator
) -> None:
    """The twin: with the scrubbing off the model's words hold the key."""
    desk = Desk(parts)
    desk.chat = ChatService(parts.keys, Outbound(guards=Guards(scrub=False)))
    secret = canary("gsk_sim-parrot-")
    heard = desk.say(desk.put("groq", shared.endpoint("groq"), secret=secret), model=MODELS["groq"])
    assert secret in heard.text


def test_t30_a_key_in_an_error_of_the_stream_does_not_get_through(desk: Desk) -> None:
    """Escaped letter by letter in an error's message, the key is still taken out."""
    secret = "letmein-7f3a-91c2"  # so short that nothing but its exact form gives it away
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in secret)
    data = f'data: {{"error": {{"message": "no access for {escaped}"}}}}\n\n'.encode()
    with Sink(stream(WORD, data)) as sink:
        heard = desk.say(desk.put("mistral", sink.url(), secret=secret))
    assert heard.end.diagnosis
    assert "no access for" in heard.end.diagnosis.explanation
    assert secret not in repr(heard)


def test_t30_a_key_in_the_name_of_a_model_does_not_get_through(desk: Desk) -> None:
    """Plain or escaped letter by letter, the key is in no note and no name of who answered."""
    secret = "letmein-7f3a-91c2-not-like-a-key"
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in secret)
    for said in (secret, escaped):
        data = f'data: {{"model": "m-{said}", "choices": [{{"finish_reason": "stop"}}]}}\n\n'
        with Sink(stream(data.encode())) as sink:
            heard = desk.say(desk.put("mistral", sink.url(), secret=secret))
        assert heard.end.answered_model == "m-[key removed]"
        assert "[key removed]" in heard.notes[0]
        desk.keys.remove(heard.end.key_id, owner=ME)


@pytest.mark.parametrize("behaviour", ["good", "revoked", "hangup", "midfail", "unstreamed"])
def test_t39_nothing_keeps_the_secret_after_a_message(
    desk: Desk, shared: Simulator, behaviour: str
) -> None:
    """When a reply is over, but its Running still held, no opened key with a secret is alive."""
    key_id = desk.put("groq", shared.endpoint("groq"), behaviour)
    with desk.start(key_id, model=MODELS["groq"]) as running:
        list(running.events())
        gc.collect()
        opened = [thing for thing in gc.get_objects() if isinstance(thing, OpenedKey)]
        assert [key for key in opened if key.id == key_id and key.secret] == []


def test_t32_t42_two_users_share_no_connection_and_no_cookie(desk: Desk) -> None:
    """What a server hands to one chat comes back with no other."""
    biscuit = "Set-Cookie: session=biscuit; Path=/"
    data = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    with Sink(reply(data, biscuit)) as sink:
        for name in ("one", "two"):
            secret = f"gsk_{name}-0123456789abcdef"
            assert desk.say(desk.put("groq", sink.url(), secret=secret)).text == "Hi"
            assert sink.headers()["authorization"] == f"Bearer {secret}"
            assert "cookie" not in sink.headers()
        assert sink.accepts == 2


def test_t33_a_reply_that_nobody_reads_is_given_up(
    desk: Desk, slow: Simulator, warm: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was left keeps the reply in hand and asks for nothing: the line is hung up."""
    monkeypatch.setattr(running, "PATIENCE", 0.3)
    held = desk.start(desk.put("groq", slow.endpoint("groq")), LONG_PROMPT, MODELS["groq"])
    until(lambda: bool(slow.requests))
    until(lambda: slow.requests[0].dropped and not sum(slow.world.active.values()))
    *_, end = held.events()
    assert isinstance(end, Ended)
    assert end.outcome == "stopped"
    until(lambda: calm() == warm, 10.0)
