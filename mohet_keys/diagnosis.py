"""An answer or an error in, a verdict with its reason out; pure, and never raises.

Only a provider's own clear word makes a key invalid. What says nothing of the key, such as a
firewall's page or a server that is down, leaves it unjudged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from mohet_keys import addresses, endpoints, refusals, successes
from mohet_keys.answers import clean, parse, read
from mohet_keys.case import Case, inside, label_of, misconfigured, slug_of, unreachable
from mohet_keys.errors import InputError, TransportError, TransportKind
from mohet_keys.model import Diagnosis
from mohet_keys.providers import BY_SLUG


def diagnose(
    provider: str,
    *,
    method: str,
    path: str,
    status: int | None,
    headers: Mapping[str, str],
    body: bytes | str,
    endpoint: str | None = None,
    has_key: bool = True,
    asked_model: str | None = None,
    looks_like: str | None = None,
    now: datetime | None = None,
) -> Diagnosis:
    """Judge one answer.

    `path` is as the server saw it, or a whole URL; `status` is None when none came. `endpoint`
    is the base URL that was asked, `has_key` whether a secret was sent, `asked_model` the model
    a chat asked for, `looks_like` the vendor whose key the secret looks like. A provider that is
    not known is judged by the general rules.
    """
    if status is None:
        return _no_answer(provider, body, endpoint)
    lowered = {_text(name).lower(): _text(value) for name, value in headers.items()}
    case = Case(
        slug=slug_of(provider),
        method=method.upper(),
        path=path,
        status=status,
        headers=lowered,
        said=read(body, lowered),
        now=now or datetime.now(UTC),
        endpoint=endpoint,
        has_key=has_key,
        asked_model=asked_model,
        looks_like=looks_like,
    )
    return successes.judge(case) if 200 <= status < 300 else refusals.judge(case)


def _text(value: object) -> str:
    """A header's name or value; some libraries give them as bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)[:2000]


def diagnose_failure(provider: str, error: TransportError, *, endpoint: str) -> Diagnosis:
    """Judge a request that got no whole answer."""
    slug = slug_of(provider)
    label = label_of(slug)
    host, local = _where(endpoint)
    kind: TransportKind = error.kind
    if kind in _CONFIGURED:
        return _misconfigured(kind, label, clean(error.detail).rstrip(". "))
    if local and kind == "refused":
        return _not_started(slug, endpoint)
    if local and kind in {"deadline", "timeout"}:
        return unreachable(
            "no answer in time",
            f"The server at {host} did not answer in time. It may be loading a model.",
            "Wait until the model is loaded, then check again.",
        )
    reason, explanation, remedy = _WORDS[kind]
    return unreachable(reason, explanation.format(label=label, host=host), remedy)


_CONFIGURED = {"redirect", "blocked", "encoding"}

_WORDS: dict[TransportKind, tuple[str, str, str]] = {
    "dns": (
        "address not found",
        "The host {host} was not found. It may be misspelt, or this machine is offline.",
        "Check the address and the connection, then check again.",
    ),
    "refused": (
        "no connection",
        "{label} could not be reached at {host}; the key was not judged.",
        "Check the network, VPN, proxy or firewall, then check again.",
    ),
    "timeout": (
        "no answer in time",
        "{label} did not answer in time; the key was not judged.",
        "Check the connection, then check again.",
    ),
    "deadline": (
        "no answer in time",
        "{label} did not finish its answer in time; the key was not judged.",
        "Check again in a moment.",
    ),
    "tls": (
        "no secure connection",
        "The certificate of {host} could not be verified, so nothing was sent.",
        "Check the address. A proxy on the way may need its certificate installed.",
    ),
    "reset": (
        "connection lost",
        "The connection to {host} ended before the answer was whole; the key was not judged.",
        "Check again in a moment.",
    ),
    "protocol": (
        "not understood",
        "What answered at {host} does not speak http as expected.",
        "Check whether the address should begin with http:// or https://.",
    ),
    "too_large": (
        "answer too large",
        "The answer of {host} was far larger than an API’s, so it was not read to the end.",
        "Check that the address is that of an API.",
    ),
}


def _misconfigured(kind: str, label: str, detail: str) -> Diagnosis:
    if kind == "redirect":
        to = f" to {detail}" if detail else ""
        return misconfigured(
            "redirected",
            f"The address sends requests on{to}, and a key is never sent along.",
            "Enter the address the API itself has.",
        )
    if kind == "encoding":
        return misconfigured(
            "not this API",
            "The server compressed its answer although it was asked not to, so it was not read.",
            "Check the address, or turn compression off in the proxy on the way.",
        )
    why = detail or "the address is never asked"
    return misconfigured(
        "address not allowed",
        f"Nothing was sent to {inside(label)}: {why}.",
        "Use another address.",
    )


def _not_started(slug: str, endpoint: str) -> Diagnosis:
    place = endpoints.origin(endpoint).split("://", 1)[1]
    starts = {
        "lmstudio": "Start the server in LM Studio’s developer page, or run `lms server start`.",
        "ollama": "Start it with `ollama serve`.",
    }
    remedy = starts.get(slug, "Start the server, or check the address.")
    return unreachable(
        "server not started",
        f"Nothing is listening at {place}.",
        f"{remedy} Inside a container the host is host.docker.internal.",
    )


def _where(endpoint: str) -> tuple[str, bool]:
    """The host of an endpoint and whether it is local; forgiving, for it only serves words."""
    try:
        host = endpoints.host(endpoint)
    except InputError:
        return "the address", False
    return host if clean(host) == host else "the address", addresses.is_private_host(host)


_TOLD: tuple[tuple[str, TransportKind], ...] = (
    ("ENOTFOUND|EAI_|NAME OR SERVICE|GETADDRINFO|NAME RESOLUTION|NO ADDRESS", "dns"),
    ("REFUSED", "refused"),
    ("CERT|SSL|TLS|EPROTO|HANDSHAKE|ISSUER|SIGNATURE|WRONG_VERSION", "tls"),
    ("TIMEDOUT|TIMED OUT|TIMEOUT|DEADLINE|UNREACH|NO ROUTE", "timeout"),
    ("REDIRECT", "redirect"),
)
"""How programs name a failure, and which kind it is. Whatever else it was, no answer came."""


_NAMED = re.compile(r"(?<![\w.-])([\w-]+(\.[\w-]+)+|localhost|\[[0-9a-f:]+\])(:\d{1,5})?$")


def _no_answer(provider: str, body: bytes | str, endpoint: str | None) -> Diagnosis:
    """A recorded failure: `{"transport_error": "ECONNREFUSED 127.0.0.1:1234"}`."""
    text = body if isinstance(body, str) else bytes(body[:4000]).decode("utf-8", "replace")
    text = text[:4000].lstrip("\ufeff").strip()
    data = parse(text)
    told = str(data.get("transport_error", ""))[:400] if isinstance(data, dict) else text[:400]
    kinds = (kind for names, kind in _TOLD if re.search(names, told.upper()))
    kind: TransportKind = next(kinds, "reset")
    named = _NAMED.search(told)
    row = BY_SLUG.get(slug_of(provider))
    asked = endpoint or (f"http://{named.group()}" if named else row.endpoint if row else "")
    return diagnose_failure(provider, TransportError(kind), endpoint=asked)
