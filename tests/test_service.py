"""The verbs on saved keys, over a real store and a real vault."""

from __future__ import annotations

from datetime import UTC, datetime

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
    Verdict,
)
from mohet_keys.service import KeyService, Saved
from mohet_keys.wiring import Parts

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
    assert keys.remove(entry.id, owner=LOCAL_OWNER).selected
    assert keys.selection(owner=LOCAL_OWNER) is None
    with pytest.raises(NotFoundError):
        keys.entry(entry.id, owner=LOCAL_OWNER)


def test_somebody_elses_key_is_no_key(keys: KeyService) -> None:
    """Every verb answers for another owner as for an unknown id."""
    entry = add(keys)
    for verb in (
        lambda: keys.entry(entry.id, owner="eve"),
        lambda: keys.find("groq/Production", owner="eve"),
        lambda: keys.open(entry.id, owner="eve"),
        lambda: keys.remove(entry.id, owner="eve"),
        lambda: keys.select(entry.id, owner="eve"),
        lambda: keys.move(entry.id, owner="eve", version=1),
        lambda: keys.send_anyway(entry.id, owner="eve", version=1),
        lambda: keys.edit(entry.id, KeyChanges(name="Hers"), owner="eve", version=1),
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
    locked = KeyService(parts.repository, None, locked="The master key is missing.")
    assert locked.list(owner=LOCAL_OWNER).entries[0].locked == "The master key is missing."
    renamed = edit(locked, entry, name="Renamed").entry
    with pytest.raises(LockedError):
        locked.open(entry.id, owner=LOCAL_OWNER)
    with pytest.raises(LockedError):
        locked.add(new("groq", "More", OTHER), owner=LOCAL_OWNER)
    with pytest.raises(LockedError):
        edit(locked, renamed, secret=OTHER)
    assert locked.remove(entry.id, owner=LOCAL_OWNER).name == "Renamed"


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
