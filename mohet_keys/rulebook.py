"""The rules of the team as they are kept: in one row, or in none while nobody set any."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, insert, select, update

from mohet_keys import journal
from mohet_keys.database import Database
from mohet_keys.errors import ConflictError, RefusedError, StoreError
from mohet_keys.model import Doing
from mohet_keys.providers import BY_SLUG
from mohet_keys.rules import TeamRules, host_of
from mohet_keys.tables import EVENT, RULE

MOST_HOSTS = 200
HIGHEST_LIMIT = 10_000_000
_ONE = 1
"""The id of the one row."""


class RuleBook:
    """The rules as they are kept. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self) -> TeamRules:
        """What is allowed now. Raises StoreError for rules that somebody made unreadable: nothing
        is allowed then."""
        with self._database.reading() as connection:
            return _found(connection)

    def save(self, rules: TeamRules, *, doing: Doing, seen: TeamRules | None = None) -> None:
        """Have these rules hold from now on.

        Raises RefusedError for what can be no rule, and ConflictError, which says who was faster,
        when the present ones are not those that were `seen`; without, they are written over.
        """
        wanted = _columns(rules)
        with self._database.writing() as connection:
            if seen is not None and _found(connection) != seen:
                raise _faster(connection, doing)
            change = update(RULE).where(RULE.c.id == _ONE).values(wanted)
            if not connection.execute(change).rowcount:
                connection.execute(insert(RULE).values(id=_ONE, **wanted))
            journal.write(connection, doing)


def _found(connection: Connection) -> TeamRules:
    row = connection.execute(select(RULE).where(RULE.c.id == _ONE)).mappings().first()
    if row is None:
        return TeamRules()
    try:
        return _rules(row)
    except (ValueError, TypeError):
        raise StoreError("The rules of the team cannot be read. Set them anew.") from None


def _faster(connection: Connection, doing: Doing) -> ConflictError:
    """Who changed the rules last, and when, as it is on record."""
    theirs = select(EVENT.c.actor, EVENT.c.at).where(EVENT.c.action == doing.action)
    last = connection.execute(theirs.order_by(EVENT.c.id.desc()).limit(1)).first()
    return ConflictError("Rules for all", *(last or ("somebody else", doing.at)))


def _rules(row: Any) -> TeamRules:
    providers = None if row["providers"] is None else _texts(row["providers"])
    limits = (row["person_limit"], row["key_limit"])
    if not all(limit is None or isinstance(limit, int) for limit in limits):
        raise ValueError("a limit is no number")
    return TeamRules(
        *(providers, _texts(row["hosts"]), row["only_these_hosts"], row["private_keys"]), *limits
    )


def _texts(text: str) -> frozenset[str]:
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("no list of texts")
    return frozenset(found)


def _columns(rules: TeamRules) -> dict[str, Any]:
    unknown = sorted((rules.providers or frozenset()) - set(BY_SLUG))
    if unknown:
        raise RefusedError(f"There is no provider “{unknown[0][:80]}”.")
    if len(rules.hosts) > MOST_HOSTS:
        raise RefusedError(f"At most {MOST_HOSTS} hosts can be allowed.")
    for limit in (rules.person_limit, rules.key_limit):
        if limit is not None and not 0 <= limit <= HIGHEST_LIMIT:
            raise RefusedError(f"A limit is a number from 0 to {HIGHEST_LIMIT:,}.")
    return {
        "providers": None if rules.providers is None else json.dumps(sorted(rules.providers)),
        "hosts": json.dumps(sorted(map(host_of, rules.hosts))),
        "only_these_hosts": rules.only_these_hosts,
        "private_keys": rules.private_keys,
        "person_limit": rules.person_limit,
        "key_limit": rules.key_limit,
    }
