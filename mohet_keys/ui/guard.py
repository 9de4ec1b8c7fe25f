"""Who is let in, and the first statement of every page: the visitor known, the store open."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from mohet_keys.errors import DeniedError, RefusedError, SignedOutError, StoreError
from mohet_keys.ui import places, resources, sign_in, state
from mohet_keys.ui.text import escape


def refuse(error: StoreError) -> NoReturn:
    """Say why the store cannot be used and draw nothing more."""
    say_shut(error)
    st.stop()


def say_shut(error: StoreError) -> None:
    """Say why the store cannot be used."""
    st.error(escape(str(error)), title="The key store cannot be opened", icon=":material/lock:")


def needs_a_key() -> None:
    """Lead to the setup while there is no key at all."""
    if not resources.keys().counts(owner=resources.owner()):
        st.switch_page(places.SETUP.file)


def lets_in() -> bool:
    """Whether the visitor may come in. If not, says what to do, and asks the store nothing.

    Where it is said, the script has to end by itself, not by `st.stop()`: only then are the parts
    of the page that were drawn before gone from the server, too.
    """
    try:
        person = resources.person(acts=not state.ran_by_itself())
    except SignedOutError as error:
        turn_out(error)
    except (DeniedError, RefusedError) as error:
        turn_out(error)
    except StoreError as error:
        say_shut(error)
    else:
        state.belong_to(person.id)
        return True
    return False


def turn_out(error: SignedOutError | DeniedError | RefusedError) -> None:
    """Draw what somebody sees who is not, or not any more, let in, and forget what they did."""
    state.forget()
    if isinstance(error, SignedOutError):
        sign_in.show(str(error))
    else:
        sign_in.turn_away(str(error))


def enter() -> None:
    """Stop the page when nobody is let in, or the store cannot be opened.

    Nothing is remembered of the failure, so the page works again as soon as the store does.
    """
    try:
        resources.person()
        locked = resources.keys().locked
    except (SignedOutError, DeniedError, RefusedError) as error:
        turn_out(error)
        st.stop()
    except StoreError as error:
        refuse(error)
    if locked:
        st.warning(
            f"{escape(locked)} Start Mohet Keys with the right master key and everything opens "
            "again. Until then keys can be listed, renamed and deleted.",
            title="Keys are locked, not lost",
            icon=":material/lock:",
        )
