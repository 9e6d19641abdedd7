-- Daily facts anew, of those days alone whose patterns have changed; the other days are taken over
-- as they were, and the whole is put in place of the old in one step. As in 0008 a day is made anew
-- from rows and never added to.
-- `seen` is the newest making of lives that one making of facts knew of. It may have ended after
-- this one took its rows, so the next one goes by the one before (`basis`).

DROP TABLE IF EXISTS heddle.facts_costs;

CREATE TABLE IF NOT EXISTS heddle.days_costs (
    asked_on Date COMMENT 'Day of the requests; the rows of one are made together',
    day Date,
    tenant LowCardinality(String),
    tier LowCardinality(String),
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    experiment LowCardinality(String),
    arm LowCardinality(String),
    rate UInt64,
    stage LowCardinality(String),
    pool LowCardinality(String),
    device LowCardinality(String),
    kind LowCardinality(String),
    price_id LowCardinality(String),
    price_per_hour Decimal(18, 9),
    currency LowCardinality(String),
    patterns UInt64,
    duration_us UInt64,
    refreshed_at DateTime64(3, 'UTC'),
    basis DateTime64(3, 'UTC'),
    seen DateTime64(3, 'UTC')
)
ENGINE MergeTree
ORDER BY (tenant, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What machine time was spent on';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_costs
REFRESH AFTER 20 SECOND TO heddle.days_costs
AS WITH
    (SELECT lives_made.at FROM heddle.lives_made) AS seen_now,
    (SELECT max(days_costs.seen) FROM heddle.days_costs) AS basis_now,
    (SELECT max(days_costs.basis) FROM heddle.days_costs) AS since,
    changed AS (
        SELECT DISTINCT lives_by_day.day AS of_day FROM heddle.lives_by_day
        WHERE lives_by_day.made_at > since
    )
SELECT
    life.day AS asked_on, price.day AS day, tenant, tier, model, version, recipe, experiment, arm,
    one.rate AS rate, price.stage AS stage, price.pool AS pool, price.device AS device,
    multiIf(
        published_at IS NOT NULL AND one.attempt = life.attempt, 'direct',
        published_at IS NULL AND failure = '', 'open',
        'waste'
    ) AS kind,
    price.price_id AS price_id, price.price_per_hour AS price_per_hour, price.currency AS currency,
    uniq(pattern) AS patterns, sum(one.us) AS duration_us,
    now64(3, 'UTC') AS refreshed_at, basis_now AS basis, seen_now AS seen
FROM (
    SELECT * FROM heddle.lives_by_day FINAL WHERE lives_by_day.day IN changed AND counts = 1
) AS life
ARRAY JOIN life.spent AS one
INNER JOIN heddle.price_of_day AS price ON price.rate = one.rate
GROUP BY
    asked_on, day, tenant, tier, model, version, recipe, experiment, arm, rate, stage, pool,
    device, kind, price_id, price_per_hour, currency
UNION ALL
SELECT
    asked_on, day, tenant, tier, model, version, recipe, experiment, arm, rate, stage, pool,
    device, kind, price_id, price_per_hour, currency, patterns, duration_us,
    now64(3, 'UTC'), basis_now, seen_now
FROM heddle.days_costs
WHERE asked_on NOT IN changed;

DROP TABLE IF EXISTS heddle.facts_patterns;

CREATE TABLE IF NOT EXISTS heddle.days_patterns (
    day Date,
    tenant LowCardinality(String),
    tier LowCardinality(String),
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    experiment LowCardinality(String),
    arm LowCardinality(String),
    patterns UInt64,
    generated UInt64,
    published UInt64,
    failed UInt64,
    rejected UInt64,
    cancelled UInt64,
    expired UInt64,
    open UInt64,
    judged UInt64,
    accepted UInt64,
    ordered UInt64,
    turned_down UInt64,
    machine_us UInt64,
    waste_us UInt64,
    priced Decimal(38, 12),
    waste_priced Decimal(38, 12),
    open_priced Decimal(38, 12),
    loaded_priced_sum Decimal(38, 12),
    stored_bytes UInt64,
    currency LowCardinality(String),
    refreshed_at DateTime64(3, 'UTC'),
    basis DateTime64(3, 'UTC'),
    seen DateTime64(3, 'UTC'),
    loads UInt64 COMMENT 'Hash of the loaded prices that the rows of this day were made with'
)
ENGINE MergeTree
ORDER BY (tenant, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What became of the patterns of a day, and what they cost';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_patterns
REFRESH AFTER 20 SECOND TO heddle.days_patterns
AS WITH
    (
        SELECT (
            arrayConcat([toUInt64(0)], groupArray(rate)),
            arrayConcat([toDecimal128(0, 12)], groupArray(direct_per_hour)),
            arrayConcat([toDecimal128(0, 12)], groupArray(loaded_per_hour))
        )
        FROM heddle.load_of_day
    ) AS book,
    (SELECT max(price_of_day.currency) FROM heddle.price_of_day) AS of_book,
    (SELECT lives_made.at FROM heddle.lives_made) AS seen_now,
    (SELECT max(days_patterns.seen) FROM heddle.days_patterns) AS basis_now,
    (SELECT max(days_patterns.basis) FROM heddle.days_patterns) AS since,
    loads_now AS (
        SELECT
            asked_on,
            sum(cityHash64(rate, book.3[transform(rate, book.1, arrayEnumerate(book.1), 1)])) AS loads
        FROM (SELECT DISTINCT asked_on, rate FROM heddle.days_costs)
        GROUP BY asked_on
    ),
    -- Idle time of a machine's day changes the loaded cost of every pattern it worked for.
    changed AS (
        SELECT DISTINCT lives_by_day.day AS of_day FROM heddle.lives_by_day
        WHERE lives_by_day.made_at > since
        UNION DISTINCT
        SELECT made.of_day
        FROM (
            SELECT days_patterns.day AS of_day, max(days_patterns.loads) AS loads
            FROM heddle.days_patterns GROUP BY of_day
        ) AS made
        LEFT JOIN loads_now ON loads_now.asked_on = made.of_day
        WHERE made.loads != loads_now.loads
    ),
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
    fact.day AS day, tenant, tier, model, version, recipe, experiment, arm,
    patterns, generated, published, failed, rejected, cancelled, expired, open, judged, accepted,
    ordered, turned_down, machine_us, waste_us, priced, waste_priced, open_priced,
    loaded_priced_sum, stored_bytes, of_book AS currency,
    now64(3, 'UTC') AS refreshed_at, basis_now AS basis, seen_now AS seen, loads_now.loads AS loads
FROM (
    SELECT
        day, tenant, tier, model, version, recipe, experiment, arm,
        count() AS patterns,
        countIf(generated_at IS NOT NULL) AS generated,
        countIf(published_at IS NOT NULL) AS published,
        countIf(failure = 'failed') AS failed,
        countIf(failure = 'rejected') AS rejected,
        countIf(failure = 'cancelled') AS cancelled,
        countIf(failure = 'expired') AS expired,
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
        sum(if(published_at IS NULL, 0, life.stored_bytes)) AS stored_bytes
    FROM (
        SELECT * FROM heddle.lives_by_day FINAL
        WHERE lives_by_day.day IN changed AND counts = 1 AND is_known = 1
    ) AS life
    GROUP BY day, tenant, tier, model, version, recipe, experiment, arm
) AS fact
LEFT JOIN loads_now ON loads_now.asked_on = fact.day
UNION ALL
SELECT
    day, tenant, tier, model, version, recipe, experiment, arm,
    patterns, generated, published, failed, rejected, cancelled, expired, open, judged, accepted,
    ordered, turned_down, machine_us, waste_us, priced, waste_priced, open_priced,
    loaded_priced_sum, stored_bytes, of_book, now64(3, 'UTC'), basis_now, seen_now, loads
FROM heddle.days_patterns
WHERE day NOT IN changed;

DROP TABLE IF EXISTS heddle.facts_latency;

CREATE TABLE IF NOT EXISTS heddle.days_latency (
    day Date,
    tenant LowCardinality(String),
    tier LowCardinality(String),
    stage LowCardinality(String),
    patterns UInt64,
    digest AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float32),
    max_ms Nullable(Int64),
    refreshed_at DateTime64(3, 'UTC'),
    basis DateTime64(3, 'UTC'),
    seen DateTime64(3, 'UTC')
)
ENGINE MergeTree
ORDER BY (tenant, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How long each stage took';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_latency
REFRESH AFTER 20 SECOND TO heddle.days_latency
AS WITH
    (SELECT lives_made.at FROM heddle.lives_made) AS seen_now,
    (SELECT max(days_latency.seen) FROM heddle.days_latency) AS basis_now,
    (SELECT max(days_latency.basis) FROM heddle.days_latency) AS since,
    changed AS (
        SELECT DISTINCT lives_by_day.day AS of_day FROM heddle.lives_by_day
        WHERE lives_by_day.made_at > since
    )
SELECT
    day, tenant, tier, span.1 AS stage, count() AS patterns,
    quantilesTDigestState(0.5, 0.95, 0.99)(toFloat32(assumeNotNull(span.2))) AS digest,
    max(span.2) AS max_ms,
    now64(3, 'UTC') AS refreshed_at, basis_now AS basis, seen_now AS seen
FROM (
    SELECT * FROM heddle.lives_by_day FINAL
    WHERE lives_by_day.day IN changed AND counts = 1 AND is_known = 1
) AS life
ARRAY JOIN [
    ('route', dateDiff('millisecond', requested_at, routed_at)),
    ('generate', dateDiff('millisecond', routed_at, generated_at)),
    ('finish', dateDiff('millisecond', generated_at, published_at)),
    ('total', dateDiff('millisecond', requested_at, published_at))
] AS span
WHERE span.2 IS NOT NULL AND toUnixTimestamp(requested_at) > 0
GROUP BY day, tenant, tier, stage
UNION ALL
SELECT
    day, tenant, tier, stage, patterns, digest, max_ms, now64(3, 'UTC'), basis_now, seen_now
FROM heddle.days_latency
WHERE day NOT IN changed;
