"""Pictures for people; with them the goldens of fit and draw: the synthetic head fitted, drawn and shaded at 64²."""

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.heads.fit import pick_outline
from models.heads.rows import landmark_rows
from models.heads.synthetic import synthetic_head
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.draw import Draw
from tasks.fit import Fit
from tasks.pictures import fit_overlay, normals_picture, shaded

HEAD, SIZE = synthetic_head(0), 64


@pytest.fixture(scope="module")
def fitted() -> Batch:
    """A head turned by 25° with a known shape, seen by its outline landmarks, and its fit."""
    rows, rng = landmark_rows(HEAD), np.random.default_rng(5)
    turn = np.radians(25)
    R = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    camera = ScaledOrtho(1 / 140, R, np.array([0.04, -0.06]))
    points = rows.rows.points(
        0.6 * rng.standard_normal(len(HEAD.id_basis)), np.full(len(HEAD.exp_basis), 0.2)
    )
    landmarks = cube_to_pixel(camera.to_cube(points)[pick_outline(rows, camera, points)], SIZE)
    row = PlanRow("00000000", 0, 0, 7, "a-00", HEAD.name, "skin", "train")
    fields = {"landmarks": landmarks[None].astype(np.float32)}
    batch = Batch((row,), fields)
    return Batch((row,), {**fields, **Fit(HEAD, SIZE).fit(batch).fields})


def test_the_fit_as_the_report_shows_it(fitted, golden):
    given = {name: array[0] for name, array in fitted.fields.items()}
    given["photo"] = np.full((SIZE, SIZE, 3), 60, np.uint8)
    golden("stage_fit", fit_overlay(given, HEAD, SIZE), atol=6, outliers=0.01)


def test_the_drawn_head_as_the_report_shows_it(fitted, golden):
    vertices = Draw(HEAD, SIZE).draw(fitted).fields["posed"][0]
    golden("stage_draw", shaded(vertices, HEAD.faces, SIZE), atol=6, outliers=0.01)


def test_normals_become_eight_bits():
    encoded = np.array([[[0, 65535, 32768]]], np.uint16)
    assert normals_picture(encoded).tolist() == [[[0, 255, 128]]]
