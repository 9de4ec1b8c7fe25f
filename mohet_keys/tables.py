"""The tables. Each column is tagged with what protects it; a test fails on an untagged one.

- sealed: what it says is also inside the sealed value, so a change of it alone locks the key
- identity: says whose or which row it is
- cosmetic: may be changed by whoever can write the database, without harm to a secret
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

SEALED = {"trust": "sealed"}
IDENTITY = {"trust": "identity"}
COSMETIC = {"trust": "cosmetic"}


Number = BigInteger().with_variant(Integer, "sqlite")
"""A whole number that may grow beyond 32 bits, as SQLite's own numbers can."""


@compiles(Text, "postgresql")
def _text_by_code_points(*_: object, **__: object) -> str:
    """A text as a column of PostgreSQL: sorted, and lowered, as SQLite does it. The language of a
    database would put names in another order there."""
    return 'TEXT COLLATE "C"'


class Moment(TypeDecorator[datetime]):
    """A point in time: UTC in the database, aware in Python. A naive one is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """To UTC without a zone, which every database keeps alike."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Back to an aware UTC time."""
        return None if value is None else value.replace(tzinfo=UTC)


class _Base(SQLModel):
    metadata = MetaData()
    # The tables are used by themselves and no row is ever made of a model, so what would check
    # one is not built: that takes a millisecond for each table.
    model_config = {"defer_build": True}


def _text(info: dict[str, str], **more: Any) -> Any:
    return Field(sa_column=Column(Text, nullable=more.pop("nullable", False), info=info, **more))


def _moment(info: dict[str, str], *, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Moment, nullable=nullable, info=info))


def _counted() -> Any:
    """A number that the database gives out, and never twice."""
    return Field(
        default=None, sa_column=Column(Number, Identity(), primary_key=True, info=IDENTITY)
    )


class KeyRow(_Base, table=True):
    """A saved key. The sealed bytes stay out of its repr and out of every listing.

    `owner` is who saved it, or got it from them. `shelf` is where it stands: the owner's id while
    it is private, `team` once it is shared. `rank` is where its check puts it in a list by status:
    kept here for the sake of an index. `typed_by` is who typed the secret it has now.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        Index("api_key_name", "shelf", "provider", "name_key", unique=True),
        Index("api_key_fingerprint", "owner", "fingerprint", unique=True),
        # One for each order of a list, within a provider and over all, so that a page of 10,000
        # keys costs what a page of 12 does.
        Index("api_key_age", "shelf", "provider", "created_at", "id"),
        Index("api_key_rank", "shelf", "provider", "rank", "name_key", "id"),
        Index("api_key_all_age", "shelf", "created_at", "id"),
        Index("api_key_all_name", "shelf", "name_key", "id"),
        Index("api_key_all_rank", "shelf", "rank", "name_key", "id"),
        # The oldest secrets, and how many are too old, counted in the index alone.
        Index("api_key_secret", "shelf", "has_secret", "secret_at", "rank", "id"),
        # How many keys nobody uses, counted in the same way.
        Index("api_key_used", "shelf", "used_at", "created_at"),
    )

    id: str = _text(IDENTITY, primary_key=True)
    owner: str = _text(IDENTITY)
    shelf: str = _text(IDENTITY)
    provider: str = _text(SEALED)
    name: str = _text(COSMETIC)
    name_key: str = _text(COSMETIC)
    endpoint: str = _text(SEALED)
    hint: str = _text(COSMETIC)
    has_secret: bool = Field(sa_column_kwargs={"info": COSMETIC})
    sealed: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False, info=SEALED))
    fingerprint: str | None = Field(
        default=None, repr=False, sa_column=Column(Text, nullable=True, info=COSMETIC)
    )
    data_key_id: str = _text(COSMETIC)
    revision: int = Field(sa_column_kwargs={"info": SEALED})
    version: int = Field(sa_column_kwargs={"info": COSMETIC})
    looks_like: str | None = Field(
        default=None, sa_column=Column(Text, nullable=True, info=COSMETIC)
    )
    allow_http: bool = Field(sa_column_kwargs={"info": SEALED})
    rank: int = Field(sa_column_kwargs={"info": COSMETIC})
    created_at: datetime = _moment(COSMETIC)
    updated_at: datetime = _moment(COSMETIC)
    updated_by: str = _text(COSMETIC)
    secret_at: datetime | None = _moment(COSMETIC, nullable=True)
    used_at: datetime | None = _moment(COSMETIC, nullable=True)
    typed_by: str = _text(IDENTITY)


def _key_id() -> Any:
    reference = ForeignKey("api_key.id", ondelete="CASCADE")
    return Field(sa_column=Column(Text, reference, primary_key=True, info=IDENTITY))


class CheckRow(_Base, table=True):
    """The last check of each key, and beside it what was last proven."""

    __tablename__ = "key_check"
    __table_args__ = (Index("key_check_expires", "expires_at", "key_id", "revision"),)

    key_id: str = _key_id()
    revision: int = Field(sa_column_kwargs={"info": COSMETIC})
    verdict: str = _text(COSMETIC)
    reason: str = _text(COSMETIC)
    explanation: str = _text(COSMETIC)
    remedy: str = _text(COSMETIC)
    retry_after: float | None = Field(default=None, sa_column_kwargs={"info": COSMETIC})
    endpoint: str | None = Field(default=None, sa_column=Column(Text, info=COSMETIC))
    link: str | None = Field(default=None, sa_column=Column(Text, info=COSMETIC))
    http_status: int | None = Field(default=None, sa_column_kwargs={"info": COSMETIC})
    latency_ms: int | None = Field(default=None, sa_column_kwargs={"info": COSMETIC})
    checked_at: datetime = _moment(COSMETIC)
    models: str = _text(COSMETIC)
    recommended_model: str | None = Field(default=None, sa_column=Column(Text, info=COSMETIC))
    proven_verdict: str | None = Field(default=None, sa_column=Column(Text, info=COSMETIC))
    proven_reason: str | None = Field(default=None, sa_column=Column(Text, info=COSMETIC))
    proven_at: datetime | None = _moment(COSMETIC, nullable=True)
    credit: float | None = Field(default=None, sa_column_kwargs={"info": COSMETIC})
    expires_at: datetime | None = _moment(COSMETIC, nullable=True)


class SelectionRow(_Base, table=True):
    """The key each owner chats with."""

    __tablename__ = "selection"

    owner: str = _text(IDENTITY, primary_key=True)
    key_id: str = Field(
        sa_column=Column(
            Text,
            ForeignKey("api_key.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
            info=IDENTITY,
        )
    )
    updated_at: datetime = _moment(COSMETIC)


class ModelChoiceRow(_Base, table=True):
    """The model each owner chose for a key, kept while other keys are used."""

    __tablename__ = "model_choice"

    owner: str = _text(IDENTITY, primary_key=True)
    key_id: str = _key_id()
    model: str = _text(COSMETIC)
    listed: bool = Field(sa_column_kwargs={"info": COSMETIC})
    updated_at: datetime = _moment(COSMETIC)


class DataKeyRow(_Base, table=True):
    """A data key; what it is for, and which of them seals now."""

    __tablename__ = "data_key"

    id: str = _text(IDENTITY, primary_key=True)
    purpose: str = _text(SEALED)
    active: bool = Field(sa_column_kwargs={"info": COSMETIC})
    created_at: datetime = _moment(COSMETIC)


class WrapRow(_Base, table=True):
    """A data key wrapped under one master key."""

    __tablename__ = "data_key_wrap"

    data_key_id: str = Field(
        sa_column=Column(Text, ForeignKey("data_key.id"), primary_key=True, info=IDENTITY)
    )
    master_id: str = _text(IDENTITY, primary_key=True)
    blob: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False, info=SEALED))


_DONE = text("action != 'watch'")


class EventRow(_Base, table=True):
    """Something that was done to a key. Only ever added to; a trigger refuses anything else.

    It has the key's name and host as they were, and no reference, for it outlives the key.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_owner", "owner", "id"),
        # Looks happen all day long and are not shown unless asked for: what is must be found.
        Index("event_told", "owner", "id", sqlite_where=_DONE, postgresql_where=_DONE),
        Index("event_actor", "actor", "id"),
        Index("event_key", "key_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = _counted()
    at: datetime = _moment(COSMETIC)
    actor: str = _text(IDENTITY)
    owner: str = _text(IDENTITY)
    action: str = _text(COSMETIC)
    key_id: str | None = Field(default=None, sa_column=Column(Text, info=IDENTITY))
    key_name: str = _text(COSMETIC)
    provider: str = _text(COSMETIC)
    host: str = _text(COSMETIC)
    result: str = _text(COSMETIC)
    detail: str = _text(COSMETIC)
    request_id: str = _text(COSMETIC)
    fingerprint: str | None = Field(
        default=None, repr=False, sa_column=Column(Text, nullable=True, info=COSMETIC)
    )


class OutcomeRow(_Base, table=True):
    """How something ended that was recorded before it began. Only ever added to."""

    __tablename__ = "event_outcome"

    event_id: int = Field(
        sa_column=Column(Number, ForeignKey("event.id"), primary_key=True, info=IDENTITY)
    )
    at: datetime = _moment(COSMETIC)
    result: str = _text(COSMETIC)
    detail: str = _text(COSMETIC)


class FormerRow(_Base, table=True):
    """The secret a key had before it was replaced, for as long as that can be undone.

    It is sealed as it was, for the destination it was for; the rest says how it looked.
    """

    __tablename__ = "former_secret"

    key_id: str = _key_id()
    revision: int = Field(sa_column_kwargs={"info": SEALED})
    sealed: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False, info=SEALED))
    data_key_id: str = _text(COSMETIC)
    typed_by: str = _text(IDENTITY)
    undo_until: datetime = _moment(COSMETIC)


class SeenRow(_Base, table=True):
    """What every check came to, for some months: the last one in full is in `key_check`."""

    __tablename__ = "check_history"
    __table_args__ = (
        Index("check_history_key", "key_id", "id"),
        Index("check_history_at", "at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = _counted()
    key_id: str = Field(
        sa_column=Column(
            Text, ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False, info=IDENTITY
        )
    )
    at: datetime = _moment(COSMETIC)
    verdict: str = _text(COSMETIC)
    reason: str = _text(COSMETIC)
    latency_ms: int | None = Field(default=None, sa_column_kwargs={"info": COSMETIC})


class HourRow(_Base, table=True):
    """How many checks of one provider's keys in one hour came to a verdict, of one shelf's.

    Counted as they are made, so that a chart of months reads some thousand lines. It outlives keys.
    """

    __tablename__ = "check_hour"

    shelf: str = _text(IDENTITY, primary_key=True)
    hour: datetime = Field(sa_column=Column(Moment, primary_key=True, info=IDENTITY))
    provider: str = _text(IDENTITY, primary_key=True)
    verdict: str = _text(IDENTITY, primary_key=True)
    checks: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    timed: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    latency_ms: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})


class UseRow(_Base, table=True):
    """What was sent through a key on one day, which begins at midnight UTC."""

    __tablename__ = "daily_use"
    __table_args__ = (Index("daily_use_day", "day"),)

    key_id: str = _key_id()
    day: str = _text(IDENTITY, primary_key=True)
    requests: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    errors: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    tokens_in: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    tokens_out: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    last_at: datetime = _moment(COSMETIC)


class WatchRow(_Base, table=True):
    """When a key is looked at next, and how often in a row that failed for now."""

    __tablename__ = "watch"

    key_id: str = _key_id()
    next_at: datetime = _moment(COSMETIC)
    failures: int = Field(sa_column_kwargs={"info": COSMETIC})


class LeaseRow(_Base, table=True):
    """Who may do what only one may do at a time, and until when."""

    __tablename__ = "lease"

    name: str = _text(IDENTITY, primary_key=True)
    holder: str = _text(IDENTITY)
    until: datetime = _moment(COSMETIC)


class ProcessRow(_Base, table=True):
    """A running app, and the master keys it can open with."""

    __tablename__ = "process"

    id: str = _text(IDENTITY, primary_key=True)
    masters: str = _text(COSMETIC)
    started_at: datetime = _moment(COSMETIC)
    seen_at: datetime = _moment(COSMETIC)
    used_at: datetime | None = _moment(COSMETIC, nullable=True)


class PersonRow(_Base, table=True):
    """Somebody who signed in. `named` says that the settings' word for them was heeded already."""

    __tablename__ = "person"

    id: str = _text(IDENTITY, primary_key=True)
    name: str = _text(COSMETIC)
    role: str = _text(IDENTITY)
    disabled: bool = Field(sa_column_kwargs={"info": IDENTITY})
    named: bool = Field(sa_column_kwargs={"info": COSMETIC})
    first_seen: datetime = _moment(COSMETIC)
    last_seen: datetime = _moment(COSMETIC)


class SignInRow(_Base, table=True):
    """One sign-in of one person; `id` is a digest of what the identity provider said of it."""

    __tablename__ = "sign_in"
    __table_args__ = (Index("sign_in_owner", "owner", "ended_at"),)

    id: str = _text(IDENTITY, primary_key=True)
    owner: str = _text(IDENTITY)
    started_at: datetime = _moment(COSMETIC)
    last_at: datetime = _moment(IDENTITY)
    ends_at: datetime = _moment(IDENTITY)
    ended_at: datetime | None = _moment(IDENTITY, nullable=True)


class RuleRow(_Base, table=True):
    """What the administrators allow everybody: one row, or none while they changed nothing."""

    __tablename__ = "rule"

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False, info=IDENTITY))
    providers: str | None = Field(default=None, sa_column=Column(Text, info=IDENTITY))
    hosts: str = _text(IDENTITY)
    only_these_hosts: bool = Field(sa_column_kwargs={"info": IDENTITY})
    private_keys: bool = Field(sa_column_kwargs={"info": IDENTITY})
    person_limit: int | None = Field(default=None, sa_column_kwargs={"info": IDENTITY})
    key_limit: int | None = Field(default=None, sa_column_kwargs={"info": IDENTITY})


class PersonUseRow(_Base, table=True):
    """What one person sent through a key on one day. It outlives the key, for it is counted against
    a limit."""

    __tablename__ = "person_use"
    __table_args__ = (Index("person_use_key", "key_id", "day"), Index("person_use_day", "day"))

    person: str = _text(IDENTITY, primary_key=True)
    day: str = _text(IDENTITY, primary_key=True)
    key_id: str = _text(IDENTITY, primary_key=True)
    requests: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    errors: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    tokens_in: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})
    tokens_out: int = Field(sa_type=Number, sa_column_kwargs={"info": COSMETIC})


class NoticeRow(_Base, table=True):
    """What somebody is to be told, until they were."""

    __tablename__ = "notice"
    __table_args__ = (Index("notice_person", "person", "id"), {"sqlite_autoincrement": True})

    id: int | None = _counted()
    person: str = _text(IDENTITY)
    at: datetime = _moment(COSMETIC)
    words: str = _text(COSMETIC)


METADATA = _Base.metadata
KEY = METADATA.tables["api_key"]
CHECK = METADATA.tables["key_check"]
SELECTION = METADATA.tables["selection"]
MODEL_CHOICE = METADATA.tables["model_choice"]
DATA_KEY = METADATA.tables["data_key"]
WRAP = METADATA.tables["data_key_wrap"]
EVENT = METADATA.tables["event"]
OUTCOME = METADATA.tables["event_outcome"]
FORMER = METADATA.tables["former_secret"]
LEASE = METADATA.tables["lease"]
PROCESS = METADATA.tables["process"]
SEEN = METADATA.tables["check_history"]
HOUR = METADATA.tables["check_hour"]
USE = METADATA.tables["daily_use"]
WATCH = METADATA.tables["watch"]
PERSON = METADATA.tables["person"]
SIGN_IN = METADATA.tables["sign_in"]
NOTICE = METADATA.tables["notice"]
RULE = METADATA.tables["rule"]
PERSON_USE = METADATA.tables["person_use"]
