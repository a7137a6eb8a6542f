import io

import numpy as np
from PIL import Image

from flows import turntable as module
from models.heads.synthetic import synthetic_head


def test_a_swing_returns_to_its_start_and_shows_both_sides(monkeypatch):
    monkeypatch.setattr(module, "SIDE", 48)
    monkeypatch.setattr(module, "FRAMES", 8)
    head = synthetic_head()
    colours = np.where(head.mean[:, :1] > 0, np.uint8([255, 0, 0]), np.uint8([0, 0, 255]))
    data = module.turntable((head.mean / 150).astype(np.float32), head.faces, colours)
    film = Image.open(io.BytesIO(data))
    assert film.n_frames == 8
    assert film.size == (96, 48)
    reds = []
    for k in range(8):
        film.seek(k)
        frame = np.array(film.convert("RGB"))[:, :48].astype(int)
        reds.append(int(((frame[..., 0] - frame[..., 2]) > 60).sum()))
    # Turned to image right, the subject's right side (blue) comes forward.
    assert reds[2] < reds[0] < reds[6]
    assert abs(reds[4] - reds[0]) < 0.1 * reds[0]
