-- How much machine time went into attempts that were not published?
SELECT
    model,
    version,
    round(sumIf(duration_us, kind = 'direct') / 1e6, 3) AS direct_seconds,
    round(sumIf(duration_us, kind = 'waste') / 1e6, 3) AS waste_seconds,
    round(sumIf(duration_us, kind = 'waste') / sum(duration_us), 4) AS waste_share
FROM costs
GROUP BY model, version
ORDER BY model, version
