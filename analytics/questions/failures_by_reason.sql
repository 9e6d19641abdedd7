-- Why did patterns end without files?
SELECT failure_stage AS stage, outcome, failure_field AS field, count() AS patterns
FROM patterns
WHERE outcome NOT IN ('published', 'open')
GROUP BY stage, outcome, field
ORDER BY patterns DESC, stage, outcome, field
