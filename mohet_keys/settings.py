"""The environment, read once. Every name here is documented in the README."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

APP = "mohet-keys"
_SENSIBLE = {
    "watch_minutes": (0.0, 60.0 * 24 * 30),
    "keep_days": (1.0, 36_500.0),
    "secret_max_age_days": (0.0, 36_500.0),
    "unused_days": (0.0, 36_500.0),
    "session_hours": (0.001, 24.0 * 30),
    "idle_minutes": (0.01, 60.0 * 24),
}
"""The least and the most that these may be."""
Words = Annotated[tuple[str, ...], NoDecode]
"""Several words in one variable, parted by commas or spaces."""


def _config_folder() -> Path:
    """The platform's config folder, or another where that is the data folder too (macOS)."""
    folder = platformdirs.user_config_path(APP)
    return folder if folder != platformdirs.user_data_path(APP) else Path.home() / ".config" / APP


class Settings(BaseSettings):
    """What the operator may set. Unset values get the platform's usual places."""

    model_config = SettingsConfigDict(
        env_prefix="MOHET_", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path(APP))
    config_dir: Path = Field(default_factory=_config_folder)
    """Where a generated master key goes: never beside the database."""
    database_url: SecretStr | None = None
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    master_key_previous: SecretStr | None = None
    master_key_previous_file: Path | None = None
    allow_reveal: bool = False
    """Whether the owner of a key may have its secret shown."""
    demo: bool = False
    """Whether to show made-up keys at simulated providers, in a store that is thrown away."""
    secret_max_age_days: int = 90
    """From what age on a secret is reminded of; 0 is never."""
    unused_days: int = 60
    """After how many days without use a key is reminded of; 0 is never."""
    watch_minutes: float = 30.0
    """Minutes between two looks at a key while the app is in use; 0 for no look."""
    keep_days: int = 90
    """How many days past checks and daily use are kept."""
    identity_header: str = ""
    """The header in which a trusted proxy names the visitor by e-mail address."""
    identity_name_header: str = ""
    """The header in which it gives the visitor's name, if it does."""
    sign_out_url: str = ""
    """Where a visitor signs out of that proxy."""
    allowed_domains: Words = ()
    """Whose e-mail addresses may come in; `*` is every domain."""
    allowed_people: Words = ()
    """E-mail addresses that may come in besides."""
    administrators: Words = ()
    """E-mail addresses that come in as administrators."""
    trusted_issuers: Words = ()
    """Identity providers that verify every address and do not say so."""
    session_hours: float = 12.0
    """Hours after which whoever signed in has to do so again."""
    idle_minutes: float = 30.0
    """Minutes without doing anything after which a sign-in ends."""
    log: str = ""
    """`json` has the server log in JSON."""

    @field_validator(*_SENSIBLE, mode="before")
    @classmethod
    def _sensible(cls, value: object, about: ValidationInfo) -> object:
        """What is no such number changes nothing: it must stop no start, nor delete everything."""
        name = about.field_name or ""
        with suppress(ValueError):
            if _SENSIBLE[name][0] <= float(str(value)) <= _SENSIBLE[name][1]:
                return type(cls.model_fields[name].default)(float(str(value)))
        return cls.model_fields[name].default

    @field_validator(
        "allowed_domains", "allowed_people", "administrators", "trusted_issuers", mode="before"
    )
    @classmethod
    def _words(cls, value: object) -> object:
        """Parted by commas, spaces or both."""
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("identity_header", "identity_name_header", "sign_out_url", mode="after")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        """Spaces around are none of it."""
        return value.strip()

    @field_validator("allow_reveal", "demo", mode="before")
    @classmethod
    def _only_a_clear_yes(cls, value: object) -> bool:
        """Whatever is no clear yes is a no: a misspelt one must not show secrets."""
        return str(value).strip().lower() in {"1", "true", "yes", "on"}

    @field_validator(
        "data_dir", "config_dir", "master_key_file", "master_key_previous_file", mode="after"
    )
    @classmethod
    def _expand(cls, path: Path | None) -> Path | None:
        """`~` means the user's own folder here too, where no shell has replaced it."""
        return path and path.expanduser()

    @property
    def logs_json(self) -> bool:
        """Whether each log line of the server is a JSON object."""
        return self.log.strip().lower() == "json"

    @cached_property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store; a SQLite file in the data folder unless set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        path = str(self.data_dir / "mohet_keys.db")
        return "sqlite:///" + path.replace("%", "%25").replace("?", "%3F")

    @property
    def generated_master_key_file(self) -> Path:
        """The file a first local start writes its master key to."""
        return self.config_dir / "master.key"
