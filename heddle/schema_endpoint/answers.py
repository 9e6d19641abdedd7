"""What the endpoint says: the reading half of the Confluent Schema Registry REST interface.

Pure: a method, a path and a body give a status and a document. Registers nothing, ever: the
schemas are those of the repository, their ids are `schemas/avro/ids.json`. Subjects follow
TopicNameStrategy with the installation's prefix; values alone have schemas, keys are UTF-8 text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from schemas import committed, topics
from schemas.committed import Version

COMPATIBILITY: Final = "FULL_TRANSITIVE"
MODE: Final = "READONLY"
_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what goes into the body as JSON."""

    status: int
    document: Any


class Refusal(Exception):
    """An error in the words and numbers of the Confluent interface."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self) -> Answer:
        """HTTP status is the first three digits of the code."""
        status = self.code // 100 if self.code >= 1_000 else self.code
        return Answer(status, {"error_code": self.code, "message": str(self)})


def answer(method: str, target: str, body: bytes = b"", *, prefix: str = "") -> Answer:
    """The answer to one request. `target` is path and query, as it stands in the request line."""
    parts = tuple(unquote(part) for part in urlsplit(target).path.strip("/").split("/"))
    try:
        if method in {"GET", "HEAD"}:
            return Answer(200, _get(parts, prefix))
        if method == "POST":
            return Answer(200, _post(parts, body, prefix))
    except Refusal as refusal:
        return refusal.answer()
    return Refusal(42205, "Read-only: schemas change in the repository, by a commit").answer()


def _get(parts: tuple[str, ...], prefix: str) -> Any:
    match parts:
        case ("",):
            return {}
        case ("subjects",):
            return subjects(prefix)
        case ("schemas", "types"):
            return ["AVRO"]
        case ("schemas", "ids", number, *rest):
            return _of_id(_by_id(number), rest, prefix)
        case ("subjects", subject, "versions", *rest):
            return _of_subject(subject, _versions(subject, prefix), rest)
        case ("config",) | ("config", _):
            return {"compatibilityLevel": COMPATIBILITY}
        case ("mode",) | ("mode", _):
            return {"mode": MODE}
        case _:
            raise Refusal(404, "HTTP 404 Not Found")


def _post(parts: tuple[str, ...], body: bytes, prefix: str) -> Any:
    match parts:
        case ("subjects", subject):
            found = _same(_versions(subject, prefix), body)
            if found is None:
                raise Refusal(40403, "Schema not found")
            return _registered(subject, found)
        case ("subjects", subject, "versions"):
            found = _same(_versions(subject, prefix), body)
            if found is None:
                raise Refusal(42205, f"Subject {subject} is read-only: no such committed schema")
            return {"id": found.schema_id}
        case _:
            raise Refusal(404, "HTTP 404 Not Found")


def _of_id(version: Version, rest: list[str], prefix: str) -> Any:
    match rest:
        case []:
            return {"schema": _text(version)}
        case ["schema"]:
            return version.source
        case ["subjects"]:
            return _subjects_of(version.record, prefix)
        case ["versions"]:
            found = _subjects_of(version.record, prefix)
            return [{"subject": subject, "version": version.number} for subject in found]
        case _:
            raise Refusal(404, "HTTP 404 Not Found")


def _of_subject(subject: str, versions: list[Version], rest: list[str]) -> Any:
    match rest:
        case []:
            return [version.number for version in versions]
        case [number]:
            return _registered(subject, _numbered(versions, number))
        case [number, "schema"]:
            return _numbered(versions, number).source
        case _:
            raise Refusal(404, "HTTP 404 Not Found")


def subjects(prefix: str) -> list[str]:
    """Every subject, sorted; intake topics of named sources are answered but not listed."""
    return sorted(topics.subject(topics.prefixed(prefix, topic.name)) for topic in topics.TOPICS)


def _subjects_of(record: str, prefix: str) -> list[str]:
    found = [topic for topic in topics.TOPICS if topic.record.__name__ == record]
    return sorted(topics.subject(topics.prefixed(prefix, topic.name)) for topic in found)


def _versions(subject: str, prefix: str) -> list[Version]:
    name, suffix, rest = subject.rpartition("-value")
    try:
        record = topics.topic_of(topics.unprefixed(prefix, name)).record.__name__
    except (KeyError, ValueError):
        suffix = ""
    if not suffix or rest:
        raise Refusal(40401, f"Subject '{subject}' not found.")
    return [version for version in committed.versions() if version.record == record]


def _numbered(versions: list[Version], number: str) -> Version:
    if number in {"latest", "-1"}:
        return versions[-1]
    if not _is_number(number):
        raise Refusal(42202, f"The specified version '{number}' is not a valid version id.")
    for version in versions:
        if version.number == int(number):
            return version
    raise Refusal(40402, f"Version {number} not found.")


def _by_id(number: str) -> Version:
    version = committed.by_id().get(int(number)) if _is_number(number) else None
    if version is None:
        raise Refusal(40403, f"Schema {number} not found")
    return version


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX


def _same(versions: list[Version], body: bytes) -> Version | None:
    """The newest version that is the posted schema, documentation and defaults apart."""
    try:
        posted = json.loads(body)
        if posted.get("schemaType", "AVRO") != "AVRO" or posted.get("references"):
            return None
        mark = committed.fingerprint_of(json.loads(posted["schema"]))
    except committed.MALFORMED as error:
        raise Refusal(42201, f"Invalid Avro schema: {type(error).__name__}") from error
    return next((found for found in reversed(versions) if found.fingerprint == mark), None)


def _registered(subject: str, version: Version) -> dict[str, Any]:
    return {
        "subject": subject,
        "version": version.number,
        "id": version.schema_id,
        "schema": _text(version),
    }


def _text(version: Version) -> str:
    return json.dumps(version.source, separators=(",", ":"))
