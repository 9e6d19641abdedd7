"""The topics as an AsyncAPI 3 document: `python -m schemas.asyncapi` writes `docs/asyncapi.yaml`.

Everything comes from `topics.py` and the committed schemas; nothing is said here that is not said
there. Describes Heddle as an application: what outsiders send it receives, what it sends they may
receive. Not carried by the client's wheel.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from . import committed, topics
from .envelope import CONTENT_TYPE
from .topics import Topic

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "asyncapi.yaml"
OUTSIDERS: Final = frozenset({"producer", "consumer", "operator"})
"""Writers and readers that are not processes of ours."""
BINDING: Final = "0.5.0"
_AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
_ABOUT: Final = (
    "Prompts in, print-ready seamless repeat patterns out. Topic names are without the"
    " installation's prefix. Delivery is at least once: deduplicate by the header ce_id."
    " Partition by murmur2 of the key, as Java clients do (librdkafka: murmur2_random)."
)
_PLAIN: Final = re.compile(r"[A-Za-z$][A-Za-z0-9_./$-]*( [A-Za-z0-9_./()-]+)*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def document() -> dict[str, Any]:
    """The AsyncAPI document as JSON values, in the order in which it is written."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Heddle",
            "version": "1.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "servers": {"local": _server()},
        "channels": {topic.name: _channel(topic) for topic in topics.TOPICS},
        "operations": dict(_operation(*use) for use in _uses()),
        "components": {
            "messages": {record: _message(record) for record in _records()},
            "schemas": {"Headers": _headers()},
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The local stack; any Kafka cluster by its own bootstrap address.",
        "variables": {"bootstrap": {"default": "localhost:9092"}},
        "bindings": {
            "kafka": {
                "schemaRegistryUrl": "http://localhost:8081",
                "schemaRegistryVendor": "confluent",
                "bindingVersion": BINDING,
            }
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    record = topic.record.__name__
    return {
        "address": topic.name,
        "summary": committed.newest(record).source["doc"].partition("\n")[0],
        "messages": {record: {"$ref": f"#/components/messages/{record}"}},
        "bindings": {
            "kafka": {
                "partitions": topics.PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.bytes_max,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _uses() -> list[tuple[str, str, Topic]]:
    """Who of ours does what with which topic, in the order of the topics."""
    found: list[tuple[str, str, Topic]] = []
    for topic in topics.TOPICS:
        senders, receivers = set(topic.writers), set(topic.readers)
        found += [(stage, "send", topic) for stage in sorted(senders - OUTSIDERS)]
        found += [(stage, "receive", topic) for stage in sorted(receivers - OUTSIDERS)]
    return found


def _operation(stage: str, action: str, topic: Topic) -> tuple[str, dict[str, Any]]:
    record = topic.record.__name__
    kafka: dict[str, Any] = {"bindingVersion": BINDING}
    if action == "receive":
        kafka = {"groupId": {"type": "string", "enum": [f"heddle.{stage}"]}, **kafka}
    return f"{stage}-{action}-{topic.name}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{record}"}],
        "bindings": {"kafka": kafka},
    }


def _records() -> list[str]:
    return list(dict.fromkeys(topic.record.__name__ for topic in topics.TOPICS))


def _message(record: str) -> dict[str, Any]:
    version = committed.newest(record)
    key = next(topic.key for topic in topics.TOPICS if topic.record.__name__ == record)
    file = f"../schemas/avro/{record}.v{version.number}.avsc"
    return {
        "name": f"heddle.{record}",
        "contentType": CONTENT_TYPE.decode(),
        "description": version.source["doc"],
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"schemaFormat": _AVRO, "schema": {"$ref": file}},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": key},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicNameStrategy",
                "bindingVersion": BINDING,
            }
        },
        "x-schema-id": version.schema_id,
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents 1.0.2, Kafka binding, binary mode",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "description": "The same id is the same event."},
            "ce_source": text,
            "ce_type": text,
            "ce_time": {"type": "string", "format": "date-time"},
            "content-type": {"type": "string", "const": CONTENT_TYPE.decode()},
            "traceparent": text,
        },
    }


def written(value: Any, indent: int = 0) -> str:
    """Block-style YAML of JSON values; every scalar that could be misread is quoted."""
    lead = " " * indent
    if isinstance(value, dict) and value:
        return "".join(
            f"{lead}{_scalar(key)}:{_nested(item, indent + 2)}" for key, item in value.items()
        )
    if isinstance(value, list) and value:
        return "".join(f"{lead}-{_nested(item, indent + 2)}" for item in value)
    return f"{lead}{_scalar(value)}\n"


def _nested(value: Any, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + written(value, indent)
    return f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    PAGE.write_text(
        "# Written by `python -m schemas.asyncapi`; change schemas/topics.py instead.\n"
        + written(document()),
        encoding="utf-8",
    )
