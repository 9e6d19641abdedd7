#!/usr/bin/env bash
# All tests, in two runs side by side: tests of services wait for their parts most of the time, all
# others compute. With arguments, one run with these: setup/tests.sh tests/unit -k seams
#
# The second run's output follows the first's. Exit code 0 only if both passed.

set -euo pipefail
cd "$(dirname "$0")/.."
PYTEST=".venv/bin/python -m pytest"

if [ $# -gt 0 ]; then
    exec $PYTEST "$@"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A job of its own, or bash would let it ignore ctrl-C, and its broker would not be taken down.
set -m
$PYTEST tests/services >"$log" 2>&1 &
services=$!
set +m
trap 'kill -INT "$services" 2>/dev/null || true; rm -f "$log"' INT TERM
ended=0
$PYTEST --ignore tests/services || ended=$?
echo "tests/services, meanwhile:"
wait "$services" || ended=$?
cat "$log"
exit "$ended"
