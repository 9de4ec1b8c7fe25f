"""Charts with titles and units, in colours that read on white and on dark.

They are written in Vega-Lite as it is: altair would take half a second to load, for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from mohet_keys.model import Verdict
from mohet_keys.overview import Counts
from mohet_keys.providers import PROVIDERS
from mohet_keys.standing import WORDS, vendor_label
from mohet_keys.uses import DayOfUse

_HEIGHT = 380
_TINTS: dict[Verdict, str] = {
    Verdict.VALID: "#22a565",
    Verdict.LIMITED: "#f5a524",
    Verdict.INVALID: "#e5484d",
    Verdict.MISCONFIGURED: "#f76b15",
    Verdict.UNREACHABLE: "#8b98a9",
    Verdict.UNVERIFIED: "#6b9bd1",
    Verdict.LOCKED: "#8e4ec6",
    Verdict.UNCHECKED: "#b9c1cc",
}
_LINES = ("#2b7fff", "#22a565", "#f76b15", "#8e4ec6", "#d6409f", "#0fa3b1", "#b8860b")
"""Of the providers, in the order of their table; a stranger's come after them."""


def verdicts(counts: Counts) -> None:
    """How many keys of each provider have which verdict, stacked."""
    places = {slug: place for place, slug in enumerate(row.slug for row in PROVIDERS)}
    order = sorted({slug for slug, _ in counts}, key=lambda slug: (places.get(slug, 99), slug))
    found = sorted({verdict for _, verdict in counts}, key=list(Verdict).index)
    rows = [
        (vendor_label(slug), WORDS[verdict], count, list(Verdict).index(verdict))
        for (slug, verdict), count in counts.items()
    ]
    colour = _colour("Verdict", [WORDS[each] for each in found], [_TINTS[each] for each in found])
    labels = [vendor_label(slug) for slug in order]
    _draw(
        {
            "Provider": [row[0] for row in rows],
            "Verdict": [row[1] for row in rows],
            "Keys": [row[2] for row in rows],
            "place": [row[3] for row in rows],
        },
        "Keys by provider and verdict",
        {
            "mark": {"type": "bar", "tooltip": True},
            "encoding": {
                "y": {"field": "Provider", "type": "nominal", "sort": labels, "title": None},
                "x": {
                    "field": "Keys",
                    "type": "quantitative",
                    "stack": "zero",
                    "title": "Number of keys",
                    "axis": {"tickMinStep": 1, "format": ",d"},
                },
                "color": colour,
                "order": {"field": "place", "type": "quantitative"},
                "tooltip": _tooltip("Provider", "Verdict", "Keys"),
            },
        },
        height=180 + 34 * len(labels),
    )


def lines(
    points: Sequence[tuple[datetime, str, float]],
    *,
    title: str,
    unit: str,
    top: float | None = None,
) -> None:
    """A line for each name over time: its values in `unit`, up to `top` where that is given."""
    names = sorted({name for _, name, _ in points}, key=_place)
    tints = [_LINES[min(_place(name)[0], len(_LINES) - 1)] for name in names]
    scale: dict[str, Any] = {"zero": True}
    if top is not None:
        scale["domain"] = [0, top]
    shown = {"type": "line", "point": {"size": 28}, "clip": False}
    _draw(
        {
            "Time": [at for at, _, _ in points],
            "Provider": [name for _, name, _ in points],
            "Value": [round(value, 1) for _, _, value in points],
        },
        title,
        {
            "mark": shown,
            "encoding": {
                "x": {"field": "Time", "type": "temporal", "title": "Time"},
                "y": {"field": "Value", "type": "quantitative", "title": unit, "scale": scale},
                "color": _colour("Provider", names, tints),
                "tooltip": [
                    {"field": "Time", "type": "temporal", "format": "%b %-d, %H:%M"},
                    {"field": "Provider", "type": "nominal"},
                    {"field": "Value", "type": "quantitative", "title": unit, "format": ",.1f"},
                ],
            },
        },
    )


def latencies(points: Sequence[tuple[datetime, int]]) -> None:
    """How long the answers to one key took."""
    _draw(
        {"Time": [at for at, _ in points], "Value": [took for _, took in points]},
        "Time until the answer",
        {
            "mark": {"type": "line", "point": {"size": 28}, "color": _LINES[0]},
            "encoding": {
                "x": {"field": "Time", "type": "temporal", "title": "Time"},
                "y": {
                    "field": "Value",
                    "type": "quantitative",
                    "title": "Latency (ms)",
                    "scale": {"zero": True},
                },
                "tooltip": [
                    {"field": "Time", "type": "temporal", "format": "%b %-d, %H:%M"},
                    {"field": "Value", "type": "quantitative", "title": "Latency (ms)"},
                ],
            },
        },
        height=260,
    )


def use(days: Sequence[DayOfUse], *, title: str) -> None:
    """Messages by day, those that failed on top, and the tokens they took as a sentence."""
    sent = sum(day.requests for day in days)
    if not sent:
        st.caption("Nothing was sent in this time.")
        return
    tokens_in, tokens_out = (sum(getattr(day, f"tokens_{way}") for day in days) for way in _WAYS)
    failed, noun = sum(day.errors for day in days), "message" if sent == 1 else "messages"
    st.markdown(
        f"**{sent:,}** {noun}, {failed:,} of them failed; "
        f"{tokens_in:,} tokens in, {tokens_out:,} out."
    )
    kinds = ("Answered", "Failed")
    rows = [
        (day.day.isoformat(), kind, count)
        for day in days
        for kind, count in zip(kinds, (day.requests - day.errors, day.errors), strict=True)
    ]
    _draw(
        {
            "Day": [row[0] for row in rows],
            "Result": [row[1] for row in rows],
            "Messages": [row[2] for row in rows],
        },
        title,
        {
            "mark": {"type": "bar", "tooltip": True},
            "encoding": {
                "x": {
                    "field": "Day",
                    "type": "ordinal",
                    "timeUnit": "utcyearmonthdate",
                    "title": "Day (UTC)",
                    "axis": {"format": "%b %-d", "labelOverlap": True, "labelAngle": 0},
                },
                "y": {
                    "field": "Messages",
                    "type": "quantitative",
                    "title": "Messages",
                    "axis": {"tickMinStep": 1, "format": ",d"},
                },
                "color": _colour("Result", kinds, (_LINES[0], _TINTS[Verdict.INVALID])),
                "tooltip": _tooltip("Day", "Result", "Messages"),
            },
        },
    )


_WAYS = ("in", "out")


def _place(label: str) -> tuple[int, str]:
    """Where a provider stands in the table, so that it has the same colour everywhere."""
    labels = [row.label for row in PROVIDERS]
    return (labels.index(label) if label in labels else len(labels), label)


def _colour(field: str, names: Sequence[str], tints: Sequence[str]) -> dict[str, Any]:
    scale = {"domain": list(names), "range": list(tints)}
    across = {"expr": "width < 400 ? 2 : width < 600 ? 4 : 8"}  # all of them fit in any window
    legend = {"orient": "top", "title": None, "columns": across, "offset": 4}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend}


def _tooltip(*fields: str) -> list[dict[str, str]]:
    kinds = {"Keys": "quantitative", "Messages": "quantitative"}
    return [{"field": field, "type": kinds.get(field, "nominal")} for field in fields]


def _draw(
    data: dict[str, list[Any]], title: str, spec: dict[str, Any], *, height: int = _HEIGHT
) -> None:
    headed = {"title": {"text": title, "offset": 8}, **spec}
    st.vega_lite_chart(data, headed, height=height, alt=title)
