"""The command line on a store of the test's own, in this process and in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.masters import store_in
from tests.shell import shell, shell_without_store, simulator
from tests.terminal import Process

__all__ = ["shell", "shell_without_store", "simulator"]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    """Commands in processes of their own, on a store without keys."""
    store_in(tmp_path)
    return Process(tmp_path)
