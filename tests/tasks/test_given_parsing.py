from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from assets.readers.members import Member
from assets.readers.photo import DecodeLimits
from models.networks.classes import Parsing
from storage.reject import Reason, Reject
from tasks.given_parsing import CLASS_OF, cut, given_parsing, paint
from tasks.landmarks import Crop, cut_square
from tasks.parse import Parse
from tasks.sources import Annotator, Source

LIMITS = DecodeLimits(min_side=8)


def mask_file(folder: Path, name: str, mask: np.ndarray) -> str:
    path = folder / f"00000_{name}.png"
    cv2.imwrite(str(path), mask.astype(np.uint8) * 255)
    return str(path)


def face_points() -> np.ndarray:
    """68 points of a plain face in a 64² crop: jaw, brows, nose, eyes, mouth."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([32 + 18 * np.cos(angle), 26 + 26 * np.sin(angle)], 1)
    brows = np.stack([np.linspace(18, 46, 10), np.full(10, 20.0)], 1)
    nose = np.stack([np.full(9, 32.0), np.linspace(24, 36, 9)], 1)
    eyes = np.concatenate([
        np.array([c]) + 3 * np.stack([-np.cos(a := np.linspace(0, 2 * np.pi, 6, endpoint=False)), np.sin(a)], 1)
        for c in ((24.0, 26.0), (40.0, 26.0))
    ])  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    mouth = np.stack([32 - 6 * np.cos(turn), 43 + 2 * np.sin(turn)], 1)
    return np.concatenate([jaw, brows, nose, eyes, mouth]).astype(np.float32)


def crop_of(square: tuple[float, float, float], photo: np.ndarray) -> Crop:
    left, top, side = (int(value) for value in square)
    return Crop(cut_square(photo, left, top, side, 64), face_points(), 1.0, 60.0, 64 / side, square, 0.0)


def test_names_and_order_are_celebamask_s_own() -> None:
    assert list(CLASS_OF.values()) == [Parsing(i) for i in range(1, 19)]
    assert list(CLASS_OF)[:6] == ["skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow"]


def test_later_classes_are_painted_over_earlier_ones(tmp_path: Path) -> None:
    skin, hair = np.ones((32, 32), bool), np.zeros((32, 32), bool)
    hair[:8] = True
    masks = {"hair": mask_file(tmp_path, "hair", hair), "skin": mask_file(tmp_path, "skin", skin)}
    classes = paint(masks, LIMITS)
    assert not isinstance(classes, Reject)
    assert set(np.unique(classes[:8])) == {Parsing.HAIR}
    assert set(np.unique(classes[8:])) == {Parsing.SKIN}


def test_masks_that_cannot_be_used_are_reasons(tmp_path: Path) -> None:
    good = mask_file(tmp_path, "skin", np.ones((32, 32), bool))
    other = mask_file(tmp_path, "hair", np.ones((16, 32), bool))
    (tmp_path / "text.png").write_text("no picture")
    cases = {
        "the others are": {"skin": good, "hair": other},
        "cannot be read": {"skin": str(tmp_path / "gone.png")},
        "mask 'skin'": {"skin": str(tmp_path / "text.png")},
        "known class": {"halo": good},
    }
    for words, masks in cases.items():
        found = paint(masks, LIMITS)
        assert isinstance(found, Reject)
        assert words in found.detail
        assert found.reason in (Reason.UNREADABLE, Reason.PARSING)


@pytest.mark.parametrize("square", [(10.0, 6.0, 128.0), (-12.0, -8.0, 128.0), (80.0, 90.0, 128.0)])
def test_masks_are_cut_exactly_as_the_photograph_is(square: tuple[float, float, float]) -> None:
    # A picture whose grey is its class, of twice the masks' size: where the crop is a plain halving, both must agree.
    classes = np.random.default_rng(0).integers(0, 19, (100, 96)).astype(np.uint8)
    photo = np.repeat(np.repeat(classes, 2, 0), 2, 1)
    expected = cut_square(np.repeat(photo[..., None], 3, axis=2), *(int(v) for v in square), 64)[..., 0]
    found = cut(classes, photo.shape, crop_of(square, np.zeros((*photo.shape, 3), np.uint8)), 64)
    inner = slice(8, -24)  # the mirrored border is one pixel off at half size
    assert (found[inner, inner] == expected[inner, inner]).all()


def face_classes() -> np.ndarray:
    v, u = np.mgrid[:64, :64]
    classes = np.where(((u - 32) / 19) ** 2 + ((v - 30) / 25) ** 2 < 1, Parsing.SKIN, Parsing.HAIR).astype(
        np.uint8
    )
    classes[24:29, 20:28] = classes[24:29, 36:44] = Parsing.R_EYE  # sides are named anew
    classes[30:37, 29:36], classes[41:46, 26:39] = Parsing.NOSE, Parsing.UPPER_LIP
    return classes


def test_the_rules_of_the_parse_stage_hold() -> None:
    photo = np.full((64, 64, 3), 128, np.uint8)
    crop = crop_of((0.0, 0.0, 64.0), photo)
    found = given_parsing(face_classes(), (64, 64), crop)
    assert not isinstance(found, Reject)
    assert found[26, 24] == Parsing.L_EYE
    assert found[26, 40] == Parsing.R_EYE
    hidden = face_classes()
    hidden[22:] = Parsing.CLOTH
    rejected = given_parsing(hidden, (64, 64), crop)
    assert isinstance(rejected, Reject)


class Seen:
    """A landmark stage that finds one face, the whole picture."""

    fingerprint = "seen"

    def find(self, image: np.ndarray) -> list[Crop]:
        return [crop_of((0.0, 0.0, float(len(image))), image)]


def test_a_photograph_with_masks_needs_no_network(tmp_path: Path) -> None:
    classes = face_classes()
    masks = {
        name: mask_file(tmp_path, name, classes == value)
        for name, value in CLASS_OF.items()
        if (classes == value).any()
    }
    photo = tmp_path / "0.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(90, 160, (128, 128, 3)).astype(np.uint8))
    weights = tmp_path / "none.pth"
    weights.write_bytes(b"no network")
    annotator = Annotator(tmp_path / "cache", Seen(), Parse(weights, bf16=False))  # type: ignore[arg-type]
    (source,) = annotator.annotate(Member(str(photo), "0.png", masks))
    assert isinstance(source, Source)
    assert source.arrays["parsing"][26, 24] == Parsing.L_EYE
    assert annotator.load(source.id).row.id == source.id
    (gone,) = annotator.annotate(Member(str(photo), "0.png", {"skin": str(tmp_path / "gone.png")}))
    assert gone.reason == "unreadable"  # type: ignore[union-attr]
