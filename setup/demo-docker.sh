#!/usr/bin/env bash
# `make demo-docker`: builds the images, runs the demo through compose, takes everything down again.
# Uses the daemon that answers, and setup/docker.sh where none does and one may be started.
#
#   setup/demo-docker.sh          images, demo, down; exit code of the demo
#   setup/demo-docker.sh images   only the images, and what each weighs
#   setup/demo-docker.sh observe  images, the line with Prometheus: its targets up, our alerts loaded
#   setup/demo-docker.sh cold-start   images, the line, how long each stage takes to be ready
#   setup/demo-docker.sh tests    images, the tests of images and compose, testcontainers, the demo,
#                                 then Prometheus and the cold starts

set -euo pipefail
cd "$(dirname "$0")/.."
export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
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
    case "${1:-demo}" in
    images) ;;
    demo) demo ;;
    observe) line && observe ;;
    cold-start) line && cold_start ;;
    tests) tests ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
}

images() {
    local target began
    for target in river ledger gpu; do
        began=$SECONDS
        $BUILDS docker build -q -f docker/Dockerfile --target "$target" \
            --build-arg REVISION="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
            -t "heddle/$target:$HEDDLE_VERSION" . >/dev/null
        echo "heddle/$target: $(weight "heddle/$target:$HEDDLE_VERSION") MB, built in $((SECONDS - began)) s"
    done
    $BUILDS docker build -q -t "heddle/s3:$HEDDLE_VERSION" docker/s3 >/dev/null
    echo "heddle/s3: $(weight "heddle/s3:$HEDDLE_VERSION") MB"
}

weight() { echo $(($(docker image inspect -f '{{.Size}}' "$1") / 1000000)); }

# The plugin where there is one, else Debian's program.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose -p $PROJECT -f docker/compose.yaml "$@"
    else
        docker-compose -p $PROJECT -f docker/compose.yaml "$@"
    fi
}

# The line, up; down again when this script ends.
line() {
    trap down EXIT
    compose --profile core up -d
}

observe() {
    docker run --rm -v "$PWD/docker/prometheus:/etc/prometheus:ro" --entrypoint promtool \
        prom/prometheus:v3.7.3 check config /etc/prometheus/prometheus.yml
    # Grafana's image has no stand-in: there is no package of it.
    compose --profile core --profile observability up -d --no-deps prometheus
    HEDDLE_TEST_COMPOSED=1 .venv/bin/python -m pytest tests/docker/test_observed.py
}

cold_start() { .venv/bin/python -m bench.cold_start --project $PROJECT; }

demo() {
    local ended=0
    mkdir -p demo-output
    # The demo's user is not ours.
    chmod 777 demo-output
    export HEDDLE_OUT=$PWD/demo-output
    line
    compose --profile core --profile demo run --rm demo || ended=$?
    if [ "$ended" != 0 ]; then
        compose --profile core ps
        compose --profile core logs --tail 15
    fi
    return "$ended"
}

down() { compose --profile core --profile demo --profile observability down -v --remove-orphans >/dev/null 2>&1 || true; }

tests() {
    local with=.parts/testcontainers
    [ -e "$with/testcontainers" ] || UV_SYSTEM_CERTS=true .venv/bin/uv pip install -q --no-deps \
        --require-hashes -r docker/locks/testcontainers.lock --target "$with"
    HEDDLE_TEST_DOCKER=1 .venv/bin/python -m pytest tests/docker
    HEDDLE_TEST_PARTS=containers PYTHONPATH="$PWD/$with" .venv/bin/python -m pytest \
        tests/services/test_runner.py tests/services/test_river_s3.py
    demo
    observe
    cold_start
}

main "$@"
