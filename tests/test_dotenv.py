"""A `.env` text: each key to its provider and its address, nothing guessed, no value told."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys import dotenv_lines
from mohet_keys.dotenv import Candidate, Found, read
from mohet_keys.errors import RefusedError
from mohet_keys.providers import BY_SLUG, PROVIDERS
from tests.leaks import canary, scan

OPENAI = "sk-proj-" + "a1B2c3" * 8
GROQ = "gsk_" + "a1B2c3D4e5F6" * 4
OPENROUTER = "sk-or-v1-" + "0a1b2c3d" * 8
ANTHROPIC = "sk-ant-api03-" + "a1B2c3" * 8
PLAIN = "q7W8e9R0t1Y2u3I4o5P6a7S8d9F0g1H2"
"""A key that looks like no vendor’s: those of Mistral do not."""
PROXY = "https://proxy.example.com/v1"
OWN = dict.fromkeys(BY_SLUG, "") | {"ollama": "https://ollama.com/v1"}
"""The address of a real key of each provider where the file names none."""


def one(text: str) -> Candidate:
    """The only key in a text."""
    (candidate,) = read(text).candidates
    return candidate


def ignored(text: str) -> dict[str, str]:
    """What is ignored in a text that has no key, and why."""
    found = read(text)
    assert found.candidates == ()
    return {each.name: each.why for each in found.ignored}


def values(text: str) -> dict[str, str]:
    """The value of each variable that has one."""
    return {
        line.name: line.value
        for line in dotenv_lines.lines(text)
        if line.name and line.trouble is None
    }


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=value", "value"),
        ("  A=value  ", "value"),
        ("export A=value", "value"),
        ("  export   A = value", "value"),
        ("A= value", "value"),
        ("A='value'", "value"),
        ("A='va\"lue'", 'va"lue'),
        ('A="value"', "value"),
        ('A="va\'lue" # comment', "va'lue"),
        ("A=`value`", "value"),
        ('A="a\\"b\\\\c"', 'a"b\\c'),
        ('A="a\\nb\\tc"', "a\nb\tc"),
        ("A='a\\nb'", "anb"),
        ("A=value # comment", "value"),
        ("A=value\t# comment", "value"),
        ("A=val#ue", "val#ue"),
        ("A=a=b==", "a=b=="),
        ('A="  spaced  "', "  spaced  "),
        ("a.b-c=value", "value"),
        ("A=it's", "it's"),
        ('A="\\$HOME"', "$HOME"),
        ("A='$HOME'", "$HOME"),
        ("A=5$", "5$"),
        ("A=value\r", "value"),
    ],
)
def test_a_line_is_read_as_programs_read_it(line: str, value: str) -> None:
    """Quotes, escapes, spaces, `export` and comments come off, and nothing of the value does."""
    [(name, read_)] = values(line).items()
    assert (name.lower()[:1], read_) == ("a", value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_break_will_do(end: str) -> None:
    """Files of every system are read, with a mark of UTF-8 in front as well."""
    text = "\ufeff" + end.join(["# comment", "", "A=1", "   ", "  # B=2", "C='3'", ""])
    assert values(text) == {"A": "1", "C": "3"}


WORDS = st.text(st.sampled_from("abcXYZ019-_.:/+@%"), min_size=1, max_size=20)
SPACED = st.text(st.sampled_from("abcXYZ019 #=;,!"), max_size=20)
WRITTEN = st.one_of(
    WORDS,
    SPACED.map(lambda text: f"'{text}'"),
    SPACED.map(lambda text: f'"{text}"'),
    SPACED.map(lambda text: f'"{text}\\"{text}"'),
    WORDS.map(lambda text: f"{text}  # a comment"),
    WORDS.map(lambda text: f'"{text}" # a "comment"'),
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["A", "B_C", "OPENAI_API_KEY", "d"]), WRITTEN),
    st.sampled_from(["", "export "]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_the_library_of_that_name_reads_the_same(
    written: dict[str, str], before: str, end: str
) -> None:
    """On all that is not refused or empty, the Python library python-dotenv agrees."""
    text = end.join(f"{before}{name}={value}" for name, value in written.items())
    theirs = dotenv_values(stream=io.StringIO(text), interpolate=False)
    assert values(text) == {
        name: value for name, value in theirs.items() if value and value.strip()
    }


def test_the_last_of_several_counts_and_that_is_said() -> None:
    """A variable that stands there twice has its last value, with a word about it."""
    found = one(f"GROQ_API_KEY={PLAIN}\nA=1\nGROQ_API_KEY={GROQ}\n")
    assert found.secret == GROQ
    assert any("more than once" in note for note in found.notes)
    assert one(f"GROQ_API_KEY={GROQ}").notes == ()
    assert ignored(f"GROQ_API_KEY={GROQ}\nGROQ_API_KEY=") == {"GROQ_API_KEY": "It has no value."}


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_a_value_of_several_lines_is_refused(quote: str) -> None:
    """It is named, its lines are no variables, and what follows is read."""
    block = f"-----BEGIN KEY-----\nGROQ_API_KEY={GROQ}\nMIIEpAIB==\n-----END KEY-----"
    text = f"PRIVATE={quote}{block}{quote}\nOPENAI_API_KEY={OPENAI}\n"
    found = read(text)
    assert [each.name for each in found.candidates] == ["OPENAI_API_KEY"]
    assert [each.name for each in found.ignored] == ["PRIVATE"]
    assert "several lines" in found.ignored[0].why


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_a_quote_left_open_swallows_nothing(quote: str) -> None:
    """The next quote belongs to another variable, which is read as if nothing were wrong."""
    found = read(f"A={quote}open\nB=1\nGROQ_API_KEY={quote}{GROQ}{quote}")
    assert [each.name for each in found.candidates] == ["GROQ_API_KEY"]
    assert [each.name for each in found.ignored] == ["A", "B"]
    assert "never closed" in found.ignored[0].why


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("A=", "no value"),
        ("A=''", "no value"),
        ('A="  "', "no value"),
        ("A= # comment", "no value"),
        ('A="open', "never closed"),
        ("A='open", "never closed"),
        ('A="one" two', "Something stands behind"),
        ('A="one""two"', "Something stands behind"),
        ("A=${B}", "another variable"),
        ("A=$B", "another variable"),
        ('A="sk-${B}"', "another variable"),
        ("A=$(cat key)", "another variable"),
    ],
)
def test_a_value_in_doubt_is_no_value(line: str, told: str) -> None:
    """What programs read differently, or what is not there, is named with the reason; the line
    behind is read."""
    found = read(f"OPENAI_API_KEY{line[1:]}\nGROQ_API_KEY={GROQ}")
    assert [each.name for each in found.candidates] == ["GROQ_API_KEY"]
    [missed] = found.ignored
    assert missed.name == "OPENAI_API_KEY"
    assert told in missed.why


@pytest.mark.parametrize(
    "line", ["just words", "=value", "9A=value", "A", "export A", "A: value", "{", "A B=c", "É=x"]
)
def test_a_line_that_is_none_is_told_by_its_number(line: str) -> None:
    """What is no variable has no name to tell."""
    assert ignored(f"\n{line}\n") == {"line 2": "No line of the form NAME=value."}


def test_t34_a_secret_in_the_place_of_a_name_is_not_told() -> None:
    """A key pasted bare, one before a `=`, and the end of a block of base64 show by number."""
    lines = [GROQ, f"{GROQ}=", f"{PLAIN}=x", f"{OPENAI}==", "aGVsbG8gd29ybGQ=", "Zm9vYmFyCg=="]
    found = ignored("\n".join(lines))
    assert list(found) == [f"line {number}" for number in range(1, 7)]


def test_a_file_of_thousands_of_lines_is_not_read() -> None:
    """5,000 lines are read, one more is refused."""
    assert values("A=1\n" * 4999) == {"A": "1"}
    with pytest.raises(RefusedError, match="5000 lines"):
        read("A=1\n" * 5000)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in PROVIDERS if row.env], ids=lambda row: row.slug)
@pytest.mark.parametrize("around", ["{}", "MY_{}", "{}_PROD", "NEXT_PUBLIC_{}_2", "{}_Team.A"])
def test_the_usual_variable_is_a_key_of_its_provider(row: object, around: str) -> None:
    """Each provider's own variable is found, with words before and behind it too."""
    name = around.format(row.env)  # type: ignore[attr-defined]
    slug: str = row.slug  # type: ignore[attr-defined]
    for written in (name, name.lower()):
        assert one(f"{written}={PLAIN}") == Candidate(slug, written, PLAIN, OWN[slug])


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("LM_API_TOKEN", "lmstudio"),
        ("LMSTUDIO_API_KEY", "lmstudio"),
        ("LM_STUDIO_API_TOKEN", "lmstudio"),
        ("OPENAI_KEY", "openai"),
        ("OPENAI_TOKEN", "openai"),
        ("OPENAI_APIKEY", "openai"),
        ("OPEN_AI_API_KEY", "openai"),
        ("OPEN_ROUTER_API_KEY", "openrouter"),
        ("MISTRALAI_API_KEY", "mistral"),
        ("MISTRAL_AI_API_KEY", "mistral"),
        ("openai-api-key", "openai"),
        ("groq.api.key", "groq"),
        ("GROQ_API_KEY_URL_SHORTENER", "groq"),
    ],
)
def test_other_usual_names_are_known(name: str, slug: str) -> None:
    """What the vendors' own libraries and common programs call a key is one."""
    assert one(f"{name}={PLAIN}").provider == slug


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY_FILE",
        "OPENAI_API_KEY_PATH",
        "OPENAI_API_KEY_ID",
        "OPENAI_KEY_ID",
        "OPENAI_KEY_VAULT",
        "OPENAI_TOKEN_BUDGET",
        "OPENAI_TOKEN_LIMIT",
        "OPENAI_MAX_TOKENS",
        "OPENAI_MODEL",
        "OPENAI_ORGANIZATION",
        "OLLAMA_KEEP_ALIVE",
        "GROQ",
        "GROQ_API",
        "MYOPENAI_API_KEY",
        "OPENAIX_API_KEY",
        "COHERE_API_KEY",
        "SECRET_KEY",
        "DATABASE_PASSWORD",
    ],
)
def test_other_variables_are_none(name: str) -> None:
    """What only sounds like a key is ignored, by name."""
    assert list(ignored(f"{name}={PLAIN}")) == [name]


def test_a_key_is_known_by_its_look_under_any_name() -> None:
    """A value with the sign of a provider's keys is one, whatever it is called."""
    for secret, slug in ((OPENAI, "openai"), (GROQ, "groq"), (OPENROUTER, "openrouter")):
        for name in ("TOKEN", "CHAT_SECRET", "LLM_API_KEY", "OPENAI_CREDENTIAL"):
            found = one(f"{name}={secret}")
            assert (found.provider, found.name, found.secret) == (slug, name, secret)
    assert ignored("PREFIX=gsk_\nMODEL=gsk_short") == {
        "PREFIX": "No key of a provider here.",
        "MODEL": "No key of a provider here.",
    }


def test_a_key_of_another_vendor_is_named_as_such() -> None:
    """Keys of vendors that are no providers here are ignored, with the vendor's name."""
    found = ignored(f"ANTHROPIC_API_KEY={ANTHROPIC}\nX=AIza{PLAIN}\n")
    assert "Anthropic" in found["ANTHROPIC_API_KEY"]
    assert "Google" in found["X"]


def test_a_key_under_another_providers_name_goes_where_it_looks_like() -> None:
    """OPENAI_API_KEY is what many programs read, also with a key of Groq in it: that one is for
    Groq, and it is said."""
    found = one(f"OPENAI_API_KEY={GROQ}")
    assert (found.provider, found.endpoint) == ("groq", "")
    assert found.notes == ("Its name says OpenAI, but it looks like one of Groq.",)


def test_azure_is_not_openai() -> None:
    """A key for Azure's OpenAI service is for none of the providers."""
    found = read(
        f"AZURE_OPENAI_API_KEY={PLAIN}\nAZURE_OPENAI_ENDPOINT=https://x.openai.azure.com\n"
        f"OPENAI_API_KEY={OPENAI}"
    )
    assert found.candidates == (Candidate("openai", "OPENAI_API_KEY", OPENAI),)
    assert [each.name for each in found.ignored] == [
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT",
    ]


def test_a_name_with_two_providers_says_nothing() -> None:
    """Where the name could mean either, a person is asked."""
    found = one(f"OPENROUTER_OPENAI_API_KEY={PLAIN}")
    assert "both OpenAI and OpenRouter" in (found.doubt or "")


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "names"),
    [
        ("openai", ["OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_BASE_URL", "OPENAI_API_URL"]),
        ("openai", ["OPENAI_ENDPOINT", "OPENAI_API_HOST", "OPENAI_HOST", "OPENAI_API_ENDPOINT"]),
        ("groq", ["GROQ_BASE_URL", "GROQ_API_BASE", "GROQ_API_URL"]),
        ("mistral", ["MISTRAL_BASE_URL", "MISTRAL_API_BASE", "MISTRAL_ENDPOINT"]),
        ("openrouter", ["OPENROUTER_BASE_URL", "OPENROUTER_API_BASE"]),
        ("ollama", ["OLLAMA_BASE_URL", "OLLAMA_API_BASE", "OLLAMA_HOST", "OLLAMA_URL"]),
        ("lmstudio", ["LMSTUDIO_BASE_URL", "LM_STUDIO_API_BASE", "LM_STUDIO_URL"]),
    ],
)
def test_an_address_in_the_file_is_where_its_key_belongs(slug: str, names: list[str]) -> None:
    """The provider's address of that file is the key's, before or behind it, and is said."""
    for name in names:
        for text in (
            f"{name}={PROXY}\n{slug.upper()}_API_KEY={PLAIN}",
            f"{slug.upper()}_API_KEY={PLAIN}\nexport {name}='{PROXY}' # our own",
        ):
            found = read(text)
            (key,) = found.candidates
            assert (key.provider, key.endpoint, key.doubt) == (slug, PROXY, None)
            assert key.notes == (f"Its address is that of {name} in the file.",)
            assert found.ignored == ()


def test_an_address_is_for_all_keys_of_its_provider_and_no_other() -> None:
    """One of another provider's goes to its vendor all the same."""
    found = read(
        f"OPENAI_API_KEY={OPENAI}\nOPENAI_API_KEY_PROD={PLAIN}\nOPENAI_BASE_URL={PROXY}\n"
        f"GROQ_API_KEY={GROQ}\nSOMETHING={OPENAI}x"
    )
    assert [each.endpoint for each in found.candidates] == [PROXY, PROXY, "", PROXY]


def test_an_address_with_the_same_words_around_comes_first() -> None:
    """Each key has the address that is named like it; the rest have the general one."""
    found = read(
        f"OPENAI_API_KEY={PLAIN}1\nMY_OPENAI_API_KEY={PLAIN}2\nOPENAI_API_KEY_PROD={PLAIN}3\n"
        f"OPENAI_BASE_URL={PROXY}/1\nMY_OPENAI_API_BASE={PROXY}/2"
    )
    assert [each.endpoint for each in found.candidates] == [f"{PROXY}/{n}" for n in (1, 2, 1)]


def test_an_address_of_another_key_is_not_this_ones() -> None:
    """A key whose fellow alone has an address goes to the vendor."""
    found = read(
        f"OPENAI_API_KEY={PLAIN}1\nOPENAI_API_KEY_PROD={PLAIN}2\nOPENAI_BASE_URL_PROD={PROXY}"
    )
    assert [each.endpoint for each in found.candidates] == ["", PROXY]
    assert [each.doubt for each in found.candidates] == [None, None]


def test_an_address_that_fits_no_key_leaves_all_in_doubt() -> None:
    """It may be meant for the key there is, so the key goes nowhere by itself."""
    found = read(f"OPENAI_API_KEY={OPENAI}\nMY_OPENAI_BASE_URL={PROXY}")
    (key,) = found.candidates
    assert "MY_OPENAI_BASE_URL" in (key.doubt or "")
    assert [each.name for each in found.ignored] == ["MY_OPENAI_BASE_URL"]


def test_two_different_addresses_leave_it_in_doubt() -> None:
    """Programs differ on which of them counts; two spellings of one are one."""
    text = f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL={PROXY}\nOPENAI_API_BASE="
    assert "different addresses" in (one(f"{text}https://other.example/v1").doubt or "")
    assert one(f"{text}https://PROXY.example.com:443/v1/").doubt is None


@pytest.mark.parametrize("value", ["${PROXY}", '"https://proxy', "$(host)/v1"])
def test_an_address_that_cannot_be_read_leaves_it_in_doubt(value: str) -> None:
    """It is an address all the same, so the key does not go to the vendor instead."""
    found = one(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL={value}")
    assert "OPENAI_BASE_URL is unclear" in (found.doubt or "")


def test_an_empty_address_is_none() -> None:
    """Programs take the usual address for it, and so does this."""
    found = one(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=\n")
    assert (found.endpoint, found.doubt, found.notes) == ("", None, ())


def test_an_address_that_stands_twice_is_said() -> None:
    """The last one counts, with a word about it."""
    found = one(
        f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=https://a.example\nOPENAI_BASE_URL={PROXY}"
    )
    assert found.endpoint == PROXY
    assert "OPENAI_BASE_URL is there more than once" in found.notes[0]


def test_an_address_without_a_key_is_ignored() -> None:
    """It is listed by name, like whatever else is no key."""
    found = ignored(f"OLLAMA_HOST=localhost\nMISTRAL_BASE_URL={PROXY}")
    assert set(found.values()) == {"An address, and no key for it."}
    assert "OLLAMA_HOST" in found


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.openai.com/v1", "openai"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://192.168.1.5:1234/v1", "lmstudio"),
        ("http://192.168.1.5:8000/v1", "openai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "openai"),
        (PROXY, "openai"),
        ("nonsense://", "openai"),
    ],
)
def test_a_key_is_of_the_provider_at_its_address(address: str, slug: str) -> None:
    """Programs that speak OpenAI's API have its variables for every provider: the address tells
    which one it is."""
    found = one(f"OPENAI_API_KEY={PLAIN}\nOPENAI_BASE_URL={address}")
    assert (found.provider, found.endpoint) == (slug, address)


def test_a_key_known_by_its_look_has_the_address_beside_it() -> None:
    """LLM_API_KEY goes where LLM_BASE_URL says, and where the provider's address says."""
    assert one(f"LLM_API_KEY={OPENAI}\nLLM_BASE_URL={PROXY}").endpoint == PROXY
    assert one(f"LLM_API_KEY={OPENAI}\nOPENAI_BASE_URL={PROXY}").endpoint == PROXY
    assert one(f"OPENAI_CREDENTIAL={OPENAI}\nOPENAI_BASE_URL={PROXY}").endpoint == PROXY
    assert one(f"OPENAI_API_KEY={GROQ}\nGROQ_BASE_URL={PROXY}").endpoint == PROXY
    assert one(f"LLM_API_KEY={OPENAI}\nOTHER_BASE_URL={PROXY}").endpoint == ""
    assert "LLM_BASE_URL_2" in (one(f"LLM_API_KEY={OPENAI}\nLLM_BASE_URL_2={PROXY}").doubt or "")


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("localhost", "http://localhost:11434"),
        ("0.0.0.0", "http://localhost:11434"),  # noqa: S104
        ("0.0.0.0:8080", "http://localhost:8080"),
        (":8080", "http://localhost:8080"),
        ("[::]:11434", "http://localhost:11434"),
        ("http://0.0.0.0:11434", "http://localhost:11434"),
        ("gpu-box", "http://gpu-box:11434"),
        ("gpu-box:80", "http://gpu-box:80"),
        ("https://gpu.example.com", "https://gpu.example.com"),
        ("http://10.0.0.5:11434/path", "http://10.0.0.5:11434/path"),
        ("192.168.1.20/prefix", "http://192.168.1.20:11434/prefix"),
    ],
)
def test_where_a_server_listens_becomes_where_it_is_reached(host: str, reached: str) -> None:
    """OLLAMA_HOST has a port and a scheme of its own, and is often the address to listen at."""
    assert one(f"OLLAMA_API_KEY={PLAIN}\nOLLAMA_HOST={host}").endpoint == reached


def test_a_server_of_ones_own_is_not_sent_a_key_of_the_cloud() -> None:
    """OLLAMA_API_KEY alone is for Ollama's cloud, but what is no credential stays at home;
    LM Studio has no cloud."""
    assert one(f"OLLAMA_API_KEY={PLAIN}").endpoint == "https://ollama.com/v1"
    assert one("OLLAMA_API_KEY=ollama").endpoint == ""
    assert one(f"LM_API_TOKEN={PLAIN}").endpoint == ""


# --- nothing is told ----------------------------------------------------------------------------


def test_t34_no_value_is_in_what_is_told() -> None:
    """Whatever is wrong with a line, its value is in no repr, note, doubt or reason."""
    secret = canary("sk-proj-")
    lines = [
        "OPENAI_API_KEY={}",
        "A={}",
        "SECRET='{}'",
        'GROQ_API_KEY="{}',
        'B="{}" more',
        "C=${{{}}}",
        "{}",
        "{}=",
        "{}=x",
        "x {} = y",
        "ANTHROPIC_API_KEY=sk-ant-{}",
        "OPENAI_BASE_URL=https://user:{}@proxy.example.com",
        "MISTRAL_BASE_URL={}",
        "MISTRAL_API_KEY={}",
        "D='\n{}\n'",
    ]
    found = read("\n".join(line.format(secret) for line in lines))
    assert len(found.candidates) + len(found.ignored) > 10
    assert scan(secret, {"found": repr(found).encode()}) == []
    there = dotenv_lines.lines(f"A={secret}")
    assert there[0].value == secret
    assert scan(secret, {"lines": repr(there).encode()}) == []


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_read(text: str) -> None:
    """Nothing at all makes the reading fail."""
    assert isinstance(read(text), Found)


TRICKY = st.text(st.sampled_from("AKEY_OPENAI_API=\"'`\\\n\r #$ {}"), max_size=80)


@settings(deadline=None)
@given(st.lists(TRICKY, max_size=6))
def test_any_odd_lines_are_read(rows: list[str]) -> None:
    """Quotes, breaks and escapes in any order give candidates and names, and no failure; each
    name is told once."""
    found = read("\n".join(rows))
    names = [each.name for each in (*found.candidates, *found.ignored)]
    assert len(names) == len(set(names))
