import cv2
import numpy as np
import pytest

from flows.video_frames import GONE, Tracks, frames
from storage.errors import StoreError


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    if not out.isOpened():
        pytest.skip("this OpenCV writes no videos")
    for k in range(12):
        out.write(np.full((48, 64, 3), (0, 0, 20 * k), np.uint8))
    out.release()
    return path


def test_each_fourth_frame_comes_in_rgb(film):
    seen = [
        (number, int(image[..., 0].mean()), int(image[..., 2].mean())) for number, image in frames(film, 4)
    ]
    assert [number for number, _, _ in seen] == [0, 4, 8]
    for number, red, blue in seen:
        assert abs(red - 20 * number) < 8
        assert blue < 8


def test_a_file_that_is_no_video_is_told(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match="no frame that can be read"):
        list(frames(path, 1))


def test_faces_keep_their_numbers_when_they_move_cross_lists_and_come_back():
    tracks = Tracks()
    left, right = (0.0, 0.0, 100.0), (300.0, 0.0, 100.0)
    assert tracks.numbers([left, right]) == [0, 1]
    assert tracks.numbers([(320.0, 5.0, 100.0), (20.0, 0.0, 100.0)]) == [1, 0]
    assert tracks.numbers([(330.0, 5.0, 100.0)]) == [1]
    assert tracks.numbers([(30.0, 0.0, 100.0), (150.0, 200.0, 60.0)]) == [0, 2]


def test_a_face_that_was_away_for_long_is_a_new_one():
    tracks = Tracks()
    tracks.numbers([(0.0, 0.0, 100.0)])
    for _ in range(GONE):
        tracks.numbers([])
    assert tracks.numbers([(0.0, 0.0, 100.0)]) == [1]
