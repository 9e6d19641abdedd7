#!/usr/bin/env bash
# `make demo-docker`: builds the images, runs the demo through compose, takes everything down again.
# Uses the daemon that answers, and setup/docker.sh where none does and one may be started.
#
#   setup/demo-docker.sh          images, demo, down; exit code of the demo
#   setup/demo-docker.sh tls      the same on a Kafka that trusts nobody, and tests of that
#   setup/demo-docker.sh images   only the images, and what each weighs
#   setup/demo-docker.sh observe  the demo seen by Prometheus: targets up, alerts loaded, panels filled
#   setup/demo-docker.sh cold-start   images, the line, how long each stage takes to be ready
#   setup/demo-docker.sh parts    images, the integration tests that take Kafka and S3 from containers
#   setup/demo-docker.sh tests    the tests of the images, then parts, observe, cold-start and tls
#
# Several words do one after the other.

set -euo pipefail
cd "$(dirname "$0")/.."
# The last is for docker-compose 1.29, which gives up on a busy daemon after a minute.
export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 COMPOSE_HTTP_TIMEOUT=300
export HEDDLE_VERSION=${HEDDLE_VERSION:-dev}
PROJECT=heddle-demo
BUILDS="nice -n ${HEDDLE_BUILD_NICE:-5}"

main() {
    if ! docker info >/dev/null 2>&1; then
        exec setup/docker.sh run setup/demo-docker.sh "$@"
    fi
    [ -z "${HEDDLE_STAND_INS:-}" ] ||
        echo "NOTE: base images are STAND-INS made from packages and jars, not the vendors' images"
    images
    local part
    for part in "${@:-demo}"; do
        case "$part" in
        images) ;;
        demo) demo core demo ;;
        tls) secured ;;
        observe) observe ;;
        cold-start) cold_start ;;
        parts) parts ;;
        tests) tests ;;
        *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
        esac
    done
}

images() {
    local target began
    for target in river ledger gpu; do
        began=$SECONDS
        build -f docker/Dockerfile --target "$target" \
            --build-arg REVISION="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
            -t "heddle/$target:$HEDDLE_VERSION" .
        echo "heddle/$target: $(weight "heddle/$target:$HEDDLE_VERSION") MB, built in $((SECONDS - began)) s"
    done
    build -t "heddle/s3:$HEDDLE_VERSION" docker/s3
    echo "heddle/s3: $(weight "heddle/s3:$HEDDLE_VERSION") MB"
}

# Twice where need be: registries hiccup, and what was made already is kept.
build() { $BUILDS docker build -q "$@" >/dev/null || $BUILDS docker build -q "$@" >/dev/null; }

weight() { echo $(($(docker image inspect -f '{{.Size}}' "$1") / 1000000)); }

# The plugin where there is one, else Debian's program.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose -p $PROJECT -f docker/compose.yaml "$@"
    else
        docker-compose -p $PROJECT -f docker/compose.yaml "$@"
    fi
}

# The line of a profile, up; down again when this script ends.
line() {
    trap down EXIT
    compose --profile "$1" up -d
}

# Prometheus beside the line of core.
watch() {
    docker run --rm -v "$PWD/docker/prometheus:/etc/prometheus:ro" --entrypoint promtool \
        prom/prometheus:v3.7.3 check config /etc/prometheus/prometheus.yml
    # Grafana's image has no stand-in: there is no package of it.
    compose --profile core --profile observability up -d --no-deps prometheus
}

# The demo, seen by Prometheus.
observe() {
    line core
    watch
    demo core demo
    HEDDLE_TEST_COMPOSED=core .venv/bin/python -m pytest tests/docker/test_observed.py
}

cold_start() {
    line core
    .venv/bin/python -m bench.cold_start --project $PROJECT
}

# demo PROFILE SERVICE
demo() {
    local ended=0
    mkdir -p demo-output
    # The demo's user is not ours.
    chmod 777 demo-output
    export HEDDLE_OUT=$PWD/demo-output
    line "$1"
    compose --profile "$1" --profile "$2" run --rm --no-deps "$2" || ended=$?
    if [ "$ended" != 0 ]; then
        compose --profile "$1" ps
        compose --profile "$1" logs --tail 15
    fi
    return "$ended"
}

secured() {
    # The two lines share shelf and ledger.
    down
    demo tls demo-tls
    HEDDLE_TEST_COMPOSED=tls .venv/bin/python -m pytest tests/docker/test_composed_tls.py
}

down() {
    local profile given=()
    for profile in core tls demo demo-tls observability; do given+=(--profile "$profile"); done
    compose "${given[@]}" down -v --remove-orphans >/dev/null 2>&1 || true
}

parts() {
    local with=.parts/testcontainers
    [ -e "$with/testcontainers" ] || UV_SYSTEM_CERTS=true .venv/bin/uv pip install -q --no-deps \
        --require-hashes -r docker/locks/testcontainers.lock --target "$with"
    HEDDLE_TEST_PARTS=containers PYTHONPATH="$PWD/$with" .venv/bin/python -m pytest \
        tests/services/test_runner.py tests/services/test_river_s3.py
}

tests() {
    HEDDLE_TEST_DOCKER=1 .venv/bin/python -m pytest tests/docker/test_images.py
    parts
    observe
    # Figures, not a judgement: a slow machine fails nothing here.
    cold_start || echo "cold starts: not every stage was ready in time"
    secured
}

# On one line: this file may change while it runs, and bash reads on where it was.
main "$@"; exit $?
