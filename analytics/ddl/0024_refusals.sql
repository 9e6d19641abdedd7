-- The latest refusal of a request, whatever order they are told in, and however often.

CREATE TABLE IF NOT EXISTS heddle.refusal_life (
    request_id String,
    tenant LowCardinality(String),
    ending SimpleAggregateFunction(max, String)
        COMMENT 'Lines: milliseconds, event id, outcome, field, limit, reason'
)
ENGINE = AggregatingMergeTree
ORDER BY (request_id, tenant)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per request refused before it became patterns';

CREATE MATERIALIZED VIEW IF NOT EXISTS heddle.refusals_by_failed TO heddle.refusal_life AS
SELECT
    request_id, tenant,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(failed_at)), 15, '0'), event_id,
        toString(outcome), toString(field), limit_text, reason
    ]), '\n') AS ending
FROM heddle.raw_failed
WHERE ordinal = 0;

-- What an older Heddle wrote.
INSERT INTO heddle.refusal_life
SELECT
    request_id, tenant,
    arrayStringConcat(arrayMap(one -> replaceAll(one, '\n', ' '), [
        leftPad(toString(toUnixTimestamp64Milli(failed_at)), 15, '0'), event_id,
        toString(outcome), toString(field), limit_text, reason
    ]), '\n') AS ending
FROM heddle.raw_failed
WHERE ordinal = 0;

CREATE OR REPLACE VIEW heddle.refusals (
    tenant LowCardinality(String) COMMENT 'As the request named it',
    request_id String COMMENT 'As the request named it',
    refused_at DateTime64(3, 'UTC') COMMENT 'When route refused it, UTC',
    outcome LowCardinality(String) COMMENT 'rejected, expired or cancelled',
    reason String COMMENT 'For people; never quotes a prompt',
    field LowCardinality(String) COMMENT 'The input that broke a limit',
    broken_limit String COMMENT 'The limit it broke'
) AS
WITH splitByChar('\n', ending) AS told
SELECT
    tenant, request_id, fromUnixTimestamp64Milli(toInt64OrZero(told[1]), 'UTC') AS refused_at,
    told[3] AS outcome, told[6] AS reason, told[4] AS field, told[5] AS broken_limit
FROM (SELECT * FROM heddle.refusal_life FINAL)
WHERE (tenant, request_id) NOT IN (
    SELECT tenant, request_id FROM heddle.raw_routed
    WHERE request_id IN (SELECT request_id FROM heddle.refusal_life)
)
COMMENT 'One row per request refused before it became patterns. Fresh to the last recorded batch';
