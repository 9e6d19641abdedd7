-- What does a generated, an accepted, an ordered pattern cost: by tenant, tier, model, recipe, day?
SELECT
    side.1 AS by, side.2 AS name,
    sum(f.generated) AS tiles, sum(f.accepted) AS kept, sum(f.ordered) AS orders,
    sum(f.cost) / nullIf(tiles, 0) AS direct_per_generated,
    sum(f.cost) / nullIf(kept, 0) AS direct_per_accepted,
    sum(f.cost) / nullIf(orders, 0) AS direct_per_ordered,
    sum(f.loaded_cost) / nullIf(tiles, 0) AS loaded_per_generated,
    sum(f.loaded_cost) / nullIf(kept, 0) AS loaded_per_accepted,
    sum(f.loaded_cost) / nullIf(orders, 0) AS loaded_per_ordered,
    max(f.currency) AS money
FROM daily_patterns AS f
ARRAY JOIN [
    ('tenant', toString(tenant)), ('tier', toString(tier)), ('model', concat(model, '@', version)),
    ('recipe', toString(recipe)), ('day', toString(day))
] AS side
GROUP BY by, name
ORDER BY indexOf(['tenant', 'tier', 'model', 'recipe', 'day'], by), name
