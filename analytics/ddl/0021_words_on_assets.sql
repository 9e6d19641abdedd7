-- A word counts once its pattern has an asset: nobody can accept what is not there. Until then the
-- word waits in quarantine, as one on an unknown pattern does.

DROP TABLE IF EXISTS heddle.facts_patterns;

-- All days anew.
ALTER TABLE heddle.days_patterns DELETE WHERE 1 SETTINGS mutations_sync = 1;

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
    (
        SELECT max(known.currency) FROM (
            SELECT price_book.currency AS currency FROM heddle.price_book
            UNION ALL
            SELECT price_rates.currency FROM heddle.price_rates
        ) AS known
    ) AS of_book,
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
    (published_at IS NULL AND failure = '') AS is_open,
    (published_at IS NOT NULL AND kind IN ('accepted', 'ordered', 'rejected')) AS is_judged
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
        countIf(is_judged) AS judged,
        countIf(is_judged AND kind != 'rejected') AS accepted,
        countIf(is_judged AND kind = 'ordered') AS ordered,
        countIf(is_judged AND kind = 'rejected') AS turned_down,
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
    is_accepted Bool COMMENT 'Published, and verdict is accepted or ordered',
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
    (published_at IS NOT NULL AND kind IN ('accepted', 'ordered')) AS is_accepted,
    if(kind = '', NULL, fromUnixTimestamp64Milli(toInt64OrZero(said[1]), 'UTC')) AS judged_at,
    JSONExtract(said[4], 'Array(String)') AS reasons,
    all_us AS machine_us, lost_us AS waste_us,
    toDecimal128(all_priced, 12) / 3600000000 AS cost,
    toDecimal128(lost_priced, 12) / 3600000000 AS waste_cost,
    if(empty(spent), '', book.3) AS currency
FROM (SELECT * FROM heddle.pattern_life FINAL)
WHERE is_known
COMMENT 'One row per pattern. Fresh to the last recorded batch';

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
    said._timestamp, 'FeedbackGiven', said.tenant, concat(request_id, '.', toString(ordinal)),
    said.event_id, 'request_id', waiting.wanted, waiting.why
FROM (
    SELECT request_id, ordinal, tenant, event_id, _timestamp FROM heddle.raw_feedback FINAL
) AS said
INNER JOIN (
    SELECT
        request_id, ordinal, speaker AS tenant,
        if(is_known AND speaker = life.tenant, 'a pattern with an asset', 'a pattern of this tenant')
            AS wanted,
        if(is_known AND speaker = life.tenant, 'the pattern has no asset (yet)',
            'no such pattern is known (yet)') AS why
    FROM (SELECT * FROM heddle.pattern_life FINAL) AS life
    ARRAY JOIN mapKeys(words) AS speaker
    WHERE NOT is_known OR published_at IS NULL OR speaker != life.tenant
) AS waiting USING (request_id, ordinal, tenant)
COMMENT 'One row per event that counts nowhere, and why; words wait here for their asset';
