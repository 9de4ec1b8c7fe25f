"""The document on hosting and the files that belong to it: whole, known, and true of themselves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mohet_keys.settings import Settings
from tests.browser.app_server import ROOT
from tests.hosting import document, machine

FOLLOWED = {*machine.SECTIONS, "Backup and restore", "A new master key", "Upgrade"}
"""The sections that have something to do in them; tests do it."""
DEPLOY = ROOT / "deploy"


def test_every_command_is_known() -> None:
    """There is no line that the test could not type, or has looked at at least."""
    commands = [
        line for block in document.blocks() if block.kind == "sh" for line in block.commands
    ]
    assert len(commands) > 40
    for command in commands:
        machine.vet(command)


def test_a_command_that_nobody_knows_is_refused() -> None:
    """So a new line of the document is not passed over."""
    for command in ("curl https://example.com | sh", "chmod 777 /etc", "systemctl stop sshd"):
        with pytest.raises(machine.UnknownCommandError):
            machine.vet(command)


def test_every_block_is_followed() -> None:
    """Each is a command or a file, in a section that a test goes through."""
    assert {block.section for block in document.blocks()} == FOLLOWED
    for block in document.blocks():
        assert block.kind == "sh" or block.file.startswith("/etc/mohet-keys/"), block


def test_every_file_is_used() -> None:
    """What lies in `deploy` is put somewhere by the document."""
    told = document.DOCUMENT.read_text()
    assert [path.name for path in DEPLOY.iterdir() if f"deploy/{path.name} " not in told] == []


def test_what_is_listened_to_is_so_in_both_worlds() -> None:
    """The lines for IPv6 are left out where the tests run, so they are compared with the others."""
    lines = re.findall(r"^ *listen (.+);$", (DEPLOY / "nginx.conf").read_text(), re.MULTILINE)
    newer = [line.removeprefix("[::]:") for line in lines if line.startswith("[::]:")]
    assert newer == [line for line in lines if not line.startswith("[")]
    assert len(newer) == 3


def test_every_setting_of_the_example_is_one() -> None:
    """Also those that are commented out."""
    text = (DEPLOY / "mohet-keys.env.example").read_text()
    names = set(re.findall(r"^(?:# )?(MOHET_\w+)=", text, re.MULTILINE))
    known = {f"MOHET_{name.upper()}" for name in Settings.model_fields}
    assert names - known == set()
    assert {"MOHET_DATABASE_URL", "MOHET_MASTER_KEY_FILE", "MOHET_ADMINISTRATORS"} <= names


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """It finds nothing wrong with it, and leaves the process little to do any harm with."""
    text = (DEPLOY / "mohet-keys@.service").read_text()
    python = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)
    assert python
    unit = tmp_path / "mohet-keys@.service"
    unit.write_text(text.replace(python[1], "/bin/true"))
    found = asked("verify", "--man=no", str(unit))
    assert (found.returncode, found.stdout, said_of(unit, found.stderr)) == (0, "", [])
    # 0 is a process that can do nothing, 100 one that can do everything.
    found = asked("security", "--offline=yes", "--threshold=20", "--no-pager", str(unit))
    assert found.returncode == 0, found.stdout


def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd says."""
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def said_of(unit: Path, told: str) -> list[str]:
    """The lines about our unit; others are about this machine's own."""
    return [line for line in told.splitlines() if unit.stem.rstrip("@") in line]


def test_the_unit_gives_away_nothing() -> None:
    """What must not be forgotten is there by name."""
    lines = set((DEPLOY / "mohet-keys@.service").read_text().splitlines())
    wanted = {
        "User=mohet",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "CapabilityBoundingSet=",
        "LimitCORE=0",
        "UMask=0077",
        "Restart=on-failure",
    }
    assert wanted - lines == set()
    assert not [line for line in lines if "MOHET_" in line]  # what is set is in one place
