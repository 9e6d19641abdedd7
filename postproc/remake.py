"""What somebody needs, beside the tile, to make the same files again.

Goes into every finishing manifest, by hand and in the line alike. Digests stand for the mill's
profile and the network; keys of a signer are nobody's to keep, and a signature is never the same
twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import pyvips

from postproc.upscale import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from postproc.order import Order
    from postproc.recipe import Recipe

PACKAGES: Final = (
    "numpy",
    "pillow",
    "pyvips",
    "tifffile",
    "pikepdf",
    "psdtags",
    "onnxruntime",
    "c2pa-python",
)
POTRACE_S_MAX: Final = 10


def means(order: Order, recipe: Recipe) -> dict[str, Any]:
    """Order and recipe in full, digests of the files used, versions; plain JSON."""
    networked = any(step.do == "enlarge" and step.text("by") == "network" for step in recipe.steps)
    return {
        "recipe": {
            "name": recipe.name,
            "version": recipe.version,
            "sha256": recipe.hash(),
            "canonical": json.loads(recipe.canonical()),
        },
        "repeat": {
            "lattice": order.repeat.lattice.name,
            "width_um": order.repeat.width_um,
            "height_um": order.repeat.height_um,
        },
        "palette_max": order.palette_max,
        "design": order.design,
        "locked": [asdict(swatch) for swatch in order.locked],
        "lock_delta_e_max": order.lock_delta_e_max,
        "colourways": [asdict(colourway) for colourway in order.colourways],
        "words": asdict(order.words) if order.words else None,
        "press_profile_sha256": _digest_of(order.press_profile),
        "network_sha256": _digest_of(order.network or SHIPPED) if networked else None,
        "signed": order.signer is not None,
        "made_with": made_with(),
    }


def made_with() -> dict[str, str]:
    """Versions of the libraries and programs that draw, trace and write; absent ones left out."""
    found = {"libvips": ".".join(str(pyvips.version(part)) for part in range(3))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if potrace := _potrace_version():
        found["potrace"] = potrace
    return found


@lru_cache(maxsize=1)
def _potrace_version() -> str:
    program = shutil.which("potrace")
    if program is None:
        return ""
    command = [program, "--version"]
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=POTRACE_S_MAX, check=False
    )
    number = re.search(r"\d+(?:\.\d+)+", said.stdout)
    return number.group() if number else ""


def _digest_of(path: Path | None) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None
