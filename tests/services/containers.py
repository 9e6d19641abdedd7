"""Kafka and S3 in containers where Docker answers, from this machine's own parts where it does not.

One choice for all integration tests, and the run says which it was. HEDDLE_TEST_PARTS: `auto`,
`containers` (fail where Docker does not answer) or `local`.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from heddle.stack import kafka as local_kafka
from heddle.stack.ports import LOOPBACK, free_ports
from streams.kafka.admin import broker_answers
from tests.services import s3_server
from tests.services.s3_server import S3Server

KAFKA_IMAGE: Final = "apache/kafka:4.4.0"
S3_IMAGE: Final = "heddle/s3:dev"
READY_S_MAX: Final = 120.0
told: dict[str, str] = {}
"""By part: where it came from."""


@cache
def why_not() -> str:
    """Why there are no containers; empty where there are."""
    wanted = os.environ.get("HEDDLE_TEST_PARTS", "auto")
    if wanted == "local":
        return "HEDDLE_TEST_PARTS=local"
    try:
        importlib.import_module("testcontainers.core.container")
        importlib.import_module("docker").from_env(timeout=10).ping()
    except Exception as error:
        if wanted == "containers":
            raise
        return f"no containers: {type(error).__name__}"
    return ""


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """Bootstrap address of a broker."""
    if reason := why_not():
        told["Kafka"] = f"the local stack's broker ({reason})"
        with local_kafka.running(folder) as bootstrap:
            yield bootstrap
        return
    told["Kafka"] = f"container {KAFKA_IMAGE}{_stand_in()}"
    (port,) = free_ports(1)
    container = _container(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in _broker(port).items():
        container = container.with_env(name, value)
    with container:
        _until(lambda: broker_answers(f"{LOOPBACK}:{port}", timeout_s=2.0), container)
        yield f"{LOOPBACK}:{port}"


@contextmanager
def s3(folder: Path) -> Iterator[S3Server]:
    """An S3 server with encryption; the container speaks plain HTTP alone and has its bucket."""
    if reason := why_not():
        told["S3"] = f"Ceph RGW of this machine ({reason})"
        with s3_server.running(folder) as server:
            yield server
        return
    told["S3"] = f"container {S3_IMAGE}{_stand_in()}"
    (port,) = free_ports(1)
    container = (
        _container(S3_IMAGE)
        .with_bind_ports(7480, port)
        .with_env("S3_ACCESS_KEY", s3_server.ACCESS_KEY)
        .with_env("S3_SECRET_KEY", s3_server.SECRET_KEY)
        .with_env("S3_KMS_KEY", s3_server.KMS_KEY)
        .with_env("S3_BUCKET", "first")
    )
    with container:
        _until(lambda: "ready: bucket" in _said(container), container)
        at = f"http://{LOOPBACK}:{port}"
        yield S3Server(endpoint=at, tls_endpoint="", ca_file=folder)


def _container(image: str) -> Any:
    return importlib.import_module("testcontainers.core.container").DockerContainer(image)


def _stand_in() -> str:
    return ", on a STAND-IN base image" if os.environ.get("HEDDLE_STAND_INS") else ""


def _said(container: Any) -> str:
    out, error = container.get_logs()
    return str((out + error).decode(errors="replace"))


def _until(ready: Any, container: Any) -> None:
    deadline_s = time.monotonic() + READY_S_MAX
    while not ready():
        assert time.monotonic() < deadline_s, _said(container)[-2000:]
        time.sleep(0.2)


def _broker(port: int) -> dict[str, str]:
    """One node that can be reached under the port it was given."""
    return {
        "CLUSTER_ID": local_kafka.new_cluster_id(),
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS": "6000",
        "KAFKA_GROUP_CONSUMER_SESSION_TIMEOUT_MS": "10000",
        "KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS": "2000",
        "KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS": "3000",
    }
