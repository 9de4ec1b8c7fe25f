"""Refusals of the key itself: none was sent, it is wrong, or its account is closed; pure.

Only a clear word makes a key invalid. Gemini and xAI say it with 400, LiteLLM in its codes, some
gateways with 403; a 401 that nothing else explains is taken at its word.
"""

from __future__ import annotations

import re

from mohet_keys.answers import TOLD
from mohet_keys.case import Case, invalid, misconfigured
from mohet_keys.model import Diagnosis
from mohet_keys.providers import sign_of
from mohet_keys.scrub import REMOVED

_KEY_CODES = (
    "api_key_invalid", "invalid_api_key", "incorrect_api_key", "wrong_api_key", "expired_key",
    "expired_api_key", "api_key_expired", "token_not_found_in_db", "authentication_error",
    "invalid_authentication",
)  # fmt: skip
_BAD = r"(not valid|invalid|incorrect|expired|revoked|disabled|blocked|deleted|not found|leaked)"
_IS = r"(is |was |has |has been |was reported as )?(currently )?"
_WRONG_KEY = (
    r"\b(incorrect|invalid|unknown|wrong|bad|revoked|expired|malformed) (x[ -])?api[ _-]?key\b"
    rf"|\bexpired key\b|\bapi[ _-]?key (you )?(provided |passed )?{_IS}{_BAD}\b"
    rf"|(your|this|the|virtual|access) key {_IS}{_BAD}\b|authentication fail|reported as leaked"
)
_WRONG_TOKEN = (
    r"\binvalid (auth\w* )?(token|credentials?)\b|could not validate credentials|^key is blocked"
    rf"|\b(token|credentials?) {_IS}{_BAD}\b"
)
_AUTH = r"auth(entication|orization)?"
_NO_KEY = (
    r"missing bearer|didn.t provide an api key|no auth header"
    rf"|no api[ _-]?key (was |is )?(provided|passed|found|given)|missing (api[ _-]?key|{_AUTH})\b"
    r"|not provide an api key|without an api key"
    rf"|(api|access|bearer|{_AUTH}) (token|key|header|credentials) (is |are )?(required|missing)"
    r"(?!,)|x-api-key header is required|not authenticated\b|authentication (is )?required"
    r"|credentials were not provided|unregistered callers"
)
_CLOSED_CODES = (
    "account_deactivated", "organization_restricted", "organization_deactivated",
    "account_suspended", "access_terminated", "consumer_suspended",
)  # fmt: skip
_CLOSED = re.compile(
    r"\b(account|organi[sz]ation|team|user|consumer|project|workspace)\b((?! it ).){0,60}"
    r" (is|was|has been) (deactivated|suspended|terminated|restricted|disabled|closed|banned"
    r"|blocked|archived)\b(?! (to|from|for))|access was terminated",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\b(for|by|of|in|to|at|from|with) ((your|this|the|an?) )?$", re.IGNORECASE)
"""Stands before an account that is not what the sentence is about."""
_SENT = re.compile(r"incorrect api key provided: ['\"]?(.*?)['\"]?\.( you can|\s*$)", re.IGNORECASE)
_EMPTY_WORDS = re.compile(r"none|null|undefined|redacted|nil|nan|your[-_].*", re.IGNORECASE)
_LOCAL_WORDS = re.compile(
    r"lm-?stud\S*|ollama|empty|not-need\S*|(sk-)?no-ke\S*|dummy|local\S*|llama\S*|https?:.*",
    re.IGNORECASE,
)


def closed_code(case: Case) -> Diagnosis | None:
    """An account that is closed, by its code: OpenAI says it with 401, Groq with 400."""
    return _closed(case) if case.said.has(*_CLOSED_CODES) else None


def closed_account(case: Case) -> Diagnosis | None:
    """The same by words alone; those of a 400 may be about anything but begin with it."""
    plain, furthest = case.said.plain, 30 if case.status == 400 else TOLD
    told = (found.start() for found in _CLOSED.finditer(plain))
    plainly = any(at < furthest and not _ASIDE.search(plain[:at]) for at in told)
    return _closed(case) if plainly and case.status in {400, 401, 403} else None


def _closed(case: Case) -> Diagnosis:
    return invalid(
        "account closed",
        f"{case.label} has closed or restricted the account behind this key.",
        "Contact the provider’s support.",
    )


def signed_out(case: Case) -> Diagnosis | None:
    """A local Ollama that is asked for a cloud model and has no account to use."""
    data = case.said.data
    if not (isinstance(data, dict) and data.get("signin_url")):
        return None
    return invalid(
        "server not signed in",
        "This is a cloud model, and the Ollama server is not signed in to the cloud.",
        "Run `ollama signin` on the machine of the server.",
    )


def local_token(case: Case) -> Diagnosis | None:
    """LM Studio hands out tokens itself and has its own words for them."""
    if case.slug != "lmstudio" or case.status not in {401, 403}:
        return None
    if case.said.tells("malformed|invalid.{0,20}token|token.{0,20}(invalid|not valid|revoked)"):
        return invalid(
            "wrong key",
            "LM Studio does not know this token; its own tokens look like sk-lm-….",
            "Paste a token from Manage Tokens in LM Studio’s developer settings.",
        )
    if case.status == 401 and (case.said.tells(_NO_KEY) or not case.has_key):
        return invalid(
            "missing key",
            "This LM Studio server wants a token, and none was sent.",
            "Paste a token from Manage Tokens, or turn off Require Authentication.",
        )
    return None


def missing(case: Case) -> Diagnosis | None:
    """No key arrived. Some frameworks say it with 403, or as a missing field with 422."""
    keyless = case.status == 401 and not case.has_key
    told = case.status in {400, 401, 403} and case.said.tells(_NO_KEY)
    header = case.status == 422 and re.search(
        r'"header",\s*"(authorization|(x-)?api-key)"', case.said.text[:4000], re.IGNORECASE
    )
    if not (keyless or told or header):
        return None
    return invalid(
        "missing key",
        f"{case.label} wants a key, and none was sent.",
        "Edit this key and paste the secret.",
        link=case.keys_url,
    )


def sent_twice(case: Case) -> Diagnosis | None:
    """Google refuses a key in a header that its kind does not belong in, without judging it."""
    several = case.said.tells("multiple authentication credentials")
    if not several and not case.said.has("access_token_type_unsupported"):
        return None
    return misconfigured(
        "key sent the wrong way",
        f"{case.label} wants the key in another header at this address, so it was not judged.",
        "Use the address that is made for OpenAI-compatible programs.",
    )


def placeholder(case: Case) -> Diagnosis | None:
    """A local server's placeholder that reached the cloud means a wrong address."""
    sent = _sent(case)
    if not sent or _EMPTY_WORDS.fullmatch(sent):
        return None
    if not _LOCAL_WORDS.fullmatch(sent) and " " not in sent:
        return None
    return misconfigured(
        "meant for another server",
        f"{case.label} was sent a placeholder, or a text that is no key.",
        "Enter the address of the local server, or paste a key of this provider.",
    )


def _sent(case: Case) -> str:
    """What was sent as the key, as far as OpenAI quotes it: the first characters and the last.

    Empty when the whole key was quoted, for then it was taken out.
    """
    found = _SENT.search(case.said.message)
    sent = found.group(1).strip() if found else ""
    return "" if sent == REMOVED else sent


def wrong_key(case: Case) -> Diagnosis | None:
    """The key is not known, or not any more."""
    if not _is_refused(case):
        return None
    sign = sign_of(_sent(case))
    other = case.looks_like or (sign.label if sign else None)
    if other and other != case.label:
        return invalid(
            "another provider’s key",
            f"{case.label} does not know this key. It looks like one of {other}.",
            f"Move it to {other}, or paste a key of {case.name}.",
        )
    if case.said.kind == "html" and case.slug != "perplexity":
        return invalid(
            "refused by a server in front",
            f"A server in front of {case.name} asks for a sign-in and did not accept this key.",
            "Ask whoever runs that server for access.",
        )
    delay = f" {case.row.new_key_delay}" if case.row and case.row.new_key_delay else ""
    return invalid(
        "wrong key",
        f"{case.label} does not recognise this key. It may be mistyped, deleted or expired.",
        f"Create a new key and paste it here.{delay}" if not case.is_local else "Paste it again.",
        link=case.keys_url,
    )


def _is_refused(case: Case) -> bool:
    said = case.said
    if case.status == 401:
        return True
    if case.status not in {400, 403}:
        return False
    bare = case.slug == "fireworks" and said.tells("^(unauthori[sz]ed|forbidden)$")
    return (
        said.has(*_KEY_CODES)
        or said.tells(_WRONG_KEY)
        or (case.status == 403 and (said.tells(_WRONG_TOKEN) or bare))
    )
