"""Model lists and account information in each provider's own shape; composed, not recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any] | list[Any] | str
_CREATED = 1789406102


def model_list(name: str, *, empty: bool = False) -> Json:
    """The list of that name. Ollama shows an empty one as null on its OpenAI-like path."""
    field, head, rows = _LISTS[name]
    nothing: Any = None if name == "ollama" else []
    return {**head, field: nothing if empty else rows}


def has_model(name: str, model: str) -> bool:
    """Whether the list shows a model of this id."""
    field = _LISTS[name][2]
    return any(model in {row.get("id"), row.get("key"), row.get("name")} for row in field)


def loaded_model() -> str:
    """What LM Studio has in memory, and answers with whatever it was asked for."""
    return "google/gemma-4-e4b"


def _rows(*ids: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": i, "object": "model", "created": _CREATED, **more} for i in ids]


def _groq(name: str, owner: str, context: int, *, active: bool = True) -> dict[str, Any]:
    return {
        **_rows(name, owned_by=owner)[0],
        "active": active,
        "context_window": context,
        "public_apps": None,
        "max_completion_tokens": context // 2,
    }


def _lmstudio(name: str, kind: str, size: int, *, loaded: bool = False) -> dict[str, Any]:
    instance = {"id": name, "config": {"context_length": 8192}}
    row = {
        "type": kind,
        "publisher": name.partition("/")[0],
        "key": name,
        "size_bytes": size,
        "loaded_instances": [instance] if loaded else [],
        "max_context_length": 131072,
        "format": "gguf",
    }
    skills = {"vision": False, "trained_for_tool_use": True}
    return {**row, "capabilities": skills} if kind == "llm" else row


def _lmstudio_v0(name: str, kind: str, *, loaded: bool = False) -> dict[str, Any]:
    state = "loaded" if loaded else "not-loaded"
    skills = ["tool_use"] if kind != "embeddings" else []
    return {
        "id": name,
        "object": "model",
        "type": kind,
        "state": state,
        "max_context_length": 131072,
        "capabilities": skills,
    }


def _ollama(name: str, size: int, *skills: str) -> dict[str, Any]:
    details = {"format": "gguf", "family": name.partition(":")[0], "quantization_level": "Q4_K_M"}
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-09-28T13:23:40Z",
        "size": size,
        "details": details,
        "capabilities": list(skills),
    }


def _openrouter(name: str, price: str, context: int = 131072) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "created": _CREATED,
        "context_length": context,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": price, "completion": price, "request": "0", "image": "0"},
        "top_provider": {"context_length": context, "is_moderated": False},
        "supported_parameters": ["max_tokens", "temperature", "tools"],
        "expiration_date": None,
    }


def _mistral(name: str, *, chat: bool = True) -> dict[str, Any]:
    skills = {"completion_chat": chat, "function_calling": chat, "ocr": not chat}
    return {
        **_rows(name, owned_by="mistralai")[0],
        "capabilities": skills,
        "max_context_length": 131072,
        "aliases": [],
        "deprecation": None,
        "type": "base",
    }


_LIST = {"object": "list"}
_LISTS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "openai": (
        "data",
        _LIST,
        [
            *_rows("text-embedding-3-small", "whisper-1", owned_by="system", shutdown_date=None),
            *_rows("gpt-6-luna", "gpt-6.1-terra", "gpt-6-astra", owned_by="system"),
            *_rows("gpt-4o", owned_by="system", shutdown_date="2027-01-14"),
        ],
    ),
    "groq": (
        "data",
        _LIST,
        [
            _groq("openai/gpt-oss-20b", "OpenAI", 131072),
            _groq("whisper-large-v3", "OpenAI", 448),
            _groq("openai/gpt-oss-120b", "OpenAI", 131072),
            _groq("qwen/qwen3.6-27b", "Alibaba Cloud", 131072),
            _groq("qwen/qwen3-32b", "Alibaba Cloud", 131072, active=False),
        ],
    ),
    "lmstudio": (
        "data",
        _LIST,
        _rows("openai/gpt-oss-20b", "google/gemma-4-e4b", "text-embedding-nomic-embed-text-v1.5"),
    ),
    "lmstudio-v0": (
        "data",
        _LIST,
        [
            _lmstudio_v0("openai/gpt-oss-20b", "llm"),
            _lmstudio_v0("google/gemma-4-e4b", "vlm", loaded=True),
            _lmstudio_v0("text-embedding-nomic-embed-text-v1.5", "embeddings"),
        ],
    ),
    "lmstudio-v1": (
        "models",
        {},
        [
            _lmstudio("openai/gpt-oss-20b", "llm", 12_109_565_632),
            _lmstudio("google/gemma-4-e4b", "llm", 5_405_168_384, loaded=True),
            _lmstudio("text-embedding-nomic-embed-text-v1.5", "embedding", 274_290_560),
        ],
    ),
    "ollama": (
        "data",
        _LIST,
        _rows("qwen3:8b", "gpt-oss:20b", "embeddinggemma:latest", owned_by="library"),
    ),
    "ollama-tags": (
        "models",
        {},
        [
            _ollama("qwen3:8b", 5_225_388_164, "completion", "tools", "thinking"),
            _ollama("gpt-oss:20b", 13_780_173_724, "completion", "tools", "thinking"),
            _ollama("embeddinggemma:latest", 621_875_917, "embedding"),
        ],
    ),
    "openrouter": (
        "data",
        {},
        [
            _openrouter("openai/gpt-5.6-luna", "0.0000001"),
            _openrouter("~anthropic/claude-sonnet-latest", "0.000003", 1_000_000),
            _openrouter("openrouter/free", "0"),
            _openrouter("openai/gpt-oss-120b:free", "0"),
        ],
    ),
    "mistral": (
        "data",
        _LIST,
        [
            _mistral("mistral-ocr-latest", chat=False),
            _mistral("mistral-small-latest"),
            _mistral("mistral-medium-latest"),
        ],
    ),
}

KEY_CHANGES: dict[str | None, dict[str, Any]] = {
    "nocredit": {"limit_remaining": 0, "usage": 100},
    "expired": {"usage": 61.2, "limit_remaining": 38.8},
    "expiring": {"limit": 20, "limit_remaining": 6.2, "usage": 13.8},
    "management": {"is_management_key": True, "is_provisioning_key": True},
    "restricted": {"is_management_key": True, "is_provisioning_key": True},
    "freetier": {"is_free_tier": True, "limit": None, "limit_remaining": None, "usage": 0},
}

_ENDS = {"expired": -11, "expiring": 9}
"""In how many days a key ends."""


def key_info(behaviour: str | None) -> Json:
    """OpenRouter's information about a key."""
    info: dict[str, Any] = {
        "label": "sk-or-v1-sim...cde",
        "limit": 100,
        "limit_remaining": 74.5,
        "limit_reset": "monthly",
        "usage": 25.5,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "expires_at": None,
    }
    if behaviour in _ENDS:
        ends = datetime.now(UTC) + timedelta(days=_ENDS[behaviour])
        info["expires_at"] = f"{ends:%Y-%m-%dT%H:%M:%SZ}"
    return {"data": {**info, **KEY_CHANGES.get(behaviour, {})}}


def balance(behaviour: str | None) -> Json:
    """What is left on an account of Ollama's cloud."""
    left = 0 if behaviour == "nocredit" else 72.5
    return {
        "included": {"balance_usd": left, "allowance_usd": 100},
        "purchased": {"balance_usd": 0 if behaviour == "nocredit" else 25},
    }
