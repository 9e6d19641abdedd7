"""What the finish stage is equipped with: tried at the start, named where it will not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from heddle import finishing, settings
from heddle.__main__ import main
from schemas.errors import EXIT_CERTIFICATE, EXIT_USAGE, Unusable


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CMYK profile as a mill would send it."""
    path = tmp_path_factory.mktemp("mill") / "mill.icc"
    path.write_bytes(bytes(pyvips.Image.profile_load("cmyk")))
    return path


def signing(folder: Path) -> dict[str, str]:
    return {
        "HEDDLE_SIGN_CHAIN": str(folder / "chain.pem"),
        "HEDDLE_SIGN_KEY_FILE": str(folder / "leaf.key"),
    }


def test_profile_signer_and_words_come_from_settings(profile: Path, signing_keys: Path) -> None:
    """All of them reach the table, and the key shows neither there nor in `heddle settings`."""
    pytest.importorskip("c2pa")
    told = {"HEDDLE_PRESS_PROFILE": str(profile), "HEDDLE_CREATOR": "Ada", **signing(signing_keys)}
    read = settings.read(told)
    table = finishing.table(read)
    assert table.press_profile == profile
    assert table.signer is not None
    assert table.words is not None
    assert table.words.creator == "Ada"
    secret = (signing_keys / "leaf.key").read_text().splitlines()[1]
    assert secret.encode() in table.signer.private_key
    assert secret not in repr(table)
    assert secret not in str(read.shown())


def test_nothing_set_is_nothing_used() -> None:
    """A plain installation signs nothing, and takes its own network and the generic profile."""
    table = finishing.table(settings.read({}))
    assert (table.network, table.press_profile, table.signer, table.words) == (None,) * 4


@pytest.mark.parametrize(
    ("told", "said", "code"),
    [
        ({"PRESS_PROFILE": "none.icc"}, "HEDDLE_PRESS_PROFILE: there is no file", EXIT_USAGE),
        ({"PRESS_PROFILE": "text"}, "HEDDLE_PRESS_PROFILE: .*not a CMYK profile", EXIT_USAGE),
        ({"NETWORK": "text"}, "HEDDLE_NETWORK: .*is not a network", EXIT_USAGE),
        ({"SIGN_CHAIN": "text"}, "HEDDLE_SIGN_KEY is not set", EXIT_USAGE),
        ({"SIGN_KEY": "key"}, "HEDDLE_SIGN_CHAIN is not set", EXIT_USAGE),
        ({"SIGN_KEY": "k", "SIGN_CHAIN": "none.pem"}, "cannot be read", EXIT_CERTIFICATE),
        ({"SIGN_KEY": "k", "SIGN_CHAIN": "text"}, "cannot be signed", EXIT_CERTIFICATE),
    ],
)
def test_a_bad_setting_is_named_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, str], said: str, code: int
) -> None:
    """One line says which setting it was; the process would end with this code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("neither profile nor network nor certificate")
    with pytest.raises(Unusable, match=said) as refused:
        finishing.table(settings.read({f"HEDDLE_{name}": text for name, text in told.items()}))
    assert refused.value.exit_code == code


def test_a_foreign_key_is_found_at_the_start(tmp_path: Path, signing_keys: Path) -> None:
    """The authority's key does not fit the leaf's certificate: refused before the first record."""
    pytest.importorskip("c2pa")
    told = {**signing(signing_keys), "HEDDLE_SIGN_KEY_FILE": str(signing_keys / "ca.key")}
    with pytest.raises(Unusable, match="HEDDLE_SIGN_CHAIN") as refused:
        finishing.signer(settings.read(told))
    assert refused.value.exit_code == EXIT_CERTIFICATE
    assert "PRIVATE" not in str(refused.value)


def test_by_hand_the_settings_hold_too(
    periodic_png: Path, profile: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """`heddle finish` refuses with the stage's own line, and its manifest names the profile."""
    out = periodic_png.parent / "out"
    words = ["finish", str(periodic_png), "--recipe", "web-preview", "--repeat-mm", "64"]
    monkeypatch.setenv("HEDDLE_PRESS_PROFILE", str(periodic_png))
    assert main([*words, "--out", str(out)]) == EXIT_USAGE
    assert "HEDDLE_PRESS_PROFILE" in capsys.readouterr().err
    monkeypatch.setenv("HEDDLE_PRESS_PROFILE", str(profile))
    assert main([*words, "--out", str(out)]) == 0
    assert '"press_profile_sha256": "' in (out / "manifest.json").read_text()


@pytest.fixture
def periodic_png(tmp_path: Path) -> Path:
    """A soft tile that joins."""
    across = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    field = np.cos(across)[None, :] + np.cos(2 * across)[:, None]
    level = np.rint(127 + 60 * field).astype(np.uint8)
    path = tmp_path / "soft.png"
    pyvips.Image.new_from_array(np.dstack([level] * 3)).pngsave(str(path))
    return path
