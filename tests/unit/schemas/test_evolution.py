"""FULL_TRANSITIVE: what we commit, what we would refuse to commit, and what we refuse to decode."""

from __future__ import annotations

import copy
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas import avsc, committed
from schemas.committed import Version
from schemas.errors import Undecodable
from schemas.evolution import DEPTH_MAX, FIXED_BYTES_MAX, NODES_MAX, dangers, problems
from schemas.records import RECORDS

FOREVER = {
    "PatternRequested.v1": "3b1bfc2000d9bc33",
    "PatternRouted.v1": "93b475af2300dbfb",
    "TileGenerated.v1": "3037eba42ae73094",
    "AssetPublished.v1": "210293c8becdc277",
    "PatternFailed.v1": "5caf6b657c5cbb6f",
    "PatternFailed.v2": "387e623668a5f42f",
    "RequestCompleted.v1": "9956dc0011ec5956",
    "FeedbackGiven.v1": "2f8a01d533966e66",
    "CancelRequested.v1": "16d93ca008c24b19",
    "UsageMeasured.v1": "d25ba5beb40707e1",
    "TenantChanged.v1": "2399c1b2e53e7153",
    "RegistryChanged.v1": "d9a45385cd7fef26",
}
"""First digits of each version's fingerprint. A line here never changes: others hold such data."""


def pairs() -> list[Any]:
    """Every ordered pair of versions of one record."""
    found = []
    for one, other in itertools.product(committed.versions(), repeat=2):
        if one.record == other.record:
            name = f"{one.record} v{one.number} reads v{other.number}"
            found.append(pytest.param(one, other, id=name))
    return found


@pytest.mark.parametrize(("reader", "writer"), pairs())
def test_every_version_reads_every_other(reader: Version, writer: Version) -> None:
    """Committed schemas are FULL_TRANSITIVE: any version reads what any other wrote."""
    assert problems(reader.source, writer.source) == []


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_the_code_is_what_is_committed(kind: type) -> None:
    """`python -m schemas.avsc` has nothing to do: dataclasses and newest schemas are the same."""
    assert avsc.schema_of(kind) == committed.newest(kind.__name__).source


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    """The generator gives the committed files byte for byte, ids included."""
    folder = tmp_path / "avro"
    shutil.copytree(avsc.FOLDER, folder)
    assert avsc.write(folder) == []
    for path in avsc.FOLDER.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_change_makes_a_version_and_leaves_the_old(tmp_path: Path) -> None:
    """Where the newest committed schema differs from the code, the next version gets a new id."""
    folder = tmp_path / "avro"
    shutil.copytree(avsc.FOLDER, folder)
    path = folder / "CancelRequested.v1.avsc"
    older = json.loads(path.read_text())
    older["fields"] = [column for column in older["fields"] if column["name"] != "reason"]
    path.write_text(json.dumps(older))
    assert avsc.write(folder) == ["CancelRequested.v2.avsc"]
    assert json.loads(path.read_text()) == older
    ids = json.loads((folder / "ids.json").read_text())
    used = [number for versions in ids.values() for number in versions.values()]
    assert ids["CancelRequested"]["2"] == max(used)
    assert len(set(used)) == len(used)
    assert avsc.write(folder) == []


def test_ids_are_given_once() -> None:
    """No two versions share an id, and every record has version 1."""
    versions = committed.versions()
    assert len(committed.by_id()) == len(versions)
    assert {v.record for v in versions if v.number == 1} == {kind.__name__ for kind in RECORDS}


def test_a_committed_version_never_changes() -> None:
    """Every version ever committed is still what it was: change means a next version."""
    found = {f"{v.record}.v{v.number}": v.fingerprint[:16] for v in committed.versions()}
    assert found == FOREVER


def record(*fields: Any, name: str = "A") -> dict[str, Any]:
    """A record schema."""
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    """A field of it."""
    return {"name": name, "type": kind, **more}


BASE = record(field("a", "string"), field("n", "long", default=0))
ENUM_AB = {"type": "enum", "name": "E", "symbols": ["a", "b"]}
ENUM_A = {"type": "enum", "name": "E", "symbols": ["a"]}
ENUM_A_DEFAULT = {**ENUM_A, "default": "a"}


@pytest.mark.parametrize(
    ("reader", "writer", "found"),
    [
        (BASE, BASE, ""),
        (record(*BASE["fields"], field("b", "string", default="")), BASE, ""),
        (BASE, record(*BASE["fields"], field("b", "string")), ""),
        (record(*BASE["fields"], field("b", "string")), BASE, "b: missing"),
        (record(field("a", "string")), record(field("A", "string")), "a: missing"),
        (record(field("a", "long")), record(field("a", "string")), "a: string cannot"),
        (record(field("a", "long")), record(field("a", "int")), ""),
        (record(field("a", "int")), record(field("a", "long")), "a: long cannot"),
        (record(field("a", "double")), record(field("a", "long")), ""),
        (record(field("a", "float")), record(field("a", "double")), "a: double cannot"),
        (record(field("a", "long")), record(field("a", "float")), "a: float cannot"),
        (record(field("a", "bytes")), record(field("a", "string")), ""),
        (record(field("a", ["null", "string"])), record(field("a", "string")), ""),
        (record(field("a", "string")), record(field("a", ["null", "string"])), "null cannot"),
        (record(field("a", ["null", "long"])), record(field("a", "string")), "no branch"),
        (record(field("a", ["null", "long"])), record(field("a", ["null", "int"])), ""),
        (
            record(field("a", {"type": "array", "items": "long"})),
            record(field("a", {"type": "array", "items": "string"})),
            r"a\[\]: string cannot",
        ),
        (
            record(field("a", {"type": "map", "values": "long"})),
            record(field("a", {"type": "map", "values": "string"})),
            r"a\{\}: string cannot",
        ),
        (
            record(field("a", {"type": "array", "items": "long"})),
            record(field("a", {"type": "map", "values": "long"})),
            "a: map cannot",
        ),
        (record(field("e", ENUM_AB)), record(field("e", ENUM_A)), ""),
        (record(field("e", ENUM_A)), record(field("e", ENUM_AB)), "unknown to the reader"),
        (record(field("e", ENUM_A_DEFAULT)), record(field("e", ENUM_AB)), ""),
        (
            record(field("f", {"type": "fixed", "name": "F", "size": 4})),
            record(field("f", {"type": "fixed", "name": "F", "size": 8})),
            "another size",
        ),
        (record(name="A"), record(name="B"), "record B cannot"),
        (record(field("r", record(name="x.B"))), record(field("r", record(name="y.B"))), ""),
        (
            record(field("one", record(field("v", "int"), name="B")), field("two", "B")),
            record(field("one", record(field("v", "int"), name="B")), field("two", "string")),
            "two: string cannot",
        ),
        (
            record(field("t", {"type": "long", "logicalType": "timestamp-millis"})),
            record(field("t", "long")),
            "",
        ),
    ],
)
def test_resolution_follows_the_specification(reader: Any, writer: Any, found: str) -> None:
    """Each rule of Avro's schema resolution, both where it holds and where it does not."""
    texts = problems(reader, writer)
    assert bool(texts) == bool(found), texts
    assert re.search(found, " ".join(texts))


def deep(levels: int) -> Any:
    """Arrays in arrays."""
    inner: Any = "int"
    for _ in range(levels):
        inner = {"type": "array", "items": inner}
    return inner


def doubling(levels: int) -> Any:
    """Each record holds the one before twice: short to write, endless to follow."""
    inner: Any = record(name="L0")
    for level in range(1, levels):
        inner = record(field("a", inner), field("b", f"L{level - 1}"), name=f"L{level}")
    return inner


NOTHING = record(name="Nothing")
BOMBS = [
    pytest.param(record(field("a", ["null", "A"])), "recursive type A", id="itself"),
    pytest.param(
        record(field("b", record(field("a", "A"), name="B"))), "recursive type A", id="by another"
    ),
    pytest.param(
        record(field("a", {"type": "array", "items": "A"})), "recursive type A", id="by an array"
    ),
    pytest.param(
        record(field("a", {"type": "map", "values": "A"})), "recursive type A", id="by a map"
    ),
    pytest.param({"type": "array", "items": "null"}, "no bytes", id="nulls"),
    pytest.param({"type": "array", "items": NOTHING}, "no bytes", id="empty records"),
    pytest.param(
        {"type": "array", "items": record(field("n", "null"), field("m", NOTHING))},
        "no bytes",
        id="records of nulls",
    ),
    pytest.param(
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
        "no bytes",
        id="fixed of nothing",
    ),
    pytest.param(
        {"type": "map", "values": {"type": "array", "items": "null"}}, "no bytes", id="inside a map"
    ),
    pytest.param(
        {"type": "fixed", "name": "F", "size": FIXED_BYTES_MAX + 1}, "fixed of", id="huge fixed"
    ),
    pytest.param(deep(DEPTH_MAX + 1), "deeper than", id="deep"),
    pytest.param(doubling(25), f"more than {NODES_MAX} types", id="doubling"),
    pytest.param("Nobody", "unknown type", id="unknown name"),
    pytest.param({"type": "gadget"}, "unknown type", id="unknown type"),
    pytest.param(
        record(
            field("safe", record(field("v", "int"), name="x.Item")),
            field("a", {"type": "array", "items": record(name="y.Item")}),
        ),
        "two types are called Item",
        id="one name, two types",
    ),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("schema", "why"), BOMBS)
def test_bombs_are_seen(schema: Any, why: str) -> None:
    """A schema that could harm a decoder is named as such, and looking at it does no harm."""
    assert any(why in text for text in dangers(schema)), dangers(schema)


@pytest.mark.parametrize(("schema", "why"), BOMBS)
def test_bombs_are_not_accepted_inside_a_record_of_ours(schema: Any, why: str) -> None:
    """Hidden in an added field, which resolution alone would let pass, it is still refused."""
    del why
    writer = copy.deepcopy(committed.newest("CancelRequested").source)
    writer["fields"].append(field("more", schema))
    with pytest.raises(Undecodable) as refused:
        committed.accept(json.dumps(writer), record="CancelRequested")
    assert refused.value.field == "schema id"


@pytest.mark.parametrize("version", committed.versions(), ids=lambda v: f"{v.record}.v{v.number}")
def test_ours_hold_no_danger(version: Version) -> None:
    """What we commit passes the same look, with room to grow."""
    assert dangers(version.source) == []


SOURCE = committed.newest("CancelRequested").source


def altered(**fields: Any) -> dict[str, Any]:
    """CancelRequested with some fields of another type, or gone where None."""
    writer = copy.deepcopy(SOURCE)
    kept = [column for column in writer["fields"] if fields.get(column["name"], "") is not None]
    for column in kept:
        if column["name"] in fields:
            column["type"] = fields[column["name"]]
            column.pop("default", None)
    writer["fields"] = kept
    return writer


def test_a_committed_schema_is_accepted_as_itself() -> None:
    """By canonical fingerprint, whatever the documentation says: the parsed one we hold."""
    bare = avsc.without_docs(SOURCE)
    accepted = committed.accept(json.dumps(bare), record="CancelRequested")
    assert accepted is committed.newest("CancelRequested").parsed


def test_a_compatible_schema_is_accepted() -> None:
    """Added fields with unions, promoted numbers and missing defaults resolve."""
    writer = altered(ordinal="int", reason=None)
    writer["fields"].insert(0, field("mood", ["null", "string"], default=None))
    assert committed.accept(json.dumps(writer), record="CancelRequested")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param(json.dumps(altered(tenant=None)), ".tenant: missing", id="missing"),
        pytest.param(json.dumps(altered(ordinal="string")), ".ordinal: string", id="type"),
        pytest.param(json.dumps({**SOURCE, "name": "Other"}), ".: record Other", id="name"),
        pytest.param(json.dumps("string"), ".: string", id="no record"),
        pytest.param("", "not a valid", id="empty"),
        pytest.param("{", "not a valid", id="no JSON"),
        pytest.param("[" * 100_000, "not a valid", id="brackets"),
        pytest.param("1" * 10_000, "not a valid", id="digits"),
        pytest.param(json.dumps({"type": "record"}), "not a valid", id="no fields"),
        pytest.param(json.dumps(altered(reason={"type": ["null", 5]})), "unknown", id="number"),
        pytest.param(
            json.dumps({**SOURCE, "fields": [*SOURCE["fields"], field("x", "int", default="")]}),
            "not a valid",
            id="default of another type",
        ),
        pytest.param(" " * (committed.SCHEMA_BYTES_MAX + 1), "schema longer", id="too long"),
    ],
)
def test_other_schemas_are_refused(text: str, limit: str) -> None:
    """A writer schema that does not resolve is refused before anything is decoded, saying why."""
    with pytest.raises(Undecodable) as refused:
        committed.accept(text, record="CancelRequested")
    assert refused.value.limit.startswith(limit)
