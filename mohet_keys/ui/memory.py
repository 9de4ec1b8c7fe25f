"""Spares the garbage collector what stays.

Streamlit collects all garbage after each rerun, and to look through everything that was loaded
for good would take longer than the rerun itself.
"""

from __future__ import annotations

import gc
from functools import cache


@cache
def settle(_after: str) -> None:
    """Look no more through what is alive now: once for each thing that loads much to stay."""
    gc.collect()
    gc.freeze()
