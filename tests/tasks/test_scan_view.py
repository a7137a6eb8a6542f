"""Landmarks and hair of a scan by pictures of it, with the synthetic head and observers that know the answer."""

from dataclasses import replace

import numpy as np
import pytest

from assets.readers.mesh import Scan
from models.geometry.camera import cube_to_pixel
from models.geometry.similarity import Similarity
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from models.networks.face_landmarker import FaceFound
from tasks.scan_view import NoFaceError, draw, find_marks, into_head, outward, skin, to_picture

HEAD = synthetic_head()
BLUE = np.uint8([0, 0, 255])


class Finder:
    """Finds the face of a scan whose landmarks are blue dots: only when nose and chin are the right way up."""

    fingerprint = "dots"

    def __init__(self, scan, marks):
        self.scan, self.marks, self.looks = scan, marks, 0
        self.move = Similarity(1.0, np.eye(3), np.zeros(3))

    def find(self, image):
        self.looks += 1
        points = self.move(self.marks)
        upright = points[8, 1] < points[27, 1] - 0.05
        frontal = points[30, 2] > points[[0, 16], 2].max() + 0.05
        return [FaceFound(cube_to_pixel(points, len(image)), 1.0, 0.0)] if upright and frontal else []


@pytest.fixture
def lying(monkeypatch):
    """The head in metres, z up, with a finder that sees through the pictures' own poses."""
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    move = Similarity(0.001, turn, np.array([0.1, 0.2, 0.3]))
    scan = Scan(move(HEAD.mean.astype(float)), HEAD.faces)
    marks = move(HEAD.landmarks(HEAD.mean).astype(float))
    finder = Finder(scan, marks)
    from tasks import scan_view

    def spy(scan, to_cube, size=scan_view.SIDE):
        finder.move = to_cube
        return draw(scan, to_cube, size)

    monkeypatch.setattr(scan_view, "draw", spy)
    return scan, marks, finder


def test_a_scan_that_lies_on_its_back_is_found_and_its_marks_are_on_it(lying):
    scan, marks, finder = lying
    seen = find_marks(scan, HEAD, finder)
    found = seen.points(scan.vertices)
    gaps = np.linalg.norm(found - marks, axis=1)[17:] * 1000
    assert np.nanmax(gaps) < 1.5  # mm
    assert np.isfinite(gaps).mean() > 0.9
    assert finder.looks > 4
    assert np.isfinite(seen.nearest(scan.vertices)).all()


def test_a_scan_without_a_face_is_told():
    class Blind:
        fingerprint = "blind"

        def find(self, image):
            return []

    with pytest.raises(NoFaceError, match="--landmarks"):
        find_marks(Scan(HEAD.mean.astype(float), HEAD.faces), HEAD, Blind())


def test_a_scan_turned_inside_out_is_turned_back():
    mean = HEAD.landmarks(HEAD.mean).astype(float)
    scan = Scan(HEAD.mean.astype(float), HEAD.faces)
    move = into_head(mean, mean)
    assert outward(scan, move) is scan
    back = outward(replace(scan, faces=np.ascontiguousarray(HEAD.faces[:, ::-1])), move)
    np.testing.assert_array_equal(back.faces, HEAD.faces)


def test_hair_is_what_pictures_call_hair_and_grey_scans_have_none():
    class Parser:
        def parse(self, images):
            red = images[..., 0] > 128
            return np.where(red, Parsing.HAIR, Parsing.SKIN).astype(np.uint8)

    red = HEAD.mean[:, 1] > 60
    colours = np.where(red[:, None], np.uint8([255, 0, 0]), np.uint8([90, 90, 90]))
    scan = Scan(HEAD.mean.astype(float), HEAD.faces, colours=colours)
    mean = HEAD.landmarks(HEAD.mean).astype(float)
    kept = skin(scan, into_head(mean, mean), Parser())
    front = HEAD.mean[:, 2] > 40
    assert not kept[front & (HEAD.mean[:, 1] > 68)].any()
    assert kept[front & (HEAD.mean[:, 1] < 52)].all()
    assert skin(replace(scan, colours=None), into_head(mean, mean), Parser()).all()


def test_a_picture_shows_colours_or_a_lamp():
    mean = HEAD.landmarks(HEAD.mean).astype(float)
    move = to_picture(into_head(mean, mean))
    blue = Scan(HEAD.mean.astype(float), HEAD.faces, colours=np.tile(BLUE, (len(HEAD.mean), 1)))
    view = draw(blue, move, 64)
    assert (view.image[view.triangle >= 0] == BLUE).all()
    grey = draw(replace(blue, colours=None), move, 64).image[view.triangle >= 0]
    assert grey[:, 0].max() > 195  # skin in the light
    assert grey.min() < 120
