"""The simulated servers, one row each, and the paths they know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """One server below `/<name>`. Its API is at `<base>/v1` below that, as at the real host."""

    name: str
    provider: str
    base: str = ""
    keyed: bool = True
    """Whether it looks at keys at all."""
    open_paths: frozenset[str] = frozenset()
    """Paths below the base that it shows to everybody."""
    lists: tuple[tuple[str, str], ...] = (("/v1/models", "openai"),)
    """Paths of model lists below the base, each with its name in `lists.py`."""

    @property
    def path(self) -> str:
        """The path of its base URL."""
        return f"/{self.name}{self.base}/v1"

    def list_at(self, path: str) -> str | None:
        """The name of the model list at a path below the base."""
        return dict(self.lists).get(path)


def _local(name: str, *lists: tuple[str, str], keyed: bool = False) -> Server:
    return Server(name, "lmstudio", keyed=keyed, lists=(("/v1/models", "lmstudio"), *lists))


_V0 = ("/api/v0/models", "lmstudio-v0")
_V1 = ("/api/v1/models", "lmstudio-v1")
_OLLAMA = (("/v1/models", "ollama"), ("/api/tags", "ollama-tags"))
_SIGNS_OF_LIFE = frozenset({"/", "/api/version"})

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server("openai", "openai"),
        Server("groq", "groq", base="/openai", lists=(("/v1/models", "groq"),)),
        _local("lmstudio", _V0, _V1),
        _local("lmstudio-auth", _V0, _V1, keyed=True),
        _local("lmstudio-old", _V0),
        _local("lmstudio-oldest"),
        Server("ollama", "ollama", keyed=False, lists=_OLLAMA, open_paths=_SIGNS_OF_LIFE),
        Server(
            "ollama-cloud",
            "ollama",
            lists=_OLLAMA,
            open_paths=_SIGNS_OF_LIFE | {"/v1/models", "/api/tags"},
        ),
        Server(
            "openrouter",
            "openrouter",
            base="/api",
            lists=(("/v1/models", "openrouter"), ("/v1/models/user", "openrouter")),
            open_paths=frozenset({"/v1/models"}),
        ),
        Server("mistral", "mistral", lists=(("/v1/models", "mistral"),)),
        Server("gateway", "openai", open_paths=frozenset({"/v1/models"})),
        Server("open-gateway", "openai", keyed=False),
    )
}
"""`gateway` shows its list to everybody and judges keys when chatting, as llama.cpp does;
`open-gateway` looks at no key."""


def server_of(path: str) -> Server | None:
    """The server a path of the simulator belongs to."""
    return SERVERS.get(path.split("/")[1] if path.startswith("/") else "")
