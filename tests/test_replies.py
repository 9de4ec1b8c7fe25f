"""What a reply's events say is read alike, whichever way a provider words them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys.model import Usage
from mohet_keys.replies import Reader, is_same_model, lines_of, written


def event(delta: Any = None, finish: str | None = None, **more: Any) -> str:
    """The data of one event."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "x", "model": "m", "choices": [choice], **more})


def said(text: Any, **more: Any) -> str:
    """An event that adds to the text."""
    return event({"content": text}, **more)


def read(*events: str, reader: Reader | None = None) -> tuple[str, str, Reader]:
    """Text and thoughts of these events, and the reader of them."""
    reader = reader or Reader()
    pieces = [*map(reader.feed, events), reader.close()]
    return "".join(p.text for p in pieces), "".join(p.reasoning for p in pieces), reader


# --- text and thoughts --------------------------------------------------------------------------

TEXTS: dict[str, tuple[Any, tuple[str, str]]] = {
    "a string": ({"content": "Hi"}, ("Hi", "")),
    "nothing": ({"content": None}, ("", "")),
    "no content": ({"role": "assistant"}, ("", "")),
    "null": (None, ("", "")),
    "an empty list": ({"content": []}, ("", "")),
    "pieces": (
        {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
        ("Hi", ""),
    ),
    "strings in a list": ({"content": ["H", "i"]}, ("Hi", "")),
    "a reference": ({"content": [{"type": "reference", "reference_ids": [1]}]}, ("", "")),
    "a thinking piece": (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
        ("", "Hm"),
    ),
    "a plain thinking piece": ({"content": [{"type": "thinking", "thinking": "Hm"}]}, ("", "Hm")),
    "thoughts and text": (
        {"content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}]},
        ("Hi", "Hm"),
    ),
    "reasoning": ({"reasoning": "Hm", "content": ""}, ("", "Hm")),
    "reasoning_content": ({"reasoning_content": "Hm"}, ("", "Hm")),
    "both fields": ({"reasoning": "Hm", "reasoning_content": "Hm"}, ("", "Hm")),
    "an empty and a full one": ({"reasoning": "", "reasoning_content": "Hm"}, ("", "Hm")),
    "reasoning in two shapes": (
        {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
        ("", "Hm"),
    ),
    "details alone": (
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}, {"text": "!"}]},
        ("", "Hm!"),
    ),
    "a refusal": ({"content": None, "refusal": "I may not."}, ("I may not.", "")),
    "numbers": ({"content": 7, "reasoning": 8}, ("", "")),
    "a list": (["Hi"], ("", "")),
}  # fmt: skip


@pytest.mark.parametrize(("delta", "expected"), TEXTS.values(), ids=list(TEXTS))
def test_text_and_thoughts_are_found_in_every_shape(delta: Any, expected: tuple[str, str]) -> None:
    """Wherever a provider puts words and thoughts they are read, and never twice."""
    assert read(event(delta))[:2] == expected


def test_the_pieces_add_up() -> None:
    """Each event gives what is new in it, at once."""
    reader = Reader()
    assert [reader.feed(said(word)).text for word in ("One", " two", " three")] == [
        "One",
        " two",
        " three",
    ]


def test_a_whole_message_counts_once() -> None:
    """A reply in one piece is read; one that only repeats the deltas is not."""
    whole = json.dumps({"choices": [{"message": {"content": "Hi there"}, "finish_reason": "stop"}]})
    assert read(whole)[0] == "Hi there"
    assert read(said("Hi"), said(" there"), whole)[0] == "Hi there"
    both = json.dumps({"choices": [{"delta": {"content": "Hi"}, "message": {"content": "Hi"}}]})
    assert read(both)[0] == "Hi"


def test_other_choices_are_not_mixed_in() -> None:
    """Only the first of several choices is read."""
    two = {"choices": [{"delta": {"content": "Hi"}}, {"delta": {"content": "Ho"}}]}
    assert read(json.dumps(two))[0] == "Hi"


# --- the first words ----------------------------------------------------------------------------

ALOUD: dict[str, tuple[str, tuple[str, str]]] = {
    "thoughts": ("<think>Hm</think>Hi", ("Hi", "Hm")),
    "thoughts and empty lines": ("\n<think>Hm</think>\n\nHi", ("Hi", "Hm")),
    "no thoughts": ("<think></think>Hi", ("Hi", "")),
    "thoughts without an end": ("<think>Hm, so", ("", "Hm, so")),
    "later thoughts": ("Hi <think>Hm</think>", ("Hi <think>Hm</think>", "")),
    "almost thoughts": ("<thing>Hi", ("<thing>Hi", "")),
    "a beginning of thoughts": ("<thi", ("<thi", "")),
    "an end in thoughts": ("<think>a </thin b</think>Hi", ("Hi", "a </thin b")),
    "empty lines": ("\n\nHi\n\n", ("Hi\n\n", "")),
    "an indented line": ("\n    code", ("    code", "")),
    "empty lines alone": ("\n\n", ("", "")),
}


@pytest.mark.parametrize(("text", "expected"), ALOUD.values(), ids=list(ALOUD))
def test_thoughts_said_aloud_are_thoughts(text: str, expected: tuple[str, str]) -> None:
    """The first words are sorted into thoughts and text, however they are cut into events."""
    assert read(said(text))[:2] == expected
    assert read(*map(said, text))[:2] == expected
    for cut in range(len(text)):
        assert read(said(text[:cut]), said(text[cut:]))[:2] == expected


def test_words_do_not_wait_for_a_mark_that_cannot_come() -> None:
    """Text is held back only while it may be the beginning of thoughts."""
    reader = Reader()
    assert reader.feed(said("<thi")).text == ""
    assert reader.feed(said("s")).text == "<this"
    assert reader.feed(said(" <think>")).text == " <think>"


def test_thoughts_come_as_they_are_thought() -> None:
    """Only what may be the end of thoughts waits."""
    reader = Reader()
    assert reader.feed(said("<think>Hm, ")).reasoning == "Hm, "
    assert reader.feed(said("so</th")).reasoning == "so"
    assert reader.feed(said("e")).reasoning == "</the"


# --- characters that were cut -------------------------------------------------------------------


def test_halves_of_a_character_are_joined() -> None:
    """A server that counts in UTF-16 cuts emoji in two; together they are one."""
    events = ['{"choices":[{"delta":{"content":"a\\ud83d"}}]}', said("\ude00b")]
    text, _, reader = read(*events)
    assert text == "a😀b"
    assert reader.feed(events[0]).text == "a"


@pytest.mark.parametrize("lone", ["\ud83d", "a\ud83db", "\ude00\ud83d"])
def test_a_lone_half_becomes_something_that_can_be_shown(lone: str) -> None:
    """What no UTF-8 can hold never comes out."""
    text, thought, reader = read(event({"content": lone, "reasoning": lone}, model=lone))
    for shown in (text, thought, reader.model):
        assert "\ufffd" in shown
        shown.encode()


# --- how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "whole"),
    [
        ([said("Hi"), event({}, "stop"), "[DONE]"], True),
        ([said("Hi"), event({}, "stop")], True),
        ([said("Hi"), event({}, "STOP")], True),
        ([said("Hi"), "[DONE]"], True),
        ([said("Hi"), " [DONE] "], True),
        ([said("Hi")], False),
        ([said("Hi"), event({}, "null")], False),
        ([said("Hi"), event({}, "")], False),
        ([], False),
    ],
)
def test_a_reply_is_whole_when_it_says_so(events: list[str], whole: bool) -> None:
    """A reason, or the mark at the end, makes a reply whole; the mark alone may be missing."""
    assert read(*events)[2].is_complete is whole


def test_where_a_reason_is_always_given_its_absence_tells() -> None:
    """Ollama breaks off without a reason; that is no whole reply, mark or not."""
    reader = read(said("Hi"), "[DONE]", reader=Reader(needs_reason=True))[2]
    assert not reader.is_complete
    reader = read(said("Hi"), event({}, "stop"), reader=Reader(needs_reason=True))[2]
    assert reader.is_complete


@pytest.mark.parametrize("reason", ["length", "model_length", "max_tokens"])
def test_too_long_is_told_apart(reason: str) -> None:
    """A reply that may not be longer is whole, and said to be too long."""
    reader = read(said("Hi"), event({}, reason))[2]
    assert (reader.is_complete, reader.is_too_long) == (True, True)


def test_what_comes_behind_the_end_is_not_read() -> None:
    """Neither after the mark nor after an error does anything belong to the reply."""
    assert read(said("Hi"), "[DONE]", said("!"))[0] == "Hi"
    assert read(said("Hi"), '{"error": "x"}', said("!"))[0] == "Hi"


ERRORS: dict[str, str] = {
    "an object": '{"error": {"message": "Overloaded", "type": "server_error"}}',
    "a text": '{"error": "Overloaded"}',
    "beside an empty choice": '{"choices": [], "error": {"message": "Overloaded"}}',
    "inside a choice": '{"choices": [{"delta": {}, "error": {"message": "Overloaded"}}]}',
    "a reason alone": '{"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}',
    "groq's own": '{"choices": [{"delta": {}}], "x_groq": {"id": "r", "error": "Overloaded"}}',
    "a kind of object": '{"object": "error", "message": "Overloaded", "code": "1"}',
    "in a list": '[{"error": {"message": "Overloaded"}}]',
}


@pytest.mark.parametrize("payload", ERRORS.values(), ids=list(ERRORS))
def test_an_error_inside_of_a_stream_is_an_error(payload: str) -> None:
    """However it is wrapped up, it ends the reply, which is then not whole."""
    text, _, reader = read(said("Hi"), payload)
    assert (text, reader.is_over, reader.is_complete) == ("Hi", True, False)
    assert reader.error


@pytest.mark.parametrize(
    "data", ['{"message": "Overloaded"}', "Overloaded", '{"error": {"message": "Overloaded"}}']
)
def test_an_event_named_error_is_one(data: str) -> None:
    """The name of the event says it, whatever its data looks like."""
    reader = Reader()
    reader.feed(data, "error")
    assert "Overloaded" in written(reader.error)


@pytest.mark.parametrize(
    "payload",
    ['{"error": null, "choices": []}', '{"error": "", "choices": []}', said("error: none")],
)
def test_no_error_is_no_error(payload: str) -> None:
    """An empty field, and the word in a text, end nothing."""
    assert not read(payload)[2].is_over


# --- who answers, and what it takes -------------------------------------------------------------

TOKENS = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@pytest.mark.parametrize(
    "events",
    [
        [said("Hi", usage=None), event({}, "stop"), json.dumps({"choices": [], "usage": TOKENS})],
        [said("Hi"), event({}, "stop", usage=TOKENS)],
        [said("Hi"), event({}, "stop", x_groq={"id": "r", "usage": {**TOKENS, "queue_time": 1}})],
        [said("Hi", usage=TOKENS), event({}, "stop", usage=None)],
        [said("Hi"), event({}, "stop"), json.dumps({"usage": TOKENS})],
    ],
)
def test_usage_is_found_in_every_place(events: list[str]) -> None:
    """On the last chunk, in one of its own, or in the provider's own field."""
    assert read(*events)[2].usage == Usage(7, 2, 9)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({}, None),
        ({"prompt_tokens": None}, None),
        ({"prompt_tokens": True, "total_tokens": -1}, None),
        ({"completion_tokens": "2"}, None),
        ({"completion_tokens": 2}, Usage(None, 2, None)),
        ({"total_tokens": 10**30}, None),
        ([1], None),
    ],
)
def test_odd_counts_are_left_out(told: Any, usage: Usage | None) -> None:
    """What is no count of tokens is not shown as one."""
    assert read(event({}, "stop", usage=told))[2].usage == usage


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-oss-20b", "openai/gpt-oss-20b", True),
        ("openai/gpt-oss-20b", "openai/gpt-oss-20b:2", True),
        ("llama3.2", "llama3.2:latest", True),
        ("qwen3:8b", "qwen3:14b", False),
        ("openrouter/auto", "anthropic/claude-sonnet-5", False),
        ("m", "", True),
    ],
)
def test_another_model_is_told_from_a_fuller_name(asked: str, answered: str, same: bool) -> None:
    """A date or the number of a copy makes no other model; another size does."""
    assert is_same_model(asked, answered) is same


# --- hostile events -----------------------------------------------------------------------------

NONSENSE = [
    "",
    " ",
    "null",
    "7",
    '"text"',
    "[]",
    "[[[]]]",
    "{",
    "[" * 100_000,
    '{"choices":' * 5000,
    '{"choices": {}}',
    '{"choices": [null]}',
    '{"choices": [[]]}',
    '{"choices": [{"delta": {"content": {"deep": {}}}}]}',
    '{"choices": [{"delta": {"content": [[[[["x"]]]]]}}]}',
    '{"choices": [{"delta": {"content": ' + "[" * 500 + "]" * 500 + "}}]}",
    '{"choices": [{"finish_reason": {"a": 1}}]}',
    '{"model": 7, "usage": "x", "x_groq": [], "choices": []}',
    '{"created": ' + "9" * 5000 + "}",
    '{"usage": {"total_tokens": NaN}}',
    '{"error": ' + '{"error": ' * 900 + "1" + "}" * 901,
    "\x00\ud800",
]


@pytest.mark.parametrize("data", NONSENSE)
@pytest.mark.parametrize("name", ["message", "error", ""])
def test_t29_nonsense_is_read_over(data: str, name: str) -> None:
    """Nothing that a server can write raises, nor does it become text."""
    reader = Reader()
    assert reader.feed(data, name) == ("", "")
    written(reader.error).encode("utf-8", "surrogatepass")
    assert read(reader=reader)[:2] == ("", "")


NAMES = st.sampled_from(
    [
        "choices", "delta", "message", "content", "reasoning", "reasoning_details", "text", "error",
        "thinking", "usage", "x_groq", "finish_reason", "model", "type", "code", "response",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(events=st.lists(JSON.map(json.dumps) | st.text(max_size=40), max_size=6))
def test_t29_no_events_at_all_break_the_reader(events: list[str]) -> None:
    """For all events: text comes out that can be shown, and nothing raises."""
    text, thought, reader = read(*events)
    (text + thought + reader.model).encode()
    written(reader.error)


def test_payloads_that_stand_together_are_read_one_by_one() -> None:
    """A server that forgets the blank line between two events is understood."""
    assert read(said("Hi") + "\n" + said(" there") + "\n[DONE]")[0] == "Hi there"


def test_a_stream_under_another_name_is_read() -> None:
    """The lines of a body that is a stream are found whatever its type says."""
    body = f": ping\n\ndata: {said('Hi')}\n\ndata:{event({}, 'stop')}\r\n\r\ndata: [DONE]\n\n"
    text, _, reader = read(*lines_of(body))
    assert (text, reader.is_complete) == ("Hi", True)


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_only_the_ends_of_lines_end_lines(odd: str) -> None:
    """What JSON may hold as it is, and Python calls an end of a line, cuts no event in two."""
    body = f'data: {{"choices": [{{"delta": {{"content": "a{odd}b"}}}}]}}\r\rdata: [DONE]'
    lines = list(lines_of(body))
    assert (len(lines), lines[1]) == (2, "[DONE]")
    assert f"a{odd}b" in lines[0]


def test_t27_an_endless_body_has_so_many_lines() -> None:
    """Of a million lines of data a part is read, and none is split off before it is needed."""
    assert sum(1 for _ in lines_of("data:\n" * 200_000)) == 20_000
    assert list(lines_of("xdata: a\n data: b\ndata: c")) == ["c"]
