"""What a simulated model says: a few answers by the words of the prompt, else something fitting."""

from __future__ import annotations

import re

_FILLER = "A simulated model says one word after another until it has said as many as it was asked"
_COUNT = re.compile(r"\b(\d{1,2},?\d{3}|\d{1,4}) (words|tokens)\b", re.IGNORECASE)
_ANSWERS: tuple[tuple[str, str], ...] = (
    (r"^\s*(hi|hello|hey|good (morning|evening))\b", "Hello! What can I help you with today?"),
    (
        r"\b(code|python|function)\b",
        (
            "Here is a function that adds two numbers:\n\n"
            "```python\ndef add(a: int, b: int) -> int:\n"
            '    """The sum of two numbers."""\n    return a + b\n```\n\nCall it as `add(2, 3)`.'
        ),
    ),
    (
        r"\b(table|compare)\b",
        (
            "| Planet | Moons | Day |\n|---|---:|---:|\n"
            "| Earth | 1 | 24 h |\n| Mars | 2 | 24.6 h |\n"
            "| Jupiter | 97 | 9.9 h |\n\nJupiter turns fastest."
        ),
    ),
    (
        r"\b(list|steps|plan)\b",
        (
            "1. **Look** at what is there.\n2. **Write down** what should change.\n"
            "3. Do the *smallest* part first."
        ),
    ),
    (
        r"\b(links?|images?|pictures?)\b",
        (
            "See [the manual](https://manual.example/start) or <https://plain.example/>.\n\n"
            "![a red square](https://images.example/red.png)"
        ),
    ),
    (r"\b(emoji|unicode)\b", "Grüße, 你好, привет! 👩‍🚀 🇨🇭 e\u0301 – “done”…"),
    (r"\b(joke)\b", "Why did the key cross the road? It was sealed for the other side."),
)


def reply_text(prompt: str, model: str = "A simulated model") -> str:
    """A short, sensible answer to a prompt; as long as asked where the prompt names a number."""
    count = _COUNT.search(prompt)
    if count:
        words = _FILLER.split()
        return " ".join(words[n % len(words)] for n in range(int(count.group(1).replace(",", ""))))
    for words_asked, answer in _ANSWERS:
        if re.search(words_asked, prompt, re.IGNORECASE):
            return answer
    topic = " ".join(prompt.split())[:120].rstrip("?.! ")
    if not topic:
        return "I did not get any words. What would you like to know?"
    if prompt.rstrip().endswith("?"):
        return (
            f"That is a good question. {model} says of “{topic}”: begin small, measure, and then "
            "decide."
        )
    return f"You wrote “{topic}”. {model} would make a list, do the first item, and look again."
