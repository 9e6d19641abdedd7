"""What somebody needs, beside the tile and the order, to make the same files again.

Goes into every finishing manifest, by hand and in the line alike.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
import pyvips
import tifffile

from postproc.upscale import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from postproc.order import Order
    from postproc.recipe import Recipe


def means(order: Order, recipe: Recipe) -> dict[str, Any]:
    """Recipe in full, digests of the files used, versions of the libraries; plain JSON."""
    networked = any(step.do == "enlarge" and step.text("by") == "network" for step in recipe.steps)
    return {
        "recipe": {
            "name": recipe.name,
            "version": recipe.version,
            "sha256": recipe.hash(),
            "canonical": json.loads(recipe.canonical()),
        },
        "press_profile_sha256": _digest_of(order.press_profile),
        "network_sha256": _digest_of(order.network or SHIPPED) if networked else None,
        "signed": order.signer is not None,
        "made_with": {
            "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "tifffile": tifffile.__version__,
        },
    }


def _digest_of(path: Path | None) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None
