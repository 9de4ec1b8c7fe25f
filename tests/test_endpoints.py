"""Endpoints: one spelling for each address, mistakes mended with a note, the doubtful refused."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mohet_keys import endpoints
from mohet_keys.endpoints import canonical, mend, same_destination
from mohet_keys.errors import InputError
from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider

# --- the frozen table -------------------------------------------------------------------------

GOLDEN_VERSION = 1
GOLDEN = {
    "https://api.openai.com/v1": "https://api.openai.com/v1",
    "HTTPS://API.OpenAI.com/v1": "https://api.openai.com/v1",
    "https://api.openai.com:443/v1": "https://api.openai.com/v1",
    "https://api.openai.com:0443/v1": "https://api.openai.com/v1",
    "https://api.openai.com/v1/": "https://api.openai.com/v1",
    "https://api.openai.com//v1//": "https://api.openai.com/v1",
    "https://api.openai.com": "https://api.openai.com",
    "https://api.openai.com/": "https://api.openai.com",
    "https://api.openai.com:80/v1": "https://api.openai.com:80/v1",
    "https://api.openai.com:8443/v1": "https://api.openai.com:8443/v1",
    "https://api.openai.com/V1": "https://api.openai.com/V1",
    "http://localhost:1234/v1": "http://localhost:1234/v1",
    "http://localhost:80": "http://localhost",
    "http://localhost:443": "http://localhost:443",
    "http://LOCALHOST/": "http://localhost",
    "http://127.0.0.1:11434": "http://127.0.0.1:11434",
    "http://[::1]:11434/v1": "http://[::1]:11434/v1",
    "http://[0:0:0:0:0:0:0:1]": "http://[::1]",
    "http://[2001:DB8::0001]": "http://[2001:db8::1]",
    "http://[::ffff:127.0.0.1]": "http://[::ffff:7f00:1]",
    "https://bücher.example/v1": "https://xn--bcher-kva.example/v1",
    "https://BÜCHER.example/v1": "https://xn--bcher-kva.example/v1",
    "https://XN--BCHER-KVA.example/v1": "https://xn--bcher-kva.example/v1",
    "https://faß.example": "https://xn--fa-hia.example",
    "https://аpi.openai.com/v1": "https://xn--pi-6kc.openai.com/v1",
    "https://api。openai。com/v1": "https://api.openai.com/v1",
    "https://under_score.example": "https://under_score.example",
    "https://gateway.example/v1/acct-A/": "https://gateway.example/v1/acct-A",
    "https://gateway.example/v1/a%c3%bc": "https://gateway.example/v1/a%C3%BC",
    "https://gateway.example/v1/a%41": "https://gateway.example/v1/a%41",
    "https://gateway.example/.well-known/...": "https://gateway.example/.well-known/...",
    "https://gateway.example/a;b=c@d:e,f": "https://gateway.example/a;b=c@d:e,f",
    "https://gateway.example/!$&'()*+-._~%20": "https://gateway.example/!$&'()*+-._~%20",
}
"""Sealed into stored secrets: a line that changes needs a new CANONICAL_VERSION, and this table
kept for what was sealed under the old one."""


@pytest.mark.parametrize("url", GOLDEN)
def test_t17_the_canonical_form_is_frozen(url: str) -> None:
    """What was sealed is spelt the same for ever: another spelling would lock every key."""
    assert GOLDEN[url] == canonical(url)
    assert GOLDEN[url] == canonical(GOLDEN[url])


def test_t17_the_table_belongs_to_this_version() -> None:
    """Who raises the version is led here, to write a table for it and keep this one."""
    assert GOLDEN_VERSION == endpoints.CANONICAL_VERSION


@pytest.mark.parametrize("url", GOLDEN)
def test_the_canonical_host_is_the_one_dialled(url: str) -> None:
    """The parser of the way out reads the same host, port and path, and nothing more."""
    dialled = httpx.URL(GOLDEN[url])
    assert endpoints.host(url) == dialled.raw_host.decode("ascii")
    assert GOLDEN[url] == str(dialled).removesuffix("/")
    assert not dialled.userinfo + dialled.query


# --- equal and not equal ----------------------------------------------------------------------

BASE = "https://gateway.example/v1"


@pytest.mark.parametrize(
    "other",
    [
        "http://gateway.example/v1",
        "https://gateway.example:8443/v1",
        "https://gateway.example/V1",
        "https://gateway.example/v1/acct",
        "https://gateway.example",
        "https://a.gateway.example/v1",
        "https://gateway.example.evil/v1",
        "https://gatewаy.example/v1",
        "https://gateway.example/v%31",
    ],
)
def test_t24_another_destination_is_another(other: str) -> None:
    """Scheme, host, port and path, each alone makes another destination; so does doubt."""
    assert not same_destination(BASE, other)


FORMS = st.sampled_from([*GOLDEN, BASE])


@given(FORMS, FORMS, FORMS)
def test_being_the_same_destination_is_an_equivalence(one: str, two: str, three: str) -> None:
    """Each address is its own equal, in both directions, and equals of equals are equal."""
    assert same_destination(one, one)
    assert same_destination(one, two) == same_destination(two, one)
    if same_destination(one, two) and same_destination(two, three):
        assert same_destination(one, three)


# --- the doubtful is refused ------------------------------------------------------------------

REFUSED = {
    # who sends it there
    "https://user:word@api.openai.com/v1": "user name",
    "https://user@api.openai.com/v1": "user name",
    "https://api.openai.com@evil.example/v1": "user name",
    "https://@api.openai.com/v1": "user name",
    # what parsers read differently
    "https://api.openai.com\\@evil.example/v1": "backslash",
    "https://api.openai.com/v1\\..": "backslash",
    "https://api.openai.com/%2e%2e/v1": ". or ..",
    "https://api.openai.com/%2E/v1": ". or ..",
    "https://api.openai.com/v1/.%2e/x": ". or ..",
    "https://api.openai.com/v1/../x": ". or ..",
    "https://api.openai.com/./v1": ". or ..",
    "https://api.openai.com/a%2fb": "broken or hidden",
    "https://api.openai.com/a%5Cb": "broken or hidden",
    "https://api.openai.com/a%00": "broken or hidden",
    "https://api.openai.com/a%0d%0aX:1": "broken or hidden",
    "https://api.openai.com/a%zz": "broken or hidden",
    "https://api.openai.com/a%7f": "broken or hidden",
    "https://api%2eopenai.com/v1": "no host can have",
    "https://api.openai.com%00.evil.example/": "no host can have",
    "https://api.openai.com/ü": "belongs in no address",
    'https://api.openai.com/"': "belongs in no address",
    "https://api.openai.com/v1?tenant=a": "? or #",
    "https://api.openai.com/v1#part": "? or #",
    # characters
    "https://api.openai.com/v1\n": "control character",
    " https://api.openai.com/v1": "control character",
    "https://api.open\tai.com/v1": "control character",
    "https://api.openai.com/\x7f": "control character",
    "https://api.openai.com\x00/v1": "control character",
    "https://api.openai.com/v1\u3000": "control character",
    # ports
    "https://api.openai.com:99999/v1": "port",
    "https://api.openai.com:65536/v1": "port",
    "https://api.openai.com:0/v1": "port",
    "https://api.openai.com:/v1": "port",
    "https://api.openai.com:-1/v1": "port",
    "https://api.openai.com:+80/v1": "port",
    "https://api.openai.com:8_0/v1": "port",
    "https://api.openai.com:٨٠/v1": "port",
    "https://api.openai.com:80:90/v1": "port",
    "https://api.openai.com:80.evil.example/": "port",
    # hosts
    "https://api.openai.com./v1": "end with a dot",
    "https://./v1": "end with a dot",
    "https:///v1": "no host",
    "https:v1": "no host",
    "https://a..b/v1": "no host can have",
    "https://.a/v1": "no host can have",
    "https://-a.example": "no host can have",
    "https://a-.example": "no host can have",
    "https://a*b.example": "no host can have",
    "https://a\u00adb.example": "no host can have",
    "https://☃.example": "no host can have",
    "https://ａpi.openai.com/v1": "no host can have",
    f"https://{'a' * 64}.example": "no host can have",
    f"https://{'a.' * 130}example": "no host can have",
    # addresses in disguise
    "http://127。0。0。1/v1": "four plain numbers",
    "http://１２７.0.0.1/v1": "four plain numbers",
    "http://①②⑦.0.0.1/v1": "four plain numbers",
    "http://127.1/v1": "four plain numbers",
    "http://2130706433/v1": "four plain numbers",
    "http://0x7f000001/v1": "four plain numbers",
    "http://0x7f.0.0.1/v1": "four plain numbers",
    "http://0177.0.0.1/v1": "four plain numbers",
    "http://127.0.0.01/v1": "four plain numbers",
    "http://0/v1": "four plain numbers",
    "http://256.0.0.1/v1": "four plain numbers",
    "http://1.2.3.4.5/v1": "four plain numbers",
    "http://evil.0x1/v1": "four plain numbers",
    "http://[::1%25eth0]/v1": "not an IPv6 address",
    "http://[fe80::1%eth0]/v1": "not an IPv6 address",
    "http://[::1]evil.example:80/v1": "not an IPv6 address",
    "http://evil.example[::1]/v1": "not an IPv6 address",
    "http://[v1.x]/v1": "not an IPv6 address",
    "http://[]/v1": "not an IPv6 address",
    "http://[evil.example]/v1": "not an IPv6 address",
    # never asked
    "http://0.0.0.0:11434/v1": "where a server listens",
    "http://[::]:11434/v1": "where a server listens",
    "http://169.254.169.254/latest": "reserved",
    "http://[::ffff:169.254.169.254]/": "reserved",
    "http://[64:ff9b::a9fe:a9fe]/": "reserved",
    "http://[2002:a9fe:a9fe::]/": "reserved",
    "http://[fec0::1]/": "reserved",
    "http://[fe80::1]/": "reserved",
    "http://[fd00:ec2::254]/": "reserved",
    "http://100.100.100.200/": "reserved",
    "http://168.63.129.16/": "reserved",
    "http://192.0.0.192/": "reserved",
    "http://224.0.0.1/": "reserved",
    "http://metadata.google.internal/": "reserved",
    # no address at all
    "": "must begin with",
    "api.openai.com/v1": "must begin with",
    "//api.openai.com/v1": "must begin with",
    "ftp://api.openai.com": "must begin with",
    "file:///etc/passwd": "must begin with",
    "javascript:alert(1)": "must begin with",
    "https://[": "not an IPv6 address",
    "https://]": "port",
    "https://api.openai.com／evil.example": "no host can have",
    f"https://api.openai.com/{'a' * 2000}": "longer than",
}


@pytest.mark.parametrize("url", REFUSED)
def test_t20_t22_what_is_doubtful_is_refused(url: str) -> None:
    """Nothing that two parsers could read differently, or that hides its host, is accepted."""
    with pytest.raises(InputError) as refused:
        canonical(url)
    assert REFUSED[url] in str(refused.value)
    assert refused.value.field == "endpoint"


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:1", "http://10.0.0.1", "http://172.16.3.4", "http://192.168.1.20"),
        *("http://100.101.102.103:11434", "http://[::1]", "http://[fd00::1]", "http://my-box:1234"),
        *("http://host.docker.internal:11434", "http://gpu.lan", "http://[::ffff:127.0.0.1]"),
    ],
)
def test_t20_private_addresses_are_allowed(url: str) -> None:
    """A server in the house may be asked, in clear too, for that is where Ollama lives."""
    assert endpoints.is_private(canonical(url))
    assert not endpoints.needs_http_consent(canonical(url))


@pytest.mark.parametrize(
    ("url", "needs"),
    [
        ("http://proxy.example.com/v1", True),
        ("http://8.8.8.8/v1", True),
        ("http://[2606:4700::1]/v1", True),
        ("https://proxy.example.com/v1", False),
        ("http://localhost/v1", False),
    ],
)
def test_t25_plain_http_to_a_public_host_needs_consent(url: str, needs: bool) -> None:
    """Only what would cross a public network in clear needs it."""
    assert endpoints.needs_http_consent(canonical(url)) is needs


# --- what people type -------------------------------------------------------------------------

ADDED = "Added https:// to the address."
ADDED_HTTP = "Added http:// to the address."
ADDED_V1 = "Added /v1 to the address."
NATIVE = "Changed the native path to /v1, which chats use."
TWICE = "The address had /v1 twice; one is left."
QUERY = "Took off the part of the address after ? or #."
NAMED = "Took off the name before the address."
HTTPS = "Changed http to https."


def path_set(slug: str) -> str:
    """The note on a vendor's own host whose path was not the right one."""
    row = BY_SLUG[slug]
    return f"Set the path to {row.base_path}, where {row.label} has its API."


def took(tail: str) -> str:
    """The note on a path of one request."""
    return f"Took {tail} off the end of the address."


def moved(wrong: str, right: str) -> str:
    """The note on a host at which there is no API."""
    return f"Changed {wrong} to {right}, where the API is."


OPENAI, GROQ, OPENROUTER = (
    "https://api.openai.com/v1",
    "https://api.groq.com/openai/v1",
    "https://openrouter.ai/api/v1",
)
MISTRAL, OLLAMA, LMSTUDIO, CLOUD = (
    "https://api.mistral.ai/v1",
    "http://localhost:11434/v1",
    "http://localhost:1234/v1",
    "https://ollama.com/v1",
)
PROXY, DOCKER = "https://proxy.example/v1", "host.docker.internal:11434"
PLATFORM = moved("platform.openai.com", "api.openai.com")
PLAIN_LETTERS = (
    "The host is xn--pi-6kc.openai.com in plain letters. Make sure that this is who you mean."
)
TYPED: list[tuple[str, str, str, list[str]]] = [
    ("openai", "", OPENAI, []),
    ("openai", " \t\u200b", OPENAI, []),
    ("openai", OPENAI, OPENAI, []),
    ("openai", f" {OPENAI}/ ", OPENAI, []),
    ("openai", f'"{OPENAI}"', OPENAI, []),
    ("openai", f"'{OPENAI}',", OPENAI, []),
    ("openai", f"`{OPENAI}`", OPENAI, []),
    ("openai", f"<{OPENAI}>", OPENAI, []),
    ("openai", f"\ufeff{OPENAI}\u00a0\n", OPENAI, []),
    ("openai", "https://api.open\u200bai.com/v1", OPENAI, []),
    ("openai", "api.openai.com", OPENAI, [ADDED, path_set("openai")]),
    ("openai", "api.openai.com/v1", OPENAI, [ADDED]),
    ("openai", "//api.openai.com/v1", OPENAI, [ADDED]),
    ("openai", "https:/api.openai.com/v1", OPENAI, []),
    ("openai", "https:api.openai.com/v1", OPENAI, []),
    ("openai", "HTTPS://API.OPENAI.COM:443/v1/", OPENAI, []),
    ("openai", "http://api.openai.com/v1", OPENAI, [HTTPS]),
    ("openai", "http://api.openai.com:80/v1", OPENAI, [HTTPS]),
    (
        "openai",
        "https://https://api.openai.com/v1",
        OPENAI,
        ["The address began with https:// twice; one is left."],
    ),
    ("openai", f"{OPENAI}?key=sk-x#top", OPENAI, [QUERY]),
    ("openai", f"{OPENAI}/chat/completions", OPENAI, [path_set("openai")]),
    ("openai", f"{OPENAI}/responses", OPENAI, [path_set("openai")]),
    ("openai", f"{OPENAI}/v1", OPENAI, [path_set("openai")]),
    ("openai", "https://eu.api.openai.com", "https://eu.api.openai.com/v1", [path_set("openai")]),
    ("openai", "us.api.openai.com/v1", "https://us.api.openai.com/v1", [ADDED]),
    ("openai", "https://platform.openai.com/v1", OPENAI, [PLATFORM]),
    ("openai", f"OPENAI_BASE_URL={OPENAI}", OPENAI, [NAMED]),
    ("openai", f'export OPENAI_BASE_URL="{OPENAI}"', OPENAI, [NAMED]),
    ("openai", f'"base_url": "{OPENAI}",', OPENAI, [NAMED]),
    ("openai", f"base_url: {OPENAI}", OPENAI, [NAMED]),
    ("openai", "https://proxy.example/openai/v1/", "https://proxy.example/openai/v1", []),
    ("openai", "https://proxy.example", "https://proxy.example", []),
    ("openai", f"https://proxy.example/x?to={OPENAI}", "https://proxy.example/x", [QUERY]),
    ("openai", "https://proxy.example/v1,/models'/", PROXY, [took("/models")]),
    ("openai", "https://proxy.example/to=https://x/v1", "https://proxy.example/to=https:/x/v1", []),
    ("openai", "https://proxy.example/v1/acct-7/", "https://proxy.example/v1/acct-7", []),
    (
        "openai",
        "https://proxy.example/x/v1/chat/completions/",
        "https://proxy.example/x/v1",
        [took("/chat/completions")],
    ),
    ("openai", "https://proxy.example/v1/Models", PROXY, [took("/models")]),
    ("openai", "https://proxy.example/v1/messages", PROXY, [took("/messages")]),
    ("openai", "https://proxy.example/v1/embeddings", PROXY, [took("/embeddings")]),
    ("openai", "https://proxy.example/v1/v1", PROXY, [TWICE]),
    ("openai", "https://proxy.example/v1/v1/models", PROXY, [took("/models"), TWICE]),
    ("openai", "https://proxy.example/v1/v10", "https://proxy.example/v1/v10", []),
    ("openai", "https://proxy.example/v1/v1beta", "https://proxy.example/v1/v1beta", []),
    ("openai", "192.168.1.5:8000/v1", "http://192.168.1.5:8000/v1", [ADDED_HTTP]),
    ("openai", "my-box:8000/v1", "http://my-box:8000/v1", [ADDED_HTTP]),
    ("openai", "[::1]:8000/v1", "http://[::1]:8000/v1", [ADDED_HTTP]),
    ("openai", "fd00::1/v1", "http://[fd00::1]/v1", [ADDED_HTTP]),
    ("openai", "8.8.8.8/v1", "https://8.8.8.8/v1", [ADDED]),
    ("openai", "localhost:1234", LMSTUDIO, [ADDED_HTTP, ADDED_V1]),
    ("openai", "http://127.0.0.1:11434/api/chat", "http://127.0.0.1:11434/v1", [NATIVE]),
    ("openai", "http://localhost:8080", "http://localhost:8080", []),
    (
        "openai",
        "https://аpi.openai.com/v1",
        "https://xn--pi-6kc.openai.com/v1",
        [PLAIN_LETTERS],
    ),
    ("groq", "", GROQ, []),
    ("groq", "https://api.groq.com/v1", GROQ, [path_set("groq")]),
    ("groq", "https://api.groq.com/openai", GROQ, [path_set("groq")]),
    ("groq", "api.groq.com", GROQ, [ADDED, path_set("groq")]),
    ("groq", f"{GROQ}/models", GROQ, [path_set("groq")]),
    (
        "groq",
        "https://console.groq.com",
        GROQ,
        [moved("console.groq.com", "api.groq.com"), path_set("groq")],
    ),
    ("groq", OPENAI, OPENAI, ["This is an address of OpenAI, not of Groq."]),
    ("openrouter", "", OPENROUTER, []),
    ("openrouter", "https://openrouter.ai/v1", OPENROUTER, [path_set("openrouter")]),
    ("openrouter", "https://openrouter.ai/api", OPENROUTER, [path_set("openrouter")]),
    ("openrouter", "openrouter.ai", OPENROUTER, [ADDED, path_set("openrouter")]),
    (
        "openrouter",
        "https://api.openrouter.ai/api/v1",
        OPENROUTER,
        [moved("api.openrouter.ai", "openrouter.ai")],
    ),
    ("openrouter", "https://eu.openrouter.ai/api/v1", "https://eu.openrouter.ai/api/v1", []),
    ("mistral", "", MISTRAL, []),
    ("mistral", "https://api.mistral.ai", MISTRAL, [path_set("mistral")]),
    ("mistral", "https://codestral.mistral.ai/v1", "https://codestral.mistral.ai/v1", []),
    (
        "mistral",
        "https://codestral.mistral.ai/v1/fim/completions",
        "https://codestral.mistral.ai/v1",
        [path_set("mistral")],
    ),
    ("ollama", "", OLLAMA, []),
    ("ollama", "localhost", "http://localhost/v1", [ADDED_HTTP, ADDED_V1]),
    ("ollama", "localhost:11434", OLLAMA, [ADDED_HTTP, ADDED_V1]),
    ("ollama", "http://localhost:11434", OLLAMA, [ADDED_V1]),
    ("ollama", "http://localhost:11434/api", OLLAMA, [NATIVE]),
    ("ollama", "http://localhost:11434/api/", OLLAMA, [NATIVE]),
    ("ollama", "http://localhost:11434/api/tags", OLLAMA, [NATIVE]),
    ("ollama", "http://localhost:11434/api/v1", OLLAMA, [NATIVE]),
    ("ollama", "http://localhost:11434/v1/api", OLLAMA, [NATIVE]),
    ("ollama", "http://localhost:11434/V1", OLLAMA, ["Wrote /v1 in small letters."]),
    ("ollama", "http://localhost:11434/v1/chat/completions", OLLAMA, [took("/chat/completions")]),
    ("ollama", "http://localhost:11434/v1/v1", OLLAMA, [TWICE]),
    ("ollama", "127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1", [ADDED_HTTP]),
    ("ollama", DOCKER, f"http://{DOCKER}/v1", [ADDED_HTTP, ADDED_V1]),
    ("ollama", "https://gpu.example/ollama", "https://gpu.example/ollama/v1", [ADDED_V1]),
    ("ollama", "https://gpu.example/ollama/api/chat", "https://gpu.example/ollama/v1", [NATIVE]),
    ("ollama", "https://gpu.example/api/ollama/v1", "https://gpu.example/api/ollama/v1", []),
    ("ollama", "gpu.example.com:11434", "https://gpu.example.com:11434/v1", [ADDED, ADDED_V1]),
    ("ollama", "https://ollama.com/api", CLOUD, [path_set("ollama")]),
    ("ollama", "ollama.com", CLOUD, [ADDED, path_set("ollama")]),
    ("ollama", "http://ollama.com/v1", CLOUD, [HTTPS]),
    ("ollama", "api.ollama.com/v1", CLOUD, [ADDED, moved("api.ollama.com", "ollama.com")]),
    ("lmstudio", "", LMSTUDIO, []),
    ("lmstudio", "localhost:1234", LMSTUDIO, [ADDED_HTTP, ADDED_V1]),
    ("lmstudio", "http://localhost:1234/api/v0/models", LMSTUDIO, [NATIVE]),
    ("lmstudio", "http://localhost:1234/api/v1/chat", LMSTUDIO, [NATIVE]),
    ("lmstudio", "http://localhost:1234/api/v1/models/load", LMSTUDIO, [NATIVE]),
    ("lmstudio", "http://192.168.1.7:1234", "http://192.168.1.7:1234/v1", [ADDED_V1]),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "text", "endpoint", "notes"), TYPED)
def test_what_people_type_is_mended(slug: str, text: str, endpoint: str, notes: list[str]) -> None:
    """The address they meant comes out, with a sentence for each thing that was changed."""
    mended = mend(BY_SLUG[slug], text)
    assert (endpoint, tuple(notes)) == (mended.endpoint, mended.notes)


@pytest.mark.parametrize(("slug", "text", "endpoint", "_notes"), TYPED)
def test_what_was_mended_needs_no_mending(
    slug: str, text: str, endpoint: str, _notes: list[str]
) -> None:
    """Saved once, an address is never changed again, and says nothing new."""
    again = mend(BY_SLUG[slug], endpoint)
    assert endpoint == again.endpoint
    assert not [note for note in again.notes if "This is an address of" not in note]


@pytest.mark.parametrize(
    "text",
    [
        "https://user:word@api.openai.com",
        "me@example.com",
        "https://api.openai.com\\v1",
        "https://api.openai.com:99999",
        "0.0.0.0:11434",
        "127.1:11434",
        "169.254.169.254",
        "api openai com",
        "ftp://api.openai.com",
        "wss://api.openai.com",
        "https://",
        "https://https://",
        "://x",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.slug)
def test_t22_what_cannot_be_mended_is_refused(row: Provider, text: str) -> None:
    """Mending guesses spelling, never whom to trust: the rest is refused at its field."""
    with pytest.raises(InputError) as refused:
        mend(row, text)
    assert refused.value.field == "endpoint"


@pytest.mark.parametrize("key", ["gsk_" + "a1B2" * 13, "sk-or-v1-" + "ab" * 32, "a1B2c3D4e5F6" * 3])
def test_a_key_in_the_wrong_field_is_not_stored_in_clear(key: str) -> None:
    """What is surely a key is no address, and the refusal does not repeat it."""
    for text in (key, f" {key}\n", f'"{key}"'):
        with pytest.raises(InputError, match="looks like an API key") as refused:
            mend(BY_SLUG["openai"], text)
        assert key[8:] not in str(refused.value)


@pytest.mark.parametrize("host", ["xai-proxy.example.com", "gsk_box:8000", "csk-server"])
def test_a_host_that_begins_like_a_key_is_a_host(host: str) -> None:
    """Only what is long and has nothing of an address is taken for a key."""
    assert host in mend(BY_SLUG["openai"], host).endpoint


# --- what hangs off an endpoint ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "root"),
    [
        (OLLAMA, "http://localhost:11434"),
        ("https://gpu.example/ollama/v1", "https://gpu.example/ollama"),
        ("https://gpu.example/ollama", "https://gpu.example/ollama"),
        ("https://gpu.example/v1/x", "https://gpu.example/v1/x"),
        ("https://gpu.example/xv1", "https://gpu.example/xv1"),
        (OPENROUTER, "https://openrouter.ai/api"),
    ],
)
def test_native_paths_hang_off_the_endpoint_without_its_last_v1(endpoint: str, root: str) -> None:
    """A server behind a path prefix is asked behind that prefix."""
    assert root == endpoints.native_root(endpoint)


def test_an_origin_is_scheme_host_and_port() -> None:
    """The path and the usual port are no part of it."""
    assert endpoints.origin("https://A.example:443/v1/x") == "https://a.example"
    assert endpoints.origin("http://[::1]:11434/v1") == "http://[::1]:11434"
    assert endpoints.host("http://[::1]:11434/v1") == "::1"


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.slug)
@pytest.mark.parametrize("endpoint", ["https://gateway.example/team/v1", "http://localhost:9/v1"])
def test_other_forms_stay_on_the_same_origin(row: Provider, endpoint: str) -> None:
    """What is tried when the path seems wrong is another path of the same server, each once."""
    forms = endpoints.other_forms(row, endpoint)
    assert forms
    assert len(forms) == len(set(forms))
    assert endpoint not in forms
    assert not [form for form in forms if "/v1/v1" in form]
    for form in forms:
        assert form == canonical(form)
        assert endpoints.origin(endpoint) == endpoints.origin(form)


# --- for all addresses ------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "http",
            "https",
            "ftp",
            "HTTPS",
            ":",
            "/",
            "//",
            "://",
            "@",
            "\\",
            "?",
            "#",
            "%2e",
            "%2F",
        ),
        *("[", "]", "::1", ".", "..", "v1", "/v1", "/V1", "/api", "/models", "/chat/completions"),
        *("localhost", "127.0.0.1", "0x7f", "api.openai.com", "ollama.com", "аpi", "ü", "。", "１"),
        *(":443", ":80", ":1234", ":11434", ":99999", " ", "\t", "\u200b", '"', "`", ",", "a", "-"),
        *("=", "base_url", "_", "x.example", "openrouter.ai", "%", "\x00", "\ud800", "ß", "İ"),
    ]
)
URLS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=5).map(lambda parts: "https://" + "".join(parts)),
    st.text(max_size=40),
    st.text(max_size=30).map(lambda text: f"https://{text}"),
)
ROWS = st.sampled_from(PROVIDERS)


@given(URLS)
@example("http://[::1]x")
@example("https://\ud800")
def test_t22_what_is_accepted_is_what_is_dialled(url: str) -> None:
    """Whatever is typed is refused in one way, or is read alike by us and by the way out."""
    try:
        form = canonical(url)
    except InputError:
        return
    assert form == canonical(form)
    dialled = httpx.URL(form)
    assert dialled.raw_host.decode("ascii") == endpoints.host(form)
    sent = (dialled.netloc + dialled.raw_path).decode("ascii")
    assert form == f"{dialled.scheme}://{sent}".rstrip("/")
    assert not dialled.userinfo


@given(ROWS, URLS)
@example(BY_SLUG["openai"], "http/v1,/")
@example(BY_SLUG["ollama"], "http://localhost/v1'/api")
def test_mending_twice_is_mending_once(row: Provider, text: str) -> None:
    """What comes out is canonical and stays; the second time there is nothing to say."""
    try:
        once = mend(row, text)
    except InputError as refused:
        assert refused.field == "endpoint"  # noqa: PT017  # one of two good ends
        return
    assert once.endpoint == canonical(once.endpoint)
    twice = mend(row, once.endpoint)
    assert once.endpoint == twice.endpoint
    assert not [note for note in twice.notes if "This is an address of" not in note]


@given(ROWS, FORMS)
def test_mending_never_moves_to_another_host(row: Provider, url: str) -> None:
    """Apart from the vendors' own misspelt hosts, the host that was typed is the host."""
    with contextlib.suppress(InputError):
        assert endpoints.host(url) == endpoints.host(mend(row, url).endpoint)
