"""Keys through any life: a machine that does everything to them, in every order.

What reached the servers is the judge: each secret that was seen must be the one that the key has
by then, at the server that it was saved for, and only when something was to be sent at all. The
rest follows from the rows: a row that says what it said when it was last saved properly opens to
its secret, and any other is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from sqlalchemy import event

from mohet_keys import envelope, wiring
from mohet_keys.errors import InputError, LockedError, MohetError, NotFoundError, RefusedError
from mohet_keys.model import LOCAL_OWNER, Ended, KeyChanges, KeyEntry, Message, NewKey, Verdict
from mohet_keys.sealed import Label
from mohet_keys.settings import Settings
from mohet_keys.simulator.server import Simulator
from mohet_keys.standing import may_send
from mohet_keys.vault import Vault
from tests.leaks import files_below

ME = LOCAL_OWNER
MODEL = "openai/gpt-oss-20b"
SEALED = ("provider", "endpoint", "revision", "allow_http", "sealed")
DOORS = st.sampled_from([0, 1])


class CrashError(BaseException):
    """Stands for the end of the process: nothing of ours may catch it."""


@dataclass
class Known:
    """A key as it has to be."""

    secret: str
    door: int
    row: tuple[object, ...] = ()
    """What its row said when it was last saved properly."""
    former: str = ""
    """The secret that can be brought back."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Groq, at two addresses that are two servers as far as a key is concerned."""
    with Simulator(doors=2) as running:
        yield running


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store with its master key, made once."""
    folder = tmp_path_factory.mktemp("store")
    wiring.build(_settings(folder)).close()
    return folder


def _settings(folder: Path, **more: Any) -> Settings:
    return Settings(data_dir=folder / "data", config_dir=folder / "config", **more)


class Life(RuleBasedStateMachine):
    """The machine. `simulator` and `template` are set on the class by the test."""

    simulator: Simulator
    template: Path
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.known: dict[str, Known] = {}
        self.gone: list[str] = []
        """Every secret that was ever typed."""
        self.is_locked = False
        self.seen = len(self.simulator.requests)

    @initialize()
    def begin(self) -> None:
        """A store of its own."""
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.parts = wiring.build(_settings(self.folder))

    # --- what people do -------------------------------------------------------------------------

    @rule(target=keys, door=DOORS)
    def add(self, door: int) -> Any:
        """Save a key for one of the servers."""
        secret = self._secret()
        try:
            entry = self._add(secret, door)
        except LockedError:
            assert self.is_locked
            return multiple()
        self._settle(entry.id, secret, door)
        return entry.id

    @rule(key=keys)
    def rename(self, key: str) -> None:
        """Another name: always possible, also when the key is locked."""
        entry = self._entry(key)
        if entry:
            self._edit(entry, name=f"Renamed {secrets.token_hex(4)}")

    @rule(key=keys, door=DOORS)
    def move_without_the_secret(self, key: str, door: int) -> None:
        """Another address needs the secret again, and nothing changes without it."""
        entry = self._entry(key)
        if entry is None or entry.endpoint == self._endpoint(door):
            return
        with pytest.raises((InputError, LockedError)):
            self._edit(entry, endpoint=self._endpoint(door))

    @rule(key=keys, door=DOORS)
    def move_with_a_secret(self, key: str, door: int) -> None:
        """A secret that is typed goes where it was typed for."""
        entry, secret = self._entry(key), self._secret()
        if entry is None:
            return
        try:
            self._edit(entry, endpoint=self._endpoint(door), secret=secret)
        except LockedError:
            assert self.is_locked
            return
        self._settle(key, secret, door)

    @rule(key=keys)
    def enter_again(self, key: str) -> None:
        """The same secret at the same address; this also mends a row that was altered."""
        entry, known = self._entry(key), self.known.get(key)
        if entry is None or known is None or self.is_locked:
            return
        before = self._rows()[key]
        self._edit(entry, endpoint=self._endpoint(known.door), secret=known.secret)
        if self._rows()[key] != before:  # else nothing was changed, the way back included
            self._settle(key, known.secret, known.door)

    @rule(key=keys)
    def select(self, key: str) -> None:
        """Choose it for the chat."""
        if self._entry(key):
            self.parts.keys.select(key, owner=ME)

    @rule(key=keys)
    def check(self, key: str) -> None:
        """Ask the provider, through the one way out."""
        if key not in self.known:
            return
        result = asyncio.run(self.parts.checks.check(key, owner=ME))
        sent = self._sent(key)
        expected = Verdict.VALID if sent else Verdict.LOCKED
        assert result.diagnosis.verdict is expected

    @rule(key=keys)
    def chat(self, key: str) -> None:
        """Send a message through it."""
        if key not in self.known:
            return
        allowed = may_send(self.parts.keys.entry(key, owner=ME))  # a mark of an earlier forgery
        with self.parts.chats.start(
            key, owner=ME, messages=[Message("user", "Write 3 words")], model=MODEL
        ) as running:
            *_, last = running.events()
        assert isinstance(last, Ended)
        assert (last.outcome == "finished") == self._sent(key, surely=allowed)

    @rule(key=consumes(keys))
    def delete(self, key: str) -> None:
        """Away for good, in whatever state it is."""
        if key in self.known:
            self.parts.keys.remove(key, owner=ME)
            del self.known[key]

    @rule(key=keys)
    def replace(self, key: str) -> None:
        """Test a new secret beside the old one; it is good, so it takes its place."""
        entry, known = self._entry(key), self.known.get(key)
        if entry is None or known is None:
            return
        secret, genuine = self._secret(), self._is_genuine(key)
        try:
            trial = self.parts.keys.trial(key, secret, owner=ME, version=entry.version)
        except LockedError:
            assert not genuine
            return
        assert genuine
        done = asyncio.run(self.parts.replacer.replace(trial, owner=ME))
        assert done.entry
        self._settle(key, secret, known.door)
        assert self._sent(key)
        self.known[key].former = known.secret

    @rule(key=keys)
    def undo(self, key: str) -> None:
        """Bring back the secret from before, where there is one and its address is as it was."""
        entry, known = self._entry(key), self.known.get(key)
        if entry is None or known is None:
            return
        at = [SEALED.index(column) for column in ("provider", "endpoint", "allow_http")]
        rows = self._rows()[key], known.row
        unmoved = len({tuple(row[place] for place in at) for row in rows}) == 1
        try:
            self.parts.keys.undo_swap(key, owner=ME, version=entry.version)
        except (LockedError, RefusedError):
            assert self.is_locked or not known.former or not unmoved
            return
        self._settle(key, known.former, known.door)

    # --- what happens to the machine ------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        """Stop properly and start again."""
        self.parts.close()
        self._start()

    @rule()
    def lose_the_master_key(self) -> None:
        """Start with another master key: everything is locked, and nothing is lost."""
        self.parts.close()
        other = SecretStr(secrets.token_hex(32))
        master = self.folder / "config" / "master.key"
        aside = master.with_suffix(".aside")
        if not self.is_locked:
            master.rename(aside)
        self.parts = wiring.build(_settings(self.folder, master_key=other))
        self.is_locked = True

    @precondition(lambda self: self.is_locked)
    @rule()
    def find_the_master_key(self) -> None:
        """The right one is back."""
        self.parts.close()
        (self.folder / "config" / "master.aside").rename(self.folder / "config" / "master.key")
        self.is_locked = False
        self._start()

    @rule(reseal=st.booleans())
    def rotate(self, reseal: bool) -> None:
        """Another master key, perhaps another data key as well, and everything opens as before."""
        if self.is_locked:
            with pytest.raises(MohetError):
                self.parts.rotation.rotate(new_data_key=reseal)
            return
        genuine = [key for key in self.known if self._is_genuine(key)]
        self.parts.rotation.rotate(new_data_key=reseal)
        for key in genuine:
            self.known[key].row = self._rows()[key]

    @rule()
    def retire(self) -> None:
        """The old master key is needed no more."""
        if not self.is_locked:
            self.restart()
            with contextlib.suppress(RefusedError):  # a rotation was cut short by a crash
                self.parts.rotation.retire()

    @rule(number=st.integers(1, 40), reseal=st.booleans())
    def crash_while_rotating(self, number: int, reseal: bool) -> None:
        """Whatever was done of it, everything opens, and it can be run again."""
        if self.is_locked:
            return
        genuine = [key for key in self.known if self._is_genuine(key)]
        self._crashes(number, lambda: self.parts.rotation.rotate(new_data_key=reseal))
        for key in genuine:
            self.known[key].row = self._rows()[key]

    @rule(target=keys, number=st.integers(1, 12), door=DOORS)
    def crash_while_adding(self, number: int, door: int) -> Any:
        """The process ends at some statement: the key is saved, or there is none."""
        secret, before = self._secret(), set(self._rows())
        crashed = self._crashes(number, lambda: self._add(secret, door))
        new = set(self._rows()) - before
        assert len(new) <= 1
        assert crashed or self.is_locked or new
        for key in new:
            self._settle(key, secret, door)
        return multiple(*new)

    @rule(key=keys, number=st.integers(1, 16), door=DOORS)
    def crash_while_moving(self, key: str, number: int, door: int) -> None:
        """It has its old secret and address, or its new ones; never one of each."""
        entry, secret = self._entry(key), self._secret()
        if entry is None:
            return
        before = self._rows()[key]
        self._crashes(
            number, lambda: self._edit(entry, endpoint=self._endpoint(door), secret=secret)
        )
        if self._rows()[key] != before:
            self._settle(key, secret, door)

    @rule(key=keys, number=st.integers(1, 12))
    def crash_while_deleting(self, key: str, number: int) -> None:
        """It is there or gone."""
        if key in self.known:
            self._crashes(number, lambda: self.parts.keys.remove(key, owner=ME))
            if key not in self._rows():
                del self.known[key]

    @rule(key=keys, number=st.integers(1, 16))
    def crash_while_checking(self, key: str, number: int) -> None:
        """Whatever was sent was sent to the right place."""
        if key in self.known:
            self._crashes(number, lambda: asyncio.run(self.parts.checks.check(key, owner=ME)))
            self._sent(key, surely=False)

    # --- what somebody does who can write the database -------------------------------------------

    @rule(one=keys, other=keys)
    def swap_secrets(self, one: str, other: str) -> None:
        """Two rows exchange their sealed values."""
        rows = self._rows()
        if one in rows and other in rows:
            self._alter(one, "sealed", rows[other][4])
            self._alter(other, "sealed", rows[one][4])

    @rule(one=keys, other=keys)
    def copy_a_row(self, one: str, other: str) -> None:
        """One row gets all that another says."""
        rows = self._rows()
        if one in rows and other in rows:
            for column, value in zip(SEALED, rows[other], strict=True):
                self._alter(one, column, value)

    @rule(key=keys, door=DOORS)
    def edit_the_address(self, key: str, door: int) -> None:
        """The address is changed in the database."""
        self._alter(key, "endpoint", self._endpoint(door))

    @rule(key=keys, column=st.sampled_from(["revision", "allow_http"]))
    def edit_a_number(self, key: str, column: str) -> None:
        """Another column that the secret is bound to."""
        row = self._rows().get(key)
        if row:
            value = row[SEALED.index(column)]
            assert isinstance(value, int)
            self._alter(key, column, value + 1 if column == "revision" else 1 - value)

    @rule(key=keys, place=st.integers(0, 200))
    def flip_a_bit(self, key: str, place: int) -> None:
        """One bit of the sealed value."""
        row = self._rows().get(key)
        if row:
            blob = bytearray(row[4])  # type: ignore[arg-type]
            blob[place % len(blob)] ^= 1
            self._alter(key, "sealed", bytes(blob))

    @rule(key=keys)
    def put_back(self, key: str) -> None:
        """What was altered is as it was."""
        if key in self.known:
            for column, value in zip(SEALED, self.known[key].row, strict=True):
                self._alter(key, column, value)

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def nothing_else_was_sent(self) -> None:
        """Whoever sends looks at what arrived; nobody else's doing sends anything."""
        assert len(self.simulator.requests) == self.seen

    @invariant()
    def the_list_is_whole(self) -> None:
        """Every key is listed, whatever became of it, and says so when all are locked."""
        if hasattr(self, "parts"):
            listed = self.parts.keys.list(owner=ME).entries
            assert {entry.id for entry in listed} == set(self.known)
            assert all(bool(entry.locked) == self.is_locked for entry in listed)

    def teardown(self) -> None:
        """Nothing acknowledged was lost, and no file of the store has a secret in clear."""
        try:
            if not hasattr(self, "parts"):
                return
            rows = self._rows()
            for key, known in self.known.items():
                if rows[key] == known.row and not self.is_locked:
                    assert self.parts.keys.open(key, owner=ME).secret == known.secret
            self.parts.close()
            content = b"".join(content for _, content in files_below(self.folder))
            assert not [secret for secret in self.gone if secret.encode() in content]
        finally:
            shutil.rmtree(self.folder)

    # --- means ------------------------------------------------------------------------------------

    def _secret(self) -> str:
        secret = f"gsk_sim-good-{secrets.token_hex(20)}"
        self.gone.append(secret)
        return secret

    def _endpoint(self, door: int) -> str:
        return self.simulator.endpoint("groq", door)

    def _entry(self, key: str) -> KeyEntry | None:
        try:
            return self.parts.keys.entry(key, owner=ME)
        except NotFoundError:
            assert key not in self.known
            return None

    def _add(self, secret: str, door: int) -> KeyEntry:
        new = NewKey(
            provider="groq",
            name=f"Key {secrets.token_hex(6)}",
            secret=SecretStr(secret),
            endpoint=self._endpoint(door),
        )
        return self.parts.keys.add(new, owner=ME).entry

    def _edit(self, entry: KeyEntry, secret: str = "", **changes: str) -> None:
        typed = KeyChanges(secret=SecretStr(secret), **changes)  # type: ignore[arg-type]
        self.parts.keys.edit(entry.id, typed, owner=ME, version=entry.version)

    def _settle(self, key: str, secret: str, door: int) -> None:
        self.known[key] = Known(secret, door, self._rows()[key])

    def _rows(self) -> dict[str, tuple[object, ...]]:
        with closing(sqlite3.connect(self._file())) as raw:
            asked = f"SELECT id, {', '.join(SEALED)} FROM api_key"  # noqa: S608
            return {row[0]: tuple(row[1:]) for row in raw.execute(asked)}

    def _file(self) -> Path:
        return self.folder / "data" / "mohet_keys.db"

    def _alter(self, key: str, column: str, value: object) -> None:
        with closing(sqlite3.connect(self._file())) as raw, raw:
            raw.execute(f"UPDATE api_key SET {column} = ? WHERE id = ?", (value, key))  # noqa: S608

    def _is_genuine(self, key: str) -> bool:
        return not self.is_locked and self._rows().get(key) == self.known[key].row

    def _sent(self, key: str, *, surely: bool = True) -> bool:
        """Whether something was sent just now; all of it was this key's, to its own server."""
        known, new = self.known[key], self.simulator.requests[self.seen :]
        self.seen += len(new)
        port = int(self.simulator.origin(known.door).rpartition(":")[2])
        # Without a secret a server is asked whether it would show its list to anybody.
        assert {(r.secret or known.secret, r.port) for r in new} <= {(known.secret, port)}
        genuine = self._is_genuine(key)
        assert genuine or not new
        assert not surely or bool(new) == genuine
        return bool(new)

    def _start(self) -> None:
        more = {"master_key": SecretStr(secrets.token_hex(32))} if self.is_locked else {}
        self.parts = wiring.build(_settings(self.folder, **more))

    def _crashes(self, number: int, act: Callable[[], object]) -> bool:
        """Do something, and end the process in effect at the n-th statement of it."""
        with _failing(self.parts, number):
            try:
                act()
            except CrashError:
                crashed = True
            except (LockedError, InputError, RuntimeError):
                crashed = False  # refused, or the end came on a thread that tells it so
            else:
                crashed = False
        self.parts.repository._database.engine.dispose()
        with closing(sqlite3.connect(self._file())) as raw, raw:
            raw.execute("DELETE FROM lease")  # of a process that is gone; this one is not
        self._start()
        return crashed


@contextmanager
def _failing(parts: wiring.Parts, number: int) -> Iterator[None]:
    """Raise at the n-th statement, and at each one after it: the process is gone."""
    count = 0

    def before(*_: object) -> None:
        nonlocal count
        count += 1
        if count >= number:
            raise CrashError

    engine = parts.repository._database.engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)


def live(simulator: Simulator, template: Path, lives: int) -> None:
    """Run the machine through so many lives."""
    machine = type("Machine", (Life,), {"simulator": simulator, "template": template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],  # a shorter story would take minutes to find
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_t60_whatever_happens_secrets_stay_with_their_servers(
    simulator: Simulator, template: Path
) -> None:
    """Any order of doings, crashes and forgeries: nothing is sent astray, and nothing is lost."""
    live(simulator, template, 25)


def test_t60_the_machine_would_notice(
    simulator: Simulator, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with a vault that believes the row instead of the seal, a short life goes wrong."""
    opened = Vault.open

    def careless(vault: Vault, blob: bytes, _label: Label) -> str:
        return opened(vault, blob, envelope.unpack(blob).header.label)

    monkeypatch.setattr(Vault, "open", careless)
    machine = type("Machine", (Life,), {"simulator": simulator, "template": template})()
    machine.begin()
    key = machine.add(door=0)
    machine.check(key=key)
    machine.edit_the_address(key=key, door=1)
    with pytest.raises(AssertionError):
        machine.check(key=key)
    machine.parts.close()
