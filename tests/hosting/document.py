"""Reads docs/hosting.md: the commands it tells to type and the files it tells to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "hosting.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences. `file` is where a file is to be; empty for commands."""

    section: str
    kind: str
    text: str
    file: str = ""

    @property
    def commands(self) -> list[str]:
        """One for each line; those that are parted into several are put together."""
        whole = self.text.replace("\\\n", " ")
        return [line.strip() for line in whole.splitlines() if line.strip()]


@cache
def blocks() -> tuple[Block, ...]:
    """Every block of the document."""
    return tuple(_blocks(DOCUMENT.read_text(encoding="utf-8")))


def _blocks(text: str) -> Iterator[Block]:
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = section.partition("\n")
        for kind, inside in _BLOCK.findall(rest):
            first = inside.partition("\n")[0]
            file = first.removeprefix("# ") if first.startswith("# /") else ""
            yield Block(name, kind, inside, file)


def section(name: str) -> list[Block]:
    """The blocks below a heading; there have to be some."""
    found = [block for block in blocks() if block.section == name]
    assert found, f"the document has no commands below “{name}”"
    return found
