"""Where the master key comes from, and every way in which one is refused."""

import base64
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys import masterkey
from mohet_keys.errors import MasterKeyError
from mohet_keys.masterkey import DOC_SAMPLE
from mohet_keys.sealed import Masters
from mohet_keys.settings import Settings

RAW = bytes(range(100, 132))
KEY = base64.b64encode(RAW).decode()
OTHER_RAW = bytes(range(32, 64))
OTHER = base64.b64encode(OTHER_RAW).decode()


def make(tmp_path: Path, **changes: Any) -> Settings:
    """Settings with folders of the test's own."""
    folders = {"data_dir": tmp_path / "data", "config_dir": tmp_path / "config"}
    return Settings(**(folders | changes))


def key_file(tmp_path: Path, content: str | bytes, mode: int = 0o600, name: str = "key") -> Path:
    """A key file with that content and mode."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def load(settings: Settings, *, empty: bool = False, local: bool = True) -> Masters | None:
    """Load, by default for a store that has rows already."""
    return masterkey.load(settings, store_is_empty=empty, local=local)


def loaded(settings: Settings, *, empty: bool = False) -> Masters:
    """Load where there must be a key."""
    found = load(settings, empty=empty)
    assert found is not None
    return found


def refused(settings: Settings, *, empty: bool = True) -> str:
    """The sentence of the refusal, which stands alone and quotes no key."""
    with pytest.raises(MasterKeyError) as caught:
        load(settings, empty=empty)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for hidden in (KEY, OTHER, RAW.hex(), OTHER_RAW.hex(), repr(RAW)[2:-1]):
        assert hidden not in repr(caught.value)
    return str(caught.value)


@pytest.fixture(params=[0o022, 0, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Several umasks, the usual one first."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# Sources


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.rstrip("="),
        base64.urlsafe_b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
        RAW.hex(),
        RAW.hex().upper(),
    ],
)
def test_t10_base64_and_hex_are_read_alike(tmp_path: Path, text: str) -> None:
    """Standard and url-safe base64, padded or not, and 64 hex digits all give the 32 bytes."""
    assert loaded(make(tmp_path, master_key=text)).primary.raw == RAW
    in_file = make(tmp_path, master_key_file=key_file(tmp_path, text + "\n"))
    assert loaded(in_file).primary.raw == RAW


@given(st.binary(min_size=32, max_size=32).filter(lambda raw: len(set(raw)) >= 8))
def test_t10_every_random_key_is_read_in_every_form(raw: bytes) -> None:
    """No key that a generator may give is refused or read as another."""
    forms = [base64.b64encode(raw), base64.urlsafe_b64encode(raw), raw.hex().encode()]
    for form in forms + [form.rstrip(b"=") for form in forms]:
        found = loaded(make(Path("/nowhere"), master_key=form.decode()))
        assert raw == found.primary.raw


def test_64_hex_digits_are_hex_and_not_base64(tmp_path: Path) -> None:
    """What could be read as 48 bytes of base64 is the 32 bytes of hex."""
    digits = secrets.token_hex(32)
    assert bytes.fromhex(digits) == loaded(make(tmp_path, master_key=digits)).primary.raw


def test_the_source_is_named(tmp_path: Path) -> None:
    """A loaded key knows where it came from; its repr has the source and not the key."""
    path = key_file(tmp_path, KEY)
    from_file = loaded(make(tmp_path, master_key_file=path)).primary
    assert f"MOHET_MASTER_KEY_FILE ({path})" == from_file.source
    assert loaded(make(tmp_path, master_key=KEY)).primary.source == "MOHET_MASTER_KEY"
    assert str(path) in repr(from_file)
    assert repr(RAW) not in repr(from_file)


def test_sources_that_agree_are_fine(tmp_path: Path) -> None:
    """File, environment and generated file may all be there when they hold one key."""
    generated = loaded(make(tmp_path), empty=True).primary
    text = generated.raw.hex()
    both = make(tmp_path, master_key=text, master_key_file=key_file(tmp_path, text))
    found = loaded(both).primary
    assert (generated.raw, True) == (found.raw, found.source.startswith("MOHET_MASTER_KEY_FILE"))


def test_t10_file_and_environment_must_agree(tmp_path: Path) -> None:
    """Two different keys are refused, with both sources named."""
    settings = make(tmp_path, master_key=OTHER, master_key_file=key_file(tmp_path, KEY))
    sentence = refused(settings)
    assert "MOHET_MASTER_KEY_FILE" in sentence
    assert "and MOHET_MASTER_KEY hold different master keys" in sentence


def test_t10_a_generated_key_must_agree_with_a_set_one(tmp_path: Path) -> None:
    """A set key that differs from the generated one is refused, before rows are sealed anew."""
    loaded(make(tmp_path), empty=True)
    sentence = refused(make(tmp_path, master_key=KEY))
    assert "MOHET_MASTER_KEY and the generated file" in sentence


def test_moving_on_from_a_generated_key(tmp_path: Path) -> None:
    """The generated key may stay in its file when it is named as the one before."""
    old = loaded(make(tmp_path), empty=True).primary
    path = make(tmp_path).generated_master_key_file
    found = loaded(make(tmp_path, master_key=KEY, master_key_previous_file=path))
    assert (RAW, old.raw) == (found.primary.raw, found.previous and found.previous.raw)


def test_the_previous_key_is_loaded_beside_the_new(tmp_path: Path) -> None:
    """During a rotation both keys are there, each in its place."""
    found = loaded(make(tmp_path, master_key=KEY, master_key_previous=OTHER))
    assert (found.primary.raw, found.previous and found.previous.raw) == (RAW, OTHER_RAW)


def test_a_previous_key_equal_to_the_primary_is_ignored(tmp_path: Path) -> None:
    """Naming one key twice is no rotation, in whatever form it is written."""
    assert loaded(make(tmp_path, master_key=KEY, master_key_previous=RAW.hex())).previous is None


def test_previous_sources_must_agree(tmp_path: Path) -> None:
    """Two different previous keys are refused too, and so is a malformed one."""
    settings = make(
        tmp_path,
        master_key=RAW.hex(),
        master_key_previous=OTHER,
        master_key_previous_file=key_file(tmp_path, KEY),
    )
    assert "MOHET_MASTER_KEY_PREVIOUS hold different" in refused(settings)
    malformed = make(tmp_path, master_key=KEY, master_key_previous="short")
    assert "in MOHET_MASTER_KEY_PREVIOUS" in refused(malformed)


def test_a_previous_key_alone_is_refused(tmp_path: Path) -> None:
    """A previous key with nothing to follow it is a mistake, and no key is made up for it."""
    settings = make(tmp_path, master_key_previous=KEY)
    assert "MOHET_MASTER_KEY_PREVIOUS is set" in refused(settings)
    assert not settings.config_dir.exists()


# Malformed


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (base64.b64encode(RAW[:31]).decode(), "is 31 bytes long"),
        (base64.b64encode(RAW + b"x").decode(), "is 33 bytes long"),
        (base64.b64encode(RAW[:16]).decode(), "is 16 bytes long"),
        (RAW[:16].hex(), "has 32 hex digits"),
        (RAW.hex() + "0", "has 65 hex digits"),
        (RAW.hex()[:63], "has 63 hex digits"),
        (RAW[:31].hex(), "has 62 hex digits"),
        ((RAW + b"x").hex(), "has 66 hex digits"),
        (KEY + "\n", "line break"),
        (KEY + "\r", "line break"),
        (KEY + "\r\n", "line break"),
        (RAW.hex() + "\n", "line break"),
        (KEY + " ", "a space"),
        (" " + KEY, "a space"),
        (KEY[:20] + "\t" + KEY[20:], "a space"),
        (KEY[:20] + "\x00" + KEY[20:], "control character"),
        (KEY[:20] + "\u200b" + KEY[20:], "control character"),
        ("\ufeff" + KEY, "byte order mark"),
        ("é" + KEY[1:], "neither base64 nor hex"),
        ('"' + KEY + '"', "neither base64 nor hex"),
        ("0x" + RAW.hex(), "is not whole"),
        (KEY + "==", "neither base64 nor hex"),
        (KEY.rstrip("=") + "==", "is not whole"),
        (KEY[:-2] + "=" + KEY[-2:], "neither base64 nor hex"),
        ("+_" + KEY[2:], "neither base64 nor hex"),
        (KEY[:-2] + "B=", "is not whole"),
        (base64.b64encode(bytes(32)).decode(), "repeats"),
        ("00" * 32, "repeats"),
        ("ab" * 32, "repeats"),
        ("deadbeef" * 8, "repeats"),
        (DOC_SAMPLE, "sample from the documentation"),
        (base64.b64decode(DOC_SAMPLE).hex(), "sample from the documentation"),
        ("a passphrase", "a space"),
        ("passphrase", "is not whole"),
        ("=", "neither base64 nor hex"),
    ],
)
def test_t10_malformed_keys_are_refused(tmp_path: Path, text: str, rule: str) -> None:
    """The sentence names source and rule, and never the value, set or in a file."""
    sentence = refused(make(tmp_path, master_key=text))
    assert rule in sentence
    assert sentence.startswith("The master key in MOHET_MASTER_KEY ")
    assert len(text) < 8 or text.strip() not in sentence
    if text.endswith("\n"):
        text += "\n"
    path = key_file(tmp_path, text)
    in_file = refused(make(tmp_path, master_key_file=path))
    assert str(path) in in_file
    assert rule in in_file or not text.isascii()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (KEY.encode() + b"\r\n", "line break"),
        (KEY.encode() + b"\n\n", "line break"),
        (b"\n" + KEY.encode(), "line break"),
        (b"\xef\xbb\xbf" + KEY.encode(), "byte order mark"),
        (KEY.encode() + b"\r", "line break"),
        (KEY.encode() + b" \n", "a space"),
        (bytes(32), ""),
        (b"A" * 43 + b"=\n", "repeats"),
        (DOC_SAMPLE.encode() + b"\n", "sample from the documentation"),
        (KEY.encode("utf-16"), "byte order mark"),
        (RAW, ""),
        (b"\xff" * 32, ""),
        (KEY.encode() * 200, "larger than 4096 bytes"),
    ],
)
def test_t10_malformed_files_are_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    """One line break may end a key file; anything else around the key is refused."""
    assert rule in refused(make(tmp_path, master_key_file=key_file(tmp_path, content)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o660, 0o666, 0o777, 0o610])
def test_t12_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Any bit for group or others is too much; the sentence says which mode and what to do."""
    path = key_file(tmp_path, KEY, mode)
    sentence = refused(make(tmp_path, master_key_file=path))
    assert f"{mode:04o}" in sentence
    assert "chmod 600" in sentence
    path.chmod(0o400)
    assert loaded(make(tmp_path, master_key_file=path)).primary.raw == RAW


def test_a_key_file_must_be_a_regular_file(tmp_path: Path) -> None:
    """A folder, a pipe or a missing file is refused at once, never waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "regular file" in refused(make(tmp_path, master_key_file=pipe))
    assert "regular file" in refused(make(tmp_path, master_key_file=Path("/dev/null")))
    assert "cannot be read" in refused(make(tmp_path, master_key_file=tmp_path / "none"))
    folder = tmp_path / "folder"
    folder.mkdir(0o700)
    assert str(folder) in refused(make(tmp_path, master_key_file=folder))


def test_a_link_to_a_key_file_counts_as_the_file(tmp_path: Path) -> None:
    """An operator may link to the file; what counts is the mode of what is read."""
    link = tmp_path / "link"
    link.symlink_to(key_file(tmp_path, KEY))
    assert loaded(make(tmp_path, master_key_file=link)).primary.raw == RAW
    (tmp_path / "key").chmod(0o644)
    assert "0644" in refused(make(tmp_path, master_key_file=link))


# Generated


def test_t09_a_first_local_start_makes_a_key(tmp_path: Path, umask: int) -> None:
    """File 0600 in a folder 0700, whatever the umask; the next start reads the same key."""
    settings = make(tmp_path)
    first = loaded(settings, empty=True).primary
    path = settings.generated_master_key_file
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)]
    assert ([0o600, 0o700], [path]) == (modes, list(path.parent.iterdir()))
    assert (32, first.raw) == (len(first.raw), loaded(settings).primary.raw)
    assert str(path) in first.source


def test_t09_nothing_is_generated_over_existing_rows(tmp_path: Path) -> None:
    """With rows in the store and no key there is no key: nothing is made and nothing written."""
    settings = make(tmp_path)
    assert load(settings, empty=False) is None
    assert list(tmp_path.iterdir()) == []


def test_t09_nothing_is_generated_for_a_team(tmp_path: Path) -> None:
    """Outside local mode the operator sets the key; none is made."""
    assert load(make(tmp_path), empty=True, local=False) is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_generated_when_a_key_is_set(tmp_path: Path) -> None:
    """A set key is used as it is, and no second one appears beside it."""
    assert loaded(make(tmp_path, master_key=KEY), empty=True).primary.raw == RAW
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a key", RAW])
def test_a_broken_generated_file_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    """What stands where the generated key belongs is refused by name and left as it is."""
    (tmp_path / "config").mkdir(0o700)
    path = key_file(tmp_path / "config", content, name="master.key")
    assert f"the generated file ({path})" in refused(make(tmp_path))
    assert content == path.read_bytes()


def test_a_link_in_the_place_of_the_generated_file_is_refused(tmp_path: Path) -> None:
    """A link is neither followed to read nor written through."""
    target = tmp_path / "target"
    (tmp_path / "config").mkdir(0o700)
    (tmp_path / "config" / "master.key").symlink_to(target)
    assert "cannot be read" in refused(make(tmp_path))
    assert not target.exists()


def test_a_generated_key_is_never_kept_beside_the_database(tmp_path: Path) -> None:
    """The data folder, a folder below it, and that of the database file are all refused."""
    data = tmp_path / "data"
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'keys.db'}"
    for settings in (
        make(tmp_path, config_dir=data),
        make(tmp_path, config_dir=data / "config"),
        make(tmp_path, config_dir=data / ".." / "data"),
        make(tmp_path, config_dir=tmp_path / "elsewhere", database_url=url),
        make(tmp_path, config_dir=tmp_path / "elsewhere", database_url=url + "?timeout=1"),
    ):
        assert "beside the database" in refused(settings)
    assert list(tmp_path.iterdir()) == []


def test_a_generated_key_found_beside_the_database_is_not_used(tmp_path: Path) -> None:
    """A file that came to lie in the data folder is refused, unless a set key replaces it."""
    before = loaded(make(tmp_path), empty=True).primary.raw
    moved = {"data_dir": tmp_path}
    assert "beside the database" in refused(make(tmp_path, **moved))
    assert before == loaded(make(tmp_path, **moved, master_key=before.hex())).primary.raw


def test_a_link_into_the_data_folder_is_seen_through(tmp_path: Path) -> None:
    """A config folder that is a link into the data folder is the data folder."""
    (tmp_path / "data" / "config").mkdir(parents=True)
    (tmp_path / "config").symlink_to(tmp_path / "data" / "config")
    assert "beside the database" in refused(make(tmp_path))


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """Who can write to the folder could put another key in the place of a new one."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config").chmod(0o777)
    assert "other users can write" in refused(make(tmp_path))
    assert list((tmp_path / "config").iterdir()) == []


def test_a_key_that_cannot_be_saved_is_not_used(tmp_path: Path) -> None:
    """Without a place to keep it no key is given out; the sentence says where and what to do."""
    (tmp_path / "file").write_text("")
    for config_dir in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        sentence = refused(make(tmp_path, config_dir=config_dir))
        assert f"cannot be saved to {config_dir / 'master.key'}" in sentence
        assert "or set MOHET_MASTER_KEY" in sentence


FULL_DISK = """
import resource, sys
from pathlib import Path
from mohet_keys import errors, masterkey
from mohet_keys.settings import Settings
settings = Settings(data_dir=Path(sys.argv[1]) / "data", config_dir=Path(sys.argv[1]) / "config")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    masterkey.load(settings, store_is_empty=True)
except errors.MasterKeyError as error:
    print(error)
"""


def test_a_full_disk_leaves_no_half_key(tmp_path: Path) -> None:
    """When the writing breaks off there is no file, neither the key's nor a draft."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be saved" in done.stdout
    assert list((tmp_path / "config").iterdir()) == []


RACING = """
import hashlib, os, sys
from pathlib import Path
from mohet_keys import masterkey
from mohet_keys.settings import Settings
for turn in range(40):
    folder = Path(sys.argv[1]) / str(turn)
    folder.mkdir()
    settings = Settings(data_dir=folder / "data", config_dir=folder / "config")
    gate, opener = os.pipe()
    children = []
    for _ in range(6):
        child = os.fork()
        if not child:
            os.close(opener)
            os.read(gate, 1)
            try:
                found = masterkey.load(settings, store_is_empty=True)
                line = hashlib.sha256(found.primary.raw).hexdigest()
            except BaseException as error:
                line = repr(error)
            os.write(1, f"{turn} {line}\\n".encode())
            os._exit(0)
        children.append(child)
    os.close(gate)
    os.close(opener)
    for child in children:
        os.waitpid(child, 0)
    kept = masterkey.load(settings, store_is_empty=False)
    print(turn, hashlib.sha256(kept.primary.raw).hexdigest(), flush=True)
"""


def test_processes_that_start_at_once_end_with_one_key(tmp_path: Path) -> None:
    """Six processes, 40 times over: all have the key that is in the file, and none fails."""
    command = [sys.executable, "-c", RACING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert (len(lines), len(set(lines))) == (40 * 7, 40), sorted(set(lines))
    assert len(list(tmp_path.glob("*/config/*"))) == 40


# The environment


def test_the_environment_forgets_the_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once the settings have read them, no child process inherits the keys, however spelt."""
    monkeypatch.setenv("MOHET_MASTER_KEY", KEY)
    monkeypatch.setenv("mohet_master_key_previous", OTHER)
    monkeypatch.setenv("MOHET_MASTER_KEY_FILE", str(key_file(tmp_path, KEY)))
    settings = Settings(data_dir=tmp_path / "data", config_dir=tmp_path / "config")
    masterkey.forget_environment()
    masterkey.forget_environment()
    child = subprocess.run(["env"], capture_output=True, text=True, check=True)
    assert KEY not in child.stdout
    assert OTHER not in child.stdout
    assert "MOHET_MASTER_KEY_FILE=" in child.stdout
    found = loaded(settings)
    assert (found.primary.raw, found.previous and found.previous.raw) == (RAW, OTHER_RAW)
