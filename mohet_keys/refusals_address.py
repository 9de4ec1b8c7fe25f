"""Refusals that tell whose answer it is: another server's, a firewall's, or a wrong path's; pure.

What somebody in between says is no word on the key. A vendor's own “no such path” is none either,
but it shows that the address is wrong.
"""

from __future__ import annotations

import re

from mohet_keys.case import Case, misconfigured, unreachable
from mohet_keys.model import Diagnosis
from mohet_keys.waiting import wait_of, wait_words

_NO_PATH = (
    r"unknown request url|unrecognized request url|page not found|no route\b|route not found"
    r"|cannot (get|post|put|head) |(unknown|no such|invalid) (path|endpoint|url|route)\b"
    r"|requested (url|path|endpoint)\b.{0,80}not found|^(404:? ?)?not found\.?$"
)
_NOTHING_THERE = r"^(404:? ?)?((page|route|path|resource|url|endpoint) )?not found\.?$|^$"
_SIGN_IN = re.compile(r"type=[\"']?password|<form\b[^>]{0,300}\b(log-?in|sign-?in)", re.IGNORECASE)
_PORTAL = re.compile(r"captive.?portal|hotspot|wi-?fi|zscaler|fortigate|squid", re.IGNORECASE)
_LATER = frozenset({408, 425, 499})
"""Answers below 500 that are about the moment: too slow, too early, hung up."""


def names_nothing(case: Case) -> bool:
    """Whether a 404 says no more than that nothing is there."""
    return case.said.tells(_NOTHING_THERE)


# --- somebody in between ----------------------------------------------------------------------


def odd_status(case: Case) -> Diagnosis | None:
    """A number that no finished answer has."""
    if case.status >= 200:
        return None
    return unreachable(
        "not understood",
        "What answered does not speak http as expected; the key was not judged.",
        "Check the address, then check again.",
    )


def redirect(case: Case) -> Diagnosis | None:
    """An address that sends on to another one."""
    if not 300 <= case.status < 400:
        return None
    return misconfigured(
        "redirected",
        "The address sends requests on to another one, and a key is never sent along.",
        "Enter the address the API itself has.",
    )


def proxy(case: Case) -> Diagnosis | None:
    """A proxy or a network that wants a sign-in of its own."""
    if case.status not in {407, 511} and not _is_portal(case):
        return None
    return unreachable(
        "proxy in between",
        f"A proxy or a sign-in page of the network answered, so {case.name} was not reached.",
        "Sign in to the network or use another one, then check again.",
    )


def _is_portal(case: Case) -> bool:
    """A vendor's API never shows a page to sign in; at other addresses a web app may do so."""
    if case.said.kind != "html":
        return False
    head = case.said.text[:65_536]
    return bool(_PORTAL.search(head[:4000]) or (case.at_vendor and _SIGN_IN.search(head)))


def firewall(case: Case) -> Diagnosis | None:
    """A block page, or the short error of a content delivery network instead of the API's own."""
    said, data = case.said, case.said.data
    edge = isinstance(data, dict) and bool(data.get("cloudflare_error"))
    edge = edge or (said.kind != "json" and said.tells(r"error code: ?1\d{3}\b"))
    page = said.kind == "html" and case.status in {403, 413, 429, 451}
    if case.status < 400 or not (edge or page):
        return None
    return unreachable(
        "blocked by a firewall",
        f"A firewall in front of {case.name} refused the request before the key was looked at.",
        "Try without a VPN or from another network.",
        retry_after=wait_of(case),
    )


def plain_http(case: Case) -> Diagnosis | None:
    """A server that was spoken to without TLS says so in clear."""
    if case.status != 400 or case.said.kind == "json":
        return None
    if not re.search(r"http request.{0,40}https", case.said.text[:4000], re.IGNORECASE):
        return None
    return misconfigured(
        "http instead of https",
        "The server speaks https, and the address says http.",
        "Begin the address with https://.",
    )


def web_page(case: Case) -> Diagnosis | None:
    """A page for people. One with 401 may be a server in front that asks for the key."""
    if case.said.kind != "html" or case.status >= 500 or case.status in _LATER | {401}:
        return None
    return wrong_path(case, "That address is a web page, not the API.", reason="web page")


def down(case: Case) -> Diagnosis | None:
    """Trouble on the provider's side, or on the way there."""
    if case.status < 500 and case.status not in _LATER:
        return None
    if case.slug == "openrouter" and case.status == 408 and case.said.kind == "json":
        return None  # its own limit for one request
    wait = wait_of(case)
    return unreachable(
        "provider has a problem",
        f"{case.label} has a problem right now (HTTP {case.status}), so the key was not judged.",
        f"Try again{wait_words(wait) or ' later'}.",
        retry_after=wait,
    )


# --- a wrong path -----------------------------------------------------------------------------


def wrong_path(case: Case, explanation: str, reason: str = "wrong path") -> Diagnosis:
    """The address is not that of the API; names the usual one, and offers it at the vendor's."""
    row = case.row
    if row is None:
        remedy = "Check the address; most APIs are found at a path that ends in /v1."
        return misconfigured(reason, explanation, remedy)
    better = f"https://{case.host}{row.base_path}" if case.host in row.hosts else None
    remedy = f"Check the address; the usual one is {row.endpoint}."
    return misconfigured(reason, explanation, remedy, endpoint=better)


def unexpected_endpoint(case: Case) -> Diagnosis | None:
    """LM Studio answers any unknown path with HTTP 200 and this text."""
    if not case.said.tells(r"unexpected endpoint or method"):
        return None
    return wrong_path(
        case, "LM Studio is running, but the address has a wrong path. It should end in /v1."
    )


def no_such_path(case: Case) -> Diagnosis | None:
    """The API itself says that it knows no such path."""
    named = case.said.has("unknown_url") or case.said.tells(r"invalid url \(")
    if not named and not (case.status in {404, 405} and case.said.tells(_NO_PATH)):
        return None
    return wrong_path(
        case, f"{case.label} was asked for {case.shown_route} and knows no such path."
    )


def foreign_host(case: Case) -> Diagnosis | None:
    """Ollama answers 403 with an empty body when it does not know the Host it is called by."""
    is_ollama = case.slug == "ollama" and case.is_local
    if not (is_ollama and case.status == 403 and case.said.kind == "empty"):
        return None
    return misconfigured(
        "host name refused",
        "The Ollama server does not answer to this host name.",
        "Set OLLAMA_HOST on the server, or let the tunnel rewrite the Host header.",
    )


def access_without_word(case: Case) -> Diagnosis | None:
    """A bare 403 can come from anybody on the way."""
    if case.status != 403 or case.said.kind not in {"empty", "text"}:
        return None
    return unreachable(
        "access refused",
        "Access was refused without a reason, perhaps by a firewall on the way.",
        "Try from another network, or ask whoever runs the server.",
    )


def no_api(case: Case) -> Diagnosis | None:
    """Nothing of what the API would say: no such path, no JSON, or JSON without an error."""
    said = case.said
    tells = said.message or '"error"' in said.text[:400]
    unlike = said.kind in {"empty", "text", "html"} or not tells
    if unlike or case.status in {404, 405, 406, 410, 421, 426}:
        return wrong_path(case, "Something answered at this address, but not this API.")
    return None
