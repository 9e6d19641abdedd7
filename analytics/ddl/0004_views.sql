-- The documented views: what others may rely on. Tables may change, these only grow.
-- Times are UTC. Time spans are whole microseconds (event times have whole milliseconds).
-- Money is Decimal, per-hour prices are stored on every row and never looked up later.

CREATE OR REPLACE VIEW heddle.patterns (
    tenant LowCardinality(String) COMMENT 'Whose pattern',
    request_id String COMMENT 'The request it came from',
    ordinal UInt16 COMMENT '1 to variations',
    pattern_id String COMMENT 'request_id.ordinal',
    variations UInt16 COMMENT 'Patterns of the request',
    session Nullable(String) COMMENT 'Unit of the canary draw, where given',
    labels Map(String, String) COMMENT 'As the producer set them',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    pool LowCardinality(String) COMMENT 'Group of workers that took it',
    lattice LowCardinality(String) COMMENT 'straight, half-drop or brick',
    repeat_width_um UInt32 COMMENT 'Micrometres, single unit before the drop',
    repeat_height_um UInt32 COMMENT 'Micrometres, single unit before the drop',
    canvas_width_px UInt32 COMMENT 'Pixels of the generated tile',
    canvas_height_px UInt32 COMMENT 'Pixels of the generated tile',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    experiment LowCardinality(String) COMMENT 'Empty outside experiments',
    arm LowCardinality(String) COMMENT 'stable or canary',
    arm_probability Float64 COMMENT 'Of the arm drawn',
    epoch UInt64 COMMENT 'Share epoch that decided the arm',
    consent Bool COMMENT 'Training on it is allowed',
    prompt_hash String COMMENT 'SHA-256 or keyed digest; the prompt itself is nowhere here',
    prompt_length UInt32 COMMENT 'Characters; 0 for a sealed prompt',
    requested_at DateTime64(3, 'UTC') COMMENT 'Broker time of the request',
    routed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Broker time',
    generated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time',
    published_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time',
    failed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'NULL once published',
    outcome LowCardinality(String)
        COMMENT 'published, rejected, failed, cancelled, expired, or open while under way',
    failure_stage LowCardinality(String) COMMENT 'Where it ended; empty once published',
    failure_reason String COMMENT 'For people; never quotes a prompt',
    failure_field LowCardinality(String) COMMENT 'The input that broke a limit',
    attempt UInt8 COMMENT 'The attempt that passed; 0 while there is none',
    files UInt16 COMMENT 'Files on the shelf',
    files_bytes UInt64 COMMENT 'Bytes of them',
    verdict LowCardinality(String)
        COMMENT 'Latest word: accepted, rejected, ordered; empty if none or withdrawn',
    is_accepted Bool COMMENT 'verdict is accepted or ordered',
    judged_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the latest word happened',
    reasons Array(String) COMMENT 'Of the latest word',
    machine_us UInt64 COMMENT 'Microseconds of machine time, all attempts',
    waste_us UInt64 COMMENT 'Microseconds of those spent on attempts that did not pass',
    cost Decimal(38, 12) COMMENT 'Of machine_us, in currency',
    waste_cost Decimal(38, 12) COMMENT 'Of waste_us, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the price book'
) AS
WITH
    parts AS (
        SELECT
            request_id, ordinal, usage_parts.attempt AS of_attempt, duration_us, currency,
            toDecimal128(duration_us, 0) * price_per_hour AS priced
        FROM heddle.usage_parts FINAL
    ),
    sums AS (
        SELECT
            request_id, ordinal, max(parts.currency) AS currency,
            sum(duration_us) AS all_us, sumMap(map(of_attempt, duration_us)) AS us_of,
            sum(priced) AS all_priced, sumMap(map(of_attempt, priced)) AS priced_of
        FROM parts
        GROUP BY request_id, ordinal
    )
SELECT
    life.tenant AS tenant, life.request_id AS request_id, life.ordinal AS ordinal,
    concat(life.request_id, '.', toString(life.ordinal)) AS pattern_id,
    variations, session, labels, tier, pool, lattice,
    repeat_width_um, repeat_height_um, canvas_width_px, canvas_height_px,
    model, version, recipe, experiment, arm, arm_probability, epoch, consent = 1 AS consent,
    prompt_hash, prompt_length, requested_at, routed_at, generated_at, published_at,
    if(
        outcome IN ('published', 'open'), NULL,
        fromUnixTimestamp64Milli(toInt64OrZero(ended[1]), 'UTC')
    ) AS failed_at,
    multiIf(
        published_at IS NOT NULL, 'published', failure != '', failure, 'open'
    ) AS outcome,
    if(published_at IS NULL, ended[4], '') AS failure_stage,
    if(published_at IS NULL, ended[6], '') AS failure_reason,
    if(published_at IS NULL, ended[5], '') AS failure_field,
    attempt, files, files_bytes,
    if(kind = 'withdrawn', '', kind) AS verdict,
    kind IN ('accepted', 'ordered') AS is_accepted,
    if(kind = '', NULL, fromUnixTimestamp64Milli(toInt64OrZero(said[1]), 'UTC')) AS judged_at,
    JSONExtract(said[4], 'Array(String)') AS reasons,
    sums.all_us AS machine_us,
    sums.all_us - if(published_at IS NULL, 0, sums.us_of[attempt]) AS waste_us,
    toDecimal128(sums.all_priced, 12) / 3600000000 AS cost,
    toDecimal128(
        sums.all_priced - if(published_at IS NULL, toDecimal128(0, 9), sums.priced_of[attempt]), 12
    ) / 3600000000 AS waste_cost,
    sums.currency AS currency
FROM heddle.lives AS life
LEFT JOIN sums ON sums.request_id = life.request_id AND sums.ordinal = life.ordinal
COMMENT 'One row per pattern. Fresh to the last recorded batch';

CREATE OR REPLACE VIEW heddle.stage_latency (
    tenant LowCardinality(String) COMMENT 'Whose pattern',
    pattern_id String COMMENT 'request_id.ordinal',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    stage LowCardinality(String)
        COMMENT 'route, generate, finish; total is from request to publication',
    started_at DateTime64(3, 'UTC') COMMENT 'End of the stage before it',
    ended_at DateTime64(3, 'UTC') COMMENT 'When its result was made',
    duration_us Int64 COMMENT 'Microseconds, waiting included; negative only by clock skew'
) AS
SELECT
    tenant, concat(request_id, '.', toString(ordinal)) AS pattern_id,
    tier, model, version, recipe, span.1 AS stage,
    assumeNotNull(span.2) AS started_at, assumeNotNull(span.3) AS ended_at,
    (toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at)) * 1000 AS duration_us
FROM heddle.lives
ARRAY JOIN [
    ('route', toNullable(requested_at), routed_at),
    ('generate', routed_at, generated_at),
    ('finish', generated_at, published_at),
    ('total', toNullable(requested_at), published_at)
] AS span
WHERE span.2 IS NOT NULL AND span.3 IS NOT NULL AND toUnixTimestamp(span.2) > 0
COMMENT 'One row per pattern and stage it has passed';

CREATE OR REPLACE VIEW heddle.costs (
    day Date COMMENT 'UTC day in which the machine interval began',
    tenant LowCardinality(String) COMMENT 'Empty where the pattern is not known yet',
    pattern_id String COMMENT 'request_id.ordinal',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    arm LowCardinality(String) COMMENT 'stable or canary',
    attempt UInt8 COMMENT 'Which attempt at the pattern',
    stage LowCardinality(String) COMMENT 'Whose machine time',
    device LowCardinality(String) COMMENT 'cpu, or the accelerator',
    kind LowCardinality(String)
        COMMENT 'direct: the attempt that was published; waste: any other; open: not decided yet',
    duration_us UInt64 COMMENT 'Microseconds of machine time',
    cost Decimal(38, 12) COMMENT 'duration_us at price_per_hour, in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book, as stored with the event',
    price_per_hour Decimal(18, 9) COMMENT 'Per hour of the device, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code'
) AS
SELECT
    toDate(parts.started_at, 'UTC') AS day, life.tenant AS tenant,
    concat(parts.request_id, '.', toString(parts.ordinal)) AS pattern_id,
    life.tier AS tier, life.model AS model, life.version AS version, life.recipe AS recipe,
    life.arm AS arm, parts.attempt AS attempt, parts.stage AS stage, parts.device AS device,
    multiIf(
        max(life.published_at) IS NOT NULL AND parts.attempt = life.attempt, 'direct',
        max(life.published_at) IS NULL AND life.failure = '', 'open',
        'waste'
    ) AS kind,
    sum(parts.duration_us) AS duration_us,
    sum(toDecimal128(parts.duration_us, 12) * parts.price_per_hour) / 3600000000 AS cost,
    parts.price_id AS price_id, parts.price_per_hour AS price_per_hour, parts.currency AS currency
FROM heddle.usage_parts AS parts FINAL
LEFT JOIN heddle.lives AS life
    ON life.request_id = parts.request_id AND life.ordinal = parts.ordinal
GROUP BY
    day, tenant, parts.request_id, parts.ordinal, tier, model, version, recipe, arm, attempt,
    stage, device, price_id, price_per_hour, currency, life.attempt, life.failure
COMMENT 'One row per day, pattern, attempt and price: what machine time was spent on';

CREATE OR REPLACE VIEW heddle.acceptance (
    day Date COMMENT 'UTC day of publication',
    tenant LowCardinality(String) COMMENT 'Whose patterns',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    arm LowCardinality(String) COMMENT 'stable or canary',
    published UInt64 COMMENT 'Patterns published',
    judged UInt64 COMMENT 'Of those with a word that stands',
    accepted UInt64 COMMENT 'Of those accepted or ordered',
    ordered UInt64 COMMENT 'Of those ordered',
    rejected UInt64 COMMENT 'Of those rejected'
) AS
SELECT
    toDate(assumeNotNull(published_at), 'UTC') AS day, tenant, tier, model, version, recipe, arm,
    count() AS published,
    countIf(kind IN ('accepted', 'ordered', 'rejected')) AS judged,
    countIf(kind IN ('accepted', 'ordered')) AS accepted,
    countIf(kind = 'ordered') AS ordered,
    countIf(kind = 'rejected') AS rejected
FROM heddle.lives
WHERE published_at IS NOT NULL
GROUP BY day, tenant, tier, model, version, recipe, arm
COMMENT 'One row per day of publication, tenant, tier, model, version, recipe and arm';
