"""What an answer says is read out of every envelope, and quoted without anything like a key."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys.answers import (
    EVENTS,
    LONGEST,
    PARTS,
    QUOTED,
    clean,
    codes_of,
    error_of,
    failure_of,
    is_error,
    message_of,
    metadata_of,
    param_of,
    parse,
    quote,
    read,
)

SSE = {"content-type": "text/event-stream"}
HTML = {"content-type": "text/html"}

KINDS: dict[str, tuple[bytes | str, dict[str, str], str]] = {
    "nothing": (b"", {}, "empty"),
    "white space": (" \r\n\t", {}, "empty"),
    "a mark alone": (b"\xef\xbb\xbf", {}, "empty"),
    "an object": ('{"a": 1}', {}, "json"),
    "a text in quotation marks": ('"usage limit"', {}, "json"),
    "a number": ("404", {}, "json"),
    "an object labelled as a page": ('{"a": 1}', HTML, "json"),
    "an object labelled as a stream": ('{"a": 1}', SSE, "json"),
    "a page": ("<!DOCTYPE html><title>x</title>", {}, "html"),
    "a page labelled as JSON": ("<html>", {"content-type": "application/json"}, "html"),
    "words labelled as a page": ("Bad gateway", HTML, "html"),
    "words": ("404 page not found", {}, "text"),
    "events": ('data: {"choices": []}\n\n', {}, "stream"),
    "a comment": (": OPENROUTER PROCESSING\n\n", {}, "stream"),
    "words labelled as a stream": ("hello", SSE, "stream"),
    "lines of JSON": ('{"done": false}\n{"done": true}\n', {}, "stream"),
    "half an object": ('{"a": \n 1', {}, "text"),
    "JSON that is nothing": ("null", {}, "text"),
    "bytes of no encoding": (b"\xff\xfe\x00", {}, "text"),
}


@pytest.mark.parametrize("name", list(KINDS))
def test_the_kind_shows_in_the_body_itself(name: str) -> None:
    """A content type helps where the body leaves it open, and is not believed otherwise."""
    body, headers, kind = KINDS[name]
    assert kind == read(body, headers).kind


def test_text_and_bytes_are_read_alike() -> None:
    """UTF-8 with and without a mark is the same as the text."""
    text = '{"error": {"message": "naïve 私"}}'
    assert read(text, {}) == read(text.encode(), {}) == read(b"\xef\xbb\xbf" + text.encode(), {})


def test_a_page_gives_its_title_and_nothing_else() -> None:
    """The title is the one thing of a page that may be quoted, without its tags."""
    page = "<html><head><title lang=en>\n <b>Sign</b> in </title></head><body>secret</body></html>"
    assert read(page, {}).message == "Sign in"


MESSAGES: dict[str, Any] = {
    "OpenAI": {"error": {"message": "it broke", "type": "t", "param": None, "code": "c"}},
    "a text as the error": {"error": "it broke"},
    "Mistral's gateway": {"message": "it broke", "request_id": "r"},
    "Mistral's service": {"object": "error", "message": "it broke", "type": "t"},
    "FastAPI": {"detail": "it broke"},
    "FastAPI's validation": {"detail": [{"type": "missing", "loc": ["body"], "msg": "it broke"}]},
    "Mistral's validation": {"object": "error", "message": {"detail": [{"msg": "it broke"}]}},
    "an object as the detail": {"detail": {"status": "s", "message": "it broke"}},
    "Google's array": [{"error": {"code": 400, "message": "it broke", "status": "S"}}],
    "xAI": {"code": "Client specified an invalid argument", "error": "it broke"},
    "OAuth": {"error": "invalid_token", "error_description": "it broke"},
    "a code beside the words": {"error": "Unauthorized", "message": "it broke"},
    "Cloudflare": {"success": False, "errors": [{"code": 10000, "message": "it broke"}]},
    "Apigee": {"fault": {"faultstring": "it broke", "detail": {"errorcode": "x"}}},
    "a bare text": "it broke",
    "LiteLLM around FastAPI": {"detail": {"error": {"message": "it broke"}}},
}


@pytest.mark.parametrize("name", list(MESSAGES))
def test_the_message_is_found_in_every_envelope(name: str) -> None:
    """Sixteen ways to say that it broke."""
    assert message_of(MESSAGES[name]) == "it broke"
    assert read(json.dumps(MESSAGES[name]), {}).message == "it broke"


@pytest.mark.parametrize("data", [None, 5, [], {}, [[[[[[["x"]]]]]]], {"choices": []}, True])
def test_where_there_is_no_message_there_is_none(data: Any) -> None:
    """Other shapes, and what is wrapped up too deep, have no message."""
    assert message_of(data) == ""


CODES: dict[str, tuple[Any, set[str]]] = {
    "OpenAI": ({"error": {"code": "Invalid_API_Key", "type": "t"}}, {"invalid_api_key", "t"}),
    "a number": ({"error": {"code": 402}}, {"402"}),
    "Google": (
        {"error": {"code": 400, "status": "INVALID", "details": [{"reason": "API_KEY_INVALID"}]}},
        {"400", "invalid", "api_key_invalid"},
    ),
    "Anthropic": (
        {"type": "error", "error": {"type": "e", "details": {"error_code": "spent"}}},
        {"error", "e", "spent"},
    ),
    "OpenRouter": (
        {"error": {"code": 429, "metadata": {"error_type": "r", "limit_source": "daily"}}},
        {"429", "r", "daily"},
    ),
    "OpenRouter's availability": (
        {"error": {"http_status": 404, "availability": {"code": "no_endpoints"}}},
        {"404", "no_endpoints"},
    ),
    "Mistral": ({"object": "error", "code": "1300", "type": "x"}, {"1300", "x"}),
    "a word as the error": ({"error": "insufficient_scope"}, {"insufficient_scope"}),
    "an object as the detail": ({"detail": {"status": "quota_exceeded"}}, {"quota_exceeded"}),
    "nothing of use": ({"error": {"code": None, "type": "", "status": True, "reason": []}}, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CODES))
def test_every_code_is_found_wherever_it_is(name: str) -> None:
    """Codes, types, statuses and reasons, in lower case, in each vendor's place for them."""
    data, expected = CODES[name]
    assert expected == codes_of(data)


def test_the_innermost_error_is_found() -> None:
    """Parameter and metadata are read off the error, however it is wrapped."""
    error = {"param": "model", "metadata": {"raw": "x"}}
    for data in (error, {"error": error}, [{"error": error}], {"detail": {"error": error}}):
        assert (error, "model", {"raw": "x"}) == (
            error_of(data),
            param_of(data),
            metadata_of(data),
        )
    odd_ones: list[Any] = [None, [], "x", {"error": {"param": 5, "metadata": []}}, [[]]]
    for odd in odd_ones:
        assert (param_of(odd), metadata_of(odd)) == ("", {})


# --- names are no words -----------------------------------------------------------------------

NAMES = ["`key-expired`", "'billing-limit'", '"invalid-key"', "“expired”", "acme/api-key-expired",
         "https://x.example/billing/spend-limit?invalid=key"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_message_is_not_taken_for_what_is_said(name: str) -> None:
    """Names in any quotation marks, with a slash, and links are left out of what rules look at."""
    said = read(json.dumps({"error": f"The model {name} does not exist"}), {})
    assert said.tells("^the model x does not exist$")
    assert not said.tells("expired|billing|invalid")
    assert name in said.message


def test_an_apostrophe_begins_no_name() -> None:
    """Words such as “didn't” stay what they are."""
    said = read('{"error": "You didn\'t provide an API key, and that\'s it"}', {})
    assert said.tells("didn't provide an api key")


# --- streams ----------------------------------------------------------------------------------

STREAMS: dict[str, tuple[str, str, bool]] = {
    "all is well": ('data: {"choices": [{"delta": {}}]}\n\ndata: [DONE]\n\n', "", False),
    "an error of its own": ('data: {"error": {"message": "it broke"}}\n\n', "it broke", False),
    "an error after a piece": (
        'data: {"choices": []}\n\ndata: {"error": "it broke"}\n\n',
        "it broke",
        True,
    ),
    "an error in a choice": (
        'data: {"choices": [{"error": {"message": "it broke"}}]}\n\n',
        "it broke",
        False,
    ),
    "an error over two lines": ('data: {"error":\ndata: "it broke"}\n\n', "it broke", False),
    "without a space": ('data:{"error":"it broke"}\n\n', "it broke", False),
    "with other line ends": ('event: e\r\ndata: {"error": "it broke"}\r\n\r\n', "it broke", False),
    "Groq's own": ('data: {"choices": [], "x_groq": {"error": "it broke"}}\n\n', "it broke", False),
    "a response that failed": (
        'data: {"type": "x", "response": {"error": {"message": "it broke"}}}\n\n',
        "it broke",
        False,
    ),
    "a reason to end": ('data: {"choices": [{"finish_reason": "error"}]}\n\n', "", False),
    "lines of JSON": ('{"response": "a"}\n{"error": "it broke"}\n', "it broke", True),
    "odd payloads": ('data: 5\n\ndata: [1]\n\ndata: {"error": "it broke"}', "it broke", False),
}  # fmt: skip


@pytest.mark.parametrize("name", list(STREAMS))
def test_an_error_in_a_stream_is_found(name: str) -> None:
    """Wherever the vendors put it, and with whether something came before."""
    text, message, begun = STREAMS[name]
    said = read(text, {})
    assert ("stream", message, begun) == (said.kind, said.message, said.begun)
    assert is_error(said) == (name != "all is well")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"error": "x"}, True),
        ({"object": "error", "message": "x"}, True),
        ({"type": "error", "message": "x"}, True),
        ({"success": False, "message": "x"}, True),
        ({"code": 401, "msg": "x", "data": None}, True),
        ({"choices": [{"error": {"message": "x"}}]}, True),
        ({"error": None, "data": []}, False),
        ({"code": 0, "msg": "ok", "data": []}, False),
        ({"code": 401, "msg": "x", "data": [{"id": "m"}]}, False),
        ({"object": "list", "data": []}, False),
        ({"message": "hello"}, False),
        ([{"error": "x"}], False),
    ],
)
def test_an_error_dressed_as_a_success_is_seen(data: Any, expected: bool) -> None:
    """Gateways put errors into a 200 in several ways, and none of them is a list of models."""
    assert expected == is_error(read(json.dumps(data), {}))


def test_a_whole_reply_has_no_failure() -> None:
    """A reply that went well has no part that tells of trouble."""
    assert failure_of({"choices": [{"finish_reason": "stop"}], "error": None}) is None
    assert failure_of(None) is None


# --- quoting ----------------------------------------------------------------------------------

HIDDEN = [
    "sk-proj-0123456789abcdef",
    "gsk_abcd",
    "sk-lm-AbCd1234:0123456789abcdefghij",
    "AIzaSyD-0123456789",
    "AQ.Ab8RN6",
    "Bearer whatever",
    "0123456789abcdef",
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890123456",
    "aB3/xY9+aB3/xY9+aB3/xY9+aB3/",
    "ab12-cd34-ef56-ab12-cd34",
    "sk-ab****wxyz",
    "••••1234",
    "key: hunter2",
    "token=hunter2",
    "API key provided: hunter2",
]


@pytest.mark.parametrize("secret", HIDDEN)
@pytest.mark.parametrize("around", ["{}", "said {} here", "({}).", "“{}”", "\n{}\x00"])
def test_what_looks_like_a_key_is_not_shown(secret: str, around: str) -> None:
    """Prefixes, long words, stars, and what stands behind “key:” become an ellipsis."""
    shown = clean(around.format(secret))
    tail = secret.split()[-1]
    assert tail not in shown
    assert "…" in shown


@pytest.mark.parametrize(
    "words",
    [
        "You do not have access to this model",
        "Only management keys can perform this operation",
        "The model gpt-6.1-terra is not there (HTTP 403), see mistral-medium-latest",
        "no access for letmein-7f3a-91c2",
    ],
)
def test_plain_words_are_shown_as_they_are(words: str) -> None:
    """What looks like no key stays readable."""
    assert words == clean(words)


def test_a_key_cut_in_two_by_the_limit_is_not_shown() -> None:
    """Of a long text no half word at the end is looked at, for half a key looks like none."""
    text = "*** " * ((QUOTED * 8 - 13) // 4) + " abcdefghijk0123456789abcdef"
    assert "abcdefghijk" not in clean(text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("It broke. Call us! Now.", "“It broke”"),
        ("it broke", "“it broke”"),
        ("Version 3.5 is gone: use 4.", "“Version 3.5 is gone: use 4”"),
        ("...", ""),
        ("", ""),
        ("\ud800\x00", ""),
    ],
)
def test_one_sentence_is_quoted(text: str, quoted: str) -> None:
    """An explanation stays short, whatever a provider has to say."""
    assert quoted == quote(text)


@settings(deadline=None, max_examples=300, database=None)
@given(st.text(st.characters(), max_size=400))
def test_a_quotation_is_one_short_printable_line(text: str) -> None:
    """Any text becomes a line that can be shown, stored and sent."""
    shown = clean(text)
    assert len(shown) <= QUOTED
    assert not shown or shown.isprintable()
    assert shown == shown.encode().decode()
    assert shown == " ".join(shown.split())


# --- limits -----------------------------------------------------------------------------------


def test_t29_only_so_much_of_a_body_is_looked_at() -> None:
    """Ten megabytes cost little, and the rest of them is not there."""
    began = time.thread_time()
    said = read(b"x" * (5 * LONGEST), {})
    assert (said.kind, len(said.text)) == ("text", LONGEST)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, "{", "", "nul", '{"a":1}x'])
def test_t29_what_is_no_sensible_json_is_none(text: str) -> None:
    """Too deep, too long a number, cut off: None, and nothing is raised."""
    assert parse(text) is None


@pytest.mark.parametrize("item", ["{}", "[]", '{"a":1}', "1.5", '"x"'])
def test_t29_too_finely_cut_json_is_none(item: str) -> None:
    """JSON that would take a hundred times its size in memory is not parsed; just below it is."""
    room = PARTS // (1 + item.count("{") + item.count(":") + item.count("["))
    assert len(parse(f"[{','.join([item] * (room - 1))}]")) == room - 1
    assert parse(f"[{','.join([item] * (room + 1))}]") is None


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n\r\n"])
def test_an_error_in_a_stream_is_looked_for_in_its_beginning(end: str) -> None:
    """So many events are looked at, and no more; a body of blank lines costs nothing."""
    events = ['{"x": 1}'] * (EVENTS - 1)
    late = '{"error": {"message": "It broke."}}'
    found, missed = (end.join(f"data: {event}" for event in [*events, *more, late])
                     for more in ([], ["{}"]))  # fmt: skip
    assert read(found, {}).message == "It broke."
    assert read(missed, {}).message == ""
    assert read("data: {}" + "\n" * 10**6 + f"data: {late}", {}).message == ""
