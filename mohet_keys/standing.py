"""How a key stands now: one diagnosis made of its lock, its hold and its last check; pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, tzinfo

from mohet_keys.model import Diagnosis, KeyEntry, Verdict
from mohet_keys.providers import BY_SLUG, SIGNS

_SPELT = {"LMStudio", "NVIDIA", "xAI"}
"""Labels that begin with the name of a letter which itself begins with a vowel."""
_VENDORS = {sign.slug: sign.label for sign in SIGNS}

WORDS: dict[Verdict, str] = {
    Verdict.VALID: "Valid",
    Verdict.LIMITED: "Valid, limited",
    Verdict.INVALID: "Invalid",
    Verdict.MISCONFIGURED: "Wrong endpoint",
    Verdict.UNREACHABLE: "Unreachable",
    Verdict.UNVERIFIED: "Unverified",
    Verdict.LOCKED: "Locked",
    Verdict.UNCHECKED: "Not checked",
}
"""The verdicts as people read them, on the badges and everywhere else."""
UNUSABLE = frozenset({Verdict.INVALID, Verdict.MISCONFIGURED, Verdict.LOCKED, Verdict.UNREACHABLE})
"""Verdicts after which a check counts as failed for the command line's exit status."""


def vendor_label(slug: str) -> str:
    """The name people know a vendor by, also of vendors that have no row in the table."""
    row = BY_SLUG.get(slug)
    return row.label if row else _VENDORS.get(slug, slug)


def standing(entry: KeyEntry, zone: tzinfo = UTC) -> Diagnosis:
    """The present diagnosis of `entry`. A passing failure also says what was proven before."""
    if entry.locked:
        return _locked(entry.locked)
    if entry.looks_like:
        return held_diagnosis(entry.looks_like)
    if entry.check is None:
        return Diagnosis(
            Verdict.UNCHECKED, "not checked yet", "This key was not checked yet.", "Check it now."
        )
    return _with_proof(entry, zone)


def may_send(entry: KeyEntry) -> bool:
    """Whether a chat may send through this key. What a provider proved outlives an outage."""
    if entry.looks_like:
        return False
    now = standing(entry).verdict
    check = entry.check
    if now.is_passing and check and check.proven:
        return check.proven.verdict.may_send
    return now.may_send


def _locked(why: str) -> Diagnosis:
    remedy = "Start Mohet Keys with the master key this key was saved under."
    return Diagnosis(Verdict.LOCKED, "locked", why, remedy)


def held_diagnosis(slug: str) -> Diagnosis:
    """How a key stands that looks like another vendor's."""
    label = vendor_label(slug)
    article = "an" if label[0] in "AEIOU" or label in _SPELT else "a"
    remedy = f"Move it to {label}, or check it here anyway."
    if slug not in BY_SLUG:
        remedy = f"Paste a key of this provider, or check it here anyway if {label} is right."
    return Diagnosis(
        Verdict.UNCHECKED,
        f"looks like {article} {label} key",
        f"This looks like {article} {label} key. It was saved, and sent nowhere.",
        remedy,
    )


def _with_proof(entry: KeyEntry, zone: tzinfo) -> Diagnosis:
    check = entry.check
    if check is None or check.proven is None or not check.diagnosis.verdict.is_passing:
        return check.diagnosis if check else standing(entry)
    said = f"It was {check.proven.verdict.value} when it was last reached"
    if check.proven.at <= check.checked_at:  # else the clock was put back since
        at = check.proven.at.astimezone(zone)
        said += f", on {at.day} {at:%B %Y at %H:%M} {at.tzname()}"
    return replace(check.diagnosis, explanation=f"{check.diagnosis.explanation} {said}.")
