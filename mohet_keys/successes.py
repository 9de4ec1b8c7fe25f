"""Rules for answers that came through: do they prove the key, and is anything the matter? Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from mohet_keys import refusals
from mohet_keys.answers import clean, is_error
from mohet_keys.case import Case, invalid, limited, misconfigured, unverified, valid
from mohet_keys.model import Diagnosis, Verdict

Rule = Callable[[Case, dict[str, Any]], Diagnosis | None]

KEY_WORKS = "key works"
NO_KEY_NEEDED = "no key needed"


def judge(case: Case) -> Diagnosis:
    """What a 2xx answer says about the key."""
    said = case.said
    if said.kind == "html":
        return refusals.judge(case)
    if said.kind == "text" and said.tells("ollama is running"):
        return works(case)
    if said.tells(r"unexpected endpoint or method"):
        return refusals.judge(case)
    if is_error(said):
        return _inner_error(case)
    if said.kind == "stream" and isinstance(said.data, dict):
        return _reply(case, said.data) or works(case)
    if isinstance(said.data, list):
        return _listed(case, said.data)
    if isinstance(said.data, dict):
        return next((found for rule in _RULES if (found := rule(case, said.data))), _stranger(case))
    return _stranger(case)


def works(case: Case, extra: str = "") -> Diagnosis:
    """Plainly valid; said of a server that needs no key in its own words."""
    if case.is_local and not case.has_key:
        return valid(NO_KEY_NEEDED, f"The server answers and needs no key{extra}.")
    caveat = ""
    if case.row and case.row.credit_caveat:
        caveat = " Whether there is credit shows only with the first message."
    return valid(KEY_WORKS, f"{case.label} accepts this key{extra}.{caveat}")


def _inner_error(case: Case) -> Diagnosis:
    """An error inside a 200: judged by the status it names. A started reply proved the key."""
    status = next((int(code) for code in case.said.codes if code.isdigit() and len(code) == 3), 0)
    if not 400 <= status < 600:
        status = 401 if case.said.tells("unauthori[sz]ed|invalid.{0,12}key") else 400
    inner = refusals.judge(replace(case, status=status))
    if inner.verdict in {Verdict.INVALID, Verdict.LIMITED, Verdict.MISCONFIGURED}:
        return inner
    if inner.verdict is Verdict.VALID and inner.reason != "request not accepted":
        return inner
    quoted = clean(case.said.message).rstrip(".")
    why = f" It said: {quoted}." if quoted else ""
    return valid(
        "reply failed",
        f"{case.label} began to answer and then failed.{why}",
        "Try again, or choose another model.",
    )


# --- lists of models --------------------------------------------------------------------------


def _models(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    for name in ("data", "models"):
        if name in data and (data[name] is None or isinstance(data[name], list)):
            return _listed(case, data[name] or [])
    return None


def _listed(case: Case, items: list[Any]) -> Diagnosis:
    if is_public_list(case, items):
        return unverified(
            "list is public",
            f"{case.label} answered, but it shows its model list to everybody.",
            "Check the key with a request that needs it.",
        )
    if not items:
        return _no_models(case)
    count = len(items)
    return works(case, f" and shows {count} model{'s' if count > 1 else ''}")


def is_public_list(case: Case, items: list[Any]) -> bool:
    """Whether this list is shown without looking at the key."""
    if case.slug == "openrouter":
        return case.route.endswith("/models")
    if case.slug == "ollama" and not case.is_local:
        return case.route.endswith(("/models", "/api/tags"))
    owners = {item.get("owned_by") for item in items if isinstance(item, dict)}
    return case.slug == "other:llamacpp" or owners == {"llamacpp"}


def _no_models(case: Case) -> Diagnosis:
    if case.is_local:
        return limited(
            "no model installed",
            f"{case.label} is running, but it has no model.",
            "Download or load a model, then check again.",
        )
    return limited(
        "no models",
        "The key works, but it can see no model.",
        "Look at the key’s permissions in the provider’s settings.",
        link=case.keys_url,
    )


# --- accounts ---------------------------------------------------------------------------------


def _router_key(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """OpenRouter's key information: limit, expiry, kind."""
    info = data.get("data")
    if not isinstance(info, dict) or not {"limit_remaining", "is_free_tier", "usage"} & set(info):
        return None
    if info.get("is_management_key") or info.get("is_provisioning_key"):
        return limited(
            "management key",
            "This key manages other keys; it cannot run models.",
            "Create an ordinary key and paste it here.",
            link=case.keys_url,
        )
    if _is_past(info.get("expires_at"), case.now):
        return limited(
            "key expired",
            "This key was set to end, and its date has passed.",
            "Create a new key and paste it here.",
            link=case.keys_url,
        )
    left = _number(info.get("limit_remaining"))
    if left is not None and left <= 0:
        return limited(
            "no credit left",
            "The key works, but its own spending limit is used up.",
            "Raise the key’s limit, or wait until it is renewed.",
            link=case.keys_url,
        )
    if info.get("is_free_tier"):
        return works(case, "; no credit was ever bought, so only free models can be used")
    return works(case, f"; {left:.2f} USD of its limit are left" if left is not None else "")


def _balance(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """Ollama's cloud balance, on the present plans and on the older ones."""
    included = data.get("included")
    if not isinstance(included, dict):
        return None
    bought = data.get("purchased")
    purchased = _number(bought.get("balance_usd")) if isinstance(bought, dict) else None
    spent = _number(included.get("balance_usd")) == 0 or any(
        isinstance(span, dict) and _number(span.get("remaining_percent")) == 0
        for span in (included.get("session"), included.get("weekly"))
    )
    if spent and not purchased:
        return limited(
            "allowance used up",
            "The key works, but what its plan allows is used up for now.",
            "Wait until it is renewed, or buy more.",
            link=case.billing_url,
        )
    return works(case)


def _deepseek(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    if "is_available" not in data:
        return None
    if data["is_available"]:
        return works(case)
    return limited(
        "no credit left",
        "The key works, but there is no credit left.",
        "Add credit to the account.",
    )


def _xai_flags(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    flags = [name for name in data if name.endswith(("_blocked", "_disabled"))]
    if not flags:
        return None
    if any(data[name] for name in flags):
        return invalid(
            "key blocked",
            f"{case.label} says that this key or its team is blocked.",
            "Create another key, or ask the owner of the team.",
        )
    return works(case)


# --- replies and small signs of life ----------------------------------------------------------


def _reply(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """A chat reply of any kind; a local server may answer with another model than asked."""
    marks = ("choices", "message", "response", "content", "output", "candidates", "embedding")
    if not any(name in data for name in marks) or isinstance(data.get("message"), str):
        return None
    answered = data.get("model")
    asked = case.asked_model
    if asked and isinstance(answered, str) and answered and answered != asked:
        return valid(
            "another model answered",
            f"The key works, but the server answered with {clean(answered)}.",
            "Choose a model from the list.",
        )
    return works(case)


def _sign_of_life(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    known = {"version", "object", "plan", "email", "key", "info", "capabilities", "id", "status"}
    if case.is_local and isinstance(data.get("version"), str):
        return works(case)
    if case.route.endswith(("/me", "/key/info", "/api-key", "/props")) and known & {
        name.lower() for name in data
    }:
        return works(case)
    return None


def _stranger(case: Case) -> Diagnosis:
    usual = f" The usual address is {case.row.endpoint}." if case.row else ""
    return misconfigured(
        "not this API",
        "Something answered at this address, but not this API.",
        f"Check the address.{usual}",
        endpoint=case.row.endpoint if case.row and case.host in case.row.hosts else None,
    )


_RULES: tuple[Rule, ...] = (
    _router_key, _balance, _deepseek, _xai_flags, _models, _reply, _sign_of_life,
)  # fmt: skip


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e12 else None


def _is_past(value: Any, now: datetime) -> bool:
    if not isinstance(value, str):
        return False
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return False
    return at.tzinfo is not None and at < now
