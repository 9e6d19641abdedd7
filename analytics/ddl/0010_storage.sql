-- What lying on the shelf costs: priced by the entries of the book whose device is `storage`, which
-- say what a terabyte (10^12 bytes) costs per hour. No entry, no cost.

CREATE OR REPLACE VIEW heddle.daily_storage (
    day Date COMMENT 'UTC day; days that are over only',
    tenant LowCardinality(String) COMMENT 'Whose files',
    stored_bytes UInt64
        COMMENT 'Bytes on the shelf of patterns asked for on that day or earlier; nothing is known of deletion',
    cost Decimal(38, 12) COMMENT 'Of one day, in currency',
    price_id LowCardinality(String) COMMENT 'Entry of the price book in force; empty where there is none',
    price_per_tb_hour Decimal(18, 9) COMMENT 'Per terabyte (10^12 bytes) and hour, in currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code; empty where there is no price'
) AS
WITH
    asked AS (
        SELECT tenant, facts_patterns.day AS since, sum(facts_patterns.stored_bytes) AS bytes
        FROM heddle.facts_patterns
        GROUP BY tenant, since
    ),
    lying AS (
        SELECT tenant, toDate(arrayJoin(range(toUInt32(since), toUInt32(today())))) AS of_day, bytes, 1 AS one
        FROM asked
        WHERE bytes > 0 AND since > toDate('2000-01-01')
    ),
    priced AS (
        SELECT 1 AS one, toDate(valid_from) AS since, price_id, per_hour, currency
        FROM heddle.price_book FINAL
        WHERE device = 'storage'
    )
SELECT
    of_day AS day, tenant, sum(bytes) AS stored_bytes,
    toDecimal128(stored_bytes, 12) * 24 * any(priced.per_hour) / 1000000000000 AS cost,
    any(priced.price_id) AS price_id, any(priced.per_hour) AS price_per_tb_hour,
    any(priced.currency) AS currency
FROM lying
ASOF LEFT JOIN priced ON priced.one = lying.one AND lying.of_day >= priced.since
GROUP BY of_day, tenant
COMMENT 'One row per day that is over and tenant. Fresh to half a minute';
