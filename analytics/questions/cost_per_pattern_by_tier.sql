-- What does a pattern cost, by tier?
SELECT
    tier,
    count() AS patterns,
    countIf(outcome = 'published') AS published,
    countIf(is_accepted) AS accepted,
    round(sum(machine_us) / 1e6 / count(), 3) AS machine_seconds_per_pattern,
    round(sum(cost) / count(), 9) AS cost_per_pattern,
    if(published = 0, NULL, round(sum(cost) / published, 9)) AS cost_per_published,
    if(accepted = 0, NULL, round(sum(cost) / accepted, 9)) AS cost_per_accepted,
    max(patterns.currency) AS currency
FROM patterns
GROUP BY tier
ORDER BY tier
