import cv2
import numpy as np
import pytest

from assets.appearance import NAMES, measure, portrait
from assets.registry import default_head, texture_pool
from models.networks.classes import Parsing

SIDE = 256


def face(skin=(200, 150, 120), scale=1.0):
    """A drawn face: 68 points, skin in one colour, lips, dark hair above."""
    p = np.zeros((68, 2), np.float32)
    t = np.linspace(-1, 1, 17) * np.pi / 2
    p[:17] = np.stack([52 * np.sin(t), 10 + 78 * np.cos(t)], 1)
    p[17:27] = np.stack([np.linspace(-42, 42, 10), np.full(10, -18)], 1)
    p[27:31] = [(0, 0), (0, 10), (0, 20), (0, 28)]
    p[31:36] = [(-12, 32), (-6, 33), (0, 34), (6, 33), (12, 32)]
    p[36:42] = [(-32, 0), (-26, -3), (-20, -3), (-14, 0), (-20, 3), (-26, 3)]
    p[42:48] = [(14, 0), (20, -3), (26, -3), (32, 0), (26, 3), (20, 3)]
    p[48:60] = [
        (-20, 52),
        (-12, 49),
        (-4, 48),
        (0, 49),
        (4, 48),
        (12, 49),
        (20, 52),
        (12, 57),
        (4, 59),
        (0, 59),
        (-4, 59),
        (-12, 57),
    ]
    p[60:68] = p[[48, 50, 51, 52, 54, 56, 57, 58]]
    p = p * scale + [128, 110]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(
        mask,
        (128, int(110 + 14 * scale)),
        (int(54 * scale), int(80 * scale)),
        0,
        0,
        360,
        int(Parsing.SKIN),
        -1,
    )
    cv2.fillConvexPoly(mask, cv2.convexHull(p[48:60].astype(np.int32)), int(Parsing.UPPER_LIP))
    photo = np.full((SIDE, SIDE, 3), 40, np.uint8)
    photo[mask == Parsing.SKIN] = skin
    photo[mask == Parsing.UPPER_LIP] = (np.array(skin) * [1, 0.85, 0.85]).astype(np.uint8)
    return photo, p.astype(np.float32), mask


def test_tone_is_the_typology_angle_and_falls_with_melanin():
    tones = [
        measure(*face(skin))["tone"]
        for skin in ((240, 205, 185), (200, 150, 120), (140, 95, 70), (70, 45, 35))
    ]
    assert tones == sorted(tones, reverse=True)
    lab = cv2.cvtColor(np.float32([[[200, 150, 120]]]) / 255, cv2.COLOR_RGB2Lab)[0, 0]
    assert tones[1] == pytest.approx(np.degrees(np.arctan2(lab[0] - 50, lab[2])), abs=1)


def test_without_colour_lightness_tells_the_tone_and_a_hidden_face_says_nothing():
    assert measure(*face((200, 200, 200)))["tone"] > 50 > measure(*face((60, 60, 60)))["tone"]
    photo, points, mask = face()
    hidden = measure(photo, points, np.full_like(mask, Parsing.HAIR))
    assert all(np.isnan(hidden[name]) for name in NAMES)


def test_stubble_lines_and_long_hair_are_seen_each_by_its_number():
    rng = np.random.default_rng(0)
    plain = measure(*face())
    assert plain["beard"] < 0.05
    assert plain["age"] < 0.1
    assert plain["feminine"] < 0.1
    photo, points, mask = face()
    below = (np.arange(SIDE)[:, None] > 148) & (mask == Parsing.SKIN)
    photo[below] = photo[below] * rng.uniform(0.1, 0.7, (below.sum(), 1))
    assert measure(photo, points, mask)["beard"] > 0.4
    photo, points, mask = face()
    for row in (60, 68, 76):
        photo[row : row + 2, 90:166] = photo[row : row + 2, 90:166] * 0.7
    assert measure(photo, points, mask)["age"] > 0.5
    photo, points, mask = face()
    photo[150:230, 50:72], mask[150:230, 50:72] = (60, 40, 30), Parsing.HAIR
    assert measure(photo, points, mask)["feminine"] == 1.0


def test_numbers_do_not_depend_on_the_size_of_the_face():
    small, large = measure(*face(scale=0.75)), measure(*face(scale=1.2))
    assert small["tone"] == pytest.approx(large["tone"], abs=2)
    assert small["beard"] == pytest.approx(large["beard"], abs=0.05)


def test_portraits_of_the_painted_skins_are_in_order():
    pool, head = texture_pool(), default_head()
    tone = {
        n: measure(*portrait(head, pool.image(n)))["tone"]
        for n in ("mh_young_african_male", "mh_old_asian_male", "mh_young_caucasian_female")
    }
    assert (
        tone["mh_young_african_male"]
        < -30
        < tone["mh_old_asian_male"]
        < 30
        < tone["mh_young_caucasian_female"]
    )
    for name, value in tone.items():
        assert value == pytest.approx(pool.looks(name)["tone"], abs=1.5)  # but for the WebP
