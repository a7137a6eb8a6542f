import numpy as np
import pytest

from models.geometry.camera import cube_to_pixel
from models.geometry.photo_colours import seen_vertices, vertex_colours
from models.heads.synthetic import synthetic_head


@pytest.fixture(scope="module")
def scene():
    head = synthetic_head()
    vertices = (head.mean / 150).astype(np.float32)
    ramp = np.linspace(60, 220, 128)
    photo = np.stack(
        [np.tile(ramp, (128, 1)), np.tile(ramp[:, None], (1, 128)), np.full((128, 128), 90.0)], -1
    )
    y, x = np.mgrid[:128, :128]
    mask = (x - 64) ** 2 + (y - 64) ** 2 < 40**2
    return vertices, head.faces, photo.astype(np.uint8), mask


def test_what_is_seen_is_in_front_under_the_mask_and_turned_to_the_viewer(scene):
    vertices, faces, _, mask = scene
    seen = seen_vertices(vertices, faces, mask)
    assert 100 < seen.sum() < len(vertices) / 2
    assert vertices[seen, 2].min() > 0
    pixels = cube_to_pixel(vertices[seen], 128).astype(int)
    assert mask[pixels[:, 1], pixels[:, 0]].mean() > 0.95
    assert not seen_vertices(vertices, faces, np.zeros_like(mask)).any()


def test_seen_vertices_have_the_photos_colour_and_the_others_a_mean_of_it(scene):
    vertices, faces, photo, mask = scene
    colours = vertex_colours(photo, vertices, faces, mask)
    seen = seen_vertices(vertices, faces, mask)
    pixels = np.clip(cube_to_pixel(vertices, 128).astype(int), 0, 127)
    middle = seen & (np.abs(vertices[:, :2]).max(1) < 0.3)
    away = np.abs(colours[middle].astype(int) - photo[pixels[middle, 1], pixels[middle, 0]])
    assert away.max() <= 3
    back = colours[~seen]
    assert (
        np.abs(back[:, 2].astype(int) - 90).max() <= 1
    )  # not grey, not black: the one blue that the photo has
    assert back[:, :2].min() > 60
    assert back[:, :2].max() < 220


def test_colours_run_on_over_the_rim(scene):
    vertices, faces, photo, mask = scene
    colours = vertex_colours(photo, vertices, faces, mask).astype(int)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    seen = seen_vertices(vertices, faces, mask)
    rim = seen[edges[:, 0]] != seen[edges[:, 1]]
    step = np.abs(colours[edges[:, 0]] - colours[edges[:, 1]]).max(1)
    assert step[rim].mean() < 12


def test_a_face_that_nothing_shows_is_grey(scene):
    vertices, faces, photo, mask = scene
    assert (vertex_colours(photo, vertices, faces, np.zeros_like(mask)) == 128).all()
