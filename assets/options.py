"""What opening a store needs besides its address: credentials, encryption at rest, bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

ANSWER_MS_MAX: Final = 30_000
CONNECT_MS_MAX: Final = 5_000
TRIES_MAX: Final = 4
CONNECTIONS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What a store needs besides its address. All of it is for S3; a folder needs none."""

    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    """Empty unless the credentials are temporary ones."""
    encryption: str = ""
    """At rest: empty (the bucket's own default), `s3`, `kms`, or `customer`."""
    kms_key_id: str = ""
    """Which key, with `kms`."""
    customer_key: bytes = field(default=b"", repr=False)
    """32 bytes, with `customer`; travels with every request, so only over https."""
    ca_file: str = ""
    """PEM file of the authorities to trust; empty for those of the system."""
    connect_ms_max: int = CONNECT_MS_MAX
    answer_ms_max: int = ANSWER_MS_MAX
    """Longest silence of the server within one try."""
    tries_max: int = TRIES_MAX
    """Tries of one call, the first included; above this the call is Transient."""
    connections_max: int = CONNECTIONS_MAX
    """Connections kept open; more threads than this wait for none but open extra ones."""
