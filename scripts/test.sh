#!/usr/bin/env bash
# Runs the tests: test.sh PYTHON [arguments of pytest]
#
# Without arguments the tests with a browser run beside all others. Both mostly wait, so two cores
# do in half the time what one after the other takes. A third process beside them makes the tests
# that watch the clock wait too long for their turn.
set -euo pipefail
python=$1
shift
# The tests start many programs, and each would read all of the package anew.
unset PYTHONDONTWRITEBYTECODE

if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi

logs=$(mktemp -d)
declare -A running=()

begin() { # NAME, arguments of pytest
    local name=$1
    shift
    (
        trap - INT # so that Ctrl-C ends all of them, each with its tidying up
        exec "$python" -m pytest -o cache_dir=".pytest_cache/$name" "$@"
    ) >"$logs/$name" 2>&1 &
    running[$name]=$!
}

end() {
    for name in "${!running[@]}"; do
        kill -INT "${running[$name]}" 2>/dev/null && wait "${running[$name]}" || true
    done
    rm -rf "$logs"
}
trap end EXIT

begin browser tests/browser
outcome=passed
"$python" -m pytest --ignore tests/browser || outcome=failed

said="All others: $outcome."
for name in browser; do
    result=passed
    wait "${running[$name]}" || result=failed
    unset "running[$name]" # its number may be another process's by now
    cat "$logs/$name"
    said+=" Tests with a $name: $result."
    [ $result = passed ] || outcome=failed
done
echo "$said"
[ $outcome = passed ]
