from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.bisenet import BiSeNet, FaceParser, WeightsError, load_bisenet, to_official
from models.networks.classes import Parsing

# Names in the checkpoint's order (facts §5.2), written independently of the look-up table.
CHECKPOINT_ORDER = [
    "BACKGROUND",
    "SKIN",
    "L_BROW",
    "R_BROW",
    "L_EYE",
    "R_EYE",
    "GLASSES",
    "L_EAR",
    "R_EAR",
    "EARRING",
    "NOSE",
    "INNER_MOUTH",
    "UPPER_LIP",
    "LOWER_LIP",
    "NECK",
    "NECKLACE",
    "CLOTH",
    "HAIR",
    "HAT",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(BiSeNet().state_dict(), path)
    return path


def test_network_has_the_checkpoints_tensors() -> None:
    state = BiSeNet().state_dict()
    assert len(state) == 191
    assert state["cp.resnet.layer4.1.conv2.weight"].shape == (512, 512, 3, 3)
    assert state["cp.arm32.bn_atten.running_mean"].shape == (128,)
    assert state["conv_out16.conv_out.weight"].shape == (19, 64, 1, 1)


def test_scores_have_an_eighth_of_the_input_side() -> None:
    with torch.inference_mode():
        assert BiSeNet().eval()(torch.zeros(1, 3, 128, 96)).shape == (1, 19, 16, 12)


def test_classes_are_renumbered_to_the_official_order() -> None:
    want = [Parsing[name] for name in CHECKPOINT_ORDER]
    assert to_official(np.arange(19, dtype=np.uint8)).tolist() == want


def test_parse_gives_classes_at_photo_size_whatever_its_neighbours(weights: Path) -> None:
    photos = np.random.default_rng(1).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    parser = FaceParser(weights, bf16=False)
    both = parser.parse(photos)
    assert both.shape == (2, 64, 64)
    assert both.dtype == np.uint8
    assert both.max() < 19
    np.testing.assert_array_equal(both[1:], parser.parse(photos[1:]))


def test_bf16_agrees_with_fp32(weights: Path) -> None:
    photos = np.random.default_rng(2).integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    exact = FaceParser(weights, bf16=False).scores(photos, 128)
    half = FaceParser(weights, bf16=True).scores(photos, 128)
    assert float((exact - half).abs().max()) < 0.05 * float(exact.abs().max())


def test_wrong_files_are_named_with_the_fix(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match=r"broken\.pth.*facepairs assets fetch"):
        load_bisenet(broken)
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    with pytest.raises(WeightsError, match=r"other\.pth.*191 tensors"):
        load_bisenet(other)


def test_pickled_code_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.pth"
    torch.save({"weight": Path("x")}, evil)  # an object that only unsafe loading would build
    with pytest.raises(WeightsError, match="safely"):
        load_bisenet(evil)
