"""The data keys in the store: sealed keys to what is sealed. Nothing is opened here.

Every method is one transaction. The same data key stands here once for each master key that may
open it, so adding a master key and taking one away touch a handful of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from mohet_keys import journal
from mohet_keys.database import Database
from mohet_keys.errors import RefusedError
from mohet_keys.model import Doing
from mohet_keys.queries import wraps
from mohet_keys.sealed import Label, WrappedKey
from mohet_keys.tables import DATA_KEY, FORMER, KEY, WRAP


class OutdatedSealError(RefusedError):
    """What was to be written was sealed with a data key that no longer seals. Seal it anew."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A sealed secret somewhere in the store, with what it should be bound to.

    `former` tells a secret that was replaced and can come back from the one a key has.
    """

    label: Label
    blob: bytes = field(repr=False)
    former: bool = False


class Keyring:
    """The data keys. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> tuple[list[WrappedKey], str | None]:
        """Every data key under every master key, and the id of the one that seals now."""
        with self._database.reading() as connection:
            return _wraps(connection), active(connection)

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
        """Add data keys under a further master key; those that are there already stay.

        Returns how many were added. All at once or not at all.
        """
        with self._database.writing() as connection:
            there = {(wrap.data_key_id, wrap.master_id) for wrap in _wraps(connection)}
            new = [wrap for wrap in more if (wrap.data_key_id, wrap.master_id) not in there]
            for wrap in new:
                _add_wrap(connection, wrap)
            if new:
                journal.write(connection, doing)
        return len(new)

    def retire(self, master_ids: Sequence[str], kept: str, doing: Doing) -> int:
        """Take the wraps of these master keys away. Returns how many.

        Raises RefusedError when a data key has no wrap under `kept`; nothing is changed then.
        """
        with self._database.writing() as connection:
            known = {wrap.data_key_id for wrap in _wraps(connection)}
            safe = {w.data_key_id for w in _wraps(connection) if w.master_id == kept}
            if known - safe or kept in master_ids:
                raise RefusedError(
                    "Some data keys open only with the old master key. Run rotate first."
                )
            gone = connection.execute(delete(WRAP).where(WRAP.c.master_id.in_(master_ids))).rowcount
            if gone:
                journal.write(connection, doing)
        self._database.wipe()
        return gone

    # --- another data key --------------------------------------------------------------------

    def replace_sealing(self, wraps: Sequence[WrappedKey], *, before: str, doing: Doing) -> bool:
        """Have a new data key seal from now on; `wraps` are it under each master key in use.

        False, and nothing is changed, when another one than `before` seals by now.
        """
        with self._database.writing() as connection:
            if active(connection) != before:
                return False
            sealing = DATA_KEY.c.purpose == "seal"
            connection.execute(update(DATA_KEY).where(sealing).values(active=False))
            _add_key(connection, wraps[0], active=True)
            for wrap in wraps:
                _add_wrap(connection, wrap)
            journal.write(connection, doing)
            return True

    def outdated(self, limit: int, *, after: str = "") -> list[SealedSecret]:
        """Up to `limit` sealed secrets of keys that another data key than the present sealed.

        In the order of their ids, from the one that follows `after`.
        """
        with self._database.reading() as connection:
            now = active(connection)
            asked = (
                select(KEY.c.id, KEY.c.provider, KEY.c.endpoint, KEY.c.revision, KEY.c.allow_http)
                .add_columns(KEY.c.sealed)
                .where(KEY.c.data_key_id != now, KEY.c.id > after)
                .order_by(KEY.c.id)
                .limit(limit)
            )
            return [SealedSecret(Label(*row[:5]), row[5]) for row in connection.execute(asked)]

    def outdated_former(self) -> list[SealedSecret]:
        """The same of the secrets that can be brought back."""
        with self._database.reading() as connection:
            label = (KEY.c.id, KEY.c.provider, KEY.c.endpoint, FORMER.c.revision, KEY.c.allow_http)
            asked = (
                select(*label, FORMER.c.sealed)
                .join(KEY, KEY.c.id == FORMER.c.key_id)
                .where(FORMER.c.data_key_id != active(connection))
            )
            found = connection.execute(asked)
            return [SealedSecret(Label(*row[:5]), row[5], former=True) for row in found]

    def reseal(self, resealed: Sequence[tuple[SealedSecret, bytes]], data_key_id: str) -> int:
        """Write secrets that were sealed anew, each unless it was changed meanwhile.

        Neither revision nor version counts on: it is the same secret. Returns how many.
        """
        written = 0
        with self._database.writing() as connection:
            if active(connection) != data_key_id:
                raise OutdatedSealError("Another data key seals by now. Run it again.")
            for secret, blob in resealed:
                table, name = (FORMER, "key_id") if secret.former else (KEY, "id")
                seen = (table.c[name] == secret.label.key_id, table.c.sealed == secret.blob)
                values = {"sealed": blob, "data_key_id": data_key_id}
                written += connection.execute(update(table).where(*seen).values(values)).rowcount
        self._database.wipe(patient=False)
        return written

    def sealed_by(self) -> dict[str, int]:
        """How many secrets each data key seals, by the column beside them."""
        counts: dict[str, int] = {}
        with self._database.reading() as connection:
            for table in (KEY, FORMER):
                asked = select(table.c.data_key_id, func.count()).group_by(table.c.data_key_id)
                for data_key_id, count in connection.execute(asked):
                    counts[data_key_id] = counts.get(data_key_id, 0) + int(count)
        return counts

    def drop_unused(self) -> list[str]:
        """Delete the data keys for sealing that seal nothing and are not to. Returns their ids.

        Raises nothing for one in use: it stays.
        """
        with self._database.writing() as connection:
            idle = select(DATA_KEY.c.id).where(DATA_KEY.c.purpose == "seal", ~DATA_KEY.c.active)
            for table in (KEY, FORMER):
                used = select(table.c.data_key_id).where(table.c.data_key_id == DATA_KEY.c.id)
                idle = idle.where(~used.exists())
            gone = list(connection.execute(idle).scalars())
            connection.execute(delete(WRAP).where(WRAP.c.data_key_id.in_(gone)))
            connection.execute(delete(DATA_KEY).where(DATA_KEY.c.id.in_(gone)))
        if gone:
            self._database.wipe()
        return gone


def active(connection: Connection) -> str | None:
    """Id of the data key that seals now."""
    asked = select(DATA_KEY.c.id).where(DATA_KEY.c.active, DATA_KEY.c.purpose == "seal")
    found: str | None = connection.execute(asked).scalar()
    return found


def _wraps(connection: Connection) -> list[WrappedKey]:
    return [WrappedKey(*row) for row in connection.execute(wraps())]


def _add_key(connection: Connection, wrap: WrappedKey, *, active: bool) -> None:
    key = {"id": wrap.data_key_id, "purpose": wrap.purpose, "active": active}
    connection.execute(insert(DATA_KEY).values(**key, created_at=datetime.now(UTC)))


def _add_wrap(connection: Connection, wrap: WrappedKey) -> None:
    values = {"data_key_id": wrap.data_key_id, "master_id": wrap.master_id, "blob": wrap.blob}
    connection.execute(insert(WRAP).values(values))
