"""Model lists as each provider sends them: what can chat, what lasts, and what to begin with."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys.model import ModelInfo
from mohet_keys.providers import BY_SLUG, PROVIDERS
from mohet_keys.recommend import MOST, chat_models, models, of_rows, recommended

TODAY = date(2026, 11, 25)


def ids(provider: str, rows: list[dict[str, Any]], field: str = "data") -> list[str]:
    """The chat models of a list, in their order."""
    infos = models(provider, json.dumps({"object": "list", field: rows}))
    return [info.id for info in chat_models(provider, infos, TODAY)]


def one(provider: str, row: dict[str, Any]) -> ModelInfo:
    """One row as it is read."""
    (info,) = of_rows(provider, [row])
    return info


def best(provider: str, rows: list[dict[str, Any]], **more: bool) -> str | None:
    """The model to begin with."""
    return recommended(provider, of_rows(provider, rows), TODAY, **more)


# --- OpenAI -----------------------------------------------------------------------------------


def openai(*names: str, **more: Any) -> list[dict[str, Any]]:
    """Rows of OpenAI's list."""
    row = {"object": "model", "created": 1789406102, "owned_by": "system", "shutdown_date": None}
    return [{"id": name, **row, **more} for name in names]


NO_CHAT_AT_OPENAI = (
    "text-embedding-3-small", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-tts", "tts-1-hd",
    "gpt-audio-mini", "gpt-realtime", "gpt-live-1", "gpt-translate", "dall-e-3", "gpt-image-2",
    "chatgpt-image-latest", "sora-2-pro", "omni-moderation-latest", "babbage-002", "davinci-002",
    "gpt-3.5-turbo-instruct", "gpt-4o-search-preview", "computer-use-preview", "o3-deep-research",
    "gpt-5.3-codex", "gpt-5.5-pro", "gpt-5-pro-2025-10-06", "gpt-6-cyber", "GPT-Image-1",
    "ft:babbage-002:acme::abc", "ft:gpt-4o-mini-tts:acme::abc",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_CHAT_AT_OPENAI)
def test_openais_other_models_are_left_out(name: str) -> None:
    """Its list has no types, so names tell speech, pictures, search, code and older completions."""
    assert ids("openai", openai(name, "gpt-6-luna")) == ["gpt-6-luna"]


OPENAIS_ORDER = [
    "gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-terra", "gpt-5.6-sol",
    "gpt-5.6-luna", "gpt-6-astra", "gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.2", "gpt-5.1",
]  # fmt: skip


def test_openais_models_have_the_recommended_order() -> None:
    """The sensible ones first, and the strongest and dearest not before them."""
    assert ids("openai", openai(*reversed(OPENAIS_ORDER))) == OPENAIS_ORDER


def test_a_model_to_come_is_found_by_its_pattern() -> None:
    """The highest version first, of one version the sensible size, before all that is older."""
    rows = openai("gpt-5.5", "gpt-7-astra", "gpt-7-luna", "gpt-7.2-sol", "gpt-7-terra")
    expected = ["gpt-7.2-sol", "gpt-7-terra", "gpt-7-luna", "gpt-7-astra", "gpt-5.5"]
    assert expected == ids("openai", rows)


def test_an_alias_comes_before_its_dated_snapshot() -> None:
    """Where there is only the snapshot it has the place of its alias."""
    both = openai("gpt-5.5-2026-04-23", "gpt-5.5", "gpt-5.4")
    assert ids("openai", both) == ["gpt-5.5", "gpt-5.5-2026-04-23", "gpt-5.4"]
    alone = openai("gpt-5.4", "gpt-6.1-terra-2026-10-26")
    assert best("openai", alone) == "gpt-6.1-terra-2026-10-26"


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ("2026-11-24", False),
        ("2026-11-25", False),
        ("2026-11-26", True),
        ("2027-01-14", True),
        (None, True),
        ("soon", True),
        ("2026-02-30", True),
        (5, True),
    ],
)
def test_what_is_shut_down_is_not_offered(ends: Any, shown: bool) -> None:
    """From the day on that OpenAI names; what is no date says nothing."""
    assert shown == bool(ids("openai", openai("gpt-5", shutdown_date=ends)))


def test_what_lasts_comes_before_what_ends_within_two_months() -> None:
    """A model that is about to go is offered, and not to begin with."""
    soon = (TODAY + timedelta(days=60)).isoformat()
    later = (TODAY + timedelta(days=61)).isoformat()
    dying = openai("gpt-6.1-terra", shutdown_date=soon) + openai("gpt-5.1", shutdown_date=later)
    assert ids("openai", dying) == ["gpt-5.1", "gpt-6.1-terra"]
    rows = openai("gpt-4o", "gpt-4.1", "gpt-4.1-mini", shutdown_date="2027-01-14")
    assert ids("openai", rows) == ["gpt-4.1-mini", "gpt-4.1", "gpt-4o"]


def test_models_tuned_by_the_user_come_last() -> None:
    """They can chat, and nobody wants to begin with one by accident."""
    rows = openai("ft:gpt-6-luna:acme::abc", "o3", "ft:gpt-4.1-mini:acme:live-audio:abc")
    assert ids("openai", rows)[0] == "o3"
    assert len(ids("openai", rows)) == 3
    dying = openai("o3", shutdown_date="2026-12-11") + openai("ft:gpt-6-luna:acme::abc")
    assert best("openai", dying) == "o3"


# --- Groq -------------------------------------------------------------------------------------


def groq(name: str, **more: Any) -> dict[str, Any]:
    """A row of Groq's list."""
    row = {"id": name, "object": "model", "created": 1, "owned_by": "x", "active": True}
    return {**row, "context_window": 131072, "public_apps": None, **more}


def test_groqs_models_have_the_recommended_order() -> None:
    """Production before preview before systems that an admin may have shut off."""
    order = ["openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.6-27b", "groq/compound",
             "groq/compound-mini", "other/model"]  # fmt: skip
    assert order == ids("groq", [groq(name) for name in reversed(order)])


@pytest.mark.parametrize(
    "row",
    [
        groq("whisper-large-v3", context_window=448),
        groq("distil-whisper-large-v3-en"),
        groq("playai-tts"),
        groq("canopylabs/orpheus-v1-english"),
        groq("meta-llama/llama-guard-4-12b"),
        groq("meta-llama/llama-prompt-guard-2-86m", context_window=512),
        groq("openai/gpt-oss-safeguard-20b"),
        groq("some/speech-model", context_window=999),
        groq("qwen/qwen3-32b", active=False),
        groq("nomic-embed-text-v1.5"),
    ],
)
def test_groqs_other_models_are_left_out(row: dict[str, Any]) -> None:
    """Speech, guards, tiny contexts, and what is not active any more."""
    assert ids("groq", [row, groq("a/b", active=None, context_window=None)]) == ["a/b"]


def test_groqs_context_is_read() -> None:
    """How much a model reads stands in the list."""
    assert one("groq", groq("a/b")).context == 131072


# --- LM Studio --------------------------------------------------------------------------------


def native(name: str, kind: str = "llm", *, loaded: bool = False, **more: Any) -> dict[str, Any]:
    """A row of the native list since 0.4."""
    instance = {"id": name, "config": {"context_length": 4096, "parallel": 4}}
    row = {"type": kind, "publisher": "x", "key": name, "display_name": name, "size_bytes": 10**9,
           "loaded_instances": [instance] if loaded else [], "max_context_length": 262144,
           "format": "gguf",
           "capabilities": {"vision": True, "trained_for_tool_use": True}}  # fmt: skip
    return {**row, **more}


def test_a_loaded_model_comes_first() -> None:
    """What is in memory answers at once, whatever else would be better."""
    rows = [native("openai/gpt-oss-20b"), native("my/own", loaded=True), native("e", "embedding")]
    assert ids("lmstudio", rows, "models") == ["my/own", "openai/gpt-oss-20b"]


def test_without_a_loaded_one_tools_and_size_decide() -> None:
    """Known good ones first, then those trained for tools, then the largest."""
    rows = [
        native("a/small", size_bytes=10**9),
        native("a/large", size_bytes=10**10),
        native("a/larger", size_bytes=10**11, capabilities={"trained_for_tool_use": False}),
        native("google/gemma-4-e4b", size_bytes=10),
    ]
    expected = ["google/gemma-4-e4b", "a/large", "a/small", "a/larger"]
    assert expected == ids("lmstudio", rows, "models")


def test_the_context_is_the_one_it_is_loaded_with() -> None:
    """It can be far smaller than the model's own limit."""
    assert one("lmstudio", native("a", loaded=True)).context == 4096
    assert one("lmstudio", native("a")).context == 262144


def test_the_older_native_list_is_read() -> None:
    """Types and states have other names there."""
    row = {"object": "model", "max_context_length": 131072, "capabilities": ["tool_use"]}
    rows = [
        {"id": "a/llm", "type": "llm", "state": "not-loaded", **row},
        {"id": "b/vlm", "type": "vlm", "state": "loaded", **row},
        {"id": "c/embed", "type": "embeddings", "state": "loaded", **row},
    ]
    assert ids("lmstudio", rows) == ["b/vlm", "a/llm"]
    assert one("lmstudio", rows[0]).tools


def test_the_plain_list_is_sorted_out_by_name() -> None:
    """It has ids only, embeddings beside the others."""
    names = ("qwen/qwen3.8-27b", "text-embedding-nomic-embed-text-v1.5", "mixedbread-embed")
    rows = [{"id": n, "object": "model", "owned_by": "organization_owner"} for n in names]
    assert ids("lmstudio", rows) == ["qwen/qwen3.8-27b"]


# --- Ollama -----------------------------------------------------------------------------------


def tag(name: str, size: int = 10**9, *skills: str, **more: Any) -> dict[str, Any]:
    """A row of `/api/tags`."""
    details = {"family": "x", "parameter_size": "8B", "context_length": 40960}
    row = {"name": name, "model": name, "size": size, "digest": "0", "details": details}
    return {**row, "capabilities": list(skills or ("completion", "tools")), **more}


def test_an_installed_model_comes_before_one_in_the_cloud() -> None:
    """A remote one needs a signed-in server, and the small file says nothing of its size."""
    cloud = {"remote_host": "https://ollama.com", "remote_model": "x"}
    rows = [
        tag("gpt-oss:120b-cloud", 307, **cloud),
        tag("qwen3.5:cloud", 307, **cloud),
        tag("mine-in-the-cloud", 307, **cloud),
        tag("some-model:7b"),
    ]
    assert best("ollama", rows) == "some-model:7b"
    assert len(ids("ollama", rows, "models")) == 4


def test_ollamas_models_have_the_recommended_order() -> None:
    """By family and size, with or without a tag, then the largest."""
    order = ["gpt-oss:20b", "gpt-oss:120b", "qwen3.5:9b", "gemma4:latest", "qwen3:8b",
             "qwen3-coder:30b", "llama3.2:3b", "other:70b", "other:7b"]  # fmt: skip
    sizes = {"other:70b": 10**11}
    rows = [tag(name, sizes.get(name, 10**9)) for name in reversed(order)]
    assert order == ids("ollama", rows, "models")


def test_what_can_chat_is_told_by_capabilities_where_there_are_any() -> None:
    """Older servers tell none, and the plain list has none: then the name has to do."""
    assert ids("ollama", [tag("a", 1, "embedding"), tag("my-embedder", 1, "completion")]) == [
        "my-embedder"
    ]
    old = [
        {"name": n} for n in ("bge-m3:latest", "all-minilm", "x-rerank", "nomic-embed", "llama3")
    ]
    assert ids("ollama", old, "models") == ["llama3"]
    plain = [{"id": n, "object": "model", "owned_by": "library"} for n in ("qwen3:8b", "bge-m3")]
    assert ids("ollama", plain) == ["qwen3:8b"]


def test_a_list_that_is_null_is_empty() -> None:
    """Ollama's OpenAI-like path says null when nothing is pulled."""
    assert models("ollama", '{"object": "list", "data": null}') == ()


# --- OpenRouter -------------------------------------------------------------------------------


def routed(
    name: str, price: Any = "0.000003", context: int = 131072, **more: Any
) -> dict[str, Any]:
    """A row of OpenRouter's list."""
    return {
        "id": name,
        "context_length": context,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": price, "completion": price, "request": "0", "image": "0"},
        "supported_parameters": ["tools", "temperature"],
        "expiration_date": None,
        **more,
    }


def test_aliases_that_never_age_come_first() -> None:
    """Routers and concrete models come after them."""
    order = list(BY_SLUG["openrouter"].recommended)
    assert (
        order == ids("openrouter", [routed(name) for name in sorted(order)] + [routed("a/b")])[:-1]
    )


@pytest.mark.parametrize(
    ("shape", "chat"),
    [
        ({"output_modalities": ["text"]}, True),
        ({"output_modalities": ["image", "text"]}, True),
        ({"output_modalities": ["image"]}, False),
        ({"output_modalities": ["audio"]}, False),
        ({"output_modalities": ["embeddings"]}, False),
        ({"modality": "text+image->text"}, True),
        ({"modality": "text->embeddings"}, False),
        ({}, True),
        (None, True),
    ],
)
def test_only_what_gives_text_can_chat(shape: Any, chat: bool) -> None:
    """The kinds of output stand in the list, in an older field too."""
    assert chat == one("openrouter", routed("a/b", architecture=shape)).chat


@pytest.mark.parametrize(
    ("row", "free"),
    [
        (routed("a/b", "0"), True),
        (routed("a/b", "0.0000"), True),
        (routed("a/b", 0), True),
        (routed("a/b:free", "0.01"), True),
        (routed("a/b", "0.0000001"), False),
        (routed("openrouter/auto", "-1"), False),
        (routed("a/b", None), False),
        (routed("a/b", pricing={"prompt": "0"}), False),
        (routed("a/b", pricing={"prompt": "0", "completion": "0", "request": "0.01"}), False),
        (routed("a/b", pricing=[]), False),
    ],
)
def test_prices_are_texts_and_a_negative_one_is_not_free(row: dict[str, Any], free: bool) -> None:
    """Free is what costs nothing for what is sent, received and asked."""
    assert free == one("openrouter", row).free


def test_without_credit_something_free_is_recommended() -> None:
    """The router of free models, else the free one that reads the most, else what there is."""
    rows = [
        routed("~anthropic/claude-sonnet-latest"),
        routed("a/short:free", "0", 8192),
        routed("a/long:free", "0", 262144),
        routed("a/longer-but-ending:free", "0", 10**6, expiration_date="2026-12-01"),
        routed("a/gone:free", "0", 10**7, expiration_date="2026-11-01"),
    ]
    assert best("openrouter", rows) == "~anthropic/claude-sonnet-latest"
    assert best("openrouter", rows, free_only=True) == "a/long:free"
    router = routed("openrouter/free", "0", 1)
    assert best("openrouter", [*rows, router], free_only=True) == "openrouter/free"
    assert best("openrouter", rows[:1], free_only=True) == "~anthropic/claude-sonnet-latest"


# --- Mistral ----------------------------------------------------------------------------------


def mistral(name: str, /, *aliases: str, **more: Any) -> dict[str, Any]:
    """A row of Mistral's list."""
    row = {"id": name, "object": "model", "created": 1, "owned_by": "mistralai", "type": "base",
           "capabilities": {"completion_chat": True, "function_calling": True},
           "name": None, "aliases": list(aliases), "deprecation": None,
           "max_context_length": 131072}  # fmt: skip
    return {**row, **more}


def test_one_row_is_shown_of_a_model_with_many_names() -> None:
    """The name that stays, even where it was listed last; else the recommended one."""
    rows = [
        mistral("mistral-medium-3-5", "mistral-medium-latest", "mistral-medium"),
        mistral("mistral-medium", "mistral-medium-3-5", "mistral-medium-latest"),
        mistral("mistral-medium-latest", "mistral-medium-3-5", "mistral-medium"),
        mistral("mistral-large-4-2610", name="mistral-large-4-0"),
        mistral("mistral-large-4-0", name="mistral-large-4-0"),
        mistral("ministral-8b-2512"),
        mistral("ministral-14b-2512"),
    ]
    expected = [
        "mistral-medium-latest",
        "mistral-large-4-0",
        "ministral-14b-2512",
        "ministral-8b-2512",
    ]
    assert expected == ids("mistral", rows)


def test_mistrals_models_have_the_recommended_order() -> None:
    """Medium, large in its preview, small, then the others; experiments last."""
    order = [*BY_SLUG["mistral"].recommended, "open-model-2407", "labs-something"]
    assert order == ids("mistral", [mistral(name) for name in reversed(order)])


@pytest.mark.parametrize(
    "row",
    [
        mistral("mistral-ocr-latest", capabilities={"completion_chat": True, "ocr": True}),
        mistral("mistral-moderation-latest", capabilities={"completion_chat": False}),
        mistral("mistral-embed", capabilities={"completion_chat": False}),
        mistral("voxtral-mini-transcribe-latest"),
        mistral("voxtral-mini-tts-2603"),
        mistral("mistral-tiny", deprecation="2026-06-01T12:00:00Z"),
    ],
)
def test_mistrals_other_models_are_left_out(row: dict[str, Any]) -> None:
    """By their capabilities, by their names, and when their time is over."""
    assert ids("mistral", [row, mistral("codestral-latest")]) == ["codestral-latest"]


def test_a_model_that_retires_soon_comes_later() -> None:
    """Mistral names the moment, and its day is what counts."""
    rows = [mistral("mistral-medium-latest", deprecation="2026-12-31T12:00:00Z"), mistral("x")]
    assert ids("mistral", rows) == ["x", "mistral-medium-latest"]


# --- others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([{"id": "Qwen/Q", "type": "chat"}, {"id": "x/e", "type": "embedding"}], ["Qwen/Q"]),
        (
            {"models": [{"name": "models/g", "supportedGenerationMethods": ["generateContent"]}]},
            ["g"],
        ),
        ({"models": [{"name": "models/e", "supportedGenerationMethods": ["embedContent"]}]}, []),
        ({"data": [{"type": "model", "id": "claude-sonnet-5-5"}]}, ["claude-sonnet-5-5"]),
        ({"data": None, "models": [{"id": "m"}]}, ["m"]),
        ({"data": [{"id": "accounts/fireworks/models/x"}]}, ["accounts/fireworks/models/x"]),
    ],
)
def test_other_shapes_of_lists_are_read(body: Any, expected: list[str]) -> None:
    """Bare arrays, Google's native list, Anthropic's, and an empty field beside a full one."""
    infos = models("other:new", json.dumps(body))
    assert expected == [info.id for info in chat_models("new", infos, TODAY)]


def test_nothing_is_recommended_where_nothing_can_chat() -> None:
    """An empty list, or one of embeddings alone, has no first model."""
    assert best("openai", []) is None
    assert best("openai", openai("text-embedding-3-small"), free_only=True) is None


@pytest.mark.parametrize("provider", [row.slug for row in PROVIDERS])
def test_the_recommended_model_is_the_first_of_the_list(provider: str) -> None:
    """Where there is no reason to save money, both say the same."""
    rows = [{"id": name} for name in ("b", "a", *BY_SLUG[provider].recommended)]
    names = [row for row in rows if not row["id"].startswith("re:")]
    infos = of_rows(provider, list(names))
    assert chat_models(provider, infos, TODAY)[0].id == recommended(provider, infos, TODAY)


# --- hostile lists ----------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [*(row.slug for row in PROVIDERS), "new"])
@pytest.mark.parametrize(("rows", "kept"), [(8_000, True), (50_000, False)])
def test_t29_an_endless_list_is_cut_off_quickly(provider: str, rows: int, kept: bool) -> None:
    """Of thousands of models two thousand at most are kept, of tens of thousands none."""
    row = '{"id":"m%d","aliases":["a%d","b"],"name":"n%d"}'
    body = '{"data":[' + ",".join(row % (n, n, n) for n in range(rows)) + "]}"
    began = time.thread_time()
    infos = models(provider, body.encode())
    assert len(chat_models(provider, infos, TODAY)) <= MOST
    assert bool(infos) is kept
    assert time.thread_time() - began < 2


@pytest.mark.parametrize("provider", [*(row.slug for row in PROVIDERS), "new"])
@pytest.mark.parametrize("name", ["m" * 10**6, "ft:" + ":" * 10**6, "-1111" * 200_000, "/" * 10**6])
def test_t29_an_endless_name_is_no_name(provider: str, name: str) -> None:
    """An id of a megabyte is left out, and looked at in no time."""
    rows = [{"id": name, "name": name, "aliases": [name]}, {"id": "good"}]
    began = time.thread_time()
    assert [info.id for info in of_rows(provider, rows)] == ["good"]
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a\nb", "<b>", "-x", ".", "x\u202ey", "é", "a`b", "[x](http://y)", "\0"],
)
def test_t29_what_is_no_plain_name_is_left_out(name: str) -> None:
    """A name is shown, stored and sent, so it must be made of plain letters."""
    assert of_rows("openai", [{"id": name}]) == ()


def test_each_name_is_kept_once() -> None:
    """A list that repeats itself gets no longer."""
    assert len(models("new", json.dumps([{"id": "m"}] * 50))) == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0", "2026-11-25", "->", "text->text", "llm", "loaded", "ft:", "9" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["config", "context_length", "prompt", "modality"]), inner
        )
    ),
    max_leaves=6,
)
FIELDS = (
    "id", "name", "key", "model", "type", "state", "capabilities", "loaded_instances", "size",
    "size_bytes", "context_window", "context_length", "max_context_length", "shutdown_date",
    "expiration_date", "deprecation", "pricing", "architecture", "aliases", "active", "details",
    "supported_parameters", "supportedGenerationMethods", "remote_host",
)  # fmt: skip
ROWS = st.lists(
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8).map(lambda r: {"id": "m", **r})
    | VALUES,
    max_size=6,
)


@settings(deadline=None, max_examples=250, database=None)
@given(st.sampled_from([*(row.slug for row in PROVIDERS), "new"]), ROWS, st.booleans())
def test_t29_no_row_makes_it_stumble(provider: str, rows: list[Any], free: bool) -> None:
    """Wrong types in any field of any row: what is left is sorted, and the best of it picked."""
    infos = models(provider, json.dumps({"models": rows}))
    able = chat_models(provider, infos, TODAY)
    picked = recommended(provider, infos, TODAY, free_only=free)
    assert (picked in {info.id for info in able}) == bool(able)


@settings(deadline=None, max_examples=150, database=None)
@given(st.sampled_from(["openai", "mistral", "new"]), st.binary(max_size=80) | st.text(max_size=80))
def test_t29_no_body_makes_it_stumble(provider: str, body: bytes | str) -> None:
    """What is no list has no models."""
    assert isinstance(models(provider, body), tuple)
