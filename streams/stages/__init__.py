"""What each stage does with one record. Stages meet on topics, never on each other."""
