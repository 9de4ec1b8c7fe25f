"""The frozen values that the floors pass to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

LOCAL_OWNER = "local"
"""Who owns a key when nobody signs in. No person can have this id: it is no e-mail address."""
UNDO_FOR = timedelta(minutes=15)
"""How long the secret that a key had before can be brought back after it was replaced."""


class Role(StrEnum):
    """What a person is in the team. Stored, so a word is never changed."""

    MEMBER = "member"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `id` is the verified e-mail address, folded by `people.id_of`."""

    id: str
    name: str
    role: Role = Role.MEMBER
    disabled: bool = False
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @property
    def is_administrator(self) -> bool:
        """Whether this person may act for the team."""
        return self.role is Role.ADMINISTRATOR and not self.disabled


TEAM = "team"
"""The shelf that everybody looks at. No person can have this id either."""


def shelves_of(person_id: str) -> tuple[str, ...]:
    """Where somebody's keys stand: on their own shelf and, for who signs in, on the team's."""
    return (person_id,) if person_id == LOCAL_OWNER else (person_id, TEAM)


LOCAL_PERSON = Person(LOCAL_OWNER, LOCAL_OWNER, Role.ADMINISTRATOR)
"""Whoever uses a local run: the administrator of their own store, without a row or a look-up."""


class Verdict(StrEnum):
    """What a check says about a key. The order is that of the badges' table in the README."""

    VALID = "valid"
    LIMITED = "limited"
    INVALID = "invalid"
    MISCONFIGURED = "misconfigured"
    UNREACHABLE = "unreachable"
    UNVERIFIED = "unverified"
    LOCKED = "locked"
    UNCHECKED = "unchecked"

    @property
    def may_send(self) -> bool:
        """Whether a chat may send through a key with this verdict."""
        return self not in {Verdict.INVALID, Verdict.MISCONFIGURED, Verdict.LOCKED}

    @property
    def is_passing(self) -> bool:
        """Whether it says nothing of the key, so that an earlier, proven verdict still counts."""
        return self is Verdict.UNREACHABLE


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """An answer, judged.

    `reason` is a short phrase ("no credit left"), `explanation` one or two sentences on what
    happened, `remedy` what to do next (empty only for a key that is plainly valid).
    `retry_after` is in seconds where the provider names a wait. `endpoint` is a better base URL
    where the answer names one. `link` is a page of the provider's that helps.
    """

    verdict: Verdict
    reason: str
    explanation: str
    remedy: str = ""
    retry_after: float | None = None
    endpoint: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of a key's own live list, as far as the provider tells about it."""

    id: str
    chat: bool = True
    loaded: bool = False
    free: bool = False
    context: int | None = None
    size: int | None = None
    tools: bool = False
    shutdown: str | None = None
    """Date (YYYY-MM-DD) after which the provider no longer serves it."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The last verdict that a provider itself proved, kept through passing failures."""

    verdict: Verdict
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One validation run of one key, at one revision of its secret and destination."""

    key_id: str
    revision: int
    diagnosis: Diagnosis
    checked_at: datetime
    http_status: int | None = None
    latency_ms: int | None = None
    models: tuple[str, ...] = ()
    recommended_model: str | None = None
    proven: Proven | None = None
    credit: float | None = None
    """What is left to spend, in dollars, where the provider tells."""
    expires_at: datetime | None = None
    """When the provider ends this key, where it tells."""
    use: int = 0
    """The record of the use it comes of; 0 where none was made. Not kept with the check."""


Action = Literal[
    "add",
    "rename",
    "edit",
    "move",
    "release",
    "replace",
    "undo",
    "delete",
    "share",
    "unshare",
    "check",
    "watch",
    "try",
    "chat",
    "reveal",
    "export",
    "use",
    "rotate",
    "retire",
    "reseal",
    "backup",
    "restore",
    "sign_in",
    "sign_out",
    "role",
    "disable",
    "enable",
    "hand_over",
    "rules",
    "denied",
    "copy",
]
"""What can happen to a key, or to all of them. Stored, so a word is never changed."""


@dataclass(frozen=True, slots=True)
class Doing:
    """Something done to a key, on its way into the record. Its texts hold no secret.

    `result` is empty for what only begins; how it ends is told later.
    """

    action: Action
    actor: str
    owner: str
    at: datetime
    key_id: str | None = None
    key_name: str = ""
    provider: str = ""
    host: str = ""
    """The host that the secret may go to."""
    result: str = "done"
    detail: str = ""
    request_id: str = ""
    mark: str | None = None
    """The keyed mark of the secret it was done with, empty for one too short to have a mark; None
    for the secret that the key has."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that was done, as it stands in the record."""

    id: int
    at: datetime
    actor: str
    owner: str
    action: str
    key_id: str | None
    key_name: str
    provider: str
    host: str
    result: str
    """Empty when it began and never told how it ended."""
    detail: str
    request_id: str
    fingerprint: str | None = None
    """A keyed mark of the secret, to tell which secret of a key it was; never a part of it."""


class NewKey(BaseModel):
    """A key on its way in. The only shape that carries a secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    provider: str
    name: str
    secret: SecretStr
    endpoint: str = ""
    allow_http: bool = False
    """The user's explicit yes to plain http outside private addresses."""


class KeyChanges(BaseModel):
    """What an edit asks for. None, or an empty secret, means: leave as it is."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str | None = None
    secret: SecretStr | None = None
    endpoint: str | None = None
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A saved key as everything above the store sees it: with the hint, never with the secret."""

    id: str
    owner: str
    provider: str
    name: str
    endpoint: str
    hint: str
    has_secret: bool
    revision: int
    """Counts changes of secret or destination. A check result belongs to one revision."""
    version: int
    """Counts every change of the row; an edit must name the one it has seen."""
    created_at: datetime
    updated_at: datetime
    updated_by: str
    looks_like: str | None = None
    """Slug of the vendor whose key the secret looks like; nothing is sent while this is set."""
    allow_http: bool = False
    selected: bool = False
    check: CheckResult | None = None
    secret_at: datetime | None = None
    """When the secret that the key has now was put in."""
    used_at: datetime | None = None
    """When something was last sent through it; None when nothing ever was."""
    undo_until: datetime | None = None
    """Until when the secret it had before can be brought back; None when there is none."""
    locked: str | None = None
    """Why the secret cannot be opened now; None when it can."""
    shared: bool = False
    """Whether everybody in the team may use it, and not its owner alone."""
    owner_name: str = ""
    """What its owner is called; empty in a local run."""
    mine: bool = True
    """Whether whoever asked owns it."""
    may_change: bool = True
    """Whether whoever asked may check, change, share and delete it, and not only use it."""

    @property
    def shelf(self) -> str:
        """Where it stands: on its owner's shelf, or on the team's."""
        return TEAM if self.shared else self.owner


@dataclass(frozen=True, slots=True)
class ChosenBy:
    """Who else has a key selected: how many, and their names for those who may know them."""

    people: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """A key opened for one request. Lives as short as the request; its repr hides the secret."""

    id: str
    provider: str
    destination: str
    """The base URL that was authenticated together with the secret. Requests go nowhere else."""
    revision: int
    secret: str | None = field(repr=False)
    allow_http: bool = False
    allow_private: bool = True
    """Whether its host may be at an address of a private network."""
    use: int = 0
    """The record of this use, for its outcome; 0 for a key that is not saved."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's whole answer, already capped and with the secret scrubbed out of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The key and model a user chats with now."""

    owner: str
    key_id: str
    model: str | None = None
    """The user's own choice for this key; None leaves it to the recommendation."""
    listed: bool = False
    """Whether the provider listed that model when it was chosen, and it was not typed in."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a reply took, as far as the provider tells."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one message took. Tokens are 0 where the provider does not tell."""

    is_error: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What came of a reply since the last one."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of a reply that is no part of it, as one plain sentence."""

    words: str


Outcome = Literal["finished", "length", "cut", "stopped", "deleted", "denied", "refused", "failed"]
"""How a reply ended: as it should; at the longest a reply may be; broken off with a part of it
there; stopped by the user; its key deleted; its key, or everything, not the user's to use any more;
its key rejected by the provider; nothing came."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a reply. `diagnosis` says why when it is no good one. Times are in seconds."""

    outcome: Outcome
    key_id: str
    key_name: str
    """Empty when the key was gone before anything was sent."""
    asked_model: str
    answered_model: str = ""
    """As the provider named it; empty when it named none."""
    diagnosis: Diagnosis | None = None
    usage: Usage | None = None
    seconds: float = 0.0
    first_token_seconds: float | None = None


ChatEvent = Delta | Note | Ended
