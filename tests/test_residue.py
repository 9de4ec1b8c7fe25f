"""What stays of a secret once it was used: nothing that any part of the product holds on to."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from pydantic import SecretStr

from mohet_keys.chat import ChatService
from mohet_keys.http import Outbound
from mohet_keys.model import LOCAL_OWNER, KeyChanges, Message, NewKey
from mohet_keys.simulator.server import Simulator
from mohet_keys.validation import ValidationService
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.reach import copies_in_memory, holding

ROOT = Path(__file__).parents[1]
ME = LOCAL_OWNER

SESSION = """
import gc, json, os, sys
from streamlit.testing.v1 import AppTest
from tests.pages.conftest import ROOT, SHELL
from tests.reach import copies_in_memory, holding
secret = os.environ.pop("SECRET")
at = AppTest.from_file(SHELL, default_timeout=20).run()
at.switch_page(str(ROOT / "pages" / "api_keys.py"))
at.query_params["provider"] = "openai"
at.run()
at.button(key="head.add:openai").click().run()
typed = {"name": "Key", "secret": secret, "endpoint": "http://127.0.0.1:9/v1"}
for name, value in typed.items():
    at.text_input(key=f"add:openai.{name}").set_value(value)
at.button(key="add:openai.save").click().run()
assert not at.exception
assert "was saved" in at.session_state["mohet"].said[0].text
del typed, value
for _ in range(5):
    at.run()
if sys.argv[1] == "keep":
    at.session_state["kept"] = [f"Bearer {secret}"]
gc.collect()
print(json.dumps([holding([at.session_state], secret), copies_in_memory(secret)]))
"""
"""A session on the page: a key is typed and saved, and five times more it is drawn."""


def left_in_session(tmp_path: Path, what: str, secret: str) -> tuple[list[str], int]:
    """What the session state of a page holds of a secret, and how often memory has it."""
    own = {"MOHET_DATA_DIR": str(tmp_path / "data"), "MOHET_CONFIG_DIR": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-c", SESSION, what],
        cwd=ROOT, env={**os.environ, **own, "SECRET": secret},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    held, copies = json.loads(done.stdout.splitlines()[-1])
    return held, copies


def test_t39_no_session_holds_a_secret_after_it_was_saved(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """After the callback and five more runs, session state leads to no copy of the secret. How
    many are left in memory, held by nobody, is told and not judged."""
    held, copies = left_in_session(tmp_path, "forget", canary("sk-proj-"))
    record_property("copies in memory, the test's own two included", copies)
    assert held == []


def test_t39_a_session_that_keeps_it_would_be_found(tmp_path: Path) -> None:
    """The twin: a secret in a list in session state is found, and counted in memory."""
    held, copies = left_in_session(tmp_path, "keep", canary("sk-proj-"))
    assert held == ["str"]
    assert copies >= 2


def product() -> list[object]:
    """Everything that the modules of the product hold."""
    modules = (module for name, module in sys.modules.items() if name.startswith("mohet_keys"))
    return [dict(vars(module)) for module in modules]


async def use(parts: Parts, key_id: str) -> None:
    """Check a key and chat through it."""
    cache: dict[object, object] = {}
    checks, chats = ValidationService(parts.keys, Outbound()), ChatService(parts.keys, Outbound())
    await checks.check(key_id, owner=ME, cache=cache)
    stream = chats.stream(key_id, owner=ME, messages=[Message("user", "Hi")], model="gpt-6-luna")
    async with aclosing(stream) as events:
        async for _ in events:
            pass
    gc.collect()
    assert cache
    assert holding([cache, checks, chats], SECRET) == []


SECRET = canary("sk-proj-sim-good-")


def test_t42_no_module_and_no_part_keeps_a_secret(parts: Parts) -> None:
    """After a key was added, checked, chatted through, renamed and opened, neither a global of any
    module, nor a cache, nor a part of the wired product leads to its secret."""
    with Simulator() as simulator:
        url = simulator.endpoint("openai")
        new = NewKey(provider="openai", name="Key", secret=SecretStr(SECRET), endpoint=url)
        entry = parts.keys.add(new, owner=ME).entry
        del new
        asyncio.run(use(parts, entry.id))
        entry = parts.keys.entry(entry.id, owner=ME)
        parts.keys.edit(entry.id, KeyChanges(name="New"), owner=ME, version=entry.version)
        assert simulator.requests
    gc.collect()
    assert holding([parts, *product()], SECRET) == []


def test_t42_what_is_kept_would_be_found(parts: Parts) -> None:
    """The twin: a secret behind a closure, in a cache of a part, is found."""
    kept = SecretStr(SECRET)
    parts.keys.__dict__["_forgotten"] = {"k": [lambda: kept]}
    assert holding([parts], SECRET) != []
    assert copies_in_memory(SECRET) >= 1
