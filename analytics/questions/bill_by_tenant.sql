-- What did each tenant's patterns cost, by day?
SELECT
    day,
    tenant,
    sum(daily_costs.cost) AS cost,
    sumIf(daily_costs.cost, kind = 'waste') AS waste_cost,
    sum(daily_costs.loaded_cost) AS loaded_cost,
    max(daily_costs.currency) AS currency
FROM daily_costs
GROUP BY day, tenant
ORDER BY day, tenant
