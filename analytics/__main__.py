"""`python -m analytics ddl|access`: the SQL for a ClickHouse server, for its administrator.

`ddl` is whole: run on an empty server it makes the database and all tables and notes what it did,
so that `record` finds nothing to do there. `access` comes after it.
`python -m analytics dashboard`: Grafana's dashboard, as in `grafana/dashboards/heddle.json`.

Nothing is run here: `record` brings the tables up to date by itself, with the writer's password.
"""

from __future__ import annotations

import argparse
import sys

from .access import access
from .dashboards import dashboard
from .migrate import script


def main() -> int:
    """Print statements, each ended by a semicolon."""
    parser = argparse.ArgumentParser(prog="python -m analytics", description=__doc__)
    parser.add_argument("what", choices=("ddl", "access", "dashboard"))
    parser.add_argument("--cluster", default="", help="replicated tables, everything ON CLUSTER")
    parser.add_argument("--tenant", action="append", default=[], help="a tenant with a reader")
    given = parser.parse_args()
    if given.what == "dashboard":
        sys.stdout.write(dashboard())
        return 0
    if given.what == "access":
        statements = access(given.tenant, cluster=given.cluster)
    else:
        statements = script(cluster=given.cluster)
    for statement in statements:
        sys.stdout.write(f"{statement};\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
