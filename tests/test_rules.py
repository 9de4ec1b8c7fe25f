"""What administrators allow all: providers, hosts, private keys, and how many messages a month."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from mohet_keys import uses
from mohet_keys.chat import ChatService
from mohet_keys.errors import (
    ConflictError,
    DeniedError,
    LimitError,
    RefusedError,
    RuleError,
    StoreError,
)
from mohet_keys.http import Guards, Outbound
from mohet_keys.journal import Wanted
from mohet_keys.model import (
    LOCAL_OWNER,
    CheckResult,
    Delta,
    Ended,
    KeyChanges,
    KeyEntry,
    Message,
    NewKey,
    Spent,
    Verdict,
)
from mohet_keys.repository import Repository
from mohet_keys.rules import TeamRules, host_of
from mohet_keys.service import KeyService
from mohet_keys.team import Quota, Team
from mohet_keys.uses import PersonsUse, month_of
from mohet_keys.validation import ValidationService
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.places import Place
from tests.sink import Sink
from tests.team import ADA, BOB, ROOT, allow, join

pytestmark = pytest.mark.usefixtures("on_both")
GROQ = "https://api.groq.com/openai/v1"
NOW = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)


@pytest.fixture
def store(parts: Parts) -> Repository:
    """The store of a team."""
    join(parts.repository, ADA, BOB)
    join(parts.repository, ROOT, administrator=True)
    return parts.repository


@pytest.fixture
def keys(parts: Parts, store: Repository) -> KeyService:
    """The verbs, at a moment shortly before the end of a month."""
    return KeyService(store, parts.safe, clock=lambda: NOW)


def new(name: str = "Production", endpoint: str = "", slug: str = "groq") -> NewKey:
    """A key as it is typed."""
    secret = SecretStr(canary("gsk_" if slug == "groq" else "sk-"))
    return NewKey(provider=slug, name=name, secret=secret, endpoint=endpoint)


def shared(keys: KeyService, **more: str) -> KeyEntry:
    """A key that Ada shares."""
    entry = keys.add(new(**more), owner=ADA).entry
    return keys.share(entry.id, owner=ADA, version=entry.version)


# --- providers and hosts ----------------------------------------------------------------------

OWN = TeamRules(hosts=frozenset({"gpu.lan", "llm.example.com", "10.0.0.7"}), only_these_hosts=True)
ONE = TeamRules(providers=frozenset({"groq"}))
ALLOWED = [
    (TeamRules(), "groq", GROQ),
    (TeamRules(), "openai", "https://proxy.example.com/v1"),
    (OWN, "groq", GROQ),
    (OWN, "openai", "https://llm.example.com/v1"),
    (OWN, "ollama", "http://gpu.lan:11434/v1"),
    (OWN, "ollama", "http://10.0.0.7:11434/v1"),
    (ONE, "groq", GROQ),
]
FORBIDDEN = [
    (ONE, "openai", "https://api.openai.com/v1", "OpenAI is not among the providers"),
    (ONE, "nobody", "https://api.groq.com", "nobody is not among the providers"),
    (OWN, "openai", "https://proxy.example.com/v1", "proxy.example.com is not among the hosts"),
    (OWN, "openai", GROQ, "api.groq.com is not among the hosts"),
    (TeamRules(), "lmstudio", "http://localhost:1234/v1", "localhost is on a private network"),
    (TeamRules(), "openai", "http://[::1]:1/v1", "::1 is on a private network"),
    (TeamRules(), "openai", "https://10.1.2.3/v1", "10.1.2.3 is on a private network"),
    (TeamRules(), "openai", "https://100.64.0.1/v1", "on a private network"),
    (TeamRules(), "openai", "https://[::ffff:192.168.0.1]/v1", "on a private network"),
    (TeamRules(), "openai", "https://gpu/v1", "gpu is on a private network"),
    (TeamRules(), "openai", "https://box.internal/v1", "on a private network"),
    (OWN, "openai", "nonsense", "cannot be read"),
]


@pytest.mark.parametrize(("rules", "slug", "endpoint"), ALLOWED)
def test_what_is_allowed_passes(rules: TeamRules, slug: str, endpoint: str) -> None:
    """A provider's own host, one that is named, and any public one unless only those are."""
    rules.vet(slug, endpoint)


@pytest.mark.parametrize(("rules", "slug", "endpoint", "said"), FORBIDDEN)
def test_t20_what_is_not_allowed_is_refused(
    rules: TeamRules, slug: str, endpoint: str, said: str
) -> None:
    """Another provider, another host, and every private address that is not named."""
    with pytest.raises(RuleError) as refused:
        rules.vet(slug, endpoint)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("gpu.lan", "gpu.lan"),
        (" GPU.lan ", "gpu.lan"),
        ("http://gpu.lan:11434/v1", "gpu.lan"),
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "::1"),
        ("[::1]:8080", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_compared_in_one_form(typed: str, host: str) -> None:
    """However an administrator types it, it is the host that endpoints have."""
    assert host_of(typed) == host


@pytest.mark.parametrize("typed", ["", "  ", "a b", "169.254.169.254", "ftp://x", "x" * 300, "*"])
def test_what_is_no_host_cannot_be_allowed(typed: str) -> None:
    """Nor can an address be that nothing is ever sent to."""
    with pytest.raises(RefusedError):
        host_of(typed)


def test_rules_come_out_as_they_went_in(store: Repository) -> None:
    """None set are the usual ones; then each is as it was saved, hosts in their one form."""
    assert store.rules.find() == TeamRules()
    allow(store, "GPU.lan", providers=frozenset({"groq", "openai"}), person_limit=5)
    allow(store, "GPU.lan", providers=frozenset({"groq"}), private_keys=False, key_limit=0)
    assert store.rules.find() == TeamRules(
        frozenset({"groq"}), frozenset({"gpu.lan"}), private_keys=False, key_limit=0
    )


@pytest.mark.parametrize(
    "rules",
    [
        TeamRules(providers=frozenset({"nobody"})),
        TeamRules(hosts=frozenset({"a b"})),
        TeamRules(hosts=frozenset(f"h{number}.example" for number in range(201))),
        TeamRules(person_limit=-1),
        TeamRules(key_limit=10**9),
    ],
)
def test_what_can_be_no_rule_changes_none(
    parts: Parts, store: Repository, rules: TeamRules
) -> None:
    """It is refused, and nothing is on record."""
    with pytest.raises(RefusedError):
        Team(store).set_rules(rules, owner=ROOT)
    assert store.rules.find() == TeamRules()
    assert not store.journal.page(Wanted(action="rules"))


@pytest.mark.parametrize("column", ["providers", "hosts"])
def test_rules_that_cannot_be_read_allow_nothing(
    store: Repository, keys: KeyService, column: str
) -> None:
    """Somebody altered them in the database: no key is used until they are set anew."""
    entry = shared(keys)
    allow(store)
    with store._database.writing() as connection:
        connection.execute(text(f"UPDATE rule SET {column} = '5'"))  # noqa: S608  # a column's name
    with pytest.raises(StoreError, match="rules of the team"):
        keys.open(entry.id, owner=ADA, why="chat")
    allow(store)
    assert keys.open(entry.id, owner=ADA, why="chat").secret


# --- at every verb ----------------------------------------------------------------------------

ELSEWHERE = "https://proxy.example.com/v1"
STRAY = "sk-or-v1-" + "0123456789abcdef" * 4


def verbs(keys: KeyService, who: str, entry: KeyEntry, stray: KeyEntry) -> dict[str, Any]:
    """Everything that would have a key sent where it may not, or saved for there."""
    typed = new("Another", ELSEWHERE)
    return {
        "add": lambda: keys.add(typed, owner=who),
        "draft": lambda: keys.draft(typed, owner=who),
        "prepare": lambda: keys.prepare(typed, owner=who),
        "edit": lambda: keys.edit(
            entry.id,
            KeyChanges(secret=typed.secret, endpoint=ELSEWHERE),
            owner=who,
            version=entry.version,
        ),
        "trial": lambda: keys.trial(stray.id, canary("sk-"), owner=who, version=stray.version),
        "chat": lambda: keys.open(stray.id, owner=who, why="chat"),
        "check": lambda: keys.open(stray.id, owner=who, why="check"),
    }


@pytest.mark.parametrize("who", [ADA, ROOT])
def test_no_verb_passes_a_rule_by(store: Repository, keys: KeyService, who: str) -> None:
    """Nothing is saved for, and nothing sent to, a host that is not allowed: not for members, nor
    for administrators, who can change the rule. That they tried is on record."""
    entry = keys.add(new(), owner=who).entry
    stray = keys.add(new("Stray", ELSEWHERE), owner=who).entry
    tried = verbs(keys, who, entry, stray)
    prepared = keys.prepare(new("Late", ELSEWHERE), owner=who)
    allow(store, only_these_hosts=True)
    tried["insert"] = lambda: keys.insert(prepared, owner=who)
    for name, verb in tried.items():
        with pytest.raises(RuleError, match=r"proxy.example.com is not among") as refused:
            verb()
        assert refused.value.code == "rule", name
    denied = store.journal.page(Wanted(action="denied", involving=who))
    details = ["add a key", "check", "edit", "replace", "use"]
    assert sorted(each.detail for each in denied) == [f"tried to {each}" for each in details]
    assert keys.counts(owner=who) == {"groq": 2}
    allow(store, "proxy.example.com", only_these_hosts=True)
    for name in ("add", "chat", "check", "trial"):
        tried[name]()


def test_a_key_is_not_moved_to_a_provider_that_is_not_allowed(
    store: Repository, keys: KeyService
) -> None:
    """A held key stays held when its own vendor may not be used."""
    typed = new().model_copy(update={"secret": SecretStr(STRAY)})
    entry = keys.add(typed, owner=ADA).entry
    allow(store, providers=frozenset({"groq"}))
    with pytest.raises(RuleError, match="OpenRouter"):
        keys.move(entry.id, owner=ADA, version=entry.version)
    allow(store)
    assert keys.move(entry.id, owner=ADA, version=entry.version).entry.provider == "openrouter"


def test_a_rename_needs_no_permission(store: Repository, keys: KeyService) -> None:
    """A key that may not be used any more can still be renamed, shared, exported and deleted."""
    entry = keys.add(new("Stray", ELSEWHERE), owner=ADA).entry
    allow(store, only_these_hosts=True)
    changes = KeyChanges(name="Old one")
    entry = keys.edit(entry.id, changes, owner=ADA, version=entry.version).entry
    entry = keys.share(entry.id, owner=ADA, version=entry.version)
    assert keys.open(entry.id, owner=ADA, why="export").secret
    keys.remove(entry.id, owner=ADA)


def test_a_local_run_has_no_rules(parts: Parts, store: Repository) -> None:
    """Whatever is set for the people of a team."""
    allow(store, providers=frozenset(), only_these_hosts=True, private_keys=False, key_limit=0)
    typed = new("Here", "http://localhost:1234/v1", "lmstudio")
    entry = parts.keys.add(typed, owner=LOCAL_OWNER).entry
    opened = parts.keys.open(entry.id, owner=LOCAL_OWNER, why="chat")
    assert opened.allow_private
    assert Team(store).rules(owner=LOCAL_OWNER) is None


def test_members_may_be_kept_from_saving_keys(store: Repository, keys: KeyService) -> None:
    """Administrators save and share then; what a member has goes on working, and cannot be taken
    back from the team to be private."""
    private = keys.add(new("Mine"), owner=ADA).entry
    team = shared(keys)
    prepared = keys.prepare(new("Late"), owner=BOB)
    allow(store, private_keys=False)
    for verb in (
        lambda: keys.add(new("More"), owner=ADA),
        lambda: keys.draft(new("More"), owner=ADA),
        lambda: keys.prepare(new("More"), owner=ADA),
        lambda: keys.insert(prepared, owner=BOB),
        lambda: keys.unshare(team.id, owner=ADA, version=team.version),
    ):
        with pytest.raises(RuleError, match="Only administrators save keys here"):
            verb()
    assert keys.open(private.id, owner=ADA, why="chat").secret
    by_root = keys.add(new("Theirs"), owner=ROOT).entry
    keys.share(by_root.id, owner=ROOT, version=by_root.version)
    keys.unshare(team.id, owner=ROOT, version=team.version)


# --- what is dialled --------------------------------------------------------------------------

PUBLIC = "llm.example.com"


class Names:
    """A resolver for which a public name is on this machine."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[str] = []
        self._addresses = list(addresses)

    async def __call__(self, host: str, _port: int) -> list[str]:
        """Its addresses."""
        self.asked.append(host)
        return self._addresses


def lured(parts: Parts, sink: Sink, *addresses: str, **guards: bool) -> CheckResult:
    """A member's key for a public name, checked while that name is at other addresses."""
    url = f"http://{PUBLIC}:{sink.port}/v1"
    typed = new("Lure", url, "openai").model_copy(update={"allow_http": True})
    entry = parts.keys.add(typed, owner=ADA).entry
    names = Names(*addresses)
    outbound = Outbound(guards=Guards(**guards), resolver=names)
    checks = ValidationService(parts.keys, outbound, deadline=5.0)
    result = asyncio.run(checks.check(entry.id, owner=ADA))
    assert set(names.asked) == {PUBLIC}
    return result


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"]])
def test_t20_t21_a_public_name_is_no_way_into_our_network(
    parts: Parts, store: Repository, addresses: list[str]
) -> None:
    """A name that turns out to be on a private network, or to be there too, gets nothing."""
    with Sink() as sink:
        result = lured(parts, sink, *addresses)
        assert (result.diagnosis.verdict, sink.accepts) == (Verdict.MISCONFIGURED, 0)
        assert "never" in result.diagnosis.explanation, result


def test_t20_t21_without_the_guard_it_would_be(parts: Parts, store: Repository) -> None:
    """The twin: with that one guard off the member's request arrives."""
    with Sink() as sink:
        lured(parts, sink, "127.0.0.1", private=False)
        assert sink.accepts > 0


def test_t20_a_host_that_is_allowed_may_be_there(parts: Parts, store: Repository) -> None:
    """An administrator named it, so it is asked wherever it is."""
    allow(store, PUBLIC)
    with Sink() as sink:
        lured(parts, sink, "127.0.0.1")
        assert sink.accepts > 0


def test_t20_every_opening_for_a_request_keeps_to_it(store: Repository, keys: KeyService) -> None:
    """A saved key, one that is tried before it is saved, and a new secret for a saved one."""
    entry = keys.add(new(endpoint=ELSEWHERE), owner=ADA).entry
    draft = keys.draft(new("Draft", ELSEWHERE), owner=ADA)
    opened = [
        keys.open(entry.id, owner=ADA, why="chat"),
        keys.open(entry.id, owner=ADA, why="check"),
        keys.trial(entry.id, canary("gsk_"), owner=ADA, version=entry.version).key,
        draft.key,
        keys.trying(draft, owner=ADA),
    ]
    assert [key.allow_private for key in opened] == [False] * 5
    allow(store, "proxy.example.com")
    assert keys.open(entry.id, owner=ADA, why="chat").allow_private


# --- limits -----------------------------------------------------------------------------------


def chat(keys: KeyService, entry: KeyEntry, who: str) -> int:
    """Begin a message; its number."""
    return keys.open(entry.id, owner=who, why="chat").use


def test_a_person_sends_so_many_messages_a_month(store: Repository, keys: KeyService) -> None:
    """Through whichever keys; then each is refused, saying which limit and until when, and that is
    on record. Others go on."""
    one, two = shared(keys), shared(keys, name="Two")
    allow(store, person_limit=3)
    for entry in (one, two, one):
        chat(keys, entry, BOB)
    with pytest.raises(LimitError) as refused:
        chat(keys, two, BOB)
    assert str(refused.value) == (
        "Your monthly limit of 3 requests is reached. It starts anew on 1 April (UTC)."
    )
    assert (refused.value.of, refused.value.limit) == ("person", 3)
    assert refused.value.resets_at == datetime(2026, 4, 1, tzinfo=UTC)
    (last,) = store.journal.page(Wanted(), limit=1)
    assert (last.action, last.actor, last.key_id) == ("denied", BOB, two.id)
    assert len(store.journal.page(Wanted(action="chat"))) == 3
    chat(keys, one, ADA)
    assert store.uses.of_people(NOW.date()) == {
        BOB: PersonsUse(3, 0, 0, 0),
        ADA: PersonsUse(1, 0, 0, 0),
    }


def test_a_key_takes_so_many_messages_a_month(store: Repository, keys: KeyService) -> None:
    """Of all who use it together; another key is still there for them."""
    one, two = shared(keys), shared(keys, name="Two")
    allow(store, key_limit=2)
    chat(keys, one, ADA)
    chat(keys, one, BOB)
    with pytest.raises(LimitError, match=r"The monthly limit for this key of 2 requests"):
        chat(keys, one, ROOT)
    chat(keys, two, ROOT)


def test_checks_are_not_counted(store: Repository, keys: KeyService) -> None:
    """Only messages are: a key can be checked when it is used up, and by the app itself."""
    entry = shared(keys)
    allow(store, person_limit=0, key_limit=0)
    with pytest.raises(LimitError, match="of 0 requests"):
        chat(keys, entry, ADA)
    assert keys.open(entry.id, owner=ADA, why="check").secret


def test_another_month_begins_anew(parts: Parts, store: Repository) -> None:
    """At midnight UTC of its first day, and what a clock that was wrong counted is not in it."""
    moment = [NOW]
    keys = KeyService(store, parts.safe, clock=lambda: moment[0])
    entry = shared(keys)
    allow(store, person_limit=1)
    chat(keys, entry, BOB)
    with pytest.raises(LimitError):
        chat(keys, entry, BOB)
    for later in (timedelta(hours=1), timedelta(days=300)):
        moment[0] = NOW + later
        chat(keys, entry, BOB)
    moment[0] = NOW
    with pytest.raises(LimitError):
        chat(keys, entry, BOB)


@pytest.mark.parametrize(
    ("at", "begins", "ends"),
    [
        ((2026, 3, 1), (2026, 3, 1), (2026, 4, 1)),
        ((2026, 12, 31), (2026, 12, 1), (2027, 1, 1)),
        ((2028, 2, 29), (2028, 2, 1), (2028, 3, 1)),
    ],
)
def test_a_month_is_of_the_calendar(
    at: tuple[int, int, int], begins: tuple[int, int, int], ends: tuple[int, int, int]
) -> None:
    """From its first day to the first of the next, whatever its length."""
    found = month_of(datetime(*at, 13, tzinfo=UTC))
    assert found == (datetime(*begins, tzinfo=UTC), datetime(*ends, tzinfo=UTC))


def test_no_two_take_the_last_message(
    parts: Parts, store: Repository, keys: KeyService, place: Place
) -> None:
    """Of sixteen at the same moment, in two processes, as many get through as are left."""
    entry = shared(keys)
    allow(store, key_limit=5)
    elsewhere = place.opened()
    desks = (keys, KeyService(elsewhere, parts.safe, clock=lambda: NOW))
    start = threading.Barrier(16)
    outcomes: list[str] = []

    def send(number: int) -> None:
        start.wait()
        try:
            chat(desks[number % 2], entry, (ADA, BOB)[number % 2])
            outcomes.append("sent")
        except LimitError:
            outcomes.append("refused")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elsewhere.close()
    assert (outcomes.count("sent"), outcomes.count("refused")) == (5, 11)


def test_what_a_message_took_is_its_senders(store: Repository, keys: KeyService) -> None:
    """Tokens and errors count for the person and for the key, once."""
    entry = shared(keys)
    first, second = chat(keys, entry, BOB), chat(keys, entry, BOB)
    for _ in range(2):
        keys.finish(first, "finished", spent=Spent(tokens_in=10, tokens_out=20))
    keys.finish(second, "failed", spent=Spent(is_error=True))
    assert store.uses.of_people(NOW.date()) == {BOB: PersonsUse(2, 1, 10, 20)}
    (day,) = store.uses.days(ADA, NOW.date(), key_id=entry.id)
    assert (day.requests, day.errors, day.tokens_in, day.tokens_out) == (2, 1, 10, 20)


def test_a_limit_outlives_a_key(store: Repository, keys: KeyService) -> None:
    """To delete a key and save it again is no way around one's own limit."""
    entry = keys.add(new(), owner=BOB).entry
    allow(store, person_limit=1)
    chat(keys, entry, BOB)
    keys.remove(entry.id, owner=BOB)
    with pytest.raises(LimitError):
        chat(keys, keys.add(new("Again"), owner=BOB).entry, BOB)


def test_how_much_is_used_is_told(store: Repository, keys: KeyService) -> None:
    """From 80 % on there is something to say; without limits there is nothing."""
    team = Team(store, clock=lambda: NOW)
    entry = shared(keys)
    assert team.quotas(entry.id, owner=BOB) == ()
    allow(store, person_limit=10, key_limit=4)
    for _ in range(3):
        chat(keys, entry, BOB)
    resets_at = datetime(2026, 4, 1, tzinfo=UTC)
    person, key = team.quotas(entry.id, owner=BOB)
    assert (person, key) == (Quota("person", 3, 10, resets_at), Quota("key", 3, 4, resets_at))
    assert [(each.is_near, each.is_used_up) for each in (person, key)] == [(False, False)] * 2
    chat(keys, entry, ADA)
    key = team.quotas(entry.id, owner=BOB)[1]
    assert (key.used, key.is_near, key.is_used_up) == (4, False, True)
    assert team.quotas(None, owner=BOB) == (person,)
    assert Quota("person", 8, 10, resets_at).is_near


def test_a_chat_says_so(parts: Parts, store: Repository) -> None:
    """It ends at once with the reason and when it starts anew, and nothing is sent."""
    entry = shared(parts.keys, endpoint=ELSEWHERE)
    allow(store, person_limit=0)
    names = Names("93.184.215.14")
    ended = _said(parts, entry, names)
    assert ended.outcome == "failed"
    assert ended.diagnosis is not None
    assert ended.diagnosis.reason == "monthly limit reached"
    assert "of 0 requests is reached. It starts anew on 1 " in ended.diagnosis.explanation
    allow(store, only_these_hosts=True)
    ended = _said(parts, entry, names)
    assert ended.diagnosis is not None
    assert (ended.diagnosis.reason, ended.diagnosis.remedy) == (
        "not allowed",
        "Ask an administrator.",
    )
    assert names.asked == []


def _said(parts: Parts, entry: KeyEntry, names: Names) -> Ended:
    chats = ChatService(parts.keys, Outbound(resolver=names))

    async def story() -> Ended:
        said = [Message("user", "Hello")]
        stream = chats.stream(entry.id, owner=BOB, messages=said, model="m")
        async with aclosing(stream) as events:
            (only,) = [event async for event in events if not isinstance(event, Delta)]
            assert isinstance(only, Ended)
            return only

    return asyncio.run(story())


def test_a_check_of_what_is_not_allowed_says_so(parts: Parts, store: Repository) -> None:
    """The key stands as it did, and the page says why it was not asked about."""
    entry = shared(parts.keys, endpoint=ELSEWHERE)
    allow(store, only_these_hosts=True)
    result = asyncio.run(parts.checks.check(entry.id, owner=ADA))
    assert result.diagnosis.verdict is Verdict.UNCHECKED
    assert "is not among the hosts" in result.diagnosis.explanation
    assert result.diagnosis.remedy == "Ask an administrator."
    assert parts.keys.entry(entry.id, owner=ADA).check is None


# --- who sets them ----------------------------------------------------------------------------


def test_administrators_set_rules_and_that_is_on_record(store: Repository) -> None:
    """What changed is told in words; members read them, and cannot change them."""
    team = Team(store, clock=lambda: NOW)
    rules = TeamRules(
        frozenset({"groq", "openai"}), frozenset({"gpu.lan"}), private_keys=False, person_limit=500
    )
    team.set_rules(rules, owner=ROOT)
    assert team.rules(owner=BOB) == rules
    with pytest.raises(DeniedError, match="Only an administrator"):
        team.set_rules(TeamRules(), owner=BOB)
    assert team.rules(owner=BOB) == rules
    (told,) = store.journal.page(Wanted(action="rules"))
    assert (told.actor, told.detail) == (
        ROOT,
        "providers: groq openai, hosts: gpu.lan, private keys: no, limit per person: 500",
    )


def test_t56_of_two_administrators_the_slower_one_is_told(store: Repository) -> None:
    """Who changed the rules that they saw, and when; theirs are not saved, and not on record."""
    join(store, ADA, administrator=True)
    seen, faster, slower = TeamRules(), TeamRules(key_limit=5), TeamRules(person_limit=7)
    Team(store, clock=lambda: NOW).set_rules(faster, owner=ADA, seen=seen)
    team = Team(store)
    with pytest.raises(ConflictError) as conflict:
        team.set_rules(slower, owner=ROOT, seen=seen)
    told = conflict.value
    assert (told.changed_by, told.changed_at) == (ADA, NOW)
    assert store.rules.find() == faster
    assert [each.actor for each in store.journal.page(Wanted(action="rules"))] == [ADA]
    team.set_rules(slower, owner=ROOT, seen=faster)
    assert store.rules.find() == slower


def test_t56_of_many_administrators_at_once_one_wins(store: Repository) -> None:
    """Each with the same rules on the screen: the others are told, and nothing is lost unseen."""
    team, start, outcomes = Team(store), threading.Barrier(8), list[int]()

    def save(number: int) -> None:
        start.wait()
        try:
            team.set_rules(TeamRules(key_limit=number), owner=ROOT, seen=TeamRules())
        except ConflictError:
            return
        outcomes.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.rules.find().key_limit] == outcomes
    assert len(store.journal.page(Wanted(action="rules"))) == 1


def test_what_is_counted_is_kept_for_the_month(store: Repository) -> None:
    """The watcher's tidying leaves this month's days, however short the past is kept."""
    with store._database.writing() as connection:
        for day in (1, 30):
            at = datetime(2026, 3, day, tzinfo=UTC)
            uses.take(connection, BOB, "k", at, TeamRules())
        uses.take(connection, BOB, "k", datetime(2026, 2, 1, tzinfo=UTC), TeamRules())
    assert store.uses.prune_people(month_of(NOW)[0].date()) == 1
    assert store.uses.this_month(BOB, "k", NOW) == (2, 2)
