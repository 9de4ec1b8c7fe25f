"""The door to the product: in earnest, or as the demo where the settings say so.

What the demo is made of is read only when there is one.
"""

from __future__ import annotations

from mohet_keys import wiring
from mohet_keys.errors import StoreError
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts

NOT_STARTED = "The demo cannot be started: {problem}. It needs a little room for temporary files."


def build(settings: Settings | None = None) -> Parts:
    """The product of these settings, or of the environment's.

    With `MOHET_DEMO` it is the demo's: made-up keys in a store of its own, deleted when the parts
    are closed. Raises like `wiring.build`, and StoreError when the demo cannot be started.
    """
    settings = settings or Settings()
    if not settings.demo:
        return wiring.build(settings)
    from mohet_keys import demo_stage

    try:
        return demo_stage.begin(settings)
    except OSError as error:
        raise StoreError(NOT_STARTED.format(problem=error.strerror or "no reason given")) from None


def visited(parts: Parts) -> None:
    """Say that somebody looks at the demo. Does nothing to the product in earnest."""
    from mohet_keys.demo_stage import DemoParts

    if isinstance(parts, DemoParts):
        parts.visited()
