"""The `ledger` process: one embedded engine behind ClickHouse's HTTP protocol.

Reading order: `server` (start and stop), `exchange` (one connection), `question` (one request),
`guard` (what a reader may ask), `shapes` (and in which form), `engine` (the only importer of chdb).
"""
