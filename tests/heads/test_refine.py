"""A refined face: closed, its own vertices first, every point where its weights say, only the face finer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.registry import default_head
from models.heads.closed import check_closed
from models.heads.outline import face_outline
from models.heads.refine import INSIDE, refine_face
from models.heads.regions import FACE, HOLES
from models.heads.relief import SPACING
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head(0)


@given(spacing=st.floats(2.0, 20.0))
@settings(max_examples=12, deadline=None)
def test_the_fine_mesh_is_closed_at_any_spacing(spacing):
    fine = refine_face(HEAD, spacing)
    check_closed(fine.head.faces, fine.head.mean)
    assert np.isin(fine.head.face_uvs, range(len(fine.head.uvs))).all()


def test_vertices_lie_where_their_weights_say():
    fine = refine_face(HEAD, 4.0)
    corners = HEAD.mean[HEAD.faces[fine.triangle]]
    np.testing.assert_allclose((corners * fine.bary[..., None]).sum(1), fine.head.mean, atol=1e-3)
    np.testing.assert_array_equal(fine.head.mean[: len(HEAD.mean)], HEAD.mean)
    corners = HEAD.uvs[HEAD.face_uvs[fine.triangle]]
    np.testing.assert_allclose((corners * fine.bary[..., None]).sum(1), fine.uv, atol=1e-6)


def test_atlas_and_surface_are_split_alike():
    fine = refine_face(HEAD, 4.0)
    area = lambda p, f: np.linalg.norm(  # noqa: E731
        np.cross(p[f[:, 1]] - p[f[:, 0]], p[f[:, 2]] - p[f[:, 0]]), axis=-1
    ).sum()
    flat = lambda uv: np.concatenate([uv, np.zeros((len(uv), 1))], axis=1)  # noqa: E731
    head = fine.head
    assert area(head.mean, head.faces) == pytest.approx(area(HEAD.mean, HEAD.faces), rel=1e-5)
    assert area(flat(head.uvs), head.face_uvs) == pytest.approx(area(flat(HEAD.uvs), HEAD.face_uvs), rel=1e-5)


def test_only_edges_of_the_face_are_halved():
    fine = refine_face(HEAD, 4.0)
    keep = {tuple(f) for f in HEAD.faces.tolist()}
    same = np.array([tuple(f) in keep for f in fine.head.faces.tolist()])
    near = (face_outline(HEAD.faces, HEAD.vertex_region).outside[HEAD.faces] < INSIDE).any(1)
    split = {tuple(f) for f in fine.head.faces[~same].tolist()}
    assert split
    assert same.sum() >= (~near | np.isin(HEAD.face_region, HOLES)).sum()
    # What lies well inside the face has no long edge left.
    inside = np.isin(fine.head.face_region, FACE) & ~np.isin(fine.head.face_region, HOLES)
    touched = np.unique(HEAD.faces[np.isin(HEAD.face_region, HOLES) | ~near])
    bordered = np.isin(HEAD.faces, touched).any(1)  # beside an edge that stays as it is
    free = inside & ~bordered[fine.triangle[fine.head.faces]].any(1)
    sides = fine.head.mean[fine.head.faces[free]]
    assert np.linalg.norm(sides - np.roll(sides, 1, axis=1), axis=-1).max() <= 4.0 + 1e-3


def test_a_coarse_spacing_changes_nothing():
    fine = refine_face(HEAD, 1e3)
    np.testing.assert_array_equal(fine.head.faces, HEAD.faces)


def test_spacing_must_be_positive():
    with pytest.raises(ValueError, match="above 0, got 0"):
        refine_face(HEAD, 0)


def test_the_bundled_head_stays_affordable_and_closed():
    fine = refine_face(default_head(), SPACING)
    assert len(fine.head.faces) < 110_000
    check_closed(fine.head.faces, fine.head.mean)
