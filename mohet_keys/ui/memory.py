"""Spares the garbage collector what stays.

Loading makes hundreds of thousands of things and hardly any garbage, and the collector would look
through them again and again. Streamlit collects all garbage after each rerun, and to look through
everything that was loaded for good would take longer than the rerun itself.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def loading() -> Iterator[None]:
    """Collect nothing inside of the block, and look no more through what is alive at its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@cache
def settle(_after: str) -> None:
    """Look no more through what is alive now: once for each thing that loads much to stay."""
    gc.collect()
    gc.freeze()
