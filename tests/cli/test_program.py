"""The command line, over a real store and the simulated providers."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mohet_keys import wiring
from mohet_keys.cli import main, output
from mohet_keys.http import Outbound
from mohet_keys.model import Verdict
from mohet_keys.providers import PROVIDERS
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui.verdict_badge import BADGES
from tests.browser.secrets import behaving, good, revoked
from tests.leaks import canary, files_below, scan

ROOT = Path(__file__).parents[2]
SLUGS = [row.slug for row in PROVIDERS]
SERVER = {slug: slug for slug in SLUGS} | {"lmstudio": "lmstudio-auth", "ollama": "ollama-cloud"}
"""The simulated server of each provider that looks at keys."""
FIELDS = [
    "id",
    "provider",
    "name",
    "endpoint",
    "hint",
    "owner",
    "created_at",
    "updated_at",
    "verdict",
    "reason",
    "explanation",
    "remedy",
    "http_status",
    "latency_ms",
    "checked_at",
    "models",
    "recommended_model",
    "selected",
]
PUBLIC_HTTP = "http://proxy.example.com/v1"


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error on stderr, which with --json is one line of JSON."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


class Shell:
    """Runs commands in this process, on a store of the test's own."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        settings: Settings,
        simulator: Simulator,
    ) -> None:
        self.settings = settings
        self.simulator = simulator
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> Said:
        """Run one command; `stdin` is never a terminal."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        self._capsys.readouterr()
        status = main(list(arguments))
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)

    def add(
        self, slug: str, name: str, secret: str = "", *more: str, server: str | None = None
    ) -> Said:
        """Add a key of a simulated server, as JSON."""
        where = self.simulator.endpoint(server or SERVER[slug])
        return self(
            *("add", slug, name, "--endpoint", where, "--secret-stdin", "--json", *more),
            stdin=secret or good(slug),
        )

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.settings.data_dir / "mohet_keys.db"

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Reach into the store behind the product's back."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def content(self) -> list[Any]:
        """All keys and the selection, every column, as they are stored."""
        return self.sql("SELECT * FROM api_key ORDER BY id") + self.sql("SELECT * FROM selection")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The six providers, for the whole file."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without keys and its master key, to be copied: quicker than a first start."""
    folder = tmp_path_factory.mktemp("fresh")
    wiring.build(Settings(data_dir=folder / "data", config_dir=folder / "config")).close()
    return folder


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: Settings,
    simulator: Simulator,
    tmp_path: Path,
    fresh: Path,
) -> Iterator[Shell]:
    """Commands in this process. No name but the simulator's address is ever looked up."""
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    for name, folder in (("DATA", settings.data_dir), ("CONFIG", settings.config_dir)):
        monkeypatch.setenv(f"MOHET_{name}_DIR", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError

    outbound = Outbound(resolver=nowhere)
    monkeypatch.setattr(wiring, "build", partial(wiring.build, outbound=outbound))
    yield Shell(monkeypatch, capsys, settings, simulator)
    simulator.down = False


class Process:
    """Runs `python -m mohet_keys` in a process of its own, with folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {"MOHET_DATA_DIR": "data", "MOHET_CONFIG_DIR": "config", "HOME": "home"}
        self.environment = {**os.environ, **{name: str(folder / own[name]) for name in own}}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start it."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-m", "mohet_keys", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, **{**pipes, **more})

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run it to its end."""
        with self.start(*arguments) as running:
            out, err = running.communicate(stdin.encode(), timeout=30)
        return Said(running.returncode, out.decode(), err.decode())


@pytest.fixture
def process(tmp_path: Path, fresh: Path) -> Process:
    """Commands in processes of their own."""
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    return Process(tmp_path)


# --- adding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_a_good_key_is_saved_and_valid(shell: Shell, slug: str) -> None:
    """Each provider's good key is checked as it is added, and the status is 0."""
    said = shell.add(slug, "Work")
    assert (said.status, said.json["verdict"], said.err) == (0, "valid", "")
    assert shell("list", "--json").json == [{k: said.json[k] for k in FIELDS}]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_revoked_key_is_saved_and_invalid(shell: Shell, slug: str) -> None:
    """A key the provider no longer knows is kept all the same, and the status is 1."""
    said = shell.add(slug, "Old", revoked(slug))
    assert (said.status, said.json["verdict"]) == (1, "invalid")
    assert said.json["remedy"]
    assert shell("list", "--json").json[0]["id"] == said.json["id"]


def test_a_key_as_json_has_exactly_its_fields(shell: Shell) -> None:
    """The names and kinds of a key's fields are those that other programs rely on."""
    added = shell.add("groq", "Work").json
    assert list(added) == [*FIELDS, "notes"]
    (key,) = shell("list", "--json").json
    assert list(key) == FIELDS
    assert (key["provider"], key["name"], key["owner"]) == ("groq", "Work", "local")
    assert key["hint"] == f"gsk_••••••••{good('groq')[-4:]}"
    assert (key["http_status"], key["selected"]) == (200, False)
    assert key["recommended_model"] in key["models"]
    for name in ("created_at", "updated_at", "checked_at"):
        at = datetime.fromisoformat(key[name])
        assert at.utcoffset() == timedelta(0)
        assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)


def test_an_unchecked_key_as_json_has_no_measurements(shell: Shell) -> None:
    """What no check has found is null or an empty list, and never left out."""
    key = shell.add("groq", "Work", "", "--no-check").json
    assert (key["verdict"], key["models"]) == ("unchecked", [])
    for name in ("http_status", "latency_ms", "checked_at", "recommended_model"):
        assert key[name] is None


def test_no_check_asks_nobody(shell: Shell) -> None:
    """With --no-check nothing is sent, and even a bad key ends with 0."""
    before = len(shell.simulator.requests)
    said = shell.add("openai", "Old", revoked("openai"), "--no-check")
    assert (said.status, len(shell.simulator.requests)) == (0, before)


def test_what_was_saved_is_said_in_words(shell: Shell) -> None:
    """Badge, reason, explanation and remedy stand below what was done."""
    where = shell.simulator.endpoint("openai")
    secret = revoked("openai")
    said = shell("add", "openai", "Old", "--endpoint", where, "--secret-stdin", stdin=secret)
    key = shell("list", "--json").json[0]
    lines = said.out.splitlines()
    assert lines[:2] == ["openai/Old was saved.", f"openai/Old: Invalid ({key['reason']})"]
    assert f"  {key['explanation']}" in lines
    assert f"  {key['remedy']}" in lines
    assert (said.status, said.err) == (1, "")


def test_what_was_mended_is_said(shell: Shell) -> None:
    """Each thing that was taken off or changed on the way in has a sentence."""
    where = f"{shell.simulator.endpoint('openai')}/chat/completions"
    command = ("add", "openai", "--endpoint", where, "--secret-stdin")
    said = shell(*command, "Work", stdin=f'"{good("openai")}"\n')
    assert "quotes" in said.out
    assert "/chat/completions" in said.out
    key = shell(*command, "--json", "More", stdin=f"Bearer {good('openai', '2')}\n").json
    assert len(key["notes"]) == 2
    assert key["endpoint"] == shell.simulator.endpoint("openai")


def test_a_line_break_at_the_end_is_no_mistake(shell: Shell) -> None:
    """What `echo` adds to a key is taken off without a word."""
    for number, end in enumerate(("\n", "\r\n")):
        assert shell.add("groq", f"K{number}", good("groq", str(number)) + end).json["notes"] == []


@pytest.mark.parametrize("written", ["OpenAI", " openai ", "OPENAI"])
def test_a_provider_is_known_in_any_case(shell: Shell, written: str) -> None:
    """The provider's name may be written as people write it."""
    said = shell("add", written, "K", "--no-check", "--secret-stdin", stdin=good("openai"))
    assert said.status == 0


@pytest.mark.parametrize("slug", ["lmstudio", "ollama"])
def test_a_local_server_needs_no_key(shell: Shell, slug: str) -> None:
    """Without a terminal and without --secret-stdin, an optional key is an empty one."""
    said = shell("add", slug, "Mine", "--endpoint", shell.simulator.endpoint(slug), "--json")
    assert (said.status, said.json["verdict"], said.json["hint"]) == (0, "valid", "")
    assert "no key needed" in said.json["reason"]


@pytest.mark.parametrize("slug", ["openai", "groq", "openrouter", "mistral"])
def test_without_a_terminal_a_needed_key_must_be_piped_in(shell: Shell, slug: str) -> None:
    """Where a key is needed and nobody can be asked, the sentence names --secret-stdin."""
    said = shell("add", slug, "Work", "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "--secret-stdin" in said.error["message"]
    assert shell.content() == []


# --- what is refused ----------------------------------------------------------------------------

_LONE = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"
BAD_SECRETS = {
    "inner space": (f"{_LONE} {_LONE[:6]}", "a space"),
    "control character": (f"{_LONE}\x07{_LONE[:6]}", "a control character"),
    "bullets": ("sk-proj-••••••••1234", "masked"),
    "null": ("null", "placeholder"),
    "your api key": ("your-api-key", "placeholder"),
    "address": ("https://api.openai.com/v1", "web address"),
    "no ASCII": (f"{_LONE}é{_LONE[:6]}", "U+00E9"),
    "two as one": (f"sk-proj-{_LONE}sk-proj-{_LONE[::-1]}", "two keys"),
    "two lines": (f"sk-proj-{_LONE}\nsk-proj-{_LONE[::-1]}", "two keys"),
    "empty": ("", "Enter the API key"),
    "too long": ("a1" * 5000, "longer than"),
    "no text": (b"\xff\xfesk-1", "not text"),
}


@pytest.mark.parametrize("case", BAD_SECRETS)
def test_a_bad_secret_is_refused(shell: Shell, case: str) -> None:
    """What is no key is refused at its field with its reason, and nothing is saved or sent."""
    secret, told = BAD_SECRETS[case]
    before = len(shell.simulator.requests)
    said = shell("add", "openai", "Work", "--secret-stdin", "--json", stdin=secret)
    assert (said.status, said.error["code"], said.error["field"]) == (2, "input", "secret")
    assert told in said.error["message"]
    assert (shell.content(), len(shell.simulator.requests)) == ([], before)


BAD_ENDPOINTS = {
    "scheme": ("ftp://api.openai.com", "https://"),
    "password": ("https://me:pw@api.openai.com/v1", "user name or password"),
    "backslash": ("https://api.openai.com\\v1", "backslash"),
    "space": ("https://api.openai.com/ v1", "space"),
    "port": ("https://api.openai.com:99999/v1", "port"),
    "metadata": ("http://169.254.169.254/v1", "reserved"),
    "number": ("http://2130706433/v1", "four plain numbers"),
    "dots": ("https://api.openai.com/../v1", ".. parts"),
    "public http": (PUBLIC_HTTP, "unencrypted"),
}


@pytest.mark.parametrize("case", BAD_ENDPOINTS)
def test_a_bad_endpoint_is_refused(shell: Shell, case: str) -> None:
    """An address that cannot be meant is refused at its field, and nothing is saved."""
    typed, told = BAD_ENDPOINTS[case]
    command = ("add", "openai", "Work", "--secret-stdin", "--json", "--endpoint", typed)
    said = shell(*command, stdin=good("openai"))
    assert (said.status, said.error["code"], said.error["field"]) == (2, "input", "endpoint")
    assert told in said.error["message"]
    assert shell.content() == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (" ", "Enter a name"),
        ("long " * 17, "84"),
        ("a\u202eb", "direction"),
        ("a\nb", "line break"),
    ],
)
def test_a_bad_name_is_refused(shell: Shell, name: str, told: str) -> None:
    """A name that cannot be shown is refused at its field."""
    said = shell("add", "openai", name, "--secret-stdin", "--json", stdin=good("openai"))
    assert (said.status, said.error["field"]) == (2, "name")
    assert told in said.error["message"]


def test_all_that_is_refused_is_said_at_once(shell: Shell) -> None:
    """Three mistakes make one line with three sentences, and three fields in JSON."""
    command = ("add", "openai", " ", "--endpoint", "ftp://x", "--secret-stdin")
    said = shell(*command, stdin="two words")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    fields = shell(*command, "--json", stdin="two words").error["fields"]
    assert set(fields) == {"name", "secret", "endpoint"}
    assert all(sentence in said.err for sentence in fields.values())


def test_plain_http_outside_needs_a_yes(shell: Shell) -> None:
    """--allow-http is the user's own yes to an unencrypted connection."""
    command = ("add", "openai", "K", "--endpoint", PUBLIC_HTTP, "--no-check", "--secret-stdin")
    assert shell(*command, stdin=good("openai")).status == 2
    said = shell(*command, "--allow-http", "--json", stdin=good("openai"))
    assert (said.status, said.json["endpoint"]) == (0, PUBLIC_HTTP)


def test_the_same_secret_is_refused_under_any_provider(shell: Shell) -> None:
    """A secret that is saved already is named by its key, and not saved again."""
    shell.add("openai", "First")
    before = shell.content()
    said = shell.add("mistral", "Second", good("openai"))
    assert (said.status, said.error["field"]) == (2, "secret")
    assert "“First” (OpenAI)" in said.error["message"]
    assert shell.content() == before


@pytest.mark.parametrize("same", ["café", "CAFÉ", " Cafe\u0301 "])
def test_the_same_name_is_refused_however_it_is_written(shell: Shell, same: str) -> None:
    """Names that a person reads as the same are the same, within one provider."""
    shell.add("openai", "Café")
    before = shell.content()
    said = shell.add("openai", same, good("openai", "2"))
    assert (said.status, said.error["field"]) == (2, "name")
    assert shell.content() == before
    assert shell.add("groq", same).status == 0


def test_an_unknown_provider_is_refused(shell: Shell) -> None:
    """The sentence names those there are, and not what was typed."""
    for command in (("add", "acme", "K", "--secret-stdin"), ("list", "--provider", "acme")):
        said = shell(*command, "--json", stdin="x" * 40)
        assert (said.status, said.error["code"]) == (2, "refused")
        assert all(slug in said.error["message"] for slug in SLUGS)
        assert "acme" not in said.err


# --- nothing typed is said back -----------------------------------------------------------------

WRONG_USES: list[list[str]] = [
    ["add", "openai", "Name", "{}"],
    ["add", "openai", "Name", "--secret", "{}"],
    ["add", "openai", "Name", "--secret={}"],
    ["add", "openai", "Name", "--{}"],
    ["add", "{}", "Name"],
    ["add", "openai", "{}", "--secret-stdin"],
    ["add", "openai", "Name", "--endpoint"],
    ["edit", "openai/Name", "--secret-stdin", "{}"],
    ["edit", "openai/Name", "--name", "{}"],
    ["check", "{}"],
    ["list", "{}"],
    ["list", "--provider", "{}"],
    ["remove", "{}", "--yes"],
    ["select", "openai/Name", "--model", "{}"],
    ["select", "{}"],
    ["doctor", "{}"],
    ["{}"],
    ["--{}"],
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("prefix", ["sk-proj-", "", "unknown:"])
def test_a_secret_in_the_wrong_place_is_not_said_back(
    shell: Shell, prefix: str, as_json: bool
) -> None:
    """Whatever is put where on the command line, no message repeats it, and nothing is saved."""
    secret = canary(prefix)
    json_too = ["--json"] if as_json else []
    for command in WRONG_USES:
        arguments = [part.format(secret) for part in command]
        if arguments[:2] == ["add", "openai"] and arguments[2] == secret:
            arguments += ["--endpoint", "ftp://x"]  # the name of no known kind could be a name
        said = shell(*arguments, *json_too, stdin=good("openai"))
        assert said.status == 2, command
        assert scan(secret, {"out": said.out.encode(), "err": said.err.encode()}) == [], command
        assert said.err.count("\n") == 1
        if as_json:
            assert said.error["code"] in {"usage", "refused", "not_found", "input"}
    assert shell.content() == []


@pytest.mark.parametrize("arguments", [["add", "openai", "{}"], ["add", "openai", "N", "{}"]])
def test_a_key_as_an_argument_is_told_apart(shell: Shell, arguments: list[str]) -> None:
    """Who gives the key as an argument hears that others could read it there."""
    said = shell(*(part.format(canary("gsk_")) for part in arguments), "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "other programs can read it" in said.error["message"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Choose a command: providers, add, list, check"),
        (["nonsense"], "Choose a command"),
        (["add"], "PROVIDER is missing. Usage: python -m mohet_keys add"),
        (["add", "openai"], "NAME is missing"),
        (["edit"], "KEY is missing"),
        (["edit", "openai/x"], "--name, --endpoint or --secret-stdin"),
        (["check"], "--all"),
        (["check", "openai/x", "--all"], "--all"),
        (["check", "--all", "--here-anyway"], "Name the keys"),
        (["list", "--colour"], "no such option"),
        (["add", "openai", "\udcff"], "not valid text"),
    ],
)
def test_wrong_use_is_one_line(shell: Shell, arguments: list[str], told: str) -> None:
    """A command that makes no sense ends with 2 and one sentence that helps."""
    said = shell(*arguments)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert told in said.err
    assert shell(*arguments, "--json").error["code"] == "usage"


def test_json_after_the_end_of_options_is_a_name(shell: Shell) -> None:
    """Behind `--` nothing is an option, so errors stay plain text."""
    said = shell("remove", "--", "--json")
    assert said.status == 2
    assert not said.err.startswith("{")


@pytest.mark.parametrize(
    "verb", ["", "providers", "add", "list", "check", "edit", "move", "remove", "select", "doctor"]
)
def test_every_command_has_help(shell: Shell, verb: str) -> None:
    """--help is plain text, for each command."""
    said = shell(*([verb] if verb else []), "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("Usage: python -m mohet_keys")
    assert verb in {"", "list"} or "--json" in said.out
    assert not set(said.out) & set("╭│╰─")


def test_t35_an_unforeseen_error_is_named_by_its_type_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours ends as one line without what it was about."""
    secret = canary("sk-proj-")

    def broken(_settings: object) -> None:
        raise ValueError(secret)

    monkeypatch.setattr(wiring, "build", broken)
    said = shell("list")
    assert (said.status, said.out) == (2, "")
    assert said.err == "Something unforeseen happened (ValueError).\n"
    assert shell("list", "--json").error["code"] == "internal"


# --- lists --------------------------------------------------------------------------------------


def test_providers_are_listed_with_their_keys(shell: Shell) -> None:
    """The six providers with how many keys each has, as JSON and one a line."""
    shell.add("groq", "Work", "", "--no-check")
    rows = shell("providers", "--json").json
    assert [row["slug"] for row in rows] == SLUGS
    assert list(rows[0]) == ["slug", "label", "endpoint", "keys_url", "key_optional", "keys"]
    assert {row["slug"]: row["keys"] for row in rows} == {**dict.fromkeys(SLUGS, 0), "groq": 1}
    assert [row["slug"] for row in rows if row["key_optional"]] == ["lmstudio", "ollama"]
    said = shell("providers")
    assert [line.split()[0] for line in said.out.splitlines()] == SLUGS
    assert "1 key " in said.out


def test_the_first_command_makes_the_store(shell: Shell) -> None:
    """With nothing there yet, store and master key are made, and not a word is said of it."""
    for folder in (shell.settings.data_dir, shell.settings.config_dir):
        shutil.rmtree(folder)
    said = shell("list")
    assert (said.status, said.out, said.err) == (0, "No API keys yet.\n", "")
    assert shell.database.exists()
    assert shell.settings.generated_master_key_file.exists()


def test_keys_are_listed_one_a_line_and_aligned(shell: Shell) -> None:
    """Provider, name, verdict, hint, endpoint and age stand below each other, in 100 columns."""
    shell.add("mistral", "Ćevapi", "", "--no-check")
    shell.add("openai", "日本", revoked("openai"))
    shell.add("groq", "Work")
    shell("select", "groq/Work")
    lines = shell("list").out.splitlines()
    assert [line[2:].split()[:2] for line in lines] == [
        ["openai", "日本"],
        ["groq", "Work"],
        ["mistral", "Ćevapi"],
    ]
    assert [line.startswith("*") for line in lines] == [False, True, False]
    where = [line.index(word) for line, word in zip(lines, ("Inv", "Val", "Not"), strict=True)]
    assert where == [where[1] - 2, where[1], where[1]]  # the two wide signs take four columns
    assert all(len(line) <= 100 for line in lines)
    assert lines[0].endswith("just now")
    assert lines[2].endswith("never")


def test_a_list_can_be_of_one_provider(shell: Shell) -> None:
    """--provider leaves out the others; no keys at all are said in words, and [] in JSON."""
    assert shell("list").out == "No API keys yet.\n"
    assert shell("list", "--json").json == []
    shell.add("groq", "Work", "", "--no-check")
    assert len(shell("list", "--provider", "groq", "--json").json) == 1
    assert shell("list", "--provider", "openai", "--json").json == []


@pytest.mark.parametrize(("age", "said"), [(90, "1 min"), (7300, "2 h"), (200_000, "2 d")])
def test_the_age_of_a_check_is_in_the_largest_unit(shell: Shell, age: int, said: str) -> None:
    """A list says how long ago a key was checked."""
    shell.add("groq", "Work")
    at = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
    shell.sql("UPDATE key_check SET checked_at = ?", str(at))
    assert shell("list").out.endswith(f"{said} ago\n")


def test_t31_what_cannot_be_seen_is_escaped(shell: Shell) -> None:
    """A name or an answer altered in the database moves no cursor and hides nothing."""
    shell.add("groq", "Work")
    trick = "\x1b[2J\r\n\u202egro\u2028\x9b\u200bx"
    shell.sql("UPDATE api_key SET name = ?, endpoint = 'x'", trick)
    shell.sql("UPDATE key_check SET explanation = ?", trick)
    (key,) = shell("list", "--json").json
    shown = "\\x1b[2J\\r\\n\\u202egro\\u2028\\x9b\\u200bx"
    for command in (("list",), ("select", key["id"]), ("check", key["id"])):
        said = shell(*command)
        assert shown in said.out
        assert not set(trick) - set(shown) - {"\n"} & set(said.out)
    said = shell("remove", key["id"])
    assert (shown in said.err, said.err.count("\n")) == (True, 1)


def test_joiners_of_scripts_stay() -> None:
    """The joiners that Persian, Hindi and many emoji need are shown as they are."""
    for name in ("می\u200cخواهم", "क्\u200dष", "👩\u200d💻"):
        assert output.printable(name) == name


def test_the_words_are_those_of_the_badges() -> None:
    """Terminal and page say the same of each verdict."""
    assert {verdict: words for verdict, (words, *_) in BADGES.items()} == output.WORDS
    assert set(output.WORDS) == set(Verdict)


# --- checking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "verdict", "status"),
    [
        ("good", "valid", 0),
        ("restricted", "limited", 0),
        ("revoked", "invalid", 1),
        ("html", "misconfigured", 1),
        ("down", "unreachable", 1),
    ],
)
def test_the_status_of_a_check_is_that_of_the_key(
    shell: Shell, behaviour: str, verdict: str, status: int
) -> None:
    """0 for a key that can be used, 1 for one that cannot, and the verdict in words and JSON."""
    secret = behaving("openai", behaviour)
    key = shell.add("openai", "Work", secret, "--no-check").json
    said = shell("check", key["id"], "--json")
    assert (said.status, [each["verdict"] for each in said.json]) == (status, [verdict])
    said = shell("check", "OpenAI/work")
    assert said.status == status
    assert said.out.startswith(f"openai/Work: {output.WORDS[Verdict(verdict)]} (")


def test_several_keys_are_checked_in_the_order_asked(shell: Shell) -> None:
    """One bad key makes the status 1; a key named twice is checked once."""
    shell.add("openai", "A", "", "--no-check")
    shell.add("groq", "B", revoked("groq"), "--no-check")
    assert shell("check", "openai/A", "--json").status == 0
    said = shell("check", "groq/B", "openai/A", "groq/b", "--json")
    assert (said.status, [key["name"] for key in said.json]) == (1, ["B", "A"])
    text = shell("check", "--all")
    assert text.status == 1
    assert text.out.index("openai/A: Valid") < text.out.index("groq/B: Invalid")


def test_all_of_no_keys_are_fine(shell: Shell) -> None:
    """--all with nothing saved is done at once."""
    said = shell("check", "--all", "--json")
    assert (said.status, said.json) == (0, [])
    assert shell("check", "--all").out == "No API keys yet.\n"


def test_an_unknown_key_stops_a_check_before_it_begins(shell: Shell) -> None:
    """Nothing is asked when one of the keys is not there."""
    shell.add("openai", "A", "", "--no-check")
    before = len(shell.simulator.requests)
    said = shell("check", "openai/A", "openai/B", "--json")
    assert (said.status, said.error["code"]) == (2, "not_found")
    assert len(shell.simulator.requests) == before


@pytest.mark.parametrize("verb", ["check", "edit", "move", "remove", "select"])
@pytest.mark.parametrize("ref", ["openai/Nobody", "nonsense", "", "a/b/c", "x\x00y"])
def test_an_unknown_key_is_refused_by_every_verb(shell: Shell, verb: str, ref: str) -> None:
    """An unknown id and an unknown name get one answer and change nothing."""
    more = {"edit": ["--name", "New"], "remove": ["--yes"]}.get(verb, [])
    said = shell(verb, ref, *more, "--json")
    assert (said.status, said.error["code"]) == (2, "not_found")


def test_an_outage_says_what_was_proven(shell: Shell) -> None:
    """A key that was valid and cannot be reached now says both."""
    shell.add("groq", "Work")
    shell.simulator.down = True
    said = shell("check", "groq/Work")
    assert said.status == 1
    assert "groq/Work: Unreachable" in said.out
    assert "It was valid when it was last reached" in said.out


def test_a_check_that_breaks_is_not_taken_for_an_old_result(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a check cannot be carried out, the verdict of an earlier one is not shown for it."""
    shell.add("groq", "Work")

    async def broken(*_args: object, **_more: object) -> None:
        raise ValueError

    monkeypatch.setattr("mohet_keys.probes.Prober.run", broken)
    said = shell("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"], said.err) == (1, "unchecked", "")
    assert said.json[0]["reason"] == "not carried out"


# --- keys that look like another vendor's -------------------------------------------------------


def test_a_key_of_another_vendor_is_held(shell: Shell) -> None:
    """It is saved and sent nowhere; the words say whose it looks like and how to go on."""
    before = len(shell.simulator.requests)
    where = shell.simulator.endpoint("openai")
    command = ("add", "openai", "--endpoint", where, "--secret-stdin")
    said = shell(*command, "Stray", stdin=good("groq"))
    assert (said.status, len(shell.simulator.requests)) == (1, before)
    (key,) = shell("list", "--json").json
    assert "looks like a Groq key" in said.out
    assert f"move {key['id']}" in said.out
    assert f"check {key['id']} --here-anyway" in said.out
    said = shell("check", "openai/Stray", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "unchecked")
    assert len(shell.simulator.requests) == before


def test_a_held_key_can_be_checked_where_it_is(shell: Shell) -> None:
    """--here-anyway is the user's word that the key belongs there."""
    shell.add("openai", "Stray", good("groq"))
    said = shell("check", "openai/Stray", "--here-anyway", "--json")
    assert (said.status, said.json[0]["verdict"]) == (0, "valid")
    assert shell("check", "openai/Stray").status == 0


def test_a_held_key_can_be_moved(shell: Shell) -> None:
    """`move` gives it to its vendor, at the vendor's own address, and checks it there."""
    shell.add("openai", "Stray", good("groq"))
    said = shell("move", "openai/Stray", "--json")
    assert said.json["provider"] == "groq"
    assert said.json["endpoint"] == "https://api.groq.com/openai/v1"
    assert (said.status, said.json["verdict"]) == (1, "unreachable")
    assert shell("move", "groq/Stray", "--json").error["code"] == "refused"


# --- editing ------------------------------------------------------------------------------------


def test_a_rename_is_not_checked(shell: Shell) -> None:
    """A new name needs no secret, asks nobody and keeps the verdict."""
    key = shell.add("openai", "Work").json
    before = len(shell.simulator.requests)
    said = shell("edit", "openai/Work", "--name", "Home", "--json")
    assert (said.status, said.json["name"], said.json["verdict"]) == (0, "Home", "valid")
    assert (said.json["id"], said.json["notes"]) == (key["id"], [])
    assert len(shell.simulator.requests) == before
    assert shell("edit", key["id"], "--name", "Work").out == "openai/Work was updated.\n"


def test_a_new_secret_is_checked(shell: Shell) -> None:
    """The secret comes from stdin and is checked at once; a bad one is kept with status 1."""
    shell.add("openai", "Work")
    said = shell("edit", "openai/Work", "--secret-stdin", "--json", stdin=revoked("openai"))
    assert (said.status, said.json["verdict"]) == (1, "invalid")
    said = shell("edit", "openai/Work", "--secret-stdin", stdin=good("openai"))
    assert said.status == 0
    assert said.out.startswith("openai/Work was updated.\nopenai/Work: Valid (")


def test_t15_a_changed_address_needs_the_secret(shell: Shell) -> None:
    """A stored secret never follows an edited address."""
    shell.add("openai", "Work")
    before = shell.content()
    where = shell.simulator.endpoint("gateway")
    elsewhere = where.replace("127.0.0.1", "localhost")
    said = shell("edit", "openai/Work", "--endpoint", elsewhere, "--json")
    assert (said.status, said.error["field"]) == (2, "secret")
    assert "localhost" in said.error["message"]
    assert shell.content() == before
    command = ("edit", "openai/Work", "--endpoint", where, "--secret-stdin", "--json")
    said = shell(*command, stdin=good("openai"))
    assert (said.status, said.json["endpoint"]) == (0, where)


def test_no_change_is_no_change(shell: Shell) -> None:
    """The same address written differently, and the same secret, change and check nothing."""
    shell.add("openai", "Work")
    before, asked = shell.content(), len(shell.simulator.requests)
    same = shell.simulator.endpoint("openai").replace("http", "HTTP") + "/"
    said = shell("edit", "openai/Work", "--endpoint", same, "--secret-stdin", stdin=good("openai"))
    assert (said.status, said.out.splitlines()[0]) == (0, "Nothing was changed.")
    assert (shell.content(), len(shell.simulator.requests)) == (before, asked)


@pytest.mark.parametrize(
    ("more", "secret", "field", "told"),
    [
        (["--secret-stdin"], "", "secret", "No key came in"),
        (["--secret-stdin"], " \n", "secret", "No key came in"),
        (["--secret-stdin"], "••••••••", "secret", "masked"),
        (["--secret-stdin"], "gsk_••••••••cdef", "secret", "masked"),
        (["--name", "other"], "", "name", "already have a key"),
        (["--name", " "], "", "name", "Enter a name"),
        (["--endpoint", "ftp://x"], "", "endpoint", "https://"),
        (["--secret-stdin"], good("openai", "2"), "secret", "already saved as “Other”"),
        (["--secret-stdin", "--endpoint", PUBLIC_HTTP], good("openai"), "endpoint", "unencrypted"),
    ],
)
def test_a_bad_edit_changes_nothing(
    shell: Shell, more: list[str], secret: str, field: str, told: str
) -> None:
    """Each mistake of an edit is refused at its field, and the key stays as it was."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("openai", "Other", good("openai", "2"), "--no-check")
    before = shell.content()
    said = shell("edit", "openai/Work", *more, "--json", stdin=secret)
    assert (said.status, said.error["field"]) == (2, field)
    assert told in said.error["message"]
    assert shell.content() == before


# --- removing and selecting ---------------------------------------------------------------------


def test_a_key_is_removed_only_with_a_yes(shell: Shell) -> None:
    """Without --yes nothing is deleted; with it, the key that was removed is shown."""
    key = shell.add("openai", "Work", "", "--no-check").json
    before = shell.content()
    said = shell("remove", "openai/Work", "--json")
    assert (said.status, said.error["code"]) == (2, "refused")
    assert "openai/Work" in said.error["message"]
    assert "--yes" in said.error["message"]
    assert shell.content() == before
    said = shell("remove", "openai/Work", "--yes", "--json")
    assert (said.status, list(said.json), said.json["id"]) == (0, FIELDS, key["id"])
    assert shell.content() == []


def test_removing_the_selected_key_is_said(shell: Shell) -> None:
    """Who deletes the key of the chat hears that none is selected now."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("openai", "Other", good("openai", "2"), "--no-check")
    shell("select", "openai/Work")
    assert shell("remove", "openai/Other", "--yes").out == "openai/Other was deleted.\n"
    said = shell("remove", "openai/Work", "--yes")
    assert said.out.startswith("openai/Work was deleted.")
    assert "no key is selected now" in said.out
    assert shell.sql("SELECT * FROM selection") == []


def test_a_key_is_selected_with_its_model(shell: Shell) -> None:
    """The selection is one key, perhaps with a model, which the key keeps; the one before it
    is selected no longer."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("groq", "Fast", "", "--no-check")
    said = shell("select", "openai/Work", "--json")
    assert (said.status, list(said.json), said.json["selected"]) == (0, FIELDS, True)
    said = shell("select", "groq/Fast", "--model", "openai/gpt-oss-20b")
    assert said.out.startswith("groq/Fast is now the key for the chat, with the model openai/gpt")
    assert [key["selected"] for key in shell("list", "--json").json] == [False, True]
    shell("select", "openai/Work")
    assert "with the model openai/gpt-oss-20b" in shell("select", "groq/Fast").out


def test_a_doubtful_selection_is_made_and_said(shell: Shell) -> None:
    """A model the key did not show and a key that cannot chat are chosen with a word of warning."""
    shell.add("groq", "Fast")
    assert "not among those" in shell("select", "groq/Fast", "--model", "gpt-2").out
    shell.add("openai", "Old", revoked("openai"))
    said = shell("select", "openai/Old")
    assert said.status == 0
    assert "cannot send through it" in said.out
    assert "openai/Old: Invalid" in said.out


# --- stores that do not open --------------------------------------------------------------------

VERBS: list[list[str]] = [
    ["providers"],
    ["add", "groq", "New", "--secret-stdin"],
    ["list"],
    ["check", "--all"],
    ["edit", "groq/Work", "--name", "New"],
    ["move", "groq/Work"],
    ["remove", "groq/Work", "--yes"],
    ["select", "groq/Work"],
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_store_that_is_no_database_is_3(shell: Shell, verb: list[str]) -> None:
    """Every command says that the store cannot be opened, in one line, and leaves the file."""
    shell.database.write_bytes(b"this is no database, but long enough to be looked at" * 100)
    said = shell(*verb, "--json", stdin=good("groq"))
    assert (said.status, said.error["code"]) == (3, "store")
    assert "not a database" in said.error["message"]
    assert shell.database.read_bytes().startswith(b"this is no database")


def test_t10_a_malformed_master_key_is_3(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source and the rule are named, and never the value."""
    secret = canary("master")
    monkeypatch.setenv("MOHET_MASTER_KEY", secret)
    said = shell("list", "--json")
    assert (said.status, said.error["code"]) == (3, "master_key")
    assert "MOHET_MASTER_KEY" in said.error["message"]
    assert scan(secret, {"err": said.err.encode()}) == []


@pytest.fixture
def locked(shell: Shell) -> Shell:
    """A store with one key, whose master key is another one now."""
    shell.add("groq", "Work")
    shell.settings.generated_master_key_file.write_text("f0e1d2c3b4a59687" * 4)
    return shell


def test_t09_a_locked_store_lists_and_forgets(locked: Shell) -> None:
    """With the wrong master key, listing, renaming, selecting and deleting still work."""
    said = locked("list", "--json")
    assert (said.status, said.json[0]["verdict"]) == (0, "locked")
    assert "master key" in said.json[0]["explanation"]
    assert "Locked" in locked("list").out
    assert locked("edit", "groq/Work", "--name", "Home").status == 0
    assert locked("select", "groq/Home").status == 0
    assert locked("remove", "groq/Home", "--yes").status == 0


def test_t09_a_locked_store_saves_and_sends_nothing(locked: Shell) -> None:
    """With the wrong master key, adding is refused and a check says locked with status 1."""
    before, asked = locked.content(), len(locked.simulator.requests)
    said = locked.add("groq", "New", good("groq", "2"))
    assert (said.status, said.error["code"]) == (2, "locked")
    said = locked("edit", "groq/Work", "--secret-stdin", "--json", stdin=good("groq", "2"))
    assert (said.status, said.error["code"]) == (2, "locked")
    said = locked("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "locked")
    assert (locked.content(), len(locked.simulator.requests)) == (before, asked)


def test_t03_an_altered_key_is_locked(shell: Shell) -> None:
    """A key whose address was changed behind the product's back is not sent there."""
    shell.add("groq", "Work")
    shell.sql("UPDATE api_key SET endpoint = 'https://evil.example/v1'")
    asked = len(shell.simulator.requests)
    said = shell("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "locked")
    assert len(shell.simulator.requests) == asked


# --- in a process of its own --------------------------------------------------------------------


def test_t01_the_life_of_a_key_leaves_no_trace_of_its_secret(
    process: Process, simulator: Simulator
) -> None:
    """Add, check and remove: one document each, and the secret nowhere."""
    secret = canary("sk-proj-sim-good-")
    where = simulator.endpoint("openai")
    steps = [
        process("add", "openai", "Argument", secret),
        process(
            "add", "openai", "W", "--endpoint", where, "--secret-stdin", "--json", stdin=secret
        ),
        process("check", "openai/W", "--json"),
        process("remove", "openai/W", "--yes", "--json"),
    ]
    assert [step.status for step in steps] == [2, 0, 0, 0]
    assert steps[1].json["verdict"] == "valid"
    assert all(step.err == "" for step in steps[1:])
    found = dict(files_below(process.folder))
    assert "data/mohet_keys.db" in found
    for number, step in enumerate(steps):
        found[f"step {number}"] = (step.out + step.err).encode()
    assert scan(secret, found) == []


def test_the_start_reads_no_more_than_it_needs(process: Process) -> None:
    """A command imports neither Streamlit nor pandas, and one that is misused no database. What
    the parts log is kept off stderr, where errors are one line."""
    program = (
        "import logging, sys; from mohet_keys.cli import main; main(sys.argv[1:]);"
        "logging.getLogger('mohet_keys.validation').error('a log line');"
        "print(sorted({'streamlit', 'pandas', 'sqlalchemy'} & set(sys.modules)), file=sys.stderr)"
    )
    for command, found in ((["add"], []), (["providers"], ["sqlalchemy"])):
        done = subprocess.run(
            [sys.executable, "-c", program, *command],
            cwd=ROOT,
            env=process.environment,
            capture_output=True,
            check=False,
        )
        said = done.stderr.decode().splitlines()
        assert said[-1] == str(found)
        assert "a log line" not in said


def test_a_reader_that_leaves_is_no_error(process: Process) -> None:
    """`| head` ends quietly, also in the middle of the help."""
    for command in (["providers"], ["--help"]):
        ours, theirs = socket.socketpair()
        ours.close()
        with theirs, process.start(*command, stdout=theirs) as running:
            _, err = running.communicate(timeout=30)
        assert (running.returncode, err) == (0, b"")


def test_an_answer_that_cannot_be_written_is_said(process: Process) -> None:
    """On a full disk the command says that what it did could not be shown."""
    with Path("/dev/full").open("wb") as full, process.start("list", stdout=full) as running:
        _, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert err == b"It was done, but cannot be shown: No space left on device.\n"


def test_any_encoding_will_do(process: Process) -> None:
    """On a terminal that knows only ASCII, a name is escaped instead of failing."""
    process.environment["PYTHONIOENCODING"] = "ascii"
    added = process("add", "lmstudio", "日本", "--no-check", "--endpoint", "http://127.0.0.1:9/v1")
    assert (added.status, added.out, added.err) == (0, "lmstudio/\\u65e5\\u672c was saved.\n", "")


def test_ctrl_c_ends_quietly(process: Process, simulator: Simulator) -> None:
    """A check that is interrupted ends with 130 and without a word."""
    where, secret = simulator.endpoint("openai"), behaving("openai", "drip")
    asked = len(simulator.requests)
    with process.start("add", "openai", "W", "--endpoint", where, "--secret-stdin") as running:
        assert running.stdin is not None
        running.stdin.write(secret.encode())
        running.stdin.close()
        running.stdin = None
        ends = time.monotonic() + 20
        while len(simulator.requests) == asked and time.monotonic() < ends:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, b"", b"")


def typed(process: Process, secret: str, *arguments: str) -> tuple[int, bytes, bytes]:
    """Run a command at a terminal, type the secret when asked; status, stdout, the screen."""
    ours, theirs = pty.openpty()
    with process.start(*arguments, stdin=theirs, stderr=theirs, start_new_session=True) as running:
        os.close(theirs)
        try:
            screen = _shown_within(ours, 20)
            os.write(ours, f"{secret}\n".encode())
            out, _ = running.communicate(timeout=20)
            screen += _shown_within(ours, 1)
        finally:
            running.kill()
            os.close(ours)
    return running.returncode, out, screen


def _shown_within(terminal: int, seconds: float) -> bytes:
    """What comes to a terminal next; nothing when its other end is gone."""
    with contextlib.suppress(OSError):
        if select.select([terminal], [], [], seconds)[0]:
            return os.read(terminal, 4000)
    return b""


def test_at_a_terminal_the_secret_is_asked_for_unseen(
    process: Process, simulator: Simulator
) -> None:
    """The prompt does not show what is typed: for a new key, for a key that is to go elsewhere,
    and where --secret-stdin meets a terminal."""
    here, there = simulator.endpoint("openai"), simulator.endpoint("gateway")
    for command in (
        ("add", "openai", "W", "--endpoint", here, "--json"),
        ("edit", "openai/W", "--endpoint", there, "--json"),
        ("edit", "openai/W", "--secret-stdin", "--json"),
    ):
        secret = canary("sk-proj-sim-good-")
        status, out, screen = typed(process, secret, *command)
        assert b"API Key: " in screen
        assert (status, json.loads(out)["hint"][-4:]) == (0, secret[-4:])
        assert scan(secret, {"out": out, "screen": screen}) == []
