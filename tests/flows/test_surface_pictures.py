import cv2
import numpy as np

from flows.surface_pictures import BEHIND, errors, png, shaded, turned
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()
CUBE = (HEAD.mean / 150).astype(np.float32)


def test_grey_is_lit_and_colours_are_as_they_are():
    grey, covered = shaded(CUBE, HEAD.faces, 64)
    assert grey[covered].max() > 180
    assert (grey[~covered] == BEHIND).all()
    plain, _ = shaded(CUBE, HEAD.faces, 64, np.tile(np.uint8([9, 99, 199]), (len(CUBE), 1)))
    assert (plain[covered] == [9, 99, 199]).all()


def test_a_turn_to_the_right_brings_the_nose_to_image_right():
    nose = np.argmax(CUBE[:, 2])
    assert turned(CUBE, 40, np.zeros(3, np.float32))[nose, 0] > CUBE[nose, 0] + 0.2


def test_errors_end_at_red_and_the_unknown_is_grey():
    picture = errors(CUBE, HEAD.faces, np.where(CUBE[:, 1] > 0, 5.0, 0.0), 1.0, 64)
    assert picture[20, 32, 0] > 2 * picture[20, 32, 2]
    assert picture[48, 32, 2] >= picture[48, 32, 0]
    unknown = errors(CUBE, HEAD.faces, np.full(len(CUBE), np.nan), 1.0, 64)
    np.testing.assert_array_equal(unknown, shaded(CUBE, HEAD.faces, 64)[0])


def test_a_png_reads_back():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    back = cv2.imdecode(np.frombuffer(png(picture), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(back, picture)
