"""The values: verdicts and what may be done with them, and secrets that hide themselves."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from mohet_keys import model
from mohet_keys.model import (
    Answer,
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    ModelInfo,
    NewKey,
    OpenedKey,
    Proven,
    Selection,
    Verdict,
)
from tests.leaks import canary, scan

SECRET = canary("sk-proj-")
AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NEW = NewKey(provider="openai", name="Prod", secret=SecretStr(SECRET))
CHANGES = KeyChanges(secret=SecretStr(SECRET))
OPENED = OpenedKey("k1", "openai", "https://api.openai.com/v1", 1, SECRET)
WITH_SECRET: list[Any] = [NEW, CHANGES, OPENED]
FROZEN = (Diagnosis, ModelInfo, Proven, CheckResult, KeyEntry, OpenedKey, Answer, Selection)


# --- verdicts ---------------------------------------------------------------------------------

MAY_SEND = {
    "valid": True,
    "limited": True,
    "invalid": False,
    "misconfigured": False,
    "unreachable": True,
    "unverified": True,
    "locked": False,
    "unchecked": True,
}


def test_there_are_eight_verdicts() -> None:
    """The words are those of the badges' table, and a program may rely on them."""
    assert [verdict.value for verdict in Verdict] == list(MAY_SEND)


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_clear_refusal_stops_a_chat(verdict: Verdict) -> None:
    """A chat may send unless the key is known not to work, or cannot be opened."""
    assert MAY_SEND[verdict.value] is verdict.may_send


@pytest.mark.parametrize("verdict", Verdict)
def test_only_an_outage_passes(verdict: Verdict) -> None:
    """What says nothing of the key leaves the earlier verdict standing; the rest replaces it."""
    assert (verdict.value == "unreachable") is verdict.is_passing


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_is_its_word(verdict: Verdict) -> None:
    """Stored, compared and printed it is a plain word."""
    assert Verdict(verdict.value) is verdict
    assert f"{verdict}" == json.loads(json.dumps(verdict)) == verdict.value


# --- secrets hide themselves ------------------------------------------------------------------


@pytest.mark.parametrize("value", WITH_SECRET, ids=lambda value: type(value).__name__)
def test_t36_a_secret_shows_in_no_way_of_printing(value: Any) -> None:
    """repr, str, format, a log line and a copy of it have no piece of the secret."""
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%r %s", (value, value), None)
    said = f"{value!r} {value} {copy.copy(value)!r} {[value]!r} {record.getMessage()}"
    assert scan(SECRET, {"said": said.encode()}) == []


@pytest.mark.parametrize("value", [NEW, CHANGES], ids=lambda value: type(value).__name__)
def test_t36_a_dump_has_stars_for_the_secret(value: BaseModel) -> None:
    """As a dict or as JSON the secret stays an object that hides itself."""
    said = f"{value.model_dump()!r} {value.model_dump_json()} {value.model_dump(mode='json')}"
    assert scan(SECRET, {"said": said.encode()}) == []


def broken(**given: Any) -> ValidationError:
    """The error about a form that cannot be one."""
    with pytest.raises(ValidationError) as caught:
        NewKey.model_validate({"provider": "openai", "secret": SECRET, **given})
    return caught.value


@pytest.mark.parametrize("given", [{}, {"name": 5}, {"name": "x", "allow_http": SECRET}])
def test_t36_an_error_of_validation_does_not_quote_the_form(given: dict[str, Any]) -> None:
    """What pydantic says of a wrong form, printed or traced, has no piece of the secret."""
    error = broken(**given)
    said = f"{error} {error!r} {''.join(traceback.format_exception_only(error))}"
    said += error.json(include_input=False)
    assert scan(SECRET, {"said": said.encode()}) == []


def test_t36_without_that_setting_it_would_be_quoted() -> None:
    """The twin: the details of the same error do have the form, so they are never shown."""
    assert scan(SECRET, {"details": repr(broken().errors()).encode()}) != []


def test_what_is_shown_of_a_key_has_no_place_for_a_secret() -> None:
    """The shape that the pages see has a hint, and no field that could hold the secret."""
    names = {item.name for item in dataclasses.fields(KeyEntry)}
    assert "hint" in names
    assert not names & {"secret", "sealed", "blob", "fingerprint", "ciphertext"}
    shapes = {
        name
        for name, shape in vars(model).items()
        if dataclasses.is_dataclass(shape)
        and "secret" in {f.name for f in dataclasses.fields(shape)}
    }
    assert shapes == {"OpenedKey"}


# --- values stay as they are ------------------------------------------------------------------


@pytest.mark.parametrize("shape", FROZEN, ids=lambda shape: shape.__name__)
def test_a_value_cannot_be_changed(shape: type) -> None:
    """What one visitor sees cannot be altered by another's code."""
    assert shape.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(shape)


def test_a_form_cannot_be_changed() -> None:
    """What was typed stays what was typed."""
    with pytest.raises(ValidationError):
        NEW.name = "Other"  # type: ignore[misc]


def test_what_was_not_typed_is_none() -> None:
    """An edit that names nothing asks for nothing."""
    nothing = KeyChanges()
    assert (nothing.name, nothing.secret, nothing.endpoint) == (None, None, None)
    assert not nothing.allow_http
    assert not NEW.allow_http
    assert NEW.endpoint == ""
