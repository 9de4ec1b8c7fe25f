"""The rules for refusals: each is needed, codes come before words, only clear words condemn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys import refusals
from mohet_keys.model import Verdict
from mohet_keys.scrub import REMOVED
from tests.judging import answer, case, more_answers, samples

ROWS = [row for row in samples() + more_answers() if (row["status"] or 200) // 100 != 2]


def rule_of(row: dict[str, Any]) -> str:
    """The name of the first rule that judges an answer."""
    asked = case(
        row["status"],
        row["body"],
        row["headers"],
        provider=row["provider"],
        method=row["method"],
        path=row["path"],
    )
    return next(rule.__name__ for rule in refusals.RULES if rule(asked))


def test_every_rule_judges_some_known_answer() -> None:
    """No rule stands there for nothing or is covered up by those before it."""
    idle = {rule.__name__ for rule in refusals.RULES} - {rule_of(row) for row in ROWS}
    assert idle == set()


def test_the_last_rule_always_answers() -> None:
    """Whatever no rule knows is about the one request."""
    asked = case(409, {"error": {"message": "zzz"}})
    assert refusals.RULES[-1](asked) == refusals.judge(asked)


# --- codes before words -----------------------------------------------------------------------

NASTY = [
    "invalid-api-key",
    "key-expired",
    "account-has-been-suspended",
    "billing-hard-limit",
    "insufficient-credits-7b",
    "monthly-usage-limit",
    "missing-scopes",
    "rate-limit-exceeded",
    "no-models-loaded",
    "unexpected endpoint or method",
    "acme/your account has been disabled",
    "expired api key",
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("mark", ["`{}`", "'{}'", '"{}"', "{}"])
@pytest.mark.parametrize("provider", ["openai", "groq", "other:vllm", "new"])
def test_a_models_name_is_never_a_reason(provider: str, mark: str, name: str) -> None:
    """A model that is not there may be called anything."""
    if " " in name and mark == "{}":
        return
    said = f"The model {mark.format(name.replace(' ', '-'))} does not exist"
    for error in ({"message": said, "code": "model_not_found"}, {"message": said}):
        told = answer(provider, 404, {"error": error})
        assert (told.verdict, told.reason) == ("valid", "unknown model")


ADVICE = [
    "Need more tokens? Upgrade to Dev Tier today at https://x.example/settings/billing",
    "Please add a payment method to your account to increase your limit.",
    "Purchase credits to raise your rate limit.",
    "Check your plan and billing details.",
    "Upgrade your plan for higher limits.",
]


@pytest.mark.parametrize("advice", ADVICE)
@pytest.mark.parametrize(
    "code", ["rate_limit_exceeded", "rate_limited", "rate_limit_error", "1300"]
)
def test_advice_beside_a_rate_limit_is_no_empty_account(code: str, advice: str) -> None:
    """What a provider would like to sell does not change what the code says."""
    error = {"message": f"Rate limit reached. {advice}", "code": code}
    told = answer("openai", 429, {"error": error})
    assert (told.verdict, told.reason) == ("valid", "rate limited")


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "credit_balance_exhausted", "project_spend_limit_exceeded",
             "organization_spend_limit_exceeded", "organization_usage_limit_exceeded",
             "billing_not_active", "budget_exceeded"]
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 401, 403, 429])
def test_an_empty_account_is_one_whatever_the_words_and_the_status(status: int, code: str) -> None:
    """The billing codes stand for themselves, and none of them asks to wait."""
    told = answer("openai", status, {"error": {"message": "Rate limit reached", "code": code}})
    assert (told.verdict, told.reason) == ("limited", "no credit left")
    assert told.retry_after is None


# --- each phrase on its own --------------------------------------------------------------------

MONEY = (400, "new", "limited", "no credit left")
SPENT = (400, "new", "limited", "allowance used up")
PLAN = (400, "new", "limited", "not in the plan")
RIGHTS = (401, "new", "limited", "missing permission")
DENIED = (401, "new", "limited", "model not allowed")
LISTED = (401, "new", "limited", "network not allowed")
COUNTRY = (400, "new", "limited", "region not served")
HEADER = (401, "openai", "misconfigured", "organisation does not match")
REGION = (401, "openai", "misconfigured", "another region")
NO_KEY = (403, "new", "invalid", "missing key")
BAD_KEY = (400, "new", "invalid", "wrong key")
BAD_TOKEN = (403, "new", "invalid", "wrong key")
CLOSED = (400, "new", "invalid", "account closed")
NO_MODEL = (404, "new", "valid", "unknown model")
FULL = (429, "new", "valid", "provider full")
CANNOT = (500, "ollama", "limited", "model cannot run")
ONE = (403, "openrouter", "valid", "request refused")
PATH = (404, "new", "misconfigured", "wrong path")

PHRASES: dict[tuple[int, str, str, str], list[str]] = {
    MONEY: [
        "Your credit balance is too low", "insufficient funds", "Key limit exceeded (total limit)",
        "Not enough credits", "used all available credits", "spending cap reached",
        "Budget has been exceeded!", "You exceeded your budget", "negative balance",
        "You do not have any credits yet", "You have no credits", "out of credit",
        "requires more credits, or fewer max_tokens", "can only afford 20",
        "never purchased credits", "Prompt tokens limit exceeded: 5 > 2", "Payment required",
        "Billing hard limit has been reached", "Billing is not active", "account is not active",
        "is suspended for an unpaid invoice", "Please purchase more credits",
        "check your plan and billing details", "You exceeded your current quota",
    ],
    SPENT: [
        "free-models-per-day", "monthly limit reached", "daily free quota", "usage limit reached",
        "monthly allowance is gone", "out of call volume quota", "limit for this month",
        "tokens per month", "monthly included credits",
    ],
    PLAN: [
        "this model requires a subscription", "upgrade for access: https://x.example",
        "Feature not available for plan", "not included in your current plan",
        "A subscription is required", "Please upgrade your plan",
    ],
    RIGHTS: [
        "Missing scopes: model.request", "insufficient permissions", "insufficient scope",
        "lacks the required data action", "You do not have the required permissions",
        "The key does not have permission to do this",
    ],
    DENIED: [
        "Project `p` does not have access to model `m`", "You do not have access to this model",
        "key not allowed to access model", "The model `m` is blocked at the project level",
    ],
    LISTED: [
        "Your IP is not authorized", "IP address 203.0.113.7 not in the allowlist",
        "The key has an IP address restriction", "Public access is disabled",
        "Access denied due to Virtual Network/Firewall rules",
    ],
    COUNTRY: [
        "Country, region, or territory not supported", "User location is not supported",
        "unsupported country", "not available in your region",
    ],
    HEADER: [
        "OpenAI-Organization header should match organization", "No such organization: org-x",
        "Mismatched project",
    ],
    REGION: [
        "incorrect hostname", "Use the regional hostname", "must be accessed through another host",
    ],
    NO_KEY: [
        "Missing bearer or basic authentication in header", "You didn't provide an API key",
        "Missing Authentication header", "No auth header", "No API key was provided",
        "Missing API key", "Missing authorization", "You did not provide an API key",
        "without an API key", "API key is required", "An API token is required",
        "Authorization header missing", "x-api-key header is required", "Not authenticated",
        "Authentication required", "Authentication credentials were not provided",
        "doesn't allow unregistered callers",
    ],
    BAD_KEY: [
        "Incorrect API key provided: a***b", "invalid x-api-key", "Invalid API Key", "Expired Key",
        "Wrong API key", "API key not valid", "API key expired", "API key has been revoked",
        "The API key you provided is invalid", "API key is currently blocked",
        "Your key has been disabled", "Authentication Fails", "was reported as leaked",
    ],
    BAD_TOKEN: [
        "Invalid token", "Invalid authentication credentials", "Could not validate credentials",
        "Token has expired", "Key is blocked",
    ],
    CLOSED: [
        "Organization has been restricted.", "This organization has been disabled.",
        "The account associated with this key has been deactivated", "Your team was suspended",
        "Your access was terminated",
    ],
    NO_MODEL: [
        "The model `m` does not exist", 'model "m" not found, try pulling it first',
        "model m is no longer supported", "models/m is not found for API version v1",
        "The model has been decommissioned", "This is not a chat model", "Invalid model: m",
        "m is not a valid model ID", "model: m", "No endpoints found for a/m",
        "Unable to access model m", "No allowed providers are available",
        "The API deployment for this resource does not exist", "m does not support chat",
        "Requested entity was not found.",
    ],
    FULL: ["Not enough capacity available", "The engine is overloaded", "experiencing high demand"],
    CANNOT: [
        "cudaMalloc failed: out of memory", "model requires more system memory",
        "insufficient system resources", "error loading model", "model failed to load",
        "failed to load model", "llama runner process has terminated", "model has crashed",
    ],
    ONE: [
        "Only management keys can perform this operation", "Request blocked: x",
        "Provider returned error", "X is requiring a key to access this model", "was flagged",
        "a guardrail", "requires moderation", "matches no data policy",
    ],
    PATH: [
        "Unknown request URL: GET /x", "Unrecognized request URL", "404 page not found",
        "no Route matched", "Route not found", "Cannot POST /x", "Unknown endpoint",
        "The requested URL /x was not found", "Not Found", "404: not found",
    ],
}  # fmt: skip
SPOKEN = [(*kind, phrase) for kind, phrases in PHRASES.items() for phrase in phrases]


@pytest.mark.parametrize(("status", "provider", "verdict", "reason", "said"), SPOKEN)
def test_each_phrase_is_understood_on_its_own(
    status: int, provider: str, verdict: str, reason: str, said: str
) -> None:
    """Without a code, at a status that by itself would mean something else, in any case."""
    for words in (said, said.upper()):
        told = answer(provider, status, {"error": {"message": words}})
        assert (verdict, reason) == (told.verdict, told.reason)


@pytest.mark.parametrize("said", PHRASES[PATH])
def test_a_wrong_path_is_told_back(said: str) -> None:
    """Where the API says that it knows no such path, the path that arrived is shown."""
    told = answer("new", 404, {"error": {"message": said}}, "GET /v1/v1/models")
    assert told.explanation == "The server was asked for /v1/v1/models and knows no such path."


@pytest.mark.parametrize("status", [400, 401, 403, 429])
@pytest.mark.parametrize("code", ["account_deactivated", "organization_restricted"])
def test_a_closed_account_is_one_whatever_the_words(code: str, status: int) -> None:
    """The code says it, and nothing else need be said."""
    assert answer("new", status, {"error": {"code": code}}).reason == "account closed"


def test_lm_studios_tokens_have_words_of_their_own() -> None:
    """Who runs a server hands out its tokens, so nobody is sent to a website."""
    body = {"error": {"message": "Malformed LM Studio API token provided: x"}}
    told = answer("lmstudio", 401, body)
    assert (told.verdict, told.link) == ("invalid", None)
    assert "Manage Tokens" in told.remedy


def test_the_phrases_mean_nothing_elsewhere() -> None:
    """The twin: at a status that has nothing to do with them they are not listened to."""
    for *_, reason, said in SPOKEN:
        told = answer("new", 409, {"error": {"message": said}})
        if reason not in {"model not allowed", "not in the plan", "rate limited"}:
            assert told.reason in {"request not accepted", "no model loaded"}, said


# --- only a clear word condemns ---------------------------------------------------------------

BODIES = st.sampled_from(
    [
        "",
        "Forbidden",
        "error code: 1020",
        "<html><title>Attention Required! | Cloudflare</title></html>",
        "<html><title>403 Forbidden</title><hr>nginx</html>",
        json.dumps({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
        json.dumps({"detail": "Unauthorized"}),
        json.dumps({"message": "Forbidden"}),
        json.dumps({"error": {"code": "server_error", "message": "Try again"}}),
    ]
)


@settings(deadline=None, max_examples=200, database=None)
@given(st.integers(500, 599), BODIES, st.sampled_from(["openai", "groq", "ollama", "new"]))
def test_t57_a_server_in_trouble_condemns_no_key(status: int, body: str, provider: str) -> None:
    """From 500 on nothing is said about the key, whatever stands in the body."""
    assert Verdict.UNREACHABLE is answer(provider, status, body).verdict


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 408, 413, 429, 451, 500, 503, 520])
@pytest.mark.parametrize("provider", ["openai", "mistral", "lmstudio", "new"])
def test_t57_a_page_condemns_no_key(provider: str, status: int) -> None:
    """A page for people is somebody else's, so a key is neither proven nor refused by it."""
    page = "<html><title>Invalid API key</title><p>Your account has been suspended</p></html>"
    told = answer(provider, status, page)
    assert told.verdict in {Verdict.UNREACHABLE, Verdict.MISCONFIGURED}


@pytest.mark.parametrize("body", ["", "Forbidden", "RBAC: access denied"])
def test_t57_a_bare_403_says_nothing(body: str) -> None:
    """Without an API's own envelope 403 can come from anybody on the way."""
    assert Verdict.UNREACHABLE is answer("groq", 403, body).verdict


@pytest.mark.parametrize(
    "said",
    [
        "Your organization has restricted access to this model",
        "Your account has been restricted to free models",
        "Web search for your organization has been disabled",
        "The model was blocked by your organization",
        "This feature is disabled in your workspace",
        "Your organization is blocked from using groq/compound",
    ],
)
def test_a_rule_of_the_organisation_is_no_closed_account(said: str) -> None:
    """A model or feature that is shut off leaves the key alone."""
    assert Verdict.LIMITED is answer("groq", 403, {"error": {"message": said}}).verdict


@pytest.mark.parametrize(
    "said",
    [
        "Invalid key 'foo' in tools[0].parameters",
        "Invalid token in JSON at position 3",
        "Invalid API version",
        "max_tokens is required",
        "missing author in message 3",
        "messages: the metadata key is invalid",
        "Invalid value for 'credits'",
        "A tool named 'expired' is not valid",
    ],
)
def test_words_like_key_and_token_in_a_bad_request_are_not_about_the_key(said: str) -> None:
    """A request that is refused for what is in it comes from a key that works."""
    assert Verdict.VALID is answer("new", 400, {"error": {"message": said}}).verdict


# --- 401 that is none -------------------------------------------------------------------------

NOT_THE_KEY = {
    "Missing scopes: model.request": "limited",
    "You have insufficient permissions for this operation.": "limited",
    "Your IP is not authorized": "limited",
    "You must be a member of an organization to use the API": "limited",
    "Budget has been exceeded! Current cost: 2": "limited",
    "key not allowed to access model": "limited",
    "OpenAI-Organization header should match organization for API key": "misconfigured",
    "This project must be accessed through eu.api.openai.com": "misconfigured",
}


@pytest.mark.parametrize("said", list(NOT_THE_KEY))
@pytest.mark.parametrize("provider", ["openai", "litellm", "new"])
def test_a_401_is_not_always_a_bad_key(provider: str, said: str) -> None:
    """What is missing may be a permission, a network, money, or the right address."""
    told = answer(provider, 401, {"error": {"message": said, "code": None}})
    assert NOT_THE_KEY[said] == told.verdict


@pytest.mark.parametrize(
    ("said", "asked", "better"),
    [
        ("Please make your request to us.api.openai.com", "api.openai.com", "us.api.openai.com"),
        ("Use eu.api.openai.com, not us.api.openai.com", "us.api.openai.com", "eu.api.openai.com"),
        ("Please make your request to evil.example", "api.openai.com", None),
        ("Please use eu.api.openai.com.evil.example/", "api.openai.com", None),
        ("Please use evil.eu.api.openai.com", "api.openai.com", None),
    ],
)
def test_only_the_vendors_own_hosts_are_offered(said: str, asked: str, better: str | None) -> None:
    """A region's host is taken from the answer only if it is below OpenAI's own."""
    error = {"message": f"Incorrect hostname. {said}", "code": "incorrect_hostname"}
    told = answer("openai", 401, {"error": error}, f"GET https://{asked}/v1/models")
    assert told.verdict == "misconfigured"
    assert told.endpoint == (better and f"https://{better}/v1")


# --- what is known around the answer ----------------------------------------------------------


def test_another_vendors_key_is_named() -> None:
    """A refused key that looks like another vendor's is said to be that, whoever tells."""
    told = answer("mistral", 401, {"detail": "Unauthorized"}, looks_like="Groq")
    assert (told.verdict, told.reason) == ("invalid", "another provider’s key")
    mask = "Incorrect API key provided: gsk_abcd****wxyz. You can find your API key at x."
    assert "Groq" in answer("openai", 401, {"error": {"message": mask}}).remedy
    assert answer("mistral", 401, "", looks_like="Mistral").reason == "wrong key"


def test_a_refusal_without_a_key_is_a_missing_key() -> None:
    """Who sent none is told so, in whatever words the server refuses."""
    assert answer("mistral", 401, {"detail": "Unauthorized"}, has_key=False).reason == "missing key"
    assert answer("lmstudio", 401, {"error": "no"}, has_key=False).reason == "missing key"


def test_a_server_without_a_key_is_not_said_to_have_accepted_one() -> None:
    """A local server that was sent no key works; no key does."""
    body = {"error": 'model "x" not found, try pulling it first'}
    assert answer("ollama", 404, body, has_key=False).explanation.startswith("The server works")
    assert answer("ollama", 404, body, has_key=True).explanation.startswith("The key works")


@pytest.mark.parametrize(
    ("asked", "better"),
    [
        ("https://openrouter.ai/v1/models", "https://openrouter.ai/api/v1"),
        ("https://eu.openrouter.ai/v1/models", "https://eu.openrouter.ai/api/v1"),
        ("https://proxy.example/v1/models", None),
        ("/v1/models", None),
    ],
)
def test_the_right_path_is_offered_at_the_vendors_own_host(asked: str, better: str | None) -> None:
    """A key never moves to another host by itself, nor out of its region."""
    told = answer("openrouter", 404, "<html></html>", f"GET {asked}")
    assert ("misconfigured", better) == (told.verdict, told.endpoint)


def test_a_login_form_stands_for_the_network_only_where_the_vendor_was_asked() -> None:
    """At the vendor's host a portal answered; at the user's own, a web app."""
    form = '<form action="/x"><input type="password"></form>'
    for path in ("/v1/models", "https://api.openai.com/v1/models"):
        assert Verdict.UNREACHABLE is answer("openai", 200, form, f"GET {path}").verdict
    for provider, path in (("openai", "http://10.0.0.9:3000/v1/models"), ("ollama", "/api/tags")):
        assert Verdict.MISCONFIGURED is answer(provider, 200, form, f"GET {path}").verdict


@pytest.mark.parametrize("status", [-5, 0, 100, 199, 600, 999, 10**12])
def test_a_number_that_is_no_status_proves_nothing(status: int) -> None:
    """What no API sends says nothing of the key."""
    body = {"error": {"message": "x"}}
    assert Verdict.UNREACHABLE is answer("openai", status, body).verdict


def test_a_key_that_was_taken_out_of_the_answer_is_no_placeholder() -> None:
    """A server that quotes the whole key is judged as if it had masked it."""
    said = f"Incorrect API key provided: {REMOVED}. You can find your API key at the usual page."
    asked = case(401, {"error": {"message": said, "code": "invalid_api_key"}})
    assert refusals.judge(asked).verdict is Verdict.INVALID
