"""Reconstructions of a store's held-out pairs against their true shapes, beside two floors that know no network.

The floors: the mean head in the pair's true pose, and the head model fitted to the landmarks of the image. An
absolute number says little, since heads are alike; what counts is how far below the floors a network gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from assets.registry import asset_path, default_head
from models.geometry.camera import pixel_to_cube
from models.geometry.metrics import Scores, compare_in_cube
from models.heads.fit import fit_landmarks
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region
from models.networks.face_landmarker import FaceLandmarker
from models.networks.rows import Reconstructor
from storage.reader import PairReader
from storage.schema import META
from storage.store import Store
from tasks.decode import Decoded, MeshReader

SURFACE = tuple(region for region in FACE if region != Region.INNER_MOUTH)
BINS = (0, 5, 30, 60, 90)  # degrees of absolute yaw (facts §2.6)


@dataclass(frozen=True)
class Row:
    """Scores of one pair by one method."""

    key: str
    yaw: float
    method: str
    scores: Scores


Surface = tuple[np.ndarray, np.ndarray]  # vertices (V, 3) in the cube, triangles (F, 3)


def score_pairs(
    store: Path,
    model: Reconstructor,
    splits: Sequence[str],
    most: int,
    tell: Callable[[], None],
    generation: str | None = None,
) -> Iterator[Row]:
    """Score the model and the floors on the first ``most`` pairs of some splits; a failed method has NaN scores.

    Args:
        store: folder of the store.
        model: the networks.
        splits: "val", "test".
        most: pairs.
        tell: called after each pair.
        generation: whose pairs; None for the latest.
    """
    meshes, finder = (
        MeshReader(Store.open(store)),
        FaceLandmarker(asset_path("face_landmarker"), smallest=32.0),
    )
    head, left = default_head(), most
    for split in splits:
        reader = PairReader(store, split, ("image", "semantic", META), generation)
        for i in range(min(left, len(reader))):
            pair = reader[i]
            truth = meshes.read(pair["key"])
            yaw = float(pair[META]["angles"][0])
            for method, make in (
                ("model", lambda p=pair: _model(model, p["image"], p["semantic"])),
                ("mean head, true pose", lambda t=truth: _mean(t)),
                ("landmark fit", lambda p=pair: _fitted(finder, head, p["image"])),
            ):
                yield Row(pair["key"], yaw, method, _scores(make, truth))
            tell()
        left -= min(left, len(reader))


def _model(model: Reconstructor, image: np.ndarray, semantic: np.ndarray) -> Surface:
    made = model.reconstruct(image, semantic)
    return made.vertices, made.faces


def _mean(truth: Decoded) -> Surface:
    return truth.pose.to_cube(truth.head.mean.astype(np.float64)).astype(np.float32), truth.head.faces


def _fitted(finder: FaceLandmarker, head: LinearHead, image: np.ndarray) -> Surface:
    faces = finder.find(image)
    if not faces:
        msg = "the landmark model finds no face in this image."
        raise ValueError(msg)
    largest = max(faces, key=lambda face: float(np.ptp(face.points[:, 0])))
    found = fit_landmarks(head, pixel_to_cube(largest.points.astype(np.float64), len(image)))
    posed = found.camera.to_cube(head.vertices(found.identity, found.expression).astype(np.float64))
    return posed.astype(np.float32), head.faces


def _scores(make: Callable[[], Surface], truth: Decoded) -> Scores:
    """Scores in the truth's face; NaN when there is no reconstruction (the benchmark's failure)."""
    counted = np.isin(truth.head.face_region, SURFACE)
    try:
        vertices, faces = make()
        return compare_in_cube(vertices, faces, truth.vertices, truth.head.faces, counted, truth.pose)
    except ValueError:
        return Scores(np.nan, np.nan, np.nan, np.nan)


def table(rows: Sequence[Row]) -> str:
    """Markdown table in the layout of the paper: methods down, pose bins across, CD in mm, MNE, CR in %, success."""
    bins = [f"{a}-{b}°" for a, b in pairwise(BINS)]
    head = "| method | " + " | ".join(f"{b} CD | MNE | CR" for b in bins) + " | Succ. |"
    lines = [head, "|---|" + "---|" * (3 * len(bins) + 1)]
    for method in dict.fromkeys(row.method for row in rows):
        mine = [row for row in rows if row.method == method]
        cells = []
        for low, high in pairwise(BINS):
            inside = [r.scores for r in mine if low <= abs(r.yaw) < high and np.isfinite(r.scores.cd)]
            for name, digits in (("cd", 2), ("mne", 3), ("cr", 1)):
                values = [asdict(s)[name] for s in inside]
                cells.append(f"{np.mean(values):.{digits}f}" if values else "-")
        success = 100 * np.mean([np.isfinite(r.scores.cd) for r in mine])
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {success:.1f} |")
    return "\n".join(lines)


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Mean of each score over all pairs, by method: ``"model/cd"`` and so on, with the share of successes."""
    found: dict[str, float] = {}
    for method in dict.fromkeys(row.method for row in rows):
        mine = [asdict(row.scores) for row in rows if row.method == method]
        for name in ("cd", "mne", "angle", "cr"):
            values = [s[name] for s in mine if np.isfinite(s[name])]
            found[f"{method}/{name}"] = float(np.mean(values)) if values else -1.0
        found[f"{method}/success"] = float(np.mean([np.isfinite(s["cd"]) for s in mine]))
    return found
