"""ICT-FaceKit (University of Southern California ICT, MIT): the folder ``FaceXModel`` as published, one OBJ per mode.

Neutral, identity modes and expressions share one topology of quads; a mode is its vertices less the neutral's.
Centimetres, y up, z to the viewer. A folder with fewer modes than the 100 published is read with those it has.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from assets.heads.raw import RawHead, RawPart
from assets.readers.damaged import damaged
from assets.readers.obj import ObjMesh, read_obj, split_polygons
from assets.registry import AssetError

NEUTRAL = "generic_neutral_mesh.obj"
VERTICES = 26719
CM = 10.0
MOST_LIST = 10_000_000  # bytes of vertex_indices.json; the published one has 0.1 MB
# Vertex ranges of the published topology, from 0, last one included.
SKIN, MOUTH_SOCKET = (0, 11247), (11248, 13293)
GUMS_TONGUE, TEETH = (14062, 17038), (17039, 21450)
EYES = {"eye_l": (21451, 23020), "eye_r": (23021, 24590)}
PUBLISHED = (100, 53)  # identity modes and expressions of the whole folder
LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443, 268, 493, 1914,
    2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360, 1507, 1542, 1537,
    1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957,
    5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip
# Texels of the bundled teeth texture that are enamel and gum: the model comes without a texture of its own.
ENAMEL_UV, GUM_UV = (0.31, 0.955), (0.27, 0.47)


def read_ict(folder: Path, name: str = "ict") -> RawHead:
    """Read the published folder, or the repository that holds it as ``FaceXModel``.

    Raises:
        AssetError: files are missing, of another topology or damaged.
    """
    root = folder / "FaceXModel" if (folder / "FaceXModel").is_dir() else folder
    if not (root / NEUTRAL).is_file():
        msg = f"{folder} has no {NEUTRAL}; give the folder FaceXModel of ICT-FaceKit as published."
        raise AssetError(msg)
    neutral = read_obj(root / NEUTRAL)
    if len(neutral.vertices) != VERTICES:
        msg = (
            f"{root / NEUTRAL} has {len(neutral.vertices)} vertices, ICT-FaceKit has {VERTICES}: use FaceXModel of the "
            f"full model, not the light one."
        )
        raise AssetError(msg)
    identity = [_mode(file, neutral) for file in _identity_files(root)]
    names, expressions = _expressions(root, neutral)
    if not identity or not names:
        msg = f"{root} has {len(identity)} identity modes and {len(names)} expressions; at least one of each is needed."
        raise AssetError(msg)
    id_basis, exp_basis = np.stack(identity), np.stack(expressions)
    what = f"{root / NEUTRAL} has not the surfaces of ICT-FaceKit"
    with damaged(what, "copy FaceXModel again from its source", AssetError):
        return _head(name, neutral, id_basis, exp_basis, names)


def _head(
    name: str, neutral: ObjMesh, id_basis: np.ndarray, exp_basis: np.ndarray, names: tuple[str, ...]
) -> RawHead:
    skin = _within(neutral.polygons, *SKIN, *MOUTH_SOCKET)
    faces, face_uvs = split_polygons(neutral.vertices, neutral.polygons[skin], neutral.polygon_uvs[skin])
    last = MOUTH_SOCKET[1] + 1
    return RawHead(
        name=name,
        mean=neutral.vertices[:last],
        id_basis=id_basis[:, :last],
        exp_basis=exp_basis[:, :last],
        exp_names=names,
        faces=faces,
        landmark_vertices=np.repeat(np.array(LANDMARKS)[:, None], 3, 1),
        landmark_bary=np.tile([1.0, 0.0, 0.0], (68, 1)),
        uvs=neutral.uvs,
        face_uvs=face_uvs,
        unit_mm=CM,
        mouth_bag=np.arange(MOUTH_SOCKET[0], last),
        parts=tuple(_parts(neutral, id_basis, exp_basis)),
        provenance={
            "source": "ICT-FaceKit, FaceXModel",
            "identity_modes": len(id_basis),
            "expressions": len(names),
            "published": f"{PUBLISHED[0]} identity modes, {PUBLISHED[1]} expressions",
        },
    )


def _identity_files(root: Path) -> list[Path]:
    found = sorted(root.glob("identity[0-9][0-9][0-9].obj"))
    for number, file in enumerate(found):
        if file.name != f"identity{number:03d}.obj":
            msg = f"{root} has {file.name} but not identity{number:03d}.obj; copy the missing modes."
            raise AssetError(msg)
    return found


def _expressions(root: Path, neutral: ObjMesh) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Names in ARKit's spelling and displacements; those of ``vertex_indices.json``, else every other OBJ."""
    listed = root / "vertex_indices.json"
    if listed.is_file():
        try:
            if listed.stat().st_size > MOST_LIST:
                raise ValueError(f"{listed.stat().st_size} bytes, at most {MOST_LIST} are read")
            wanted = list(json.loads(listed.read_text(encoding="utf-8"))["expressions"])
            if not all(isinstance(name, str) and re.fullmatch(r"\w{1,64}", name) for name in wanted):
                raise ValueError("names of letters, digits and _ expected")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            msg = f"{listed} does not list expressions ({error}); copy it again from ICT-FaceKit."
            raise AssetError(msg) from None
        files = [root / f"{name}.obj" for name in wanted if (root / f"{name}.obj").is_file()]
    else:
        others = sorted(root.glob("*.obj"))
        files = [f for f in others if f.name != NEUTRAL and not re.fullmatch(r"identity\d{3}\.obj", f.name)]
    moves = {file.stem: _mode(file, neutral) for file in files}
    if {"mouthClose", "jawOpen"} <= set(moves):
        # ARKit's mouthClose undoes jawOpen at the lips and is a monster alone: ours is the two together.
        moves["mouthClose"] = moves["mouthClose"] + moves["jawOpen"]
    spelt = tuple(re.sub("_L$", "Left", re.sub("_R$", "Right", name)) for name in moves)
    return spelt, list(moves.values())


def _mode(file: Path, neutral: ObjMesh) -> np.ndarray:
    mesh = read_obj(file, vertices_only=True)
    if len(mesh.vertices) != len(neutral.vertices):
        msg = (
            f"{file} has {len(mesh.vertices)} vertices, the neutral mesh has {len(neutral.vertices)}: it is of another "
            f"version or was cut short; copy it again."
        )
        raise AssetError(msg)
    return mesh.vertices - neutral.vertices


def _within(polygons: np.ndarray, *bounds: int) -> np.ndarray:
    """Polygons whose corners all lie in the ranges first..last, first..last …"""
    inside = np.zeros(VERTICES + 1, bool)  # the last one stands for the absent corner of a triangle
    for first, last in zip(bounds[::2], bounds[1::2], strict=True):
        inside[first : last + 1] = True
    inside[-1] = True
    return inside[polygons].all(1)


def _parts(neutral: ObjMesh, id_basis: np.ndarray, exp_basis: np.ndarray) -> list[RawPart]:
    """Eyeballs, upper teeth with their gums, lower teeth, and the tongue with the mouth's floor."""
    height = neutral.vertices[:, 1]
    rows = _pieces(neutral, TEETH)
    middle = float(np.mean([height[row].mean() for row in rows]))
    soft = np.concatenate(_pieces(neutral, GUMS_TONGUE))
    upper = [row for row in rows if height[row].mean() > middle] + [soft[height[soft] > middle]]
    made = [
        ("teeth_upper", "teeth", np.sort(np.concatenate(upper))),
        ("teeth_lower", "teeth", np.sort(np.concatenate([r for r in rows if height[r].mean() <= middle]))),
        ("tongue", "tongue", np.sort(soft[height[soft] <= middle])),
        *((name, "eye", np.arange(first, last + 1)) for name, (first, last) in EYES.items()),
    ]
    return [_part(neutral, id_basis, exp_basis, *part) for part in made]


def _pieces(neutral: ObjMesh, bounds: tuple[int, int]) -> list[np.ndarray]:
    """Vertices of each connected piece of faces within a range; loose vertices are left out."""
    from scipy import sparse

    own = neutral.polygons[_within(neutral.polygons, *bounds)]
    ends = np.concatenate([own[:, [0, 1]], own[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (VERTICES, VERTICES))
    label = sparse.csgraph.connected_components(graph, False)[1]
    used = np.unique(own[own >= 0])
    pieces = [used[label[used] == number] for number in np.unique(label[used])]
    return [piece for piece in pieces if len(piece) > 2]


def _part(
    neutral: ObjMesh,
    id_basis: np.ndarray,
    exp_basis: np.ndarray,
    name: str,
    texture: str,
    vertices: np.ndarray,
) -> RawPart:
    own = np.zeros(VERTICES + 1, bool)
    own[vertices] = True
    own[-1] = True
    chosen = own[neutral.polygons].all(1)
    faces, _ = split_polygons(neutral.vertices, neutral.polygons[chosen], neutral.polygon_uvs[chosen])
    vertices, packed = np.unique(faces, return_inverse=True)
    local = packed.reshape(-1, 3)
    points = neutral.vertices[vertices]
    if texture == "teeth":
        uvs = np.where((vertices >= TEETH[0])[:, None], ENAMEL_UV, GUM_UV)
    elif texture == "tongue":
        uvs = _flat(points[:, [0, 2]], (0.62, 0.70), 0.12)
    else:
        uvs = _eye_uvs(points, name)
    return RawPart(name, texture, points, id_basis[:, vertices], exp_basis[:, vertices], local, uvs, local)


def _flat(points: np.ndarray, middle: tuple[float, float], radius: float) -> np.ndarray:
    """Texture coordinates in a disc of a texture that looks alike everywhere."""
    low, high = points.min(0), points.max(0)
    return middle + (2 * (points - low) / (high - low) - 1) * radius / np.sqrt(2)


# Of the bundled iris textures: middle and radius of the pupil's eyeball disc, by eye, in texture coordinates.
IRIS = {"eye_l": ((0.2925, 0.298), 0.2625), "eye_r": ((0.7035, 0.700), 0.277)}


def _eye_uvs(points: np.ndarray, name: str) -> np.ndarray:
    """The front of an eyeball seen along z laid over the painted one; what lies behind takes the white of its rim."""
    middle, radius = IRIS[name]
    low, high = points.min(0), points.max(0)
    across = (2 * points - low - high)[:, :2] / (high - low)[:2].max()
    away = np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.arcsin(np.clip(away, 0, 1)) / (
        np.pi / 2
    )  # equal steps over the ball are equal steps in the texture
    behind = points[:, 2:] < (low + high)[2] / 2
    angle = np.where(behind, 1.0, angle)
    return middle + across / np.maximum(away, 1e-9) * angle * radius * 0.95
