"""The doctor of a server that people sign in to: the file of its secrets, and what is set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mohet_keys import doctor
from mohet_keys.cli import main
from mohet_keys.doctor import Report
from mohet_keys.entrance import FILE
from mohet_keys.settings import Settings
from tests.leaks import scan
from tests.test_entrance import COOKIE_SECRET, PROVIDER

SHORT = "9f1e6b5a3c7d"
AUTH = f"""[auth]
redirect_uri = "https://keys.example.com/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"
[auth.google]
""" + "\n".join(f'{name} = "{value}"' for name, value in PROVIDER.items())


@pytest.fixture
def team(settings: Settings) -> Settings:
    """Settings of a team of one domain."""
    return settings.model_copy(update={"allowed_domains": ("example.com",)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of secrets that is as it should be."""
    path = tmp_path / "hosted" / "secrets.toml"
    path.parent.mkdir(mode=0o755)
    path.write_text(AUTH)
    path.chmod(0o600)
    return path


def examine(settings: Settings, *files: Path) -> Report:
    """What is found; no secret of the files is in it."""
    named = {"STREAMLIT_SECRETS_FILES": " ".join(map(str, files))}
    report = doctor.examine(settings, named)
    told = json.dumps(report.as_json()).encode()
    for secret in (COOKIE_SECRET, PROVIDER["client_secret"], SHORT):
        assert secret.encode() not in told
        assert scan(secret, {"report": told}) == []
    return report


def wrong(report: Report) -> list[str]:
    """What is wrong, but for the master key, of which there is none yet."""
    return [f"{f.area}: {f.message}" for f in report.findings if f.level == "wrong"]


def test_a_sign_in_that_is_set_up_well_is_all_right(team: Settings, file: Path) -> None:
    """It says where people sign in, and that nobody else reads the secrets."""
    report = examine(team, file)
    assert (wrong(report), report.status) == ([], 0)
    told = [f.message for f in report.findings if f.level == "ok"]
    assert "People sign in at google, and it is set who may come in." in told
    assert f"{file} is this user’s alone (mode 0600)." in told


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_wrong(team: Settings, file: Path, mode: int) -> None:
    """It says which, and what to do; the exit status is not 0."""
    file.chmod(mode)
    report = examine(team, file)
    (said,) = wrong(report)
    assert said.startswith(f"permissions: {file} can be read by other users (mode {mode:04o})")
    assert said.endswith("Run chmod 600 on it.")
    assert report.status == 1


def test_a_file_that_others_can_replace_is_wrong(team: Settings, file: Path) -> None:
    """Whoever writes to its folder could put another one there."""
    file.parent.chmod(0o777)
    assert wrong(examine(team, file)) == [
        f"permissions: Other users can replace {file} (folder 0777)."
    ]


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (AUTH.replace(COOKIE_SECRET, SHORT), "cookie_secret"),
        (AUTH.replace("cookie_secret", "another"), "cookie_secret"),
        (AUTH.replace(COOKIE_SECRET, "x" * 40), "cookie_secret"),
        (AUTH.replace("client_secret", "no_secret"), "has no client_secret"),
        (AUTH.partition("[auth.google]")[0], "names no identity provider"),
        (AUTH.replace("[auth]", "[auth"), "cannot be read"),
        (f"cookie = '{SHORT}'\n\xff", "cannot be read"),
        (f"auth = '{SHORT}'\n", "must be a section"),
    ],
)
def test_what_the_start_would_refuse_is_wrong(
    team: Settings, file: Path, secrets: str, words: str
) -> None:
    """In the words of the start, and with no value of the file."""
    file.write_bytes(secrets.encode("latin-1"))
    report = examine(team, file)
    (said,) = wrong(report)
    assert said.startswith("sign-in: So it would not start. ")
    assert words in said
    assert report.status == 1


def test_a_sign_in_that_lets_nobody_or_everybody_in_is_wrong(
    settings: Settings, file: Path
) -> None:
    """Somebody has to be allowed by domain or address, or everybody by saying so."""
    (said,) = wrong(examine(settings, file))
    assert "MOHET_ALLOWED_DOMAINS" in said
    for allowed in ({"allowed_people": ("ada@example.com",)}, {"allowed_domains": ("*",)}):
        assert wrong(examine(settings.model_copy(update=allowed), file)) == []


def test_two_ways_in_are_wrong(team: Settings, file: Path) -> None:
    """A proxy that names people, beside a sign-in."""
    both = team.model_copy(update={"identity_header": "X-Forwarded-Email"})
    assert "Keep one of them" in wrong(examine(both, file))[0]
    only = examine(both, file.with_name("none.toml"))
    assert wrong(only) == []
    told = [f.message for f in only.findings]
    assert "A proxy names people in X-Forwarded-Email." in told


def test_the_later_file_counts(team: Settings, file: Path) -> None:
    """As for Streamlit, which takes a section from the last file that has it."""
    later = file.with_name("later.toml")
    later.write_text(AUTH.replace(COOKIE_SECRET, SHORT))
    later.chmod(0o600)
    assert "cookie_secret" in wrong(examine(team, file, later))[0]
    assert wrong(examine(team, later, file)) == []


def test_a_local_run_has_no_such_file(settings: Settings, file: Path) -> None:
    """Nothing is said of a sign-in where there is none, and a folder is left to its owner."""
    report = examine(settings, file.with_name("none.toml"))
    assert {f.area for f in report.findings} == {"settings", "disk", "store", "master key"}
    report = examine(settings, file.parent)
    assert [f.message for f in report.findings if f.area == "sign-in"] == [
        f"{file.parent} is a folder; what is in it is not looked at."
    ]


def test_the_usual_places_are_looked_at(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word of where it is: the folder the command runs in, and the user's own."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    for name, value in (("HOME", home), ("MOHET_DATA_DIR", tmp_path / "data")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MOHET_ALLOWED_DOMAINS", "example.com")
    for folder in (home, work):
        (folder / FILE).parent.mkdir(parents=True, mode=0o755)
        (folder / FILE).write_text(AUTH)
        (folder / FILE).chmod(0o644)
    monkeypatch.chdir(work)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert f"{home / FILE} can be read by other users" in told
    assert f"{work / FILE} can be read by other users" in told
    assert COOKIE_SECRET not in told
