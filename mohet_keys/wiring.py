"""Picks the concrete parts and puts them together. The one place that names them all.

What only some pages and commands need is read when they ask for it, so that the app starts sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mohet_keys import masterkey, vault
from mohet_keys.changes import Changes
from mohet_keys.chat import ChatService
from mohet_keys.http import Outbound
from mohet_keys.identity import Rules
from mohet_keys.presence import Presence
from mohet_keys.replacing import Replacer
from mohet_keys.repository import Repository
from mohet_keys.rights import BackgroundRights
from mohet_keys.safe import Safe
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.starting import Starter
from mohet_keys.team import Team
from mohet_keys.validation import ValidationService
from mohet_keys.visitors import Visitors
from mohet_keys.watching import Watcher

if TYPE_CHECKING:
    from mohet_keys.rotation import Rotation
    from mohet_keys.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Parts:
    """What the app and the command line work with."""

    settings: Settings
    keys: KeyService
    checks: ValidationService
    chats: ChatService
    starter: Starter
    replacer: Replacer
    team: Team
    outbound: Outbound
    repository: Repository
    changes: Changes
    safe: Safe
    presence: Presence
    watcher: Watcher
    visitors: Visitors

    @property
    def transfer(self) -> Transfer:
        """Keys in files, on their way out and in."""
        from mohet_keys.transfer import Transfer

        return Transfer(self.keys)

    @property
    def rotation(self) -> Rotation:
        """What an operator does with the master key."""
        from mohet_keys.rotation import Rotation

        return Rotation(self.repository, self.settings)

    def close(self) -> None:
        """Let go of the store."""
        self.repository.close()


def build(settings: Settings | None = None, *, outbound: Outbound | None = None) -> Parts:
    """The product, put together from the environment, or from `settings`.

    Raises StoreError when the store cannot be opened and MasterKeyError when a master key is
    malformed. A missing or wrong master key is no error: the keys are then shown as locked.
    """
    settings = settings or Settings()
    masterkey.forget_environment()
    repository = Repository(settings.store_url)
    try:
        safe = _open_safe(settings, repository)
    except BaseException:
        repository.close()
        raise
    keys = KeyService(repository, safe, allow_reveal=settings.allow_reveal)
    way_out = outbound or Outbound()
    checks = ValidationService(keys, way_out)
    replacer = Replacer(keys, checks)
    replacer.forget()  # what ran out while nothing was running
    return Parts(
        settings=settings,
        keys=keys,
        checks=checks,
        chats=ChatService(keys, way_out, changes=repository.changes),
        starter=Starter(keys, checks),
        replacer=replacer,
        team=Team(repository),
        outbound=way_out,
        repository=repository,
        changes=repository.changes,
        safe=safe,
        presence=Presence(repository, safe),
        watcher=Watcher(
            KeyService(repository, safe, rights=BackgroundRights(repository)),
            repository,
            way_out,
            every=timedelta(minutes=settings.watch_minutes),
            keep=timedelta(days=settings.keep_days),
        ),
        visitors=Visitors(
            repository,
            lasts=timedelta(hours=settings.session_hours),
            idle=timedelta(minutes=settings.idle_minutes),
            administrators=Rules.of(administrators=settings.administrators).administrators,
        ),
    )


def _open_safe(settings: Settings, repository: Repository) -> Safe:
    """The safe of the store. Mints the data keys of a new store."""
    if repository.is_empty():
        masters = masterkey.load(settings, store_is_empty=True)
        if masters is not None:
            seal = vault.mint(masters.primary, "seal")
            print_ = vault.mint(masters.primary, "fingerprint")
            repository.keyring.begin((seal, print_), sealing=seal.data_key_id)
    return Safe(repository.keyring, lambda: masterkey.load(settings, store_is_empty=False))
