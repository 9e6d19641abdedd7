-- One row per pattern that holds its machine time too, so that no question has to join tables of
-- the size of everything. As in 0003 every column is an aggregate that neither order nor repetition
-- of events can change; machine time is a set of shares, and a set takes each share once.

ALTER TABLE heddle.raw_usage
    ADD COLUMN IF NOT EXISTS piece UInt8
        COMMENT '1 for what lies after the midnight (UTC) that an interval crosses, else 0',
    MODIFY ORDER BY (incarnation, interval, event_id, piece);

CREATE TABLE IF NOT EXISTS heddle.usage_shares (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    piece UInt8,
    request_id String,
    ordinal UInt16,
    attempt UInt8,
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
ORDER BY (request_id, ordinal, event_id, piece, attempt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What one attempt of one pattern took of one interval; never across a midnight (UTC)';

-- The price of a kind of machine on a day, as first applied: a replay under another book changes
-- no cost. `rate` names (day, stage, pool, device); prices change at midnight only.
CREATE TABLE IF NOT EXISTS heddle.price_rates (
    rate UInt64,
    day Date,
    stage LowCardinality(String),
    pool LowCardinality(String),
    device LowCardinality(String),
    price_id LowCardinality(String),
    price_per_hour Decimal(18, 9),
    currency LowCardinality(String),
    noted_at SimpleAggregateFunction(min, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (rate, day, stage, pool, device, price_id, price_per_hour, currency)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Prices that were applied, and when first';

CREATE TABLE IF NOT EXISTS heddle.pattern_life (
    request_id String,
    ordinal UInt16,
    tenant SimpleAggregateFunction(max, LowCardinality(String)),
    is_known SimpleAggregateFunction(max, UInt8) COMMENT '1 once our own event named it',
    session SimpleAggregateFunction(max, Nullable(String)),
    labels SimpleAggregateFunction(max, Map(String, String)),
    variations SimpleAggregateFunction(max, UInt16),
    tier SimpleAggregateFunction(max, LowCardinality(String)),
    pool SimpleAggregateFunction(max, LowCardinality(String)),
    lattice SimpleAggregateFunction(max, LowCardinality(String)),
    repeat_width_um SimpleAggregateFunction(max, UInt32),
    repeat_height_um SimpleAggregateFunction(max, UInt32),
    canvas_width_px SimpleAggregateFunction(max, UInt32),
    canvas_height_px SimpleAggregateFunction(max, UInt32),
    model SimpleAggregateFunction(max, LowCardinality(String)),
    version SimpleAggregateFunction(max, LowCardinality(String)),
    recipe SimpleAggregateFunction(max, LowCardinality(String)),
    consent SimpleAggregateFunction(max, UInt8),
    experiment SimpleAggregateFunction(max, LowCardinality(String)),
    arm SimpleAggregateFunction(max, LowCardinality(String)),
    arm_probability SimpleAggregateFunction(max, Float64),
    epoch SimpleAggregateFunction(max, UInt64),
    prompt_hash SimpleAggregateFunction(max, String),
    prompt_length SimpleAggregateFunction(max, UInt32),
    payload_hash SimpleAggregateFunction(max, String),
    requested_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    routed_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    generated_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    published_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    attempt SimpleAggregateFunction(max, UInt8) COMMENT 'The one that passed, else 0',
    gpu_us SimpleAggregateFunction(max, UInt64) COMMENT 'As the result says; cost comes from usage',
    cpu_us SimpleAggregateFunction(max, UInt64),
    files SimpleAggregateFunction(max, UInt16),
    files_bytes SimpleAggregateFunction(max, UInt64),
    tile_bytes SimpleAggregateFunction(max, UInt64),
    ending SimpleAggregateFunction(max, String)
        COMMENT 'Lines: milliseconds, event id, outcome, stage, field, reason',
    words SimpleAggregateFunction(maxMap, Map(String, String))
        COMMENT 'By tenant, as the word named it; lines: milliseconds, event id, kind, reasons as JSON',
    spent SimpleAggregateFunction(
        groupUniqArrayArray, Array(Tuple(share UInt64, attempt UInt8, us UInt64, rate UInt64))
    ) COMMENT 'Shares of machine time; share names interval, piece and attempt'
)
ENGINE = AggregatingMergeTree
ORDER BY (request_id, ordinal)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per pattern; words and machine time of unknown patterns wait with is_known = 0';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_routed TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(_timestamp) AS routed_at
FROM heddle.raw_routed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_generated TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, attempt, gpu_us, tile_bytes
FROM heddle.raw_generated
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_published TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, toNullable(published_at) AS published_at,
    attempt, gpu_us, cpu_us, files, files_bytes
FROM heddle.raw_published
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_failed TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(failed_at)), 15, '0'), event_id,
        toString(outcome), toString(stage), toString(field), reason
    ]), '\n') AS ending
FROM heddle.raw_failed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_feedback TO heddle.pattern_life AS
SELECT
    request_id, ordinal,
    map(toString(tenant), arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(happened_at)), 15, '0'), event_id,
        toString(kind), toJSONString(reasons)
    ]), '\n')) AS words
FROM heddle.raw_feedback;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.life_of_shares TO heddle.pattern_life AS
SELECT
    request_id, ordinal,
    [(
        cityHash64(event_id, piece, attempt), attempt, duration_us,
        cityHash64(toDate(started_at, 'UTC'), toString(stage), toString(pool), toString(device))
    )] AS spent
FROM heddle.usage_shares;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.rates_of_shares TO heddle.price_rates AS
SELECT
    cityHash64(day, toString(stage), toString(pool), toString(device)) AS rate,
    toDate(started_at, 'UTC') AS day, stage, pool, device, price_id, price_per_hour, currency,
    now64(3, 'UTC') AS noted_at
FROM heddle.usage_shares
GROUP BY day, stage, pool, device, price_id, price_per_hour, currency;

-- What an older Heddle wrote: every row once more, for the new views behind the tables. The tables
-- fold the repetition, so that these may run again.
INSERT INTO heddle.raw_routed SELECT * FROM heddle.raw_routed FINAL
SETTINGS insert_deduplicate = 0;

INSERT INTO heddle.raw_generated SELECT * FROM heddle.raw_generated FINAL
SETTINGS insert_deduplicate = 0;

INSERT INTO heddle.raw_published SELECT * FROM heddle.raw_published FINAL
SETTINGS insert_deduplicate = 0;

INSERT INTO heddle.raw_failed SELECT * FROM heddle.raw_failed FINAL
SETTINGS insert_deduplicate = 0;

INSERT INTO heddle.raw_feedback SELECT * FROM heddle.raw_feedback FINAL
SETTINGS insert_deduplicate = 0;

INSERT INTO heddle.usage_shares
SELECT
    any(_topic), any(_partition), max(_offset), any(_timestamp), event_id, 0 AS piece,
    request_id, ordinal, attempt, sum(parts.duration_us), any(parts.started_at), any(worker),
    any(incarnation), any(interval), any(stage), any(pool), any(device), any(model), any(version),
    any(price_id), any(price_per_hour), any(currency)
FROM heddle.usage_parts AS parts FINAL
GROUP BY request_id, ordinal, event_id, attempt
SETTINGS insert_deduplicate = 0;
