-- When each pattern was last spoken of, so that facts are made anew of what has changed alone.

ALTER TABLE heddle.raw_failed
    ADD COLUMN IF NOT EXISTS cpu_us UInt64
        COMMENT 'Processor time of finishing that came to nothing';

ALTER TABLE heddle.pattern_life
    ADD COLUMN IF NOT EXISTS days SimpleAggregateFunction(groupUniqArrayArray, Array(Date))
        DEFAULT [toDate(requested_at, 'UTC')]
        COMMENT 'Every day (UTC) under which it was named; 1970-01-01 by words and machine time',
    ADD COLUMN IF NOT EXISTS touched_at SimpleAggregateFunction(max, DateTime('UTC'))
        COMMENT 'When the insert began that spoke of it last',
    ADD INDEX IF NOT EXISTS touched touched_at TYPE minmax GRANULARITY 1;

-- The new views before the old ones go: meanwhile a row arrives twice and is folded.

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_routed TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(_timestamp) AS routed_at,
    now('UTC') AS touched_at
FROM heddle.raw_routed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_generated TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, attempt, gpu_us, tile_bytes,
    now('UTC') AS touched_at
FROM heddle.raw_generated
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_published TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    toNullable(generated_at) AS generated_at, toNullable(published_at) AS published_at,
    attempt, gpu_us, cpu_us, files, files_bytes,
    now('UTC') AS touched_at
FROM heddle.raw_published
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_failed TO heddle.pattern_life AS
SELECT
    tenant, request_id, ordinal, 1 AS is_known,
    session, labels, variations, tier, pool, lattice, repeat_width_um, repeat_height_um,
    canvas_width_px, canvas_height_px, model, version, recipe, consent, experiment, arm,
    arm_probability, epoch, prompt_hash, prompt_length, payload_hash, requested_at,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(failed_at)), 15, '0'), event_id,
        toString(outcome), toString(stage), toString(field), reason
    ]), '\n') AS ending,
    now('UTC') AS touched_at
FROM heddle.raw_failed
WHERE ordinal > 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_feedback TO heddle.pattern_life AS
SELECT
    request_id, ordinal,
    map(toString(tenant), arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(happened_at)), 15, '0'), event_id,
        toString(kind), toJSONString(reasons)
    ]), '\n')) AS words,
    now('UTC') AS touched_at
FROM heddle.raw_feedback;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.touched_by_shares TO heddle.pattern_life AS
SELECT
    request_id, ordinal,
    [(
        cityHash64(event_id, piece, attempt), attempt, duration_us,
        cityHash64(toDate(started_at, 'UTC'), toString(stage), toString(pool), toString(device))
    )] AS spent,
    now('UTC') AS touched_at
FROM heddle.usage_shares;

DROP TABLE IF EXISTS heddle.life_of_routed;

DROP TABLE IF EXISTS heddle.life_of_generated;

DROP TABLE IF EXISTS heddle.life_of_published;

DROP TABLE IF EXISTS heddle.life_of_failed;

DROP TABLE IF EXISTS heddle.life_of_feedback;

DROP TABLE IF EXISTS heddle.life_of_shares;
