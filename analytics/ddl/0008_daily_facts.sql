-- Daily facts: what dashboards read. The engine makes each of them anew from the rows above, whole,
-- and puts it in place of the old one in one step; half a minute after the last time it was done.
-- Made anew and never added to: whatever came late, twice or again is in them as it is in the rows.
-- On a cluster each replica makes its own, from its own copy of the rows.

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_machines
REFRESH AFTER 30 SECOND
ENGINE = MergeTree ORDER BY day
AS SELECT
    toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
    price_id, price_per_hour, currency,
    sum(raw_usage.duration_us) AS duration_us,
    sum(arraySum(forwards.duration_us)) AS forwards_us,
    sum(arraySum(forwards.parts_us)) AS parts_us,
    now64(3, 'UTC') AS refreshed_at
FROM heddle.raw_usage FINAL
GROUP BY day, stage, pool, device, model, version, state, price_id, price_per_hour, currency;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_costs
REFRESH AFTER 30 SECOND
ENGINE = MergeTree ORDER BY day
AS SELECT
    day, tenant, tier, model, version, recipe, experiment, arm, stage, pool, device, kind,
    price_id, price_per_hour, currency,
    uniq(request_id, ordinal) AS patterns,
    sum(spent_shares.us) AS duration_us,
    now64(3, 'UTC') AS refreshed_at
FROM heddle.spent_shares
GROUP BY
    day, tenant, tier, model, version, recipe, experiment, arm, stage, pool, device, kind,
    price_id, price_per_hour, currency;

-- What an hour of a kind of machine cost on a day, the hours in which it did nothing for a pattern
-- spread over those in which it did. Nobody bears the idle time of a day without any work.
CREATE OR REPLACE VIEW heddle.load_of_day AS
WITH
    machines AS (
        SELECT day, stage, pool, device, sum(facts_machines.duration_us) AS all_us
        FROM heddle.facts_machines GROUP BY day, stage, pool, device
    ),
    shares AS (
        SELECT day, stage, pool, device, sum(facts_costs.duration_us) AS shared_us
        FROM heddle.facts_costs GROUP BY day, stage, pool, device
    )
SELECT
    rate, price.day AS day, price.stage AS stage, price.pool AS pool, price.device AS device,
    toDecimal128(price.price_per_hour, 12) AS direct_per_hour,
    if(
        shared_us = 0, direct_per_hour,
        direct_per_hour * greatest(all_us, shared_us) / greatest(shared_us, 1)
    ) AS loaded_per_hour
FROM heddle.price_of_day AS price
LEFT JOIN machines ON machines.day = price.day AND machines.stage = price.stage
    AND machines.pool = price.pool AND machines.device = price.device
LEFT JOIN shares ON shares.day = price.day AND shares.stage = price.stage
    AND shares.pool = price.pool AND shares.device = price.device
COMMENT 'One row per day and kind of machine: an hour on both bases';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_patterns
REFRESH AFTER 30 SECOND
ENGINE = MergeTree ORDER BY day
AS WITH
    (
        SELECT (
            arrayConcat([toUInt64(0)], groupArray(rate)),
            arrayConcat([toDecimal128(0, 12)], groupArray(direct_per_hour)),
            arrayConcat([toDecimal128(0, 12)], groupArray(loaded_per_hour))
        )
        FROM heddle.load_of_day
    ) AS book,
    if(published_at IS NULL, -1, toInt32(attempt)) AS passed,
    arrayMap(one -> transform(one.rate, book.1, arrayEnumerate(book.1), 1), spent) AS places,
    arrayMap((one, place) -> toDecimal128(one.us, 0) * book.2[place], spent, places) AS money_of,
    arraySum(money_of) AS direct_priced,
    arraySum(
        (one, money) -> if(one.attempt = passed, toDecimal128(0, 12), money), spent, money_of
    ) AS lost_priced,
    arraySum((one, place) -> toDecimal128(one.us, 0) * book.3[place], spent, places)
        AS loaded_priced,
    (published_at IS NULL AND failure = '') AS is_open
SELECT
    toDate(requested_at, 'UTC') AS day, tenant, tier, model, version, recipe, experiment, arm,
    count() AS patterns,
    countIf(generated_at IS NOT NULL) AS generated,
    countIf(published_at IS NOT NULL) AS published,
    countIf(published_at IS NULL AND failure = 'failed') AS failed,
    countIf(published_at IS NULL AND failure = 'rejected') AS rejected,
    countIf(published_at IS NULL AND failure = 'cancelled') AS cancelled,
    countIf(published_at IS NULL AND failure = 'expired') AS expired,
    countIf(is_open) AS open,
    countIf(kind IN ('accepted', 'ordered', 'rejected')) AS judged,
    countIf(kind IN ('accepted', 'ordered')) AS accepted,
    countIf(kind = 'ordered') AS ordered,
    countIf(kind = 'rejected') AS turned_down,
    sum(arraySum(one -> one.us, spent)) AS machine_us,
    sum(arraySum(one -> if(is_open OR one.attempt = passed, 0, one.us), spent)) AS waste_us,
    sum(direct_priced) AS priced,
    sum(if(is_open, toDecimal128(0, 12), lost_priced)) AS waste_priced,
    sum(if(is_open, direct_priced, toDecimal128(0, 12))) AS open_priced,
    sum(loaded_priced) AS loaded_priced_sum,
    sum(if(published_at IS NULL, 0, files_bytes + tile_bytes)) AS stored_bytes,
    (SELECT max(price_of_day.currency) FROM heddle.price_of_day) AS currency,
    now64(3, 'UTC') AS refreshed_at
FROM heddle.lives
GROUP BY day, tenant, tier, model, version, recipe, experiment, arm;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_latency
REFRESH AFTER 30 SECOND
ENGINE = MergeTree ORDER BY day
AS SELECT
    toDate(requested_at, 'UTC') AS day, tenant, tier, span.1 AS stage, count() AS patterns,
    quantilesTDigestState(0.5, 0.95, 0.99)(toFloat32(assumeNotNull(span.2))) AS digest,
    max(span.2) AS max_ms,
    now64(3, 'UTC') AS refreshed_at
FROM heddle.lives
ARRAY JOIN [
    ('route', dateDiff('millisecond', requested_at, routed_at)),
    ('generate', dateDiff('millisecond', routed_at, generated_at)),
    ('finish', dateDiff('millisecond', generated_at, published_at)),
    ('total', dateDiff('millisecond', requested_at, published_at))
] AS span
WHERE span.2 IS NOT NULL AND toUnixTimestamp(requested_at) > 0
GROUP BY day, tenant, tier, stage;

CREATE OR REPLACE VIEW heddle.daily_patterns (
    day Date COMMENT 'UTC day on which the patterns were asked for; what happens later counts here too',
    tenant LowCardinality(String) COMMENT 'Whose patterns',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    experiment LowCardinality(String) COMMENT 'Empty outside experiments',
    arm LowCardinality(String) COMMENT 'stable or canary',
    patterns UInt64 COMMENT 'Patterns asked for and routed',
    generated UInt64 COMMENT 'Of those with a tile',
    published UInt64 COMMENT 'Of those with files on the shelf',
    failed UInt64 COMMENT 'Of those that ended as failed: the only end that counts against a model',
    rejected UInt64 COMMENT 'Of those that a stage refused',
    cancelled UInt64 COMMENT 'Of those stopped by a wish',
    expired UInt64 COMMENT 'Of those past their deadline',
    open UInt64 COMMENT 'Of those still under way',
    judged UInt64 COMMENT 'Patterns with a word that stands',
    accepted UInt64 COMMENT 'Patterns accepted or ordered',
    ordered UInt64 COMMENT 'Patterns ordered',
    turned_down UInt64 COMMENT 'Patterns that a person rejected',
    machine_us UInt64 COMMENT 'Microseconds of machine time, all attempts and stages',
    waste_us UInt64 COMMENT 'Microseconds of those on attempts that came to nothing',
    cost Decimal(38, 12) COMMENT 'Of machine_us, in currency; direct basis',
    waste_cost Decimal(38, 12) COMMENT 'Of waste_us, in currency; part of cost',
    open_cost Decimal(38, 12) COMMENT 'Of patterns still under way, in currency; part of cost',
    loaded_cost Decimal(38, 12)
        COMMENT 'cost with idle, starting and loading time of the same machines and day, in currency',
    stored_bytes UInt64 COMMENT 'Bytes on the shelf: tile and files of published patterns',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    refreshed_at DateTime64(3, 'UTC') COMMENT 'When these facts were made, UTC; freshness'
) AS
SELECT
    day, tenant, tier, model, version, recipe, experiment, arm, patterns, generated, published,
    failed, rejected, cancelled, expired, open, judged, accepted, ordered, turned_down,
    machine_us, waste_us, priced / 3600000000 AS cost, waste_priced / 3600000000 AS waste_cost,
    open_priced / 3600000000 AS open_cost, loaded_priced_sum / 3600000000 AS loaded_cost,
    stored_bytes, currency, refreshed_at
FROM heddle.facts_patterns
COMMENT 'One row per day of request, tenant, tier, model, version, recipe, experiment and arm. Fresh to half a minute';

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
SELECT
    fact.day AS day, tenant, tier, model, version, recipe, experiment, arm, fact.stage AS stage,
    fact.pool AS pool, fact.device AS device, kind, patterns, duration_us,
    toDecimal128(duration_us, 12) * fact.price_per_hour / 3600000000 AS cost,
    toDecimal128(duration_us, 0) * basis.loaded_per_hour / 3600000000 AS loaded_cost,
    price_id, fact.price_per_hour AS price_per_hour, currency, refreshed_at
FROM heddle.facts_costs AS fact
LEFT JOIN heddle.load_of_day AS basis ON basis.day = fact.day AND basis.stage = fact.stage
    AND basis.pool = fact.pool AND basis.device = fact.device
COMMENT 'One row per day, tenant, kind of pattern, stage, machine, kind of cost and price. Fresh to half a minute';

CREATE OR REPLACE VIEW heddle.daily_machines (
    day Date COMMENT 'UTC day; intervals are cut at midnight',
    stage LowCardinality(String) COMMENT 'generate, finish, ...',
    pool LowCardinality(String) COMMENT 'Group of workers',
    device LowCardinality(String) COMMENT 'cpu, or the accelerator',
    model LowCardinality(String) COMMENT 'Family, where one was loaded',
    version LowCardinality(String) COMMENT 'Version, where one was loaded',
    state LowCardinality(String)
        COMMENT 'starting, loading, warming, idle, busy, draining or failed',
    duration_us UInt64 COMMENT 'Microseconds in that state',
    forwards_us UInt64 COMMENT 'Microseconds of those in forwards',
    parts_us UInt64 COMMENT 'Microseconds of those split over patterns',
    cost Decimal(38, 12) COMMENT 'duration_us at price_per_hour, in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book',
    price_per_hour Decimal(18, 9) COMMENT 'Per hour of the device, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    refreshed_at DateTime64(3, 'UTC') COMMENT 'When these facts were made, UTC; freshness'
) AS
SELECT
    day, stage, pool, device, model, version, state, duration_us, forwards_us, parts_us,
    toDecimal128(duration_us, 12) * price_per_hour / 3600000000 AS cost,
    price_id, price_per_hour, currency, refreshed_at
FROM heddle.facts_machines
COMMENT 'One row per day, kind of machine, model, state and price. Fresh to half a minute';

CREATE OR REPLACE VIEW heddle.daily_latency (
    day Date COMMENT 'UTC day on which the patterns were asked for',
    tenant LowCardinality(String) COMMENT 'Whose patterns',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    stage LowCardinality(String)
        COMMENT 'route, generate, finish; total is from request to publication',
    patterns UInt64 COMMENT 'Patterns that passed the stage',
    p50_s Float64 COMMENT 'Seconds, waiting included; half of the patterns took less',
    p95_s Float64 COMMENT 'Seconds; 95 of 100 patterns took less, to about one in a hundred',
    p99_s Float64 COMMENT 'Seconds; 99 of 100 patterns took less',
    max_s Float64 COMMENT 'Seconds of the slowest',
    refreshed_at DateTime64(3, 'UTC') COMMENT 'When these facts were made, UTC; freshness'
) AS
SELECT
    day, tenant, tier, stage, patterns, finalizeAggregation(digest)[1] / 1000 AS p50_s,
    finalizeAggregation(digest)[2] / 1000 AS p95_s, finalizeAggregation(digest)[3] / 1000 AS p99_s,
    assumeNotNull(max_ms) / 1000 AS max_s, refreshed_at
FROM heddle.facts_latency
COMMENT 'One row per day of request, tenant, tier and stage. Fresh to half a minute';
