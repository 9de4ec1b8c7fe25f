"""A stored secret goes only where it was saved for: what counts as another address, everywhere."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from mohet_keys import endpoints
from mohet_keys.errors import InputError
from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry, NewKey
from mohet_keys.pasted import hint
from mohet_keys.providers import PROVIDERS, Provider
from mohet_keys.service import KeyService, Saved
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan

SECRET = canary("sk-")
FRESH = canary("sk-")


@pytest.fixture
def keys(parts: Parts) -> KeyService:
    """The verbs."""
    return parts.keys


def saved(keys: KeyService, endpoint: str = "", provider: str = "openai", **more: bool) -> KeyEntry:
    """A key that is there."""
    typed = NewKey(
        provider=provider, name="Prod", secret=SecretStr(SECRET), endpoint=endpoint, **more
    )
    return keys.add(typed, owner=LOCAL_OWNER).entry


def edit(keys: KeyService, entry: KeyEntry, secret: str = "", **changes: object) -> Saved:
    """An edit of what was seen; the secret field is empty unless something is typed."""
    typed = KeyChanges.model_validate({**changes, "secret": SecretStr(secret)})
    return keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version)


def untouched(keys: KeyService, entry: KeyEntry) -> bool:
    """Whether the key is as it was, and still opens for where it was saved."""
    opened = keys.open(entry.id, owner=LOCAL_OWNER)
    same = keys.entry(entry.id, owner=LOCAL_OWNER) == entry
    return same and (opened.destination, opened.secret) == (entry.endpoint, SECRET)


# --- another address --------------------------------------------------------------------------

OTHERS = [
    ("https://api.openai.com/v1", "https://evil.example/v1"),
    ("https://api.openai.com/v1", "https://eu.api.openai.com/v1"),
    ("https://eu.api.openai.com/v1", "https://api.openai.com/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com:8443/v1"),
    ("https://api.openai.com/v1", "https://аpi.openai.com/v1"),
    ("https://api.openai.com/v1", "https://api.groq.com/openai/v1"),
    ("https://api.openai.com/v1", "http://localhost:1234/v1"),
    ("https://gateway.example/v1/acct-a", "https://gateway.example/v1/acct-b"),
    ("https://gateway.example/v1/acct-a", "https://gateway.example/v1"),
    ("https://gateway.example/v1", "https://gateway.example/V1"),
    ("https://gateway.example/v1", "https://gateway.example"),
    ("http://127.0.0.1:8000/v1", "https://127.0.0.1:8000/v1"),
    ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8001/v1"),
    ("http://127.0.0.1:8000/v1", "http://localhost:8000/v1"),
    ("http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"),
]
"""Scheme, host, port and path; the vendor's own other hosts and a shared gateway's other account
are no exception."""


@pytest.mark.parametrize(("was", "now"), OTHERS)
def test_t15_t24_another_address_needs_the_secret_again(
    keys: KeyService, was: str, now: str
) -> None:
    """With an empty secret the edit is refused at that field, and nothing changes."""
    entry = saved(keys, was)
    for blank in ("", "   ", "\n"):
        with pytest.raises(InputError) as refused:
            edit(keys, entry, blank, endpoint=now)
        assert list(refused.value.by_field()) == ["secret"]
        assert "Enter the key again" in str(refused.value)
    assert untouched(keys, entry)


@pytest.mark.parametrize(("was", "now"), OTHERS)
def test_t15_the_refusal_tells_the_two_addresses_apart(
    keys: KeyService, was: str, now: str
) -> None:
    """It names both hosts, in punycode, or both addresses where the hosts are alike."""
    with pytest.raises(InputError) as refused:
        edit(keys, saved(keys, was), endpoint=now)
    hosts = [endpoints.host(was), endpoints.host(now)]
    wanted = hosts if hosts[0] != hosts[1] else [was, now]
    told = f"The address changed from {wanted[0]} to {wanted[1]}. "
    assert str(refused.value).startswith(told)
    assert str(refused.value).isascii()


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.slug)
def test_t15_no_provider_is_an_exception(keys: KeyService, row: Provider) -> None:
    """Local servers, which may do without a secret, keep one to its address all the same."""
    entry = saved(keys, provider=row.slug)
    with pytest.raises(InputError) as refused:
        edit(keys, entry, endpoint="https://elsewhere.example/v1")
    assert refused.value.field == "secret"
    assert untouched(keys, entry)


def test_t15_a_new_name_at_once_does_not_help(keys: KeyService) -> None:
    """Name and address in one edit: refused as a whole, and the name stays too."""
    entry = saved(keys)
    with pytest.raises(InputError) as refused:
        edit(keys, entry, name="Renamed", endpoint="https://evil.example/v1")
    assert refused.value.field == "secret"
    assert untouched(keys, entry)


def test_t15_a_step_by_way_of_an_empty_address_does_not_help(keys: KeyService) -> None:
    """An empty address field means the usual address, which is another than a proxy's."""
    entry = saved(keys, "https://proxy.example/v1")
    with pytest.raises(InputError) as refused:
        edit(keys, entry, endpoint="")
    assert refused.value.field == "secret"
    assert untouched(keys, entry)


def test_t15_consent_to_http_is_no_consent_to_another_host(keys: KeyService) -> None:
    """Who allowed plain http to one host is asked again for the next one."""
    entry = saved(keys, "http://one.example.com/v1", allow_http=True)
    with pytest.raises(InputError) as refused:
        edit(keys, entry, FRESH, endpoint="http://two.example.com/v1")
    assert refused.value.field == "endpoint"
    moved = edit(keys, entry, FRESH, endpoint="http://two.example.com/v1", allow_http=True)
    assert moved.entry.allow_http
    home = edit(keys, moved.entry, FRESH, endpoint="https://two.example.com/v1")
    assert not home.entry.allow_http


def test_t15_a_refused_address_is_named_before_a_missing_secret(keys: KeyService) -> None:
    """An address that cannot be one is the mistake, so that is what is said."""
    entry = saved(keys)
    with pytest.raises(InputError) as refused:
        edit(keys, entry, endpoint="https://user:word@api.openai.com/v1")
    assert list(refused.value.by_field()) == ["endpoint"]
    assert untouched(keys, entry)


# --- the secret typed again -------------------------------------------------------------------


@pytest.mark.parametrize(("was", "now"), OTHERS)
@pytest.mark.parametrize("typed", [SECRET, FRESH], ids=["the same", "another"])
def test_t16_the_typed_secret_goes_to_the_new_address(
    keys: KeyService, was: str, now: str, typed: str
) -> None:
    """The same one or another: what was typed is sealed for the new address, and checked anew."""
    entry = saved(keys, was)
    result = edit(keys, entry, typed, endpoint=now)
    opened = keys.open(entry.id, owner=LOCAL_OWNER)
    assert (opened.destination, opened.secret) == (endpoints.canonical(now), typed)
    assert (result.changed, result.recheck) == (True, True)
    assert result.entry.revision == entry.revision + 1
    assert result.entry.hint == hint(typed)


# --- the same address -------------------------------------------------------------------------

SAME = [
    ("https://api.openai.com/v1", "HTTPS://API.OPENAI.COM/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com:443/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com/v1/"),
    ("https://api.openai.com/v1", "https://api.openai.com//v1"),
    ("https://api.openai.com/v1", " https://api.openai.com/v1\n"),
    ("https://api.openai.com/v1", "https://api.openai.com"),
    ("https://api.openai.com/v1", "api.openai.com"),
    ("https://api.openai.com/v1", ""),
    ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
    ("https://api.openai.com/v1", "http://api.openai.com/v1"),
    ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
    ("https://xn--bcher-kva.example/v1", "https://BÜCHER.example/v1/"),
    ("http://127.0.0.1:80/v1", "http://127.0.0.1/v1"),
    ("http://[::1]:8000/v1", "http://[0:0:0:0:0:0:0:1]:8000/v1"),
    ("https://gateway.example/v1/acct-a", "https://gateway.example/v1/acct-a/"),
]


@pytest.mark.parametrize(("was", "again"), SAME)
def test_t17_the_same_address_is_no_change(keys: KeyService, was: str, again: str) -> None:
    """However it is written: nothing is written, no revision counted, and the key is kept."""
    entry = saved(keys, was)
    result = edit(keys, entry, endpoint=again)
    assert (result.changed, result.recheck) == (False, False)
    assert untouched(keys, entry)


@pytest.mark.parametrize(("was", "again"), SAME)
def test_t17_a_rename_with_the_same_address_is_a_rename(
    keys: KeyService, was: str, again: str
) -> None:
    """The form always sends the address along; the secret is not asked for because of that."""
    entry = saved(keys, was)
    result = edit(keys, entry, name="Renamed", endpoint=again)
    assert (result.changed, result.recheck) == (True, False)
    assert (result.entry.name, result.entry.revision) == ("Renamed", entry.revision)
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret == SECRET


@pytest.mark.parametrize("endpoint", [None, "https://api.openai.com/v1", "api.openai.com"])
def test_t17_the_same_secret_at_the_same_address_is_no_change(
    keys: KeyService, endpoint: str | None
) -> None:
    """Who pastes what is saved already changes nothing, and its check stays."""
    entry = saved(keys)
    assert not edit(keys, entry, f" {SECRET} ", endpoint=endpoint).changed
    assert untouched(keys, entry)


def test_t17_consent_to_http_is_kept_with_the_address(keys: KeyService) -> None:
    """The consent box is not shown again for an address that it was given for."""
    entry = saved(keys, "http://one.example.com/v1", allow_http=True)
    assert not edit(keys, entry, endpoint="http://ONE.example.com:80/v1/").changed
    assert edit(keys, entry, FRESH, endpoint="HTTP://one.example.com/v1").entry.allow_http


def test_nothing_is_noted_about_an_address_that_was_not_typed(keys: KeyService) -> None:
    """A warning belongs to the edit that brought the address, not to each one after it."""
    entry = saved(keys, "https://proxy.example/v1", provider="groq")
    assert edit(keys, entry, name="Renamed").notes == ()


# --- a mask is not a secret -------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [None, "https://evil.example/v1"])
def test_t18_what_is_shown_of_a_secret_is_not_the_secret(
    keys: KeyService, endpoint: str | None
) -> None:
    """The hint and other masks typed as the secret are refused, with a new address and without."""
    entry = saved(keys)
    for mask in (entry.hint, "••••••••", "***", f"sk-...{SECRET[-4:]}", "sk-…", "<hidden>"):
        with pytest.raises(InputError) as refused:
            edit(keys, entry, mask, endpoint=endpoint)
        assert list(refused.value.by_field()) == ["secret"]
    assert untouched(keys, entry)


@pytest.mark.parametrize("mask", ["••••••••", "sk-••••••••cdef", "***", "sk-...cdef"])
def test_t18_no_key_is_made_of_a_mask(keys: KeyService, mask: str) -> None:
    """Neither for a vendor nor for a local server, which needs none."""
    for slug in ("openai", "ollama"):
        typed = NewKey(provider=slug, name="Masked", secret=SecretStr(mask))
        with pytest.raises(InputError):
            keys.add(typed, owner=LOCAL_OWNER)
    assert keys.counts(owner=LOCAL_OWNER) == {}


# --- nothing is repeated ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": f"https://evil.example/v1?key={FRESH}#{FRESH}"},
        {"endpoint": f"https://x:{FRESH}@evil.example/v1"},
        {"endpoint": FRESH},
        {"name": FRESH},
        {"secret": f"{FRESH}\n{FRESH}"},
        {"secret": f"{FRESH[:20]} {FRESH[20:]}"},
        {"secret": f"{FRESH}\x00"},
        {"secret": f"https://x.example/?key={FRESH}"},
    ],
)
def test_t34_a_refusal_never_repeats_a_secret(keys: KeyService, changes: dict[str, str]) -> None:
    """A secret pasted into whatever field is in no error, nor in anything it hangs on."""
    with pytest.raises(InputError) as refused:
        edit(keys, saved(keys), **changes)
    said = repr((refused.value, refused.value.args, refused.value.by_field()))
    chained: BaseException | None = refused.value
    while chained := chained.__cause__ or chained.__context__:
        said += repr((chained, vars(chained)))
    assert scan(FRESH, {"said": said.encode()}) == []
