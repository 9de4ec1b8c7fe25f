"""`copy` on the command line: a store on its way to another database, and its address kept safe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys import database, wiring
from mohet_keys.activity import page
from mohet_keys.cli import main
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.settings import Settings
from tests.masters import started
from tests.places import Place, place_of
from tests.shell import Shell
from tests.test_backup import add

PASSWORD = "correct-horse-battery"


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """Commands in this process, on a SQLite store with keys A and B."""
    with started(shell.folder) as parts:
        for name in ("A", "B"):
            add(parts, name)
    return shell


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty PostgreSQL store."""
    with place_of("postgresql", tmp_path, request) as place:
        yield place


def names(place: Place, settings: Settings) -> list[str]:
    """The keys that open in a store."""
    there = settings.model_copy(update={"database_url": SecretStr(place.url)})
    with closing(wiring.build(there)) as parts:
        found = parts.keys.list(owner=LOCAL_OWNER, sort="name").entries
        assert all(parts.keys.open(entry.id, owner=LOCAL_OWNER).secret for entry in found)
        return [entry.name for entry in found]


def test_a_copy_says_how_much_it_is_and_what_comes_next(shell: Shell, target: Place) -> None:
    """Both keys are there and open; that the store was copied is on record in it."""
    said = shell("copy", "--to", target.url)
    assert said.status == 0
    assert said.out.startswith("The store is copied to a postgresql database: 2 keys, ")
    assert "Set MOHET_DATABASE_URL to it" in said.out
    assert names(target, shell.settings) == ["A", "B"]
    with closing(wiring.build(shell.settings)) as parts:
        (told,) = page(parts.repository.journal, Wanted(action="copy")).entries
    assert (told.result, told.detail) == ("done", "to a postgresql database")


def test_a_copy_in_json(shell: Shell, target: Place) -> None:
    """Source, target, and the rows of each table."""
    document = shell("copy", "--to", target.url, "--json").json
    assert (document["source"], document["target"], document["keys"]) == ("sqlite", "postgresql", 2)
    assert document["rows"]["api_key"] == 2


def test_back_to_a_file(shell: Shell, target: Place, tmp_path: Path) -> None:
    """A store on PostgreSQL comes back to a SQLite file that is not there yet."""
    assert shell("copy", "--to", target.url).status == 0
    shell.monkeypatch.setenv("MOHET_DATABASE_URL", target.url)
    file = tmp_path / "back" / "keys.db"
    assert shell("copy", "--to", f"sqlite:///{file}").status == 0
    assert file.stat().st_mode & 0o777 == 0o600
    shell.monkeypatch.setenv("MOHET_DATABASE_URL", f"sqlite:///{file}")
    assert [key["name"] for key in json.loads(shell("list", "--json").out)] == ["A", "B"]


def test_a_target_that_is_not_empty_ends_with_2(shell: Shell, target: Place) -> None:
    """It is a store already."""
    assert shell("copy", "--to", target.url).status == 0
    said = shell("copy", "--to", target.url)
    assert (said.status, said.out) == (2, "")
    assert "not written over" in said.err


def test_a_target_that_does_not_answer_ends_with_3(shell: Shell) -> None:
    """In a sentence that has no password in it."""
    shell.monkeypatch.setattr(database, "BACK_WITHIN", 0.0)
    shell.monkeypatch.setenv("WHERE", f"postgresql://ada:{PASSWORD}@127.0.0.1:9/keys")
    said = shell("copy", "--to-env", "WHERE")
    assert (said.status, said.out) == (3, "")
    assert "does not answer" in said.err
    assert PASSWORD not in said.err


# --- the address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql+psycopg://ada:{PASSWORD}@db.example/keys",
        f"postgresql://ada@db.example/keys?password={PASSWORD}",
        f"postgres://ada:{PASSWORD}@db.example:none/keys",
        f"nonsense://ada:{PASSWORD}@db.example/keys",
    ],
)
def test_a_password_on_the_command_line_is_refused(shell: Shell, address: str) -> None:
    """Other programs can read it there; it is told what to do instead, and the password is not."""
    said = shell("copy", "--to", address)
    assert (said.status, said.out) == (2, "")
    for instead in ("--to-env", "--to-file", ".pgpass", "PGPASSWORD"):
        assert instead in said.err
    assert PASSWORD not in said.err


def test_an_address_from_a_variable_or_a_file(shell: Shell, target: Place, tmp_path: Path) -> None:
    """Where nobody else reads it; a line break at its end is no part of it."""
    file = tmp_path / "address"
    file.write_text(f"{target.url}\n")
    assert shell("copy", "--to-file", file).status == 0
    shell.monkeypatch.setenv("WHERE", target.url)
    assert "not written over" in shell("copy", "--to-env", "WHERE").err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "one of --to, --to-env and --to-file"),
        (["--to", "sqlite:////x.db", "--to-env", "X"], "one of --to, --to-env and --to-file"),
        (["--to", ""], "The address is empty"),
        (["--to-env", "NONE_SUCH"], "no address in this variable"),
        (["--to-file", "/nowhere/at/all"], "file cannot be read"),
    ],
)
def test_wrong_use_ends_with_2(shell: Shell, given: list[str], said: str) -> None:
    """Nothing is done, and what was typed is not said back."""
    done = shell("copy", *given)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_the_demo_has_nothing_to_copy(shell: Shell) -> None:
    """Its store is gone when its command ends."""
    shell.monkeypatch.setenv("MOHET_DEMO", "1")
    assert main(["copy", "--to", "sqlite:////x.db"]) == 2
