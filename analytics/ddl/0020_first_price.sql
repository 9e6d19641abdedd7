-- The price that was applied first stays, of machine time as of shares: a replay under another book
-- changes neither. The tables of raw rows keep what the last reading of the book said.

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.rates_of_machines TO heddle.price_rates AS
SELECT
    cityHash64(day, toString(stage), toString(pool), toString(device)) AS rate,
    toDate(started_at, 'UTC') AS day, stage, pool, device, price_id, price_per_hour, currency,
    now64(3, 'UTC') AS noted_at
FROM heddle.raw_usage
GROUP BY day, stage, pool, device, price_id, price_per_hour, currency;

-- A tail that crosses midnights has the price of each of its days, so a stop brings those of all days
-- of the life. One that an older Heddle wrote has the price in force when it stopped.
ALTER TABLE heddle.raw_stops
    ADD COLUMN IF NOT EXISTS `prices.day` Array(Date),
    ADD COLUMN IF NOT EXISTS `prices.price_id` Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS `prices.price_per_hour` Array(Decimal(18, 9));

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.rates_of_stops TO heddle.price_rates AS
SELECT
    cityHash64(day, toString(stage), toString(pool), toString(device)) AS rate,
    one.1 AS day, stage, pool, device, one.2 AS price_id, one.3 AS price_per_hour, currency,
    now64(3, 'UTC') AS noted_at
FROM heddle.raw_stops
ARRAY JOIN arrayZip(`prices.day`, `prices.price_id`, `prices.price_per_hour`) AS one
GROUP BY day, stage, pool, device, price_id, price_per_hour, currency;

-- What an older Heddle wrote. Prices of shares were noted before, so they stay.
INSERT INTO heddle.price_rates
SELECT
    cityHash64(day, toString(stage), toString(pool), toString(device)) AS rate,
    toDate(started_at, 'UTC') AS day, stage, pool, device, price_id, price_per_hour, currency,
    now64(3, 'UTC') AS noted_at
FROM heddle.raw_usage FINAL
GROUP BY day, stage, pool, device, price_id, price_per_hour, currency;

INSERT INTO heddle.price_rates
SELECT
    cityHash64(day, toString(stage), toString(pool), toString(device)) AS rate,
    toDate(stopped_at, 'UTC') AS day, stage, pool, device, price_id, price_per_hour, currency,
    now64(3, 'UTC') AS noted_at
FROM heddle.raw_stops FINAL
GROUP BY day, stage, pool, device, price_id, price_per_hour, currency;

CREATE OR REPLACE VIEW heddle.machine_spans AS
SELECT
    incarnation, number, worker, stage, pool, device, model, version, state,
    if(price.price_id = '', own.price_id, price.price_id) AS price_id,
    if(price.price_id = '', own.price_per_hour, price.price_per_hour) AS price_per_hour,
    if(price.price_id = '', own.currency, price.currency) AS currency,
    started_at, since_us, us, of_forwards_us, of_parts_us
FROM (
    SELECT
        incarnation, toInt64(interval) AS number, worker, stage, pool, device, model, version,
        state, price_id, price_per_hour, currency, started_at,
        toUnixTimestamp64Milli(started_at) * 1000 AS since_us, raw_usage.duration_us AS us,
        arraySum(forwards.duration_us) AS of_forwards_us, arraySum(forwards.parts_us) AS of_parts_us
    FROM heddle.raw_usage FINAL
    UNION ALL
    SELECT
        incarnation, -1, worker, stage, pool, device, model, version, 'failed',
        price_id, price_per_hour, currency, toDateTime64(started_at, 3, 'UTC'),
        toUnixTimestamp64Micro(started_at), tails.duration_us, 0, 0
    FROM heddle.tails
) AS own
-- Where no price was noted for a day, the one that came with the row stands.
LEFT JOIN (SELECT rate, price_id, price_per_hour, currency FROM heddle.price_of_day) AS price
    ON price.rate = cityHash64(
        toDate(own.started_at, 'UTC'), toString(own.stage), toString(own.pool), toString(own.device)
    )
COMMENT 'One row per interval or day of an unreported tail, whose number is -1; never across a midnight (UTC)';

-- To the microsecond: a tail begins wherever the last report ended.
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
    max(since_us + toInt64(us)) - min(since_us) AS provisioned_us,
    toInt64(sum(us)) AS states_us,
    max(number) + 1 - uniqExactIf(number, number >= 0) AS missing
FROM heddle.machine_spans
GROUP BY incarnation
-- Intervals are told in whole milliseconds, so the span is known to one.
HAVING missing > 0 OR abs(provisioned_us - states_us) > 1000
COMMENT 'One row per worker life whose states do not sum to its provisioned time: must be empty';

-- Time of getting ready apart from time of waiting, both borne by the work of the day.
CREATE OR REPLACE VIEW heddle.load_of_day AS
WITH
    machines AS (
        SELECT
            day, stage, pool, device, sum(facts_machines.duration_us) AS all_us,
            sumIf(
                facts_machines.duration_us, state IN ('starting', 'loading', 'warming')
            ) AS ready_us
        FROM heddle.facts_machines GROUP BY day, stage, pool, device
    ),
    shares AS (
        SELECT day, stage, pool, device, sum(days_costs.duration_us) AS shared_us
        FROM heddle.days_costs GROUP BY day, stage, pool, device
    )
SELECT
    rate, price.day AS day, price.stage AS stage, price.pool AS pool, price.device AS device,
    toDecimal128(price.price_per_hour, 12) AS direct_per_hour,
    if(
        shared_us = 0, direct_per_hour,
        direct_per_hour * greatest(all_us, shared_us) / greatest(shared_us, 1)
    ) AS loaded_per_hour,
    if(
        shared_us = 0 OR all_us <= shared_us, toDecimal128(0, 12),
        direct_per_hour * least(ready_us, all_us - shared_us) / greatest(shared_us, 1)
    ) AS load_per_hour
FROM heddle.price_of_day AS price
LEFT JOIN machines ON machines.day = price.day AND machines.stage = price.stage
    AND machines.pool = price.pool AND machines.device = price.device
LEFT JOIN shares ON shares.day = price.day AND shares.stage = price.stage
    AND shares.pool = price.pool AND shares.device = price.device
COMMENT 'One row per day and kind of machine: an hour on both bases, and of the difference what getting ready took';

CREATE OR REPLACE VIEW heddle.daily_costs (
    day Date COMMENT 'UTC day of the machine time',
    tenant LowCardinality(String) COMMENT 'Empty where the pattern is not known yet',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    experiment LowCardinality(String) COMMENT 'Empty outside experiments',
    arm LowCardinality(String) COMMENT 'stable or canary',
    stage LowCardinality(String) COMMENT 'Whose machine time: generate, finish',
    pool LowCardinality(String) COMMENT 'Group of workers',
    device LowCardinality(String) COMMENT 'cpu, or the accelerator',
    kind LowCardinality(String)
        COMMENT 'direct: the attempt that was published; waste: any other; open: not decided yet',
    patterns UInt64 COMMENT 'Patterns with a share, to about one in a hundred where there are many',
    duration_us UInt64 COMMENT 'Microseconds of machine time',
    cost Decimal(38, 12) COMMENT 'duration_us at price_per_hour, in currency; direct basis',
    loaded_cost Decimal(38, 12)
        COMMENT 'cost + load_cost + idle_cost, in currency; loaded basis. Storage is in daily_storage alone',
    load_cost Decimal(38, 12)
        COMMENT 'Share of the starting, loading and warming time of the same machines and day, in currency',
    idle_cost Decimal(38, 12)
        COMMENT 'Share of all other time of theirs that was split over no pattern: idle, draining, failed, between forwards; in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book, as first applied',
    price_per_hour Decimal(18, 9) COMMENT 'Per hour of the device, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    refreshed_at DateTime64(3, 'UTC') COMMENT 'When these facts were made, UTC; freshness'
) AS
WITH fact AS (
    SELECT
        day, tenant, tier, model, version, recipe, experiment, arm, stage, pool, device, kind,
        price_id, price_per_hour, currency,
        sum(days_costs.patterns) AS patterns, sum(days_costs.duration_us) AS duration_us,
        min(days_costs.refreshed_at) AS refreshed_at
    FROM heddle.days_costs
    GROUP BY
        day, tenant, tier, model, version, recipe, experiment, arm, stage, pool, device, kind,
        price_id, price_per_hour, currency
)
SELECT
    fact.day AS day, tenant, tier, model, version, recipe, experiment, arm, fact.stage AS stage,
    fact.pool AS pool, fact.device AS device, kind, patterns, duration_us,
    toDecimal128(duration_us, 12) * fact.price_per_hour / 3600000000 AS cost,
    toDecimal128(duration_us, 0) * basis.loaded_per_hour / 3600000000 AS loaded_cost,
    toDecimal128(duration_us, 0) * basis.load_per_hour / 3600000000 AS load_cost,
    greatest(loaded_cost - cost - load_cost, toDecimal128(0, 12)) AS idle_cost,
    price_id, fact.price_per_hour AS price_per_hour, currency, refreshed_at
FROM fact
LEFT JOIN heddle.load_of_day AS basis ON basis.day = fact.day AND basis.stage = fact.stage
    AND basis.pool = fact.pool AND basis.device = fact.device
COMMENT 'One row per day, tenant, kind of pattern, stage, machine, kind of cost and price. Fresh to half a minute';
