"""Model lists read, filtered to what can chat, and the recommended one picked; pure.

The order of preference is data in the provider's row; what is here is how lists tell which model
can chat, which is loaded, free, or about to be shut down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from mohet_keys.answers import parse
from mohet_keys.model import ModelInfo
from mohet_keys.providers import BY_SLUG

MOST = 2000
"""Models read of one list. OpenRouter shows some 400; a hostile list may be endless."""
_ID = re.compile(r"[A-Za-z0-9~@][A-Za-z0-9._:/@+~-]{0,199}")
_SOON = timedelta(days=60)

_NOT_CHAT = {
    "openai": re.compile(
        r"embedding|whisper|transcribe|tts|audio|realtime|live|translate|dall-e|image|sora"
        r"|moderation|babbage|davinci|instruct|search|computer-use|deep-research|codex|-pro\b"
        r"|cyber|^ft:"
    ),
    "groq": re.compile(r"whisper|tts|orpheus|guard|safeguard"),
    "mistral": re.compile(r"ocr|moderation|embed|transcribe|voxtral-mini-tts"),
}
_NEVER_CHAT = re.compile(
    r"embed|\bbge\b|^bge-|minilm|rerank|whisper|text-embedding|\btts\b", re.IGNORECASE
)
_SNAPSHOT = re.compile(r"-\d{4}-\d\d-\d\d$")


def models(provider: str, body: bytes | str) -> tuple[ModelInfo, ...]:
    """Every model of a list answer, at most `MOST`, each id once; empty when it is no list."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    data = parse(text)
    rows = _rows(data)
    read = _READERS.get(provider, _read_plain)
    found: dict[str, ModelInfo] = {}
    for row in rows[:MOST]:
        info = read(row) if isinstance(row, dict) else None
        if info and _ID.fullmatch(info.id):
            found.setdefault(info.id, info)
    return tuple(found.values())


def _rows(data: Any) -> list[Any]:
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        for name in ("data", "models"):
            if isinstance(data.get(name), list):
                return list(data[name])
    return []


# --- one row of each provider's list ----------------------------------------------------------


def _name(row: dict[str, Any], *names: str) -> str:
    found = next((row[name] for name in names if isinstance(row.get(name), str)), "")
    return found.removeprefix("models/")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _read_plain(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "id", "name", "key", "model")
    methods = _texts(row.get("supportedGenerationMethods"))
    kind = row.get("type")
    chat = not _NEVER_CHAT.search(name) and kind not in {"embedding", "embeddings", "rerank"}
    return ModelInfo(
        name,
        chat=chat and (not methods or "generateContent" in methods),
        context=_whole(row.get("context_window")) or _whole(row.get("context_length")),
    )


def _read_openai(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "id")
    ends = row.get("shutdown_date")
    chat = not _NOT_CHAT["openai"].search(name) and not _NEVER_CHAT.search(name)
    return ModelInfo(name, chat=chat, shutdown=ends if isinstance(ends, str) else None)


def _read_groq(row: dict[str, Any]) -> ModelInfo:
    name, context = _name(row, "id"), _whole(row.get("context_window"))
    small = context is not None and context < 1000
    chat = row.get("active") is not False and not small and not _NOT_CHAT["groq"].search(name)
    return ModelInfo(name, chat=chat, context=context)


def _read_lmstudio(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "key", "id")
    kind = row.get("type")
    loaded = bool(row.get("loaded_instances")) or row.get("state") == "loaded"
    skills = row.get("capabilities")
    tools = "tool_use" in _texts(skills) or (
        isinstance(skills, dict) and bool(skills.get("trained_for_tool_use"))
    )
    chat = kind in {"llm", "vlm"} if isinstance(kind, str) else not _NEVER_CHAT.search(name)
    return ModelInfo(
        name, chat=chat, loaded=loaded, size=_whole(row.get("size_bytes")), tools=tools
    )


def _read_ollama(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "model", "name", "id")
    skills = _texts(row.get("capabilities"))
    chat = "completion" in skills if skills else not _NEVER_CHAT.search(name)
    return ModelInfo(name, chat=chat, size=_whole(row.get("size")), tools="tools" in skills)


def _read_openrouter(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "id")
    shape = row.get("architecture")
    outputs = _texts(shape.get("output_modalities")) if isinstance(shape, dict) else []
    price = row.get("pricing")
    asks = {str(price.get(n)) for n in ("prompt", "completion")} if isinstance(price, dict) else {}
    ends = row.get("expiration_date")
    return ModelInfo(
        name,
        chat=not outputs or outputs == ["text"],
        free=asks == {"0"} or name.endswith(":free"),
        context=_whole(row.get("context_length")),
        tools="tools" in _texts(row.get("supported_parameters")),
        shutdown=ends[:10] if isinstance(ends, str) else None,
    )


def _read_mistral(row: dict[str, Any]) -> ModelInfo:
    name = _name(row, "id")
    skills = row.get("capabilities")
    can = skills.get("completion_chat") if isinstance(skills, dict) else None
    chat = bool(can) if can is not None else True
    ends = row.get("deprecation")
    return ModelInfo(
        name,
        chat=chat and not _NOT_CHAT["mistral"].search(name),
        context=_whole(row.get("max_context_length")),
        shutdown=ends[:10] if isinstance(ends, str) else None,
    )


_READERS: dict[str, Callable[[dict[str, Any]], ModelInfo]] = {
    "openai": _read_openai,
    "groq": _read_groq,
    "lmstudio": _read_lmstudio,
    "ollama": _read_ollama,
    "openrouter": _read_openrouter,
    "mistral": _read_mistral,
}


# --- what can chat, and what is best ----------------------------------------------------------


def chat_models(provider: str, infos: Iterable[ModelInfo], today: date) -> tuple[ModelInfo, ...]:
    """The models that can chat and are not shut down, the recommended order first."""
    alive = [info for info in infos if info.chat and not _ends_before(info, today)]
    return tuple(sorted(alive, key=lambda info: _rank(provider, info, today)))


def recommended(
    provider: str, infos: Iterable[ModelInfo], today: date, *, free_only: bool = False
) -> str | None:
    """The model to begin with, from the key's own list; None when nothing in it can chat."""
    able = chat_models(provider, infos, today)
    if free_only:
        able = _free_first(able)
    return able[0].id if able else None


def _free_first(able: tuple[ModelInfo, ...]) -> tuple[ModelInfo, ...]:
    """Without credit: the router of free models, else the free one that reads the most."""
    free = [info for info in able if info.free or info.id == "openrouter/free"]
    free.sort(key=lambda info: (info.id != "openrouter/free", -(info.context or 0), info.id))
    return tuple(free) or able


def _rank(provider: str, info: ModelInfo, today: date) -> tuple[Any, ...]:
    """Sorts before others: loaded, lasting, preferred, newest of its line, an alias, larger."""
    place, version = _preference(provider, info.id)
    return (
        not info.loaded,
        _ends_before(info, today + _SOON),
        place,
        tuple(-part for part in version),
        info.id.startswith("labs-"),
        bool(_SNAPSHOT.search(info.id)),
        not info.tools,
        -(info.size or 0),
        -(info.context or 0),
        info.id,
    )


def _preference(provider: str, name: str) -> tuple[int, tuple[float, ...]]:
    """Place in the row's list and, for a pattern, the version that a newer model has higher."""
    row = BY_SLUG.get(provider)
    wishes = row.recommended if row else ()
    for place, wish in enumerate(wishes):
        if wish == name or name == f"{wish}:latest":
            return place, ()
        if wish.startswith("re:") and re.search(wish[3:], name):
            return place, tuple(float(part) for part in re.findall(r"\d+(?:\.\d+)?", name)[:2])
    return len(wishes), ()


def _ends_before(info: ModelInfo, day: date) -> bool:
    try:
        return info.shutdown is not None and date.fromisoformat(info.shutdown) <= day
    except ValueError:
        return False
