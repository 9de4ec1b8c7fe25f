"""The saved keys: each method is one transaction, and what comes out has no secret in it.

`sealed` alone reads the sealed bytes. Nothing here encrypts or decrypts. Any method may raise
StoreError, which holds no value of a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, delete, func, insert, literal, select, update

from mohet_keys import history, journal, keyring
from mohet_keys.changes import Changes
from mohet_keys.database import ClashError, Database
from mohet_keys.errors import ConflictError, NotFoundError
from mohet_keys.history import History
from mohet_keys.journal import Journal
from mohet_keys.keyring import Keyring
from mohet_keys.leases import Leases
from mohet_keys.migrations import migrate
from mohet_keys.model import CheckResult, Doing, KeyEntry, Selection, Verdict
from mohet_keys.notices import Notices, Words
from mohet_keys.people import People
from mohet_keys.queries import (
    RANKS,
    Sort,
    among,
    counted,
    filtered,
    former_of,
    is_past,
    is_seen_by,
    mine,
    paged,
    ranked_as,
    referred,
    sealed_of,
    selected,
    twin_of,
)
from mohet_keys.queries_overview import Survey
from mohet_keys.rows import (
    UNSET,
    FormerSecret,
    InTheWay,
    NewRow,
    RowChanges,
    SealedRow,
    check_columns,
    entry_of,
    is_storable,
    with_proof,
)
from mohet_keys.rulebook import RuleBook
from mohet_keys.sessions import Sessions
from mohet_keys.shelves import Shelves, first, found, in_the_way, one, taken, told_of_end
from mohet_keys.tables import (
    CHECK,
    DATA_KEY,
    FORMER,
    KEY,
    MODEL_CHOICE,
    SEEN,
    SELECTION,
    USE,
    WATCH,
    Moment,
)
from mohet_keys.uses import Uses
from mohet_keys.watches import Watches

__all__ = ["UNSET", "NewRow", "Repository", "RowChanges", "SealedRow", "Sort"]

_OF_A_KEY = (
    SEEN.c.key_id,
    USE.c.key_id,
    WATCH.c.key_id,
    CHECK.c.key_id,
    SELECTION.c.key_id,
    MODEL_CHOICE.c.key_id,
    FORMER.c.key_id,
    KEY.c.id,
)
"""All that goes when a key is deleted, the key itself last."""
_AT_ONCE = 500
"""Ids in one statement; older SQLite takes 999 values."""


class Repository:
    """The store at `url`, brought to its present shape. Threads may share it; forks may not.

    `owner` is always whoever asks: they see the keys on their own shelf and, when they sign in, on
    the team's. What of that they may do is for the service to say.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.journal = Journal(self._database)
        self.history = History(self._database)
        self.uses = Uses(self._database)
        self.watches = Watches(self._database)
        self.survey = Survey(self._database)
        self.keyring = Keyring(self._database)
        self.leases = Leases(self._database)
        self.people = People(self._database)
        self.sessions = Sessions(self._database)
        self.notices = Notices(self._database)
        self.shelves = Shelves(self._database)
        self.rules = RuleBook(self._database)
        self.changes = Changes(self._database)
        try:
            migrate(self._database)
            self._database.wipe()  # what a process that was killed could not
        except BaseException:
            self._database.engine.dispose()
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self.changes.close()
        self._database.close()

    def ping(self) -> None:
        """Read one thing from the store."""
        self._database.ping()

    def is_empty(self) -> bool:
        """Whether nothing was ever sealed here: no key and no data key."""
        with self._database.reading() as connection:
            tables = (KEY, DATA_KEY)
            return all(connection.execute(select(t).limit(1)).first() is None for t in tables)

    # --- reading ----------------------------------------------------------------------------

    def entry(self, key_id: str, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError: unknown, malformed and somebody else's alike."""
        with self._database.reading() as connection:
            return one(connection, owner, key_id)

    def entries(self, key_ids: Sequence[str], owner: str) -> list[KeyEntry]:
        """Those of these keys that there are, in one go, in no certain order."""
        wanted = list(dict.fromkeys(key_ids))
        with self._database.reading() as connection:
            starts = range(0, len(wanted), _AT_ONCE)
            parts = (list(filter(is_storable, wanted[at : at + _AT_ONCE])) for at in starts)
            asked = (among(owner, part) for part in parts)
            return [entry_of(r) for each in asked for r in connection.execute(each).mappings()]

    def find(self, ref: str, owner: str) -> KeyEntry:
        """The key with this id, or named `provider/name`. Raises NotFoundError."""
        with self._database.reading() as connection:
            return found(first(connection, referred(owner, ref)))

    def page(
        self,
        owner: str,
        *,
        provider: str | None = None,
        search: str = "",
        sort: Sort = "newest",
        offset: int = 0,
        limit: int | None = None,
    ) -> list[KeyEntry]:
        """Keys in order, with check and selection, without their sealed column.

        `search` is looked for in name, hint and endpoint, whatever its case.
        """
        asked = paged(
            owner, provider=provider, search=search, sort=sort, offset=offset, limit=limit
        )
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(asked).mappings()]

    def ranked(
        self,
        owner: str,
        verdict: Verdict,
        *,
        limit: int | None = None,
        own_alone: bool = False,
    ) -> list[KeyEntry]:
        """The keys whose last check came to this verdict and that are not held, by name.

        With `own_alone` without those that somebody else shares.
        """
        with self._database.reading() as connection:
            asked = ranked_as(owner, RANKS[verdict], limit, own_alone=own_alone)
            return [entry_of(row) for row in connection.execute(asked).mappings()]

    def count(self, owner: str, *, provider: str | None = None, search: str = "") -> int:
        """How many keys a page is a part of."""
        asked = select(func.count()).select_from(KEY).where(is_seen_by(owner))
        with self._database.reading() as connection:
            return int(connection.execute(filtered(asked, provider, search)).scalar_one())

    def counts(self, owner: str) -> dict[str, int]:
        """How many keys each provider has."""
        with self._database.reading() as connection:
            return {slug: int(count) for slug, count in connection.execute(counted(owner))}

    def sealed(self, key_id: str, owner: str) -> SealedRow:
        """A key with its sealed bytes. Raises NotFoundError."""
        found = self.sealed_all([key_id], owner)
        if not found:
            raise NotFoundError
        return found[0]

    def sealed_all(self, key_ids: Sequence[str], owner: str) -> list[SealedRow]:
        """Those of these keys that there are, with their sealed bytes, in no certain order."""
        with self._database.reading() as connection:
            asked = (sealed_of(owner, key_id) for key_id in dict.fromkeys(key_ids))
            rows = (connection.execute(each).mappings().first() for each in asked)
            return [
                SealedRow(entry_of(row), row["sealed"], row["typed_by"])
                for row in rows
                if row is not None
            ]

    def twin(self, owner: str, fingerprint: str) -> InTheWay | None:
        """The key of this very owner, wherever it stands, that has this fingerprint."""
        with self._database.reading() as connection:
            return in_the_way(connection, twin_of(owner, fingerprint))

    def former(self, key_id: str, owner: str, now: datetime) -> FormerSecret | None:
        """The secret a key had before; None when it is past."""
        with self._database.reading() as connection:
            row = connection.execute(former_of(owner, key_id, now)).first()
        return None if row is None else FormerSecret(*row)

    # --- writing ----------------------------------------------------------------------------

    def insert(self, row: NewRow, *, by: str, doing: Doing | None = None) -> KeyEntry:
        """Write a new key. Raises InputError when its name or its secret is taken.

        Raises OutdatedSealError when its data key does not seal any more.
        """
        given = row.given()
        stamped = {**given, "version": 1, "updated_at": row.created_at, "updated_by": by}
        stamped["rank"] = RANKS[Verdict.UNCHECKED]
        stamped["secret_at"] = row.created_at
        try:
            with self._database.writing() as connection:
                keyring.require_active(connection, row.data_key_id)
                connection.execute(insert(KEY).values(stamped))
                _told(connection, doing)
                return one(connection, row.owner, row.id)
        except ClashError as clash:
            raise taken(self._database, by, given, clash) from None

    def update(
        self,
        key_id: str,
        owner: str,
        *,
        version: int,
        changes: RowChanges,
        by: str,
        at: datetime,
        doing: Doing | None = None,
        undo_until: datetime | None = None,
    ) -> KeyEntry:
        """Change the version that was seen. Raises ConflictError, NotFoundError, InputError.

        A new secret takes the former one away for good, unless `undo_until` says until when the
        one it replaces may come back. Raises OutdatedSealError like `insert`.
        """
        given = changes.given()
        stamped = {**given, "version": version + 1, "updated_at": at, "updated_by": by}
        if "revision" in given:
            stamped["rank"] = RANKS[Verdict.UNCHECKED]
        seen = (KEY.c.id == key_id, KEY.c.version == version)
        try:
            with self._database.writing() as connection:
                before = one(connection, owner, key_id)
                if before.version != version:
                    raise ConflictError(before.name, before.updated_by, before.updated_at)
                if "sealed" in given:
                    keyring.require_active(connection, given["data_key_id"])
                    connection.execute(delete(FORMER).where(FORMER.c.key_id == key_id))
                    if not _has_secret_of(connection, key_id, given.get("fingerprint")):
                        stamped["secret_at"] = at
                if undo_until is not None:
                    connection.execute(_keep_former(key_id, undo_until))
                connection.execute(update(KEY).where(*seen).values(stamped))
                _told(connection, doing)
                after = one(connection, owner, key_id)
        except ClashError as clash:
            raise taken(self._database, owner, {"id": key_id, **given}, clash) from None
        if "sealed" in given:
            self._database.wipe()
        return after

    def delete(
        self,
        key_id: str,
        owner: str,
        *,
        doing: Doing | None = None,
        vet: Callable[[KeyEntry], None] | None = None,
        words: Words | None = None,
    ) -> tuple[KeyEntry, list[str]]:
        """Remove a key, its check and the selections of it, for good.

        Returns what it was, and who else had it selected; they and its owner are told the `words`.
        Nothing is removed when `vet` raises, which gets the key as it is at that moment.
        """
        with self._database.writing() as connection:
            before = one(connection, owner, key_id)
            if vet is not None:
                vet(before)
            others = told_of_end(connection, before, owner, doing, words)
            _delete(connection, [key_id])
        self._database.wipe()
        return before, others

    def delete_all(
        self,
        wanted: Mapping[str, Doing],
        owner: str,
        *,
        vet: Callable[[KeyEntry], bool],
        words: Words | None = None,
    ) -> tuple[list[KeyEntry], list[KeyEntry], list[str]]:
        """The same for several in one transaction. Returns what is gone, what `vet` kept, and who
        else had one of the former selected.

        `wanted` has what is to be recorded of each, by key id; one that is not there is passed
        over.
        """
        gone, kept = [], []
        others: dict[str, None] = {}
        with self._database.writing() as connection:
            for key_id, doing in wanted.items():
                before = first(connection, mine(owner, key_id))
                if before is not None and vet(before):
                    others |= dict.fromkeys(told_of_end(connection, before, owner, doing, words))
                    gone.append(before)
                elif before is not None:
                    kept.append(before)
            _delete(connection, [entry.id for entry in gone])
        if gone:
            self._database.wipe()
        return gone, kept, list(others)

    def forget_former(self, now: datetime) -> int:
        """Delete for good the replaced secrets that cannot come back any more. Returns how many."""
        past = is_past(now)
        with self._database.reading() as connection:
            if connection.execute(select(FORMER.c.key_id).where(past).limit(1)).first() is None:
                return 0
        with self._database.writing() as connection:
            gone = connection.execute(delete(FORMER).where(past)).rowcount
        self._database.wipe()
        return gone

    def save_check(self, result: CheckResult, owner: str) -> CheckResult:
        """Keep a check's result beside what was proven before. Returns both as kept.

        A result for an older revision, or for a key that is gone, is given back and not kept.
        """
        return self.save_checks([result], owner)[0]

    def save_checks(self, results: Sequence[CheckResult], owner: str) -> list[CheckResult]:
        """The same for several in one transaction: reaching the disk is what takes the time."""
        with self._database.writing() as connection:
            return [_checked(connection, result, owner) for result in results]

    def note_checks(self, results: Sequence[CheckResult], owner: str) -> None:
        """Keep results among the past ones only: the last check of each key stays as it is."""
        with self._database.writing() as connection:
            for result in results:
                _noted(connection, result, owner)

    def select(
        self,
        owner: str,
        key_id: str | None,
        model: str | None,
        at: datetime,
        *,
        listed: bool = False,
    ) -> Selection | None:
        """Make a key the owner's selection, or none. Raises NotFoundError.

        A model is remembered for the key, with whether it was `listed` at the time; without one,
        what was remembered is taken.
        """
        with self._database.writing() as connection:
            if key_id is None:
                connection.execute(delete(SELECTION).where(SELECTION.c.owner == owner))
                return None
            one(connection, owner, key_id)
            chosen = {"owner": owner, "key_id": key_id, "updated_at": at}
            if model is not None:
                place = (MODEL_CHOICE.c.owner, MODEL_CHOICE.c.key_id)
                _put(connection, place, {**chosen, "model": model, "listed": listed})
            _put(connection, (SELECTION.c.owner,), chosen)
            return _selection(connection, owner)

    def selection(self, owner: str) -> Selection | None:
        """The owner's selection."""
        with self._database.reading() as connection:
            return _selection(connection, owner)


def _delete(connection: Connection, key_ids: Sequence[str]) -> None:
    """Remove keys with all that belongs to them."""
    for at in range(0, len(key_ids), _AT_ONCE):
        for column in _OF_A_KEY:
            part = column.in_(key_ids[at : at + _AT_ONCE])
            connection.execute(delete(column.table).where(part))


def _told(connection: Connection, doing: Doing | None) -> None:
    if doing is not None:
        journal.write(connection, doing)


def _has_secret_of(connection: Connection, key_id: str, fingerprint: str | None) -> bool:
    """Whether a key has the very secret of this mark already. Without a mark nobody can tell."""
    asked = select(KEY.c.fingerprint).where(KEY.c.id == key_id)
    return fingerprint is not None and connection.execute(asked).scalar() == fingerprint


def _keep_former(key_id: str, until: datetime) -> Insert:
    """Put by the secret that a key has now, as it is."""
    names = ("key_id", "revision", "sealed", "data_key_id", "typed_by", "undo_until")
    kept = (KEY.c.id, KEY.c.revision, KEY.c.sealed, KEY.c.data_key_id, KEY.c.typed_by)
    now = select(*kept, literal(until, Moment)).where(KEY.c.id == key_id)
    return insert(FORMER).from_select(names, now)


def _noted(connection: Connection, result: CheckResult, owner: str) -> KeyEntry | None:
    """Tell how a check ended; the key it was of, if it is still the same."""
    if result.use:
        said = result.diagnosis
        journal.close(connection, result.use, said.verdict, result.checked_at, said.reason)
    entry = first(connection, mine(owner, result.key_id))
    if entry is None or entry.revision != result.revision:
        return None
    history.write(connection, entry, result)
    return entry


def _checked(connection: Connection, result: CheckResult, owner: str) -> CheckResult:
    entry = _noted(connection, result, owner)
    if entry is None:
        return result
    proved = with_proof(result, entry.check)
    _put(connection, (CHECK.c.key_id,), check_columns(proved))
    ranked = update(KEY).where(KEY.c.id == entry.id)
    connection.execute(ranked.values(rank=RANKS[proved.diagnosis.verdict]))
    return one(connection, owner, entry.id).check or proved


def _selection(connection: Connection, owner: str) -> Selection | None:
    row = connection.execute(selected(owner)).first()
    return Selection(owner, row.key_id, row.model, bool(row.listed)) if row else None


def _put(connection: Connection, key: Sequence[Any], values: dict[str, Any]) -> None:
    """Write the one row whose `key` columns have these values, whether it is there or not."""
    table = key[0].table
    there = [column == values[column.name] for column in key]
    if not connection.execute(update(table).where(*there).values(values)).rowcount:
        connection.execute(insert(table).values(values))
