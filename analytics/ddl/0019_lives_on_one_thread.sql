-- As before, on one thread. A whole copy reads every part at once, a block of every column of each, for
-- each of its threads: of ten million patterns in 62 parts, 1,040 MiB on two threads and 550 on one,
-- of the 1,536 that the whole process may take; and the other core is left to what is recorded.

DROP TABLE IF EXISTS heddle.facts_lives;

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.facts_lives
REFRESH AFTER 10 SECOND APPEND TO heddle.lives_by_day
AS WITH
    (SELECT lives_made.at FROM heddle.lives_made) AS last_made,
    toDateTime(greatest(toUnixTimestamp(last_made), 300) - 300, 'UTC') AS since,
    now('UTC') - INTERVAL 2 MINUTE AS due_before,
    -- Whole at first, where a clock was set back, and where so much has changed that looking each up
    -- costs more.
    (
        toUnixTimestamp(last_made) = 0
        OR last_made > now64(3, 'UTC')
        OR (
            SELECT count() > 500000 FROM heddle.pattern_life
            WHERE pattern_life.touched_at >= since
        )
    ) AS is_whole,
    (
        SELECT countIf(at < due_before)
        FROM (
            SELECT max(pattern_life.touched_at) AS at FROM heddle.pattern_life
            WHERE NOT is_whole AND pattern_life.touched_at >= since
            GROUP BY request_id, ordinal
        )
    ) AS due_of_touched,
    (
        SELECT countIf(touched_at < due_before)
        FROM (SELECT touched_at FROM heddle.pattern_life FINAL PREWHERE is_whole)
    ) AS due_of_all,
    sipHash128(request_id, ordinal) AS pattern,
    toDate(requested_at, 'UTC') AS day_of,
    if(published_at IS NULL, splitByChar('\n', ending)[3], '') AS failure
SELECT
    day, pattern, day = day_of AS counts, is_known, tenant, tier, model, version, recipe,
    experiment, arm, attempt, requested_at, routed_at, generated_at, published_at, failure,
    splitByChar('\n', words[toString(tenant)])[3] AS kind,
    arrayMap(one -> (one.attempt, one.us, one.rate), spent) AS spent,
    files_bytes + tile_bytes AS stored_bytes,
    greatest(now64(3, 'UTC'), last_made + INTERVAL 1 MILLISECOND) AS made_at,
    touched_at < due_before AS is_due,
    due_of_touched + due_of_all AS due
FROM (
    -- Plain columns only, as in `lives`. Chosen before rows are folded, which is most of the work: the
    -- choice is the same for all rows of a pattern.
    SELECT * FROM heddle.pattern_life FINAL
    PREWHERE is_whole
        OR (request_id, ordinal) IN (
            SELECT request_id, ordinal FROM heddle.pattern_life
            WHERE NOT is_whole AND pattern_life.touched_at >= since
        )
)
ARRAY JOIN arrayDistinct(arrayPushBack(days, day_of)) AS day
-- Words and machine time name no day; few are here before their pattern.
WHERE day = day_of OR toUInt16(day) > 0
    OR pattern IN (
        SELECT lives_by_day.pattern FROM heddle.lives_by_day WHERE lives_by_day.day = toDate(0)
    )
SETTINGS
    max_threads = 1,
    min_insert_block_size_rows = 131072,
    min_insert_block_size_bytes = 33554432;
