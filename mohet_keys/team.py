"""The team: who is in it and as what, what is allowed to all, and what each is to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from mohet_keys import logs
from mohet_keys.errors import RefusedError
from mohet_keys.journal import about
from mohet_keys.model import LOCAL_OWNER, Action, Doing, KeyEntry, Person, Role
from mohet_keys.notices import Notice
from mohet_keys.repository import Repository
from mohet_keys.rights import Rights
from mohet_keys.rules import TeamRules
from mohet_keys.shelves import HandedOver
from mohet_keys.uses import PersonsUse, month_of

__all__ = ["HandedOver", "Member", "Notice", "Quota", "Team", "TeamRules"]

NEAR = 0.8
"""Part of a limit from which on there is a notice."""
_IDLE = PersonsUse(0, 0, 0, 0)
_NOBODY = "There is no such person."
_ROLES = {Role.ADMINISTRATOR: "an administrator", Role.MEMBER: "a member"}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the team, as administrators see them: of private keys no more than how many."""

    person: Person
    private_keys: int
    team_keys: int
    use: PersonsUse
    """What they sent this month."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a monthly limit is used: a person's, or that of a key for all who use it."""

    of: Literal["person", "key"]
    used: int
    limit: int
    resets_at: datetime

    @property
    def is_used_up(self) -> bool:
        """Whether no further message may be sent."""
        return self.used >= self.limit

    @property
    def is_near(self) -> bool:
        """Whether it is time to say how much is left."""
        return not self.is_used_up and self.used >= NEAR * self.limit


class Team:
    """What people ask about the team. `owner` is who asks. Any method may raise StoreError, and
    DeniedError, which is on record."""

    def __init__(
        self,
        repository: Repository,
        *,
        rights: Rights | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._repository = repository
        self._rights = rights or Rights(repository, clock=clock)
        self._clock = clock

    # --- for everybody ------------------------------------------------------------------------

    def me(self, *, owner: str) -> Person:
        """Who asks, as they are now."""
        with self._rights.asking("sign in", owner) as asked:
            return asked.person

    def rules(self, *, owner: str) -> TeamRules | None:
        """What is allowed to all; None in a local run, where everything is."""
        with self._rights.asking("see the rules", owner):
            return None if owner == LOCAL_OWNER else self._repository.rules.find()

    def quotas(self, key_id: str | None, *, owner: str) -> tuple[Quota, ...]:
        """How much is used of the limits that hold for this person and this key.

        Nothing where there is no limit. Raises NotFoundError.
        """
        with self._rights.asking("see", owner, key_id):
            if owner == LOCAL_OWNER:
                return ()
            if key_id is not None:
                self._repository.entry(key_id, owner)
            rules = self._repository.rules.find()
            if rules.person_limit is None and rules.key_limit is None:
                return ()
            now = self._clock()
            mine, keys = self._repository.uses.this_month(owner, key_id or "", now)
            resets_at = month_of(now)[1]
            found = []
            if rules.person_limit is not None:
                found.append(Quota("person", mine, rules.person_limit, resets_at))
            if rules.key_limit is not None and key_id is not None:
                found.append(Quota("key", keys, rules.key_limit, resets_at))
            return tuple(found)

    def notices(self, *, owner: str) -> Sequence[Notice]:
        """What somebody is to be told and has not seen yet, the oldest first."""
        with self._rights.asking("see notices", owner):
            return [] if owner == LOCAL_OWNER else self._repository.notices.of(owner)

    def seen(self, ids: Sequence[int], *, owner: str) -> None:
        """Forget notices that somebody has seen; those of others are left alone."""
        with self._rights.asking("see notices", owner):
            if ids:
                self._repository.notices.seen(owner, ids)

    # --- for administrators -------------------------------------------------------------------

    def members(self, *, owner: str) -> Sequence[Member]:
        """Everybody, by name."""
        with self._rights.asking("see the team", owner) as asked:
            asked.to_administer()
            counts = self._repository.shelves.counts()
            used = self._repository.uses.of_people(month_of(self._clock())[0].date())
            return [
                Member(each, *counts.get(each.id, (0, 0)), used.get(each.id, _IDLE))
                for each in self._repository.people.everyone()
            ]

    def set_role(self, person_id: str, role: Role, *, owner: str) -> Person:
        """Make somebody an administrator or a member.

        Raises RefusedError for nobody, and when there would be no administrator any more.
        """
        with self._rights.asking("change a role", owner) as asked:
            asked.to_administer()
            doing = self._doing("role", owner, person_id, f"{_ROLES[role]} now")
            return self._repository.people.set_role(person_id, role, doing=doing)

    def disable(self, person_id: str, *, owner: str) -> Person:
        """Keep somebody out from now on; what they shared stays shared. Raises RefusedError."""
        with self._rights.asking("disable a person", owner) as asked:
            asked.to_administer()
            doing = self._doing("disable", owner, person_id)
            return self._repository.people.disable(person_id, doing=doing)

    def enable(self, person_id: str, *, owner: str) -> Person:
        """Let somebody in again, as what they were. Raises RefusedError for nobody."""
        with self._rights.asking("enable a person", owner) as asked:
            asked.to_administer()
            doing = self._doing("enable", owner, person_id)
            return self._repository.people.enable(person_id, doing=doing)

    def hand_over(self, giver: str, taker: str, *, owner: str) -> HandedOver:
        """Give all keys of one person to another: private ones stay private, team keys shared.

        The new owner uses and replaces secrets, and cannot read those they did not type. A key
        whose secret they have saved already stays. Both are told. Raises RefusedError.
        """
        with self._rights.asking("hand keys over", owner) as asked:
            administrator = asked.to_administer()
            people = {each: self._repository.people.find(each) for each in (giver, taker)}
            before, after = people[giver], people[taker]
            if before is None or after is None:
                raise RefusedError(_NOBODY)
            if giver == taker:
                raise RefusedError("These keys are theirs already.")
            if after.disabled:
                raise RefusedError(f"{after.name} is disabled.")
            return self._repository.shelves.hand_over(
                before,
                after,
                by=administrator,
                at=self._clock(),
                doing=self._handing(owner, before),
            )

    def _handing(self, owner: str, giver: Person) -> Callable[[KeyEntry, str], Doing]:
        def doing(entry: KeyEntry, taker: str) -> Doing:
            told = about(self._doing("hand_over", owner, taker, f"was {giver.name}’s"), entry)
            return replace(told, owner=taker)

        return doing

    def set_rules(self, rules: TeamRules, *, owner: str, seen: TeamRules | None = None) -> None:
        """Have these rules hold for all from now on, in the place of those that were `seen`.

        Raises RefusedError for what can be none, and ConflictError when others hold by now.
        """
        with self._rights.asking("change the rules", owner) as asked:
            asked.to_administer()
            before = self._repository.rules.find() if seen is None else seen
            doing = self._doing("rules", owner, owner, _what_changed(before, rules))
            self._repository.rules.save(rules, doing=doing, seen=seen)

    def _doing(self, action: Action, actor: str, owner: str, detail: str = "") -> Doing:
        request = logs.id_to_record()
        return Doing(action, actor, owner, self._clock(), detail=detail, request_id=request)


def _what_changed(before: TeamRules, after: TeamRules) -> str:
    """What the record says of other rules: each that is another one, and how it is now."""
    told = []
    for name, words in _WORDS.items():
        now = getattr(after, name)
        if now != getattr(before, name):
            told.append(f"{words}: {_said(now)}")
    return ", ".join(told)


_WORDS = {
    "providers": "providers",
    "hosts": "hosts",
    "only_these_hosts": "only these hosts",
    "private_keys": "private keys",
    "person_limit": "limit per person",
    "key_limit": "limit per key",
}


def _said(value: Any) -> str:
    match value:
        case None:
            return "all"
        case bool():
            return "yes" if value else "no"
        case frozenset():
            return " ".join(sorted(value)) or "none"
    return str(value)
