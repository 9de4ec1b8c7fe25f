"""Small pictures drawn here, as data addresses: they load nothing and look sharp at any size."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

_TILE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" width="48" height="48">'
    '<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
    '<stop offset="0" stop-color="#155dfc"/><stop offset="1" stop-color="#00b8db"/>'
    '</linearGradient></defs><rect width="48" height="48" rx="12" fill="url(#g)"/>'
    '<g fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" '
    'stroke-linejoin="round">{glyph}</g></svg>'
)
_GLYPHS = {
    "key": '<circle cx="19" cy="29" r="6"/><path d="M23.5 24.5 34 14m-5 5 4 4m-1-7 3 3"/>',
    "overview": '<rect x="12" y="12" width="10" height="14" rx="2"/><rect x="26" y="12" width="10" '
    'height="8" rx="2"/><rect x="12" y="30" width="10" height="6" rx="2"/><rect x="26" y="24" '
    'width="10" height="12" rx="2"/>',
    "activity": '<path d="M11 25h6l4-11 6 21 4-10h6"/>',
    "team": '<circle cx="20" cy="19" r="5"/><path d="M11 35c0-6 4-9 9-9s9 3 9 9m0-21a5 5 0 0 1 0 '
    '10m3 3c4 1 6 4 6 8"/>',
    "openai": '<circle cx="24" cy="24" r="4"/><path d="M24 11v6m0 14v6m-11-19 5 3m12 6 5 3m0-12'
    '-5 3m-12 6-5 3"/>',
    "groq": '<path d="M26 11 15 26h9l-2 11 11-15h-9z"/>',
    "lmstudio": '<path d="M14 17h14m-14 7h20m-20 7h11"/>',
    "ollama": '<rect x="14" y="18" width="20" height="17" rx="8"/><path d="M17 18v-6m14 6v-6m-11 '
    '14v1m8-1v1"/>',
    "openrouter": '<path d="M12 24h8m0 0c5 0 5-8 11-8m-11 8c5 0 5 8 11 8m-3-19 4 3-4 3m0 10 4 3-4 '
    '3"/>',
    "mistral": '<path d="M13 34V14l11 11 11-11v20m-11-9v9"/>',
}


def _address(svg: str) -> str:
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


@cache
def icon() -> str:
    """The mark as an SVG text, for the tab: an icon by name would be fetched from another host."""
    return _TILE.format(glyph=_GLYPHS["key"])


@cache
def tile(glyph: str) -> str:
    """A decorative tile as Markdown: a provider's slug, or `key`."""
    return f"![]({_address(_TILE.format(glyph=_GLYPHS[glyph]))})"
