"""How far each request is: a Faust view that may be down without losing a pattern."""
