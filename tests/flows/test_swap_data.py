"""Training samples: nothing hidden leaks, targets are the truth, the stream depends on its seed alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_face import toy_face

from flows.swap_data import CompletionSampler, InpaintingSampler, band_masks, flatten, recolour

FACES = (toy_face("a"), toy_face("b", gaze=3), toy_face("c", mouth=False))


def test_completion_batch_has_its_shapes_and_hides_its_holes() -> None:
    items = CompletionSampler(FACES, pairs=3, mouths=2)(np.random.default_rng(0))
    eye, mouth = items
    assert (eye.part, mouth.part) == ("eye", "mouth")
    assert eye.inputs[0].shape == (6, 5, 48, 80)
    assert mouth.inputs[0].shape == (2, 23, 64, 96)
    for item in items:
        x = item.inputs[0]
        assert torch.equal(item.mask, x[:, 3:4])
        assert ((item.mask == 0) | (item.mask == 1)).all()
        share = item.mask.mean((1, 2, 3))
        assert ((share > 0.02) & (share < 0.6)).all()
        # Inside the hole is a sketch: few colours, and none of them read from the target.
        assert (x[:, :3] - item.target).abs().mul(item.mask).sum() > 0
    assert (eye.inputs[0][:, 4].amax((1, 2)) == 1).all()


def test_hidden_pixels_do_not_reach_the_sketch() -> None:
    """Other teeth, same sketch."""
    face, other = toy_face(), toy_face()
    other.photo[other.holes["mouth"]] = (250, 250, 240)
    items = [CompletionSampler([f], pairs=1, mouths=4)(np.random.default_rng(2)) for f in (face, other)]
    torch.testing.assert_close(items[0][1].inputs[0], items[1][1].inputs[0], atol=0.02, rtol=0)
    assert (items[0][1].target - items[1][1].target).abs().max() > 0.3


def test_a_mouth_knows_its_interior() -> None:
    face = toy_face()
    items = []
    for level in (20, 200):
        drawn = replace(face, interior=np.full_like(face.photo, level))
        (item,) = CompletionSampler([drawn], mouths=3, parts=("mouth",))(np.random.default_rng(1))
        assert item.part == "mouth"
        items.append(item)
    darker, brighter = (item.inputs[0] for item in items)
    inside = (darker[:, 3] > 0).expand_as(darker[:, 0])
    assert (brighter[:, -1] > darker[:, -1])[inside].all()
    assert torch.equal(items[0].target, items[1].target)
    np.testing.assert_array_equal(drawn.mirrored().inside, drawn.inside)
    assert drawn.resized(80).inside.shape == (80, 80, 3)


def test_same_seed_same_batch() -> None:
    for sampler in (CompletionSampler(FACES, pairs=2, mouths=2), InpaintingSampler(FACES, batch=2, side=64)):
        first, second = (sampler(np.random.default_rng(5)) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            assert torch.equal(a.target, b.target)
            assert all(torch.equal(x, y) for x, y in zip(a.inputs, b.inputs, strict=True))


def test_renders_join_in_their_share() -> None:
    bright = toy_face("render")
    bright.photo[bright.holes["mouth"]] = (0, 255, 0)
    always = CompletionSampler(FACES, (bright,), pairs=1, mouths=6, rendered_mouths=1.0)
    never = CompletionSampler(FACES, (bright,), pairs=1, mouths=6, rendered_mouths=0.0)
    greens = [
        float(((i.target[:, 1] - i.target[:, 0]) * i.mask[:, 0]).sum())
        for i in (always(np.random.default_rng(0))[1], never(np.random.default_rng(0))[1])
    ]
    assert greens[0] > 0 > greens[1]


def test_too_few_faces_are_named() -> None:
    with pytest.raises(ValueError, match="0 an open mouth"):
        CompletionSampler([toy_face(mouth=False)])(np.random.default_rng(0))
    with pytest.raises(ValueError, match="no training face"):
        InpaintingSampler([])(np.random.default_rng(0))


def test_inpainting_batch_hides_its_band() -> None:
    (item,) = InpaintingSampler(FACES, batch=3, side=96)(np.random.default_rng(1))
    seen, known, target = item.inputs
    assert seen.shape == (3, 3, 96, 96)
    assert (known <= target).all()
    assert torch.equal(item.mask, target - known)
    assert not seen[(known == 0).expand_as(seen)].any()
    assert not item.target[(target == 0).expand_as(item.target)].any()
    assert item.mask.sum() > 100


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_bands_leave_enough_of_the_face(seed: int) -> None:
    v, u = np.mgrid[:128, :128] + 0.5
    whole = np.hypot((u - 64) / 40, (v - 64) / 52) < 1
    target, known = band_masks(whole, np.random.default_rng(seed))
    assert not (target & ~whole).any()
    assert not (known & ~target).any()
    assert target.sum() >= 0.3 * whole.sum()
    assert known.sum() >= 0.2 * target.sum()
    assert (target & ~known).any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_colours_stay_in_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((16, 20, 3)).astype(np.float32)
    for change in (recolour, flatten):
        out = change(image, rng)
        assert out.dtype == np.float32
        assert out.min() >= 0
        assert out.max() <= 1
