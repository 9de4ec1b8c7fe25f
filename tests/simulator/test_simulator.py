"""The simulator answers as the real providers do, misbehaves on request, and stays at home."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mohet_keys.diagnosis import diagnose
from mohet_keys.providers import BY_SLUG
from mohet_keys.simulator import lists
from mohet_keys.simulator.app import World, create_app
from mohet_keys.simulator.behaviours import BEHAVIOURS, behaviour_of
from mohet_keys.simulator.chat import reply_text
from mohet_keys.simulator.server import Simulator
from mohet_keys.simulator.servers import SERVERS
from tests.waiting import BUSY, until

ROOT = Path(__file__).parents[2]
SAMPLES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/wire_samples.json").read_text())
KEYED = [server.name for server in SERVERS.values() if server.keyed]
CHATS = {
    "openai": "gpt-6-luna",
    "groq": "openai/gpt-oss-20b",
    "lmstudio": "google/gemma-4-e4b",
    "ollama": "qwen3:8b",
    "openrouter": "openrouter/free",
    "mistral": "mistral-small-latest",
}
PROBES = {"openrouter": "/key", "ollama-cloud": "/api/balance"}
"""Where a server shows its model list to everybody: a path that looks at the key."""


def secret(behaviour: str) -> str:
    """A secret that asks for a behaviour."""
    return f"sim-{behaviour}-0123456789abcdef"


@dataclass(frozen=True)
class Got:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(url: str, key: str = "", body: object = None, method: str = "") -> Got:
    """One plain request, with nothing of the product in between."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    content = None if body is None else json.dumps(body)
    try:
        line.request(method or ("GET" if body is None else "POST"), parts.path, content, headers)
        answer = line.getresponse()
        return Got(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
    finally:
        line.close()


def probe(simulator: Simulator, server: str, key: str = "") -> Got:
    """A free request that looks at the key."""
    path = PROBES.get(server, "/models")
    if server == "gateway":
        return ask(f"{simulator.endpoint(server)}/chat/completions", key, {})
    base = simulator.endpoint(server)
    return ask((base.removesuffix("/v1") if path.startswith("/api") else base) + path, key)


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One simulator for the tests that change nothing about it."""
    with Simulator() as running:
        running.world.slow = running.world.drip = 0.02
        yield running


@pytest.fixture
def own() -> Iterator[Simulator]:
    """A simulator that a test may change."""
    with Simulator() as running:
        yield running


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", KEYED)
def test_a_good_key_is_let_in_and_no_key_is_not(shared: Simulator, server: str) -> None:
    """Every server that looks at keys tells a good one from none."""
    assert probe(shared, server, secret("good")).status == (400 if server == "gateway" else 200)
    assert probe(shared, server).status == 401


@pytest.mark.parametrize("server", KEYED)
@pytest.mark.parametrize("behaviour", ["revoked", "nonsense"])
def test_a_revoked_or_unknown_key_is_refused(
    shared: Simulator, server: str, behaviour: str
) -> None:
    """Both get the 401 of a key nobody knows, and it does not quote the key."""
    answer = probe(shared, server, secret(behaviour))
    assert answer.status == 401
    assert b"0123456789abcdef" not in answer.body


@pytest.mark.parametrize("server", ["lmstudio", "lmstudio-old", "lmstudio-oldest", "ollama"])
def test_a_local_server_takes_any_key_and_none(shared: Simulator, server: str) -> None:
    """LM Studio without tokens, and a local Ollama, look at no key."""
    for key in ("", secret("revoked"), "anything"):
        assert ask(f"{shared.endpoint(server)}/models", key).status == 200


def shape(data: Any) -> Any:
    """The names of a JSON value without its contents."""
    return {name: shape(value) for name, value in data.items()} if isinstance(data, dict) else None


@pytest.mark.parametrize(
    ("server", "key", "sample"),
    [
        ("openai", secret("revoked"), ("openai", "invalid_api_key")),
        ("openai", "", ("openai", "Missing bearer")),
        ("lmstudio-auth", "", ("lmstudio", "API token is required")),
        ("ollama-cloud", secret("revoked"), ("ollama", "unauthorized")),
        ("openrouter", secret("revoked"), ("openrouter", "User not found.")),
        ("openrouter", "", ("openrouter", "Missing Authentication header")),
        ("mistral", secret("revoked"), ("mistral", '"detail": "Unauthorized"')),
    ],
)
def test_refusals_have_the_providers_own_envelope(
    shared: Simulator, server: str, key: str, sample: tuple[str, str]
) -> None:
    """The body of a refusal has exactly the fields of the recorded ones."""
    provider, words = sample
    recorded = next(
        s["body"]
        for s in SAMPLES
        if s["provider"] == provider and s["status"] == 401 and words in json.dumps(s["body"])
    )
    assert shape(probe(shared, server, key).json) == shape(recorded)


REFUSED = {
    "restricted": "limited",
    "deactivated": "invalid",
    "ratelimited": "valid",
    "region": "limited",
    "down": "unreachable",
    "loading": "unreachable",
    "html": "misconfigured",
    "garbage": "misconfigured",
}


@pytest.mark.parametrize("server", [name for name in KEYED if name != "gateway"])
@pytest.mark.parametrize("behaviour", list(REFUSED))
def test_each_behaviour_reads_as_what_it_plays(
    shared: Simulator, server: str, behaviour: str
) -> None:
    """What the simulator says is understood by the product's own diagnosis."""
    answer = probe(shared, server, secret(behaviour))
    said = diagnose(
        SERVERS[server].provider,
        method="GET",
        path=shared.endpoint(server) + PROBES.get(server, "/models"),
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
    )
    assert said.verdict == REFUSED[behaviour]


@pytest.mark.parametrize("server", list(SERVERS))
@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - {"drip", "huge", "cut"}))
def test_no_behaviour_breaks_a_server(shared: Simulator, server: str, behaviour: str) -> None:
    """Every behaviour has an answer at every server; none is an error of the simulator's own."""
    chat = {"model": "x", "messages": [{"role": "user", "content": "hi"}]}
    assert ask(f"{shared.endpoint(server)}/models", secret(behaviour)).status != 500
    url = f"{shared.endpoint(server)}/chat/completions"
    assert ask(url, secret(behaviour), chat).status != 500


def test_a_rate_limit_names_the_wait(shared: Simulator) -> None:
    """429 comes with Retry-After."""
    answer = probe(shared, "groq", secret("ratelimited"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "12")


def test_openrouter_tells_what_is_left(shared: Simulator) -> None:
    """The key information carries limit, expiry, kind and tier."""
    told = {
        word: probe(shared, "openrouter", secret(word)).json["data"]
        for word in ("good", "nocredit", "expired", "expiring", "management", "freetier")
    }
    assert told["good"]["limit_remaining"] > 0
    assert told["nocredit"]["limit_remaining"] == 0
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert told["expired"]["expires_at"] < now < told["expiring"]["expires_at"]
    assert told["management"]["is_management_key"]
    assert told["freetier"]["is_free_tier"]


@pytest.mark.parametrize(
    "path",
    [
        "/openrouter/api/v1/models",
        "/ollama-cloud/v1/models",
        "/ollama-cloud/api/tags",
        "/gateway/v1/models",
    ],
)
def test_public_lists_are_public(shared: Simulator, path: str) -> None:
    """The lists that the vendors show to everybody prove nothing here either."""
    assert ask(shared.origin() + path).status == 200
    assert ask(shared.origin() + path, secret("revoked")).status == 200


def test_ollamas_empty_list_is_null(shared: Simulator) -> None:
    """With nothing pulled `data` is null, as Go writes an empty slice."""
    assert ask(f"{shared.endpoint('ollama')}/models", secret("empty")).json["data"] is None


# --- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/openai/v1/nope", 404, b"Invalid URL (GET /v1/nope)"),
        ("/openai/models", 404, b"<!doctype html>"),
        ("/groq/openai/v1/nope", 404, b"Unknown request URL: GET /openai/v1/nope."),
        ("/groq/v1/models", 404, b"Unknown request URL: GET /v1/models."),
        ("/lmstudio/models", 200, b"Unexpected endpoint or method. (GET /models)"),
        ("/lmstudio-old/api/v1/models", 200, b"Unexpected endpoint or method."),
        ("/lmstudio-oldest/api/v0/models", 200, b"Unexpected endpoint or method."),
        ("/ollama/v1/v1/models", 404, b"404 page not found"),
        ("/ollama/api/balance", 404, b"404 page not found"),
        ("/openrouter/v1/models", 404, b"<!doctype html>"),
        ("/mistral/models", 404, b'{"detail": "Not Found"}'),
        ("/nobody/v1/models", 404, b""),
        ("/", 404, b""),
    ],
)
def test_a_wrong_path_is_refused_in_each_providers_way(
    shared: Simulator, path: str, status: int, words: bytes
) -> None:
    """The path quoted is the one the real server would have seen."""
    answer = ask(shared.origin() + path, secret("good"))
    assert answer.status == status
    assert words in answer.body


def test_native_paths_are_there(shared: Simulator) -> None:
    """LM Studio's two native lists and Ollama's signs of life answer."""
    native = ask(f"{shared.origin()}/lmstudio/api/v1/models").json["models"]
    assert [row["key"] for row in native if row["loaded_instances"]] == [lists.loaded_model()]
    older = ask(f"{shared.origin()}/lmstudio-old/api/v0/models").json["data"]
    assert {row["state"] for row in older} == {"loaded", "not-loaded"}
    assert ask(f"{shared.origin()}/ollama/").body == b"Ollama is running"
    assert "version" in ask(f"{shared.origin()}/ollama/api/version").json


# --- chat -------------------------------------------------------------------------------------


def talk(simulator: Simulator, provider: str, prompt: str = "hi", **more: Any) -> Got:
    """One chat request with a good key."""
    said = {"model": CHATS[provider], "messages": [{"role": "user", "content": prompt}], **more}
    return ask(f"{simulator.endpoint(provider)}/chat/completions", secret("good"), said)


def chunks(got: Got) -> list[dict[str, Any]]:
    """The events of a stream, up to its `[DONE]`."""
    assert got.headers["content-type"] == "text/event-stream"
    lines = [line[6:] for line in got.body.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def text_of(delta: dict[str, Any]) -> str:
    """The text of a delta, which Mistral may send as a list of pieces."""
    content = delta.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(piece.get("text", "") for piece in content)


@pytest.mark.parametrize("provider", list(CHATS))
def test_a_streamed_reply_says_the_same_as_a_whole_one(shared: Simulator, provider: str) -> None:
    """The pieces of the stream add up to the text, and each stream says that it is done."""
    events = chunks(talk(shared, provider, "What is a key?", stream=True))
    choices = [choice for event in events for choice in event["choices"]]
    said = reply_text("What is a key?", CHATS[provider])
    assert "".join(text_of(c["delta"]) for c in choices).strip() == said
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] == ["stop"]
    message = talk(shared, provider, "What is a key?").json["choices"][0]["message"]
    assert text_of(message) == said


def _usage_of(events: list[dict[str, Any]]) -> list[int]:
    """Where in a stream a usage stands."""
    return [n for n, event in enumerate(events) if event.get("usage")]


QUIRKS: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "openai": lambda e: "obfuscation" in e[0] and not _usage_of(e),
    "groq": lambda e: (
        "reasoning" in e[1]["choices"][0]["delta"] and "queue_time" in e[-1]["x_groq"]["usage"]
    ),
    "lmstudio": lambda e: "reasoning_content" in e[0]["choices"][0]["delta"] and not _usage_of(e),
    "ollama": lambda e: (
        "reasoning" in e[0]["choices"][0]["delta"] and e[0]["system_fingerprint"] == "fp_ollama"
    ),
    "openrouter": lambda e: e[-1]["choices"] == [] and "cost" in e[-1]["usage"],
    "mistral": lambda e: (
        e[1]["choices"][0]["delta"]["content"][0]["type"] == "thinking"
        and _usage_of(e) == [len(e) - 1]
        and bool(e[-1]["choices"])
    ),
}


@pytest.mark.parametrize("provider", list(CHATS))
def test_each_stream_has_its_providers_quirks(shared: Simulator, provider: str) -> None:
    """Reasoning, usage, comments and padding stand where that provider puts them."""
    got = talk(shared, provider, "hi", stream=True)
    assert QUIRKS[provider](chunks(got))
    assert got.body.startswith(b": OPENROUTER PROCESSING") == (provider == "openrouter")


@pytest.mark.parametrize("provider", ["openai", "groq", "lmstudio", "ollama"])
def test_usage_comes_in_a_chunk_of_its_own_when_asked_for(shared: Simulator, provider: str) -> None:
    """`include_usage` brings one more chunk, without choices."""
    more = {"stream_options": {"include_usage": True, "include_obfuscation": False}}
    events = chunks(talk(shared, provider, "hi", stream=True, **more))
    assert _usage_of(events) == [len(events) - 1]
    assert events[-1]["choices"] == []
    assert not any("obfuscation" in event for event in events)


@pytest.mark.parametrize(
    ("provider", "status", "words"),
    [
        ("openai", 404, b"model_not_found"),
        ("groq", 404, b"model_not_found"),
        ("ollama", 404, b"try pulling it first"),
        ("openrouter", 400, b"is not a valid model ID"),
        ("mistral", 400, b"Invalid model: none-such"),
    ],
)
def test_an_unknown_model_is_refused(
    shared: Simulator, provider: str, status: int, words: bytes
) -> None:
    """Each says in its own words that there is no such model."""
    answer = talk(shared, provider, model="none-such")
    assert answer.status == status
    assert words in answer.body


def test_lmstudio_answers_an_unknown_model_with_the_loaded_one(shared: Simulator) -> None:
    """The reply names the model that really spoke."""
    assert talk(shared, "lmstudio", model="none-such").json["model"] == lists.loaded_model()


@pytest.mark.parametrize(
    ("provider", "field", "status"),
    [
        ("openai", {"max_tokens": 5}, 400),
        ("openai", {"max_completion_tokens": 5}, 200),
        ("mistral", {"max_completion_tokens": 5}, 422),
        ("mistral", {"stream_options": {"include_usage": True}}, 422),
        ("mistral", {"max_tokens": 5}, 200),
    ],
)
def test_fields_are_refused_where_the_provider_refuses_them(
    shared: Simulator, provider: str, field: dict[str, Any], status: int
) -> None:
    """The two that are strict about fields are strict here too."""
    assert talk(shared, provider, **field).status == status


@pytest.mark.parametrize("provider", list(CHATS))
def test_an_empty_chat_costs_nothing_and_tells_a_key_from_none(
    shared: Simulator, provider: str
) -> None:
    """A body without messages is refused as such, after the key was looked at."""
    url = f"{shared.endpoint(provider)}/chat/completions"
    assert ask(url, secret("good"), {}).status == 400


@pytest.mark.parametrize(
    ("server", "status"),
    [("openai", 429), ("groq", 429), ("mistral", 429), ("openrouter", 402), ("ollama-cloud", 429)],
)
def test_without_credit_models_are_listed_and_nothing_is_said(
    shared: Simulator, server: str, status: int
) -> None:
    """Money is missed by the chat alone."""
    assert ask(f"{shared.endpoint(server)}/models", secret("nocredit")).status == 200
    body = {"model": CHATS[SERVERS[server].provider], "messages": [{"role": "user"}]}
    url = f"{shared.endpoint(server)}/chat/completions"
    assert ask(url, secret("nocredit"), body).status == status


def test_a_reply_is_as_long_as_asked() -> None:
    """A prompt that names a number of words gets as many."""
    assert len(reply_text("Write 2000 words, please").split()) == 2000
    assert len(reply_text("I want 2,000 tokens").split()) == 2000
    assert reply_text("Hello there").startswith("Hello!")
    assert reply_text("")


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("Show me some code", "```python"),
        ("Compare the planets", "|---|"),
        ("Give me a list", "1. **Look**"),
        ("Any links and images?", "![a red square](https://"),
        ("Say it in unicode", "你好"),
        ("Sing", "some-model would"),
        ("How do I keep my API keys safe?", "One key for one purpose"),
        ("Our key was leaked on GitHub!", "Revoke the old key"),
        ("What does 429 mean?", "Retry-After"),
        ("Why do I get a 401?", "mistyped, revoked or expired"),
        ("How often should we rotate our keys?", "Every 90 days"),
        ("Which model should I choose?", "smallest model"),
        ("Compare the providers", "| Groq |"),
        ("Show me Python code that calls the API", 'os.environ["OPENAI_API_KEY"]'),
        ("Write a haiku about a lighthouse", "turning"),
        ("Draft an email to the team", "Subject:"),
        ("Who are you?", "I am **some-model**"),
    ],
)
def test_a_reply_fits_the_prompt(prompt: str, part: str) -> None:
    """What a person would look at on the screen can be asked for, and the model names itself."""
    assert part in reply_text(prompt, "some-model")


def words_of(got: Got) -> str:
    """The text of a stream, whatever state it is in."""
    lines = got.body.decode("utf-8", "replace").replace("\r", "").split("\n")
    said = ""
    for line in lines:
        if line.startswith("data:") and "{" in line:
            choices = json.loads(line[5:]).get("choices") or [{}]
            said += text_of(choices[0].get("delta") or {})
    return said


ODD: dict[str, Callable[[Got], bool]] = {
    "midfail": lambda got: b"[DONE]" not in got.body and len(words_of(got)) > 5,
    "brokenoff": lambda got: b"[DONE]" not in got.body and b'"stop"' not in got.body,
    "nodone": lambda got: b"[DONE]" not in got.body and b'"stop"' in got.body,
    "tooshort": lambda got: b'"length"' in got.body and b'"stop"' not in got.body,
    "quirky": lambda got: all(
        part in got.body
        for part in (b"\xef\xbb\xbf:", b"data:{", b'"choices": []', b'"delta": null', b"\r\n")
    ),
    "aloud": lambda got: words_of(got).startswith("<think>"),
    "parrot": lambda got: f"Your key is {secret('parrot')}, is it not?" in words_of(got),
    "othermodel": lambda got: b"another/model-7b" in got.body,
    "whole": lambda got: got.headers["content-type"] == "application/json",
    "slowstart": lambda got: b"[DONE]" in got.body,
}


@pytest.mark.parametrize("provider", list(CHATS))
@pytest.mark.parametrize("behaviour", list(ODD))
def test_odd_streams(shared: Simulator, provider: str, behaviour: str) -> None:
    """Each kind of odd stream is odd in its own way at every provider."""
    said = {"model": CHATS[provider], "messages": [{"role": "user", "content": "hi"}]}
    url = f"{shared.endpoint(provider)}/chat/completions"
    got = ask(url, secret(behaviour), {**said, "stream": True})
    assert got.status == 200
    assert ODD[behaviour](got), got.body


def test_a_chat_that_hangs_up_does_so_in_a_character(shared: Simulator) -> None:
    """The connection ends before the chunks do, with half of a character as the last byte."""
    said = {"model": CHATS["groq"], "messages": [{"role": "user", "content": "hi"}]}
    url = f"{shared.endpoint('groq')}/chat/completions"
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(url, secret("hangup"), {**said, "stream": True})
    with pytest.raises(UnicodeDecodeError):
        caught.value.partial.decode()


@pytest.mark.parametrize(
    ("behaviour", "field"), [("picky", "stream_options"), ("unstreamed", "stream")]
)
def test_a_picky_server_names_the_field(shared: Simulator, behaviour: str, field: str) -> None:
    """A field it does not know is refused by name, and the chat is answered without it."""
    said = {"model": CHATS["openai"], "messages": [{"role": "user", "content": "hi"}]}
    url = f"{shared.endpoint('openai')}/chat/completions"
    more = {"stream": True, "stream_options": {"include_usage": True}}
    refused = ask(url, secret(behaviour), {**said, **more})
    assert (refused.status, refused.json["error"]["param"]) == (400, field)
    rest = {name: value for name, value in more.items() if name != field}
    assert ask(url, secret(behaviour), {**said, **rest}).status == 200


# --- rude servers -----------------------------------------------------------------------------


def test_rude_answers(shared: Simulator) -> None:
    """Redirects, unasked compression, whole keys quoted and cut answers are as rude as promised."""
    shared.world.redirect_to = "http://127.0.0.1:9/sink"
    assert probe(shared, "groq", secret("redirect")).headers["location"].endswith("/sink")
    packed = probe(shared, "groq", secret("gzip"))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body).startswith(b"{")
    quoted = probe(shared, "groq", secret("echo"))
    assert secret("echo").encode() in quoted.body
    assert secret("echo") in quoted.headers["x-debug-authorization"]
    with pytest.raises(http.client.IncompleteRead):
        probe(shared, "groq", secret("cut"))


@pytest.mark.parametrize("behaviour", ["drip", "huge"])
def test_an_endless_answer_ends_when_the_caller_hangs_up(own: Simulator, behaviour: str) -> None:
    """Nothing goes on for a caller who has left, and the request counts as dropped."""
    own.world.drip = 0.01
    with socket.create_connection(("127.0.0.1", own.port), timeout=5) as line:
        key = secret(behaviour)
        line.sendall(f"GET /groq/openai/v1/models HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: Bearer {key}\r\n\r\n".encode())  # fmt: skip
        assert line.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: own.requests[0].dropped)
    until(lambda: not sum(own.world.active.values()))
    assert not own.requests[0].answered


# --- turning it on, off and about -------------------------------------------------------------


def test_it_starts_at_once_and_refuses_connections_when_stopped() -> None:
    """Up in no time; gone after a stop; back on the same port after a start."""
    began = time.monotonic()
    simulator = Simulator()
    simulator.start()
    try:
        assert time.monotonic() - began < BUSY
        url = f"{simulator.endpoint('openai')}/models"
        assert ask(url, secret("good")).status == 200
        simulator.stop()
        with pytest.raises(ConnectionRefusedError):
            ask(url, secret("good"))
        simulator.start()
        assert ask(url, secret("good")).status == 200
    finally:
        simulator.stop()


def test_a_key_can_be_revoked_and_restored_while_it_runs(own: Simulator) -> None:
    """A provider forgets a key, and knows it again."""
    own.revoke(secret("good"))
    assert probe(own, "openai", secret("good")).status == 401
    own.restore(secret("good"))
    assert probe(own, "openai", secret("good")).status == 200


def test_outages_delays_and_forced_behaviours(own: Simulator) -> None:
    """What a test sets holds for the next request, for servers without keys too."""
    own.down = True
    assert probe(own, "mistral", secret("good")).status == 503
    own.down = False
    own.behave("lmstudio", "empty")
    assert ask(f"{own.endpoint('lmstudio')}/models").json["data"] == []
    own.behave("lmstudio", None)
    assert ask(f"{own.endpoint('lmstudio')}/models").json["data"]
    own.delay = 0.1
    began = time.monotonic()
    probe(own, "mistral", secret("good"))
    assert time.monotonic() - began >= 0.1


def test_it_remembers_what_it_was_asked(own: Simulator) -> None:
    """Method, path, headers and secret of each request are kept, and no repr shows the secret."""
    probe(own, "groq", secret("good"))
    (seen,) = own.requests
    assert (seen.method, seen.path) == ("GET", "/groq/openai/v1/models")
    assert (seen.provider, seen.secret, seen.answered) == ("groq", secret("good"), True)
    assert seen.headers["authorization"] == f"Bearer {secret('good')}"
    own.revoke(secret("good"))
    assert secret("good") not in repr(own.world)


def test_further_doors_are_further_hosts() -> None:
    """Each door is an origin of its own, and requests are counted by door."""
    with Simulator(doors=3) as simulator:
        assert len({simulator.origin(door) for door in range(3)}) == 3
        for door in range(3):
            assert ask(f"{simulator.endpoint('groq', door)}/models").status == 401
        assert len({request.port for request in simulator.requests}) == 3
        assert simulator.world.most_at_a_port == 1


# --- it stays at home -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "example.com", ""])  # noqa: S104  # the addresses it must refuse
def test_it_binds_to_loopback_alone(host: str) -> None:
    """Any address but loopback is refused before a socket is opened."""
    with pytest.raises(ValueError, match="this machine alone"):
        Simulator(host=host)


@pytest.mark.parametrize(
    ("client", "status"), [("127.0.0.1", 401), ("10.0.0.7", 403), ("testclient", 403)]
)
def test_the_app_answers_this_machine_alone(client: str, status: int) -> None:
    """However the app is served, a caller from elsewhere gets nothing."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    world = World()
    path = "/openai/v1/models"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": (client, 1)}
    given = iter([{"type": "http.request", "body": b""}])

    async def once() -> dict[str, Any]:
        return next(given, None) or await asyncio.Future()

    asyncio.run(create_app(world)(scope, once, send))
    assert sent[0]["status"] == status
    assert len(world.requests) == (status == 401)


def test_the_module_serves_until_it_is_interrupted() -> None:
    """`python -m mohet_keys.simulator` names a base URL for every server, and they answer."""
    command = [sys.executable, "-m", "mohet_keys.simulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = dict(process.stdout.readline().split() for _ in SERVERS)
            assert set(told) == set(SERVERS)
            assert ask(f"{told['groq']}/models", secret("good")).status == 200
        finally:
            process.terminate()


def test_the_module_refuses_to_serve_the_network() -> None:
    """`--host 0.0.0.0` ends with one sentence and nothing served."""
    command = [sys.executable, "-m", "mohet_keys.simulator", "--host", "0.0.0.0"]  # noqa: S104  # it must be refused
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "this machine alone" in done.stderr
    assert done.stdout == ""


def test_every_behaviour_is_found_in_a_secret() -> None:
    """The documented words are those that are understood, whatever stands around them."""
    for word in BEHAVIOURS:
        assert behaviour_of(f"gsk_sim-{word}-0123456789") == word
    assert behaviour_of("gsk_sim-nonsense-0123456789") is None
    assert behaviour_of("gsk_real_looking_key") is None


def test_every_provider_of_the_table_is_simulated() -> None:
    """A provider that gets a row gets a server."""
    assert {server.provider for server in SERVERS.values()} == set(BY_SLUG)
