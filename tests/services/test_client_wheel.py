"""The client as strangers get it: one wheel, beside packages of theirs with our rooms' names."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
import analytics, schemas
import heddle_client
from heddle_client import Heddle, PatternRequested, Prompt, Rejected, repeat_mm
from heddle_client.schemas.codec import Codec

assert schemas.OWNER == analytics.OWNER == "somebody else"
assert heddle_client.schemas.__name__ == "heddle_client.schemas"
assert not hasattr(heddle_client.schemas, "OWNER")

request = PatternRequested(
    request_id="r", tenant="acme", prompt=Prompt(text="waves"), repeat=repeat_mm(64, 64)
)
assert Codec().decode(Codec().encode(request), PatternRequested) == request
with Heddle("127.0.0.1:1") as heddle:
    try:
        heddle.request(tenant="acme", prompt="", repeat=repeat_mm(64, 64))
    except Rejected as refused:
        assert refused.field == "prompt"
    else:
        raise AssertionError("an empty prompt was taken")
house = [name for name in sys.modules if name.split(".")[0] in ("streams", "client", "heddle")]
assert not house, house
print("round trip")
"""
TYPED = """
from heddle_client import AsyncHeddle, Heddle, repeat_mm

def ask(heddle: Heddle) -> str:
    return heddle.request(tenant="acme", prompt="waves", repeat=repeat_mm(64, 64), steps=20)

async def ask_again(heddle: AsyncHeddle) -> int:
    request_id: str = await heddle.request(tenant="a", prompt="w", repeat=repeat_mm(64, 64))
    return (await heddle.wait(request_id, timeout_s=1.0)).count
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from client/ as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", str(HOUSE / "client"), "-o", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, its two dependencies and two strangers, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run("-m", "venv", "--without-pip", str(folder))
    (site,) = folder.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as opened:
        # What an installer does with a pure wheel that has no scripts.
        opened.extractall(site)
    for stranger in ("schemas", "analytics"):
        (site / f"{stranger}.py").write_text('OWNER = "somebody else"\n')
    for dependency in ("confluent-kafka", "fastavro"):
        files = importlib.metadata.files(dependency) or []
        for name in {file.parts[0] for file in files} - {".."}:
            ours = importlib.metadata.distribution(dependency).locate_file(name)
            (site / name).symlink_to(str(ours))
    return folder / "bin" / "python"


def run(*arguments: str, python: Path = Path(sys.executable), folder: Path | None = None) -> str:
    """Standard output of a Python that knows nothing of this repository."""
    command = [str(python), "-I", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_one_name(wheel: Path) -> None:
    """One top-level package, typed, with the Avro files, and no import of a foreign `schemas`."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        sources = {name: opened.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"heddle_client"}
    avro = {path.name for path in (HOUSE / "schemas" / "avro").iterdir()}
    assert {f"heddle_client/schemas/avro/{name}" for name in avro} <= set(names)
    assert "heddle_client/py.typed" in names
    assert "heddle_client/hatch_build.py" not in names
    for name, source in sources.items():
        for word in ("import schemas", "from schemas", "from client", "import client"):
            assert f"\n{word}" not in source, name


def test_the_wheel_needs_two_packages(wheel: Path) -> None:
    """The metadata ask for confluent-kafka and fastavro and for nothing else."""
    with zipfile.ZipFile(wheel) as opened:
        (path,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(opened.read(path).decode())
    needed = {text.partition(">=")[0] for text in metadata.get_all("Requires-Dist", [])}
    assert metadata["Name"] == "heddle-client"
    assert needed == {"confluent-kafka", "fastavro"}


def test_it_lives_beside_strangers(python: Path, tmp_path: Path) -> None:
    """Imported beside foreign packages `schemas` and `analytics`, a record makes the round trip."""
    assert run("-c", SCRIPT, python=python, folder=tmp_path) == "round trip\n"


def test_a_caller_sees_our_types(python: Path, tmp_path: Path) -> None:
    """A strict type check of callers' code, the README's too, passes against the wheel."""
    page = (HOUSE / "client" / "README.md").read_text(encoding="utf-8")
    (readme,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "caller.py").write_text(TYPED)
    (tmp_path / "readme.py").write_text(readme)
    run(
        *("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")),
        *("--config-file", "", "--python-executable", str(python), "caller.py", "readme.py"),
        folder=tmp_path,
    )


def test_it_reaches_a_broker(python: Path, broker: str, tmp_path: Path) -> None:
    """The installed client talks to a real Kafka: a missing topic is named."""
    script = (
        "import sys; from heddle_client import Heddle, Unusable\n"
        "try:\n    Heddle(sys.argv[1], prefix='nobody').results()\n"
        "except Unusable as refused:\n    print(refused)\n"
    )
    said = run("-c", script, broker, python=python, folder=tmp_path)
    assert "nobody.patterns.published" in said
