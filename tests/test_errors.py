"""The error family: its drawing and the classes are one and the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args

import pytest

from mohet_keys import errors
from mohet_keys.errors import (
    ConflictError,
    InputError,
    MohetError,
    NotFoundError,
    TransportError,
    TransportKind,
)

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def drawn(text: str) -> list[tuple[int, str]]:
    """The names in the tree of the docstring, each with how deep it stands."""
    found = re.findall(r"^    ([│ ]*)(├── |└── )?([A-Z]\w+Error)\b", text, re.MULTILINE)
    return [((len(bars) + len(branch)) // 4, name) for bars, branch, name in found]


def defined(base: type[MohetError], depth: int = 0) -> list[tuple[int, str]]:
    """The same of the classes, in the order in which they are written."""
    inner = [each for child in base.__subclasses__() for each in defined(child, depth + 1)]
    ours = base.__module__ == errors.__name__
    return [(depth, base.__name__), *inner] if ours else inner


def test_the_tree_drawn_is_the_tree_defined() -> None:
    """Who reads the docstring knows every error, where it stands, and nothing that is not."""
    assert drawn(errors.__doc__ or "") == defined(MohetError)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    ├── RefusedError  ", "    ├── RefusalError  "),
        ("    │   └── SealError ", "    ├── SealError     "),
        ("    ├── NotFoundError ", "        NotFoundErrors"),
    ],
)
def test_a_wrong_drawing_is_noticed(old: str, new: str) -> None:
    """The twin: a name, a place or a line that is not right makes another tree."""
    text = errors.__doc__ or ""
    assert old in text
    assert drawn(text.replace(old, new)) != defined(MohetError)


def family() -> list[type[MohetError]]:
    """Every error of the family."""
    return [getattr(errors, name) for _, name in defined(MohetError)]


def test_each_error_has_a_code_of_its_own() -> None:
    """A script tells the errors apart by their codes, and those are plain words."""
    codes = [error.code for error in family()]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


def test_a_form_gets_every_refusal_at_its_field() -> None:
    """One error carries what was wrong with the other fields too."""
    whole = InputError("name", "No name.", (InputError("secret", "No key."),))
    assert whole.by_field() == {"name": "No name.", "secret": "No key."}
    assert str(whole) == "No name."


def test_a_missing_key_says_nothing_of_whose_it_is() -> None:
    """There is one sentence for what is not there and for what is somebody else's."""
    with pytest.raises(TypeError):
        NotFoundError("k1")  # type: ignore[call-arg]
    assert str(NotFoundError()) == "There is no such key. It may have been deleted."


def test_a_conflict_says_who_and_when() -> None:
    """The second editor learns whose change came first."""
    conflict = ConflictError("Prod", "ada@example.com", AT)
    assert (conflict.name, conflict.changed_by, conflict.changed_at) == (
        "Prod",
        "ada@example.com",
        AT,
    )
    assert str(conflict) == "“Prod” was changed by ada@example.com in the meantime."


@pytest.mark.parametrize("kind", get_args(TransportKind))
def test_a_failed_request_has_a_kind(kind: TransportKind) -> None:
    """Each kind stands alone or with a host."""
    assert str(TransportError(kind)) == kind
    assert str(TransportError(kind, "api.openai.com")) == f"{kind}: api.openai.com"
