"""What account information says: limit, expiry, kind of key, balance, blocked or not; pure.

These answers prove the key by themselves: nobody is told about an account without one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mohet_keys.answers import parse
from mohet_keys.case import Case, invalid, limited, works
from mohet_keys.model import Diagnosis

_BLOCKED = ("api_key_blocked", "api_key_disabled", "team_blocked")
_YEARS = range(2000, 2200)
"""Years in which a key may end; another is a mistake, or a trick."""
_LONGEST_MOMENT = 40
"""Characters."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an account tells of a key in numbers, as far as it does.

    `credit` is what is left to spend, in dollars, never below 0.
    """

    credit: float | None = None
    expires_at: datetime | None = None


def facts(provider: str, body: bytes) -> Facts:
    """What the answer that proved a key tells besides; nothing where it is odd. Never raises."""
    read = _FACTS.get(provider)
    data = parse(body.decode("utf-8", "replace")) if read and body else None
    return read(data) if read and isinstance(data, dict) else Facts()


def _router_facts(data: dict[str, Any]) -> Facts:
    """OpenRouter's: of its key information, or of the account's balance."""
    info = data.get("data")
    if not isinstance(info, dict):
        return Facts()
    left = _number(info.get("limit_remaining"))
    total, used = _number(info.get("total_credits")), _number(info.get("total_usage"))
    if left is None and total is not None and used is not None:
        left = total - used
    return Facts(_at_least_nothing(left), _end(info.get("expires_at")))


def _cloud_facts(data: dict[str, Any]) -> Facts:
    """Ollama's cloud: what its plan includes and what was bought, where both are in dollars."""
    parts = [data.get("included"), data.get("purchased")]
    told = [_number(part.get("balance_usd")) for part in parts if isinstance(part, dict)]
    amounts = [max(0.0, amount) for amount in told if amount is not None]
    return Facts(sum(amounts) if amounts else None)


_FACTS = {"openrouter": _router_facts, "ollama": _cloud_facts}


def router_key(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """OpenRouter's key information. No limit of the key's own does not mean that there is money."""
    info = data.get("data")
    if not isinstance(info, dict) or not {"limit_remaining", "is_free_tier", "usage"} & set(info):
        return None
    if _flag(info.get("is_management_key")) or _flag(info.get("is_provisioning_key")):
        return limited(
            "management key",
            "This key manages other keys; it cannot run models.",
            "Create an ordinary key and paste it here.",
            link=case.keys_url,
        )
    if _is_past(info.get("expires_at"), case.now):
        return _expired(case)
    left = _number(info.get("limit_remaining"))
    if left is not None and left <= 0:
        return limited(
            "no credit left",
            "The key works, but its own spending limit is used up.",
            "Raise the key’s limit, or wait until it is renewed.",
            link=case.keys_url,
        )
    if _flag(info.get("is_free_tier")):
        return works(case, "; no credit was ever bought, so only free models can be used")
    return works(case, f"; {left:.2f} USD of its limit are left" if left is not None else "")


def router_credits(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """OpenRouter's account balance, which it shows to management keys."""
    info = data.get("data")
    total = _number(info.get("total_credits")) if isinstance(info, dict) else None
    used = _number(info.get("total_usage")) if isinstance(info, dict) else None
    if total is None or used is None:
        return None
    return works(case) if total > used else _no_credit(case)


def proxy_key(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """LiteLLM's key information."""
    info = data.get("info")
    if not case.route.endswith("/key/info") or not isinstance(info, dict):
        return None
    if _flag(info.get("blocked")):
        return _blocked(case)
    if _is_past(info.get("expires"), case.now):
        return _expired(case)
    spent, most = _number(info.get("spend")), _number(info.get("max_budget"))
    if spent is not None and most is not None and spent >= most:
        return _no_credit(case)
    return works(case)


def balance(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """Ollama's cloud balance, on the present plans and on the older ones."""
    included, bought = data.get("included"), data.get("purchased")
    if not isinstance(included, dict) and not isinstance(bought, dict):
        return None
    amounts = _amounts(included) if isinstance(included, dict) else []
    purchased = _number(bought.get("balance_usd")) if isinstance(bought, dict) else None
    spent = any(amount <= 0 for amount in amounts) if amounts else True
    if not spent or (purchased or 0) > 0:
        return works(case)
    return limited(
        "allowance used up",
        "The key works, but what its plan allows is used up for now.",
        "Wait until it is renewed, or buy more.",
        link=case.billing_url,
    )


def _amounts(included: dict[str, Any]) -> list[float]:
    spans = [included.get("session"), included.get("weekly")]
    told = [span.get("remaining_percent") for span in spans if isinstance(span, dict)]
    found = [_number(value) for value in [included.get("balance_usd"), *told]]
    return [amount for amount in found if amount is not None]


def deepseek(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """DeepSeek's balance says in one word whether the key can be used."""
    if "is_available" not in data:
        return None
    return works(case) if _flag(data["is_available"]) else _no_credit(case)


def xai_flags(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """xAI answers 200 for a blocked key too, and says so in three flags."""
    if not set(_BLOCKED) & set(data):
        return None
    if any(_flag(data.get(name)) for name in _BLOCKED):
        return _blocked(case)
    if data.get("acls") == []:
        return limited(
            "missing permission",
            "The key is real, but restricted: it may use no model.",
            "Give it permissions in the provider’s settings, or create another key.",
        )
    return works(case)


def _blocked(case: Case) -> Diagnosis:
    return invalid(
        "key blocked",
        f"{case.label} says that this key or its team is blocked.",
        "Create another key, or ask the owner of the team.",
    )


def _expired(case: Case) -> Diagnosis:
    return limited(
        "key expired",
        "This key was set to end, and its date has passed.",
        "Create a new key and paste it here.",
        link=case.keys_url,
    )


def _no_credit(case: Case) -> Diagnosis:
    return limited(
        "no credit left",
        "The key works, but there is no credit left.",
        "Add credit to the account; waiting alone will not help.",
        link=case.billing_url,
    )


def _flag(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _number(value: Any) -> float | None:
    """A sensible amount; some write it as text."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", value, re.ASCII):
        return float(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e12 else None


def _at_least_nothing(amount: float | None) -> float | None:
    return None if amount is None else max(0.0, amount)


def _is_past(value: Any, now: datetime) -> bool:
    """Whether a moment in ISO form, without a zone in UTC, has passed."""
    at = _moment(value)
    return at is not None and at < now


def _end(value: Any) -> datetime | None:
    """The end of a key, if it can be one."""
    at = _moment(value)
    return at if at is not None and at.year in _YEARS else None


def _moment(value: Any) -> datetime | None:
    """A moment in ISO form, without a zone in UTC; None for what cannot be told in UTC."""
    if not isinstance(value, str) or len(value) > _LONGEST_MOMENT:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
