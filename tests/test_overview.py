"""All keys at a glance: what is counted, what needs attention in which order, pages, the past."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import overview_export, wiring
from mohet_keys.history import Tally
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyEntry,
    NewKey,
    Spent,
    Verdict,
)
from mohet_keys.overview import LATELY, PAGE, Asked, Line, Overview, Point, gathered
from mohet_keys.queries import RANKS, Sort
from mohet_keys.reminders import Rules
from mohet_keys.settings import Settings
from mohet_keys.tables import CHECK, KEY, SEEN
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.places import ON_SQLITE
from tests.team import EVE, join
from tests.test_repository import row

pytestmark = pytest.mark.usefixtures("on_both")
ME = LOCAL_OWNER
NOW = datetime.now(UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def overview(parts: Parts) -> Overview:
    """What the page asks."""
    return Overview(parts.keys, parts.repository, clock=lambda: NOW)


def put(parts: Parts, name: str, verdict: Verdict | None = None, **more: Any) -> KeyEntry:
    """A key, a day old unless told otherwise; checked when a verdict is given."""
    checked = {word: more.pop(word) for word in ("credit", "expires_at") if word in more}
    sealing = parts.repository.keyring.read()[1]
    usual = {"owner": ME, "created_at": NOW - DAY, "data_key_id": sealing}
    made: dict[str, Any] = usual | more
    entry = parts.repository.insert(row(name, **made), by=ME)
    if verdict is not None:
        check(parts, entry, verdict, **checked)
    return entry


def check(
    parts: Parts,
    entry: KeyEntry,
    verdict: Verdict = Verdict.VALID,
    *,
    at: datetime = NOW,
    latency_ms: int | None = 100,
    **more: Any,
) -> None:
    """A check of it."""
    said = Diagnosis(verdict, f"{verdict} then", "What happened.", "What to do.")
    told = CheckResult(entry.id, entry.revision, said, at, latency_ms=latency_ms, **more)
    parts.repository.save_check(told, ME)


def names(overview: Overview, asked: Asked, page: int = 1) -> list[str]:
    """The keys on a page of the table."""
    verdicts = overview.figures(owner=ME).verdicts
    return [line.entry.name for line in overview.page(asked, verdicts, owner=ME, page=page).lines]


def concerned(overview: Overview, offset: int = 0, limit: int = 99) -> list[tuple[str, str]]:
    """The keys that need attention, and what for."""
    verdicts = overview.figures(owner=ME).verdicts
    found = overview.concerns(verdicts, owner=ME, offset=offset, limit=limit)
    return [(concern.entry.name, concern.why) for concern in found]


@pytest.fixture
def mixed(parts: Parts) -> Parts:
    """A key in each verdict, one that ends, one with an old secret, and one of somebody else."""
    for verdict in Verdict:
        if verdict is not Verdict.UNCHECKED:
            put(parts, f"{verdict}", verdict)
    put(parts, "new", provider="openai")
    put(parts, "ends", Verdict.VALID, expires_at=NOW + 3 * DAY, credit=4.2)
    put(parts, "ends late", Verdict.VALID, expires_at=NOW + 60 * DAY)
    put(parts, "old", Verdict.VALID, created_at=NOW - 100 * DAY)
    put(parts, "older", created_at=NOW - 200 * DAY)
    join(parts.repository, EVE)
    put(parts, "theirs", owner=EVE)
    return parts


# --- figures --------------------------------------------------------------------------------------


def test_without_keys_everything_is_nothing(overview: Overview) -> None:
    """An empty store has an answer to everything."""
    figures = overview.figures(owner=ME)
    assert (figures.keys, figures.attention, figures.oldest) == (0, 0, None)
    assert concerned(overview) == []
    assert names(overview, Asked()) == []
    assert overview.points("30 d", owner=ME) == []


def test_the_figures_count_mine_once(mixed: Parts, overview: Overview) -> None:
    """All, those that work, that need attention, unchecked, ending; and the oldest secret."""
    figures = overview.figures(owner=ME)
    assert figures.keys == 12
    assert figures.working == 5
    assert figures.unchecked == 2
    assert figures.ending == 1
    assert figures.attention == len(concerned(overview)) == 8
    assert figures.oldest == NOW - 200 * DAY
    assert figures.verdicts["groq", Verdict.INVALID] == 1
    assert overview.figures(owner=EVE).keys == 1


# --- needs attention ------------------------------------------------------------------------------


def test_what_needs_attention_comes_worst_first(mixed: Parts, overview: Overview) -> None:
    """By verdict, then what ends soon, then the oldest secrets; what is fine is not there."""
    told = concerned(overview)
    assert told == [
        ("invalid", "verdict"),
        ("locked", "verdict"),
        ("misconfigured", "verdict"),
        ("limited", "verdict"),
        ("unreachable", "verdict"),
        ("ends", "expires"),
        ("older", "old"),
        ("old", "old"),
    ]
    for limit in (1, 3, 5):
        pages = [concerned(overview, at, limit) for at in range(0, 9, limit)]
        assert [each for page in pages for each in page] == told


def test_a_key_in_trouble_is_not_named_twice(parts: Parts, overview: Overview) -> None:
    """Invalid, ending and old at once is one concern, and so is ending and old."""
    old = {"created_at": NOW - 100 * DAY, "expires_at": NOW - DAY}
    put(parts, "all", Verdict.INVALID, **old)
    put(parts, "two", Verdict.VALID, **old)
    assert concerned(overview) == [("all", "verdict"), ("two", "expires")]
    assert overview.figures(owner=ME).ending == 2


def test_the_end_of_a_former_secret_is_over(parts: Parts, overview: Overview) -> None:
    """With another secret the provider's word about the former one counts no more."""
    entry = put(parts, "ends", Verdict.VALID, expires_at=NOW + DAY)
    with parts.repository._database.writing() as connection:
        connection.execute(KEY.update().where(KEY.c.id == entry.id).values(revision=2))
    assert overview.figures(owner=ME).ending == 0
    assert concerned(overview) == []


def test_reminders_can_be_turned_off_and_need_a_secret(mixed: Parts) -> None:
    """0 days means never; a local server's key without a secret grows no older."""
    put(mixed, "bare", Verdict.VALID, created_at=NOW - 300 * DAY, has_secret=False)
    quiet = Overview(mixed.keys, mixed.repository, rules=Rules(0, 0, 0), clock=lambda: NOW)
    assert {why for _, why in concerned(quiet)} == {"verdict"}
    usual = Overview(mixed.keys, mixed.repository, clock=lambda: NOW)
    assert "bare" not in dict(concerned(usual))


# --- unused ---------------------------------------------------------------------------------------


def used(parts: Parts, name: str, days: float | None, **more: Any) -> None:
    """A key of 100 days, last used so many days ago; None for one that never was."""
    entry = put(parts, name, Verdict.VALID, **{"created_at": NOW - 100 * DAY, **more})
    if days is not None:
        parts.repository.uses.count(entry.id, ME, NOW - days * DAY, Spent())


@pytest.fixture
def idle(parts: Parts) -> Parts:
    """Four keys that nobody used for 60 days, and four that are in use or new."""
    used(parts, "never", None)
    used(parts, "long ago", 75)
    used(parts, "just too long ago", 60)
    used(parts, "rejected", 90, provider="openai")
    check(parts, parts.repository.find("openai/rejected", ME), Verdict.INVALID)
    used(parts, "yesterday", 1)
    used(parts, "just in time", 59.9)
    used(parts, "new", None, created_at=NOW - 59 * DAY)
    put(parts, "theirs", owner=EVE, created_at=NOW - 100 * DAY)
    return parts


def test_keys_that_nobody_uses_are_counted_and_found(idle: Parts, overview: Overview) -> None:
    """Since their last use, or since they were saved; mine alone; with the other filters too."""
    assert overview.figures(owner=ME).unused == 4
    unused = Asked(sort="name", unused_since=overview.unused_since)
    assert names(overview, unused) == ["just too long ago", "long ago", "never", "rejected"]
    verdicts = overview.figures(owner=ME).verdicts
    for more, left in (
        ({"provider": "openai"}, ["rejected"]),
        ({"verdict": Verdict.VALID}, ["just too long ago", "long ago", "never"]),
        ({"search": "long"}, ["just too long ago", "long ago"]),
    ):
        asked = replace(unused, **more)  # type: ignore[arg-type]
        found = overview.page(asked, verdicts, owner=ME)
        assert [line.entry.name for line in found.lines] == left
        assert found.total == len(left)
        assert [line.entry.name for line in overview.all(asked, owner=ME, most=9)] == left
    for entry in idle.keys.list(owner=ME).entries:
        kinds = {each.kind for each in overview.reminders(entry)}
        assert ("unused" in kinds) == (entry.name in names(overview, unused))


def test_keys_that_nobody_uses_need_no_attention_for_that(parts: Parts, overview: Overview) -> None:
    """However many they are, what needs attention is not among them but stands alone."""
    for number in range(30):
        used(parts, f"Idle {number:02}", 70, has_secret=False)
    put(parts, "bad", Verdict.INVALID)
    figures = overview.figures(owner=ME)
    assert (figures.unused, figures.attention) == (30, 1)
    assert concerned(overview) == [("bad", "verdict")]


def test_zero_days_remind_of_no_unused_key(idle: Parts) -> None:
    """The setting turns it off."""
    quiet = Overview(idle.keys, idle.repository, rules=Rules(unused_days=0), clock=lambda: NOW)
    assert quiet.figures(owner=ME).unused == 0
    assert quiet.unused_since is None


# --- the table ------------------------------------------------------------------------------------


def test_a_filter_leaves_what_it_names(mixed: Parts, overview: Overview) -> None:
    """Provider, verdict and text, alone and together; the total is that of what is left."""
    verdicts = overview.figures(owner=ME).verdicts
    for asked, left in (
        (Asked(provider="openai"), ["new"]),
        (Asked(verdict=Verdict.UNREACHABLE), ["unreachable"]),
        (Asked(search="OLD"), ["old", "older"]),
        (Asked(search="old", verdict=Verdict.UNCHECKED), ["older"]),
        (Asked(search="old", provider="openai"), []),
    ):
        found = overview.page(asked, verdicts, owner=ME)
        assert [line.entry.name for line in found.lines] == left
        assert found.total == len(left)


@pytest.mark.parametrize(
    ("sort", "first"),
    [("status", "invalid"), ("name", "ends"), ("oldest", "older"), ("newest", "valid")],
)
def test_the_table_is_sorted(mixed: Parts, overview: Overview, sort: Sort, first: str) -> None:
    """By status, the worst first; by name; by age, both ways."""
    found = names(overview, Asked(sort=sort))
    assert len(found) == 12
    if sort == "newest":
        assert found[-1] == "older"
    else:
        assert found[0] == first


def test_pages_of_fifty_hold_each_key_once(parts: Parts, overview: Overview) -> None:
    """A page behind the last one is the last one."""
    for number in range(PAGE + 7):
        put(parts, f"Key {number:03}")
    asked = Asked(sort="name")
    first, second = names(overview, asked), names(overview, asked, 2)
    assert (len(first), len(second)) == (PAGE, 7)
    assert first + second == [f"Key {number:03}" for number in range(PAGE + 7)]
    assert names(overview, asked, 9) == second


def test_a_line_has_its_latencies_and_its_last_use(parts: Parts, overview: Overview) -> None:
    """The last twenty, the oldest first, of this key alone; one without answer is None."""
    one, other = put(parts, "One"), put(parts, "Other")
    for number in range(LATELY + 5):
        check(parts, one, at=NOW + number * HOUR, latency_ms=number)
    check(parts, other, Verdict.UNREACHABLE, latency_ms=None)
    parts.repository.uses.count(one.id, ME, NOW - HOUR, Spent())
    verdicts = overview.figures(owner=ME).verdicts
    lines = overview.page(Asked(sort="name"), verdicts, owner=ME).lines
    assert [line.latencies for line in lines] == [tuple(range(5, LATELY + 5)), (None,)]
    assert [line.entry.used_at for line in lines] == [NOW - HOUR, None]


def test_while_no_key_opens_all_are_locked(
    mixed: Parts, settings: Settings, tmp_path: Path
) -> None:
    """Whatever was known of them before: the figures, the table and its filter say the same."""
    without = settings.model_copy(update={"config_dir": tmp_path / "no master key here"})
    parts = wiring.build(without)
    overview = Overview(parts.keys, parts.repository, clock=lambda: NOW)
    figures = overview.figures(owner=ME)
    assert figures.attention == figures.keys == 12
    assert {verdict for _, verdict in figures.verdicts} == {Verdict.LOCKED}
    assert len(names(overview, Asked(verdict=Verdict.LOCKED))) == 12
    assert names(overview, Asked(verdict=Verdict.VALID)) == []
    assert len(concerned(overview, limit=5)) == 5
    assert overview.all(Asked(verdict=Verdict.VALID), owner=ME, most=9) == []
    parts.close()


# --- the past -------------------------------------------------------------------------------------


def test_hours_are_put_together_by_provider() -> None:
    """Checks and answers add up; the latency is the mean over all that were answered."""
    at = datetime(2026, 3, 10, 6, tzinfo=UTC)
    assert gathered(
        [
            Tally(at, "groq", Verdict.VALID, 1, 100.0),
            Tally(at + HOUR, "groq", Verdict.INVALID, 3, 200.0),
            Tally(at + HOUR, "groq", Verdict.UNREACHABLE, 4, None),
            Tally(at + 6 * HOUR, "groq", Verdict.UNREACHABLE, 1, None),
            Tally(at, "openai", Verdict.VALID, 1, 50.0),
        ],
        6 * HOUR,
    ) == [
        Point(at, "groq", checks=8, answered=4, latency_ms=175.0),
        Point(at, "openai", checks=1, answered=1, latency_ms=50.0),
        Point(at + 6 * HOUR, "groq", checks=1, answered=0, latency_ms=None),
    ]


def test_a_period_leaves_what_is_older(parts: Parts, overview: Overview) -> None:
    """24 hours, a week, a month."""
    entry = put(parts, "One")
    for days in (0.5, 5, 20, 50):
        check(parts, entry, at=NOW - days * DAY)
    counts = {
        period: sum(point.checks for point in overview.points(period, owner=ME))
        for period in ("24 h", "7 d", "30 d")
    }
    assert counts == {"24 h": 1, "7 d": 2, "30 d": 3}


def test_every_day_of_use_is_there(parts: Parts, overview: Overview) -> None:
    """Also one on which nothing was sent; of one key, or of all."""
    one, other = put(parts, "One"), put(parts, "Other")
    parts.repository.uses.count(one.id, ME, NOW - 2 * DAY, Spent(tokens_in=5))
    parts.repository.uses.count(other.id, ME, NOW, Spent(is_error=True))
    today = NOW.date()
    days = overview.use(3, owner=ME)
    assert [day.day for day in days] == [today - 2 * DAY, today - DAY, today]
    assert [(day.requests, day.errors) for day in days] == [(1, 0), (0, 0), (1, 1)]
    assert [day.requests for day in overview.use(3, owner=ME, key_id=one.id)] == [1, 0, 0]
    assert isinstance(days[0].day, date)


# --- the file -------------------------------------------------------------------------------------


def test_t40_t01_the_file_is_safe_for_spreadsheets_and_has_no_secret(
    parts: Parts, overview: Overview
) -> None:
    """What the table says of each key, a name that is a formula as text, and nothing secret."""
    secret = canary("gsk_")
    new = NewKey(provider="groq", name="=HYPERLINK(1)", secret=SecretStr(secret))
    entry = parts.keys.add(new, owner=ME).entry
    check(parts, entry, credit=4.25, expires_at=NOW + DAY)
    lines = overview.all(Asked(), owner=ME, most=10)
    content = overview_export.table(lines, NOW + 3 * DAY, UTC)
    head, told = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    found = dict(zip(head, told, strict=True))
    assert found["Name"] == "'=HYPERLINK(1)"
    assert (found["Verdict"], found["Latency (ms)"]) == ("Valid", "100")
    assert found["Credit left ($)"] == "4.25"
    assert int(found["Secret’s age (days)"]) in {2, 3}
    assert scan(secret, {"file": content, "lines": repr(lines).encode()}) == []
    assert entry.hint not in content.decode()


def test_a_file_leaves_out_what_is_too_much(parts: Parts, overview: Overview) -> None:
    """The first so many, in the order of the table."""
    for name in ("c", "a", "b"):
        put(parts, name)
    found = overview.all(Asked(sort="name"), owner=ME, most=2)
    assert [line.entry.name for line in found] == ["a", "b"]
    assert overview_export.table([Line(found[0].entry)], NOW, UTC).count(b"\n") == 2


# --- ten thousand keys ----------------------------------------------------------------------------


def crowd(parts: Parts, keys: int, checks: int) -> None:
    """That many keys, each checked that often, in every verdict and of many ages."""
    verdicts = [v for v in Verdict if v is not Verdict.UNCHECKED]
    rows, checked, seen = [], [], []
    for number in range(keys):
        verdict = verdicts[number % len(verdicts)]
        made = NOW - (number % 120) * DAY
        new = row(f"Key {number:05}", owner=ME, created_at=made).given()
        stamps = {"version": 1, "updated_at": made, "updated_by": ME, "secret_at": made}
        used_at = NOW - 70 * DAY if number % 2 else None
        rows.append({**new, **stamps, "rank": RANKS[verdict], "used_at": used_at})
        said = {"verdict": verdict.value, "reason": "r", "explanation": "e", "remedy": ""}
        ends = NOW + (number % 400) * DAY if number % 10 == 0 else None
        told = {"key_id": new["id"], "revision": 1, "checked_at": NOW, "models": "[]"}
        checked.append({**said, **told, "expires_at": ends})
        line = {"key_id": new["id"], "verdict": verdict.value, "reason": "r", "latency_ms": 1}
        seen += [{**line, "at": NOW - minute * HOUR} for minute in range(checks)]
    with parts.repository._database.writing() as connection:
        for table, filled in ((KEY, rows), (CHECK, checked), (SEEN, seen)):
            connection.execute(table.insert(), filled)


def effort(parts: Parts, step: Callable[[], object]) -> int:
    """How many steps of SQLite's machine it takes: no clock, so no chance."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with parts.repository._database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 10)
    step()
    driver.set_progress_handler(None, 0)
    return steps[0] * 10


def first_screen(overview: Overview) -> None:
    """All that is asked for before the first screen stands."""
    figures = overview.figures(owner=ME)
    overview.concerns(figures.verdicts, owner=ME, offset=0, limit=6)
    overview.page(Asked(), figures.verdicts, owner=ME)


@ON_SQLITE
def test_a_key_that_is_not_shown_costs_next_to_nothing(parts: Parts, overview: Overview) -> None:
    """Each is counted in an index and not read: some steps of the machine, well under a
    microsecond, so 10,000 keys add a few milliseconds to the first screen."""
    crowd(parts, 100, 2)
    few = effort(parts, lambda: first_screen(overview))
    more = 4_000
    with parts.repository._database.writing() as connection:
        connection.execute(KEY.delete())
    crowd(parts, 100 + more, 2)
    many = effort(parts, lambda: first_screen(overview))
    assert few > 1_000
    assert (many - few) / more < STEPS


STEPS = 40
"""Steps of SQLite's machine that a key may cost that is not shown."""


@ON_SQLITE
def test_the_past_of_a_key_costs_no_more_when_it_is_long(parts: Parts, overview: Overview) -> None:
    """Only the checks that are shown are read, of 20 as of 2,000."""
    crowd(parts, 3, 20)
    few = effort(parts, lambda: first_screen(overview))
    with parts.repository._database.writing() as connection:
        connection.execute(KEY.delete())
    crowd(parts, 3, 2_000)
    assert effort(parts, lambda: first_screen(overview)) <= few * 1.2
