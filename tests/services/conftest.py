"""The real parts that service tests stand on. One Kafka for the whole session.

Set HEDDLE_TEST_BOOTSTRAP to use a broker that already runs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from heddle.stack import kafka


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a real broker. Tests share it: name every topic with `prefix`."""
    given = os.environ.get("HEDDLE_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    with kafka.running(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix (HEDDLE_PREFIX) no other test uses, without a trailing dot."""
    return f"t{uuid.uuid4().hex[:12]}"
