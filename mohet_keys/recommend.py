"""Model lists read, filtered to what can chat, and the recommended one picked; pure.

The order of preference is data in the provider's row; what is here is how lists tell which model
can chat, which is loaded, free, or about to be shut down.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from mohet_keys.answers import parse
from mohet_keys.model import ModelInfo
from mohet_keys.providers import BY_SLUG

MOST = 2000
"""Models read of one list. OpenRouter shows some 400; a hostile list may be endless."""
LONGEST_NAME = 200
"""Characters of a model's id; a longer one is none."""
_ID = re.compile(r"[A-Za-z0-9~@][A-Za-z0-9._:/@+~-]*")
_SOON = timedelta(days=60)

_NOT_CHAT = {
    "openai": re.compile(
        r"embedding|whisper|transcribe|tts|audio|realtime|live|translate|dall-e|image|sora"
        r"|moderation|babbage|davinci|instruct|search|computer-use|deep-research|codex|-pro\b"
        r"|cyber",
        re.IGNORECASE,
    ),
    "groq": re.compile(r"whisper|tts|orpheus|guard|safeguard", re.IGNORECASE),
    "mistral": re.compile(r"ocr|moderation|embed|transcribe|\btts\b", re.IGNORECASE),
}
"""OpenAI's list has no types: what its own and others' programs keep in lists of their own."""
_NEVER_CHAT = re.compile(
    r"embed|\bbge\b|minilm|rerank|whisper|\btts\b|dall-e|imagen|moderation", re.IGNORECASE
)
_OTHER_TYPES = (
    "embedding", "embeddings", "rerank", "image", "audio", "video", "moderation", "transcribe",
)  # fmt: skip
_SNAPSHOT = re.compile(r"-(\d{4}-\d\d-\d\d|\d{4})$")
_IN_CLOUD = re.compile(r"[:-]cloud$")
_FREE_ROUTER = "openrouter/free"
_TIERS = ("terra", "sol", "luna", "astra")
"""OpenAI's sizes of one version, the sensible default first."""


def models(provider: str, body: bytes | str) -> tuple[ModelInfo, ...]:
    """Every model of a list answer, at most `MOST`, each id once; empty when it is no list."""
    # Ids are plain ASCII, so nothing is lost, and no emoji in a description makes each of three
    # million characters take four bytes.
    text = body.removeprefix(BOM_UTF8).decode("latin-1") if isinstance(body, bytes) else body
    data = parse(text)
    if isinstance(data, dict):
        lists = (data.get(name) for name in ("data", "models"))
        data = next((rows for rows in lists if isinstance(rows, list)), None)
    return of_rows(provider, data) if isinstance(data, list) else ()


def of_rows(provider: str, rows: list[Any]) -> tuple[ModelInfo, ...]:
    """The same for the rows of a list that is already parsed."""
    read = _READERS.get(provider, _read_plain)
    dicts = [row for row in rows[:MOST] if isinstance(row, dict)]
    if provider == "mistral":
        dicts = _one_of_each(dicts)
    found: dict[str, ModelInfo] = {}
    for row in dicts:
        info = read(row)
        if _ID.fullmatch(info.id):
            found.setdefault(info.id, info)
    return tuple(found.values())


# --- one row of each provider's list ----------------------------------------------------------


def _name(row: dict[str, Any], *names: str) -> str:
    found = next((row[name] for name in names if isinstance(row.get(name), str)), "")
    return found.removeprefix("models/") if len(found) <= LONGEST_NAME else ""


def _whole(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value < 10**15 else None


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _date(value: Any) -> str | None:
    return value[:10] if isinstance(value, str) else None


def _read_plain(row: dict[str, Any]) -> ModelInfo:
    """Servers like OpenAI's; Google's native list tells what each model can do."""
    name = _name(row, "id", "name", "key", "model")
    methods = _texts(row.get("supportedGenerationMethods"))
    chat = not _NEVER_CHAT.search(name) and row.get("type") not in _OTHER_TYPES
    return ModelInfo(
        name,
        chat=chat and (not methods or "generateContent" in methods),
        context=_whole(row.get("context_window")) or _whole(row.get("context_length")),
        shutdown=_date(row.get("shutdown_date")),
    )


def _read_openai(row: dict[str, Any]) -> ModelInfo:
    """A fine-tuned model is what its base is: `ft:gpt-4.1-mini:org::id`."""
    name = _name(row, "id")
    base = name.split(":")[1] if name.startswith("ft:") else name
    chat = not _NOT_CHAT["openai"].search(base) and not _NEVER_CHAT.search(base)
    return ModelInfo(name, chat=chat, shutdown=_date(row.get("shutdown_date")))


def _read_groq(row: dict[str, Any]) -> ModelInfo:
    """Speech and guard models are listed beside the others; some betray a tiny context."""
    name, context = _name(row, "id"), _whole(row.get("context_window"))
    small = context is not None and context < 1000
    named = _NOT_CHAT["groq"].search(name) or _NEVER_CHAT.search(name)
    chat = row.get("active") is not False and not small and not named
    return ModelInfo(name, chat=chat, context=context)


def _read_lmstudio(row: dict[str, Any]) -> ModelInfo:
    """The native list of 0.4, the older native one, or the plain one without types.

    A model may be loaded with far less context than it could have.
    """
    name, kind, skills = _name(row, "key", "id"), row.get("type"), row.get("capabilities")
    instances = row.get("loaded_instances")
    first = _dict(instances[0]) if isinstance(instances, list) and instances else {}
    context = _whole(_dict(first.get("config")).get("context_length"))
    return ModelInfo(
        name,
        chat=kind in ("llm", "vlm") if isinstance(kind, str) else not _NEVER_CHAT.search(name),
        loaded=bool(first) or row.get("state") == "loaded",
        context=context or _whole(row.get("max_context_length")),
        size=_whole(row.get("size_bytes")),
        tools="tool_use" in _texts(skills) or bool(_dict(skills).get("trained_for_tool_use")),
    )


def _read_ollama(row: dict[str, Any]) -> ModelInfo:
    """Older servers tell no capabilities. A remote model has no size here: it runs elsewhere."""
    name = _name(row, "model", "name", "id")
    skills = _texts(row.get("capabilities"))
    chat = "completion" in skills if skills else not _NEVER_CHAT.search(name)
    return ModelInfo(
        name,
        chat=chat,
        context=_whole(_dict(row.get("details")).get("context_length")),
        size=None if row.get("remote_host") else _whole(row.get("size")),
        tools="tools" in skills,
    )


def _read_openrouter(row: dict[str, Any]) -> ModelInfo:
    """Prices are texts in dollars a token; a router's is negative, for nobody knows it before."""
    name, shape, price = _name(row, "id"), _dict(row.get("architecture")), _dict(row.get("pricing"))
    outputs = _texts(shape.get("output_modalities"))
    if not outputs and "->" in str(shape.get("modality"))[:200]:
        outputs = str(shape["modality"]).split("->")[1].split("+")
    asks = [price.get("prompt"), price.get("completion"), price.get("request", "0")]
    return ModelInfo(
        name,
        chat="text" in outputs if outputs else not _NEVER_CHAT.search(name),
        free=name.endswith(":free")
        or all(re.fullmatch(r"0(\.0*)?", str(ask)[:30]) for ask in asks),
        context=_whole(row.get("context_length")),
        tools="tools" in _texts(row.get("supported_parameters")),
        shutdown=_date(row.get("expiration_date")),
    )


def _read_mistral(row: dict[str, Any]) -> ModelInfo:
    name, skills = _name(row, "id"), _dict(row.get("capabilities"))
    return ModelInfo(
        name,
        chat=skills.get("completion_chat") is not False and not _NOT_CHAT["mistral"].search(name),
        context=_whole(row.get("max_context_length")),
        tools=bool(skills.get("function_calling")),
        shutdown=_date(row.get("deprecation")),
    )


_READERS: dict[str, Callable[[dict[str, Any]], ModelInfo]] = {
    "openai": _read_openai,
    "groq": _read_groq,
    "lmstudio": _read_lmstudio,
    "ollama": _read_ollama,
    "openrouter": _read_openrouter,
    "mistral": _read_mistral,
}


def _one_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mistral lists each alias of a model as a row of its own: keep the one with the best name.

    Rows are one model when one names the other as an alias, or both bear the same name.
    """
    kept: dict[str, dict[str, Any]] = {}
    leader: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: _plainness(_name(row, "id"))):
        known = [_name(row, "id"), _name(row, "name"), *_texts(row.get("aliases"))[:50]]
        first = next((leader[name] for name in known if name in leader), known[0])
        leader.update(dict.fromkeys(filter(None, known), first))
        kept.setdefault(first, row)
    chosen = set(map(id, kept.values()))
    return [row for row in rows if id(row) in chosen]


def _plainness(name: str) -> tuple[Any, ...]:
    dated = bool(_SNAPSHOT.search(name))
    return not name.endswith("-latest"), dated, _preference("mistral", name)[0], name


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
        able = _free_first(able, today)
    return able[0].id if able else None


def _free_first(able: tuple[ModelInfo, ...], today: date) -> tuple[ModelInfo, ...]:
    """Without credit: the router of free models, else the lasting free one that reads the most."""

    def rank(info: ModelInfo) -> tuple[Any, ...]:
        ends = _ends_before(info, today + _SOON)
        return info.id != _FREE_ROUTER, ends, -(info.context or 0), info.id

    free = [info for info in able if info.free or info.id == _FREE_ROUTER]
    return tuple(sorted(free, key=rank)) or able


def _rank(provider: str, info: ModelInfo, today: date) -> tuple[Any, ...]:
    """Sorts before others: loaded, not tuned by the user, lasting, here rather than in the cloud,
    preferred, newest of its line, no experiment, an alias, larger."""
    place, version = _preference(provider, info.id)
    remote = provider == "ollama" and (not info.size or bool(_IN_CLOUD.search(info.id)))
    return (
        not info.loaded,
        info.id.startswith("ft:"),
        _ends_before(info, today + _SOON),
        remote,
        place,
        tuple(-part for part in version),
        info.id.startswith("labs-"),
        bool(_SNAPSHOT.search(info.id)),
        _tier(info.id),
        not info.tools,
        -(info.size or 0),
        -(info.context or 0),
        info.id,
    )


def _preference(provider: str, name: str) -> tuple[int, tuple[float, ...]]:
    """Place in the row's list and, for a pattern, the version that a newer model has higher.

    A dated snapshot has the place of its alias, for a list that has nothing but the snapshot.
    """
    row = BY_SLUG.get(provider)
    wishes = row.recommended if row else ()
    bare = _SNAPSHOT.sub("", name)
    for place, wish in enumerate(wishes):
        if wish in (name, bare, f"{bare}-latest") or name == f"{wish}:latest":
            return place, ()
        if wish.startswith("re:") and re.search(wish[3:], bare):
            return place, tuple(float(part) for part in re.findall(r"\d+(?:\.\d+)?", bare)[:2])
    return len(wishes), ()


def _tier(name: str) -> int:
    last = _SNAPSHOT.sub("", name).rpartition("-")[2]
    return _TIERS.index(last) if last in _TIERS else len(_TIERS)


def _ends_before(info: ModelInfo, day: date) -> bool:
    try:
        return info.shutdown is not None and date.fromisoformat(info.shutdown) <= day
    except ValueError:
        return False
