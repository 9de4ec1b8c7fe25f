"""Bodies in each provider's own wire format, composed after their public documentation."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any] | list[Any] | str


def model_list(provider: str) -> Json:
    """The provider's own list of models."""
    return _LISTS[provider]


def _openai(*ids: str, **more: Any) -> list[Json]:
    return [{"id": i, "object": "model", "created": 1789406102, **more} for i in ids]


_LISTS: dict[str, Json] = {
    "openai": {
        "object": "list",
        "data": [
            *_openai("gpt-6.1-terra", "gpt-6-luna", "gpt-6-astra", owned_by="system"),
            *_openai("gpt-4o", owned_by="system", shutdown_date="2027-01-14"),
            *_openai("text-embedding-3-small", "whisper-1", owned_by="system"),
        ],
    },
    "groq": {
        "object": "list",
        "data": [
            *_openai(
                "openai/gpt-oss-20b", "openai/gpt-oss-120b", active=True, context_window=131072
            ),
            *_openai("whisper-large-v3", active=True, context_window=448),
            *_openai("qwen/qwen3.6-27b", active=True, context_window=131072),
        ],
    },
    "lmstudio": {
        "object": "list",
        "data": _openai("google/gemma-4-e4b", "openai/gpt-oss-20b", "text-embedding-nomic"),
    },
    "lmstudio-native": {
        "models": [
            {"type": "llm", "key": "google/gemma-4-e4b", "loaded_instances": [{"id": "g"}]},
            {"type": "llm", "key": "openai/gpt-oss-20b", "loaded_instances": []},
            {"type": "embedding", "key": "text-embedding-nomic", "loaded_instances": []},
        ]
    },
    "ollama": {"object": "list", "data": _openai("qwen3:8b", "gpt-oss:20b", owned_by="library")},
    "ollama-native": {
        "models": [
            {"name": "qwen3:8b", "size": 5225388164, "capabilities": ["completion", "tools"]},
            {"name": "gpt-oss:20b", "size": 13780173724, "capabilities": ["completion", "tools"]},
            {"name": "embeddinggemma", "size": 621875917, "capabilities": ["embedding"]},
        ]
    },
    "openrouter": {
        "data": [
            {
                "id": name,
                "context_length": 131072,
                "architecture": {"output_modalities": ["text"]},
                "pricing": {"prompt": price, "completion": price},
                "supported_parameters": ["tools"],
            }
            for name, price in (
                ("~anthropic/claude-sonnet-latest", "0.000003"),
                ("openai/gpt-5.6-luna", "0.0000001"),
                ("openrouter/free", "0"),
                ("openai/gpt-oss-120b:free", "0"),
            )
        ]
    },
    "mistral": {
        "object": "list",
        "data": [
            *_openai(
                "mistral-medium-latest",
                "mistral-small-latest",
                capabilities={"completion_chat": True},
            ),
            *_openai("mistral-ocr-latest", capabilities={"completion_chat": False}),
        ],
    },
}


def key_info(**changes: Any) -> Json:
    """OpenRouter's information about a key."""
    info: dict[str, Any] = {
        "label": "sk-or-v1-sim...0ab",
        "limit": 100,
        "limit_remaining": 74.5,
        "limit_reset": "monthly",
        "usage": 25.5,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "expires_at": None,
    }
    return {"data": {**info, **changes}}


BALANCE: Json = {
    "included": {"balance_usd": 72.5, "allowance_usd": 100},
    "purchased": {"balance_usd": 25},
}
SPENT: Json = {
    "included": {"balance_usd": 0, "allowance_usd": 100},
    "purchased": {"balance_usd": 0},
}


def error(provider: str, status: int, message: str, code: str | None = None) -> Json:
    """An error in the provider's own envelope."""
    if provider == "mistral":
        if status == 401:
            return {"detail": "Unauthorized"}
        return {"object": "error", "message": message, "type": code or "error", "code": None}
    if provider == "openrouter":
        return {"error": {"code": status, "message": message}}
    if provider.startswith("ollama"):
        return {"error": message}
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    }


WRONG_KEY = {
    "openai": "Incorrect API key provided: sk-****. You can find your API key at the platform.",
    "groq": "Invalid API Key",
    "lmstudio": "Malformed LM Studio API token provided: **********",
    "ollama": "unauthorized",
    "openrouter": "User not found.",
    "mistral": "Unauthorized",
}
NO_KEY = {
    "openai": "Missing bearer or basic authentication in header",
    "groq": "Invalid API Key",
    "lmstudio": "An LM Studio API token is required to make requests to this server",
    "ollama": "unauthorized",
    "openrouter": "Missing Authentication header",
    "mistral": "Unauthorized",
}
NO_PATH = {
    "openai": (404, "Invalid URL ({method} {path})", None),
    "groq": (404, "Unknown request URL: {method} {path}.", "unknown_url"),
    "lmstudio": (200, "Unexpected endpoint or method. ({method} {path})", None),
    "ollama": (404, "404 page not found", None),
    "openrouter": (404, "Not Found", None),
    "mistral": (404, "Not Found", None),
}
