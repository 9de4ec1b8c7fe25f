"""Text that comes in pieces and makes sense only together; pure, never raises."""

from __future__ import annotations


class Opening:
    """The first words of a reply: empty lines are dropped, and thoughts said aloud are thoughts.

    Some models think inside of `<think>…</think>` at the beginning of what they say.
    """

    _BEGIN, _END = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._step = self._first
        self._is_plain = False

    def feed(self, text: str) -> tuple[str, str]:
        """What of `text` is said, and what was thought."""
        if self._is_plain or not text:
            return text, ""
        self._held += text
        return self._step()

    def close(self) -> tuple[str, str]:
        """The rest."""
        held, self._held = self._held, ""
        is_thought = self._step == self._inside
        return ("", held) if is_thought else (held.lstrip("\r\n"), "")

    def _first(self) -> tuple[str, str]:
        start = self._held.lstrip()
        if len(start) < len(self._BEGIN) and self._BEGIN.startswith(start):
            return "", ""
        if not start.startswith(self._BEGIN):
            return self._plain()
        self._held, self._step = start.removeprefix(self._BEGIN), self._inside
        return self._inside()

    def _inside(self) -> tuple[str, str]:
        thought, end, rest = self._held.partition(self._END)
        if end:
            self._held, self._step = rest, self._after
            return self._after()[0], thought
        keep = next(n for n in range(len(self._END) - 1, -1, -1) if thought.endswith(self._END[:n]))
        cut = len(thought) - keep
        self._held = thought[cut:]
        return "", thought[:cut]

    def _after(self) -> tuple[str, str]:
        return self._plain() if self._held.strip("\r\n") else ("", "")

    def _plain(self) -> tuple[str, str]:
        held, self._held, self._is_plain = self._held, "", True
        return held.lstrip("\r\n"), ""


class Joined:
    """Puts characters together again that a server cut into halves of a surrogate pair."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """`text` with nothing in it that no UTF-8 can hold."""
        if not self._half and (text.isascii() or _is_whole(text)):
            return text
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1:] < "\udc00" else ""
        return readable(text.removesuffix(self._half) if self._half else text)

    def close(self) -> str:
        """The other half never came."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """Surrogate pairs as the one character that they are, and lone ones as a question mark."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
