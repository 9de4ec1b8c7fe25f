"""Every threat case has a test named after it, or a word in the documents why it has none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SECURITY = TESTS.parent / "docs" / "security.md"
HEADING = "Not tested, and why"

CASES = range(1, 61)
"""The numbers of the cases."""

_NAME = re.compile(r"test_((?:t\d\d_)+)")
_SPAN = re.compile(r"T(\d\d)(?:\s*(?:to|–|-)\s*T?(\d\d))?")


def named(source: str) -> set[int]:
    """The cases that the test functions of a text are named after."""
    names = (
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    found = (_NAME.match(name) for name in names)
    return {int(number) for name in found if name for number in re.findall(r"\d\d", name[1])}


def excused(text: str) -> set[int]:
    """The cases that a list below the heading names: `- T39: …` or `- T43 to T48: …`."""
    _, _, behind = text.partition(HEADING)
    section = re.split(r"^#", behind, maxsplit=1, flags=re.MULTILINE)[0]
    found: set[int] = set()
    for line in re.findall(r"^[-*] (T\d\d[^:]*):", section, re.MULTILINE):
        for first, last in _SPAN.findall(line):
            found.update(range(int(first), int(last or first) + 1))
    return found


def all_named() -> set[int]:
    """The cases that any file of the tests has a test for."""
    sources = (path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("test_*.py")))
    return set().union(*map(named, sources))


@pytest.fixture(scope="module")
def known() -> set[int]:
    """The cases that are tested, and those that the document says why they are not."""
    text = SECURITY.read_text(encoding="utf-8") if SECURITY.is_file() else ""
    return all_named() | excused(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"t{case:02}")
def test_a_case_has_its_test(known: set[int], case: int) -> None:
    """There is a test of this number, or a reason why there is none."""
    assert case in known, f"name a test after T{case:02}, or say why not in {SECURITY.name}"


def test_names_are_read_off() -> None:
    """One number or several, in plain and in async tests; a number elsewhere is no case."""
    source = (
        "def test_t19_t20_a():\n    def test_t21_inside(): ...\n"
        "async def test_t33_b(): ...\n"
        "def test_a_t34(): ...\ndef helper_t35_a(): ...\nx = 'def test_t36_c'\n"
    )
    assert named(source) == {19, 20, 21, 33}


def test_reasons_are_read_off() -> None:
    """Single cases and spans of them, in this one list and nowhere else."""
    text = (
        f"- T01: before\n### {HEADING}\n\n- T43 to T45: people\n- T47, T58: more\n* T60–T61: x\n"
        "T02: no item\n- say T03: no\n### Next\n- T04: behind\n"
    )
    assert excused(text) == {43, 44, 45, 47, 58, 60, 61}
    assert excused("- T05: nowhere") == set()
