-- Rows for a stretch of time. `patterns` lies in the order of ids, so that whoever asks it for a day
-- reads everything; the copies that facts are made of lie in the order of days.

CREATE OR REPLACE VIEW heddle.patterns_by_day (
    day Date COMMENT 'UTC day of the request. The order of the rows: name it in a condition, and other days are not read',
    tenant LowCardinality(String) COMMENT 'Whose pattern',
    tier LowCardinality(String) COMMENT 'draft, standard or premium',
    model LowCardinality(String) COMMENT 'Family',
    version LowCardinality(String) COMMENT 'Resolved version of the model',
    recipe LowCardinality(String) COMMENT 'Finishing recipe',
    experiment LowCardinality(String) COMMENT 'Empty outside experiments',
    arm LowCardinality(String) COMMENT 'stable or canary',
    requested_at DateTime64(3, 'UTC') COMMENT 'Broker time of the request, UTC',
    routed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Broker time, UTC',
    generated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time, UTC',
    published_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Worker time, UTC',
    outcome LowCardinality(String)
        COMMENT 'published, rejected, failed, cancelled, expired, or open while under way',
    attempt UInt8 COMMENT 'The attempt that passed; 0 while there is none',
    verdict LowCardinality(String)
        COMMENT 'Latest word: accepted, rejected, ordered; empty if none or withdrawn',
    is_accepted Bool COMMENT 'Published, and verdict is accepted or ordered',
    machine_us UInt64 COMMENT 'Microseconds of machine time, all attempts and stages',
    stored_bytes UInt64 COMMENT 'Bytes of the tile and its files',
    copied_at DateTime64(3, 'UTC') COMMENT 'When the copy was made, UTC; freshness'
) AS
SELECT
    day, tenant, tier, model, version, recipe, experiment, arm,
    requested_at, routed_at, generated_at, published_at,
    multiIf(published_at IS NOT NULL, 'published', failure != '', failure, 'open') AS outcome,
    attempt, if(kind = 'withdrawn', '', kind) AS verdict,
    (published_at IS NOT NULL AND kind IN ('accepted', 'ordered')) AS is_accepted,
    arraySum(one -> one.us, spent) AS machine_us, stored_bytes, made_at AS copied_at
FROM (SELECT * FROM heddle.lives_by_day FINAL)
WHERE counts = 1 AND is_known = 1
COMMENT 'One row per pattern, in the order of days and without its id. Fresh to a quarter of a minute';
