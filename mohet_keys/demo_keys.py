"""The keys of the demo: whose they are, where they are said to go, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass

ROUTES: dict[str, str] = {
    "https://api.openai.com": "openai",
    "https://api.groq.com": "groq",
    "https://openrouter.ai": "openrouter",
    "https://api.mistral.ai": "mistral",
    "https://ollama.com": "ollama-cloud",
    "http://localhost:1234": "lmstudio",
    "http://localhost:11434": "ollama",
    "http://10.20.0.14:1234": "lmstudio-auth",
    "https://llm.harbour.example": "open-gateway",
    "https://portal.harbour.example": "gateway",
}
"""Which simulated server plays each address; whatever else is asked for is not asked."""
SWITCHED_OFF = "http://10.20.0.31:11434"
"""An address of the demo where nothing listens."""
PACES: dict[str, float] = {
    "openai": 0.32,
    "groq": 0.11,
    "lmstudio": 0.03,
    "lmstudio-auth": 0.05,
    "ollama": 0.02,
    "ollama-cloud": 0.28,
    "openrouter": 0.41,
    "mistral": 0.19,
    "gateway": 0.09,
    "open-gateway": 0.24,
}
"""Seconds that each simulated server takes to answer."""
_STARTS = {"openai": "sk-proj-", "groq": "gsk_", "openrouter": "sk-or-v1-"}


@dataclass(frozen=True, slots=True)
class Cast:
    """One key. Ages are in days before the start of the demo."""

    provider: str
    name: str
    behaviour: str
    """What the simulator does with its secret; empty for a key without one."""
    tail: str
    """The characters that its hint ends in."""
    age: float
    endpoint: str = ""
    """Its base URL; the provider's own unless given."""
    before: str = ""
    """The verdict it had for most of the past; empty when it never was another."""
    since: float = 0.0
    """Since when it is as it is now, where it was something else before."""
    messages: float = 0.0
    """Messages on a working day."""
    last_used: float = 0.0
    """How long ago the last of them was sent."""
    renewed: float | None = None
    """When its secret was replaced."""
    looks_like: str = ""
    """The provider whose keys its secret looks like, where that is another one."""
    is_checked: bool = True

    @property
    def secret(self) -> str:
        """A secret that tells the simulator how to behave. It opens nothing anywhere."""
        if not self.behaviour:
            return ""
        start = _STARTS.get(self.looks_like or self.provider, "")
        return f"{start}sim-{self.behaviour}-0demo0000000000000000{self.tail}"


CAST: tuple[Cast, ...] = (
    Cast("openai", "Production", "good", "Rk7p", 163, messages=14, renewed=12.4),
    Cast("openai", "Data Science Team", "good", "h2Vd", 71, messages=6, last_used=0.2),
    Cast("openai", "Monthly Reports", "restricted", "9QxT", 44, before="valid", since=3.1),
    Cast("openai", "Old Marketing Site", "revoked", "mm3A", 412, before="valid", since=8.6,
         messages=1.2, last_used=8.7),
    Cast("openai", "Translation Gateway", "good", "Zt51", 29, messages=2, last_used=1.3,
         endpoint="https://llm.harbour.example/v1"),
    Cast("openai", "From Ben, Untested", "good", "w0Pe", 1.7, looks_like="groq", is_checked=False),
    Cast("groq", "Support Chat", "good", "4bNs", 96, messages=11, last_used=0.05),
    Cast("groq", "Call Transcripts", "ratelimited", "Yq8c", 58, before="valid", since=0.1,
         messages=7, last_used=0.1),
    Cast("groq", "Hackathon 2025", "deactivated", "e6Lf", 240, before="valid", since=5.2),
    Cast("groq", "New Contractor", "good", "u7Ka", 0.2, is_checked=False),
    Cast("lmstudio", "Workstation in the Lab", "good", "oT3v", 33, messages=3, last_used=2.1,
         endpoint="http://10.20.0.14:1234/v1"),
    Cast("lmstudio", "This Laptop", "", "", 87, messages=1, last_used=0.9),
    Cast("ollama", "GPU Server, 3rd Floor", "", "", 120, endpoint=f"{SWITCHED_OFF}/v1",
         before="valid", since=0.3, messages=4, last_used=0.5),
    Cast("ollama", "Ollama Cloud", "good", "Jd2x", 19, messages=2, last_used=3.4,
         endpoint="https://ollama.com/v1"),
    Cast("openrouter", "Model Comparison", "good", "c91e", 52, messages=5, last_used=0.7),
    Cast("openrouter", "Student Project", "nocredit", "a08b", 66, before="valid", since=2.2,
         messages=2, last_used=2.2),
    Cast("openrouter", "Conference Booth", "expiring", "77fd", 21, messages=1, last_used=6.2),
    Cast("openrouter", "Summer Interns", "expired", "5e3c", 148, before="valid", since=11.5),
    Cast("mistral", "EU Customers", "good", "Gs6N", 203, messages=8, last_used=0.4),
    Cast("mistral", "Contract Search", "html", "xW4r", 38, before="valid", since=1.1,
         endpoint="https://portal.harbour.example/v1"),
    Cast("mistral", "Invoice Reader", "good", "b5Hq", 131, messages=0, last_used=68),
    Cast("mistral", "Travel Desk", "good", "P0zu", 77, before="valid", since=0.6),
)  # fmt: skip
"""Every verdict, in the order of the providers."""
CHOSEN = ("openai", "Production")
"""The key that is chatted with at first, and that its provider takes back while one watches."""
ALTERED = ("mistral", "Travel Desk")
"""The key whose row somebody altered in the database, so that it is locked."""
ALTERED_TO = "https://api.mistra1.ai/v1"
