"""The look for what is wrong, over real stores that are broken in one way each."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys import doctor, doctor_files, masterkey_next, wiring
from mohet_keys.cli import main
from mohet_keys.database import looking
from mohet_keys.doctor import Report
from mohet_keys.errors import StoreError
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.settings import Settings
from tests.leaks import canary, scan

OTHER = "f0e1d2c3b4a59687" * 4
"""A master key that opens nothing here."""


class Patient:
    """A store with two keys and a master key, in two folders of the test's own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.secret = canary("gsk_")
        parts = wiring.build(settings)
        for slug, name, secret in (
            ("groq", "Work", self.secret),
            ("openai", "Home", canary("sk-proj-")),
        ):
            new = NewKey(provider=slug, name=name, secret=SecretStr(secret))
            parts.keys.add(new, owner=LOCAL_OWNER)
        parts.close()

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.settings.data_dir / "mohet_keys.db"

    @property
    def key_file(self) -> Path:
        """The generated master key."""
        return self.settings.generated_master_key_file

    def sql(self, statement: str, *values: str) -> None:
        """Reach into the store behind the product's back."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def set(self, **more: Any) -> None:
        """Give it other settings from now on."""
        self.settings = self.settings.model_copy(update=more)

    def examine(self) -> Report:
        """What is found, with a look that nothing was changed and no secret is told."""
        before = snapshot(self.settings)
        report = doctor.examine(self.settings, {})
        assert snapshot(self.settings) == before
        assert scan(self.secret, {"report": json.dumps(report.as_json()).encode()}) == []
        return report

    def wrong(self) -> str:
        """What is wrong, one `area: message` a line."""
        found = self.examine().findings
        return "\n".join(f"{f.area}: {f.message}" for f in found if f.level == "wrong")

    def starts(self) -> bool:
        """Whether the product itself opens this store. It may put things right by that."""
        try:
            wiring.build(self.settings).close()
        except StoreError:
            return False
        return True


def snapshot(settings: Settings) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its mode and content. Only readers' marks on a log may change."""
    found = {}
    for folder in (settings.data_dir, settings.config_dir):
        for path in (folder, *sorted(folder.rglob("*"))):
            if path.exists():
                has_content = path.is_file() and not path.name.endswith("-shm")
                content = path.read_bytes() if has_content else b""
                found[str(path)] = (path.stat().st_mode, content)
    return found


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """A store on which nothing is wrong, to be copied."""
    folder = tmp_path_factory.mktemp("healthy")
    return Patient(Settings(data_dir=folder / "data", config_dir=folder / "config"))


@pytest.fixture
def patient(healthy: Patient, settings: Settings) -> Patient:
    """A copy of it, for one test to break."""
    shutil.copytree(healthy.settings.data_dir, settings.data_dir)
    shutil.copytree(healthy.settings.config_dir, settings.config_dir)
    copied = Patient.__new__(Patient)
    copied.settings, copied.secret = settings, healthy.secret
    return copied


def test_a_healthy_store_is_all_right(patient: Patient) -> None:
    """Each area has a look that finds nothing, and the status is 0."""
    report = patient.examine()
    assert {finding.level for finding in report.findings} == {"ok"}
    areas = {finding.area for finding in report.findings}
    assert areas == {"settings", "disk", "permissions", "store", "master key", "data keys", "keys"}
    told = "\n".join(finding.message for finding in report.findings)
    assert "2 of 2 keys open" in told
    assert "opens, with 2 keys under it" in told
    assert (report.is_ok, report.status) == (True, 0)


def test_a_store_that_is_not_there_is_no_fault(settings: Settings) -> None:
    """Before the first start there are notes of what it will make, and nothing is made."""
    report = doctor.examine(settings, {})
    notes = [finding.message for finding in report.findings if finding.level == "note"]
    assert len(notes) == 2
    assert "There is no store yet" in notes[0]
    assert "master.key" in notes[1]
    assert report.status == 0
    assert snapshot(settings) == {}


def test_a_store_in_use_is_read_as_it_is(patient: Patient) -> None:
    """While the product runs, also what stands only in its log is seen, and nothing disturbed."""
    parts = wiring.build(patient.settings)
    new = NewKey(provider="mistral", name="Late", secret=SecretStr(canary("")))
    parts.keys.add(new, owner=LOCAL_OWNER)
    assert patient.wrong() == ""
    assert "3 of 3 keys open" in patient.examine().findings[-1].message
    assert parts.keys.counts(owner=LOCAL_OWNER)["mistral"] == 1
    parts.close()


def crash(patient: Patient) -> None:
    """Leave the store as a process that is killed leaves it: with a third key in the log alone."""
    parts = wiring.build(patient.settings)
    new = NewKey(provider="mistral", name="Late", secret=SecretStr(canary("")))
    parts.keys.add(new, owner=LOCAL_OWNER)
    left = patient.settings.data_dir.with_name("left")
    shutil.copytree(patient.settings.data_dir, left)
    parts.close()
    shutil.rmtree(patient.settings.data_dir)
    left.rename(patient.settings.data_dir)


def test_a_store_left_by_a_crash_is_read_as_it_is(patient: Patient) -> None:
    """The log of a process that was killed is read and left where it is."""
    crash(patient)
    assert "3 of 3 keys open" in patient.examine().findings[-1].message
    assert patient.database.with_name("mohet_keys.db-wal").stat().st_size > 0


# --- files --------------------------------------------------------------------------------------

_MODES: list[tuple[str, int, str]] = [
    ("data/mohet_keys.db", 0o644, "mohet_keys.db is open to other users (mode 0644)"),
    ("data/mohet_keys.db-wal", 0o640, "-wal is open to other users"),
    ("data", 0o755, "data is open to other users (mode 0755). Run chmod 700"),
    ("config", 0o777, "can replace"),
]


@pytest.mark.parametrize(("place", "mode", "told"), _MODES)
def test_what_others_can_reach_is_wrong(
    patient: Patient, tmp_path: Path, place: str, mode: int, told: str
) -> None:
    """File, log and folder of the store, and the folder of its key, are this user's alone."""
    if place.endswith("-wal"):
        crash(patient)
    (tmp_path / place).chmod(mode)
    wrong = patient.wrong()
    assert wrong.startswith("permissions: ")
    assert told in wrong
    assert patient.examine().status == 1


def test_a_folder_with_other_things_may_be_readable(patient: Patient) -> None:
    """A folder that is shared on purpose is a note, unless others can write to it."""
    (patient.settings.data_dir / "notes.txt").write_text("mine")
    patient.settings.data_dir.chmod(0o755)
    report = patient.examine()
    assert [f.area for f in report.findings if f.level == "note"] == ["permissions"]
    assert report.status == 0
    patient.settings.data_dir.chmod(0o775)
    assert "open to other users" in patient.wrong()


def test_t12_what_restores_left_behind_is_looked_at(patient: Patient) -> None:
    """Kept stores are counted, those that others can read are wrong, and a broken-off one is told.

    None of them makes the folder one that is shared with other things.
    """
    for end in ("before-restore-20260301-123456", "damaged-20260302-123456-wal", "part-0a1b2c3d"):
        kept = patient.database.with_name(f"mohet_keys.db.{end}")
        kept.write_bytes(b"kept")
        kept.chmod(0o600)
    report = patient.examine()
    notes = [f.message for f in report.findings if (f.level, f.area) == ("note", "kept files")]
    assert len(notes) == 2
    assert "part-0a1b2c3d is left of a backup or restore that broke off" in notes[0]
    assert "2 files of earlier stores lie beside this one" in notes[1]
    assert "the newest mohet_keys.db.damaged-20260302-123456-wal." in notes[1]
    assert report.status == 0
    for end in ("before-restore-20260301-123456", "damaged-20260302-123456-wal", "part-0a1b2c3d"):
        kept = patient.database.with_name(f"mohet_keys.db.{end}")
        kept.chmod(0o640)
        assert f"{end} is open to other users (mode 0640)" in patient.wrong()
        kept.chmod(0o600)


def test_a_full_disk_is_wrong(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room is said before a write fails."""
    monkeypatch.setattr(doctor_files, "LOW_DISK", 2**62)
    assert patient.wrong().startswith("disk: Only ")


def test_a_place_that_cannot_be_made_is_wrong(patient: Patient) -> None:
    """A data folder below a file is said before the start fails at it."""
    patient.set(data_dir=patient.database / "below")
    assert "cannot be made" in patient.wrong()
    assert (patient.examine().status, patient.starts()) == (3, False)


# --- the store ----------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_fatal(patient: Patient) -> None:
    """What the product cannot open ends with 3, and the keys in it are not called missing."""
    patient.database.write_bytes(b"no database at all, but long enough" * 100)
    assert patient.wrong() == (
        "store: The store’s file is not a database. Restore it from a backup."
    )
    assert (patient.examine().status, patient.starts()) == (3, False)


def test_a_damaged_file_is_wrong(patient: Patient) -> None:
    """An index that does not fit its table is found by SQLite's own check."""
    with contextlib.closing(sqlite3.connect(patient.database)) as connection:
        (mark,) = connection.execute("SELECT fingerprint FROM api_key LIMIT 1").fetchone()
    content = bytearray(patient.database.read_bytes())
    places = [at for at in range(len(content)) if content.startswith(mark.encode(), at)]
    assert len(places) == 2, "one in the table, one in the index"
    for at in places:
        broken = content.copy()
        broken[at] = ord("g")
        patient.database.write_bytes(broken)
        assert "store: The file is damaged" in patient.wrong()
        assert patient.examine().status == 1


def test_a_reference_that_leads_nowhere_is_wrong(patient: Patient) -> None:
    """Which integrity_check does not look for."""
    patient.sql("INSERT INTO selection VALUES ('me', 'nobody', '2026-01-01')")
    assert "damaged (1 found, first: row 1 of selection refers to a row of api_key" in (
        patient.wrong()
    )
    assert patient.examine().status == 1


def test_tables_that_somebody_changed_are_wrong(patient: Patient) -> None:
    """A trigger of somebody else's could do anything with what is saved later."""
    patient.sql("CREATE TRIGGER t AFTER INSERT ON api_key BEGIN DELETE FROM api_key; END")
    assert patient.wrong().startswith("store: It has other tables or triggers")
    assert patient.examine().status == 1


def test_a_log_without_its_store_is_fatal(patient: Patient) -> None:
    """What would keep the product from starting is said, and the log is not touched."""
    crash(patient)
    patient.database.unlink()
    assert "mohet_keys.db is gone, but mohet_keys.db-wal is still there" in patient.wrong()
    assert (patient.examine().status, patient.starts()) == (3, False)


def test_a_newer_store_is_fatal(patient: Patient) -> None:
    """A store that a later version has written is not looked into."""
    patient.sql("UPDATE alembic_version SET version_num = '9999'")
    assert "newer version" in patient.wrong()
    assert (patient.examine().status, patient.starts()) == (3, False)


def test_an_older_store_is_a_note(patient: Patient) -> None:
    """The next start brings it up, so nothing is called missing that was not looked for."""
    patient.sql("UPDATE alembic_version SET version_num = '0001'")
    patient.key_file.unlink()
    report = patient.examine()
    told = [f.message for f in report.findings if f.level == "note"]
    assert len(told) == 1
    assert "at step 0001" in told[0]
    assert patient.wrong().startswith("master key: None is set")


@pytest.mark.parametrize("table", ["api_key", "data_key"])
def test_a_store_without_a_table_is_fatal(patient: Patient, table: str) -> None:
    """A table that somebody dropped is said as a fault of the store."""
    patient.sql(f"DROP TABLE {table}")
    assert patient.wrong().startswith("store: ")
    assert patient.examine().status == 3


def test_what_the_next_start_puts_right_is_a_note(patient: Patient) -> None:
    """A file without tables, and one without a log, are no faults."""
    patient.sql("PRAGMA journal_mode=DELETE")
    report = patient.examine()
    assert [f.message[:17] for f in report.findings if f.level == "note"] == ["It keeps no write"]
    patient.database.write_bytes(b"")
    told = [f.message for f in patient.examine().findings if f.level == "note"]
    assert any("no tables yet" in message for message in told)
    assert patient.examine().status == 0


# --- the master key -----------------------------------------------------------------------------


def _missing(patient: Patient) -> None:
    patient.key_file.unlink()


def _another(patient: Patient) -> None:
    patient.key_file.write_text(OTHER)


def _malformed(patient: Patient) -> None:
    patient.set(master_key=SecretStr("too short"))


def _at_odds(patient: Patient) -> None:
    patient.set(master_key=SecretStr(OTHER))


def _open_to_all(patient: Patient) -> None:
    patient.key_file.chmod(0o644)


def _beside(patient: Patient) -> None:
    patient.key_file.rename(patient.settings.data_dir / "master.key")
    patient.set(config_dir=patient.settings.data_dir)


def _set_beside(patient: Patient) -> None:
    beside = patient.key_file.rename(patient.settings.data_dir / "mine.key")
    patient.set(master_key_file=beside)


@pytest.mark.parametrize(
    ("break_it", "told", "status"),
    [
        (_missing, "what was saved stays locked", 1),
        (_another, "This needs master key", 1),
        (_malformed, "MOHET_MASTER_KEY", 3),
        (_at_odds, "hold different master keys", 3),
        (_open_to_all, "chmod 600", 3),
        (_beside, "beside the database", 3),
        (_set_beside, "lies beside the database", 1),
    ],
)
def test_what_is_wrong_with_the_master_key_is_said(
    patient: Patient, break_it: Callable[[Patient], None], told: str, status: int
) -> None:
    """Each fault is named; 3 where the product does not start because of it, and only there."""
    break_it(patient)
    assert told in patient.wrong()
    assert patient.examine().status == status
    assert patient.starts() == (status == 1)


def test_a_key_that_would_be_made_beside_the_store_is_fatal(settings: Settings) -> None:
    """Before the first start, too, a config folder inside the data folder is refused."""
    inside = settings.model_copy(update={"config_dir": settings.data_dir / "config"})
    assert doctor.examine(inside, {}).status == 3


def test_sources_that_agree_are_named(patient: Patient) -> None:
    """Where the same key is set twice, both are said, and never the key."""
    text = patient.key_file.read_text().strip()
    patient.set(master_key=SecretStr(text))
    told = "\n".join(finding.message for finding in patient.examine().findings)
    assert "It comes from MOHET_MASTER_KEY, id " in told
    assert "All of MOHET_MASTER_KEY, the generated file agree." in told
    assert text not in told


def test_a_rotation_under_way_is_a_note(patient: Patient) -> None:
    """With a previous key the old keys still open, and it is said to be there."""
    before = patient.key_file.read_text().strip()
    patient.set(master_key=SecretStr(OTHER), master_key_previous=SecretStr(before))
    report = patient.examine()
    assert "MOHET_MASTER_KEY_PREVIOUS" in next(
        finding.message for finding in report.findings if finding.level == "note"
    )
    assert (report.status, report.findings[-1].message) == (0, "2 of 2 keys open.")


# --- keys ---------------------------------------------------------------------------------------


_THE_OTHER = "(SELECT sealed FROM api_key WHERE provider = 'openai')"


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("endpoint", "'https://evil.example/v1'", "but its address now says evil.example"),
        ("endpoint", "x'00ff'", "groq/Work"),
        ("provider", "'mistral'", "was sealed for Groq, but its record now says Mistral"),
        ("revision", "7", "revision"),
        ("allow_http", "1", "consent"),
        ("sealed", _THE_OTHER, "another key"),
        ("sealed", "'text'", "altered"),
    ],
)
def test_each_altered_key_is_named(patient: Patient, column: str, value: str, told: str) -> None:
    """A row that was changed behind the product's back is named, and the others still open."""
    patient.sql(f"UPDATE api_key SET {column} = {value} WHERE name = 'Work'")  # noqa: S608
    wrong = patient.wrong()
    assert wrong.startswith("keys: ")
    assert told in wrong
    report = patient.examine()
    assert (report.status, report.findings[-1].message) == (1, "1 of 2 keys open.")


def test_keys_of_others_are_told_apart(patient: Patient) -> None:
    """An altered key of somebody who signed in is named with its owner."""
    patient.sql("UPDATE api_key SET owner = 'ann', revision = 9 WHERE provider = 'groq'")
    assert "groq/Work of ann (" in patient.wrong()


@pytest.mark.parametrize(
    ("purpose", "told"),
    [("seal", "2 of 2 keys are locked"), ("fingerprint", "cannot be recognised")],
)
def test_a_lost_data_key_is_wrong(patient: Patient, purpose: str, told: str) -> None:
    """A data key whose wrap is gone is said with what it leaves locked."""
    patient.sql(
        "DELETE FROM data_key_wrap WHERE data_key_id IN "
        "(SELECT id FROM data_key WHERE purpose = ?)",
        purpose,
    )
    assert told in patient.wrong()
    assert patient.examine().status == 1


def test_a_store_without_data_keys_is_wrong(patient: Patient) -> None:
    """Keys without any data key are said to be lost, for no new one opens them."""
    patient.sql("DELETE FROM data_key_wrap")
    patient.sql("DELETE FROM data_key")
    assert "data keys: The store has lost the keys that seal" in patient.wrong()
    assert patient.examine().status == 1


def test_an_altered_data_key_is_wrong(patient: Patient) -> None:
    """A wrap that does not open is said once, with how many keys it leaves locked."""
    patient.sql("UPDATE data_key_wrap SET blob = zeroblob(length(blob))")
    assert "stays closed with 2 keys under it" in patient.wrong()


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:{}@db.example/keys",
        "nonsense://me:{}@x",
        "{}",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_database_that_is_not_to_be_had_is_fatal(patient: Patient, url: str) -> None:
    """What is wrong with the address is said without any part of it."""
    secret = canary("pw-")
    patient.set(database_url=SecretStr(url.format(secret)))
    report = patient.examine()
    assert report.status == 3
    assert scan(secret, {"report": json.dumps(report.as_json()).encode()}) == []


def test_another_place_for_the_database_is_followed(patient: Patient, tmp_path: Path) -> None:
    """With MOHET_DATABASE_URL the file it names is looked at."""
    elsewhere = patient.database.rename(tmp_path / "elsewhere.db")
    patient.set(database_url=SecretStr(f"sqlite:///{elsewhere}"))
    report = patient.examine()
    assert report.findings[-1].message == "2 of 2 keys open."
    assert f"The store is {elsewhere}." in [finding.message for finding in report.findings]


def test_misspelt_settings_are_noted(settings: Settings) -> None:
    """A name that would be passed over is said with the right one, and never with its value."""
    secret = canary("x")
    environment = {"MOHET_MASTERKEY": secret, "MOHET_DATA_DIR": "/x", "PATH": secret}
    report = doctor.examine(settings, environment)
    told = [f.message for f in report.findings if "no such setting" in f.message]
    assert told == [
        "MOHET_MASTERKEY is set, but there is no such setting. Is MOHET_MASTER_KEY meant?"
    ]
    assert scan(secret, {"report": json.dumps(report.as_json()).encode()}) == []


def test_that_secrets_can_be_looked_at_is_noted(patient: Patient) -> None:
    """What is off by default and on here is said."""
    patient.set(allow_reveal=True)
    report = patient.examine()
    (told,) = (f.message for f in report.findings if f.level == "note")
    assert told.startswith("MOHET_ALLOW_REVEAL is on")
    assert report.status == 0


def test_a_relative_folder_is_noted(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that depends on where the program is started is said to."""
    monkeypatch.chdir(patient.settings.data_dir.parent)
    patient.set(data_dir=Path("data"))
    report = patient.examine()
    assert [f.level for f in report.findings if "is relative" in f.message] == ["note"]
    assert report.findings[-1].message == "2 of 2 keys open."


# --- the command, and that it cannot write ------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "status"), [(None, 0), (_missing, 1), (_malformed, 3)], ids=["0", "1", "3"]
)
def test_the_command_says_it_line_by_line(
    patient: Patient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[Patient], None] | None,
    status: int,
) -> None:
    """`doctor` has one finding a line with its level in front, the same in JSON, and a status."""
    if break_it:
        break_it(patient)
    monkeypatch.setenv("MOHET_DATA_DIR", str(patient.settings.data_dir))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(patient.settings.config_dir))
    if patient.settings.master_key:
        monkeypatch.setenv("MOHET_MASTER_KEY", patient.settings.master_key.get_secret_value())
    assert main(["doctor"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "wrong", "note"}
    assert main(["doctor", "--json"]) == status
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["ok", "findings"]
    assert report["ok"] == (status == 0)
    assert [list(finding) for finding in report["findings"]] == [
        ["level", "area", "message"] for _ in lines
    ]


@pytest.mark.parametrize("in_use", [True, False])
def test_a_look_cannot_write(patient: Patient, in_use: bool) -> None:
    """The connection that looks refuses every change, and leaves no file behind."""
    parts = wiring.build(patient.settings) if in_use else None
    before = snapshot(patient.settings)
    for statement in ("DELETE FROM api_key", "CREATE TABLE x (y)", "UPDATE api_key SET name = 'x'"):
        with (
            pytest.raises(StoreError, match="read-only"),
            looking(patient.settings.store_url) as connection,
        ):
            connection.exec_driver_sql(statement)
    assert snapshot(patient.settings) == before
    if parts:
        parts.close()


# --- the files of a rotation --------------------------------------------------------------------


def test_a_rotation_that_was_cut_short_is_wrong(patient: Patient) -> None:
    """A new key that waits beside the present one wants the rotation finished."""
    waiting = masterkey_next.next_file(patient.settings)
    waiting.write_bytes(patient.key_file.read_bytes())
    waiting.chmod(0o600)
    assert "Run master-key rotate to finish it." in patient.wrong()


def test_t12_the_key_before_is_kept_as_privately(patient: Patient) -> None:
    """The file of a former master key that others can read is wrong as well."""
    before = patient.key_file.with_name("master.key.0123456789abcdef")
    before.write_bytes(patient.key_file.read_bytes())
    before.chmod(0o644)
    assert f"{before} is open to other users (mode 0644)." in patient.wrong()
