-- The pattern book's history for dashboards. Its salt stays out: it decides who draws which arm.

CREATE OR REPLACE VIEW heddle.model_book (
    family LowCardinality(String) COMMENT 'Model family',
    epoch UInt64 COMMENT 'Counts the changes of a family',
    kind LowCardinality(String) COMMENT 'What changed',
    changed_at DateTime64(3, 'UTC') COMMENT 'When, UTC',
    version String COMMENT 'Version that the change is about',
    canary Nullable(String) COMMENT 'Version that draws the share',
    share Float64 COMMENT 'Of sessions, 0 to 1',
    experiment Nullable(String) COMMENT 'Name of the experiment, where there is one',
    actor String COMMENT 'Who changed it',
    reason String COMMENT 'Why, in their words'
) AS
SELECT
    family, epoch, kind, changed_at, version, canary, share, experiment, actor, reason
FROM heddle.raw_registry FINAL
COMMENT 'One row per change of the pattern book';
