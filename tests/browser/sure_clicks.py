"""Clicks that arrive.

Playwright presses where a button is and lets go at the same place. Parts of Streamlit's front end
load when they are first needed, so on a busy machine a button may move between the two by some
pixels: then nothing is clicked, and nothing says so. A person sees that and clicks once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Error, Locator

_TIMES = 4
_WATCH = """element => {
    if (window.pressed) { window.pressed.missed = false; return }
    const pressed = window.pressed = {control: null, missed: false}
    const here = event => {
        if (!pressed.control.isConnected) return false
        const box = pressed.control.getBoundingClientRect()
        return box.left <= event.clientX && event.clientX <= box.right
            && box.top <= event.clientY && event.clientY <= box.bottom
    }
    addEventListener('pointerdown', event => {
        pressed.control = event.target.closest('button, a, [role=tab], [role^=menuitem]')
    }, true)
    addEventListener('pointerup', event => {
        pressed.missed = pressed.control !== null && !here(event)
    }, true)
}"""
"""Notes whether the last press was let go elsewhere: its button had moved away, or was gone."""


@contextmanager
def sure_clicks() -> Iterator[None]:
    """Have every `Locator.click` in the block made again when its button moved away meanwhile."""
    plain = Locator.click

    def click(target: Locator, **options: Any) -> None:
        for _ in range(_TIMES):
            target.evaluate(_WATCH, timeout=options.get("timeout"))
            plain(target, **options)
            if not _missed(target):
                return
        raise AssertionError(f"{target} moves away whenever it is pressed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Locator, "click", click)
        yield


def _missed(target: Locator) -> bool:
    try:
        return bool(target.page.evaluate("() => window.pressed?.missed"))
    except Error:  # the page is another by now, so the click has arrived
        return False
