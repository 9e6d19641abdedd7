"""The supervisor as a process of its own: `python -m heddle.stack FOLDER OPTIONS`.

Started by `heddle up --detach` and by the demo; people use the `heddle` command.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from heddle.stack import local
from heddle.stack.layout import StackFolder
from heddle.stack.processes import StackOptions
from schemas.errors import Unusable

_log = logging.getLogger("heddle.stack")


def main(root: str, options: str) -> int:
    """Supervise until the end; the exit code. `options` is StackOptions as JSON."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = StackFolder(root=Path(root))
    try:
        local.supervise(folder, StackOptions.from_json(options), environ=os.environ)
    except Unusable as reason:
        _log.error("%s", reason)
        return reason.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
