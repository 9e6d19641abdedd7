"""The house rules that no linter knows: sizes, vendors' doors, package traps."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
ROOMS = (
    "schemas", "gateway", "streams", "inference", "postproc", "assets", "registry", "client",
    "analytics", "training", "heddle",
)  # fmt: skip
DOORS = {
    "confluent_kafka": ("streams/kafka/", "client/"),
    "faust": ("streams/live/", "streams/stages/", "streams/kafka/safe_faust.py"),
    "mode": ("streams/live/", "streams/stages/", "streams/kafka/safe_faust.py"),
    "torch": ("inference/", "training/"),
    "diffusers": ("inference/", "training/"),
    "transformers": ("inference/", "training/"),
    "peft": ("inference/", "training/"),
    "fastavro": ("schemas/",),
    "minio": ("assets/",),
    "chdb": ("analytics/",),
    "clickhouse_connect": ("analytics/",),
    "opentelemetry": ("streams/",),
}


@cache
def tracked() -> tuple[Path, ...]:
    """Every Python file that is or will be in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=HOUSE,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(HOUSE / name for name in listed.stdout.split() if (HOUSE / name).exists())


def of_rooms() -> list[Path]:
    """Files of the product itself."""
    return [path for path in tracked() if path.relative_to(HOUSE).parts[0] in ROOMS]


def imports(tree: ast.AST) -> Iterator[str]:
    """Top-level names of everything a file imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def long_functions(tree: ast.AST) -> Iterator[str]:
    """Functions over the limit, their docstrings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name}: {lines} lines"


def foreign(path: str, tree: ast.AST) -> list[str]:
    """Vendors that a file may not import."""
    return sorted(
        {name for name in imports(tree) if name in DOORS and not path.startswith(DOORS[name])}
    )


@pytest.mark.parametrize("path", of_rooms(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_every_file_keeps_the_house_rules(path: Path) -> None:
    """No file over 400 lines, no function over 70, no vendor outside its door, every file opens
    by saying what it is for."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    name = str(path.relative_to(HOUSE))
    assert text.count("\n") <= FILE_LINES_MAX, "split it: one step, one file, one idea"
    assert list(long_functions(tree)) == []
    assert foreign(name, tree) == []
    assert ast.get_docstring(tree), "a module says what it is for and what it refuses"


def test_the_rules_catch_what_they_should() -> None:
    """Each rule is seen failing: a long function, a vendor in the wrong room."""
    long = ast.parse("def f():\n" + "    x = 1\n" * 80)
    assert list(long_functions(long)) == ["f: 81 lines"]
    sneaky = ast.parse("def f():\n    import torch.nn\n    from minio import Minio")
    assert foreign("postproc/a.py", sneaky) == ["minio", "torch"]
    assert foreign("assets/a.py", sneaky) == ["torch"]


def test_docker_folder_never_hides_the_docker_sdk() -> None:
    """With an `__init__.py` our folder would shadow the SDK that testcontainers imports."""
    assert not (HOUSE / "docker" / "__init__.py").exists()


def test_no_test_folder_is_a_package() -> None:
    """importlib mode needs none, and one would put tests' names among ours."""
    assert not list((HOUSE / "tests").rglob("__init__.py"))


def test_the_repository_names_no_machine_and_no_index() -> None:
    """No path of the machine it was written on, no package index's address, no pickle."""
    bad = ("/ro" + "ot/", "/wo" + "rk/main", "python" + "hosted", "pypi" + ".org")
    for path in tracked():
        text = path.read_text(encoding="utf-8")
        found = [word for word in bad if word in text]
        assert not found, f"{path.relative_to(HOUSE)} names {found}"
        assert path not in of_rooms() or "import pickle" not in text, path
