"""Private and team keys: who sees them, who may change them, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    RefusedError,
    StoreError,
)
from mohet_keys.journal import Wanted
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    ChosenBy,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Role,
    Verdict,
)
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.places import Place, refuse_records
from tests.team import ADA, BOB, CY, ROOT, join

pytestmark = pytest.mark.usefixtures("on_both")
SECRET, OTHER, THIRD = canary("gsk_"), canary("gsk_"), canary("gsk_")
STRAY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings under which an owner may see a secret: whoever may not is refused for that alone."""
    return Settings(data_dir=tmp_path / "data", config_dir=tmp_path / "config", allow_reveal=True)


@pytest.fixture
def keys(parts: Parts) -> KeyService:
    """The verbs, in a team of three and an administrator."""
    join(parts.repository, ADA, BOB, CY)
    join(parts.repository, ROOT, administrator=True)
    return parts.keys


def new(name: str = "Production", secret: str = SECRET, slug: str = "groq") -> NewKey:
    """A key as it is typed."""
    return NewKey(provider=slug, name=name, secret=SecretStr(secret))


def add(keys: KeyService, owner: str = ADA, name: str = "Production", **more: str) -> KeyEntry:
    """A private key."""
    return keys.add(new(name, **more), owner=owner).entry


def shared(keys: KeyService, owner: str = ADA, **more: str) -> KeyEntry:
    """A key that somebody shares with the team."""
    entry = add(keys, owner, **more)
    return keys.share(entry.id, owner=owner, version=entry.version)


def seen_by(keys: KeyService, person: str) -> list[str]:
    """The names of the keys that somebody sees."""
    return [entry.name for entry in keys.list(owner=person, sort="name").entries]


def told(parts: Parts, person: str) -> list[str]:
    """What somebody is to be told."""
    return [notice.words for notice in parts.repository.notices.of(person)]


# --- whose is whose ---------------------------------------------------------------------------


def test_a_key_is_private_until_it_is_shared(keys: KeyService) -> None:
    """Nobody sees a private key but its owner, not even an administrator or a local run."""
    entry = add(keys)
    assert (entry.shared, entry.mine, entry.may_change) == (False, True, True)
    assert [seen_by(keys, each) for each in (ADA, BOB, ROOT)] == [["Production"], [], []]
    assert seen_by(keys, LOCAL_OWNER) == []
    keys.share(entry.id, owner=ADA, version=entry.version)
    assert [seen_by(keys, each) for each in (ADA, BOB, ROOT)] == [["Production"]] * 3
    assert seen_by(keys, LOCAL_OWNER) == []


def test_everybody_is_told_whose_a_team_key_is(keys: KeyService) -> None:
    """A team key says who shares it, and to each person whether they may change it."""
    entry = shared(keys)
    found = {each: keys.entry(entry.id, owner=each) for each in (ADA, BOB, ROOT)}
    assert {each: (e.mine, e.may_change) for each, e in found.items()} == {
        ADA: (True, True),
        BOB: (False, False),
        ROOT: (False, True),
    }
    assert {(e.shared, e.owner_name, e.owner) for e in found.values()} == {(True, "Ada", ADA)}
    (listed,) = keys.list(owner=BOB).entries
    assert listed == found[BOB]
    assert keys.entries([entry.id], owner=BOB) == [found[BOB]]
    assert keys.find("groq/production", owner=BOB) == found[BOB]


def test_names_are_unique_on_each_shelf(keys: KeyService) -> None:
    """Two people may have a private key of one name beside the team's of that name."""
    shared(keys)
    hers = add(keys, ADA, secret=OTHER)
    his = add(keys, BOB, secret=OTHER)
    assert keys.find("groq/production", owner=ADA).id == hers.id
    assert keys.find("groq/production", owner=BOB).id == his.id
    assert seen_by(keys, BOB) == ["Production"] * 2
    with pytest.raises(InputError, match="The team already has a key for Groq named “Production”"):
        keys.share(his.id, owner=BOB, version=his.version)
    assert not keys.entry(his.id, owner=BOB).shared


def test_a_secret_is_saved_once_by_each_owner(keys: KeyService) -> None:
    """Wherever the owner's key with that secret stands; who else has it is not told."""
    shared(keys)
    with pytest.raises(InputError, match="already saved as “Production”"):
        add(keys, ADA, "Again")
    assert add(keys, BOB, "Same").name == "Same"


def test_an_administrator_is_not_told_of_private_keys(keys: KeyService) -> None:
    """Who gives a team key a secret that its owner has elsewhere learns no name of that key."""
    add(keys, ADA, "Very private", secret=OTHER)
    entry = shared(keys)
    changes = KeyChanges(secret=SecretStr(OTHER))
    with pytest.raises(InputError, match="The owner of this key") as refused:
        keys.edit(entry.id, changes, owner=ROOT, version=entry.version)
    assert "private" not in str(refused.value)


def test_a_local_run_has_nobody_to_share_with(parts: Parts) -> None:
    """A key would be gone from the only list there is."""
    entry = add(parts.keys, LOCAL_OWNER)
    with pytest.raises(RefusedError, match="Nobody signs in here"):
        parts.keys.share(entry.id, owner=LOCAL_OWNER, version=entry.version)
    assert seen_by(parts.keys, LOCAL_OWNER) == ["Production"]


# --- what everybody may -----------------------------------------------------------------------


@pytest.mark.parametrize("why", ["chat", "use"])
def test_everybody_uses_a_team_key(parts: Parts, keys: KeyService, why: Any) -> None:
    """A member selects it, opens it for a message, and that is on record for them and its owner."""
    entry = shared(keys)
    keys.select(entry.id, owner=BOB, model="m")
    assert keys.entry(entry.id, owner=BOB).selected
    assert not keys.entry(entry.id, owner=ADA).selected
    opened = keys.open(entry.id, owner=BOB, why=why)
    assert opened.secret == SECRET
    (last,) = parts.repository.journal.page(Wanted(), limit=1)
    assert (last.action, last.actor, last.owner, last.key_id) == (why, BOB, ADA, entry.id)


def test_what_a_chat_brings_out_is_known_to_all(keys: KeyService) -> None:
    """A result that came of a member's message is the key's, whoever looks at it."""
    entry = shared(keys)
    said = Diagnosis(Verdict.INVALID, "revoked", "e", "r")
    keys.record(CheckResult(entry.id, entry.revision, said, datetime.now(UTC)), owner=BOB)
    for person in (ADA, CY):
        check = keys.entry(entry.id, owner=person).check
        assert check is not None
        assert check.diagnosis.verdict is Verdict.INVALID


# --- what takes more --------------------------------------------------------------------------

CHANGES: dict[str, Callable[[KeyService, KeyEntry, str], object]] = {
    "edit": lambda keys, e, who: keys.edit(
        e.id, KeyChanges(name="Renamed"), owner=who, version=e.version
    ),
    "stop sharing": lambda keys, e, who: keys.unshare(e.id, owner=who, version=e.version),
    "share": lambda keys, e, who: keys.share(e.id, owner=who, version=e.version),
    "replace": lambda keys, e, who: keys.trial(e.id, THIRD, owner=who, version=e.version),
    "delete": lambda keys, e, who: keys.remove(e.id, owner=who),
    "check": lambda keys, e, who: keys.open(e.id, owner=who, why="check"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_member_changes_no_key_of_somebody_else(
    parts: Parts, keys: KeyService, change: str
) -> None:
    """They are told who may, it is on record for its owner to see, and the key is as it was."""
    entry = shared(keys)
    before = keys.entry(entry.id, owner=ADA)
    with pytest.raises(DeniedError) as denied:
        CHANGES[change](keys, entry, BOB)
    assert str(denied.value) == f"Only Ada or an administrator can {change} this key."
    (last,) = parts.repository.journal.page(Wanted(), limit=1)
    assert (last.action, last.actor, last.owner, last.key_id) == ("denied", BOB, ADA, entry.id)
    assert (last.result, last.detail) == ("refused", f"tried to {change}")
    assert keys.entry(entry.id, owner=ADA) == before


@pytest.mark.parametrize("who", [ADA, ROOT])
@pytest.mark.parametrize("change", CHANGES)
def test_its_owner_and_administrators_do(keys: KeyService, change: str, who: str) -> None:
    """The twin: the same is done for those two."""
    CHANGES[change](keys, shared(keys), who)


def test_members_remove_only_rejected_keys_of_their_own(parts: Parts, keys: KeyService) -> None:
    """The list of rejected keys, and their deletion, leave out what somebody else shares."""
    said = Diagnosis(Verdict.INVALID, "revoked", "e", "r")
    for entry in (shared(keys), add(keys, BOB, "Own", secret=OTHER)):
        result = CheckResult(entry.id, entry.revision, said, datetime.now(UTC))
        keys.record(result, owner=entry.owner)
    listed = keys.list(owner=BOB).entries
    assert [entry.name for entry in keys.rejected(owner=BOB)] == ["Own"]
    assert [entry.name for entry in keys.rejected(owner=ROOT)] == ["Production"]
    done = keys.remove_rejected(listed, owner=BOB)
    assert [entry.name for entry in done.gone] == ["Own"]
    assert [entry.name for entry in done.kept] == ["Production"]


# --- nobody reads a secret that is not theirs -------------------------------------------------


@pytest.mark.parametrize("who", [BOB, ROOT])
def test_nobody_reads_a_team_key(parts: Parts, keys: KeyService, who: str) -> None:
    """Neither shown nor exported, though both use it; and that they tried is on record."""
    entry = shared(keys)
    with pytest.raises(DeniedError, match="Only Ada can see the secret of this key"):
        keys.reveal(entry.id, owner=who)
    keys.reveal(entry.id, owner=ADA)
    with pytest.raises(DeniedError):
        keys.revealed(entry.id, owner=who)
    with pytest.raises(RefusedError, match="Only Ada can export this key"):
        parts.transfer.export([entry.id], owner=who, passphrase="correct horse battery staple")
    assert keys.revealed(entry.id, owner=ADA) == SECRET
    denied = parts.repository.journal.page(Wanted(action="denied"))
    assert [(each.actor, each.detail) for each in denied] == [
        (who, "tried to export"),
        (who, "tried to see the secret of"),
    ]


def test_an_owner_does_not_read_what_an_administrator_typed(keys: KeyService) -> None:
    """A team key with an administrator's secret is used by all and read by none."""
    entry = shared(keys)
    changes = KeyChanges(secret=SecretStr(OTHER))
    edited = keys.edit(entry.id, changes, owner=ROOT, version=entry.version).entry
    assert keys.open(entry.id, owner=BOB, why="chat").secret == OTHER
    for who in (ADA, ROOT, BOB):
        with pytest.raises(DeniedError):
            keys.reveal(entry.id, owner=who)
    mine = KeyChanges(secret=SecretStr(THIRD))
    keys.edit(entry.id, mine, owner=ADA, version=edited.version)
    keys.reveal(entry.id, owner=ADA)
    assert keys.revealed(entry.id, owner=ADA) == THIRD


def test_a_secret_that_is_brought_back_stays_its_typists(keys: KeyService) -> None:
    """To replace a secret and take that back is no way to read it, nor is a move."""
    entry = shared(keys)
    swapped = keys.swap(
        keys.trial(entry.id, OTHER, owner=ROOT, version=entry.version), owner=ROOT
    ).entry
    with pytest.raises(DeniedError):
        keys.reveal(entry.id, owner=ADA)
    keys.undo_swap(entry.id, owner=ROOT, version=swapped.version)
    keys.reveal(entry.id, owner=ADA)
    assert keys.revealed(entry.id, owner=ADA) == SECRET
    stray = shared(keys, name="Stray", secret=STRAY)
    keys.move(stray.id, owner=ROOT, version=stray.version)
    keys.reveal(stray.id, owner=ADA)


# --- taking it back ---------------------------------------------------------------------------

PARTINGS: dict[str, tuple[str, Callable[[KeyService, KeyEntry, str], ChosenBy]]] = {
    "unshare": (
        "stopped sharing",
        lambda keys, e, who: keys.unshare(e.id, owner=who, version=e.version).chosen_by,
    ),
    "remove": ("deleted", lambda keys, e, who: keys.remove(e.id, owner=who).chosen_by),
    "remove_rejected": (
        "deleted",
        lambda keys, e, who: (
            keys.remove_rejected([keys.entry(e.id, owner=who)], owner=who).chosen_by
        ),
    ),
}


@pytest.fixture
def chosen(keys: KeyService) -> KeyEntry:
    """A team key that Bob, Cy and its owner have selected, and that its provider rejected."""
    entry = shared(keys)
    said = Diagnosis(Verdict.INVALID, "revoked", "e", "r")
    keys.record(CheckResult(entry.id, entry.revision, said, datetime.now(UTC)), owner=ADA)
    for person in (ADA, BOB, CY):
        keys.select(entry.id, owner=person)
    return entry


@pytest.mark.parametrize("parting", PARTINGS)
@pytest.mark.parametrize("who", [ADA, ROOT])
def test_who_had_it_selected_is_told(
    parts: Parts, keys: KeyService, chosen: KeyEntry, parting: str, who: str
) -> None:
    """Each learns who did what and what to do; how many they are is said, and to administrators
    who; the others' selections are gone. An owner is told what an administrator did."""
    did, part = PARTINGS[parting]
    before = keys.chosen_by(chosen.id, owner=who)
    after = part(keys, chosen, who)
    kept = parting == "unshare"
    everybody = ["Bob", "Cy"] if who == ADA else ["Ada", "Bob", "Cy"]
    parted = ["Bob", "Cy"] if kept else everybody
    assert before == ChosenBy(len(everybody), () if who == ADA else tuple(everybody))
    assert after == ChosenBy(len(parted), () if who == ADA else tuple(parted))
    words = f"{'Ada' if who == ADA else 'Root'} {did} “Groq/Production”."
    select = f"{words} Select another key."
    assert [told(parts, each) for each in (BOB, CY)] == [[select]] * 2
    assert told(parts, ADA) == ([] if who == ADA else [words if kept else select])
    assert told(parts, ROOT) == []
    assert [keys.selection(owner=each) for each in (BOB, CY)] == [None, None]
    assert (keys.selection(owner=ADA) is not None) == kept


def test_a_notice_is_gone_once_it_was_seen(
    parts: Parts, keys: KeyService, chosen: KeyEntry
) -> None:
    """By whom it is for; nobody else can take it away."""
    keys.remove(chosen.id, owner=ADA)
    notices = parts.repository.notices
    ids = [notice.id for notice in notices.of(BOB)]
    notices.seen(CY, ids)
    assert len(notices.of(BOB)) == 1
    notices.seen(BOB, ids)
    assert (notices.of(BOB), len(notices.of(CY))) == ([], 1)
    assert notices.prune(datetime.now(UTC)) == 1
    assert notices.of(CY) == []


def test_a_private_key_has_nobody_else(parts: Parts, keys: KeyService) -> None:
    """Its deletion tells nobody anything."""
    entry = add(keys)
    keys.select(entry.id, owner=ADA)
    assert keys.chosen_by(entry.id, owner=ADA) == ChosenBy()
    assert keys.remove(entry.id, owner=ADA).chosen_by == ChosenBy()
    assert told(parts, ADA) == []


def test_what_is_not_shared_any_more_is_not_there(keys: KeyService, chosen: KeyEntry) -> None:
    """From that moment a member gets the answer of an unknown id."""
    given = keys.unshare(chosen.id, owner=ROOT, version=chosen.version)
    assert (given.entry.shared, given.entry.version) == (False, chosen.version + 1)
    for who in (BOB, ROOT):
        assert not keys.may_use(chosen.id, owner=who)
        with pytest.raises(NotFoundError):
            keys.open(chosen.id, owner=who, why="chat")
    assert keys.entry(chosen.id, owner=ADA).version == chosen.version + 1


def test_a_key_comes_back_only_where_its_name_is_free(keys: KeyService) -> None:
    """Its owner has a private one of that name: the team key stays until one is renamed."""
    entry = shared(keys)
    add(keys, ADA, secret=OTHER)
    for who, whose in ((ADA, "You already have"), (ROOT, "Its owner already has")):
        with pytest.raises(InputError, match=f"{whose} a") as refused:
            keys.unshare(entry.id, owner=who, version=entry.version)
        assert refused.value.field == "name"
    assert keys.entry(entry.id, owner=BOB).shared


@pytest.mark.parametrize("verb", ["share", "unshare"])
def test_sharing_is_of_what_was_seen(parts: Parts, keys: KeyService, verb: str) -> None:
    """A key that changed since is not shared unseen; one that is where it shall be stays there."""
    entry = add(keys) if verb == "share" else shared(keys)
    changes = KeyChanges(name="Renamed")
    renamed = keys.edit(entry.id, changes, owner=ADA, version=entry.version).entry
    do = getattr(keys, verb)
    with pytest.raises(ConflictError):
        do(entry.id, owner=ADA, version=entry.version)
    do(entry.id, owner=ADA, version=renamed.version)
    again = keys.entry(entry.id, owner=ADA)
    do(entry.id, owner=ADA, version=again.version)
    assert keys.entry(entry.id, owner=ADA) == again
    recorded = parts.repository.journal.page(Wanted(action=verb))
    assert [(each.actor, each.key_name) for each in recorded] == [(ADA, "Renamed")]


# --- who may not any more ---------------------------------------------------------------------


@pytest.mark.parametrize("who", [BOB, "nobody@example.com", "", "team"])
def test_who_is_disabled_or_unknown_may_nothing(parts: Parts, keys: KeyService, who: str) -> None:
    """The next thing they ask for is denied, in one sentence, and that is on record."""
    entry = shared(keys)
    parts.repository.people.disable(BOB)
    for ask in (
        lambda: keys.entry(entry.id, owner=who),
        lambda: keys.list(owner=who),
        lambda: keys.open(entry.id, owner=who, why="chat"),
        lambda: keys.add(new("Mine"), owner=who),
        lambda: keys.may_use(entry.id, owner=who),
    ):
        with pytest.raises(DeniedError) as denied:
            ask()
        assert str(denied.value) == "You may not use Mohet Keys any more."
    recorded = parts.repository.journal.page(Wanted(action="denied"))
    assert [each.actor for each in recorded] == [who] * 4
    parts.repository.people.enable(BOB)
    assert keys.entry(entry.id, owner=BOB).name == "Production"


def test_a_role_counts_from_the_next_verb_on(parts: Parts, keys: KeyService) -> None:
    """Promoted may, demoted may not any more: nothing of a role is remembered anywhere."""
    entry = shared(keys)
    people = parts.repository.people
    rename = KeyChanges(name="Renamed")
    join(parts.repository, "second@example.com", administrator=True)
    people.set_role(ROOT, Role.MEMBER)
    with pytest.raises(DeniedError):
        keys.edit(entry.id, rename, owner=ROOT, version=entry.version)
    people.set_role(BOB, Role.ADMINISTRATOR)
    assert keys.edit(entry.id, rename, owner=BOB, version=entry.version).entry.name == "Renamed"


def test_what_is_denied_stays_denied_when_it_cannot_be_recorded(
    keys: KeyService, place: Place
) -> None:
    """A full disk is no way in."""
    entry = shared(keys)
    refuse_records(place)
    with pytest.raises(DeniedError):
        keys.remove(entry.id, owner=BOB)
    with pytest.raises(NotFoundError):
        keys.entry("unknown", owner=BOB)


@pytest.mark.parametrize("tried", ["delete", "check"])
def test_t49_a_denial_that_could_not_be_recorded_is_recorded_next_time(
    parts: Parts, keys: KeyService, place: Place, tried: str
) -> None:
    """Though the same denial is on record but once a minute."""
    entry = shared(keys)

    def ask() -> None:
        if tried == "delete":
            keys.remove(entry.id, owner=BOB)
        else:
            keys.open(entry.id, owner=BOB, why="check")

    refuse_records(place)
    with pytest.raises((DeniedError, StoreError)):
        ask()
    place.sql("DROP TRIGGER no" + ("" if place.is_file else " ON event"))
    for _ in range(2):
        with pytest.raises(DeniedError):
            ask()
    denied = parts.repository.journal.page(Wanted(action="denied"))
    assert [each.detail for each in denied] == [f"tried to {tried}"]
