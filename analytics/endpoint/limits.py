"""Every bound of the ledger process, by name, and the engine's settings that keep readers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds per process, per connection and per query. Times as named."""

    connections_max: int = 64
    """Open sockets; the next one gets 503 and is closed."""
    reads_max: int = 4
    """Questions of readers that run at the same time."""
    writes_max: int = 4
    """Statements of the writer that run at the same time, beside all reads."""
    wait_ms_max: int = 10_000
    """How long a query waits for a free place before it is told to come back."""
    idle_s_max: int = 30
    """A connection that says nothing for so long is closed."""
    body_bytes_max: int = 256 * MIB
    """Of one request, after decompression."""
    statement_bytes_max: int = MIB
    """SQL text, without the data of an insert."""
    read_s_max: int = 30
    write_s_max: int = 120
    memory_bytes_max: int = 1536 * MIB
    """Of the whole process, as the engine counts it."""
    read_memory_bytes_max: int = 512 * MIB
    """Of one question."""
    read_spill_bytes_min: int = 192 * MIB
    """Groups or a sort of one question that take more memory go on in files."""
    read_spill_bytes_max: int = 4096 * MIB
    """Of those files."""
    read_threads_max: int = 2
    write_threads_max: int = 2
    scanned_rows_max: int = 200_000_000
    result_rows_max: int = 1_000_000
    result_bytes_max: int = 256 * MIB
    audit_s_min: int = 60
    """Between two looks of the audits, also where one of them failed."""
    drain_s_max: int = 4
    """How long a stop waits for running statements before it kills them."""
    cache_bytes_max: int = 32 * MIB
    """Of each of the engine's caches."""
    merges_max: int = 2
    """Merges of parts that run at the same time, over all tables."""
    merged_parts_max: int = 6
    """Of one merge. It holds buffers of every column of each, 34 MiB for a part of `pattern_life`;
    a hundred, as the engine would take, are more than the whole process may have."""


_READERS: Final = {
    "max_execution_time": "read_s_max",
    "max_memory_usage": "read_memory_bytes_max",
    "max_threads": "read_threads_max",
    "max_rows_to_read": "scanned_rows_max",
    "max_result_rows": "result_rows_max",
    "max_result_bytes": "result_bytes_max",
}
"""By the engine's setting."""


def reader_bounds(limits: Limits) -> dict[str, int]:
    """Of one question; a reader may lower each."""
    return {name: getattr(limits, limit) for name, limit in _READERS.items()}


def spill_settings(limits: Limits) -> dict[str, int]:
    """Groups and sorts larger than a share of a question's memory go on in files, bounded too."""
    return {
        "max_bytes_before_external_group_by": limits.read_spill_bytes_min,
        "max_bytes_before_external_sort": limits.read_spill_bytes_min,
        "max_temporary_data_on_disk_size_for_query": limits.read_spill_bytes_max,
    }
