"""Refusals of a real key: money, allowance, plan, permission, country, organisation; pure."""

from __future__ import annotations

import re
from typing import Any

from mohet_keys.answers import clean, error_of, quote
from mohet_keys.case import Case, limited, misconfigured
from mohet_keys.model import Diagnosis
from mohet_keys.waiting import wait_of, wait_words

_MONEY_CODES = (
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_not_active",
    "billing_hard_limit_reached", "budget_exceeded", "payment_required", "openrouter_credits",
    "insufficient_credits", "insufficient_balance", "enforced_spend_limit_reached",
    "billing_error", "insufficient_user_quota", "exceeded_current_quota_error", "quota_exceeded",
)  # fmt: skip
_MONEY = (
    r"credit balance|insufficient[ _](balance|credits?|funds|quota)|key limit exceeded"
    r"|not enough (credits?|balance|funds)|used all (the )?(available |your )?credits"
    r"|spend(ing)? (limit|cap)|budget has been exceeded|exceeded .{0,20}budget|negative balance"
    r"|(any|no) credits? (yet|left|remaining|available)|have no credits?|out of credits?"
    r"|requires more credits|can only afford|never purchased credits|prompt tokens limit exceeded"
    r"|payment required|billing (hard )?limit|billing.{0,30}not active|account is not active"
    r"|suspended.{0,60}(balance|billing|payment|invoice)"
)
_MONEY_HINTS = (
    r"(purchase|buy|add) (more |additional )?credits?\b|check your (plan and )?billing"
    r"|exceeded your current quota"
)
"""Said of an empty account, and of a mere rate limit as well."""
_ALLOWANCE = (
    r"free-models-per-day|(hourly|weekly|session|monthly) (usage |token |request )?(limit|quota)"
    r"|daily (usage |free )?(limit|quota)|usage limits?\b|monthly allowance|call volume quota"
    r"|limit for (this|the) month|tokens? per month|monthly included credits"
)
_PERIOD = r"(monthly|weekly|session|hourly) (usage|token|request) (limit|quota)"
_PLAN = (
    r"requires? a subscription|upgrade for access|not available (for|in|on) (your |this )?plan"
    r"|not (included|available) in your (current )?(plan|tier|subscription)"
    r"|subscription (is )?required|upgrade your plan"
)
_PERMISSION_CODES = (
    "permission_error", "permissions_error", "permission_denied", "permissiondenied",
    "insufficient_permissions", "insufficient_scope", "missing_scope", "missing_scopes",
)  # fmt: skip
_PERMISSION = (
    r"missing scopes?|insufficient (permissions?|scopes?)|lacks the required|not have (the )?"
    r"(required |sufficient |necessary )?(permissions?|scopes?)\b"
)
_SCOPES = re.compile(r"missing scopes?: ?([a-z_.,\s]{2,80}?)(?:\. |\.$|$)", re.IGNORECASE)
_MODEL_DENIED = (
    r"(does|do) not have access to (this |the )?model|blocked at the \w+ level"
    r"|not allowed to (access|use) (this |the )?model"
)
_IP = (
    r"\bip( address)?\b.{0,40}(not (authori[sz]ed|allowed|whitelisted|permitted|in the allow)"
    r"|restriction)|due to virtual .{0,30}rules|public access is disabled"
)
_COUNTRY = (
    r"country, region, or territory|location is not supported|(unsupported|restricted) (country|"
    r"region)|not (available|supported) in your (country|region)"
)
_ORGANISATION = (
    r"(organi[sz]ation|project) header should match|no such organi[sz]ation|mismatched (org|proj)"
)
_REGION = r"incorrect (regional )?hostname|regional hostname|must be accessed (through|via|at)"
_REGIONAL_HOST = re.compile(r"(?<![\w.-])[a-z]{2,8}\.api\.openai\.com(?!\.?[\w-])")


# --- money and allowance ----------------------------------------------------------------------


def money_code(case: Case) -> Diagnosis | None:
    """A code that names the account's money. It stands whatever the status."""
    return _broke(case) if case.said.has(*_MONEY_CODES) else None


def money(case: Case) -> Diagnosis | None:
    """402, or words. Google says “exceeded your current quota” of a minute's limit too."""
    said = case.said
    if case.status == 402:
        return _broke(case)
    told = said.tells(_MONEY)
    if not told and not said.tells("rate limit") and not said.has("resource_exhausted"):
        told = case.slug != "gemini" and said.tells(_MONEY_HINTS)
    return _broke(case) if told and case.status in {400, 401, 403, 412, 429} else None


def _broke(case: Case) -> Diagnosis:
    said = case.said
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


def allowance_mark(case: Case) -> Diagnosis | None:
    """A spent allowance by its own mark, before a code that also stands for mere haste."""
    said = case.said
    marked = said.has("openrouter_free_tier_daily") or said.tells("free-models-per-day")
    marked = marked or _is_spent(case.headers.get("x-ratelimit-remaining-tokens-month"))
    marked = marked or (case.slug == "mistral" and said.tells(r"\bmonth(ly)?\b"))
    marked = marked or said.tells(_PERIOD) or _is_daily(said.data)
    if case.status != 429 or not marked:
        return None
    return _spent(case)


def allowance(case: Case) -> Diagnosis | None:
    """A spent allowance by words alone; Anthropic says it with 400."""
    if case.status not in {400, 403, 429} or not case.said.tells(_ALLOWANCE):
        return None
    return _spent(case)


def _spent(case: Case) -> Diagnosis:
    wait = wait_of(case)
    return limited(
        "allowance used up",
        f"The key works, but what its plan at {case.name} allows is used up for now.",
        f"Wait until it is renewed{wait_words(wait)}, or upgrade the plan.",
        retry_after=wait,
        link=case.billing_url,
    )


def _is_spent(left: str | None) -> bool:
    return left is not None and re.fullmatch(r"\s*(0+(\.0+)?|-\d{1,15})\s*", left) is not None


def _is_daily(data: Any) -> bool:
    """Google tells in the details which quota it was: a minute's passes by itself soon."""
    details = error_of(data).get("details")
    for item in details[:10] if isinstance(details, list) else ():
        broken = item.get("violations") if isinstance(item, dict) else None
        for one in broken[:10] if isinstance(broken, list) else ():
            if isinstance(one, dict) and "PerDay" in str(one.get("quotaId"))[:200]:
                return True
    return False


def plan(case: Case) -> Diagnosis | None:
    """What the plan leaves out: a limit of nothing is such a plan too."""
    none = case.status == 429 and case.said.tells(r"\blimit(:| of)? 0\b(?!\.)")
    outside = case.said.has("not_available_for_plan") or case.said.tells(_PLAN)
    if not none and not (outside and case.status < 429):
        return None
    return limited(
        "not in the plan",
        f"{case.works}, but its plan does not include what was asked for.",
        "Choose another model, or upgrade the plan.",
        link=case.billing_url,
    )


# --- permission -------------------------------------------------------------------------------


def permission(case: Case) -> Diagnosis | None:
    """A restricted key. OpenAI says so with 401 for chats and with 403 for lists."""
    said = case.said
    header = "insufficient_scope" in case.headers.get("www-authenticate", "")
    told = said.tells(_PERMISSION) or (case.status == 401 and said.has(*_PERMISSION_CODES))
    if case.status not in {400, 401, 403} or not (told or header):
        return None
    found = _SCOPES.search(said.message)
    which = f" It lacks {clean(found.group(1))}." if found else ""
    return limited(
        "missing permission",
        f"The key is real, but restricted.{which}",
        "Give it permission to list models and to send requests, or create another key.",
        link=case.keys_url,
    )


def network_list(case: Case) -> Diagnosis | None:
    """A key that works from some networks only."""
    listed = case.status in {401, 403} and case.said.tells(_IP)
    if not (case.said.has("ip_not_authorized") or listed):
        return None
    return limited(
        "network not allowed",
        "The key only works from listed IP addresses, and this one is not on the list.",
        "Add this network in the provider’s settings, or use another key.",
        link=case.keys_url,
    )


def country(case: Case) -> Diagnosis | None:
    """A country that the vendor does not serve; OpenRouter passes this on from other vendors."""
    said = case.said
    listed = case.status in {400, 401, 403, 451} and said.tells(_COUNTRY)
    regional = said.has("region_restricted") and case.slug != "openrouter"
    coded = said.has("unsupported_country_region_territory")
    if not (coded or listed or regional or case.status == 451):
        return None
    return limited(
        "region not served",
        f"{case.label} does not serve this country. The key itself was not judged.",
        "Use it from a supported country, or use another provider.",
    )


def model_denied(case: Case) -> Diagnosis | None:
    """A model that this key, or its project or team, may not use."""
    said = case.said
    coded = said.has("model_not_found") and case.status == 403
    coded = coded or any(code.endswith("model_access_denied") for code in said.codes)
    blocked = any(code.startswith("model_permission_blocked") for code in said.codes)
    if not (coded or blocked or said.tells(_MODEL_DENIED)):
        return None
    return limited(
        "model not allowed",
        "The key works, but it may not use the model that was asked for.",
        "Choose another model, or allow this one in the provider’s settings.",
    )


def access(case: Case) -> Diagnosis | None:
    """Any other 403 in the API's own envelope."""
    if case.status != 403:
        return None
    quoted = quote(case.said.message)
    why = f" It says: {quoted}." if quoted else ""
    return limited(
        "access refused",
        f"{case.label} knows this key and refused access.{why}",
        "Look at the key’s permissions in the provider’s settings.",
        link=case.keys_url,
    )


# --- organisation and region ------------------------------------------------------------------


def region_host(case: Case) -> Diagnosis | None:
    """A project whose data stays in one region has a host of its own, and the answer names it."""
    coded = case.said.has("incorrect_hostname")
    if not coded and not (case.status in {401, 403, 421} and case.said.tells(_REGION)):
        return None
    named = [h for h in _REGIONAL_HOST.findall(case.said.message) if h != case.host]
    better = f"https://{named[0]}/v1" if named else None
    remedy = f"Change the address to {better}." if better else "Use the address of its region."
    return misconfigured(
        "another region",
        "The key belongs to a project whose data stays in one region, with a host of its own.",
        remedy,
        endpoint=better,
    )


def organisation(case: Case) -> Diagnosis | None:
    """A user without an organisation, or a header that names another one than the key's."""
    said, refused = case.said, case.status in {401, 403}
    if said.has("no_organization") or (
        refused and said.tells("must be a member of an organi[sz]ation")
    ):
        return limited(
            "no organisation",
            "The user of this key belongs to no organisation any more.",
            "Ask the owner of the organisation for an invitation.",
        )
    coded = said.has("mismatched_organization", "mismatched_project", "invalid_organization")
    if coded or (refused and said.tells(_ORGANISATION)):
        return misconfigured(
            "organisation does not match",
            "The organisation or project that was asked for is not that of the key.",
            "Use the address without an organisation, or a key of that organisation.",
        )
    return None
