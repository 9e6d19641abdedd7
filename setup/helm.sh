#!/usr/bin/env bash
# What only the chart's tests need: helm, built from its Go module, and the schemas of Kubernetes, KEDA and
# the Prometheus operator.
# Both go under .parts. Exit code 4, with the reason, where Go is missing.

set -euo pipefail
cd "$(dirname "$0")/.."

HELM=helm.sh/helm/v3/cmd/helm@v3.18.6
SCHEMAS=.parts/chart-tests

if ! command -v helm >/dev/null && [ ! -x .parts/bin/helm ]; then
    command -v go >/dev/null || { echo "helm: neither helm nor Go is here, the chart's tests are left out" >&2 && exit 4; }
    echo "helm: building $HELM (minutes)" >&2
    mkdir -p .parts/bin
    GOBIN="$PWD/.parts/bin" GOFLAGS=-mod=mod go install "$HELM"
fi
if [ ! -e "$SCHEMAS/kubernetes_validate" ] || [ ! -e "$SCHEMAS/cloudcoil" ]; then
    UV_SYSTEM_CERTS=true .venv/bin/uv pip install -q --no-deps --require-hashes \
        -r docker/locks/chart-tests.lock --target "$SCHEMAS"
fi
