"""What the store does when disk, file, another process or a power switch fails it."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from mohet_keys import sqlite_file
from mohet_keys.database import Database
from mohet_keys.errors import InputError, StoreError
from mohet_keys.model import LOCAL_OWNER, KeyEntry, NewKey, Verdict
from mohet_keys.repository import Repository
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts, build
from tests.masters import bare_store
from tests.places import KINDS
from tests.test_repository import LATER, ME, NOW, change, put, result

CANARY = "CANARY-7f3a91c2d4e6"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file goes: alone in a folder that is not there yet."""
    return tmp_path / "data" / "mohet_keys.db"


@pytest.fixture
def store(tmp_path: Path, path: Path) -> Iterator[Repository]:
    """An empty store."""
    repository = bare_store(tmp_path)
    yield repository
    repository.close()


def pragma(store: Repository, *settings: str) -> None:
    """Give every connection from now on these settings, as a test switch."""
    engine = store._database.engine
    engine.dispose()

    def connected(connection: Any, _record: object) -> None:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")

    event.listen(engine, "connect", connected)


def left_in(path: Path, trace: bytes) -> list[str]:
    """The files of the store's folder that hold these bytes."""
    return [file.name for file in path.parent.iterdir() if trace in file.read_bytes()]


def storm(mode: str, place: Path | str, number: int, *switches: str) -> dict[str, Any]:
    """What came of a storm; see tests/storm.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.storm", mode, str(place), str(number), *switches],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    sys.stdout.write(f"\n{mode}: {told}\n")
    return told


# --- who may read the files -------------------------------------------------------------------


def modes(path: Path) -> dict[str, str]:
    """The rights of the store's folder and files."""
    found = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in path.parent.iterdir()}
    return {**found, ".": oct(stat.S_IMODE(path.parent.stat().st_mode))}


@pytest.fixture
def no_umask() -> Iterator[None]:
    """A umask that takes no right away from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_t12_only_the_owner_can_read_the_store(path: Path) -> None:
    """Folder 0700; database, log and index 0600, whatever the umask says."""
    store = Repository(f"sqlite:///{path}")
    put(store)
    sides = {path.name: "0o600", f"{path.name}-wal": "0o600", f"{path.name}-shm": "0o600"}
    assert modes(path) == {**sides, ".": "0o700"}
    store.close()


@pytest.mark.usefixtures("no_umask")
def test_t12_a_wide_store_is_narrowed_when_opened(path: Path) -> None:
    """Files and a folder of the store's own that others could read are closed to them."""
    Repository(f"sqlite:///{path}").close()
    path.chmod(0o666)
    path.parent.chmod(0o777)
    store = Repository(f"sqlite:///{path}")
    assert set(modes(path).values()) == {"0o600", "0o700"}
    store.close()


@pytest.mark.usefixtures("no_umask")
def test_t12_a_folder_shared_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds more than the store keeps its rights; the store's files do not."""
    tmp_path.chmod(0o755)
    (tmp_path / "other.txt").write_text("not ours")
    store = Repository(f"sqlite:///{tmp_path / 'store.db'}")
    found = modes(tmp_path / "store.db")
    assert (found["."], found["other.txt"], found["store.db"]) == ("0o755", "0o666", "0o600")
    store.close()


# --- how connections are set up ---------------------------------------------------------------


def test_every_connection_is_set_up(store: Repository) -> None:
    """The pragmas are what the design asks for, on the first connection and on the next."""
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "foreign_keys": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
    }
    for _ in range(2):
        with store._database.reading() as connection:
            found = {n: connection.execute(text(f"PRAGMA {n}")).scalar() for n in wanted}
        assert found == wanted
        store._database.engine.dispose()
    assert not store._database.engine.echo


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "not a url",
        "oracle+nothing://ada:CANARY-7f3a91c2d4e6@host/db",
        "nonsense://ada:CANARY-7f3a91c2d4e6@host/db",
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    """A store in memory, no address, or an unknown database: one sentence, no password in it."""
    with pytest.raises(StoreError) as refused:
        Repository(url)
    assert CANARY not in told(refused.value)


# --- delete means gone ------------------------------------------------------------------------


def test_t14_deleted_bytes_are_gone_at_once(store: Repository, path: Path) -> None:
    """After delete returns, no file of the store holds the sealed bytes."""
    entry = put(store, sealed=CANARY.encode())
    put(store, "Other")
    assert left_in(path, CANARY.encode())
    store.delete(entry.id, ME)
    assert left_in(path, CANARY.encode()) == []


def test_t14_replaced_bytes_are_gone_at_once(store: Repository, path: Path) -> None:
    """After an update with a new secret, no file holds the old sealed bytes."""
    entry = put(store, sealed=CANARY.encode())
    change(store, entry, sealed=b"another one, longer than the first was" * 4)
    assert left_in(path, CANARY.encode()) == []


def test_t14_the_search_sees_what_secure_delete_would_have_wiped(
    store: Repository, path: Path
) -> None:
    """The twin: with secure_delete off the bytes are still there, so the search is good."""
    pragma(store, "secure_delete=OFF")
    entry = put(store, sealed=CANARY.encode())
    put(store, "Other")
    store.delete(entry.id, ME)
    assert left_in(path, CANARY.encode()) == [path.name]


def test_t14_nothing_stays_of_many_changes(store: Repository, path: Path) -> None:
    """However rows move about in the file, no part of a dead secret is left in it."""
    random = Random(14)  # noqa: S311  # chosen sizes, no secrets
    live: list[tuple[KeyEntry, bytes]] = []
    dead: list[bytes] = []
    for number in range(240):
        blob = random.randbytes(random.choice([60, 150, 400, 900]))
        if len(live) < 25:
            live.append((put(store, f"k{number}", sealed=blob), blob))
            continue
        entry, old = live.pop(random.randrange(len(live)))
        dead.append(old)
        if number % 2:
            store.delete(entry.id, ME)
        else:
            live.append((change(store, entry, sealed=blob), blob))
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert len(dead) > 60
    assert not [
        old for old in dead for at in range(0, len(old), 16) if old[at : at + 16] in content
    ]
    assert all(blob in content for _, blob in live)


def reader_in_the_way(path: Path) -> sqlite3.Connection:
    """A reader of another program, in the middle of a transaction."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM api_key").fetchone()
    return other


def test_t14_a_reader_in_the_way_only_delays_it(store: Repository, path: Path) -> None:
    """Delete succeeds beside a reader; the next write wipes what the reader held up."""
    entry = put(store, sealed=CANARY.encode())
    reader = reader_in_the_way(path)
    store.delete(entry.id, ME)
    assert left_in(path, CANARY.encode())
    reader.close()
    put(store, "Other")
    assert left_in(path, CANARY.encode()) == []


def test_t14_what_a_killed_process_left_is_wiped_at_the_start(
    store: Repository, path: Path
) -> None:
    """A store opened again wipes what was deleted and not yet wiped."""
    entry = put(store, sealed=CANARY.encode())
    reader = reader_in_the_way(path)
    store.delete(entry.id, ME)
    reader.close()
    assert left_in(path, CANARY.encode())
    Repository(f"sqlite:///{path}").close()
    assert left_in(path, CANARY.encode()) == []


# --- errors without secrets -------------------------------------------------------------------


def told(error: BaseException | None) -> str:
    """All that an error and those it hangs on say, in any of the ways of saying it."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    return said


def full(store: Repository) -> None:
    pragma(store, "max_page_count=1")


def unbindable(store: Repository) -> None:
    put(store, "x", sealed=CANARY.encode(), data_key_id=CANARY, hint=object())


def misread(store: Repository) -> None:
    put(store)
    with store._database.writing() as connection:
        connection.execute(text(f"UPDATE api_key SET created_at = '{CANARY}'"))  # noqa: S608  # a constant
    store.page(ME)


FAULTS: dict[str, Callable[[Repository], object]] = {
    "no room": lambda store: (full(store), put(store, CANARY, sealed=CANARY.encode() * 9_000)),
    "cannot be bound": unbindable,
    "no zone": lambda store: put(store, CANARY, created_at=NOW.replace(tzinfo=None)),
    "same id": lambda store: [put(store, f"{CANARY} {n}", id="same") for n in range(2)],
    "not a time": misread,
    "too large": lambda store: put(store, CANARY, revision=10**30),
    "half a character": lambda store: put(store, f"{CANARY}\ud800", sealed=CANARY.encode()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_t36_no_database_error_carries_a_value(store: Repository, fault: str) -> None:
    """Neither the error, nor its arguments, nor anything it hangs on holds what was written."""
    with pytest.raises(StoreError) as failed:
        FAULTS[fault](store)
    assert CANARY not in told(failed.value)


def test_t36_a_taken_secret_is_not_shown(store: Repository) -> None:
    """The refusal of a secret that is there already names the key and hangs on nothing else."""
    put(store, "First", fingerprint=CANARY)
    with pytest.raises(InputError) as refused:
        put(store, "Second", fingerprint=CANARY, sealed=CANARY.encode())
    assert CANARY not in told(refused.value)


def test_t36_the_raw_error_would_have_carried_it(store: Repository) -> None:
    """The twin: the error below has the values, so the search is good and the door is needed."""
    with (
        pytest.raises(SQLAlchemyError) as failed,
        store._database.engine.connect() as connection,
    ):
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": CANARY})
    assert CANARY in told(failed.value)
    assert CANARY not in str(failed.value)


def test_t36_no_log_carries_a_value(store: Repository, caplog: pytest.LogCaptureFixture) -> None:
    """With SQLAlchemy's log at INFO, statements are logged and what they write is not."""
    with caplog.at_level(logging.INFO, logger="sqlalchemy"):
        store._database.engine.echo = False  # has it read the level of the log again
        entry = put(store, sealed=CANARY.encode(), fingerprint=CANARY)
        store.delete(entry.id, ME)
    assert "INSERT INTO api_key" in caplog.text
    assert CANARY not in caplog.text


def test_a_check_that_cannot_be_read_is_no_check(store: Repository) -> None:
    """A check of a verdict unknown here, or with broken text, leaves its key as unchecked."""
    for column, value in (("verdict", "splendid"), ("models", "[")):
        entry = put(store, column)
        store.save_check(result(entry), ME)
        with store._database.writing() as connection:
            told = text(f"UPDATE key_check SET {column} = :v WHERE key_id = :k")  # noqa: S608  # two constants
            connection.execute(told, {"v": value, "k": entry.id})
        assert store.entry(entry.id, ME) == entry


# --- disk, file, lock -------------------------------------------------------------------------


def test_t53_a_full_disk_loses_nothing(store: Repository) -> None:
    """A write that has no room says so and leaves no half; reading goes on; room heals it."""
    entry = put(store)
    pragma(store, "max_page_count=1")
    with pytest.raises(StoreError, match="disk is full"):
        put(store, "Large", sealed=b"x" * 90_000)
    with pytest.raises(StoreError, match="disk is full"):
        change(store, entry, sealed=b"x" * 90_000)
    assert store.page(ME) == [entry]
    pragma(store, "max_page_count=1000000")
    put(store, "Large", sealed=b"x" * 90_000)
    assert store.count(ME) == 2


def test_t53_a_disk_that_fails_while_writing(path: Path) -> None:
    """A log that cannot grow is a StoreError; nothing is written; later writes succeed."""
    program = """
import resource, signal, sys
from mohet_keys.errors import StoreError
from mohet_keys.repository import Repository
from tests.test_repository import ME, put
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Repository(sys.argv[1])
put(store, "before")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
try:
    put(store, "while", sealed=b"x" * 50_000)
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
put(store, "after")
print(sorted(entry.name for entry in store.page(ME)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, f"sqlite:///{path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said, after = done.stdout.splitlines()
    assert said.startswith("The disk")
    assert after == "['after', 'before']"


def test_t53_a_read_only_store_reads_and_refuses_to_write(store: Repository) -> None:
    """Listing works; each writing verb says that the store is read-only."""
    entry = put(store)
    pragma(store, "query_only=ON")
    assert store.page(ME) == [entry]
    for write in (
        lambda: put(store, "Other"),
        lambda: change(store, entry, name="New"),
        lambda: store.delete(entry.id, ME),
        lambda: store.save_check(result(entry, Verdict.VALID), ME),
        lambda: store.select(ME, entry.id, None, LATER),
    ):
        with pytest.raises(StoreError, match="read-only"):
            write()
    assert store.page(ME) == [entry]


def test_a_writer_that_waits_too_long_is_told(store: Repository, path: Path) -> None:
    """While another program holds the store, reading works and writing fails in plain words."""
    entry = put(store)
    pragma(store, "busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.page(ME) == [entry]
    with pytest.raises(StoreError, match="another program holds it"):
        put(store, "Other")
    other.close()
    put(store, "Other")


def test_a_new_file_that_another_program_holds_is_waited_for(path: Path) -> None:
    """SQLite gives up at once when a new file cannot be switched to a log; the store does not."""
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    letting_go = threading.Timer(0.2, other.rollback)
    letting_go.start()
    store = Repository(f"sqlite:///{path}")
    assert store.is_empty()
    letting_go.join()
    other.close()
    store.close()


def test_t54_what_is_not_a_database_is_left_as_it_is(path: Path) -> None:
    """A file of something else is refused, and not one byte of it changes."""
    path.parent.mkdir()
    path.write_bytes(b"My notes, which matter.\n" * 300)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        Repository(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_t54_a_damaged_page_is_said_and_not_replaced(path: Path) -> None:
    """A store with a broken page answers with a StoreError, and the file stays for a rescue."""
    store = Repository(f"sqlite:///{path}")
    for number in range(60):
        put(store, f"k{number}", sealed=b"x" * 2_000)
    store.close()
    broken = bytearray(path.read_bytes())
    for page in range(4096, len(broken), 4096):
        broken[page : page + 12] = b"\xff" * 12
    path.write_bytes(broken)
    with pytest.raises(StoreError, match="is damaged"):
        Repository(f"sqlite:///{path}").page(ME)
    assert path.read_bytes() == bytes(broken)


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    """A folder in the file's place, and a file in the folder's, are each said plainly."""
    with pytest.raises(StoreError, match="cannot be opened"):
        Repository(f"sqlite:///{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Repository(f"sqlite:///{tmp_path / 'file' / 'store.db'}")


def test_a_second_opening_does_not_open_the_file_itself(
    store: Repository, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a file drops the locks SQLite holds on it, so an existing one is not touched."""
    opened: list[object] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *how: opened.append(how[0]) or real(*how))
    Database(f"sqlite:///{path}").close()
    assert opened == []


# --- a store that is taken away, exchanged or mended under a running app -----------------------


@pytest.fixture
def other_file(tmp_path: Path) -> Path:
    """The file of another store, with a key named “Another”."""
    path = tmp_path / "other" / "other.db"
    another = Repository(f"sqlite:///{path}")
    put(another, "Another")
    another.close()
    return path


def exchange(path: Path, other: Path) -> None:
    """Put another file in the place of a store, without the log of the one before."""
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink()
    other.replace(path)


def names(store: Repository) -> list[str]:
    """What the keys are called."""
    return sorted(entry.name for entry in store.page(ME))


def test_t54_a_deleted_store_is_said_and_not_made_anew(store: Repository, path: Path) -> None:
    """Every statement says that the file is gone; when it is back, all goes on."""
    put(store)
    away = path.rename(path.with_name("away"))
    for work in (store.ping, lambda: put(store, "Other"), lambda: store.page(ME), store.ping):
        with pytest.raises(StoreError, match="is gone"):
            work()
    assert not path.exists()
    away.rename(path)
    store.ping()
    put(store, "Other")
    assert names(store) == ["Other", "Prod"]


def test_t54_sqlite_would_have_made_an_empty_one(
    store: Repository, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: left to itself it makes a file without tables, and the app runs on that."""
    path.unlink()
    monkeypatch.setattr(sqlite_file, "identity", lambda _: (0, 0))
    monkeypatch.setattr(sqlite_file, "writable", lambda path: path.as_uri())
    store._database.engine.dispose()
    with pytest.raises(StoreError):
        store.ping()
    assert path.exists()


def test_t54_an_exchanged_file_is_opened_anew(
    store: Repository, path: Path, other_file: Path
) -> None:
    """With another file in its place every connection goes to that, without any error before."""
    put(store)
    with ExitStack() as many:
        for _ in range(4):  # idle connections that still have the old one
            many.enter_context(store._database.reading())
    exchange(path, other_file)
    with ExitStack() as many:
        for _ in range(6):
            connection = many.enter_context(store._database.reading())
            found = connection.execute(text("SELECT name FROM api_key")).scalars().all()
            assert found == ["Another"]
    put(store, "Other")
    store.close()
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("SELECT count(*) FROM api_key").fetchone() == (2,)


def test_t54_an_open_connection_would_have_gone_on_with_the_old_one(
    store: Repository, path: Path, other_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: nothing tells a connection, so what is saved goes to a file without a name."""
    put(store)
    monkeypatch.setattr(sqlite_file, "identity", lambda _: (0, 0))
    store._database.engine.dispose()
    assert names(store) == ["Prod"]
    exchange(path, other_file)
    put(store, "Lost")
    assert names(store) == ["Lost", "Prod"]


def test_t54_a_log_without_its_store_is_not_thrown_away(path: Path) -> None:
    """No start makes an empty store beside a log that holds saved keys; moved away, one does."""
    store = Repository(f"sqlite:///{path}")
    put(store, sealed=CANARY.encode())
    path.unlink()
    log = path.with_name(f"{path.name}-wal")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"{log.name} is still there"):
            Repository(f"sqlite:///{path}")
    assert not path.exists()
    assert CANARY.encode() in log.read_bytes()
    log.rename(path.with_name("away"))
    Repository(f"sqlite:///{path}").close()
    assert path.exists()


def test_t54_sqlite_would_have_thrown_it_away(path: Path) -> None:
    """The twin: an empty file in the place of the store ends the log beside it."""
    store = Repository(f"sqlite:///{path}")
    put(store, sealed=CANARY.encode())
    path.unlink()
    path.touch()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert left_in(path, CANARY.encode()) == []


class Trouble:
    """A running product, and what goes wrong with its store. Each returns how to mend it."""

    def __init__(self, parts: Parts, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts = parts
        self.path = path
        self._monkeypatch = monkeypatch

    def full(self) -> Callable[[], object]:
        """No page can be added."""
        pragma(self.parts.repository, "max_page_count=1")
        return lambda: pragma(self.parts.repository, "max_page_count=1000000")

    def read_only(self) -> Callable[[], object]:
        """The file can be opened for reading alone; a connection that was, stays so."""
        real = sqlite_file.writable
        self._monkeypatch.setattr(sqlite_file, "writable", lambda p: f"{p.as_uri()}?mode=ro")
        self._reconnect()
        return lambda: self._monkeypatch.setattr(sqlite_file, "writable", real)

    def no_database(self) -> Callable[[], object]:
        """Something else was written over its head."""
        return self._overwritten(slice(0, 100))

    def damaged(self) -> Callable[[], object]:
        """All pages but the first are broken."""
        return self._overwritten(slice(4096, None))

    def deleted(self) -> Callable[[], object]:
        """The file is taken away."""
        away = self.path.rename(self.path.with_name("away"))
        return lambda: away.rename(self.path)

    def _overwritten(self, place: slice) -> Callable[[], object]:
        self.parts.repository._database.wipe()  # so that all is in the file
        before = self.path.read_bytes()
        content = bytearray(before)
        content[place] = b"\xff" * len(content[place])
        self._reconnect()
        write_over(self.path, bytes(content))
        return lambda: write_over(self.path, before)

    def _reconnect(self) -> None:
        """Have it need new connections, as more visitors would."""
        self.parts.repository._database.engine.dispose()


def write_over(path: Path, content: bytes) -> None:
    """Change what is in a file, which stays the same file."""
    with path.open("r+b") as file:
        file.write(content)


TROUBLES = {
    "full": "disk is full",
    "read_only": "is read-only",
    "no_database": "is not a database",
    "damaged": "is damaged",
    "deleted": "is gone",
}


@pytest.fixture
def trouble(parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Trouble:
    """A running product with a key, to be brought into trouble."""
    add(parts, "Before")
    return Trouble(parts, settings.data_dir / "mohet_keys.db", monkeypatch)


def add(parts: Parts, name: str) -> None:
    """Save a key through the service; large enough to need a page of its own."""
    new = NewKey(provider="groq", name=name, secret=SecretStr("gsk_" + CANARY * 200 + name))
    parts.keys.add(new, owner=LOCAL_OWNER)


@pytest.mark.parametrize(("how", "said"), TROUBLES.items())
def test_t53_t54_a_running_product_says_it_and_recovers(
    trouble: Trouble, how: str, said: str
) -> None:
    """The trouble is named as often as asked, nothing is half done; mended, it works on."""
    mend = getattr(trouble, how)()
    for name in ("First", "Second"):
        with pytest.raises(StoreError, match=said):
            add(trouble.parts, name)
    mend()
    trouble.parts.repository.ping()
    add(trouble.parts, "After")
    found = trouble.parts.keys.list(owner=LOCAL_OWNER).entries
    assert sorted(entry.name for entry in found) == ["After", "Before"]


@pytest.mark.parametrize(("how", "said"), TROUBLES.items())
def test_t53_t54_the_health_check_tells_what_cannot_be_read(
    trouble: Trouble, how: str, said: str
) -> None:
    """A store that cannot be read fails it, with the reason; one that only cannot grow does not."""
    mend = getattr(trouble, how)()
    if how in {"full", "read_only"}:
        trouble.parts.repository.ping()
    else:
        for _ in range(3):
            with pytest.raises(StoreError, match=said):
                trouble.parts.repository.ping()
    mend()
    trouble.parts.repository.ping()


def test_t53_a_connection_that_only_reads_would_stay_so(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: when it is not given up after the error, the mended file helps it nothing."""
    monkeypatch.setattr(sqlite_file, "_STALE", frozenset())
    mend = trouble.read_only()
    for _ in range(2):
        with pytest.raises(StoreError, match="is read-only"):
            add(trouble.parts, "While")
        mend()


@pytest.mark.parametrize("how", ["no_database", "damaged"])
def test_t54_a_start_that_fails_can_be_tried_again(
    trouble: Trouble, settings: Settings, how: str
) -> None:
    """In the same process, as the page does on each visit, until it is mended."""
    mend = getattr(trouble, how)()
    for _ in range(3):
        with pytest.raises(StoreError, match=TROUBLES[how]):
            build(settings).repository.page(LOCAL_OWNER)
    mend()
    with closing(build(settings)) as parts:
        assert parts.keys.counts(owner=LOCAL_OWNER) == {"groq": 1}


def test_t53_a_file_that_becomes_read_only_and_writable_again(path: Path) -> None:
    """With the file’s own rights, as a user without special powers."""
    program = """
import os, sys, tempfile
from pathlib import Path
import alembic.command
from mohet_keys.errors import StoreError
from mohet_keys.repository import Repository
from tests.test_repository import ME, put
with tempfile.TemporaryDirectory() as folder:
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    path = Path(folder) / "store.db"
    store = Repository(f"sqlite:///{path}")
    put(store, "before")
    store.close()
    path.chmod(0o400)
    store._database.engine.dispose()
    for name in ("while", "still"):
        print(len(store.page(ME)))
        try:
            put(store, name)
        except StoreError as error:
            print(error)
    path.chmod(0o600)
    put(store, "after")
    print(sorted(entry.name for entry in store.page(ME)))
    store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    refused = "The store is read-only, so nothing was saved. Check who owns the file."
    assert done.stdout.splitlines() == ["1", refused] * 2 + ["['after', 'before']"]


# --- storms -----------------------------------------------------------------------------------


def test_t50_killed_again_and_again_while_writing(tmp_path: Path) -> None:
    """No acknowledged write is lost, no half of one stays, and SQLite finds no fault."""
    told = storm("kill", tmp_path, 48)
    assert told["broken"] == []
    assert (told["kills"], told["acknowledged"] >= 120) == (48, True)


def test_t55_eight_processes_write_at_once(tmp_path: Path) -> None:
    """Not one write fails for the lock, and every row is whole at the end."""
    told = storm("write", tmp_path, 100)
    assert (told["writes"], told["errors"], told["broken"]) == (800, 0, [])


@pytest.mark.parametrize("kind", KINDS)
def test_t56_two_processes_race(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of sixteen that save one name one succeeds, and of sixteen that edit one version one: the
    others are told that it is taken, or that somebody else was faster."""
    place = tmp_path if kind == "sqlite" else request.getfixturevalue("postgres").url("{}")
    told = storm("race", place, 2)
    assert told["created"] == [["name"] * 15 + ["saved"]] * 2
    assert told["edited"] == [["conflict"] * 15 + ["saved"]] * 2


def test_t55_without_the_lock_at_the_start_they_would_fail(tmp_path: Path) -> None:
    """The twin: writers that begin deferred are told that the store is busy."""
    told = storm("write", tmp_path, 40, "--deferred")
    assert told["errors"] > 0
    assert "busy" in told["first_errors"][0]
