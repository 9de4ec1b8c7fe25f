"""Checks over real sockets: the right verdict, free requests alone, and within their limits."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

from mohet_keys import probes
from mohet_keys.errors import LockedError, NotFoundError, RefusedError, StoreError
from mohet_keys.http import Guards, Outbound
from mohet_keys.model import Action, CheckResult, KeyEntry, OpenedKey, Verdict
from mohet_keys.providers import BY_SLUG
from mohet_keys.simulator.asgi import Request
from mohet_keys.simulator.server import Simulator
from mohet_keys.simulator.servers import SERVERS
from mohet_keys.validation import FRESH_FOR, PUBLIC_FOR, ValidationService
from tests.leaks import canary, scan
from tests.waiting import BUSY

T = TypeVar("T")
ME = "local"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PREFIX = {"openai": "sk-proj-", "groq": "gsk_", "openrouter": "sk-or-v1-"}
SIX = ("openai", "groq", "lmstudio-auth", "ollama-cloud", "openrouter", "mistral")
"""The server that looks at keys, for each of the six."""


@dataclasses.dataclass
class Stored:
    """A key of the shelf."""

    provider: str
    endpoint: str
    secret: str | None = dataclasses.field(repr=False)
    revision: int = 1
    looks_like: str | None = None
    locked: str | None = None
    trouble: Exception | None = None


class Shelf:
    """Keys in memory, opened anew for each check. `holds` is the switch of the hold-back."""

    def __init__(self, *, holds: bool = True) -> None:
        self.stored: dict[str, Stored] = {}
        self.recorded: list[CheckResult] = []
        self.opened = 0
        self._holds = holds

    def put(self, server: str, endpoint: str, behaviour: str | None = "good", **more: Any) -> str:
        """A key for a simulated server whose secret asks for a behaviour; None means no secret."""
        provider = SERVERS[server].provider
        own = f"{PREFIX.get(provider, '')}sim-{behaviour}-0123456789abcdef"
        more.setdefault("secret", own if behaviour else None)
        key_id = f"{server}-{behaviour}-{len(self.stored)}"
        self.stored[key_id] = Stored(provider, endpoint, **more)
        return key_id

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key as the UI sees it."""
        found = self.stored.get(key_id)
        if found is None:
            raise NotFoundError
        return KeyEntry(
            key_id, owner, found.provider, key_id, found.endpoint, "", bool(found.secret),
            found.revision, 1, NOW, NOW, owner, looks_like=found.looks_like, locked=found.locked,
        )  # fmt: skip

    def entries(self, key_ids: Sequence[str], *, owner: str) -> list[KeyEntry]:
        """Those there are."""
        return [self.entry(key_id, owner=owner) for key_id in key_ids if key_id in self.stored]

    def open_all(
        self, key_ids: Sequence[str], *, owner: str, why: Action
    ) -> list[OpenedKey | Exception]:
        """The keys with their secrets, or why there is none."""
        return [self._open(key_id) for key_id in key_ids]

    def _open(self, key_id: str) -> OpenedKey | Exception:
        found = self.stored[key_id]
        self.opened += 1
        if found.trouble:
            return found.trouble
        if found.looks_like and self._holds:
            return RefusedError("This looks like a Groq key. It was saved, and sent nowhere.")
        return OpenedKey(
            key_id, found.provider, found.endpoint, found.revision, found.secret, allow_http=True
        )

    def record_all(self, results: Sequence[CheckResult], *, owner: str) -> list[CheckResult]:
        """Keep each."""
        return [self.record(result, owner=owner) for result in results]

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a result."""
        self.recorded.append(result)
        return result


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One simulator for the tests that change nothing about it."""
    with Simulator() as running:
        running.world.slow = 30.0
        yield running


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A simulator that a test may change."""
    with Simulator() as running:
        yield running


@pytest.fixture
def shelf() -> Shelf:
    """No keys yet."""
    return Shelf()


def checks(shelf: Shelf, **more: Any) -> ValidationService:
    """The service under test."""
    return ValidationService(shelf, Outbound(), **more)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own."""
    return asyncio.run(work)


def check_one(
    shelf: Shelf, simulator: Simulator, server: str, behaviour: str | None = "good", **more: Any
) -> CheckResult:
    """Save a key for a simulated server and check it once."""
    key_id = shelf.put(server, simulator.endpoint(server), behaviour)
    return run(checks(shelf, **more).check(key_id, owner=ME))


# --- the right verdict ------------------------------------------------------------------------

BEST = {
    "openai": "gpt-6.1-terra",
    "groq": "openai/gpt-oss-120b",
    "lmstudio-auth": "google/gemma-4-e4b",
    "ollama-cloud": "gpt-oss:20b",
    "openrouter": "~anthropic/claude-sonnet-latest",
    "mistral": "mistral-medium-latest",
}


@pytest.mark.parametrize("server", SIX)
def test_a_good_key_is_valid_with_its_chat_models_best_first(
    shelf: Shelf, shared: Simulator, server: str
) -> None:
    """A good key is valid, knows its models, and begins with the recommended one."""
    result = check_one(shelf, shared, server)
    assert (result.diagnosis.verdict, result.http_status) == (Verdict.VALID, 200)
    assert result.models[0] == result.recommended_model == BEST[server]
    assert not any("embed" in name or "whisper" in name or "ocr" in name for name in result.models)
    assert result.latency_ms is not None
    assert shelf.recorded == [result]


VERDICTS = {
    "revoked": {"*": Verdict.INVALID},
    "deactivated": {"*": Verdict.INVALID},
    "nonsense": {"*": Verdict.INVALID},
    "expired": {"*": Verdict.INVALID, "openrouter": Verdict.LIMITED},
    "restricted": {"*": Verdict.LIMITED},
    "region": {"*": Verdict.LIMITED},
    "nocredit": {
        "*": Verdict.VALID,
        "openrouter": Verdict.LIMITED,
        "ollama-cloud": Verdict.LIMITED,
    },
    "ratelimited": {"*": Verdict.VALID},
    "wronghost": {"*": Verdict.VALID, "openai": Verdict.MISCONFIGURED},
    "empty": {"*": Verdict.LIMITED, "openrouter": Verdict.VALID, "ollama-cloud": Verdict.VALID},
    "down": {"*": Verdict.UNREACHABLE},
    "loading": {"*": Verdict.UNREACHABLE},
    "html": {"*": Verdict.MISCONFIGURED},
    "garbage": {"*": Verdict.MISCONFIGURED},
    "redirect": {"*": Verdict.MISCONFIGURED},
    "gzip": {"*": Verdict.MISCONFIGURED},
    "cut": {"*": Verdict.UNREACHABLE},
    "huge": {"*": Verdict.UNREACHABLE},
    "drip": {"*": Verdict.UNREACHABLE},
    "slow": {"*": Verdict.UNREACHABLE},
}


@pytest.mark.parametrize("server", SIX)
@pytest.mark.parametrize("behaviour", list(VERDICTS))
def test_each_kind_of_answer_gets_its_verdict(
    shelf: Shelf, shared: Simulator, server: str, behaviour: str
) -> None:
    """What a provider says of a key becomes the verdict, with a remedy unless all is well."""
    expected = VERDICTS[behaviour].get(server, VERDICTS[behaviour]["*"])
    result = check_one(shelf, shared, server, behaviour, deadline=0.4)
    assert result.diagnosis.verdict is expected
    assert result.diagnosis.explanation
    assert result.diagnosis.remedy or expected is Verdict.VALID


@pytest.mark.parametrize("server", SIX)
def test_a_rate_limit_names_the_wait(shelf: Shelf, shared: Simulator, server: str) -> None:
    """The seconds of Retry-After reach the diagnosis."""
    assert check_one(shelf, shared, server, "ratelimited").diagnosis.retry_after == 12


@pytest.mark.parametrize("behaviour", ["nocredit", "freetier"])
def test_without_credit_a_free_model_is_recommended(
    shelf: Shelf, shared: Simulator, behaviour: str
) -> None:
    """OpenRouter without money begins with a model that costs none."""
    assert check_one(shelf, shared, "openrouter", behaviour).recommended_model == "openrouter/free"


@pytest.mark.parametrize(
    ("server", "behaviour", "credit"),
    [
        ("openrouter", "good", 74.5),
        ("openrouter", "nocredit", 0.0),
        ("openrouter", "freetier", None),
        ("openrouter", "revoked", None),
        ("ollama-cloud", "good", 97.5),
        ("groq", "good", None),
    ],
)
def test_what_is_left_is_in_the_result(
    shelf: Shelf, shared: Simulator, server: str, behaviour: str, credit: float | None
) -> None:
    """Read off the answer that proves the key, where that tells it."""
    result = check_one(shelf, shared, server, behaviour)
    assert (result.credit, result.expires_at) == (credit, None)


def test_the_end_of_a_key_is_in_the_result(shelf: Shelf, shared: Simulator) -> None:
    """That of one that has ended, too."""
    ends = check_one(shelf, shared, "openrouter", "expired").expires_at
    assert ends is not None
    assert ends < datetime.now(UTC)


@pytest.mark.parametrize("server", ["lmstudio", "lmstudio-old", "lmstudio-oldest", "ollama"])
def test_a_local_server_needs_no_key(shelf: Shelf, shared: Simulator, server: str) -> None:
    """Without a secret a local server is valid, of whatever age, and says why."""
    result = check_one(shelf, shared, server, None)
    assert (result.diagnosis.verdict, result.diagnosis.reason) == ("valid", "no key needed")
    assert result.models


@pytest.mark.parametrize("server", ["lmstudio", "ollama"])
def test_a_key_nobody_looks_at_is_no_key_needed(
    shelf: Shelf, shared: Simulator, server: str
) -> None:
    """A local server that ignores the secret is not said to have accepted it."""
    result = check_one(shelf, shared, server, "revoked")
    assert (result.diagnosis.verdict, result.diagnosis.reason) == ("valid", "no key needed")


def test_a_loading_local_server_has_its_own_words(shelf: Shelf, sim: Simulator) -> None:
    """A model that is still being read from disk is said to be that."""
    sim.behave("lmstudio", "loading")
    told = check_one(shelf, sim, "lmstudio", None).diagnosis
    assert (told.verdict, told.reason) == (Verdict.UNREACHABLE, "model is loading")
    sim.behave("lmstudio", "slow")
    told = check_one(shelf, sim, "lmstudio", None, deadline=0.2).diagnosis
    assert "loading a model" in told.explanation


def test_t57_a_port_nobody_listens_at_is_a_server_not_started(shelf: Shelf, sim: Simulator) -> None:
    """A refused connection says what to start, and judges no key."""
    sim.stop()
    told = check_one(shelf, sim, "ollama", None).diagnosis
    assert (told.verdict, told.reason) == (Verdict.UNREACHABLE, "server not started")
    assert "ollama serve" in told.remedy


# --- free requests alone ----------------------------------------------------------------------


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_no_check_spends_a_token(shelf: Shelf, sim: Simulator, server: str) -> None:
    """Whatever the server: lists, account information, and empty chats, which are refused."""
    check_one(shelf, sim, server)
    assert sim.requests
    for request in sim.requests:
        assert request.method == "GET" or request.body == b"{}"


PLANS = {
    "openai": {"GET /openai/v1/models"},
    "groq": {"GET /groq/openai/v1/models"},
    "mistral": {"GET /mistral/v1/models"},
    "openrouter": {"GET /openrouter/api/v1/key", "GET /openrouter/api/v1/models/user"},
    "lmstudio-auth": {"GET /lmstudio-auth/api/v1/models"},
    "lmstudio-old": {f"GET /lmstudio-old/api/{v}/models" for v in ("v0", "v1")},
    "ollama-cloud": {"GET /ollama-cloud/api/balance", "GET /ollama-cloud/api/tags"},
    "ollama": {
        "GET /ollama/api/balance",
        "GET /ollama/api/tags",
        "POST /ollama/v1/chat/completions",
    },
}


@pytest.mark.parametrize("server", list(PLANS))
def test_each_provider_is_asked_by_its_own_plan(shelf: Shelf, sim: Simulator, server: str) -> None:
    """The requests that carry the key are those that prove it for that provider, no others."""
    check_one(shelf, sim, server)
    assert {f"{r.method} {r.path}" for r in sim.requests if r.secret} == PLANS[server]


# --- no public list is believed ---------------------------------------------------------------


@pytest.mark.parametrize("server", ["openrouter", "ollama-cloud", "gateway"])
def test_a_public_list_proves_no_key(shelf: Shelf, shared: Simulator, server: str) -> None:
    """Where the list is shown to everybody a revoked key is still found out."""
    assert check_one(shelf, shared, server, "revoked").diagnosis.verdict is Verdict.INVALID
    assert check_one(shelf, shared, server, "good").diagnosis.verdict is Verdict.VALID


def test_a_public_list_would_be_believed_without_the_control(
    shelf: Shelf, shared: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: taken for the vendor's own host, no control is asked and the list is believed."""
    monkeypatch.setattr(probes, "owner_of_host", lambda _host: BY_SLUG["openai"])
    assert check_one(shelf, shared, "gateway", "revoked").diagnosis.verdict is Verdict.VALID


def test_a_server_that_looks_at_no_key_is_unverified(shelf: Shelf, shared: Simulator) -> None:
    """A gateway that answers with and without a key alike has not judged it."""
    for behaviour in ("good", "revoked"):
        told = check_one(shelf, shared, "open-gateway", behaviour).diagnosis
        assert (told.verdict, told.reason) == (Verdict.UNVERIFIED, "key not looked at")


def test_the_control_is_asked_once_and_again_after_a_while(shelf: Shelf, sim: Simulator) -> None:
    """Ten keys of one server cost one request without a key, until the memory is old."""
    clock = Clock()
    service = checks(shelf, monotonic=clock)
    ids = [shelf.put("groq", sim.endpoint("groq")) for _ in range(10)]
    run(service.check_many(ids, owner=ME))
    assert len(keyless(sim.requests)) == 1
    run(service.check(ids[0], owner=ME))
    assert len(keyless(sim.requests)) == 1
    clock.ahead = PUBLIC_FOR + 1
    run(service.check(ids[0], owner=ME))
    assert len(keyless(sim.requests)) == 2


def keyless(requests: list[Request]) -> list[Request]:
    """The requests that carried no key."""
    return [request for request in requests if "authorization" not in request.headers]


class Clock:
    """Monotonic time that a test can put ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


# --- a wrong path -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "path", "right"),
    [
        ("groq", "/groq/v1", "/groq/openai/v1"),
        ("openai", "/openai", "/openai/v1"),
        ("openrouter", "/openrouter/v1", "/openrouter/api/v1"),
        ("mistral", "/mistral", "/mistral/v1"),
    ],
)
def test_a_wrong_path_is_answered_with_the_form_that_works(
    shelf: Shelf, sim: Simulator, server: str, path: str, right: str
) -> None:
    """The offered address answers like an API, and was found without the key."""
    key_id = shelf.put(server, sim.origin() + path)
    told = run(checks(shelf).check(key_id, owner=ME)).diagnosis
    assert told.verdict is Verdict.MISCONFIGURED
    assert told.endpoint == sim.origin() + right
    assert right in told.remedy
    asked = [r for r in sim.requests if r.path.startswith(right)]
    assert keyless(asked) == asked != []


# --- one deadline -----------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["slow", "drip"])
def test_t28_the_deadline_ends_slow_and_dripping_answers(
    shelf: Shelf, shared: Simulator, behaviour: str
) -> None:
    """A server that answers late, or one byte at a time, is given up on time."""
    began = time.monotonic()
    told = check_one(shelf, shared, "groq", behaviour, deadline=0.5).diagnosis
    assert told.verdict is Verdict.UNREACHABLE
    assert time.monotonic() - began < 0.5 + BUSY


def test_t28_the_deadline_is_that_of_all_requests_together(shelf: Shelf, sim: Simulator) -> None:
    """Four requests of 0.2 s each do not add up past a deadline of 0.5 s."""
    sim.delay = 0.2
    began = time.monotonic()
    check_one(shelf, sim, "ollama", "good", deadline=0.5)
    assert time.monotonic() - began < 0.5 + BUSY
    assert len(sim.requests) < 4


def test_the_latency_is_that_of_the_answer(shelf: Shelf, sim: Simulator) -> None:
    """It counts the milliseconds of one answer."""
    sim.delay = 0.5
    latency = check_one(shelf, sim, "openrouter").latency_ms
    assert latency is not None
    assert 500 <= latency < 950


# --- nothing is sent --------------------------------------------------------------------------


class Sink(BaseHTTPRequestHandler):
    """Takes whatever comes, shows everybody a list, or refuses and says who asked."""

    seen: list[str]
    refuses: bool

    def do_GET(self) -> None:
        """Answer with a list, or with a refusal that quotes the key."""
        sent = self.headers.get("Authorization", "")
        self.seen.append(sent)
        self.send_response(403 if self.refuses else 200)
        said = {"message": "no access for " + sent.removeprefix("Bearer ")}
        body = json.dumps(said if self.refuses else {"data": [{"id": "m"}]}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Be quiet."""


@contextlib.contextmanager
def listening(*, refuses: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A listening server's base URL, and the Authorization values it has seen."""
    seen: list[str] = []
    handler = type("Own", (Sink,), {"seen": seen, "refuses": refuses})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        turn = threading.Thread(target=server.serve_forever, args=(0.01,))
        turn.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
        server.shutdown()
        turn.join()


@pytest.fixture
def sink() -> Iterator[tuple[str, list[str]]]:
    """A server that takes whatever comes."""
    with listening() as found:
        yield found


def test_a_held_back_key_is_sent_nowhere(sink: tuple[str, list[str]]) -> None:
    """A key that looks like another vendor's leaves nothing at the server, nor in the store."""
    shelf, (url, seen) = Shelf(), sink
    cache: dict[Any, Any] = {}
    key_id = shelf.put("openai", url, looks_like="groq")
    told = run(checks(shelf).check(key_id, owner=ME, cache=cache)).diagnosis
    assert told.verdict is Verdict.UNCHECKED
    assert told.explanation.startswith("This looks like a Groq key.")
    assert (seen, shelf.recorded, cache) == ([], [], {})


def test_the_sink_sees_the_key_when_nothing_holds_it_back(sink: tuple[str, list[str]]) -> None:
    """The twin: with the hold switched off the same key arrives at the same server."""
    shelf, (url, seen) = Shelf(holds=False), sink
    key_id = shelf.put("openai", url, looks_like="groq")
    run(checks(shelf).check(key_id, owner=ME))
    assert f"Bearer {shelf.stored[key_id].secret}" in seen


def test_a_key_that_is_let_go_is_checked_at_once(shelf: Shelf, shared: Simulator) -> None:
    """What was said while the key was held does not answer for it afterwards."""
    cache: dict[Any, Any] = {}
    service = checks(shelf)
    key_id = shelf.put("openai", shared.endpoint("openai"), looks_like="groq")
    run(service.check(key_id, owner=ME, cache=cache))
    shelf.stored[key_id].looks_like = None
    told = run(service.check(key_id, owner=ME, cache=cache)).diagnosis
    assert told.verdict is Verdict.VALID


def test_t19_a_redirect_takes_the_key_nowhere(sink: tuple[str, list[str]], sim: Simulator) -> None:
    """The host a redirect names is told to the user and never asked."""
    shelf, (url, seen) = Shelf(), sink
    sim.world.redirect_to = url
    told = check_one(shelf, sim, "groq", "redirect").diagnosis
    assert "127.0.0.1" in told.explanation
    assert seen == []


# --- keys that do not open --------------------------------------------------------------------


def test_t11_an_altered_row_is_locked_and_stays_marked(shelf: Shelf) -> None:
    """A key that does not open alone is locked, with the reason, and that is recorded."""
    key_id = shelf.put("groq", "https://x.example/v1", trouble=LockedError("It was altered."))
    cache: dict[Any, Any] = {}
    result = run(checks(shelf).check(key_id, owner=ME, cache=cache))
    assert (result.diagnosis.verdict, result.diagnosis.explanation) == ("locked", "It was altered.")
    assert (shelf.recorded, cache) == ([result], {})


def test_a_locked_store_leaves_no_mark_on_its_keys(shelf: Shelf) -> None:
    """Without the master key nothing is recorded, so that nothing is left when it is back."""
    lock = {"trouble": LockedError("No master key."), "locked": "No master key."}
    key_id = shelf.put("groq", "https://x.example/v1", **lock)
    assert run(checks(shelf).check(key_id, owner=ME)).diagnosis.verdict is Verdict.LOCKED
    assert shelf.recorded == []


# --- the cache and shared checks --------------------------------------------------------------


def test_a_result_is_known_for_five_minutes(shelf: Shelf, sim: Simulator) -> None:
    """A rerun asks nothing; a fresh check, a new revision and old age ask."""
    clock = Clock()
    service, cache = checks(shelf, monotonic=clock), {}
    key_id = shelf.put("groq", sim.endpoint("groq"))

    def asks(**more: bool) -> bool:
        before = len(sim.requests)
        run(service.check(key_id, owner=ME, cache=cache, **more))
        return len(sim.requests) > before

    assert asks()
    assert not asks()
    assert asks(fresh=True)
    clock.ahead = FRESH_FOR - 5
    assert not asks()
    clock.ahead = FRESH_FOR + 5
    assert asks()
    shelf.stored[key_id].revision = 2
    assert asks()


def test_those_who_ask_at_the_same_moment_share_one_check(shelf: Shelf, sim: Simulator) -> None:
    """Five visitors of one page cost one opening of the key."""
    sim.delay = 0.05
    key_id = shelf.put("openrouter", sim.endpoint("openrouter"))
    service = checks(shelf)

    async def five() -> list[CheckResult]:
        return await asyncio.gather(*(service.check(key_id, owner=ME) for _ in range(5)))

    assert len(set(map(id, run(five())))) == 1
    assert (shelf.opened, len(shelf.recorded)) == (1, 1)


def test_an_edited_key_does_not_wait_for_the_check_of_its_old_self(
    shelf: Shelf, sim: Simulator
) -> None:
    """A key edited while it is checked is checked anew, with its new secret."""
    sim.world.slow = 0.3
    key_id = shelf.put("openrouter", sim.endpoint("openrouter"), "slow")
    service = checks(shelf)

    async def edited() -> list[CheckResult]:
        old = asyncio.create_task(service.check(key_id, owner=ME))
        await until(lambda: bool(sim.requests))
        new = Stored("openrouter", sim.endpoint("openrouter"), "sim-revoked-0123", revision=2)
        shelf.stored[key_id] = new
        return [await service.check(key_id, owner=ME), await old]

    new, old = run(edited())
    assert (new.revision, new.diagnosis.verdict) == (2, Verdict.INVALID)
    assert (old.revision, old.diagnosis.verdict) == (1, Verdict.VALID)


# --- cancelling -------------------------------------------------------------------------------


def test_a_cancelled_check_hangs_up(shelf: Shelf, sim: Simulator) -> None:
    """Nobody waits any more, so the request ends, and nothing is recorded."""
    key_id = shelf.put("openrouter", sim.endpoint("openrouter"), "slow")
    service = checks(shelf)

    async def cancelled() -> None:
        task = asyncio.create_task(service.check(key_id, owner=ME))
        await until(lambda: bool(sim.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: sim.requests[0].dropped)

    run(cancelled())
    assert shelf.recorded == []


def test_a_shared_check_goes_on_for_who_still_waits(shelf: Shelf, sim: Simulator) -> None:
    """One of two leaves; the other gets the result."""
    sim.world.slow = 0.2
    key_id = shelf.put("openrouter", sim.endpoint("openrouter"), "slow")
    service = checks(shelf)

    async def one_leaves() -> CheckResult:
        leaver = asyncio.create_task(service.check(key_id, owner=ME))
        stayer = asyncio.create_task(service.check(key_id, owner=ME))
        await until(lambda: bool(sim.requests))
        leaver.cancel()
        return await stayer

    assert run(one_leaves()).diagnosis.verdict is Verdict.VALID
    assert shelf.opened == 1


def test_cancelling_many_hangs_up_on_all(shelf: Shelf, sim: Simulator) -> None:
    """In the middle of a hundred checks nothing more is asked, and what was under way ends."""
    ids = [shelf.put("groq", sim.endpoint("groq"), "slow") for _ in range(100)]
    service = checks(shelf)

    async def cancelled() -> int:
        task = asyncio.create_task(service.check_many(ids, owner=ME))
        await until(lambda: sum(bool(r.secret) for r in sim.requests) >= 8)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not sum(sim.world.active.values()))
        return len(sim.requests)

    asked = run(cancelled())
    time.sleep(0.1)
    assert len(sim.requests) == asked < 20
    assert shelf.recorded == []


async def until(done: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError


# --- many at once -----------------------------------------------------------------------------


def crowd(shelf: Shelf, simulator: Simulator, doors: int, each: int) -> list[str]:
    """So many good keys at each of several hosts."""
    spots = [simulator.endpoint("groq", door) for door in range(doors)]
    return [shelf.put("groq", spot) for _ in range(each) for spot in spots]


def crowded(
    shelf: Shelf, doors: int, each: int, *, takes: float = 0.3, **caps: int
) -> tuple[int, int]:
    """How many requests were under way at once, in all and at one host, in the worst moment.

    Keys set out one by one, so an answer takes longer (in seconds) than many need to set out.
    """
    with Simulator(doors=doors) as simulator:
        service = checks(shelf)
        ids = crowd(shelf, simulator, doors, each)
        run(service.check_many(ids[:doors], owner=ME))  # the controls without a key are over now
        simulator.delay = takes
        simulator.world.most_at_once = simulator.world.most_at_a_port = 0
        results = run(service.check_many(ids, owner=ME, **caps))
        assert {result.diagnosis.verdict for result in results} == {Verdict.VALID}
        assert len(results) == len(ids)
        return simulator.world.most_at_once, simulator.world.most_at_a_port


def test_no_more_than_fifty_at_once(shelf: Shelf) -> None:
    """A hundred and sixty keys at sixteen hosts are asked fifty at a time, never more."""
    in_all, _ = crowded(shelf, 16, 10)
    assert 25 < in_all <= 50


def test_no_more_than_eight_at_a_host(shelf: Shelf) -> None:
    """Sixty keys at two hosts, far from the limit in all, are asked eight at a time at each."""
    _, at_one = crowded(shelf, 2, 30)
    assert 4 < at_one <= 8


def test_the_servers_would_count_more_without_limits(shelf: Shelf) -> None:
    """The twin: without the limits the same keys press in at once, and the counters see it."""
    assert crowded(shelf, 16, 10, takes=2.0, cap=1000, per_host=1000)[0] > 50
    assert crowded(Shelf(), 2, 30, takes=1.0, cap=1000, per_host=1000)[1] > 8


def test_results_are_told_as_they_come(shelf: Shelf, sim: Simulator) -> None:
    """A fast answer is not kept waiting by a slow one."""
    sim.world.slow = 0.2
    slow = shelf.put("openrouter", sim.endpoint("openrouter"), "slow")
    fast = shelf.put("openrouter", sim.endpoint("openrouter"), "good")
    told: list[str] = []
    service = checks(shelf)
    results = run(
        service.check_many([slow, fast, slow], owner=ME, on_result=lambda r: told.append(r.key_id))
    )
    assert told == [fast, slow]
    assert [result.key_id for result in results] == [slow, fast]


def test_one_check_that_breaks_stops_no_other(
    shelf: Shelf, shared: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken store, a bug, a deleted key and a broken listener leave the others alone."""
    good = [shelf.put("groq", shared.endpoint("groq")) for _ in range(3)]
    secret = canary("gsk_")
    bug = shelf.put("groq", shared.endpoint("groq"), trouble=RuntimeError(secret))
    store = shelf.put("groq", shared.endpoint("groq"), trouble=StoreError("The disk is full."))

    def listener(_result: CheckResult) -> None:
        raise ValueError(secret)

    service = checks(shelf)
    ids = [bug, "gone", store, *good]
    results = {r.key_id: r for r in run(service.check_many(ids, owner=ME, on_result=listener))}
    assert {results[key_id].diagnosis.verdict for key_id in good} == {Verdict.VALID}
    assert results[store].diagnosis.explanation == "The disk is full."
    assert results[bug].diagnosis.verdict is Verdict.UNCHECKED
    assert set(results) == {bug, store, *good}
    assert "RuntimeError" in caplog.text
    assert scan(secret, {"log": caplog.text.encode(), "results": repr(results).encode()}) == []


def test_a_row_with_an_altered_address_is_checked_like_any_other(shelf: Shelf) -> None:
    """What is no address has no host to wait at, and the key is still found locked."""
    key_id = shelf.put("groq", "not an address", trouble=LockedError("It was altered."))
    (result,) = run(checks(shelf).check_many([key_id], owner=ME))
    assert result.diagnosis.verdict is Verdict.LOCKED


def test_a_single_check_of_a_key_that_is_gone_says_so(shelf: Shelf) -> None:
    """There is no result for a key that does not exist."""
    with pytest.raises(NotFoundError):
        run(checks(shelf).check("gone", owner=ME))


# --- the secret stays inside ------------------------------------------------------------------


@pytest.mark.parametrize("server", SIX)
def test_t30_a_server_that_quotes_the_key_does_not_get_it_into_the_result(
    shelf: Shelf, shared: Simulator, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No word of the result and no line of the debug log has the key a server echoed."""
    caplog.set_level(logging.DEBUG)
    secret = canary(f"{PREFIX.get(SERVERS[server].provider, '')}sim-echo-")
    key_id = shelf.put(server, shared.endpoint(server), secret=secret)
    result = run(checks(shelf).check(key_id, owner=ME))
    assert any(request.secret == secret for request in shared.requests)
    assert result.diagnosis.verdict is not Verdict.VALID
    assert scan(secret, {"log": caplog.text.encode(), "result": repr(result).encode()}) == []


PLAIN = "letmein-7f3a-91c2"
"""A secret that looks like none, so that only who knows it can take it out of a text."""


def explained(shelf: Shelf, **switches: bool) -> str:
    """What the user reads when a server's refusal quotes the key."""
    with listening(refuses=True) as (url, _seen):
        key_id = shelf.put("mistral", url, secret=PLAIN)
        service = ValidationService(shelf, Outbound(guards=Guards(**switches)))
        return run(service.check(key_id, owner=ME)).diagnosis.explanation


def test_t30_a_refusal_that_quotes_the_key_is_shown_without_it(shelf: Shelf) -> None:
    """The server's own words are shown, with the key taken out."""
    said = explained(shelf)
    assert "no access for" in said
    assert PLAIN not in said


def test_t30_the_quoted_key_would_be_shown_without_the_scrubbing(shelf: Shelf) -> None:
    """The twin: with the scrubbing off the key stands in the explanation."""
    assert PLAIN in explained(shelf, scrub=False)


@pytest.mark.parametrize("behaviour", ["good", "revoked", "drip", "cut"])
def test_t39_nothing_keeps_an_opened_key_after_its_check(
    shelf: Shelf, shared: Simulator, behaviour: str
) -> None:
    """When a check is over no opened key is alive, however it went."""
    service = checks(shelf, deadline=0.2)
    key_id = shelf.put("gateway", shared.endpoint("gateway"), behaviour)
    run(service.check(key_id, owner=ME))
    gc.collect()
    alive = [thing for thing in gc.get_objects() if isinstance(thing, OpenedKey)]
    assert [key for key in alive if key.id == key_id] == []


def test_t57_a_host_that_does_not_exist_is_said_to_be_that(shelf: Shelf) -> None:
    """A name that is not found is the address's fault, not the key's."""

    async def nobody(_host: str, _port: int) -> list[str]:
        raise socket.gaierror

    key_id = shelf.put("groq", "https://nowhere.example/openai/v1")
    service = ValidationService(shelf, Outbound(resolver=nobody))
    told = run(service.check(key_id, owner=ME)).diagnosis
    assert (told.verdict, told.reason) == (Verdict.UNREACHABLE, "address not found")
