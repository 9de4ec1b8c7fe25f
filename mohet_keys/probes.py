"""Which free requests prove a key, provider by provider. None spends a token.

Three of the six show their model list to everybody, and a gateway may show any list to anybody.
So a list counts as proof only at the vendor's own host, or where the same request without the key
is refused. Where it is not, an empty chat request tells: a server that judges keys refuses it for
the key before it refuses it for being empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mohet_keys import endpoints, pasted, recommend
from mohet_keys import successes_account as account
from mohet_keys.answers import parse, read
from mohet_keys.case import KEY_WORKS, NO_KEY_NEEDED
from mohet_keys.diagnosis import diagnose, diagnose_failure
from mohet_keys.errors import TransportError
from mohet_keys.http import METADATA_BYTES, Outbound
from mohet_keys.model import Answer, Diagnosis, ModelInfo, OpenedKey, Verdict
from mohet_keys.providers import BY_SLUG, Provider, owner_of_host

MOST_REQUESTS = 9
"""Requests of one check at most: three lists of LM Studio and six other forms of the address."""
_FLEETING = frozenset({408, 425, 429})
CATALOGUE_BYTES = 2 * 1024 * 1024
"""The most read of a list of models alone; OpenRouter's has about a megabyte."""
EMPTY_CHAT: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """What the requests of one check came to."""

    diagnosis: Diagnosis
    status: int | None = None
    latency_ms: int | None = None
    body: bytes = field(default=b"", repr=False)
    models: tuple[ModelInfo, ...] = ()
    free_only: bool = False

    @property
    def answered(self) -> bool:
        """Whether the key may be used, so that its list of models is worth asking for, and its
        server did not ask to be left alone for a while."""
        usable = self.diagnosis.verdict in {Verdict.VALID, Verdict.LIMITED, Verdict.UNVERIFIED}
        return usable and not self.diagnosis.retry_after

    def facts(self, provider: str) -> account.Facts:
        """Credit and end of the key, where the answer that proved it tells them too."""
        proved = self.status == 200 and self.answered
        return account.facts(provider, self.body) if proved else account.Facts()


class _UntoldError(Exception):
    """A control request did not tell whether a list is public."""


Public = Callable[[str, Callable[[], Awaitable[bool]]], Awaitable[bool]]
"""Remembers for a while whether a URL answers without a key."""


class Prober:
    """Asks one key's server. `left` gives the seconds that remain for the whole check."""

    def __init__(
        self, outbound: Outbound, key: OpenedKey, left: Callable[[], float], public: Public
    ) -> None:
        self._outbound = outbound
        self._key = key
        self._left = left
        self._public = public
        self._row: Provider = BY_SLUG[key.provider]
        self._base = key.destination
        self._root = endpoints.native_root(key.destination)
        owner = owner_of_host(endpoints.host(key.destination))
        self._is_vendors = owner is not None and owner.slug == key.provider

    async def run(self) -> Found:
        """The verdict, with the models where the key may be used."""
        found = await _PLANS.get(self._key.provider, Prober.by_list)(self)
        if found.diagnosis.verdict is Verdict.MISCONFIGURED:
            return await self._with_other_form(found)
        return found

    # --- plans ------------------------------------------------------------------------------

    async def by_list(self) -> Found:
        """OpenAI, Groq, Mistral, and any server like them: the model list, if it is guarded."""
        url = f"{self._base}/models"
        if self._is_vendors:
            return self._read(url, await self._ask("GET", url))
        asked, public = await asyncio.gather(
            self._ask("GET", url), self._answers_anybody(url, unsure=True)
        )
        found = self._read(url, asked)
        if found.diagnosis.verdict is Verdict.VALID and public:
            return await self._by_empty_chat(found)
        return found

    async def by_key_info(self) -> Found:
        """OpenRouter: its list is public, so the key's own information is asked for."""
        found = self._read(url := f"{self._base}/key", await self._ask("GET", url))
        if not found.answered:
            return found
        data = parse(found.body.decode("utf-8", "replace"))
        info = data.get("data") if isinstance(data, dict) else None
        free = isinstance(info, dict) and bool(info.get("is_free_tier"))
        free = free or found.diagnosis.reason == "no credit left"
        return await self._with_list(replace(found, free_only=free), f"{self._base}/models/user")

    async def by_native_list(self) -> Found:
        """LM Studio: its native list tells types and what is loaded; older ones lack it."""
        found = None
        for path in (f"{self._root}/api/v1/models", f"{self._root}/api/v0/models"):
            found = self._read(path, await self._ask("GET", path))
            if found.diagnosis.verdict is not Verdict.MISCONFIGURED:
                return await self._needs_key(found, path)
        path = f"{self._base}/models"
        return await self._needs_key(self._read(path, await self._ask("GET", path)), path)

    async def by_account(self) -> Found:
        """Ollama: a local server has no keys; the cloud shows its lists to everybody."""
        tags = f"{self._root}/api/tags"
        if not self._key.secret and not self._is_vendors:
            return self._read(tags, await self._ask("GET", tags))
        url = f"{self._root}/api/balance"
        found = self._read(url, await self._ask("GET", url))
        if found.diagnosis.verdict is Verdict.MISCONFIGURED:
            listed = self._read(tags, await self._ask("GET", tags))
            return await self._by_empty_chat(listed) if listed.models else listed
        return await self._with_list(found, tags) if found.answered else found

    # --- steps ------------------------------------------------------------------------------

    async def _ask(
        self, method: str, url: str, *, key: bool = True, most: int = METADATA_BYTES
    ) -> Answer | TransportError:
        try:
            return await self._outbound.ask(
                self._key,
                method,
                url,
                json=EMPTY_CHAT if method == "POST" else None,
                authorize=key,
                deadline=max(0.05, self._left()),
                max_bytes=most,
            )
        except TransportError as error:
            return error

    def _read(self, url: str, asked: Answer | TransportError, method: str = "GET") -> Found:
        if isinstance(asked, TransportError):
            said = diagnose_failure(self._key.provider, asked, endpoint=self._base)
            return Found(said)
        secret = self._key.secret or ""
        held = pasted.looks_like(secret, self._row, self._base) if secret else None
        said = diagnose(
            self._key.provider,
            method=method,
            path=url,
            status=asked.status,
            headers=asked.headers,
            body=asked.body,
            endpoint=self._base,
            has_key=bool(secret),
            looks_like=held.label if held else None,
            now=datetime.now(UTC),
        )
        models = recommend.models(self._key.provider, asked.body) if asked.status == 200 else ()
        return Found(said, asked.status, asked.elapsed_ms, asked.body, models)

    async def _with_list(self, found: Found, url: str) -> Found:
        """Add the models; a list that fails changes nothing about the verdict."""
        answer = await self._ask("GET", url, most=CATALOGUE_BYTES)
        if not isinstance(answer, Answer) or answer.status != 200:
            return found
        return replace(found, models=recommend.models(self._key.provider, answer.body))

    async def _needs_key(self, found: Found, url: str) -> Found:
        """Say of a local server that it needs no key, when it answers without one just as well."""
        if found.diagnosis.verdict is not Verdict.VALID or not self._key.secret:
            return found
        if not await self._answers_anybody(url, unsure=False):
            return found
        return replace(found, diagnosis=self._no_key_needed())

    async def _by_empty_chat(self, found: Found) -> Found:
        """The list proves nothing: does an empty chat request tell a key from none?"""
        url = f"{self._base}/chat/completions"
        asked = await self._ask("POST", url)
        tried = self._read(url, asked, "POST")
        verdict = tried.diagnosis.verdict
        if tried.status in {None, 401, 403} or verdict is Verdict.INVALID:
            return replace(tried, models=())
        if verdict is Verdict.LIMITED:
            return replace(tried, models=found.models)
        if verdict is not Verdict.UNREACHABLE and await self._refuses_strangers(url):
            works = Diagnosis(Verdict.VALID, KEY_WORKS, f"{self._row.label} accepts this key.")
            return replace(found, diagnosis=tried.diagnosis if tried.status == 429 else works)
        if self._row.key_optional and not self._is_vendors:
            return replace(found, diagnosis=self._no_key_needed())
        return replace(found, diagnosis=_NOT_LOOKED_AT)

    def _no_key_needed(self) -> Diagnosis:
        said = "The server answers and needs no key; the one saved here is not looked at."
        return Diagnosis(Verdict.VALID, NO_KEY_NEEDED, said)

    async def _refuses_strangers(self, url: str) -> bool:
        """Whether an empty chat without a key is refused for the key."""
        without = await self._ask("POST", url, key=False)
        return isinstance(without, Answer) and without.status in {401, 403}

    async def _answers_anybody(self, url: str, *, unsure: bool) -> bool:
        """Whether a URL answers without a key; `unsure` where that could not be told now.

        Only what was told is remembered: after one lost control request a public list must not
        count as guarded for the next minutes.
        """

        async def asked() -> bool:
            answer = await self._ask("GET", url, key=False)
            if not isinstance(answer, Answer) or answer.status in _FLEETING or answer.status > 499:
                raise _UntoldError
            return answer.status < 300

        try:
            return await self._public(url, asked)
        except _UntoldError:
            return unsure

    # --- a wrong path -------------------------------------------------------------------------

    async def _with_other_form(self, found: Found) -> Found:
        """Look, without the key, whether another form of the address answers like an API."""
        forms = () if found.diagnosis.endpoint else endpoints.other_forms(self._row, self._base)
        answers = await asyncio.gather(*(self._is_api(form) for form in forms[:6]))
        better = next((form for form, is_api in zip(forms, answers, strict=False) if is_api), None)
        if better is None:
            return found
        remedy = f"An API answers at {better}. Use that address."
        return replace(found, diagnosis=replace(found.diagnosis, endpoint=better, remedy=remedy))

    async def _is_api(self, form: str) -> bool:
        answer = await self._ask("GET", f"{form}/models", key=False)
        if not isinstance(answer, Answer):
            return False
        said = read(answer.body, dict(answer.headers))
        if answer.status in {401, 403}:
            return said.kind == "json"
        return answer.status == 200 and bool(recommend.models(self._key.provider, answer.body))


_NOT_LOOKED_AT = Diagnosis(
    Verdict.UNVERIFIED,
    "key not looked at",
    "The server answered, but it answers without a key just the same.",
    "It can be used; whether the key is right shows only with the first message.",
)

_PLANS: dict[str, Callable[[Prober], Awaitable[Found]]] = {
    "openrouter": Prober.by_key_info,
    "lmstudio": Prober.by_native_list,
    "ollama": Prober.by_account,
}
