-- The same grain as before: what was made by day of the request is one row again.

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
        COMMENT 'cost with idle, starting and loading time of the same machines and day, in currency',
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
    price_id, fact.price_per_hour AS price_per_hour, currency, refreshed_at
FROM fact
LEFT JOIN heddle.load_of_day AS basis ON basis.day = fact.day AND basis.stage = fact.stage
    AND basis.pool = fact.pool AND basis.device = fact.device
COMMENT 'One row per day, tenant, kind of pattern, stage, machine, kind of cost and price. Fresh to half a minute';
