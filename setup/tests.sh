#!/usr/bin/env bash
# All tests, in three runs side by side: tests of services wait for their parts most of the time (a
# broker that is away, a group that finds its members again), all others compute. With arguments,
# one run with these: setup/tests.sh tests/unit -k seams
#
# What the later runs said follows the first's. Exit code 0 only if all passed.

set -euo pipefail
cd "$(dirname "$0")/.."
PYTEST=".venv/bin/python -m pytest"
# About half of the time of all services.
WAITING=(client faust ledger_deaths ledger_writers live loom machine runner secured stack)

if [ $# -gt 0 ]; then
    exec $PYTEST "$@"
fi
logs=$(mktemp -d)
waiting=() others=()
for name in "${WAITING[@]}"; do
    waiting+=(tests/services/test_"$name"*.py)
    others+=(--ignore-glob="tests/services/test_$name*.py")
done
# Jobs of their own, or bash would let them ignore ctrl-C, and their brokers would not be taken down.
set -m
$PYTEST "${waiting[@]}" >"$logs/waiting" 2>&1 &
started=($!)
$PYTEST tests/services "${others[@]}" >"$logs/others" 2>&1 &
started+=($!)
set +m
trap 'rm -rf "$logs"' EXIT
trap 'kill -INT "${started[@]}" 2>/dev/null || true; rm -rf "$logs"' INT TERM
ended=0
$PYTEST --ignore tests/services || ended=$?
for place in 0 1; do
    wait "${started[$place]}" || ended=$?
done
echo "tests/services, meanwhile: ${WAITING[*]}"
cat "$logs/waiting"
echo "tests/services, meanwhile: all others"
cat "$logs/others"
exit "$ended"
