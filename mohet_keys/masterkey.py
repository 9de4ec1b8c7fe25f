"""Where the master key comes from: a key file, the environment, or a file made at first start.

All sources that are set are read, and they must agree; one that is malformed is refused by its
name and the rule it breaks, never with its value. A key is made only for a new, empty store on
somebody's own machine, and never beside the database.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from mohet_keys import masterkey_files
from mohet_keys.errors import MasterKeyError
from mohet_keys.masterkey_text import DOC_SAMPLE, parsed
from mohet_keys.sealed import MasterKey, Masters
from mohet_keys.settings import Settings

__all__ = [
    "DOC_SAMPLE",
    "MasterKey",
    "Masters",
    "forget_environment",
    "is_generated",
    "load",
    "previous_file",
]

_VARIABLES = frozenset({"MOHET_MASTER_KEY", "MOHET_MASTER_KEY_PREVIOUS"})


def load(settings: Settings, *, store_is_empty: bool, local: bool = True) -> Masters | None:
    """The master keys to work with, or None when there is none and none may be made.

    A key is made when no source has one, the store is empty and the product runs for one person
    (`local`). Raises MasterKeyError, naming source and rule, when a key is malformed, badly kept
    or at odds with another.
    """
    previous = _agreed(_configured(settings, "_PREVIOUS"))
    primary = _primary(settings, previous)
    if is_generated(settings):
        previous = _generated_before(settings)
    if primary is None and previous is not None:
        raise MasterKeyError(
            f"{previous.source} is set, but there is no key to follow it. "
            "Set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE too."
        )
    if primary is None and local and store_is_empty:
        primary = _generate(settings)
    if primary is None:
        return None
    if previous is not None and _same(previous, primary):
        previous = None
    return Masters(primary, previous)


def is_generated(settings: Settings) -> bool:
    """Whether the key is the generated one, and nobody set any other."""
    names = ("master_key", "master_key_file", "master_key_previous", "master_key_previous_file")
    is_set = any(getattr(settings, name) is not None for name in names)
    return not is_set and os.path.lexists(settings.generated_master_key_file)


def previous_file(settings: Settings) -> Path:
    """Where the generated key is kept that another one took the place of."""
    path = settings.generated_master_key_file
    return path.with_name(f"{path.name}.previous")


def files(settings: Settings) -> list[Path]:
    """Every file there is that holds a master key: those that are set, and the generated one with
    those before and after it."""
    named = (settings.master_key_file, settings.master_key_previous_file)
    generated = settings.generated_master_key_file
    beside = sorted(generated.parent.glob(f"{generated.name}*"))
    found = dict.fromkeys([*filter(None, named), *beside])
    return [path for path in found if os.path.lexists(path)]


def forget_environment() -> None:
    """Take the master keys out of the environment, so that no child process inherits them."""
    for name in [name for name in os.environ if name.upper() in _VARIABLES]:
        del os.environ[name]


def _primary(settings: Settings, previous: MasterKey | None) -> MasterKey | None:
    configured = _configured(settings, "")
    generated = _generated(settings)
    # Whoever moves on from a generated key names it as the previous one; that is no quarrel.
    left_behind = generated and configured and previous and _same(generated, previous)
    if generated is None or left_behind:
        return _agreed(configured)
    if not configured:
        _refuse_beside_the_store(settings)
    return _agreed([*configured, generated])


def _configured(settings: Settings, which: str) -> list[MasterKey]:
    """The keys that the operator set, `which` being "" or "_PREVIOUS"."""
    path: Path | None = getattr(settings, f"master_key{which.lower()}_file")
    value = getattr(settings, f"master_key{which.lower()}")
    variable = f"MOHET_MASTER_KEY{which}"
    found = []
    if path is not None:
        found.append(masterkey_files.read(path, f"{variable}_FILE ({path})"))
    if value is not None:
        found.append(parsed(value.get_secret_value(), variable))
    return found


def _agreed(found: list[MasterKey]) -> MasterKey | None:
    """The first of the keys, which must all be the same one."""
    for other in found[1:]:
        if not _same(found[0], other):
            raise MasterKeyError(
                f"{found[0].source} and {other.source} hold different master keys. "
                "Remove the one that is not meant."
            )
    return found[0] if found else None


def _same(one: MasterKey, other: MasterKey) -> bool:
    return hmac.compare_digest(one.raw, other.raw)


def _generated(settings: Settings) -> MasterKey | None:
    """The key that an earlier start made."""
    path = settings.generated_master_key_file
    if not os.path.lexists(path):
        return None
    return masterkey_files.read(path, f"the generated file ({path})", follow=False)


def _generated_before(settings: Settings) -> MasterKey | None:
    """The generated key before the present one."""
    path = previous_file(settings)
    if not os.path.lexists(path):
        return None
    return masterkey_files.read(path, f"the previous generated file ({path})", follow=False)


def _generate(settings: Settings) -> MasterKey | None:
    """Make a key and keep it; when another process was faster, take that one's."""
    _refuse_beside_the_store(settings)
    path = settings.generated_master_key_file
    try:
        masterkey_files.make(path)
    except OSError as error:
        problem = error.strerror
    else:
        return _generated(settings)
    raise MasterKeyError(
        f"A new master key cannot be saved to {path}: {problem}. "
        "Make that folder writable, or set MOHET_MASTER_KEY."
    )


def _refuse_beside_the_store(settings: Settings) -> None:
    """Whoever copies the data folder must not get the key that opens it."""
    folder = settings.generated_master_key_file.parent.resolve()
    beside = folder == _folder_of_sqlite(settings.store_url)
    if beside or folder.is_relative_to(settings.data_dir.resolve()):
        raise MasterKeyError(
            f"The generated master key would be kept beside the database, in {folder}. "
            "Choose another MOHET_CONFIG_DIR, or set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE."
        )


def _folder_of_sqlite(url: str) -> Path | None:
    """The folder of the SQLite file that a store URL names; None for any other store."""
    scheme, _, path = url.partition(":///")
    path = path.partition("?")[0]
    return Path(path).resolve().parent if scheme.startswith("sqlite") and path else None
