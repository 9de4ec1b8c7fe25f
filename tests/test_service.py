"""The verbs on saved keys, over a real store and a real vault."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mohet_keys.errors import (
    ConflictError,
    InputError,
    LockedError,
    NotFoundError,
    RefusedError,
)
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    Selection,
    Verdict,
)
from mohet_keys.safe import Safe
from mohet_keys.service import KeyService, Saved
from mohet_keys.settings import Settings
from mohet_keys.vault import Vault
from mohet_keys.wiring import Parts
from tests.leaks import scan
from tests.team import EVE, join

GROQ = "gsk_" + "a1B2" * 13
OTHER = "gsk_" + "z9Y8" * 13
SIMPLE = "abcdefghijklmnopqrstuvwxyz012345"


def new(provider: str, name: str, secret: str, endpoint: str = "") -> NewKey:
    """What a form sends."""
    return NewKey(provider=provider, name=name, secret=SecretStr(secret), endpoint=endpoint)


def add(keys: KeyService, name: str = "Production", secret: str = GROQ) -> KeyEntry:
    """A Groq key, saved."""
    return keys.add(new("groq", name, secret), owner=LOCAL_OWNER).entry


def edit(keys: KeyService, entry: KeyEntry, **changes: object) -> Saved:
    """An edit of the version that was seen."""
    secret = changes.pop("secret", None)
    typed = KeyChanges.model_validate({**changes, "secret": secret})
    return keys.edit(entry.id, typed, owner=LOCAL_OWNER, version=entry.version)


@pytest.fixture
def keys(parts: Parts) -> KeyService:
    """The verbs."""
    return parts.keys


def test_a_saved_key_shows_its_hint_and_never_its_secret(keys: KeyService) -> None:
    """What comes back of a saved key has prefix and last four characters, and nothing more."""
    entry = add(keys)
    assert entry.hint.startswith("gsk_•")
    assert entry.hint.endswith(GROQ[-4:])
    assert GROQ not in repr(entry)
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret == GROQ


def test_a_key_is_opened_for_the_address_it_was_saved_with(keys: KeyService) -> None:
    """The destination of a request is the one that was sealed."""
    opened = keys.open(add(keys).id, owner=LOCAL_OWNER)
    assert opened.destination == "https://api.groq.com/openai/v1"
    assert GROQ not in repr(opened)


def test_every_refused_field_is_named_at_once(keys: KeyService) -> None:
    """A form with three mistakes gets three sentences and saves nothing."""
    with pytest.raises(InputError) as refused:
        keys.add(new("groq", " ", "two words", "ftp://x"), owner=LOCAL_OWNER)
    assert set(refused.value.by_field()) == {"name", "secret", "endpoint"}
    assert keys.counts(owner=LOCAL_OWNER) == {}


def test_the_same_secret_is_not_saved_twice(keys: KeyService) -> None:
    """A secret saved under any provider is found by its fingerprint and named."""
    add(keys)
    with pytest.raises(InputError, match="already saved as “Production” \\(Groq\\)") as refused:
        keys.add(new("openai", "Copy", GROQ), owner=LOCAL_OWNER)
    assert refused.value.field == "secret"


def test_a_name_is_unique_whatever_its_case_and_form(keys: KeyService) -> None:
    """Names that a person reads as the same are the same."""
    add(keys, "Café")
    with pytest.raises(InputError) as refused:
        add(keys, "  CAFE\u0301 ", OTHER)
    assert refused.value.field == "name"


@pytest.mark.parametrize("slug", ["lmstudio", "ollama"])
def test_local_servers_need_no_key(keys: KeyService, slug: str) -> None:
    """LMStudio and a local Ollama may have an empty key."""
    entry = keys.add(new(slug, "Mine", ""), owner=LOCAL_OWNER).entry
    assert (entry.has_secret, entry.hint) == (False, "")
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret is None


@pytest.mark.parametrize(
    ("slug", "endpoint"), [("groq", ""), ("ollama", "https://ollama.com/v1"), ("openai", "")]
)
def test_cloud_providers_need_a_key(keys: KeyService, slug: str, endpoint: str) -> None:
    """Elsewhere an empty key is refused at its field."""
    with pytest.raises(InputError) as refused:
        keys.add(new(slug, "Mine", "", endpoint), owner=LOCAL_OWNER)
    assert refused.value.field == "secret"


def test_plain_http_needs_an_explicit_yes(keys: KeyService) -> None:
    """Outside private addresses http is refused, unless it is asked for."""
    typed = new("openai", "Proxy", SIMPLE, "http://proxy.example.com/v1")
    with pytest.raises(InputError) as refused:
        keys.add(typed, owner=LOCAL_OWNER)
    assert refused.value.field == "endpoint"
    saved = keys.add(typed.model_copy(update={"allow_http": True}), owner=LOCAL_OWNER)
    assert keys.open(saved.entry.id, owner=LOCAL_OWNER).allow_http


def test_an_edit_that_changes_nothing_writes_nothing(keys: KeyService) -> None:
    """The same name, an empty secret and the same address are no change."""
    entry = add(keys)
    saved = edit(keys, entry, name=" Production ", endpoint="HTTPS://api.groq.com:443/openai/v1/")
    assert not saved.changed
    assert keys.entry(entry.id, owner=LOCAL_OWNER).version == entry.version


def test_a_rename_needs_no_secret_and_keeps_the_check(keys: KeyService) -> None:
    """A new name is cosmetic: secret, destination and verdict stay."""
    entry = add(keys)
    saved = edit(keys, entry, name="Renamed")
    assert (saved.changed, saved.recheck) == (True, False)
    assert saved.entry.revision == entry.revision
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret == GROQ


def test_t15_a_changed_address_needs_the_secret_again(keys: KeyService) -> None:
    """A stored secret never follows an edited address."""
    entry = add(keys)
    with pytest.raises(InputError) as refused:
        edit(keys, entry, endpoint="https://evil.example/v1")
    assert refused.value.field == "secret"
    assert "evil.example" in str(refused.value)
    assert keys.open(entry.id, owner=LOCAL_OWNER).destination == entry.endpoint


def test_t16_a_changed_address_takes_the_typed_secret(keys: KeyService) -> None:
    """With the secret typed again the key moves, and the old address is forgotten."""
    entry = add(keys)
    edit(keys, entry, endpoint="https://proxy.example.com/v1", secret=GROQ)
    opened = keys.open(entry.id, owner=LOCAL_OWNER)
    assert (opened.destination, opened.secret) == ("https://proxy.example.com/v1", GROQ)


@pytest.mark.parametrize(
    "same",
    ["https://API.groq.com/openai/v1", "https://api.groq.com:443/openai/v1/", "api.groq.com"],
)
def test_t17_the_same_address_written_differently_is_no_change(keys: KeyService, same: str) -> None:
    """An equal canonical form keeps the secret."""
    entry = add(keys)
    assert not edit(keys, entry, endpoint=same).changed


@pytest.mark.parametrize("typed", ["••••••••", "********", "gsk_••••••••B213"])
def test_t18_a_mask_is_not_a_key(keys: KeyService, typed: str) -> None:
    """Bullets and the hint are refused, and the stored secret stays."""
    entry = add(keys)
    with pytest.raises(InputError):
        edit(keys, entry, secret=typed)
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret == GROQ


def test_the_second_editor_is_told_who_was_faster(keys: KeyService) -> None:
    """An edit of an old version is refused with who changed it and when."""
    entry = add(keys)
    edit(keys, entry, name="First")
    with pytest.raises(ConflictError) as conflict:
        edit(keys, entry, name="Second")
    assert conflict.value.changed_by == LOCAL_OWNER
    assert conflict.value.changed_at >= entry.updated_at


def test_a_key_of_another_vendor_is_held(keys: KeyService) -> None:
    """A Groq key saved under OpenAI is kept and cannot be opened for a request."""
    entry = keys.add(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).entry
    assert entry.looks_like == "groq"
    with pytest.raises(RefusedError):
        keys.open(entry.id, owner=LOCAL_OWNER)


def test_a_held_key_moves_to_its_vendors_own_address(keys: KeyService) -> None:
    """One click gives it to Groq, at Groq's host and nowhere else."""
    entry = keys.add(
        new("openai", "Stray", GROQ, "https://proxy.example.com/v1"), owner=LOCAL_OWNER
    ).entry
    moved = keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version).entry
    assert (moved.provider, moved.looks_like) == ("groq", None)
    opened = keys.open(entry.id, owner=LOCAL_OWNER)
    assert (opened.destination, opened.secret) == ("https://api.groq.com/openai/v1", GROQ)


def test_only_a_held_key_can_be_moved(keys: KeyService) -> None:
    """The way around typing the secret again is open to held keys alone."""
    entry = add(keys)
    with pytest.raises(RefusedError):
        keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)


def test_the_hold_can_be_lifted(keys: KeyService) -> None:
    """A user who knows better may check the key where it is."""
    entry = keys.add(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).entry
    keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)
    assert keys.open(entry.id, owner=LOCAL_OWNER).destination == "https://api.openai.com/v1"


def test_deleting_the_selected_key_clears_the_selection(keys: KeyService) -> None:
    """Nothing is chosen silently in its place."""
    entry = add(keys)
    keys.select(entry.id, owner=LOCAL_OWNER, model="m")
    assert keys.entry(entry.id, owner=LOCAL_OWNER).selected
    assert keys.remove(entry.id, owner=LOCAL_OWNER).entry.selected
    assert keys.selection(owner=LOCAL_OWNER) is None
    with pytest.raises(NotFoundError):
        keys.entry(entry.id, owner=LOCAL_OWNER)


def test_somebody_elses_key_is_no_key(parts: Parts, keys: KeyService) -> None:
    """Every verb answers for another owner as for an unknown id."""
    join(parts.repository, EVE)
    entry = add(keys)
    for verb in (
        lambda: keys.entry(entry.id, owner=EVE),
        lambda: keys.find("groq/Production", owner=EVE),
        lambda: keys.open(entry.id, owner=EVE),
        lambda: keys.remove(entry.id, owner=EVE),
        lambda: keys.select(entry.id, owner=EVE),
        lambda: keys.move(entry.id, owner=EVE, version=1),
        lambda: keys.send_anyway(entry.id, owner=EVE, version=1),
        lambda: keys.edit(entry.id, KeyChanges(name="Hers"), owner=EVE, version=1),
    ):
        with pytest.raises(NotFoundError):
            verb()


def test_a_key_is_found_by_provider_and_name(keys: KeyService) -> None:
    """`provider/name` names a key, in any case, also when the name has a slash."""
    entry = add(keys, "team/prod")
    assert keys.find("groq/Team/Prod", owner=LOCAL_OWNER).id == entry.id
    assert keys.find(entry.id, owner=LOCAL_OWNER).id == entry.id


def test_without_a_master_key_names_can_change_and_secrets_cannot(parts: Parts) -> None:
    """A locked store lists, renames and deletes; it saves no secret and opens none."""
    entry = add(parts.keys)
    locked = KeyService(parts.repository, Safe(parts.repository.keyring, lambda: None))
    assert "master key" in (locked.list(owner=LOCAL_OWNER).entries[0].locked or "")
    renamed = edit(locked, entry, name="Renamed").entry
    with pytest.raises(LockedError):
        locked.open(entry.id, owner=LOCAL_OWNER)
    with pytest.raises(LockedError):
        locked.add(new("groq", "More", OTHER), owner=LOCAL_OWNER)
    with pytest.raises(LockedError):
        edit(locked, renamed, secret=OTHER)
    assert locked.remove(entry.id, owner=LOCAL_OWNER).entry.name == "Renamed"


def test_an_outage_does_not_wipe_what_was_proven(keys: KeyService) -> None:
    """After valid comes unreachable; the proof stays beside it."""
    entry = add(keys)
    at = datetime.now(UTC)
    for verdict in (Verdict.VALID, Verdict.UNREACHABLE):
        result = CheckResult(entry.id, entry.revision, Diagnosis(verdict, "r", "e", "d"), at)
        keys.record(result, owner=LOCAL_OWNER)
    check = keys.entry(entry.id, owner=LOCAL_OWNER).check
    assert check is not None
    assert check.diagnosis.verdict is Verdict.UNREACHABLE
    assert check.proven is not None
    assert check.proven.verdict is Verdict.VALID


def test_a_new_secret_starts_unchecked(keys: KeyService) -> None:
    """A check belongs to one secret at one address."""
    entry = add(keys)
    result = CheckResult(
        entry.id, entry.revision, Diagnosis(Verdict.VALID, "r", "e"), datetime.now(UTC)
    )
    keys.record(result, owner=LOCAL_OWNER)
    saved = edit(keys, entry, secret=OTHER)
    assert keys.entry(saved.entry.id, owner=LOCAL_OWNER).check is None


# --- whose is whose ---------------------------------------------------------------------------


def test_two_owners_do_not_know_of_each_other(parts: Parts, keys: KeyService) -> None:
    """The same name and the same secret may be saved by two, and each sees only the own."""
    join(parts.repository, EVE)
    mine = add(keys)
    hers = keys.add(new("groq", "production", GROQ), owner=EVE).entry
    assert [entry.id for entry in keys.list(owner=EVE).entries] == [hers.id]
    keys.select(hers.id, owner=EVE)
    assert keys.selection(owner=LOCAL_OWNER) is None
    assert not keys.entry(mine.id, owner=LOCAL_OWNER).selected
    keys.remove(hers.id, owner=EVE)
    assert keys.open(mine.id, owner=LOCAL_OWNER).secret == GROQ
    assert (keys.counts(owner=LOCAL_OWNER), keys.counts(owner=EVE)) == ({"groq": 1}, {})


def test_a_name_is_free_at_another_provider(keys: KeyService) -> None:
    """Names are told apart within a provider, so each may have its production key."""
    add(keys)
    other = keys.add(new("mistral", "Production", SIMPLE), owner=LOCAL_OWNER).entry
    assert keys.find("mistral/production", owner=LOCAL_OWNER).id == other.id


def test_a_rename_onto_a_taken_name_is_refused(keys: KeyService) -> None:
    """The refusal stands at the name, and both keys stay."""
    add(keys)
    second = add(keys, "Second", OTHER)
    with pytest.raises(InputError, match="named “Production”") as refused:
        edit(keys, second, name=" PRODUCTION ")
    assert refused.value.field == "name"
    assert keys.entry(second.id, owner=LOCAL_OWNER) == second


def test_a_taken_secret_is_refused_in_an_edit_too(keys: KeyService) -> None:
    """A key cannot become a second copy of another one."""
    add(keys)
    second = add(keys, "Second", OTHER)
    with pytest.raises(InputError, match="already saved as “Production” \\(Groq\\)") as refused:
        edit(keys, second, secret=GROQ)
    assert refused.value.field == "secret"
    assert keys.open(second.id, owner=LOCAL_OWNER).secret == OTHER


def test_short_secrets_may_be_shared(keys: KeyService) -> None:
    """`lm-studio` is no credential, so several local servers may have it."""
    for number in range(3):
        keys.add(
            new("lmstudio", f"Box {number}", "lm-studio", f"http://box{number}:1234/v1"),
            owner=LOCAL_OWNER,
        )
    assert keys.counts(owner=LOCAL_OWNER) == {"lmstudio": 3}


@pytest.mark.parametrize("ref", ["groq/production", "GROQ/Production", " Groq /PRODUCTION"])
def test_a_key_is_found_in_whatever_case(keys: KeyService, ref: str) -> None:
    """Neither the provider nor the name has to be spelt in its own case."""
    entry = add(keys)
    assert keys.find(ref, owner=LOCAL_OWNER).id == entry.id


@pytest.mark.parametrize(
    ("offset", "limit", "shown"),
    [
        (0, None, 5),
        (0, 5, 5),
        (0, 2, 2),
        (4, 2, 1),
        (2, None, 3),
        (9, None, 0),
        (9, 2, 0),
        (0, 0, 0),
    ],
)
def test_a_page_tells_how_many_there_are_in_all(
    keys: KeyService, offset: int, limit: int | None, shown: int
) -> None:
    """Whichever part is shown, the total is that of all."""
    for number in range(5):
        add(keys, f"Key {number}", f"gsk_{number}" + "a1B2" * 12)
    page = keys.list(owner=LOCAL_OWNER, offset=offset, limit=limit)
    assert (len(page.entries), page.total) == (shown, 5)


@pytest.mark.parametrize("slug", ["nobody", "", "OpenAI", "x" * 500])
def test_an_unknown_provider_is_refused_by_naming_those_there_are(
    keys: KeyService, slug: str
) -> None:
    """Nothing is saved under what is no provider, and the sentence stays short."""
    with pytest.raises(RefusedError, match="openai, groq, lmstudio, ollama") as refused:
        keys.add(new(slug, "Mine", SIMPLE), owner=LOCAL_OWNER)
    assert len(str(refused.value)) < 200


# --- altered outside the app ------------------------------------------------------------------


@pytest.fixture
def alter(settings: Settings) -> Callable[..., None]:
    """Writes into every row, past the app."""

    def write(**columns: Any) -> None:
        path = settings.data_dir / "mohet_keys.db"
        with closing(sqlite3.connect(path)) as raw, raw:
            for column, value in columns.items():
                raw.execute(f"UPDATE api_key SET {column} = ?", (value,))  # noqa: S608  # a name

    return write


ALTERED: list[dict[str, Any]] = [
    {"sealed": b"ruined"},
    {"sealed": b""},
    {"endpoint": "https://evil.example/v1"},
    {"endpoint": "not an address"},
    {"endpoint": "http://169.254.169.254/"},
    {"provider": "openai"},
    {"provider": "nobody"},
    {"revision": 9},
    {"allow_http": 1},
    {"data_key_id": "gone", "sealed": b"MK\x01\x00\x02{}" + bytes(120)},
]


@pytest.mark.parametrize("columns", ALTERED, ids=str)
def test_t11_an_altered_key_can_be_listed_renamed_selected_and_deleted(
    keys: KeyService, alter: Callable[..., None], columns: dict[str, Any]
) -> None:
    """Whatever was done to its row, the key is locked, not lost, and nothing is sealed anew."""
    entry = add(keys)
    alter(**columns)
    seen = keys.list(owner=LOCAL_OWNER).entries[0]
    with pytest.raises(LockedError):
        keys.open(entry.id, owner=LOCAL_OWNER)
    renamed = edit(keys, seen, name="Renamed", endpoint=seen.endpoint).entry
    assert (renamed.name, renamed.revision) == ("Renamed", seen.revision)
    with pytest.raises(LockedError):
        keys.open(entry.id, owner=LOCAL_OWNER)
    keys.select(entry.id, owner=LOCAL_OWNER)
    assert keys.remove(entry.id, owner=LOCAL_OWNER).entry.name == "Renamed"


def test_t11_a_rename_leaves_the_sealed_bytes_alone(
    parts: Parts, alter: Callable[..., None]
) -> None:
    """What cannot be opened is not sealed again: not one byte of it changes."""
    entry = add(parts.keys)
    alter(sealed=b"ruined")
    edit(parts.keys, entry, name="Renamed")
    assert parts.repository.sealed(entry.id, LOCAL_OWNER).blob == b"ruined"


@pytest.mark.parametrize(
    "columns", [{"sealed": b"ruined"}, {"revision": 9}, {"allow_http": 1}], ids=str
)
def test_the_same_secret_typed_again_heals_an_altered_key(
    keys: KeyService, alter: Callable[..., None], columns: dict[str, Any]
) -> None:
    """The way back that the locked key names works, with the secret it had as well."""
    entry = add(keys)
    alter(**columns)
    seen = keys.entry(entry.id, owner=LOCAL_OWNER)
    saved = edit(keys, seen, secret=GROQ, endpoint=seen.endpoint)
    assert (saved.changed, saved.recheck) == (True, True)
    opened = keys.open(entry.id, owner=LOCAL_OWNER)
    assert (opened.secret, opened.destination) == (GROQ, "https://api.groq.com/openai/v1")


def test_an_altered_address_is_put_right_with_the_secret(
    keys: KeyService, alter: Callable[..., None]
) -> None:
    """Typing address and secret brings a key back, even when the stored address is none."""
    entry = add(keys)
    alter(endpoint="not an address")
    seen = keys.entry(entry.id, owner=LOCAL_OWNER)
    with pytest.raises(InputError) as refused:
        edit(keys, seen, endpoint="https://api.groq.com/openai/v1")
    assert refused.value.field == "secret"
    with pytest.raises(InputError) as refused:
        edit(keys, seen, secret=GROQ)
    assert refused.value.field == "endpoint"
    edit(keys, seen, secret=GROQ, endpoint="https://api.groq.com/openai/v1")
    assert keys.open(entry.id, owner=LOCAL_OWNER).secret == GROQ


def test_a_twin_under_an_unknown_provider_is_named_all_the_same(
    keys: KeyService, alter: Callable[..., None]
) -> None:
    """A row altered outside the app breaks no other key's form."""
    add(keys)
    alter(provider="nobody")
    with pytest.raises(InputError, match="already saved as “Production” \\(nobody\\)"):
        keys.add(new("openai", "Copy", GROQ), owner=LOCAL_OWNER)


# --- held keys --------------------------------------------------------------------------------


def test_every_verb_on_a_held_key_meets_the_same_rules(keys: KeyService) -> None:
    """Moving and letting go need the version that was seen, like any change."""
    entry = keys.add(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).entry
    edit(keys, entry, name="Renamed")
    with pytest.raises(ConflictError):
        keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)
    with pytest.raises(ConflictError):
        keys.send_anyway(entry.id, owner=LOCAL_OWNER, version=entry.version)
    assert keys.entry(entry.id, owner=LOCAL_OWNER).looks_like == "groq"


def test_a_move_meets_a_taken_name(keys: KeyService) -> None:
    """A key whose name the other provider has already stays where it was, still held."""
    add(keys, "Stray", OTHER)
    entry = keys.add(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).entry
    with pytest.raises(InputError) as refused:
        keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)
    assert refused.value.field == "name"
    assert keys.entry(entry.id, owner=LOCAL_OWNER) == entry


def test_a_key_of_a_vendor_without_a_tab_stays(keys: KeyService) -> None:
    """There is nowhere to move an Anthropic key to, so it is held until it is let go."""
    entry = keys.add(new("openai", "Stray", "sk-ant-api03-" + "a1B2" * 12), owner=LOCAL_OWNER).entry
    assert entry.looks_like == "anthropic"
    with pytest.raises(RefusedError, match="cannot be moved"):
        keys.move(entry.id, owner=LOCAL_OWNER, version=entry.version)


def test_a_new_secret_lifts_the_hold_or_sets_it(keys: KeyService) -> None:
    """Whose a key is, is judged again with each secret and each address."""
    entry = keys.add(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).entry
    right = edit(keys, entry, secret="sk-proj-" + "a1B2" * 12).entry
    assert right.looks_like is None
    assert edit(keys, right, secret=GROQ).entry.looks_like == "groq"


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["seal", "fingerprint", "data_key_of"])
def test_t35_a_fault_while_sealing_saves_nothing(
    keys: KeyService, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whichever step breaks, nothing is stored, in clear or otherwise, and nothing is told."""

    def broken(*_given: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Vault, step, broken)
    with pytest.raises(RuntimeError) as fault:
        add(keys)
    assert scan(GROQ, {"said": repr((fault.value, fault.value.args)).encode()}) == []
    assert keys.counts(owner=LOCAL_OWNER) == {}


def test_t56_times_come_from_the_clock_that_was_given(parts: Parts) -> None:
    """Saved and changed carry the moments of the service's own clock."""
    moments = iter([datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(9)])
    keys = KeyService(parts.repository, parts.safe, clock=lambda: next(moments))
    entry = add(keys)
    assert entry.created_at == entry.updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    renamed = edit(keys, entry, name="Renamed").entry
    assert (renamed.created_at, renamed.updated_at) == (
        entry.created_at,
        datetime(2026, 1, 2, tzinfo=UTC),
    )


# --- what comes in ----------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["123456", "true", "0", "{}", "1e5", "k9" * 4096])
def test_t07_an_odd_secret_comes_back_as_the_same_text(keys: KeyService, secret: str) -> None:
    """What looks like a number or like JSON is stored and opened as it was typed."""
    entry = keys.add(new("ollama", "Odd", secret), owner=LOCAL_OWNER).entry
    opened = keys.open(entry.id, owner=LOCAL_OWNER).secret
    assert (secret, str) == (opened, type(opened))


def test_what_was_mended_is_told(keys: KeyService) -> None:
    """The sentences on the secret and on the address come back with the saved key."""
    saved = keys.add(
        new("groq", "Prod", f'export X="{GROQ}"', "api.groq.com/v1"), owner=LOCAL_OWNER
    )
    assert saved.notes == (
        "Took off the name before the key.",
        "Took off the quotes around the key.",
        "Added https:// to the address.",
        "Set the path to /openai/v1, where Groq has its API.",
    )
    assert keys.open(saved.entry.id, owner=LOCAL_OWNER).secret == GROQ


def test_a_server_without_a_key_may_move_freely_but_not_to_a_vendor(keys: KeyService) -> None:
    """There is no secret to guard; the vendor's own host wants one all the same."""
    entry = keys.add(new("ollama", "Mine", ""), owner=LOCAL_OWNER).entry
    moved = edit(keys, entry, endpoint="http://box.local:11434").entry
    assert (moved.endpoint, moved.has_secret) == ("http://box.local:11434/v1", False)
    with pytest.raises(InputError, match=r"ollama\.com needs a key") as refused:
        edit(keys, moved, endpoint="https://ollama.com")
    assert refused.value.field == "secret"
    cloud = edit(keys, moved, endpoint="https://ollama.com", secret=SIMPLE).entry
    assert (cloud.endpoint, cloud.has_secret) == ("https://ollama.com/v1", True)


# --- the address that is sealed, and keys that are not saved yet --------------------------------


def test_the_sealed_address_is_told_apart_from_the_column(
    keys: KeyService, settings: Settings
) -> None:
    """Once the column was changed behind the app's back, no address is believed."""
    entry = add(keys)
    assert keys.sealed_endpoint(entry.id, owner=LOCAL_OWNER) == entry.endpoint
    with sqlite3.connect(settings.data_dir / "mohet_keys.db") as database:
        database.execute("UPDATE api_key SET endpoint = 'https://evil.example/v1'")
    assert keys.sealed_endpoint(entry.id, owner=LOCAL_OWNER) is None


def test_a_draft_is_cleaned_and_written_nowhere(keys: KeyService) -> None:
    """What a test sends is what would be saved, and nothing is saved by it."""
    draft = keys.draft(new("groq", "Production", GROQ), owner=LOCAL_OWNER)
    assert draft.key.destination == "https://api.groq.com/openai/v1"
    assert draft.held is None
    assert keys.counts(owner=LOCAL_OWNER) == {}
    assert scan(GROQ, {"repr": repr(draft).encode()}) == []


def test_a_draft_of_another_vendors_key_is_held(keys: KeyService) -> None:
    """It is told what it looks like before it is sent anywhere."""
    held = keys.draft(new("openai", "Stray", GROQ), owner=LOCAL_OWNER).held
    assert held is not None
    assert "looks like a Groq key" in held.reason


def test_a_draft_is_refused_like_a_key(keys: KeyService) -> None:
    """A secret that is saved already, and a bad name, are refused before the test."""
    add(keys)
    with pytest.raises(InputError, match="already saved"):
        keys.draft(new("groq", "Other", GROQ), owner=LOCAL_OWNER)
    with pytest.raises(InputError, match="name"):
        keys.draft(new("groq", "", OTHER), owner=LOCAL_OWNER)


def test_a_chosen_model_is_remembered_with_whether_it_was_listed(keys: KeyService) -> None:
    """A model of the key's own list may go one day; one that was typed never was there."""
    entry = add(keys)
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    keys.record(
        CheckResult(entry.id, 1, said, datetime.now(UTC), models=("a", "b")), owner=LOCAL_OWNER
    )
    keys.select(entry.id, owner=LOCAL_OWNER, model="a")
    assert keys.selection(owner=LOCAL_OWNER) == Selection(LOCAL_OWNER, entry.id, "a", listed=True)
    keys.select(entry.id, owner=LOCAL_OWNER, model="typed")
    assert keys.selection(owner=LOCAL_OWNER) == Selection(
        LOCAL_OWNER, entry.id, "typed", listed=False
    )


@pytest.mark.parametrize("model", ["", "two words", "x" * 201, "a\nb"])
def test_a_text_that_is_no_model_id_is_refused(keys: KeyService, model: str) -> None:
    """Nothing is selected with a model that no request could name."""
    entry = add(keys)
    with pytest.raises(InputError, match="model id"):
        keys.select(entry.id, owner=LOCAL_OWNER, model=model)
    assert keys.selection(owner=LOCAL_OWNER) is None
