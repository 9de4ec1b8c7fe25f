"""The process-wide parts, built once. Nothing here belongs to one visitor or holds a secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from mohet_keys import demo, wiring
from mohet_keys.activity import Record
from mohet_keys.background import Background, shared
from mohet_keys.chat import ChatService
from mohet_keys.entrance import Entrance, Mode
from mohet_keys.errors import RefusedError, SignedOutError
from mohet_keys.http import Outbound
from mohet_keys.model import LOCAL_OWNER, LOCAL_PERSON, KeyEntry, Person
from mohet_keys.replacing import Replacer
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.starting import Starter
from mohet_keys.team import Team
from mohet_keys.ui import listening, run_id, said
from mohet_keys.validation import ValidationService

if TYPE_CHECKING:
    from mohet_keys.overview import Overview
    from mohet_keys.reminders import Rules
    from mohet_keys.transfer import Transfer


@cache
def settings() -> Settings:
    """The environment as the process found it.

    Read once: building the product takes the master keys out of the environment, so a second
    reading, after a start that failed, would find none and take that for a new store.
    """
    return Settings()


@cache
def entrance() -> Entrance:
    """How people come in, as it was set at the start. Raises RefusedError."""
    return listening.entrance(settings())


@st.cache_resource(show_spinner=False)
def parts() -> wiring.Parts:
    """The wired product. A failure to open the store is raised and tried again next time."""
    return demo.build(settings())


def keys() -> KeyService:
    """The verbs on saved keys."""
    return parts().keys


def rules() -> Rules:
    """When a key is reminded of."""
    from mohet_keys.reminders import Rules

    found = settings()
    return Rules(found.secret_max_age_days, found.unused_days)


def checks() -> ValidationService:
    """The checks."""
    return parts().checks


def chats() -> ChatService:
    """The chat through saved keys."""
    return parts().chats


def starter() -> Starter:
    """The test of a first key."""
    return parts().starter


def replacer() -> Replacer:
    """The test of a new secret for a saved key."""
    return parts().replacer


def transfer() -> Transfer:
    """Keys in files, on their way out and in."""
    return parts().transfer


def team() -> Team:
    """Who is in the team, what is allowed, and what each is to be told."""
    return parts().team


def overview() -> Overview:
    """All keys at a glance."""
    from mohet_keys.overview import Overview  # for one page of all

    return Overview(parts().keys, parts().repository, rules=rules())


def record() -> Record:
    """What happened to keys."""
    return Record(parts().repository)


def outbound() -> Outbound:
    """The one way out."""
    return parts().outbound


def background() -> Background:
    """The event loop that checks run on, off the script's thread. What begins there takes the id
    of this run along."""
    run_id.settle()
    return shared()


def next_looks(entries: Sequence[KeyEntry]) -> dict[str, datetime]:
    """When these keys are looked at next in the background; none where nobody looks."""
    if not settings().watch_minutes:
        return {}
    return parts().repository.watches.next_at([entry.id for entry in entries])


def has_team() -> bool:
    """Whether people sign in here. What is set so that nobody can come in is no team either."""
    try:
        return entrance().mode is not Mode.LOCAL
    except RefusedError:
        return False


def person(*, acts: bool = False) -> Person:
    """Who the visitor is, by the store; `acts` says that they do something just now.

    Nobody signs in to a local run. Raises SignedOutError for nobody and when a sign-in is over,
    DeniedError and RefusedError for whoever may not come in, and StoreError.
    """
    run_id.settle()  # who asks is looked up in each run before anything else, and in each callback
    found = entrance()
    if found.mode is Mode.LOCAL:
        return LOCAL_PERSON
    identity = said.identity(found)
    if identity is None:
        raise SignedOutError
    visitors = parts().visitors
    return visitors.come(identity) if acts else visitors.stay(identity)


def administers() -> bool:
    """Whether the visitor is an administrator of a team. Raises like `person`."""
    found = person()
    return found.is_administrator and found.id != LOCAL_OWNER


def owner() -> str:
    """The id of the visitor. Raises like `person`, also in the middle of a run."""
    return person().id
