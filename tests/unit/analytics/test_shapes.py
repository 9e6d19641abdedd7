"""The settings and formats a reader may name."""

from __future__ import annotations

import pytest

from analytics.endpoint.faults import Fault
from analytics.endpoint.limits import Limits, spill_settings
from analytics.endpoint.shapes import check_form, reader_settings


def test_readers_lower_limits_and_nothing_else() -> None:
    """The lower of the two counts, nought means ours, and other settings are refused."""
    limits = Limits(read_s_max=30)
    assert reader_settings({"max_execution_time": "5"}, limits)["max_execution_time"] == 5
    assert reader_settings({"max_execution_time": "60"}, limits)["max_execution_time"] == 30
    assert reader_settings({"max_execution_time": "0"}, limits)["max_execution_time"] == 30
    assert (
        reader_settings({"result_overflow_mode": "break"}, limits)["result_overflow_mode"]
        == "throw"
    )
    assert reader_settings({}, limits).items() >= spill_settings(limits).items()
    for name in (
        "readonly",
        "allow_ddl",
        "additional_table_filters",
        "max_memory_usage_for_user",
        *spill_settings(limits),
        "output_format_schema",
        "format_schema",
        "format_template_row",
        "format_avro_schema_registry_url",
        "output_format_some_day",
        "format_display_secrets_in_show_and_select",
    ):
        with pytest.raises(Fault, match=name):
            reader_settings({name: "1"}, limits)
    with pytest.raises(Fault, match="no number"):
        reader_settings({"max_threads": "many"}, limits)


def test_settings_without_meaning_are_taken_and_dropped() -> None:
    """Drivers send them unasked; the engine is not told, or one reader would fill everybody's
    cache."""
    bare = reader_settings({}, Limits())
    given = {"async_insert": "1", "use_query_cache": "1", "insert_deduplicate": "0"}
    assert reader_settings(given, Limits()) == bare


def test_formats_are_listed_by_name() -> None:
    """In any case, as the engine takes them; what is not on the list is refused with its name."""
    for form in ("JSON", "json", "Native", "RowBinaryWithNamesAndTypes", "Parquet", "TSV"):
        check_form(form)
    for form in ("Template", "protobuf", "AvroConfluent", "MySQLWire", "JSON ", ""):
        with pytest.raises(Fault, match="is not for readers") as refusal:
            check_form(form)
        assert (refusal.value.code, repr(form) in refusal.value.message) == (497, True)
