"""Replies: pictures load nothing, links tell where they lead, code stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys.ui.reply_text import reply


def shown(text: str) -> str:
    """The reply without the invisible marks."""
    return reply(text).replace("\u2060", "")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("see ![a cat](https://evil.example/x.png) there", "see a cat there"),
        ("![](https://evil.example/x.png)", "picture"),
        ("![alt][ref]\n\n[ref]: https://evil.example/x.png", "alt\n\n[ref]: https://evil.example/x.png"),
        ("[docs](https://docs.example/a)", "[docs](https://docs.example/a) (docs.example)"),
        ('[a](<https://h.example/x> "t")', '[a](<https://h.example/x> "t") (h.example)'),
        ("[a](https://h.example/x_(y))", "[a](https://h.example/x_(y)) (h.example)"),
        ("[click](javascript:alert(1))", "[click](javascript:alert(1))"),
        ("[b.example](https://evil.example)", "[b.example](https://evil.example) (evil.example)"),
        ("it costs $5 or $10, $x^2$ is a formula", r"it costs \$5 or \$10, $x^2$ is a formula"),
        ("plain **bold** and 2 < 3", "plain **bold** and 2 < 3"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
    ],
)  # fmt: skip
def test_t31_what_is_shown(said: str, expected: str) -> None:
    """Pictures become their alt text, links are followed by their host, the rest stays."""
    assert shown(said) == expected


@pytest.mark.parametrize(
    "code",
    [
        "`![x](https://evil.example/x.png)`",
        "```\n![x](https://evil.example/x.png)\n[a](https://b.example)\n```",
        "~~~python\nprint('![x](y)')\n~~~",
        "``a ` ![x](y) ``",
        "- item\n  ```\n  ![x](y)\n  ```",
        "text\n\n```python\nx = '![' # not closed yet",
    ],
)
def test_code_is_left_alone(code: str) -> None:
    """What stands in code is shown to the letter."""
    assert reply(code) == code


@pytest.mark.parametrize(
    "said",
    [
        "![cut](https://evil.example/x.p",
        "![a [nested] b](https://evil.example/x.png)",
        "`not closed ![x](https://evil.example/x.png)",
        "a ` b\n\n` ![x](https://evil.example/x.png)",
        ":material/home: :streamlit: :red[danger] :blue-badge[x]",
        "[x](//evil.example)",
        "[x](data:text/html,hi)",
        "[x][ref]\n[ref]: https://evil.example",
    ],
)
def test_t31_odd_forms_are_broken_and_not_trusted(said: str) -> None:
    """What is not read for sure is kept from being a picture, a link or a directive."""
    out = reply(said)
    assert "![" not in out
    assert "](//" not in out
    assert "](data" not in out
    assert ":material/" not in out
    assert ":red[" not in out
    assert "]: " not in out


@given(st.text(alphabet="![]()`~:\n ahtps/.<>\"'ö", max_size=80))
def test_t31_no_picture_ever_stands_in_prose(said: str) -> None:
    """Whatever a model writes, no picture is left outside of code, and nothing breaks."""
    out = reply(said)
    if "`" not in said and "~" not in said:
        assert "![" not in out


@given(st.text(alphabet="![a](https://b.c/d)`\n", max_size=60))
def test_t31_streaming_never_shows_a_picture_on_the_way(said: str) -> None:
    """Each beginning of a reply is as harmless as the whole."""
    for end in range(len(said)):
        if "`" not in said[:end]:
            assert "![" not in reply(said[:end])
