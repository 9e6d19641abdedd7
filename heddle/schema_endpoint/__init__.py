"""A read-only Schema Registry over the committed schemas, for everybody else's serialisers.

`answers` knows what to say and no socket; `server` knows HTTP and no schema.
"""

from .server import running, serve

__all__ = ["running", "serve"]
