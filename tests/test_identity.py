"""Who a visitor is, by what an identity provider or a proxy said; and who may come in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mohet_keys.errors import RefusedError
from mohet_keys.identity import Rules, from_claims, from_header

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = "https://accounts.example.com"
TEAM = Rules.of(domains=["Example.com"], people=["guest@elsewhere.org"])


def claims(**more: object) -> dict[str, Any]:
    """What a good identity token says; None takes a claim out."""
    said = {
        "iss": ISSUER,
        "sub": "1234",
        "aud": "mohet",
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(hours=1)).timestamp()),
        "nonce": "n-0S6_WzA2Mj",
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lovelace",
    }
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def refusal(rules: Rules = TEAM, **more: object) -> str:
    """The words with which an identity is refused."""
    with pytest.raises(RefusedError) as error:
        from_claims(claims(**more), rules, NOW)
    return str(error.value)


def test_a_verified_address_of_the_team_comes_in() -> None:
    """With its name, and with when the identity provider's word ends."""
    found = from_claims(claims(), TEAM, NOW)
    assert (found.email, found.name) == ("ada@example.com", "Ada Lovelace")
    assert found.sign_in
    assert (found.sign_in.at, found.sign_in.ends) == (NOW, NOW + timedelta(hours=1))


@pytest.mark.parametrize("verified", [False, None, "false", "True", 1, "yes", [True]])
def test_t45_an_address_that_is_not_verified_is_refused(verified: object) -> None:
    """Only the clear yes of the standard counts; whoever leaves it out has said nothing."""
    assert "verified ada@example.com" in refusal(email_verified=verified)


def test_the_word_true_counts_as_well() -> None:
    """Some identity providers write it as a text."""
    assert from_claims(claims(email_verified="true"), TEAM, NOW).email == "ada@example.com"


def test_a_trusted_issuer_need_not_say_it() -> None:
    """One that verifies every address without a word is named in the settings, to the letter."""
    trusting = Rules.of(domains=["example.com"], issuers=[ISSUER])
    assert from_claims(claims(email_verified=None), trusting, NOW).email == "ada@example.com"
    assert refusal(trusting, email_verified=False)
    for other in (ISSUER + "/", ISSUER.upper(), "https://accounts.example.com.evil.org", None):
        assert refusal(trusting, email_verified=None, iss=other)


@pytest.mark.parametrize(
    "email",
    [
        *("ada@example.com.evil.org", "ada@evil-example.com", "ada@sub.example.com"),
        *("example.com@evil.org", "mallory@elsewhere.org", "guest@elsewhere.com"),
    ],
)
def test_only_those_of_the_rules_come_in(email: str) -> None:
    """A domain is the whole of what stands behind the `@`."""
    assert refusal(email=email) == f"{email} is not among those who may come in."


@pytest.mark.parametrize("email", ["ADA@EXAMPLE.COM", " ada@example.com ", "guest@Elsewhere.org"])
def test_the_case_of_an_address_does_not_matter(email: str) -> None:
    """Mail servers do not tell it apart either, nor do people."""
    assert from_claims(claims(email=email), TEAM, NOW).email == email.strip().lower()


@pytest.mark.parametrize(
    "email",
    [
        *("", " ", None, 7, ["ada@example.com"], "ada", "@example.com", "ada@", "a@b@example.com"),
        *(
            "ada@example.com\n",
            "a da@example.com",
            "ada@example.com,eve@evil.org",
            "ada@exa\0mple.com",
        ),
        # Letters that become plain ones when they are made small or are normalised.
        *(
            "ada@ex\u1d43mple.com",
            "\u212aate@example.com",
            "ada@example.com\u200b",
            "ada@ｅxample.com",
        ),
    ],
)
def test_what_is_no_plain_address_is_refused(email: object) -> None:
    """Nothing is guessed, folded or cut off to make it one."""
    if isinstance(email, str) and email.strip() == "ada@example.com":
        assert from_claims(claims(email=email), TEAM, NOW).email == "ada@example.com"
    else:
        assert "e-mail address" in refusal(email=email)


@pytest.mark.parametrize(
    "odd",
    [
        *({"iat": None}, {"exp": None}, {"nonce": None}, {"nonce": ""}, {"iat": "soon"}),
        *({"exp": True}, {"iat": float("nan")}, {"exp": 1e300}),
    ],
)
def test_t46_a_token_without_its_times_is_refused(odd: dict[str, object]) -> None:
    """Without them nobody could say when it ends, or tell it from another."""
    said = {**claims(), **odd}
    with pytest.raises(RefusedError, match="not whole"):
        from_claims({k: v for k, v in said.items() if v is not None}, TEAM, NOW)


def test_t59_a_token_of_the_future_is_refused() -> None:
    """A little is forgiven, for no two clocks agree; more would make a sign-in last longer."""
    soon = int((NOW + timedelta(minutes=4)).timestamp())
    assert from_claims(claims(iat=soon), TEAM, NOW)
    assert "clock" in refusal(iat=int((NOW + timedelta(days=1)).timestamp()))


def test_t46_each_sign_in_has_an_id_of_its_own() -> None:
    """The same token always the same; another issuer, person, time or nonce another one."""
    first = from_claims(claims(), TEAM, NOW).sign_in
    again = from_claims(claims(name="A. L.", at_hash="x"), TEAM, NOW).sign_in
    assert first
    assert again
    assert first.id == again.id
    others = [
        claims(iss="https://other.example.com"),
        claims(sub="1235"),
        claims(iat=int(NOW.timestamp()) - 1),
        claims(nonce="another"),
        claims(sid="a"),
        claims(jti="a"),
    ]
    ids = {found.id for said in others if (found := from_claims(said, TEAM, NOW).sign_in)}
    assert len(ids | {first.id}) == len(others) + 1


def test_an_id_tells_nothing() -> None:
    """It is a digest, so who reads the table cannot make a cookie of it."""
    found = from_claims(claims(), TEAM, NOW)
    assert found.sign_in
    assert re.fullmatch("[0-9a-f]{64}", found.sign_in.id)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (None, "ada"),
        ("", "ada"),
        (7, "ada"),
        ("  Ada \n Lovelace ", "Ada Lovelace"),
        ("Ada\u202e\x07", "Ada"),
        ("x" * 500, "x" * 80),
    ],
)
def test_a_name_is_one_line_of_what_can_be_seen(name: object, shown: str) -> None:
    """It may be freely chosen at some identity providers."""
    assert from_claims(claims(name=name), TEAM, NOW).name == shown


def test_every_domain_is_said_in_so_many_words() -> None:
    """Nothing set lets nobody in; a star lets everybody in."""
    assert not Rules().narrows
    assert "may come in" in refusal(Rules())
    assert from_claims(claims(), Rules.of(domains=["*"]), NOW)


def test_administrators_may_come_in() -> None:
    """Who is named as one need not be named again."""
    assert Rules.of(administrators=["Ada@example.com"]).admits("ada@example.com")


def test_a_proxy_names_whom_it_let_in() -> None:
    """Without rules everybody whom it names; with rules those alone."""
    named = {"email": "Eve@elsewhere.org", "name": None}
    found = from_header(named, Rules.of(administrators=["ada@example.com"]))
    assert (found.email, found.name, found.sign_in) == ("eve@elsewhere.org", "eve", None)
    with pytest.raises(RefusedError, match="not among"):
        from_header(named, TEAM)
    with pytest.raises(RefusedError, match="address"):
        from_header({"email": "admin"}, Rules())
