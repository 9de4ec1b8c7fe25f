"""The first key: tested before it is saved; a failed test leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from mohet_keys.errors import InputError
from mohet_keys.model import LOCAL_OWNER, NewKey, Verdict
from mohet_keys.simulator.server import Simulator
from mohet_keys.starting import Started, Starter
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


def start(parts: Parts, slug: str, secret: str, endpoint: str) -> Started:
    """Test a key and start with it."""
    new = NewKey(provider=slug, name="First", secret=SecretStr(secret), endpoint=endpoint)
    return asyncio.run(Starter(parts.keys, parts.checks).start(new, owner=LOCAL_OWNER))


@pytest.mark.parametrize("slug", ["openai", "groq", "openrouter", "mistral"])
def test_a_good_key_is_saved_checked_and_selected(
    parts: Parts, simulator: Simulator, slug: str
) -> None:
    """One test, and the chat can begin: the key is there, valid, selected, with its models."""
    started = start(parts, slug, good(slug), simulator.endpoint(slug))
    assert started.entry is not None
    entry = parts.keys.entry(started.entry.id, owner=LOCAL_OWNER)
    assert entry.selected
    assert entry.check is not None
    assert entry.check.diagnosis.verdict is Verdict.VALID
    assert entry.check.recommended_model


@pytest.mark.parametrize("slug", ["lmstudio", "ollama"])
def test_a_local_server_needs_no_key(parts: Parts, simulator: Simulator, slug: str) -> None:
    """LMStudio and Ollama start with the key's field left empty."""
    started = start(parts, slug, "", simulator.endpoint(slug))
    assert started.entry is not None
    assert started.diagnosis.reason == "no key needed"


@pytest.mark.parametrize("behaviour", ["revoked", "down", "html"])
def test_a_failed_test_saves_nothing(parts: Parts, simulator: Simulator, behaviour: str) -> None:
    """It says why, and the store is as empty as before."""
    started = start(parts, "groq", behaving("groq", behaviour), simulator.endpoint("groq"))
    assert started.entry is None
    assert started.diagnosis.remedy
    assert parts.keys.counts(owner=LOCAL_OWNER) == {}


def test_a_key_of_another_vendor_is_sent_nowhere(parts: Parts, simulator: Simulator) -> None:
    """A Groq key at OpenAI is told apart before any request."""
    started = start(parts, "openai", good("groq"), simulator.endpoint("openai"))
    assert started.entry is None
    assert "Groq" in started.diagnosis.reason
    assert simulator.requests == []


def test_what_is_refused_is_not_tested(parts: Parts, simulator: Simulator) -> None:
    """A bad field ends it before any request."""
    with pytest.raises(InputError):
        start(parts, "groq", "two words", simulator.endpoint("groq"))
    assert simulator.requests == []
