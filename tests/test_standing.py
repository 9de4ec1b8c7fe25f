"""How a key stands, made of its lock, its hold and its last check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Proven, Verdict
from mohet_keys.standing import may_send, standing, vendor_label

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ENTRY = KeyEntry(
    id="k",
    owner="local",
    provider="openai",
    name="Production",
    endpoint="https://api.openai.com/v1",
    hint="",
    has_secret=True,
    revision=1,
    version=1,
    created_at=AT,
    updated_at=AT,
    updated_by="local",
)


def checked(verdict: Verdict, proven: Verdict | None = None) -> KeyEntry:
    """A key whose last check gave `verdict`, after `proven` had been proven."""
    proof = Proven(proven, "proven", AT) if proven else None
    result = CheckResult("k", 1, Diagnosis(verdict, "r", "It said so.", "Do."), AT, proven=proof)
    return replace(ENTRY, check=result)


def test_a_key_never_checked_says_so() -> None:
    """Before the first check the verdict is unchecked, and sending is allowed."""
    assert standing(ENTRY).verdict is Verdict.UNCHECKED
    assert may_send(ENTRY)


def test_a_held_key_names_the_vendor_and_is_not_sent() -> None:
    """A key that looks like another vendor's says whose, and nothing is sent with it."""
    held = replace(checked(Verdict.VALID), looks_like="groq")
    assert "looks like a Groq key" in standing(held).explanation
    assert not may_send(held)


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("anthropic", "an Anthropic"),
        ("xai", "an xAI"),
        ("nvidia", "an NVIDIA"),
        ("google", "a Google"),
    ],
)
def test_vendors_without_a_tab_are_named_too(slug: str, words: str) -> None:
    """A vendor Mohet has no tab for is still called by its name."""
    said = standing(replace(ENTRY, looks_like=slug))
    assert words in said.explanation
    assert "Move it" not in said.remedy


def test_a_locked_key_says_why_before_anything_else() -> None:
    """A lock outweighs whatever a check once said."""
    said = standing(replace(checked(Verdict.VALID), locked="No master key."))
    assert (said.verdict, said.explanation) == (Verdict.LOCKED, "No master key.")
    assert said.remedy


def test_an_outage_keeps_the_proof_and_says_both() -> None:
    """A valid key that cannot be reached says that it was valid, and when."""
    said = standing(checked(Verdict.UNREACHABLE, Verdict.VALID))
    assert said.verdict is Verdict.UNREACHABLE
    assert "It was valid when it was last reached, on 24 November 2026 at 08:00" in said.explanation


def test_a_rejected_key_stays_blocked_through_an_outage() -> None:
    """What the provider clearly refused is not sent again because the network is down."""
    assert not may_send(checked(Verdict.UNREACHABLE, Verdict.INVALID))
    assert may_send(checked(Verdict.UNREACHABLE, Verdict.VALID))


@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.MISCONFIGURED])
def test_a_refused_key_may_not_send(verdict: Verdict) -> None:
    """The verdicts that stop a chat stop it."""
    assert not may_send(checked(verdict, verdict))


@pytest.mark.parametrize("verdict", Verdict)
def test_without_an_outage_the_check_speaks_for_itself(verdict: Verdict) -> None:
    """What was proven before is told only while the server cannot be reached."""
    said = standing(checked(verdict, Verdict.VALID))
    told = "It was valid when it was last reached" in said.explanation
    assert (said.verdict, told) == (verdict, verdict is Verdict.UNREACHABLE)


@pytest.mark.parametrize("proven", [Verdict.VALID, Verdict.LIMITED, Verdict.INVALID])
def test_what_was_proven_is_told_in_the_readers_time(proven: Verdict) -> None:
    """The moment is that of the reader's zone, and says which one it is."""
    said = standing(checked(Verdict.UNREACHABLE, proven), ZoneInfo("Asia/Tokyo"))
    assert f"It was {proven.value} when it was last reached, on 24 November 2026 at 17:00 JST." in (
        said.explanation
    )


def test_a_lock_stops_a_key_whatever_was_proven() -> None:
    """Nothing can be sent with a secret that cannot be opened."""
    assert not may_send(replace(checked(Verdict.VALID, Verdict.VALID), locked="No master key."))


def test_a_row_that_does_not_open_is_locked_by_its_own_check() -> None:
    """A key found altered stays locked for the chat until it is saved again."""
    assert not may_send(checked(Verdict.LOCKED))


def test_every_vendor_has_a_name() -> None:
    """A slug in a row is shown as people know it, and an unknown one as it is."""
    assert [vendor_label(slug) for slug in ("lmstudio", "xai", "huggingface", "who")] == [
        "LMStudio",
        "xAI",
        "Hugging Face",
        "who",
    ]
