"""The environment: which names count, where things go without them, and what stays hidden."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from mohet_keys import settings as module
from mohet_keys.repository import Repository
from mohet_keys.settings import Settings
from tests.leaks import canary, scan

NAMES = {
    "MOHET_DATA_DIR": "data_dir",
    "MOHET_CONFIG_DIR": "config_dir",
    "MOHET_DATABASE_URL": "database_url",
    "MOHET_MASTER_KEY": "master_key",
    "MOHET_MASTER_KEY_FILE": "master_key_file",
    "MOHET_MASTER_KEY_PREVIOUS": "master_key_previous",
    "MOHET_MASTER_KEY_PREVIOUS_FILE": "master_key_previous_file",
}
SECRET = ("MOHET_DATABASE_URL", "MOHET_MASTER_KEY", "MOHET_MASTER_KEY_PREVIOUS")


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The names other programs rely on set what they always set."""
    monkeypatch.setenv(name, "/somewhere")
    found = getattr(Settings(), NAMES[name])
    if name in SECRET:
        assert found.get_secret_value() == "/somewhere"
    else:
        assert found == Path("/somewhere")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A line `NAME=` in a compose file changes nothing."""
    before = Settings()
    monkeypatch.setenv(name, "")
    assert Settings() == before


def test_without_settings_the_platform_has_the_places() -> None:
    """Data and master key go to two folders of the user's, neither inside of the other."""
    found = Settings()
    assert found.data_dir == platformdirs.user_data_path("mohet-keys")
    assert found.store_url == f"sqlite:///{found.data_dir}/mohet_keys.db"
    assert found.generated_master_key_file == found.config_dir / "master.key"
    assert not found.config_dir.is_relative_to(found.data_dir)
    assert not found.data_dir.is_relative_to(found.config_dir)
    assert (found.master_key, found.master_key_file) == (None, None)


def test_where_the_platform_has_one_folder_for_both_there_are_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On macOS the data and config folders are one; the master key goes elsewhere."""
    monkeypatch.setattr(platformdirs, "user_config_path", lambda _app: tmp_path)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda _app: tmp_path)
    found = Settings()
    assert found.data_dir == tmp_path
    assert found.config_dir == Path.home() / ".config" / module.APP


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_setting_hides_itself(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A master key or the password in a database's address shows in no repr and no dump."""
    secret = canary("postgresql://me:")
    monkeypatch.setenv(name, secret)
    found = Settings()
    said = f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert scan(secret, {"said": said.encode()}) == []


def test_an_error_of_the_settings_does_not_quote_them() -> None:
    """What cannot be a setting is refused without repeating its neighbours."""
    secret = canary("")
    with pytest.raises(ValidationError) as caught:
        Settings(master_key=secret, data_dir=5)  # type: ignore[arg-type]
    assert scan(secret, {"said": f"{caught.value} {caught.value!r}".encode()}) == []


def test_a_tilde_is_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell replaces it in a compose file or a service unit, so it is done here."""
    for name in ("MOHET_DATA_DIR", "MOHET_CONFIG_DIR", "MOHET_MASTER_KEY_FILE"):
        monkeypatch.setenv(name, f"~/{name}")
        assert getattr(Settings(), NAMES[name]) == Path.home() / name


@pytest.mark.parametrize("folder", ["with a space", "100%", "50%20off", "a?b#c", "ключи", "a'b"])
def test_any_folder_can_hold_the_store(tmp_path: Path, folder: str) -> None:
    """Whatever its name, the file of the store is in that folder and nowhere else."""
    found = Settings(data_dir=tmp_path / folder)
    assert make_url(found.store_url).database == str(tmp_path / folder / "mohet_keys.db")
    Repository(found.store_url).close()
    assert (tmp_path / folder / "mohet_keys.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_t23_no_file_in_the_folder_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `.env` file beside the app, which anybody may have put there, sets nothing."""
    (tmp_path / ".env").write_text("MOHET_DATA_DIR=/evil\nMOHET_MASTER_KEY=evil\n")
    monkeypatch.chdir(tmp_path)
    found = Settings()
    assert found.data_dir != Path("/evil")
    assert found.master_key is None


def test_other_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known, or known without its prefix, is ignored."""
    before = Settings()
    for name in ("MOHET_UNKNOWN", "DATA_DIR", "MASTER_KEY", "DATABASE_URL"):
        monkeypatch.setenv(name, "/evil")
    assert Settings() == before


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("1", True), ("true", True), (" YES ", True), ("0", False), ("ja", False), ("2", False)],
)
def test_only_a_clear_yes_lets_secrets_be_seen(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool
) -> None:
    """Anything else leaves them hidden, and stops no start."""
    monkeypatch.setenv("MOHET_ALLOW_REVEAL", value)
    assert Settings().allow_reveal is allowed
    monkeypatch.delenv("MOHET_ALLOW_REVEAL")
    assert Settings().allow_reveal is False


@pytest.mark.parametrize(
    ("value", "days"),
    [("30", 30), ("0", 0), ("-1", None), ("ninety", None), ("1e9", None), ("nan", None)],
)
@pytest.mark.parametrize("name", ["secret_max_age_days", "unused_days"])
def test_a_number_of_days_is_read_or_left_at_the_usual(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, days: int | None
) -> None:
    """For a reminder no start may fail; 0 turns it off."""
    usual = {"secret_max_age_days": 90, "unused_days": 60}[name]
    monkeypatch.setenv(f"MOHET_{name.upper()}", value)
    assert getattr(Settings(), name) == (usual if days is None else days)


@pytest.mark.parametrize(
    "name", ["allowed_domains", "allowed_people", "administrators", "trusted_issuers"]
)
@pytest.mark.parametrize(
    "said", ["a.example,b.example", " a.example , b.example ", "a.example b.example,"]
)
def test_several_words_are_parted_by_commas_or_spaces(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """In one variable; none is none."""
    assert getattr(Settings(), name) == ()
    monkeypatch.setenv(f"MOHET_{name.upper()}", said)
    assert getattr(Settings(), name) == ("a.example", "b.example")


def test_headers_are_read_without_the_spaces_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they are names of headers is looked at where they are used."""
    assert (Settings().identity_header, Settings().sign_out_url) == ("", "")
    monkeypatch.setenv("MOHET_IDENTITY_HEADER", " X-Forwarded-Email ")
    assert Settings().identity_header == "X-Forwarded-Email"


@pytest.mark.parametrize(
    ("said", "is_json"), [("json", True), (" JSON ", True), ("", False), ("plain", False)]
)
def test_the_log_is_json_only_where_that_is_said(
    monkeypatch: pytest.MonkeyPatch, said: str, is_json: bool
) -> None:
    """Anything else leaves the lines as they are."""
    monkeypatch.setenv("MOHET_LOG", said)
    assert Settings().logs_json is is_json
