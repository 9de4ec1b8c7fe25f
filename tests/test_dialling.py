"""Which address is dialled, and whom TLS trusts: over real sockets, by names of our own."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from mohet_keys.dialling import IMPATIENCE, make_context, shared_context
from mohet_keys.errors import TransportError
from mohet_keys.http import AddressPolicy, Outbound
from mohet_keys.lookup import Lookup
from tests.asking import SECRET, ask, failure, key, off
from tests.certificates import Authority, authority
from tests.sink import LONG, RESET, Script, Sink, deaf_port, raw, reply
from tests.waiting import BUSY

NAME = "api.example.com"


class Names:
    """A resolver that answers from a list, one answer a look-up, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = answers

    async def __call__(self, host: str, _port: int) -> list[str]:
        """The next answer; the last one again and again."""
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def inside(sink: Sink, address: str, policy: AddressPolicy | None = None) -> int:
    """The status when a private name is found at an address."""
    outbound = Outbound(resolver=Names([address]), policy=policy)
    return ask(key(sink.url("box.internal")), outbound).status


# --- addresses --------------------------------------------------------------------------------

HERE = "0.0.0.0"  # noqa: S104  # not bound but dialled: on Linux it reaches this machine
NEVER = [
    *(HERE, "0.1.2.3", "169.254.169.254", "169.254.1.1", "168.63.129.16", "100.100.100.200"),
    *("192.0.0.192", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "fe80::1", "fe80::1%lo"),
    *("fec0::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:0.0.0.0"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b::a83f:8110", "2002:a9fe:a9fe::", "2002:a83f:8110::1"),
]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allow_private", [True, False])
def test_t20_some_addresses_are_never_dialled(address: str, allow_private: bool) -> None:
    """Link-local, metadata and the like are refused once a name turns out to be there."""
    outbound = Outbound(resolver=Names([address]), policy=AddressPolicy(allow_private))
    started = time.monotonic()
    error = failure(key(f"https://{NAME}/v1"), outbound)
    assert error.kind == "blocked"
    assert time.monotonic() - started < BUSY


def test_t20_t21_a_name_for_a_forbidden_address_gets_nothing() -> None:
    """0.0.0.0 reaches this machine on Linux, and nothing arrives there."""
    with Sink() as sink:
        error = failure(key(sink.url("box.internal")), Outbound(resolver=Names([HERE])))
        assert (error.kind, sink.accepts) == ("blocked", 0)


def test_t20_t21_a_forbidden_address_would_get_the_key_without_the_guard() -> None:
    """The twin: with the guard off the key arrives."""
    with Sink() as sink:
        outbound = off(link_local=False, plain_http=False, resolver=Names([HERE]))
        ask(key(sink.url("box.internal")), outbound)
        assert sink.saw(SECRET)


@pytest.mark.parametrize("answer", [["127.0.0.1", "169.254.169.254"], ["fe80::1", "127.0.0.1"]])
def test_t21_one_bad_address_spoils_the_answer(answer: list[str]) -> None:
    """A name that is at a good and at a bad address is not asked at the good one either."""
    with Sink() as sink:
        error = failure(key(sink.url("box.internal")), Outbound(resolver=Names(answer)))
        assert (error.kind, sink.accepts) == ("blocked", 0)


def test_t21_the_good_address_would_be_asked_without_the_guard() -> None:
    """The twin: with the guard off the key arrives at the good one of two."""
    with Sink() as sink:
        names = Names(["127.0.0.1", "169.254.169.254"])
        outbound = off(link_local=False, plain_http=False, resolver=names)
        ask(key(sink.url("box.internal")), outbound)
        assert sink.saw(SECRET)


def test_t21_what_was_vetted_is_what_is_dialled() -> None:
    """One look-up a connection: a name that moves in between is asked where it was vetted."""
    with Sink(host="127.0.0.2") as sink:
        names = Names(["127.0.0.2"], ["169.254.169.254"])
        outbound = Outbound(resolver=names)
        assert ask(key(sink.url("box.internal")), outbound).status == 200
        assert names.asked == ["box.internal"]
        assert sink.headers()["host"] == f"box.internal:{sink.port}"
        assert failure(key(sink.url("box.internal")), outbound).kind == "blocked"
        assert (names.asked, sink.accepts) == (["box.internal"] * 2, 1)


def test_t21_nothing_below_looks_the_name_up_again(
    monkeypatch: pytest.MonkeyPatch, signer: Authority, trusting: ssl.SSLContext
) -> None:
    """The system is asked once, by us; certificate, SNI and Host are still those of the name."""
    asked: list[str | bytes] = []

    def first(host: str | bytes, port: int, **_how: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]

    def again(*_given: object, **_how: object) -> None:
        raise AssertionError("a name was looked up a second time")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, again)
    with Sink(host="127.0.0.2", tls=signer.server(NAME)) as sink:
        outbound = Outbound(resolver=Lookup(first), tls=trusting)  # type: ignore[arg-type]
        assert ask(key(sink.url(NAME)), outbound).status == 200
        assert (asked, sink.accepts, sink.names) == ([NAME], 1, [NAME])
        assert sink.headers()["host"] == f"{NAME}:{sink.port}"


def test_t21_an_address_needs_no_looking_up() -> None:
    """A key for an address asks no resolver, which could say anything."""
    names = Names(["127.0.0.2"])
    with Sink() as sink:
        assert ask(key(sink.url()), Outbound(resolver=names)).status == 200
    assert names.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_t20_private_addresses_are_for_local_runs_alone(address: str) -> None:
    """A local run asks its own machine; a stricter policy does not."""
    with Sink() as sink:
        assert inside(sink, address) == 200
        with pytest.raises(TransportError, match="blocked"):
            inside(sink, address, AddressPolicy(allow_private=False))
        assert sink.accepts == 1


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd00::1", "64:ff9b::a00:1"])
def test_t20_a_stricter_policy_refuses_every_private_range(address: str) -> None:
    """However a private address is written, a stricter policy knows it."""
    assert AddressPolicy().allows(address)
    assert not AddressPolicy(allow_private=False).allows(address)


def test_t25_a_private_name_at_a_public_address_is_not_asked_in_clear() -> None:
    """Plain http is for private addresses, not for names that look private."""
    names = Names(["192.88.99.1"])  # public, and of nobody: the relays of 6to4 are gone
    error = failure(key("http://box.internal:9/v1"), Outbound(resolver=names), deadline=1)
    assert (error.kind, names.asked) == ("blocked", ["box.internal"])


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
@pytest.mark.parametrize("order", [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]])
def test_localhost_is_tried_at_both_its_addresses(host: str, order: list[str]) -> None:
    """A server that listens on one of the two is found, whichever comes first."""
    with Sink(host=host) as sink:
        opened = key(sink.url("localhost"))
        assert ask(opened, Outbound(resolver=Names(order))).status == 200
        assert sink.headers()["host"] == f"localhost:{sink.port}"


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_the_real_localhost_is_found(host: str) -> None:
    """With the system's own resolver, at the address that the system has for it."""
    with Sink(host=host) as sink:
        url = sink.url() if host == "::1" else sink.url("localhost")
        assert ask(key(url)).status == 200


def test_an_address_that_is_deaf_gives_way_to_the_next() -> None:
    """A network that drops IPv6 without a word costs a second, not the check."""
    with deaf_port() as port, Sink(host="127.0.0.2", port=port) as sink:
        started = time.monotonic()
        outbound = Outbound(resolver=Names(["127.0.0.1", "127.0.0.2"]))
        assert ask(key(sink.url("box.internal")), outbound).status == 200
        assert IMPATIENCE <= time.monotonic() - started < IMPATIENCE + BUSY


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer() -> Authority:
    """An authority that only these tests know."""
    return authority()


@pytest.fixture(scope="module")
def trusting(signer: Authority) -> ssl.SSLContext:
    """The product's own context, with that authority added."""
    context = make_context()
    context.load_verify_locations(cadata=signer.pem)
    return context


def old(signer: Authority) -> ssl.SSLContext:
    """A server that speaks nothing newer than TLS 1.1."""
    context = signer.server(NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_t21_t25_a_good_certificate_is_accepted(
    signer: Authority, trusting: ssl.SSLContext
) -> None:
    """The name is compared, told to the server, and dialled where it was found."""
    with Sink(tls=signer.server(NAME)) as sink:
        outbound = Outbound(resolver=Names(["127.0.0.1"]), tls=trusting)
        assert ask(key(sink.url(NAME)), outbound).status == 200
        assert sink.names == [NAME]
        assert sink.headers()["host"] == f"{NAME}:{sink.port}"


def test_a_certificate_for_an_address_is_accepted(
    signer: Authority, trusting: ssl.SSLContext
) -> None:
    """A server in the house may have its address certified."""
    with Sink(tls=signer.server("127.0.0.1")) as sink:
        assert ask(key(sink.url()), Outbound(tls=trusting)).status == 200


@pytest.fixture(params=["unknown authority", "wrong name", "expired", "TLS 1.1"])
def doubtful(
    request: pytest.FixtureRequest, signer: Authority, trusting: ssl.SSLContext
) -> Iterator[tuple[Sink, ssl.SSLContext]]:
    """A server that must not be trusted, and a context in which nothing but that is wrong."""
    made = {
        "unknown authority": lambda: authority().server(NAME),
        "wrong name": lambda: signer.server("other.example.com", "127.0.0.1"),
        "expired": lambda: signer.server(NAME, expired=True),
        "TLS 1.1": lambda: old(signer),
    }
    with Sink(tls=made[request.param]()) as sink:
        yield sink, trusting


def test_t25_nothing_is_said_to_a_server_that_proves_nothing(
    doubtful: tuple[Sink, ssl.SSLContext],
) -> None:
    """Not one byte of a request goes to a server whose certificate is wrong."""
    sink, context = doubtful
    error = failure(key(sink.url(NAME)), Outbound(resolver=Names(["127.0.0.1"]), tls=context))
    assert (error.kind, error.detail) == ("tls", NAME)
    assert sink.accepts == 1
    assert sink.received == b""


@pytest.mark.parametrize("doubtful", ["unknown authority", "wrong name", "expired"], indirect=True)
def test_t25_it_would_get_the_key_without_the_guard(doubtful: tuple[Sink, ssl.SSLContext]) -> None:
    """The twin: with the guard off the key arrives."""
    sink, _ = doubtful
    ask(key(sink.url(NAME)), off(tls=False, resolver=Names(["127.0.0.1"])))
    assert sink.saw(SECRET)


def test_t25_an_old_server_would_get_the_key_from_an_old_context(signer: Authority) -> None:
    """The twin for TLS 1.1: a context without the lower bound talks to that server."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.load_verify_locations(cadata=signer.pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    with Sink(tls=old(signer)) as sink:
        ask(key(sink.url(NAME)), Outbound(resolver=Names(["127.0.0.1"]), tls=lax))
        assert sink.saw(SECRET)


def test_t23_the_environment_changes_nothing_about_tls(
    signer: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSL_CERT_FILE adds no authority, and SSLKEYLOGFILE gets no key of any connection."""
    authorities, keys = tmp_path / "ca.pem", tmp_path / "keys.log"
    authorities.write_text(signer.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with Sink(tls=signer.server("127.0.0.1")) as sink:
        assert failure(key(sink.url()), Outbound(tls=make_context())).kind == "tls"
        assert sink.received == b""
        assert not keys.exists()
        ask(key(sink.url()), Outbound(tls=ssl.create_default_context()))
        assert (sink.saw(SECRET), keys.exists()) == (True, True)  # the twin: Python's own context


def test_the_context_is_made_once() -> None:
    """It is strict, trusts some authorities, and is the same for all."""
    assert shared_context() is shared_context()
    assert shared_context().verify_mode is ssl.CERT_REQUIRED
    assert shared_context().check_hostname
    assert shared_context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(shared_context().get_ca_certs()) > 50


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (reply(b"", status="400 Bad Request"), "protocol"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n", LONG), "protocol"),
        (raw(b""), "reset"),
        (raw(RESET), "reset"),
        (raw(LONG), "deadline"),
    ],
)
def test_t25_t57_https_at_a_port_without_tls_is_told_apart(script: Script, kind: str) -> None:
    """A server that speaks plain http, or nothing, has no bad certificate."""
    with Sink(script, reads=False) as sink:
        assert failure(key(f"https://127.0.0.1:{sink.port}/v1"), deadline=0.5).kind == kind
        assert not sink.saw(SECRET)


def test_http_at_a_port_with_tls_is_told_apart(signer: Authority) -> None:
    """A server that wants TLS is not understood in plain."""
    with Sink(tls=signer.server("127.0.0.1")) as sink:
        error = failure(key(f"http://127.0.0.1:{sink.port}/v1"))
        assert error.kind in {"protocol", "reset"}
