-- The contract in words: every time says UTC, every sum of money its currency, every view how fresh
-- it is. Definitions are not touched.

ALTER TABLE heddle.patterns
    COMMENT COLUMN files_bytes 'Bytes of the files on the shelf';

ALTER TABLE heddle.stage_latency
    COMMENT COLUMN started_at 'End of the stage before it; broker or worker time, UTC',
    COMMENT COLUMN ended_at 'When its result was made; broker or worker time, UTC',
    MODIFY COMMENT 'One row per pattern and stage it has passed. Fresh to the last recorded batch';

ALTER TABLE heddle.costs
    MODIFY COMMENT 'One row per day, pattern, attempt, stage and price: what machine time was spent on; direct basis. Fresh to the last recorded batch';

ALTER TABLE heddle.acceptance
    MODIFY COMMENT 'One row per day of publication, tenant, tier, model, version, recipe and arm. Fresh to the last recorded batch';

ALTER TABLE heddle.requests
    COMMENT COLUMN requested_at 'Broker time of the request, UTC',
    COMMENT COLUMN last_published_at 'Worker time of the newest of its assets, UTC; NULL while there is none',
    MODIFY COMMENT 'One row per routed request. Fresh to the last recorded batch';

ALTER TABLE heddle.refusals
    MODIFY COMMENT 'One row per request refused before it became patterns. Fresh to the last recorded batch';

ALTER TABLE heddle.verdicts
    COMMENT COLUMN happened_at 'When the person said it, by their clock, UTC',
    MODIFY COMMENT 'One row per word of a person, the superseded ones included. Fresh to the last recorded batch';

ALTER TABLE heddle.machine_time
    COMMENT COLUMN price_id 'Entry of the price book, as first applied to such machines on that day',
    MODIFY COMMENT 'One row per day, kind of machine, model, state and price. Fresh to the last recorded batch';

ALTER TABLE heddle.daily_machines
    COMMENT COLUMN price_id 'Entry of the price book, as first applied to such machines on that day';

ALTER TABLE heddle.daily_patterns
    COMMENT COLUMN judged 'Published patterns with a word that stands',
    COMMENT COLUMN accepted 'Published patterns accepted or ordered',
    COMMENT COLUMN ordered 'Published patterns ordered',
    COMMENT COLUMN turned_down 'Published patterns that a person rejected',
    COMMENT COLUMN loaded_cost 'cost with a share of all other time of the same machines and days, in currency; loaded basis. Storage is in daily_storage alone';

ALTER TABLE heddle.prices
    COMMENT COLUMN valid_from 'Midnight UTC of its first day; until a later entry for the same machines',
    MODIFY COMMENT 'One row per entry of the price book. Fresh to the last start of record';

ALTER TABLE heddle.offsets
    MODIFY COMMENT 'One row per partition: the audit of lost and doubled records. Fresh to the last recorded batch';

ALTER TABLE heddle.quarantine
    MODIFY COMMENT 'One row per event that counts nowhere, and why; words wait here for their asset. Fresh to the last recorded batch';

ALTER TABLE heddle.audit_forwards
    MODIFY COMMENT 'One row per forward whose parts do not sum to it, or interval whose shares do not: must be empty. Fresh to the last recorded batch';

ALTER TABLE heddle.audit_states
    MODIFY COMMENT 'One row per worker life whose states do not sum to its provisioned time: must be empty. Fresh to the last recorded batch';

ALTER TABLE heddle.model_book
    COMMENT COLUMN changed_at 'When, by the clock of who changed it, UTC',
    MODIFY COMMENT 'One row per change of the pattern book. Fresh to the last recorded batch';
