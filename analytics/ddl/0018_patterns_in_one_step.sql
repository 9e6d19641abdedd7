-- Every figure as before, of the table itself and with one question of the price book: a look-up by
-- id is mostly planning. Plain columns inside, for the reason that `lives` has.

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
    requested_at DateTime64(3, 'UTC') COMMENT 'Broker time of the request, UTC',
    routed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Broker time, UTC',
    generated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time, UTC',
    published_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time, UTC',
    failed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'UTC; NULL once published',
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
    judged_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the latest word happened, UTC',
    reasons Array(String) COMMENT 'Of the latest word',
    machine_us UInt64 COMMENT 'Microseconds of machine time, all attempts and stages',
    waste_us UInt64 COMMENT 'Microseconds of those spent on attempts that did not pass',
    cost Decimal(38, 12) COMMENT 'Of machine_us, in currency; direct basis: no idle time in it',
    waste_cost Decimal(38, 12) COMMENT 'Of waste_us, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the price book'
) AS
WITH
    -- Small: a row per day and kind of machine. The leading zero is the place of a rate that is not
    -- there. The currency comes with it: one question, not two.
    (
        SELECT (
            arrayConcat([toUInt64(0)], groupArray(rate)),
            arrayConcat([toDecimal128(0, 9)], groupArray(toDecimal128(price_per_hour, 9))),
            max(price_of_day.currency)
        )
        FROM heddle.price_of_day
    ) AS book,
    splitByChar('\n', ending) AS ended,
    splitByChar('\n', words[toString(tenant)]) AS said,
    ended[3] AS failure,
    said[3] AS kind,
    arraySum(one -> one.us, spent) AS all_us,
    if(published_at IS NULL, all_us, arraySum(one -> if(one.attempt = attempt, 0, one.us), spent))
        AS lost_us,
    arrayMap(
        one -> toDecimal128(one.us, 0)
            * book.2[transform(one.rate, book.1, arrayEnumerate(book.1), 1)],
        spent
    ) AS money_of,
    arraySum(money_of) AS all_priced,
    if(
        published_at IS NULL, all_priced,
        arraySum(
            (one, money) -> if(one.attempt = attempt, toDecimal128(0, 9), money), spent, money_of
        )
    ) AS lost_priced
SELECT
    tenant, request_id, ordinal, concat(request_id, '.', toString(ordinal)) AS pattern_id,
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
    all_us AS machine_us, lost_us AS waste_us,
    toDecimal128(all_priced, 12) / 3600000000 AS cost,
    toDecimal128(lost_priced, 12) / 3600000000 AS waste_cost,
    if(empty(spent), '', book.3) AS currency
FROM (SELECT * FROM heddle.pattern_life FINAL)
WHERE is_known
COMMENT 'One row per pattern. Fresh to the last recorded batch';

CREATE OR REPLACE VIEW heddle.costs (
    day Date COMMENT 'UTC day of the machine time; intervals are cut at midnight',
    tenant LowCardinality(String) COMMENT 'Empty where the pattern is not known yet',
    pattern_id String COMMENT 'request_id.ordinal',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    arm LowCardinality(String) COMMENT 'stable or canary',
    attempt UInt8 COMMENT 'Which attempt at the pattern; 0: finishing that ended at a gate',
    stage LowCardinality(String) COMMENT 'Whose machine time: generate, finish',
    device LowCardinality(String) COMMENT 'cpu, or the accelerator',
    kind LowCardinality(String)
        COMMENT 'direct: the attempt that was published; waste: any other; open: not decided yet',
    duration_us UInt64 COMMENT 'Microseconds of machine time',
    cost Decimal(38, 12) COMMENT 'duration_us at price_per_hour, in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book, as first applied',
    price_per_hour Decimal(18, 9) COMMENT 'Per hour of the device, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code'
) AS
SELECT
    day, tenant, concat(request_id, '.', toString(ordinal)) AS pattern_id,
    tier, model, version, recipe, arm, attempt, stage, device, kind, sum(us) AS duration_us,
    sum(toDecimal128(us, 12) * price_per_hour) / 3600000000 AS cost,
    price_id, price_per_hour, currency
FROM heddle.spent_shares
GROUP BY
    day, tenant, request_id, ordinal, tier, model, version, recipe, arm, attempt,
    stage, device, kind, price_id, price_per_hour, currency
COMMENT 'One row per day, pattern, attempt, stage and price: what machine time was spent on';
