"""What shapes a reader's answer: listed settings and formats, none of which leads anywhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from analytics.endpoint.shapes import FORMS, SETTINGS
from tests.services.ledger_break_outs import MARK, Surroundings, surrounded
from tests.services.ledger_child import (
    READER_PASSWORD,
    TENANT_PASSWORDS,
    WRITER_PASSWORD,
    Ledger,
    running,
)

READERS = {
    "heddle_reader": READER_PASSWORD,
    "heddle_reader_acme": TENANT_PASSWORDS["acme"],
}
SCHEMA = 'syntax = "proto3"; message M { int32 x = 1; };'
WAYS_ROUND = [
    # Each was answered, to any reader, before settings and formats were listed.
    ("Protobuf", {"output_format_schema": "{folder}/stolen.proto"}),
    ("ProtobufList", {"output_format_schema": "{folder}/stolen.proto"}),
    ("Template", {"format_template_row": "{file}", "format_template_resultset_format": "${data}"}),
    ("Template", {"format_template_row_format": "${x:CSV}", "format_template_resultset": "{file}"}),
    ("Protobuf", {"format_schema": SCHEMA, "format_schema_source": "string",
                  "format_schema_message_name": "M"}),
    ("Protobuf", {"format_schema": "SELECT any(reason) FROM heddle.raw_failed",
                  "format_schema_source": "query", "format_schema_message_name": "M"}),
    ("Protobuf", {"format_schema": "SELECT toInt8(file('{file}'))",
                  "format_schema_source": "query", "format_schema_message_name": "M"}),
    ("AvroConfluent", {"format_avro_schema_registry_url": "http://127.0.0.1:{port}",
                       "output_format_avro_confluent_subject": "s"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as one:
        yield one


@pytest.fixture(scope="module")
def around(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with surrounded(ledger, tmp_path_factory.mktemp("around")) as made:
        # As a template it is a row, as a result set a head and a tail.
        made.file.write_text(f"{MARK} ${{x:CSV}}\n")
        yield made


def ask(
    ledger: Ledger, sql: str, settings: dict[str, str], user: str = "heddle_reader"
) -> httpx.Response:
    passwords = {**READERS, "heddle_writer": WRITER_PASSWORD}
    return httpx.post(
        ledger.url, params=settings, content=sql, auth=(user, passwords[user]), timeout=30
    )


@pytest.mark.parametrize("user", READERS)
@pytest.mark.parametrize(("form", "settings"), WAYS_ROUND)
def test_no_setting_leads_to_a_file_a_query_or_an_address(
    ledger: Ledger, around: Surroundings, form: str, settings: dict[str, str], user: str
) -> None:
    """The refusal names the setting; nothing is written, read or called."""
    given = {name: around.places(text) for name, text in settings.items()}
    found = ask(ledger, f"SELECT 1 AS x FORMAT {form}", given, user)
    assert (found.headers["X-ClickHouse-Exception-Code"], found.status_code) == ("164", 403)
    assert any(f"'{name}'" in found.text for name in settings)
    assert MARK not in found.text
    for name, text in given.items():
        assert ask(ledger, "SELECT 1", {name: text}, user).status_code == 403
    around.check_untouched()
    # Where the engine keeps what it made of a schema: beside the process, whose folder is ours.
    assert not Path("__cache__").exists()


def test_the_same_requests_reach_out_for_whoever_may_do_everything(
    ledger: Ledger, around: Surroundings
) -> None:
    """The refusals above are ours: to the writer, the engine writes, reads and calls."""
    try:
        for form, settings in WAYS_ROUND:
            if "format_schema" in settings:
                continue  # They would leave files in our own folder.
            given = {name: around.places(text) for name, text in settings.items()}
            text = ask(ledger, f"SELECT 1 AS x FORMAT {form}", given, "heddle_writer").text
            if "{file}" in str(settings):
                assert MARK in text
        assert list(around.folder.iterdir())
        assert around.listener.connections
    finally:
        around.clear()


@pytest.mark.parametrize("place", ["text", "quoted", "lower", "default_format", "header"])
@pytest.mark.parametrize("form", ["Template", "Protobuf", "AvroConfluent", "PNG", "no such"])
def test_a_format_is_refused_wherever_it_is_named(ledger: Ledger, form: str, place: str) -> None:
    """In the text, however it is written there, in the address and in a header; also of a list."""
    url, auth = ledger.url, ("heddle_reader", READER_PASSWORD)
    for sql in ("SELECT 1", "DESCRIBE TABLE patterns", "SHOW TABLES"):
        named = {"text": f"`{form}`" if " " in form else form, "quoted": f'"{form}"',
                 "lower": f"`{form.lower()}`"}  # fmt: skip
        if place in named:
            found = httpx.post(url, content=f"{sql} FORMAT {named[place]}", auth=auth)
        elif place == "header":
            found = httpx.post(url, content=sql, headers={"X-ClickHouse-Format": form}, auth=auth)
        else:
            found = httpx.post(url, content=sql, params={"default_format": form}, auth=auth)
        assert found.headers["X-ClickHouse-Exception-Code"] == "497"
        assert form.lower() in found.text.lower()


def test_every_format_of_the_engine_is_listed_or_refused(ledger: Ledger) -> None:
    """By the engine's own list, so that the next version's formats are refused until known."""
    sql = "SELECT name FROM system.formats WHERE is_output FORMAT TSV"
    known = set(ask(ledger, sql, {}, "heddle_writer").text.split())
    assert known >= FORMS
    for form in known:
        code = ask(ledger, f"SELECT 1 AS x FORMAT {form}", {}).headers.get(
            "X-ClickHouse-Exception-Code"
        )
        assert (code == "497") == (form not in FORMS), form


def test_every_setting_of_a_format_is_listed_or_refused(ledger: Ledger) -> None:
    """By the engine's own list; what is listed is known to it and taken by it."""
    sql = "SELECT name, value, tier FROM system.settings FORMAT JSONCompactEachRow"
    known = {row[0]: row for row in map(json.loads, ask(ledger, sql, {}).text.splitlines())}
    listed = {name: known[name][1] for name in SETTINGS}
    assert ask(ledger, "SELECT 1", listed).text == "1\n"
    assert not [name for name in listed if known[name][2] == "Obsolete"]
    others = [name for name in known if "format" in name and name not in SETTINGS]
    others.remove("default_format")  # A word of the protocol's, too.
    assert len(others) > 100
    for name in others:
        found = ask(ledger, "SELECT 1", {name: known[name][1]})
        assert f"'{name}'" in found.text
        assert found.headers["X-ClickHouse-Exception-Code"] == "164"


def test_settings_that_shape_an_answer_do_so(ledger: Ledger) -> None:
    """`offset` and `extremes` too, which once changed what the guard looked at."""
    sql = "SELECT arrayJoin([1, 2, 3]) AS n"
    assert ask(ledger, sql, {"limit": "2"}).text == "1\n2\n"
    assert ask(ledger, sql, {"offset": "2"}).text == "3\n"
    found = ask(ledger, f"{sql} FORMAT JSON", {"extremes": "1"}).json()
    assert found["extremes"] == {"min": {"n": 1}, "max": {"n": 3}}
    assert ask(ledger, "SELECT true", {"bool_true_representation": "yes"}).text == "yes\n"
    assert ask(ledger, "SELECT 'a', 1 FORMAT CSV", {"format_csv_delimiter": ";"}).text == '"a";1\n'
    assert ask(ledger, sql, {"use_query_cache": "1"}).text == "1\n2\n3\n"
    assert ask(ledger, "SELECT 1 FORMAT Null", {}).text == ""


def test_the_guard_sees_the_same_under_every_setting(ledger: Ledger, around: Surroundings) -> None:
    """No setting of a reader cuts short or colours what the guard reads of a question."""
    for name, text in (("limit", "1"), ("offset", "1"), ("extremes", "1"), ("max_block_size", "1"),
                       ("output_format_tsv_crlf_end_of_line", "1"),
                       ("format_tsv_null_representation", "QUERY")):  # fmt: skip
        for sql in ("SELECT file('{file}')", "SELECT * FROM file('{file}', 'LineAsString')",
                    "SELECT * FROM beside.plain", "SELECT * FROM heddle.raw_failed"):  # fmt: skip
            found = ask(ledger, around.places(sql), {name: text})
            assert found.headers["X-ClickHouse-Exception-Code"] == "497", (name, sql)
