"""Where an INSERT's text ends: data may be any bytes, even bytes that look like SQL."""

from __future__ import annotations

import pytest

from analytics.endpoint.inserts import insert_head, is_insert


@pytest.mark.parametrize(
    ("text", "statement", "form", "data"),
    [
        (b"INSERT INTO t (a, b) FORMAT Native\n\x01\x02FORMAT x", "INSERT INTO t (a, b) ", "Native",
         b"\x01\x02FORMAT x"),
        (b"insert into t format CSV\n1,2\n", "insert into t ", "CSV", b"1,2\n"),
        (b"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t ", "CSV", b"1,2"),
        (b"INSERT INTO `format` (`FORMAT x`, \"b\") FORMAT TSV\r\nq",
         "INSERT INTO `format` (`FORMAT x`, \"b\") ", "TSV", b"q"),
        (b"-- FORMAT no\nINSERT INTO t /* FORMAT no */ FORMAT TSV\n",
         "-- FORMAT no\nINSERT INTO t /* FORMAT no */ ", "TSV", b""),
        (b"INSERT INTO t SETTINGS a = 'FORMAT x' FORMAT JSONEachRow\n{}",
         "INSERT INTO t SETTINGS a = 'FORMAT x' ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t FORMAT Native", "INSERT INTO t ", "Native", b""),
        (b"INSERT INTO t (a, format b, values) FORMAT TSV\nx",
         "INSERT INTO t (a, format b, values) ", "TSV", b"x"),
    ],
)  # fmt: skip
def test_text_and_data_are_told_apart(text: bytes, statement: str, form: str, data: bytes) -> None:
    """The first FORMAT outside quotes, comments and parentheses ends the text."""
    head = insert_head(text)
    assert head is not None
    assert (head.statement, head.form, text[head.data_at :]) == (statement, form, data)


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1, 'FORMAT Native')",
        b"INSERT INTO t SELECT 1 FORMAT Native",
        b"INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x",
    ],
)
def test_plain_statements_have_no_data(text: bytes) -> None:
    """VALUES and SELECT are the engine's business, whole."""
    assert insert_head(text) is None


def test_an_insert_is_known_by_its_first_word() -> None:
    """Comments and blanks before it do not hide it; other statements are none."""
    assert is_insert(b" \n-- c\n/* d */ insert into t")
    assert not is_insert(b"SELECT 'INSERT'")
    assert not is_insert(b"")
