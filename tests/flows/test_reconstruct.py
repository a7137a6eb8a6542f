"""The verb ``reconstruct`` on what it may be given, with surfaces that are known in place of a network's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_surface import toy_surface

from flows import reconstruct as verb
from flows import turntable
from models.heads.synthetic import synthetic_head
from storage.errors import StoreError


class Toy:
    """In place of detector, parser and network: as many faces as the picture is bright, or a reason."""

    head = synthetic_head()

    def of(self, image: np.ndarray):
        face, _, _ = toy_surface()
        if image.mean() < 10:
            yield "no face found"
        for _ in range(round(float(image.mean()) / 100)):
            yield face


@pytest.fixture(autouse=True)
def _trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "load_model", lambda models: None)
    monkeypatch.setattr(verb, "FaceSurfaces", lambda net: Toy())
    monkeypatch.setattr(turntable, "FRAMES", 2)
    monkeypatch.setattr(turntable, "SIDE", 32)


def picture(path: Path, grey: int) -> Path:
    cv2.imwrite(str(path), np.full((96, 96, 3), grey, np.uint8))
    return path


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_several_faces_give_several_meshes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert verb.reconstruct(picture(tmp_path / "two.png", 200), out=out, format=("ply",)) == 0
    assert "2 faces of 1 files" in capsys.readouterr().out
    assert names(out) == {f"two-0{k}.{kind}" for k in (0, 1) for kind in ("ply", "png", "webp")}


def test_bad_files_cost_a_sentence_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a_bad.jpg").write_bytes(b"not a picture")
    (folder / "b_bad.mp4").write_bytes(b"not a film")
    picture(folder / "c_dark.png", 0)
    picture(folder / "same.png", 100)
    picture(folder / "sub" / "same.png", 100)
    out = tmp_path / "out"
    assert verb.reconstruct(folder, out=out, turntable=False) == 0
    said = capsys.readouterr().err
    assert "a_bad.jpg" in said
    assert "no frame that can be read" in said
    assert "c_dark-00: no face found" in said
    assert names(out) == {"same-00.obj", "same-00.png", "same_2-00.obj", "same_2-00.png"}


def test_frames_of_a_video_are_named_by_number_and_face(tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no videos")
    for _ in range(5):
        writer.write(np.full((48, 64, 3), 100, np.uint8))
    writer.release()
    out = tmp_path / "out"
    assert verb.reconstruct(film, out=out, every=2) == 0
    assert names(out) == {f"film-f00000{k}-00.{kind}" for k in (0, 2, 4) for kind in ("obj", "png")}


def test_nothing_made_is_an_exit_code(tmp_path: Path) -> None:
    assert verb.reconstruct(picture(tmp_path / "dark.png", 0), out=tmp_path / "out") == 1


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no file or folder"):
        verb.reconstruct(tmp_path / "nowhere", out=tmp_path / "out")
    with pytest.raises(StoreError, match="neither photographs nor videos"):
        verb.reconstruct(tmp_path, out=tmp_path / "out")
    with pytest.raises(StoreError, match="--every takes"):
        verb.reconstruct(picture(tmp_path / "a.png", 100), out=tmp_path / "out", every=0)
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_output_is_told_before_the_model_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "load_model", None)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match="out is a file; give a folder"):
        verb.reconstruct(picture(tmp_path / "a.png", 100), out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_without_a_model_the_next_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="facepairs train"):
        verb.champion(tmp_path / "models")


def test_the_folder_of_a_run_is_told_from_that_of_its_models(tmp_path: Path) -> None:
    (tmp_path / "run" / "models").mkdir(parents=True)
    (tmp_path / "run" / "models" / "champion").touch()
    with pytest.raises(
        StoreError, match=r"run is the folder of a run; its models are in .*run/models: pass that"
    ):
        verb.champion(tmp_path / "run")
