-- Documented views on requests, words, machines, prices and the ledger's own health.

CREATE OR REPLACE VIEW heddle.requests (
    tenant LowCardinality(String) COMMENT 'Whose request',
    request_id String COMMENT 'Unique in the installation',
    session Nullable(String) COMMENT 'As the producer set it',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    requested_at DateTime64(3, 'UTC') COMMENT 'Broker time',
    variations UInt16 COMMENT 'Patterns asked for',
    patterns UInt64 COMMENT 'Patterns known by now',
    published UInt64 COMMENT 'Patterns with files on the shelf',
    failed UInt64 COMMENT 'Patterns that ended without',
    open UInt64 COMMENT 'Patterns under way',
    last_published_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Of the request''s patterns'
) AS
SELECT
    tenant, request_id, any(session) AS session, any(tier) AS tier,
    any(requested_at) AS requested_at, max(variations) AS variations, count() AS patterns,
    countIf(published_at IS NOT NULL) AS published,
    countIf(published_at IS NULL AND failure != '') AS failed,
    countIf(published_at IS NULL AND failure = '') AS open,
    max(published_at) AS last_published_at
FROM heddle.lives
GROUP BY tenant, request_id
COMMENT 'One row per request that was routed; refused ones are in refusals';

CREATE OR REPLACE VIEW heddle.refusals (
    tenant LowCardinality(String) COMMENT 'As the request named it',
    request_id String COMMENT 'As the request named it',
    refused_at DateTime64(3, 'UTC') COMMENT 'When route refused it',
    outcome LowCardinality(String) COMMENT 'rejected, expired or cancelled',
    reason String COMMENT 'For people; never quotes a prompt',
    field LowCardinality(String) COMMENT 'The input that broke a limit',
    broken_limit String COMMENT 'The limit it broke'
) AS
SELECT
    tenant, request_id, max(failed_at) AS refused_at,
    argMax(outcome, (failed_at, event_id)) AS outcome,
    argMax(reason, (failed_at, event_id)) AS reason,
    argMax(field, (failed_at, event_id)) AS field,
    argMax(limit_text, (failed_at, event_id)) AS broken_limit
FROM heddle.raw_failed FINAL
WHERE ordinal = 0
    AND (tenant, request_id) NOT IN (SELECT tenant, request_id FROM heddle.raw_routed)
GROUP BY tenant, request_id
COMMENT 'One row per request refused before it became patterns';

CREATE OR REPLACE VIEW heddle.verdicts (
    tenant LowCardinality(String) COMMENT 'As the word named it',
    pattern_id String COMMENT 'request_id.ordinal',
    event_id String COMMENT 'Named by the producer',
    kind LowCardinality(String) COMMENT 'accepted, rejected, ordered or withdrawn',
    happened_at DateTime64(3, 'UTC') COMMENT 'When the person said it',
    reasons Array(LowCardinality(String)) COMMENT 'As given',
    reviewer Nullable(String) COMMENT 'A pseudonym'
) AS
SELECT
    tenant, concat(request_id, '.', toString(ordinal)) AS pattern_id, event_id, kind,
    happened_at, reasons, reviewer
FROM heddle.raw_feedback FINAL
COMMENT 'One row per word of a person, the superseded ones included';

CREATE OR REPLACE VIEW heddle.machine_time (
    day Date COMMENT 'UTC day in which the interval began',
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
    currency LowCardinality(String) COMMENT 'ISO 4217 code'
) AS
SELECT
    toDate(started_at, 'UTC') AS day, stage, pool, device, model, version, state,
    sum(raw_usage.duration_us) AS duration_us,
    sum(arraySum(forwards.duration_us)) AS forwards_us,
    sum(arraySum(forwards.parts_us)) AS parts_us,
    sum(toDecimal128(raw_usage.duration_us, 12) * price_per_hour) / 3600000000 AS cost,
    price_id, currency
FROM heddle.raw_usage FINAL
GROUP BY day, stage, pool, device, model, version, state, price_id, currency
COMMENT 'One row per day, kind of machine, model, state and price';

CREATE OR REPLACE VIEW heddle.prices (
    price_id LowCardinality(String) COMMENT 'Stored on every priced row',
    device LowCardinality(String) COMMENT 'Pattern of device names, * for any',
    pool LowCardinality(String) COMMENT 'Pattern of pool names, * for any',
    valid_from DateTime64(3, 'UTC') COMMENT 'Until a later entry for the same machines',
    per_hour Decimal(18, 9) COMMENT 'Per hour of the device, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code'
) AS
SELECT price_id, device, pool, valid_from, per_hour, currency
FROM heddle.price_book FINAL
COMMENT 'One row per entry of the price book';

CREATE OR REPLACE VIEW heddle.offsets (
    topic LowCardinality(String) COMMENT 'As Kafka names it, prefix included',
    partition UInt32 COMMENT 'Of the topic',
    first_offset UInt64 COMMENT 'Lowest recorded',
    last_offset UInt64 COMMENT 'Highest recorded',
    recorded UInt64 COMMENT 'Offsets recorded',
    missing UInt64 COMMENT 'Offsets between first and last that were not recorded',
    doubled UInt64 COMMENT 'Recorded offsets whose event was already at another offset',
    last_at DateTime64(3, 'UTC') COMMENT 'Broker time of the newest'
) AS
SELECT
    _topic AS topic, _partition AS partition, min(_offset) AS first_offset,
    max(_offset) AS last_offset, uniqExact(_offset) AS recorded,
    last_offset - first_offset + 1 - recorded AS missing,
    uniqExactIf(_offset, event_id != '') - uniqExactIf(event_id, event_id != '') AS doubled,
    max(_timestamp) AS last_at
FROM heddle.raw_offsets
GROUP BY topic, partition
COMMENT 'One row per partition: the audit of lost and doubled records';

CREATE OR REPLACE VIEW heddle.quarantine (
    recorded_at DateTime64(3, 'UTC') COMMENT 'Broker time of the event',
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
WHERE (tenant, request_id, ordinal) NOT IN (
    SELECT tenant, request_id, ordinal FROM heddle.lifecycle WHERE is_known
)
COMMENT 'One row per event that counts nowhere, and why; words wait here for their pattern';

CREATE OR REPLACE VIEW heddle.audit_forwards (
    event_id String COMMENT 'Of the UsageMeasured',
    worker LowCardinality(String) COMMENT 'Who measured',
    started_at DateTime64(3, 'UTC') COMMENT 'Of the interval',
    forward UInt32 COMMENT 'Place in the interval, from 1',
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
COMMENT 'One row per forward whose parts do not sum to it: must be empty';
