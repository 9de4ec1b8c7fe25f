"""Picks the concrete parts and puts them together. The one place that names them all."""

from __future__ import annotations

from dataclasses import dataclass

from mohet_keys import masterkey, vault
from mohet_keys.chat import ChatService
from mohet_keys.errors import LockedError
from mohet_keys.http import Outbound
from mohet_keys.repository import Repository
from mohet_keys.service import KeyService
from mohet_keys.settings import Settings
from mohet_keys.starting import Starter
from mohet_keys.validation import ValidationService
from mohet_keys.vault import Vault


@dataclass(frozen=True, slots=True)
class Parts:
    """What the app and the command line work with."""

    keys: KeyService
    checks: ValidationService
    chats: ChatService
    starter: Starter
    outbound: Outbound
    repository: Repository

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
        opened, locked = _open_vault(settings, repository)
    except BaseException:
        repository.close()
        raise
    keys = KeyService(repository, opened, locked=locked)
    way_out = outbound or Outbound()
    checks = ValidationService(keys, way_out)
    chats = ChatService(keys, way_out)
    return Parts(keys, checks, chats, Starter(keys, checks), way_out, repository)


def _open_vault(settings: Settings, repository: Repository) -> tuple[Vault | None, str | None]:
    """The vault, and why it is locked. Mints the data keys of a new store."""
    empty = repository.is_empty()
    masters = masterkey.load(settings, store_is_empty=empty)
    if masters is None:
        return None, "The master key these keys were saved under is missing, so they stay sealed."
    if empty:
        seal = vault.mint(masters.primary, "seal")
        print_ = vault.mint(masters.primary, "fingerprint")
        repository.add_data_keys((seal, print_), active=seal.data_key_id)
    active = repository.active_data_key()
    if active is None:  # none is made over what is there: it would open nothing of that
        return None, "The store has lost the keys that seal its secrets. Restore a backup of it."
    opened = Vault(masters, repository.data_keys(), active)
    try:
        opened.fingerprint("self-test")
    except LockedError as error:
        return None, str(error)
    return opened, None
