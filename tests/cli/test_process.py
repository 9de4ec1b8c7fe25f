"""The command line in processes of its own: what only those can show."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from pathlib import Path

from mohet_keys.simulator.server import Simulator
from tests import terminal
from tests.browser.secrets import behaving
from tests.leaks import canary, files_below, scan
from tests.terminal import Process


def test_t01_the_life_of_a_key_leaves_no_trace_of_its_secret(
    process: Process, simulator: Simulator
) -> None:
    """Add, check and remove: one document each, and the secret nowhere."""
    secret = canary("sk-proj-sim-good-")
    where = simulator.endpoint("openai")
    argument = process("add", "openai", "Argument", secret)
    added = process(
        *("add", "openai", "W", "--endpoint", where, "--secret-stdin", "--json"), stdin=secret
    )
    rest = terminal.say(
        process.folder, ("check openai/W --json", ""), ("remove openai/W --yes --json", "")
    )
    assert (argument.status, added.status, added.err) == (2, 0, "")
    assert added.json["verdict"] == "valid"
    (_, checked, _, removed) = terminal.documents(rest)
    assert (checked, removed) == (0, 0)
    found = dict(files_below(process.folder))
    assert "data/mohet_keys.db" in found
    for number, said in enumerate((argument.out, argument.err, added.out, rest)):
        found[f"step {number}"] = said.encode()
    assert scan(secret, found) == []


def test_the_start_reads_no_more_than_it_needs(process: Process) -> None:
    """A command imports neither Streamlit nor pandas, and one that is misused no database. What
    the parts log is kept off stderr, where errors are one line."""
    program = (
        "import logging, sys\n"
        "from mohet_keys.cli import main\n"
        "for command in ('add', 'providers'):\n"
        "    main([command])\n"
        "    logging.getLogger('mohet_keys.validation').error('a log line')\n"
        "    read = {'streamlit', 'pandas', 'sqlalchemy'} & set(sys.modules)\n"
        "    print(sorted(read), file=sys.stderr)\n"
    )
    with process.run([sys.executable, "-c", program]) as running:
        _, err = running.communicate(timeout=60)
    missing, *read = err.decode().splitlines()
    assert missing.startswith("PROVIDER is missing")
    assert read == ["[]", "['sqlalchemy']"]


def test_a_reader_that_leaves_is_no_error(process: Process) -> None:
    """`| head` ends quietly, also in the middle of the help."""
    for command in (["providers"], ["--help"]):
        ours, theirs = socket.socketpair()
        ours.close()
        with theirs, process.start(*command, stdout=theirs) as running:
            _, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, b"")


def test_an_answer_that_cannot_be_written_is_said(process: Process) -> None:
    """On a full disk the command says that what it did could not be shown."""
    with Path("/dev/full").open("wb") as full, process.start("list", stdout=full) as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert err == b"It was done, but cannot be shown: No space left on device.\n"


def test_any_encoding_will_do(process: Process) -> None:
    """On a terminal that knows only ASCII, a name is escaped instead of failing."""
    process.environment["PYTHONIOENCODING"] = "ascii"
    added = process("add", "lmstudio", "日本", "--no-check", "--endpoint", "http://127.0.0.1:9/v1")
    assert (added.status, added.out, added.err) == (0, "lmstudio/\\u65e5\\u672c was saved.\n", "")


def test_ctrl_c_ends_quietly(process: Process, simulator: Simulator) -> None:
    """A check that is interrupted ends with 130 and without a word."""
    where, secret = simulator.endpoint("openai"), behaving("openai", "drip")
    asked = len(simulator.requests)
    with process.start("add", "openai", "W", "--endpoint", where, "--secret-stdin") as running:
        assert running.stdin is not None
        running.stdin.write(secret.encode())
        running.stdin.close()
        running.stdin = None
        ends = time.monotonic() + 20
        while len(simulator.requests) == asked and time.monotonic() < ends:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, b"", b"")


def test_at_a_terminal_the_secret_is_asked_for_unseen(
    process: Process, simulator: Simulator
) -> None:
    """The prompt does not show what is typed: for a new key, for a key that is to go elsewhere,
    and where --secret-stdin meets a terminal."""
    here, there = simulator.endpoint("openai"), simulator.endpoint("gateway")
    secrets = [canary("sk-proj-sim-good-") for _ in range(3)]
    said, screen = process.typed(
        f"add openai W --endpoint {here} --json",
        f"edit openai/W --endpoint {there} --json",
        "edit openai/W --secret-stdin --json",
        answers=[(b"API Key: ", secret) for secret in secrets],
    )
    assert said[1::2] == [0, 0, 0]
    assert [key["hint"][-4:] for key in said[::2]] == [secret[-4:] for secret in secrets]
    told = {"out": json.dumps(said).encode(), "screen": screen}
    assert [found for secret in secrets for found in scan(secret, told)] == []
