"""FaceScape's topologically uniform scans: one folder per person with ``models_reg`` and ``dpmap``.

``models_reg/<n>_<expression>.obj`` (26,317 vertices, no eyeballs, its own unit), a 4K texture ``.jpg`` beside it, one
per expression or one per person; ``dpmap/<n>_<expression>.png``, 16 bits: 32768 is the base mesh, the full range
±0.914 mm where the inner eye corners are 40 mm apart (the owners' answer in their issue 23). Eyes of persons 360 to
847 are pixelated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets.readers.damaged import damaged
from assets.readers.facescape import VERTICES_10
from assets.readers.obj import ObjMesh, read_obj
from assets.readers.photo import DecodeLimits, Refused, header_refusal, read_photo
from assets.registry import AssetError

TEXTURE = DecodeLimits(min_side=1, max_megapixels=80.0)  # as photographs; theirs are 4096 squared
NEUTRAL = "*neutral.obj"
MOSAIC = range(360, 848)  # persons whose eyes are pixelated
MIDDLE, FULL_MM, EYES_MM = 32768.0, 0.914, 40.0


@dataclass(frozen=True)
class TuPerson:
    """Files of one person's neutral scan."""

    number: int
    mesh: Path
    texture: Path
    displacement: Path | None

    @property
    def mosaic(self) -> bool:
        """Whether the eyes are pixelated."""
        return self.number in MOSAIC


def tu_people(folder: Path) -> list[TuPerson]:
    """Persons of a folder that holds one folder per person, or of one person's folder, by number.

    Raises:
        AssetError: there is none, or a texture is missing.
    """
    bases = [folder] if (folder / "models_reg").is_dir() else sorted(folder.glob("*/models_reg/.."))
    people = []
    for base in bases:
        base = base.resolve()
        meshes = sorted((base / "models_reg").glob(NEUTRAL)) or sorted((base / "models_reg").glob("*.obj"))
        if not meshes or not base.name.isdigit():
            continue
        mesh = meshes[0]
        pictures = sorted((base / "models_reg").glob("*.jpg"))
        texture = (
            mesh.with_suffix(".jpg") if mesh.with_suffix(".jpg").is_file() else next(iter(pictures), None)
        )
        if texture is None:
            msg = f"{mesh} has no texture .jpg beside it; copy the whole folder of person {base.name}."
            raise AssetError(msg)
        depth = base / "dpmap" / f"{mesh.stem}.png"
        people.append(TuPerson(int(base.name), mesh, texture, depth if depth.is_file() else None))
    if not people:
        msg = (
            f"{folder} holds no FaceScape TU scans: folders 1, 2, … with models_reg/1_neutral.obj and its .jpg are "
            f"expected."
        )
        raise AssetError(msg)
    return sorted(people, key=lambda person: person.number)


def read_tu_mesh(person: TuPerson) -> ObjMesh:
    """The base mesh.

    Raises:
        AssetError: damaged, or not of the TU topology.
    """
    mesh = read_obj(person.mesh)
    if len(mesh.vertices) != VERTICES_10 or not mesh.has_atlas:
        msg = (
            f"{person.mesh} has {len(mesh.vertices)} vertices and {len(mesh.uvs)} texture coordinates, TU scans have "
            f"{VERTICES_10} and some: bilinear v1.6 meshes (26278) are of another topology."
        )
        raise AssetError(msg)
    return mesh


def read_displacement(file: Path, inner_eyes_mm: float) -> Float[np.ndarray, "h w"]:
    """Displacement along the normal, mm, outwards positive; row 0 is v = 1.

    Args:
        file: 16-bit PNG.
        inner_eyes_mm: distance of the inner eye corners of the head that it is for.

    Raises:
        AssetError: damaged, or not of 16 bits.
    """
    with damaged(f"{file} is no displacement map", "copy it again", AssetError):
        data = file.read_bytes()
        if (refused := header_refusal(data, TEXTURE)) is not None:
            raise ValueError(refused.detail)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16:
        got = "cannot be read" if picture is None else f"has {picture.dtype} pixels"
        msg = f"{file} {got}, 16 bits per pixel are expected; copy it again."
        raise AssetError(msg)
    values = picture if picture.ndim == 2 else picture[..., 0]
    return ((values - MIDDLE) / MIDDLE * FULL_MM * inner_eyes_mm / EYES_MM).astype(np.float32)


def read_texture(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """The texture, RGB.

    Raises:
        AssetError: damaged.
    """
    picture = read_photo(file, TEXTURE)
    if isinstance(picture, Refused):
        msg = f"{file} is not a whole picture ({picture.detail}); copy it again."
        raise AssetError(msg)
    return picture


def publishable(file: Path) -> frozenset[int]:
    """Numbers of the owners' list of persons that may be shown in publications.

    Raises:
        AssetError: absent, or something else stands in it.
    """
    try:
        words = file.read_text(encoding="utf-8").replace(",", " ").split()
        return frozenset(int(word) for word in words)
    except (OSError, ValueError) as error:
        msg = f"{file} is not a list of person numbers ({error}); give publishable_list of FaceScape."
        raise AssetError(msg) from None
