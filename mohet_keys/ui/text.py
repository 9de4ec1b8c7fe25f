"""Words made safe and readable: untrusted text as Markdown that shows it literally, and times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_PLAIN = re.compile(r"(?!.*(?:www\.|--|\.\.))[\w\s()#&,'+./_-]+", re.UNICODE)
_JOINER = "\u2060"  # invisible; parts what Streamlit would make a link, an emoji or an arrow of
_ACTIVE = re.compile(r"(?<=[:@])|(?<=www)|(?<=[<>=-])(?=[<>=-])")


@lru_cache(maxsize=1024)
def literal(text: str) -> str:
    """Markdown that shows `text` bold and to the letter, whatever it contains.

    Escaping alone is not enough: Streamlit makes links, arrows and its own logo out of escaped
    text too. So what is not plain words is set as code, which nothing looks into.
    """
    if _PLAIN.fullmatch(text):
        return f"**{escape(text)}**"
    return code(text)


@lru_cache(maxsize=1024)
def code(text: str) -> str:
    """Markdown that shows `text` in monospace, to the letter."""
    if not text:
        return ""
    # Streamlit turns :material/x: into an icon before it looks for code.
    text = text.replace(":material/", f":{_JOINER}material/")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


@lru_cache(maxsize=1024)
def escape(text: str) -> str:
    """Markdown that shows `text` as running text, without links, images or directives."""
    flat = " ".join(text.split())
    return _PUNCTUATION.sub(r"\\\1", _ACTIVE.sub(_JOINER, flat))


@lru_cache(maxsize=1024)
def zone_of(name: str | None) -> ZoneInfo:
    """The reader's time zone by its IANA name; UTC when the browser names none we know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def day(at: datetime, zone: ZoneInfo) -> str:
    """A date such as “Nov 19, 2025” in the reader's zone."""
    return f"{at.astimezone(zone):%b %-d, %Y}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A date and time such as “Nov 19, 2025, 14:05” in the reader's zone."""
    return f"{day(at, zone)}, {at.astimezone(zone):%H:%M}"


def brief(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """The same with no more date than is needed: “14:05” today, “Nov 19, 14:05” this year.

    What is over is never later than now: since it was recorded the clock was put back.
    """
    return _short(min(at, now), now, zone)


def _short(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%b %-d, %H:%M}" if local.year == today.year else moment(at, zone)


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in the largest fitting unit. A time in the future counts as just now."""
    gone = now - at
    if gone < timedelta(minutes=1):
        return "just now"
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(gone.total_seconds() // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def upcoming(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """When something is going to happen: “soon”, “at 14:05”, “on Nov 19, 14:05”."""
    if at <= now + timedelta(minutes=1):
        return "soon"
    told = _short(at, now, zone)
    return f"on {told}" if "," in told else f"at {told}"


def duration(milliseconds: int) -> str:
    """An answer time such as “312 ms” or “2.4 s”."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def dollars(amount: float) -> str:
    """An amount of money such as “$4.20”, which Markdown would read as a formula: escape it."""
    return f"${amount:,.2f}"
