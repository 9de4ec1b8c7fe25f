"""Writes the floor of a page: a flat script of the same Streamlit calls, with constants.

One run of the real page is listened to, and each call to Streamlit is written down as a line with
the values it had. So the floor follows the page when that changes, and `assert_same` holds that
both draw the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from benchmarks.visitor import Run, Visitor

_SETUP = ("set_page_config", "navigation", "logo")
"""Functions of Streamlit that draw and are no methods of a container."""
_TOP = """import streamlit as st


def idle(*_: object) -> None:
    pass


"""


def write(visitor: Visitor, folder: Path) -> None:
    """Write what draws the same as the visitor's next run: `shell.py`, and a file each page."""
    recorder = _Recorder(folder)
    with recorder.listening():
        visitor.run()
    recorder.save()


def assert_same(real: Run, floor: Run) -> None:
    """Hold that both runs drew the same kinds of elements, in the same places and words."""
    ours, theirs = _drawn(real), _drawn(floor)
    assert len(ours) == len(theirs), f"{len(ours)} elements against {len(theirs)} on the floor"
    for one, other in zip(ours, theirs, strict=True):
        assert one == other, f"The page draws {one} and the floor {other}."


def _drawn(run: Run) -> list[tuple[tuple[int, ...], str, str]]:
    """Each element as its place, its kind and its text."""
    found = []
    for place, delta in run.deltas():
        element, block = delta.new_element, delta.add_block
        kind = element.WhichOneof("type") or block.WhichOneof("type") or "block"
        found.append((place, kind, element.markdown.body))
    return found


class _Recorder:
    """Listens to one script run and keeps it as Python text, a file for the shell and each page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[str]] = {"shell.py": []}
        self._open = ["shell.py"]
        self._depth = {"shell.py": 0}
        self._names: dict[int, str] = {}
        self._kept: list[object] = []
        self._inside = False

    def save(self) -> None:
        """Write the files."""
        for name, lines in self._files.items():
            (self._folder / name).write_text(_TOP + "\n".join(lines) + "\n")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Write down every call to Streamlit while the block lasts."""
        with ExitStack() as patches:
            for owner, name, prefix in _targets():
                listener = self._listener(getattr(owner, name), name, prefix)
                patches.enter_context(patch.object(owner, name, listener))
            self._listen_to_blocks(patches)
            yield

    def _listen_to_blocks(self, patches: ExitStack) -> None:
        enter, leave, run = DeltaGenerator.__enter__, DeltaGenerator.__exit__, Page.run

        def entering(block: DeltaGenerator) -> None:
            self._begin(f"with {self._name(block)}:")
            enter(block)

        def leaving(block: DeltaGenerator, *error: Any) -> Any:
            self._end()
            return leave(block, *error)

        def running(page: Page) -> None:
            name = self._page_file(page)
            self._say(f"{self._name(page)}.run()")
            self._open.append(name)
            run(page)
            self._open.pop()

        patches.enter_context(patch.object(DeltaGenerator, "__enter__", entering))
        patches.enter_context(patch.object(DeltaGenerator, "__exit__", leaving))
        patches.enter_context(patch.object(Page, "run", running))

    def _listener(self, call: Callable[..., Any], name: str, prefix: str) -> Callable[..., Any]:
        def listener(*args: Any, **kwargs: Any) -> Any:
            if self._inside:  # Streamlit itself calls its public methods
                return call(*args, **kwargs)
            self._inside = True
            try:
                result = call(*args, **kwargs)
            finally:
                self._inside = False
            owner, rest = (prefix, args) if prefix else (self._name(args[0]), args[1:])
            self._call(f"{owner}.{name}", rest, kwargs, result)
            return result

        return listener

    # --- writing ---------------------------------------------------------------------------------

    def _call(self, what: str, args: Any, kwargs: dict[str, Any], result: object) -> None:
        args, kwargs = _formatted(args, kwargs)
        given = [self._literal(value) for value in args]
        given += [f"{name}={self._literal(value)}" for name, value in kwargs.items()]
        variable = f"v{len(self._kept)}"
        self._keep(result, variable)
        given += [f"default={tab!r}" for tab in _open_tab(what, args, result)]
        self._say(f"{variable} = {what}({', '.join(given)})")

    def _keep(self, result: object, name: str) -> None:
        """Remember what a call gave, so that later lines can name it."""
        self._kept.append(result)  # alive, so that no other object gets its id
        self._names[id(result)] = name
        if isinstance(result, (list, tuple)):
            for place, part in enumerate(result):
                self._names[id(part)] = f"{name}[{place}]"

    def _name(self, thing: object) -> str:
        return self._names.get(id(thing)) or {id(st.sidebar): "st.sidebar"}[id(thing)]

    def _literal(self, value: Any) -> str:
        if isinstance(value, (DeltaGenerator, Page)):
            return self._name(value)
        if isinstance(value, Path) or (isinstance(value, str) and value.endswith(".py")):
            return repr(str(self._folder / self._open_file(Path(value).name)))
        if isinstance(value, (str, bytes, int, float, bool, type(None))):
            return repr(value)
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self._literal, value))}]"
        if isinstance(value, dict):
            return repr({str(key): str(item) for key, item in value.items()})
        return "idle" if callable(value) else repr(type(value).__name__)

    def _say(self, line: str) -> None:
        name = self._open[-1]
        self._files[name].append("    " * self._depth[name] + line)

    def _begin(self, line: str) -> None:
        self._say(line)
        self._depth[self._open[-1]] += 1

    def _end(self) -> None:
        name = self._open[-1]
        if self._files[name][-1].endswith(":"):
            self._say("pass")
        self._depth[name] -= 1

    def _page_file(self, page: Page) -> str:
        path = page._page
        return self._open_file(path.name)

    def _open_file(self, name: str) -> str:
        """Have a file for this page; Streamlit wants even those to be there that do not run."""
        self._files.setdefault(name, [])
        self._depth.setdefault(name, 0)
        return name


def _open_tab(what: str, args: Any, result: Any) -> list[str]:
    """The tab that is open; the real page sets it through the session, the floor as a constant."""
    if not what.endswith(".tabs"):
        return []
    return [label for label, tab in zip(args[0], result, strict=True) if tab.open]


def _formatted(args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Options by the words that are shown for them, for the floor has no function for that."""
    kwargs = dict(kwargs)
    words = kwargs.pop("format_func", None)
    if words is None:
        return args, kwargs
    if "options" in kwargs:
        return args, {**kwargs, "options": list(map(words, kwargs["options"]))}
    return (args[0], list(map(words, args[1])), *args[2:]), kwargs


def _targets() -> Iterator[tuple[Any, str, str]]:
    """What draws, as owner, name and how a call begins ("" for a method)."""
    kinds = [DeltaGenerator, *DeltaGenerator.__subclasses__()]
    for kind in kinds:
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and (kind is DeltaGenerator or name in vars(kind)):
                yield kind, name, ""
    for name in vars(st):
        bound = getattr(st, name)
        if inspect.ismethod(bound) and isinstance(bound.__self__, DeltaGenerator):
            yield st, name, "st"
    for name in _SETUP:
        yield st, name, "st"
    yield st, "Page", "st"
