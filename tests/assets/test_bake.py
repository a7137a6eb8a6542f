import numpy as np
import pytest

from assets.atlas import Atlas
from assets.bake import SURFACE, _soft_detail, bake, encode_srgb, landmark_warp, nearest_skin
from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.light import basis, decode_srgb
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing

SIZE = 256
PARSED = {
    Region.SKIN: Parsing.SKIN, Region.NOSE: Parsing.NOSE, Region.BROWS: Parsing.L_BROW, Region.EYES: Parsing.L_EYE,
    Region.LIPS: Parsing.UPPER_LIP, Region.INNER_MOUTH: Parsing.INNER_MOUTH, Region.SCALP: Parsing.HAIR,
    Region.NECK: Parsing.NECK, Region.EARS: Parsing.L_EAR, Region.BACKGROUND: Parsing.BACKGROUND,
}  # fmt: skip


@pytest.fixture(scope="module")
def atlas():
    return Atlas(synthetic_head(), 256)


def painted(atlas, base, amplitude):
    """Linear albedo at texels: a base colour with a checker that mirrors with the face."""
    x, y, _ = np.moveaxis(atlas.on_surface(atlas.head.mean), -1, 0)
    checker = np.sin(np.abs(x) / 4) * np.sin(y / 4)
    return (base * (1 + amplitude * checker[..., None])).astype(np.float32)


def photograph(atlas, albedo, yaw, light):
    """The head with that albedo under that light: photo, parsing, landmarks, camera."""
    head = atlas.head
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    camera = ScaledOrtho(0.008, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([0.02, -0.05]))
    posed = camera.to_cube(head.mean.astype(float)).astype(np.float32)
    seen = rasterize(posed, head.faces, SIZE)
    at = seen.pix_to_face >= 0
    triangle, bary = seen.pix_to_face[at], seen.bary[at][..., None]
    uv = (head.uvs[head.face_uvs[triangle]] * bary).sum(1)
    rows = np.clip(((1 - uv[:, 1]) * atlas.size).astype(int), 0, atlas.size - 1)
    columns = np.clip((uv[:, 0] * atlas.size).astype(int), 0, atlas.size - 1)
    normals = (vertex_normals(posed, head.faces)[head.faces[triangle]] * bary).sum(1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    linear = np.zeros((SIZE, SIZE, 3))
    linear[at] = albedo[rows, columns] * (basis(normals) @ light)
    region = np.zeros((SIZE, SIZE), int)
    region[at] = head.face_region[triangle]
    parsing = np.vectorize(lambda r: int(PARSED[Region(r)]))(region).astype(np.uint8)
    return encode_srgb(linear), parsing, cube_to_pixel(head.landmarks(posed), SIZE), camera


LIGHT = np.zeros((9, 3))
LIGHT[0], LIGHT[2], LIGHT[3] = [2.2, 2.0, 1.8], 0.5, [0.5, 0.5, 0.45]
TONE = np.array([0.5, 0.32, 0.24])


@pytest.fixture(scope="module")
def skins(atlas):
    pale, dark = painted(atlas, TONE, 0.0), painted(atlas, TONE * 0.25, 0.0)
    return {"pale": encode_srgb(pale), "dark": encode_srgb(dark)}


@pytest.mark.parametrize("yaw", [0.0, 18.0])
def test_the_light_is_taken_out_and_the_pattern_stays(atlas, skins, yaw):
    albedo = painted(atlas, TONE, 0.15)
    photo, parsing, landmarks, camera = photograph(atlas, albedo, yaw, LIGHT)
    baked = bake(photo, landmarks, parsing, camera, atlas.head.mean, atlas, skins)
    assert baked.skin == "pale"
    assert baked.share > 0.4
    inner = baked.valid & (atlas.region == Region.SKIN)
    made, true = decode_srgb(baked.image)[inner].mean(-1), albedo[inner].mean(-1)
    lit = np.abs(made / true - 1)
    assert np.median(lit) < 0.06
    assert np.corrcoef(made, true)[0, 1] > 0.75
    # Left and right of the face are equally bright although the light came from one side.
    left = inner & (atlas.on_surface(atlas.head.mean)[..., 0] > 0)
    shares = decode_srgb(baked.image)[left].mean(), decode_srgb(baked.image)[inner & ~left].mean()
    assert abs(shares[0] / shares[1] - 1) < 0.03


def test_outside_the_face_the_painted_skin_is_untouched(atlas, skins):
    photo, parsing, landmarks, camera = photograph(atlas, painted(atlas, TONE, 0.15), 0.0, LIGHT)
    baked = bake(photo, landmarks, parsing, camera, atlas.head.mean, atlas, skins)
    outside = ~np.isin(atlas.region, SURFACE)
    np.testing.assert_allclose(baked.image[outside], skins["pale"][outside], atol=1)


def test_hair_in_front_of_the_face_is_not_baked(atlas, skins):
    photo, parsing, landmarks, camera = photograph(atlas, painted(atlas, TONE, 0.0), 0.0, LIGHT)
    photo[90:130, 100:150], parsing[90:130, 100:150] = (0, 255, 0), Parsing.HAIR
    baked = bake(photo, landmarks, parsing, camera, atlas.head.mean, atlas, skins)
    green = baked.image[..., 1].astype(int) - baked.image[..., 0]
    assert green.max() < 20


def test_too_little_face_is_one_sentence(atlas, skins):
    photo, parsing, landmarks, camera = photograph(atlas, painted(atlas, TONE, 0.0), 0.0, LIGHT)
    parsing[:] = Parsing.HAIR
    with pytest.raises(ValueError, match=r"shows 0% of the skin"):
        bake(photo, landmarks, parsing, camera, atlas.head.mean, atlas, skins)


def test_the_warp_carries_fitted_landmarks_to_detected_ones():
    rng = np.random.default_rng(0)
    fitted = rng.uniform(80, 180, (68, 2))
    detected = fitted + np.array([3.0, -2.0])
    move = landmark_warp(fitted, detected, SIZE)
    np.testing.assert_allclose(move(fitted[17:].reshape(1, -1, 2))[0], [[3, -2]] * 51, atol=0.6)
    np.testing.assert_allclose(move(np.zeros((1, 1, 2))), 0, atol=0.2)


def test_the_nearest_skin_is_chosen_by_tone():
    seen = np.full((50, 3), [0.2, 0.12, 0.08])
    skins = {"near": seen * 1.1, "red": seen * [1.5, 0.7, 0.7], "dark": seen * 0.1}
    assert nearest_skin(seen, skins) == "near"


def test_srgb_round_trip():
    codes = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    np.testing.assert_array_equal(encode_srgb(decode_srgb(codes)), codes)


def test_sparkle_and_shadow_of_fine_detail_are_bent_and_small_detail_stays(atlas):
    albedo = painted(atlas, TONE, 0.0)
    weight = np.ones(albedo.shape[:2], np.float32)
    none = np.zeros(weight.shape, bool)
    strong, faint = albedo.copy(), albedo.copy()
    strong[::16, ::16] *= 4
    strong[8::16, 8::16] *= 0.2
    faint[::16, ::16] *= 1.04
    bent = np.log(_soft_detail(strong, weight, none) / albedo)
    middle = np.s_[32:-32:16, 32:-32:16]
    covered = atlas.covered[middle]
    assert bent[middle][covered].max() < 0.25
    assert bent[40:-32:16, 40:-32:16].min() > -0.4
    kept = np.log(_soft_detail(faint, weight, none) / albedo)[middle][covered]
    np.testing.assert_allclose(kept, np.log(1.04), atol=0.012)
    brows = np.log(_soft_detail(strong, weight, ~none) / albedo)
    assert brows.min() < bent.min()
