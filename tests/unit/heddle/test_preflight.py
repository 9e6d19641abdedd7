"""What a stage finds out about its machine before it starts: one line, one exit code each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from heddle import preflight, settings
from heddle.__main__ import main
from schemas.errors import EXIT_CLOCK, EXIT_DEVICE, EXIT_VOLUME, EXITS, Unusable

HOUSE = Path(__file__).parents[3]


@pytest.fixture(params=[-90, 90, 5, 0])
def neighbour(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """A server whose clock is some seconds off; how many, and its address."""
    off_s: int = request.param

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            del timestamp
            at = datetime.now(UTC) + timedelta(seconds=off_s)
            return at.strftime("%a, %d %b %Y %H:%M:%S GMT")

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield off_s, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_clocks_that_differ_are_named(neighbour: tuple[int, str]) -> None:
    """A minute and a half either way is refused with the figure; seconds are not."""
    off_s, url = neighbour
    told = {"HEDDLE_ASSETS": f"s3://shelf/x?endpoint={url}"}
    read = settings.read(told)
    if abs(off_s) < 30:
        preflight.machine(read, "live")
        return
    with pytest.raises(Unusable, match=r"(89|90|91) s (ahead of|behind) that of 127") as refused:
        preflight.machine(read, "live")
    assert refused.value.exit_code == EXIT_CLOCK
    assert ("ahead" in str(refused.value)) == (off_s < 0)


def test_a_neighbour_that_is_away_is_for_others_to_say() -> None:
    """No answer is no skew."""
    preflight.require_same_time("http://127.0.0.1:9", skew_ms_max=0)


@pytest.mark.parametrize("stage", ["route", "ledger"])
def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path, stage: str) -> None:
    """A file where the folder should be, as for a read-only mount: folder, setting, exit code."""
    (tmp_path / "stack").write_text("not a folder")
    read = settings.read({"HEDDLE_STACK": str(tmp_path / "stack")})
    with pytest.raises(Unusable, match=r"stack/\w+ cannot be written .* HEDDLE_STACK") as refused:
        preflight.machine(read, stage)
    assert refused.value.exit_code == EXIT_VOLUME


def test_nothing_is_left_in_a_volume_that_can(tmp_path: Path) -> None:
    """The try leaves no file."""
    preflight.require_writable(tmp_path / "shelf", setting="HEDDLE_ASSETS")
    assert list((tmp_path / "shelf").iterdir()) == []


def test_cuda_without_a_gpu_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`heddle run generate` with cuda on a machine without a driver ends at once, with its code."""
    monkeypatch.setenv("HEDDLE_DEVICE", "cuda")
    monkeypatch.setenv("HEDDLE_STACK", str(tmp_path))
    monkeypatch.setattr("ctypes.CDLL", _no_driver)
    assert main(["run", "generate"]) == EXIT_DEVICE
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "HEDDLE_DEVICE is cuda" in error


def _no_driver(name: str) -> object:
    raise OSError(f"{name}: cannot open shared object file")


def test_the_docs_list_every_exit_code() -> None:
    """docs/operations.md has each code with its meaning."""
    text = (HOUSE / "docs" / "operations.md").read_text()
    for code, meaning in EXITS.items():
        assert f"| {code} | {meaning} |" in text
