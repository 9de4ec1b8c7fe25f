"""Every known answer judged right, in plain words, and nothing that makes the judge stumble."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys.diagnosis import diagnose, diagnose_failure
from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.model import Diagnosis, Verdict
from tests.judging import answer, judged, more_answers, samples, text_of
from tests.leaks import WINDOW, canary

SAMPLES = samples()
MORE = more_answers()
ALL = SAMPLES + MORE


def name_of(row: dict[str, Any]) -> str:
    """A row's name in the list of tests."""
    return f"{row['provider']}: {row['case']}"


every_sample = pytest.mark.parametrize("row", SAMPLES, ids=map(name_of, SAMPLES))
every_answer = pytest.mark.parametrize("row", ALL, ids=map(name_of, ALL))


# --- the right verdict ------------------------------------------------------------------------


def test_there_are_as_many_samples_as_were_collected() -> None:
    """No sample gets lost: 108 collected ones and some four hundred of our own."""
    assert len(SAMPLES) == 108
    assert len(MORE) >= 400
    assert len(ALL) == len({name_of(row) for row in ALL})


@every_sample
def test_a_collected_answer_gets_its_verdict(row: dict[str, Any]) -> None:
    """Each answer that was seen, documented or composed has the verdict that comes with it."""
    assert row["verdict"] == judged(row).verdict


@pytest.mark.parametrize("row", MORE, ids=map(name_of, MORE))
def test_a_further_answer_gets_its_verdict(row: dict[str, Any]) -> None:
    """The rules hold for answers in other words, envelopes and places too."""
    assert row["verdict"] == judged(row).verdict, row["why"]


REASONS = {
    "openai: account_deactivated": "account closed",
    "openai: client_sent_None": "wrong key",
    "openai: insufficient_quota": "no credit left",
    "openai: mismatched_organization": "organisation does not match",
    "openai: missing_key": "missing key",
    "openai: model_not_found": "unknown model",
    "openai: placeholder_sent_to_cloud": "meant for another server",
    "openai: project_lacks_model": "model not allowed",
    "openai: region_blocked": "region not served",
    "openai: request_too_large_for_tpm": "request too large",
    "openai: restricted_key_chat": "missing permission",
    "openai: slow_down": "rate limited",
    "groq: feature_not_in_plan": "not in the plan",
    "groq: flex_capacity": "provider full",
    "groq: organization_restricted": "account closed",
    "groq: rate_limited_tpd": "rate limited",
    "groq: unknown_url": "wrong path",
    "lmstudio: double_slash": "wrong path",
    "lmstudio: nothing_loaded": "no model loaded",
    "lmstudio: server_not_started": "server not started",
    "lmstudio: token_missing": "missing key",
    "mistral: capacity_3505": "provider full",
    "mistral: rate_limited_1300": "rate limited",
    "mistral: unauthorized": "wrong key",
    "ollama: cloud_disabled_locally": "cloud models are off",
    "ollama: cloud_models_public": "list is public",
    "ollama: cloud_session_limit": "allowance used up",
    "ollama: embedding_model_asked_to_chat": "unknown model",
    "ollama: foreign_host_or_origin": "host name refused",
    "ollama: native_stream_error": "reply failed",
    "ollama: v1_models_empty": "no model installed",
    "openrouter: key_is_management_key": "management key",
    "openrouter: key_ok_limit_spent": "no credit left",
    "openrouter: management_only_endpoint": "request refused",
    "openrouter: missing_auth": "missing key",
    "openrouter: models_public": "list is public",
    "openrouter: never_bought_credits": "no credit left",
    "openrouter: stream_comment_then_error": "rate limited",
    "openrouter: wrong_or_deleted_key": "wrong key",
    "other:azure: deployment_not_found": "unknown model",
    "other:gemini: quota": "rate limited",
    "other:gemini: region_free_tier": "region not served",
    "other:llamacpp: loading": "model is loading",
    "other:llamacpp: models_public_despite_api_key": "list is public",
    "other:xai: no_credits": "no credit left",
    "any: dns_failure": "address not found",
    "any: html_instead_of_json": "web page",
    "openai: redirect": "redirected",
    "openai: 400 plain http": "http instead of https",
    "openai: proxy wants a sign-in": "proxy in between",
    "openai: JSON of the content network": "blocked by a firewall",
    "openai: incorrect hostname": "another region",
    "openai: IP list": "network not allowed",
    "openai: no organisation": "no organisation",
    "openai: key of another vendor in the mask": "another provider’s key",
    "openai: 401 page of nginx": "refused by a server in front",
    "something-unknown: informational status": "not understood",
    "ollama: signed out": "server not signed in",
    "ollama: out of memory": "model cannot run",
    "gemini: two headers": "key sent the wrong way",
    "openrouter: expired": "key expired",
    "xai: blocked": "key blocked",
}


@pytest.mark.parametrize("name", list(REASONS))
def test_a_known_answer_has_the_right_reason(name: str) -> None:
    """Where it is known what went wrong, the reason says just that."""
    row = next(row for row in ALL if name_of(row) == name)
    assert REASONS[name] == judged(row).reason


# --- the same answer, sent otherwise ----------------------------------------------------------


@every_answer
def test_it_does_not_matter_how_an_answer_is_handed_over(row: dict[str, Any]) -> None:
    """Text or bytes, headers in any case and of any type, a mark before the text: all the same."""
    expected = judged(row)
    headers = {name.swapcase().encode(): value.encode() for name, value in row["headers"].items()}
    body = b"\xef\xbb\xbf \r\n" + text_of(row["body"]).encode() + b"\n"
    assert expected == judged(row, headers=headers, body=body, method=row["method"].lower())


@every_answer
def test_a_content_type_is_not_needed(row: dict[str, Any]) -> None:
    """What a body is shows in the body."""
    headers = {n: v for n, v in row["headers"].items() if n.lower() != "content-type"}
    assert row["verdict"] == judged(row, headers=headers).verdict


REFUSED = [row for row in ALL if isinstance(row["body"], dict) and (row["status"] or 0) >= 400]


@pytest.mark.parametrize("row", REFUSED, ids=map(name_of, REFUSED))
def test_an_error_in_a_list_is_the_same_error(row: dict[str, Any]) -> None:
    """Google wraps the same error into an array on some paths; others may do so too."""
    if not row["body"].get("cloudflare_error"):
        assert row["verdict"] == judged(row, body=[row["body"]]).verdict


@pytest.mark.parametrize("slug", ["xai", "other:xai", "XAI", " grok ", "x.ai"])
def test_a_provider_is_known_by_each_of_its_names(slug: str) -> None:
    """With or without the mark of a provider that has no tab, in any case."""
    told = answer(slug, 400, {"error": "Incorrect API key provided: na***ys."})
    assert (told.verdict, told.explanation.startswith("xAI does not")) == ("invalid", True)


@pytest.mark.parametrize("slug", ["something-unknown", "any", "other:", "", "other:new", "私"])
def test_an_unknown_provider_is_judged_by_the_general_rules(slug: str) -> None:
    """An OpenAI-compatible server needs no name."""
    refusal = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
    assert answer(slug, 401, refusal).verdict == "invalid"
    assert answer(slug, 402, {"error": {"message": "Pay first"}}).verdict == "limited"
    told = answer(slug, 200, {"data": [{"id": "m"}]}, "GET /v1/models")
    assert (told.verdict, told.explanation[:10]) == ("valid", "The server")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("https://ollama.com/api/tags", {}),
        ("/api/tags", {"endpoint": "https://ollama.com/v1"}),
        ("https://OLLAMA.com/api/tags", {}),
    ],
)
def test_a_host_is_taken_from_the_path_or_from_the_endpoint(path: str, more: Any) -> None:
    """Ollama's cloud shows its list to everybody, whichever way the host is told."""
    body = {"models": [{"name": "gpt-oss:120b"}]}
    assert answer("ollama", 200, body, f"GET {path}", **more).verdict == "unverified"
    assert answer("ollama", 200, body, "GET /api/tags").verdict == "valid"


# --- the words --------------------------------------------------------------------------------

BLAME = re.compile(
    r"\b(your fault|mistake|you (did|have|forgot|must|failed)|wrong(ly)? (entered|typed)|please"
    r"|sorry|oops|unfortunately|illegal|bad request|exception|(?-i:None)|null|nan|undefined)\b",
    re.IGNORECASE,
)
ENDS = re.compile(r"[.!?](?=\s|$)")


def assert_well_worded(told: Diagnosis) -> None:
    """One or two plain sentences, a way on unless all is well, and no remains of a template."""
    assert isinstance(told.verdict, str)
    assert re.fullmatch(r"(http |[a-z])[a-z ’]{3,40}|not this API", told.reason), told.reason
    assert 1 <= len(ENDS.findall(told.explanation)) <= 2, told.explanation
    assert 1 <= len(ENDS.findall(told.remedy)) <= 3 or told.verdict == "valid", told.remedy
    for text in filter(None, (told.explanation, told.remedy)):
        assert text == " ".join(text.split())
        assert text.isprintable()
        assert len(text) < 420
        ours = re.sub("“[^”]*”", "“”", text)
        assert re.match(r"[A-Zx]", ours), text
        assert text[-1] == ".", text
        assert not re.search(r"\.\.|[{}<>]|, \.| ,|; The\b|\\", ours), text
        assert not BLAME.search(ours), text


@every_answer
def test_a_diagnosis_is_well_worded(row: dict[str, Any]) -> None:
    """Every explanation is a plain sentence or two, and all but a valid key have a remedy."""
    assert_well_worded(judged(row))


@pytest.mark.parametrize("kind", get_args(TransportKind))
@pytest.mark.parametrize("provider", ["openai", "ollama", "lmstudio", "other:vllm", "new"])
@pytest.mark.parametrize(
    "endpoint", ["https://api.example.com/v1", "http://localhost:1234/v1", "http://[::1]/v1", "?"]
)
def test_t57_a_failed_request_is_well_worded(
    kind: TransportKind, provider: str, endpoint: str
) -> None:
    """Whatever went wrong on the way, the key is not judged and there is something to do."""
    told = diagnose_failure(provider, TransportError(kind, "elsewhere.example"), endpoint=endpoint)
    assert told.verdict in {Verdict.UNREACHABLE, Verdict.MISCONFIGURED}
    assert_well_worded(told)


FAILURES = {
    "ENOTFOUND my-server.example": "address not found",
    "getaddrinfo failed": "address not found",
    "[Errno -2] Name or service not known": "address not found",
    "ECONNREFUSED 127.0.0.1:11434": "server not started",
    "ECONNREFUSED localhost:11434": "server not started",
    "ECONNREFUSED 8.8.8.8:443": "no connection",
    "ETIMEDOUT api.groq.com": "no answer in time",
    "UND_ERR_CONNECT_TIMEOUT": "no answer in time",
    "EHOSTUNREACH 10.9.8.7:443": "no answer in time",
    "CERT_HAS_EXPIRED api.groq.com": "no secure connection",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": "no secure connection",
    "SELF_SIGNED_CERT_IN_CHAIN": "no secure connection",
    "ECONNRESET": "connection lost",
    "socket hang up": "connection lost",
    "": "connection lost",
}


@pytest.mark.parametrize("told", list(FAILURES))
def test_a_recorded_failure_is_told_by_its_name(told: str) -> None:
    """Without a status the body may tell, in the words of a program, what went wrong."""
    for body in (json.dumps({"transport_error": told}), told):
        said = answer("groq", None, body)
        assert ("unreachable", FAILURES[told]) == (said.verdict, said.reason)


# --- what a path may show ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/chat/completions/chat/completions", "/v1/chat/completions/chat/completions"),
        ("https://api.openai.com/v1/v1/models?limit=5", "/v1/v1/models"),
        ("/v1/sk-proj-0123456789abcdef/models", "/v1/…/models"),
        ("/", "/"),
    ],
)
def test_the_path_that_arrived_is_shown_without_anything_like_a_key(path: str, shown: str) -> None:
    """A doubled part of the address can be seen; a key pasted into it cannot."""
    said = answer("openai", 404, {"error": {"message": "Invalid URL (GET /x)"}}, f"GET {path}")
    assert f"OpenAI was asked for {shown} and knows no such path." == said.explanation


# --- nothing like a key is quoted -------------------------------------------------------------


def strings(data: Any, change: Callable[[str], str]) -> Iterator[Any]:
    """The data again and again, each time with one of its texts or names changed."""
    if isinstance(data, str):
        yield change(data)
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from ([*data[:place], new, *data[place + 1 :]] for new in strings(item, change))
    elif isinstance(data, dict):
        for name, item in data.items():
            rest = {n: v for n, v in data.items() if n != name}
            yield {**rest, change(name): item}
            yield from ({**data, name: new} for new in strings(item, change))


def planted(body: Any, secret: str) -> Iterator[str]:
    """The body with the secret in place of each of its texts, and behind and inside of them."""
    changes: list[Callable[[str], str]] = [
        lambda _: secret,
        lambda text: f"{text} {secret}",
        lambda text: f"{secret}: {text}",
    ]
    for change in changes:
        if isinstance(body, str):
            yield change(body)
            for line in body.splitlines():
                prefix, brace, rest = line.partition("{")
                if brace and (data := json.loads(brace + rest)):
                    for new in strings(data, change):
                        yield body.replace(line, prefix + json.dumps(new))
        else:
            yield from map(json.dumps, strings(body, change))


KEYS = {
    "project": canary("sk-proj-"),
    "bare": secrets.token_hex(16),
    "of letters": "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(32)),
    "of LM Studio": f"sk-lm-{secrets.token_hex(4)}:{secrets.token_hex(10)}",
    "in groups": "-".join(secrets.token_hex(2) for _ in range(8)),
    "of Google": "AQ." + secrets.token_urlsafe(36),
}


@pytest.mark.parametrize("kind", list(KEYS))
@every_sample
def test_t30_nothing_like_a_key_is_quoted_from_a_body(row: dict[str, Any], kind: str) -> None:
    """Wherever a server writes a key into its answer, no twelve characters of it are shown."""
    secret = KEYS[kind]
    core = secret.removeprefix("sk-proj-").removeprefix("sk-lm-")
    windows = [core[at : at + WINDOW] for at in range(len(core) - WINDOW + 1)]
    for body in planted(row["body"], secret):
        told = repr(judged(row, body=body))
        assert not any(window in told for window in windows), told


def test_t30_the_search_would_find_a_quoted_key() -> None:
    """The twin: a harmless word planted in the same places is quoted by some of them."""
    quoted = [
        row["case"]
        for row in SAMPLES
        for body in planted(row["body"], "periwinkle")
        if "periwinkle" in judged(row, body=body).explanation
    ]
    assert quoted


# --- nothing makes it stumble -----------------------------------------------------------------

PROVIDERS = sorted({row["provider"] for row in ALL} | {"new"})
PATHS = ["/v1/models", "https://ollama.com/api/tags", "http://[", "", "//", "a" * 99, "://", "\0"]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["model_not_found", "Invalid API key", "9" * 400, "\ud800", "x" * 2000]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "detail", "code", "type", "data", "models", "choices", "metadata",
             "details", "included", "purchased", "model", "status", "x_groq", "transport_error"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
ANYTHING = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(PROVIDERS),
        "method": st.sampled_from(["GET", "POST", ""]),
        "path": st.sampled_from(PATHS) | st.text(max_size=30),
        "status": st.none()
        | st.sampled_from([200, 204, 400, 401, 402, 403, 404, 422, 429, 500, 503])
        | st.integers(),
        "headers": st.dictionaries(
            st.sampled_from(["Content-Type", "Retry-After", "retry-after-ms", "www-authenticate"]),
            st.text(max_size=30) | st.sampled_from(["text/event-stream", "text/html", "-1", "inf"]),
        ),
    }
)


@settings(deadline=None, max_examples=400, database=None)
@given(ANYTHING, JSON_VALUES)
def test_t29_no_json_makes_it_stumble(row: dict[str, Any], body: Any) -> None:
    """Any JSON of the known names in any nesting gets a whole, well worded diagnosis."""
    assert_well_worded(judged(row, body=json.dumps(body)))


@settings(deadline=None, max_examples=200, database=None)
@given(ANYTHING, st.binary(max_size=300) | st.text(max_size=200) | st.just(b"\xff\xfe{\x00"))
def test_t29_no_bytes_make_it_stumble(row: dict[str, Any], body: bytes | str) -> None:
    """Any bytes and any text get a whole, well worded diagnosis."""
    assert_well_worded(judged(row, body=body))


DEEP = 100_000
HARD = {
    "lists in lists": "[" * DEEP + "]" * DEEP,
    "errors in errors": '{"error":' * 900 + '"x"' + "}" * 900,
    "codes in lists": '{"error":[' * 400 + "1" + "]}" * 400,
    "a long number": '{"code":' + "9" * 100_000 + "}",
    "an infinite number": '{"included":{"balance_usd":1e999,"session":{"remaining_percent":NaN}}}',
    "lone surrogates": '{"error":{"message":"\\ud800\\udfff bad","code":"\\udc00"}}',
    "a long message": json.dumps({"error": {"message": "model " * 300_000}}),
    "one long word": json.dumps({"error": {"message": "a" * 2_000_000}}),
    "stars": json.dumps({"error": {"message": "*a" * 500_000}}),
    "titles": "<title" * 300_000,
    "forms": "<form " * 300_000,
    "events": "data: {}\n\n" * 50_000,
    "lines": "{\n" * 400_000,
    "many rows": json.dumps({"data": [{"id": str(n)} for n in range(50_000)]}),
    "not UTF-8": b"\xff\xfe" * 500_000,
}


@pytest.mark.parametrize("name", list(HARD))
@pytest.mark.parametrize("status", [200, 403, 429, None])
def test_t29_no_monstrous_body_makes_it_stumble_or_wait(name: str, status: int | None) -> None:
    """Deep, long and broken bodies are judged like others, and in no time worth speaking of."""
    assert_well_worded(answer("openrouter", status, HARD[name]))


@pytest.mark.parametrize("status", [200, 403, 429])
def test_headers_of_any_kind_do_no_harm(status: int) -> None:
    """Values may be missing, numbers, bytes, or a megabyte long."""
    odd: dict[Any, Any] = {"Retry-After": 12, b"x": b"\xff", "y": None, 5: ["z"], "l": "v" * 10**6}
    said = diagnose("groq", method="GET", path="/x", status=status, headers=odd, body=b"{}")
    assert_well_worded(said)


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_reaches_the_diagnosis(status: int) -> None:
    """Whoever shows the diagnosis can count down."""
    assert answer("groq", status, headers={"Retry-After": "12"}).retry_after == 12.0
