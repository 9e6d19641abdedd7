"""The one door to confluent-kafka for everything but the public client."""
