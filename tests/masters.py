"""Stores under several master keys, as the tests of what happens to those start them."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.errors import LockedError
from mohet_keys.keyring import Keyring
from mohet_keys.model import LOCAL_OWNER, KeyEntry, NewKey
from mohet_keys.repository import Repository
from mohet_keys.safe import Safe
from mohet_keys.sealed import MasterKey
from mohet_keys.settings import Settings
from mohet_keys.vault import master_id
from mohet_keys.wiring import Parts
from tests.leaks import canary

OLD, NEW, THIRD = (base64.b64encode(bytes(range(at, at + 32))).decode() for at in (1, 101, 201))
"""Three master keys as they are set."""
OLD_ID, NEW_ID, THIRD_ID = (
    master_id(MasterKey(base64.b64decode(text), "")) for text in (OLD, NEW, THIRD)
)

SETS: dict[str, dict[str, str]] = {
    "old": {"master_key": OLD},
    "new": {"master_key": NEW},
    "both": {"master_key": NEW, "master_key_previous": OLD},
    "generated": {},
}
"""The master keys that an operator may have set; none where the key is a generated one."""


def settings_in(folder: Path, which: str = "generated", **more: object) -> Settings:
    """A store and a configuration of its own, with one of the sets."""
    folders = {"data_dir": folder / "data", "config_dir": folder / "config"}
    return Settings.model_validate({**folders, **SETS[which], **more})


@contextmanager
def started(folder: Path, which: str = "generated", **more: object) -> Iterator[Parts]:
    """The product, started with one of the sets."""
    parts = wiring.build(settings_in(folder, which, **more))
    try:
        yield parts
    finally:
        parts.close()


_templates: dict[str, TemporaryDirectory[str]] = {}
_ELSEWHERE = ("database_url", "master_key_file", "master_key_previous", "master_key_previous_file")
"""What may be set by whoever runs the tests, and must not be for a store that all of them copy."""


def store_in(folder: Path, which: str = "generated") -> None:
    """Put a new store there under the old or a generated master key, or a "bare" one without any
    data key: a copy of one made before, for to make the tables takes longer than all the rest."""
    if which not in _templates:
        _templates[which] = TemporaryDirectory()
        place = Path(_templates[which].name)
        unset = dict.fromkeys(("master_key", *_ELSEWHERE)) | SETS.get(which, {})
        settings = settings_in(place, **unset)
        if which == "bare":
            Repository(settings.store_url).close()
        else:
            wiring.build(settings).close()
    shutil.copytree(_templates[which].name, folder, dirs_exist_ok=True)


def bare_store(folder: Path) -> Repository:
    """A store with its tables and nothing in them."""
    store_in(folder, "bare")
    return Repository(settings_in(folder).store_url)


def add(parts: Parts, name: str, secret: str = "") -> KeyEntry:
    """Save a key."""
    typed = SecretStr(secret or canary("gsk_"))
    return parts.keys.add(NewKey(provider="groq", name=name, secret=typed), owner=LOCAL_OWNER).entry


def replaced(parts: Parts, entry: KeyEntry, secret: str) -> KeyEntry:
    """Give a key another secret, so that the one it had can come back."""
    trial = parts.keys.trial(entry.id, secret, owner=LOCAL_OWNER, version=entry.version)
    return parts.keys.swap(trial, owner=LOCAL_OWNER).entry


def secret_of(parts: Parts, entry: KeyEntry) -> str | None:
    """The secret of a key, opened for a use."""
    return parts.keys.open(entry.id, owner=LOCAL_OWNER).secret


def opened(keyring: Keyring, safe: Safe) -> list[str]:
    """Every secret in a store that opens, also those that can come back."""
    found = []
    for each in [*keyring.secrets(1000), *keyring.former_secrets()]:
        try:
            found.append(safe.open(each.blob, each.label))
        except LockedError:
            continue
    return sorted(found)
