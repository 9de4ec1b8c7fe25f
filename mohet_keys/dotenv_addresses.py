"""Which addresses a `.env` text names, and which of its keys they are for; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mohet_keys import endpoints
from mohet_keys.dotenv_lines import NO_VALUE, Line
from mohet_keys.dotenv_names import NO_AFFIX, Affix, Name, address_name, any_name
from mohet_keys.errors import InputError
from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider, owner_of_host

_HOST = re.compile(r"(https?://)?(\[[^\]]*\]|[^:/\[\]]*)(:\d+)?(/.*)?", re.IGNORECASE)
_LISTENING = {"", "0.0.0.0", "[::]"}  # noqa: S104  # nothing is bound to it here
_PORT = re.compile(r"https?://[^/]*:(\d+)(?:/|$)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key belongs: `address` is None when the text names none for it, and `doubt` says
    why that cannot be told."""

    address: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    doubt: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the text says anything of it."""
        return self.address is not None or self.doubt is not None


@dataclass(frozen=True, slots=True)
class _Address:
    line: Line
    name: Name
    text: str = field(repr=False)

    @property
    def destination(self) -> str:
        """What two spellings of one address have in common."""
        try:
            return endpoints.mend(BY_SLUG.get(self.name.family, PROVIDERS[0]), self.text).endpoint
        except InputError:
            return self.text


class Addresses:
    """The addresses of a text. `used` has the names of those that some key was given."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.used: set[str] = set()
        self._of: dict[tuple[str, Affix], list[_Address]] = {}
        self._places: dict[tuple[str, Affix], Place] = {}
        self._strays: dict[str, str] = {}
        names = [name for line in lines if (name := any_name(line.name))]
        spoken_for = {(name.family, name.affix) for name in names}
        for line in lines:
            address = _address(line)
            if address:
                called = (address.name.family, address.name.affix)
                self._of.setdefault(called, []).append(address)
                if called not in spoken_for:
                    self._strays.setdefault(address.name.family, line.name)

    def of(self, key: Name) -> Place:
        """Where the key with this name belongs.

        An address with the same words around its name comes first, then one with none. One that
        goes with no other key may be meant for this one, so then it cannot be told.
        """
        for called in ((key.family, key.affix), (key.family, NO_AFFIX)):
            if called in self._of:
                if called not in self._places:
                    self._places[called] = self._at(self._of[called])
                return self._places[called]
        stray = self._strays.get(key.family)
        return Place(doubt=_STRAY.format(stray)) if stray else Place()

    def _at(self, fitting: Sequence[_Address]) -> Place:
        self.used |= {each.line.name for each in fitting}
        for each in fitting:
            if each.line.trouble:
                return Place(doubt=f"Its address {each.line.name} is unclear. {each.line.trouble}")
        if len({each.destination for each in fitting}) > 1:
            return Place(doubt=_DIFFERENT.format(" and ".join(e.line.name for e in fitting[:3])))
        first = fitting[0]
        again = (f"{first.line.name} is there more than once; the last one counts.",)
        note = f"Its address is that of {first.line.name} in the file."
        return Place(first.text, (*(again if first.line.again else ()), note))


_DIFFERENT = "{} name different addresses for it. Add it by hand."
_STRAY = (
    "The file has an address under another name ({}), so it cannot be told where this key "
    "belongs. Add it by hand."
)


def row_at(address: str, named: Provider) -> Provider:
    """The provider that answers at an address; `named` where nothing is known of that."""
    try:
        destination = endpoints.mend(named, address).endpoint
    except InputError:
        return named  # what is wrong with the address is said when the key is to be saved
    port = _PORT.match(destination)
    if port and endpoints.is_private(destination):
        return next((row for row in PROVIDERS if str(row.local_port) == port.group(1)), named)
    return owner_of_host(endpoints.host(destination)) or named


def _address(line: Line) -> _Address | None:
    """The address in a line; None for any other line, and for an empty one."""
    name = address_name(line.name)
    if name is None or line.trouble == NO_VALUE:
        return None
    row = BY_SLUG.get(name.family)
    listening = row is not None and row.is_local and name.word.endswith("HOST")
    return _Address(line, name, _reached_at(line.value, row) if row and listening else line.value)


def _reached_at(text: str, row: Provider) -> str:
    """Where a server of one's own is reached that is told to listen there: it has its own port,
    and an address that is for listening alone means this machine."""
    found = _HOST.fullmatch(text.strip())
    if found is None:
        return text
    scheme, host, port, path = found.groups(default="")
    if not scheme and not port:
        port = f":{row.local_port}"
    return f"{scheme or 'http://'}{'localhost' if host in _LISTENING else host}{port}{path}"
