"""The providers, one row each. Data goes in the row; what needs an `if` gets a function by name.

To add a provider: append a row to `PROVIDERS`, and a line to `SIGNS` if its keys have a prefix.
The tests walk the table, so there is none to write. Facts were read from the vendors' public
documentation and from the sources of the scanners trufflehog and gitleaks, autumn 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `base_path` is the path its API has on its own hosts."""

    slug: str
    label: str
    tagline: str
    icon: str
    """A Material symbol, as Streamlit writes it."""
    endpoint: str
    """The base URL a new key starts with."""
    hosts: frozenset[str]
    """The vendor's own public hosts. Anywhere else is a proxy or a server of the user's."""
    base_path: str
    keys_url: str
    """Where the vendor hands out keys, or says how to."""
    billing_url: str | None = None
    env: str | None = None
    key_optional: bool = False
    local_port: int | None = None
    """Set for servers people run themselves."""
    new_key_delay: str | None = None
    """What to say when a key made a moment ago may not work yet."""
    recommended: tuple[str, ...] = ()
    """Model ids or patterns (`re:…`), best first, matched against the key's live list."""
    credit_caveat: bool = False
    """The model list proves the key but not that there is money on the account."""

    @property
    def is_local(self) -> bool:
        """Whether its usual home is the user's own machine."""
        return self.local_port is not None


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        slug="openai",
        label="OpenAI",
        tagline="Official API for OpenAI",
        icon=":material/blur_on:",
        endpoint="https://api.openai.com/v1",
        hosts=frozenset({"api.openai.com", "us.api.openai.com", "eu.api.openai.com"}),
        base_path="/v1",
        keys_url="https://platform.openai.com/api-keys",
        billing_url="https://platform.openai.com/settings/organization/billing/overview",
        env="OPENAI_API_KEY",
        credit_caveat=True,
        recommended=(
            "gpt-6.1-terra",
            "gpt-6.1-sol",
            "gpt-6-sol",
            "gpt-6-luna",
            "gpt-5.6-terra",
            "gpt-5.6-sol",
            "gpt-5.6-luna",
            "re:^gpt-\\d+(\\.\\d+)?-(terra|sol|luna|astra)$",
            "gpt-5.5",
            "gpt-5.4",
            "gpt-5.4-mini",
            "gpt-5.2",
            "gpt-5.1",
            "gpt-4.1-mini",
            "gpt-4.1",
            "gpt-4o-mini",
            "gpt-4o",
        ),
    ),
    Provider(
        slug="groq",
        label="Groq",
        tagline="Fast hosted inference",
        icon=":material/bolt:",
        endpoint="https://api.groq.com/openai/v1",
        hosts=frozenset({"api.groq.com"}),
        base_path="/openai/v1",
        keys_url="https://console.groq.com/keys",
        billing_url="https://console.groq.com/settings/billing",
        env="GROQ_API_KEY",
        credit_caveat=True,
        new_key_delay="A key made a moment ago can need a minute before it works.",
        recommended=(
            "openai/gpt-oss-120b",
            "openai/gpt-oss-20b",
            "qwen/qwen3.6-27b",
            "groq/compound",
            "groq/compound-mini",
        ),
    ),
    Provider(
        slug="lmstudio",
        label="LMStudio",
        tagline="Local server for models",
        icon=":material/notes:",
        endpoint="http://localhost:1234/v1",
        hosts=frozenset(),
        base_path="/v1",
        keys_url="https://lmstudio.ai/docs/developer/core/authentication",
        key_optional=True,
        local_port=1234,
        recommended=(
            "openai/gpt-oss-20b",
            "qwen/qwen3.8-27b",
            "google/gemma-4-26b-a4b",
            "google/gemma-4-e4b",
            "qwen/qwen3-coder-30b",
        ),
    ),
    Provider(
        slug="ollama",
        label="Ollama",
        tagline="Local or cloud models",
        icon=":material/pets:",
        endpoint="http://localhost:11434/v1",
        hosts=frozenset({"ollama.com"}),
        base_path="/v1",
        keys_url="https://ollama.com/settings/keys",
        billing_url="https://ollama.com/upgrade",
        env="OLLAMA_API_KEY",
        key_optional=True,
        local_port=11434,
        recommended=(
            "gpt-oss:20b",
            "gpt-oss:120b",
            "re:^qwen3\\.5(:|$)",
            "re:^gemma4(:|$)",
            "qwen3:8b",
            "re:^qwen3-coder(:|$)",
            "re:^llama3\\.2(:|$)",
        ),
    ),
    Provider(
        slug="openrouter",
        label="OpenRouter",
        tagline="One API, many models",
        icon=":material/alt_route:",
        endpoint="https://openrouter.ai/api/v1",
        hosts=frozenset({"openrouter.ai", "eu.openrouter.ai", "us.openrouter.ai"}),
        base_path="/api/v1",
        keys_url="https://openrouter.ai/settings/keys",
        billing_url="https://openrouter.ai/settings/credits",
        env="OPENROUTER_API_KEY",
        recommended=(
            "~anthropic/claude-sonnet-latest",
            "~openai/gpt-mini-latest",
            "~openai/gpt-terra-latest",
            "~google/gemini-flash-latest",
            "~openai/gpt-latest",
            "~anthropic/claude-haiku-latest",
            "~google/gemini-pro-latest",
            "~moonshotai/kimi-latest",
            "openrouter/auto",
            "openai/gpt-5.6-luna",
            "anthropic/claude-sonnet-5",
            "openai/gpt-oss-120b",
        ),
    ),
    Provider(
        slug="mistral",
        label="Mistral",
        tagline="Official API for Mistral",
        icon=":material/castle:",
        endpoint="https://api.mistral.ai/v1",
        hosts=frozenset({"api.mistral.ai", "codestral.mistral.ai"}),
        base_path="/v1",
        keys_url="https://console.mistral.ai/api-keys",
        billing_url="https://console.mistral.ai/billing",
        env="MISTRAL_API_KEY",
        credit_caveat=True,
        new_key_delay="A brand-new key can need a few minutes before it works.",
        recommended=(
            "mistral-medium-latest",
            "mistral-large-4",
            "mistral-large-4-0",
            "mistral-small-latest",
            "mistral-large-latest",
            "ministral-14b-latest",
            "ministral-8b-latest",
            "codestral-latest",
        ),
    ),
)

BY_SLUG = {row.slug: row for row in PROVIDERS}


def provider(slug: str) -> Provider:
    """The row for `slug`. Raises KeyError when there is none."""
    return BY_SLUG[slug]


def owner_of_host(host: str) -> Provider | None:
    """The provider whose own public host this is, if any."""
    return next((row for row in PROVIDERS if host in row.hosts), None)


@dataclass(frozen=True, slots=True)
class Sign:
    """How the keys of one vendor begin, or look. `slug` is ours only where we have the provider."""

    slug: str
    label: str
    pattern: re.Pattern[str]
    prefix: str = ""
    """The public part that a hint may show."""
    hosts: frozenset[str] = field(default_factory=frozenset)
    """Where a vendor that has no row here takes its keys."""


def _sign(slug: str, label: str, pattern: str, prefix: str = "", *hosts: str) -> Sign:
    return Sign(slug, label, re.compile(pattern), prefix, frozenset(hosts))


SIGNS: tuple[Sign, ...] = (
    _sign("anthropic", "Anthropic", r"sk-ant-", "sk-ant-", "api.anthropic.com"),
    _sign("openrouter", "OpenRouter", r"sk-or-v1-", "sk-or-v1-"),
    _sign("openai", "OpenAI", r"sk-proj-", "sk-proj-"),
    _sign("openai", "OpenAI", r"sk-svcacct-", "sk-svcacct-"),
    _sign("openai", "OpenAI", r"sk-service-", "sk-service-"),
    _sign("openai", "OpenAI", r"sk-admin-", "sk-admin-"),
    _sign("lmstudio", "LMStudio", r"sk-lm-[A-Za-z0-9]{8}:[A-Za-z0-9]{20}$", "sk-lm-"),
    _sign("openai", "OpenAI", r"sk-[A-Za-z0-9_-]*T3BlbkFJ", "sk-"),
    _sign("groq", "Groq", r"gsk_", "gsk_"),
    _sign("xai", "xAI", r"xai-", "xai-", "api.x.ai"),
    _sign(
        "google", "Google", r"AIza[A-Za-z0-9_-]{10}", "AIza", "generativelanguage.googleapis.com"
    ),
    _sign("google", "Google", r"AQ\.", "AQ.", "generativelanguage.googleapis.com"),
    _sign("perplexity", "Perplexity", r"pplx-", "pplx-", "api.perplexity.ai"),
    _sign("huggingface", "Hugging Face", r"hf_[A-Za-z]{34}$", "hf_", "router.huggingface.co"),
    _sign("nvidia", "NVIDIA", r"nvapi-", "nvapi-", "integrate.api.nvidia.com"),
    _sign("replicate", "Replicate", r"r8_[A-Za-z0-9]{20}", "r8_", "api.replicate.com"),
    _sign("cerebras", "Cerebras", r"csk-[a-z0-9]{20}", "csk-", "api.cerebras.ai"),
    _sign("fireworks", "Fireworks", r"fw_[A-Za-z0-9]{16}", "fw_", "api.fireworks.ai"),
    _sign("together", "Together", r"tgp_v1_", "tgp_v1_", "api.together.xyz"),
)
"""Longest and surest first. Prefixes go stale, so a sign may warn and hold back, never refuse."""


def sign_of(secret: str) -> Sign | None:
    """The first sign whose pattern the secret begins with; None when nothing can be told."""
    return next((sign for sign in SIGNS if sign.pattern.match(secret)), None)


def is_key(text: str) -> bool:
    """Whether a text that should be something else is surely a key, pasted into the wrong field."""
    if len(text) < 20 or re.search(r"[\s./]", text):
        return False
    random = re.fullmatch("(?=(.*[0-9]){3})([A-Za-z]{1,6}[-_])?[A-Za-z0-9]{32,}", text)
    return sign_of(text) is not None or (bool(random) and len(set(text)) >= 10)
