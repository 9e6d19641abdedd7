"""The pattern book: which model versions exist, which is stable, which is canary, since when."""
