-- One row per pattern, from aggregates that neither order nor repetition of events can change:
-- minima, maxima, and the greatest text where "the latest word" is meant (time first, then the
-- event id, so that two words of one millisecond have a winner). A missing time is NULL, which
-- minima skip. Text, because a state of argMax costs ten times as much to write and to read, and
-- because an element of an aggregated tuple is read without its aggregation.

CREATE TABLE IF NOT EXISTS heddle.lifecycle (
    tenant LowCardinality(String),
    request_id String,
    ordinal UInt16,
    is_known SimpleAggregateFunction(max, UInt8) COMMENT '1 once our own event named it',
    session SimpleAggregateFunction(max, Nullable(String)),
    labels SimpleAggregateFunction(max, Map(String, String)),
    variations SimpleAggregateFunction(max, UInt16),
    tier SimpleAggregateFunction(max, LowCardinality(String)),
    pool SimpleAggregateFunction(max, LowCardinality(String)),
    lattice SimpleAggregateFunction(max, LowCardinality(String)),
    repeat_width_um SimpleAggregateFunction(max, UInt32),
    repeat_height_um SimpleAggregateFunction(max, UInt32),
    canvas_width_px SimpleAggregateFunction(max, UInt32),
    canvas_height_px SimpleAggregateFunction(max, UInt32),
    model SimpleAggregateFunction(max, LowCardinality(String)),
    version SimpleAggregateFunction(max, LowCardinality(String)),
    recipe SimpleAggregateFunction(max, LowCardinality(String)),
    consent SimpleAggregateFunction(max, UInt8),
    experiment SimpleAggregateFunction(max, LowCardinality(String)),
    arm SimpleAggregateFunction(max, LowCardinality(String)),
    arm_probability SimpleAggregateFunction(max, Float64),
    epoch SimpleAggregateFunction(max, UInt64),
    prompt_hash SimpleAggregateFunction(max, String),
    prompt_length SimpleAggregateFunction(max, UInt32),
    payload_hash SimpleAggregateFunction(max, String),
    requested_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    routed_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    generated_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    published_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    attempt SimpleAggregateFunction(max, UInt8) COMMENT 'The one that passed, else 0',
    gpu_us SimpleAggregateFunction(max, UInt64) COMMENT 'As the result says; cost comes from usage',
    cpu_us SimpleAggregateFunction(max, UInt64),
    files SimpleAggregateFunction(max, UInt16),
    files_bytes SimpleAggregateFunction(max, UInt64),
    ending SimpleAggregateFunction(max, String)
        COMMENT 'Lines: milliseconds, event id, outcome, stage, field, reason',
    word SimpleAggregateFunction(max, String)
        COMMENT 'Lines: milliseconds, event id, kind, reasons as JSON'
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, request_id, ordinal)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per pattern; phantom rows of verdicts on unknown patterns have is_known = 0';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.lifecycle_of_routed TO heddle.lifecycle AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(_timestamp) AS routed_at
FROM heddle.raw_routed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.lifecycle_of_generated TO heddle.lifecycle AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, attempt, gpu_us
FROM heddle.raw_generated
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.lifecycle_of_published TO heddle.lifecycle AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, toNullable(published_at) AS published_at,
    attempt, gpu_us, cpu_us, files, files_bytes
FROM heddle.raw_published
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.lifecycle_of_failed TO heddle.lifecycle AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(failed_at)), 15, '0'), event_id,
        toString(outcome), toString(stage), toString(field), reason
    ]), '\n') AS ending
FROM heddle.raw_failed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.lifecycle_of_feedback TO heddle.lifecycle AS
SELECT
    tenant, request_id, ordinal,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(happened_at)), 15, '0'), event_id,
        toString(kind), toJSONString(reasons)
    ]), '\n') AS word
FROM heddle.raw_feedback;

-- Between the table and every view on it. Plain columns only: a function on a column of a FINAL
-- read may be turned into a read of a subcolumn, and subcolumns are not aggregated.
CREATE OR REPLACE VIEW heddle.lives AS
SELECT
    * EXCEPT (ending, word),
    splitByChar('\n', ending) AS ended, splitByChar('\n', word) AS said,
    ended[3] AS failure, said[3] AS kind
FROM (SELECT * FROM heddle.lifecycle FINAL)
WHERE is_known
COMMENT 'One row per pattern: what the documented views are made of';
