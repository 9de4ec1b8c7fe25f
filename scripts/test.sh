#!/usr/bin/env bash
# Runs the tests: test.sh PYTHON [arguments of pytest]
#
# Without arguments they run in three processes at once: those with a browser, and two halves of
# all others. Most of them wait most of the time, so two cores do in a third of the time what one
# after the other takes.
set -euo pipefail
python=$1
shift

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

begin others-2 --ignore tests/browser --half 2
begin browser tests/browser
first=passed
"$python" -m pytest --ignore tests/browser --half 1 || first=failed

outcome=$first
said="others-1: $first."
for name in others-2 browser; do
    result=passed
    wait "${running[$name]}" || result=failed
    unset "running[$name]" # its number may be another process's by now
    cat "$logs/$name"
    said+=" $name: $result."
    [ $result = passed ] || outcome=failed
done
echo "$said"
[ $outcome = passed ]
