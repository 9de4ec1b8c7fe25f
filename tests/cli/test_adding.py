"""Keys added on the command line, over a real store and the simulated providers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.bad_input import BAD_ENDPOINTS, BAD_SECRETS, PUBLIC_HTTP
from tests.browser.secrets import good, revoked
from tests.shell import FIELDS, SLUGS, Shell

# --- adding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_a_good_key_is_saved_and_valid(shell: Shell, slug: str) -> None:
    """Each provider's good key is checked as it is added, and the status is 0."""
    said = shell.add(slug, "Work")
    assert (said.status, said.json["verdict"], said.err) == (0, "valid", "")
    assert shell("list", "--json").json == [{k: said.json[k] for k in FIELDS}]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_revoked_key_is_saved_and_invalid(shell: Shell, slug: str) -> None:
    """A key the provider no longer knows is kept all the same, and the status is 1."""
    said = shell.add(slug, "Old", revoked(slug))
    assert (said.status, said.json["verdict"]) == (1, "invalid")
    assert said.json["remedy"]
    assert shell("list", "--json").json[0]["id"] == said.json["id"]


def test_a_key_as_json_has_exactly_its_fields(shell: Shell) -> None:
    """The names and kinds of a key's fields are those that other programs rely on."""
    added = shell.add("groq", "Work").json
    assert list(added) == [*FIELDS, "notes"]
    (key,) = shell("list", "--json").json
    assert list(key) == FIELDS
    assert (key["provider"], key["name"], key["owner"]) == ("groq", "Work", "local")
    assert key["hint"] == f"gsk_••••••••{good('groq')[-4:]}"
    assert (key["http_status"], key["selected"]) == (200, False)
    assert key["recommended_model"] in key["models"]
    for name in ("created_at", "updated_at", "checked_at"):
        at = datetime.fromisoformat(key[name])
        assert at.utcoffset() == timedelta(0)
        assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)


def test_an_unchecked_key_as_json_has_no_measurements(shell: Shell) -> None:
    """What no check has found is null or an empty list, and never left out."""
    key = shell.add("groq", "Work", "", "--no-check").json
    assert (key["verdict"], key["models"]) == ("unchecked", [])
    for name in ("http_status", "latency_ms", "checked_at", "recommended_model"):
        assert key[name] is None


def test_no_check_asks_nobody(shell: Shell) -> None:
    """With --no-check nothing is sent, and even a bad key ends with 0."""
    before = len(shell.simulator.requests)
    said = shell.add("openai", "Old", revoked("openai"), "--no-check")
    assert (said.status, len(shell.simulator.requests)) == (0, before)


def test_what_was_saved_is_said_in_words(shell: Shell) -> None:
    """Badge, reason, explanation and remedy stand below what was done."""
    where = shell.simulator.endpoint("openai")
    secret = revoked("openai")
    said = shell("add", "openai", "Old", "--endpoint", where, "--secret-stdin", stdin=secret)
    key = shell("list", "--json").json[0]
    lines = said.out.splitlines()
    assert lines[:2] == ["openai/Old was saved.", f"openai/Old: Invalid ({key['reason']})"]
    assert f"  {key['explanation']}" in lines
    assert f"  {key['remedy']}" in lines
    assert (said.status, said.err) == (1, "")


def test_what_was_mended_is_said(shell: Shell) -> None:
    """Each thing that was taken off or changed on the way in has a sentence."""
    where = f"{shell.simulator.endpoint('openai')}/chat/completions"
    command = ("add", "openai", "--endpoint", where, "--secret-stdin")
    said = shell(*command, "Work", stdin=f'"{good("openai")}"\n')
    assert "quotes" in said.out
    assert "/chat/completions" in said.out
    key = shell(*command, "--json", "More", stdin=f"Bearer {good('openai', '2')}\n").json
    assert len(key["notes"]) == 2
    assert key["endpoint"] == shell.simulator.endpoint("openai")


def test_a_line_break_at_the_end_is_no_mistake(shell: Shell) -> None:
    """What `echo` adds to a key is taken off without a word."""
    for number, end in enumerate(("\n", "\r\n")):
        assert shell.add("groq", f"K{number}", good("groq", str(number)) + end).json["notes"] == []


@pytest.mark.parametrize("written", ["OpenAI", " openai ", "OPENAI"])
def test_a_provider_is_known_in_any_case(shell: Shell, written: str) -> None:
    """The provider's name may be written as people write it."""
    said = shell("add", written, "K", "--no-check", "--secret-stdin", stdin=good("openai"))
    assert said.status == 0


@pytest.mark.parametrize("slug", ["lmstudio", "ollama"])
def test_a_local_server_needs_no_key(shell: Shell, slug: str) -> None:
    """Without a terminal and without --secret-stdin, an optional key is an empty one."""
    said = shell("add", slug, "Mine", "--endpoint", shell.simulator.endpoint(slug), "--json")
    assert (said.status, said.json["verdict"], said.json["hint"]) == (0, "valid", "")
    assert "no key needed" in said.json["reason"]


@pytest.mark.parametrize("slug", ["openai", "groq", "openrouter", "mistral"])
def test_without_a_terminal_a_needed_key_must_be_piped_in(shell: Shell, slug: str) -> None:
    """Where a key is needed and nobody can be asked, the sentence names --secret-stdin."""
    said = shell("add", slug, "Work", "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "--secret-stdin" in said.error["message"]
    assert shell.content() == []


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", BAD_SECRETS)
def test_a_bad_secret_is_refused(shell: Shell, case: str) -> None:
    """What is no key is refused at its field with its reason, and nothing is saved or sent."""
    secret, told = BAD_SECRETS[case]
    before = len(shell.simulator.requests)
    said = shell("add", "openai", "Work", "--secret-stdin", "--json", stdin=secret)
    assert (said.status, said.error["code"], said.error["field"]) == (2, "input", "secret")
    assert told in said.error["message"]
    assert (shell.content(), len(shell.simulator.requests)) == ([], before)


@pytest.mark.parametrize("case", BAD_ENDPOINTS)
def test_a_bad_endpoint_is_refused(shell: Shell, case: str) -> None:
    """An address that cannot be meant is refused at its field, and nothing is saved."""
    typed, told = BAD_ENDPOINTS[case]
    command = ("add", "openai", "Work", "--secret-stdin", "--json", "--endpoint", typed)
    said = shell(*command, stdin=good("openai"))
    assert (said.status, said.error["code"], said.error["field"]) == (2, "input", "endpoint")
    assert told in said.error["message"]
    assert shell.content() == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (" ", "Enter a name"),
        ("long " * 17, "84"),
        ("a\u202eb", "direction"),
        ("a\nb", "line break"),
    ],
)
def test_a_bad_name_is_refused(shell: Shell, name: str, told: str) -> None:
    """A name that cannot be shown is refused at its field."""
    said = shell("add", "openai", name, "--secret-stdin", "--json", stdin=good("openai"))
    assert (said.status, said.error["field"]) == (2, "name")
    assert told in said.error["message"]


def test_all_that_is_refused_is_said_at_once(shell: Shell) -> None:
    """Three mistakes make one line with three sentences, and three fields in JSON."""
    command = ("add", "openai", " ", "--endpoint", "ftp://x", "--secret-stdin")
    said = shell(*command, stdin="two words")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    fields = shell(*command, "--json", stdin="two words").error["fields"]
    assert set(fields) == {"name", "secret", "endpoint"}
    assert all(sentence in said.err for sentence in fields.values())


def test_plain_http_outside_needs_a_yes(shell: Shell) -> None:
    """--allow-http is the user's own yes to an unencrypted connection."""
    command = ("add", "openai", "K", "--endpoint", PUBLIC_HTTP, "--no-check", "--secret-stdin")
    assert shell(*command, stdin=good("openai")).status == 2
    said = shell(*command, "--allow-http", "--json", stdin=good("openai"))
    assert (said.status, said.json["endpoint"]) == (0, PUBLIC_HTTP)


def test_the_same_secret_is_refused_under_any_provider(shell: Shell) -> None:
    """A secret that is saved already is named by its key, and not saved again."""
    shell.add("openai", "First")
    before = shell.content()
    said = shell.add("mistral", "Second", good("openai"))
    assert (said.status, said.error["field"]) == (2, "secret")
    assert "“First” (OpenAI)" in said.error["message"]
    assert shell.content() == before


@pytest.mark.parametrize("same", ["café", "CAFÉ", " Cafe\u0301 "])
def test_the_same_name_is_refused_however_it_is_written(shell: Shell, same: str) -> None:
    """Names that a person reads as the same are the same, within one provider."""
    shell.add("openai", "Café")
    before = shell.content()
    said = shell.add("openai", same, good("openai", "2"))
    assert (said.status, said.error["field"]) == (2, "name")
    assert shell.content() == before
    assert shell.add("groq", same).status == 0


def test_an_unknown_provider_is_refused(shell: Shell) -> None:
    """The sentence names those there are, and not what was typed."""
    for command in (("add", "acme", "K", "--secret-stdin"), ("list", "--provider", "acme")):
        said = shell(*command, "--json", stdin="x" * 40)
        assert (said.status, said.error["code"]) == (2, "refused")
        assert all(slug in said.error["message"] for slug in SLUGS)
        assert "acme" not in said.err
