"""Sealing and opening a secret, and a use of a key on record, beside what each must take."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks import store
from benchmarks.row import Row, middle
from mohet_keys import masterkey, wiring
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.sealed import Label
from mohet_keys.vault import Vault

SECRET = "gsk_" + "a1B2" * 13
TIMES = 2000
MOST = 100e-6
"""Seconds that sealing, or opening, one secret may take."""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    where = store.settings(folder)
    (key_id,) = store.seed(where, 1, lambda _: ("groq", "http://127.0.0.1:9/v1"), checked=False)
    parts = wiring.build(where)
    masters = masterkey.load(where, store_is_empty=False)
    vault = Vault(masters, *parts.repository.keyring.read())
    label = Label(key_id, "groq", "https://api.groq.com/openai/v1", 1, False)
    sealed = vault.seal(label, SECRET)
    cipher, nonce, data = AESGCM(os.urandom(32)), os.urandom(12), os.urandom(128)
    bare = _middle(lambda: cipher.encrypt(nonce, data, data))
    seal = _middle(lambda: vault.seal(label, SECRET))
    unseal = _middle(lambda: vault.open(sealed, label))
    use = _middle(lambda: parts.keys.open(key_id, owner=LOCAL_OWNER), 200)
    commit = _a_commit(folder)
    parts.close()
    return [
        Row("seal a secret", seal, MOST, "promised", 1.0, f"bare AES-GCM {bare * 1e6:.0f} µs"),
        Row("open a secret", unseal, MOST, "promised", 1.0, f"bare AES-GCM {bare * 1e6:.0f} µs"),
        Row("take a key for a use, on record", use, commit, "a bare commit"),
    ]


def _middle(step: Callable[[], object], times: int = TIMES) -> float:
    step()
    return middle([_timed(step) for _ in range(times)])


def _timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _a_commit(folder: Path) -> float:
    """What it takes SQLite alone to have one line on disk."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, words TEXT)")
        return _middle(lambda: raw.execute("INSERT INTO line (words) VALUES ('x')"), 200)
