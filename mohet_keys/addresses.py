"""Which network addresses are the user's own, and which may never be asked; pure.

Public sources: RFC 1918, 4193, 4291, 6598 (shared addresses), for IPv4 inside of IPv6 4291, 6052
and 8215 (NAT64), 2765 (SIIT), 3056 (6to4) and 4380 (Teredo), and the metadata addresses the large
clouds document. `ipaddress.is_global` alone is not enough: it calls NAT64, 6to4, multicast,
192.0.0.192 and 168.63.129.16 global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_IPV4_IN_ITS_END = tuple(
    IPv6Network(text)
    for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
"""IPv4-compatible, mapped, SIIT, and NAT64 with the well-known and the local prefix."""
_SHARED = IPv4Network("100.64.0.0/10")
"""Of carriers, and of private networks over the Internet such as Tailscale; never public."""
_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::/32",
        "fd00:42::42/128",
        "fd20:ce::254/128",
        "ff00::/8",
    )
)
_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
_PRIVATE_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


def unwrap(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64, 6to4 or Teredo address; else the address itself."""
    if isinstance(address, IPv4Address) or int(address) <= 1:  # :: and ::1 hold none
        return address
    if any(address in network for network in _IPV4_IN_ITS_END):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.sixtofour or address


def is_forbidden(address: Address) -> bool:
    """Whether nothing may ever be sent there: link-local, cloud metadata, multicast, nowhere."""
    inner = unwrap(address)
    return any(
        candidate in network
        for candidate in {address, inner}
        for network in _NEVER
        if candidate.version == network.version
    )


def is_private(address: Address) -> bool:
    """Whether the address is this machine or a private network."""
    inner = unwrap(address)
    shared = isinstance(inner, IPv4Address) and inner in _SHARED
    return (inner.is_loopback or inner.is_private or shared) and not is_forbidden(address)


def literal(host: str) -> Address | None:
    """The address a host is written as; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_forbidden_host(host: str) -> bool:
    """The same for a host as it stands in an endpoint, names of metadata services included."""
    address = literal(host)
    return is_forbidden(address) if address else host in _METADATA_NAMES


def is_private_host(host: str) -> bool:
    """Whether a host in an endpoint is, by its look, on this machine or a private network."""
    address = literal(host)
    if address:
        return is_private(address)
    return host == "localhost" or "." not in host or host.endswith(_PRIVATE_SUFFIXES)
