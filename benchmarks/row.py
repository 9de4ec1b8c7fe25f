"""One line of the table: what was measured, beside its floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """A measured time and its floor, in seconds. `most` is the promised ratio, if there is one."""

    what: str
    ours: float
    floor: float
    floor_is: str
    most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the floor it takes."""
        return self.ours / self.floor

    @property
    def over(self) -> bool:
        """Whether it takes longer than promised."""
        return self.most is not None and self.ratio > self.most

    def cells(self) -> tuple[str, ...]:
        """The line's columns."""
        limit = f"at most {self.most:.2f}" if self.most is not None else ""
        verdict = ("OVER" if self.over else "ok") if self.most is not None else ""
        floor = f"{self.floor_is} {_time(self.floor)}"
        return self.what, _time(self.ours), floor, f"{self.ratio:.2f} ×", limit, verdict, self.note


def table(rows: Sequence[Row]) -> str:
    """The lines, their columns aligned."""
    cells = [row.cells() for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(" | ".join(padded).rstrip(" |"))
    return "\n".join(lines)


def middle(times: Sequence[float]) -> float:
    """What one run takes: the median, which a moment of somebody else's work does not move."""
    return median(times)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.5 else f"{seconds:.3f} s"
