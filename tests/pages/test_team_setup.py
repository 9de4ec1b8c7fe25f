"""The first run of somebody in a team: what is on the server is not theirs."""

from __future__ import annotations

import pytest

from tests.leaks import scan
from tests.pages.team import Visit, labels, visit, words
from tests.team import BOB, ROOT

__all__ = ["visit"]  # a fixture

SECRET = "gsk_" + "0123456789abcdef" * 3


@pytest.mark.parametrize("who", [BOB, ROOT])
def test_keys_in_the_servers_environment_are_offered_to_nobody(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Neither a variable that holds a key nor a server beside this one is named, to members as to
    administrators. In a local run both are: see `test_setup.py`."""
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    at = visit(who, "setup")
    assert "API key Setup" in words(at)
    assert "Found on this machine" not in words(at)
    assert not [label for label in labels(at) if "GROQ_API_KEY" in label or "127.0.0.1" in label]
    state = repr({key: at.session_state[key] for key in at.session_state})
    assert scan(SECRET, {"state": state.encode(), "words": words(at).encode()}) == []
