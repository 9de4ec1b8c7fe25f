"""A session is opened by a page of this server alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers
from streamlit import config

from mohet_keys.ui.origin import is_own

OWN = [
    ("keys.example.com", "https://keys.example.com"),
    ("keys.example.com:443", "https://keys.example.com"),
    ("keys.example.com", "https://keys.example.com:443"),
    ("keys.example.com", "http://keys.example.com:80"),
    ("Keys.Example.com", "https://keys.example.com"),
    ("localhost:8501", "http://localhost:8501"),
    ("[::1]:8501", "http://[::1]:8501"),
]
OTHERS = [
    ("keys.example.com", "https://evil.org"),
    ("keys.example.com", "https://keys.example.com.evil.org"),
    ("keys.example.com", "https://keys.example.com:8443"),
    ("keys.example.com", "https://keys.example.com@evil.org"),
    ("localhost:8501", "http://localhost:1"),
    ("localhost:8501", "http://127.0.0.1:8501"),
    ("localhost:8501", "null"),
    ("localhost:8501", "localhost:8501"),
    ("localhost:8501", "file://localhost:8501"),
    ("localhost:8501", "http://[::1"),
    ("", "http://"),
    ("", ""),
]


@pytest.fixture
def also() -> Iterator[str]:
    """A page that the operator allows besides."""
    before = config.get_option("server.corsAllowedOrigins")
    config.set_option("server.corsAllowedOrigins", ["https://portal.example.com"])
    yield "https://portal.example.com"
    config.set_option("server.corsAllowedOrigins", before)


@pytest.mark.parametrize(("host", "origin"), OWN)
def test_t48_its_own_pages_open_sessions(host: str, origin: str) -> None:
    """Under whatever name it was asked, with the usual port named or not."""
    assert is_own(Headers({"Host": host, "Origin": origin}))


@pytest.mark.parametrize(("host", "origin"), OTHERS)
def test_t48_no_others_do(host: str, origin: str) -> None:
    """Another host, another port, another scheme, and what is no address."""
    assert not is_own(Headers({"Host": host, "Origin": origin}))


@pytest.mark.parametrize("missing", ["Host", "Origin"])
def test_t48_what_is_missing_or_comes_twice_is_no_proof(missing: str) -> None:
    """A browser always says both, once."""
    both = [(b"host", b"a.org"), (b"origin", b"https://a.org")]
    assert is_own(Headers(raw=both))
    assert not is_own(Headers(raw=[pair for pair in both if pair[0] != missing.lower().encode()]))
    for pair in both:
        assert not is_own(Headers(raw=[*both, pair]))


def test_pages_that_the_operator_allows_do(also: str) -> None:
    """To the letter, and nothing that begins with it."""
    assert is_own(Headers({"Host": "keys.example.com", "Origin": also}))
    assert not is_own(Headers({"Host": "keys.example.com", "Origin": f"{also}.evil.org"}))
