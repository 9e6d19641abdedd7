"""THE LEDGER: rows, tables and questions in ClickHouse.

Two sides that meet only in ClickHouse's own HTTP protocol, so that the embedded engine and a server
differ by a URL: `endpoint/` is the process that owns the embedded engine; everything else here
(`sink`, `migrate`, `ask`) is a client. Tables are ours to change; the views named in `contract.py`
are what others rely on. Nothing in this room ever holds a prompt.
"""
