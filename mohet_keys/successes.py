"""Rules for answers that came through: do they prove the key, and is anything the matter? Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mohet_keys import recommend, refusals
from mohet_keys import successes_account as account
from mohet_keys.answers import clean, failure_of, is_error, quote
from mohet_keys.case import Case, limited, unverified, valid, works
from mohet_keys.model import Diagnosis, ModelInfo, Verdict
from mohet_keys.refusals_address import wrong_path

Rule = Callable[[Case, dict[str, Any]], Diagnosis | None]

_ROUTER_PROOFS = ("/key", "/auth/key", "/models/user", "/credits", "/keys", "/activity")
"""What OpenRouter shows to keys alone. Everything else that can be read there is public."""
_MODELS = re.compile(r"/(models|tags|language-models|deployments)(/user)?$")
_SIGNS_OF_LIFE = ("/health", "/healthz", "/ping", "/version", "/ready", "/liveliness")
_ACCOUNTS = ("/me", "/key/info", "/api-key", "/props", "/whoami-v2", "/whoami", "/account", "/user")
_REPLY = (
    "choices", "message", "response", "content", "output", "candidates", "embedding", "embeddings",
)  # fmt: skip
_VAGUE = ("request not accepted", "access refused")
_KNOWN = frozenset({
    "id", "object", "plan", "email", "name", "key", "status", "default_generation_settings",
    "model_path", "total_slots", "chat_template",
})  # fmt: skip
"""What accounts and the settings of a llama.cpp server are told by."""
_OLLAMA = frozenset({"version", "capabilities", "model_info", "details", "digest", "status"})


def judge(case: Case) -> Diagnosis:
    """What a 2xx answer says about the key."""
    said = case.said
    if said.kind == "html" or said.tells(r"unexpected endpoint or method"):
        return refusals.judge(case)
    if is_error(said):
        return _inner_error(case)
    if said.kind == "stream":
        return _streamed(case)
    if isinstance(said.data, list):
        return _listed(case, said.data)
    if isinstance(said.data, dict):
        return next((found for rule in _RULES if (found := rule(case, said.data))), _stranger(case))
    return _alive(case) or _stranger(case)


# --- replies ----------------------------------------------------------------------------------


def _inner_error(case: Case) -> Diagnosis:
    """An error inside a 200: judged by the status it names. A reply that began proved the key."""
    said = case.said
    inner = refusals.judge(replace(case, status=_inner_status(case)))
    began = said.begun or (said.kind == "json" and failure_of(said.data) not in (None, said.data))
    proved = began or (inner.verdict is Verdict.UNREACHABLE and case.slug == "openrouter")
    known = inner.verdict in {Verdict.LIMITED, Verdict.VALID} and inner.reason not in _VAGUE
    if known or (inner.verdict is not Verdict.VALID and not proved and said.message):
        return inner
    quoted = quote(case.said.message)
    why = f" It said: {quoted}." if quoted else ""
    return valid(
        "reply failed",
        f"{case.label} began to answer and then failed.{why}",
        "Try again, or choose another model.",
    )


def _inner_status(case: Case) -> int:
    codes = [int(code) for code in sorted(case.said.codes) if re.fullmatch(r"[45]\d\d", code)]
    if codes:
        return codes[0]
    refused = case.said.tells(r"unauthori[sz]ed|unauthenticated|invalid.{0,12}(key|token)\b")
    return 401 if refused or case.said.has("authentication_error", "invalid_api_key") else 400


def _streamed(case: Case) -> Diagnosis:
    """A stream of replies; one that only ever kept the line open was accepted and broke off."""
    data = case.said.data
    if isinstance(data, dict):
        kind = str(data.get("type"))
        is_reply = kind.startswith(("message_", "content_block", "response.", "ping"))
        return works(case) if is_reply else (_reply(case, data) or _stranger(case))
    if re.search(r"^(data: ?\[DONE\]|: ?\S)", case.said.text[:10_000], re.MULTILINE):
        return valid(
            "reply failed",
            f"{case.label} began to answer and then sent nothing.",
            "Try again, or choose another model.",
        )
    return _stranger(case)


def _reply(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """A chat reply of any kind. LM Studio answers with what is loaded, whatever was asked for."""
    if case.method != "POST" or isinstance(data.get("message"), str):
        return None
    if not any(name in data for name in _REPLY):
        return None
    answered, asked = data.get("model"), case.asked_model
    if case.slug != "lmstudio" or not asked or _is_same(answered, asked):
        return works(case)
    return valid(
        "another model answered",
        f"{case.works}, but the server answered with {clean(str(answered))}.",
        "Choose a model from the list.",
    )


def _is_same(answered: Any, asked: str) -> bool:
    """A second loaded copy of a model has a number behind its name."""
    if not isinstance(answered, str) or not answered:
        return True
    bare = re.sub(r":\d+$", "", answered.lower())
    return bare == asked.lower() or bare.endswith(f"/{asked.lower()}")


# --- lists of models --------------------------------------------------------------------------


def _models(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    for name in ("data", "models"):
        if name in data and (data[name] is None or isinstance(data[name], list)):
            return _listed(case, data[name] or [])
    return None


def _listed(case: Case, items: list[Any]) -> Diagnosis:
    if case.method == "POST":  # a list of embeddings, and that is a reply
        return works(case)
    if is_public(case, items):
        return _public(case)
    listed = recommend.of_rows(case.slug, items)
    if not _MODELS.search(case.route):
        return works(case) if listed or _is_marked(case.said.data) else _stranger(case)
    if not items:
        return _no_models(case)
    if not listed:
        return _stranger(case)
    return _shown(case, listed)


def _is_marked(data: Any) -> bool:
    """OpenAI's mark of a list, which may be one of batches or files and empty."""
    return isinstance(data, dict) and data.get("object") == "list"


def _shown(case: Case, listed: tuple[ModelInfo, ...]) -> Diagnosis:
    able = recommend.chat_models(case.slug, listed, case.now.date())
    count, kind = len(able) or len(listed), "chat model" if able else "model"
    none = "" if able else ", none of them for chats"
    return works(case, f" and shows {count} {kind}{'s' if count > 1 else ''}{none}")


def _one_model(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """A single entry of a list, where the list is guarded; OpenRouter's are in its catalogue."""
    if case.slug == "openrouter" and case.route.endswith(("/endpoints", "/count", "/parameters")):
        return _public(case)
    if "/models/" not in case.route or not isinstance(data.get("id", data.get("name")), str):
        return None
    return _public(case) if is_public(case, [data]) else works(case)


def is_public(case: Case, items: list[Any]) -> bool:
    """Whether these models are shown without looking at the key.

    OpenRouter and Ollama's cloud show theirs to everybody, llama.cpp even with a key of its own.
    Whether Perplexity looks at the key is not known.
    """
    if case.slug == "openrouter":
        return not case.route.endswith(_ROUTER_PROOFS)
    owners = {str(item.get("owned_by")) for item in items[:99] if isinstance(item, dict)}
    open_to_all = case.slug in {"llamacpp", "perplexity"} or owners == {"llamacpp"}
    open_to_all = open_to_all or (case.slug == "ollama" and not case.is_local)
    return open_to_all and re.search("/(models|tags)(/|$)", case.route) is not None


def _public(case: Case) -> Diagnosis:
    return unverified(
        "list is public",
        f"{case.label} answered, but this says nothing about the key.",
        "Check the key with a request that needs it.",
    )


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


# --- small signs of life ----------------------------------------------------------------------


def _account(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """Information on an account, or settings that a server shows to its key's holder alone."""
    if case.route.endswith(_ACCOUNTS) and _KNOWN & {name.lower() for name in data}:
        return works(case)
    if case.slug == "ollama" and case.is_local and _OLLAMA & set(data):
        return works(case)
    return None


def _typed(case: Case, data: dict[str, Any]) -> Diagnosis | None:
    """OpenAI's own marks of what a thing is: a counted prompt, a batch, an assistant."""
    kind = data.get("object")
    marked = isinstance(kind, str) and kind not in {"", "list", "error"}
    return works(case) if marked and not _MODELS.search(case.route) else None


def _sign_of_life(case: Case, _data: dict[str, Any]) -> Diagnosis | None:
    return _alive(case)


def _alive(case: Case) -> Diagnosis | None:
    """Paths and words that say no more than that the server is up."""
    greets = case.said.kind == "text" and case.said.tells("^ollama is running")
    stranger = greets and case.row is not None and case.slug != "ollama"
    if stranger or not (greets or case.route.endswith(_SIGNS_OF_LIFE)):
        return None
    if case.slug == "ollama" and case.is_local:
        return works(case)
    return unverified(
        "key not looked at",
        "The server is up, but this answer says nothing about the key.",
        "Check the key with a request that needs it.",
    )


def _stranger(case: Case) -> Diagnosis:
    said = "Something answered at this address, but not this API."
    return wrong_path(case, said, reason="not this API")


_RULES: tuple[Rule, ...] = (
    account.router_key, account.router_credits, account.proxy_key, account.balance,
    account.deepseek, account.xai_flags, _reply, _models, _one_model, _account, _typed,
    _sign_of_life,
)  # fmt: skip
