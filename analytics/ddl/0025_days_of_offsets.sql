-- The audit of the last day reads the last day: offsets and intervals lie in the order of time within
-- a partition and a worker's life, so that most of a long history is told by its bounds.

ALTER TABLE heddle.raw_offsets
    ADD INDEX IF NOT EXISTS by_time _timestamp TYPE minmax GRANULARITY 1;

ALTER TABLE heddle.raw_offsets
    MATERIALIZE INDEX by_time;

ALTER TABLE heddle.raw_usage
    ADD INDEX IF NOT EXISTS by_time started_at TYPE minmax GRANULARITY 1;

ALTER TABLE heddle.raw_usage
    MATERIALIZE INDEX by_time;
