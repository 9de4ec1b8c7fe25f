"""Which model a chat uses: the choice of the user, else the recommendation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Selection, Verdict
from mohet_keys.model_choice import ModelInUse, is_model_id, model_in_use

AT = datetime(2026, 11, 25, tzinfo=UTC)


def entry(*models: str, best: str | None = None) -> KeyEntry:
    """A key whose last check listed these models."""
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    check = CheckResult("k", 1, said, AT, models=models, recommended_model=best)
    return KeyEntry(
        id="k",
        owner="local",
        provider="groq",
        name="Key",
        endpoint="https://api.groq.com/openai/v1",
        hint="",
        has_secret=True,
        revision=1,
        version=1,
        created_at=AT,
        updated_at=AT,
        updated_by="local",
        check=check if models or best else None,
    )


def chosen(model: str | None, *, listed: bool = False, key_id: str = "k") -> Selection:
    """A selection of the key with a model."""
    return Selection("local", key_id, model, listed)


@pytest.mark.parametrize(
    ("key", "selection", "expected"),
    [
        (entry("a", "b", best="a"), chosen(None), ModelInUse("a", is_recommended=True)),
        (entry("a", "b", best="a"), None, ModelInUse("a", is_recommended=True)),
        (entry("a", "b", best="a"), chosen("b", listed=True), ModelInUse("b")),
        (entry("a", best="a"), chosen("a", listed=True), ModelInUse("a", is_recommended=True)),
        (entry("a", best="a"), chosen("b", listed=True), ModelInUse("a", True, gone="b")),
        (entry("a", best="a"), chosen("typed"), ModelInUse("typed")),
        (entry(), chosen("b", listed=True), ModelInUse("b")),
        (entry(), chosen(None), ModelInUse(None)),
        (entry("a", best="a"), chosen("b", key_id="other"), ModelInUse("a", is_recommended=True)),
        (entry(*map(str, range(500)), best="1"), chosen("b", listed=True), ModelInUse("b")),
    ],
)
def test_the_model_in_use(key: KeyEntry, selection: Selection | None, expected: ModelInUse) -> None:
    """The own choice counts; the recommendation fills in, also for a model that has gone."""
    assert model_in_use(key, selection) == expected


@pytest.mark.parametrize("text", ["gpt-6.1-terra", "~openai/gpt-latest", "gpt-oss:20b", "x" * 200])
def test_ids_that_can_be(text: str) -> None:
    """Whatever looks like an id may be typed."""
    assert is_model_id(text)


@pytest.mark.parametrize("text", ["", "two words", "x" * 201, "é", "a\nb", "a\x00"])
def test_texts_that_are_no_ids(text: str) -> None:
    """What no request could carry, or no provider has, is refused."""
    assert not is_model_id(text)
