"""The shelf in a folder of this machine: a key is a path below the root, nothing is translated.

So other programs may read the files where they lie, and people can look.

How a write becomes visible whole or not at all, and is durable when the call returns:
1. the bytes go to a file of our own below `<root>/.tmp/`, which no reader looks into;
2. that file is synced;
3. it is renamed (put) or hard-linked (put_if_absent: the link fails if the name is taken) into
   place;
4. the folder that got the name is synced, and so is every parent this process has not yet seen
   to be durable.

A process killed on the way leaves at most a file below `.tmp`. Every store object holds a lock on
its own folder there; opening a store removes those whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from assets.checks import GET_BYTES_MAX, check_content, check_erasable, check_object
from assets.errors import Absent, disk_errors, opening_errors, too_large
from assets.keys import check_key, check_prefix
from schemas.errors import Transient

FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
"""Owner and group, whatever the umask: manifests hold prompts, so the world reads nothing."""

FOLDERS_REMEMBERED_MAX: Final = 20_000
"""Folders known to be durable. Forgetting them costs a few needless syncs, no promise."""

_DRAFTS: Final = ".tmp"
_LOCK: Final = "lock"
_OPEN_TRIES_MAX: Final = 16


class FolderStore:
    """An AssetStore below `root`, which is made if it is missing. See `assets.store`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[str] = set()
        self._number = itertools.count()
        with opening_errors(root):
            root.parent.mkdir(parents=True, exist_ok=True)
            _make_folder(root)
            self._root = root.resolve(strict=True)
            drafts = self._root / _DRAFTS
            _make_folder(drafts)
            _sweep(drafts)
            self._drafts, self._lock_fd = _own_drafts(drafts)

    def __del__(self) -> None:
        """Let go of the lock; the next store to be opened sweeps what is left."""
        if (lock_fd := getattr(self, "_lock_fd", None)) is not None:
            os.close(lock_fd)

    def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """See AssetStore. A folder keeps no media type: the extension of the key says it."""
        check_object(data, media_type=media_type)
        target = self._path(key)
        with disk_errors(self._root), self._draft(data) as draft:
            self._place(target, lambda: os.replace(draft, target))

    def put_if_absent(self, key: str, data: bytes, *, media_type: str) -> bool:
        """See AssetStore. The link call is what decides a race."""
        check_object(data, media_type=media_type)
        target = self._path(key)
        with disk_errors(self._root):
            won = not os.path.lexists(target) and self._link(data, target)
            if not won:
                # Whoever was first may not have come to this yet, and our caller builds on it.
                _sync_folder(os.path.dirname(target))
        return won

    def get(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes:
        """See AssetStore."""
        path = self._path(key)
        with disk_errors(self._root, key=key), open(path, "rb", buffering=0) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > size_bytes_max:
                raise too_large(key, size_bytes, size_bytes_max=size_bytes_max)
            data = file.readall()
        check_content(key, data)
        return data

    def find(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes | None:
        """See AssetStore."""
        try:
            return self.get(key, size_bytes_max=size_bytes_max)
        except Absent:
            return None

    def size(self, key: str) -> int | None:
        """See AssetStore."""
        path = self._path(key)
        try:
            with disk_errors(self._root, key=key):
                found = os.stat(path)
        except Absent:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def keys(self, prefix: str) -> Iterator[str]:
        """See AssetStore. What is laid or erased meanwhile may or may not be named."""
        check_prefix(prefix)
        pending = [prefix]
        while pending:
            below = pending.pop()
            for name, is_folder in self._listing(below):
                if is_folder:
                    pending.append(f"{below}{name}/")
                else:
                    yield below + name

    def erase(self, prefix: str) -> int:
        """See AssetStore. The whole prefix leaves in one rename; its bytes are removed after."""
        check_erasable(prefix)
        count = sum(1 for _ in self.keys(prefix))
        place = self._root / prefix
        with disk_errors(self._root):
            grave = self._draft_path()
            try:
                os.rename(place, grave)
            except (FileNotFoundError, NotADirectoryError):
                return 0
            self._durable.clear()
            _sync_folder(place.parent)
            shutil.rmtree(grave)
        return count

    def check(self) -> None:
        """See AssetStore: writes a small file, syncs it and removes it."""
        with disk_errors(self._root), self._draft(b"heddle" * 1024):
            pass

    def _path(self, key: str) -> str:
        check_key(key)
        return f"{self._root}/{key}"

    def _draft_path(self) -> str:
        # The process id keeps a forked child from using its parent's names.
        return f"{self._drafts}/{os.getpid()}-{next(self._number)}"

    @contextmanager
    def _draft(self, data: bytes) -> Iterator[str]:
        """A synced file holding `data`, removed at the end unless it was moved away."""
        draft = self._draft_path()
        fd = self._create(draft)
        try:
            try:
                os.fchmod(fd, FILE_MODE)
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            yield draft
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)

    def _create(self, draft: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(draft, flags, FILE_MODE)
        except FileNotFoundError:
            # Somebody emptied the whole root under us; go on in it.
            os.makedirs(self._drafts, mode=FOLDER_MODE, exist_ok=True)
            return os.open(draft, flags, FILE_MODE)

    def _link(self, data: bytes, target: str) -> bool:
        with self._draft(data) as draft:
            try:
                self._place(target, lambda: os.link(draft, target))
            except FileExistsError:
                return False
        return True

    def _place(self, target: str, move: Callable[[], None]) -> None:
        """Run `move`, which names a synced file `target`, and make the name durable."""
        folder = os.path.dirname(target)
        self._make_durable(folder)
        try:
            move()
        except FileNotFoundError:
            # Erased since we last made it.
            self._durable.clear()
            self._make_durable(folder)
            move()
        _sync_folder(folder)

    def _make_durable(self, folder: str) -> None:
        """Make `folder` and its parents below the root exist, each one's name synced."""
        if folder in self._durable or folder == str(self._root):
            return
        parent = os.path.dirname(folder)
        self._make_durable(parent)
        _make_folder(folder)
        _sync_folder(parent)
        if len(self._durable) >= FOLDERS_REMEMBERED_MAX:
            self._durable.clear()
        self._durable.add(folder)

    def _listing(self, below: str) -> list[tuple[str, bool]]:
        """Names directly under a prefix, each with whether it is a folder."""
        try:
            with disk_errors(self._root, key=below or "/"), os.scandir(self._root / below) as found:
                return [
                    (entry.name, entry.is_dir(follow_symlinks=False))
                    for entry in found
                    if not entry.name.startswith(".")
                ]
        except Absent:
            return []


def _make_folder(folder: str | Path) -> None:
    """Make one folder, with our mode if it was us who made it."""
    try:
        os.mkdir(folder, FOLDER_MODE)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
    else:
        os.chmod(folder, FOLDER_MODE)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: str | Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _own_drafts(drafts: Path) -> tuple[Path, int]:
    """A fresh folder below `drafts` and the descriptor whose lock says that we live."""
    for _ in range(_OPEN_TRIES_MAX):
        own = drafts / uuid.uuid4().hex
        # A sweeper may take the folder for a dead one, and it away, until the lock is held.
        with suppress(FileNotFoundError):
            _make_folder(own)
            lock_fd = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            os.fchmod(lock_fd, FILE_MODE)
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
            if os.fstat(lock_fd).st_nlink:
                return own, lock_fd
            os.close(lock_fd)
    raise Transient(f"no folder for drafts could be kept below {drafts}")


def _sweep(drafts: Path) -> None:
    """Remove the drafts of stores that are gone: killed processes, power cuts."""
    for own in drafts.iterdir():
        try:
            lock_fd = os.open(own / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            # Not locked yet, going just now, or not one of ours. If it is empty it may go: who
            # is about to lock it finds it missing and takes another.
            with suppress(OSError):
                own.rmdir()
            continue
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(own, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock_fd)
