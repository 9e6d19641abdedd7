-- Intervals as workers told them and the tails that killed ones could not, as one view: three read it.

CREATE OR REPLACE VIEW heddle.machine_spans AS
SELECT
    incarnation, toInt64(interval) AS number, worker, stage, pool, device, model, version, state,
    price_id, price_per_hour, currency, started_at, raw_usage.duration_us AS us,
    arraySum(forwards.duration_us) AS of_forwards_us, arraySum(forwards.parts_us) AS of_parts_us
FROM heddle.raw_usage FINAL
UNION ALL
SELECT
    incarnation, -1, worker, stage, pool, device, model, version, 'failed',
    price_id, price_per_hour, currency, toDateTime64(started_at, 3, 'UTC'), tails.duration_us, 0, 0
FROM heddle.tails
COMMENT 'One row per interval or day of an unreported tail, whose number is -1; never across a midnight (UTC)';

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
    toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
    sum(us) AS duration_us, sum(of_forwards_us) AS forwards_us, sum(of_parts_us) AS parts_us,
    sum(toDecimal128(us, 12) * price_per_hour) / 3600000000 AS cost, price_id, currency
FROM heddle.machine_spans
GROUP BY day, stage, pool, device, model, version, state, price_id, currency
COMMENT 'One row per day, kind of machine, model, state and price';

DROP TABLE IF EXISTS heddle.facts_machines;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_machines
REFRESH AFTER 20 SECOND
ENGINE = MergeTree ORDER BY day
AS SELECT
    toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
    price_id, price_per_hour, currency,
    sum(us) AS duration_us, sum(of_forwards_us) AS forwards_us, sum(of_parts_us) AS parts_us,
    now64(3, 'UTC') AS refreshed_at
FROM heddle.machine_spans
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
    incarnation, any(machine_spans.worker) AS worker, min(started_at) AS first_at,
    max(started_at) AS last_at,
    max(toUnixTimestamp64Milli(started_at) * 1000 + toInt64(us))
        - toUnixTimestamp64Milli(min(started_at)) * 1000 AS provisioned_us,
    toInt64(sum(us)) AS states_us,
    max(number) + 1 - uniqExactIf(number, number >= 0) AS missing
FROM heddle.machine_spans
GROUP BY incarnation
-- Event times have whole milliseconds, so the span is known to one.
HAVING missing > 0 OR abs(provisioned_us - states_us) > 1000
COMMENT 'One row per worker life whose states do not sum to its provisioned time: must be empty';
