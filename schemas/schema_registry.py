"""An external Schema Registry, asked over plain HTTP: schema text by id, and the ids of ours.

Reads only: schemas are registered by whoever runs the registry (`heddle topics plan` lists them).
Speaks the part of the Confluent REST interface that every compatible registry has. User and
password may stand in the address.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from . import committed, topics
from .errors import Transient, Unusable

TIMEOUT_S: Final = 5.0
TRIES_MAX: Final = 4
BACKOFF_S: Final = 0.25
"""Doubled after every failed try."""
ANSWER_BYTES_MAX: Final = 1_048_576
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND: Final = 404
_RETRY_STATUS_MIN: Final = 500
_RETRY_STATUSES: Final = frozenset({408, 425, 429})


def lookup(url: str, *, timeout_s: float = TIMEOUT_S) -> Callable[[int], str | None]:
    """A function from id to schema text; None where the registry knows no Avro schema by it.

    The function raises Transient when the registry does not answer after TRIES_MAX tries. It
    remembers nothing: the codec does.
    """

    def ask(schema_id: int) -> str | None:
        answer = _ask(url, f"/schemas/ids/{schema_id}", timeout_s=timeout_s)
        if answer is None or answer.get("schemaType", "AVRO") != "AVRO":
            return None
        text = answer.get("schema")
        return text if isinstance(text, str) else None

    return ask


def ids_of(url: str, *, prefix: str = "", timeout_s: float = TIMEOUT_S) -> dict[str, int]:
    """The registry's id of the newest committed schema of every record.

    Looks each up under the subject of its topic (all routed topics must agree). Raises Unusable,
    naming the subjects, where one is not registered; Transient when the registry does not answer.
    """
    found: dict[str, int] = {}
    missing: list[str] = []
    for topic in topics.TOPICS:
        record = topic.record.__name__
        subject = topics.subject(topics.prefixed(prefix, topic.name))
        schema = json.dumps(committed.newest(record).source)
        path = f"/subjects/{urllib.parse.quote(subject, safe='')}"
        answer = _ask(url, path, body={"schema": schema}, timeout_s=timeout_s)
        number = answer.get("id") if answer else None
        if not isinstance(number, int):
            missing.append(subject)
        elif found.setdefault(record, number) != number:
            raise Unusable(f"{_shown(url)} gives {record} several ids: subject {subject}")
    if missing:
        raise Unusable(f"{_shown(url)} lacks our schemas: register them for {', '.join(missing)}")
    return found


def _ask(
    url: str, path: str, *, timeout_s: float, body: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """The answer's JSON object; None for 404. Retries what may pass."""
    reason = ""
    for attempt in range(TRIES_MAX):
        if attempt:
            time.sleep(BACKOFF_S * 2 ** (attempt - 1))
        try:
            return _once(_request(url, path, body), timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == _NOT_FOUND:
                return None
            reason = f"status {error.code}"
            if error.code < _RETRY_STATUS_MIN and error.code not in _RETRY_STATUSES:
                raise Unusable(f"schema registry {_shown(url)}: {reason} for {path}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error)
    raise Transient(f"schema registry {_shown(url)} did not answer {path}: {reason}")


def _once(request: urllib.request.Request, timeout_s: float) -> dict[str, Any]:
    # The scheme was checked when the request was built.
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
        raw = answer.read(ANSWER_BYTES_MAX + 1)
    if len(raw) > ANSWER_BYTES_MAX:
        message = f"answer longer than {ANSWER_BYTES_MAX} bytes"
        raise ValueError(message)
    found = json.loads(raw)
    if not isinstance(found, dict):
        message = "answer is no JSON object"
        raise ValueError(message)  # noqa: TRY004 - a bad answer, not a bad argument
    return found


def _request(url: str, path: str, body: dict[str, str] | None) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Unusable(f"schema registry address {_shown(url)}: wanted http(s)://host[:port]")
    place = parts.netloc.rpartition("@")[2]
    address = f"{parts.scheme}://{place}{parts.path.rstrip('/')}{path}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data)  # noqa: S310 - scheme checked above
    request.add_header("Accept", _MEDIA_TYPE)
    if data is not None:
        request.add_header("Content-Type", _MEDIA_TYPE)
    if parts.username is not None:
        pair = ":".join(map(urllib.parse.unquote, (parts.username, parts.password or "")))
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    return request


def _shown(url: str) -> str:
    """The address without its password."""
    return url.rpartition("@")[2]
