-- The documented views on the new row, and the views between them and the tables.

CREATE OR REPLACE VIEW heddle.lives AS
SELECT
    * EXCEPT (ending, words),
    splitByChar('\n', ending) AS ended, splitByChar('\n', words[toString(tenant)]) AS said,
    ended[3] AS failure, said[3] AS kind
FROM (SELECT * FROM heddle.pattern_life FINAL)
WHERE is_known
COMMENT 'One row per pattern: what the documented views are made of';

CREATE OR REPLACE VIEW heddle.price_of_day AS
SELECT
    rate, day, stage, pool, device,
    argMin(price_rates.price_id, (price_rates.noted_at, price_rates.price_id)) AS price_id,
    argMin(price_rates.price_per_hour, (price_rates.noted_at, price_rates.price_id)) AS price_per_hour,
    argMin(price_rates.currency, (price_rates.noted_at, price_rates.price_id)) AS currency
FROM heddle.price_rates
GROUP BY rate, day, stage, pool, device
COMMENT 'One row per day and kind of machine: the price that was applied first';

CREATE OR REPLACE VIEW heddle.spent_shares AS
SELECT
    life.request_id AS request_id, life.ordinal AS ordinal, life.tenant AS tenant,
    life.tier AS tier, life.model AS model, life.version AS version, life.recipe AS recipe,
    life.experiment AS experiment, life.arm AS arm, one.attempt AS attempt, one.us AS us,
    multiIf(
        life.published_at IS NOT NULL AND one.attempt = life.attempt, 'direct',
        life.published_at IS NULL AND splitByChar('\n', life.ending)[3] = '', 'open',
        'waste'
    ) AS kind,
    price.day AS day, price.stage AS stage, price.pool AS pool, price.device AS device,
    price.price_id AS price_id, price.price_per_hour AS price_per_hour, price.currency AS currency
FROM (SELECT * FROM heddle.pattern_life FINAL) AS life
ARRAY JOIN life.spent AS one
INNER JOIN heddle.price_of_day AS price ON price.rate = one.rate
COMMENT 'One row per share of machine time, those of patterns not known yet included';

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
    -- Small: a row per day and kind of machine. The leading zero is the place of a rate that is not there.
    (
        SELECT (
            arrayConcat([toUInt64(0)], groupArray(rate)),
            arrayConcat([toDecimal128(0, 9)], groupArray(toDecimal128(price_per_hour, 9)))
        )
        FROM heddle.price_of_day
    ) AS book,
    (SELECT max(price_of_day.currency) FROM heddle.price_of_day) AS of_book,
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
    if(empty(spent), '', of_book) AS currency
FROM heddle.lives
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
    attempt UInt8 COMMENT 'Which attempt at the pattern',
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

CREATE OR REPLACE VIEW heddle.refusals (
    tenant LowCardinality(String) COMMENT 'As the request named it',
    request_id String COMMENT 'As the request named it',
    refused_at DateTime64(3, 'UTC') COMMENT 'When route refused it, UTC',
    outcome LowCardinality(String) COMMENT 'rejected, expired or cancelled',
    reason String COMMENT 'For people; never quotes a prompt',
    field LowCardinality(String) COMMENT 'The input that broke a limit',
    broken_limit String COMMENT 'The limit it broke'
) AS
WITH refused AS (SELECT request_id FROM heddle.raw_failed WHERE ordinal = 0)
SELECT
    tenant, request_id, max(failed_at) AS refused_at,
    argMax(outcome, (failed_at, event_id)) AS outcome,
    argMax(reason, (failed_at, event_id)) AS reason,
    argMax(field, (failed_at, event_id)) AS field,
    argMax(limit_text, (failed_at, event_id)) AS broken_limit
FROM heddle.raw_failed FINAL
WHERE ordinal = 0
    AND (tenant, request_id) NOT IN (
        SELECT tenant, request_id FROM heddle.raw_routed WHERE request_id IN refused
    )
GROUP BY tenant, request_id
COMMENT 'One row per request refused before it became patterns';

CREATE OR REPLACE VIEW heddle.quarantine (
    recorded_at DateTime64(3, 'UTC') COMMENT 'Broker time of the event, UTC',
    record LowCardinality(String) COMMENT 'Kind of record',
    tenant LowCardinality(String) COMMENT 'As the event named it, where it did',
    subject_id String COMMENT 'Pattern or interval it speaks of',
    event_id String COMMENT 'Of the event',
    field LowCardinality(String) COMMENT 'What is wrong with it',
    broken_limit String COMMENT 'The limit it broke',
    reason String COMMENT 'For people'
) AS
SELECT _timestamp AS recorded_at, record, tenant, subject_id, event_id, field,
    `limit` AS broken_limit, reason
FROM heddle.raw_quarantine FINAL
UNION ALL
SELECT
    _timestamp, 'FeedbackGiven', tenant, concat(request_id, '.', toString(ordinal)), event_id,
    'request_id', 'a pattern of this tenant', 'no such pattern is known (yet)'
FROM heddle.raw_feedback FINAL
WHERE (request_id, ordinal, tenant) IN (
    SELECT request_id, ordinal, arrayJoin(mapKeys(words)) AS speaker
    FROM (SELECT * FROM heddle.pattern_life FINAL)
    WHERE NOT is_known OR length(words) > 1 OR NOT mapContains(words, toString(tenant))
    HAVING NOT is_known OR speaker != tenant
)
COMMENT 'One row per event that counts nowhere, and why; words wait here for their pattern';

CREATE OR REPLACE VIEW heddle.audit_forwards (
    event_id String COMMENT 'Of the UsageMeasured',
    worker LowCardinality(String) COMMENT 'Who measured',
    started_at DateTime64(3, 'UTC') COMMENT 'Of the interval, UTC',
    forward UInt32 COMMENT 'Place in the interval, from 1; 0 for the interval as a whole',
    duration_us UInt64 COMMENT 'Microseconds of the forward',
    parts_us UInt64 COMMENT 'Microseconds of its parts together'
) AS
SELECT
    event_id, worker, started_at, one.1 AS forward, one.2 AS duration_us, one.3 AS parts_us
FROM heddle.raw_usage FINAL
ARRAY JOIN arrayZip(
    arrayEnumerate(forwards.duration_us), forwards.duration_us, forwards.parts_us, forwards.parts
) AS one
WHERE one.4 > 0 AND one.2 != one.3
UNION ALL
SELECT
    event_id, any(worker), any(started_at), 0, sum(whole_us) AS forwards_us, sum(share_us) AS shares_us
FROM (
    SELECT
        event_id, piece, worker, started_at, arraySum(forwards.parts_us) AS whole_us, 0 AS share_us
    FROM heddle.raw_usage FINAL
    UNION ALL
    SELECT event_id, piece, worker, started_at, 0, usage_shares.duration_us
    FROM heddle.usage_shares FINAL
    WHERE incarnation != ''
)
GROUP BY event_id, piece
HAVING forwards_us != shares_us
COMMENT 'One row per forward whose parts do not sum to it, or interval whose shares do not: must be empty';

CREATE OR REPLACE VIEW heddle.audit_states (
    incarnation String COMMENT 'One life of a worker',
    worker LowCardinality(String) COMMENT 'Who measured',
    first_at DateTime64(3, 'UTC') COMMENT 'Start of its first interval, UTC',
    last_at DateTime64(3, 'UTC') COMMENT 'Start of its last interval, UTC',
    provisioned_us Int64 COMMENT 'Microseconds from its first start to its last end',
    states_us Int64 COMMENT 'Microseconds of all its states together',
    missing UInt64 COMMENT 'Interval numbers from 0 to the highest that were not recorded'
) AS
SELECT
    incarnation, any(raw_usage.worker) AS worker, min(started_at) AS first_at,
    max(started_at) AS last_at,
    max(toUnixTimestamp64Milli(started_at) * 1000 + toInt64(duration_us))
        - toUnixTimestamp64Milli(min(started_at)) * 1000 AS provisioned_us,
    toInt64(sum(duration_us)) AS states_us,
    max(interval) + 1 - uniqExact(interval) AS missing
FROM heddle.raw_usage FINAL
GROUP BY incarnation
-- Event times have whole milliseconds, so the span is known to one.
HAVING missing > 0 OR abs(provisioned_us - states_us) > 1000
COMMENT 'One row per worker life whose states do not sum to its provisioned time: must be empty';

CREATE OR REPLACE VIEW heddle.offsets (
    topic LowCardinality(String) COMMENT 'As Kafka names it, prefix included',
    partition UInt32 COMMENT 'Of the topic',
    first_offset UInt64 COMMENT 'Lowest recorded',
    last_offset UInt64 COMMENT 'Highest recorded',
    recorded UInt64 COMMENT 'Offsets recorded',
    missing UInt64 COMMENT 'Offsets between first and last that were not recorded',
    doubled UInt64 COMMENT 'Recorded offsets whose event was already at another offset',
    last_at DateTime64(3, 'UTC') COMMENT 'Broker time of the newest, UTC'
) AS
SELECT
    _topic AS topic, _partition AS partition, min(_offset) AS first_offset,
    max(_offset) AS last_offset, count() AS recorded,
    last_offset - first_offset + 1 - recorded AS missing,
    countIf(event_id != '') - uniqExactIf(sipHash64(event_id), event_id != '') AS doubled,
    max(_timestamp) AS last_at
FROM heddle.raw_offsets FINAL
GROUP BY topic, partition
COMMENT 'One row per partition: the audit of lost and doubled records';
