"""One answer to be judged, with what is known around it; pure."""

from __future__ import annotations

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
    "vllm": "The vLLM server",
    "llamacpp": "The llama.cpp server",
    "litellm": "The LiteLLM proxy",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What came back to which request. `path` is as the server saw it, or a whole URL."""

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
        if self.row:
            return self.row.label
        return _OTHERS.get(self.slug.removeprefix("other:"), "The server")

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
    def is_local(self) -> bool:
        """Whether the user runs this server: nobody else hands out keys for it."""
        if self.slug == "lmstudio":
            return True
        return self.slug == "ollama" and self.host not in (self.row.hosts if self.row else ())

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
