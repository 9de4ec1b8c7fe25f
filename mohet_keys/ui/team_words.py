"""How cards, lists and dialogs say whose a key is and who else uses it. Nothing in a local run."""

from __future__ import annotations

from mohet_keys.model import LOCAL_OWNER, ChosenBy, KeyEntry
from mohet_keys.ui.text import escape, literal


def whose(entry: KeyEntry) -> str:
    """`Private` or `Team, by Ada`, as plain text; empty where nobody signs in."""
    if entry.owner == LOCAL_OWNER:
        return ""
    return f"Team, by {entry.owner_name}" if entry.shared else "Private"


def line(entry: KeyEntry) -> list[str]:
    """The same as Markdown for a card: one line, or none."""
    words = whose(entry)
    if not words:
        return []
    icon, tint = ("group", "blue") if entry.shared else ("person", "gray")
    return [f":small[:{tint}[:material/{icon}: {escape(words)}]]"]


def who_may(entry: KeyEntry) -> str:
    """Who can mend a key that the reader only uses, as Markdown."""
    return f"Only {escape(entry.owner_name)} or an administrator can change this key."


def selected_by(chosen: ChosenBy) -> str:
    """Who else has a key selected, as Markdown: by name for those who may know; empty for nobody.

    It stands before a key goes from where they could use it, and says what happens to them.
    """
    if not chosen.people:
        return ""
    one = chosen.people == 1
    who = _names(chosen) or f"**{chosen.people} other {'person' if one else 'people'}**"
    has, is_ = ("has", "is") if one else ("have", "are")
    return f"{who} {has} it selected and {is_} told to select another key."


def had_selected(chosen: ChosenBy) -> str:
    """The same afterwards, as one more sentence; empty for nobody."""
    if not chosen.people:
        return ""
    one = chosen.people == 1
    who = _names(chosen) or f"{chosen.people} other {'person' if one else 'people'}"
    return f" {who} had it selected and {'is' if one else 'are'} told to select another key."


def _names(chosen: ChosenBy) -> str:
    names = list(map(literal, chosen.names))
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
