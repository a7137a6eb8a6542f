from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from assets import build_observer
from assets.registry import AssetError
from assets.registry import record as record_entry

SHAPES = {"conv0/filters": [3, 3, 2, 4], "c/depthwise_filter": [3, 3, 5, 1], "fc/weights": [2, 3]}


def package(folder: Path, cut: int = 0) -> Path:
    """Two tiny models in the layout of the npm package."""
    (folder / "model").mkdir(parents=True)
    for model in build_observer.MODELS.values():
        weights, data = [], b""
        for name, shape in (
            ("conv0/filters", [3, 3, 2, 4]),
            ("c/depthwise_filter", [3, 3, 5, 1]),
            ("fc/weights", [2, 3]),
        ):
            code = {"dtype": "uint8", "scale": 0.5, "min": -1.0}
            weights.append({"name": name, "shape": shape, "dtype": "float32", "quantization": code})
            data += np.arange(np.prod(shape), dtype=np.uint8).tobytes()
        (folder / "model" / f"{model}-weights_manifest.json").write_text(json.dumps([{"weights": weights}]))
        (folder / "model" / f"{model}.bin").write_bytes(data[: len(data) - cut])
    return folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "data"
    (root / "weights").mkdir(parents=True)
    monkeypatch.setattr(build_observer, "DATA", root)
    monkeypatch.setattr(build_observer, "record", lambda entry: record_entry(entry, root))
    return root


def test_tensors_keep_their_codes_in_torch_s_order(tmp_path: Path, data: Path) -> None:
    entry = build_observer.build_observer(package(tmp_path / "package"))
    assert entry.licence == "MIT"
    assert entry.bytes == (data / build_observer.FILE).stat().st_size
    stored = load_file(data / build_observer.FILE)
    assert stored["detector.conv0.filters"].shape == (4, 2, 3, 3)
    assert stored["detector.conv0.filters"][1, 1, 2, 0] == np.arange(72).reshape(3, 3, 2, 4)[2, 0, 1, 1]
    assert stored["points.c.depthwise_filter"].shape == (5, 1, 3, 3)
    assert stored["points.fc.weights"].shape == (3, 2)
    assert stored["points.fc.weights.range"].tolist() == [0.5, -1.0]


def test_another_version_of_the_package_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(AssetError, match=r"use version 1\.7\.15"):
        build_observer.build_observer(package(tmp_path / "package", cut=1))
