"""The table of providers and the signs of keys: every row is walked, none has a test of its own."""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urlsplit

import pytest

from mohet_keys import endpoints
from mohet_keys.providers import (
    BY_SLUG,
    PROVIDERS,
    SIGNS,
    Provider,
    Sign,
    is_key,
    owner_of_host,
    provider,
    sign_of,
)

each_row = pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.slug)
each_sign = pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.pattern.pattern)

SHOWN = ["OpenAI", "Groq", "LMStudio", "Ollama", "OpenRouter", "Mistral"]
NAMED = ["openai", "groq", "lmstudio", "ollama", "openrouter", "mistral"]


# --- the rows ---------------------------------------------------------------------------------


def test_the_tabs_stand_in_their_order() -> None:
    """The labels are those of the tabs, in their order, and the slugs those of the command line."""
    assert [row.label for row in PROVIDERS] == SHOWN
    assert [row.slug for row in PROVIDERS] == NAMED
    assert set(NAMED) == set(BY_SLUG)


@each_row
def test_a_row_is_found_by_its_slug(row: Provider) -> None:
    """A slug is short, plain, and names one row."""
    assert provider(row.slug) is row
    assert re.fullmatch("[a-z]{2,12}", row.slug)


def test_an_unknown_slug_is_a_key_error() -> None:
    """There is no row for what is not in the table."""
    with pytest.raises(KeyError):
        provider("nobody")


@each_row
def test_an_endpoint_is_canonical_and_needs_no_mending(row: Provider) -> None:
    """What a new key starts with is stored just as it stands here, without a note."""
    assert row.endpoint == endpoints.canonical(row.endpoint)
    assert endpoints.Mended(row.endpoint) == endpoints.mend(row, row.endpoint)
    assert endpoints.Mended(row.endpoint) == endpoints.mend(row, "")


@each_row
def test_keys_go_over_https_unless_the_server_is_here(row: Provider) -> None:
    """A vendor's own host is asked over https; only a local server has http to begin with."""
    assert row.endpoint.startswith("http://localhost:" if row.is_local else "https://")
    assert row.is_local == (row.local_port is not None)
    assert row.key_optional == row.is_local
    if row.is_local:
        assert row.endpoint == f"http://localhost:{row.local_port}{row.base_path}"


@each_row
def test_hosts_and_path_agree_with_the_endpoint(row: Provider) -> None:
    """Each own host with the base path is an address of this row that needs no mending."""
    assert row.endpoint.endswith(row.base_path)
    assert re.fullmatch("(/[a-z0-9]+)+", row.base_path)
    if not row.is_local:
        assert endpoints.host(row.endpoint) in row.hosts
    for host in row.hosts:
        assert host == endpoints.host(f"https://{host}")
        assert owner_of_host(host) is row
        whole = f"https://{host}{row.base_path}"
        assert endpoints.Mended(whole) == endpoints.mend(row, whole)
        assert not endpoints.is_private(whole)


def test_no_host_has_two_owners() -> None:
    """Whose a host is never depends on the order of the rows."""
    hosts = [host for row in PROVIDERS for host in row.hosts]
    assert len(hosts) == len(set(hosts))
    assert owner_of_host("api.openai.com.evil.example") is None
    assert owner_of_host("openai.com") is None


@each_row
def test_links_are_https_pages_of_the_vendor(row: Provider) -> None:
    """Where keys and money are to be had is a page over https, on a domain of the vendor's."""
    for url in filter(None, (row.keys_url, row.billing_url)):
        parts = urlsplit(url)
        assert (parts.scheme, parts.query, parts.fragment) == ("https", "", "")
        own = {".".join(host.split(".")[-2:]) for host in row.hosts} or {"lmstudio.ai"}
        assert ".".join((parts.hostname or "").split(".")[-2:]) in own


@each_row
def test_what_is_shown_is_short_and_plain(row: Provider) -> None:
    """A tab's line fits beside its mark, and an icon is a Material symbol."""
    assert 0 < len(row.tagline) <= 24
    assert not row.tagline.endswith(".")
    assert re.fullmatch(":material/[a-z_]+:", row.icon)
    assert row.env is None or re.fullmatch("[A-Z]+_API_KEY", row.env)
    assert row.new_key_delay is None or row.new_key_delay.endswith(".")


@each_row
def test_recommendations_are_distinct_and_readable(row: Provider) -> None:
    """Every row recommends models, each once, and its patterns compile and are anchored."""
    assert row.recommended
    assert len(row.recommended) == len(set(row.recommended))
    for wanted in row.recommended:
        if wanted.startswith("re:"):
            assert wanted.startswith("re:^")
            re.compile(wanted.removeprefix("re:"))
        else:
            assert re.fullmatch(r"[~\w./:-]+", wanted)


RETIRED = {
    "groq": ["llama-3.3-70b-versatile", "llama-3.1-8b-instant", "qwen/qwen3-32b"],
    "mistral": ["open-mistral-nemo", "pixtral-large-latest", "devstral-medium-latest"],
    "openai": ["gpt-3.5-turbo", "o3"],
}


@pytest.mark.parametrize("slug", RETIRED)
def test_nothing_retired_is_recommended(slug: str) -> None:
    """What a vendor took down by autumn 2026 is on no list."""
    assert not set(RETIRED[slug]) & set(provider(slug).recommended)


@pytest.mark.parametrize(
    ("slug", "first", "last"),
    [
        ("openai", "gpt-6.1-terra", "gpt-4o"),
        ("groq", "openai/gpt-oss-120b", "groq/compound-mini"),
        ("lmstudio", "openai/gpt-oss-20b", "qwen/qwen3-coder-30b"),
        ("ollama", "gpt-oss:20b", "re:^llama3\\.2(:|$)"),
        ("openrouter", "~anthropic/claude-sonnet-latest", "openai/gpt-oss-120b"),
        ("mistral", "mistral-medium-latest", "codestral-latest"),
    ],
)
def test_the_best_comes_first(slug: str, first: str, last: str) -> None:
    """The order is that of the table: best first, the last resort at the end."""
    assert (first, last) == (provider(slug).recommended[0], provider(slug).recommended[-1])


def test_a_row_cannot_be_changed() -> None:
    """The table is the same for everybody, always."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROVIDERS[0].endpoint = "https://evil.example"  # type: ignore[misc]


# --- the signs --------------------------------------------------------------------------------

GOOD = {
    "sk-ant-": ["sk-ant-api03-" + "Ab3_" * 23 + "AA", "sk-ant-admin01-x", "sk-ant-oat01-x"],
    "sk-or-v1-": ["sk-or-v1-" + "0af9" * 16],
    "sk-proj-": ["sk-proj-" + "Ab_-" * 18 + "T3BlbkFJ" + "Ab_-" * 18],
    "sk-svcacct-": ["sk-svcacct-" + "Ab_-" * 18],
    "sk-service-": ["sk-service-" + "Ab_-" * 18],
    "sk-admin-": ["sk-admin-" + "Ab_-" * 14 + "T3BlbkFJ" + "Ab_-" * 14],
    "sk-lm-": ["sk-lm-AbCdEfGh:0123456789abcdefghij"],
    "sk-": ["sk-" + "a1B2C" * 4 + "T3BlbkFJ" + "a1B2C" * 4],
    "gsk_": ["gsk_" + "a1B2" * 13],
    "xai-": ["xai-" + "a1B2_" * 16],
    "AIza": ["AIza" + "Sy3_-" * 7],
    "AQ.": ["AQ." + "Ab8R" * 12],
    "pplx-": ["pplx-" + "a1B2" * 12],
    "hf_": ["hf_" + "AbCdEfGhIjKlMnOpQr" + "StUvWxYzAbCdEfGh"],
    "nvapi-": ["nvapi-" + "a1B2" * 16],
    "r8_": ["r8_" + "a1B2C" * 7 + "x9"],
    "csk-": ["csk-" + "a1b2" * 12],
    "fw_": ["fw_" + "a1B2" * 6],
    "tgp_v1_": ["tgp_v1_" + "a1B2_" * 8],
}
ALIKE = {
    "sk-ant-": ["sk-ants-" + "a1B2" * 8, "SK-ANT-api03"],
    "sk-or-v1-": ["sk-or-v2-" + "0af9" * 16, "sk-orv1-" + "0af9" * 16],
    "sk-proj-": ["sk-project-x" + "a1B2" * 8, "Sk-proj-x"],
    "sk-svcacct-": ["sk-svc-" + "a1B2" * 8],
    "sk-service-": ["sk-services-" + "a1B2" * 8],
    "sk-admin-": ["sk-administrator-" + "a1B2" * 8],
    "sk-lm-": ["sk-lm-AbCdEfGh:0123456789abcdefghi", "sk-lm-studio", "sk-lm-AbCdEfGh"],
    "sk-": ["sk-" + "a1b2" * 8, "sk-1234", "sk-T3BlbkF-x"],
    "gsk_": ["gsk-" + "a1B2" * 13, "gs_" + "a1B2" * 13, "xgsk_" + "a1B2" * 13],
    "xai-": ["xai_" + "a1B2_" * 16, "xa-" + "a1B2_" * 16],
    "AIza": ["AIza", "AIzaSy", "Aiza" + "Sy3_-" * 7],
    "AQ.": ["AQ" + "Ab8R" * 12, "aq." + "Ab8R" * 12],
    "pplx-": ["pplx_" + "a1B2" * 12],
    "hf_": ["hf_abc", "hf_" + "a1" * 17, "hf_" + "A" * 35],
    "nvapi-": ["nvapi_" + "a1B2" * 16],
    "r8_": ["r8_model", "r8-" + "a1B2C" * 8],
    "csk-": ["csk-server", "csk_" + "a1b2" * 12],
    "fw_": ["fw_proxy", "fw-" + "a1B2" * 6],
    "tgp_v1_": ["tgp_v2_" + "a1B2_" * 8],
}


@each_sign
def test_no_sign_stands_in_anothers_shadow(sign: Sign) -> None:
    """A good example of each sign is recognised as that one, whichever come before it."""
    for example in GOOD[sign.prefix]:
        assert sign_of(example) is sign


@each_sign
def test_a_look_alike_is_not_recognised(sign: Sign) -> None:
    """What merely resembles a vendor's keys is not held back as one."""
    for example in ALIKE[sign.prefix]:
        assert sign_of(example) is None


@each_sign
def test_a_sign_shows_only_what_its_pattern_begins_with(sign: Sign) -> None:
    """The public prefix that a hint may show is the plain beginning of the pattern."""
    assert sign.prefix
    assert sign.pattern.pattern.replace("\\", "").startswith(sign.prefix)
    assert all(example.startswith(sign.prefix) for example in GOOD[sign.prefix])


@each_sign
def test_a_sign_names_a_row_or_says_where_else(sign: Sign) -> None:
    """A vendor with a tab has its label; one without has a host that takes its keys."""
    if sign.slug in BY_SLUG:
        assert BY_SLUG[sign.slug].label == sign.label
        assert not sign.hosts
    else:
        assert sign.hosts
        assert all(host == endpoints.host(f"https://{host}") for host in sign.hosts)
        assert not any(map(owner_of_host, sign.hosts))


def test_longer_prefixes_come_first() -> None:
    """No earlier sign's prefix is the beginning of a later, longer one."""
    for place, sign in enumerate(SIGNS):
        later = [other.prefix for other in SIGNS[place + 1 :]]
        assert not [prefix for prefix in later if prefix.startswith(sign.prefix)]


@pytest.mark.parametrize("text", ["", "sk-", "hello", "0af9" * 8, "a1B2" * 8, "kT3vQ9zLx0BwN7rY"])
def test_without_a_sign_nothing_is_guessed(text: str) -> None:
    """32 hex digits or letters may be Mistral's, Azure's or anybody's."""
    assert sign_of(text) is None


@pytest.mark.parametrize("text", [key for keys in GOOD.values() for key in keys if len(key) >= 20])
def test_a_key_in_the_wrong_field_is_known(text: str) -> None:
    """A whole key of any vendor is noticed, except where a dot makes it a host as well."""
    assert is_key(text) == ("." not in text)


@pytest.mark.parametrize(
    "text", ["kT3vQ9zLx0BwN7rYc5JmHs2UfDg8PeA1", "0123456789abcdef" * 2, "sk-" + "a1b2c3d4e5f6" * 3]
)
def test_a_long_random_word_is_a_key(text: str) -> None:
    """Mistral's and Azure's keys have no prefix, and no name or host looks like them."""
    assert is_key(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "gsk_prod", "sk-proj-test", "localhost", "Production key of the data team 2026"),
        *(
            "a" * 80,
            "ollama-deployment-7d4f9c-x2k8j",
            "https://api.openai.com/v1",
            "api.openai.com",
        ),
        *("thisisthekeyofthewholedepartment1", "gpu01/team/production/openai/2026"),
    ],
)
def test_a_name_or_a_host_is_no_key(text: str) -> None:
    """What people call their keys and servers is left alone."""
    assert not is_key(text)
