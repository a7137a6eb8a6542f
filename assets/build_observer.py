"""The audit's own detector and landmark network, from the files of ``@vladmandic/face-api`` to one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from assets.registry import DATA, AssetError, Entry, record

FILE = "weights/observer.safetensors"
MODELS = {"detector": "tiny_face_detector_model", "points": "face_landmark_68_model"}
Array = np.ndarray


def build_observer(package: Path, say: Callable[[str], None] = lambda _: None) -> Entry:
    """Write ``observer.safetensors`` and its ledger entry.

    Args:
        package: unpacked npm package, the folder that holds ``model/``.
        say: gets a line about the file made.

    Raises:
        AssetError: a model's bytes are not what its manifest describes.
    """
    tensors: dict[str, Array] = {}
    for prefix, model in MODELS.items():
        tensors |= {f"{prefix}.{name}": array for name, array in _read(package / "model", model).items()}
    save_file(tensors, DATA / FILE)
    entry = record(
        Entry(
            "observer", "weights", FILE, "", 0, "MIT",
            "npm @vladmandic/face-api 1.7.15: model/tiny_face_detector_model.bin, model/face_landmark_68_model.bin",
            "Vladimir Mandic; networks by Vincent Mühler (face-api.js)",
            "Takes no part in making pairs: `facepairs audit` looks at them with it.",
        )
    )  # fmt: skip
    say(f"observer: {entry.bytes / 1e6:.2f} MB")
    return entry


def _read(folder: Path, model: str) -> dict[str, Array]:
    """Tensors of a model in PyTorch's order, eight bits, each beside its ``range`` (scale, low)."""
    manifest = json.loads((folder / f"{model}-weights_manifest.json").read_text())
    data = (folder / f"{model}.bin").read_bytes()
    out: dict[str, Array] = {}
    at = 0
    for spec in (weight for group in manifest for weight in group["weights"]):
        code = spec.get("quantization", {})
        size = prod(spec["shape"])
        if code.get("dtype") != "uint8" or at + size > len(data):
            msg = f"{model}: tensor '{spec['name']}' is not {size} bytes of eight-bit codes; use version 1.7.15."
            raise AssetError(msg)
        array = np.frombuffer(data, np.uint8, size, at).reshape(spec["shape"])
        at += size
        name = spec["name"].replace("/", ".")
        out[name] = np.ascontiguousarray(_torch_order(name, array))
        out[f"{name}.range"] = np.array([code["scale"], code["min"]], np.float32)
    if at != len(data):
        msg = f"{model}: {len(data)} bytes, {at} expected from its manifest; use version 1.7.15."
        raise AssetError(msg)
    return out


def _torch_order(name: str, array: Array) -> Array:
    """TensorFlow keeps height, width, in, out; PyTorch wants out, in, height, width."""
    if name.endswith("depthwise_filter"):
        return array.transpose(2, 3, 0, 1)
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array
