"""Acts as a person does: not before the page stands still, and once more when a press slipped off.

A script can act between two frames, and on a busy machine that is too soon. What the running
script still has to say may take back what was typed or chosen a moment ago; and as parts of
Streamlit's front end load when they are first needed, a button may move by some pixels between
press and release: then nothing is clicked, and nothing says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page

_TIMES = 4
_STILL = """async () => {
    const busy = () => {
        const app = document.querySelector('[data-testid=stApp]')
        return app && app.dataset.testScriptState !== 'notRunning'
            && !document.querySelector("[class*='st-key-chat'][class*='stop']")
    }
    const end = performance.now() + 5000
    while (busy() && performance.now() < end) await new Promise(done => setTimeout(done, 20))
}"""
"""Waits for the end of the script, but not of a reply that is there to be stopped."""
_WATCH = """() => {
    if (window.pressed) { window.pressed.missed = false; return }
    const pressed = window.pressed = {control: null, missed: false}
    const here = event => {
        if (!pressed.control.isConnected) return false
        const box = pressed.control.getBoundingClientRect()
        return box.left <= event.clientX && event.clientX <= box.right
            && box.top <= event.clientY && event.clientY <= box.bottom
    }
    addEventListener('pointerdown', event => {
        pressed.control = event.target.closest('button, a, [role^=menuitem]')
    }, true)
    addEventListener('pointerup', event => {
        pressed.missed = pressed.control !== null && !here(event)
    }, true)
}"""
"""Notes whether the last press was let go elsewhere: its button had moved away, or was gone. A tab
opens as soon as it is pressed."""


def look(page: Page) -> None:
    """Wait until the page stands still, for some seconds at most."""
    for _ in range(_TIMES):
        with suppress(Error):  # it leads to another page
            page.evaluate(_STILL)
            return


@contextmanager
def unhurried() -> Iterator[None]:
    """Have all clicks, presses of keys and typing at a `Locator` in the block done in this way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Locator, "click", _sure(Locator.click))
        patch.setattr(Locator, "fill", _looked(Locator.fill))
        patch.setattr(Locator, "press", _looked(Locator.press))
        yield


def _looked(act: Callable[..., None]) -> Callable[..., None]:
    def acting(target: Locator, *args: Any, **options: Any) -> None:
        look(target.page)
        act(target, *args, **options)

    return acting


def _sure(click: Callable[..., None]) -> Callable[..., None]:
    def clicking(target: Locator, **options: Any) -> None:
        for _ in range(_TIMES):
            look(target.page)
            with suppress(Error):
                target.page.evaluate(_WATCH)
            click(target, **options)
            if not _missed(target.page):
                return
        raise AssertionError(f"{target} moves away whenever it is pressed")

    return clicking


def _missed(page: Page) -> bool:
    with suppress(Error):  # if it is another page by now, the click has arrived
        return bool(page.evaluate("() => window.pressed?.missed"))
    return False
