"""Golden pictures: ``golden(name, array)`` compares an image with ``tests/goldens/<name>.png``.

``pytest --regen-goldens`` writes the pictures instead of comparing. On a mismatch the expected picture, the one that
was made and their amplified difference are saved side by side as ``tests/goldens/DEBUG_<name>.png`` (not in git).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Tests run beside each other on few cores; a thread pool per process only makes them slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest

GOLDENS = Path(__file__).parent / "goldens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regen-goldens",
        action="store_true",
        default=False,
        help="write tests/goldens/*.png from this run instead of comparing with them",
    )


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = image[..., ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert ok, f"could not encode {path}"
    path.write_bytes(data.tobytes())


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, f"{path} is not a picture"
    return image[..., ::-1] if image.ndim == 3 else image


def _as_image(array: np.ndarray) -> np.ndarray:
    image = np.asarray(array)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        msg = f"a golden is uint8 or bool (H, W) or (H, W, 3); got {image.dtype} {image.shape}"
        raise TypeError(msg)
    return image


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``golden(name, image, atol=2, outliers=0.0)``: compare an RGB, grey or bool image with its golden.

    ``atol`` is in grey levels; at most the fraction ``outliers`` of the values may differ by more.
    """

    def check(name: str, array: np.ndarray, atol: float = 2, outliers: float = 0.0) -> None:
        image, path = _as_image(array), GOLDENS / f"{name}.png"
        if request.config.getoption("--regen-goldens"):
            _write(path, image)
            return
        assert path.exists(), (
            f"no golden {path.name}; make it with: pytest --regen-goldens -k {request.node.name}"
        )
        want = _read(path)
        assert want.shape == image.shape, f"{path.name} is {want.shape}, this run made {image.shape}"
        error = np.abs(want.astype(np.int16) - image.astype(np.int16))
        wrong = float((error > atol).mean())
        if wrong > outliers:
            loud = np.clip(error * (255 // max(int(error.max()), 1)), 0, 255).astype(np.uint8)
            picture = GOLDENS / f"DEBUG_{name}.png"
            _write(picture, np.concatenate([want, image, loud], axis=1))
            pytest.fail(
                f"{path.name}: {100 * wrong:.2f} % of the values differ by more than {atol} grey levels "
                f"(largest {int(error.max())}); look at {picture.name} (expected, made, difference). "
                f"If the change is wanted: pytest --regen-goldens -k {request.node.name}"
            )

    return check
