"""Where a stack keeps its things: one folder, known sub-folders, nothing outside it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import Unusable

DEFAULT_FOLDER: Final = ".heddle"
FOLDER_SETTING: Final = "HEDDLE_STACK"
_SECRET_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFolder:
    """Paths of one stack. Two stacks have two folders and share nothing but the machine."""

    root: Path
    """Absolute."""

    @classmethod
    def choose(cls, given: str | None, environ: Mapping[str, str]) -> StackFolder:
        """`given` (from `--stack`), else HEDDLE_STACK, else `./.heddle`. Creates nothing."""
        named = given or environ.get(FOLDER_SETTING) or DEFAULT_FOLDER
        return cls(root=Path(named).expanduser().resolve())

    @property
    def state(self) -> Path:
        """`stack.json`: what every command reads."""
        return self.root / "stack.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives; holds its process id."""
        return self.root / "run" / "lock"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def kafka(self) -> Path:
        """The broker's settings and data."""
        return self.root / "kafka"

    @property
    def ledger(self) -> Path:
        """The embedded ClickHouse's data."""
        return self.root / "ledger"

    @property
    def assets(self) -> Path:
        """The shelf."""
        return self.root / "assets"

    @property
    def run(self) -> Path:
        """Lock and passwords; for the owner's eyes alone."""
        return self.root / "run"

    def log(self, name: str) -> Path:
        """Log of the process called `name`."""
        return self.logs / f"{name}.log"

    def ends(self, name: str) -> Path:
        """Lives of the process called `name` that ended without a goodbye."""
        return self.run / f"{name}.ends.jsonl"

    def make(self) -> None:
        """Create the folders; Unusable, naming the folder, where that is not allowed."""
        try:
            for folder in (self.logs, self.kafka, self.ledger, self.assets, self.run):
                folder.mkdir(parents=True, exist_ok=True)
            self.run.chmod(0o700)
        except OSError as reason:
            raise Unusable(
                f"the stack's folder {self.root} cannot be made ({reason.strerror}):"
                f" choose another with `--stack DIR` or {FOLDER_SETTING}"
            ) from reason

    def clear(self) -> None:
        """Remove what a stack laid here, and the folder where that leaves it empty.

        Unusable, and nothing removed, where the folder holds things and never was a stack's.
        """
        if not self.root.exists():
            return
        if not self.state.exists() and any(self.root.iterdir()):
            raise Unusable(
                f"{self.root} holds things that are no stack's: name an empty folder or a new one"
            )
        for folder in (self.logs, self.kafka, self.ledger, self.assets, self.run):
            shutil.rmtree(folder, ignore_errors=True)
        self.state.unlink(missing_ok=True)
        with suppress(OSError):
            self.root.rmdir()

    def secret_file(self, name: str) -> Path:
        """File under `run/` with a random password, readable by its owner only; made once."""
        path = self.run / name
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                opened.write(secrets.token_urlsafe(_SECRET_BYTES) + "\n")
        return path
