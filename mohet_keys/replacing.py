"""A new secret for a saved key: tested beside the present one, and taken only when it is good.

Until then nothing of the key changes, so whoever uses it goes on with the present secret.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from mohet_keys.errors import StoreError
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry
from mohet_keys.saving import Trial
from mohet_keys.service import KeyService
from mohet_keys.starting import GOOD
from mohet_keys.validation import ValidationService


@dataclass(frozen=True, slots=True)
class Replaced:
    """How a test went. `entry` is the key with its new secret; None when it kept what it has."""

    diagnosis: Diagnosis
    entry: KeyEntry | None = None
    notes: tuple[str, ...] = ()
    """What was mended of the new secret on its way in."""


class Replacer:
    """Tests new secrets of saved keys and swaps them in."""

    def __init__(self, keys: KeyService, checks: ValidationService) -> None:
        self._keys = keys
        self._checks = checks

    async def replace(self, trial: Trial, *, owner: str) -> Replaced:
        """Test a new secret and, when the test is good, give it to its key.

        `trial` comes of `KeyService.trial`. Raises ConflictError when the key was changed during
        the test and NotFoundError when it was deleted, InputError, LockedError, StoreError: the
        key is then as it was.
        """
        result = await self._checks.try_out(trial.key)
        said = result.diagnosis
        await asyncio.to_thread(self._keys.finish, result.use, said.verdict, detail=said.reason)
        if said.verdict not in GOOD:
            return Replaced(said)
        return await asyncio.to_thread(self._swap, trial, result, owner)

    def forget(self) -> None:
        """Delete the former secrets whose time is over. One that the store keeps now goes later."""
        with suppress(StoreError):
            self._keys.forget_former()

    def _swap(self, trial: Trial, result: CheckResult, owner: str) -> Replaced:
        saved = self._keys.swap(trial, owner=owner)
        entry = saved.entry
        tested = replace(result, key_id=entry.id, revision=entry.revision, use=0)
        with suppress(StoreError):  # the swap is done; without this the key is shown as unchecked
            self._keys.record(tested, owner=owner)
        return Replaced(result.diagnosis, entry, saved.notes)
