#!/usr/bin/env bash
# Images, compose and testcontainers on machines that reach no image registry.
#
#   setup/docker.sh run COMMAND...   a daemon, stand-ins of the base images, COMMAND with DOCKER_HOST
#                                    set; afterwards everything the daemon left is undone
#   setup/docker.sh plan             whether that is possible here; exit 4 if not, with the reason
#   setup/docker.sh stand-ins        only build the stand-ins, with the daemon that DOCKER_HOST names
#
# HEDDLE_DOCKER_DATA=DIR keeps images and layers there from one run to the next; else all is removed.
#
# A stand-in carries the real image's name and is made from Debian's packages and Maven's jars: a
# green run proves this project's own files, not the vendors' images. Where a daemon answers already
# and can pull, none of this is needed: `make demo-docker` uses that one.
#
# Exit codes: those of COMMAND; 4 where something is missing that may not be installed here.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

EXIT_MISSING_PART=4
SUITE=bookworm
KAFKA_IMAGE=apache/kafka:4.4.0
PYTHON_IMAGE=python:3.11-slim-bookworm
DEBIAN_IMAGE=debian:bookworm-slim
PROMETHEUS_IMAGE=prom/prometheus:v3.7.3
DISK_GB_MIN=${HEDDLE_DOCKER_DISK_GB_MIN:-30}
PACKAGES="docker.io docker-compose iptables mmdebstrap iproute2"
STATE=
DATA=

main() {
    case "${1:-}" in
    run)
        shift
        run "$@"
        ;;
    plan) plan ;;
    stand-ins) stand_ins ;;
    *)
        sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
}

say() { echo "docker: $*" >&2; }

# --- whether ------------------------------------------------------------------------------------

# One line that says why not; nothing where it is possible.
why_not() {
    [ "$(id -u)" = 0 ] || { echo "starting a daemon takes root" && return; }
    command -v apt-get >/dev/null || { echo "no apt-get: not a Debian" && return; }
    local free_gb
    free_gb=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1048576))
    if [ "$free_gb" -lt "$DISK_GB_MIN" ]; then
        echo "$free_gb GB of disk are free, images and their layers take $DISK_GB_MIN"
    fi
}

plan() {
    local reason
    reason=$(why_not)
    if [ -n "$reason" ]; then
        say "cannot run here: $reason"
        exit $EXIT_MISSING_PART
    fi
    say "can run here; base images would be STAND-INS built from packages and jars"
}

# --- daemon -------------------------------------------------------------------------------------

run() {
    plan
    install_packages
    STATE=$(mktemp -d /tmp/heddle-docker.XXXXXX)
    DATA=${HEDDLE_DOCKER_DATA:-$STATE/data}
    remember_network
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    start_daemon
    export DOCKER_HOST="unix://$STATE/docker.sock" DOCKER_BUILDKIT=1
    # Debian's own client: another one on PATH may come without the builder.
    export PATH="/usr/bin:$PATH"
    # Its image cannot be had; the fixtures remove their containers themselves.
    export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_CONNECTION_MODE=docker_host
    export HEDDLE_STAND_INS=1
    stand_ins
    "$@"
}

install_packages() {
    local one missing=""
    for one in $PACKAGES; do
        dpkg-query -W -f '${Status}' "$one" 2>/dev/null | grep -q "ok installed" ||
            missing="$missing $one"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    apt-get update -qq
    # No service is to start by itself: ours has its own folder and socket.
    # shellcheck disable=SC2086  # A list of words, on purpose.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/tmp/heddle-docker-apt.log 2>&1 ||
        { tail -n 5 /tmp/heddle-docker-apt.log >&2 && exit $EXIT_MISSING_PART; }
}

start_daemon() {
    dockerd --data-root "$DATA" --exec-root "$STATE/exec" --pidfile "$STATE/pid" \
        -H "unix://$STATE/docker.sock" >"$STATE/log" 2>&1 &
    for _ in $(seq 300); do
        if DOCKER_HOST="unix://$STATE/docker.sock" /usr/bin/docker info >/dev/null 2>&1; then
            say "daemon ready"
            return
        fi
        sleep 0.2
    done
    say "the daemon did not start:"
    tail -n 5 "$STATE/log" >&2
    exit $EXIT_MISSING_PART
}

# --- what a daemon leaves -----------------------------------------------------------------------

remember_network() {
    iptables-save >"$STATE/iptables"
    ip6tables-save >"$STATE/ip6tables"
    cat /proc/sys/net/ipv4/ip_forward >"$STATE/forward"
    ip -o link | awk -F': ' '{ print $2 }' | cut -d@ -f1 | sort >"$STATE/links"
}

clean_up() {
    local ended=$?
    trap '' INT TERM
    # Containers, then compose's networks: removed with the data root alone, their addresses would
    # be given to the next daemon's bridge.
    # shellcheck disable=SC2046  # Ids, a word each.
    if [ -e "$STATE/docker.sock" ]; then
        export DOCKER_HOST="unix://$STATE/docker.sock"
        docker rm -f -v $(docker ps -aq) >/dev/null 2>&1 || true
        docker volume prune -f >/dev/null 2>&1 || true
        docker network prune -f >/dev/null 2>&1 || true
    fi
    stop_daemon
    restore_rules iptables
    restore_rules ip6tables
    cat "$STATE/forward" >/proc/sys/net/ipv4/ip_forward || true
    remove_links
    if left_behind >&2; then
        say "daemon, containers, networks and rules are gone"
    else
        say "the lines above were not here before"
        [ "$ended" != 0 ] || ended=1
    fi
    rm -rf "$STATE"
    exit "$ended"
}

# Rules, links, forwarding and mounts that were not there before; 0 where there are none.
left_behind() {
    local family found=0
    for family in iptables ip6tables; do
        "$family-save" | rules >"$STATE/now"
        rules <"$STATE/$family" | comm -13 - "$STATE/now" | grep . && found=1
    done
    ip -o link | awk -F': ' '{ print $2 }' | cut -d@ -f1 | sort | comm -13 "$STATE/links" - | grep . && found=1
    diff "$STATE/forward" /proc/sys/net/ipv4/ip_forward || found=1
    grep -F -e "$STATE/" -e "$DATA/" /proc/mounts && found=1
    return $found
}

# What counts of a rules dump: rules, chains of somebody's own, and policies that refuse.
rules() { grep -E '^(-A|:[^ ]+ (-|DROP|REJECT))' | sed 's/ \[[0-9:]*\]//' | sort; }

# Tables that were there get their old rules; those that the daemon made are emptied.
restore_rules() {
    local table chain
    "$1-restore" <"$STATE/$1" || say "$1 could not be restored"
    for table in filter nat; do
        grep -q "^\*$table" "$STATE/$1" && continue
        "$1-save" 2>/dev/null | grep -q "^\*$table" || continue
        "$1" -t "$table" -F && "$1" -t "$table" -X
        for chain in $("$1" -t "$table" -S | awk '$1 == "-P" { print $2 }'); do
            "$1" -t "$table" -P "$chain" ACCEPT
        done
    done
}

stop_daemon() {
    local pid
    pid=$(cat "$STATE/pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    # Mounts of containers that were cut short.
    awk -v one="$STATE/" -v two="$DATA/" 'index($2, one) == 1 || index($2, two) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" || true; done
}

remove_links() {
    ip -o link | awk -F': ' '{ print $2 }' | cut -d@ -f1 | sort | comm -13 "$STATE/links" - |
        while read -r link; do
            case "$link" in docker0 | br-* | veth*) ip link delete "$link" || true ;; esac
        done
}

# --- stand-ins ----------------------------------------------------------------------------------

stand_ins() {
    say "base images are STAND-INS: $DEBIAN_IMAGE, $PYTHON_IMAGE, $KAFKA_IMAGE, $PROMETHEUS_IMAGE"
    has_image "$DEBIAN_IMAGE" || debian_image
    has_image "$PYTHON_IMAGE" || from_packages "$PYTHON_IMAGE" setup/stand-ins/python.Dockerfile
    has_image "$KAFKA_IMAGE" || kafka_image
    has_image "$PROMETHEUS_IMAGE" || from_packages "$PROMETHEUS_IMAGE" setup/stand-ins/prometheus.Dockerfile
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Debian's own packages, kept in .parts since they take longest; then the machine's mirror, proxy and
# certificates, so that an ordinary Dockerfile finds the same registries here as the machine does.
debian_image() {
    local kept=.parts/stand-ins/$SUITE.tar more
    if [ ! -e "$kept" ]; then
        mkdir -p .parts/stand-ins
        mmdebstrap --quiet --format=tar --variant=apt --include=ca-certificates,netbase,tzdata \
            "$SUITE" "$kept.new" >&2
        mv "$kept.new" "$kept"
    fi
    docker import "$kept" heddle/stand-in-root >/dev/null
    more=$(mktemp -d)
    mkdir -p "$more/root/etc/apt/apt.conf.d" "$more/root/etc/ssl/certs"
    cp -r /etc/apt/sources.list /etc/apt/sources.list.d "$more/root/etc/apt/" 2>/dev/null || true
    cp /etc/apt/apt.conf.d/99* "$more/root/etc/apt/apt.conf.d/" 2>/dev/null || true
    cp /etc/pip.conf "$more/root/etc/" 2>/dev/null || true
    cp /etc/ssl/certs/ca-certificates.crt "$more/root/etc/ssl/certs/"
    # As slim images are: without pages to read, and without apt's lists and caches.
    printf '%s\n' 'FROM heddle/stand-in-root AS whole' \
        'RUN rm -rf /usr/share/doc /usr/share/man /usr/share/locale /var/cache/apt /var/lib/apt/lists' \
        'FROM scratch' 'COPY --from=whole / /' 'COPY root /' 'ENV UV_SYSTEM_CERTS=true' \
        'LABEL heddle.stand-in=yes' 'CMD ["bash"]' >"$more/Dockerfile"
    docker build -q -t "$DEBIAN_IMAGE" "$more" >/dev/null
    rm -rf "$more"
}

from_packages() {
    say "building $1"
    docker build -q -t "$1" -f "$2" setup/stand-ins >/dev/null
}

# Apache's own KafkaDockerWrapper is in the jars: KAFKA_* mean here what they mean in its image.
kafka_image() {
    rm -rf setup/stand-ins/libs
    cp -r .parts/kafka/libs setup/stand-ins/libs
    from_packages "$KAFKA_IMAGE" setup/stand-ins/kafka.Dockerfile
    rm -rf setup/stand-ins/libs
}

# On one line: this file may change while COMMAND runs, and bash reads on where it was. Sourced, it does
# nothing: a test calls its parts.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; exit $?; fi
