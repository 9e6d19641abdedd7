#!/usr/bin/env bash
# Sets up what the local stack needs and is missing: system packages, the locked Python
# environment in .venv, the Kafka jars in .parts. Run it through `make setup`.
#
#   setup/setup.sh              set up; does nothing, quickly, when nothing changed
#   setup/setup.sh tests        set up, and the real parts that only tests need: an S3 server, PDF readers
#   setup/setup.sh plan         say what would be done, change nothing; exit 4 if anything is missing
#   setup/setup.sh relist-jars  after a change of setup/pom.xml: write setup/kafka.sha256 anew
#
# Exit codes: 0 done, 4 something is missing that may not be installed here, 1 a step failed.
# Addresses, proxies and certificates are the machine's own: pip's, Maven's and apt's settings hold.

set -euo pipefail
cd "$(dirname "$0")/.."

EXIT_MISSING_PART=4
STAMPS=.venv/.heddle-setup
LIBS=.parts/kafka/libs
JAVA_MIN=17
PYTHON_WANTED=3.11
FOR_TESTS=0

main() {
    case "${1:-}" in
    "") set_up ;;
    tests)
        FOR_TESTS=1
        set_up
        ;;
    plan) plan ;;
    relist-jars) relist_jars ;;
    *)
        sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
}

set_up() {
    # Two at once would install over each other.
    mkdir -p .parts
    exec 9>.parts/setup.lock
    flock 9
    install_packages
    stamped environment "$(environment_key)" .venv/bin/uv build_environment
    stamped jars "$(jars_key)" "$LIBS" fetch_jars
}

# --- stamps: a step is skipped while its inputs' hash is the one it last succeeded with ----------

# stamped NAME KEY RESULT STEP: run STEP unless NAME was done for KEY and RESULT is still there.
stamped() {
    is_stamped "$1" "$2" "$3" && return
    "$4"
    mkdir -p "$STAMPS"
    echo "$2" >"$STAMPS/$1"
}

is_stamped() { [ -e "$3" ] && [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }

# The checkout's own path counts: the project is installed from where it lies.
environment_key() { { pwd && cat requirements.lock pyproject.toml setup/bootstrap.lock; } | sha256; }
jars_key() { cat setup/pom.xml setup/kafka.sha256 | sha256; }
sha256() { sha256sum | cut -d' ' -f1; }

# --- system packages -----------------------------------------------------------------------------

# Debian packages for what is missing, one a line; each looked for by what it brings.
missing_packages() {
    python_found >/dev/null || echo python3
    [ -e .venv/bin/python ] || has_venv || echo python3-venv
    has_java || echo openjdk-17-jre-headless
    command -v mvn >/dev/null || [ -e "$LIBS" ] || echo maven
    command -v potrace >/dev/null || echo potrace
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    if [ "$FOR_TESTS" = 1 ]; then missing_test_packages; fi
}

# An S3 server (Ceph's gateway in memory), and programs that read what we write.
missing_test_packages() {
    command -v radosgw >/dev/null || echo radosgw
    command -v ceph-mon >/dev/null || echo ceph-mon
    command -v ceph-osd >/dev/null || echo ceph-osd
    command -v ceph >/dev/null || echo ceph-common
    command -v openssl >/dev/null || echo openssl
    command -v gs >/dev/null || echo ghostscript
    command -v qpdf >/dev/null || echo qpdf
    command -v pdfinfo >/dev/null || echo poppler-utils
    command -v tiffinfo >/dev/null || echo libtiff-tools
    command -v exiftool >/dev/null || echo libimage-exiftool-perl
}

has_venv() {
    local python
    python=$(python_found) && "$python" -c 'import ensurepip, venv' 2>/dev/null
}

has_java() {
    local found
    found=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p') || return 1
    [ "${found:-0}" -ge "$JAVA_MIN" ]
}

python_found() {
    local name
    for name in "python$PYTHON_WANTED" python3; do
        if "$name" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$PYTHON_WANTED')" \
            2>/dev/null; then
            command -v "$name" && return
        fi
    done
    return 1
}

install_packages() {
    local missing as_root
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if ! as_root=$(root_command); then
        say_missing "$missing"
        exit $EXIT_MISSING_PART
    fi
    echo "setup: installing $missing"
    # shellcheck disable=SC2086  # Lists of words, on purpose.
    if ! { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root \
        apt-get install -y -qq --no-install-recommends $missing >.parts/apt.log; }; then
        tail -n 5 .parts/apt.log >&2 || true
        say_missing "$missing"
        exit $EXIT_MISSING_PART
    fi
    missing=$(missing_packages | tr '\n' ' ')
    [ -z "$missing" ] || { say_missing "$missing" && exit $EXIT_MISSING_PART; }
}

# What to put before a command to run it as root (nothing for root); fails where that is not to be.
root_command() {
    command -v apt-get >/dev/null || return 1
    if [ "${HEDDLE_SETUP_NO_INSTALL:-0}" = 1 ]; then return 1; fi
    if [ "$(id -u)" = 0 ]; then return; fi
    command -v sudo >/dev/null || return 1
    # A password can be asked for at a terminal only.
    if sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; then echo sudo; else return 1; fi
}

say_missing() {
    local one sudo=""
    # Without sudo on the machine it takes a root shell.
    if command -v sudo >/dev/null; then sudo="sudo "; fi
    {
        echo "setup: missing, and not to be installed from here:"
        for one in $1; do echo "  - $(purpose "$one")"; done
        echo "Install as root with:"
        echo "  ${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends ${1% }"
        echo "then type the command again."
    } >&2
}

purpose() {
    case "$1" in
    python3) echo "Python $PYTHON_WANTED (package python3 on Debian 12)" ;;
    python3-venv) echo "Python's venv and ensurepip, for .venv (package python3-venv)" ;;
    openjdk-17-jre-headless) echo "Java $JAVA_MIN or later, runs Kafka (package $1)" ;;
    maven) echo "Maven, fetches the Kafka jars (package maven)" ;;
    potrace) echo "Potrace, traces outlines for SVG (package potrace)" ;;
    radosgw | ceph-*) echo "Ceph's S3 server, for tests (package $1)" ;;
    openssl) echo "OpenSSL, certificates of test servers (package openssl)" ;;
    ghostscript) echo "Ghostscript, reads PDFs in tests (package ghostscript)" ;;
    qpdf) echo "qpdf, checks PDFs in tests (package qpdf)" ;;
    poppler-utils) echo "pdfinfo, reads PDFs in tests (package poppler-utils)" ;;
    libtiff-tools) echo "tiffinfo, reads TIFFs in tests (package libtiff-tools)" ;;
    libimage-exiftool-perl) echo "exiftool, reads XMP in tests (package $1)" ;;
    ca-certificates) echo "certificates for https (package ca-certificates)" ;;
    esac
}

# --- Python environment --------------------------------------------------------------------------

build_environment() {
    echo "setup: Python environment in .venv (about 7 GB; minutes the first time)"
    # One that was begun and not finished has no pip, and venv mends it in place.
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$(python_found)" -m venv .venv
    bootstrap
    follow_pip_settings
    .venv/bin/uv pip sync -q --python .venv/bin/python --require-hashes requirements.lock
    # Sync has taken out what an editable install needs besides the lock's build backend.
    bootstrap
    # Without isolation: nothing unlocked is fetched.
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
    compile_once
}

# Bytecode of what the stages load, as the first start would write it. Where Python is kept from
# writing any (PYTHONDONTWRITEBYTECODE), every start would compile the model's libraries anew.
compile_once() {
    env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -c '
import analytics.endpoint.server, heddle.run, inference.diffusion, postproc.finish, streams.live.app
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextModel, CLIPTokenizer' >&2
}

# What installs the rest: setup/bootstrap.lock, by hash.
bootstrap() {
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes \
        -r setup/bootstrap.lock
}

# uv reads neither pip's index nor the system's certificates by itself.
follow_pip_settings() {
    local index
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"; fi
}

# --- Kafka ---------------------------------------------------------------------------------------

fetch_jars() {
    echo "setup: Kafka jars in $LIBS (43 MB)"
    copy_jars
    (cd "$LIBS.new" && sha256sum --quiet --strict -c) <setup/kafka.sha256
    local count
    count=$(find "$LIBS.new" -type f | wc -l)
    if [ "$count" != "$(wc -l <setup/kafka.sha256)" ]; then
        echo "setup: Maven brought $count files, setup/kafka.sha256 lists another number" >&2
        exit 1
    fi
    rm -rf "$LIBS" && mv "$LIBS.new" "$LIBS"
}

copy_jars() {
    rm -rf "$LIBS.new" && mkdir -p "$LIBS.new"
    command -v mvn >/dev/null || { say_missing maven && exit $EXIT_MISSING_PART; }
    mvn -q -B -C -f setup/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$PWD/$LIBS.new" >.parts/mvn.log 2>&1 ||
        { tail -n 20 .parts/mvn.log >&2 && exit 1; }
}

relist_jars() {
    mkdir -p .parts
    copy_jars
    (cd "$LIBS.new" && sha256sum ./*.jar | sed 's, \./, ,') >setup/kafka.sha256
    rm -rf "$LIBS.new"
    echo "setup: wrote setup/kafka.sha256; look at its difference, then type 'make setup'"
}

# --- plan ----------------------------------------------------------------------------------------

plan() {
    local missing todo=0
    missing=$(missing_packages | tr '\n' ' ')
    if [ -n "$missing" ]; then
        todo=$EXIT_MISSING_PART
        if root_command >/dev/null; then echo "would install: $missing"; else say_missing "$missing"; fi
    fi
    is_stamped environment "$(environment_key)" .venv/bin/uv ||
        { todo=$EXIT_MISSING_PART && echo "would build the Python environment in .venv"; }
    is_stamped jars "$(jars_key)" "$LIBS" ||
        { todo=$EXIT_MISSING_PART && echo "would fetch the Kafka jars into $LIBS"; }
    exit "$todo"
}

main "$@"
