"""One answer to be judged, with what is known around it; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from mohet_keys.answers import Said
from mohet_keys.model import Diagnosis, Verdict
from mohet_keys.providers import BY_SLUG, Provider

_OTHERS = {
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "deepseek": "DeepSeek",
    "xai": "xAI",
    "azure": "Azure OpenAI",
    "together": "Together",
    "fireworks": "Fireworks",
    "cerebras": "Cerebras",
    "perplexity": "Perplexity",
    "huggingface": "Hugging Face",
    "vllm": "The vLLM server",
    "llamacpp": "The llama.cpp server",
    "litellm": "The LiteLLM proxy",
}
"""Vendors without a tab whose answers are known."""
_ALSO = {
    "google": "gemini",
    "grok": "xai",
    "x.ai": "xai",
    "azure-openai": "azure",
    "llama.cpp": "llamacpp",
    "lm-studio": "lmstudio",
}
KEY_WORKS = "key works"
NO_KEY_NEEDED = "no key needed"
_SELF_RUN = frozenset({"lmstudio", "vllm", "llamacpp"})
_PLAIN_SEGMENT = re.compile(r"(v\d{1,2}(alpha|beta)?\d{0,2}|[a-z][a-z_.-]{0,19})?")


def slug_of(provider: str) -> str:
    """The slug that the rules know a provider by: `other:xai`, `xai` and `XAI` are the same."""
    slug = provider.strip().lower().removeprefix("other:")
    return _ALSO.get(slug, slug)


def label_of(slug: str) -> str:
    """What to call a provider at the start of a sentence."""
    row = BY_SLUG.get(slug)
    return row.label if row else _OTHERS.get(slug, "The server")


def inside(label: str) -> str:
    """A label inside of a sentence."""
    return re.sub("^The ", "the ", label)


@dataclass(frozen=True, slots=True)
class Case:
    """What came back to which request. `path` is as the server saw it, or a whole URL.

    A path alone tells no host. So Ollama then counts as the user's own server, and every other
    vendor with hosts of its own as being asked there.
    """

    slug: str
    method: str
    path: str
    status: int
    headers: dict[str, str]
    said: Said = field(repr=False)
    now: datetime
    endpoint: str | None = None
    has_key: bool = True
    asked_model: str | None = None
    looks_like: str | None = None

    @property
    def row(self) -> Provider | None:
        """The provider's row; None for one that has no tab."""
        return BY_SLUG.get(self.slug)

    @property
    def label(self) -> str:
        """What to call the provider at the start of a sentence."""
        return label_of(self.slug)

    @property
    def name(self) -> str:
        """What to call the provider inside of a sentence."""
        return inside(self.label)

    @property
    def works(self) -> str:
        """How a sentence begins when the request was at fault and nothing else."""
        return "The key works" if self.has_key or not self.is_local else "The server works"

    @property
    def host(self) -> str:
        """The host that was asked, where it is known."""
        for url in (self.path, self.endpoint or ""):
            if "://" in url:
                try:
                    return urlsplit(url).hostname or ""
                except ValueError:
                    return ""
        return ""

    @property
    def route(self) -> str:
        """The path alone, without query and trailing slash."""
        text = self.path
        if "://" in text:
            text = "/" + text.split("://", 1)[1].partition("/")[2]
        return text.partition("?")[0].rstrip("/")

    @property
    def shown_route(self) -> str:
        """The path with every part left out that does not read like a part of an API."""
        parts = self.route[:200].split("/")
        return "/".join(part if _PLAIN_SEGMENT.fullmatch(part) else "…" for part in parts) or "/"

    @property
    def is_local(self) -> bool:
        """Whether the user runs this server: nobody else hands out keys for it."""
        if self.slug in _SELF_RUN:
            return True
        return self.slug == "ollama" and self.host not in (self.row.hosts if self.row else ())

    @property
    def at_vendor(self) -> bool:
        """Whether the vendor itself was asked, as far as can be told."""
        hosts = self.row.hosts if self.row else frozenset()
        return not self.is_local and (not self.host or self.host in hosts)

    @property
    def keys_url(self) -> str | None:
        """Where this provider hands out keys."""
        return self.row.keys_url if self.row and not self.is_local else None

    @property
    def billing_url(self) -> str | None:
        """Where this provider takes money."""
        return self.row.billing_url if self.row else None


def valid(reason: str, explanation: str, remedy: str = "", **more: object) -> Diagnosis:
    """The provider accepted the key."""
    return _made(Verdict.VALID, reason, explanation, remedy, more)


def works(case: Case, extra: str = "") -> Diagnosis:
    """Plainly valid; said of a server that needs no key in its own words."""
    if case.is_local and not case.has_key:
        return valid(NO_KEY_NEEDED, f"The server answers and needs no key{extra}.")
    caveat = ""
    if case.row and case.row.credit_caveat:
        caveat = " Whether there is credit shows only with the first message."
    return valid(KEY_WORKS, f"{case.label} accepts this key{extra}.{caveat}")


def limited(reason: str, explanation: str, remedy: str, **more: object) -> Diagnosis:
    """The key is real and cannot be used now, or not for this."""
    return _made(Verdict.LIMITED, reason, explanation, remedy, more)


def invalid(reason: str, explanation: str, remedy: str, **more: object) -> Diagnosis:
    """The provider itself refused the key."""
    return _made(Verdict.INVALID, reason, explanation, remedy, more)


def misconfigured(reason: str, explanation: str, remedy: str, **more: object) -> Diagnosis:
    """What answered is not this API, or not at this path."""
    return _made(Verdict.MISCONFIGURED, reason, explanation, remedy, more)


def unreachable(reason: str, explanation: str, remedy: str, **more: object) -> Diagnosis:
    """The answer says nothing about the key."""
    return _made(Verdict.UNREACHABLE, reason, explanation, remedy, more)


def unverified(reason: str, explanation: str, remedy: str) -> Diagnosis:
    """It answered without looking at the key."""
    return _made(Verdict.UNVERIFIED, reason, explanation, remedy, {})


def _made(
    verdict: Verdict, reason: str, explanation: str, remedy: str, more: dict[str, object]
) -> Diagnosis:
    wait, endpoint, link = (more.get(name) for name in ("retry_after", "endpoint", "link"))
    return Diagnosis(
        verdict,
        reason,
        explanation,
        remedy,
        retry_after=wait if isinstance(wait, float) else None,
        endpoint=endpoint if isinstance(endpoint, str) else None,
        link=link if isinstance(link, str) else None,
    )
