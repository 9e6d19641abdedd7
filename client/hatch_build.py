"""Builds the wheel: this room as `heddle_client`, with `schemas` carried inside it.

In the house the client imports `schemas`; in somebody's environment that name may be anybody's. So
the wheel has one top-level name, and the only thing rewritten on the way is the beginning of those
import lines.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME: Final = "heddle_client"
_IMPORT: Final = re.compile(r"^(\s*)from schemas(\.[\w.]+)? import ", re.MULTILINE)
_NOT_CARRIED: Final = frozenset({"hatch_build.py", "avsc.py", "asyncapi.py", "pages.py"})
"""This file, and what writes files into the repository."""


class Carry(BuildHookInterface[Any]):
    """Names every file of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `force_include`: where each file comes from, where it goes."""
        del version
        here = Path(self.root)
        # Beside us in the repository, inside us in a source distribution.
        schemas = next(
            room for room in (here / "schemas", here.parent / "schemas") if room.is_dir()
        )
        self._rewritten = Path(tempfile.mkdtemp(prefix="heddle-client-"))
        wanted = [(path, path.name) for path in here.glob("*.py")]
        wanted += [(here / "py.typed", "py.typed")]
        wanted += [(path, f"schemas/{path.name}") for path in schemas.glob("*.py")]
        wanted += [(path, f"schemas/avro/{path.name}") for path in (schemas / "avro").glob("*.*")]
        for path, place in sorted(wanted):
            if path.name not in _NOT_CARRIED:
                build_data["force_include"][str(self._carried(path, place))] = f"{NAME}/{place}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        del version, build_data, artifact_path
        shutil.rmtree(self._rewritten)

    def _carried(self, path: Path, place: str) -> Path:
        """The file as it goes into the wheel."""
        target = self._rewritten / place
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py" and "/" not in place:
            text = _IMPORT.sub(r"\1from .schemas\2 import ", text)
        target.write_text(text, encoding="utf-8")
        return target
