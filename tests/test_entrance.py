"""How people come in, as it is set, and which settings are refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mohet_keys.entrance import Entrance, Mode, entrance_of, is_near, vet_address
from mohet_keys.errors import RefusedError
from mohet_keys.settings import Settings

ROOT = Path(__file__).parents[1]
COOKIE_SECRET = "7Qw-2kXz9pLm4RtVbN8sYd3GhJ6fEa1c"
PROVIDER = {
    "client_id": "mohet",
    "client_secret": "s3cr3t-of-the-client",
    "server_metadata_url": "https://accounts.google.com/.well-known/openid-configuration",
}


def auth(**more: object) -> dict[str, Any]:
    """A good `[auth]` section with one identity provider; None takes an entry out."""
    section = {
        "redirect_uri": "https://keys.example.com/oauth2callback",
        "cookie_secret": COOKIE_SECRET,
        "google": PROVIDER,
        **more,
    }
    return {name: value for name, value in section.items() if value is not None}


def settings(tmp_path: Path, **more: object) -> Settings:
    """Settings of a team."""
    return Settings(data_dir=tmp_path, config_dir=tmp_path, **more)  # type: ignore[arg-type]


@pytest.fixture
def team(tmp_path: Path) -> Settings:
    """Those of one domain."""
    return settings(tmp_path, allowed_domains="example.com")


def test_nothing_set_is_a_local_run(tmp_path: Path) -> None:
    """Nobody signs in, and nothing is asked for."""
    assert entrance_of(settings(tmp_path), None) == Entrance()


def test_identity_providers_are_the_sections(team: Settings) -> None:
    """Each with a button of its own, in the order of the file; the unnamed one as well."""
    found = entrance_of(team, auth(github=PROVIDER, okta=PROVIDER))
    assert found.mode is Mode.OIDC
    assert [(each.name, each.label) for each in found.providers] == [
        ("google", "Sign in with Google"),
        ("github", "Sign in with GitHub"),
        ("okta", "Sign in with Okta"),
    ]
    single = entrance_of(team, auth(google=None, client_kwargs={"prompt": "login"}, **PROVIDER))
    assert [(each.name, each.label) for each in single.providers] == [("default", "Sign in")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cookie_secret": None}, "cookie_secret"),
        ({"cookie_secret": COOKIE_SECRET[:31]}, "32 random characters"),
        ({"cookie_secret": "x" * 64}, "random"),
        ({"cookie_secret": 12345678901234567890123456789012345}, "cookie_secret"),
        ({"redirect_uri": None}, "/oauth2callback"),
        ({"redirect_uri": "https://keys.example.com/"}, "/oauth2callback"),
        ({"redirect_uri": "http://keys.example.com/oauth2callback"}, "https://"),
        ({"google": None}, "names no identity provider"),
        ({"google": {**PROVIDER, "client_secret": ""}}, "[auth.google] in .streamlit"),
        ({"google": {"client_id": "x"}}, "no client_secret and no server_metadata_url"),
        ({"google": {**PROVIDER, "server_metadata_url": "http://idp.example.com"}}, "https://"),
        ({"my_idp": PROVIDER}, "underscore"),
        ({"expose_tokens": "id"}, "expose_tokens"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(
    team: Settings, wrong: dict[str, object], words: str
) -> None:
    """With the one thing to set, and without any value of a secret."""
    with pytest.raises(RefusedError) as error:
        entrance_of(team, auth(**wrong))
    assert words in str(error.value)
    assert COOKIE_SECRET[:31] not in str(error.value)
    assert PROVIDER["client_secret"] not in str(error.value)


def test_a_provider_on_this_machine_may_do_without_tls(team: Settings) -> None:
    """For trying it out, and for the tests."""
    near = {**PROVIDER, "server_metadata_url": "http://127.0.0.1:9400/.well-known/x"}
    for host in ("localhost:{port}", "127.0.0.1:8501", "[::1]:8501"):
        assert entrance_of(team, auth(google=near, redirect_uri=f"http://{host}/oauth2callback"))


def test_somebody_must_be_named(tmp_path: Path) -> None:
    """An identity provider for all the world lets all the world in only where that is said."""
    with pytest.raises(RefusedError, match="MOHET_ALLOWED_DOMAINS"):
        entrance_of(settings(tmp_path), auth())
    for said in (
        {"allowed_domains": "*"},
        {"allowed_people": "a@b.c"},
        {"administrators": "a@b.c"},
    ):
        assert entrance_of(settings(tmp_path, **said), auth()).mode is Mode.OIDC


def test_t44_two_ways_in_are_refused(team: Settings) -> None:
    """A header would count more than a sign-in."""
    both = team.model_copy(update={"identity_header": "X-Forwarded-Email"})
    with pytest.raises(RefusedError, match="Both MOHET_IDENTITY_HEADER and"):
        entrance_of(both, auth())


def test_t44_rules_without_a_sign_in_are_refused(tmp_path: Path) -> None:
    """Whoever says who may come in does not mean a server where nobody has to sign in."""
    for said in (
        {"allowed_domains": "example.com"},
        {"administrators": "ada@example.com"},
        {"identity_name_header": "X-Name"},
    ):
        with pytest.raises(RefusedError, match="nobody would have to sign in"):
            entrance_of(settings(tmp_path, **said), None)


def test_a_proxy_is_trusted_by_the_names_of_its_headers(tmp_path: Path) -> None:
    """One for the address and, where there is one, one for the name."""
    found = entrance_of(
        settings(
            tmp_path,
            identity_header=" X-Forwarded-Email ",
            identity_name_header="X-Forwarded-User",
            sign_out_url="/oauth2/sign_out",
        ),
        None,
    )
    assert (found.mode, found.sign_out_url) == (Mode.HEADER, "/oauth2/sign_out")
    assert found.headers == {"X-Forwarded-Email": "email", "X-Forwarded-User": "name"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"identity_header": "X Forwarded"},
        {"identity_header": "X-Email: ada"},
        {"identity_header": "X-E", "identity_name_header": "x-e"},
        {"identity_header": "X-E", "sign_out_url": "javascript:alert(1)"},
        {"identity_header": "X-E", "sign_out_url": "http://elsewhere.org"},
    ],
)
def test_odd_headers_are_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    """Before Streamlit sees them."""
    with pytest.raises(RefusedError):
        entrance_of(settings(tmp_path, **wrong), None)


NEAR = ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]
FAR = ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "::ffff:10.0.0.1", "example.com"]  # noqa: S104  # what it must refuse
ODD = ["0", "127.1", "localhost.example.com", "localhost.", "*", " ", "fe80::1%eth0"]


@pytest.mark.parametrize("address", [*NEAR, "unix:///run/mohet.sock", "/run/mohet.sock"])
def test_what_only_this_machine_reaches(address: str) -> None:
    """Loopback in every spelling, and a unix socket."""
    assert is_near(address)


@pytest.mark.parametrize("address", [*FAR, *ODD, None, ""])
@pytest.mark.parametrize("mode", Mode)
def test_t44_only_a_sign_in_may_be_reached_by_others(address: str | None, mode: Mode) -> None:
    """Without one, and behind a proxy that could be gone around, the start is refused."""
    entrance = Entrance(mode, headers={"X-Email": "email"})
    if mode is Mode.OIDC:
        vet_address(address, entrance)
        return
    with pytest.raises(RefusedError, match=r"Set server\.address to 127\.0\.0\.1"):
        vet_address(address, entrance)
    vet_address("127.0.0.1", entrance)


def test_the_example_is_one(team: Settings) -> None:
    """Uncommented and filled in, it is what the app takes; as it is, it sets nothing up."""
    text = (ROOT / ".streamlit" / "secrets.toml.example").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    lines = (line.removeprefix("# ") for line in text.splitlines())
    set_up = "\n".join(line for line in lines if re.match(r"\[auth|\w+ = ", line))
    filled = set_up.replace('cookie_secret = ""', f'cookie_secret = "{COOKIE_SECRET}"')
    found = tomllib.loads(filled.replace('= ""', '= "filled in"'))["auth"]
    assert [each.name for each in entrance_of(team, found).providers] == [
        *("google", "microsoft", "okta", "keycloak"),
    ]
    with pytest.raises(RefusedError, match="cookie_secret"):
        entrance_of(team, tomllib.loads(set_up)["auth"])
