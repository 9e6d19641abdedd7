"""Bounds that all stores share."""

from __future__ import annotations

from typing import Final

GET_BYTES_MAX: Final = 512 * 1024 * 1024
"""Largest object read into memory unless the caller says otherwise."""

PUT_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
"""Largest object written: one S3 PUT takes up to 5 GB, and all of it is held in memory here."""
