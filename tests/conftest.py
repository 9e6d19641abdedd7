"""What every test leaves as it found it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from heddle.logs import CHATTY


@pytest.fixture(autouse=True)
def _logging_as_found() -> Iterator[None]:
    """A command called within a test sets the process's log levels; the next test has its own."""
    loggers = [logging.getLogger(), *map(logging.getLogger, CHATTY)]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
