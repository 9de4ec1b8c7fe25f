"""What widgets are given reaches the browser, also when one run follows the other at once."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.ui import state


def script() -> None:
    """A form that is filled by a button, as the edit form of a card is."""
    import streamlit as st

    from mohet_keys.ui import state

    state.renew()
    st.button("Fill", on_click=state.put, args=("name", "Production"))
    st.text_input("Key Name", key="name")


def told_again(at: AppTest) -> bool:
    """Whether the browser is told the value of the field once more."""
    at.run()
    return bool(at.text_input[0].proto.set_value)


def test_a_value_is_told_again_by_the_next_run() -> None:
    """What the first run had to say may be dropped, and the field would stay empty."""
    at = AppTest.from_function(script).run()
    at.button[0].click().run()
    assert told_again(at)
    assert at.text_input[0].value == "Production"


def test_without_that_it_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: Streamlit takes the value for told. It is also what happens after a second."""
    monkeypatch.setattr(state, "HOLDS", 0.0)
    at = AppTest.from_function(script).run()
    at.button[0].click().run()
    assert not told_again(at)


def test_what_a_person_changed_meanwhile_stays() -> None:
    """A value that was given is no answer to what was typed after it."""
    at = AppTest.from_function(script).run()
    at.button[0].click().run()
    at.text_input[0].set_value("Mine").run()
    assert at.text_input[0].value == "Mine"
    at.run()
    assert at.text_input[0].value == "Mine"
