"""Stages warp, blend and label on a synthetic head in front of a drawn photo."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho, voxel_centres
from models.geometry.maps import decode_normals
from models.geometry.poisson import rim
from models.geometry.rasterize import rasterize
from models.heads.regions import FACE, Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import FACE as PARSED_FACE
from models.networks.classes import Parsing
from storage.plan import PlanRow
from tasks.blend import MIXED, REACH, Blend, bounded_rim, soften, unpinned
from tasks.contract import Batch, Reason, check_chain
from tasks.label import Label
from tasks.warp import Warp

R = 64


def turn(yaw: float, roll: float = 0.0) -> np.ndarray:
    c, s, a, b = np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    turned = np.array([[a, -b, 0], [b, a, 0], [0, 0, 1]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return turned.astype(np.float32)


def rows(count: int) -> tuple[PlanRow, ...]:
    return tuple(PlanRow(f"{i:08d}", i, 0, 11, "s", "synthetic", "t", "train") for i in range(count))


@cache
def batch(yaw: float = 0.0, roll: float = 0.0) -> Batch:
    head, pose = synthetic_head(), ScaledOrtho(1 / 150, turn(yaw, roll), np.zeros(2, np.float32))
    vertices = pose.to_cube(head.mean).astype(np.float32)
    seen = rasterize(vertices, head.faces, R)
    region = np.where(seen.pix_to_face >= 0, head.face_region[np.maximum(seen.pix_to_face, 0)], 0)
    face = cv2.dilate(np.isin(region, FACE).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    parsing = np.where(face, Parsing.SKIN, np.where(region > 0, Parsing.HAIR, Parsing.BACKGROUND))
    rng = np.random.default_rng(0)
    fields = {
        "photo": cv2.resize(rng.integers(60, 200, (8, 8, 3), dtype=np.uint8), (R, R)),
        "parsing": parsing.astype(np.uint8),
        "face_mask": np.isin(region, FACE),
        "inpainted": np.full((R, R, 3), 90, np.uint8),
        "region": region.astype(np.uint8),
        "vertices": vertices,
        "scale": np.float32(pose.scale),
        "rotation": pose.rotation,
        "translation": np.float32(pose.translation),
    }
    return Batch(rows(1), {name: np.asarray(value)[None] for name, value in fields.items()})


def chained() -> dict[str, np.ndarray]:
    made = dict(batch().fields)
    for stage in (Warp(), Blend(), Label(synthetic_head(), 8000, R)):
        gives = stage(Batch(rows(1), made))
        assert not gives.rejects
        assert {f.name for f in stage.gives} == set(gives.fields)
        for field in stage.gives:
            assert gives.fields[field.name].dtype == np.dtype(field.dtype)
            assert gives.fields[field.name].ndim == len(field.shape) + 1
        made |= gives.fields
    return made


def test_the_three_stages_fit_together():
    stages = (Warp(), Blend(), Label(synthetic_head(), 500, R))
    given = {f.name: f for stage in stages for f in stage.gives}
    sources = {f.name: f for stage in stages for f in stage.needs if f.name not in given}
    check_chain(stages, tuple(sources.values()))


def test_outside_the_face_mask_the_image_is_the_warped_photo():
    made = chained()
    mask = made["face_mask"][0]
    assert np.array_equal(made["image"][0][~mask], made["warped"][0][~mask])
    assert not np.array_equal(made["image"][0][mask], made["warped"][0][mask])


def test_warp_moves_the_old_face_in_and_says_how_far():
    made = chained()
    old = np.isin(made["parsing"][0], PARSED_FACE).sum()
    assert np.isin(made["warped_parsing"][0], PARSED_FACE).sum() < old
    assert 0.5 < made["warp_max"][0] < 6


def test_warp_rejects_a_flow_that_cannot_be_kept_from_folding():
    fields = {k: v.copy() for k, v in batch().fields.items()}
    fields["parsing"][:] = Parsing.SKIN
    fields["parsing"][0, :, :3] = Parsing.HAIR
    fields["face_mask"][:] = False
    fields["face_mask"][0, 28:36, 40:48] = True
    gives = Warp(min_amplitude=0.99)(Batch(rows(1), fields))
    assert gives.rejects[0].reason is Reason.WARP_FOLDS
    assert "99 %" in gives.rejects[0].detail
    assert not gives.fields["warped"].any()


def test_only_face_pins_the_blend():
    parsing = np.full((10, 10), Parsing.HAIR, np.uint8)
    parsing[6:] = Parsing.SKIN
    mask = np.zeros((10, 10), bool)
    mask[3:8, 3:8] = True
    free = unpinned(mask, parsing)
    assert free[:3].all()
    assert not free[6:].any()
    parsing[6:] = Parsing.NECK  # no face left around: neck has to do
    assert not unpinned(mask, parsing)[6:].any()


@pytest.mark.parametrize(("yaw", "roll"), [(0.0, 0.0), (0.7, 0.0), (-0.7, 0.0), (0.0, 1.2), (0.5, -1.0)])
def test_sides_and_lips_are_those_of_the_head_in_any_pose(yaw, roll):
    made = dict(batch(yaw, roll).fields)
    made["warped_parsing"] = made["parsing"]
    semantic = Label(synthetic_head(), 200, R)(Batch(rows(1), made)).fields["semantic"][0]
    across, up = turn(yaw, roll)[0, 0] or 1e-3, turn(yaw, roll)[1, 1]
    place = {c: np.argwhere(semantic == c).mean(0) for c in Parsing if (semantic == c).sum() > 2}
    right, down = np.array([np.sin(-roll), np.cos(roll)]) * across, np.array([np.cos(roll), np.sin(roll)])
    assert up == pytest.approx(np.cos(roll), abs=1e-5)
    if Parsing.L_BROW in place and Parsing.R_BROW in place:
        assert (place[Parsing.R_BROW] - place[Parsing.L_BROW]) @ right > 0
    assert (place[Parsing.LOWER_LIP] - place[Parsing.UPPER_LIP]) @ down > 0
    assert Parsing.NOSE in place


def test_semantic_is_the_photos_outside_and_the_heads_inside():
    made = chained()
    mask, region = made["face_mask"][0], made["region"][0]
    assert np.array_equal(made["semantic"][0][~mask], made["warped_parsing"][0][~mask])
    assert (made["semantic"][0][mask & (region == Region.NOSE)] == Parsing.NOSE).all()
    assert np.isin(made["semantic"][0][mask], PARSED_FACE).all()


def test_what_leaves_the_cube_is_not_labelled():
    made = chained()
    moved = made["vertices"].copy()
    back = (
        float(made["depth"][made["depth"] > -1.5].min()) + 0.9
    )  # the rearmost seen surface ends behind the cube
    moved[..., 2] -= back + 0.2
    found = Label(synthetic_head(), 200, R)(Batch(rows(1), made | {"vertices": moved})).fields
    depth, was = found["depth"][0], made["depth"][0]
    gone = (depth == -2) & (was > -1.5)
    assert 0 < gone.sum() < (was > -1.5).sum()
    assert np.abs(depth[depth != -2]).max() <= 1
    assert (found["normal_front"][0][gone] == 0).all()


def test_labels_agree_with_each_other():
    """Points on the front surface, from the depth map, have distance zero, and its normals look at the viewer."""
    made = chained()
    depth, normal = made["depth"][0], decode_normals(made["normal_front"][0])
    assert np.array_equal(depth > -2, (made["normal_front"][0] > 0).any(-1))
    assert normal[..., 2][depth > -2].min() > -0.3
    assert decode_normals(made["normal_back"][0])[..., 2].min() < -0.9
    axis = voxel_centres(256)
    points = axis[made["sdf_index"][0]]
    pixel = np.floor((np.stack([-points[:, 1], points[:, 0]], -1) + 1) / 2 * R).astype(int)
    front = depth[pixel[:, 0], pixel[:, 1]]
    plain = (front > -2) & (normal[pixel[:, 0], pixel[:, 1], 2] > 0.9) & (points[:, 2] > 0.1)
    assert plain.sum() > 10
    gap = (points[:, 2] - front)[plain]
    assert np.abs(gap - made["sdf_value"][0][plain]).max() < 0.04  # the pixels are coarse
    assert np.corrcoef(gap, made["sdf_value"][0][plain])[0, 1] > 0.95


def test_goldens(golden):
    made = chained()
    golden("stage_warp", made["warped"][0], atol=4, outliers=0.01)
    golden("stage_blend", made["image"][0], atol=3, outliers=0.01)
    golden("stage_label_semantic", made["semantic"][0] * 12, outliers=0.01)


def test_light_on_the_rim_does_not_cross_the_face():
    mask = np.zeros((40, 40), bool)
    mask[8:32, 8:32] = True
    face = np.full((40, 40, 3), 100, np.uint8)
    photo = np.full((40, 40, 3), 110, np.uint8)
    photo[:, 32:] = 250  # a glowing edge at image right
    pins = bounded_rim(mask, mask, face, photo)
    assert (pins[8:32, 7] == 110).all()  # within reach: as it is
    assert (
        pins[8:32, 32] == 100 + 10 + REACH
    ).all()  # the skin inside is 10 brighter; no more than REACH beyond
    np.testing.assert_array_equal(pins[~rim(mask)], photo[~rim(mask)])


def test_a_rim_without_skin_inside_is_bounded_by_the_face_alone():
    mask = np.zeros((16, 16), bool)
    mask[4:12, 4:12] = True
    face, photo = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 200, np.uint8)
    assert (bounded_rim(mask, np.zeros_like(mask), face, photo)[rim(mask)] == 100 + REACH).all()


def test_the_soft_edge_is_thin_and_inside_the_mask_and_mostly_the_new_face():
    mask = np.zeros((R, R), bool)
    mask[16:48, 16:48] = True
    face, photo = np.full((R, R, 3), 200, np.uint8), np.full((R, R, 3), 100, np.uint8)
    for beyond, depth in ((Parsing.SKIN, 3), (Parsing.HAIR, 2), (Parsing.GLASSES, 0)):
        made = soften(face, photo, mask, np.full((R, R), beyond, np.uint8))[..., 0].astype(float)
        share = (200 - made[16:32, 32]) / 100  # of the photo, from the edge inwards
        assert share.max() <= MIXED
        assert (np.diff(share) <= 0).all()
        assert (share[depth:] == 0).all()
        assert (share[0] > 0.2) == (depth > 0)
    np.testing.assert_array_equal(soften(face, photo, ~(mask ^ mask), mask.astype(np.uint8)), face)


def test_a_frame_parts_the_face_but_not_its_colour():
    """The lens has no rim of its own but the frame, whose colour must not get into the face."""
    fields = {k: v.copy() for k, v in batch().fields.items()}
    mask = np.zeros((R, R), bool)
    mask[12:52, 12:52] = True
    frame = np.zeros_like(mask)
    frame[20:32, 20:32] = True
    frame[22:30, 22:30] = False
    fields["face_mask"] = (mask & ~frame)[None]
    parsing = np.where(frame, Parsing.GLASSES, Parsing.SKIN).astype(np.uint8)
    photo = np.full((R, R, 3), 120, np.uint8)
    photo[frame] = 10
    fields |= {
        "warped": photo[None],
        "warped_parsing": parsing[None],
        "inpainted": np.full((1, R, R, 3), 110, np.uint8),
    }
    image = Blend()(Batch(rows(1), fields)).fields["image"][0]
    np.testing.assert_array_equal(image[frame], photo[frame])
    assert np.abs(image[22:30, 22:30].astype(int) - 120).max() <= 1
