#!/usr/bin/env bash
# Makes a virtual environment: venv.sh PYTHON FOLDER
set -euo pipefail
python=$1
folder=$2

if ! command -v "$python" >/dev/null; then
    echo "There is no $python. Install Python 3.11 or newer, or name it: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old; Python 3.11 or newer is needed." \
        "Name another: make PYTHON=python3.12" >&2
    exit 1
fi

echo "Making $folder with $("$python" --version)."
if ! "$python" -m venv "$folder"; then
    rm -rf "$folder" # half of one would be taken for a whole one
    echo "The virtual environment could not be made. On Debian: apt-get install python3-venv" >&2
    exit 1
fi
