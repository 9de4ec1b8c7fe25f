"""What no key and no endpoint may be, and a piece of the sentence that says why."""

from __future__ import annotations

PUBLIC_HTTP = "http://proxy.example.com/v1"
_LONE = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"
BAD_SECRETS = {
    "inner space": (f"{_LONE} {_LONE[:6]}", "a space"),
    "control character": (f"{_LONE}\x07{_LONE[:6]}", "a control character"),
    "bullets": ("sk-proj-••••••••1234", "masked"),
    "null": ("null", "placeholder"),
    "your api key": ("your-api-key", "placeholder"),
    "address": ("https://api.openai.com/v1", "web address"),
    "no ASCII": (f"{_LONE}é{_LONE[:6]}", "U+00E9"),
    "two as one": (f"sk-proj-{_LONE}sk-proj-{_LONE[::-1]}", "two keys"),
    "two lines": (f"sk-proj-{_LONE}\nsk-proj-{_LONE[::-1]}", "two keys"),
    "empty": ("", "Enter the API key"),
    "too long": ("a1" * 5000, "longer than"),
    "no text": (b"\xff\xfesk-1", "not text"),
}
BAD_ENDPOINTS = {
    "scheme": ("ftp://api.openai.com", "https://"),
    "password": ("https://me:pw@api.openai.com/v1", "user name or password"),
    "backslash": ("https://api.openai.com\\v1", "backslash"),
    "space": ("https://api.openai.com/ v1", "space"),
    "port": ("https://api.openai.com:99999/v1", "port"),
    "metadata": ("http://169.254.169.254/v1", "reserved"),
    "number": ("http://2130706433/v1", "four plain numbers"),
    "dots": ("https://api.openai.com/../v1", ".. parts"),
    "public http": (PUBLIC_HTTP, "unencrypted"),
}
