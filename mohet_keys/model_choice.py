"""Which model a chat through a key uses: the user's own choice, else the recommended one; pure."""

from __future__ import annotations

from dataclasses import dataclass

from mohet_keys.model import KeyEntry, Selection

LONGEST = 200
"""Characters of a model id. The longest known ones have some 80."""
WHOLE_LIST = 500
"""A list of this many models may have been cut, so that one missing in it may be there yet."""


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """The model to send. `gone` is the user's earlier choice, which the provider lists no more."""

    id: str | None
    is_recommended: bool = False
    gone: str | None = None


def model_in_use(entry: KeyEntry, selection: Selection | None) -> ModelInUse:
    """The model for this key. None as its id when nothing was chosen and none is known."""
    models = entry.check.models if entry.check else ()
    best = entry.check.recommended_model if entry.check else None
    chosen = selection.model if selection and selection.key_id == entry.id else None
    if chosen is None:
        return ModelInUse(best, is_recommended=best is not None)
    is_whole = 0 < len(models) < WHOLE_LIST
    if selection and selection.listed and is_whole and chosen not in models:
        return ModelInUse(best, is_recommended=True, gone=chosen)
    return ModelInUse(chosen, is_recommended=chosen == best)


def is_model_id(text: str) -> bool:
    """Whether a typed text can be a model's id: printable, without spaces, not too long."""
    return 0 < len(text) <= LONGEST and all("!" <= character <= "~" for character in text)
