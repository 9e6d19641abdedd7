-- What were the machines doing?
SELECT
    stage,
    device,
    state,
    round(sum(machine_time.duration_us) / 1e6, 3) AS seconds,
    sum(machine_time.cost) AS cost,
    max(machine_time.currency) AS currency
FROM machine_time
GROUP BY stage, device, state
ORDER BY stage, device, state
