"""The key and the model that this visitor chats with, read from the store at each run."""

from __future__ import annotations

from dataclasses import dataclass

from mohet_keys.errors import NotFoundError
from mohet_keys.model import KeyEntry, Selection
from mohet_keys.model_choice import ModelInUse, model_in_use
from mohet_keys.ui import resources


@dataclass(frozen=True, slots=True)
class Chosen:
    """A selected key with its model."""

    entry: KeyEntry
    selection: Selection
    model: ModelInUse

    @property
    def mark(self) -> tuple[object, ...]:
        """Differs as soon as anything that the chat shows of the key does."""
        check = self.entry.check
        said = (check.diagnosis, check.proven) if check else None
        locked, held = self.entry.locked, self.entry.looks_like
        return (self.entry.id, self.entry.version, self.model, said, locked, held)


def chosen() -> Chosen | None:
    """The present selection; None when there is none."""
    keys, owner = resources.keys(), resources.owner()
    selection = keys.selection(owner=owner)
    if selection is None:
        return None
    try:
        entry = keys.entry(selection.key_id, owner=owner)
    except NotFoundError:
        return None  # deleted between the two questions
    return Chosen(entry, selection, model_in_use(entry, selection))
