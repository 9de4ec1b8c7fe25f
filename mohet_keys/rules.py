"""What the administrators allow everybody who signs in, themselves too: they can change it.

There are no rules in a local run. Without any set, everything is allowed but addresses on private
networks: a server that many share must be no way into the network it stands in. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from mohet_keys import endpoints
from mohet_keys.addresses import is_private_host, literal
from mohet_keys.errors import InputError, RefusedError, RuleError
from mohet_keys.model import Person
from mohet_keys.providers import BY_SLUG


@dataclass(frozen=True, slots=True)
class TeamRules:
    """What is allowed.

    `providers` are the slugs of those that may be used, None for all. `hosts` are further hosts:
    those on private networks may be used only when they stand there, and with `only_these_hosts`
    no other host may be used that is not a provider's own. Limits are requests a month, which
    begins on its first day at midnight UTC; None for none.
    """

    providers: frozenset[str] | None = None
    hosts: frozenset[str] = frozenset()
    only_these_hosts: bool = False
    private_keys: bool = True
    """Whether members may save keys; administrators may in any case."""
    person_limit: int | None = None
    key_limit: int | None = None

    def vet(self, provider: str, endpoint: str) -> None:
        """Refuse a provider or an address that is not allowed. Raises RuleError."""
        row = BY_SLUG.get(provider)
        if self.providers is not None and provider not in self.providers:
            label = row.label if row else provider
            raise RuleError(f"{label} is not among the providers that your administrators allow.")
        host = _host(endpoint)
        if not host:
            raise RuleError("This address cannot be read.")
        if host in self.hosts or (row is not None and host in row.hosts):
            return
        if is_private_host(host):
            raise RuleError(f"{host} is on a private network. An administrator has to allow it.")
        if self.only_these_hosts:
            raise RuleError(f"{host} is not among the hosts that your administrators allow.")

    def vet_private(self, person: Person) -> None:
        """Refuse to have a private key to who may not. Raises RuleError."""
        if not self.private_keys and not person.is_administrator:
            raise RuleError("Only administrators save keys here. Ask one to share a key with you.")

    def allows_private(self, endpoint: str) -> bool:
        """Whether this address may turn out to be on a private network when it is dialled."""
        return _host(endpoint) in self.hosts


def _host(endpoint: str) -> str:
    """The host of an address; empty, which nothing allows, for one that cannot be read."""
    try:
        return endpoints.host(endpoint)
    except InputError:
        return ""


def host_of(text: str) -> str:
    """A host as an administrator types it, perhaps within an address, in the form it is compared
    in. Raises RefusedError."""
    stripped = text.strip()
    bare = f"[{stripped}]" if ":" in stripped and literal(stripped) else stripped
    address = bare if "://" in bare else f"https://{bare}"
    try:
        return endpoints.host(endpoints.canonical(address))
    except InputError:
        raise RefusedError(f"“{stripped[:80]}” is no host.") from None
