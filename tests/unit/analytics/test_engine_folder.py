"""The ledger's folder: what is wrong with it is said in words, before the engine is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics.endpoint.engine import Engine
from analytics.endpoint.limits import Limits
from schemas.errors import Unusable


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    """No traceback; the lock is let go, so that a second try may follow at once."""
    (tmp_path / "heddle-ledger.xml").mkdir()
    for _ in range(2):
        with pytest.raises(Unusable, match=r"cannot be written.*then start again") as refusal:
            Engine(tmp_path, Limits())
        assert str(tmp_path) in str(refusal.value)
