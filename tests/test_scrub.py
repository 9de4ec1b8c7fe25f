"""A secret is taken out of what a server says, and nothing else is."""

from __future__ import annotations

import base64
import html
import itertools
import json
from collections.abc import Iterable
from urllib.parse import quote

import pytest
from hypothesis import assume, given
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
def test_t30_a_secret_goes_in_every_form(said: str) -> None:
    """As it is, reversed, in hex or in base64, nothing is left that a leak scan finds."""
    scrubber = Scrubber(SECRET)
    for text in (scrubber.text(f"<{said}>"), scrubber.raw(f"<{said}>".encode()).decode()):
        assert REMOVED in text
        assert scan(SECRET, {"text": text.encode()}) == []


@given(secret=SECRETS, before=st.text(max_size=5), behind=st.text(max_size=5))
def test_t30_any_secret_goes_however_it_is_escaped(secret: str, before: str, behind: str) -> None:
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


# --- a text in pieces ---------------------------------------------------------------------------


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    """The text cut at these places, in whatever order they are given."""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(places)]


def streamed(scrubber: Scrubber, pieces: Iterable[str]) -> str:
    """What comes out of the pieces, put together."""
    stream = scrubber.stream()
    return "".join(map(stream.feed, pieces)) + stream.end()


FORMS = [SECRET, SECRET[::-1], SECRET.encode().hex(), base64.b64encode(SECRET.encode()).decode()]


@pytest.mark.parametrize("form", FORMS)
def test_t30_a_secret_that_is_cut_anywhere_goes(form: str) -> None:
    """Cut in two at every place, or into single characters, a secret does not come through."""
    text = f"Your key is {form}, is it not?"
    halves = ((text[:cut], text[cut:]) for cut in range(len(text) + 1))
    for pieces in (*halves, tuple(text)):
        said = streamed(Scrubber(SECRET), pieces)
        assert scan(SECRET, {"said": said.encode()}) == []
        assert said == streamed(Scrubber(SECRET), [text])
    assert said.startswith("Your key is [key removed]")


def test_t30_pieces_looked_at_one_by_one_would_let_it_through() -> None:
    """The twin: without memory for what came before, a cut secret is not found."""
    text = f"Your key is {SECRET}."
    one_by_one = "".join(map(Scrubber(SECRET).text, (text[:30], text[30:])))
    assert scan(SECRET, {"said": one_by_one.encode()}) != []


@given(
    secret=st.text("ab-", min_size=4, max_size=10),
    words=st.lists(st.sampled_from(["a", "b", "-", " ", "ab", "KEY", "YEK"]), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_pieces_come_out_as_the_whole_would(secret: str, words: list[str], cuts: list[int]) -> None:
    """However a text is cut, the same comes out, also where a secret repeats itself."""
    text = "".join(words).replace("KEY", secret).replace("YEK", secret[::-1])
    scrubber = Scrubber(secret)
    assert streamed(scrubber, pieces_of(text, cuts)) == streamed(scrubber, [text])


@given(text=st.text(max_size=80), cuts=st.lists(st.integers(0, 80), max_size=6))
def test_a_text_without_the_secret_comes_through_whole(text: str, cuts: list[int]) -> None:
    """Nothing is lost or added, whatever the secret and the pieces."""
    for secret in (SECRET, "hunter2", "abc", "", None):
        assume(not secret or secret not in text)
        assert streamed(Scrubber(secret), pieces_of(text, cuts)) == text


def test_only_what_could_become_the_secret_waits() -> None:
    """Plain words come out at once, and no more is held back than the secret is long."""
    stream = Scrubber(SECRET).stream()
    assert stream.feed("Not a word of it") == "Not a word of it"
    assert stream.feed("the end: sk-or") == "the end: "
    assert stream.feed("igami") == "sk-origami"
    assert stream.feed(SECRET[:-1]) == ""
    assert stream.feed("!") == f"{SECRET[:-1]}!"
    assert stream.end() == ""


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["it is hun", "ter2."], "it is [key removed]."),
        (["hunter", "2"], "[key removed]"),
        (["hunter2", "000 is another"], "hunter2000 is another"),
        (["a-", "hunter2 "], "a-hunter2 "),
        (["x", "hunter2 "], "xhunter2 "),
        (["hunter2 ", "hunter2"], "[key removed] [key removed]"),
    ],
)
def test_a_short_secret_goes_as_a_word(pieces: list[str], said: str) -> None:
    """What stands before and behind it counts, also across the pieces."""
    assert streamed(Scrubber("hunter2"), pieces) == said


def test_the_stream_scrubber_does_not_show_its_secret() -> None:
    """Its repr is dull, whatever it holds back."""
    stream = Scrubber(SECRET).stream()
    stream.feed(SECRET[:20])
    assert scan(SECRET, {"repr": repr(stream).encode()}) == []
