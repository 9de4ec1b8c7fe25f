"""Which addresses are private, which are never asked, and what hides inside of others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys import addresses

NOWHERE = "0.0.0.0"  # noqa: S104  # nothing is bound to it
METADATA = ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192")
INSIDE = {
    "mapped": "::ffff:{}",
    "compatible": "::{}",
    "SIIT": "::ffff:0:{}",
    "NAT64": "64:ff9b::{}",
    "NAT64 of the house": "64:ff9b:1::{}",
}
"""Ways to write an IPv4 address as an IPv6 one that ends in it."""


def teredo(inner: str) -> str:
    """A Teredo address of a client; it has the client's address with every bit turned over."""
    client = 0xFFFFFFFF ^ int(IPv4Address(inner))
    return str(IPv6Address((0x20010000 << 96) | client))


def six_to_four(inner: str) -> str:
    """A 6to4 address of the network behind an IPv4 address."""
    return str(IPv6Address((0x2002 << 112) | (int(IPv4Address(inner)) << 80)))


def disguises(inner: str) -> list[str]:
    """Every way known here to hide an IPv4 address in an IPv6 one."""
    return [*(form.format(inner) for form in INSIDE.values()), teredo(inner), six_to_four(inner)]


@pytest.mark.parametrize(
    "text",
    [
        *METADATA,
        *(NOWHERE, "0.1.2.3", "169.254.1.1", "224.0.0.1", "239.255.255.250", "255.255.255.255"),
        *("::", "fe80::1", "febf::1", "fec0::1", "fd00:ec2::254", "fd00:ec2::23", "fd00:42::42"),
        *("fd20:ce::254", "ff02::1", "169.254.170.2", "169.254.0.23"),
    ],
)
def test_t20_some_addresses_are_forbidden(text: str) -> None:
    """Link-local, metadata, multicast and nowhere are forbidden, and private to nobody."""
    address = ip_address(text)
    assert addresses.is_forbidden(address)
    assert not addresses.is_private(address)
    assert addresses.is_forbidden_host(text)
    assert not addresses.is_private_host(text)


@pytest.mark.parametrize("inner", [*METADATA, NOWHERE, "224.0.0.1"])
def test_t20_a_disguise_does_not_help(inner: str) -> None:
    """A forbidden IPv4 address is found in whatever IPv6 address it hides."""
    for text in disguises(inner):
        if text != "::0.0.0.0":  # which is ::, forbidden in its own name
            assert addresses.unwrap(ip_address(text)) == IPv4Address(inner)
        assert addresses.is_forbidden(ip_address(text)), text


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1"])
def test_t20_a_disguised_private_address_is_private(inner: str) -> None:
    """What is private as IPv4 is private inside of IPv6, whatever `is_global` says of it."""
    for text in disguises(inner):
        assert addresses.is_private(ip_address(text)), text


@pytest.mark.parametrize(
    "text",
    [
        *("64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "224.0.0.1", "192.0.0.192"),
        *("168.63.129.16", "::127.0.0.1", "64:ff9b:1::7f00:1"),
    ],
)
def test_t20_is_global_alone_would_let_it_through(text: str) -> None:
    """The twin: Python calls each of these global, so asking only that would not do."""
    address = ip_address(text)
    assert address.is_global
    assert addresses.is_forbidden(address) or addresses.is_private(address)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("100.64.0.1", "100.127.255.255", "::1", "fd00::1", "fc00::1"),
    ],
)
def test_t20_private_addresses_are_private(text: str) -> None:
    """Loopback, the private ranges and those shared behind a carrier or a VPN are private."""
    assert addresses.is_private(ip_address(text))
    assert not addresses.is_forbidden(ip_address(text))
    assert addresses.is_private_host(text)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(text: str) -> None:
    """The rest is neither forbidden nor private, also inside of NAT64."""
    assert not addresses.is_private(ip_address(text))
    assert not addresses.is_forbidden(ip_address(text))


@given(st.ip_addresses())
def test_no_address_is_forbidden_and_private(address: IPv4Address | IPv6Address) -> None:
    """The two never overlap, and unwrapping ends after one step."""
    assert not (addresses.is_forbidden(address) and addresses.is_private(address))
    assert addresses.unwrap(addresses.unwrap(address)) == addresses.unwrap(address)


@given(st.ip_addresses(v=4))
def test_t20_an_address_is_judged_alike_however_it_is_written(address: IPv4Address) -> None:
    """IPv4 inside of IPv6 gets the same answers as it does alone."""
    for text in disguises(str(address)):
        hidden = ip_address(text)
        if int(hidden) > 1:
            assert addresses.is_forbidden(hidden) == addresses.is_forbidden(address)
            assert addresses.is_private(hidden) == addresses.is_private(address)


@pytest.mark.parametrize(
    "host", ["metadata", "metadata.google.internal", "metadata.goog", "instance-data"]
)
def test_t20_names_of_metadata_services_are_forbidden(host: str) -> None:
    """A metadata service is not asked by its name either."""
    assert addresses.is_forbidden_host(host)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("my-box", True),
        ("nas.local", True),
        ("host.docker.internal", True),
        ("gpu.lan", True),
        ("box.home.arpa", True),
        ("api.openai.com", False),
        ("localhost.example.com", False),
        ("notlocal", True),
        ("evillan.com", False),
        ("127.0.0.1.example.com", False),
        ("[::1]", True),
        ("::1", True),
    ],
)
def test_a_host_is_private_by_its_look(host: str, private: bool) -> None:
    """Names without a dot and those of private domains are private; look-alikes are not."""
    assert addresses.is_private_host(host) is private


def test_t20_a_name_is_no_address() -> None:
    """Only what is written as an address is one; a shortened or numeric form is not."""
    for text in ("localhost", "", "127.1", "2130706433", "0x7f.1", "1.2.3.4.5", "::g"):
        assert addresses.literal(text) is None
    assert addresses.literal("[::1]") == IPv6Address("::1")
