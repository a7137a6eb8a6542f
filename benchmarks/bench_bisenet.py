"""Face parsing of one 512² picture: bfloat16 as the pipeline runs it, against float32, both channels-last."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import torch

from assets.registry import AssetError, asset_path, ledger
from benchmarks.harness import Row, compare, row, save
from models.networks.bisenet import FaceParser, fast_bf16, load_bisenet


def measure() -> list[Row]:
    """Rows: network alone at its own input size and at 256², whole parse with resizing, agreement of the
    masks."""
    try:
        weights = asset_path("bisenet")
    except AssetError as error:
        sys.exit(str(error))
    torch.set_num_threads(1)
    exact, half = FaceParser(weights, bf16=False), FaceParser(weights, bf16=True)
    photos = _photos()
    note = "" if fast_bf16() else "this CPU emulates bfloat16, so the pipeline uses float32 on it"
    rows = []
    for side in (512, 256):
        picture = photos[:1]
        with torch.inference_mode():
            x = torch.from_numpy(picture).permute(0, 3, 1, 2).float()
            x = torch.nn.functional.interpolate(x / 255, (side, side)).contiguous(
                memory_format=torch.channels_last
            )
            network = load_bisenet(weights)
            rows.append(
                compare(
                    f"network, {side}²",
                    partial(_forward, network, x, True),
                    partial(_forward, network, x, False),
                    peer_name="float32",
                    note=note,
                )
            )
    rows.append(
        compare(
            "256² crop to mask",
            partial(half.parse, photos[:1]),
            partial(exact.parse, photos[:1]),
            peer_name="float32",
            note=note,
        )
    )
    same = float((half.parse(photos) == exact.parse(photos)).mean())
    rows.append(row("pixels of equal class", 100 * same, unit="%", note=f"{len(photos)} faces"))
    return rows


@torch.inference_mode()
def _forward(network: torch.nn.Module, x: torch.Tensor, half: bool) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        return network(x)


def _photos() -> np.ndarray:
    """Face crops (n, 256, 256, 3) of the photographs that ship."""
    from assets.readers.photo import read_photo
    from tasks.landmarks import Crop, Landmarks

    stage = Landmarks(256)
    crops = []
    for entry in ledger().entries("photo")[:4]:
        image = read_photo(asset_path(entry.name))
        if isinstance(image, np.ndarray):
            crops += [crop.photo for crop in stage.find(image) if isinstance(crop, Crop)]
    return np.stack(crops)


if __name__ == "__main__":
    save("bisenet", measure(), packages=["torch"])
