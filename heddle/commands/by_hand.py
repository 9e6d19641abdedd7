"""`heddle finish TILE` and `heddle check FILE...`: the table without Kafka and without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from postproc.by_hand import check_file, finish_picture
from postproc.figures import Figure
from postproc.finish import Order, repeat_of
from postproc.lattice import parse_lattice
from postproc.sizes import parse_size_um
from schemas.errors import EXIT_USAGE, Rejected, Unusable
from schemas.limits import LATTICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heddle.settings import Settings

FILE_BYTES_MAX: Final = 256 << 20
COLUMNS: Final = ("gate", "of", "figure", "limit", "passed")


def add(commands: Commands) -> None:
    """Finish and check pictures by hand."""
    finishing = command(
        commands,
        "finish",
        _finish,
        does="run a recipe on any picture and write its files; no Kafka, no model",
        example="heddle finish tile.png --recipe textile-digital --repeat-mm 640x640 --out print",
    )
    finishing.add_argument("tile", type=Path)
    finishing.add_argument("--recipe", help="default: HEDDLE_RECIPE")
    finishing.add_argument(
        "--repeat-mm", required=True, help="of the single unit: 640x640, 25.25in"
    )
    finishing.add_argument("--lattice", default="straight", choices=LATTICES)
    finishing.add_argument("--palette-max", type=int, default=0)
    finishing.add_argument("--design", help="name shown in file names; the tile's own by default")
    finishing.add_argument("--out", type=Path, required=True)
    with_json(finishing)
    checking = command(
        commands,
        "check",
        _check,
        does="gate pictures that somebody else made; exit 1 where one would be refused",
        example="heddle check tile.png repeat.svg --lattice half-drop --marked marked",
    )
    checking.add_argument("files", nargs="+", type=Path, metavar="FILE")
    checking.add_argument("--lattice", default="straight", choices=LATTICES)
    checking.add_argument(
        "--marked", type=Path, help="folder for pictures with the worst join marked"
    )
    with_json(checking)


def _finish(given: argparse.Namespace, settings: Settings) -> int:
    recipes, name = parts.recipes(settings), given.recipe or settings["RECIPE"]
    if name not in recipes:
        limit = "one of " + ", ".join(sorted(recipes))
        raise Rejected(f"recipe {name} is unknown", field="recipe", limit=limit)
    width_um, height_um = parse_size_um(given.repeat_mm, field="repeat-mm")
    order = Order(
        repeat=repeat_of(given.lattice, width_um, height_um),
        palette_max=given.palette_max,
        design=given.design or given.tile.stem,
        network=settings.path("NETWORK"),
        refuse=False,
    )
    done, manifest = finish_picture(_read(given.tile), recipes[name], order)
    given.out.mkdir(parents=True, exist_ok=True)
    files = [(artefact.display_name, artefact.data) for artefact in done.artefacts]
    for file_name, data in [*files, ("manifest.json", manifest)]:
        (given.out / file_name).write_bytes(data)
    passed = all(figure.passed for figure in done.figures)
    if given.json:
        names = [file_name for file_name, _ in files]
        as_json({"passed": passed, "figures": _plain(done.figures), "files": names})
    else:
        table(COLUMNS, _rows(done.figures))
        verdict = "fine" if passed else "REFUSED"
        say(f"{len(files)} files and manifest.json in {given.out}: {verdict}")
    return 0 if passed else 1


def _check(given: argparse.Namespace, settings: Settings) -> int:
    lattice, told, all_passed = parse_lattice(given.lattice), [], True
    for path in given.files:
        checked = check_file(_read(path), lattice, name=path.name)
        all_passed &= checked.passed
        if given.marked is not None:
            given.marked.mkdir(parents=True, exist_ok=True)
            (given.marked / f"{path.stem}-marked.png").write_bytes(checked.marked_png)
        told.append({"file": str(path), "passed": checked.passed, "worst": checked.worst})
        told[-1]["figures"] = _plain(checked.figures)
        if not given.json:
            say(f"{path}: {'fine' if checked.passed else 'REFUSED'}, worst at the {checked.worst}")
            table(COLUMNS, _rows(checked.figures))
    if given.json:
        as_json(told)
    return 0 if all_passed else 1


def _rows(figures: Iterable[Figure]) -> list[tuple[Any, ...]]:
    return [
        (
            figure.name,
            figure.artefact,
            f"{figure.figure:.4g} {figure.unit}".strip(),
            "reported" if figure.limit is None else f"{figure.comparison} {figure.limit:g}",
            "yes" if figure.passed else "NO",
        )
        for figure in figures
    ]


def _plain(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    names = ("name", "artefact", "figure", "limit", "comparison", "unit", "passed", "where")
    return [{name: getattr(figure, name) for name in names} for figure in figures]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})", exit_code=EXIT_USAGE) from error
    if len(data) > FILE_BYTES_MAX:
        raise Rejected("file too large", field=path.name, limit=f"at most {FILE_BYTES_MAX} bytes")
    return data
