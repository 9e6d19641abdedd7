-- What did each tenant's patterns cost, by day?
SELECT
    day,
    tenant,
    uniqExact(pattern_id) AS patterns,
    sum(costs.cost) AS cost,
    sumIf(costs.cost, kind = 'waste') AS waste_cost,
    max(costs.currency) AS currency
FROM costs
GROUP BY day, tenant
ORDER BY day, tenant
