"""What worker processes of an evaluation do: reconstruct, score and draw some images by all rows.

A score is kept in a file that is named by the hashes of row and image, so nothing is measured twice, whatever set or
command it was first measured for.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from assets.registry import asset_path
from flows.eval_pictures import picture
from flows.eval_sets import open_set
from models.geometry.camera import cube_to_pixel
from models.geometry.metrics import Scores
from storage.files import canonical_json, sha256_bytes, write_replace
from tasks.eval_rows import Row, Seen, find_models, floors, trained_rows
from tasks.evalset import EvalSet, Item
from tasks.parse import Parse, clean

VERSION = 1  # of scores and pictures
SCORES, PICTURES = "scores", "pictures"
Emit = Callable[[dict[str, Any]], None]


def score_file(out: Path, row: str, item: str) -> Path:
    """Where the score of a row (digest) and an item (digest) is kept."""
    name = sha256_bytes(canonical_json([VERSION, row, item]))
    return out / SCORES / name[:2] / f"{name[2:34]}.json"


def picture_file(out: Path, row: str, item: str) -> Path:
    """Where the picture of a row and an item is kept."""
    return score_file(out / PICTURES, row, item).with_suffix(".png")


@functools.lru_cache(maxsize=1)
def all_rows(models: tuple[str, ...]) -> tuple[Row, ...]:
    """Floors and trained rows, once per process."""
    return (*floors(), *trained_rows(find_models(tuple(map(Path, models)))))


def measure(
    where: Sequence[Any],
    models: Sequence[str],
    out: str,
    keys: Sequence[str],
    drawn: Sequence[str],
    emit: Emit,
) -> int:
    """Measure some images by all rows; returns how many scores were new.

    Args:
        where: of the set (:func:`flows.eval_sets.open_set`).
        models: folders of models.
        out: folder of the evaluation.
        keys: of the images.
        drawn: keys of the images whose pictures are wanted.
        emit: is told of every image.
    """
    chosen, rows, new = open_set(*where), all_rows(tuple(models)), 0
    items = {item.key: item for item in chosen.items}
    for key in keys:
        item = items[key]
        new += _measure_image(chosen, item, rows, Path(out), key in set(drawn))
        emit({"image": key})
    return new


def _measure_image(chosen: EvalSet, item: Item, rows: Sequence[Row], out: Path, draw: bool) -> int:
    """Scores of one image that are not there yet."""
    missing = [
        row for row in rows
        if not score_file(out, row.digest, item.digest).is_file()
        or (draw and not picture_file(out, row.digest, item.digest).is_file())
    ]  # fmt: skip
    if not missing:
        return 0
    image, truth = chosen.image(item), chosen.truth(item)
    semantic = chosen.semantic(item)
    seen = Seen(image, parsed(image) if semantic is None else semantic, truth)
    for row in missing:
        began = time.perf_counter()
        surface, error = None, ""
        try:
            surface = row.surface(seen)
            seconds = time.perf_counter() - began
            scores = truth.score(*surface) if truth is not None else None
        except ValueError as failure:  # the benchmark's failure
            seconds, scores, error = time.perf_counter() - began, None, str(failure)
        body = {"seconds": round(seconds, 3), "error": error}
        body |= {name: _number(value) for name, value in asdict(scores or NOTHING).items()}
        if draw:
            path = picture_file(out, row.digest, item.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            _, data = cv2.imencode(".png", picture(image, surface, truth)[..., ::-1])
            write_replace(path, data.tobytes())
        path = score_file(out, row.digest, item.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_replace(path, json.dumps(body, sort_keys=True).encode())
    return len(missing)


NOTHING = Scores(np.nan, np.nan, np.nan, np.nan)


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return round(float(value), 6) if np.isfinite(value) else None


@functools.cache
def _parser() -> Parse:
    return Parse(asset_path("bisenet"))


def parsed(image: np.ndarray) -> np.ndarray:
    """CelebAMask classes of a picture that comes without them; cleaned where a face is found."""
    try:
        points = cube_to_pixel(Seen(image, image[..., 0]).landmarks, len(image)).astype(np.float32)
    except ValueError:
        return np.asarray(_parser().parser.parse(image[None])[0], np.uint8)
    return clean(_parser().classes(image, points), points)
