"""Harmonic light: known lights are found again, in spite of noise, outliers and textures of another tone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.light import (
    BENDS,
    COMMON_LEVEL,
    COMMON_SKIN,
    PLAIN,
    ambient,
    at_level,
    basis,
    decode_srgb,
    estimate_light,
    scene_level,
    tone_table,
)

N = 3000


def _half_sphere(rng, n=N):
    normals = rng.normal(size=(n, 3))
    normals[:, 2] = np.abs(normals[:, 2]) + 0.2
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _lamp(side, up, level=0.9):
    light = ambient(np.array([1.0, 0.9, 0.8]) * level)
    light[1], light[3] = up, side
    return light


def test_the_basis_is_orthonormal_over_the_sphere():
    k = np.arange(20000) + 0.5
    z, angle = 1 - 2 * k / 20000, np.pi * (1 + 5**0.5) * k
    rim = np.sqrt(1 - z * z)
    rows = basis(np.stack([rim * np.cos(angle), rim * np.sin(angle), z], -1))
    np.testing.assert_allclose(rows.T @ rows * 4 * np.pi / 20000, np.eye(9), atol=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), side=st.floats(-0.4, 0.4), up=st.floats(-0.3, 0.4))
def test_a_known_lamp_is_found_again_under_outliers(seed, side, up):
    rng = np.random.default_rng(seed)
    normals, truth = _half_sphere(rng), _lamp(side, up)
    albedo = rng.uniform(0.3, 0.6, (N, 1)) * [1.0, 0.75, 0.6]
    photo = albedo * (basis(normals) @ truth)
    clean = photo.copy()
    photo[rng.random(N) < 0.12] *= 0.2  # specks and stray hair
    found = albedo * (basis(normals) @ estimate_light(photo, albedo, normals))
    assert np.abs(found - clean).mean() < 0.04 * clean.mean()


def test_the_photo_s_tone_is_met_whatever_the_texture_s():
    rng = np.random.default_rng(3)
    normals = _half_sphere(rng)
    photo = np.array([0.12, 0.06, 0.04]) * (basis(normals) @ _lamp(0.2, 0.1))
    for albedo in (np.full((N, 3), 0.8), np.full((N, 3), [0.7, 0.5, 0.4])):
        found = albedo * (basis(normals) @ estimate_light(photo, albedo, normals))
        np.testing.assert_allclose(found.mean(0), photo.mean(0), rtol=0.01)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_shading_stays_positive_for_any_photo(seed):
    rng = np.random.default_rng(seed)
    normals = _half_sphere(rng, 400)
    photo = rng.uniform(0, 1, (400, 3)) * (rng.random((400, 1)) < 0.5)
    light = estimate_light(photo, rng.uniform(0.05, 0.9, (400, 3)), normals)
    shading = basis(_half_sphere(rng)) @ light
    assert np.isfinite(light).all()
    assert (shading > 0).all()


def test_ambient_shades_every_normal_alike():
    normals = _half_sphere(np.random.default_rng(0))
    np.testing.assert_allclose(
        basis(normals) @ ambient(np.array([0.2, 0.5, 1])), [[0.2, 0.5, 1]] * N, rtol=1e-5
    )


@pytest.mark.parametrize("n", [0, 5])
def test_too_few_pixels_are_an_error(n):
    with pytest.raises(ValueError, match="at least 32 pixels"):
        estimate_light(np.ones((n, 3)), np.ones((n, 3)), np.tile([0.0, 0, 1], (n, 1)))


def test_black_photos_are_an_error():
    with pytest.raises(ValueError, match="reject this photo"):
        estimate_light(np.zeros((99, 3)), np.ones((99, 3)), np.tile([0.0, 0, 1], (99, 1)))


def test_a_light_at_a_level_keeps_its_shape_and_forgets_the_texture_s_tone():
    lamp = _lamp(0.3, 0.2)
    a, b = at_level(lamp, np.full(3, 0.5)), at_level(lamp * [3, 2, 1], np.full(3, 0.5))
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(a[3] / a[0], lamp[3] / lamp[0], rtol=1e-5)
    np.testing.assert_allclose(at_level(ambient(np.ones(3)), np.full(3, 0.5))[0], ambient(np.full(3, 0.5))[0])


def test_brighter_or_redder_skin_means_half_as_much_brighter_or_redder_light():
    np.testing.assert_allclose(scene_level(COMMON_SKIN), np.full(3, COMMON_LEVEL))
    np.testing.assert_allclose(scene_level(COMMON_SKIN * 4), np.full(3, 2 * COMMON_LEVEL))
    red = scene_level(COMMON_SKIN * [1.4, 1, 1])
    assert red[0] / red[1] == pytest.approx(np.sqrt(1.4))


def test_a_tone_moves_the_mean_and_keeps_black_and_white():
    table = tone_table(np.array([0.2, 0.1, 0.05]), np.array([0.28, 0.17, 0.1]))
    np.testing.assert_allclose(table[[0, 255]], [[0, 0, 0], [1, 1, 1]])
    assert (np.diff(table, axis=0) > 0).all()
    for c, (have, want) in enumerate(((0.2, 0.28), (0.1, 0.17), (0.05, 0.1))):
        assert np.interp(
            have, decode_srgb(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1))[:, c], table[:, c]
        ) == (pytest.approx(want, rel=0.02))
    far = tone_table(np.full(3, 0.02), np.full(3, 0.8))
    np.testing.assert_allclose(far[128], PLAIN[128] ** BENDS[0], rtol=1e-5)
    np.testing.assert_allclose(tone_table(np.full(3, 0.3), np.full(3, 0.3)), PLAIN, atol=1e-6)


def test_srgb_decodes_by_the_standard():
    grey = np.array([[0, 0, 0], [10, 10, 10], [128, 128, 128], [255, 255, 255]], dtype=np.uint8)
    np.testing.assert_allclose(decode_srgb(grey)[:, 0], [0, 0.0030353, 0.2158605, 1], atol=1e-6)
