-- How long does each stage take, from the end of the one before it?
WITH quantilesTDigest(0.50, 0.95)(duration_us) AS found
SELECT
    stage,
    count() AS patterns,
    round(found[1] / 1e6, 3) AS p50_seconds,
    round(found[2] / 1e6, 3) AS p95_seconds,
    round(max(duration_us) / 1e6, 3) AS max_seconds
FROM stage_latency
GROUP BY stage
ORDER BY indexOf(['route', 'generate', 'finish', 'total'], stage)
