"""Stores for the benchmarks, in folders of their own, with keys that are really sealed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from mohet_keys import masterkey, pasted, wiring
from mohet_keys.database import Database
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, Verdict
from mohet_keys.queries import RANKS
from mohet_keys.repository import NewRow
from mohet_keys.rows import check_columns, with_proof
from mohet_keys.sealed import Label
from mohet_keys.settings import Settings
from mohet_keys.tables import CHECK, KEY
from mohet_keys.vault import Vault

Place = Callable[[int], tuple[str, str]]
"""Provider and endpoint of the n-th key."""

_SAID = (
    Diagnosis(Verdict.VALID, "key works", "Groq accepts this key."),
    Diagnosis(
        Verdict.INVALID,
        "wrong key",
        "Groq does not know this key (HTTP 401).",
        "Make a new key at the provider and enter it here.",
        link="https://console.groq.com/keys",
    ),
    Diagnosis(
        Verdict.UNREACHABLE,
        "no connection",
        "Nothing answered at api.groq.com.",
        "Check the network and try again.",
    ),
    None,
)
"""What was said of the keys, in turn; the last kind was never checked."""


def settings(folder: Path) -> Settings:
    """Settings that keep store and master key below `folder`."""
    return Settings(
        data_dir=folder / "data",
        config_dir=folder / "config",
        database_url=None,
        master_key=None,
        master_key_file=None,
        master_key_previous=None,
        master_key_previous_file=None,
    )


def seed(where: Settings, count: int, place: Place, *, checked: bool = True) -> list[str]:
    """Save `count` keys in one transaction; their ids. With `checked`, most had a check."""
    vault = _vault(where)
    born = datetime.now(UTC) - timedelta(days=count)
    rows = [_row(vault, n, *place(n), born + timedelta(days=n)) for n in range(count)]
    checks = [_check(n, row) for n, row in enumerate(rows)] if checked else []
    database = Database(where.store_url)
    with database.writing() as connection:
        connection.execute(insert(KEY), rows)
        if found := [check for check in checks if check]:
            connection.execute(insert(CHECK), found)
    database.close()
    return [row["id"] for row in rows]


def _vault(where: Settings) -> Vault:
    parts = wiring.build(where)  # makes tables, master key and data keys
    masters = masterkey.load(where, store_is_empty=False)
    stored, active = parts.repository.keyring.read()
    parts.close()
    return Vault(masters, stored, active)


def _row(vault: Vault, n: int, provider: str, endpoint: str, born: datetime) -> dict[str, Any]:
    name, secret = f"Team {n:05}", f"gsk_sim-good-{n:032}"
    label = Label(str(uuid.uuid4()), provider, endpoint, 1, False)
    sealed = vault.seal(label, secret)
    new = NewRow(
        id=label.key_id,
        owner=LOCAL_OWNER,
        provider=provider,
        name=name,
        name_key=pasted.name_key(name),
        endpoint=endpoint,
        hint=pasted.hint(secret),
        has_secret=True,
        sealed=sealed,
        fingerprint=vault.fingerprint(secret),
        data_key_id=vault.data_key_of(sealed),
        revision=1,
        looks_like=None,
        allow_http=False,
        created_at=born,
    )
    verdict = said.verdict if (said := _SAID[n % len(_SAID)]) else Verdict.UNCHECKED
    stamps = {"version": 1, "updated_at": born, "updated_by": LOCAL_OWNER, "rank": RANKS[verdict]}
    return {**new.given(), **stamps}


def _check(n: int, row: dict[str, Any]) -> dict[str, Any] | None:
    said = _SAID[n % len(_SAID)]
    if said is None:
        return None
    result = CheckResult(
        key_id=row["id"],
        revision=1,
        diagnosis=said,
        checked_at=datetime.now(UTC) - timedelta(hours=3),
        http_status=200,
        latency_ms=312,
        models=tuple(f"model-{m}" for m in range(20)),
        recommended_model="model-1",
    )
    return check_columns(with_proof(result, None))
