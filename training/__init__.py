"""The dye works: renders labelled swatches and trains the built-in model on them.

Refuses to learn from anything it did not render itself or was not given with consent.
"""
