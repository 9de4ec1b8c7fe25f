"""Whom the command line calls: the server of the key, and nobody else in the world."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mohet_keys.endpoints import host
from mohet_keys.simulator.server import Simulator
from tests import terminal
from tests.browser.secrets import good
from tests.census import Book

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


def port_of(url: str) -> int:
    """The port of a base URL."""
    return int(url.split("/")[2].rpartition(":")[2])


def test_t41_the_command_line_calls_the_servers_of_its_keys(
    simulator: Simulator, tmp_path: Path
) -> None:
    """From the first start to a chat and back, with a proxy in the environment: the addresses
    that the keys were saved for are called, and no name is looked up."""
    book, url = Book(tmp_path / "book"), simulator.endpoint("groq")
    assert host(url) == "127.0.0.1"
    said = terminal.say(
        tmp_path,
        (f"add groq Key --endpoint {url} --secret-stdin", good("groq")),
        *((words, "") for words in ("providers", "list --json", "select groq/Key")),
        *((words, "") for words in ("check --all", "chat Hello", "doctor", "activity")),
        ("edit groq/Key --endpoint https://elsewhere.example/v1", ""),
        ("remove groq/Key --yes", ""),
        **book.environment,
        **dict.fromkeys(PROXIES, "http://192.0.2.1:8080"),
    )
    assert "Key was saved" in said
    assert "What can I help you with" in said
    book.read()
    assert book.places == {("127.0.0.1", port_of(url))}
    assert book.names == set()


def test_t41_a_call_elsewhere_would_be_seen(tmp_path: Path) -> None:
    """The twin: a program that calls home, by name or by number, is found out."""
    book = Book(tmp_path / "book")
    program = (
        "import socket\n"
        "for place in (('192.0.2.1', 9), ('home.invalid', 80)):\n"
        "    try: socket.create_connection(place, timeout=0.01)\n"
        "    except OSError: pass\n"
    )
    own = {**os.environ, **book.environment}
    subprocess.run([sys.executable, "-c", program], env=own, check=True)
    book.read()
    assert ("192.0.2.1", 9) in book.places
    assert "home.invalid" in book.names
