"""Finds what objects hold on to, and how often a text stands in the memory of this process."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

_LEAVES = (int, float, complex, bool, type(None), ModuleType)


def holding(roots: Iterable[object], text: str) -> list[str]:
    """What is reachable from some objects and holds a text, by its type; the way is not told.

    A function counts for what it brings along, not for the module that it stands in.
    """
    seen: set[int] = set()
    found: list[str] = []
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _LEAVES):
            continue
        seen.add(id(thing))
        if _has(thing, text):
            found.append(type(thing).__name__)
        waiting.extend(_held_by(thing))
    return found


def _has(thing: object, text: str) -> bool:
    if isinstance(thing, str):
        return text in thing
    return isinstance(thing, (bytes, bytearray)) and text.encode() in thing


def _held_by(thing: object) -> Iterator[object]:
    if isinstance(thing, FunctionType):
        yield from (thing.__closure__, thing.__defaults__, thing.__kwdefaults__, thing.__dict__)
    elif isinstance(thing, MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, type):
        if thing.__module__.startswith("mohet_keys"):
            yield dict(vars(thing))
    else:
        yield from gc.get_referents(thing)


def copies_in_memory(text: str) -> int:
    """How often a text stands in this process's memory, held by anything or by nothing any more.

    The one that is given counts too.
    """
    pattern, count = re.compile(re.escape(text.encode())), 0
    maps = Path("/proc/self/maps").read_text().splitlines()
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_rest = line.split()
            if "rw" not in rights or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                count += len(pattern.findall(memory.read(end - start)))
            except (OSError, ValueError):
                continue
    return count
