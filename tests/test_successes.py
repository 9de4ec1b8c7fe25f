"""The rules for answers that came through: which of them prove a key, and what they tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mohet_keys.case import KEY_WORKS, NO_KEY_NEEDED
from mohet_keys.model import Verdict
from mohet_keys.successes_account import Facts, facts
from tests.judging import answer, listed

KEY = "GET /api/v1/key"
BALANCE = "GET https://ollama.com/api/balance"


# --- lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai", "groq", "mistral", "lmstudio", "ollama", "new"])
def test_a_guarded_list_proves_the_key(provider: str) -> None:
    """Where lists are shown to keys alone, one that comes is proof."""
    told = listed(provider, [{"id": "m"}])
    assert (told.verdict, told.reason) == (Verdict.VALID, KEY_WORKS)


@pytest.mark.parametrize(
    ("provider", "request_"),
    [
        ("openrouter", "GET /api/v1/models"),
        ("openrouter", "GET https://openrouter.ai/api/v1/models?category=chat"),
        ("openrouter", "GET /api/v1/models/count"),
        ("openrouter", "GET /api/v1/providers"),
        ("ollama", "GET https://ollama.com/v1/models"),
        ("ollama", "GET https://ollama.com/v1/models/"),
        ("llamacpp", "GET /v1/models"),
        ("other:llamacpp", "GET /models"),
        ("perplexity", "GET /v1/models"),
    ],
)
@pytest.mark.parametrize("rows", [[{"id": "m"}], [], None])
def test_a_public_list_proves_nothing(provider: str, request_: str, rows: Any) -> None:
    """OpenRouter, Ollama's cloud and llama.cpp show theirs to everybody, full or empty."""
    assert Verdict.UNVERIFIED is listed(provider, rows, request_).verdict


def test_a_llamacpp_server_is_known_by_its_list() -> None:
    """Whatever name it was saved under."""
    rows = [{"id": "m.gguf", "owned_by": "llamacpp"}]
    assert Verdict.UNVERIFIED is listed("new", rows).verdict
    assert Verdict.VALID is listed("new", [*rows, {"id": "x", "owned_by": "me"}]).verdict


@pytest.mark.parametrize("rows", [[], None])
def test_an_empty_list_is_said_to_be_that(rows: Any) -> None:
    """A local server lacks a model; a cloud key sees none; another list may well be empty."""
    assert listed("ollama", rows).reason == "no model installed"
    assert listed("lmstudio", rows).reason == "no model installed"
    assert listed("openai", rows).reason == "no models"
    assert Verdict.VALID is listed("openai", rows or [], "GET /v1/batches").verdict
    assert Verdict.MISCONFIGURED is answer("openai", 200, {"data": rows}, "GET /x").verdict


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "gpt-6-luna"}], "and shows 1 chat model."),
        ([{"id": "gpt-6-luna"}, {"id": "gpt-6-sol"}, {"id": "whisper-1"}], "and shows 2 chat mod"),
        ([{"id": "whisper-1"}, {"id": "tts-1"}], "and shows 2 models, none of them for chats."),
        ([{"id": "gpt-old", "shutdown_date": "2026-01-01"}], "and shows 1 model, none of them"),
    ],
)
def test_the_chat_models_are_counted(rows: Any, words: str) -> None:
    """The number is that of the models a chat could use."""
    assert words in listed("openai", rows).explanation


@pytest.mark.parametrize("provider", ["openai", "openrouter", "ollama", "new"])
def test_a_list_of_embeddings_is_a_reply(provider: str) -> None:
    """What was sent by POST is no list of models, public or not."""
    told = listed(provider, [{"object": "embedding", "index": 0}], "POST /v1/embeddings")
    assert told.verdict is Verdict.VALID


@pytest.mark.parametrize("rows", [[1, 2], ["m"], [{"name": None}], [{"id": ""}], [[]], "m", {}, 5])
def test_a_list_of_something_else_is_not_this_api(rows: Any) -> None:
    """Rows without an id are no models."""
    assert Verdict.MISCONFIGURED is listed("openai", rows).verdict


def test_a_single_model_is_as_good_as_its_list() -> None:
    """An entry proves a key where the list does, and nowhere else."""
    body = {"id": "m", "object": "model", "owned_by": "me"}
    for provider, path, verdict in (
        ("openai", "/v1/models/m", "valid"),
        ("openrouter", "/api/v1/models/m", "unverified"),
        ("ollama", "https://ollama.com/v1/models/m", "unverified"),
        ("llamacpp", "/v1/models/m", "unverified"),
    ):
        assert verdict == answer(provider, 200, body, f"GET {path}").verdict


def test_a_server_without_keys_is_said_to_need_none() -> None:
    """A local server that was sent none is valid in its own words."""
    told = listed("ollama", [{"id": "m"}], has_key=False)
    assert (told.verdict, told.reason) == (Verdict.VALID, NO_KEY_NEEDED)
    assert told.explanation == "The server answers and needs no key and shows 1 chat model."


def test_a_list_that_proves_no_credit_says_so() -> None:
    """OpenAI, Groq and Mistral list models for accounts without money too."""
    caveat = "Whether there is credit shows only with the first message."
    told = {slug: listed(slug, [{"id": "m"}]).explanation for slug in ("openai", "groq", "mistral")}
    assert all(words.endswith(caveat) for words in told.values())
    assert caveat not in listed("lmstudio", [{"id": "m"}]).explanation


# --- accounts ---------------------------------------------------------------------------------


def router(**info: Any) -> tuple[Verdict, str]:
    """What OpenRouter's key information comes to."""
    told = answer("openrouter", 200, {"data": {"usage": 1, "limit_remaining": None, **info}}, KEY)
    return told.verdict, told.reason


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({}, ("valid", "key works")),
        ({"limit_remaining": 3}, ("valid", "key works")),
        ({"limit_remaining": 0}, ("limited", "no credit left")),
        ({"limit_remaining": -0.01}, ("limited", "no credit left")),
        ({"limit_remaining": "0"}, ("limited", "no credit left")),
        ({"limit_remaining": float("inf")}, ("valid", "key works")),
        ({"limit_remaining": 10**30}, ("valid", "key works")),
        ({"limit_remaining": []}, ("valid", "key works")),
        ({"is_management_key": True}, ("limited", "management key")),
        ({"is_provisioning_key": True}, ("limited", "management key")),
        ({"is_management_key": "false"}, ("valid", "key works")),
        ({"expires_at": "2026-11-25T11:59:59Z"}, ("limited", "key expired")),
        ({"expires_at": "2026-11-25T13:00:00+02:00"}, ("limited", "key expired")),
        ({"expires_at": "2026-11-25"}, ("limited", "key expired")),
        ({"expires_at": "2026-11-25T12:00:01Z"}, ("valid", "key works")),
        ({"expires_at": "someday"}, ("valid", "key works")),
        ({"expires_at": 5}, ("valid", "key works")),
        ({"is_free_tier": True}, ("valid", "key works")),
    ],
)
def test_openrouters_key_information_is_read(info: Any, expected: tuple[str, str]) -> None:
    """Kind, expiry and limit of the key, in this order; odd values count as not told."""
    assert expected == router(**info)


def test_what_is_left_and_the_free_tier_are_told() -> None:
    """A number that is there is shown; never having bought credit is said."""
    data = {"usage": 1, "limit_remaining": 74.5}
    assert "74.50 USD" in answer("openrouter", 200, {"data": data}, KEY).explanation
    free = {"usage": 0, "is_free_tier": True}
    assert "free models" in answer("openrouter", 200, {"data": free}, KEY).explanation


def left(percent: float) -> dict[str, float]:
    """What an older plan of Ollama's has left of a span."""
    return {"remaining_percent": percent}


@pytest.mark.parametrize(
    ("included", "purchased", "verdict"),
    [
        ({"balance_usd": 72.5}, {"balance_usd": 0}, "valid"),
        ({"balance_usd": 0}, {"balance_usd": 0}, "limited"),
        ({"balance_usd": 0}, None, "limited"),
        ({"balance_usd": -1}, {"balance_usd": -1}, "limited"),
        ({"balance_usd": 0}, {"balance_usd": 5}, "valid"),
        ({"session": left(0), "weekly": left(9)}, None, "limited"),
        ({"session": left(9), "weekly": left(0)}, None, "limited"),
        ({"session": left(9), "weekly": left(9)}, None, "valid"),
        ({"session": None, "weekly": 5}, {"balance_usd": 1}, "valid"),
        (None, {"balance_usd": 1}, "valid"),
        (None, {"balance_usd": 0}, "limited"),
        ({"balance_usd": float("nan")}, {"balance_usd": 1}, "valid"),
        (None, None, "misconfigured"),
        ([], 5, "misconfigured"),
    ],
)  # fmt: skip
def test_ollamas_balance_is_read(included: Any, purchased: Any, verdict: str) -> None:
    """What is included and what was bought, on the present plans and the older ones."""
    body = {"included": included, "purchased": purchased}
    assert verdict == answer("ollama", 200, body, BALANCE).verdict


@pytest.mark.parametrize("name", ["api_key_blocked", "api_key_disabled", "team_blocked"])
@pytest.mark.parametrize(
    ("flag", "verdict"),
    [(True, "invalid"), ("true", "invalid"), (False, "valid"), ("false", "valid"), (None, "valid")],
)
def test_xais_flags_are_read(name: str, flag: Any, verdict: str) -> None:
    """A blocked key is answered with 200, and each of the three flags condemns it."""
    flags = {"api_key_blocked": False, "api_key_disabled": False, "team_blocked": False}
    body = {"name": "k", "acls": ["*"], **flags, name: flag}
    assert verdict == answer("xai", 200, body, "GET /v1/api-key").verdict


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        ({"spend": 0.1, "max_budget": 1}, "valid"),
        ({"spend": 1, "max_budget": 1}, "limited"),
        ({"blocked": True}, "invalid"),
        ({"expires": "2026-01-01T00:00:00Z"}, "limited"),
        ({}, "valid"),
    ],
)
def test_litellms_key_information_is_read(info: Any, verdict: str) -> None:
    """Blocked, expired, or over its budget."""
    body = {"key": "x", "info": info}
    assert verdict == answer("litellm", 200, body, "GET /key/info").verdict


@pytest.mark.parametrize(("is_available", "verdict"), [(True, "valid"), (False, "limited")])
def test_deepseeks_balance_is_read(is_available: bool, verdict: str) -> None:
    """One word says whether the key can be used."""
    body = {"is_available": is_available, "balance_infos": []}
    assert verdict == answer("deepseek", 200, body, "GET /user/balance").verdict


# --- what an account tells in numbers ---------------------------------------------------------


def key_facts(**info: Any) -> Facts:
    """What OpenRouter's key information tells of these."""
    return facts("openrouter", json.dumps({"data": info}).encode())


@pytest.mark.parametrize(
    ("left", "credit"),
    [(4.2, 4.2), (0, 0.0), (-3, 0.0), (-0.0, 0.0), ("4.20", 4.2), (None, None)],
)
def test_what_is_left_of_a_keys_limit_is_told(left: Any, credit: float | None) -> None:
    """In dollars, and never less than none; no limit of its own tells nothing."""
    found = key_facts(limit_remaining=left)
    assert found == Facts(credit)
    assert str(found.credit) == str(credit)


@pytest.mark.parametrize("said", ["2027-01-03T10:00:00Z", "2027-01-03T12:00+02:00"])
def test_the_end_of_a_key_is_told_in_utc(said: str) -> None:
    """Whichever zone the provider writes it in."""
    assert key_facts(expires_at=said).expires_at == datetime(2027, 1, 3, 10, tzinfo=UTC)


def test_balances_are_told_too() -> None:
    """OpenRouter's account: what was bought less what was used. Ollama's cloud: both its parts."""
    assert key_facts(total_credits=10, total_usage=4) == Facts(6.0)
    assert key_facts(total_credits=4, total_usage=10) == Facts(0.0)
    cloud = {"included": {"balance_usd": 72.5}, "purchased": {"balance_usd": 25}}
    assert facts("ollama", json.dumps(cloud).encode()) == Facts(97.5)
    assert facts("ollama", json.dumps({"included": left(9)}).encode()) == Facts()
    assert facts("groq", json.dumps(cloud).encode()) == Facts()


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "1e999", "-1e999", "1e300", "9" * 400, "9" * 9999, '"1e5"', '"abc"', '"\\ud800"'),
        *("true", "[]", "{}", "[[1]]", '""', "null"),
    ],
)
def test_t29_an_odd_amount_counts_as_not_told(value: str) -> None:
    """None that makes no sense gets any further."""
    body = f'{{"data": {{"limit_remaining": {value}, "total_credits": {value}}}}}'
    assert facts("openrouter", body.encode()) == Facts()
    assert facts("ollama", f'{{"included": {{"balance_usd": {value}}}}}'.encode()) == Facts()


@pytest.mark.parametrize(
    "value",
    [
        *("someday", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-14:00", "1970-01-01"),
        *("9999-12-31", "2027-01-03T10:00:00+99:00", "2" * 100_000, "\ud800", "", 5, [], True),
        *(1798970400, float("inf")),
    ],
)
def test_t29_an_odd_moment_counts_as_not_told(value: Any) -> None:
    """None that could not be stored, or shown in every zone, gets any further."""
    assert key_facts(expires_at=value, limit_remaining=1) == Facts(1.0)


@pytest.mark.parametrize("provider", ["openrouter", "ollama", "", "nobody"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"5",
        b'{"data": []}',
        b'{"data": 5}',
        b"<html>",
        b"[" * 9999,
    ],
)
def test_t29_any_answer_may_be_asked_for_its_facts(provider: str, body: bytes) -> None:
    """What is no account has none."""
    assert facts(provider, body) == Facts()


# --- replies ----------------------------------------------------------------------------------


def replied(model: Any, asked: str | None = "qwen3", provider: str = "lmstudio") -> str:
    """The reason that a whole reply of a model gets."""
    body = {"choices": [{"message": {"content": "Hi"}}], "model": model}
    return answer(provider, 200, body, asked_model=asked).reason


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("qwen3", "key works"),
        ("QWEN3", "key works"),
        ("qwen3:2", "key works"),
        ("qwen/qwen3", "key works"),
        ("google/gemma-4-e4b", "another model answered"),
        ("", "key works"),
        (None, "key works"),
        (5, "key works"),
    ],
)
def test_lm_studio_may_answer_with_another_model(model: Any, reason: str) -> None:
    """It answers with what is loaded, and says so in the reply."""
    assert reason == replied(model)


def test_a_dated_name_of_the_same_model_is_no_other_model() -> None:
    """Clouds answer with the snapshot behind an alias; and nobody asked is nobody misled."""
    assert replied("gpt-6-luna-2026-09-22", "gpt-6-luna", "openai") == KEY_WORKS
    assert replied("google/gemma-4-e4b", None) == KEY_WORKS


@pytest.mark.parametrize(
    "body",
    [
        {"choices": []},
        {"message": {"role": "assistant", "content": "Hi"}, "done": True},
        {"response": "Hi", "done": True},
        {"type": "message", "content": [{"type": "text", "text": "Hi"}]},
        {"candidates": [{"content": {}}]},
        {"object": "response", "output": []},
        {"object": "list", "data": [{"object": "embedding"}], "model": "m"},
        {"embeddings": [[0.1]]},
    ],
)
def test_any_kind_of_reply_proves_the_key(body: Any) -> None:
    """Chats, completions, messages, responses and embeddings; only what was sent can be replied."""
    assert Verdict.VALID is answer("new", 200, body).verdict
    if "data" not in body:
        assert Verdict.MISCONFIGURED is answer("new", 200, body, "GET /v1/models").verdict


@pytest.mark.parametrize(
    "text",
    [
        'data: {"choices": [{"delta": {"content": "H"}}]}\n\n',
        'event: message_start\ndata: {"type": "message_start", "message": {}}\n\n',
        'data: {"type": "response.created", "response": {"error": null}}\n\n',
        '{"message": {"content": "H"}, "done": false}\n{"done": true}\n',
        "data: [DONE]\n\n",
        ": keep-alive\n\n",
    ],
)
def test_a_stream_that_opened_proves_the_key(text: str) -> None:
    """Whatever came of it afterwards."""
    assert Verdict.VALID is answer("new", 200, text).verdict


@pytest.mark.parametrize(
    "text", ['data: {"jsonrpc": "2.0"}\n\n', 'data: {"x": 1}\n\n', "id: 5\n\n"]
)
def test_a_stream_of_something_else_is_not_this_api(text: str) -> None:
    """Events without a reply in them are some other service's."""
    assert Verdict.MISCONFIGURED is answer("new", 200, text).verdict


# --- errors inside of a success ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"error": {"code": 401, "message": "no"}}, "invalid"),
        ({"error": "unauthorized"}, "invalid"),
        ({"error": {"type": "authentication_error", "message": "no"}}, "invalid"),
        ({"error": {"code": 402, "message": "pay"}}, "limited"),
        ({"error": {"code": 429, "message": "slowly"}}, "valid"),
        ({"error": {"code": 503, "message": "later"}}, "unreachable"),
        ({"error": {"message": "it broke"}}, "valid"),
        ({"success": False, "message": "Invalid token"}, "invalid"),
        ({"object": "error", "message": "Unauthorized", "code": 401}, "invalid"),
        ({"choices": [{"error": {"code": 401, "message": "no"}}]}, "valid"),
        ({"choices": [{"error": {"code": 402, "message": "pay"}}]}, "limited"),
    ],
)
def test_an_error_in_a_success_is_judged_by_what_it_says(body: Any, verdict: str) -> None:
    """By the status it names; an error in the middle of a reply refuses no key."""
    assert verdict == answer("new", 200, body).verdict


@pytest.mark.parametrize("code", [400, 401, 403, 500, 502, "server_error"])
def test_a_reply_that_began_proved_the_key(code: int | str) -> None:
    """Who got the first words has a key that works, whatever went wrong then."""
    first = 'data: {"choices": [{"delta": {"content": "H"}}]}\n\n'
    error = answer("new", 200, first + f'data: {{"error": {{"code": "{code}", "message": "x"}}}}')
    assert (error.verdict, error.reason) == (Verdict.VALID, "reply failed")


# --- signs of life ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "request_", "body", "verdict"),
    [
        ("ollama", "GET /", "Ollama is running", "valid"),
        ("ollama", "GET /api/version", {"version": "0.34.4"}, "valid"),
        ("ollama", "GET https://ollama.com/", "Ollama is running", "unverified"),
        ("ollama", "GET https://ollama.com/api/version", {"version": "1"}, "unverified"),
        ("lmstudio", "GET /", "Ollama is running", "misconfigured"),
        ("openai", "GET /", "Ollama is running", "misconfigured"),
        ("new", "GET /", "Ollama is running", "unverified"),
        ("vllm", "GET /health", "", "unverified"),
        ("llamacpp", "GET /health", {"status": "ok"}, "unverified"),
        ("litellm", "GET /health/liveliness", '"I\'m alive!"', "unverified"),
        ("llamacpp", "GET /props", {"model_path": "m.gguf"}, "valid"),
        ("openai", "GET /v1/me", {"id": "user-x", "email": "a@example.com"}, "valid"),
        ("openai", "GET /v1/me", {"hello": "world"}, "misconfigured"),
        ("openai", "POST /v1/responses/input_tokens", {"object": "response.input_tokens"}, "valid"),
        ("openai", "GET /v1/batches/b", {"id": "b", "object": "batch"}, "valid"),
        ("openai", "GET /v1/models", {"status": "ok"}, "misconfigured"),
        ("openai", "GET /v1/models", "OK", "misconfigured"),
        ("openai", "GET /v1/models", "", "misconfigured"),
        ("openai", "GET /v1/models", "42", "misconfigured"),
    ],
)
def test_a_sign_of_life_is_no_proof(provider: str, request_: str, body: Any, verdict: str) -> None:
    """That a server is up says something only of one that needs no key."""
    assert verdict == answer(provider, 200, body, request_).verdict
