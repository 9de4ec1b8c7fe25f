"""The layout of a sealed secret: what is written is read, and nothing else is."""

import json
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys import envelope
from mohet_keys.envelope import MAX_HEADER_BYTES, MAX_SECRET_BYTES, PAD_TO, Header
from mohet_keys.errors import RefusedError, SealError
from mohet_keys.sealed import Label

LABEL = Label("key-1", "groq", "https://api.groq.com/openai/v1", 1, allow_http=False)
HEADER = Header(LABEL, "0123456789abcdef")
REST = bytes(12) + bytes(PAD_TO + 16)

labels = st.builds(
    Label,
    key_id=st.text(max_size=40),
    provider=st.text(max_size=20),
    destination=st.text(max_size=200),
    revision=st.integers(0, 2**63),
    allow_http=st.booleans(),
)


def with_header(text: bytes, version: int = envelope.FORMAT) -> bytes:
    """An envelope around any header text."""
    return struct.pack(">2sBH", b"MK", version, len(text)) + text + REST


def fields_of(header: Header) -> dict[str, object]:
    """The header as the JSON object it is written as."""
    return dict(json.loads(header.encode()))


def canonical(fields: dict[str, object]) -> bytes:
    """An object written the one way headers are written."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


@given(labels, st.text(max_size=40))
def test_whatever_is_packed_is_unpacked_the_same(label: Label, data_key_id: str) -> None:
    """Any label and data key id come back as they were, of the same types."""
    header = Header(label, data_key_id)
    found = envelope.unpack(envelope.pack(header, b"n" * 12, b"c" * (PAD_TO + 16)))
    assert (header, b"n" * 12, b"c" * (PAD_TO + 16)) == (
        found.header,
        found.nonce,
        found.ciphertext,
    )


@given(st.binary(max_size=400))
def test_any_other_bytes_are_a_seal_error(blob: bytes) -> None:
    """Bytes that were never an envelope raise SealError, whatever they are."""
    with pytest.raises(SealError):
        envelope.unpack(blob)
    with pytest.raises(SealError):
        envelope.unpack(with_header(blob))


@pytest.mark.parametrize("blob", ["", "plain", None, 7, memoryview(b"MK")])
def test_what_is_no_bytes_is_a_seal_error(blob: object) -> None:
    """A cell that somebody overwrote with text or nothing raises SealError, not TypeError."""
    with pytest.raises(SealError):
        envelope.unpack(blob)  # type: ignore[arg-type]  # what a database may really hand over


@pytest.mark.parametrize(
    "change",
    [
        {"revision": True},
        {"revision": "1"},
        {"revision": 1.0},
        {"allow_http": 0},
        {"allow_http": None},
        {"format": 2},
        {"key_id": None},
        {"destination": ["https://api.groq.com"]},
        {"extra": 1},
    ],
)
def test_a_header_has_exactly_its_fields_and_types(change: dict[str, object]) -> None:
    """A field of another type, or one too many, is not read as if it were the right one."""
    with pytest.raises(SealError):
        envelope.unpack(with_header(canonical(fields_of(HEADER) | change)))


@pytest.mark.parametrize("name", sorted(fields_of(HEADER)))
def test_a_header_without_a_field_is_refused(name: str) -> None:
    """No field of the header has a default."""
    fields = fields_of(HEADER)
    del fields[name]
    with pytest.raises(SealError):
        envelope.unpack(with_header(canonical(fields)))


@pytest.mark.parametrize(
    "text",
    [
        HEADER.encode() + b" ",
        HEADER.encode().replace(b":", b": "),
        HEADER.encode()[:-1] + b',"revision":1}',
        b"\xef\xbb\xbf" + HEADER.encode(),
        HEADER.encode().decode().encode("utf-16"),
        b"[" * 16_000,
        b"9" * 16_000,
        b"NaN",
    ],
)
def test_a_header_is_written_in_one_way_only(text: bytes) -> None:
    """The same fields in another spelling, twice, or too deep to read, are refused."""
    with pytest.raises(SealError):
        envelope.unpack(with_header(text))


def test_newer_formats_are_named_as_such() -> None:
    """A seal of a later version is not called altered: the sentence says to start that one."""
    later = replace(HEADER, canonical_version=HEADER.canonical_version + 1)
    for blob in (with_header(HEADER.encode(), version=2), with_header(later.encode())):
        with pytest.raises(SealError, match="newer version"):
            envelope.unpack(blob)


def test_sizes_are_bounded() -> None:
    """Labels and secrets that are too long are refused when sealed, blobs when opened."""
    long = Header(replace(LABEL, destination="h" * MAX_HEADER_BYTES), "id")
    with pytest.raises(RefusedError, match="address is too long"):
        envelope.pack(long, bytes(12), bytes(80))
    with pytest.raises(RefusedError, match="too long"):
        envelope.pad("k" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(SealError):
        envelope.unpack(with_header(long.encode()))
    with pytest.raises(SealError):
        envelope.unpack(with_header(HEADER.encode()) + bytes(10**6))


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_padding_gives_back_the_secret(secret: str) -> None:
    """Every string, half surrogates included, comes back the same, from full blocks."""
    padded = envelope.pad(secret)
    assert (secret, 0) == (envelope.unpad(padded), len(padded) % PAD_TO)


def test_padding_hides_the_length() -> None:
    """Secrets of any usual length fill the same few sizes."""
    assert {64, 128} == {len(envelope.pad("k" * length)) for length in range(120)}


@pytest.mark.parametrize(
    "padded",
    [
        struct.pack(">I", 61) + b"k" * 60,
        struct.pack(">I", 2**32 - 1) + b"k" * 60,
        struct.pack(">I", 3) + b"key" + b"!" * 57,
        struct.pack(">I", 3) + b"key" + bytes(57 + 64),
        struct.pack(">I", 1) + b"\xff" + bytes(59),
    ],
)
def test_what_was_not_padded_here_is_no_secret(padded: bytes) -> None:
    """A length that lies, filling that is not zeros, or bytes that are no text give None."""
    assert envelope.unpad(padded) is None


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_framed_parts_never_run_together(one: list[bytes], other: list[bytes]) -> None:
    """Two lists of parts give the same bytes only if they are the same list."""
    assert (one == other) == (envelope.framed(*one) == envelope.framed(*other))


def test_a_difference_names_both_hosts() -> None:
    """For another host the sentence has both, and says that nothing was sent."""
    moved = replace(LABEL, destination="https://evil.example/openai/v1")
    assert envelope.difference(LABEL, moved) == (
        "This key was sealed for api.groq.com, but its address now says evil.example. "
        "Nothing was sent."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key_id": "key-2"}, "sealed for another key"),
        ({"provider": "openai"}, "sealed for Groq, but its record now says OpenAI"),
        ({"provider": "nobody"}, "its record now says nobody"),
        ({"revision": 2}, "sealed as revision 1 of the key, but its record now says 2"),
        ({"allow_http": True}, "consent to an unencrypted connection"),
        ({"destination": "https://api.groq.com/v2"}, "address now says https://api.groq.com/v2"),
        ({"destination": "http://[::1"}, "address now says http://[::1"),
        ({"destination": "https://a\nb\u202e.example"}, "address now says"),
    ],
)
def test_a_difference_is_said_in_plain_words(change: dict[str, object], words: str) -> None:
    """Each field of the label has its sentence; odd text in it stays on one printable line."""
    sentence = envelope.difference(LABEL, replace(LABEL, **change))  # type: ignore[arg-type]  # one table for fields of several types
    assert words in sentence
    assert sentence.isprintable()
    assert sentence.endswith("Nothing was sent.")
