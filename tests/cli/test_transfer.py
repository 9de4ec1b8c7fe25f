"""Export and import on the command line: files made and read, passphrases never shown."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mohet_keys import parcel, private_files, vault
from mohet_keys.model import NewKey
from tests import terminal
from tests.bad_input import PUBLIC_HTTP
from tests.browser.secrets import good, revoked
from tests.leaks import canary, files_below, scan
from tests.masters import started
from tests.shell import FIELDS, Said, Shell
from tests.terminal import Process

PASSPHRASE = "correct horse battery staple"
PLAIN = "q7W8e9R0t1Y2u3I4o5P6a7S8d9F0g1H2"


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """The same scrypt with less work, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "SCRYPT_N", 2**4)
        patch.setattr(vault, "LEAST_WORK", 2**4 * 8)
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "keys.json"


def add(shell: Shell, slug: str = "groq", name: str = "Work", secret: str = "") -> str:
    """A saved key and its id, unchecked."""
    key_id: str = shell.add(slug, name, secret, "--no-check").json["id"]
    return key_id


def exported(shell: Shell, file: Path, *arguments: str, passphrase: str = PASSPHRASE) -> Said:
    """Export keys, all unless some are named."""
    which = arguments or ("--all",)
    return shell("export", str(file), *which, "--passphrase-stdin", stdin=passphrase + "\n")


def imported(shell: Shell, file: Path, *arguments: str, passphrase: str = PASSPHRASE) -> Said:
    """Import a file."""
    return shell("import", str(file), *arguments, "--passphrase-stdin", stdin=passphrase + "\n")


def written(tmp_path: Path, *lines: str) -> Path:
    """A `.env` file."""
    path = tmp_path / ".env"
    path.write_text("\n".join(lines))
    return path


def names(shell: Shell) -> list[str]:
    """The saved keys."""
    return [f"{key['provider']}/{key['name']}" for key in shell("list", "--json").json]


# --- out ----------------------------------------------------------------------------------------


def test_keys_are_written_to_a_new_file(shell: Shell, file: Path) -> None:
    """All, or those that are named by id or by provider and name, in a file for this user alone."""
    ids = [add(shell), add(shell, "openai", "Other")]
    said = exported(shell, file)
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[:3] == [
        "The file holds 2 keys.",
        "  openai/Other",
        "  groq/Work",
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(parcel.unpack(file.read_bytes(), PASSPHRASE)) == 2
    some = file.with_name("some.json")
    assert exported(shell, some, "groq/Work", ids[0]).status == 0
    (key,) = parcel.unpack(some.read_bytes(), PASSPHRASE)
    assert (key.name, key.secret) == ("Work", good("groq"))
    assert left_behind(file.parent) == []


def left_behind(folder: Path) -> list[Path]:
    """Files that were begun and not put in place."""
    return [each for each in folder.iterdir() if ".part-" in each.name]


def test_an_export_as_json(shell: Shell, file: Path) -> None:
    """The keys as every command shows them, and those that were left out."""
    add(shell)
    said = exported(shell, file, "--all", "--json")
    assert list(said.json) == ["keys", "left_out", "bytes"]
    assert [list(key) for key in said.json["keys"]] == [FIELDS]
    assert said.json["left_out"] == []
    assert said.json["bytes"] == file.stat().st_size


def test_what_cannot_be_opened_is_left_out_and_named(shell: Shell, file: Path) -> None:
    """A key that is held back stays, with the reason and the status 1."""
    add(shell)
    add(shell, "mistral", "Held", good("openai", "2"))
    said = exported(shell, file)
    assert said.status == 1
    assert "The file holds 1 key." in said.out
    assert "Left out: mistral/Held. This looks like an OpenAI key." in said.out
    said = exported(shell, file.with_name("more.json"), "--all", "--json")
    assert (said.status, said.json["left_out"][0]["name"]) == (1, "Held")


def test_a_file_that_is_there_is_not_touched(shell: Shell, file: Path, tmp_path: Path) -> None:
    """Neither a file nor a folder, a device or a dangling link is written over or through."""
    add(shell)
    file.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for there in (file, tmp_path, link, Path("/dev/stdout"), Path("/dev/null"), Path("/dev/tty")):
        said = exported(shell, there, "--all", "--json")
        assert (said.status, said.error["code"]) == (2, "refused")
        assert "not written over" in said.error["message"]
    assert file.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_cannot_be_made_is_said(shell: Shell, tmp_path: Path) -> None:
    """The system's reason in one line, and nothing left behind."""
    add(shell)
    said = exported(shell, tmp_path / "missing" / "keys.json", "--all", "--json")
    assert (said.status, said.error["code"]) == (2, "refused")
    assert said.error["message"] == "The file cannot be written: No such file or directory."


def test_a_file_made_meanwhile_is_not_written_over(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the write somebody else made it: theirs stays."""
    add(shell)
    place = private_files.place

    def late(part: Path, target: Path) -> None:
        target.write_text("precious")
        place(part, target)

    monkeypatch.setattr(private_files, "place", late)
    said = exported(shell, file)
    assert said.status == 2
    assert "meanwhile" in said.err
    assert file.read_text() == "precious"
    assert left_behind(file.parent) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export"], "FILE is missing"),
        (["export", "f"], "--all"),
        (["export", "f", "groq/Work", "--all"], "--all"),
        (["export", "-", "--all"], "Name a file"),
        (["import"], "FILE is missing"),
        (["import", "-"], "Name a file"),
        (["import", "f", "--check"], "--yes"),
        (["import", "f", "more"], "no such option or argument"),
    ],
)
def test_wrong_use_is_one_line(shell: Shell, arguments: list[str], told: str) -> None:
    """Nothing is done, and the sentence helps."""
    said = shell(*arguments, "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert told in said.error["message"]


def test_an_unknown_key_makes_no_file(shell: Shell, file: Path) -> None:
    """One that is not there ends it before a passphrase is asked for."""
    add(shell)
    said = shell("export", str(file), "groq/Work", "groq/Nobody", "--json")
    assert (said.status, said.error["code"]) == (2, "not_found")
    assert not file.exists()


def test_nothing_to_export_makes_no_file(shell: Shell, file: Path) -> None:
    """An empty store is said to be one."""
    said = exported(shell, file, "--all", "--json")
    assert (said.status, said.error["code"]) == (2, "refused")
    assert not file.exists()


@pytest.mark.parametrize("passphrase", ["", "short", "elevenchars"])
def test_a_weak_passphrase_makes_no_file(shell: Shell, file: Path, passphrase: str) -> None:
    """It is refused at its field with the reason, and not said back."""
    add(shell)
    said = exported(shell, file, "--all", "--json", passphrase=passphrase)
    assert (said.status, said.error["code"], said.error["field"]) == (2, "input", "passphrase")
    assert "12 characters" in said.error["message"]
    assert not passphrase or passphrase not in said.err
    assert not file.exists()


def test_without_a_terminal_the_passphrase_must_be_piped_in(shell: Shell, file: Path) -> None:
    """Nobody can be asked, so the option is named; a file that needs none asks for none."""
    add(shell)
    said = shell("export", str(file), "--all", "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "--passphrase-stdin" in said.error["message"]
    exported(shell, file)
    said = shell("import", str(file), "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "--passphrase-stdin" in said.error["message"]
    assert shell("import", str(written(file.parent, "A=1"))).status == 0


def test_a_passphrase_that_is_no_text_is_refused(shell: Shell, file: Path) -> None:
    """Bytes that are not UTF-8 would be another passphrase on the next machine."""
    add(shell)
    command = ("export", str(file), "--all", "--passphrase-stdin", "--json")
    said = shell(*command, stdin=b"\xff\xfe" + PASSPHRASE.encode())
    assert (said.status, said.error["field"]) == (2, "passphrase")
    assert said.error["message"] == "What came in as the passphrase is not text in UTF-8."


# --- in -----------------------------------------------------------------------------------------


def test_without_a_yes_an_import_only_shows(shell: Shell, file: Path) -> None:
    """What would come in, what is there, whose name is taken and what is refused; status 0."""
    add(shell)
    add(shell, "openai", "Taken", good("openai", "2"))
    exported(shell, file)
    shell("edit", "groq/Work", "--name", "Renamed")
    path = written(
        file.parent,
        f"GROQ_API_KEY={good('groq')}",
        f"MISTRAL_API_KEY={PLAIN}",
        "OPENAI_API_KEY=your-api-key",
        "PORT=8501",
    )
    before = shell.content()
    said = shell("import", str(path))
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == [
        "3 keys in this file: 1 new, 1 there, 1 refused.",
        f"there: groq/GROQ_API_KEY  gsk_••••••••{good('groq')[-4:]}  api.groq.com/openai/v1",
        "  Saved already as “Renamed” (Groq).",
        f"new: mistral/MISTRAL_API_KEY  ••••••••{PLAIN[-4:]}  api.mistral.ai/v1",
        "refused: openai/OPENAI_API_KEY",
        "  This is a placeholder, not a key. Paste the key your provider gave you.",
        "Ignored: PORT. No key of a provider here.",
        "Nothing was written. Say --yes to bring them in.",
    ]
    assert shell.content() == before
    said = imported(shell, file)
    assert "2 keys in this file: 2 there." in said.out
    assert "there is nothing to bring in" in said.out
    assert imported(shell, written(file.parent, "PORT=1")).out.splitlines() == [
        "There are no keys in this file.",
        "Ignored: PORT. No key of a provider here.",
        "Nothing was written, for there is nothing to bring in.",
    ]


def test_an_import_as_json(shell: Shell, tmp_path: Path) -> None:
    """One document of one shape, shown or done."""
    path = written(tmp_path, f"GROQ_API_KEY={good('groq')}", "PORT=8501")
    shown = shell("import", str(path), "--json")
    document = shown.json
    assert list(document) == ["kind", "written", "keys", "ignored", "saved", "left_out"]
    assert (shown.status, document["kind"], document["written"]) == (0, "env", False)
    assert document["keys"] == [
        {
            "provider": "groq",
            "name": "GROQ_API_KEY",
            "state": "new",
            "said": "",
            "endpoint": "https://api.groq.com/openai/v1",
            "hint": f"gsk_••••••••{good('groq')[-4:]}",
            "notes": [],
        }
    ]
    assert document["ignored"] == [{"name": "PORT", "why": "No key of a provider here."}]
    done = shell("import", str(path), "--yes", "--json")
    assert (done.status, done.json["written"], list(done.json)) == (0, True, list(document))
    assert list(done.json["saved"][0]) == [*FIELDS, "notes"]
    again = shell("import", str(path), "--yes", "--json")
    assert (again.status, again.json["written"], again.json["saved"]) == (0, False, [])
    assert again.json["left_out"] == [
        {
            "provider": "groq",
            "name": "GROQ_API_KEY",
            "state": "there",
            "why": "Saved already as “GROQ_API_KEY” (Groq).",
        }
    ]


def test_keys_come_in_from_another_machine(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A store with another master key takes the file; without --check nobody is asked anything."""
    add(shell)
    add(shell, "openai", "Other")
    exported(shell, file)
    for name in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"MOHET_{name}_DIR", str(tmp_path / "elsewhere" / name))
    asked = len(shell.simulator.requests)
    said = imported(shell, file, "--yes")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == ["2 keys came in.", "openai/Other", "groq/Work"]
    assert names(shell) == ["openai/Other", "groq/Work"]
    assert len(shell.simulator.requests) == asked
    assert [each["verdict"] for each in shell("list", "--json").json] == ["unchecked"] * 2
    assert shell("check", "--all").status == 0


def test_what_came_in_is_checked_where_that_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    """With --check each is asked for at its address, and a bad one ends with status 1."""
    lines = [
        f"OPENAI_API_KEY={good('openai')}",
        f"OPENAI_BASE_URL={shell.simulator.endpoint('openai')}",
    ]
    said = shell("import", str(written(tmp_path, *lines)), "--yes", "--check")
    assert said.status == 0
    assert "openai/OPENAI_API_KEY: Valid (" in said.out
    lines += [f"OPENAI_API_KEY_OLD={revoked('openai')}"]
    path = written(tmp_path, *lines)
    said = shell("import", str(path), "--yes", "--check", "--json")
    assert (said.status, said.json["saved"][0]["verdict"]) == (1, "invalid")


def test_a_taken_name_is_left_out_or_changed(shell: Shell, tmp_path: Path) -> None:
    """A clash is named and left out with status 1; with --rename it comes in beside the other."""
    add(shell, "groq", "GROQ_API_KEY", good("groq", "2"))
    path = written(tmp_path, f"GROQ_API_KEY={good('groq')}")
    said = shell("import", str(path))
    assert (said.status, "name taken: groq/GROQ_API_KEY" in said.out) == (0, True)
    assert said.out.endswith(
        "Say --yes to bring them in and --rename for those whose name is taken.\n"
    )
    assert "a name of its own" in shell("import", str(path), "--rename").out
    said = shell("import", str(path), "--yes")
    assert said.status == 1
    assert said.out.startswith("No key came in.\nLeft out: groq/GROQ_API_KEY. You already have")
    said = shell("import", str(path), "--yes", "--rename")
    assert (said.status, said.out) == (0, "1 key came in.\ngroq/GROQ_API_KEY (2)\n")


def test_what_is_refused_ends_with_1_and_the_rest_comes_in(shell: Shell, tmp_path: Path) -> None:
    """A script sees that something is missing, and what."""
    lines = [f"GROQ_API_KEY={good('groq')}", f"OPENAI_API_KEY={PLAIN}"]
    path = written(tmp_path, *lines, f"OPENAI_BASE_URL={PUBLIC_HTTP}")
    said = shell("import", str(path), "--yes", "--json")
    assert (said.status, len(said.json["saved"])) == (1, 1)
    assert said.json["left_out"][0]["state"] == "refused"
    assert "unencrypted" in said.json["left_out"][0]["why"]


def test_a_held_key_is_said_to_be_held(shell: Shell, tmp_path: Path) -> None:
    """It came in and goes nowhere, with --check too, and the way on is named."""
    path = written(tmp_path, f"OPENAI_API_KEY=sk-ant-{PLAIN}")
    asked = len(shell.simulator.requests)
    said = shell("import", str(path), "--yes", "--check")
    assert (said.status, len(shell.simulator.requests)) == (1, asked)
    assert "looks like an Anthropic key" in said.out


@pytest.mark.parametrize("altered", [False, True])
def test_the_wrong_passphrase_brings_nothing(shell: Shell, file: Path, altered: bool) -> None:
    """Wrong passphrase and altered file are told alike, with a code of their own."""
    add(shell)
    exported(shell, file)
    if altered:
        file.write_bytes(file.read_bytes().replace(b'"keys": 1', b'"keys": 2'))
    before = shell.content()
    passphrase = PASSPHRASE if altered else f"{PASSPHRASE}s"
    said = imported(shell, file, "--yes", "--json", passphrase=passphrase)
    assert (said.status, said.error["code"]) == (2, "passphrase")
    assert "does not open the file" in said.error["message"]
    assert shell.content() == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"\x89PNG\0", "neither an export"),
        (b'{"name": "package"}', "no file that Mohet Keys exported"),
        (b'{"format": "mohet-keys-export", "version": 2}', "newer version"),
        (b"A=" + b"x" * 2**20, "larger than 1 MiB"),
        (b"{" + b" " * 2**20, "larger than 1 MiB"),
    ],
)
def test_what_is_no_file_to_import_is_refused(
    shell: Shell, file: Path, content: bytes | None, told: str
) -> None:
    """Each with its reason, and before a passphrase is asked for."""
    if content is not None:
        file.write_bytes(content)
    said = shell("import", str(file), "--yes", "--json")
    assert (said.status, said.error["code"]) == (2, "refused")
    assert told in said.error["message"]
    assert shell("import", str(file.parent), "--json").error["message"].endswith("Is a directory.")


def test_a_store_that_is_no_database_is_3(shell: Shell, file: Path) -> None:
    """Both commands say that the store cannot be opened."""
    add(shell)
    exported(shell, file)
    shell.database.write_bytes(b"this is no database, but long enough to be looked at" * 100)
    for said in (
        exported(shell, file.with_name("x"), "--all", "--json"),
        imported(shell, file, "--yes", "--json"),
    ):
        assert (said.status, said.error["code"]) == (3, "store")


def test_a_locked_store_takes_and_gives_nothing(shell: Shell, file: Path) -> None:
    """With another master key neither command does anything, and the reason is the key."""
    add(shell)
    exported(shell, file)
    shell.settings.generated_master_key_file.write_text("f0e1d2c3b4a59687" * 4)
    before = shell.content()
    for said in (
        exported(shell, file.with_name("x"), "--all", "--json"),
        imported(shell, file, "--yes", "--json"),
    ):
        assert (said.status, said.error["code"]) == (2, "locked")
        assert "master key" in said.error["message"]
    assert shell.content() == before
    assert not file.with_name("x").exists()


def test_the_text_of_a_file_cannot_move_the_cursor(shell: Shell, file: Path) -> None:
    """Names in a file are a stranger's: what would not be seen as itself is shown as an escape."""
    odd = parcel.Carried(
        "cohere", "\x1b[2J\u202e", "", PLAIN, False, parcel.datetime.now(parcel.UTC)
    )
    file.write_bytes(parcel.pack([odd], PASSPHRASE, at=odd.created_at))
    for said in (imported(shell, file), imported(shell, file, "--yes")):
        assert "\x1b" not in said.out
        assert "\\x1b[2J\\u202e" in said.out


@pytest.mark.parametrize("verb", ["export", "import"])
def test_both_have_help(shell: Shell, verb: str) -> None:
    """--help is plain text and names the way a passphrase comes in."""
    said = shell(verb, "--help")
    assert (said.status, said.err) == (0, "")
    assert "--passphrase-stdin" in said.out


# --- nothing is told ----------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_in_the_wrong_place_is_not_said_back(shell: Shell, as_json: bool) -> None:
    """A passphrase or a key as an argument is refused unread, and no message repeats it."""
    for prefix in ("sk-proj-", "", "unknown:"):
        secret = canary(prefix)
        for command in (
            ["export", secret],
            ["export", "file", secret],
            ["export", "file", "--all", "--passphrase", secret],
            ["export", "file", "--all", f"--passphrase={secret}"],
            ["import", secret],
            ["import", secret, "--yes"],
            ["import", "file", secret],
            ["import", "file", "--passphrase", secret],
        ):
            said = shell(*command, *(["--json"] if as_json else []), stdin=PASSPHRASE)
            assert said.status == 2, command
            assert scan(secret, {"out": said.out.encode(), "err": said.err.encode()}) == []
            assert said.err.count("\n") == 1


def test_t01_the_way_to_another_machine_leaves_no_trace(process: Process, tmp_path: Path) -> None:
    """A .env file in, an export out, and in elsewhere, in processes of their own: keys and
    passphrase are in no file, no output and no argument, but for the .env file that was there."""
    secrets = [canary("gsk_"), canary("sk-proj-"), canary("")]
    passphrase = canary("")
    lines = (f"{name}={key}" for name, key in zip(("A", "B", "MISTRAL_KEY"), secrets, strict=True))
    env, file = written(tmp_path, *lines), tmp_path / "keys.json"
    piped = f"{passphrase}\n"
    here = terminal.say(
        tmp_path,
        (f"import {env} --yes --json", ""),
        (f"export {file} --all --passphrase-stdin --json", piped),
    )
    elsewhere = Process(tmp_path / "elsewhere")
    there = elsewhere("import", str(file), "--yes", "--passphrase-stdin", "--json", stdin=piped)
    env.unlink()
    came_in, *_ = terminal.documents(here)
    assert (list(terminal.documents(here))[1::2], there.status) == ([0, 0], 0)
    assert [len(said["saved"]) for said in (came_in, there.json)] == [3, 3]
    found = dict(files_below(tmp_path))
    assert {"data/mohet_keys.db", "elsewhere/data/mohet_keys.db", "keys.json"} <= set(found)
    found["said"] = f"{here}{there.out}{there.err}".encode()
    for secret in (*secrets, passphrase):
        assert scan(secret, found) == []
    with started(tmp_path / "elsewhere") as parts:
        entries = parts.keys.list(owner="local").entries
        opened = [parts.keys.open(entry.id, owner="local").secret for entry in entries]
    assert set(opened) == set(secrets)


def test_at_a_terminal_the_passphrase_is_asked_for_unseen(process: Process, file: Path) -> None:
    """Twice for a new file, once for one that is there; it is never shown, nor is a key."""
    secret, passphrase = canary("gsk_"), canary("")
    new = NewKey(provider="groq", name="W", secret=SecretStr(secret))
    with started(process.folder) as parts:
        parts.keys.add(new, owner="local")
    once, again = (b"Passphrase: ", passphrase), (b"The same again: ", passphrase)
    unmade = file.with_name("unmade.json")
    said, screen = process.typed(
        f"export {unmade} --all --json",
        f"export {file} --all --json",
        f"import {file} --json",
        answers=[once, (again[0], f"{passphrase}x"), once, again, once],
    )
    refused, made, done, shown, seen = said
    assert (refused, unmade.exists(), b"differ" in screen) == (2, False, True)
    assert (len(made["keys"]), done) == (1, 0)
    assert (shown["keys"][0]["state"], seen) == ("there", 0)
    told = {"screen": screen, "out": json.dumps(said).encode()}
    assert scan(passphrase, told) == []
    assert scan(secret, told) == []
