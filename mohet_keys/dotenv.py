"""Reads a `.env` text: which of its lines are keys, of which provider, and for which address; pure.

A variable is matched by its name (the provider's usual one, also with words around it) and by
what its value looks like. Where the file names an address for it, that is where the key belongs:
a key for a proxy never goes to the vendor for want of knowing, nor the other way round. What
cannot be told is said and left to the person. Nothing that is said holds a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mohet_keys.dotenv_addresses import Addresses, Place, row_at
from mohet_keys.dotenv_lines import Line, lines
from mohet_keys.dotenv_names import (
    Name,
    address_name,
    any_name,
    family_of,
    key_name,
    other_provider,
    other_service,
)
from mohet_keys.pasted import SHORTEST_SHOWN
from mohet_keys.providers import BY_SLUG, Sign, sign_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variable that is a key. Its repr hides the secret."""

    provider: str
    name: str
    """The variable's name."""
    secret: str = field(repr=False)
    endpoint: str = field(default="", repr=False)
    """As the file has it; empty for the usual one of the provider."""
    notes: tuple[str, ...] = ()
    doubt: str | None = None
    """Why it cannot be told where this key belongs; None when it can."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line that is no key: the variable's name, or the line's number, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a text holds, in its order."""

    candidates: tuple[Candidate, ...]
    ignored: tuple[Ignored, ...]


def read(text: str) -> Found:
    """The keys in a `.env` text, and by name whatever else is in it.

    Raises RefusedError for more lines than such a file has.
    """
    found = lines(text)
    addresses = Addresses(found)
    items = {line.number: _item(line, addresses) for line in found if not address_name(line.name)}
    for line in found:
        if line.number not in items and line.name not in addresses.used:
            why = line.trouble or "An address, and no key for it."
            items[line.number] = Ignored(line.shown, why)
    in_order = [items[number] for number in sorted(items)]
    return Found(
        tuple(item for item in in_order if isinstance(item, Candidate)),
        tuple(item for item in in_order if isinstance(item, Ignored)),
    )


def _item(line: Line, addresses: Addresses) -> Candidate | Ignored:
    """What a line is that names no address."""
    if line.trouble is not None:
        return Ignored(line.shown, line.trouble)
    name, sign = key_name(line.name), sign_of(line.value)
    if name is None:
        return _by_its_look(line, sign, addresses)
    service = other_service(line.name)
    if service is not None:
        return Ignored(line.name, f"A key of {service}, which is none of the providers here.")
    second, says = other_provider(name), BY_SLUG[name.family].label
    if second is not None:
        doubt = f"Its name says both {says} and {second}. Add it by hand."
        return _placed(line, name.family, Place(doubt=doubt))
    if sign is None or sign.slug not in BY_SLUG or sign.slug == name.family:
        return _placed(line, name.family, addresses.of(name))
    place = addresses.of(name)
    if place.is_known:
        return _placed(line, name.family, place)
    note = f"Its name says {says}, but it looks like one of {sign.label}."
    return _placed(line, sign.slug, addresses.of(family_of(sign.slug)), note)


def _by_its_look(line: Line, sign: Sign | None, addresses: Addresses) -> Candidate | Ignored:
    """A variable whose name alone makes it no key of a provider: its value may."""
    if sign is None or len(line.value) < 2 * SHORTEST_SHOWN:
        return Ignored(line.name, "No key of a provider here.")
    if sign.slug not in BY_SLUG:
        return Ignored(line.name, f"A key of {sign.label}, which is none of the providers here.")
    name: Name | None = any_name(line.name)
    place = addresses.of(name) if name else Place()
    if not place.is_known:
        place = addresses.of(family_of(sign.slug))
    return _placed(line, sign.slug, place)


def _placed(line: Line, slug: str, place: Place, *notes: str) -> Candidate:
    """The key where it belongs, at the provider that answers there."""
    if line.again:
        notes = (f"{line.name} is there more than once; the last one counts.", *notes)
    notes = (*notes, *place.notes)
    if place.address is not None:
        slug, endpoint = row_at(place.address, BY_SLUG[slug]).slug, place.address
    else:
        endpoint = _own_address(slug) if len(line.value) >= SHORTEST_SHOWN else ""
    return Candidate(slug, line.name, line.value, endpoint, notes, place.doubt)


def _own_address(slug: str) -> str:
    """Where a key without an address belongs; empty for the usual place. A server of one's own
    needs no key, so where its maker has servers too, the key is for those."""
    row = BY_SLUG[slug]
    if row.is_local and row.hosts:
        return f"https://{min(row.hosts)}{row.base_path}"
    return ""
