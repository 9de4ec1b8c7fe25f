"""Counts where a program calls: give it `environment`, and read its `Book` afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
LOCAL = {"127.0.0.1", "::1"}


@dataclass
class Book:
    """What a program that ran with `environment` wrote down."""

    path: Path
    places: set[tuple[str, int]] = field(default_factory=set)
    """Addresses and ports that were called."""
    names: set[str] = field(default_factory=set)
    """Names that were looked up."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make a Python program keep the book."""
        return {"PYTHONPATH": str(HERE), "CENSUS_BOOK": str(self.path)}

    def read(self) -> Book:
        """Read what was written by now."""
        for line in self.path.read_text(encoding="utf-8").splitlines():
            event, where = json.loads(line)
            if event.startswith("socket.get"):
                self.names.add(str(where))
            elif isinstance(where, list):  # not a socket of this machine's own, which is a path
                self.places.add((where[0], where[1]))
        return self
