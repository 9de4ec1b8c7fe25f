#!/usr/bin/env bash
# Runs the tests: test.sh PYTHON [arguments of pytest]
#
# Without arguments they run in four lots side by side: all mostly wait, so two cores do in half
# the time what one after the other takes. A test that watches the clock may then wait too long for
# its turn. So what failed beside the others runs once more when nothing else does, and it is said
# which tests needed that. What fails again has failed, and so has everything when many fail.
set -euo pipefail
python=$1
shift
# The tests start many programs, and each would read all of the package anew.
unset PYTHONDONTWRITEBYTECODE

if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi

FEW=5
# Each takes about as long as the others. Those with a browser come last in theirs, for Playwright
# leaves an event loop running.
ONE=(tests/test_[d-h]*.py tests/hosting tests/browser/test_[a-o]*.py)
TWO=(tests/test_[t-z]*.py tests/browser/test_[p-z]*.py)
THREE=(tests/cli tests/pages tests/simulator tests/ui tests/test_[a-c]*.py tests/test_s*.py)
REST=("${ONE[@]}" "${TWO[@]}" "${THREE[@]}")
declare -A lots=(
    [one]="${ONE[*]}"
    [two]="${TWO[*]}"
    [three]="${THREE[*]}"
    [rest]="tests ${REST[*]/#/--ignore=}"
)
declare -A running=()
logs=$(mktemp -d)

run() { # LOT, further arguments of pytest
    local lot=$1
    shift
    # shellcheck disable=SC2086  # a lot is several words
    exec "$python" -m pytest -o cache_dir=".pytest_cache/$lot" "$@" ${lots[$lot]}
}

end() {
    for lot in "${!running[@]}"; do
        kill -INT "${running[$lot]}" 2>/dev/null && wait "${running[$lot]}" || true
    done
    rm -rf "$logs"
}
trap end EXIT

failed_in() { # LOT: how many of its tests failed
    "$python" - ".pytest_cache/$1/v/cache/lastfailed" <<'PYTHON'
import json
import sys
from pathlib import Path

kept = Path(sys.argv[1])
print(len(json.loads(kept.read_text())) if kept.exists() else 0)
PYTHON
}

for lot in "${!lots[@]}"; do
    rm -rf ".pytest_cache/$lot"
    (
        trap - INT # so that Ctrl-C ends all of them, each with its tidying up
        run "$lot"
    ) >"$logs/$lot" 2>&1 &
    running[$lot]=$!
done

again=()
count=0
said=""
for lot in "${!lots[@]}"; do
    result=passed
    wait "${running[$lot]}" || { [ $? = 1 ] && result=failed || result=broken; }
    unset "running[$lot]" # its number may be another process's by now
    cat "$logs/$lot"
    if [ $result = failed ]; then
        again+=("$lot")
        count=$((count + $(failed_in "$lot")))
    fi
    [ $result = broken ] && said+=" Lot $lot broke off."
done

[ $count -le $FEW ] || { echo "$count tests failed." && exit 1; }
for lot in "${again[@]}"; do
    echo "--- once more, with nothing beside it: what failed in lot $lot"
    if (run "$lot" --last-failed -rpfE); then
        echo "UNSTEADY: these passed only now."
    else
        said+=" Lot $lot failed."
    fi
done
echo "${said:-All tests passed.}"
[ -z "$said" ]
