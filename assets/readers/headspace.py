"""HeadSpace (York): folders 00001 to 01519, each with a scan ``.obj`` and its ``.bmp``; heads wear latex caps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.readers.obj import ObjMesh, read_obj
from assets.readers.photo import DecodeLimits, Refused, read_photo
from assets.registry import AssetError

TEXTURE = DecodeLimits(min_side=1, max_megapixels=80.0)  # as photographs; theirs have about 10 Mpx


@dataclass(frozen=True)
class HeadspaceSubject:
    """Files of one subject."""

    number: str
    mesh: Path
    texture: Path


def headspace_subjects(folder: Path) -> list[HeadspaceSubject]:
    """Subjects below a folder, by number.

    Raises:
        AssetError: there is none, or a scan has no texture.
    """
    found = []
    for mesh in sorted(folder.rglob("*.obj")):
        number = next((part for part in reversed(mesh.parts[:-1]) if part.isdigit() and len(part) == 5), "")
        if not number:
            continue
        texture = mesh.with_suffix(".bmp")
        if not texture.is_file():
            msg = f"{mesh} has no {texture.name} beside it; copy the subject's folder whole."
            raise AssetError(msg)
        found.append(HeadspaceSubject(number, mesh, texture))
    if not found:
        msg = f"{folder} holds no HeadSpace subjects: folders 00001, 00002, … with an .obj and a .bmp are expected."
        raise AssetError(msg)
    return found


def read_subject(subject: HeadspaceSubject) -> tuple[ObjMesh, np.ndarray]:
    """Mesh and texture (RGB).

    Raises:
        AssetError: either is damaged.
    """
    mesh = read_obj(subject.mesh)
    picture = read_photo(subject.texture, TEXTURE)
    if isinstance(picture, Refused) or not mesh.has_atlas:
        why = f" ({picture.detail})" if isinstance(picture, Refused) else ""
        msg = (
            f"subject {subject.number}: {subject.texture} or the texture coordinates of {subject.mesh} are missing"
            f"{why}; copy the subject's folder whole."
        )
        raise AssetError(msg)
    return mesh, picture
