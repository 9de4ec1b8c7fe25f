"""Everything that a form refuses: said at its field, with nothing saved and no secret kept."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.model import LOCAL_OWNER
from mohet_keys.wiring import Parts
from tests.bad_input import BAD_ENDPOINTS, BAD_SECRETS
from tests.browser.secrets import good
from tests.leaks import scan
from tests.pages.conftest import OpenPage
from tests.pages.test_api_keys import fill, save

FORM = "add:openai"
USUAL = "https://api.openai.com/v1"


def submit(open_page: OpenPage, **fields: str) -> AppTest:
    """Open the form of OpenAI, type, and save."""
    at = open_page("openai")
    at.button(key="head.add:openai").click().run()
    fill(at, FORM, **fields)
    at.button(key=f"{FORM}.save").click().run()
    assert not at.exception
    return at


def problems(at: AppTest) -> list[str]:
    """What is said at the fields."""
    red = ":red[:material/error: "
    return [str(m.value).removeprefix(red) for m in at.markdown if str(m.value).startswith(red)]


@pytest.mark.parametrize("case", [case for case in BAD_SECRETS if case != "no text"])
def test_a_bad_secret_is_refused_at_its_field(open_page: OpenPage, store: Parts, case: str) -> None:
    """One sentence says what is wrong; the field is empty again, the others keep their text."""
    secret, told = BAD_SECRETS[case]
    assert isinstance(secret, str)
    at = submit(open_page, name="Work", secret=secret, endpoint=USUAL)
    (said,) = problems(at)
    assert told.replace("+", "\\+") in said
    assert at.text_input(key=f"{FORM}.secret").value == ""
    assert at.text_input(key=f"{FORM}.name").value == "Work"
    assert at.text_input(key=f"{FORM}.endpoint").value == USUAL
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    if len(secret) > 20 and "://" not in secret:
        state = repr({key: at.session_state[key] for key in at.session_state})
        assert secret not in state


@pytest.mark.parametrize("case", BAD_ENDPOINTS)
def test_a_bad_endpoint_is_refused_at_its_field(
    open_page: OpenPage, store: Parts, case: str
) -> None:
    """One sentence says what is wrong; the address stays to be mended, the secret does not."""
    typed, told = BAD_ENDPOINTS[case]
    secret = good("openai")
    at = submit(open_page, name="Work", secret=secret, endpoint=typed)
    (said,) = problems(at)
    plain = said.replace("\\", "").replace("\u2060", "")
    assert told in plain
    assert at.text_input(key=f"{FORM}.endpoint").value == typed
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    state = repr({key: at.session_state[key] for key in at.session_state})
    assert scan(secret, {"state": state.encode()}) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [(" ", "Enter a name"), ("long " * 17, "84"), ("a\u202eb", "direction")],
)
def test_a_bad_name_is_refused_at_its_field(
    open_page: OpenPage, store: Parts, name: str, told: str
) -> None:
    """A name that cannot be shown, or is too long, is said with the reason."""
    at = submit(open_page, name=name, secret=good("openai"), endpoint=USUAL)
    (said,) = problems(at)
    assert told in said
    assert store.keys.counts(owner=LOCAL_OWNER) == {}


def test_a_taken_name_and_a_saved_secret_are_refused_at_their_fields(
    open_page: OpenPage, store: Parts
) -> None:
    """The same name in another case, and the same secret under another provider, are recognised."""
    secret = good("groq")
    save(store, "Work", secret)
    at = open_page("groq")
    at.button(key="head.add:groq").click().run()
    fill(at, "add:groq", name=" WORK ", secret=good("groq", "2"))
    at.button(key="add:groq.save").click().run()
    assert "already have a key" in problems(at)[0]
    fill(at, "add:groq", name="Other", secret=secret)
    at.button(key="add:groq.save").click().run()
    assert "already saved as" in problems(at)[0]
    assert store.keys.counts(owner=LOCAL_OWNER) == {"groq": 1}


def test_all_that_is_wrong_is_said_at_once(open_page: OpenPage, store: Parts) -> None:
    """Three bad fields get three sentences."""
    at = submit(open_page, name="", secret="two words", endpoint="ftp://x")
    assert len(problems(at)) == 3
