"""What people paste: secrets and names are cleaned, masks and mistakes refused; pure.

Nothing said here, neither a note nor an error, holds a character of the secret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from mohet_keys import endpoints
from mohet_keys.errors import InputError
from mohet_keys.providers import BY_SLUG, SIGNS, Provider, Sign, is_key, owner_of_host, sign_of

SHORTEST_SHOWN = 12
"""Of a secret shorter than this nothing is shown, and it counts as no credential."""
LONGEST_SECRET = 8192
LONGEST_NAME = 80
_TOO_LONG = f"The key is longer than {LONGEST_SECRET} characters. Paste the key alone."
_BULLETS = "•" * 8
_HIDDEN_AT_LEAST = 8

_QUOTES = "\"'`“”‘’«»„‚"
_PAIRS = ("<>", "{}", "()")
_ASSIGNMENT = re.compile(
    r"(?P<told>export\s+|set\s+|\$env:)?(?P<name>[a-z_][a-z0-9_]*)\s*=\s*(?=[^\s=])", re.IGNORECASE
)
_SETX = re.compile(r"(?P<told>setx\s+)(?P<name>\w+)\s+(?=\S)", re.IGNORECASE)
_MEMBER = re.compile(
    r"(?:[\"'](?P<quoted>[\w -]{1,60})[\"']\s*:\s*"
    r"|(?P<name>[\w-][\w -]{0,60}?)\s?:(?:\s+|(?=[\"'])))(?=\S)"
)
"""The start of one line of JSON or YAML."""
_HEADER = re.compile(
    r"(?:(?:-h\s*|--header\s+)?[\"']?authorization[\"']?\s*:\s*)?[\"']?bearer\s+"
    r"|(?:x-)?api-key\s*:\s*",
    re.IGNORECASE,
)
_KEY_LIKE_NAME = re.compile(r"(?:key|token|secret|authorization)(?:$|[ _-])", re.IGNORECASE)
_MASK = re.compile(r"[•●∙·*▪◦]{3,}|\.{3}|…|x{8,}|X{8,}")
_PLACEHOLDER = re.compile(
    r"null|none|undefined|nil|nan|todo|redacted|changeme|change-me|placeholder|empty|bearer"
    r"|(?:sk-|gsk_)?(?:your|insert|enter|paste|replace|put)[-_ ].*(?:key|token|secret).*"
    r"|(?:sk-|gsk_)?(?:your|my|the)?[-_ ]?(?:api)?[-_ ]?(?:key|token)(?:[-_ ]?here)?"
    r"|(?:[a-z0-9]{1,8}_)+(?:key|token)(?:_here)?"
    r"|(?:[a-z0-9]{1,8}[-_])*x{3,}|<.*>|\[.*\]|\(.*\)|\$?\{.+\}|\$[a-z_]+|%[a-z_]+%"
    r"|process\.env\b.*|import\.meta\.env\b.*|os\.(?:environ|getenv)\b.*|st\.secrets\b.*",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|www\.|localhost(?:[:/]|$)|(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/"
)
_WHOLE_AT_THE_END = re.compile(
    r"(?:gsk_[A-Za-z0-9]{52}|AIza[A-Za-z0-9_-]{35}|xai-[A-Za-z0-9_]{80}|csk-[a-z0-9]{48})$"
)
"""Keys whose prefix is so short that chance puts it into one in thousands of the long ones."""
_SURE_PREFIX = 5
_ZERO_WIDTH = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f")
_FLAGS = frozenset(map(chr, range(0xE0020, 0xE0080)))
"""Invisible by themselves, they tell one flag from another."""
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@dataclass(frozen=True, slots=True)
class Pasted:
    """A cleaned secret and a sentence for each thing that was taken off."""

    secret: str = field(repr=False)
    notes: tuple[str, ...] = ()


def clean_secret(text: str, *, optional: bool) -> Pasted:
    """The secret inside what was pasted; empty only where it is `optional`.

    Raises InputError saying which character or which mistake, never the text.
    """
    if len(text) > 2 * LONGEST_SECRET:
        raise _refuse(_TOO_LONG)
    notes: list[str] = []
    bare = _unwrap(text, notes)
    if not bare:
        if optional and not text.strip():
            return Pasted("")
        raise _refuse("Enter the API key.")
    _refuse_mistakes(bare)
    return Pasted(bare, tuple(dict.fromkeys(notes)))


def hint(secret: str) -> str:
    """What may be shown of a secret: its public prefix, bullets, its last four characters."""
    if len(secret) < SHORTEST_SHOWN:
        return ""
    sign = sign_of(secret)
    prefix = sign.prefix if sign else ""
    if not secret.startswith(prefix) or len(secret) - len(prefix) - 4 < _HIDDEN_AT_LEAST:
        prefix = ""
    return f"{prefix}{_BULLETS}{secret[-4:]}"


def looks_like(secret: str, row: Provider, destination: str) -> Sign | None:
    """The other vendor this secret surely belongs to; None where it may well be right here."""
    sign = sign_of(secret)
    if sign is None or sign.slug == row.slug:
        return None
    name = endpoints.host(destination)
    vendor_hosts = sign.hosts | _hosts_of(sign.slug)
    return None if name in vendor_hosts else sign


def _hosts_of(slug: str) -> frozenset[str]:
    row = BY_SLUG.get(slug)
    return row.hosts if row else frozenset()


def clean_name(text: str) -> str:
    """A key's name as it is kept and shown. Raises InputError."""
    name = unicodedata.normalize("NFC", _stripped(text, _ZERO_WIDTH.__contains__))
    if not name or all(map(_is_invisible, name)):
        raise InputError("name", "Enter a name for this key.")
    if len(name) > LONGEST_NAME:
        raise InputError(
            "name", f"The name has {len(name)} characters; {LONGEST_NAME} is the most."
        )
    if is_key(name):
        raise InputError("name", "This looks like an API key. A name is shown to everybody.")
    for position, character in enumerate(name, start=1):
        kind = _name_trouble(character)
        if kind:
            raise InputError("name", f"Character {position} of the name is {kind}. Leave it out.")
    return name


def name_key(name: str) -> str:
    """What two names must differ in: folded case, one Unicode form, single spaces, what is seen."""
    seen = "".join(c for c in name if c in _FLAGS or not _is_invisible(c))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join(folded.split())


def _name_trouble(character: str) -> str | None:
    if character in _BIDI:
        return "a mark that changes the direction of writing"
    if character in "\n\r\u2028\u2029\x0b\x0c\x85":
        return "a line break"
    if unicodedata.category(character) in {"Cc", "Cs", "Co"}:
        return "a control character"
    return None


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or character in "\u034f\u3164\ufe0f\uffa0"


def _stripped(text: str, invisible: Callable[[str], bool] = _is_invisible) -> str:
    """Without spaces and what cannot be seen around it."""
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or invisible(text[start])):
        start += 1
    while end > start and (text[end - 1].isspace() or invisible(text[end - 1])):
        end -= 1
    return text[start:end]


def _refuse(message: str) -> InputError:
    return InputError("secret", message)


# --- taking off what is around the secret -----------------------------------------------------


def _unwrap(text: str, notes: list[str]) -> str:
    """Peel off, again and again, until nothing more comes off."""
    bare = text
    while True:
        peeled = bare
        for peel in (_spaces, _header, _assignment, _quotes, _separator, _pair):
            peeled = peel(peeled, notes)
        if peeled == bare:
            return bare
        bare = peeled


def _spaces(text: str, notes: list[str]) -> str:
    bare = text.strip()
    if bare != text:
        notes.append("Took off the spaces around the key.")
    visible = _stripped(bare)
    if visible != bare:
        notes.append("Took off invisible characters around the key.")
    return visible


def _quotes(text: str, notes: list[str]) -> str:
    bare = text.strip(_QUOTES)
    if bare != text:
        notes.append("Took off the quotes around the key.")
    return bare


def _header(text: str, notes: list[str]) -> str:
    found = _HEADER.match(text)
    if not found:
        return text
    notes.append("Took off the name before the key.")
    return text[found.end() :]


def _assignment(text: str, notes: list[str]) -> str:
    """`export X=`, `X=`, `setx X`, `"X":` and `X: `; a key that contains `=` or `:` stays whole."""
    found = _ASSIGNMENT.match(text) or _SETX.match(text) or _MEMBER.match(text)
    if not found or sign_of(text):
        return text
    rest, told = text[found.end() :], found.groupdict()
    name = told.get("name") or told.get("quoted") or ""
    shouted = name.isupper() and "=" in found.group()
    if not (
        told.get("told") or shouted or _KEY_LIKE_NAME.search(name) or sign_of(rest.strip(_QUOTES))
    ):
        return text
    notes.append("Took off the name before the key.")
    return rest


def _separator(text: str, notes: list[str]) -> str:
    bare = text.rstrip(",;")
    if bare != text:
        notes.append("Took off the comma or semicolon after the key.")
    return bare


def _pair(text: str, notes: list[str]) -> str:
    """Brackets around a key; around anything else they make it a placeholder."""
    inner = text[1:-1].strip()
    if text[:1] + text[-1:] not in _PAIRS or not (sign_of(inner) or _MEMBER.match(inner)):
        return text
    notes.append("Took off the brackets around the key.")
    return inner


# --- refusing what is no secret ---------------------------------------------------------------


def _refuse_mistakes(bare: str) -> None:
    if len(bare) > LONGEST_SECRET:
        raise _refuse(_TOO_LONG)
    if _is_address(bare):
        raise _refuse("This is a web address, not a key. Paste the key here and the address below.")
    if _is_two(bare):
        raise _refuse("These look like two keys pasted as one. Add each one by itself.")
    if _MASK.search(bare):
        raise _refuse("This is a masked key, not the key itself. Paste the full key.")
    if _PLACEHOLDER.fullmatch(bare):
        raise _refuse("This is a placeholder, not a key. Paste the key your provider gave you.")
    if any(bare in {sign.prefix, sign.prefix[:-1]} for sign in SIGNS):
        raise _refuse("This is only the beginning of a key. Paste the full key.")
    _refuse_characters(bare)


def _is_address(bare: str) -> bool:
    host = re.split("[:/]", bare, maxsplit=1)[0].lower()
    return bool(_ADDRESS.match(bare.lower())) or owner_of_host(host) is not None


def _refuse_characters(bare: str) -> None:
    for position, character in enumerate(bare, start=1):
        if not 0x21 <= ord(character) <= 0x7E:
            raise _refuse(
                f"Character {position} of the key is {_kind(character)}. Paste it again without it."
            )


def _kind(character: str) -> str:
    """What a character is, by name or number; never one that a key could have."""
    point = f"U+{ord(character):04X}"
    if character == " ":
        return "a space"
    if character in "\n\r":
        return "a line break"
    if character == "\t":
        return "a tab"
    if _is_invisible(character):
        return f"an invisible character ({point})"
    if unicodedata.category(character) == "Cc":
        return f"a control character ({point})"
    if unicodedata.category(character) == "Zs":
        return f"a special space ({point})"
    return f"one that no key has ({point})"


def _is_two(bare: str) -> bool:
    """Two keys: on two lines, the same one twice, or a second vendor prefix inside."""
    lines = [line for line in re.split(r"[\s,;]+", bare) if len(line) >= SHORTEST_SHOWN]
    if len(lines) > 1 and all(_whole_key(line) for line in lines):
        return True
    return _is_doubled(bare) or _second_prefix(bare)


def _is_doubled(bare: str) -> bool:
    """The same key pasted twice: long, and varied enough that it is no run of one pattern."""
    half = len(bare) // 2
    return half >= 32 and bare[:half] * 2 == bare and len(set(bare[:half])) >= 8


def _whole_key(text: str) -> bool:
    return text.isascii() and len(text) >= 2 * SHORTEST_SHOWN


def _second_prefix(bare: str) -> bool:
    """A vendor's prefix far enough inside that a whole key stands before and after it."""
    inner = bare[2 * SHORTEST_SHOWN :]
    if re.search(r"\s", bare):
        return False
    if _WHOLE_AT_THE_END.search(inner) or bare.count("T3BlbkFJ") > 1:
        return True
    places = (inner.find(s.prefix) for s in SIGNS if len(s.prefix) >= _SURE_PREFIX)
    return any(0 <= place <= len(inner) - 2 * SHORTEST_SHOWN for place in places)
