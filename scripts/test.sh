#!/usr/bin/env bash
# Runs the tests: test.sh PYTHON [arguments of pytest]
#
# Without arguments the tests with a browser run beside all others. Both mostly wait, so two
# cores do in half the time what one after the other takes.
set -euo pipefail
python=$1
shift

if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi

log=$(mktemp)
(
    trap - INT # so that Ctrl-C ends both, each with its tidying up
    exec "$python" -m pytest -o cache_dir=.pytest_cache/browser tests/browser
) >"$log" 2>&1 &
browser=$!
end() {
    if [ -n "$browser" ]; then
        kill -INT "$browser" 2>/dev/null && wait "$browser" || true
    fi
    rm -f "$log"
}
trap end EXIT

others=passed
"$python" -m pytest --ignore tests/browser || others=failed
with_browser=passed
wait "$browser" || with_browser=failed
browser= # its number may be another process's by now
cat "$log"

echo "Tests with a browser: $with_browser. All other tests: $others."
[ "$with_browser$others" = passedpassed ]
