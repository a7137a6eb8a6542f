import numpy as np
from toy_surface import toy_surface

from assets.readers.photo import read_photo
from assets.registry import asset_path
from flows.face_surfaces import FaceSurfaces
from models.networks.hierarchical import Reconstruction


class Ball:
    """Answers a sphere for every face, or none."""

    image = 256

    def __init__(self, fails=False):
        self.fails = fails

    def reconstruct(self, image, semantic):
        if self.fails:
            msg = "the field is positive everywhere"
            raise ValueError(msg)
        face, _, _ = toy_surface()
        return Reconstruction(face.vertices, face.faces, 7)


def test_every_face_of_a_photograph_gets_a_surface_in_millimetres():
    photo = read_photo(asset_path("astronaut"))
    (face,) = FaceSurfaces(Ball()).of(photo)
    assert face.asked == 7
    assert 100 < np.ptp(face.millimetres[:, 1]) < 400
    assert face.colours.shape == face.vertices.shape
    assert face.colours.dtype == np.uint8


def test_reasons_are_sentences():
    maker = FaceSurfaces(Ball(fails=True))
    assert list(maker.of(read_photo(asset_path("astronaut")))) == ["the field is positive everywhere"]
    (said,) = maker.of(np.full((128, 128, 3), 90, np.uint8))
    assert "no face found" in said


def test_colours_of_the_front_are_the_photos():
    face, _, _ = toy_surface()
    front = (np.abs(face.vertices[:, :2]).max(1) < 0.15) & (face.vertices[:, 2] > 0.4)
    assert front.sum() > 100
    near = np.abs(face.colours[front].astype(int) - [190, 140, 115]).max(1) < 12
    assert near.mean() > 0.95
