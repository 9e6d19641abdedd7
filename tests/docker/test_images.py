"""The images themselves: who runs in them, what they hold, what they weigh, what they answer.

Run by setup/demo-docker.sh once it has built them (HEDDLE_TEST_DOCKER=1); left out otherwise.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schemas.errors import EXIT_CLOCK, EXIT_DEVICE, EXIT_VOLUME

VERSION = os.environ.get("HEDDLE_VERSION", "dev")
IMAGES = ("river", "ledger", "gpu")
MB_MAX = {"river": 700, "ledger": 1_200}
HARDENED = (
    "--read-only", "--tmpfs", "/tmp:size=256m", "--cap-drop", "ALL",  # noqa: S108
    "--security-opt", "no-new-privileges:true", "--pids-limit", "200", "--memory", "2g",
)  # fmt: skip
NO_SHELL = ("-v", "/dev/null:/usr/bin/dash:ro", "-v", "/dev/null:/usr/bin/bash:ro")
"""Where a shell was, there is nothing that could be run."""
pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("HEDDLE_TEST_DOCKER"), reason="setup/demo-docker.sh runs these"
    ),
    pytest.mark.timeout(300),
]


def docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the client."""
    return subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=180, check=check
    )


def inspected(name: str) -> dict[str, Any]:
    """What the daemon knows of an image."""
    found: list[dict[str, Any]] = json.loads(
        docker("image", "inspect", f"heddle/{name}:{VERSION}").stdout
    )
    return found[0]


@contextmanager
def running(image: str, *words: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """A hardened container without a shell, its id; gone afterwards."""
    given = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
    given += HARDENED + NO_SHELL
    name = f"heddle-test-{uuid.uuid4().hex[:8]}"
    docker("run", "-d", "--name", name, *given, f"heddle/{image}:{VERSION}", *words)
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name, check=False)


def listens(address: str, port: int) -> bool:
    """Whether somebody takes a connection there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is(name: str) -> None:
    """Version, revision, licence and source as labels; not root; a health check without a shell."""
    config = inspected(name)["Config"]
    labels = config["Labels"]
    for label in ("version", "revision", "licenses", "source", "title"):
        assert labels[f"org.opencontainers.image.{label}"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Entrypoint"][0] == "/opt/heddle/bin/python"


@pytest.mark.parametrize(("name", "mb_max"), MB_MAX.items())
def test_an_image_weighs_what_it_may(name: str, mb_max: int) -> None:
    """river at most 700 MB, ledger at most 1.2 GB, base image included."""
    assert inspected(name)["Size"] / 1e6 <= mb_max


@pytest.mark.parametrize(
    ("name", "absent"),
    [("river", ("torch", "chdb")), ("ledger", ("torch", "pyvips")), ("gpu", ("chdb", "pytest"))],
)
def test_an_image_holds_what_its_stages_need_alone(name: str, absent: tuple[str, ...]) -> None:
    """No torch and no engine in river, no torch and no pictures in ledger, no tests anywhere."""
    code = (
        "import importlib.util as u, os, sys;"
        f"print([m for m in {(*absent, 'pytest')!r} if u.find_spec(m)],"
        " os.path.exists('/app/tests'), os.getuid())"
    )
    said = docker(
        "run", "--rm", *HARDENED, "--entrypoint", "python", f"heddle/{name}:{VERSION}", "-c", code
    )
    assert said.stdout.strip() == "[] False 10001"


def test_what_a_machine_lacks_is_said_in_one_line() -> None:
    """cuda without a GPU, and a volume that is read-only: exit code and line reach the outside."""
    for image, env, words, code in (
        ("gpu", {"HEDDLE_DEVICE": "cuda"}, ("run", "generate"), EXIT_DEVICE),
        ("river", {}, ("run", "route"), EXIT_VOLUME),
    ):
        given = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        hardened = [*HARDENED, "-e", "HEDDLE_ASSETS=file:///app/shelf", *given]
        ended = docker("run", "--rm", *hardened, f"heddle/{image}:{VERSION}", *words, check=False)
        assert ended.returncode == code, ended.stderr
        assert ended.stderr.count("\n") == 1, ended.stderr


LATE = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()
    def date_time_string(self, timestamp=None):
        import time
        return super().date_time_string(time.time() - 120)
http.server.HTTPServer(("", 9100), Answer).serve_forever()
"""
"""A neighbour whose clock is two minutes behind; containers of one machine share one clock."""


def test_clocks_of_two_containers_that_differ_are_named() -> None:
    """A stage asks its neighbour over their network and ends with a line and a code of its own."""
    started = docker(
        "run", "-d", "--entrypoint", "python", f"heddle/river:{VERSION}", "-c", LATE
    ).stdout.strip()
    try:
        networks = json.loads(docker("inspect", started).stdout)[0]["NetworkSettings"]["Networks"]
        address = networks["bridge"]["IPAddress"]
        began_s = time.monotonic()
        while not listens(address, 9100):
            assert time.monotonic() - began_s < 60, docker("logs", started).stderr
        at = f"{address}:9100"
        words = ("run", "--rm", *HARDENED, "-e", f"HEDDLE_SCHEMA_URL=http://{at}")
        ended = docker(*words, f"heddle/river:{VERSION}", "run", "live", check=False)
        assert ended.returncode == EXIT_CLOCK, ended.stderr
        assert f"s ahead of that of {at}: set both by NTP" in ended.stderr
        assert ended.stderr.count("\n") == 1
    finally:
        docker("rm", "-f", started, check=False)


def test_cold_starts_and_health() -> None:
    """Hardened and without a shell, the schema endpoint and the ledger become healthy by the
    image's own check; both leave within their grace with exit code 0."""
    passwords = {
        "HEDDLE_LEDGER_WRITER_PASSWORD": "one-that-writes",
        "HEDDLE_LEDGER_READER_PASSWORD": "another-that-reads",
    }
    for image, words, env in (("river", ("run", "schema"), {}), ("ledger", (), passwords)):
        began_s = time.monotonic()
        with running(image, *words, env=env) as name:
            assert docker("exec", name, "sh", "-c", "exit 0", check=False).returncode
            while docker(
                "exec", name, "python", "-P", "-m", "heddle.probe", check=False
            ).returncode:
                assert time.monotonic() - began_s < 120, docker("logs", name).stderr
                time.sleep(0.2)
            print(f"{image} {' '.join(words)}: answers after {time.monotonic() - began_s:.1f} s")
            docker("stop", "-t", "30", name)
            state = json.loads(docker("inspect", name).stdout)[0]["State"]
            assert state["ExitCode"] == 0
