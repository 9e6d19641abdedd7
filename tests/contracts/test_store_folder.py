"""What a folder promises beyond every shelf: crashes, full disks, permissions, durability."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.errors import Absent, Damaged
from assets.folder import FILE_MODE, FOLDER_MODE, FolderStore
from assets.keys import claim_key, content_key_of, manifest_key
from assets.store import open_store
from schemas.errors import HeddleError, Transient, Unusable

REPOSITORY = Path(__file__).parents[2]
PNG = "image/png"
WAIT_S_MAX = 30.0

ENDLESS_PUTS = """
import sys
from pathlib import Path
from assets.folder import FolderStore
from assets.keys import content_key_of
store = FolderStore(Path(sys.argv[1]))
data = bytearray(8_000_000)
for i in range(1_000_000):
    data[:8] = i.to_bytes(8)
    store.put(content_key_of("acme", bytes(data), extension="tiff"), bytes(data),
              media_type="image/tiff")
"""

PUT_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from assets.folder import FolderStore
from assets.keys import content_key_of
from schemas.errors import Transient
root, limit = Path(sys.argv[1]), int(sys.argv[2])
store = FolderStore(root)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
small, large = b"s" * 1000, b"l" * 600_000
key = content_key_of("acme", large, extension="tiff")
store.put(content_key_of("acme", small, extension="png"), small, media_type="image/png")
for call in (lambda: store.put(key, large, media_type="image/tiff"),
             lambda: store.put_if_absent(key, large, media_type="image/tiff")):
    try:
        call()
    except Transient as error:
        print(error.reason)
print(store.size(key), sum(1 for _ in store.keys("")), len(list((root / ".tmp").glob("*/*"))))
"""


def _child(code: str, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until(ready: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S_MAX
    while not ready():
        assert time.monotonic() < deadline_s, "it never came to that"
        threading.Event().wait(0.001)


def _drafts(root: Path) -> list[Path]:
    """Every draft now; a folder that another opening sweeps meanwhile has none."""
    drafts: list[Path] = []
    for folder in root.glob(".tmp/*"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            drafts.extend(folder / name for name in os.listdir(folder) if name != "lock")
    return drafts


def test_a_killed_put_leaves_no_partial_file(tmp_path: Path) -> None:
    """SIGKILL in mid-put, five times: every visible file is whole, the next opening tidies up."""
    root = tmp_path / "shelf"
    left_behind = 0
    for _ in range(5):
        child = _child(ENDLESS_PUTS, str(root))
        try:
            _until(lambda: bool(_drafts(root)))
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        left_behind += len(_drafts(root))
        store = FolderStore(root)
        assert _drafts(root) == []
        for key in store.keys(""):
            assert len(store.get(key)) == 8_000_000
    assert left_behind > 0, "no put was cut short, so nothing was shown"


def test_opening_leaves_the_living_alone(tmp_path: Path) -> None:
    """A store opened beside a busy one takes none of its drafts; a closed one's folder goes."""
    busy = FolderStore(tmp_path)
    with busy._draft(b"half way") as draft:
        FolderStore(tmp_path)
        assert Path(draft).read_bytes() == b"half way"
    del busy
    FolderStore(tmp_path)
    assert len(list(tmp_path.glob(".tmp/*"))) == 1


def test_many_may_open_at_once(tmp_path: Path) -> None:
    """Stores opened by 8 threads at once, again and again, sweep no living one's drafts."""
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "stray").write_bytes(b"")
    failures: list[Exception] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        try:
            for i in range(20):
                data = b"%d-%d" % (number, i)
                key = content_key_of("acme", data, extension="png")
                FolderStore(tmp_path).put(key, data, media_type=PNG)
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(1 for _ in FolderStore(tmp_path).keys("")) == 160


def _tiny_disk(root: Path) -> list[str]:
    """The command that runs a child on a file system of 512 kB of its own, if that can be had."""
    script = f'mount -t tmpfs -o size=512k tmpfs {root} && exec "$@"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    try:
        tried = subprocess.run([*command, "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return []
    return command if tried.returncode == 0 else []


@pytest.mark.parametrize("kind", ["a full disk", "a limit on file size"])
def test_a_full_disk_says_what_to_do(tmp_path: Path, kind: str) -> None:
    """No space is Transient, names the folder and the remedy, and leaves nothing half written."""
    command = _tiny_disk(tmp_path) if kind == "a full disk" else []
    # Where no file system of one's own can be had, the limit is how the same path is walked.
    limit = "0" if command else "100000"
    done = subprocess.run(
        [*command, sys.executable, "-c", PUT_UNTIL_FULL, str(tmp_path), limit],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    *said, rest = done.stdout.splitlines()
    assert len(said) == 2, done.stderr
    for line in said:
        assert line.startswith(f"no space left under {tmp_path} (")
        assert "free some" in line
    assert rest == "None 1 1"


def test_what_cannot_be_a_folder_is_unusable(tmp_path: Path) -> None:
    """A root that only a person can put right is Unusable and named, even where root may all."""
    (tmp_path / "file").write_bytes(b"")
    for place in ("/proc/shelf", "/dev/null", "/dev/null/shelf", f"{tmp_path}/file/shelf"):
        with pytest.raises(Unusable, match=place):
            open_store(f"file://{place}")


def test_every_kind_of_disk_error_has_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error number met while writing becomes the right kind of no, with its remedy."""
    store = FolderStore(tmp_path)
    expected: dict[int, tuple[type[HeddleError], str]] = {
        errno.ENOSPC: (Transient, "no space left"),
        errno.EDQUOT: (Transient, "no space left"),
        errno.EACCES: (Unusable, "write permission"),
        errno.EROFS: (Unusable, "write permission"),
        errno.EIO: (Transient, "failed"),
        errno.EMFILE: (Transient, "failed"),
    }
    for number, (kind, words) in expected.items():

        def refuse(_fd: int, _data: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(kind, match=words):
            store.put(claim_key("r"), b"x", media_type=PNG)
        monkeypatch.undo()
    assert list(store.keys("")) == []
    assert _drafts(tmp_path) == []


def test_names_become_visible_only_when_bytes_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced, then named, then the folder is synced, and new parents before it."""
    store = FolderStore(tmp_path)
    events: list[str] = []
    real_sync, real_link, real_replace = os.fsync, os.link, os.replace

    def sync(fd: int) -> None:
        real_sync(fd)
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        events.append("draft" if ".tmp" in path.parts else f"sync {path.relative_to(tmp_path)}")

    def link(source: str, target: str) -> None:
        real_link(source, target)
        events.append("named")

    def replace(source: str, target: str) -> None:
        real_replace(source, target)
        events.append("named")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    store.put_if_absent(claim_key("r"), b"x", media_type=PNG)
    assert events == ["draft", "sync .", "named", "sync claims"]
    events.clear()
    store.put(claim_key("r"), b"y", media_type=PNG)
    assert events == ["draft", "named", "sync claims"]
    events.clear()
    store.put(manifest_key("acme", "r", ordinal=1, stage="s"), b"y", media_type=PNG)
    assert events == [
        "draft", "sync .", "sync acme", "sync acme/patterns", "sync acme/patterns/r",
        "named", "sync acme/patterns/r/1",
    ]  # fmt: skip


def test_a_loser_waits_until_the_winner_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """False comes back only after the folder was synced: its caller will build on those bytes."""
    store = FolderStore(tmp_path)
    store.put_if_absent(claim_key("r"), b"x", media_type=PNG)
    synced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")))
    )
    assert store.put_if_absent(claim_key("r"), b"y", media_type=PNG) is False
    assert synced == [tmp_path / "claims"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    """Owner and group may read, nobody else, whatever umask the process was started with."""
    before = os.umask(umask)
    try:
        store = FolderStore(tmp_path / "shelf")
        key = content_key_of("acme", b"x", extension="png")
        store.put(key, b"x", media_type=PNG)
        store.put_if_absent(claim_key("r"), b"x", media_type=PNG)
    finally:
        os.umask(before)
    for path in (tmp_path / "shelf").rglob("*"):
        wanted = FOLDER_MODE if path.is_dir() else FILE_MODE
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_damage_on_the_disk_is_found(tmp_path: Path) -> None:
    """Bytes that no longer have the digest in their key are Damaged, and a put heals them."""
    store = FolderStore(tmp_path)
    key = content_key_of("acme", b"tile", extension="png")
    store.put(key, b"tile", media_type=PNG)
    (tmp_path / key).write_bytes(b"tilE")
    with pytest.raises(Damaged) as caught:
        store.get(key)
    assert caught.value.key == key
    store.put(key, b"tile", media_type=PNG)
    assert store.get(key) == b"tile"


def test_a_root_emptied_meanwhile_is_made_again(tmp_path: Path) -> None:
    """When somebody removes everything below the root, the next write still succeeds."""
    store = FolderStore(tmp_path / "shelf")
    store.put(claim_key("r"), b"x", media_type=PNG)
    subprocess.run(["rm", "-rf", str(tmp_path / "shelf")], check=True)
    with pytest.raises(Absent):
        store.get(claim_key("r"))
    store.put(claim_key("r"), b"x", media_type=PNG)
    assert store.put_if_absent(manifest_key("a", "r", ordinal=1, stage="s"), b"y", media_type=PNG)
    assert store.get(claim_key("r")) == b"x"


def test_a_key_that_is_a_folder_is_absent(tmp_path: Path) -> None:
    """Half a path of something else holds no bytes, and what is below a file does not either."""
    store = FolderStore(tmp_path)
    store.put(manifest_key("acme", "r", ordinal=1, stage="s"), b"x", media_type=PNG)
    assert store.find("acme/patterns") is None
    assert store.size("acme/patterns") is None
    assert store.find("acme/patterns/r/1/s.json/below") is None


def test_other_programs_find_files_where_the_key_says(tmp_path: Path) -> None:
    """A key is the path below the root, so a consumer may read the folder without us."""
    store = FolderStore(tmp_path)
    key = content_key_of("acme", b"x", extension="png")
    store.put(key, b"x", media_type=PNG)
    assert (tmp_path / key).read_bytes() == b"x"
