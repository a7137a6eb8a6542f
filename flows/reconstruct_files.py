"""All files of one reconstructed face, made before the first is written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from flows.face_surfaces import FaceSurface
from flows.mesh_files import Mesh, head_mesh, mesh_files
from flows.register_face import FaceRegistrar, RegisteredFace, rig, texture_png
from flows.surface_pictures import png, shaded, turned
from flows.turntable import turntable

TURN = 40.0  # degrees of the side view


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is written of a face."""

    formats: tuple[str, ...]
    turntable: bool
    registrar: FaceRegistrar | None


@dataclass(frozen=True, eq=False)
class Ready:
    """Files of a face by name, and sentences about what could not be made."""

    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def face_files(name: str, face: FaceSurface, wanted: Wanted, still: bool) -> Ready:
    """Mesh in the photograph's colours, picture, turntable of a still, and the registered head if asked for."""
    ready = Ready()
    mesh = Mesh(face.millimetres, face.faces, face.colours)
    ready.files.update(mesh_files(name, mesh, wanted.formats))
    registered = _registered(name, face, wanted, ready)
    ready.files[f"{name}.png"] = png(picture(face, registered, wanted.registrar))
    if wanted.turntable and still:
        ready.files[f"{name}.webp"] = turntable(face.vertices, face.faces, face.colours)
    return ready


def _registered(name: str, face: FaceSurface, wanted: Wanted, ready: Ready) -> RegisteredFace | None:
    if wanted.registrar is None:
        return None
    try:
        made = wanted.registrar.register(face)
    except ValueError as error:
        ready.notes.append(f"not registered: {error}")
        return None
    head = wanted.registrar.head
    if made.texture is None:
        ready.notes.append(
            "the photograph shows too little skin for a texture; the registered mesh has none."
        )
    mesh = head_mesh(head, made.registered.vertices, texture_png(made))
    ready.files.update(mesh_files(f"{name}.head", mesh, wanted.formats))
    text = json.dumps(rig(head, face, made), indent=1, sort_keys=True)
    ready.files[f"{name}.head.json"] = (text + "\n").encode()
    return made


def picture(
    face: FaceSurface, registered: RegisteredFace | None = None, registrar: FaceRegistrar | None = None
) -> UInt8[np.ndarray, "R w 3"]:
    """Photo, surface over it, surface, the same from the side; then the registered head over the photo and turned."""
    photo = face.crop.photo
    tiles = [photo, *_views(photo, face.vertices, face.faces)]
    if registered is not None and registrar is not None:
        cube = registered.pose.to_cube(registered.registered.vertices)
        cube[:, 2] += registered.depth
        tiles += _views(photo, cube.astype(np.float32), registrar.head.faces)
    return np.concatenate(tiles, axis=1)


def _views(photo: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> list[np.ndarray]:
    """Surface over the photo, surface, and surface turned by 40°."""
    size = len(photo)
    middle = np.float32([0, 0, np.quantile(vertices[:, 2], 0.6)])
    front, seen = shaded(vertices, faces, size)
    side, _ = shaded(turned(vertices, TURN, middle), faces, size)
    over = np.where(seen[..., None], (0.35 * photo + 0.65 * front).astype(np.uint8), photo)
    return [over, front, side]
