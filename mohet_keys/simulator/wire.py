"""Refusals in each provider's own words and envelope, after their public documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mohet_keys.simulator.asgi import Json, Reply, Request

_PAGE = b"<!doctype html><html><head><title>404 Not Found</title></head><body></body></html>"
LOGIN_PAGE = (
    b"<!doctype html><html><head><title>Sign in</title></head><body>"
    b'<form method="post"><input name="user"><input type="password"></form></body></html>'
)


def error(
    provider: str, status: int, message: str, code: str | None = None, kind: str = ""
) -> Json:
    """An error in the provider's own envelope. `kind` is its `type`."""
    kind = kind or "invalid_request_error"
    if provider == "mistral":
        if status == 401:
            return {"detail": "Unauthorized"}
        body = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
        return {**body, "raw_status_code": status}
    if provider == "openrouter":
        return {"error": {"code": status, "message": message}}
    if provider == "ollama":
        return {"error": message}
    inner: dict[str, Any] = {"message": message, "type": kind, "code": code}
    return {"error": inner if provider == "groq" else {**inner, "param": None}}


def wrapped(message: str, kind: str = "invalid_request_error", param: str | None = None) -> Json:
    """The envelope of OpenAI, which Ollama and LM Studio use on their OpenAI-like paths."""
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


def _refusal(request: Request, row: tuple[int, str, str | None, str], **headers: str) -> Reply:
    status, message, code, kind = row
    return Reply(status, error(request.provider, status, message, code, kind), headers)


# --- no key, or not a good one ----------------------------------------------------------------

_NO_KEY: Mapping[str, tuple[str, str | None]] = {
    "openai": ("Missing bearer or basic authentication in header", None),
    "groq": ("Invalid API Key", "invalid_api_key"),
    "lmstudio": (
        "An LM Studio API token is required to make requests to this server, but none was sent",
        "invalid_api_key",
    ),
    "ollama": ("unauthorized", None),
    "openrouter": ("Missing Authentication header", None),
    "mistral": ("Unauthorized", None),
}


def no_key(request: Request) -> Reply:
    """Nobody said who they are."""
    message, code = _NO_KEY[request.provider]
    return _refusal(request, (401, message, code, ""))


def wrong_key(request: Request) -> Reply:
    """The key is not known, or not any more. Nothing of it is shown but what vendors show."""
    start = request.secret[:8]
    message = {
        "openai": f"Incorrect API key provided: {start}****. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "groq": "Invalid API Key",
        "lmstudio": f"Malformed LM Studio API token provided: {start}**********",
        "ollama": "unauthorized",
        "openrouter": "User not found.",
        "mistral": "Unauthorized",
    }[request.provider]
    return _refusal(request, (401, message, "invalid_api_key", ""))


def echo(request: Request) -> Reply:
    """A careless server quotes the whole key."""
    said = {
        "error": {
            "message": f"Incorrect API key provided: {request.secret}.",
            "type": "invalid_request_error",
            "code": "invalid_api_key",
            "request": {"authorization": f"Bearer {request.secret}"},
        }
    }
    return Reply(401, said, {"x-debug-authorization": f"Bearer {request.secret}"})


# --- the key is real, but ---------------------------------------------------------------------

_Row = tuple[int, str, str | None, str]
_CLOSED = "The OpenAI account associated with this API key has been deactivated."
_COUNTRY = "Country, region, or territory not supported"
_NOT_HERE = (403, _COUNTRY, "unsupported_country_region_territory", "request_forbidden")
_SCOPES = "You have insufficient permissions for this operation. Missing scopes: {scope}."
_HOST = "This project must be accessed through eu.api.openai.com. Attempted host: api.openai.com."

_REFUSALS: dict[str, dict[str, _Row]] = {
    "deactivated": {
        "openai": (401, _CLOSED, "account_deactivated", ""),
        "groq": (400, "Organization has been restricted.", "organization_restricted", ""),
    },
    "restricted": {
        "openai": (403, _SCOPES.format(scope="api.model.read"), None, ""),
        "groq": (
            403,
            "Feature not available for plan",
            "not_available_for_plan",
            "permissions_error",
        ),
        "lmstudio": (403, "Permission denied to list models with this token", None, ""),
        "ollama": (
            403,
            "this model requires a subscription, upgrade for access: https://ollama.com/upgrade",
            None,
            "",
        ),
        "mistral": (403, "You do not have access to this workspace", None, ""),
    },
    "ratelimited": {
        "openai": (
            429,
            "Rate limit reached for requests. Please try again in 12s.",
            "rate_limit_exceeded",
            "requests",
        ),
        "groq": (
            429,
            "Rate limit reached on requests per minute (RPM). Please try again in 12s.",
            "rate_limit_exceeded",
            "requests",
        ),
        "lmstudio": (429, "Too many requests", None, ""),
        "ollama": (429, "too many requests", None, ""),
        "openrouter": (429, "Rate limit exceeded", None, ""),
        "mistral": (429, "Rate limit exceeded", "1300", "rate_limited"),
    },
    "region": dict.fromkeys(_NO_KEY, _NOT_HERE),
    "wronghost": {"openai": (401, _HOST, "incorrect_hostname", "")},
}


def judged(request: Request, behaviour: str | None) -> Reply | None:
    """What a key of this behaviour is told before its request is looked at; None lets it in."""
    if not request.secret:
        return no_key(request)
    if behaviour == "echo":
        return echo(request)
    by_provider = _REFUSALS.get(behaviour or "", {})
    row = by_provider.get(request.provider)
    closed = behaviour == "deactivated" and row is None
    ended = behaviour == "expired" and request.provider != "openrouter"
    if behaviour in {None, "revoked"} or closed or ended:
        return wrong_key(request)
    if row is None:
        return None
    if behaviour == "restricted" and request.provider == "openai" and request.method == "POST":
        row = (401, _SCOPES.format(scope="model.request"), None, "")
    return _refusal(request, row, **({"retry-after": "12"} if row[0] == 429 else {}))


def no_credit(request: Request) -> Reply | None:
    """What a chat is told when there is no money left; None where nothing costs any."""
    quota = "You exceeded your current quota, please check your plan and billing details."
    rows: dict[str, _Row] = {
        "openai": (429, quota, "credit_balance_exhausted", "insufficient_quota"),
        "groq": (429, quota, "insufficient_quota", "insufficient_quota"),
        "openrouter": (402, "Insufficient credits. Add more using the credits page.", None, ""),
        "ollama": (429, "you (sim) have reached your weekly usage limit", None, ""),
        "mistral": (429, "Monthly token limit reached", None, "rate_limited"),
    }
    row = rows.get(request.provider)
    month = {"x-ratelimit-remaining-tokens-month": "0"} if request.provider == "mistral" else {}
    return _refusal(request, row, **month) if row else None


# --- the server itself ------------------------------------------------------------------------


def down(request: Request) -> Reply:
    """An outage."""
    row = (503, "Service Unavailable", None, "server_error")
    return _refusal(request, row)


def loading(_request: Request) -> Reply:
    """A local server that has not read its model from disk yet."""
    said = {"message": "Loading model", "type": "unavailable_error", "code": 503}
    return Reply(503, {"error": said})


def no_path(request: Request) -> Reply:
    """A path the server does not know, said as each of them says it."""
    asked = f"{request.method} {request.route}"
    match request.provider:
        case "lmstudio":
            return Reply(200, {"error": f"Unexpected endpoint or method. ({asked})"})
        case "ollama":
            return Reply(404, b"404 page not found", kind="text/plain")
        case "mistral":
            return Reply(404, {"detail": "Not Found"})
        case "groq":
            said = f"Unknown request URL: {asked}. Please check the URL for typos."
            return _refusal(request, (404, said, "unknown_url", ""))
        case "openai" if request.route.startswith("/v1/"):
            return _refusal(request, (404, f"Invalid URL ({asked})", None, ""))
    return Reply(404, _PAGE, kind="text/html")
