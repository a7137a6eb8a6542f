"""Relief of the refined head: bounded, closed, still on eyes and rim, deeper under compression; with its golden."""

import igl
import numpy as np
import pytest

from assets.registry import default_head, texture_pool
from models.geometry.camera import ScaledOrtho
from models.geometry.maps import front_back_maps
from models.geometry.normals import vertex_normals
from models.heads.closed import check_closed
from models.heads.regions import HOLES, Region
from models.heads.relief import BOUND_IN, BOUND_OUT, DEEPEST, ReliefHead, TextureRelief

OLD, YOUNG = "photo_biden", "photo_g3_left"
POSE = ScaledOrtho(1 / 110, np.eye(3, dtype=np.float32), np.array([0, 0.1], np.float32))


@pytest.fixture(scope="module")
def relief():
    return ReliefHead(default_head())


@pytest.fixture(scope="module")
def old(relief):
    return relief.read_texture(texture_pool().image(OLD))[0]


def expression(relief, *parts):
    names = relief.refined.base.exp_names
    return np.array([0.8 * name.startswith(parts) for name in names], np.float32)


def posed(relief, face):
    return POSE.to_cube(relief.refined.base.vertices(np.zeros(1), face)).astype(np.float32)


def test_depths_are_bounded_and_none_lies_on_eyes_mouth_or_rim(relief, old):
    for name in (OLD, YOUNG):
        given = relief.read_texture(texture_pool().image(name))[0]
        depth = relief.depth(expression(relief, "mouthSmile", "browInnerUp", "noseSneer"), given, 1.6)
        assert depth.min() >= -BOUND_OUT
        assert depth.max() <= BOUND_IN
        region = relief.head.vertex_region
        holes = np.unique(relief.head.faces[np.isin(relief.head.face_region, HOLES)])
        assert (depth[holes] == 0).all()
        away = np.isin(region, (Region.NECK, Region.SCALP, Region.EARS))
        assert np.abs(depth[away]).max() < 1e-3  # mm


@pytest.mark.parametrize(
    "parts", [("none",), ("mouthSmile", "cheekSquint", "eyeSquint"), ("brow", "jawOpen")]
)
def test_the_displaced_head_is_closed_and_no_triangle_turns_over(relief, old, parts):
    face = expression(relief, *parts)
    vertices = relief.displaced(posed(relief, face), face, POSE.scale, old, 1.6)
    check_closed(relief.head.faces, vertices)
    before = igl.per_face_normals(
        relief.smooth(posed(relief, face)).astype(float), relief.head.faces, np.zeros(3)
    )
    after = igl.per_face_normals(vertices.astype(float), relief.head.faces, np.zeros(3))
    assert ((before * after).sum(1) > 0).all()


def test_the_old_face_has_more_relief_than_the_young_one(relief, old):
    young = relief.read_texture(texture_pool().image(YOUNG))[0]
    assert np.abs(old.depth).mean() > 2 * np.abs(young.depth).mean()
    assert old.age > 2 * young.age


def test_a_groove_deepens_under_compression_and_flattens_under_stretch(relief):
    flat = TextureRelief(
        *(np.zeros(s, np.float16) for s in ((len(relief.folds[0]),), (len(relief.folds[0]), 2))), 0.0
    )
    groove = TextureRelief(
        np.full_like(flat.depth, 0.2), np.tile(np.float16([-1, 0]), (len(flat.depth), 1)), 0.0
    )
    rest = relief.depth(np.zeros(52), groove, 1.0)
    np.testing.assert_allclose(rest, 0.2, atol=1e-3)
    # Raised brows press the forehead together along v, across a horizontal groove (twice 90 degrees: cosine -1).
    raised = relief.depth(expression(relief, "browInnerUp", "browOuterUp"), groove, 1.0)
    marks = relief.refined.base.landmark_vertices[[19, 24], 0]
    forehead = np.flatnonzero(
        np.linalg.norm(relief.head.mean - (relief.head.mean[marks].mean(0) + np.array([0, 25, 0])), axis=1)
        < 15
    )
    assert raised[forehead].mean() > 0.21
    opened = relief.depth(expression(relief, "jawOpen"), groove, 1.0)
    chin = relief.refined.base.landmark_vertices[57, 0]
    assert opened.min() < 0.19
    assert opened.max() <= 0.2 * DEEPEST + 1e-3
    assert np.isfinite(opened[chin])


def test_folds_come_with_compression_and_age_only(relief):
    count = len(relief.folds[0])
    face = expression(relief, "noseSneer", "browDown")

    def folds(age, given):
        blank = TextureRelief(np.zeros(count, np.float16), np.zeros((count, 2), np.float16), age)
        return relief.depth(given, blank, 1.0)

    assert (folds(1.0, 0 * face) == 0).all()
    assert folds(1.0, face).max() > 0.1
    np.testing.assert_allclose(folds(0.5, face), 0.5 * folds(1.0, face), atol=1e-6)


def test_amplitude_scales_what_the_bounds_leave(relief, old):
    rest = np.zeros(52, np.float32)
    one, half = relief.depth(rest, old, 1.0), relief.depth(rest, old, 0.5)
    free = (one < BOUND_IN) & (one > -BOUND_OUT)
    np.testing.assert_allclose(half[free], one[free] / 2, atol=1e-6)


def test_normals_of_a_creased_face(relief, old, golden):
    face = expression(relief, "mouthSmile")
    vertices = relief.displaced(posed(relief, face), face, POSE.scale, old, 1.0)
    front, _, _ = front_back_maps(
        vertices, vertex_normals(vertices, relief.head.faces), relief.head.faces, 160
    )
    golden("relief_normals", (front >> 8).astype(np.uint8), atol=4, outliers=0.01)
