"""The real parts that service tests stand on. One Kafka for the whole session, one S3 server.

From containers where Docker answers, else from this machine (`tests/services/containers.py`).
Set HEDDLE_TEST_BOOTSTRAP to use a broker that already runs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.services import containers
from tests.services.s3_server import S3Server


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a real broker. Tests share it: name every topic with `prefix`."""
    given = os.environ.get("HEDDLE_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    with containers.kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with encryption. Tests share it: make a bucket of your own."""
    with containers.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which parts the tests stood on."""
    for part, where in containers.told.items():
        terminalreporter.write_line(f"{part}: {where}")


@pytest.fixture
def prefix() -> str:
    """A topic prefix (HEDDLE_PREFIX) no other test uses, without a trailing dot."""
    return f"t{uuid.uuid4().hex[:12]}"
