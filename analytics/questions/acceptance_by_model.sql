-- Which model's patterns are accepted?
SELECT
    model,
    version,
    sum(acceptance.published) AS published,
    sum(acceptance.judged) AS judged,
    sum(acceptance.accepted) AS accepted,
    sum(acceptance.rejected) AS rejected,
    round(accepted / published, 4) AS accepted_share,
    if(judged = 0, NULL, round(accepted / judged, 4)) AS accepted_of_judged
FROM acceptance
GROUP BY model, version
ORDER BY model, version
