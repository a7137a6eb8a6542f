"""PSNR, SSIM and feature distance: known values, and blindness outside the mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flows.swap_metrics import FeatureDistance, psnr, ssim
from models.networks.bisenet import BiSeNet

WHERE = np.zeros((48, 48), bool)
WHERE[16:32, 16:32] = True


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)


def test_psnr_of_a_known_error() -> None:
    a = np.full((48, 48, 3), 100, np.uint8)
    b = a.copy()
    b[WHERE] += 16
    b[~WHERE] += 100  # outside: not counted
    assert psnr(a, b, WHERE) == pytest.approx(20 * np.log10(255 / 16))


def test_ssim_is_one_for_the_truth_and_falls_with_structure() -> None:
    truth = noise(0)
    assert ssim(truth, truth, WHERE) == pytest.approx(1)
    flat = np.full_like(truth, int(truth.mean()))
    assert ssim(flat, truth, WHERE) < 0.1
    # Of two flat pictures only the means count: (2ab + C1) / (a² + b² + C1).
    a, b = np.full_like(truth, 100), np.full_like(truth, 120)
    assert ssim(a, b, WHERE) == pytest.approx((24000 + 6.5025) / (24400 + 6.5025))


def test_far_pixels_do_not_matter_to_ssim() -> None:
    truth, other = noise(0), noise(0)
    other[:4] = 0
    assert ssim(other, truth, WHERE) == pytest.approx(1)


def test_feature_distance(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(BiSeNet().state_dict(), tmp_path / "parser.pth")
    distance = FeatureDistance(tmp_path / "parser.pth", side=96)
    truth = noise(0)
    near = np.clip(truth.astype(int) + 6, 0, 255).astype(np.uint8)
    assert distance(truth, truth, WHERE) == pytest.approx(0, abs=1e-6)
    assert 0 < distance(near, truth, WHERE) < distance(noise(1), truth, WHERE) < 4
