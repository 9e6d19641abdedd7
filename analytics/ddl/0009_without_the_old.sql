-- What 0006 to 0008 have replaced.

DROP TABLE IF EXISTS heddle.lifecycle_of_routed;

DROP TABLE IF EXISTS heddle.lifecycle_of_generated;

DROP TABLE IF EXISTS heddle.lifecycle_of_published;

DROP TABLE IF EXISTS heddle.lifecycle_of_failed;

DROP TABLE IF EXISTS heddle.lifecycle_of_feedback;

DROP TABLE IF EXISTS heddle.lifecycle;

DROP TABLE IF EXISTS heddle.usage_parts;
