"""A secret is taken out of what a server says, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys.scrub import REMOVED, Scrubber
from tests.leaks import canary, scan

SECRET = canary("sk-or-v1-")
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
SECRETS = st.text(VISIBLE, min_size=8, max_size=80)


@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        f"Bearer {SECRET}",
        SECRET * 3,
        SECRET[::-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        *(base64.b64encode(before + SECRET.encode()).decode() for before in (b"", b"a", b"ab")),
        base64.b64encode(f"Authorization: Bearer {SECRET}\r\nHost: x".encode()).decode(),
    ],
)
def test_a_secret_goes_in_every_form(said: str) -> None:
    """As it is, reversed, in hex or in base64, nothing is left that a leak scan finds."""
    scrubber = Scrubber(SECRET)
    for text in (scrubber.text(f"<{said}>"), scrubber.raw(f"<{said}>".encode()).decode()):
        assert REMOVED in text
        assert scan(SECRET, {"text": text.encode()}) == []


@given(secret=SECRETS, before=st.text(max_size=5), behind=st.text(max_size=5))
def test_any_secret_goes_however_it_is_escaped(secret: str, before: str, behind: str) -> None:
    """For all secrets: escaped for JSON, a page or a URL, they are found and taken out."""
    scrubber = Scrubber(secret)
    for form in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
    ):
        said = f"{before}\n{form}\n{behind}"
        assert form not in scrubber.text(said).replace(REMOVED, "\n")
        raw = scrubber.raw(said.encode("utf-8", "surrogatepass"))
        assert form.encode() not in raw.replace(REMOVED.encode(), b"\n")


@given(body=st.binary(max_size=200))
def test_other_bytes_stay_as_they_are(body: bytes) -> None:
    """An answer without the secret is not touched, whatever its encoding."""
    for secret in (SECRET, "ollama", "abc", "", None):
        if secret is None or secret.encode() not in body:
            assert Scrubber(secret).raw(body) == body


LIST = b'{"object": "list", "data": [{"id": "ollama/data-1", "owned_by": "ollama", "n": 1}]}'


@pytest.mark.parametrize(
    ("secret", "left"),
    [
        ("data", LIST),
        ("list", LIST.replace(b'"list"', b'"[key removed]"')),
        ("1", LIST),
        ("owned_by", LIST.replace(b"owned_by", b"[key removed]")),
    ],
)
def test_a_short_secret_does_not_spoil_an_answer(secret: str, left: bytes) -> None:
    """What people type where no key is needed is removed as a word, and names stay readable."""
    assert Scrubber(secret).raw(LIST) == left


def test_a_short_secret_is_removed_where_it_is_quoted() -> None:
    """An echo of a short secret is still an echo."""
    assert Scrubber("ollama").text("Bearer ollama is wrong") == "Bearer [key removed] is wrong"
    assert Scrubber("hunter2").raw(b'{"key":"hunter2"}\xff') == b'{"key":"[key removed]"}\xff'


def test_the_scrubber_does_not_show_its_secret() -> None:
    """Its repr is dull."""
    assert scan(SECRET, {"repr": repr(Scrubber(SECRET)).encode()}) == []
