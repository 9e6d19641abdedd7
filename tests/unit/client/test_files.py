"""Files are fetched whole, verified, and from their base alone: folder, web and opener alike."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import http.server
import os
import stat
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from client import File, Rejected, Transient, fetch, fetch_async, save
from client import files as files_module

BODY = b"pixels" * 1_000
KEY = "acme/files/ab/tile one.png"
FILE = File(
    role="tile",
    key=KEY,
    display_name="tile.png",
    media_type="image/png",
    size_bytes=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shelf with one file, and a secret beside it."""
    (tmp_path / "secret").write_bytes(BODY)
    shelf = tmp_path / "shelf"
    (shelf / KEY).parent.mkdir(parents=True)
    (shelf / KEY).write_bytes(BODY)
    return shelf


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """The same shelf behind a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["folder", "text", "web", "opener"])
def source(request: pytest.FixtureRequest, folder: Path) -> Any:
    """The shelf in each way a caller may name it."""
    if request.param == "web":
        return request.getfixturevalue("web")
    if request.param == "opener":
        return lambda key: (folder / key).read_bytes()
    return folder if request.param == "folder" else str(folder)


def test_the_bytes_come_as_published(source: Any, tmp_path: Path) -> None:
    """Fetch gives the bytes, save the file, fetch_async the same."""
    assert fetch(FILE, source) == BODY
    assert asyncio.run(fetch_async(FILE, source)) == BODY
    assert save(FILE, source, tmp_path / "out.png").read_bytes() == BODY


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("sha256", {"sha256": "0" * 64}),
        ("size_bytes", {"size_bytes": len(BODY) - 1}),
        ("size_bytes", {"size_bytes": len(BODY) + 1}),
        ("size_bytes", {"size_bytes": 0}),
        ("size_bytes", {"size_bytes": -1}),
        ("size_bytes", {"size_bytes": files_module.FILE_BYTES_MAX + 1}),
        ("key", {"key": "../secret"}),
        ("key", {"key": "acme/../../secret"}),
        ("key", {"key": "/etc/passwd"}),
        ("key", {"key": ""}),
        ("key", {"key": "acme//tile.png"}),
        ("key", {"key": "./secret"}),
        ("key", {"key": "acme\\..\\secret"}),
        ("key", {"key": "acme/\0"}),
        ("key", {"key": "a" * 1_025}),
    ],
)
def test_other_bytes_and_other_places_are_refused(
    source: Any, field: str, change: dict[str, Any], tmp_path: Path
) -> None:
    """A wrong size, hash or key is rejected by name from every source, and nothing is saved."""
    file = dataclasses.replace(FILE, **change)
    with pytest.raises(Rejected) as refused:
        fetch(file, source)
    assert refused.value.field == field
    with pytest.raises(Rejected):
        save(file, source, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["folder", "web"])
def test_a_missing_file_is_refused(request: pytest.FixtureRequest, kind: str) -> None:
    """What is not there will not be there later: rejected, by key."""
    with pytest.raises(Rejected, match="not at") as refused:
        fetch(dataclasses.replace(FILE, key="acme/none"), request.getfixturevalue(kind))
    assert refused.value.field == "key"


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    """A symbolic link that leaves the shelf is refused, one inside is read."""
    (folder / "out").symlink_to(folder.parent / "secret")
    (folder / "in").symlink_to(folder / KEY)
    with pytest.raises(Rejected, match="leaves"):
        fetch(dataclasses.replace(FILE, key="out"), folder)
    assert fetch(dataclasses.replace(FILE, key="in"), folder) == BODY


def test_a_silent_server_is_passing_trouble(web: str) -> None:
    """No connection is Transient: ask again."""
    port = int(web.rstrip("/").rpartition(":")[2])
    with pytest.raises(Transient):
        fetch(FILE, f"http://127.0.0.1:1/{port}")


@pytest.mark.parametrize(("status", "kind"), [(500, Transient), (429, Transient), (403, Rejected)])
def test_statuses_mean_what_they_say(status: int, kind: type[Exception]) -> None:
    """Server trouble and overload pass, a refusal does not."""

    class Moody(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with pytest.raises(kind, match=str(status)):
            fetch(FILE, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_save_replaces_whole(folder: Path, tmp_path: Path) -> None:
    """An older file stays as it was when the new one cannot be had."""
    target = tmp_path / "out.png"
    target.write_bytes(b"older")
    with pytest.raises(Rejected):
        save(dataclasses.replace(FILE, sha256="0" * 64), folder, target)
    assert target.read_bytes() == b"older"
    save(FILE, folder, target)
    assert target.read_bytes() == BODY


def test_a_failed_save_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    """Where the file cannot be put in place, its temporary part is removed."""
    (tmp_path / "taken").mkdir()
    before = set(tmp_path.iterdir())
    with pytest.raises(OSError, match="taken"):
        save(FILE, folder, tmp_path / "taken")
    assert set(tmp_path.iterdir()) == before


def test_a_saved_file_has_the_mode_that_the_umask_leaves(folder: Path, tmp_path: Path) -> None:
    """Whoever shares the folder may read it, and no half of a file is left beside it."""
    before = os.umask(0o027)
    try:
        saved = save(FILE, folder, tmp_path / "tile.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
