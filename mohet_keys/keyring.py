"""The data keys in the store: sealed keys to what is sealed. Nothing is opened here.

Every method is one transaction. The same data key stands here once for each master key that may
open it, so adding a master key and taking one away touch a handful of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, insert, select, update

from mohet_keys import journal
from mohet_keys.database import Database
from mohet_keys.errors import RefusedError
from mohet_keys.model import Doing
from mohet_keys.queries import wraps
from mohet_keys.sealed import Label, Purpose, WrappedKey
from mohet_keys.tables import DATA_KEY, EVENT, FORMER, KEY, OUTCOME, WRAP


class OutdatedSealError(RefusedError):
    """What was to be written was sealed with a data key that no longer seals. Seal it anew."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A sealed secret somewhere in the store, with what it should be bound to.

    `data_key_id` is what the column beside it says, and `holds` whether it is more than an empty
    secret. `former` tells a secret that was replaced and can come back from the one a key has.
    """

    label: Label
    blob: bytes = field(repr=False)
    data_key_id: str
    name: str
    owner: str
    holds: bool
    former: bool = False


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as the store lists it; `seals` says that it is the one that seals now."""

    id: str
    purpose: Purpose
    seals: bool


class Keyring:
    """The data keys. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> tuple[list[WrappedKey], str | None]:
        """Every data key under every master key, and the id of the one that seals now."""
        with self._database.reading() as connection:
            return _wraps(connection), active(connection)

    def data_keys(self) -> list[DataKey]:
        """Every data key, also one that has lost its wraps, oldest first."""
        asked = select(DATA_KEY.c.id, DATA_KEY.c.purpose, DATA_KEY.c.active)
        with self._database.reading() as connection:
            found = connection.execute(asked.order_by(DATA_KEY.c.created_at, DATA_KEY.c.id))
            return [DataKey(*row) for row in found]

    def begin(self, first: Sequence[WrappedKey], *, sealing: str) -> list[WrappedKey]:
        """Write the first data keys. When another process was first, its keys stay.

        Returns the wraps that are stored now.
        """
        with self._database.writing() as connection:
            if connection.execute(select(DATA_KEY.c.id).limit(1)).first() is None:
                for wrap in first:
                    _add_key(connection, wrap, active=wrap.data_key_id == sealing)
                    _add_wrap(connection, wrap)
            return _wraps(connection)

    # --- another master key ------------------------------------------------------------------

    def add_wraps(self, more: Sequence[WrappedKey], doing: Doing) -> int:
        """Add data keys under a further master key, each in the place of one that is there.

        Returns how many; a data key that is gone by now gets none. All at once or not at all.
        """
        with self._database.writing() as connection:
            known = set(connection.execute(select(DATA_KEY.c.id)).scalars())
            new = [wrap for wrap in more if wrap.data_key_id in known]
            for wrap in new:
                same = (WRAP.c.data_key_id == wrap.data_key_id, WRAP.c.master_id == wrap.master_id)
                connection.execute(delete(WRAP).where(*same))
                _add_wrap(connection, wrap)
            if new:
                journal.write(connection, doing)
        return len(new)

    def retire(self, kept: Sequence[WrappedKey], doing: Doing) -> int:
        """Take all wraps away but those under the master key of `kept`. Returns how many.

        Raises RefusedError when there is a data key that none of `kept` is of; nothing is
        changed then.
        """
        masters = {wrap.master_id for wrap in kept}
        with self._database.writing() as connection:
            known = set(connection.execute(select(DATA_KEY.c.id)).scalars())
            there = {wrap.data_key_id for wrap in _wraps(connection) if wrap in kept}
            if known - there or len(masters) != 1:
                raise RefusedError("Some data keys need the old master key. Run rotate first.")
            gone = connection.execute(delete(WRAP).where(WRAP.c.master_id.not_in(masters))).rowcount
            if gone:
                journal.write(connection, doing)
        self._database.wipe()
        return gone

    # --- another data key --------------------------------------------------------------------

    def replace_sealing(
        self, minted: Sequence[WrappedKey], *, before: str, doing: Doing
    ) -> int | None:
        """Have a new data key seal from now on; `minted` is it under each master key in use.

        Returns the number under which that is on record; `finish` ends it. None, and nothing is
        changed, when another one than `before` seals by now, or other master keys are in use.
        """
        seals = (DATA_KEY.c.id == before, DATA_KEY.c.purpose == "seal", DATA_KEY.c.active)
        with self._database.writing() as connection:
            masters = {wrap.master_id for wrap in _wraps(connection)}
            if masters != {wrap.master_id for wrap in minted}:
                return None
            # Told by the rows it changed, so that of two at once only one can come through.
            if not connection.execute(update(DATA_KEY).where(*seals).values(active=False)).rowcount:
                return None
            _add_key(connection, minted[0], active=True)
            for wrap in minted:
                _add_wrap(connection, wrap)
            return journal.write(connection, doing)

    def unfinished(self) -> int | None:
        """The number on record of a replaced data key whose secrets are not all sealed anew."""
        asked = (
            select(EVENT.c.id)
            .outerjoin(OUTCOME, OUTCOME.c.event_id == EVENT.c.id)
            .where(EVENT.c.action == "reseal", EVENT.c.result == "", OUTCOME.c.event_id.is_(None))
            .order_by(EVENT.c.id.desc())
        )
        with self._database.reading() as connection:
            found: int | None = connection.execute(asked.limit(1)).scalar()
        return found

    def secrets(self, limit: int, *, after: str = "") -> list[SealedSecret]:
        """Up to `limit` sealed secrets of keys, by their ids, from the one that follows `after`."""
        asked = _sealed(KEY).where(KEY.c.id > after)
        with self._database.reading() as connection:
            found = connection.execute(asked.order_by(KEY.c.id).limit(limit))
            return [_secret(row) for row in found]

    def former_secrets(self) -> list[SealedSecret]:
        """The sealed secrets that were replaced and can be brought back."""
        asked = _sealed(FORMER)
        with self._database.reading() as connection:
            found = connection.execute(asked.join(FORMER, FORMER.c.key_id == KEY.c.id))
            return [_secret(row, former=True) for row in found]

    def reseal(self, resealed: Sequence[tuple[SealedSecret, bytes]], data_key_id: str) -> int:
        """Write secrets that were sealed anew, each unless it was changed meanwhile.

        Neither revision nor version counts on: it is the same secret. Returns how many. Raises
        OutdatedSealError when `data_key_id` is not what seals now.
        """
        written = 0
        with self._database.writing() as connection:
            require_active(connection, data_key_id)
            for secret, blob in resealed:
                table, name = (FORMER, "key_id") if secret.former else (KEY, "id")
                seen = (table.c[name] == secret.label.key_id, table.c.sealed == secret.blob)
                values = {"sealed": blob, "data_key_id": data_key_id}
                written += connection.execute(update(table).where(*seen).values(values)).rowcount
        self._database.wipe(patient=False)
        return written

    def finish(
        self, number: int, at: datetime, detail: str, *, spared: Sequence[str] = ()
    ) -> list[str]:
        """Record that all is sealed anew, and delete the data keys that seal nothing more.

        One in use stays, by the column beside each secret, and so do the `spared`. Returns the
        ids of those that are gone.
        """
        with self._database.writing() as connection:
            idle = select(DATA_KEY.c.id).where(DATA_KEY.c.purpose == "seal", ~DATA_KEY.c.active)
            for table in (KEY, FORMER):
                used = select(table.c.data_key_id).where(table.c.data_key_id == DATA_KEY.c.id)
                idle = idle.where(~used.exists())
            asked = idle.where(DATA_KEY.c.id.not_in(list(spared)))
            gone = list(connection.execute(asked).scalars())
            connection.execute(delete(WRAP).where(WRAP.c.data_key_id.in_(gone)))
            connection.execute(delete(DATA_KEY).where(DATA_KEY.c.id.in_(gone)))
            journal.close(connection, number, "done", at, detail)
        self._database.wipe()
        return gone


def active(connection: Connection) -> str | None:
    """Id of the data key that seals now."""
    asked = select(DATA_KEY.c.id).where(DATA_KEY.c.active, DATA_KEY.c.purpose == "seal")
    found: str | None = connection.execute(asked).scalar()
    return found


def require_active(connection: Connection, data_key_id: str) -> None:
    """Refuse what another data key sealed than the one that seals now.

    Raises OutdatedSealError, also when the store has lost its data keys: what was sealed with one
    that is gone could be opened by nobody.
    """
    if active(connection) != data_key_id:
        raise OutdatedSealError("The keys that seal were just replaced. Try again.")


def _sealed(table: Table) -> Select[Any]:
    """The sealed secrets of keys, or those they had before, in the order of `SealedSecret`."""
    label = (KEY.c.id, KEY.c.provider, KEY.c.endpoint, table.c.revision, KEY.c.allow_http)
    beside = (table.c.data_key_id, KEY.c.name, KEY.c.owner, KEY.c.has_secret)
    return select(*label, table.c.sealed, *beside).select_from(KEY)


def _secret(row: Any, *, former: bool = False) -> SealedSecret:
    key_id, provider, endpoint, revision, allow_http, *beside = row
    label = Label(key_id, provider, endpoint, revision, allow_http)
    blob, data_key_id, name, owner, holds = beside
    return SealedSecret(label, blob, data_key_id, name, owner, holds, former)


def _wraps(connection: Connection) -> list[WrappedKey]:
    return [WrappedKey(*row) for row in connection.execute(wraps())]


def _add_key(connection: Connection, wrap: WrappedKey, *, active: bool) -> None:
    key = {"id": wrap.data_key_id, "purpose": wrap.purpose, "active": active}
    connection.execute(insert(DATA_KEY).values(**key, created_at=datetime.now(UTC)))


def _add_wrap(connection: Connection, wrap: WrappedKey) -> None:
    values = {"data_key_id": wrap.data_key_id, "master_id": wrap.master_id, "blob": wrap.blob}
    connection.execute(insert(WRAP).values(values))
