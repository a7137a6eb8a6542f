"""Stage check: numbers move with what they measure, and each limit rejects with its own reason."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.normals import vertex_normals
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from models.networks.face_landmarker import FaceFound
from storage.plan import PlanRow
from storage.schema import NO_DEPTH
from tasks.check import QUALITY, Check, Limits, seam_ratio, skin_step
from tasks.contract import Batch, Reason

HEAD, SIZE = synthetic_head(0), 64


@dataclass(frozen=True)
class Finder:
    """A landmark backend that sees the true points moved by ``off`` pixels, or nothing."""

    points: np.ndarray
    off: float = 0.0
    blind: bool = False
    fingerprint: str = "test"

    def find(self, image):
        return [] if self.blind else [FaceFound(self.points + self.off, 1.0, 0.0)]


def sample(**changes) -> tuple[Batch, Finder]:
    vertices = ScaledOrtho(1 / 120, np.eye(3), np.zeros(2)).to_cube(HEAD.mean).astype(np.float32)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[16:48, 20:44] = True
    photo = np.full((SIZE, SIZE, 3), 120, np.uint8)
    fields = {
        "photo": photo,
        "image": photo.copy(),
        "warped": photo.copy(),
        "warped_parsing": np.full((SIZE, SIZE), Parsing.SKIN, np.uint8),
        "parsing": mask.astype(np.uint8),  # class 1 is skin
        "fit_rms": np.float32(0.02),
        "vertices": vertices,
        "rotation": np.eye(3, dtype=np.float32),
        "depth": np.zeros((SIZE, SIZE), np.float32),
        "render_mask": mask,
        "face_mask": mask,
        "warp_max": np.float32(2),
        **changes,
    }
    row = PlanRow("00000000", 0, 0, 0, "a-00", HEAD.name, "skin", "train")
    truth = cube_to_pixel(HEAD.landmarks(vertices), SIZE)
    return Batch((row,), {k: np.asarray(v)[None] for k, v in fields.items()}), Finder(truth)


def reason(batch: Batch, finder: Finder, limits: Limits | None = None) -> Reason | None:
    rejects = Check(HEAD, limits or Limits(), finder).check(batch).rejects
    return rejects[0].reason if rejects else None


def profile(beyond: int = 0, **changes) -> Batch:
    """A head turned by 60 degrees whose face ends before nothing; old face for ``beyond`` pixels more."""
    turn = np.radians(60)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    vertices = ScaledOrtho(1 / 120, rotation, np.zeros(2)).to_cube(HEAD.mean).astype(np.float32)
    depth = np.zeros((SIZE, SIZE), np.float32)
    depth[:, 44:] = NO_DEPTH
    mask = np.zeros((SIZE, SIZE), bool)
    mask[16:48, 20:44] = True
    parsing = np.zeros((SIZE, SIZE), np.uint8)
    parsing[16:48, 20 : 44 + beyond] = 1  # skin
    fields = {
        "vertices": vertices, "rotation": np.float32(rotation), "depth": depth, "face_mask": mask,
        "warped_parsing": parsing, **changes,
    }  # fmt: skip
    return sample(**fields)[0]


def test_a_profile_is_measured_by_its_outline_and_needs_no_landmarks():
    blind = Finder(np.zeros((68, 2)), blind=True)
    gives = Check(HEAD, Limits(), blind).check(profile())
    assert not gives.rejects
    assert gives.fields["quality"][0, QUALITY.index("gap")] < 0.01


@pytest.mark.parametrize("beyond", [3, 5])
def test_old_face_beyond_the_profile_is_a_gap_of_its_width(beyond):
    gives = Check(HEAD, Limits()).check(profile(beyond))
    assert gives.rejects[0].reason is Reason.GAP
    assert "between the outlines" in gives.rejects[0].detail
    at = QUALITY.index("gap")
    narrow, wide = (
        Check(HEAD, Limits()).check(profile(b)).fields["quality"][0, at] for b in (beyond, 2 * beyond)
    )
    assert wide > 1.5 * narrow


def test_a_profile_that_is_not_seen_is_a_gap():
    batch = profile(depth=np.zeros((SIZE, SIZE), np.float32))
    assert Check(HEAD, Limits()).check(batch).rejects[0].reason is Reason.GAP


def test_landmarks_that_the_shape_hides_do_not_count():
    turn = np.radians(40)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    vertices = ScaledOrtho(1 / 120, rotation, np.zeros(2)).to_cube(HEAD.mean).astype(np.float32)
    batch, _ = sample(vertices=vertices, rotation=np.float32(rotation))
    truth = cube_to_pixel(HEAD.landmarks(vertices), SIZE)
    normals = vertex_normals(vertices, HEAD.faces)[HEAD.landmark_vertices].mean(axis=1)
    hidden = (normals[:, 2] < 0) & (np.arange(68) >= 17)
    assert hidden.any()
    wrong = truth + 20 * hidden[:, None]
    assert reason(batch, Finder(wrong)) is None
    assert reason(batch, Finder(truth + 20 * ~hidden[:, None])) is Reason.GAP


def test_a_good_pair_is_accepted_with_its_numbers():
    batch, finder = sample()
    quality = dict(zip(QUALITY, Check(HEAD, Limits(), finder)(batch).fields["quality"][0], strict=True))
    assert quality["gap"] == pytest.approx(0, abs=1e-6)
    assert quality["face_share"] == quality["render_share"] == quality["seam"] == 1
    assert reason(batch, finder) is None


def test_a_shape_beside_the_face_is_a_gap():
    batch, finder = sample()
    assert reason(batch, replace(finder, off=4.0)) is Reason.GAP


def test_an_image_without_a_face_is_a_gap():
    batch, finder = sample()
    assert reason(batch, replace(finder, blind=True)) is Reason.GAP


def test_a_step_along_the_border_is_a_seam():
    batch, finder = sample()
    image = batch["image"].copy()
    image[batch["face_mask"]] = 200
    batch = Batch(batch.rows, {**batch.fields, "image": image})
    assert reason(batch, finder) is Reason.SEAM


def test_another_skin_colour_without_a_hard_edge_is_a_seam_too():
    batch, finder = sample()
    mask = batch["face_mask"][0]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2.0) * mask
    image = np.rint(batch["image"][0] + soft[..., None] * np.array([40, -10, -60])).astype(np.uint8)
    batch = Batch(batch.rows, {**batch.fields, "image": image[None]})
    assert reason(batch, finder, Limits(skin_step=1e3)) is None
    rejects = Check(HEAD, Limits(), finder).check(batch).rejects
    assert rejects[0].reason is Reason.SEAM
    assert "skin colour" in rejects[0].detail


def test_a_mostly_covered_face_is_occluded():
    parsing = np.zeros((SIZE, SIZE), np.uint8)
    parsing[4:60, 8:56] = 1
    batch, finder = sample(parsing=parsing)
    assert reason(batch, finder) is Reason.OCCLUDED


def test_masks_that_do_not_meet_disagree():
    render = np.zeros((SIZE, SIZE), bool)
    render[4:60, 4:60] = True
    batch, finder = sample(render_mask=render)
    assert reason(batch, finder) is Reason.MASKS_DISAGREE


def test_a_torn_background_is_a_fold():
    batch, finder = sample(warp_max=np.float32(20))
    assert reason(batch, finder) is Reason.WARP_FOLDS


def test_the_seam_of_an_unchanged_photo_is_one():
    photo = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:20, 8:20] = True
    assert seam_ratio(photo, photo, mask) == 1
    assert seam_ratio(photo, photo, np.zeros_like(mask)) == 1


def test_skin_step_counts_what_the_new_face_adds():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[16:48, 20:44] = True
    skin = np.ones_like(mask)
    photo = np.full((SIZE, SIZE, 3), 150, np.uint8)
    photo[48:] = 90  # a neck in the shadow of the jaw
    assert skin_step(photo, photo, mask, skin) == 0
    image = photo.copy()
    image[mask] = 180
    lightness = cv2.cvtColor(np.float32([[[150] * 3, [180] * 3]]) / 255, cv2.COLOR_RGB2LAB)[0, :, 0]
    assert skin_step(image, photo, mask, skin) == pytest.approx(lightness[1] - lightness[0], rel=0.15)
    assert skin_step(image, photo, mask, ~skin) == 0  # hair all around says nothing about skin
    assert skin_step(image, photo, np.zeros_like(mask), skin) == 0
