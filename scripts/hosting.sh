#!/usr/bin/env bash
# Sees to it that the tests of docs/hosting.md find an nginx, which is neither started nor left
# running, and systemd-analyze, which looks at the unit.
set -euo pipefail
policy=/usr/sbin/policy-rc.d

# Where tests/hosting/machine.py looks.
found() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx >/dev/null &&
        command -v systemd-analyze >/dev/null
}

from_debian() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    echo "Installing nginx and systemd with apt-get."
    "${as_root[@]}" bash -euo pipefail -s "$policy" <<'ROOT'
# Debian's package starts what it brings, unless this program says that it must not (101).
policy=$1
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends nginx systemd </dev/null
# It would start with the machine, too.
if [ -d /run/systemd/system ]; then
    systemctl disable --quiet nginx
fi
ROOT
}

found && exit
from_debian && found && exit
echo "The tests of docs/hosting.md need nginx and systemd-analyze, and they could not be installed." \
    "On Debian: apt-get install nginx systemd" >&2
exit 1
