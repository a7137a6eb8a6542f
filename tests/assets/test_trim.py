import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.heads.trim import trim
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()


@settings(deadline=None)
@given(st.floats(-60, 60), st.floats(-1, 1))
def test_a_cut_is_one_smooth_border_along_the_level(level, tilt):
    inside = HEAD.mean[:, 1] - level + tilt * HEAD.mean[:, 0]
    part = trim(HEAD.faces, inside)
    points = part.carry(HEAD.mean.astype(float))
    at = part.carry(np.repeat(inside[:, None], 3, 1))[:, 0]
    assert at.min() > -0.06 * np.ptp(inside)
    own = part.share == 0
    np.testing.assert_array_equal(points[own], HEAD.mean[part.ends[own, 0]])
    ends = np.concatenate([part.faces[:, [i, (i + 1) % 3]] for i in range(3)])
    code, back = ends @ [len(points), 1], ends @ [1, len(points)]
    border = ends[~np.isin(code, back)]
    assert len(np.unique(code)) == len(code)  # oriented as before
    assert len(np.unique(border[:, 0])) == len(border)  # no vertex on two borders
    assert (part.share[border[:, 0]] > 0).all()
    np.testing.assert_array_equal(
        HEAD.faces[part.source[part.source >= 0]], part.ends[part.faces[part.source >= 0], 0]
    )


def test_cut_vertices_move_with_what_they_lie_between():
    part = trim(HEAD.faces, HEAD.mean[:, 1])
    whole = part.carry(HEAD.mean + HEAD.exp_basis[0])
    np.testing.assert_allclose(whole, part.carry(HEAD.mean) + part.carry(HEAD.exp_basis[0]), atol=1e-3)
