"""``facepairs assets import``: head models and textures of one's own copy of a published set."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.console import Console

from assets.registry import Entry
from flows.one_sentence import one_sentence
from flows.outputs import check_at_least

app = App(name="import", help="Convert your own copy of a published head model or texture set.")
_out = Console()


def _say(line: str) -> None:
    _out.print(line, highlight=False)


def _head_made(entry: Entry) -> None:
    _say(f"{entry.name}: {entry.bytes / 1e6:.1f} MB, licence {entry.licence}")
    _say(f"use it as: facepairs synthesize --heads {entry.name} …")


def _textures_made(entries: list[Entry]) -> None:
    _say(f"{len(entries)} textures, licence {entries[0].licence}; plans draw from them from now on")


@app.command(name="ict-facekit")
@one_sentence
def ict_facekit(folder: Path, *, name: str = "ict") -> None:
    """ICT-FaceKit: the folder FaceXModel as published, all of it or some of its modes.

    Example: facepairs assets import ict-facekit ~/ICT-FaceKit/FaceXModel

    Parameters
    ----------
    folder
        FaceXModel, or the folder that holds it.
    name
        Name of the head in the ledger.
    """
    from flows.import_heads import import_ict

    _head_made(import_ict(folder, name, _say))


@app.command
@one_sentence
def facescape(path: Path, *, name: str = "facescape", colours: int = 0) -> None:
    """FaceScape's bilinear model: facescape_bm_v1.6_….npz, or the folder of v1.0 to v1.3.

    Example: facepairs assets import facescape ~/facescape_bm_v1.6_847_50_52_id_front.npz --colours 8

    Parameters
    ----------
    path
        The file of v1.6, or the folder of an older version.
    name
        Name of the head in the ledger.
    colours
        Textures to draw from the colour model (v1.6); the first is its mean.
    """
    from flows.import_heads import import_facescape

    check_at_least(0, colours=colours)
    _head_made(import_facescape(path, name, colours, _say))


@app.command(name="facescape-tu")
@one_sentence
def facescape_tu(
    folder: Path, *, model: str = "facescape", publishable: Path | None = None, most: int | None = None
) -> None:
    """FaceScape's TU scans: textures and displacement maps into the pool; import the bilinear model first.

    Example: facepairs assets import facescape-tu ~/facescape/tu --publishable ~/facescape/publishable_list.txt

    Parameters
    ----------
    folder
        Folder of the persons 1, 2, …, each with models_reg and dpmap.
    model
        The imported bilinear model, which knows the landmarks of this topology.
    publishable
        The owners' list of persons that publications may show; the ledger notes who is on it.
    most
        Persons to take, from the first one on.
    """
    from flows.import_textures import import_facescape_tu

    check_at_least(1, most=1 if most is None else most)
    _textures_made(import_facescape_tu(folder, model, publishable, most, _say))


@app.command
@one_sentence
def lyhm(file: Path, *, name: str = "lyhm", textures: int = 8, landmarks: Path | None = None) -> None:
    """Liverpool-York Head Model; it has no expressions and takes those of the bundled head by correspondence.

    Example: facepairs assets import lyhm ~/LYHM_male.mat --name lyhm_male

    Parameters
    ----------
    file
        The .mat file, MATLAB 5 to 7.
    name
        Name of the head in the ledger.
    textures
        Textures to draw from its texture basis; the first is the mean. The latex cap is painted over.
    landmarks
        JSON with its 68 landmarks, if those that are found on the drawn mean are not good.
    """
    from flows.import_heads import import_lyhm

    check_at_least(0, textures=textures)
    _head_made(import_lyhm(file, name, textures, landmarks, _say))


@app.command
@one_sentence
def headspace(folder: Path, *, most: int | None = None) -> None:
    """HeadSpace scans: textures into the pool, latex caps masked.

    Example: facepairs assets import headspace ~/headspace/subjects --most 100

    Parameters
    ----------
    folder
        Folder of the subjects 00001, 00002, …
    most
        Subjects to take, from the first one on.
    """
    from flows.import_textures import import_headspace

    check_at_least(1, most=1 if most is None else most)
    _textures_made(import_headspace(folder, most, _say))


@app.command
@one_sentence
def npz(
    file: Path, *, name: str, licence: str = "", attribution: str = "", landmarks: Path | None = None
) -> None:
    """Any linear head model (FLAME, BFM …) in the form that docs/bring-your-own.md describes.

    Example: facepairs assets import npz ~/flame.npz --name flame --licence "CC-BY-4.0" --attribution "MPI-IS"

    Parameters
    ----------
    file
        Arrays mean, id_basis, faces and what else there is.
    name
        Name of the head in the ledger.
    licence
        SPDX id or phrase, if the file does not say it.
    attribution
        Whose model it is, if the file does not say it.
    landmarks
        JSON with its 68 landmarks, if the file has none.
    """
    from flows.import_heads import import_npz

    _head_made(import_npz(file, name, landmarks, licence, attribution, _say))
