"""Keys out into a file and in from one: shown before it is written, and no secret on the way."""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from mohet_keys import envelope, masterkey, parcel, vault, wiring
from mohet_keys.errors import (
    InputError,
    LockedError,
    NotFoundError,
    PassphraseError,
    RefusedError,
    StoreError,
)
from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, Doing, KeyChanges, KeyEntry, NewKey
from mohet_keys.parcel import Carried
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.transfer import Item, Plan, Transfer, needs_passphrase
from mohet_keys.wiring import Parts
from tests.leaks import canary, files_below, scan
from tests.masters import started, store_in
from tests.team import ADA, join

PASSPHRASE = "correct horse battery staple"
AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
GROQ = "gsk_" + "a1B2" * 13
OTHER = "gsk_" + "z9Y8" * 13
OPENAI = "sk-proj-" + "q7W8e9" * 8
PLAIN = "q7W8e9R0t1Y2u3I4o5P6a7S8d9F0g1H2"
PUBLIC_HTTP = "http://proxy.example.com/v1"


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """The same scrypt with less work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "SCRYPT_N", 2**4)
        patch.setattr(vault, "LEAST_WORK", 2**4 * 8)
        yield


@pytest.fixture
def keys(parts: Parts) -> KeyService:
    """The verbs."""
    return parts.keys


@pytest.fixture
def transfer(keys: KeyService) -> Transfer:
    """What is tested."""
    return Transfer(keys, clock=lambda: AT)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Parts]:
    """The product on another machine: another store and another master key."""
    store_in(tmp_path / "elsewhere", "old")
    with started(tmp_path / "elsewhere", "old") as parts:
        yield parts


def add(
    keys: KeyService, name: str = "Work", secret: str = GROQ, slug: str = "groq", **more: Any
) -> KeyEntry:
    """A saved key."""
    new = NewKey(provider=slug, name=name, secret=SecretStr(secret), **more)
    return keys.add(new, owner=LOCAL_OWNER).entry


def env(transfer: Transfer, *lines: str) -> Plan:
    """What a `.env` file with these lines would bring in."""
    return transfer.plan("\n".join(lines).encode(), owner=LOCAL_OWNER)


def only(plan: Plan) -> Item:
    """The one key of a plan."""
    (item,) = plan.items
    return item


def file_of(*keys: Carried) -> bytes:
    """An export with these keys."""
    return parcel.pack(keys, PASSPHRASE, at=AT)


def carried(name: str = "Work", secret: str = GROQ, slug: str = "groq", **more: Any) -> Carried:
    """A key of an export."""
    fields = {"endpoint": "", "allow_http": False, "created_at": AT, **more}
    return Carried(provider=slug, name=name, secret=secret, **fields)


def stored(parts: Parts) -> list[KeyEntry]:
    """Every key there is, by name."""
    return list(parts.keys.list(owner=LOCAL_OWNER, sort="name").entries)


# --- from one machine to another ----------------------------------------------------------------


def test_keys_go_to_another_machine(keys: KeyService, transfer: Transfer, elsewhere: Parts) -> None:
    """What is exported here comes in there: provider, name, address, consent and secret; and the
    master keys of the two have nothing to do with each other."""
    chosen = [
        add(keys, "Produktion „Nord“"),
        add(keys, "Proxy", OPENAI, "openai", endpoint=PUBLIC_HTTP, allow_http=True),
        add(keys, "Mine", "", "ollama"),
    ]
    add(keys, "Not chosen", PLAIN, "mistral")
    exported = transfer.export(
        [entry.id for entry in chosen], owner=LOCAL_OWNER, passphrase=PASSPHRASE
    )
    assert [entry.name for entry in exported.entries] == [entry.name for entry in chosen]
    assert exported.left_out == ()
    there = Transfer(elsewhere.keys)
    plan = there.plan(exported.content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert (plan.kind, plan.count("new"), plan.ignored) == ("export", 3, ())
    assert stored(elsewhere) == []
    done = there.carry_out(plan, owner=LOCAL_OWNER)
    assert done.left_out == ()
    for saved, entry in zip(done.saved, chosen, strict=True):
        new, old = saved.entry, entry
        same = ("provider", "name", "endpoint", "hint", "allow_http", "has_secret")
        assert [getattr(new, each) for each in same] == [getattr(old, each) for each in same]
        opened = elsewhere.keys.open(new.id, owner=LOCAL_OWNER)
        assert opened.secret == keys.open(old.id, owner=LOCAL_OWNER).secret
    assert len(stored(elsewhere)) == 3


def test_what_is_there_is_said_and_left_alone(keys: KeyService, transfer: Transfer) -> None:
    """A file of this very store brings nothing in, and tells of each key under which name it is
    there."""
    entries = [add(keys), add(keys, "Mine", "", "lmstudio")]
    exported = transfer.export(
        [entry.id for entry in entries], owner=LOCAL_OWNER, passphrase=PASSPHRASE
    )
    keys.edit(entries[0].id, KeyChanges(name="Renamed"), owner=LOCAL_OWNER, version=1)
    plan = transfer.plan(exported.content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert [(item.state, item.said) for item in plan.items] == [
        ("there", "Saved already as “Renamed” (Groq)."),
        ("there", "Saved already as “Mine”."),
    ]
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert (done.saved, [each.state for each in done.left_out]) == ((), ["there", "there"])


def test_the_file_is_as_parcel_makes_it(keys: KeyService, transfer: Transfer) -> None:
    """It opens with its passphrase alone, and says when it was made and when its keys were."""
    entry = add(keys)
    exported = transfer.export([entry.id] * 2, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert json.loads(exported.content)["created_at"] == "2026-11-24T08:00:00Z"
    assert parcel.unpack(exported.content, PASSPHRASE) == (
        carried(endpoint="https://api.groq.com/openai/v1", created_at=entry.created_at),
    )
    with pytest.raises(PassphraseError):
        transfer.plan(exported.content, owner=LOCAL_OWNER, passphrase=PASSPHRASE.upper())


# --- going out ----------------------------------------------------------------------------------


def test_t03_a_key_goes_out_at_the_address_it_is_sealed_for(
    parts: Parts, keys: KeyService, transfer: Transfer
) -> None:
    """An address changed behind the product's back keeps its key at home, and that is said."""
    good, bad = add(keys), add(keys, "Bad", OTHER)
    sabotage(parts, "UPDATE api_key SET endpoint = 'https://evil.example/v1' WHERE name = 'Bad'")
    exported = transfer.export([good.id, bad.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert [entry.name for entry in exported.entries] == ["Work"]
    [missed] = exported.left_out
    assert (missed.provider, missed.name, missed.state) == ("groq", "Bad", "refused")
    assert "evil.example" in missed.why
    assert (
        b"evil"
        not in json.dumps(
            [dataclasses.asdict(k) for k in parcel.unpack(exported.content, PASSPHRASE)],
            default=str,
        ).encode()
    )


def test_a_key_changed_meanwhile_goes_out_as_it_is_sealed(
    keys: KeyService, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of a key before it was opened does not count for where it may be sent."""
    stale = dataclasses.replace(add(keys), endpoint="https://before.example/v1")
    monkeypatch.setattr(keys, "entries", lambda *_given, **_more: [stale])
    exported = transfer.export([stale.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    (key,) = parcel.unpack(exported.content, PASSPHRASE)
    assert key.endpoint == "https://api.groq.com/openai/v1"


def sabotage(parts: Parts, statement: str) -> None:
    """Change the store behind the product's back."""
    with parts.repository._database.engine.begin() as connection:
        connection.execute(text(statement))


def test_a_held_key_stays_at_home(keys: KeyService, transfer: Transfer) -> None:
    """One that looks like another vendor's goes nowhere until somebody says where it belongs."""
    held, good = add(keys, "Held", OPENAI), add(keys)
    exported = transfer.export([held.id, good.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert [entry.name for entry in exported.entries] == ["Work"]
    assert "looks like an OpenAI key" in exported.left_out[0].why
    with pytest.raises(RefusedError, match="There is no key to export"):
        transfer.export([held.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)


def test_a_locked_store_lets_nothing_out(
    settings: Settings, keys: KeyService, transfer: Transfer
) -> None:
    """With another master key an export says why, and no file is made."""
    entry = add(keys)
    settings.generated_master_key_file.write_text("f0e1d2c3b4a59687" * 4)
    other = wiring.build(settings)
    try:
        with pytest.raises(LockedError, match="master key"):
            Transfer(other.keys).export([entry.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
        with pytest.raises(LockedError, match="master key"):
            Transfer(other.keys).plan(f"GROQ_API_KEY={OTHER}".encode(), owner=LOCAL_OWNER)
    finally:
        other.close()


def test_a_weak_passphrase_opens_no_key(keys: KeyService, transfer: Transfer) -> None:
    """It is refused before any key is opened, so that none is on record as exported."""
    entry = add(keys)
    with pytest.raises(InputError) as caught:
        transfer.export([entry.id], owner=LOCAL_OWNER, passphrase="short")
    assert caught.value.field == "passphrase"
    assert exports(keys) == []


def exports(keys: KeyService) -> list[tuple[str | None, str]]:
    """Each export on record: its key and how it went."""
    done = keys._repository.journal.page(Wanted(owner=LOCAL_OWNER))
    return [(each.key_id, each.result) for each in done if each.action == "export"]


def test_each_key_that_goes_out_is_on_record(keys: KeyService, transfer: Transfer) -> None:
    """Who looks at the activity sees which keys were exported, and of a failure that it was."""
    entries = [add(keys), add(keys, "Other", OTHER)]
    ids = [entry.id for entry in entries]
    transfer.export(ids, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert sorted(exports(keys)) == sorted((key_id, "done") for key_id in ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parcel, "LARGEST", 2000)
        with pytest.raises(RefusedError, match="fewer"):
            transfer.export(ids, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    both = [(key_id, result) for key_id in ids for result in ("done", "failed")]
    assert sorted(exports(keys)) == sorted(both)


def test_t43_a_key_of_somebody_else_is_not_there(
    parts: Parts, keys: KeyService, transfer: Transfer
) -> None:
    """A foreign key and an unknown one are refused alike, and no other is opened then."""
    join(parts.repository, ADA)
    entry = add(keys)
    for ids, owner in (([entry.id], ADA), ([entry.id, "nonsense"], LOCAL_OWNER)):
        with pytest.raises(NotFoundError):
            transfer.export(ids, owner=owner, passphrase=PASSPHRASE)
    assert exports(keys) == []


def test_a_key_deleted_meanwhile_ends_the_export(
    keys: KeyService, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when the export began: no file is made, and those that were opened are on
    record as not exported."""
    entries = [add(keys), add(keys, "Gone", OTHER)]
    keys.remove(entries[1].id, owner=LOCAL_OWNER)
    monkeypatch.setattr(keys, "entries", lambda *_given, **_more: entries)
    with pytest.raises(NotFoundError):
        transfer.export([e.id for e in entries], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert exports(keys) == [(entries[0].id, "failed")]


def test_too_many_keys_are_refused(keys: KeyService, transfer: Transfer) -> None:
    """A thousand is the most, out and in; nothing chosen is nothing to do."""
    many = [str(number) for number in range(1001)]
    with pytest.raises(RefusedError, match="at most 1000"):
        transfer.export(many, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    with pytest.raises(RefusedError, match="no key to export"):
        transfer.export([], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    with pytest.raises(RefusedError, match="more than 1000 keys"):
        env(transfer, *(f"A{number}_GROQ_API_KEY={PLAIN}" for number in range(1001)))


# --- what would come in -------------------------------------------------------------------------


def test_a_plan_shows_what_would_come_in(transfer: Transfer) -> None:
    """Provider, name, address and hint of each key, and by name what is none."""
    plan = env(
        transfer,
        f"GROQ_API_KEY={GROQ}",
        f'MY_OPENAI_API_KEY=" {OPENAI}"',
        "OPENAI_BASE_URL=proxy.example.com/v1/models",
        "DATABASE_URL=sqlite://",
        "just words",
    )
    assert (plan.kind, plan.count("new")) == ("env", 2)
    groq, openai = plan.items
    assert (groq.provider, groq.name, groq.state) == ("groq", "GROQ_API_KEY", "new")
    assert groq.endpoint == "https://api.groq.com/openai/v1"
    assert groq.hint == f"gsk_••••••••{GROQ[-4:]}"
    assert (groq.notes, groq.said) == ((), "")
    assert (openai.provider, openai.endpoint) == ("openai", "https://proxy.example.com/v1")
    assert openai.notes == (
        "Its address is that of OPENAI_BASE_URL in the file.",
        "Took off the spaces around the key.",
        "Added https:// to the address.",
        "Took /models off the end of the address.",
    )
    assert [each.name for each in plan.ignored] == ["DATABASE_URL", "line 5"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["GROQ_API_KEY=your-api-key"], "placeholder"),
        (["GROQ_API_KEY=gsk_••••••••abcd"], "masked"),
        (["GROQ_API_KEY=two words"], "a space"),
        ([f"GROQ_API_KEY={GROQ},{OTHER}"], "two keys"),
        ([f"GROQ_API_KEY={'k1' * 5000}"], "longer than"),
        ([f"OPENAI_API_KEY={OPENAI}", "OPENAI_BASE_URL=ftp://x"], "https://"),
        ([f"OPENAI_API_KEY={OPENAI}", "OPENAI_BASE_URL=http://169.254.169.254"], "reserved"),
        ([f"OPENAI_API_KEY={OPENAI}", f"OPENAI_BASE_URL={PUBLIC_HTTP}"], "unencrypted"),
        ([f"OPENAI_API_KEY={OPENAI}", "A_OPENAI_BASE_URL=https://x.example"], "another name"),
        ([f"OPENAI_API_KEY={OPENAI}", "OPENAI_BASE_URL=https://me:pw@x.example"], "user name"),
    ],
)
def test_what_cannot_come_in_is_refused_with_its_reason(
    transfer: Transfer, lines: list[str], told: str
) -> None:
    """A bad secret, a bad address, and one nobody can tell: said, and never written."""
    plan = env(transfer, *lines)
    item = only(plan)
    assert (item.state, item.prepared, item.hint, item.endpoint) == ("refused", None, "", "")
    assert told in item.said
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert (done.saved, [each.why for each in done.left_out]) == ((), [item.said])


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (carried(slug="cohere"), "no provider here"),
        (carried(name="\u202e"), "name"),
        (carried(name="a\nb"), "line break"),
        (carried(name=GROQ), "looks like an API key"),
        (carried(endpoint="javascript:alert(1)"), "port"),
        (carried(endpoint=PUBLIC_HTTP), "unencrypted"),
        (carried(secret="", name=" "), "Enter the API key"),
    ],
)
def test_an_odd_key_of_an_export_is_refused(transfer: Transfer, key: Carried, told: str) -> None:
    """A file somebody made with another program brings in nothing that a form would not take;
    what is good in it comes in all the same."""
    content = file_of(key, carried("Good", OTHER))
    plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert [item.state for item in plan.items] == ["refused", "new"]
    assert told in plan.items[0].said
    assert len(plan.items[0].name) <= 160


def test_an_unencrypted_address_is_shown_as_that(transfer: Transfer) -> None:
    """The consent given elsewhere counts, and is said where it is shown."""
    key = carried(secret=OPENAI, slug="openai", endpoint=PUBLIC_HTTP, allow_http=True)
    item = only(transfer.plan(file_of(key), owner=LOCAL_OWNER, passphrase=PASSPHRASE))
    assert (item.state, item.endpoint) == ("new", PUBLIC_HTTP)
    assert "not encrypted" in item.notes[0]


def test_a_key_that_looks_wrong_comes_in_held(keys: KeyService, transfer: Transfer) -> None:
    """It is saved and goes nowhere, as one that was typed in; and that is said before."""
    plan = env(transfer, f"OPENAI_API_KEY=sk-ant-{PLAIN}")
    assert "looks like an Anthropic key" in only(plan).notes[0]
    [saved] = transfer.carry_out(plan, owner=LOCAL_OWNER).saved
    with pytest.raises(RefusedError, match="Anthropic"):
        keys.open(saved.entry.id, owner=LOCAL_OWNER)


def test_a_taken_name_is_a_clash(keys: KeyService, transfer: Transfer) -> None:
    """Another secret under a name that is taken is said, and left out unless it may be renamed."""
    add(keys, "groq_api_key")
    plan = env(transfer, f"GROQ_API_KEY={OTHER}")
    item = only(plan)
    assert item.state == "clash"
    assert item.said == "You already have a key for Groq named “groq_api_key”."
    done = transfer.carry_out(plan, owner=LOCAL_OWNER)
    assert (done.saved, done.left_out[0].state) == ((), "clash")
    assert done.left_out[0].why == item.said
    [saved] = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True).saved
    assert saved.entry.name == "GROQ_API_KEY (2)"
    assert keys.open(saved.entry.id, owner=LOCAL_OWNER).secret == OTHER


def test_a_name_that_became_free_is_used_only_when_asked_for(
    keys: KeyService, transfer: Transfer
) -> None:
    """What was shown as left out stays out; who lets it come in gets the name as it is."""
    entry = add(keys)
    plan = transfer.plan(file_of(carried(secret=OTHER)), owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    keys.remove(entry.id, owner=LOCAL_OWNER)
    assert transfer.carry_out(plan, owner=LOCAL_OWNER).saved == ()
    [saved] = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True).saved
    assert saved.entry.name == "Work"


def test_the_next_free_name_is_taken(parts: Parts, keys: KeyService, transfer: Transfer) -> None:
    """Names with numbers that are there are skipped, and a long name is cut to make room."""
    add(keys, "Work", PLAIN + "1")
    add(keys, "work (2)", PLAIN + "2")
    long = "n" * 80
    add(keys, long, PLAIN + "3")
    content = file_of(carried(), carried(secret=OTHER), carried(long, PLAIN + "4"))
    plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert plan.count("clash") == 3
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert [saved.entry.name for saved in done.saved] == ["Work (3)", "Work (4)", "n" * 76 + " (2)"]
    assert len(stored(parts)) == 6


def test_when_no_name_is_left_it_stays_out(
    keys: KeyService, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many keys of one name the next one has to wait for a name of its own."""
    monkeypatch.setattr("mohet_keys.transfer._MOST_NAMES", 2)
    for number, name in enumerate(("Work", "Work (2)")):
        add(keys, name, f"{PLAIN}{number}")
    plan = transfer.plan(file_of(carried()), owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    [missed] = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True).left_out
    assert (missed.state, "named like" in missed.why) == ("clash", True)


def test_keys_of_one_file_may_clash_with_each_other(transfer: Transfer) -> None:
    """The same secret twice comes in once; two secrets under one name are a clash."""
    plan = env(
        transfer,
        f"GROQ_API_KEY={GROQ}",
        f"MY_GROQ_API_KEY={GROQ}",
        f"groq_api_key={OTHER}",
    )
    assert [item.state for item in plan.items] == ["new", "there", "clash"]
    assert plan.items[1].said == "The same key as “GROQ_API_KEY” of this file."
    assert plan.items[2].said == "Another key of this file is named “GROQ_API_KEY”."
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert [saved.entry.name for saved in done.saved] == ["GROQ_API_KEY", "groq_api_key (2)"]


def test_the_same_name_at_two_providers_is_none(keys: KeyService, transfer: Transfer) -> None:
    """Names are unique within a provider."""
    add(keys, "Work", OPENAI, "openai")
    plan = transfer.plan(file_of(carried()), owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    assert only(plan).state == "new"


def test_servers_without_a_key_are_told_apart_by_their_address(
    keys: KeyService, transfer: Transfer
) -> None:
    """No secret is no sign of being the same: at another address it is another key."""
    add(keys, "Mine", "", "ollama")
    here = carried("Mine", "", "ollama", endpoint="http://localhost:11434")
    there = carried("Mine", "", "ollama", endpoint="http://gpu-box:11434")
    secret = carried("Mine", "short", "ollama")
    for key, state in ((here, "there"), (there, "clash"), (secret, "clash")):
        plan = transfer.plan(file_of(key), owner=LOCAL_OWNER, passphrase=PASSPHRASE)
        assert only(plan).state == state


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        f"GROQ_API_KEY={GROQ}\r\n".encode(),
        f"\ufeffGROQ_API_KEY={GROQ}".encode(),
        f"GROQ_API_KEY={GROQ}\r\n".encode("utf-16"),
        f"\ufeffGROQ_API_KEY={GROQ}".encode("utf-16-be"),
        f"# Schlüssel\nexport GROQ_API_KEY='{GROQ}'\n".encode(),
    ],
)
def test_a_text_of_any_system_is_read(transfer: Transfer, content: bytes) -> None:
    """UTF-8 and what Windows writes by `>` are text; no passphrase is needed."""
    assert not needs_passphrase(content)
    plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase="not asked for")
    assert only(plan).prepared is not None


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\xff", b"PK\x03\x04\0\0", b"\x89PNG\r\n", b"A=\xff", b"A=1\0", b"\xff\xfeA"],
)
def test_what_is_no_text_is_refused(transfer: Transfer, content: bytes) -> None:
    """A picture or an archive is named as nothing that could come in."""
    for use in (needs_passphrase, lambda file: transfer.plan(file, owner=LOCAL_OWNER)):
        with pytest.raises(RefusedError, match="neither an export") as caught:
            use(content)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_large_file_is_refused(transfer: Transfer) -> None:
    """More than a mebibyte is not read, whatever it is."""
    for content in (b"A=" + b"x" * 2**20, b"{" + b" " * 2**20):
        with pytest.raises(RefusedError, match="1 MiB"):
            transfer.plan(content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)


def test_an_empty_file_brings_nothing(transfer: Transfer) -> None:
    """No line is no key and no failure."""
    plan = transfer.plan(b"", owner=LOCAL_OWNER)
    assert (plan.items, plan.ignored) == ((), ())


@pytest.mark.parametrize("passphrase", [None, ""])
def test_a_protected_file_needs_its_passphrase(transfer: Transfer, passphrase: str | None) -> None:
    """It is asked for at its own field, and only for a file that a passphrase would open."""
    with pytest.raises(InputError) as caught:
        transfer.plan(file_of(carried()), owner=LOCAL_OWNER, passphrase=passphrase)
    assert caught.value.field == "passphrase"
    with pytest.raises(RefusedError, match="no file that Mohet Keys exported"):
        transfer.plan(b'{"name": "package"}', owner=LOCAL_OWNER, passphrase=passphrase)


def test_a_short_passphrase_opens_what_it_sealed(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is for making a file. One that was made under another rule still opens."""
    monkeypatch.setattr(parcel, "SHORTEST_PASSPHRASE", 4)
    content = parcel.pack([carried()], "four", at=AT)
    monkeypatch.undo()
    plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase="four")
    assert plan.count("new") == 1


# --- carrying it out ----------------------------------------------------------------------------


def test_what_was_saved_meanwhile_is_left_out(
    parts: Parts, keys: KeyService, transfer: Transfer
) -> None:
    """Between the look and the click somebody saved one of the keys and took a name."""
    content = file_of(carried(), carried("Other", OTHER), carried("Third", PLAIN))
    plan = transfer.plan(content, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    add(keys, "Mine")
    add(keys, "Other", OPENAI + "x")
    done = transfer.carry_out(plan, owner=LOCAL_OWNER)
    assert [saved.entry.name for saved in done.saved] == ["Third"]
    assert [(each.name, each.state) for each in done.left_out] == [
        ("Work", "there"),
        ("Other", "clash"),
    ]
    assert done.left_out[0].why == "This key is already saved as “Mine” (Groq)."
    assert len(stored(parts)) == 3
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert [saved.entry.name for saved in done.saved] == ["Other (2)"]


def test_a_plan_carried_out_twice_saves_once(parts: Parts, transfer: Transfer) -> None:
    """A second click brings nothing in and says so."""
    plan = env(transfer, f"GROQ_API_KEY={GROQ}", "OLLAMA_API_KEY=x", "OLLAMA_HOST=localhost")
    assert len(transfer.carry_out(plan, owner=LOCAL_OWNER).saved) == 2
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert (done.saved, [each.state for each in done.left_out]) == ((), ["there", "there"])
    assert len(stored(parts)) == 2


def test_each_key_is_saved_by_itself(
    parts: Parts, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store fails in the middle, what was saved stays and the rest is named; when it
    fails at once, that is an error."""
    plan = env(transfer, *(f"A{n}_GROQ_API_KEY={PLAIN}{n}" for n in range(4)))
    insert, calls = parts.repository.insert, []

    def failing(*given: Any, **more: Any) -> KeyEntry:
        calls.append(given)
        if len(calls) == 3:
            raise StoreError("The disk is full.")
        return insert(*given, **more)

    monkeypatch.setattr(parts.repository, "insert", failing)
    done = transfer.carry_out(plan, owner=LOCAL_OWNER)
    assert (len(done.saved), len(calls)) == (2, 3)
    assert [each.why for each in done.left_out] == ["The disk is full."] * 2
    calls[:] = [1, 2]
    with pytest.raises(StoreError, match="disk is full"):
        transfer.carry_out(plan, owner=LOCAL_OWNER)
    assert len(stored(parts)) == 2
    assert len(transfer.carry_out(plan, owner=LOCAL_OWNER).saved) == 2


def test_a_plan_outlives_a_new_data_key(
    parts: Parts, settings: Settings, transfer: Transfer
) -> None:
    """When another data key took over meanwhile, what waits is sealed anew and comes in."""
    plan = env(transfer, f"GROQ_API_KEY={GROQ}")
    masters = masterkey.load(settings, store_is_empty=False)
    assert masters is not None
    younger = vault.mint(masters.primary, "seal")
    keyring = parts.repository.keyring
    before = keyring.read()[1] or ""
    doing = Doing("reseal", LOCAL_OWNER, LOCAL_OWNER, AT)
    assert keyring.replace_sealing([younger], before=before, doing=doing)
    [saved] = transfer.carry_out(plan, owner=LOCAL_OWNER).saved
    assert parts.keys.open(saved.entry.id, owner=LOCAL_OWNER).secret == GROQ
    sealed = parts.repository.sealed(saved.entry.id, LOCAL_OWNER).blob
    assert envelope.unpack(sealed).header.data_key_id == younger.data_key_id


def test_t43_a_plan_is_for_who_read_it(parts: Parts, transfer: Transfer) -> None:
    """Somebody else's plan brings nothing in, and keys of others say nothing about one's own."""
    join(parts.repository, ADA)
    plan = env(transfer, f"GROQ_API_KEY={GROQ}")
    with pytest.raises(RefusedError, match="somebody else"):
        transfer.carry_out(plan, owner=ADA)
    assert stored(parts) == []
    transfer.carry_out(plan, owner=LOCAL_OWNER)
    hers = transfer.plan(f"GROQ_API_KEY={GROQ}".encode(), owner=ADA)
    assert only(hers).state == "new"
    assert len(transfer.carry_out(hers, owner=ADA).saved) == 1


def test_a_key_that_came_in_is_on_record_as_added(keys: KeyService, transfer: Transfer) -> None:
    """An import is an addition like any other."""
    [saved] = transfer.carry_out(env(transfer, f"GROQ_API_KEY={GROQ}"), owner=LOCAL_OWNER).saved
    [first] = keys._repository.journal.page(Wanted(owner=LOCAL_OWNER))
    assert (first.action, first.key_id, first.key_name) == ("add", saved.entry.id, "GROQ_API_KEY")


def test_the_time_of_an_import_is_its_own(keys: KeyService, transfer: Transfer) -> None:
    """A key is as old here as it has been here."""
    plan = transfer.plan(file_of(carried()), owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    [saved] = transfer.carry_out(plan, owner=LOCAL_OWNER).saved
    assert abs(saved.entry.created_at - datetime.now(UTC)) < timedelta(minutes=1)


# --- no secret on the way -----------------------------------------------------------------------


def reachable(value: object, seen: set[int]) -> Iterator[object]:
    """Everything that hangs on a value: attributes, items, members."""
    if id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    yield value
    parts: list[object] = []
    if isinstance(value, dict):
        parts += [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts += value
    names = {n for kind in type(value).__mro__ for n in getattr(kind, "__slots__", ())}
    parts += [getattr(value, name) for name in names if hasattr(value, name)]
    parts += list(getattr(value, "__dict__", {}).values())
    if isinstance(value, SecretStr):
        parts.append(value.get_secret_value())
    for part in parts:
        yield from reachable(part, seen)


def evidence(value: object) -> dict[str, bytes]:
    """All that a value tells, to whoever prints, stores or walks it."""
    walked = [each for each in reachable(value, set()) if isinstance(each, str | bytes)]
    raw = b"\n".join(each.encode() if isinstance(each, str) else each for each in walked)
    return {"repr": repr(value).encode(), "pickle": pickle.dumps(value), "walk": raw}


def test_t01_no_plan_holds_a_secret(
    transfer: Transfer, keys: KeyService, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Not in its repr, its pickle, its attributes, a log or the store: for a plan lives in a
    browser's session until somebody clicks."""
    caplog.set_level(logging.DEBUG)
    secrets = [canary("gsk_"), canary("sk-proj-"), canary("sk-or-v1-"), canary(""), canary("sk-")]
    add(keys, "There", secrets[2], "openrouter")
    add(keys, "GROQ_API_KEY", OTHER)
    plan = env(
        transfer,
        f"GROQ_API_KEY={secrets[0]}",
        f"OPENAI_API_KEY={secrets[1]}",
        f"OPENROUTER_API_KEY={secrets[2]}",
        f"MISTRAL_API_KEY={secrets[3]} and more",
        f"OPENAI_API_KEY_2={secrets[4]}",
        f"SOMETHING={secrets[3]}",
        f"{secrets[1]}",
    )
    assert {item.state for item in plan.items} == {"new", "there", "clash", "refused"}
    exported = transfer.plan(
        file_of(carried("A", secrets[0]), carried("B", secrets[4], "openai")),
        owner=LOCAL_OWNER,
        passphrase=PASSPHRASE,
    )
    done = transfer.carry_out(plan, owner=LOCAL_OWNER, renamed=True)
    assert len(done.saved) == 3
    found = {
        f"{name} of {number}": content
        for number, value in enumerate((plan, exported, done))
        for name, content in evidence(value).items()
    }
    found |= {"log": caplog.text.encode(), **dict(files_below(tmp_path))}
    assert any(name.endswith("mohet_keys.db") for name in found)
    for secret in (*secrets, PASSPHRASE):
        assert scan(secret, found) == []


def test_the_walk_would_find_one(transfer: Transfer) -> None:
    """The twin: a plan that kept the key as it came in would be found out, in each way."""
    secret = canary("gsk_")
    plan = env(transfer, f"GROQ_API_KEY={secret}")
    new = NewKey(provider="groq", name="A", secret=SecretStr(secret))
    careless = dataclasses.replace(only(plan), prepared=new)
    found = {place.split(":")[0] for place in scan(secret, evidence(careless))}
    assert found == {"pickle", "walk"}
    careless = dataclasses.replace(only(plan), notes=(secret,))
    found = {place.split(":")[0] for place in scan(secret, evidence(careless))}
    assert found == {"repr", "pickle", "walk"}


def test_t01_an_export_shows_no_secret(
    keys: KeyService, transfer: Transfer, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes back of an export can be printed, kept and logged; it is sealed."""
    caplog.set_level(logging.DEBUG)
    secret, held = canary("gsk_"), canary("sk-proj-")
    ids = [add(keys, "A", secret).id, add(keys, "Held", held).id]
    exported = transfer.export(ids, owner=LOCAL_OWNER, passphrase=PASSPHRASE)
    found = {**evidence(exported), "file": exported.content, "log": caplog.text.encode()}
    for each in (secret, held, PASSPHRASE):
        assert scan(each, found) == []


@pytest.mark.parametrize(
    ("name", "goes_out"),
    [("twin", False), ("find", False), ("sealed_all", True), ("entries", True), ("pack", True)],
)
def test_t35_no_failure_tells_a_secret(
    keys: KeyService,
    transfer: Transfer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    goes_out: bool,
) -> None:
    """Whatever breaks on the way in or out, neither the error nor its chain has the key."""
    secret = canary("gsk_")
    entry = add(keys, "A", secret)

    def broken(*_given: object, **_more: object) -> None:
        raise StoreError("It broke.")

    monkeypatch.setattr(parcel if name == "pack" else keys._repository, name, broken)

    def use() -> object:
        if goes_out:
            return transfer.export([entry.id], owner=LOCAL_OWNER, passphrase=PASSPHRASE)
        return env(transfer, f"GROQ_API_KEY={secret}x")

    with pytest.raises(StoreError, match="It broke") as caught:
        use()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    told = "".join(traceback.format_exception(caught.value))
    assert scan(secret, {"error": told.encode()}) == []
