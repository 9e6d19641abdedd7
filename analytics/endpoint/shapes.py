"""What a reader may say of an answer's shape: settings and output formats, each listed by name.

A prefix will not do. Seen on chDB 26.9, all as a reader, before there was this list:
`output_format_schema` wrote a file and `format_template_row` read one, both at any path;
`format_schema` with `format_schema_source = query` ran a query that the guard never saw;
`format_avro_schema_registry_url` made the engine call any address. So a new setting or format of
the engine is refused until somebody has read what it does and entered it here.

Not listed: settings of input; formats with a schema of their own (Protobuf, AvroConfluent), with
texts from files (Template), of other servers' wire protocols, and pictures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .faults import ACCESS_DENIED, BAD_ARGUMENTS, READONLY, fault
from .limits import reader_bounds, spill_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .limits import Limits

FORMS: Final = frozenset({
    "Arrow", "ArrowStream", "Avro", "BSONEachRow", "Buffers", "CSV", "CSVWithNames",
    "CSVWithNamesAndTypes", "CustomSeparated", "CustomSeparatedWithNames",
    "CustomSeparatedWithNamesAndTypes", "GeoJSON", "Hash", "HiveText", "JSON", "JSONColumns",
    "JSONColumnsWithMetadata", "JSONCompact", "JSONCompactColumns", "JSONCompactEachRow",
    "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes",
    "JSONCompactEachRowWithProgress", "JSONCompactStrings", "JSONCompactStringsEachRow",
    "JSONCompactStringsEachRowWithNames", "JSONCompactStringsEachRowWithNamesAndTypes",
    "JSONCompactStringsEachRowWithProgress", "JSONEachRow", "JSONEachRowWithProgress", "JSONL",
    "JSONLines", "JSONObjectEachRow", "JSONStrings", "JSONStringsEachRow",
    "JSONStringsEachRowWithProgress", "LineAsString", "LineAsStringWithNames",
    "LineAsStringWithNamesAndTypes", "MD", "Markdown", "MsgPack", "NDJSON", "Native", "Npy", "Null",
    "ORC", "Parquet", "Pretty", "PrettyCompact", "PrettyCompactMonoBlock", "PrettyCompactNoEscapes",
    "PrettyCompactNoEscapesMonoBlock", "PrettyJSONEachRow", "PrettyJSONLines", "PrettyMonoBlock",
    "PrettyNDJSON", "PrettyNoEscapes", "PrettyNoEscapesMonoBlock", "PrettySpace",
    "PrettySpaceMonoBlock", "PrettySpaceNoEscapes", "PrettySpaceNoEscapesMonoBlock", "Prometheus",
    "Raw", "RawBLOB", "RawWithNames", "RawWithNamesAndTypes", "RowBinary", "RowBinaryWithNames",
    "RowBinaryWithNamesAndTypes", "SQLInsert", "TSKV", "TSV", "TSVRaw", "TSVRawWithNames",
    "TSVRawWithNamesAndTypes", "TSVWithNames", "TSVWithNamesAndTypes", "TabSeparated",
    "TabSeparatedRaw", "TabSeparatedRawWithNames", "TabSeparatedRawWithNamesAndTypes",
    "TabSeparatedWithNames", "TabSeparatedWithNamesAndTypes", "Values", "Vertical", "XML",
})  # fmt: skip
"""Output formats that need neither a schema nor a file."""
SETTINGS: Final = frozenset({
    "bool_false_representation", "bool_true_representation", "cast_string_to_dynamic_use_inference",
    "date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands",
    "date_time_input_format", "date_time_output_format", "date_time_overflow_behavior", "extremes",
    "join_use_nulls", "limit", "max_block_size", "offset", "prefer_column_name_to_alias",
    "session_timezone", "use_query_condition_cache", "format_csv_allow_double_quotes",
    "format_csv_allow_single_quotes", "format_csv_delimiter", "format_csv_null_representation",
    "format_custom_escaping_rule", "format_custom_field_delimiter",
    "format_custom_result_after_delimiter", "format_custom_result_before_delimiter",
    "format_custom_row_after_delimiter", "format_custom_row_before_delimiter",
    "format_custom_row_between_delimiter", "format_geojson_validate_geometry",
    "format_hive_text_rows_delimiter", "format_json_object_each_row_column_for_object_name",
    "format_tsv_null_representation",
    "output_format_always_write_decimal_point_in_float_and_decimal",
    "output_format_decimal_trailing_zeros", "output_format_float_precision",
    "output_format_parallel_formatting", "output_format_trim_fixed_string",
    "output_format_write_statistics", "output_format_arrow_compression_method",
    "output_format_arrow_date_as_uint16", "output_format_arrow_fixed_string_as_fixed_byte_array",
    "output_format_arrow_low_cardinality_as_dictionary", "output_format_arrow_parallel_encoding",
    "output_format_arrow_record_batch_size", "output_format_arrow_record_batch_size_bytes",
    "output_format_arrow_string_as_string", "output_format_arrow_unsupported_types_as_binary",
    "output_format_arrow_use_64_bit_indexes_for_dictionary",
    "output_format_arrow_use_native_writer",
    "output_format_arrow_use_signed_indexes_for_dictionary",
    "output_format_arrow_uuid_as_fixed_byte_array", "output_format_arrow_variant_as_string",
    "output_format_avro_codec", "output_format_avro_string_column_pattern",
    "output_format_avro_sync_interval", "output_format_binary_encode_types_in_binary_format",
    "output_format_binary_write_json_as_string", "output_format_bson_string_as_string",
    "output_format_csv_crlf_end_of_line",
    "output_format_csv_header_serialize_tuple_into_separate_columns",
    "output_format_csv_serialize_tuple_into_separate_columns", "output_format_tsv_crlf_end_of_line",
    "output_format_json_array_of_rows", "output_format_json_escape_forward_slashes",
    "output_format_json_map_as_array_of_tuples", "output_format_json_named_tuples_as_objects",
    "output_format_json_pretty_print", "output_format_json_quote_64bit_floats",
    "output_format_json_quote_64bit_integers", "output_format_json_quote_decimals",
    "output_format_json_quote_denormals", "output_format_json_skip_null_value_in_named_tuples",
    "output_format_json_validate_utf8", "output_format_markdown_escape_special_characters",
    "output_format_msgpack_uuid_representation",
    "output_format_native_encode_types_in_binary_format",
    "output_format_native_use_flattened_dynamic_and_json_serialization",
    "output_format_native_write_json_as_string", "output_format_orc_compression_block_size",
    "output_format_orc_compression_method", "output_format_orc_dictionary_key_size_threshold",
    "output_format_orc_row_index_stride", "output_format_orc_string_as_string",
    "output_format_parquet_batch_size", "output_format_parquet_bloom_filter_bits_per_value",
    "output_format_parquet_bloom_filter_flush_threshold_bytes",
    "output_format_parquet_compression_method", "output_format_parquet_data_page_size",
    "output_format_parquet_date_as_uint16", "output_format_parquet_datetime_as_uint32",
    "output_format_parquet_enum_as_byte_array",
    "output_format_parquet_fixed_string_as_fixed_byte_array", "output_format_parquet_geometadata",
    "output_format_parquet_max_dictionary_size", "output_format_parquet_parallel_encoding",
    "output_format_parquet_row_group_size", "output_format_parquet_row_group_size_bytes",
    "output_format_parquet_string_as_string", "output_format_parquet_wide_integer_as_decimal",
    "output_format_parquet_write_bloom_filter", "output_format_parquet_write_checksums",
    "output_format_parquet_write_page_index", "output_format_pretty_color",
    "output_format_pretty_display_footer_column_names",
    "output_format_pretty_display_footer_column_names_min_rows",
    "output_format_pretty_fallback_to_vertical",
    "output_format_pretty_fallback_to_vertical_max_rows_per_chunk",
    "output_format_pretty_fallback_to_vertical_min_columns",
    "output_format_pretty_fallback_to_vertical_min_table_width", "output_format_pretty_glue_chunks",
    "output_format_pretty_grid_charset", "output_format_pretty_highlight_digit_groups",
    "output_format_pretty_highlight_trailing_spaces",
    "output_format_pretty_max_column_name_width_cut_to",
    "output_format_pretty_max_column_name_width_min_chars_to_cut",
    "output_format_pretty_max_column_pad_width", "output_format_pretty_max_rows",
    "output_format_pretty_max_value_width",
    "output_format_pretty_max_value_width_apply_for_single_value",
    "output_format_pretty_multiline_fields", "output_format_pretty_named_tuples_as_json",
    "output_format_pretty_row_numbers", "output_format_pretty_single_large_number_tip_threshold",
    "output_format_pretty_use_nbsp_for_padding", "output_format_sql_insert_include_column_names",
    "output_format_sql_insert_max_batch_size", "output_format_sql_insert_quote_names",
    "output_format_sql_insert_table_name", "output_format_sql_insert_use_replace",
    "output_format_values_escape_quote_with_quote",
})  # fmt: skip
"""Settings that shape an answer and reach nothing else; the engine checks their values."""
_MEANINGLESS: Final = re.compile(
    r"(?:async_insert|wait_for_async_insert|insert)(?:_\w+)?|use_query_cache|result_overflow_mode"
)
"""Drivers send them with every question (JDBC: async_insert); to a reader they mean nothing. The
engine's query cache belongs to everybody, and the overflow mode stays ours."""
_FORMS: Final = frozenset(form.lower() for form in FORMS)


def reader_settings(given: Mapping[str, str], limits: Limits) -> dict[str, str | int]:
    """Our limits, lowered where the reader asks for less. Raises Fault for any other setting."""
    bounds = reader_bounds(limits)
    settings: dict[str, str | int] = dict(bounds)
    for name, text in given.items():
        if name in bounds:
            settings[name] = min(bounds[name], _whole(name, text) or bounds[name])
        elif name in SETTINGS:
            settings[name] = text
        elif not _MEANINGLESS.fullmatch(name):
            raise fault(READONLY, f"Cannot modify '{name}' setting in readonly mode")
    settings["result_overflow_mode"] = "throw"
    return settings | spill_settings(limits)


def check_form(name: str) -> None:
    """Raise Fault unless readers may have answers in this format; case is the engine's concern."""
    if name.lower() not in _FORMS:
        raise fault(ACCESS_DENIED, f"format {name[:80]!r} is not for readers")


def _whole(name: str, text: str) -> int:
    try:
        return max(0, int(float(text)))
    except (ValueError, OverflowError):
        raise fault(BAD_ARGUMENTS, f"setting {name} is no number")
