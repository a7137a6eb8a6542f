"""How good the swap networks are on held-out photographs, against what OpenCV does, and a picture of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from flows.swap_data import band_masks
from flows.swap_faces import Face
from flows.swap_metrics import FeatureDistance, Mask, Picture, psnr, ssim
from models.networks.classes import FACE
from models.networks.completion import IRIS_COLOURS, CompletionNet, Iris, complete
from models.networks.crops import hole_frames
from models.networks.inpainting import InpaintingNet, inpaint

SIDE = 256
Row = tuple[str, dict[str, Picture], Mask, Picture]  # name, answers by method, hidden pixels, truth


def rivals(image: Picture, hidden: Mask, unknown: Mask) -> dict[str, Picture]:
    """Telea and Navier-Stokes inpainting, and the mean of the known pixels near the hole.

    ``unknown`` is what must not be read; only ``hidden`` is judged.
    """
    # Everything unknown is marked: a black pixel that OpenCV takes for known would bleed into the hole.
    area = unknown.astype(np.uint8)
    masked = np.where(unknown[..., None], 0, image).astype(np.uint8)
    near = cv2.dilate(hidden.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    ring = near & ~unknown
    mean = masked.copy()
    mean[hidden] = np.round(masked[ring].mean(0)) if ring.any() else 128
    return {
        "telea": cv2.inpaint(masked, area, 4, cv2.INPAINT_TELEA),
        "ns": cv2.inpaint(masked, area, 4, cv2.INPAINT_NS),
        "mean": mean,
    }


def completion_rows(net: CompletionNet, faces: Sequence[Face]) -> list[Row]:
    """Each open eye pair and mouth of the held-out faces, hidden with a rim of 2 px at 256².

    ``ours`` is what the pipeline does: brown irises that look at the camera. ``ours, gaze given`` gets the true iris
    position and colour, which no rival could use; it shows what the painting itself can do. ``sketch`` is the mouth of
    the fitted head before the network corrects it.
    """
    rows: list[Row] = []
    for face in (f.resized(SIDE) for f in faces):
        for name, parts in (("eyes", ("eye_right", "eye_left")), ("mouth", ("mouth",))):
            holes = [face.holes[p] for p in parts if p in face.holes]
            if not holes:
                continue
            hidden = cv2.dilate(np.logical_or.reduce(holes).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            answers = {
                "hidden": np.where(hidden[..., None], 0, face.photo).astype(np.uint8),
                **rivals(face.photo, hidden, hidden),
                "ours": complete(net, face.photo, face.inside, hidden, face.landmarks, IRIS_COLOURS[0]),
            }
            if name == "mouth":
                answers["sketch"] = np.where(hidden[..., None], face.inside, face.photo).astype(np.uint8)
            else:
                irises = []
                for frame, _ in hole_frames(face.landmarks, hidden):
                    centre, radius, colour = face.irises.get(frame.part) or next(iter(face.irises.values()))
                    u, v = np.linalg.solve(frame.matrix[:, :2], centre - frame.matrix[:, 2])
                    irises.append(Iris(float(u), float(v), radius / frame.zoom, colour))
                answers["ours, gaze given"] = complete(
                    net, face.photo, face.inside, hidden, face.landmarks, irises=irises
                )
            rows.append((f"{name} {face.id}", answers, hidden, face.photo))
    return rows


def inpainting_rows(net: InpaintingNet, faces: Sequence[Face]) -> list[Row]:
    """Two different bands of each held-out face, fixed by its position in the list."""
    rows: list[Row] = []
    for number, face in enumerate(f.resized(SIDE) for f in faces):
        whole = np.isin(face.parsing, FACE)
        for turn in range(2):
            target, known = band_masks(whole, np.random.default_rng((number, turn)))
            hidden = target & ~known
            if hidden.sum() < 50:
                continue
            truth = np.where(target[..., None], face.photo, 0).astype(np.uint8)
            seen = np.where(known[..., None], face.photo, 0).astype(np.uint8)
            answers = {"hidden": seen}
            for method, answer in rivals(face.photo, hidden, ~known).items():
                answers[method] = np.where(target[..., None], answer, 0).astype(np.uint8)
            answers["ours"] = inpaint(net, seen, known, target)
            rows.append((f"band {face.id} {turn}", answers, hidden, truth))
    return rows


def scores(rows: Sequence[Row], features: FeatureDistance | None = None) -> dict[str, float]:
    """Means in the hole for each kind of hole, measure and method: ``"eyes/telea"`` is a PSNR in dB.

    ``"eyes SSIM/telea"`` and, given a network for it, ``"eyes features/telea"`` stand beside it.
    """
    found: dict[str, list[float]] = {}
    for name, answers, hidden, truth in rows:
        kind = name.split()[0]
        for method, answer in answers.items():
            if method == "hidden":
                continue
            found.setdefault(f"{kind}/{method}", []).append(psnr(answer, truth, hidden))
            found.setdefault(f"{kind} SSIM/{method}", []).append(ssim(answer, truth, hidden))
            if features is not None:
                found.setdefault(f"{kind} features/{method}", []).append(features(answer, truth, hidden))
    return {k: float(np.mean(v)) for k, v in sorted(found.items())}


def rows_of(kind: str) -> Callable[..., list[Row]]:
    """The evaluation of a network by its name."""
    return {"completion": completion_rows, "inpainting": inpainting_rows}[kind]


def write_sheet(path: Path, rows: Sequence[Row], zoom: int = 2) -> None:
    """Sample sheet: one line per hole, cut around it: hidden, each method, and the photograph."""
    lines = []
    methods = [*dict.fromkeys(m for _, answers, _, _ in rows for m in answers), "truth"]
    for _, answers, hidden, truth in rows:
        v, u = np.argwhere(hidden).mean(0)
        half = int(min(np.ptp(np.argwhere(hidden), axis=0).max() * 0.5 + 10, SIDE / 2))
        top = int(np.clip(v - half, 0, SIDE - 2 * half))
        left = int(np.clip(u - half, 0, SIDE - 2 * half))
        tiles = []
        for method in methods:
            picture = truth if method == "truth" else answers.get(method, np.zeros_like(truth))
            tile = picture[top : top + 2 * half, left : left + 2 * half]
            tiles.append(cv2.resize(tile, (96 * zoom, 96 * zoom), interpolation=cv2.INTER_CUBIC))
        lines.append(np.concatenate(tiles, axis=1))
    title = np.zeros((20, lines[0].shape[1], 3), np.uint8)
    for i, method in enumerate(methods):
        cv2.putText(
            title,
            method,
            (i * 96 * zoom + 4, 14),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
    sheet = np.concatenate([title, *lines], axis=0)
    ok, data = cv2.imencode(".png", sheet[..., ::-1])
    if not ok:
        msg = f"could not write the sample sheet {path.name}; is the disk full?"
        raise OSError(msg)
    path.write_bytes(data.tobytes())


def score_table(values: Mapping[str, float]) -> str:
    """Markdown table of :func:`scores`: one line per kind of hole."""
    kinds = list(dict.fromkeys(k.split("/")[0] for k in values))
    methods = list(dict.fromkeys(k.split("/")[1] for k in values))
    lines = ["| hole | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for kind in kinds:
        digits = 3 if " " in kind else 2
        cells = [f"{values[f'{kind}/{m}']:.{digits}f}" if f"{kind}/{m}" in values else "" for m in methods]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
