"""`heddle finish TILE` and `heddle check FILE...`: the table without Kafka and without torch.

The table loads inside the two commands: most processes of ours have no use for it, and their
images have none of its libraries.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from schemas.errors import EXIT_USAGE, Rejected, Unusable
from schemas.limits import LATTICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heddle.settings import Settings
    from postproc.figures import Figure

FILE_BYTES_MAX: Final = 256 << 20
COLUMNS: Final = ("gate", "of", "figure", "limit", "passed", "where")


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
    _add_colours(finishing)
    _add_words(finishing)
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


def _add_colours(finishing: argparse.ArgumentParser) -> None:
    finishing.add_argument(
        "--locked", type=Path, metavar="FILE", help="a client's colours, ASE or CSV: no others"
    )
    finishing.add_argument(
        "--lock-delta-e", type=float, default=0.0, help="refuse to move an ink further (CIEDE2000)"
    )
    finishing.add_argument(
        "--colourway",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="write it once more in these colours, in printing order; may be repeated",
    )
    finishing.add_argument(
        "--lab",
        default="D65/10",
        help="illuminant/observer of Lab where the file says none; default D65/10",
    )
    finishing.add_argument("--press-profile", type=Path, metavar="ICC", help="the mill's, CMYK")


def _add_words(finishing: argparse.ArgumentParser) -> None:
    finishing.add_argument(
        "--describe", action="store_true", help="XMP in every file: repeat, inks, how it was made"
    )
    finishing.add_argument("--creator", default="", help="said in XMP; implies --describe")
    finishing.add_argument("--rights", default="", help="said in XMP; implies --describe")
    finishing.add_argument("--parameters", default="", help="text kept in PNG; implies --describe")
    finishing.add_argument("--sign-chain", type=Path, metavar="PEM", help="C2PA certificates")
    finishing.add_argument("--sign-key", type=Path, metavar="PEM", help="C2PA private key")
    finishing.add_argument("--sign-algorithm", default="es256")


def _finish(given: argparse.Namespace, settings: Settings) -> int:
    from heddle.commands.table_order import named_swatches, order_of  # noqa: PLC0415 - see above
    from postproc.by_hand import finish_picture  # noqa: PLC0415

    recipes, name = parts.recipes(settings), given.recipe or settings["RECIPE"]
    if name not in recipes:
        limit = "one of " + ", ".join(sorted(recipes))
        raise Rejected(f"recipe {name} is unknown", field="recipe", limit=limit)
    done, manifest = finish_picture(read_file(given.tile), recipes[name], order_of(given, settings))
    given.out.mkdir(parents=True, exist_ok=True)
    files = [(artefact.display_name, artefact.data) for artefact in done.artefacts]
    files += named_swatches(given, done)
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
    from postproc.by_hand import check_file  # noqa: PLC0415 - see the module's docstring
    from postproc.lattice import parse_lattice  # noqa: PLC0415

    lattice, told, all_passed = parse_lattice(given.lattice), [], True
    for path in given.files:
        checked = check_file(read_file(path), lattice, name=path.name)
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
            figure.where,
        )
        for figure in figures
    ]


def _plain(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    names = ("name", "artefact", "figure", "limit", "comparison", "unit", "passed", "where")
    return [{name: getattr(figure, name) for name in names} for figure in figures]


def read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})", exit_code=EXIT_USAGE) from error
    if len(data) > FILE_BYTES_MAX:
        raise Rejected("file too large", field=path.name, limit=f"at most {FILE_BYTES_MAX} bytes")
    return data
