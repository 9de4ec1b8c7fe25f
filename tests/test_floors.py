"""The house rules, read off the source: who may import whom, and what is written nowhere.

Each rule is a function from a module's name and its text to what is wrong with it. The sabotage
at the end shows that each of them would notice.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: dict[int, tuple[str, ...]] = {
    7: ("app",),
    6: ("pages",),
    5: ("cli ui", "__main__"),
    4: ("wiring demo_keys demo_way", "demo_past demo_story", "demo_store", "demo_stage", "demo"),
    3: (
        "contents discovery doctor_files probes reminders rights ring safe saving talk",
        "doctor_sign_in visitors",
        "activity backup doctor_server masterkey_status opening presence resealing running turns",
        "doctor removing",
        "sharing",
        "keeping",
        "service validation",
        "arriving candidate chat check_all overview rotation starting",
        "overview_export replacing restore team transfer watching",
    ),
    2: (
        "answers dialling masterkey_files postgres_link sqlite_file tables vault",
        "case chat_request connection database incoming masterkey parcel postgres_shape queries",
        "pruning recommend replies",
        "changes exchange history leases masterkey_next migrations notices queries_overview",
        "chat_keys http sessions sqlite_copy uses waiting watches",
        "journal",
        "copying keyring people refusals_account refusals_address refusals_key rulebook shelves",
        "successes_account",
        "refusals_request repository",
        "refusals",
        "successes",
        "diagnosis",
        "hearing",
    ),
    1: (
        "addresses background batches errors flights logs lookup model private_files providers",
        "dotenv_lines dotenv_names identity printed scrub settings simulator",
        "endpoints entrance model_choice pieces rows sealed spreadsheet standing",
        "dotenv_addresses envelope guards masterkey_text pasted rules",
        "dotenv typed",
    ),
}
"""The rooms of each floor. A module may import what is on a lower floor, and on its own floor
what stands in an earlier line, never one of its own line. Packages are one room each."""

_STORE = {"database", "migrations", "queries", "repository", "tables"} | {
    "copying",
    "history",
    "journal",
    "keyring",
    "leases",
    "notices",
    "people",
    "pruning",
    "postgres_link",
    "postgres_shape",
    "queries_overview",
    "sessions",
    "rulebook",
    "shelves",
    "uses",
    "watches",
}
LIBRARIES: dict[str, set[str]] = {
    "alembic": {"migrations"},
    "anyio": {"ui"},
    "certifi": {"dialling"},
    "cryptography": {"vault"},
    "httpcore": {"connection"},
    "httpx": {"exchange"},
    "httpx_sse": {"exchange"},
    "idna": {"endpoints"},
    "platformdirs": {"settings"},
    "pydantic": {"arriving", "cli", "discovery", "model", "settings", "ui"},
    "pydantic_settings": {"settings"},
    "sqlalchemy": _STORE,
    "sqlmodel": {"tables"},
    "starlette": {"app", "ui"},
    "streamlit": {"app", "ui"},
    "typer": {"cli"},
    "uvicorn": {"simulator"},
}
"""The rooms that may import each outside library; one where nothing forces more."""

PRINTERS = {"cli", "simulator"}
PAGE_LINES = 60
HERE = "tests/test_floors.py"

Rule = Callable[[str, str], list[str]]


# --- reading a module -------------------------------------------------------------------------


def room_of(module: str) -> str:
    """The room a module belongs to: its own, or that of its package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "mohet_keys" and len(parts) > 1 else parts[0]


def steps() -> dict[str, tuple[int, int]]:
    """Where each room stands: its floor, and its line on that floor."""
    return {
        room: (floor, line)
        for floor, lines in FLOORS.items()
        for line, rooms in enumerate(lines)
        for room in rooms.split()
    }


@lru_cache(maxsize=1)  # one text is read for all rules, and not kept
def tree(source: str) -> ast.Module:
    """A text as Python reads it."""
    return ast.parse(source)


@lru_cache(maxsize=1)
def nodes(source: str) -> tuple[ast.AST, ...]:
    """Everything in a text."""
    return tuple(ast.walk(tree(source)))


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Every module that is imported, in full, wherever in the text that happens."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            whole = module in {"mohet_keys", "pages"}
            names = [f"{module}.{alias.name}" for alias in node.names] if whole else [module]
            yield from ((node.lineno, name) for name in names)


def called(node: ast.AST) -> str:
    """The plain name of what a call calls: `write` for both `write(…)` and `st.write(…)`."""
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def calls(source: str) -> Iterator[ast.Call]:
    """Every call in a text."""
    return (node for node in nodes(source) if isinstance(node, ast.Call))


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a text."""
    for node in nodes(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def words(source: str) -> Iterator[tuple[int, str]]:
    """Every name, attribute, keyword and imported name in a text, and strings that are one word."""
    for node in nodes(source):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.keyword(arg=str(word)):
                yield line, word
            case ast.alias(name=word):
                yield from ((line, part) for part in word.split("."))
            case ast.ImportFrom(module=str(word)):
                yield from ((line, part) for part in word.split("."))
            case ast.Constant(value=str(word)) if word.isidentifier():
                yield line, word


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """All parameters of a function, of every kind."""
    given = function.args
    starred = [arg for arg in (given.vararg, given.kwarg) if arg]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *starred]


# --- the rules --------------------------------------------------------------------------------


def floors(module: str, source: str) -> list[str]:
    """A module has a floor, and imports from below."""
    where, room = steps(), room_of(module)
    if module == "mohet_keys":
        return [f"{module}: the package itself imports nothing" for _ in imports(source)]
    if room not in where:
        return [f"{module} has no floor: give it a floor in FLOORS of {HERE}"]
    wrong = []
    for line, name in imports(source):
        if name.startswith("."):
            wrong.append(f"{module}:{line}: write the import out in full")
        if name.split(".")[0] not in {"mohet_keys", "pages", "app"}:
            continue
        other = room_of(name)
        if other not in where and other != "mohet_keys":
            wrong.append(f"{module}:{line}: {name} has no floor: give it a floor in FLOORS")
        elif other != room and where.get(other, (0, 0)) >= where[room]:
            wrong.append(f"{module}:{line}: {name} is not below {room}")
    return wrong


def libraries(module: str, source: str) -> list[str]:
    """Each outside library has its room, and nobody else imports it."""
    wrong = []
    for line, name in imports(source):
        library = name.split(".")[0]
        if library in sys.stdlib_module_names or library in {"mohet_keys", "pages", "app", ""}:
            continue
        if library not in LIBRARIES:
            wrong.append(f"{module}:{line}: {library} is new: give it a room in LIBRARIES")
        elif room_of(module) not in LIBRARIES[library]:
            rooms = " and ".join(sorted(LIBRARIES[library]))
            wrong.append(f"{module}:{line}: {library} is for {rooms} alone")
    return wrong


def dynamic(module: str, source: str) -> list[str]:
    """Nothing is imported by a name put together at run time, where no rule could see it."""
    return [
        f"{module}:{call.lineno}: import it by name"
        for call in calls(source)
        if called(call) in {"import_module", "__import__", "exec", "eval"}
    ]


def pages(module: str, source: str) -> list[str]:
    """A page is short, imports the screen's parts alone, and lets in before anything else."""
    if room_of(module) != "pages":
        return []
    wrong = []
    if source.count("\n") > PAGE_LINES:
        wrong.append(f"{module}: a page has at most {PAGE_LINES} lines")
    wrong += [
        f"{module}:{node.lineno}: what needs a def or a class goes into the ui"
        for node in nodes(source)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
    ]
    wrong += [
        f"{module}:{line}: a page imports mohet_keys.ui alone"
        for line, name in imports(source)
        if name.split(".")[:2] != ["mohet_keys", "ui"]
    ]
    if not _guarded(tree(source)):
        wrong.append(f"{module}: the first statement after the imports is guard.enter()")
    return wrong


def _guarded(page: ast.Module) -> bool:
    body = page.body[1:] if ast.get_docstring(page) is not None else page.body
    imported: list[str] = []
    for statement in body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            return imported == ["guard"] and ast.unparse(statement) == "guard.enter()"
        module = statement.module if isinstance(statement, ast.ImportFrom) else None
        imported += [
            alias.name if module == "mohet_keys.ui" and not alias.asname else "another"
            for alias in statement.names
            if "guard" in {alias.name, alias.asname}
        ]
    return False


def state(module: str, source: str) -> list[str]:
    """Session state has one door."""
    if module == "mohet_keys.ui.state":
        return []
    return [
        f"{module}:{line}: session state is for mohet_keys.ui.state alone"
        for line, word in words(source)
        if word == "session_state"
    ]


def markup(module: str, source: str) -> list[str]:
    """Nothing draws HTML, an exception, or whatever it is given."""
    if room_of(module) not in {"ui", "pages", "app"}:
        return []
    wrong = [
        f"{module}:{line}: no HTML of our own"
        for line, word in words(source)
        if word in {"unsafe_allow_html", "components", "iframe"}
    ]
    wrong += [
        f"{module}:{call.lineno}: say it with text, code or escaped Markdown"
        for call in calls(source)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"html", "exception", "write"}
        and (call.args or call.keywords)
    ]
    return wrong


def passwords(module: str, source: str) -> list[str]:
    """A password field is empty when it is drawn, whatever is known."""
    wrong = []
    for call in calls(source):
        kind = next((word.value for word in call.keywords if word.arg == "type"), None)
        if called(call) != "text_input" or kind is None:
            continue
        named = {word.arg for word in call.keywords}
        if not isinstance(kind, ast.Constant):
            wrong.append(f"{module}:{call.lineno}: write the type of the field out")
        elif kind.value == "password" and (len(call.args) > 1 or named & {"value", "bind", None}):
            wrong.append(f"{module}:{call.lineno}: a password field never has a value")
    return wrong


def outbound(module: str, source: str) -> list[str]:
    """No request does without a certificate, or goes where an answer points."""
    return [
        f"{module}:{call.lineno}: never {word.arg}={word.value.value}"
        for call in calls(source)
        for word in call.keywords
        if isinstance(word.value, ast.Constant)
        and (word.arg, word.value.value)
        in {("verify", False), ("follow_redirects", True), ("trust_env", True)}
    ]


def clock(module: str, source: str) -> list[str]:
    """Every moment has its zone."""
    wrong = []
    for call in calls(source):
        base = call.func.value if isinstance(call.func, ast.Attribute) else None
        of_datetime = base is not None and called(base) in {"datetime", "date"}
        naive = called(call) == "now" and not (call.args or call.keywords)
        if of_datetime and (naive or called(call) in {"utcnow", "utcfromtimestamp", "today"}):
            wrong.append(f"{module}:{call.lineno}: say which zone, as in datetime.now(UTC)")
    return wrong


SECRETIVE = re.compile(
    r"secret|password|token|opened|api_?key|OpenedKey|NewKey|SecretStr", re.IGNORECASE
)


def caches(module: str, source: str) -> list[str]:
    """Nothing of one visitor's, and no secret, is kept for the next."""
    wrong = [
        f"{module}:{line}: st.cache_data mixes visitors up"
        for line, word in words(source)
        if word == "cache_data"
    ]
    decorating = set()
    for function in functions(source):
        for decorator in function.decorator_list:
            decorating.add(decorator.lineno)
            taken = parameters(function)
            if called(decorator) == "cache_resource" and taken:
                wrong.append(f"{module}:{function.lineno}: what is shared takes no parameters")
            said = " ".join(map(ast.unparse, taken))
            if called(decorator) in {"cache", "lru_cache", "cached"} and SECRETIVE.search(said):
                wrong.append(f"{module}:{function.lineno}: a secret is never kept in a cache")
    wrong += [
        f"{module}:{line}: decorate a function with it, in place"
        for line, word in words(source)
        if word == "cache_resource" and line not in decorating
    ]
    return wrong


def prints(module: str, source: str) -> list[str]:
    """Nothing is printed by the way."""
    if room_of(module) in PRINTERS:
        return []
    return [
        f"{module}:{call.lineno}: print is for {' and '.join(sorted(PRINTERS))}"
        for call in calls(source)
        if isinstance(call.func, ast.Name) and call.func.id in {"print", "breakpoint", "input"}
    ]


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        *(floors, libraries, dynamic, pages, state, markup, passwords, outbound, clock, caches),
        prints,
    )
}


# --- the rules hold ---------------------------------------------------------------------------


def all_modules() -> dict[str, Path]:
    """Every module of the product, by its name."""
    found = [*(ROOT / "mohet_keys").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    names = (path.relative_to(ROOT).with_suffix("").as_posix() for path in found)
    dotted = (name.removesuffix("/__init__").replace("/", ".") for name in names)
    return dict(sorted(zip(dotted, found, strict=True)))


MODULES = all_modules()


@pytest.mark.parametrize("module", MODULES)
def test_t35_t38_t42_t59_every_module_keeps_every_rule(module: str) -> None:
    """What is wrong is said with file, line, and what to do about it."""
    source = MODULES[module].read_text(encoding="utf-8")
    assert [line for rule in RULES.values() for line in rule(module, source)] == []


def test_the_house_was_looked_at() -> None:
    """The walk found the pages, the parts of the screen and the steps of the store."""
    assert {"app", "pages.api_keys", "mohet_keys.ui.state", "mohet_keys.migrations.env"} <= set(
        MODULES
    )
    assert len(MODULES) > 60


def test_no_room_has_two_floors() -> None:
    """Each room stands on one line of one floor."""
    rooms = [room for lines in FLOORS.values() for line in lines for room in line.split()]
    assert len(rooms) == len(set(rooms))
    assert {room for rooms in LIBRARIES.values() for room in rooms} <= set(steps())


# --- and would be noticed ---------------------------------------------------------------------

PAGE = '"""Keys."""\n\nfrom mohet_keys.ui import guard, heading\n\nguard.enter()\nheading.show()\n'

SABOTAGE = [
    ("floors", "mohet_keys.newcomer", "", "give it a floor"),
    ("floors", "mohet_keys.service", "from mohet_keys import newcomer", "give it a floor"),
    ("floors", "mohet_keys.service", "from mohet_keys.wiring import build", "not below"),
    ("floors", "mohet_keys.service", "import mohet_keys.validation", "not below"),
    ("floors", "mohet_keys.validation", "from mohet_keys import service", "not below"),
    ("floors", "mohet_keys.repository", "def f():\n    from mohet_keys import cli", "not below"),
    ("floors", "mohet_keys.errors", "from mohet_keys import model", "not below"),
    ("floors", "mohet_keys.endpoints", "from mohet_keys.pasted import hint", "not below"),
    ("floors", "mohet_keys.cli", "from mohet_keys.__main__ import main", "not below"),
    ("floors", "mohet_keys.cli.input", "from mohet_keys.ui import text", "not below"),
    ("floors", "mohet_keys.simulator.app", "from mohet_keys import http", "not below"),
    ("floors", "mohet_keys.ui.shell", "from pages import api_keys", "not below"),
    ("floors", "mohet_keys.ui.shell", "import app", "not below"),
    ("floors", "mohet_keys.vault", "from . import envelope", "in full"),
    ("floors", "mohet_keys", "from mohet_keys import model", "imports nothing"),
    ("libraries", "mohet_keys.service", "import streamlit as st", "for app and ui alone"),
    ("libraries", "mohet_keys.ui.text", "import httpx", "for exchange alone"),
    ("libraries", "mohet_keys.probes", "from httpcore import URL", "for connection alone"),
    ("libraries", "mohet_keys.service", "from sqlmodel import Field", "for tables alone"),
    ("libraries", "mohet_keys.rows", "from sqlalchemy.orm import Session", "repository"),
    ("libraries", "mohet_keys.envelope", "import cryptography.fernet", "for vault alone"),
    ("libraries", "mohet_keys.wiring", "if 1:\n    import alembic", "for migrations alone"),
    ("libraries", "mohet_keys.ui.shell", "import typer", "for cli alone"),
    ("libraries", "mohet_keys.wiring", "import platformdirs", "for settings alone"),
    ("libraries", "mohet_keys.ui.server", "import uvicorn", "for simulator alone"),
    ("libraries", "mohet_keys.http", "import requests", "give it a room"),
    ("libraries", "pages.api_keys", "import streamlit as st", "for app and ui alone"),
    ("dynamic", "mohet_keys.ui.shell", "importlib.import_module('httpx')", "by name"),
    ("dynamic", "mohet_keys.ui.shell", "__import__('httpx')", "by name"),
    ("pages", "pages.api_keys", PAGE + "\n" * 60, "at most 60 lines"),
    ("pages", "pages.api_keys", PAGE + "def f():\n    pass\n", "a def or a class"),
    ("pages", "pages.api_keys", PAGE + "class A:\n    pass\n", "a def or a class"),
    ("pages", "pages.api_keys", PAGE + "f = lambda: 1\n", "a def or a class"),
    ("pages", "pages.api_keys", PAGE + "import os\n", "alone"),
    ("pages", "pages.api_keys", PAGE + "from mohet_keys import service\n", "alone"),
    ("pages", "pages.api_keys", PAGE + "import streamlit as st\n", "alone"),
    ("pages", "pages.api_keys", PAGE.replace("guard.enter()\n", ""), "guard.enter()"),
    ("pages", "pages.api_keys", PAGE.replace("guard.enter()", "if x: guard.enter()"), "enter"),
    ("pages", "pages.api_keys", PAGE.replace("guard.enter()", "x = 1\nguard.enter()"), "enter"),
    ("pages", "pages.api_keys", PAGE.replace("guard,", "clock as guard,"), "enter"),
    ("pages", "pages.api_keys", PAGE.replace("guard,", "guard as g, text as guard,"), "enter"),
    ("pages", "pages.api_keys", "", "enter"),
    ("state", "mohet_keys.ui.key_form", "st.session_state['x'] = 1", "session state"),
    ("state", "pages.api_keys", "from streamlit import session_state", "session state"),
    ("state", "mohet_keys.ui.shell", "getattr(st, 'session_state')", "session state"),
    ("markup", "mohet_keys.ui.text", "st.markdown(x, unsafe_allow_html=True)", "HTML"),
    ("markup", "mohet_keys.ui.text", "st.markdown(x, **{'unsafe_allow_html': True})", "HTML"),
    ("markup", "mohet_keys.ui.text", "import streamlit.components.v1 as c", "HTML"),
    ("markup", "mohet_keys.ui.text", "from streamlit.components.v1 import iframe", "HTML"),
    ("markup", "pages.api_keys", "st.html(x)", "say it with"),
    ("markup", "mohet_keys.ui.text", "left.html(x)", "say it with"),
    ("markup", "app", "st.exception(error)", "say it with"),
    ("markup", "mohet_keys.ui.text", "st.write(x)", "say it with"),
    (
        "passwords",
        "mohet_keys.ui.key_form",
        "st.text_input('K', type='password', value=x)",
        "value",
    ),
    ("passwords", "mohet_keys.ui.key_form", "st.text_input('K', x, type='password')", "value"),
    ("passwords", "mohet_keys.ui.key_form", "st.text_input('K', type='password', **m)", "value"),
    (
        "passwords",
        "mohet_keys.ui.key_form",
        "st.text_input('K', type='password', bind='q')",
        "valu",
    ),
    ("passwords", "mohet_keys.ui.key_form", "st.text_input('K', type=kind, value=x)", "type"),
    ("outbound", "mohet_keys.http", "httpx.AsyncClient(verify=False)", "never verify=False"),
    ("outbound", "mohet_keys.http", "client.get(u, follow_redirects=True)", "follow_redirects"),
    ("outbound", "mohet_keys.http", "httpx.Client(trust_env=True)", "trust_env"),
    ("clock", "mohet_keys.service", "datetime.now()", "which zone"),
    ("clock", "mohet_keys.service", "datetime.datetime.now()", "which zone"),
    ("clock", "mohet_keys.service", "datetime.utcnow()", "which zone"),
    ("clock", "mohet_keys.service", "date.today()", "which zone"),
    ("clock", "mohet_keys.service", "datetime.utcfromtimestamp(0)", "which zone"),
    ("caches", "mohet_keys.ui.resources", "@st.cache_data\ndef f():\n    pass", "visitors"),
    ("caches", "mohet_keys.ui.resources", "from streamlit import cache_data", "visitors"),
    ("caches", "mohet_keys.ui.resources", "@st.cache_resource\ndef f(owner): ...", "no param"),
    ("caches", "mohet_keys.ui.resources", "@st.cache_resource(ttl=1)\ndef f(*a): ...", "no param"),
    ("caches", "mohet_keys.ui.resources", "x = st.cache_resource(build)", "decorate"),
    ("caches", "mohet_keys.vault", "@lru_cache\ndef f(secret): ...", "never kept"),
    ("caches", "mohet_keys.vault", "@cache\ndef f(one: OpenedKey): ...", "never kept"),
    ("caches", "mohet_keys.vault", "@functools.lru_cache(9)\nasync def f(*, api_key): ...", "kept"),
    ("prints", "mohet_keys.service", "print(secret)", "print is for"),
    ("prints", "mohet_keys.ui.key_card", "breakpoint()", "print is for"),
]


@pytest.mark.parametrize(("rule", "module", "source", "said"), SABOTAGE)
def test_t35_t38_t42_t59_sabotage_is_noticed(
    rule: str, module: str, source: str, said: str
) -> None:
    """The twin: each rule finds what it forbids, and says so."""
    found = RULES[rule](module, source)
    assert found
    assert any(said in line for line in found), found


def test_every_rule_was_sabotaged() -> None:
    """A rule that was never seen to fail may not work at all."""
    assert set(RULES) == {rule for rule, *_ in SABOTAGE}


ALLOWED = [
    (
        "floors",
        "mohet_keys.service",
        "from mohet_keys import model\nfrom mohet_keys.vault import V",
    ),
    ("floors", "mohet_keys.ui.shell", "from mohet_keys.ui.state import ui\nimport os"),
    ("floors", "mohet_keys.migrations.env", "from mohet_keys.tables import METADATA"),
    ("floors", "pages.api_keys", PAGE),
    ("floors", "app", "from mohet_keys.ui.server import healthz"),
    ("libraries", "mohet_keys.ui.shell", "import os, streamlit as st\nfrom ssl import create"),
    ("libraries", "mohet_keys.migrations.versions.0001_start", "from alembic import op"),
    ("pages", "pages.api_keys", PAGE),
    ("pages", "mohet_keys.ui.key_card", "def f():\n    pass"),
    ("state", "mohet_keys.ui.state", "st.session_state['x'] = 1"),
    ("markup", "mohet_keys.http", "writer.write(data)"),
    ("markup", "mohet_keys.ui.check_watch", "future.exception()"),
    ("passwords", "mohet_keys.ui.key_form", "st.text_input('K', type='password', key='k')"),
    ("passwords", "mohet_keys.ui.key_form", "st.text_input('Name', value=x)"),
    ("outbound", "mohet_keys.http", "httpx.AsyncClient(follow_redirects=False, trust_env=False)"),
    ("clock", "mohet_keys.service", "datetime.now(UTC); datetime.now(tz=UTC); clock.now()"),
    ("caches", "mohet_keys.ui.resources", "@st.cache_resource(show_spinner=False)\ndef f(): ..."),
    ("caches", "mohet_keys.guards", "@lru_cache(maxsize=256)\ndef f(url: str): ..."),
    ("prints", "mohet_keys.cli", "print(1)"),
    ("prints", "mohet_keys.repository", "row.print(); fingerprint(1)"),
]


@pytest.mark.parametrize(("rule", "module", "source"), ALLOWED)
def test_what_is_right_is_left_alone(rule: str, module: str, source: str) -> None:
    """No rule complains of what the house does as it should."""
    assert RULES[rule](module, source) == []
