"""Short words for the tests of the rules: an answer given, its diagnosis taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mohet_keys.answers import read
from mohet_keys.case import Case, slug_of
from mohet_keys.diagnosis import diagnose
from mohet_keys.model import Diagnosis

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_DATA = Path(__file__).parent / "data"


def samples() -> list[dict[str, Any]]:
    """The recorded and composed answers that every check must judge right."""
    rows = json.loads((_DATA / "wire_samples.json").read_text())
    return [{**row, **row["request"]} for row in rows]


def more_answers() -> list[dict[str, Any]]:
    """Further answers of the same providers and others, each with the reason for its verdict."""
    rows: list[dict[str, Any]] = json.loads((_DATA / "more_answers.json").read_text())
    return rows


def text_of(body: Any) -> str:
    """A body as it stands on the wire."""
    return body if isinstance(body, str) else json.dumps(body)


def judged(row: Mapping[str, Any], **changes: Any) -> Diagnosis:
    """The diagnosis of one row of either table; `changes` replace what is in the row."""
    row = {**row, **changes}
    return diagnose(
        row["provider"],
        method=row["method"],
        path=row["path"],
        status=row["status"],
        headers=row["headers"],
        body=row["body"] if isinstance(row["body"], bytes) else text_of(row["body"]),
        now=NOW,
    )


def answer(
    provider: str, status: int | None, body: Any = "", request: str = "", **more: Any
) -> Diagnosis:
    """The diagnosis of one answer. The request is an empty chat unless told otherwise."""
    method, path = (request or "POST /v1/chat/completions").split(" ", 1)
    more.setdefault("headers", {})
    more.setdefault("now", NOW)
    sent = body if isinstance(body, bytes) else text_of(body)
    return diagnose(provider, method=method, path=path, status=status, body=sent, **more)


def listed(provider: str, rows: Any, request: str = "GET /v1/models", **more: Any) -> Diagnosis:
    """The diagnosis of a list of models that came with 200."""
    return answer(provider, 200, {"object": "list", "data": rows}, request, **more)


def case(
    status: int = 429, body: Any = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Case:
    """One answer before it is judged, for what looks at a case alone."""
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    return Case(
        slug=slug_of(more.pop("provider", "openai")),
        method=more.pop("method", "POST"),
        path=more.pop("path", "/v1/chat/completions"),
        status=status,
        headers=lowered,
        said=read(text_of(body), lowered),
        now=more.pop("now", NOW),
        **more,
    )
