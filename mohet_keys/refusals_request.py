"""Refusals of one request that say nothing against the key: model, limits, a server's state; pure.

A provider that looks at the request has looked at the key before.
"""

from __future__ import annotations

import re

from mohet_keys.answers import metadata_of, param_of
from mohet_keys.case import Case, limited, unreachable, valid
from mohet_keys.model import Diagnosis
from mohet_keys.refusals_address import names_nothing
from mohet_keys.waiting import wait_of, wait_words

_MODEL_CODES = (
    "model_not_found", "unknown_model", "invalid_model", "model_decommissioned", "1500",
    "deploymentnotfound", "model_deprecated", "no_endpoints", "model_unavailable_upstream",
    "free_variant_ended", "model_not_available", "model_not_exist", "modelnotfound",
    "model_terminated", "some requested entity was not found",
)  # fmt: skip
_MODEL = (
    r"\bmodels?\b.{0,200}\b(not exist|not found|not available|unavailable|no longer|unknown"
    r"|decommissioned|deprecated|retired|not a chat model|only supported|not supported)"
    r"|(invalid|unknown|unsupported|no such|not a chat) model\b|not a valid model|^model: "
    r"|no endpoints|unable to access model|no (allowed )?providers|deployment.{0,60}not exist"
    r"|does not support (chat|generate)\b|requested entity was not found"
)
_RATE_CODES = (
    "slow_down", "rate_limit_error", "rate_limited", "rate_limit_exceeded", "rate_limit_reached",
    "too_many_requests", "1300",
)  # fmt: skip
_FULL_CODES = (
    "3505", "capacity_exceeded", "capacity_exhausted", "service_tier_capacity_exceeded",
    "backend_out_of_capacity",
)  # fmt: skip
_FULL = r"\bcapacity\b|overloaded|high demand"
_CANNOT_RUN = (
    r"out of memory|more system memory|insufficient (system )?(memory|resources)"
    r"|(failed|unable) to load (the )?model|model failed to load|error loading model"
    r"|runner .{0,40}(terminated|crash|stopped|no longer)|model (has )?crashed"
)
_ABOUT_REQUEST = (
    r"only management keys|request blocked|provider returned error|requiring a key|flagged"
    r"|guardrail|moderation|data policy"
)


# --- the server's own state -------------------------------------------------------------------


def nothing_loaded(case: Case) -> Diagnosis | None:
    """LM Studio without a model."""
    if not case.said.tells(r"no models? (is |are )?(currently )?loaded"):
        return None
    return limited(
        "no model loaded",
        f"{case.label} is running without a model.",
        "Load a model in its developer page, then check again.",
    )


def cloud_disabled(case: Case) -> Diagnosis | None:
    """An Ollama server whose owner keeps the cloud out."""
    if not case.said.tells("cloud is disabled"):
        return None
    return limited(
        "cloud models are off",
        "This Ollama server is set not to use cloud models.",
        "Choose an installed model, or allow cloud models on the server.",
    )


def loading(case: Case) -> Diagnosis | None:
    """A server that has not read its model from disk yet."""
    if case.status != 503 or not case.said.tells(r"loading model|model\b.{0,80}\bloading"):
        return None
    return unreachable(
        "model is loading",
        f"{case.label} is still loading its model.",
        "Wait until it is loaded, then check again.",
        retry_after=wait_of(case),
    )


def cannot_run(case: Case) -> Diagnosis | None:
    """A local server that is there, but too small for the model."""
    if not (case.is_local and case.status in {400, 500} and case.said.tells(_CANNOT_RUN)):
        return None
    return limited(
        "model cannot run",
        "The server is running, but it could not run the model.",
        "Choose a smaller model, or free memory on the server.",
    )


# --- too much at once -------------------------------------------------------------------------


def full(case: Case) -> Diagnosis | None:
    """The provider has no room; this is not the user's limit. 498 is Groq's own number for it."""
    coded = case.said.has(*_FULL_CODES) or (case.slug == "groq" and case.status == 498)
    told = case.status in {429, 498} and case.said.tells(_FULL)
    if not coded and not told:
        return None
    wait = wait_of(case)
    return valid(
        "provider full",
        f"{case.works}; {case.name} has no room for the request at the moment.",
        f"Try again{wait_words(wait) or ' in a little while'}. It is not your limit.",
        retry_after=wait,
    )


def rate_code(case: Case) -> Diagnosis | None:
    """A code that names a rate limit, before any word beside it that sounds like money."""
    hasty = case.said.has(*_RATE_CODES) or case.said.tells("^slow down")
    return _rate(case) if hasty else None


def rate_limit(case: Case) -> Diagnosis | None:
    """429 without a better word."""
    return _rate(case) if case.status == 429 else None


def _rate(case: Case) -> Diagnosis:
    if case.said.tells("request too large"):
        return valid(
            "request too large",
            f"{case.works}; the one request was larger than its limit allows.",
            "Send less text at once. Waiting will not help.",
        )
    wait = wait_of(case)
    return valid(
        "rate limited",
        f"{case.works}; {case.name} asks to send fewer requests.",
        f"Try again{wait_words(wait) or ' in a minute'}.",
        retry_after=wait,
    )


# --- models and everything else in a request --------------------------------------------------


def model_code(case: Case) -> Diagnosis | None:
    """A code that names the model, before any word in the model's name."""
    return _no_model(case) if _about_model(case) and case.said.has(*_MODEL_CODES) else None


def unknown_model(case: Case) -> Diagnosis | None:
    """Words, the field that is named, or Mistral's own envelope: its 404 is about the model."""
    said = case.said
    service = isinstance(said.data, dict) and said.data.get("object") == "error"
    named = param_of(said.data) == "model" and not said.tells("required|missing")
    named = named or said.tells(_MODEL)
    if not _about_model(case) or not (named or (service and case.status == 404)):
        return None
    return _no_model(case)


def _about_model(case: Case) -> bool:
    return case.status in {400, 404, 410, 422}


def _no_model(case: Case) -> Diagnosis:
    return valid(
        "unknown model",
        f"{case.works}; the model that was asked for is not there, or not for chats.",
        "Choose another model from the list.",
    )


def router(case: Case) -> Diagnosis | None:
    """OpenRouter's refusals that are about one request or another vendor, not about the key."""
    if case.slug != "openrouter" or case.said.kind not in {"json", "stream"}:
        return None
    extra = metadata_of(case.said.data)
    upstream = bool({"provider_name", "reasons", "flagged_input"} & set(extra))
    about_request = upstream or case.said.has("region_restricted", "content_policy_violation")
    about_request = about_request or case.said.tells(_ABOUT_REQUEST)
    elsewhere = case.status == 408 or (case.status == 404 and not names_nothing(case))
    if not elsewhere and not (case.status in {401, 403} and about_request):
        return None
    return valid(
        "request refused",
        "The key works; OpenRouter refused this one request.",
        "Choose another model, or look at the privacy settings of the account.",
    )


def request(case: Case) -> Diagnosis:
    """Whatever is left is about the one request."""
    return valid(
        "request not accepted",
        f"{case.works}; {case.name} did not accept this one request.",
        "Nothing has to be done for the key.",
    )


def readable(case: Case) -> Diagnosis | None:
    """Servers written in Rust refuse a body in plain text, and only after the key was looked at."""
    told = re.search(r"deserializ|missing field|invalid json", case.said.text[:400], re.IGNORECASE)
    is_text = case.said.kind == "text" and case.status in {400, 422}
    return request(case) if is_text and told else None


def missing_object(case: Case) -> Diagnosis | None:
    """404 for some object that the request names, such as an earlier reply."""
    named = any(
        code.endswith("_not_found") and not code.startswith(("resource", "route", "path", "page"))
        for code in case.said.codes
    )
    named = named or case.said.tells(
        r"^no (such )?\w+ (object|found with id)\b|with id x .{0,9}not found"
    )
    return request(case) if case.status == 404 and named else None
