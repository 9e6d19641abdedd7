"""The river: moves records between topics and never looks at a pixel."""
