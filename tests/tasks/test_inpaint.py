"""Stage inpaint: the intersection mask, its rejects, and what is painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from assets.registry import AssetError
from models.networks.classes import FACE, Parsing
from models.networks.inpainting import InpaintingNet
from storage.plan import PlanRow
from storage.reject import Reason, Reject
from tasks.contract import Batch, Stage
from tasks.inpaint import Inpaint, face_intersection, known_part

SIDE = 128
V, U = np.mgrid[:SIDE, :SIDE] + 0.5


def disc(u: float, v: float, radius: float) -> np.ndarray:
    return np.hypot(U - u, V - v) < radius


def parsed(face: np.ndarray, **others: np.ndarray) -> np.ndarray:
    # Around the face lies a class that is neither in front of a face nor behind a head.
    parsing = np.where(face, Parsing.SKIN, Parsing.L_EAR).astype(np.uint8)
    for name, where in others.items():
        parsing[where] = Parsing[name.upper()]
    return parsing


def marks(u: float = 64, v: float = 64, radius: float = 30) -> np.ndarray:
    """Landmarks of a face whose jaw is a half circle: brows at the height of its middle, the rest inside."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([u + radius * np.cos(angle), v + radius * np.sin(angle)], -1)
    brows = np.stack([np.linspace(u - 0.7 * radius, u + 0.7 * radius, 10), np.full(10, v - 2)], -1)
    return np.concatenate([jaw, brows, np.full((41, 2), (u, v + 5))]).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = InpaintingNet(width=8)
    generator = torch.Generator().manual_seed(1)
    tensors = {k: v + 0.03 * torch.randn(v.shape, generator=generator) for k, v in net.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "inpainting.safetensors"
    save_file(tensors, path)
    return path


def batch(render_masks: list[np.ndarray], parsings: list[np.ndarray]) -> Batch:
    plan = tuple(PlanRow(f"{i:08d}", i, 0, 7, "s", "h", "t", "train") for i in range(len(parsings)))
    completed = np.random.default_rng(0).integers(1, 256, (len(parsings), SIDE, SIDE, 3), dtype=np.uint8)
    masks = np.stack(render_masks)
    return Batch(
        plan,
        {
            "render_mask": masks,
            "parsing": np.stack(parsings),
            "completed": completed * masks[..., None],
            "landmarks": np.repeat(marks()[None], len(parsings), axis=0),
            "rotation": np.repeat(np.eye(3, dtype=np.float32)[None], len(parsings), axis=0),
        },
    )


def test_is_the_intersection_for_plain_faces() -> None:
    a, b = disc(60, 64, 40), disc(68, 64, 40)
    mask = face_intersection(a, parsed(b), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not (mask & ~(a & b)).any()
    assert (mask ^ (a & b)).sum() < 0.01 * mask.sum()  # opening may only round corners


def test_holes_stay_holes() -> None:
    face = disc(64, 64, 50)
    spot, lens = disc(50, 80, 4), disc(50, 50, 4)
    mask = face_intersection(disc(64, 64, 45), parsed(face & ~spot, glasses=lens), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not mask[spot].any()
    assert not mask[lens].any()


def test_a_face_behind_a_lens_is_kept_and_a_curl_between_hair_is_not() -> None:
    ring = disc(48, 50, 12) & ~disc(48, 50, 9)
    for name, kept in (("glasses", True), ("hair", False)):
        mask = face_intersection(disc(64, 64, 45), parsed(disc(64, 64, 45), **{name: ring}), marks(), 0.0)
        assert not isinstance(mask, Reject)
        assert mask[50, 48] == kept
        assert not mask[ring].any()


def test_the_contour_is_smoother_than_the_parsing() -> None:
    ragged = 96 + np.random.default_rng(0).integers(-3, 4, (SIDE, 1)) > U
    mask = face_intersection(disc(64, 64, 45), parsed(disc(64, 64, 45) & ragged), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not (mask & ~ragged).any()
    ends = [
        np.abs(np.diff(m[40:88, 60:].sum(1).astype(int))).mean() for m in (ragged & disc(64, 64, 45), mask)
    ]
    assert ends[1] < 0.7 * ends[0]


def test_hair_over_the_face_stays_in_front() -> None:
    fringe = V < 50
    mask = face_intersection(disc(64, 64, 45), parsed(disc(64, 64, 45), hair=fringe), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not mask[fringe].any()


def test_a_larger_jaw_covers_what_is_behind_a_head() -> None:
    face, render = disc(64, 64, 36), disc(64, 68, 40)
    for name in ("background", "neck", "cloth"):
        mask = face_intersection(render, parsed(face, **{name: ~face}), marks(), 0.0)
        assert not isinstance(mask, Reject)
        low, high = V > 66, V < 60
        assert (mask & low).sum() > 0.97 * (render & low).sum()
        assert not (mask & high & ~face).any()  # above the brows, what is there may be in front
    mask = face_intersection(render, parsed(face, hair=~face), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not (mask & ~face).any()


def test_hair_beyond_the_profile_of_a_turned_head_is_behind_it() -> None:
    face, render = disc(64, 64, 36), disc(64, 68, 40)
    parsing = parsed(face, hair=~face)
    low, right = V > 66, U > 64
    for facing in (0.7, -0.7):
        mask = face_intersection(render, parsing, marks(), facing)
        assert not isinstance(mask, Reject)
        far = right if facing > 0 else ~right
        assert (mask & low & far).sum() > 0.97 * (render & low & far).sum()
        assert not (mask & ~far & ~face).any()  # on the near side hair hangs before cheek and ear
    mask = face_intersection(render, parsing, marks(), 0.2)
    assert not isinstance(mask, Reject)
    assert not (mask & ~face).any()


def test_background_inside_the_photos_face_stays_in_front() -> None:
    hand = disc(80, 80, 8)
    mask = face_intersection(
        disc(64, 64, 40), parsed(disc(64, 64, 36) & ~hand, background=hand), marks(), 0.0
    )
    assert not isinstance(mask, Reject)
    assert not (mask & disc(80, 80, 6)).any()


def test_crumbs_and_hairs_are_dropped() -> None:
    face = disc(56, 64, 40)
    crumb, hair_thin = disc(115, 20, 4), (np.abs(V - 64) < 1) & (U > 90)
    mask = face_intersection(
        np.ones((SIDE, SIDE), bool) & (disc(64, 64, 80)), parsed(face | crumb | hair_thin), marks(), 0.0
    )
    if isinstance(mask, Reject):
        mask = face_intersection(disc(60, 64, 55), parsed(face | crumb | hair_thin), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert not mask[crumb].any()
    assert not mask[64, 110]


def test_two_halves_parted_by_a_frame_are_both_kept() -> None:
    frame = np.abs(V - 60) < 3
    mask = face_intersection(disc(64, 64, 45), parsed(disc(64, 64, 45), glasses=frame), marks(), 0.0)
    assert not isinstance(mask, Reject)
    assert mask[40, 64]
    assert mask[90, 64]


@pytest.mark.parametrize(
    ("render", "parsing", "reason"),
    [
        (disc(40, 64, 30), parsed(disc(90, 64, 30)), Reason.MASKS_DISAGREE),  # side by side
        (disc(64, 64, 15), parsed(disc(64, 64, 45)), Reason.MASKS_DISAGREE),  # far too small a render
        (disc(64, 64, 45), parsed(disc(64, 64, 45), hair=V < 80), Reason.OCCLUDED),
        (disc(64, 64, 45), parsed(disc(64, 64, 45), background=V < 80), Reason.MASKS_DISAGREE),
        (disc(64, 64, 45), parsed(np.zeros((SIDE, SIDE), bool)), Reason.MASKS_DISAGREE),
    ],
)
def test_rejects_say_what_and_how_much(render: np.ndarray, parsing: np.ndarray, reason: Reason) -> None:
    answer = face_intersection(render, parsing, marks(), 0.0)
    assert isinstance(answer, Reject)
    assert answer.reason is reason
    share = (render & np.isin(parsing, FACE)).sum() / render.sum()
    assert abs(float(answer.detail.split("covers ")[1][:4]) - share) < 0.03


def test_known_part_is_the_mask_without_its_ring() -> None:
    mask, frame = disc(64, 64, 40), np.abs(V - 60) < 2
    known = known_part(mask, np.zeros_like(mask))
    assert not (known & ~mask).any()
    assert not known[64, 24:26].any()
    assert known[64, 30]
    everywhere = np.ones((64, 64), bool)
    assert known_part(everywhere, ~everywhere).all()  # the image border is no edge of the face
    np.testing.assert_array_equal(known_part(mask & ~frame, frame), known & ~frame)  # nor is a frame


def test_stage_keeps_its_contract(weights: Path) -> None:
    stage = Inpaint(weights=weights)
    assert isinstance(stage, Stage)
    face = disc(64, 64, 45)
    given = batch([face, disc(30, 64, 20)], [parsed(disc(66, 64, 45)), parsed(disc(100, 64, 20))])
    gives = stage(given)
    assert set(gives.rejects) == {1}
    mask, picture = gives.fields["face_mask"], gives.fields["inpainted"]
    assert not mask[1].any()
    assert not picture[1].any()
    assert not picture[0][~mask[0]].any()
    known = known_part(mask[0], np.zeros_like(mask[0]))
    np.testing.assert_array_equal(picture[0][known], given["completed"][0][known])
    assert (picture[0] != given["completed"][0])[mask[0] & ~known].any()


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="facepairs train-swap inpainting"):
        Inpaint(weights=tmp_path / "inpainting.safetensors")(
            batch([disc(64, 64, 40)], [parsed(disc(64, 64, 40))])
        )
