-- Patterns once more, in the order of the days on which they were asked for, and only what daily
-- facts are made of: a day is then a short stretch of rows, whatever the ids look like.
-- A pattern is copied whenever it was touched, and copied again for five minutes more: an insert
-- may become visible up to two minutes after it began. The engine makes the copies; on a cluster
-- each replica its own, from its own rows, which must not come more than three minutes late. ENGINE
-- stands without its equals sign for that reason:
-- what is rendered for a cluster leaves these tables as they are.

CREATE TABLE IF NOT EXISTS heddle.lives_by_day (
    day Date,
    pattern FixedString(16) COMMENT 'sipHash128 of request_id and ordinal',
    counts UInt8 COMMENT '0: it was on this day once, and is on another now',
    is_known UInt8,
    tenant LowCardinality(String),
    tier LowCardinality(String),
    model LowCardinality(String),
    version LowCardinality(String),
    recipe LowCardinality(String),
    experiment LowCardinality(String),
    arm LowCardinality(String),
    attempt UInt8,
    requested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    routed_at Nullable(DateTime64(3, 'UTC')),
    generated_at Nullable(DateTime64(3, 'UTC')),
    published_at Nullable(DateTime64(3, 'UTC')),
    failure LowCardinality(String),
    kind LowCardinality(String) COMMENT 'Of the word that stands',
    spent Array(Tuple(attempt UInt8, us UInt64, rate UInt64)),
    stored_bytes UInt64,
    made_at DateTime64(3, 'UTC') COMMENT 'When the making began that this row is of',
    is_due UInt8 COMMENT '1: touched two minutes before that or earlier',
    due UInt64 COMMENT 'How many such patterns the making had to copy',
    INDEX made made_at TYPE minmax GRANULARITY 1
)
ENGINE ReplacingMergeTree(made_at)
ORDER BY (day, pattern)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per pattern and day; what is not the newest folds away';

-- A making that broke off, or is under way, has fewer rows than it set out to write. Only those are
-- counted that no insert under way can be speaking of; the others are copied again in any case.
CREATE OR REPLACE VIEW heddle.lives_made AS
WITH (
    SELECT max(lives_by_day.made_at) FROM heddle.lives_by_day
    WHERE lives_by_day.made_at > now64(3, 'UTC') - INTERVAL 1 DAY
) AS newest
SELECT max(at) AS at
FROM (
    SELECT lives_by_day.made_at AS at
    FROM heddle.lives_by_day
    WHERE lives_by_day.made_at > if(toUnixTimestamp(newest) = 0, newest, newest - INTERVAL 1 HOUR)
    GROUP BY at
    HAVING countIf(counts = 1 AND is_due = 1) >= max(due)
)
COMMENT 'When the newest making began that came to its end; 1970 where there is none';

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
    );
