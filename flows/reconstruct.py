"""``facepairs reconstruct``: a mesh for every face of photographs and videos, by a trained model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from jaxtyping import UInt8
from rich.console import Console

from assets.readers.photo import Refused, read_photo
from assets.registry import AssetError
from flows import video_frames
from flows.face_surfaces import FaceSurface, FaceSurfaces, Reconstructor
from flows.levels import head_fitter
from flows.outputs import check_folder
from flows.reconstruct_files import Wanted, face_files
from flows.register_face import FaceRegistrar
from flows.ship_model import shipped
from models.networks.rows import whole
from storage.errors import StoreError
from storage.files import write_replace
from storage.registry import CHAMPION, Model, Registry
from tasks.sources import find_photos

_out = Console(stderr=True)
Source = Annotated[Path, Parameter(help="A photograph, a video, or a folder of photographs and videos.")]
Models = Annotated[
    Path | None,
    Parameter(help="Folder of trained models, as `facepairs train` fills it; default: the model that ships."),
]
Out = Annotated[Path, Parameter(help="Folder for meshes and pictures.")]
Format = Annotated[
    tuple[Literal["obj", "ply", "glb"], ...], Parameter(name="--format", help="Mesh files to write.")
]
Register = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Also in the head's topology: atlas, texture, and JSON with coefficients, pose and landmarks.",
    ),
]
Every = Annotated[int, Parameter(help="Take each Nth frame of a video.")]
Turntable = Annotated[bool, Parameter(help="Write an animated WebP of every face; never for videos.")]


def champion(models: Path) -> Model:
    """The model in use.

    Raises:
        StoreError: none is.
    """
    found = Registry(models).champion()
    if found is None and (models / "models" / CHAMPION).is_file():
        msg = f"{models} is the folder of a run; its models are in {models / 'models'}: pass that."
        raise StoreError(msg)
    if found is None:
        msg = f"{models} has no model in use; train one with `facepairs train STORE --out {models.parent}`."
        raise StoreError(msg)
    return found


def load_model(models: Path | None) -> Reconstructor:
    """The champion of a folder of models; the one that ships without a folder.

    Raises:
        StoreError: there is none, or its weights are not those of a reconstruction.
    """
    folder = shipped() if models is None else models
    if models is None and not folder.is_dir():
        msg = "no model ships with this installation; pass --models, a folder that `facepairs train` filled."
        raise StoreError(msg)
    kept = champion(folder)
    try:
        return whole(kept.weights.read_bytes(), kept.config, head_fitter())
    except AssetError:  # tells itself what to do
        raise
    except (ValueError, KeyError, RuntimeError) as error:
        msg = f"the model in use of {folder} cannot be loaded ({error}); train it with `facepairs train`."
        raise StoreError(msg) from error


def reconstruct(
    source: Source,
    *,
    models: Models = None,
    out: Out = Path("out/reconstructed"),
    format: Format = ("obj",),
    register: Register = False,
    every: Every = 10,
    turntable: Turntable = True,
) -> int:
    """Reconstruct every face of photographs and videos: meshes in millimetres, an overlay, and a turntable.

    Example: facepairs reconstruct portrait.jpg --models runs/sdf/models --format glb --register
    """
    if every < 1:
        msg = f"--every takes a number of frames from 1, got {every}."
        raise StoreError(msg)
    files = inputs(source)
    check_folder(out)
    maker = FaceSurfaces(load_model(models))
    registrar = FaceRegistrar(maker.head) if register else None
    wanted = Wanted(tuple(format), turntable, registrar)
    out.mkdir(parents=True, exist_ok=True)
    made = 0
    names: set[str] = set()
    for file in files:
        stem = _unused(file.stem, names)
        for name, face in _faces(maker, file, stem, every):
            if isinstance(face, str):
                _out.print(f"{name}: {face}", highlight=False, markup=False, soft_wrap=True)
                continue
            still = file.suffix.lower() not in video_frames.SUFFIXES
            ready = face_files(name, face, wanted, still)
            for said in ready.notes:
                _out.print(f"{name}: {said}", highlight=False, markup=False, soft_wrap=True)
            for path, data in ready.files.items():
                write_replace(out / path, data)
            made += 1
    sys.stdout.write(f"{made} faces of {len(files)} files in {out}\n")
    return 0 if made else 1


def inputs(source: Path) -> list[Path]:
    """Photographs and videos of a path, sorted by name.

    Raises:
        StoreError: there are none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        msg = f"there is no file or folder {source}; pass a photograph, a video, or a folder of them."
        raise StoreError(msg)
    videos = [p for p in source.rglob("*") if p.suffix.lower() in video_frames.SUFFIXES and p.is_file()]
    photos = find_photos(source)
    if not videos and not photos:
        msg = f"{source} holds neither photographs nor videos; pass a folder that does."
        raise StoreError(msg)
    return sorted([*photos, *videos])


def _faces(maker: FaceSurfaces, file: Path, stem: str, every: int) -> Iterator[tuple[str, FaceSurface | str]]:
    """Faces of one file with their names; what cannot be used is a sentence under the name of file or face."""
    if file.suffix.lower() in video_frames.SUFFIXES:
        yield from _video(maker, file, stem, every)
        return
    image = read_photo(file)
    if isinstance(image, Refused):
        yield str(file), image.detail
        return
    for number, face in enumerate(maker.of(image)):
        yield f"{stem}-{number:02d}", face


def _video(maker: FaceSurfaces, file: Path, stem: str, every: int) -> Iterator[tuple[str, FaceSurface | str]]:
    tracks = video_frames.Tracks()
    try:
        for number, image in video_frames.frames(file, every):
            yield from _frame(maker, image, f"{stem}-f{number:06d}", tracks)
    except StoreError as error:
        yield str(file), str(error)


def _frame(
    maker: FaceSurfaces, image: UInt8[np.ndarray, "H W 3"], name: str, tracks: video_frames.Tracks
) -> Iterator[tuple[str, FaceSurface | str]]:
    faces = list(maker.of(image))
    found = [face for face in faces if not isinstance(face, str)]
    numbers = iter(tracks.numbers([face.crop.square for face in found]))
    for face in faces:
        yield (name if isinstance(face, str) else f"{name}-{next(numbers):02d}"), face


def _unused(stem: str, names: set[str]) -> str:
    """The stem, or one with a number where two files of a folder share it."""
    name, count = stem, 1
    while name in names:
        count += 1
        name = f"{stem}_{count}"
    names.add(name)
    return name
