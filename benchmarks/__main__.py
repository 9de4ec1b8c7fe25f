"""`python -m benchmarks [--strict] [NAME ...]`: every row of the table, measured in one run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.row import Row, table

ROOT = Path(__file__).parents[1]
NAMES = ("page", "served", "overview", "check_many", "chat", "sealing", "startup", "crowd")
"""Modules here with `rows(folder)`, in the order of the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the speed beside its floor."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=main.__doc__)
    parser.add_argument("--strict", action="store_true", help="exit 1 when a row is over")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}")
    asked = parser.parse_args(arguments)
    _forget_settings()
    os.chdir(ROOT)  # Streamlit reads the project's settings from there
    rows = [row for name in asked.names or NAMES for row in _measured(name)]
    print(table(rows))
    return int(asked.strict and any(row.over for row in rows))


def _measured(name: str) -> list[Row]:
    """The rows of a benchmark, in a folder that is gone afterwards."""
    print(f"Measuring {name}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mohet-benchmark-") as folder:
        found: list[Row] = import_module(f"benchmarks.{name}").rows(Path(folder))
        return found


def _forget_settings() -> None:
    """No setting of the person who measures reaches what is measured."""
    for name in [name for name in os.environ if name.startswith(("MOHET_", "STREAMLIT_"))]:
        del os.environ[name]


if __name__ == "__main__":
    sys.exit(main())
