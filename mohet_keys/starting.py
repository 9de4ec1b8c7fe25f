"""The first key: tested before it is saved, then saved and selected in one go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from mohet_keys.errors import StoreError
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, NewKey, Verdict
from mohet_keys.service import KeyService
from mohet_keys.validation import ValidationService

GOOD = frozenset({Verdict.VALID, Verdict.LIMITED, Verdict.UNVERIFIED})
"""Verdicts after which the chat may begin."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a test went. `entry` is the saved key; after a failed test there is none."""

    diagnosis: Diagnosis
    entry: KeyEntry | None = None


class Starter:
    """Tests a key that is not saved yet. The secret goes to the address typed beside it alone."""

    def __init__(self, keys: KeyService, checks: ValidationService) -> None:
        self._keys = keys
        self._checks = checks

    async def start(self, new: NewKey, *, owner: str) -> Started:
        """Test a key; when the test is good, save and select it.

        Raises InputError, LockedError, StoreError. One that looks like another vendor's is sent
        nowhere.
        """
        draft = await asyncio.to_thread(self._keys.draft, new, owner=owner)
        if draft.held is not None:
            return Started(draft.held)
        key = await asyncio.to_thread(self._keys.trying, draft, owner=owner)
        result = await self._checks.try_out(key)
        if result.diagnosis.verdict not in GOOD:
            await asyncio.to_thread(self._fail, result)
            return Started(result.diagnosis)
        return Started(result.diagnosis, await asyncio.to_thread(self._save, new, result, owner))

    def _fail(self, result: CheckResult) -> None:
        said = result.diagnosis
        with suppress(StoreError):  # what the provider said comes first
            self._keys.finish(result.use, said.verdict, detail=said.reason)

    def _save(self, new: NewKey, result: CheckResult, owner: str) -> KeyEntry:
        entry = self._keys.add(new, owner=owner).entry
        kept = replace(result, key_id=entry.id, revision=entry.revision)
        self._keys.record(kept, owner=owner)
        self._keys.select(entry.id, owner=owner)
        return entry
