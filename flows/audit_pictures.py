"""Pictures of the gap: fitted photograph, pair and plain render, each with the contours of shape and picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from models.heads.fit import interocular
from models.heads.linear import LinearHead
from storage.store import Store
from tasks.audit_look import picture, shape_of_row, unpacked
from tasks.audit_measure import FOLDS, Calibration, Looked, stand_of
from tasks.expect import expected_classes
from tasks.gap import PARTS, occluded, part_contours

SIDE = 384  # pixels of one picture
SHAPE, SEEN = (235, 70, 70), (70, 235, 90)


def gap_strips(
    store: Store, rows: Sequence[Mapping[str, Any]], looked: Sequence[Looked],
    known: Mapping[tuple[str, int], Calibration], photos: Mapping[tuple[str, str], Mapping[str, Any]],
    heads: Callable[[str], LinearHead], count: int,
) -> list[tuple[str, bytes, str]]:  # fmt: skip
    """Name, WebP and caption of some pairs: half of them with a middling gap, half of them the worst."""
    order = sorted(range(len(rows)), key=lambda n: (np.nan_to_num(rows[n]["pair_gap"]), rows[n]["key"]))
    middle = len(order) // 2
    half = -(-count // 2)
    chosen = {n: "a middling pair" for n in order[max(0, middle - half // 2) :][:half]}
    chosen |= {n: "one of the worst pairs" for n in order[-(count // 2) :] if n not in chosen}
    size = int(store.schema.sizes["R"])
    strips = []
    for n, what in chosen.items():
        pair = looked[n]
        photo, head = photos[pair.head, pair.source], heads(pair.head)
        shapes = (shape_of_row(photo), pair.shape, pair.shape)
        images = (
            _decoded(photo["photo_picture"]),
            store.read(pair.key, ["image"])["image"],
            _decoded(pair.notes["render_picture"]),
        )
        classes = (photo["photo_classes"], pair.notes["pair_classes"], pair.notes["render_classes"])
        tiles = []
        for image, shape, seen in zip(images, shapes, classes, strict=True):
            stand = stand_of(shape, head, size)
            own = known[pair.head, n % FOLDS]
            votes = own.votes_of(pair.texture) if shape is pair.shape else own.votes
            expected = expected_classes(votes, head, stand)
            by = (
                (unpacked(seen), unpacked(pair.notes["semantic"]))
                if shape is pair.shape
                else (unpacked(seen),)
            )
            hidden = occluded(interocular(stand.landmarks), *by)
            tiles.append(
                _overlay(image, [part_contours(p, expected, by[0], stand.landmarks, hidden) for p in PARTS])
            )
        gaps = ", ".join(f"{name} {rows[n][f'{name}_gap']:.2f}" for name in ("photo", "pair", "render"))
        caption = f"{pair.key}, {what}: fitted photograph, pair, plain render (gap {gaps} px): red shape, green picture"
        strips.append((f"gap-{len(strips) + 1}", picture(np.concatenate(tiles, axis=1)), caption))
    return strips


def _overlay(image: np.ndarray, contours: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    zoom = SIDE / len(image)
    canvas = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for both in contours:
        for points, colour in zip(both, (SHAPE, SEEN), strict=True):
            for u, v in zoom * points:
                cv2.circle(
                    canvas,
                    (round(16 * float(u)) - 8, round(16 * float(v)) - 8),
                    10,
                    colour,
                    -1,
                    cv2.LINE_AA,
                    4,
                )
    return np.asarray(canvas)


def _decoded(data: bytes) -> np.ndarray:
    return np.ascontiguousarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
