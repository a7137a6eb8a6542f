"""``facepairs reconstruct``: a mesh for every face of photographs, by a trained model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from cyclopts import Parameter
from rich.console import Console

from assets.readers.photo import Refused, read_photo
from assets.registry import asset_path
from models.geometry.camera import pixel_to_cube
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.fit import fit_landmarks
from models.networks.hierarchical import HierarchicalSdf, Reconstruction, obj_bytes
from storage.errors import StoreError
from storage.files import write_replace
from storage.registry import Model, Registry
from tasks.landmarks import Crop, Landmarks
from tasks.sources import find_photos

_out = Console(stderr=True)
Photos = Annotated[Path, Parameter(help="A photograph, or a folder of them.")]
Models = Annotated[Path, Parameter(help="Folder of trained models, as `facepairs train` fills it.")]
Out = Annotated[Path, Parameter(help="Folder for meshes and pictures.")]


def champion(models: Path) -> Model:
    """The model in use.

    Raises:
        StoreError: none is.
    """
    found = Registry(models).champion()
    if found is None:
        msg = f"{models} has no model in use; train one with `facepairs train STORE --out {models.parent}`."
        raise StoreError(msg)
    return found


def reconstruct(photos: Photos, *, models: Models, out: Out = Path("out/reconstructed")) -> int:
    """Reconstruct every face of a photograph or of a folder of them: OBJ in millimetres, and a picture.

    Example: facepairs reconstruct portrait.jpg --models runs/sdf/models
    """
    from assets.registry import default_head
    from models.networks.bisenet import FaceParser
    from tasks.parse import clean

    if not photos.exists():
        msg = f"there is no file or folder {photos}; pass a photograph or a folder of them."
        raise StoreError(msg)
    kept = champion(models)
    net = HierarchicalSdf.from_bytes(kept.weights.read_bytes(), kept.config)
    finder, parser, head = Landmarks(net.image), FaceParser(asset_path("bisenet")), default_head()
    files = [photos] if photos.is_file() else find_photos(photos)
    out.mkdir(parents=True, exist_ok=True)
    made = 0
    for file in files:
        image = read_photo(file)
        if isinstance(image, Refused):
            _out.print(f"{file}: {image.detail}")
            continue
        for number, crop in enumerate(finder.find(image)):
            if not isinstance(crop, Crop):
                _out.print(f"{file}, face {number}: {crop.detail}")
                continue
            semantic = clean(parser.parse(crop.photo[None])[0], crop.landmarks)
            try:
                found = net.reconstruct(crop.photo, semantic)
            except ValueError as error:
                _out.print(f"{file}, face {number}: {error}")
                continue
            # The cube has no scale: millimetres come from the head model fitted to the landmarks.
            marks = pixel_to_cube(crop.landmarks.astype(np.float64), len(crop.photo))
            scale = fit_landmarks(head, marks).camera.mm_per_unit
            name = f"{file.stem}-{number:02d}"
            write_replace(out / f"{name}.obj", obj_bytes(found.vertices * scale, found.faces))
            _, data = cv2.imencode(".png", picture(crop.photo, found)[..., ::-1])
            write_replace(out / f"{name}.png", data.tobytes())
            made += 1
    sys.stdout.write(f"{made} faces of {len(files)} photographs in {out}\n")
    return 0 if made else 1


def picture(image: np.ndarray, made: Reconstruction) -> np.ndarray:
    """Photo, surface over photo, surface, and surface turned by 40°: uint8 (R, 4R, 3)."""
    size = len(image)
    turn = np.radians(40)
    rotation = np.float32([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    middle = np.float32([0, 0, made.vertices[:, 2].mean()])
    front, seen = shaded(made.vertices, made.faces, size)
    side, _ = shaded((made.vertices - middle) @ rotation.T, made.faces, size)
    over = np.where(seen[..., None], (0.35 * image + 0.65 * front).astype(np.uint8), image)
    return np.concatenate([image, over, front, side], axis=1)


def shaded(vertices: np.ndarray, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey picture (R, R, 3) of a surface under a lamp beside the viewer, and the pixels it covers."""
    seen = rasterize(np.ascontiguousarray(vertices, np.float32), faces, size, cull=False)
    normals = vertex_normals(vertices, faces)
    covered = seen.pix_to_face >= 0
    corners = normals[faces[np.where(covered, seen.pix_to_face, 0)]]
    normal = (corners * seen.bary[..., None]).sum(-2)
    lamp = np.float32([-0.35, 0.4, 0.85]) / np.linalg.norm([-0.35, 0.4, 0.85])
    light = np.clip(0.15 + 0.85 * np.abs(normal @ lamp), 0, 1)
    grey = np.where(covered, 40 + 200 * light, 24).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1), covered
