"""The machine that the document was followed on, once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.hosting.machine import Machine, deployed
from tests.team import allow


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Two processes, PostgreSQL and nginx, as the document has them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        with deployed(tmp_path_factory.mktemp("machine")) as running:
            yield running


@pytest.fixture(scope="package")
def simulator() -> Iterator[Simulator]:
    """The six providers, in which a chat takes its time."""
    with Simulator() as running:
        running.world.pace = 0.3
        yield running


@pytest.fixture
def parts(machine: Machine) -> Iterator[Parts]:
    """The same store, where Ada and Grace came before, and the simulator may be asked."""
    with closing(machine.parts()) as opened:
        for who in ("ada", "grace"):
            opened.repository.people.arrived(
                f"{who}@example.com",
                who.title(),
                datetime.now(UTC),
                administrator=who == "grace",
            )
        allow(opened.repository, "127.0.0.1")
        yield opened
