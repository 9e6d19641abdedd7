"""Who is next: tiers and tenants share a worker's places. Pure; knows no Kafka and no picture."""
