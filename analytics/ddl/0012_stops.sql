-- What a killed worker could not report: its supervisor noted when it stopped, and whatever lies
-- between the last interval that was recorded and that moment is machine time of state `failed`.
-- Worked out when asked, never stored: an interval that comes later takes its part back.

CREATE TABLE IF NOT EXISTS heddle.raw_stops (
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id String,
    worker LowCardinality(String),
    incarnation String,
    stage LowCardinality(String),
    pool LowCardinality(String),
    device LowCardinality(String),
    started_at DateTime64(3, 'UTC'),
    stopped_at DateTime64(3, 'UTC'),
    price_id LowCardinality(String),
    price_per_hour Decimal(18, 9),
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree(_offset)
ORDER BY (incarnation, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'UsageMeasured of state stopped: the life of a worker that could not say goodbye';

CREATE OR REPLACE VIEW heddle.tails AS
WITH
    reported AS (
        SELECT
            incarnation, argMax(raw_usage.model, interval) AS model,
            argMax(raw_usage.version, interval) AS version,
            max(toUnixTimestamp64Milli(raw_usage.started_at) * 1000 + toInt64(duration_us)) AS until_us
        FROM heddle.raw_usage FINAL
        WHERE incarnation IN (SELECT incarnation FROM heddle.raw_stops)
        GROUP BY incarnation
    ),
    stopped AS (
        SELECT
            stops.incarnation AS incarnation, worker, stage, pool, device, model, version,
            price_id, price_per_hour, currency, toUnixTimestamp64Milli(stopped_at) * 1000 AS to_us,
            greatest(toUnixTimestamp64Milli(started_at) * 1000, until_us) AS from_us
        FROM (SELECT * FROM heddle.raw_stops FINAL) AS stops
        LEFT JOIN reported ON reported.incarnation = stops.incarnation
    )
SELECT
    incarnation, worker, stage, pool, device, model, version, price_id, price_per_hour, currency,
    fromUnixTimestamp64Micro(one.1, 'UTC') AS started_at, toUInt64(one.2 - one.1) AS duration_us
FROM stopped
-- Cut at every midnight (UTC) between; the price is the one in force when it stopped.
ARRAY JOIN arrayMap(
    day -> (greatest(from_us, day * 86400000000), least(to_us, (day + 1) * 86400000000)),
    range(intDiv(from_us, 86400000000), intDiv(to_us - 1, 86400000000) + 1)
) AS one
WHERE to_us > from_us
COMMENT 'One row per day of an unreported tail';

CREATE OR REPLACE VIEW heddle.machine_time (
    day Date COMMENT 'UTC day; intervals are cut at midnight',
    stage LowCardinality(String) COMMENT 'generate, finish, ...',
    pool LowCardinality(String) COMMENT 'Group of workers',
    device LowCardinality(String) COMMENT 'cpu, or the accelerator',
    model LowCardinality(String) COMMENT 'Family, where one was loaded',
    version LowCardinality(String) COMMENT 'Version, where one was loaded',
    state LowCardinality(String)
        COMMENT 'starting, loading, warming, idle, busy, draining or failed; failed holds the unreported tail of killed workers',
    duration_us UInt64 COMMENT 'Microseconds in that state',
    forwards_us UInt64 COMMENT 'Microseconds of those in forwards',
    parts_us UInt64 COMMENT 'Microseconds of those split over patterns',
    cost Decimal(38, 12) COMMENT 'duration_us at price_per_hour, in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book',
    currency LowCardinality(String) COMMENT 'ISO 4217 code'
) AS
SELECT
    day, stage, pool, device, model, version, state, sum(us) AS duration_us,
    sum(of_forwards_us) AS forwards_us, sum(of_parts_us) AS parts_us,
    sum(toDecimal128(us, 12) * price_per_hour) / 3600000000 AS cost, price_id, currency
FROM (
    SELECT
        toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
        price_id, price_per_hour, currency, raw_usage.duration_us AS us,
        arraySum(forwards.duration_us) AS of_forwards_us, arraySum(forwards.parts_us) AS of_parts_us
    FROM heddle.raw_usage FINAL
    UNION ALL
    SELECT
        toDate(started_at, 'UTC'), stage, pool, device, model, version, 'failed',
        price_id, price_per_hour, currency, tails.duration_us, 0, 0
    FROM heddle.tails
)
GROUP BY day, stage, pool, device, model, version, state, price_id, currency
COMMENT 'One row per day, kind of machine, model, state and price';

DROP TABLE IF EXISTS heddle.facts_machines;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_machines
REFRESH AFTER 30 SECOND
ENGINE = MergeTree ORDER BY day
AS SELECT
    day, stage, pool, device, model, version, state, price_id, price_per_hour, currency,
    sum(us) AS duration_us, sum(of_forwards_us) AS forwards_us, sum(of_parts_us) AS parts_us,
    now64(3, 'UTC') AS refreshed_at
FROM (
    SELECT
        toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
        price_id, price_per_hour, currency, raw_usage.duration_us AS us,
        arraySum(forwards.duration_us) AS of_forwards_us, arraySum(forwards.parts_us) AS of_parts_us
    FROM heddle.raw_usage FINAL
    UNION ALL
    SELECT
        toDate(started_at, 'UTC'), stage, pool, device, model, version, 'failed',
        price_id, price_per_hour, currency, tails.duration_us, 0, 0
    FROM heddle.tails
)
GROUP BY day, stage, pool, device, model, version, state, price_id, price_per_hour, currency;

CREATE OR REPLACE VIEW heddle.audit_states (
    incarnation String COMMENT 'One life of a worker',
    worker LowCardinality(String) COMMENT 'Who measured',
    first_at DateTime64(3, 'UTC') COMMENT 'Start of its first interval, UTC',
    last_at DateTime64(3, 'UTC') COMMENT 'Start of its last interval, UTC',
    provisioned_us Int64
        COMMENT 'Microseconds from its first start to its last end, or to its stop as its supervisor saw it',
    states_us Int64 COMMENT 'Microseconds of all its states together, an unreported tail included',
    missing UInt64 COMMENT 'Interval numbers from 0 to the highest that were not recorded'
) AS
SELECT
    incarnation, any(of_worker) AS worker, min(since) AS first_at, max(since) AS last_at,
    max(toUnixTimestamp64Milli(since) * 1000 + us) - toUnixTimestamp64Milli(min(since)) * 1000
        AS provisioned_us,
    sum(us) AS states_us,
    max(number) + 1 - uniqExactIf(number, number >= 0) AS missing
FROM (
    SELECT
        incarnation, raw_usage.worker AS of_worker, started_at AS since, toInt64(duration_us) AS us,
        toInt64(interval) AS number
    FROM heddle.raw_usage FINAL
    UNION ALL
    SELECT incarnation, tails.worker, toDateTime64(started_at, 3, 'UTC'), toInt64(duration_us), -1
    FROM heddle.tails
)
GROUP BY incarnation
-- Event times have whole milliseconds, so the span is known to one.
HAVING missing > 0 OR abs(provisioned_us - states_us) > 1000
COMMENT 'One row per worker life whose states do not sum to its provisioned time: must be empty';
