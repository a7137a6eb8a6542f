import json

import cv2
import numpy as np
import pytest
from toy_surface import SIDE, toy_surface

from assets.registry import default_head
from flows import turntable
from flows.reconstruct_files import Wanted, face_files
from flows.register_face import FaceRegistrar


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(turntable, "FRAMES", 2)
    monkeypatch.setattr(turntable, "SIDE", 32)


def test_a_still_has_meshes_a_picture_and_a_turntable_and_a_frame_has_no_turntable():
    face, _, _ = toy_surface()
    still = face_files("ann", face, Wanted(("obj", "ply", "glb"), True, None), still=True)
    assert set(still.files) == {"ann.obj", "ann.ply", "ann.glb", "ann.png", "ann.webp"}
    assert not still.notes
    frame = face_files("ann", face, Wanted(("ply",), True, None), still=False)
    assert set(frame.files) == {"ann.ply", "ann.png"}
    picture = cv2.imdecode(np.frombuffer(frame.files["ann.png"], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (SIDE, 4 * SIDE, 3)
    np.testing.assert_array_equal(picture[:, :SIDE, ::-1], face.crop.photo)


def test_the_registered_head_comes_with_its_rig():
    face, _, _ = toy_surface()
    wanted = Wanted(("obj",), False, FaceRegistrar(default_head()))
    ready = face_files("ann", face, wanted, still=True)
    assert {"ann.head.obj", "ann.head.mtl", "ann.head.texture.png", "ann.head.json"} <= set(ready.files)
    assert json.loads(ready.files["ann.head.json"])["head"] == "anny"


def test_a_face_that_cannot_be_registered_keeps_its_mesh_and_says_why():
    class Fails:
        head = default_head()

        def register(self, face):
            msg = "too few landmarks"
            raise ValueError(msg)

    face, _, _ = toy_surface()
    ready = face_files("ann", face, Wanted(("obj",), False, Fails()), still=True)
    assert set(ready.files) == {"ann.obj", "ann.png"}
    assert ready.notes == ["not registered: too few landmarks"]
