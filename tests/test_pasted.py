"""What people paste: cleaned with a note, refused with a place and a kind, and never repeated."""

from __future__ import annotations

import secrets
import string
import time
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mohet_keys import pasted
from mohet_keys.errors import InputError
from mohet_keys.pasted import Pasted, clean_name, clean_secret, hint, looks_like, name_key
from mohet_keys.providers import BY_SLUG, SIGNS

RANDOM = "7Hq2ZtV9mXc4LpR8sYw1KdJ6bNf3Gg5QeTa0UuSiOoPjExWv"
GROQ = f"gsk_{RANDOM}Zz9Z"  # 56 characters, as Groq's own
OPENAI = f"sk-proj-{RANDOM}"
OPENROUTER = f"sk-or-v1-{RANDOM}"
MISTRAL = "kT3vQ9zLx0BwN7rYc5JmHs2UfDg8PeA1"
LMSTUDIO = "sk-lm-AbCdEfGh:0123456789abcdefghij"

SPACES = "Took off the spaces around the key."
INVISIBLE = "Took off invisible characters around the key."
QUOTES = "Took off the quotes around the key."
NAME = "Took off the name before the key."
SEPARATOR = "Took off the comma or semicolon after the key."
BRACKETS = "Took off the brackets around the key."


def refused(text: str, *, optional: bool = False) -> str:
    """The sentence a secret is refused with."""
    with pytest.raises(InputError) as caught:
        clean_secret(text, optional=optional)
    assert caught.value.field == "secret"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def pieces(secret: str, size: int = 6) -> set[str]:
    """Every run of so many characters of a secret."""
    return {secret[at : at + size] for at in range(len(secret) - size + 1)}


# --- taken off, with a note -------------------------------------------------------------------

AROUND = [
    ("{}", []),
    (" {} ", [SPACES]),
    ("\t{}\r\n", [SPACES]),
    ("\u00a0{}\u3000", [SPACES]),
    ("\ufeff{}", [INVISIBLE]),
    ("\u200b{}\u200d\u2060", [INVISIBLE]),
    ("\u202a{}\u202c", [INVISIBLE]),
    ("\u2066{}\u2069", [INVISIBLE]),
    ("\u200e{}\u00ad", [INVISIBLE]),
    ("\u200b {} \u200b", [INVISIBLE]),
    ('"{}"', [QUOTES]),
    ("'{}'", [QUOTES]),
    ("`{}`", [QUOTES]),
    ("“{}”", [QUOTES]),
    ("„{}“", [QUOTES]),
    ("«{}»", [QUOTES]),
    ("‘{}’", [QUOTES]),
    ('"{}', [QUOTES]),
    ("{},", [SEPARATOR]),
    ("{};", [SEPARATOR]),
    ("<{}>", [BRACKETS]),
    ("({})", [BRACKETS]),
    ("Bearer {}", [NAME]),
    ("bearer   {}", [NAME]),
    ("Authorization: Bearer {}", [NAME]),
    ("authorization:bearer {}", [NAME]),
    ("Authorization: {}", [NAME]),
    ('"Authorization": "Bearer {}"', [NAME, QUOTES]),
    ("-H 'Authorization: Bearer {}'", [NAME, QUOTES]),
    ('--header "Authorization: Bearer {}"', [NAME, QUOTES]),
    ("x-api-key: {}", [NAME]),
    ("api-key: {}", [NAME]),
    ("export OPENAI_API_KEY={}", [NAME]),
    ("export X={}", [NAME]),
    ('export X="{}"', [NAME, QUOTES]),
    ("X={}", [NAME]),
    ("OPENAI_API_KEY={}", [NAME]),
    ("OPENAI_API_KEY = {}", [NAME]),
    ("set X={}", [NAME]),
    ("setx OPENAI_API_KEY {}", [NAME]),
    ("$env:X='{}'", [NAME, QUOTES]),
    ('$Env:OPENAI_API_KEY = "{}"', [NAME, QUOTES]),
    ("api_key: {}", [NAME]),
    ('api_key="{}",', [NAME, QUOTES, SEPARATOR]),
    ('apiKey: "{}",', [NAME, QUOTES, SEPARATOR]),
    ("API Key: {}", [NAME]),
    ('"OPENAI_API_KEY": "{}"', [NAME, QUOTES]),
    ('"OPENAI_API_KEY": "{}",', [NAME, QUOTES, SEPARATOR]),
    ("'api_key': '{}',", [NAME, QUOTES, SEPARATOR]),
    ('{{"OPENAI_API_KEY": "{}"}}', [BRACKETS, NAME, QUOTES]),
    (' export  X="Bearer {}" ;\n', [SPACES, NAME, QUOTES, SEPARATOR]),
]


@pytest.mark.parametrize(("form", "notes"), AROUND)
@pytest.mark.parametrize("secret", [GROQ, OPENAI, OPENROUTER, LMSTUDIO])
def test_t34_what_is_around_a_key_is_taken_off(form: str, notes: list[str], secret: str) -> None:
    """The bare key comes out, with a sentence for each thing that was taken off."""
    cleaned = clean_secret(form.format(secret), optional=False)
    assert (secret, set(notes)) == (cleaned.secret, set(cleaned.notes))


@pytest.mark.parametrize(
    "form", [form for form, notes in AROUND if not {BRACKETS} & set(notes)]
)  # fmt: skip
def test_t34_a_key_without_a_prefix_is_found_too(form: str) -> None:
    """Mistral's keys look like nothing, and are unwrapped all the same."""
    assert clean_secret(form.format(MISTRAL), optional=False).secret == MISTRAL


@pytest.mark.parametrize(
    "secret",
    [
        "abcKEYdef" * 4 + "==",
        "ABCDEFGH" * 4 + "=",
        "user:token-4711-abcdef",
        "token=abc"[::-1] * 3,
        "my-secret-token-1234567",
        "team_proxy_key_4711",
        "sk-1234",
        "sk-no-key-required",
        "lm-studio",
        "hunter2",
        "password",
        LMSTUDIO,
        "eyJhbGciOi.eyJzdWIiOiIx.SflKxwRJ-_adQ",
        "0123456789abcdef0123456789abcdef.AbCdEf0123456789",
    ],
)
def test_what_only_resembles_dirt_stays(secret: str) -> None:
    """Equals signs, colons and words inside of a key are part of it."""
    assert clean_secret(secret, optional=False) == Pasted(secret)


@pytest.mark.parametrize("secret", ["123456", "true", "0", "{}", "1e5", "007", "k9" * 4000])
def test_t07_odd_secrets_stay_the_same_text(secret: str) -> None:
    """What looks like a number or like JSON is still the same str."""
    cleaned = clean_secret(secret, optional=False).secret
    assert (secret, str) == (cleaned, type(cleaned))


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0"])
def test_only_where_it_is_optional_may_it_be_empty(text: str) -> None:
    """Nothing typed is no secret for a local server, and a refusal elsewhere."""
    assert clean_secret(text, optional=True) == Pasted("")
    assert refused(text) == "Enter the API key."


@pytest.mark.parametrize("text", ['""', "''", "\u200b", "\ufeff\u200b", ",", '" "'])
def test_dirt_without_a_key_is_not_nothing(text: str) -> None:
    """Something was typed, so it is refused rather than taken for an empty field."""
    assert refused(text, optional=True) == "Enter the API key."


# --- refused by a character -------------------------------------------------------------------

CHARACTERS = [
    (" ", "a space"),
    ("\t", "a tab"),
    ("\n", "a line break"),
    ("\r\nX-Injected: 1", "a line break"),
    ("\x00", "a control character (U+0000)"),
    ("\x1b", "a control character (U+001B)"),
    ("\x7f", "a control character (U+007F)"),
    ("\x85", "a control character (U+0085)"),
    ("\u200b", "an invisible character (U+200B)"),
    ("\ufeff", "an invisible character (U+FEFF)"),
    ("\u202e", "an invisible character (U+202E)"),
    ("\u00ad", "an invisible character (U+00AD)"),
    ("\u00a0", "a special space (U+00A0)"),
    ("\u2009", "a special space (U+2009)"),
    ("–", "one that no key has (U+2013)"),
    ("а", "one that no key has (U+0430)"),
    ("ａ", "one that no key has (U+FF41)"),
    ("é", "one that no key has (U+00E9)"),
    ("\ud800", "one that no key has (U+D800)"),
    ("🔑", "one that no key has (U+1F511)"),
]


@pytest.mark.parametrize(("character", "kind"), CHARACTERS)
def test_t34_a_character_no_key_has_is_named_by_place_and_kind(character: str, kind: str) -> None:
    """The sentence says where and what, so that it can be found without showing the key."""
    said = refused(f"{GROQ[:20]}{character}{GROQ[20:40]}")
    assert said == f"Character 21 of the key is {kind}. Paste it again without it."


def test_t34_the_place_counts_from_the_first_character_of_the_key() -> None:
    """What was taken off around the key does not shift the count."""
    assert refused(f'export X="{GROQ[:9]} {GROQ[9:20]}"').startswith("Character 10 of the key")


@pytest.mark.parametrize("prefix", ["", "gsk_", "sk-", "sk-proj-"])
@pytest.mark.parametrize("inner", ["••••••••", "***", "********", "...", "…", "∙∙∙", "xxxxxxxx"])
@pytest.mark.parametrize("end", ["", "cdef"])
def test_t18_a_mask_is_no_key(prefix: str, inner: str, end: str) -> None:
    """However a mask is drawn, it is not taken for the key behind it."""
    assert "masked" in refused(prefix + inner + end)


@pytest.mark.parametrize("secret", [GROQ, OPENAI, MISTRAL, LMSTUDIO])
def test_t18_no_hint_of_ours_is_a_key(secret: str) -> None:
    """What is shown of a key on a card can never be saved as one."""
    assert "masked" in refused(hint(secret))
    assert "masked" in refused(hint(secret), optional=True)


PLACEHOLDERS = [
    *("null", "None", "NULL", "undefined", "nil", "NaN", "EMPTY", "changeme", "TODO"),
    *("your-api-key", "your_api_key", "YOUR_API_KEY", "YOUR_API_KEY_HERE", "yourapikey", "my-key"),
    *("sk-your-key-here", "sk-your-openai-api-key", "gsk_your_key_here", "insert-your-key-here"),
    *("Paste your key here", "enter_api_key", "replace-with-your-token", "put your key here"),
    *("api-key", "API_KEY", "apikey", "api key", "key", "token", "api_key_here", "sk-key"),
    *("<your key>", "<YOUR_API_KEY>", "<key>", "<insert token>", "[your key]", "[object Object]"),
    *("${OPENAI_API_KEY}", "$OPENAI_API_KEY", "%OPENAI_API_KEY%", "{{OPENAI_API_KEY}}", "{key}"),
    *("OPENAI_API_KEY", "GROQ_API_KEY", "HF_TOKEN", "sk-xxxx", "sk-ant-xxxxx", "gsk_XXXX", "xxx"),
    *("process.env.OPENAI_API_KEY", 'os.environ["OPENAI_API_KEY"]', "os.getenv('X')"),
    *("import.meta.env.VITE_KEY", 'st.secrets["key"]'),
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
@pytest.mark.parametrize("optional", [True, False])
def test_t34_a_placeholder_is_no_key(text: str, optional: bool) -> None:
    """What stands in documentation and in empty variables is refused, for local servers too."""
    assert refused(text, optional=optional) == (
        "This is a placeholder, not a key. Paste the key your provider gave you."
    )


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.prefix)
def test_only_the_beginning_of_a_key_is_none(sign: pasted.Sign) -> None:
    """A vendor's prefix alone was cut off while it was copied."""
    assert "only the beginning" in refused(sign.prefix)


@pytest.mark.parametrize(
    "text",
    [
        *("https://api.openai.com/v1", "http://localhost:1234", "HTTPS://API.GROQ.COM"),
        *("api.openai.com", "API.openai.com/v1", "openrouter.ai", "gpu.example.com:80/v1"),
        *("localhost", "localhost:11434", "localhost/v1", "www.example.com", "ftp://x"),
        f"https://api.openai.com/v1?key={GROQ}",
    ],
)
def test_t34_an_address_is_no_key(text: str) -> None:
    """An address in the key's field is said to be that, and is not repeated."""
    assert "web address" in refused(text)


# --- two keys as one --------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["\n", "\r\n", "\n\n", " ", ",", ", ", ";", "\t", "|", "/", ""])
@pytest.mark.parametrize("second", [OPENAI, OPENROUTER, f"sk-ant-{RANDOM}", f"sk-svcacct-{RANDOM}"])
def test_t34_two_keys_are_not_one(between: str, second: str) -> None:
    """Two keys pasted together, with anything or nothing between, are refused as two."""
    for first in (GROQ, MISTRAL, OPENAI):
        assert "two keys" in refused(first + between + second)


@pytest.mark.parametrize("between", ["\n", " ", ",", ";"])
def test_t34_two_keys_without_prefixes_are_not_one(between: str) -> None:
    """Two lines that are long enough for keys are two keys, whoever made them."""
    assert "two keys" in refused(MISTRAL + between + RANDOM[:32])


@pytest.mark.parametrize(
    "secret",
    [
        GROQ,
        OPENAI,
        MISTRAL,
        "AIza" + "Sy3_-" * 7,
        "xai-" + "a1B2_" * 16,
        "sk-" + "Ab1" * 7 + "T3BlbkFJ" + "Cd2" * 7,
    ],
)
def test_t34_the_same_key_twice_is_not_one(secret: str) -> None:
    """A double paste into one field is noticed, for short prefixes too."""
    if len(set(secret)) >= 8:
        assert "two keys" in refused(secret * 2)


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=140, max_size=170))
@example("gsk_" * 35)
@example("xai-" * 40)
@example("csk-" * 40)
def test_a_long_key_with_a_short_prefix_inside_by_chance_is_one(random: str) -> None:
    """Chance puts four given characters into one long key of thousands; none is lost for that."""
    secret = f"sk-proj-{random}"
    long = [sign.prefix for sign in SIGNS if len(sign.prefix) > 4]
    assume(not any(prefix in random for prefix in long) and "xxxxxxxx" not in random.lower())
    assume(random[:70] != random[-70:])
    assert clean_secret(secret, optional=False).secret == secret


@pytest.mark.parametrize("length", [pasted.LONGEST_SECRET + 1, 10_000_000])
def test_too_long_a_text_is_refused_at_once(length: int) -> None:
    """A whole file pasted by mistake costs no time."""
    started = time.thread_time()
    assert "longer than 8192" in refused("k9" * (length // 2 + 1))
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 16_000 + "b",
        "bearer " * 2300,
        '"' * 16_000,
        '{"k": ' * 2500,
        "export " * 2000,
        "a_" * 8000,
        "a-" * 8000 + "x",
        "your-" * 3000,
        "(" * 16_000,
    ],
)
def test_hostile_text_costs_no_time(text: str) -> None:
    """No pattern here takes longer than its text deserves."""
    started = time.thread_time()
    refused(text)
    assert time.thread_time() - started < 1


# --- nothing is repeated ----------------------------------------------------------------------

DIRT = st.sampled_from(
    ["", " ", "\n", '"', "'", "Bearer ", "X=", "\u200b", "\u00a0", "–", "\x00", "<", ">", "{", ","]
)
KEYS = st.text(string.ascii_letters + string.digits, min_size=24, max_size=60)


@given(st.sampled_from(["", "gsk_", "sk-proj-", "sk-"]), KEYS, DIRT, DIRT, DIRT)
def test_t34_no_word_of_ours_has_six_characters_of_a_secret(
    prefix: str, random: str, before: str, within: str, after: str
) -> None:
    """Notes, errors and reprs are made of rules and places, whatever was pasted."""
    text = before + prefix + random[:12] + within + random[12:] + after
    try:
        cleaned = clean_secret(text, optional=False)
        said = f"{cleaned!r} {cleaned.notes}"
    except InputError as error:
        said = f"{error!r} {error} {error.args} {error.by_field()}"
        assert error.__cause__ is None  # noqa: PT017  # one of two good ends
        assert error.__context__ is None  # noqa: PT017
    assert not [piece for piece in pieces(random) if piece in said and piece not in KNOWN_WORDS]


KNOWN_WORDS = (
    "character invisible special control without Paste again placeholder provider between "
    "InputError secret Pasted quotes around brackets semicolon beginning masked address field"
)
"""Six letters of chance may be six letters of these."""


@given(st.text(max_size=30))
def test_t34_anything_at_all_is_cleaned_or_refused(text: str) -> None:
    """What comes out can stand in a header; everything else is one kind of error."""
    try:
        cleaned = clean_secret(text, optional=False).secret
    except InputError as error:
        assert error.field == "secret"  # noqa: PT017  # one of two good ends
        return
    assert cleaned
    assert all("!" <= character <= "~" for character in cleaned)
    assert clean_secret(cleaned, optional=False) == Pasted(cleaned)


def test_a_cleaned_secret_hides_itself() -> None:
    """Printing what was cleaned shows its notes only."""
    assert GROQ not in repr(clean_secret(f" {GROQ} ", optional=False))


# --- the hint ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(65))
def test_t08_the_hint_gives_away_no_more_than_it_may(length: int) -> None:
    """Under 12 characters nothing is shown; otherwise the last four, whatever the length."""
    secret = "".join(secrets.choice(string.ascii_letters) for _ in range(length))
    if length < 12:
        assert hint(secret) == ""
    else:
        assert hint(secret) == "••••••••" + secret[-4:]


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.prefix)
@pytest.mark.parametrize("length", [0, 4, 11, 12, 30, 60, 200])
def test_t08_a_prefix_is_shown_only_before_enough_hidden_characters(
    sign: pasted.Sign, length: int
) -> None:
    """Of what is secret at least eight characters stay hidden beside a public prefix."""
    secret = sign.prefix + "Zq7" * 70
    shown = hint(secret[: len(sign.prefix) + length])
    if not shown:
        assert len(sign.prefix) + length < 12
        return
    head, bullets, tail = shown.partition("••••••••")
    assert (bullets, 4) == ("••••••••", len(tail))
    assert head in {"", sign.prefix}
    assert not head or length - 4 >= 8


@given(KEYS, KEYS)
def test_t08_the_hint_does_not_tell_the_length(one: str, other: str) -> None:
    """Two secrets with the same end have the same hint."""
    assert hint(f"gsk_{one}WXYZ") == hint(f"gsk_{other}WXYZ") == "gsk_••••••••WXYZ"


# --- whose key it looks like ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "secret", "destination", "owner"),
    [
        ("openai", GROQ, "https://api.openai.com/v1", "groq"),
        ("groq", OPENAI, "https://api.groq.com/openai/v1", "openai"),
        ("mistral", OPENROUTER, "https://api.mistral.ai/v1", "openrouter"),
        ("openai", f"sk-ant-{RANDOM}", "https://api.openai.com/v1", "anthropic"),
        ("ollama", OPENAI, "http://localhost:11434/v1", "openai"),
        ("openai", GROQ, "https://proxy.example/v1", "groq"),
        ("openai", GROQ, "https://api.groq.com/openai/v1", None),
        ("openai", f"sk-ant-{RANDOM}", "https://api.anthropic.com/v1", None),
        ("groq", GROQ, "https://proxy.example/v1", None),
        ("openai", MISTRAL, "https://api.openai.com/v1", None),
        ("openai", "sk-1234567890abcdef", "https://api.openai.com/v1", None),
        ("ollama", "", "http://localhost:11434/v1", None),
    ],
)
def test_a_key_of_another_vendor_is_noticed(
    slug: str, secret: str, destination: str, owner: str | None
) -> None:
    """A sure sign of another vendor counts, unless the key goes to that vendor's own host."""
    found = looks_like(secret, BY_SLUG[slug], destination)
    assert owner == (found.slug if found else None)


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(
            "a",
            "a" * 80,
            "Prod",
            "ключ продакшн",
            "本番キー",
            "مفتاح الإنتاج",
            "कुंजी",
            "100% _sure_",
        ),
        *(
            "👩‍💻 family",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "می‌خواهم",
            "team/prod/eu",
            "<b>bold</b>",
            "'; DROP TABLE api_key;--",
        ),
        *("gsk_prod", "sk-proj key of Ada", "deadbeef", "❤️", "productionkeyforthewholedatateam1"),
    ],
)
def test_a_name_may_be_anything_readable(name: str) -> None:
    """Every script, emoji and punctuation is kept as it was typed."""
    assert unicodedata.normalize("NFC", name) == clean_name(f"  {name}\u200b \n")


@pytest.mark.parametrize(
    "name", ["", " ", "\u00a0\t", "\u200b", "\ufeff \u2060", "\u3164", "\u200b\u00ad", "\u202e"]
)
def test_a_name_that_shows_nothing_is_none(name: str) -> None:
    """Spaces and invisible characters do not make a name."""
    with pytest.raises(InputError, match="Enter a name") as refusal:
        clean_name(name)
    assert refusal.value.field == "name"


def test_a_name_has_at_most_eighty_characters() -> None:
    """The 81st is one too many; the sentence has both numbers."""
    with pytest.raises(InputError, match="has 81 characters; 80 is the most"):
        clean_name("é" * 81)
    assert clean_name("e\u0301" * 80) == "é" * 80


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("\n", "a line break"),
        ("\r", "a line break"),
        ("\u2028", "a line break"),
        ("\x85", "a line break"),
        ("\t", "a control character"),
        ("\x00", "a control character"),
        ("\x1b", "a control character"),
        ("\x7f", "a control character"),
        ("\ud800", "a control character"),
        ("\ue000", "a control character"),
        ("\u202e", "a mark that changes the direction of writing"),
        ("\u2066", "a mark that changes the direction of writing"),
        ("\u200f", "a mark that changes the direction of writing"),
        ("\u061c", "a mark that changes the direction of writing"),
    ],
)
def test_a_name_has_no_character_that_could_disguise_it(character: str, kind: str) -> None:
    """Line breaks, control characters and marks of direction are refused by their place."""
    with pytest.raises(InputError) as refusal:
        clean_name(f"Prod{character}uction")
    assert str(refusal.value) == f"Character 5 of the name is {kind}. Leave it out."


@pytest.mark.parametrize("secret", [GROQ, OPENAI, OPENROUTER, MISTRAL, LMSTUDIO])
def test_a_key_in_the_name_is_not_stored_in_clear(secret: str) -> None:
    """A key pasted into the wrong field is refused, without a piece of it in the sentence."""
    with pytest.raises(InputError, match="looks like an API key") as refusal:
        clean_name(f" {secret}\n")
    assert not [piece for piece in pieces(secret[8:]) if piece in str(refusal.value)]


@pytest.mark.parametrize(
    "other", ["prod", "PROD", " Prod ", "Prod\u00a0", "ｐｒｏｄ", "Pr\u200bod", "P\u00adrod"]
)
def test_t56_names_that_look_the_same_are_the_same(other: str) -> None:
    """Case, width, spaces and what cannot be seen make no other name."""
    assert name_key("Prod") == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE\u0301"),
        ("Straße", "STRASSE"),
        ("a  b", "A b"),
        ("ﬁne", "FINE"),
        ("İstanbul", "i\u0307stanbul"),
        ("Ω", "ω"),
    ],
)
def test_t56_forms_of_one_name_are_one_name(one: str, other: str) -> None:
    """Unicode's several ways to write a name are one way here."""
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("Prod", "Prod 2"), ("a b", "ab"), ("é", "e")])
def test_names_that_differ_are_two(one: str, other: str) -> None:
    """What a reader tells apart stays apart."""
    assert name_key(one) != name_key(other)


@given(st.text(max_size=40))
def test_folding_a_name_twice_is_folding_it_once(name: str) -> None:
    """A folded name is its own folded form, so that either may be looked up."""
    assert name_key(name) == name_key(name_key(name))
    try:
        cleaned = clean_name(name)
    except InputError as error:
        assert error.field == "name"  # noqa: PT017  # one of two good ends
        return
    assert cleaned == clean_name(cleaned)
    assert name_key(cleaned)
