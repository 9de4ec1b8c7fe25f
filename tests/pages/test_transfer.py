"""The page that carries keys: out in a protected file, in from one or from a `.env` file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from mohet_keys import wiring
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.ui.downloads import DOWNLOADS, PLACE
from mohet_keys.ui.state import UiState
from tests.leaks import canary, scan
from tests.masters import started, store_in
from tests.pages.conftest import ROOT, SHELL, OpenPage

ME = LOCAL_OWNER
PASSPHRASE = "correct horse battery"


@pytest.fixture
def page(open_page: OpenPage, store: wiring.Parts) -> AppTest:
    """The page, with two keys in the store."""
    for name in ("First", "Second"):
        new = NewKey(provider="groq", name=name, secret=SecretStr(canary("gsk_")))
        store.keys.add(new, owner=ME)
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    return at.switch_page(str(ROOT / "pages" / "transfer.py")).run()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[wiring.Parts]:
    """Another machine."""
    store_in(tmp_path / "elsewhere", "old")
    with started(tmp_path / "elsewhere", "old") as parts:
        yield parts


def hand_in(at: AppTest, name: str, content: bytes) -> AppTest:
    """Choose a file in the uploader."""
    return at.file_uploader[0].set_value((name, content, "text/plain")).run()


def hand_in_twice(at: AppTest, name: str, content: bytes) -> AppTest:
    """Choose a file in the uploader, and have the browser tell of it once more."""
    at.file_uploader[0].set_value((name, content, "text/plain"))
    sent = at._tree.get_widget_states()
    at._run(sent)
    return at._run(sent)


def press(at: AppTest, label: str) -> AppTest:
    """Press the button with this label."""
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def said(at: AppTest) -> list[str]:
    """All that the page says in a box."""
    return [box.value for box in (*at.success, *at.info, *at.warning, *at.error)]


def state(at: AppTest) -> UiState:
    """What the page remembers."""
    held: UiState = at.session_state["mohet"]
    return held


def rows(at: AppTest) -> list[tuple[str, str]]:
    """Name and fate of each key in the preview."""
    table = at.dataframe[0].value
    return list(zip(table["Key name"], table["What happens"], strict=True))


def env_file(*lines: str) -> bytes:
    """A `.env` file."""
    return "\n".join(lines).encode()


def test_a_dotenv_file_is_shown_before_it_comes_in(page: AppTest, store: wiring.Parts) -> None:
    """Each line with its provider; nothing is saved until it is asked for."""
    content = env_file(
        f"GROQ_API_KEY={canary('gsk_')}", f"OPENAI_API_KEY={canary('sk-proj-')}", "PORT=8080"
    )
    at = hand_in(page, "team.env", content)
    assert rows(at) == [("GROQ_API_KEY", "Comes in"), ("OPENAI_API_KEY", "Comes in")]
    assert any("PORT" in each.value for each in at.caption)
    assert sum(store.keys.counts(owner=ME).values()) == 2
    at = press(at, "Import 2 keys")
    assert said(at) == ["2 keys were brought in, not checked yet."]
    assert store.keys.counts(owner=ME) == {"groq": 3, "openai": 1}
    assert not at.dataframe


def test_a_file_that_is_told_of_twice_is_brought_in_once(
    page: AppTest, store: wiring.Parts
) -> None:
    """What a browser sends before it has drawn the preview names the file again: the preview
    stays, and so does what was wrong with a file."""
    at = hand_in_twice(page, "team.env", env_file(f"GROQ_API_KEY={canary('gsk_')}"))
    assert rows(at) == [("GROQ_API_KEY", "Comes in")]
    at = press(at, "Import 1 key")
    assert store.keys.counts(owner=ME) == {"groq": 3}
    at = hand_in_twice(at, "other.env", b"\xff\xfe\x00")
    assert said(at)


def test_a_name_that_is_taken_comes_in_only_when_asked_for(
    page: AppTest, store: wiring.Parts
) -> None:
    """It is told beforehand, left out unless it is ticked, and then gets another name."""
    content = env_file(f"First={canary('gsk_')}")
    at = hand_in(page, "team.env", content)
    assert rows(at) == [("First", "Name is taken")]
    (button,) = [each for each in at.button if each.label.startswith("Import")]
    assert button.disabled
    at = at.checkbox(key="transfer.rename").check().run()
    at = press(at, "Import 1 key")
    assert store.keys.find("groq/First (2)", owner=ME)


def test_keys_go_to_another_machine_and_arrive(
    page: AppTest, store: wiring.Parts, elsewhere: wiring.Parts
) -> None:
    """The file opens there with its passphrase, to the same keys, and here it is all known."""
    page.checkbox(key="transfer.export.all").check().run()
    page.text_input(key="transfer.export.passphrase").set_value(PASSPHRASE)
    page.text_input(key="transfer.export.again").set_value(PASSPHRASE)
    at = press(page, "Make the file")
    assert said(at)[0].startswith("2 keys are in the file.")
    ready = state(at).ready
    assert ready
    file = DOWNLOADS.take(ready.address.removeprefix(PLACE))
    assert file
    plan = elsewhere.transfer.plan(file.content, owner=ME, passphrase=PASSPHRASE)
    elsewhere.transfer.carry_out(plan, owner=ME)
    for ours in store.keys.list(owner=ME).entries:
        theirs = elsewhere.keys.find(f"groq/{ours.name}", owner=ME)
        opened = [
            p.keys.open(e.id, owner=ME).secret for p, e in ((store, ours), (elsewhere, theirs))
        ]
        assert opened[0] == opened[1]
    at = hand_in(at, "export.json", file.content)
    at.text_input(key="transfer.open.passphrase").set_value(PASSPHRASE)
    at = press(at, "Open the file")
    assert {fate for _, fate in rows(at)} == {"Saved already"}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("too short", "too short", "12"),
        (PASSPHRASE, PASSPHRASE + " ", "differ"),
        ("", "", "12"),
    ],
)
def test_a_weak_or_misspelt_passphrase_is_told_at_its_field(
    page: AppTest, first: str, second: str, told: str
) -> None:
    """Nothing is made, the choice of keys stays, and what was typed is gone."""
    page.checkbox(key="transfer.export.all").check().run()
    page.text_input(key="transfer.export.passphrase").set_value(first)
    page.text_input(key="transfer.export.again").set_value(second)
    at = press(page, "Make the file")
    assert any("material/error" in each.value and told in each.value for each in at.markdown)
    assert state(at).ready is None
    assert at.checkbox(key="transfer.export.all").value
    assert at.text_input(key="transfer.export.passphrase").value == ""


def test_a_wrong_passphrase_can_be_typed_again(page: AppTest, elsewhere: wiring.Parts) -> None:
    """The file stays, the reason stands at the field, and the right one opens it."""
    new = NewKey(provider="groq", name="Theirs", secret=SecretStr(canary("gsk_")))
    entry = elsewhere.keys.add(new, owner=ME).entry
    made = elsewhere.transfer.export([entry.id], owner=ME, passphrase=PASSPHRASE)
    at = hand_in(page, "export.json", made.content)
    at.text_input(key="transfer.open.passphrase").set_value("a wrong one entirely")
    at = press(at, "Open the file")
    assert any("material/error" in each.value for each in at.markdown)
    assert not at.dataframe
    at.text_input(key="transfer.open.passphrase").set_value(PASSPHRASE)
    at = press(at, "Open the file")
    assert rows(at) == [("Theirs", "Comes in")]


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"\x89PNG\r\n" + b"\0" * 64])
def test_what_is_no_file_to_import_is_told(page: AppTest, content: bytes) -> None:
    """In words, and the page goes on."""
    at = hand_in(page, "picture.png", content)
    assert len(at.error) == 1
    assert not at.exception
    assert not at.dataframe


def test_nothing_that_waits_for_an_answer_is_a_secret(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a `.env` file was read, neither session, widget nor upload store has what was in it."""
    managers: list[MemoryUploadedFileManager] = []
    made = MemoryUploadedFileManager.__init__

    def remembered(self: MemoryUploadedFileManager, *given: object) -> None:
        made(self, *given)
        managers.append(self)

    monkeypatch.setattr(MemoryUploadedFileManager, "__init__", remembered)
    secret = canary("gsk_")
    at = hand_in(page, "team.env", env_file(f"GROQ_API_KEY={secret}"))
    assert rows(at) == [("GROQ_API_KEY", "Comes in")]
    evidence = {"session": repr(at.session_state).encode()}
    evidence["plan"] = pickle.dumps(state(at).transfer.plan)
    evidence["uploads"] = b"".join(
        file.data
        for manager in managers
        for files in manager.file_storage.values()
        for file in files.values()
    )
    assert managers
    assert scan(secret, evidence) == []
