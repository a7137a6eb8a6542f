import cv2
import numpy as np

from models.geometry.face_part import face_part
from models.geometry.surface import SKIRT, clean, level_set
from models.heads.regions import FACE
from models.heads.synthetic import synthetic_head


def plug():
    """A sphere of radius 0.6 that was evaluated in the columns of a disc alone, and the disc."""
    n = 128
    axis = (2 * np.arange(n) + 1) / n - 1
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    mask = np.zeros((n, n), np.uint8)
    cv2.circle(mask, (n // 2, n // 2), 24, 1, -1)
    return level_set(clean((np.sqrt(x**2 + y**2 + z**2) - 0.6).astype(np.float32), mask > 0)), mask > 0


def test_walls_and_back_go_and_the_front_stays():
    (vertices, faces), mask = plug()
    head = synthetic_head()
    # A round head in the sphere's place, a little too deep: depth is found again.
    ball = head.mean / np.linalg.norm(head.mean, axis=1, keepdims=True) * 0.6 - [0, 0, 0.05]
    kept, triangles = face_part(vertices, faces, mask, ball, head.faces, np.isin(head.face_region, FACE))
    assert vertices[:, 2].min() < -0.4
    assert kept[:, 2].min() > 0
    radius = np.linalg.norm(kept, axis=1)
    np.testing.assert_allclose(radius, 0.6, atol=0.01)
    disc = np.hypot(kept[:, 0], kept[:, 1]).max()
    assert 24 / 64 < disc < (24 + 2 * SKIRT) / 64
    assert triangles.max() == len(kept) - 1


def test_a_surface_beside_the_head_is_left_as_it_is():
    (vertices, faces), mask = plug()
    head = synthetic_head()
    far = head.mean / 1000 + [0.95, 0.95, 0]
    kept, triangles = face_part(vertices, faces, mask, far, head.faces, np.isin(head.face_region, FACE))
    assert kept is vertices
    assert triangles is faces
