#!/usr/bin/env bash
# Sees to it that the browser tests find a Chromium: chromium.sh PYTHON
set -euo pipefail
python=$1

# Where tests/browser/conftest.py looks: a Chromium on PATH, else the one that Playwright keeps.
found() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || playwrights_own
}

playwrights_own() {
    "$python" - <<'PYTHON'
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
PYTHON
}

from_debian() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    echo "Installing chromium with apt-get."
    "${as_root[@]}" apt-get update --quiet=2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --quiet=2 --yes --no-install-recommends chromium
}

from_playwright() {
    echo "Installing Playwright's own Chromium."
    "$python" -m playwright install chromium
}

found && exit
from_debian && found && exit
from_playwright && found && exit
echo "The browser tests need a Chromium and none could be installed." \
    "On Debian: apt-get install chromium" >&2
exit 1
