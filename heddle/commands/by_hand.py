"""`heddle finish TILE` and `heddle check FILE...`: the table without Kafka and without torch.

The table loads inside the two commands: most processes of ours have no use for it, and their
images have none of its libraries.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from schemas.errors import EXIT_USAGE, Rejected, Unusable
from schemas.limits import LATTICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heddle.settings import Settings
    from postproc.brought import Rgb
    from postproc.by_hand import Checked
    from postproc.figures import Figure
    from postproc.lattice import Lattice

FILE_BYTES_MAX: Final = 256 << 20
MANIFEST: Final = "manifest.json"
MARKED: Final = "seam-marked.png"
SEAM_GATES: Final = frozenset({"seam_p", "seam_r2", "edge_line", "seam_local"})
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
    _add_ground(finishing)
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
        "--marked", type=Path, metavar="DIR", help="put pictures with the worst join marked there"
    )
    _add_ground(checking)
    with_json(checking)


def _add_ground(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ground", metavar="#RRGGBB", help="what shows through transparent pixels")


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
    from heddle.commands.table_order import ground_of, order_of  # noqa: PLC0415 - see above
    from postproc.by_hand import finish_picture  # noqa: PLC0415

    recipes, name = parts.recipes(settings), given.recipe or settings["RECIPE"]
    if name not in recipes:
        limit = "one of " + ", ".join(sorted(recipes))
        raise Rejected(f"recipe {name} is unknown", field="recipe", limit=limit)
    made = finish_picture(
        read_file(given.tile), recipes[name], order_of(given, settings), ground=ground_of(given)
    )
    files = [(artefact.display_name, artefact.data) for artefact in made.done.artefacts]
    files.append((MANIFEST, made.manifest))
    failed = [figure for figure in made.done.figures if not figure.passed]
    seamed = any(figure.name in SEAM_GATES for figure in failed)
    if seamed:
        files.append((MARKED, made.marked_png))
    given.out.mkdir(parents=True, exist_ok=True)
    for file_name, data in files:
        (given.out / file_name).write_bytes(data)
    names = [file_name for file_name, _ in files]
    if given.json:
        told = {"passed": not failed, "figures": _plain(made.done.figures), "files": names}
        as_json({**told, "notes": made.notes})
        return 1 if failed else 0
    _say_notes(made.notes)
    table(COLUMNS, _rows(made.done.figures))
    say()
    for file_name, data in files:
        say(f"{len(data):>12,}  {given.out / file_name}")
    where = f", worst at the {made.worst}: see {MARKED}" if seamed else ""
    _say_verdict(str(given.tile), failed, where)
    return 1 if failed else 0


def _check(given: argparse.Namespace, settings: Settings) -> int:
    from heddle.commands.table_order import ground_of  # noqa: PLC0415 - see the module's docstring
    from postproc.lattice import parse_lattice  # noqa: PLC0415

    lattice, ground = parse_lattice(given.lattice), ground_of(given)
    told = [_checked(path, lattice, ground, given) for path in given.files]
    if given.json:
        as_json(told)
    elif len(told) > 1:
        refused = sum(not one["passed"] for one in told)
        say(f"{len(told)} files, {refused} refused")
    # Of several files the worst: one that could not be read at all outweighs one refused.
    return max(int(one["code"]) for one in told)


def _checked(
    path: Path, lattice: Lattice, ground: Rgb | None, given: argparse.Namespace
) -> dict[str, Any]:
    """One file judged and told of; one that cannot be read does not keep the next from it."""
    from postproc.by_hand import check_file  # noqa: PLC0415 - see the module's docstring

    try:
        checked = check_file(read_file(path), lattice, name=path.name, ground=ground)
    except (Rejected, Unusable) as error:
        code, said = 1, str(error)
        if isinstance(error, Unusable):
            code = error.exit_code
        else:
            said = f"{error.field}: {error.reason} (limit: {error.limit})"
        sys.stderr.write(f"heddle: {said}\n")
        return {"file": str(path), "passed": False, "code": code, "error": said}
    shown = ""
    if given.marked is not None:
        given.marked.mkdir(parents=True, exist_ok=True)
        picture = given.marked / f"{path.stem}-marked.png"
        picture.write_bytes(checked.marked_png)
        shown = f": see {picture}"
    if not given.json:
        failed = [figure for figure in checked.figures if not figure.passed]
        _say_notes(checked.notes)
        say(f"{path}: {_size(checked)}")
        table(COLUMNS, _rows(checked.figures))
        seamed = any(figure.name in SEAM_GATES for figure in failed)
        where = f", worst at the {checked.worst}{shown or '; --marked DIR draws it'}"
        _say_verdict(str(path), failed, where if seamed else "")
        say()
    return {
        "file": str(path),
        "passed": checked.passed,
        "code": 0 if checked.passed else 1,
        "width_px": checked.width_px,
        "height_px": checked.height_px,
        "width_um": checked.width_um,
        "height_um": checked.height_um,
        "worst": checked.worst,
        "notes": checked.notes,
        "figures": _plain(checked.figures),
    }


def _say_verdict(name: str, failed: list[Figure], where: str) -> None:
    """The last line: fine, or which gates refused it, and where to look."""
    if not failed:
        say(f"{name}: fine")
        return
    gates = list(dict.fromkeys(figure.name for figure in failed))
    say(f"{name}: REFUSED by {', '.join(gates)}{where}")


def _say_notes(notes: Iterable[str]) -> None:
    for note in notes:
        say(f"note: {note}")


def _size(checked: Checked) -> str:
    said = f"{checked.width_px} x {checked.height_px} px"
    if checked.width_um:
        said += f", {checked.width_um / 1000:.6g} x {checked.height_um / 1000:.6g} mm"
    return said


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
