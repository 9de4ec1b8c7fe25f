"""An answer or an error in, a verdict with its reason out; pure, and never raises.

Only a provider's own clear word makes a key invalid. What says nothing of the key, such as a
firewall's page or a server that is down, leaves it unjudged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from mohet_keys import addresses, endpoints, refusals, successes
from mohet_keys.answers import parse, read
from mohet_keys.case import Case, misconfigured, unreachable
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
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    case = Case(
        slug=provider,
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


def diagnose_failure(provider: str, error: TransportError, *, endpoint: str) -> Diagnosis:
    """Judge a request that got no whole answer."""
    row = BY_SLUG.get(provider)
    label = row.label if row else "The server"
    host, local = _where(endpoint)
    kind: TransportKind = error.kind
    if kind in _CONFIGURED:
        return _misconfigured(kind, label, error.detail)
    if local and kind == "refused":
        return _not_started(provider, endpoint)
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
    return misconfigured(
        "address not allowed",
        f"Nothing was sent to {label}: {detail or 'the address is never asked'}.",
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
    return host, addresses.is_private_host(host)


_ERRNOS: dict[str, TransportKind] = {
    "ENOTFOUND": "dns",
    "EAI_AGAIN": "dns",
    "ECONNREFUSED": "refused",
    "ETIMEDOUT": "timeout",
    "ECONNRESET": "reset",
    "EPIPE": "reset",
    "CERT": "tls",
    "SSL": "tls",
    "TLS": "tls",
}


def _no_answer(provider: str, body: bytes | str, endpoint: str | None) -> Diagnosis:
    """A recorded failure: `{"transport_error": "ECONNREFUSED 127.0.0.1:1234"}`."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    data = parse(text)
    told = str(data.get("transport_error", "")) if isinstance(data, dict) else text
    kind: TransportKind = next(
        (kind for name, kind in _ERRNOS.items() if name in told.upper()), "reset"
    )
    row = BY_SLUG.get(provider)
    where = told.split()[-1] if " " in told else ""
    asked = endpoint or (f"http://{where}" if where else row.endpoint if row else "")
    return diagnose_failure(provider, TransportError(kind), endpoint=asked)
