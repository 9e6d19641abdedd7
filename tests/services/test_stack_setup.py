"""Set-up on a machine where nothing may be installed, and the list of jars it checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_TOOLS = ("bash", "sh", "env", "sed", "tr", "cut", "cat", "id", "dirname", "sha256sum")
_EXIT_MISSING_PART = 4


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has what any Debian has and nothing that set-up installs."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for tool in _TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (commands / tool).symlink_to(found)
    return {"PATH": str(commands), "HOME": str(tmp_path), "HEDDLE_SETUP_NO_INSTALL": "1"}


def test_what_is_missing_is_named_with_its_command(bare: dict[str, str]) -> None:
    """Each missing part has its line, one command installs all, the exit code says so."""
    answer = _setup("plan", env=bare)
    assert answer.returncode == _EXIT_MISSING_PART
    for package in ("python3", "openjdk-17-jre-headless", "potrace"):
        assert re.search(rf"^  - .*\(package {package}\b", answer.stderr, re.MULTILINE)
        assert re.search(rf"apt-get install .*\b{package}\b", answer.stderr)


def test_an_old_java_is_missing_and_a_new_one_is_not(bare: dict[str, str]) -> None:
    """The version counts, not the command alone."""
    _fake_java(bare, version="11.0.2")
    assert "Java 17 or later" in _setup("plan", env=bare).stderr
    _fake_java(bare, version="21")
    answer = _setup("plan", env=bare)
    assert "Java" not in answer.stderr
    assert "Potrace" in answer.stderr


def test_an_unknown_word_is_answered_with_the_usage() -> None:
    """A mistyped word changes nothing and shows the three that exist."""
    answer = _setup("instal", env=dict(os.environ))
    assert answer.returncode == 2
    assert "relist-jars" in answer.stderr


def test_the_list_of_jars_belongs_to_the_pom() -> None:
    """Every version the pom pins is in the list of hashes."""
    pom = (_CHECKOUT / "setup" / "pom.xml").read_text(encoding="utf-8")
    pinned = re.findall(
        r"<dependency>.*?<artifactId>(.+?)</artifactId>\s*<version>(.+?)</version>", pom, re.DOTALL
    )
    listed = (_CHECKOUT / "setup" / "kafka.sha256").read_text(encoding="utf-8")
    assert pinned
    for artifact, version in pinned:
        assert re.search(rf"^[0-9a-f]{{64}}  {artifact}-{version}\.jar$", listed, re.MULTILINE)


def _setup(word: str, *, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_CHECKOUT / "setup" / "setup.sh"), word],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _fake_java(env: dict[str, str], *, version: str) -> None:
    java = Path(env["PATH"]) / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", encoding="utf-8")
    java.chmod(0o755)
