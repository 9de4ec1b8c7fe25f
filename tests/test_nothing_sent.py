"""Nothing is sent that should not be: whole stack, real sockets, and twins with the guard off.

Each case ends with a sink that heard nothing at all. Its twin turns off the one guard that is
meant, and the canary arrives: so the sink would have noticed.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import endpoints, envelope, keeping, pasted, wiring
from mohet_keys.chat import ChatService
from mohet_keys.errors import InputError, LockedError, NotFoundError, SealError
from mohet_keys.http import Guards, Outbound
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Ended,
    KeyChanges,
    KeyEntry,
    Message,
    NewKey,
    Verdict,
)
from mohet_keys.providers import PROVIDERS, Provider
from mohet_keys.settings import Settings
from mohet_keys.validation import ValidationService
from mohet_keys.vault import Vault
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.sink import Sink, reply
from tests.team import EVE, join

HOME, AWAY = canary("sk-proj-"), canary("sk-proj-")
"""The secrets of the key that is saved for one server, and of the one saved for another."""


@dataclass
class Stage:
    """Two servers, a key saved for each, and the product between them."""

    parts: Parts
    settings: Settings
    home: Sink
    away: Sink
    patience: float = 5.0
    looked_up: list[str] = field(default_factory=list)
    keys: dict[str, KeyEntry] = field(default_factory=dict)

    def url(self, which: str, path: str = "/v1", scheme: str = "http") -> str:
        """The base URL of one of the two, by a name, so that a look-up would be seen."""
        return f"{scheme}://{which}.internal:{getattr(self, which).port}{path}"

    def save(self, which: str, secret: str, provider: str = "openai") -> KeyEntry:
        """A key for one of the two servers."""
        new = NewKey(
            provider=provider, name=which, secret=SecretStr(secret), endpoint=self.url(which)
        )
        self.keys[which] = self.parts.keys.add(new, owner=LOCAL_OWNER).entry
        return self.keys[which]

    def edit(self, which: str, secret: str = "", **changes: object) -> KeyEntry:
        """Change a key as its form would."""
        entry = self.parts.keys.entry(self.keys[which].id, owner=LOCAL_OWNER)
        typed = KeyChanges.model_validate({**changes, "secret": SecretStr(secret)})
        return self.parts.keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version).entry

    def alter(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Write into the database, past the product."""
        with closing(sqlite3.connect(self.settings.data_dir / "mohet_keys.db")) as raw, raw:
            for statement, values in statements:
                raw.execute(statement, values)

    def stored(self, which: str, column: str) -> Any:
        """A cell of a key's row."""
        with closing(sqlite3.connect(self.settings.data_dir / "mohet_keys.db")) as raw:
            asked = f"SELECT {column} FROM api_key WHERE id = ?"  # noqa: S608  # a column's name
            return raw.execute(asked, (self.keys[which].id,)).fetchone()[0]

    def check(self, *which: str, parts: Parts | None = None, **switches: bool) -> list[CheckResult]:
        """Check keys of the stage by the real service, with some guards off."""
        outbound = Outbound(guards=Guards(**switches), resolver=self._resolve)
        checks = ValidationService((parts or self.parts).keys, outbound, deadline=self.patience)
        ids = [self.keys[name].id for name in which or self.keys]
        return asyncio.run(checks.check_many(ids, owner=LOCAL_OWNER))

    def chat(self, which: str) -> Ended:
        """Send a message through a key of the stage; how that ended."""
        chats = ChatService(self.parts.keys, Outbound(resolver=self._resolve))

        async def story() -> Ended:
            said = [Message("user", "Hello")]
            stream = chats.stream(self.keys[which].id, owner=LOCAL_OWNER, messages=said, model="m")
            async with aclosing(stream) as events:
                return [event async for event in events if isinstance(event, Ended)][-1]

        return asyncio.run(story())

    async def _resolve(self, host: str, _port: int) -> list[str]:
        self.looked_up.append(host)
        return ["127.0.0.1"]

    @property
    def silent(self) -> bool:
        """Whether neither server was so much as called, nor its name looked up."""
        return (self.home.accepts, self.away.accepts, self.looked_up) == (0, 0, [])


@pytest.fixture
def stage(parts: Parts, settings: Settings) -> Iterator[Stage]:
    """Two servers that answer like an OpenAI one, and a key for each."""
    with Sink(reply(b'{"object": "list", "data": []}')) as home, Sink() as away:
        made = Stage(parts, settings, home, away)
        made.save("home", HOME)
        made.save("away", AWAY)
        yield made


def verdicts(results: list[CheckResult]) -> set[Verdict]:
    """What was said of the keys."""
    return {result.diagnosis.verdict for result in results}


def test_a_key_that_is_left_alone_arrives(stage: Stage) -> None:
    """The twin of all: each key reaches its own server, by its header, and no other."""
    stage.check()
    assert (stage.home.saw(HOME), stage.home.saw(AWAY)) == (True, False)
    assert (stage.away.saw(HOME), stage.away.saw(AWAY)) == (False, True)
    assert set(stage.looked_up) == {"home.internal", "away.internal"}


# --- rows altered in the database -------------------------------------------------------------


def swapped(stage: Stage) -> None:
    """T02: the two rows exchange their sealed values."""
    home, away = stage.stored("home", "sealed"), stage.stored("away", "sealed")
    statement = "UPDATE api_key SET sealed = ? WHERE id = ?"
    stage.alter(
        (statement, (away, stage.keys["home"].id)), (statement, (home, stage.keys["away"].id))
    )


def copied(stage: Stage) -> None:
    """T02: the value of one row stands in the other as well."""
    stage.alter(("UPDATE api_key SET sealed = ?", (stage.stored("home", "sealed"),)))


def copied_whole(stage: Stage) -> None:
    """T02: a row gets the value of another, and everything else that speaks of it."""
    for column in ("endpoint", "hint", "revision", "version", "data_key_id", "sealed"):
        value = stage.stored("home", column)
        stage.alter((f"UPDATE api_key SET {column} = ?", (value,)))  # noqa: S608  # a column


def setting(column: str, value: Callable[[Stage], object]) -> Callable[[Stage], None]:
    """T03 and T04: one column of the first key says something else."""

    def alter(stage: Stage) -> None:
        statement = f"UPDATE api_key SET {column} = ? WHERE id = ?"  # noqa: S608  # a column
        stage.alter((statement, (value(stage), stage.keys["home"].id)))

    return alter


ALTERED: dict[str, Callable[[Stage], None]] = {
    "rows swapped": swapped,
    "one copied over the other": copied,
    "a whole row copied": copied_whole,
    "host": setting("endpoint", lambda stage: stage.url("away")),
    "port": setting("endpoint", lambda stage: f"http://home.internal:{stage.away.port}/v1"),
    "path": setting("endpoint", lambda stage: stage.url("home", "/v1/other")),
    "spelling": setting("endpoint", lambda stage: stage.url("home").upper()),
    "provider": setting("provider", lambda _stage: "mistral"),
    "revision": setting("revision", lambda _stage: 2),
    "consent": setting("allow_http", lambda _stage: 1),
}
BOTH = {"rows swapped", "one copied over the other", "a whole row copied"}
"""The cases in which both rows were touched."""
GENUINE = BOTH - {"rows swapped"}
"""Those in which one of the two is still what it was, and may be sent."""
SCHEME = setting("endpoint", lambda stage: stage.url("home", scheme="https"))


def believe_the_envelope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the guard off: open whatever opens, wherever it stands now."""
    original = Vault.open
    monkeypatch.setattr(
        Vault,
        "open",
        lambda self, blob, _label: original(self, blob, envelope.unpack(blob).header.label),
    )


@pytest.mark.parametrize("case", [*ALTERED, "scheme"])
def test_t02_t03_t04_an_altered_row_sends_nothing(stage: Stage, case: str) -> None:
    """Exchanged secrets and edited delivery fields lock the key before any name is looked up."""
    ALTERED.get(case, SCHEME)(stage)
    results = stage.check(*(stage.keys if case in BOTH else ["home"]))
    assert Verdict.LOCKED in verdicts(results)
    said = " ".join(result.diagnosis.explanation for result in results)
    assert scan(HOME, {"said": said.encode()}) == scan(AWAY, {"said": said.encode()}) == []
    if case in GENUINE:
        assert not stage.away.saw(HOME)
        assert not stage.home.saw(AWAY)
    else:
        assert verdicts(results) == {Verdict.LOCKED}
        assert stage.silent


@pytest.mark.parametrize("case", ALTERED)
def test_t02_t03_t04_without_the_binding_it_would_be_sent(
    stage: Stage, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a vault that believes the envelope sends a secret where the altered row says."""
    believe_the_envelope(monkeypatch)
    ALTERED[case](stage)
    stage.check()
    both = stage.home.received + stage.away.received
    assert HOME.encode() in both
    if case in {"rows swapped", "host", "port", "one copied over the other"}:
        assert stage.away.saw(HOME)


@pytest.mark.parametrize("case", [*(one for one in ALTERED if one not in GENUINE), "scheme"])
def test_t02_t03_t04_a_chat_through_an_altered_row_sends_nothing(stage: Stage, case: str) -> None:
    """Neither the message nor the key leaves, and the chat says that the key is locked."""
    ALTERED.get(case, SCHEME)(stage)
    ended = stage.chat("home")
    assert ended.outcome == "failed"
    assert ended.diagnosis is not None
    assert ended.diagnosis.verdict is Verdict.LOCKED
    assert stage.silent


def test_t03_without_the_binding_a_chat_would_go_where_the_row_says(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a vault that believes the envelope sends message and key to the other server."""
    believe_the_envelope(monkeypatch)
    ALTERED["host"](stage)
    stage.chat("home")
    assert stage.away.saw(HOME)
    assert stage.away.saw("Hello")


def test_t04_another_scheme_would_be_dialled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin for the scheme: believed, the server is called, and only TLS fails."""
    believe_the_envelope(monkeypatch)
    SCHEME(stage)
    stage.patience = 0.3
    stage.check("home")
    assert stage.home.accepts > 0


def test_t03_the_refusal_names_both_hosts(stage: Stage) -> None:
    """What is said of an edited address is where the key belongs and where it was to go."""
    ALTERED["host"](stage)
    (result,) = stage.check("home")
    assert "sealed for home.internal" in result.diagnosis.explanation
    assert "away.internal" in result.diagnosis.explanation
    assert "Nothing was sent" in result.diagnosis.explanation


# --- sealed values that were ruined -----------------------------------------------------------

RUINED: dict[str, Callable[[bytes], object]] = {
    "a bit": lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
    "a bit of the header": lambda blob: blob.replace(b"openai", b"opinai"),
    "its end": lambda blob: blob[:-1],
    "all": lambda _blob: b"",
    "text": lambda blob: blob.decode("latin-1"),
    "in clear": lambda _blob: HOME.encode(),
    "encoded only": lambda _blob: base64.b64encode(HOME.encode()),
    "number": lambda _blob: 5,
}


def ruin(stage: Stage, how: str) -> None:
    """Put something else in the place of the first key's sealed value."""
    blob = RUINED[how](stage.stored("home", "sealed"))
    stage.alter(("UPDATE api_key SET sealed = ? WHERE id = ?", (blob, stage.keys["home"].id)))


@pytest.mark.parametrize("how", RUINED)
def test_t05_t11_a_ruined_value_sends_nothing(stage: Stage, how: str) -> None:
    """Neither a secret nor the stored bytes leave; the row stays as it is, also after a rename."""
    ruin(stage, how)
    before = stage.stored("home", "sealed")
    assert verdicts(stage.check("home")) == {Verdict.LOCKED}
    stage.edit("home", name="Renamed")
    assert verdicts(stage.check("home")) == {Verdict.LOCKED}
    assert stage.silent
    assert before == stage.stored("home", "sealed")


@pytest.mark.parametrize("how", RUINED)
def test_t05_t11_a_chat_through_a_ruined_value_sends_nothing(stage: Stage, how: str) -> None:
    """No message leaves through a key that does not open, and its row stays as it is."""
    ruin(stage, how)
    before = stage.stored("home", "sealed")
    ended = stage.chat("home")
    assert ended.diagnosis is not None
    assert (ended.outcome, ended.diagnosis.verdict) == ("failed", Verdict.LOCKED)
    assert stage.silent
    assert before == stage.stored("home", "sealed")


def test_t11_a_vault_that_fails_open_would_send_what_is_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a vault that hands out what it cannot open sends it on as the key."""
    original = Vault.open

    def fail_open(self: Vault, blob: bytes, label: Any) -> str:
        try:
            return original(self, blob, label)
        except SealError:
            return blob.decode()

    monkeypatch.setattr(Vault, "open", fail_open)
    ruin(stage, "in clear")
    stage.check("home")
    assert stage.home.saw(HOME)


@pytest.mark.parametrize("error", [LockedError("No."), SealError("No."), RuntimeError("bug")])
def test_t11_whatever_opening_raises_nothing_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A vault that raises, by design or by a bug, stops the check, for one key and for many."""

    def broken(*_given: object) -> None:
        raise error

    monkeypatch.setattr(Vault, "open", broken)
    assert verdicts(stage.check()) <= {Verdict.LOCKED, Verdict.UNCHECKED}
    assert stage.silent


# --- the wrong master key ---------------------------------------------------------------------


@pytest.fixture
def stranger(stage: Stage) -> Iterator[Parts]:
    """The same store, opened with another master key."""
    other = base64.b64encode(bytes(range(50, 82))).decode()
    stage.settings.generated_master_key_file.unlink()
    built = wiring.build(stage.settings.model_copy(update={"master_key": SecretStr(other)}))
    yield built
    built.close()


def test_t09_with_the_wrong_master_key_nothing_is_sent(stage: Stage, stranger: Parts) -> None:
    """Every key is locked, and no server is called."""
    assert verdicts(stage.check(parts=stranger)) == {Verdict.LOCKED}
    assert stage.silent
    stage.check()  # the twin: the right key is still at work beside it
    assert stage.home.saw(HOME)
    assert stage.away.saw(AWAY)


# --- edits by way of the product --------------------------------------------------------------


def test_t15_an_edited_address_gets_nothing(stage: Stage) -> None:
    """A blank secret and a new address: refused, and the next check goes to the old one."""
    del stage.keys["away"]
    for changes in ({}, {"name": "Renamed"}):
        with pytest.raises(InputError):
            stage.edit("home", endpoint=stage.url("away"), **changes)
    stage.check("home")
    assert stage.away.accepts == 0
    assert stage.home.saw(HOME)


def test_t15_an_edit_that_kept_the_secret_would_send_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: an edit that fills a blank secret from the store sends it to the new address."""
    original = keeping.read_changes
    stored = stage.parts.keys.open(stage.keys["home"].id, owner=LOCAL_OWNER).secret or ""

    def keep(entry: KeyEntry, changes: KeyChanges) -> Any:
        return original(entry, changes.model_copy(update={"secret": SecretStr(stored)}))

    monkeypatch.setattr(keeping, "read_changes", keep)
    stage.edit("home", endpoint=stage.url("away"))
    stage.check("home")
    assert stage.away.saw(HOME)


def test_t16_a_new_address_gets_the_typed_secret_alone(stage: Stage) -> None:
    """With a secret typed, that one arrives at the new address, and the stored one never does."""
    typed = canary("sk-proj-")
    stage.edit("home", typed, endpoint=stage.url("away", "/v2"))
    stage.check("home")
    heads = [stage.away.headers(number) for number in range(len(stage.away.heads))]
    assert {head.get("authorization", f"Bearer {typed}") for head in heads} == {f"Bearer {typed}"}
    assert stage.away.saw(typed)
    assert not stage.away.saw(HOME)
    assert stage.home.accepts == 0


def test_t18_a_mask_is_sent_nowhere(stage: Stage) -> None:
    """What is shown of a key, typed as the key, changes nothing of what is sent."""
    for mask in (stage.keys["home"].hint, "••••••••", "sk-...cdef", "***"):
        with pytest.raises(InputError):
            stage.edit("home", mask)
    stage.check("home")
    assert stage.home.saw(HOME)
    assert b"\xe2\x80\xa2" not in stage.home.received


# --- addresses that are refused ---------------------------------------------------------------

FORMS = [
    *("http://me:word@127.0.0.1:{}/v1", "http://me@127.0.0.1:{}/v1"),
    *("http://home.internal@127.0.0.1:{}/v1", "http://127.0.0.1:{}\\@home.internal/v1"),
    *("http://127.0.0.1:{}/%2e%2e/v1", "http://127.0.0.1:{}/v1/../x", "http://127.0.0.1.:{}/v1"),
    *("http://127.0.0.1:{}\t/v1", "http://127.0.0.1%00:{}/v1", "http://127.0.0.1:{}0000/v1"),
    *("http://127。0。0。1:{}/v1", "http://１２７.0.0.1:{}/v1", "http://127.1:{}/v1"),
    *("http://2130706433:{}/v1", "http://0x7f000001:{}/v1", "http://0177.0.0.1:{}/v1"),
    *("http://0:{}/v1", "http://0.0.0.0:{}/v1", "http://[::]:{}/v1", "http://[::ffff:0:0]:{}/v1"),
    "ftp://127.0.0.1:{}/v1",
]


@pytest.mark.parametrize("form", FORMS)
def test_t20_t22_a_doubtful_address_is_never_asked(stage: Stage, form: str) -> None:
    """Saved it cannot be; written into the database it opens nothing; asked for it goes nowhere."""
    url = form.format(stage.home.port)
    for slug in ("openai", "ollama"):
        new = NewKey(provider=slug, name="x", secret=SecretStr(canary("sk-")), endpoint=url)
        with pytest.raises(InputError) as refused:
            stage.parts.keys.add(new, owner=LOCAL_OWNER)
        assert refused.value.field == "endpoint"
    setting("endpoint", lambda _stage: url)(stage)
    assert verdicts(stage.check("home")) == {Verdict.LOCKED}
    assert stage.silent


@pytest.mark.parametrize("form", ["http://0.0.0.0:{}/v1", "http://127.1:{}/v1"])
def test_t20_without_the_rules_it_would_be_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The twin: these forms do reach this machine, so that refusing them keeps something in."""
    monkeypatch.setattr(endpoints, "_dotted", lambda name: name)
    monkeypatch.setattr(endpoints, "_forbid", lambda name: name)
    url, secret = form.format(stage.home.port), SecretStr(canary("sk-proj-"))
    new = NewKey(provider="openai", name="x", secret=secret, endpoint=url, allow_http=True)
    stage.keys = {"x": stage.parts.keys.add(new, owner=LOCAL_OWNER).entry}
    stage.check(link_local=False)
    assert stage.home.saw(secret.get_secret_value())


# --- answers that point elsewhere, and the environment ----------------------------------------


def test_t19_a_redirect_takes_the_key_nowhere(parts: Parts, settings: Settings) -> None:
    """The server a redirect points to is told of by its host, and not called."""
    with Sink() as away:
        moved = reply(b"", f"Location: {away.url()}", status="307 Moved")
        with Sink(moved) as home:
            stage = Stage(parts, settings, home, away)
            stage.save("home", HOME)
            (result,) = stage.check()
            assert result.diagnosis.verdict is Verdict.MISCONFIGURED
            assert "127.0.0.1" in result.diagnosis.explanation
            assert away.accepts == 0
            stage.check(redirects=False, origin=False)  # the twin
            assert away.accepts > 0


def test_t23_no_proxy_of_the_environment_gets_the_key(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that reroute every other program reroute nothing here."""
    with Sink() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(path=""))
        stage.check()
        assert proxy.accepts == 0
        assert stage.home.saw(HOME)
        stage.check("home", proxies=False)  # the twin
        assert proxy.saw(HOME)


# --- held keys --------------------------------------------------------------------------------


def test_a_held_key_is_sent_nowhere_until_it_is_let_go(stage: Stage) -> None:
    """A Groq key saved under OpenAI reaches nobody; let go, or in the twin, it arrives."""
    stray = canary("gsk_")
    del stage.keys["away"]
    stage.edit("home", stray)
    (result,) = stage.check()
    assert result.diagnosis.verdict is Verdict.UNCHECKED
    assert stage.silent
    entry = stage.parts.keys.entry(stage.keys["home"].id, owner=LOCAL_OWNER)
    stage.parts.keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)
    stage.check()
    assert stage.home.saw(stray)


def test_without_the_hold_it_would_be_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: when nobody asks whose a key is, it goes to whoever it was saved for."""
    stray = canary("gsk_")
    monkeypatch.setattr(pasted, "looks_like", lambda *_given: None)
    stage.edit("home", stray)
    stage.check("home")
    assert stage.home.saw(stray)


# --- what is sent, is sent in one header ------------------------------------------------------


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.slug)
def test_t37_a_key_is_in_one_header_and_in_no_url(
    stage: Stage, row: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the provider: no request line, body, other header or log has the key."""
    caplog.set_level(logging.DEBUG)
    secret = canary("")
    stage.parts.keys.remove(stage.keys["home"].id, owner=LOCAL_OWNER)
    stage.save("home", secret, row.slug)
    stage.check("home")
    assert stage.home.saw(secret)
    for number, head in enumerate(stage.home.heads):
        headers = stage.home.headers(number)
        assert headers.pop("authorization", f"Bearer {secret}") == f"Bearer {secret}"
        kept = {"line": head.split(b"\r\n")[0], "other headers": repr(headers).encode()}
        assert scan(secret, kept) == []
    bodies = b"".join(stage.home.bodies)
    assert scan(secret, {"bodies": bodies, "log": caplog.text.encode()}) == []


# --- what is remembered belongs to its owner --------------------------------------------------


def test_t42_what_is_cached_has_no_secret_and_serves_nobody_else(stage: Stage) -> None:
    """A cache shared by mistake gives another user nothing, and holds no secret."""
    cache: dict[Any, Any] = {}
    checks = ValidationService(stage.parts.keys, Outbound(resolver=stage._resolve))
    key_id = stage.keys["home"].id
    mine = asyncio.run(checks.check(key_id, owner=LOCAL_OWNER, cache=cache))
    assert mine in [entry[1] for entry in cache.values()]
    join(stage.parts.repository, EVE)
    with pytest.raises(NotFoundError):
        asyncio.run(checks.check(key_id, owner=EVE, cache=cache))
    assert scan(HOME, {"cache": repr((cache, vars(checks))).encode()}) == []
    before = stage.home.accepts
    assert mine == asyncio.run(checks.check(key_id, owner=LOCAL_OWNER, cache=cache))
    assert before == stage.home.accepts
    stage.edit("home", canary("sk-proj-"))
    asyncio.run(checks.check(key_id, owner=LOCAL_OWNER, cache=cache))
    assert stage.home.accepts > before
