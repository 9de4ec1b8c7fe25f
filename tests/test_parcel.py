"""The export file: opens with its passphrase, whole and unaltered, forever, and no other way."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys import parcel, vault
from mohet_keys.errors import InputError, MohetError, PassphraseError, RefusedError
from mohet_keys.parcel import (
    Carried,
    is_parcel,
    pack,
    require_parcel,
    require_passphrase,
    unpack,
)
from tests.leaks import canary, scan

GOLDEN = (Path(__file__).parent / "data" / "golden_export.json").read_bytes()
GOLDEN_PASSPHRASE = "drei Schwäne üben Klavier"
GOLDEN_KEYS = (
    Carried(
        "groq",
        "Produktion „Nord“",
        "https://api.groq.com/openai/v1",
        "gsk_golden0123456789abcdefghijklmnopqrstuv",
        False,
        datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
    ),
    Carried(
        "openai",
        "Proxy",
        "http://proxy.example.com/v1",
        "sk-proj-golden0123456789abcdefghijklmnopqrstuv",
        True,
        datetime(2026, 11, 25, 9, 30, 15, 250000, tzinfo=UTC),
    ),
    Carried(
        "ollama",
        "Zuhause",
        "http://localhost:11434/v1",
        "",
        False,
        datetime(2026, 12, 1, 0, 0, tzinfo=UTC),
    ),
)

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"
SECRET = canary("gsk_")
KEY = Carried("groq", "Production", "https://api.groq.com/openai/v1", SECRET, False, AT)


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """The same scrypt with less work, for thousands of tries. What is real opens as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "SCRYPT_N", 2**4)
        patch.setattr(vault, "LEAST_WORK", 2**4 * 8)
        yield


@pytest.fixture(scope="module")
def content(quick: None) -> bytes:
    """A file with one key."""
    return pack([KEY], PASSPHRASE, at=AT)


def refused(content: bytes, passphrase: str = PASSPHRASE) -> MohetError:
    """The error with which it is not read; checks that it comes alone and keeps quiet."""
    with pytest.raises(RefusedError) as caught:
        unpack(content, passphrase)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert scan(SECRET, {"error": repr(caught.value.args).encode()}) == []
    assert passphrase not in repr(caught.value.args)
    return caught.value


# --- what goes in comes out ---------------------------------------------------------------------


def test_the_golden_file_opens_forever() -> None:
    """What the first version wrote is read by every later one, every field of it."""
    assert unpack(GOLDEN, GOLDEN_PASSPHRASE) == GOLDEN_KEYS


def test_the_golden_file_opens_by_its_description() -> None:
    """Another scrypt and the layout are all it takes: the format depends on nothing of ours."""
    file = json.loads(GOLDEN)
    kdf, blob = file["kdf"], base64.b64decode(file["sealed"])
    salt, numbers = base64.b64decode(kdf["salt"]), [kdf["n"], kdf["r"], kdf["p"]]
    bound = {"format": file["format"], "version": 1, "created_at": file["created_at"]}
    bound |= {"keys": 3, "kdf": "scrypt", "cipher": "AES-256-GCM"}
    head = json.dumps(bound, sort_keys=True, separators=(",", ":")).encode()
    parts = [b"mohet-keys passphrase 1", head, struct.pack(">QQQ", *numbers), salt]
    framed = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    n, r, p = numbers
    typed = GOLDEN_PASSPHRASE.encode()
    key = hashlib.scrypt(typed, salt=salt, n=n, r=r, p=p, maxmem=2**28, dklen=32)
    keys = json.loads(AESGCM(key).decrypt(blob[:12], blob[12:], framed))["keys"]
    assert [each["secret"] for each in keys] == [each.secret for each in GOLDEN_KEYS]


TEXTS = st.text(max_size=40)
CARRIED = st.builds(
    Carried,
    st.sampled_from(["openai", "groq", "lmstudio", "a-new_1"]),
    TEXTS,
    TEXTS,
    TEXTS,
    st.booleans(),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
        lambda at: at.replace(tzinfo=UTC)
    ),
)


@settings(deadline=None)
@given(st.lists(CARRIED, max_size=5))
def test_any_keys_come_back(keys: list[Carried]) -> None:
    """Names in any script, empty secrets and no keys at all are carried as they are."""
    assert unpack(pack(keys, PASSPHRASE, at=AT), PASSPHRASE) == tuple(keys)


def test_a_moment_elsewhere_is_the_same_moment() -> None:
    """Times are written in UTC, whatever zone they came in."""
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    file = pack([KEY], PASSPHRASE, at=there)
    assert json.loads(file)["created_at"] == "2026-11-24T08:00:00Z"


def test_the_header_says_what_it_is(content: bytes) -> None:
    """Who finds the file learns its format, version, time and number of keys, and nothing else."""
    file = json.loads(content.decode("ascii"))
    assert list(file) == ["format", "version", "created_at", "keys", "kdf", "cipher", "sealed"]
    assert file["format"] == "mohet-keys-export"
    assert (file["version"], file["keys"], file["cipher"]) == (1, 1, "AES-256-GCM")
    assert list(file["kdf"]) == ["name", "n", "r", "p", "salt"]
    assert content.endswith(b"}\n")


def test_t01_nothing_of_a_key_is_in_the_file(content: bytes) -> None:
    """Neither the secret in any form nor the name or the address of a key can be read."""
    assert scan(SECRET, {"file": content}) == []
    sealed = base64.b64decode(json.loads(content)["sealed"])
    assert scan(SECRET, {"sealed": sealed}) == []
    for hidden in ("Production", "groq", PASSPHRASE):
        assert hidden.encode() not in content


def test_the_file_does_not_tell_how_long_a_secret_is() -> None:
    """A secret of 12 characters and one of 200 make files of one size."""
    sizes = {
        len(pack([Carried("groq", "A", "", "k" * length, False, AT)], PASSPHRASE, at=AT))
        for length in (12, 200)
    }
    assert len(sizes) == 1


# --- passphrases --------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", ["", "short", "elevenchars", "\u0041\u030a" * 11])
def test_a_weak_passphrase_makes_no_file(weak: str) -> None:
    """Fewer than twelve characters are refused with the reason, counted as they are seen."""
    for use in (lambda: pack([KEY], weak, at=AT), lambda: require_passphrase(weak)):
        with pytest.raises(InputError) as caught:
            use()
        assert (caught.value.field, caught.value.code) == ("passphrase", "input")
        assert "12 characters" in str(caught.value)
        assert "as long as they like" in str(caught.value)
        assert not weak or weak not in str(caught.value)
    require_passphrase("\u0041\u030a" * 12)


def test_the_wrong_passphrase_is_told_like_an_altered_file(content: bytes) -> None:
    """One typed error, for nobody can tell the two apart."""
    said = refused(content, "correct horse battery stapler")
    assert type(said) is PassphraseError
    assert str(said) == str(refused(content.replace(b'"keys": 1', b'"keys": 2')))


def test_a_passphrase_is_in_no_log(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """With everything logged that is, neither passphrase nor secret is."""
    caplog.set_level(logging.DEBUG)
    unpack(pack([KEY], PASSPHRASE, at=AT), PASSPHRASE)
    refused(content, "not the right passphrase")
    assert "passphrase" not in caplog.text
    assert scan(SECRET, {"log": caplog.text.encode()}) == []


# --- altered ------------------------------------------------------------------------------------


def test_t05_no_flipped_bit_is_accepted(content: bytes) -> None:
    """Each bit of the file, flipped by itself, makes it a file that is refused."""
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        refused(bytes(flipped))


def test_t05_no_cut_file_is_accepted(content: bytes) -> None:
    """A file is whole, but for the line break at its end, or refused."""
    whole = content.rstrip()
    for length in range(len(whole)):
        refused(whole[:length])
        refused(whole[length + 1 :])
    refused(content + b"x")
    refused(content + content)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 2200), st.integers(0, 400))
def test_t05_no_spliced_file_is_accepted(junk: bytes, start: int, length: int) -> None:
    """Junk in the place of any part gives a refusal and never a key, unless it is white space
    that makes no difference to JSON."""
    content = pack([KEY], PASSPHRASE, at=AT)
    spliced = content[:start] + junk + content[start + length :]
    with contextlib.suppress(ValueError):
        if json.loads(spliced) == json.loads(content):
            return
    refused(spliced)


def test_white_space_is_no_part_of_a_file(content: bytes) -> None:
    """A mail program may put other line breaks, or a mark of UTF-8 in front."""
    assert unpack(content.replace(b"\n", b"\r\n"), PASSPHRASE) == (KEY,)
    assert unpack(b"\xef\xbb\xbf" + content + b"\r\n", PASSPHRASE) == (KEY,)


def changed(content: bytes, **changes: Any) -> bytes:
    """The file with other fields in its header."""
    return json.dumps({**json.loads(content), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": -1},
        {"version": "1"},
        {"version": True},
        {"version": 1.0},
        {"version": None},
        {"created_at": "2026-11-24T08:00:01Z"},
        {"created_at": 5},
        {"keys": 0},
        {"keys": True},
        {"keys": []},
        {"cipher": "none"},
        {"cipher": "AES-256-CBC"},
        {"sealed": ""},
        {"sealed": "AAAA"},
        {"sealed": "AB=="},
        {"sealed": "ключ"},
        {"sealed": None},
        {"kdf": None},
        {"kdf": {}},
        {"more": 1},
    ],
)
def test_t05_another_header_is_refused(content: bytes, changes: dict[str, Any]) -> None:
    """A header that this version would not write, or did not write, opens nothing."""
    refused(changed(content, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "pbkdf2"},
        {"n": 2**5},
        {"n": 2**3},
        {"n": 2**21},
        {"n": 2**64},
        {"n": 16.0},
        {"n": "16"},
        {"r": 2**30},
        {"p": 2},
        {"p": 0},
        {"p": -1},
        {"salt": ""},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"salt": 5},
        {"more": 1},
    ],
)
def test_t05_other_kdf_parameters_are_refused(content: bytes, changes: dict[str, Any]) -> None:
    """Parameters other than the ones that were used open nothing, and absurd ones do no harm."""
    refused(changed(content, kdf={**json.loads(content)["kdf"], **changes}))


def test_t05_parts_of_two_files_do_not_mix(content: bytes) -> None:
    """The header of one and the sealed part of another, both genuine, are refused together."""
    other = pack([KEY], PASSPHRASE, at=AT + timedelta(seconds=1))
    refused(changed(content, sealed=json.loads(other)["sealed"]))
    refused(changed(content, sealed=json.loads(other)["sealed"], kdf=json.loads(other)["kdf"]))


def test_a_name_that_stands_twice_is_refused(content: bytes) -> None:
    """Readers of JSON differ on which of two values counts, so neither does."""
    refused(content.replace(b'"version": 1,', b'"version": 1, "version": 1,'))


# --- what is no such file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"plain",
        b"\xff\xfe",
        b'{"format": "something else", "version": 1}',
        b"[" * 100_000,
        b'{"format": ' * 10_000,
        b'{"version": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_export_is_said_to_be_none(content: bytes) -> None:
    """Any other content is refused as what it is, before a passphrase is asked for."""
    assert "no file that Mohet Keys exported" in str(refused(content))
    with pytest.raises(RefusedError, match="no file that Mohet Keys exported"):
        require_parcel(content)


def test_a_newer_version_is_named_as_such(content: bytes) -> None:
    """Who has a file of a later version hears that the later version opens it."""
    for version in (2, 10**6):
        assert "newer version" in str(refused(changed(content, version=version)))
    later = {"format": "mohet-keys-export", "version": 2, "anything": ["may", "follow"]}
    assert "newer version" in str(refused(json.dumps(later).encode()))


def test_a_file_over_1_mib_is_not_read(content: bytes) -> None:
    """One byte more than a mebibyte is refused unread; a mebibyte is read."""
    filled = content + b" " * (1024 * 1024 - len(content))
    assert unpack(filled, PASSPHRASE) == (KEY,)
    require_parcel(filled)
    assert "1 MiB" in str(refused(filled + b" "))
    with pytest.raises(RefusedError, match="1 MiB"):
        require_parcel(filled + b" ")


def test_no_file_is_made_that_could_not_be_read() -> None:
    """Keys for more than a mebibyte are refused; the most that is made is read again."""
    keys = [Carried("groq", "A", "", "k" * 8192, False, AT)]
    content = pack(keys * 94, PASSPHRASE, at=AT)
    assert 1_000_000 < len(content) <= 1024 * 1024
    assert len(unpack(content, PASSPHRASE)) == 94
    for more in range(95, 100):
        with pytest.raises(RefusedError, match="Choose fewer"):
            pack(keys * more, PASSPHRASE, at=AT)


# --- what is inside -----------------------------------------------------------------------------


def with_inside(plain: bytes, count: int = 1) -> bytes:
    """A genuine file, made by somebody who has a passphrase and no good in mind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parcel, "_inside", lambda _keys: plain)
        return pack([KEY] * count, PASSPHRASE, at=AT)


FIELDS = {
    "provider": "groq",
    "name": "N",
    "endpoint": "",
    "secret": SECRET,
    "allow_http": False,
    "created_at": "2026-11-24T08:00:00Z",
}


@pytest.mark.parametrize(
    "key",
    [
        {**FIELDS, "secret": 5},
        {**FIELDS, "secret": None},
        {**FIELDS, "secret": [SECRET]},
        {**FIELDS, "allow_http": 1},
        {**FIELDS, "allow_http": "yes"},
        {**FIELDS, "name": None},
        {**FIELDS, "name": "\ud800"},
        {**FIELDS, "secret": SECRET + "\udfff"},
        {**FIELDS, "endpoint": {}},
        {**FIELDS, "provider": ""},
        {**FIELDS, "provider": "Groq\n"},
        {**FIELDS, "provider": "g" * 41},
        {**FIELDS, "created_at": ""},
        {**FIELDS, "created_at": "2026-02-31T08:00:00Z"},
        {**FIELDS, "created_at": "2026-11-24"},
        {**FIELDS, "created_at": "2026-11-24T08:00:00"},
        {**FIELDS, "created_at": 1},
        {**FIELDS, "more": SECRET},
        {name: value for name, value in FIELDS.items() if name != "allow_http"},
        [SECRET],
        SECRET,
        None,
    ],
)
def test_a_key_has_exactly_its_fields(key: object) -> None:
    """A missing, unknown or differently typed field is refused, with nothing of it told."""
    content = with_inside(json.dumps({"keys": [key]}).encode())
    assert "damaged" in str(refused(content))
    good = with_inside(json.dumps({"keys": [FIELDS]}).encode())
    assert unpack(good, PASSPHRASE)[0].secret == SECRET


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        SECRET.encode(),
        b"\xff" + SECRET.encode(),
        json.dumps([FIELDS]).encode(),
        json.dumps({"keys": FIELDS}).encode(),
        json.dumps({"keys": [FIELDS], "more": 1}).encode(),
        json.dumps({"keys": []}).encode(),
        json.dumps({"keys": [FIELDS, FIELDS]}).encode(),
        b'{"keys": [], "keys": []}',
        b"[" * 100_000,
    ],
)
def test_odd_content_is_refused_without_being_quoted(plain: bytes) -> None:
    """What opens and is no list of as many keys as the header says, is refused in the same way."""
    assert "damaged" in str(refused(with_inside(plain)))


def test_no_repr_holds_a_secret(content: bytes) -> None:
    """A key that is carried can be printed without giving its secret away."""
    assert scan(SECRET, {"repr": repr(unpack(content, PASSPHRASE)).encode()}) == []


# --- told apart ---------------------------------------------------------------------------------


def test_an_export_is_told_from_other_files(content: bytes) -> None:
    """A JSON object is taken for an export, with white space or a mark in front; all else not."""
    assert all(map(is_parcel, (content, b" \n" + content, b"\xef\xbb\xbf" + content, b"{")))
    assert not any(map(is_parcel, (b"", b"A={}", b"# {", b"\xff\xfe{\0", b"[]")))


# --- and the guards are what does it ------------------------------------------------------------


def test_without_its_binding_an_altered_header_would_pass(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """The twin: with nothing bound, a file that says another time opens all the same."""
    other = {"created_at": "2020-01-01T00:00:00Z"}
    refused(changed(content, **other))
    monkeypatch.setattr(parcel, "_canonical", lambda _head: b"")
    loose = pack([KEY], PASSPHRASE, at=AT)
    assert unpack(changed(loose, **other), PASSPHRASE) == (KEY,)


def test_without_strict_base64_a_flipped_bit_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the last character of base64 has bits that say nothing; a lax reader ignores
    them, and the file would be another one that opens."""
    content = pack([KEY], PASSPHRASE, at=AT)
    salt = json.loads(content)["kdf"]["salt"]
    lax = salt[:-3] + chr(ord(salt[-3]) + 1) + "=="
    assert base64.b64decode(lax) == base64.b64decode(salt)
    altered = content.replace(salt.encode(), lax.encode())
    refused(altered)
    monkeypatch.setattr(parcel, "_bytes", base64.b64decode)
    assert unpack(altered, PASSPHRASE) == (KEY,)
