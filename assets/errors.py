"""What can go wrong on a shelf, in the words of the one error tree.

Vendors' errors are translated at their own door (`disk_errors` here, `s3_errors` beside the S3
store); nothing that the operating system or a vendor raises leaves this room as it is.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas.errors import Rejected, Transient, Unusable


class Absent(Transient):
    """Nothing lies under `key`.

    A Transient, because that is its right fate when nobody catches it: a stage that needs bytes
    which are not there tries again, a bounded number of times, and then keeps the message as a
    dead letter, which can be replayed once the bytes are back.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing lies under the key {key}")
        self.key = key

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool whole."""
        return (Absent, (self.key,))


class Damaged(Transient):
    """The bytes under `key` are not the bytes that were put there."""

    def __init__(self, key: str, *, reason: str) -> None:
        super().__init__(f"the bytes under the key {key} are damaged: {reason}")
        self.key = key
        self.damage = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool whole."""
        return (_damaged_again, (self.key, self.damage))


def _damaged_again(key: str, reason: str) -> Damaged:
    return Damaged(key, reason=reason)


def too_large(key: str, size_bytes: int, *, size_bytes_max: int) -> Rejected:
    """The refusal of bytes that would not fit what the caller is ready to hold in memory."""
    return Rejected(
        f"{size_bytes} bytes under the key {key}, at most {size_bytes_max} are read",
        field="size_bytes",
        limit=f"at most {size_bytes_max} bytes",
    )


FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})


NO_FOLDER: Final = frozenset({*NOT_THERE, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG})


@contextmanager
def opening_errors(root: Path) -> Iterator[None]:
    """As `disk_errors`, for making the root itself: what cannot be a folder is Unusable."""
    with disk_errors(root):
        try:
            yield
        except OSError as error:
            if error.errno not in NO_FOLDER:
                raise
            raise Unusable(
                f"{root} cannot be a shelf ({error.strerror}): point the shelf to a folder, or to "
                f"where one can be made"
            ) from error


@contextmanager
def disk_errors(root: Path, *, key: str = "") -> Iterator[None]:
    """Translate every OSError met under `root` while working on `key`.

    Raises: Absent (no such file), Unusable (permission, read-only file system: a person must
    act), Transient (disk full, quota, and every other error of the disk).
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(error, root, key=key) from error


def from_os_error(error: OSError, root: Path, *, key: str = "") -> Transient | Unusable:
    """The error of ours that says what to do about `error`."""
    said = error.strerror or str(error)
    if error.errno in FULL:
        return Transient(
            f"no space left under {root} ({said}): free some, or point the shelf to a larger disk"
        )
    if error.errno in FORBIDDEN:
        return Unusable(
            f"{root} cannot be used by this user ({said}: {error.filename or root}): "
            f"give it write permission there, or point the shelf elsewhere"
        )
    if error.errno in NOT_THERE and key:
        return Absent(key)
    return Transient(f"the disk under {root} failed: {said}")
