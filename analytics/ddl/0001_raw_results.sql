-- One raw table per kind of record. The same event twice is one row (FINAL), whatever its offset,
-- so that a replay of any range changes nothing. No prompt is in any column: hash and length only.
-- fsync: an acknowledged insert survives a kill and a power cut.

CREATE TABLE IF NOT EXISTS heddle.raw_offsets (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(Delta, ZSTD),
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (_topic, _partition, _offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every offset that was recorded, for the audit of lost and doubled ones';

CREATE TABLE IF NOT EXISTS heddle.raw_requested (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    tier LowCardinality(String),
    lattice LowCardinality(String),
    repeat_width_um UInt32,
    repeat_height_um UInt32,
    variations UInt16,
    model LowCardinality(String),
    recipe LowCardinality(String),
    consent Bool,
    prompt_hash String,
    prompt_length UInt32,
    payload_hash String
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, payload_hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'PatternRequested: a wish for patterns';

CREATE TABLE IF NOT EXISTS heddle.raw_routed (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    variations UInt16,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    tier LowCardinality(String),
    pool LowCardinality(String),
    lattice LowCardinality(String),
    repeat_width_um UInt32,
    repeat_height_um UInt32,
    canvas_width_px UInt32,
    canvas_height_px UInt32,
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    consent Bool,
    experiment LowCardinality(String),
    arm LowCardinality(String),
    arm_probability Float64,
    epoch UInt64,
    prompt_hash String,
    prompt_length UInt32,
    payload_hash String,
    requested_at DateTime64(3, 'UTC'),
    seed UInt64,
    steps Nullable(UInt16),
    guidance Nullable(Float64),
    adapters Array(String)
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'PatternRouted: one pattern, everything decided';

CREATE TABLE IF NOT EXISTS heddle.raw_generated (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    variations UInt16,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    tier LowCardinality(String),
    pool LowCardinality(String),
    lattice LowCardinality(String),
    repeat_width_um UInt32,
    repeat_height_um UInt32,
    canvas_width_px UInt32,
    canvas_height_px UInt32,
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    consent Bool,
    experiment LowCardinality(String),
    arm LowCardinality(String),
    arm_probability Float64,
    epoch UInt64,
    prompt_hash String,
    prompt_length UInt32,
    payload_hash String,
    requested_at DateTime64(3, 'UTC'),
    generated_at DateTime64(3, 'UTC'),
    tile_bytes UInt64,
    attempt UInt8,
    steps UInt16,
    guidance Float64,
    seed UInt64,
    model_hash String,
    manifest_key String,
    gpu_us UInt64,
    batch_rows UInt16,
    batch_slot UInt16,
    adapters Array(String),
    gates Array(Tuple(name String, artefact String, figure Float64, `limit` Float64, passed Bool))
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'TileGenerated: a tile passed its own gates';

CREATE TABLE IF NOT EXISTS heddle.raw_published (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    variations UInt16,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    tier LowCardinality(String),
    pool LowCardinality(String),
    lattice LowCardinality(String),
    repeat_width_um UInt32,
    repeat_height_um UInt32,
    canvas_width_px UInt32,
    canvas_height_px UInt32,
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    consent Bool,
    experiment LowCardinality(String),
    arm LowCardinality(String),
    arm_probability Float64,
    epoch UInt64,
    prompt_hash String,
    prompt_length UInt32,
    payload_hash String,
    requested_at DateTime64(3, 'UTC'),
    generated_at DateTime64(3, 'UTC'),
    published_at DateTime64(3, 'UTC'),
    recipe_hash String,
    cpu_us UInt64,
    files UInt16,
    files_bytes UInt64,
    colours UInt16,
    attempt UInt8,
    steps UInt16,
    guidance Float64,
    seed UInt64,
    model_hash String,
    manifest_key String,
    gpu_us UInt64,
    batch_rows UInt16,
    batch_slot UInt16,
    adapters Array(String),
    gates Array(Tuple(name String, artefact String, figure Float64, `limit` Float64, passed Bool))
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'AssetPublished: the files of a pattern lie on the shelf';

CREATE TABLE IF NOT EXISTS heddle.raw_failed (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    variations UInt16,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    tier LowCardinality(String),
    pool LowCardinality(String),
    lattice LowCardinality(String),
    repeat_width_um UInt32,
    repeat_height_um UInt32,
    canvas_width_px UInt32,
    canvas_height_px UInt32,
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    consent Bool,
    experiment LowCardinality(String),
    arm LowCardinality(String),
    arm_probability Float64,
    epoch UInt64,
    prompt_hash String,
    prompt_length UInt32,
    payload_hash String,
    requested_at DateTime64(3, 'UTC'),
    failed_at DateTime64(3, 'UTC'),
    stage LowCardinality(String),
    outcome LowCardinality(String),
    reason String,
    field LowCardinality(String),
    limit_text String,
    attempts UInt8,
    gpu_us UInt64,
    gates Array(Tuple(name String, artefact String, figure Float64, `limit` Float64, passed Bool))
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'PatternFailed: a pattern, or with ordinal 0 a whole request, ended without an asset';

CREATE TABLE IF NOT EXISTS heddle.raw_completed (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    tenant LowCardinality(String),
    session Nullable(String),
    labels Map(String, String),
    variations UInt16,
    published Array(UInt16),
    failed Array(UInt16),
    cancelled Array(UInt16),
    expired Array(UInt16),
    completed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'RequestCompleted: the last pattern of a request has ended';
