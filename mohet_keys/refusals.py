"""Rules for answers that refuse: what each says about the key. First match wins; pure.

Codes and messages come before the status: OpenAI answers 401 for things that are no bad key,
Groq bans with 400, Gemini calls a bad key 400, and a firewall's 403 says nothing of the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mohet_keys.answers import clean, param_of
from mohet_keys.case import Case, invalid, limited, misconfigured, unreachable, valid
from mohet_keys.model import Diagnosis
from mohet_keys.waiting import wait_of, wait_words

Rule = Callable[[Case], Diagnosis | None]

_MODEL_CODES = (
    "model_not_found", "unknown_model", "invalid_model", "model_decommissioned", "1500",
    "deploymentnotfound", "model_deprecated", "no_endpoints", "model_unavailable_upstream",
    "privacy_restricted", "constraint_filtered", "free_variant_ended", "model_not_available",
)  # fmt: skip
_MONEY_CODES = (
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_not_active",
    "billing_hard_limit_reached", "budget_exceeded", "payment_required", "openrouter_credits",
    "insufficient_credits", "insufficient_balance", "enforced_spend_limit_reached",
    "billing_error",
)  # fmt: skip
_MONEY = (
    r"credit balance is too low|insufficient (balance|credits?|funds)|key limit exceeded"
    r"|used all available credits|spending limit|spend limit|budget has been exceeded"
    r"|requires more credits|can only afford|never purchased credits|prompt tokens limit exceeded"
    r"|check your billing details|billing.{0,30}not active|out of credits|no credits? left"
    r"|purchase (more )?credits|negative balance|payment required"
)
_ALLOWANCE = (
    r"free-models-per|(hourly|daily|session|weekly|monthly) (usage|token|request)? ?(limit|quota)"
    r"|usage limit|monthly (limit|quota|allowance)|limit for (this|the) month|tokens per month"
)
_PLAN = (
    r"requires? a subscription|upgrade for access|not available (for|in|on) (your |this )?plan"
    r"|not (included|available) in your (current )?(plan|tier|subscription)"
    r"|subscription (is )?required|upgrade your plan"
)
_WRONG_KEY = (
    r"(incorrect|invalid|unknown|wrong|bad|revoked|expired) (x-)?api[ -_]?key"
    r"|api[ _-]?key (is |was |has )?(not valid|invalid|incorrect|expired|been revoked|been disabled"
    r"|not found|revoked|blocked)|key is (blocked|expired|revoked|disabled|invalid)"
    r"|reported as leaked|key (has )?expired|authentication fails"
)
_NO_PATH = (
    r"invalid url|unknown request url|page not found|no route|cannot (get|post) /"
    r"|unexpected endpoint|route not found|unknown (path|endpoint|url)|no such (route|endpoint)"
)
_NO_KEY = (
    r"missing bearer|didn.t provide an api key|missing authentication header|token is required"
    r"|no api[ _-]?key (was )?(provided|passed|found)|missing (api[ _-]?key|authorization)"
    r"|authorization header (is )?(missing|required)|api[ _-]?key (is )?(required|missing)"
    r"|x-api-key header is required|no auth header|not provide an api key|without an api key"
)


# --- whose answer is it at all? ---------------------------------------------------------------


def _redirect(case: Case) -> Diagnosis | None:
    if not 300 <= case.status < 400:
        return None
    return misconfigured(
        "redirected",
        "The address sends requests on to another one, and a key is never sent along.",
        "Enter the address the API itself has.",
    )


def _proxy(case: Case) -> Diagnosis | None:
    if case.status != 407:
        return None
    return unreachable(
        "proxy in between",
        f"A proxy on the way asked for a sign-in, so {case.label} was not reached.",
        "Sign in to the proxy or use another network, then check again.",
    )


def _firewall(case: Case) -> Diagnosis | None:
    """A block page, or a bare 403: someone between us and the API said no to the network."""
    if case.status not in {403, 429, 503, 1020}:
        return None
    blocked = case.said.kind == "html" or case.said.tells(r"error code: ?10\d\d|cloudflare")
    if not blocked or case.status != 403:
        return None
    return unreachable(
        "blocked by a firewall",
        f"A firewall in front of {case.label} blocked this network before the key was looked at.",
        "Try without a VPN or from another network.",
    )


def _web_page(case: Case) -> Diagnosis | None:
    if case.said.kind != "html" or case.status >= 500 or case.status in {401, 403, 429}:
        return None
    return _wrong_path(case, "That address is a web page, not the API.", reason="web page")


def _tls_port(case: Case) -> Diagnosis | None:
    if case.status != 400 or case.said.kind == "json":
        return None
    if not re.search(r"http request.{0,40}https", case.said.text, re.IGNORECASE):
        return None
    return misconfigured(
        "http instead of https",
        "The server speaks https, and the address says http.",
        "Begin the address with https://.",
    )


def _wrong_path(case: Case, explanation: str, reason: str = "wrong path") -> Diagnosis:
    row = case.row
    remedy = "Check the address; most APIs are found at a path that ends in /v1."
    better = None
    if row:
        usual = row.endpoint
        remedy = f"Check the address; the usual one is {usual}."
        better = usual if row.hosts and case.host in row.hosts else None
    return misconfigured(reason, explanation, remedy, endpoint=better)


def _unexpected_endpoint(case: Case) -> Diagnosis | None:
    """LM Studio answers any unknown path with HTTP 200 and this text."""
    if not case.said.tells(r"unexpected endpoint or method"):
        return None
    return _wrong_path(
        case, f"{case.label} is running, but the address has a wrong path. It should end in /v1."
    )


def _no_such_path(case: Case) -> Diagnosis | None:
    if case.said.tells(_NO_PATH) or case.said.has("unknown_url"):
        shown = clean(case.route)
        return _wrong_path(case, f"{case.label} knows no such path; it was asked for {shown}.")
    return None


# --- the key is real, but ---------------------------------------------------------------------


def _region_host(case: Case) -> Diagnosis | None:
    if not case.said.has("incorrect_hostname"):
        return None
    hosts = case.row.hosts if case.row else frozenset()
    named = [h for h in sorted(hosts, key=len, reverse=True) if h in case.said.message]
    better = f"https://{named[0]}/v1" if named else None
    remedy = f"Change the address to {better}." if better else "Use the address of its region."
    return misconfigured(
        "another region",
        "The key belongs to a project whose data stays in one region, with a host of its own.",
        remedy,
        endpoint=better,
    )


def _organisation(case: Case) -> Diagnosis | None:
    if case.said.has("no_organization"):
        return limited(
            "no organisation",
            "The user of this key belongs to no organisation any more.",
            "Ask the owner of the organisation for an invitation.",
        )
    if case.said.has("mismatched_organization", "mismatched_project"):
        return misconfigured(
            "organisation does not match",
            "The organisation or project that was asked for is not that of the key.",
            "Use the address without an organisation, or a key of that organisation.",
        )
    return None


def _closed_account(case: Case) -> Diagnosis | None:
    closed = case.said.has("account_deactivated", "organization_restricted", "account_suspended")
    if not closed and not case.said.tells(
        r"(account|organi[sz]ation|team)\b.{0,40}\b(deactivated|suspended|terminated|restricted"
        r"|been disabled|closed|banned)"
    ):
        return None
    return invalid(
        "account closed",
        f"{case.label} has closed or restricted the account behind this key.",
        "Contact the provider’s support.",
    )


def _money(case: Case) -> Diagnosis | None:
    said = case.said
    told = said.tells(_MONEY) and not (case.status == 403 and case.slug == "mistral")
    if not (case.status == 402 or said.has(*_MONEY_CODES) or told):
        return None
    spent = said.tells("limit|budget|quota|spend") or said.has(
        "organization_usage_limit_exceeded", "budget_exceeded"
    )
    what = "its credit or its limit is used up" if spent else "there is no credit left"
    return limited(
        "no credit left",
        f"{case.label} knows this key, but {what}.",
        "Add credit or raise the limit; waiting alone will not help.",
        link=case.billing_url,
    )


def _allowance(case: Case) -> Diagnosis | None:
    month = case.headers.get("x-ratelimit-remaining-tokens-month") == "0"
    spent = case.said.has("openrouter_free_tier_daily") or case.said.tells(_ALLOWANCE)
    if case.slug == "mistral" and case.said.tells(r"\bmonth(ly)?\b"):
        spent = True
    if case.status != 429 or not (month or spent):
        return None
    wait = wait_of(case)
    return limited(
        "allowance used up",
        f"The key works, but what its plan at {case.label} allows is used up for now.",
        f"Wait until it is renewed{wait_words(wait)}, or upgrade the plan.",
        retry_after=wait,
        link=case.billing_url,
    )


def _scopes(case: Case) -> Diagnosis | None:
    if not case.said.tells(r"missing scopes?|insufficient permissions?|insufficient scope"):
        return None
    found = re.search(
        r"missing scopes?: ?([a-z_.,\s]+?)(?:\. |\.$|$)", case.said.message, re.IGNORECASE
    )
    which = f" It lacks {clean(found.group(1))}." if found else ""
    return limited(
        "missing permission",
        f"The key is real, but restricted.{which}",
        "Give it permission to list models and to send requests, or create another key.",
        link=case.keys_url,
    )


def _network_list(case: Case) -> Diagnosis | None:
    listed = case.said.tells(r"\bip\b.{0,40}not (authori[sz]ed|allowed|whitelisted|permitted)")
    if not (case.said.has("ip_not_authorized") or listed):
        return None
    return limited(
        "network not allowed",
        "The key only works from listed IP addresses, and this one is not on the list.",
        "Add this network in the provider’s settings, or use another key.",
        link=case.keys_url,
    )


def _country(case: Case) -> Diagnosis | None:
    listed = case.said.tells(r"country, region, or territory|location is not supported")
    regional = case.said.has("region_restricted") and case.slug != "openrouter"
    if not (case.said.has("unsupported_country_region_territory") or listed or regional):
        return None
    return limited(
        "region not served",
        f"{case.label} does not serve this country. The key itself was not judged.",
        "Use it from a supported country, or use another provider.",
    )


def _plan(case: Case) -> Diagnosis | None:
    if not (case.said.has("not_available_for_plan") or case.said.tells(_PLAN)):
        return None
    return limited(
        "not in the plan",
        "The key works, but its plan does not include what was asked for.",
        "Choose another model, or upgrade the plan.",
        link=case.billing_url,
    )


def _project_models(case: Case) -> Diagnosis | None:
    denied = case.said.has("key_model_access_denied", "model_not_found") and case.status == 403
    if not denied and not case.said.tells(
        r"does not have access to model|key not allowed to access"
    ):
        return None
    return limited(
        "model not allowed",
        "The key works, but it may not use the model that was asked for.",
        "Choose another model, or allow this one in the provider’s settings.",
    )


# --- no key, or not a good one ----------------------------------------------------------------


def _signed_out(case: Case) -> Diagnosis | None:
    data = case.said.data
    if not (isinstance(data, dict) and data.get("signin_url")):
        return None
    return invalid(
        "server not signed in",
        "This is a cloud model, and the Ollama server is not signed in to the cloud.",
        "Run `ollama signin` on the machine of the server.",
    )


def _local_token(case: Case) -> Diagnosis | None:
    if case.slug != "lmstudio" or case.status not in {401, 403}:
        return None
    if case.said.tells("malformed|invalid.{0,20}token|token.{0,20}(invalid|not valid|revoked)"):
        return invalid(
            "wrong key",
            "LM Studio does not know this token. Its own begin with sk-lm-.",
            "Paste a token from Manage Tokens in LM Studio’s developer settings.",
        )
    if case.status == 401 and (case.said.tells(_NO_KEY) or not case.has_key):
        return invalid(
            "missing key",
            "This LM Studio server wants a token, and none was sent.",
            "Paste a token from Manage Tokens, or turn off Require Authentication.",
        )
    return None


def _missing(case: Case) -> Diagnosis | None:
    if case.status not in {400, 401, 403} or not case.said.tells(_NO_KEY):
        return None
    return invalid(
        "missing key",
        f"{case.label} wants a key, and none was sent.",
        "Edit this key and paste the secret.",
        link=case.keys_url,
    )


_EMPTY_WORDS = re.compile(r"none|null|undefined|redacted|nil|nan|empty|your[-_].*", re.IGNORECASE)
_LOCAL_WORDS = re.compile(
    r"lm-?studio|ollama|not-needed|no-key(-required)?|dummy|local(host)?|llama\S*|test|https?:.*",
    re.IGNORECASE,
)


def _placeholder(case: Case) -> Diagnosis | None:
    """The cloud quotes what it was sent: a local server's placeholder means a wrong address."""
    found = re.search(
        r"incorrect api key provided: (.*?)\.( you can|\s*$|$)", case.said.message, re.IGNORECASE
    )
    sent = found.group(1).strip() if found else ""
    if not sent or _EMPTY_WORDS.fullmatch(sent):
        return None
    if not _LOCAL_WORDS.fullmatch(sent) and " " not in sent:
        return None
    return misconfigured(
        "meant for another server",
        f"{case.label} was sent a placeholder that belongs to a local server.",
        "Enter the address of the local server, or paste a key of this provider.",
    )


def _wrong_key(case: Case) -> Diagnosis | None:
    refused = case.status == 401 or case.said.has(
        "api_key_invalid", "invalid_api_key", "expired_key", "token_not_found_in_db"
    )
    if not refused and not (case.status in {400, 403} and case.said.tells(_WRONG_KEY)):
        return None
    if case.looks_like and case.looks_like != case.label:
        return invalid(
            "another provider’s key",
            f"{case.label} does not know this key. It looks like one of {case.looks_like}.",
            f"Move it to {case.looks_like}, or paste a key of {case.label}.",
        )
    delay = f" {case.row.new_key_delay}" if case.row and case.row.new_key_delay else ""
    if case.said.kind == "html":
        return invalid(
            "refused by a server in front",
            f"A server in front of {case.label} asks for a sign-in and did not accept this key.",
            "Ask whoever runs that server for access.",
        )
    return invalid(
        "wrong key",
        f"{case.label} does not recognise this key. It may be mistyped, deleted or expired."[:200],
        f"Create a new key and paste it here.{delay}" if not case.is_local else "Paste it again.",
        link=case.keys_url,
    )


# --- the server itself ------------------------------------------------------------------------


def _nothing_loaded(case: Case) -> Diagnosis | None:
    if not case.said.tells(r"no models? (is |are )?loaded"):
        return None
    return limited(
        "no model loaded",
        f"{case.label} is running without a model.",
        "Load a model in its developer page, then check again.",
    )


def _cloud_disabled(case: Case) -> Diagnosis | None:
    if not case.said.tells("cloud is disabled"):
        return None
    return limited(
        "cloud models are off",
        "This Ollama server is set not to use cloud models.",
        "Choose an installed model, or allow cloud models on the server.",
    )


def _foreign_host(case: Case) -> Diagnosis | None:
    """Ollama answers 403 with an empty body when it does not know the Host it is called by."""
    if not (case.slug == "ollama" and case.status == 403 and case.said.kind == "empty"):
        return None
    return misconfigured(
        "host name refused",
        "The Ollama server does not answer to this host name.",
        "Set OLLAMA_HOST on the server, or let the tunnel rewrite the Host header.",
    )


def _loading(case: Case) -> Diagnosis | None:
    if case.status != 503 or not case.said.tells(r"loading model|model is (still )?loading"):
        return None
    return unreachable(
        "model is loading",
        f"{case.label} is still loading its model.",
        "Wait until it is loaded, then check again.",
        retry_after=wait_of(case),
    )


def _cannot_run(case: Case) -> Diagnosis | None:
    told = r"out of memory|more system memory|failed to load|runner .{0,20}(terminated|crash)"
    if not (case.slug == "ollama" and case.status == 500 and case.said.tells(told)):
        return None
    return limited(
        "model cannot run",
        "The Ollama server is running, but it could not run the model.",
        "Choose a smaller model, or free memory on the server.",
    )


def _too_fast(case: Case) -> Diagnosis | None:
    said = case.said
    slow = said.has("slow_down", "rate_limit_error", "rate_limited", "rate_limit_exceeded")
    if case.status not in {429, 498} and not (slow and case.status in {413, 503}):
        return None
    if said.kind == "html":
        return unreachable(
            "blocked by a firewall",
            f"A firewall in front of {case.label} asked to slow down before the key was looked at.",
            "Wait a little, then check again.",
            retry_after=wait_of(case),
        )
    return _busy(case) if _is_full(case) else _rate(case)


def _is_full(case: Case) -> bool:
    return (
        case.status == 498
        or case.said.has("3505", "capacity_exceeded")
        or case.said.tells("capacity")
    )


def _busy(case: Case) -> Diagnosis:
    wait = wait_of(case)
    return valid(
        "provider full",
        f"The key works; {case.label} has no room for the request at the moment.",
        f"Try again{wait_words(wait) or ' in a little while'}. It is not your limit.",
        retry_after=wait,
    )


def _rate(case: Case) -> Diagnosis:
    if case.said.tells("request too large"):
        return valid(
            "request too large",
            "The key works; the one request was larger than its limit allows.",
            "Send less text at once. Waiting will not help.",
        )
    wait = wait_of(case)
    return valid(
        "rate limited",
        f"The key works; {case.label} asks to send fewer requests.",
        f"Try again{wait_words(wait) or ' in a minute'}.",
        retry_after=wait,
    )


def _unknown_model(case: Case) -> Diagnosis | None:
    said = case.said
    named = said.tells(
        r"\bmodel\b.{0,200}(not exist|not found|not available|no longer|decommissioned|unknown"
        r"|deprecated|retired|not support)|invalid model|not a valid model|unknown model"
        r"|^model: |no endpoints|does not support (chat|generate)|deployment.{0,60}not exist"
    )
    gone = case.status in {400, 404, 410, 422}
    about_model = param_of(said.data) == "model" and gone
    if not gone or not (said.has(*_MODEL_CODES) or named or about_model):
        return None
    return valid(
        "unknown model",
        "The key works; the model that was asked for is not there, or not any more.",
        "Choose another model from the list.",
    )


def _router(case: Case) -> Diagnosis | None:
    """OpenRouter's 403s and 404s that are about one request, not about the key."""
    if case.slug != "openrouter" or case.status not in {403, 404, 408}:
        return None
    about_request = (
        case.status != 403
        or case.said.has("region_restricted")
        or case.said.tells(
            r"only management keys|request blocked|provider returned error|requiring a key|flagged"
            r"|guardrail|moderation|data policy"
        )
    )
    if not about_request or case.said.kind not in {"json", "stream"}:
        return None
    if case.status == 404 and not case.said.codes - {"404"}:
        return None
    return valid(
        "request refused",
        "The key works; OpenRouter refused this one request.",
        "Choose another model, or look at the privacy settings of the account.",
    )


def _down(case: Case) -> Diagnosis | None:
    if case.status < 500 and case.status != 408:
        return None
    return unreachable(
        "provider has a problem",
        f"{case.label} has a problem right now (HTTP {case.status}), so the key was not judged.",
        f"Try again{wait_words(wait_of(case)) or ' later'}.",
        retry_after=wait_of(case),
    )


def _access(case: Case) -> Diagnosis | None:
    if case.status != 403:
        return None
    if case.said.kind in {"empty", "text"}:
        return unreachable(
            "access refused",
            "Access was refused without a reason, perhaps by a firewall on the way.",
            "Try from another network, or ask whoever runs the server.",
        )
    quoted = clean(case.said.message).rstrip(".")
    why = f" It says: {quoted}." if quoted else ""
    return limited(
        "access refused",
        f"{case.label} knows this key and refused access.{why}",
        "Look at the key’s permissions in the provider’s settings.",
        link=case.keys_url,
    )


def _no_api(case: Case) -> Diagnosis | None:
    if case.status in {404, 405, 410, 421, 426} or case.said.kind in {"empty", "text", "html"}:
        return _wrong_path(case, "Something answered at this address, but not this API.")
    return None


def _request(case: Case) -> Diagnosis:
    return valid(
        "request not accepted",
        f"The key works; {case.label} did not accept this one request.",
        "Nothing has to be done for the key.",
    )


RULES: tuple[Rule, ...] = (
    _redirect, _proxy, _firewall, _tls_port, _web_page, _unexpected_endpoint, _nothing_loaded,
    _region_host, _organisation, _network_list, _scopes, _money, _allowance, _plan, _router,
    _closed_account, _country, _project_models, _unknown_model, _cloud_disabled, _foreign_host,
    _signed_out, _local_token, _no_such_path, _missing, _placeholder, _wrong_key, _loading,
    _cannot_run, _too_fast, _down, _access, _no_api, _request,
)  # fmt: skip
"""In this order; the last always answers."""


def judge(case: Case) -> Diagnosis:
    """What a refusing answer says about the key."""
    return next(found for rule in RULES if (found := rule(case)) is not None)
