"""What the names of variables say: a provider's key, a provider's address, or neither; pure.

The usual names are those of the vendors' own libraries (OPENAI_API_KEY and OPENAI_BASE_URL,
LM_API_TOKEN, OLLAMA_HOST …) and of the libraries that speak to many (OPENAI_API_BASE …). Around
them people put words of their own, as in MY_GROQ_API_KEY and OPENAI_API_KEY_PROD.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mohet_keys.providers import BY_SLUG, PROVIDERS

Affix = tuple[str, str]
NO_AFFIX: Affix = ("", "")

_ALSO = {
    "lmstudio": ("LM_STUDIO",),
    "mistral": ("MISTRALAI", "MISTRAL_AI"),
    "openai": ("OPEN_AI",),
    "openrouter": ("OPEN_ROUTER",),
}
_SLUGS = {
    mark: row.slug
    for row in PROVIDERS
    for mark in (
        row.slug.upper(),
        *((row.env.removesuffix("_API_KEY"),) if row.env else ()),
        *_ALSO.get(row.slug, ()),
    )
}
"""How variables call each provider: by its slug, by the beginning of its usual one, and so on."""
_ALONE = {"LM_API_TOKEN": "LMSTUDIO_API_TOKEN"}
"""Usual variables that do not name their provider, and what they mean."""
_OTHER_SERVICES = {"AZURE": "Azure"}
"""Services under a provider's name whose keys that provider does not take."""

_SHORT_WORDS = {"KEY", "TOKEN"}
_KEY_WORDS = "API_?KEY|API_?TOKEN|SECRET_KEY|ACCESS_TOKEN|AUTH_TOKEN|KEY|TOKEN"
_ADDRESS_WORDS = (
    "(?:API_)?BASE_?URL|API_BASE(?:_URL)?|(?:API_)?(?:ENDPOINT|HOST|URL)|SERVER_URL|BASE_PATH"
)
_TOLD_OF_A_KEY = frozenset(
    {"FILE", "PATH", "DIR", "ID", "NAME", "ENV", "VAR", "URL", "HEADER", "PREFIX", "LIMIT"}
    | {"COUNT", "TYPE", "HASH", "EXPIRY", "EXPIRES", "ENABLED", "REQUIRED", "SOURCE", "VERSION"}
)
"""Last words of variables that tell something about a key and are none."""


@dataclass(frozen=True, slots=True)
class Name:
    """A variable's name taken apart."""

    family: str
    """What the keys and addresses that go together have in common: the slug of the provider that
    is named, else the word in its place, in capitals."""
    word: str
    """What it is of that."""
    affix: Affix
    """What stands before and behind, by which a key and its address find each other."""


_MARKS = "|".join(sorted(_SLUGS, key=len, reverse=True))
_MARK = re.compile(rf"(?:^|_)({_MARKS})(?:_|$)")


def _patterns(words: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """For names with a provider in them, and for those without."""
    end = rf"_({words})(?:_(\w+))?"
    return re.compile(rf"(?:(\w+)_)??({_MARKS}){end}"), re.compile(rf"()(\w+?){end}")


_KEY, _ANY_KEY = _patterns(_KEY_WORDS)
_ADDRESS, _ANY_ADDRESS = _patterns(_ADDRESS_WORDS)


def key_name(name: str) -> Name | None:
    """What the name of a provider's key says; None for any other name."""
    found = _taken_apart(_KEY, name)
    if found is None or (found.word in _SHORT_WORDS and found.affix[1]):
        return None
    return None if found.affix[1].rpartition("_")[2] in _TOLD_OF_A_KEY else found


def any_name(name: str) -> Name | None:
    """What the name says of a variable that is a key by its look; None when nothing."""
    mark = _MARK.search("_".join(_words(name)))
    if mark:
        return key_name(name) or family_of(_SLUGS[mark.group(1)])
    return _taken_apart(_ANY_KEY, name)


def family_of(slug: str) -> Name:
    """The family of a provider, with no words around it."""
    return Name(slug, "", NO_AFFIX)


def address_name(name: str) -> Name | None:
    """What the name of an address says, of a provider's or any; None for any other name."""
    found = _taken_apart(_ADDRESS, name)
    return found if found or key_name(name) else _taken_apart(_ANY_ADDRESS, name)


def other_service(name: str) -> str | None:
    """The service that a name is of, where its keys are not for the provider that it names."""
    return next((_OTHER_SERVICES[w] for w in _words(name) if w in _OTHER_SERVICES), None)


def other_provider(name: Name) -> str | None:
    """Label of a second provider that stands in the words around the first."""
    words = map(_SLUGS.get, _words("_".join(name.affix)))
    slug = next((each for each in words if each and each != name.family), None)
    return BY_SLUG[slug].label if slug else None


def _taken_apart(pattern: re.Pattern[str], name: str) -> Name | None:
    upper = "_".join(_words(name))
    found = pattern.fullmatch(_ALONE.get(upper, upper))
    if found is None:
        return None
    before, mark, word, behind = found.groups(default="")
    return Name(_SLUGS.get(mark, mark), word, (before, behind))


def _words(name: str) -> list[str]:
    return re.split("[_.-]", name.upper())
