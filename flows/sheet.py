"""A contact sheet: random accepted pairs of a store, image beside normals."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from flows.config import SynthesizeError
from storage.files import write_replace
from storage.index import COMMITTED
from storage.store import Store

SIDE, GAP, PAPER = 192, 6, 18


def accepted_keys(store: Store) -> list[str]:
    """Keys of all committed pairs, in order."""
    rows = (row for shard in store.commits() for row in store.index_rows(shard))
    return [row.key for row in rows if row.status == COMMITTED]


def contact_sheet(store: Store, path: Path, count: int = 64, seed: int = 0) -> Path:
    """Write the sheet; the same store, count and seed give the same picture.

    Raises:
        SynthesizeError: the store has no pair yet.
    """
    keys = accepted_keys(store)
    if not keys:
        msg = f"{store.root} has no accepted pair to show; see 'facepairs status {store.root}'."
        raise SynthesizeError(msg)
    chosen = np.random.default_rng(seed).choice(len(keys), min(count, len(keys)), replace=False)
    cells = [_cell(store, keys[i]) for i in sorted(chosen.tolist())]
    # A pair is twice as wide as high, so half as many columns as rows make a square.
    columns = max(1, round((len(cells) / cells[0].shape[1] * cells[0].shape[0]) ** 0.5))
    rows = -(-len(cells) // columns)
    height, width = cells[0].shape[0] + GAP, cells[0].shape[1] + GAP
    sheet = np.full((rows * height + GAP, columns * width + GAP, 3), PAPER, np.uint8)
    for n, cell in enumerate(cells):
        top, left = GAP + n // columns * height, GAP + n % columns * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    done, data = cv2.imencode(path.suffix or ".png", sheet[..., ::-1])
    if not done:
        msg = f"{path} cannot be written as a picture; give it the suffix .png or .jpg."
        raise SynthesizeError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_replace(path, data.tobytes())
    return path


def _cell(store: Store, key: str) -> np.ndarray:
    """Image and, where the store has them, normals of one pair, uint8 (SIDE, n * SIDE, 3)."""
    wanted = [name for name in ("image", "normal_front") if name in store.schema.names]
    pair = store.read(key, wanted)
    tiles = [(a >> 8).astype(np.uint8) if a.dtype == np.uint16 else a for a in pair.values()]
    return np.concatenate([cv2.resize(t, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for t in tiles], axis=1)
