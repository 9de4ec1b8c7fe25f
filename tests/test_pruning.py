"""What is no longer kept goes a little at a time, so that nobody waits long for their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from mohet_keys import pruning
from mohet_keys.repository import Repository
from mohet_keys.tables import USE
from mohet_keys.uses import Spent
from tests.places import Place
from tests.statements import statements
from tests.test_history import DAY, NOW, check
from tests.test_repository import ME, put

STEP = 3
OLD = 2 * STEP + 1
"""Lines that take three steps."""


@pytest.fixture
def store(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A store of one key that was checked and used every day, in another hour each."""
    monkeypatch.setattr(pruning, "AT_ONCE", STEP)
    repository = place.opened()
    entry = put(repository)
    for day in range(OLD + 1):
        check(repository, entry, at=NOW - DAY * day)
        repository.uses.count(entry.id, ME, NOW - DAY * day, Spent())
    yield repository
    repository.close()


Pruning = Callable[[Repository], int]
PRUNED: dict[str, Pruning] = {
    "checks": lambda store: store.history.prune(NOW - timedelta(hours=12)),
    "use": lambda store: store.uses.prune(NOW.date()),
}


@pytest.mark.parametrize("kind", PRUNED)
def test_many_go_in_several_transactions(store: Repository, kind: str) -> None:
    """Each takes no more than a step, and what is to be kept is kept."""
    with statements() as made:
        assert PRUNED[kind](store) == OLD
    steps = [
        each
        for each in made
        if each.startswith(("DELETE FROM daily_use", "DELETE FROM check_history"))
    ]
    assert len(steps) == 3
    assert all("LIMIT" in each for each in steps)
    assert PRUNED[kind](store) == 0


def test_one_that_was_stopped_goes_on(store: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went is gone, and the rest goes the next time."""
    real, turns = store._database.writing, iter((True, False))

    def writing() -> object:
        if not next(turns):
            raise KeyboardInterrupt
        return real()

    with monkeypatch.context() as stopped:
        stopped.setattr(store._database, "writing", writing)
        with pytest.raises(KeyboardInterrupt):
            pruning.prune(store._database, USE, USE.c.day < NOW.date().isoformat())
    assert PRUNED["use"](store) == OLD - STEP
