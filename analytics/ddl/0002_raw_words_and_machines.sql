-- What people say, what machines use, what the books hold. As in 0001.

CREATE TABLE IF NOT EXISTS heddle.raw_feedback (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    tenant LowCardinality(String),
    kind LowCardinality(String),
    happened_at DateTime64(3, 'UTC'),
    reasons Array(LowCardinality(String)),
    reviewer Nullable(String)
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'FeedbackGiven: a person''s word on one pattern';

CREATE TABLE IF NOT EXISTS heddle.raw_cancel (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    request_id String,
    ordinal UInt16,
    tenant LowCardinality(String),
    happened_at DateTime64(3, 'UTC'),
    reason String
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, request_id, ordinal, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'CancelRequested: a wish to stop; ordinal 0 means every pattern of the request';

CREATE TABLE IF NOT EXISTS heddle.raw_usage (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    worker LowCardinality(String),
    incarnation String,
    interval UInt64,
    stage LowCardinality(String),
    pool LowCardinality(String),
    device LowCardinality(String),
    model LowCardinality(String),
    version LowCardinality(String),
    state LowCardinality(String),
    started_at DateTime64(3, 'UTC'),
    duration_us UInt64,
    forwards Nested(kind LowCardinality(String), duration_us UInt64, parts UInt16, parts_us UInt64),
    price_id LowCardinality(String),
    price_per_hour Decimal(18, 9),
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (incarnation, interval, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'UsageMeasured: machine time of one worker in one state';

CREATE TABLE IF NOT EXISTS heddle.usage_parts (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    forward UInt16,
    part UInt16,
    request_id String,
    ordinal UInt16,
    attempt UInt8,
    kind LowCardinality(String),
    duration_us UInt64,
    started_at DateTime64(3, 'UTC'),
    worker LowCardinality(String),
    incarnation String,
    interval UInt64,
    stage LowCardinality(String),
    pool LowCardinality(String),
    device LowCardinality(String),
    model LowCardinality(String),
    version LowCardinality(String),
    price_id LowCardinality(String),
    price_per_hour Decimal(18, 9),
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (request_id, ordinal, event_id, forward, part)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per part of a forward: what one attempt of one pattern took of the machine';

CREATE TABLE IF NOT EXISTS heddle.raw_tenants (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    tenant LowCardinality(String),
    changed_at DateTime64(3, 'UTC'),
    tiers Array(String),
    models Array(String),
    recipes Array(String),
    model Nullable(String),
    recipe Nullable(String),
    canvas_px_max Nullable(UInt32),
    variations_max Nullable(UInt16),
    consent Bool,
    active Bool
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (tenant, changed_at, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'TenantChanged: what a tenant may ask for';

CREATE TABLE IF NOT EXISTS heddle.raw_registry (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    family LowCardinality(String),
    epoch UInt64,
    kind LowCardinality(String),
    changed_at DateTime64(3, 'UTC'),
    version String,
    canary Nullable(String),
    share Float64,
    salt String,
    experiment Nullable(String),
    sha256 String,
    actor String,
    reason String
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (family, epoch, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'RegistryChanged: the pattern book, one entry per change';

CREATE TABLE IF NOT EXISTS heddle.raw_quarantine (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    record LowCardinality(String),
    tenant LowCardinality(String),
    subject_id String,
    field LowCardinality(String),
    `limit` String,
    reason String
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (_topic, event_id, field)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Events that were recorded nowhere else, and why';

CREATE TABLE IF NOT EXISTS heddle.price_book (
    price_id LowCardinality(String),
    device LowCardinality(String),
    pool LowCardinality(String),
    valid_from DateTime64(3, 'UTC'),
    per_hour Decimal(18, 9),
    currency LowCardinality(String),
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(noted_at)
ORDER BY (price_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'The price book as record read it';
