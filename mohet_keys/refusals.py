"""Answers that refuse: what each says about the key. First match wins; pure.

Codes and messages come before the status: OpenAI answers 401 for things that are no bad key,
Groq bans with 400, Gemini calls a bad key 400, and a firewall's 403 says nothing of the key.
And codes come before words, because a message may hold anything: a model's name, a link to a
page on billing, advice to upgrade.
"""

from __future__ import annotations

from collections.abc import Callable

from mohet_keys import refusals_account as account
from mohet_keys import refusals_address as address
from mohet_keys import refusals_key as key
from mohet_keys import refusals_request as request
from mohet_keys.case import Case
from mohet_keys.model import Diagnosis

Rule = Callable[[Case], Diagnosis | None]

_BETWEEN: tuple[Rule, ...] = (
    address.odd_status, address.redirect, address.proxy, address.firewall, address.plain_http,
    address.web_page, address.unexpected_endpoint,
)  # fmt: skip
"""Somebody else answered."""
_CODES: tuple[Rule, ...] = (
    request.nothing_loaded, account.region_host, account.organisation, account.network_list,
    account.permission, account.money_code, account.allowance_mark, key.closed_code,
    request.model_code, account.model_denied, account.plan, request.full, request.rate_code,
    request.loading, request.cannot_run, address.no_such_path, address.down,
)  # fmt: skip
"""Codes, and words that only one thing can mean. What the server's own trouble is ends here."""
_WORDS: tuple[Rule, ...] = (
    account.allowance, account.money, request.router, request.unknown_model, key.closed_account,
    account.country, request.cloud_disabled, address.foreign_host, key.signed_out, key.local_token,
    key.sent_twice, key.missing, key.placeholder, key.wrong_key, request.rate_limit,
)  # fmt: skip
_REST: tuple[Rule, ...] = (
    address.access_without_word, account.access, request.readable, request.missing_object,
    address.no_api, request.request,
)  # fmt: skip
RULES = _BETWEEN + _CODES + _WORDS + _REST
"""In this order; the last always answers."""


def judge(case: Case) -> Diagnosis:
    """What a refusing answer says about the key."""
    return next(found for rule in RULES if (found := rule(case)) is not None)
