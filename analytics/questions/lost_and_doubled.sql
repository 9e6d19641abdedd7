-- Was every record written down, and once?
SELECT topic, partition, recorded, missing, doubled, last_at
FROM offsets
ORDER BY topic, partition
