"""`python -m heddle.probe [PATH]`: whether this container's process answers; 0 or 1.

For health checks in images that have neither a shell nor curl. Asks HEDDLE_PORT on loopback for
`/livez`, or for PATH. Loads nothing of ours: it runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from typing import Final

ANSWER_S_MAX: Final = 4.0


def main(path: str = "/livez") -> int:
    """0 where the answer is 200 in time."""
    port = os.environ.get("HEDDLE_PORT", "")
    if not port.isdecimal() or port == "0":
        sys.stderr.write("heddle.probe: HEDDLE_PORT is not set to the port of this process\n")
        return 2
    asked = http.client.HTTPConnection("127.0.0.1", int(port), timeout=ANSWER_S_MAX)
    try:
        asked.request("GET", path)
        return 0 if asked.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        asked.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
