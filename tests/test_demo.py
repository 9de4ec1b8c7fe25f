"""The demo: keys in every verdict with a past, on a stage of its own that leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mohet_keys import background, demo, demo_past, demo_stage, endpoints, wiring
from mohet_keys.demo_keys import CAST, CHOSEN, ROUTES, Cast
from mohet_keys.demo_stage import DemoParts
from mohet_keys.demo_way import ELSEWHERE, DemoOutbound
from mohet_keys.errors import StoreError, TransportError
from mohet_keys.http import Outbound
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, Diagnosis, KeyEntry, NewKey, OpenedKey, Verdict
from mohet_keys.providers import PROVIDERS
from mohet_keys.settings import Settings
from mohet_keys.standing import may_send, standing
from tests import terminal
from tests.census import LOCAL, Book

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def parts() -> Iterator[DemoParts]:
    """One demo for the tests that only look."""
    running = demo_stage.begin(Settings(demo=True))
    yield running
    running.close()


def all_keys(parts: wiring.Parts) -> list[KeyEntry]:
    """Every key, in no certain order."""
    return list(parts.keys.list(owner=LOCAL_OWNER).entries)


def named(parts: wiring.Parts, name: str) -> KeyEntry:
    """The key of this name."""
    return next(entry for entry in all_keys(parts) if entry.name == name)


# --- what is to be seen -------------------------------------------------------------------------


def test_every_verdict_is_there(parts: DemoParts) -> None:
    """Some twenty keys show each badge, and every provider has some of them."""
    keys = all_keys(parts)
    found = Counter(standing(entry).verdict for entry in keys)
    assert set(found) == set(Verdict)
    assert {entry.provider for entry in keys} == {row.slug for row in PROVIDERS}
    limited = [e for e in keys if standing(e).verdict is Verdict.LIMITED]
    assert len({standing(entry).reason for entry in limited}) >= 3
    assert [entry.name for entry in keys if entry.looks_like] == ["From Ben, Untested"]
    assert 18 <= len(keys) <= 24


def test_each_key_stands_as_its_provider_says(parts: DemoParts) -> None:
    """What is shown of each key is what a check of it finds: the past tells no tales."""
    asked = [entry for entry in all_keys(parts) if entry.check]
    before = {entry.id: standing(entry) for entry in asked}
    found = background.shared().run(parts.checks.check_many(list(before), owner=LOCAL_OWNER))
    said = {result.key_id: (result.diagnosis.verdict, result.diagnosis.reason) for result in found}
    assert said == {key: (was.verdict, was.reason) for key, was in before.items()}


def test_one_key_is_selected_and_may_be_chatted_with(parts: DemoParts) -> None:
    """A visitor can type a message at once."""
    chosen = named(parts, CHOSEN[1])
    assert chosen.selected
    assert may_send(chosen)
    assert parts.chosen == chosen.id


def test_the_past_has_fourteen_days(parts: DemoParts) -> None:
    """Checks, messages and doings reach back a fortnight, end before now, and are in order."""
    now = datetime.now(UTC)
    chosen = named(parts, CHOSEN[1])
    seen = parts.repository.history.of_key(chosen.id, LOCAL_OWNER, limit=10_000)
    assert len(seen) > 600
    assert [each.at for each in seen] == sorted((each.at for each in seen), reverse=True)
    assert now - timedelta(days=15) < seen[-1].at < seen[0].at < now
    days = parts.repository.uses.days(LOCAL_OWNER, now.date() - timedelta(days=13))
    assert len(days) >= 13
    assert all(day.requests and day.tokens_in and day.tokens_out for day in days)
    told = parts.repository.journal.page(Wanted(owner=LOCAL_OWNER))
    doings = {"add", "check", "chat", "rename", "try", "replace", "delete"}
    assert doings <= {each.action for each in told}
    times = [each.at for each in told]
    assert [now, *times] == sorted([now, *times], reverse=True)


def test_the_charts_have_the_same_past(parts: DemoParts) -> None:
    """The hours add up to the checks of all keys."""
    since = datetime.now(UTC) - timedelta(days=20)
    counted = sum(t.count for t in parts.repository.history.tallies(LOCAL_OWNER, since))
    history = parts.repository.history
    kept = sum(len(history.of_key(e.id, LOCAL_OWNER, limit=10_000)) for e in all_keys(parts))
    assert counted == kept > 1000


def test_old_unused_and_ending_keys_are_there(parts: DemoParts) -> None:
    """There is something to be reminded of."""
    now, keys = datetime.now(UTC), all_keys(parts)
    assert named(parts, "Invoice Reader").used_at < now - timedelta(days=60)  # type: ignore[operator]
    assert named(parts, "Support Chat").used_at > now - timedelta(days=1)  # type: ignore[operator]
    unused = parts.repository.survey.unused(LOCAL_OWNER, now - timedelta(days=60))
    assert 1 < unused < len(keys) / 4
    assert [e.name for e in keys if e.secret_at and e.secret_at < now - timedelta(days=365)]
    assert named(parts, CHOSEN[1]).secret_at > now - timedelta(days=13)  # type: ignore[operator]


def past_of(cast: Cast, now: datetime) -> tuple[object, ...]:
    """What chance makes of a key's past."""
    said = Diagnosis(Verdict.VALID, "key works", "")
    looks = demo_past.looks(cast, "groq", now, good="key works", said=said, outage="outage")
    return (*looks, *demo_past.messages(cast, now))


def test_the_past_is_the_same_each_time() -> None:
    """At the same moment two demos tell the same, to the millisecond and the token."""
    assert [past_of(cast, NOW) for cast in CAST] == [past_of(cast, NOW) for cast in CAST]
    other = replace(CAST[0], name="Another")
    assert past_of(other, NOW) != past_of(CAST[0], NOW)


def told_by(parts: DemoParts) -> list[tuple[object, ...]]:
    """What is shown of each key, without what depends on when the demo was started."""
    rows: list[tuple[object, ...]] = []
    for entry in sorted(all_keys(parts), key=lambda entry: (entry.provider, entry.name)):
        seen = parts.repository.history.of_key(entry.id, LOCAL_OWNER, limit=3)
        words = [(each.verdict, each.reason) for each in seen]
        rows.append((entry.provider, entry.name, entry.hint, standing(entry).reason, words))
    return rows


def test_two_demos_show_the_same(parts: DemoParts) -> None:
    """Whenever it is started, the same keys stand in the same way."""
    other = demo_stage.begin(Settings(demo=True))
    try:
        assert told_by(other) == told_by(parts)
    finally:
        other.close()


# --- nothing of it leaves -----------------------------------------------------------------------


def asking(outbound: Outbound, endpoint: str) -> TransportError:
    """What comes of asking an address that nothing plays."""
    key = OpenedKey("", "openai", endpoint, 0, "sk-proj-sim-good-0123456789", allow_http=True)
    with pytest.raises(TransportError) as caught:
        background.shared().run(outbound.ask(key, "GET", f"{endpoint}/models"))
    return caught.value


@pytest.mark.parametrize("endpoint", ["https://api.x.ai/v1", "http://192.0.2.1/v1"])
def test_t41_the_demo_asks_nobody_outside(endpoint: str) -> None:
    """An address that no simulated server plays is not even looked up."""
    error = asking(DemoOutbound({}), endpoint)
    assert error.kind == "blocked"
    assert error.detail in {ELSEWHERE, "192.0.2.1 is at an address that is never asked"}


def test_t41_without_that_guard_the_name_would_be_looked_up() -> None:
    """The twin: the way out of the product in earnest sets out to find the host."""
    asked = []

    async def nobody(host: str, _port: int) -> list[str]:
        asked.append(host)
        return []

    assert asking(Outbound(resolver=nobody), "https://api.x.ai/v1").kind == "dns"
    assert asked == ["api.x.ai"]


def test_t41_a_key_added_for_another_host_is_told_so(parts: DemoParts) -> None:
    """Whoever tries a real address in the demo reads why nothing was sent."""
    new = NewKey(
        provider="openai",
        name="Elsewhere",
        secret="sk-proj-sim-good-elsewhere-01",
        endpoint="https://gateway.example/v1",
    )
    key = parts.keys.add(new, owner=LOCAL_OWNER).entry
    result = background.shared().run(parts.checks.check(key.id, owner=LOCAL_OWNER))
    parts.keys.remove(key.id, owner=LOCAL_OWNER)
    assert ELSEWHERE in result.diagnosis.explanation


def test_every_address_of_the_cast_is_played() -> None:
    """No key of the demo goes where nothing answers, but for the one that is switched off."""
    usual = {row.slug: row.endpoint for row in PROVIDERS}
    asked = {endpoints.origin(cast.endpoint or usual[cast.provider]) for cast in CAST}
    assert asked - set(ROUTES) == {"http://10.20.0.31:11434"}
    assert {endpoints.origin(row.endpoint) for row in PROVIDERS} <= set(ROUTES)


def test_t41_the_command_line_of_the_demo_calls_this_machine_alone(tmp_path: Path) -> None:
    """A check and a chat, with a proxy in the environment: loopback, and no name looked up."""
    book = Book(tmp_path / "book")
    own = {**book.environment, "MOHET_DEMO": "1", "HTTPS_PROXY": "http://192.0.2.1:8080"}
    said = terminal.say(
        tmp_path,
        *((words, "") for words in ("check openai/Production", "chat Hello")),
        **own,
    )
    assert "What can I help you with" in said
    book.read()
    assert {place for place, _ in book.places} <= LOCAL
    assert book.names == set()


# --- nothing of it stays, and nothing real is touched ----------------------------------------


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with what is in it and when it was changed."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_a_real_store_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of stores and master keys, the demo reads and writes its own,
    and a store beside it stays as it was, byte for byte."""
    data, config = tmp_path / "data", tmp_path / "config"
    real = wiring.build(Settings(data_dir=data, config_dir=config))
    real.keys.add(
        NewKey(provider="groq", name="Real", secret="gsk_real-0123456789abcdef"), owner=LOCAL_OWNER
    )
    real.close()
    before = files_in(tmp_path)
    own = {
        "MOHET_DEMO": "1",
        "MOHET_DATA_DIR": str(data),
        "MOHET_CONFIG_DIR": str(config),
        "MOHET_DATABASE_URL": f"sqlite:///{data / 'mohet_keys.db'}",
        "MOHET_MASTER_KEY": "no master key at all",
        "MOHET_MASTER_KEY_FILE": str(config / "master.key"),
        "MOHET_WATCH_MINUTES": "0",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    shown = demo.build()
    assert isinstance(shown, DemoParts)
    assert "Real" not in {entry.name for entry in all_keys(shown)}
    set_ = shown.stage.settings
    assert set_.data_dir.is_relative_to(shown.stage.folder)
    assert set_.config_dir.is_relative_to(shown.stage.folder)
    assert set_.watch_minutes > 0
    shown.keys.remove(all_keys(shown)[0].id, owner=LOCAL_OWNER)
    shown.close()
    assert files_in(tmp_path) == before


def test_the_demo_writes_in_its_folder_and_takes_it_away(tmp_path: Path) -> None:
    """One folder among the temporary files while it runs, and nothing of it afterwards."""
    own = {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home"), "MOHET_DEMO": "1"}
    for name in ("tmp", "home"):
        (tmp_path / name).mkdir()
    program = (
        "import os, tempfile\n"
        "from mohet_keys import demo\n"
        "shown = demo.build()\n"
        "print(sorted(os.listdir(tempfile.gettempdir())), shown.stage.folder.name)\n"
        "if {close}: shown.close()\n"
    )
    for close in (True, False):  # one that is not closed tidies up when Python ends
        done = subprocess.run(
            [sys.executable, "-c", program.format(close=close)],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
        folder = done.stdout.split()[-1]
        assert done.stdout.split("]")[0] == f"['{folder}'"
        assert list((tmp_path / "tmp").iterdir()) == []
        assert list((tmp_path / "home").iterdir()) == []


def test_a_demo_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for temporary files is no crash, and leaves nothing behind."""
    monkeypatch.setattr(demo_stage.tempfile, "tempdir", "/nowhere/at/all")  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="demo cannot be started"):
        demo.build(Settings(demo=True))


@pytest.mark.parametrize("said", ["", "0", "no", "off", "perhaps"])
def test_only_a_clear_yes_is_a_demo(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else is the product in earnest, and reads nothing of the simulator."""
    monkeypatch.setenv("MOHET_DEMO", said)
    assert Settings().demo is False


def test_the_product_in_earnest_reads_nothing_of_the_demo(tmp_path: Path) -> None:
    """The simulator and the made-up keys are not even imported."""
    program = (
        "import sys\n"
        "from mohet_keys import demo\n"
        "parts = demo.build()\n"
        "demo_parts = [name for name in sys.modules if 'simulator' in name or 'demo_' in name]\n"
        "print(type(parts).__name__, demo_parts)\n"
        "parts.close()\n"
    )
    places = {"MOHET_DATA_DIR": str(tmp_path / "d"), "MOHET_CONFIG_DIR": str(tmp_path / "c")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "Parts []"


# --- one key turns invalid ----------------------------------------------------------------------


def test_the_chosen_key_turns_invalid_while_one_watches() -> None:
    """A while after the first visit its provider takes it back, and the watcher finds out."""
    shown = demo_stage.begin(Settings(demo=True), revoked_after=0.2)
    loop = background.shared()
    try:
        shown.presence.touch()
        shown.presence.announce()
        assert standing(named(shown, CHOSEN[1])).verdict is Verdict.VALID
        demo.visited(shown)
        demo.visited(shown)
        timer = shown.stage._timer
        assert timer is not None
        timer.join(5)
        loop.run(shown.watcher.turn())
        assert standing(named(shown, CHOSEN[1])).verdict is Verdict.INVALID
        others = [entry for entry in all_keys(shown) if entry.name == "Data Science Team"]
        assert standing(others[0]).verdict is Verdict.VALID
    finally:
        shown.close()


# --- on the command line ------------------------------------------------------------------------


def test_commands_on_the_store_itself_are_refused(tmp_path: Path) -> None:
    """None of them may take the real store for that of the demo."""
    commands = ("backup there.db", "restore there.db --yes", "doctor")
    said = terminal.say(tmp_path, *((command, "") for command in commands), MOHET_DEMO="1")
    assert said.count("Leave MOHET_DEMO out") == len(commands)
    assert said.splitlines()[: len(commands)] == ["2"] * len(commands)
    assert not (tmp_path / "data").exists()


def test_days_of_use_are_dates() -> None:
    """A message belongs to the day on which it was sent, in UTC."""
    late = Cast("groq", "Late", "good", "0000", 3, messages=20)
    days = {each.at.date() for each in demo_past.messages(late, NOW)}
    assert days <= {date(2026, 11, day) for day in (22, 23, 24, 25)}
