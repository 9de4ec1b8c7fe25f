"""Looks for what is wrong with settings, store and master key, and changes nothing.

The store is opened for reading alone. No step here makes, migrates, narrows or repairs anything:
what a start of the product would put right by itself is a note.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mohet_keys import contents, masterkey, masterkey_next, migrations, sqlite_file
from mohet_keys.contents import Contents
from mohet_keys.database import kind_of, looking
from mohet_keys.doctor_files import (
    Finding,
    disk,
    fatal,
    is_there,
    kept_files,
    mode_of,
    note,
    ok,
    store_file,
    wrong,
)
from mohet_keys.doctor_server import server, tables
from mohet_keys.doctor_sign_in import sign_in
from mohet_keys.errors import LockedError, SealError, StoreError
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.sealed import Masters
from mohet_keys.settings import Settings
from mohet_keys.vault import Vault, master_id


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.level != "wrong" for finding in self.findings)

    @property
    def status(self) -> int:
        """The command's exit status: 0 nothing is wrong, 3 the store cannot be opened, else 1."""
        if any(finding.is_fatal for finding in self.findings):
            return 3
        return 0 if self.is_ok else 1

    def as_json(self) -> dict[str, object]:
        """The report for other programs."""
        rows = [{"level": f.level, "area": f.area, "message": f.message} for f in self.findings]
        return {"ok": self.is_ok, "findings": rows}


def examine(settings: Settings, environment: Mapping[str, str] | None = None) -> Report:
    """Look at everything that `settings` name. Raises nothing that a broken store could cause."""
    names = os.environ if environment is None else environment
    findings = [*_settings(settings), *_strange_settings(names), *sign_in(settings, names)]
    try:
        kind, path = kind_of(settings.store_url)
    except StoreError as error:
        return Report((*findings, fatal("settings", str(error))))
    findings.append(ok("settings", f"The store is {path or f'a {kind} database'}."))
    findings += disk(path) if path else []
    findings += [*store_file(path), *kept_files(path)] if path else []
    found = _Found()
    findings += _store(settings, path, found)
    findings += _master(settings, path, found)
    findings += _data_keys(found)
    findings += _keys(found)
    return Report(tuple(findings))


# --- settings -----------------------------------------------------------------------------------


def _settings(settings: Settings) -> Iterator[Finding]:
    for what, folder in (("data", settings.data_dir), ("config", settings.config_dir)):
        yield ok("settings", f"The {what} folder is {folder}.")
        if not folder.is_absolute():
            yield note(
                "settings",
                f"The {what} folder is relative, so it is another one in each working folder.",
            )
    if settings.allow_reveal:
        said = "MOHET_ALLOW_REVEAL is on: whoever reaches the app may look at a saved secret."
        yield note("settings", f"{said} Each look is recorded.")


def _strange_settings(names: Mapping[str, str]) -> Iterator[Finding]:
    """Names that look like a setting and are none: a misspelt one would be passed over."""
    known = {f"MOHET_{name.upper()}" for name in Settings.model_fields} | {"MOHET_DEMO"}
    for name in sorted(names):
        if name.upper().startswith("MOHET_") and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            meant = f" Is {close[0]} meant?" if close else ""
            yield note("settings", f"{name} is set, but there is no such setting.{meant}")


# --- the store ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What was read of the store, and what opens it."""

    read: Contents = field(default_factory=Contents)
    vault: Vault | None = None
    is_read: bool = True
    """Whether this is all there is; not when a store is there and cannot be read."""


def _store(settings: Settings, path: Path | None, found: _Found) -> Iterator[Finding]:
    """Read the store into `found`, and say how it is."""
    if path and not is_there(path):
        return
    try:
        with looking(settings.store_url) as connection:
            yield from _soundness(connection, path) if path else server(connection)
            version = contents.version(connection, is_file=path is not None)
            yield _at_version(version)
            found.is_read = version in {None, migrations.HEAD}
            if version == migrations.HEAD:
                found.read = contents.read(connection)
                yield from _tables(connection) if path else tables(connection)
    except StoreError as error:
        found.is_read = False
        yield fatal("store", str(error))


def _soundness(connection: Any, path: Path) -> Iterator[Finding]:
    """SQLite's own look at its file."""
    said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
    problems = [problem for problem in said if problem != "ok"]
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check")
    problems += [sqlite_file.broken_reference(*row) for row in broken]
    if not problems:
        yield ok("store", "The file is whole, as SQLite’s own check says.")
    else:
        told = f"The file is damaged ({len(problems)} found, first: {problems[0][:200]})."
        yield wrong("store", f"{told} Restore it from a backup.")
    if sqlite_file.keeps_log(path):
        yield ok("store", "It keeps a write-ahead log, so readers and writers do not wait.")
    else:
        yield note("store", "It keeps no write-ahead log yet. The next start turns it on.")


def _tables(connection: Any) -> Iterator[Finding]:
    """Whether anybody else had a hand in the tables."""
    if contents.is_ours(connection):
        yield ok("store", "Its tables and triggers are those that this version makes.")
    else:
        said = "It has other tables or triggers than this version makes: somebody changed them."
        yield wrong("store", f"{said} Restore it from a backup.")


def _at_version(version: str | None) -> Finding:
    if version == migrations.HEAD:
        return ok("store", f"Its tables are at the newest step, {version}.")
    if version is None:
        return note("store", "It has no tables yet. The next start makes them.")
    if contents.is_known(version):
        said = f"Its tables are at step {version}. The next start brings them to {migrations.HEAD}."
        return note("store", said)
    return fatal(
        "store", "It was written by a newer version of Mohet Keys. Start that version instead."
    )


# --- the master key -----------------------------------------------------------------------------


def _master(settings: Settings, path: Path | None, found: _Found) -> Iterator[Finding]:
    """Where the master key comes from; what it opens goes into `found`."""
    try:
        masters = masterkey.load(settings, store_is_empty=False)  # so that none is ever made
    except StoreError as error:
        yield fatal("master key", str(error))
        return
    if masters is not None:
        found.vault = Vault(masters, found.read.wraps, found.read.active)
        yield from _sources(settings, masters)
        yield from _key_files(settings, path)
    elif found.is_read and found.read.is_empty:
        yield from _first_key(settings, path)
    else:
        said = "None is set and there is no generated one, so what was saved stays locked."
        yield wrong("master key", f"{said} Set the one it was saved under.")


def _sources(settings: Settings, masters: Masters) -> Iterator[Finding]:
    named = {
        "MOHET_MASTER_KEY": settings.master_key,
        "MOHET_MASTER_KEY_FILE": settings.master_key_file,
        "the generated file": is_there(settings.generated_master_key_file) or None,
    }
    there = [name for name, value in named.items() if value is not None]
    agree = f" All of {', '.join(there)} agree." if len(there) > 1 and not masters.previous else ""
    primary = masters.primary
    yield ok("master key", f"It comes from {primary.source}, id {master_id(primary)}.{agree}")
    if masters.previous is not None:
        name = master_id(masters.previous)
        said = f"The one before it comes from {masters.previous.source}, id {name}."
        yield note("master key", f"{said} Take it away when nothing needs it any more.")


def _key_files(settings: Settings, path: Path | None) -> Iterator[Finding]:
    """Where key files lie. That they are private was made sure of when they were read."""
    if masterkey_next.next_file(settings).exists():
        yield wrong("master key", "A rotation was cut short. Run master-key rotate to finish it.")
    for file in masterkey.files(settings):
        mode, folder = mode_of(file), mode_of(file.parent)
        if _is_beside(file, settings, path):
            said = f"{file} lies beside the database: who copies that folder can open the keys."
            yield wrong("master key", f"{said} Keep it in another folder.")
        elif os.name == "posix" and mode & 0o077:
            yield wrong("permissions", f"{file} is open to other users (mode {mode:04o}).")
        elif os.name == "posix" and folder & 0o022 and not folder & stat.S_ISVTX:
            yield wrong("permissions", f"Other users can replace {file} (folder {folder:04o}).")
        else:
            yield ok("master key", f"{file} is kept away from the database, mode {mode:04o}.")


def _first_key(settings: Settings, path: Path | None) -> Iterator[Finding]:
    file = settings.generated_master_key_file
    if _is_beside(file, settings, path):
        said = f"It would be made beside the database, in {file.parent}, so the start refuses."
        yield fatal("master key", f"{said} Choose another MOHET_CONFIG_DIR.")
    else:
        yield note("master key", f"There is none yet. The first start makes {file}.")


def _is_beside(file: Path, settings: Settings, path: Path | None) -> bool:
    """Whether a copy of the store's folder would have the key with it."""
    folder = file.resolve().parent
    return folder.is_relative_to(settings.data_dir.resolve()) or (
        path is not None and folder == path.parent
    )


# --- what it opens ------------------------------------------------------------------------------


def _data_keys(found: _Found) -> Iterator[Finding]:
    """Whether the master key opens the keys that seal, and how much each of them sealed."""
    vault, read = found.vault, found.read
    if read.active is None and not read.is_empty:
        said = "The store has lost the keys that seal its secrets. Restore a backup of it."
        yield wrong("data keys", said)
    if vault is None:
        return
    sealed = Counter(filter(None, (_data_key_of(vault, row.sealed) for row in read.rows)))
    for name in dict.fromkeys(wrap.data_key_id for wrap in read.wraps if wrap.purpose == "seal"):
        what = f"Data key {name}{', which seals now,' if name == read.active else ''}"
        count = f"{sealed[name]} key{'' if sealed[name] == 1 else 's'}"
        why = vault.why_locked(name)
        if why:
            yield wrong("data keys", f"{what} stays closed with {count} under it: {why}")
        else:
            yield ok("data keys", f"{what} opens, with {count} under it.")
    if read.wraps:
        yield from _recognition(vault)


def _data_key_of(vault: Vault, blob: bytes) -> str | None:
    try:
        return vault.data_key_of(blob)
    except SealError:
        return None


def _recognition(vault: Vault) -> Iterator[Finding]:
    """The key by which a secret that is saved already is recognised."""
    try:
        vault.fingerprint("self-test")
    except LockedError as error:
        yield wrong("data keys", f"Saved secrets cannot be recognised: {error}")
    else:
        yield ok("data keys", "The key that recognises saved secrets opens.")


def _keys(found: _Found) -> Iterator[Finding]:
    """Open every key, one after the other, and forget it again."""
    rows = found.read.rows
    went = contents.opening(rows, found.vault)
    for row, why in went.altered:
        yield wrong("keys", f"{_named(row)}: {why}")
    for why, count in went.locked.items():
        yield wrong("keys", f"{count} of {len(rows)} keys are locked: {why}")
    if went.opened:
        yield ok("keys", f"{went.opened} of {len(rows)} keys open.")


def _named(row: Any) -> str:
    owner = "" if row.owner == LOCAL_OWNER else f" of {row.owner}"
    return f"{row.provider}/{row.name}{owner} ({row.id})"
