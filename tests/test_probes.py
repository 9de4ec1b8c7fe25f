"""The requests of a check: few and free, below the endpoint, and no public list believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys.case import KEY_WORKS, NO_KEY_NEEDED
from mohet_keys.errors import TransportError
from mohet_keys.http import Outbound
from mohet_keys.model import Answer, OpenedKey, Verdict
from mohet_keys.probes import MOST_REQUESTS, Found, Prober
from mohet_keys.providers import BY_SLUG, PROVIDERS
from mohet_keys.simulator.behaviours import BEHAVIOURS
from mohet_keys.simulator.server import Simulator
from mohet_keys.simulator.servers import SERVERS

SECRET = "Kq3vT9xW2mLpZ8rB"
SLUGS = [row.slug for row in PROVIDERS]
Reply = tuple[int, Any] | None
"""A status and a body; None for a request that gets no answer."""

LIST: Reply = (200, {"object": "list", "data": [{"id": "m"}], "models": [{"name": "m"}]})
REFUSED: Reply = (401, {"error": {"message": "Invalid API key", "code": "invalid_api_key"}})
BAD_REQUEST: Reply = (400, {"error": {"message": "messages is a required field"}})
NO_PATH: Reply = (404, {"detail": "Not Found"})
LIMITED: Reply = (429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}})
NO_MONEY: Reply = (402, {"error": {"message": "Insufficient credits"}})
ANSWERS: list[Reply] = [
    LIST, REFUSED, BAD_REQUEST, NO_PATH, LIMITED, NO_MONEY, None,
    (200, {"data": []}),
    (200, {"error": "Unexpected endpoint or method. (GET /x)"}),
    (200, "<html><title>Welcome</title></html>"),
    (200, {"data": {"usage": 1, "limit_remaining": 5}}),
    (200, {"included": {"balance_usd": 5}}),
    (200, {"choices": []}),
    (401, {"error": {"message": "x", "code": "mismatched_organization"}}),
    (403, ""),
    (403, {"error": {"message": "No"}}),
    (422, {"detail": [{"msg": "Field required"}]}),
    (500, {"error": {"message": "Sorry"}}),
    (503, ""),
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request as the fake way out saw it."""

    method: str
    url: str
    json: object
    authorized: bool


@dataclass
class Fake:
    """A way out that asks nobody: every request is noted, and answered by a function."""

    reply: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)

    async def ask(
        self,
        key: OpenedKey,
        method: str,
        url: str,
        *,
        json: object = None,
        authorize: bool = True,
        deadline: float,
        max_bytes: int,
    ) -> Answer:
        """Note and answer one request."""
        request = Asked(method, url, json, authorize and key.secret is not None)
        self.asked.append(request)
        answer = self.reply(request)
        if answer is None:
            raise TransportError("reset")
        status, body = answer
        return Answer(status, {}, (body if isinstance(body, str) else _dumped(body)).encode(), 1)


def _dumped(body: Any) -> str:
    return json.dumps(body)


@dataclass
class Memory:
    """What is known of public lists, as the service keeps it: what raises is not kept."""

    known: dict[str, bool] = field(default_factory=dict)

    async def __call__(self, url: str, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Ask, or remember."""
        if url not in self.known:
            self.known[url] = await ask()
        return self.known[url]


def probed(
    provider: str,
    endpoint: str,
    reply: Callable[[Asked], Reply],
    secret: str | None = SECRET,
    memory: Memory | None = None,
) -> tuple[Found, list[Asked]]:
    """One check over a fake way out: what it came to, and what was asked."""
    fake = Fake(reply)
    key = OpenedKey("k", provider, endpoint, 1, secret, allow_http=True)
    prober = Prober(cast("Outbound", fake), key, lambda: 5.0, memory or Memory())
    return asyncio.run(prober.run()), fake.asked


def paths(asked: list[Asked]) -> list[str]:
    """Method and URL of each request, and whether the key went along."""
    return [f"{a.method} {a.url}{'' if a.authorized else ' keyless'}" for a in asked]


def by_path(**replies: Reply) -> Callable[[Asked], Reply]:
    """Answers by the last part of the path; `_keyless` behind it is for requests without a key."""

    def reply(asked: Asked) -> Reply:
        last = asked.url.rpartition("/")[2]
        return replies.get(last if asked.authorized else f"{last}_keyless", NO_PATH)

    return reply


# --- over real sockets ------------------------------------------------------------------------

SLOW = {"slow", "drip", "huge", "cut", "gzip"}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """One simulator for all; nothing about it is changed."""
    with Simulator() as running:
        yield running


@pytest.mark.parametrize("server", sorted(SERVERS))
@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - SLOW))
def test_each_check_asks_few_and_free_requests(sim: Simulator, server: str, behaviour: str) -> None:
    """Whatever a server does, only lists, account information and empty chats are asked for."""
    sim.requests.clear()
    secret = f"sim-{behaviour}-0123456789"
    key = OpenedKey("k", SERVERS[server].provider, sim.endpoint(server), 1, secret, allow_http=True)
    asyncio.run(Prober(Outbound(), key, lambda: 5.0, Memory()).run())
    seen = sim.requests
    assert 1 <= len(seen) <= MOST_REQUESTS
    assert {(r.method, r.body) for r in seen} <= {("GET", b""), ("POST", b"{}")}
    root = f"/{server}{SERVERS[server].base}/"
    assert all(r.path.startswith(root) for r in seen if r.secret)


# --- at the vendors' own hosts ----------------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai", "groq", "mistral"])
@pytest.mark.parametrize("answer", [LIST, REFUSED, LIMITED, NO_MONEY, None, (503, "")])
def test_a_vendor_is_asked_for_its_list_and_for_nothing_else(provider: str, answer: Reply) -> None:
    """One request, and never a chat: there a list is shown to keys alone."""
    row = BY_SLUG[provider]
    _, asked = probed(provider, row.endpoint, lambda _: answer)
    assert paths(asked) == [f"GET {row.endpoint}/models"]


@pytest.mark.parametrize("host", sorted(BY_SLUG["openrouter"].hosts))
def test_openrouter_is_asked_about_the_key_and_never_for_its_public_list(host: str) -> None:
    """Key information proves the key; the list comes from where a key is needed."""
    base = f"https://{host}/api/v1"
    info: Reply = (200, {"data": {"usage": 1, "limit_remaining": 5, "is_free_tier": True}})
    found, asked = probed("openrouter", base, by_path(key=info, user=LIST))
    assert paths(asked) == [f"GET {base}/key", f"GET {base}/models/user"]
    assert (found.diagnosis.verdict, found.free_only, len(found.models)) == ("valid", True, 1)


def test_a_refused_openrouter_key_is_asked_nothing_more() -> None:
    """Whom a key does not open the door is not asked for a list."""
    found, asked = probed("openrouter", "https://openrouter.ai/api/v1", lambda _: REFUSED)
    assert (found.diagnosis.verdict, len(asked)) == ("invalid", 1)


def test_a_list_that_fails_changes_nothing_about_the_key() -> None:
    """The key was proven before."""
    info: Reply = (200, {"data": {"usage": 1, "limit_remaining": 5}})
    found, _ = probed("openrouter", "https://openrouter.ai/api/v1", by_path(key=info, user=None))
    assert (found.diagnosis.verdict, found.models) == ("valid", ())


CLOUD = "https://ollama.com"


def test_ollamas_cloud_is_asked_for_the_balance() -> None:
    """The documented request; the list that comes after it is public and proves nothing."""
    balance: Reply = (200, {"included": {"balance_usd": 5}})
    found, asked = probed("ollama", f"{CLOUD}/v1", by_path(balance=balance, tags=LIST))
    assert paths(asked) == [f"GET {CLOUD}/api/balance", f"GET {CLOUD}/api/tags"]
    assert found.diagnosis.verdict == "valid"


@pytest.mark.parametrize(
    ("with_key", "without", "verdict"),
    [(BAD_REQUEST, REFUSED, "valid"), (REFUSED, REFUSED, "invalid"),
     (BAD_REQUEST, BAD_REQUEST, "unverified"), ((503, ""), REFUSED, "unverified")],
)  # fmt: skip
def test_ollamas_cloud_is_asked_an_empty_chat_where_it_knows_no_balance(
    with_key: Reply, without: Reply, verdict: str
) -> None:
    """The only vendor that is ever sent a POST: the empty chat tells a good key from a bad one."""
    reply = by_path(tags=LIST, completions=with_key, completions_keyless=without)
    found, asked = probed("ollama", f"{CLOUD}/v1", reply)
    assert found.diagnosis.verdict == verdict
    posts = [a for a in asked if a.method == "POST"]
    assert {a.url for a in posts} == {f"{CLOUD}/v1/chat/completions"}
    assert all(a.json == {} for a in posts)


def test_ollamas_cloud_without_a_key_wants_one() -> None:
    """The list would come all the same, so it is not the list that is asked for."""
    found, _ = probed("ollama", f"{CLOUD}/v1", by_path(balance_keyless=REFUSED), None)
    assert (found.diagnosis.verdict, found.diagnosis.reason) == ("invalid", "missing key")


# --- below a path prefix ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "endpoint", "first"),
    [
        ("ollama", "https://gate.example/llm/v1", "https://gate.example/llm/api/balance"),
        ("ollama", "https://gate.example/llm", "https://gate.example/llm/api/balance"),
        ("ollama", "http://localhost:11434/v1", "http://localhost:11434/api/balance"),
        ("lmstudio", "https://gate.example/lm/v1", "https://gate.example/lm/api/v1/models"),
        ("lmstudio", "http://localhost:1234/v1", "http://localhost:1234/api/v1/models"),
        ("openrouter", "https://gate.example/or/v1", "https://gate.example/or/v1/key"),
        ("groq", "https://gate.example/g/openai/v1", "https://gate.example/g/openai/v1/models"),
        ("mistral", "https://v1.example/v1/v1", "https://v1.example/v1/v1/models"),
    ],
)
def test_native_paths_hang_off_the_endpoint_without_its_last_v1(
    provider: str, endpoint: str, first: str
) -> None:
    """A server behind a gateway is asked behind the gateway."""
    _, asked = probed(provider, endpoint, lambda _: REFUSED)
    assert first in {a.url for a in asked}


# --- lists that are shown to everybody --------------------------------------------------------

GATE = "https://gate.example/v1"


@pytest.mark.parametrize("provider", ["openai", "groq", "mistral"])
@pytest.mark.parametrize(
    ("control", "with_key", "without", "expected"),
    [
        (REFUSED, None, None, ("valid", KEY_WORKS)),
        ((403, ""), None, None, ("valid", KEY_WORKS)),
        (LIST, REFUSED, REFUSED, ("invalid", "wrong key")),
        (LIST, BAD_REQUEST, REFUSED, ("valid", KEY_WORKS)),
        (LIST, NO_PATH, REFUSED, ("valid", KEY_WORKS)),
        (LIST, LIMITED, REFUSED, ("valid", "rate limited")),
        (LIST, NO_MONEY, REFUSED, ("limited", "no credit left")),
        (LIST, BAD_REQUEST, BAD_REQUEST, ("unverified", "key not looked at")),
        (LIST, NO_PATH, NO_PATH, ("unverified", "key not looked at")),
        (LIST, LIMITED, LIMITED, ("unverified", "key not looked at")),
        (LIST, (500, ""), (500, ""), ("unverified", "key not looked at")),
        (LIST, (200, {"choices": []}), (200, {"choices": []}), ("unverified", "key not looked at")),
        (LIST, BAD_REQUEST, None, ("unverified", "key not looked at")),
        (LIST, None, None, ("unreachable", "connection lost")),
        (None, BAD_REQUEST, BAD_REQUEST, ("unverified", "key not looked at")),
        ((503, ""), BAD_REQUEST, BAD_REQUEST, ("unverified", "key not looked at")),
        (LIMITED, BAD_REQUEST, REFUSED, ("valid", KEY_WORKS)),
    ],
)
def test_a_list_is_believed_only_where_it_is_guarded(
    provider: str, control: Reply, with_key: Reply, without: Reply, expected: tuple[str, str]
) -> None:
    """Else the empty chat tells, and where it is answered alike with and without, nothing does."""
    reply = by_path(
        models=LIST, models_keyless=control, completions=with_key, completions_keyless=without
    )
    found, _ = probed(provider, GATE, reply)
    assert expected == (found.diagnosis.verdict, found.diagnosis.reason)


def test_a_control_that_told_nothing_is_not_remembered() -> None:
    """After one lost request the next check asks again."""
    memory = Memory()
    for control, known in ((None, {}), ((503, ""), {}), (LIMITED, {}), (LIST, True)):
        reply = by_path(models=LIST, models_keyless=control, completions=REFUSED)
        probed("groq", GATE, reply, memory=memory)
        assert memory.known == (known and {f"{GATE}/models": known})


@pytest.mark.parametrize(
    ("control", "reason"),
    [(LIST, NO_KEY_NEEDED), (REFUSED, KEY_WORKS), (None, KEY_WORKS), ((503, ""), KEY_WORKS)],
)
def test_a_local_server_accepts_a_key_unless_it_answers_without_one(
    control: Reply, reason: str
) -> None:
    """That no key is needed is said only where that was seen."""
    reply = by_path(models=LIST, models_keyless=control)
    found, _ = probed("lmstudio", "http://localhost:1234/v1", reply)
    assert (found.diagnosis.verdict, found.diagnosis.reason) == ("valid", reason)


def test_a_key_of_another_vendor_is_named_when_it_is_refused() -> None:
    """A refused key with a known prefix is said to look like one of its vendor."""
    found, _ = probed("mistral", BY_SLUG["mistral"].endpoint, lambda _: REFUSED, "gsk_" + SECRET)
    assert "Groq" in found.diagnosis.remedy


# --- whatever is answered ---------------------------------------------------------------------

ENDPOINTS = ["https://gate.example/a/v1", "https://gate.example", "http://localhost:1234/v1"]
TALKS = st.lists(st.sampled_from(ANSWERS), min_size=MOST_REQUESTS, max_size=MOST_REQUESTS)


def in_turn(answers: list[Reply]) -> Callable[[Asked], Reply]:
    """One answer after another; more requests than answers are a failure of the test."""
    left = iter(answers)
    return lambda _: next(left)


@settings(deadline=None, max_examples=400, database=None)
@given(
    st.sampled_from(SLUGS),
    st.sampled_from([None, *ENDPOINTS]),
    TALKS,
    st.sampled_from([SECRET, None]),
)
def test_a_check_is_short_free_and_stays_where_the_key_belongs(
    provider: str, endpoint: str | None, answers: list[Reply], secret: str | None
) -> None:
    """Nine requests at most; a POST is empty; the key goes nowhere but below its endpoint."""
    base = endpoint or next(
        (f"https://{host}{BY_SLUG[provider].base_path}" for host in BY_SLUG[provider].hosts),
        BY_SLUG[provider].endpoint,
    )
    found, asked = probed(provider, base, in_turn(answers), secret)
    assert 1 <= len(asked) <= MOST_REQUESTS
    assert all(a.json == {} for a in asked if a.method == "POST")
    assert all(a.json is None for a in asked if a.method == "GET")
    assert all(a.url.startswith(base.removesuffix("/v1") + "/") for a in asked if a.authorized)
    if endpoint is None and provider != "ollama":
        assert {a.method for a in asked} == {"GET"}
    if provider == "openrouter":
        assert f"{base}/models" not in {a.url for a in asked if a.authorized}
    assert found.diagnosis.explanation
    assert SECRET not in repr(found)


@settings(deadline=None, max_examples=400, database=None)
@given(st.sampled_from(["openai", "groq", "mistral"]), TALKS)
def test_no_talk_makes_a_public_list_believed(provider: str, answers: list[Reply]) -> None:
    """At a foreign host a key is accepted only where a request without it was refused."""
    told: list[tuple[Asked, Reply]] = []

    def reply(asked: Asked) -> Reply:
        told.append((asked, answers[len(told)]))
        return told[-1][1]

    found, _ = probed(provider, GATE, reply)
    refused = [asked for asked, given in told if not asked.authorized and _is_refusal(given)]
    if (found.diagnosis.verdict, found.diagnosis.reason) == (Verdict.VALID, KEY_WORKS):
        assert refused


def _is_refusal(reply: Reply) -> bool:
    return reply is not None and 400 <= reply[0] < 500 and reply[0] != 429


def test_the_longest_check_takes_as_many_requests_as_are_allowed() -> None:
    """A wrong path for LM Studio: three lists, then six other forms without the key."""
    unexpected: Reply = (200, {"error": "Unexpected endpoint or method. (GET /x)"})
    _, asked = probed("lmstudio", "https://api.groq.com/x/api", lambda _: unexpected)
    assert [a.authorized for a in asked] == [True] * 3 + [False] * 6
    assert len(asked) == MOST_REQUESTS
