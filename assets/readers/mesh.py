"""Any textured or coloured triangle mesh (OBJ, PLY, GLB) as arrays; one clear sentence for what is none.

OBJ keeps the indices of surface and atlas apart (:mod:`assets.readers.obj`). PLY and GLB store vertices split where
texture charts meet; equal positions are joined again, or the surface would be cut open there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from assets.atlas import sample
from assets.readers.damaged import told
from assets.readers.obj import MOST_BYTES as MOST_TEXT
from assets.readers.obj import ObjMesh, read_obj
from assets.readers.photo import SUFFIXES as PICTURES
from assets.readers.photo import Refused, read_photo
from assets.readers.promises import BesideOnly, check_glb, check_ply, check_scene
from assets.registry import AssetError

SUFFIXES = (".obj", ".ply", ".glb")
MOST_BYTES = 2_000_000_000
MOST_MATERIAL = 1_000_000  # bytes of a material library
MOST_TRIANGLES = 20_000_000
FARTHEST = 1e9  # of a coordinate, in any unit: squares and cubes of it stay numbers


@dataclass(frozen=True, eq=False)
class Scan:
    """A surface in its file's own frame and unit, triangles CCW seen from outside; row 0 of ``image`` is v = 1."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"] | None = None
    face_uvs: Int[np.ndarray, "f 3"] | None = None
    image: UInt8[np.ndarray, "h w 3"] | None = None
    colours: UInt8[np.ndarray, "n 3"] | None = None  # sRGB at the vertices

    @property
    def coloured(self) -> bool:
        """Whether the file says how the surface looks."""
        return self.image is not None or self.colours is not None

    def colour(
        self, triangle: Int[np.ndarray, " m"], bary: Float[np.ndarray, "m 3"]
    ) -> UInt8[np.ndarray, "m 3"]:
        """sRGB at points of the surface; grey where the file has no colour."""
        if self.image is not None and self.uvs is not None and self.face_uvs is not None:
            uv = (self.uvs[self.face_uvs[triangle]] * bary[..., None]).sum(1).astype(np.float32)
            found = sample(self.image, uv)
        elif self.colours is not None:
            found = (self.colours[self.faces[triangle]] * bary[..., None]).sum(1)
        else:
            found = np.full((len(triangle), 3), 160.0)
        return np.rint(np.clip(found, 0, 255)).astype(np.uint8)


def read_scan(path: Path) -> Scan:
    """Read a mesh file.

    Raises:
        AssetError: the file is missing, of another kind, too large, broken, or holds no triangles.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"'{path.name}' is no scan that can be read: pass a file with a suffix {', '.join(SUFFIXES)}."
        raise AssetError(msg)
    if not path.is_file():
        msg = f"there is no file {path}: pass a scan ({', '.join(SUFFIXES)})."
        raise AssetError(msg)
    most = MOST_TEXT if suffix == ".obj" else MOST_BYTES
    if path.stat().st_size > most:
        msg = (
            f"'{path.name}' has {path.stat().st_size / 1e9:.1f} GB, at most {most / 1e9:g} GB are "
            "read: decimate the scan first."
        )
        raise AssetError(msg)
    try:
        scan = _read_obj(path) if suffix == ".obj" else _read_split(path)
    except AssetError:
        raise
    except Exception as error:
        msg = f"'{path.name}' is no whole {suffix[1:].upper()} file ({told(error)}): export it again."
        raise AssetError(msg) from error
    return _checked(scan, path.name)


def read_surface(path: Path) -> Scan:
    """An OBJ's surface and atlas alone, without its colours: evaluation sets say themselves where their pictures are.

    Raises:
        AssetError: no such file, no surface in it, or lines that are none of an OBJ.
    """
    return _bare(read_obj(path))


def _bare(mesh: ObjMesh) -> Scan:
    faces, face_uvs = mesh.triangles()
    faces = faces.astype(np.int32)  # within the vertices, which are fewer than 2**31: the reader says so
    if not mesh.has_atlas:
        return Scan(mesh.vertices, faces)
    return Scan(mesh.vertices, faces, mesh.uvs.astype(np.float32), face_uvs.astype(np.int32))


def _read_obj(path: Path) -> Scan:
    """An OBJ with its picture, or with the colours that follow its positions."""
    mesh = read_obj(path)
    bare = _bare(mesh)
    beside = texture_beside(path, mesh.library) if bare.uvs is not None else None
    if beside is not None:
        image = read_photo(beside)
        if isinstance(image, Refused):
            msg = f"the texture of '{path.name}' is refused: {image.detail}; replace it, or take it away."
            raise AssetError(msg)
        return replace(bare, image=image)
    if mesh.colours is None:
        return bare
    shown = mesh.colours * (255 if mesh.colours.max() <= 1 else 1)
    return replace(bare, colours=np.rint(np.clip(np.nan_to_num(shown), 0, 255)).astype(np.uint8))


def texture_beside(path: Path, library: str = "") -> Path | None:
    """The texture of an OBJ, only from its folder: what its material names, or the picture of its own name.

    Args:
        path: of the OBJ.
        library: the material library that it names; without one its own, or the only one of the folder.
    """
    folder, names = path.parent, []
    there = sorted(folder.glob("*.mtl"))
    wanted = (
        [folder / Path(library).name] if library else [path.with_suffix(".mtl"), *there[: len(there) == 1]]
    )
    material = next((f for f in wanted if f.is_file() and f.stat().st_size <= MOST_MATERIAL), None)
    if material is not None:
        for line in material.read_text(encoding="utf-8", errors="replace").splitlines():
            word, *rest = line.split() or [""]
            if word.lower() == "map_kd" and rest:
                names += [Path(said.replace("\\", "/")).name for said in (" ".join(rest), rest[-1])]
    names += [path.stem + suffix for suffix in sorted(PICTURES)]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_split(path: Path) -> Scan:
    """PLY and GLB, by trimesh."""
    try:
        import trimesh
    except ImportError:
        msg = f"'{path.name}' needs the package trimesh: type `pip install trimesh`, or convert the scan to OBJ."
        raise AssetError(msg) from None
    suffix, data = path.suffix.lower()[1:], path.read_bytes()
    (check_glb if suffix == "glb" else check_ply)(data, MOST_TRIANGLES)
    loaded: Any = trimesh.load(io.BytesIO(data), suffix, resolver=BesideOnly(path.parent), process=False)
    check_scene(loaded, MOST_TRIANGLES)
    mesh = loaded.to_mesh() if isinstance(loaded, trimesh.Scene) else loaded
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        msg = f"'{path.name}' holds no triangles: pass a surface, not points."
        raise AssetError(msg)
    split = np.asarray(mesh.vertices, np.float64)
    corners = np.asarray(np.clip(mesh.faces, -1, 2**31 - 1), np.int32)
    if corners.min() < 0 or corners.max() >= len(split):
        msg = f"a corner {int(corners.max()) + 1} of {len(split)}"
        raise ValueError(msg)
    vertices, first, joined = np.unique(split, axis=0, return_index=True, return_inverse=True)
    look: Any = mesh.visual
    uvs, image, colours = getattr(look, "uv", None), None, None
    if uvs is not None:
        material = look.material
        picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        image = None if picture is None else np.array(picture.convert("RGB"))
    if image is None and look.kind == "vertex":
        colours = np.asarray(look.vertex_colors, np.uint8)[first, :3]
    textured = uvs is not None and image is not None
    return Scan(
        vertices,
        joined.reshape(-1)[corners].astype(np.int32),
        np.asarray(uvs, np.float32)[:, :2] if textured else None,
        corners if textured else None,
        image,
        colours,
    )


def _checked(scan: Scan, name: str) -> Scan:
    """The scan without triangles of no area.

    Raises:
        AssetError: coordinates are not finite, indices out of range, or too little or too much is there.
    """
    faces, count = scan.faces, len(scan.vertices)
    if not (np.abs(scan.vertices) < FARTHEST).all() or not (
        scan.uvs is None or (np.abs(scan.uvs) < FARTHEST).all()
    ):
        msg = f"'{name}' has vertices or texture coordinates that are not finite: export it again."
        raise AssetError(msg)
    for index, size in ((faces, count), (scan.face_uvs, 0 if scan.uvs is None else len(scan.uvs))):
        if index is not None and (index.min() < 0 or index.max() >= size):
            msg = f"'{name}' has a triangle with corner {int(index.max()) + 1} of {size}: export it again."
            raise AssetError(msg)
    a, b, c = (scan.vertices[faces[:, k]] for k in range(3))
    solid = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0
    if not 1000 <= solid.sum() <= MOST_TRIANGLES:
        msg = (
            f"'{name}' has {int(solid.sum())} triangles, expected 1000 to {MOST_TRIANGLES // 10**6} million: "
            "pass a scan of a face, decimated if it is larger."
        )
        raise AssetError(msg)
    atlas = None if scan.face_uvs is None else scan.face_uvs[solid]
    return Scan(scan.vertices, faces[solid], scan.uvs, atlas, scan.image, scan.colours)
