"""What the buttons of the Team page do. The service decides whether whoever presses them may."""

from __future__ import annotations

from mohet_keys.errors import ConflictError, MohetError, RefusedError
from mohet_keys.model import Person, Role
from mohet_keys.providers import PROVIDERS
from mohet_keys.rules import TeamRules, host_of
from mohet_keys.team import HandedOver
from mohet_keys.ui import actions, resources
from mohet_keys.ui.state import Said, TeamAsk, act, answers, chosen_of, count, peek, ticked, ui
from mohet_keys.ui.text import escape, literal

TAKER = "team.taker"
"""The list to choose the new owner of somebody's keys from."""
CHANGED = (
    "{} changed the rules while this page was open. They are shown as they are now: change them "
    "and save once more."
)


@act
def ask(what: TeamAsk, person_id: str) -> None:
    """Open the dialog that says what a change means."""
    ui().team.asking = (what, person_id)


@answers(lambda state: state.team.asking)
def leave() -> None:
    """Close the dialog and change nothing."""
    ui().team.asking = None


@answers(lambda state: state.team.asking)
def change_role(person: Person) -> None:
    """Make a member an administrator, or the other way round."""
    role = Role.MEMBER if person.role is Role.ADMINISTRATOR else Role.ADMINISTRATOR
    done = _do(lambda: resources.team().set_role(person.id, role, owner=resources.owner()))
    if isinstance(done, Person):
        article = "an" if role is Role.ADMINISTRATOR else "a"
        _say(f"{literal(done.name)} is {article} {role.value} now.")


@answers(lambda state: state.team.asking)
def change_able(person: Person) -> None:
    """Keep somebody out, or let them in again."""
    team = resources.team()
    change = team.enable if person.disabled else team.disable
    done = _do(lambda: change(person.id, owner=resources.owner()))
    if isinstance(done, Person):
        _say(f"{literal(done.name)} is {'disabled' if done.disabled else 'enabled'} now.")


@answers(lambda state: state.team.asking)
def hand_over(giver: Person, takers: dict[str, Person]) -> None:
    """Give somebody's keys to who was chosen."""
    taker = takers.get(peek(TAKER))
    if taker is None:
        return
    done = _do(lambda: resources.team().hand_over(giver.id, taker.id, owner=resources.owner()))
    if isinstance(done, HandedOver):
        _say(
            f"{literal(taker.name)} has {_keys(done.moved)} of {literal(giver.name)} now."
            + (
                f" {_keys(done.left)} stayed: {escape(taker.name)} has the same already."
                if done.left
                else ""
            )
        )


def _keys(number: int) -> str:
    return f"{number:,} key{'' if number == 1 else 's'}"


def _do(step: object) -> object:
    ui().team.asking = None
    return actions.attempt(step)


def _say(words: str) -> None:
    ui().said.append(Said("success", words))


# --- the rules --------------------------------------------------------------------------------

ALL = {row.label: row.slug for row in PROVIDERS}


def field(name: str) -> str:
    """The widget key of a field of the rules, another one whenever other rules are drawn."""
    return f"team.rules:{ui().team.turn}.{name}"


@act
def save_rules(drawn: TeamRules) -> None:
    """Save what the form holds, unless others changed the rules meanwhile."""
    state, team, owner = ui().team, resources.team(), resources.owner()
    state.problems = {}
    try:
        wanted = _typed()
        if not state.problems:
            team.set_rules(wanted, owner=owner, seen=drawn)
            _say("The rules hold from now on.")
        elif team.rules(owner=owner) != drawn:
            ui().said.append(Said("warning", CHANGED.format("Somebody else")))
    except ConflictError as error:
        ui().said.append(Said("warning", CHANGED.format(escape(error.changed_by))))
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))


def _typed() -> TeamRules:
    """The rules as they are typed; what is wrong with a field is kept for it."""
    problems = ui().team.problems
    labels = chosen_of(field("providers"))
    slugs = frozenset(ALL[label] for label in labels if label in ALL)
    if not slugs:
        problems["providers"] = "Choose at least one provider."
    hosts: set[str] = set()
    for line in peek(field("hosts")).replace(",", "\n").split():
        try:
            hosts.add(host_of(line))
        except RefusedError as error:
            problems["hosts"] = str(error)
    return TeamRules(
        providers=None if slugs == frozenset(ALL.values()) else slugs,
        hosts=frozenset(hosts),
        only_these_hosts=ticked(field("only")),
        private_keys=ticked(field("private")),
        person_limit=count(field("person")),
        key_limit=count(field("key")),
    )
