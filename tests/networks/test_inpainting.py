"""The inpainting network keeps what is known and paints nothing outside its target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from models.networks.inpainting import InpaintingNet, inpaint, load_inpainting


def rough_net() -> InpaintingNet:
    net = InpaintingNet(width=8)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.03 * torch.randn(p.shape, generator=generator))
    return net.eval()


def masks(side: int, ring: int = 6) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[:side, :side] + 0.5
    target = np.hypot(u - side / 2, v - side / 2) < side * 0.4
    known = cv2.erode(target.astype(np.uint8), np.ones((2 * ring + 1, 2 * ring + 1), np.uint8)) > 0
    return target, known


@settings(max_examples=8, deadline=None)
@given(side=st.sampled_from([64, 96, 100]), seed=st.integers(0, 999))
def test_known_pixels_stay_and_the_outside_is_black(side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    target, known = masks(side)
    answer = inpaint(rough_net(), image, known, target)
    np.testing.assert_array_equal(answer[known], image[known])
    assert not answer[~target].any()


def test_hidden_colours_never_matter() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    target, known = masks(64)
    other = image.copy()
    other[~known] = 255 - other[~known]
    net = rough_net()
    np.testing.assert_array_equal(inpaint(net, image, known, target), inpaint(net, other, known, target))


def test_untrained_network_continues_a_flat_face() -> None:
    """Before training the answer is the smooth fill, so a face of one colour is completed exactly."""
    target, known = masks(96)
    image = np.where(target[..., None], [180, 140, 120], 0).astype(np.uint8)
    answer = inpaint(InpaintingNet(width=8).eval(), image, known, target)
    assert np.abs(answer[target].astype(int) - [180, 140, 120]).max() <= 1


def test_everything_known_is_returned() -> None:
    target, _ = masks(64)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    answer = inpaint(rough_net(), image, target, target)
    np.testing.assert_array_equal(answer, np.where(target[..., None], image, 0))


def test_weights_survive_the_file(tmp_path: Path) -> None:
    net = rough_net()
    save_file({k: v.to(torch.bfloat16) for k, v in net.state_dict().items()}, tmp_path / "w.safetensors")
    loaded = load_inpainting(tmp_path / "w.safetensors")
    for name, value in net.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=0, rtol=0.01)


def test_golden_untrained(golden: Callable[..., None]) -> None:
    """Before training the answer goes on smoothly from the known edge."""
    target, known = masks(64)
    v, u = np.mgrid[:64, :64] / 64
    image = np.stack([230 - 120 * u, 180 - 80 * v, 90 + 60 * u], axis=-1).astype(np.uint8)
    image[~known] = 0
    golden(
        "inpaint_untrained",
        inpaint(InpaintingNet(width=8).eval(), image, known, target),
        atol=3,
        outliers=0.01,
    )
