"""The verb ``reconstruct`` on a photograph that ships, with an exact field in place of a trained one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from assets.registry import asset_path
from flows import reconstruct as verb
from models.networks.hierarchical import HierarchicalSdf, Reconstruction
from storage.errors import StoreError


class Plane:
    """Answers a small triangle for every face."""

    image = 256

    def reconstruct(self, image: np.ndarray, semantic: np.ndarray) -> Reconstruction:
        assert image.shape == (256, 256, 3)
        assert semantic.shape == (256, 256)
        return Reconstruction(
            np.float32([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0, 0.5, 0]]), np.int32([[0, 1, 2]]), 3
        )


@pytest.fixture
def _trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"")
    monkeypatch.setattr(verb, "champion", lambda models: SimpleNamespace(weights=weights, config={}))
    monkeypatch.setattr(HierarchicalSdf, "from_bytes", lambda data, config: Plane())


@pytest.mark.usefixtures("_trained")
def test_every_face_gets_a_mesh_in_millimetres_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert verb.reconstruct(asset_path("astronaut"), models=tmp_path, out=out) == 0
    assert "1 faces of 1 photographs" in capsys.readouterr().out
    (mesh,) = out.glob("*.obj")
    width = float(mesh.read_text().split()[1])
    assert 50 < abs(width) < 200  # half a cube unit of a head's crop
    assert mesh.with_suffix(".png").is_file()


@pytest.mark.usefixtures("_trained")
def test_a_file_that_is_no_picture_is_told_and_passed_over(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a picture")
    assert verb.reconstruct(bad, models=tmp_path, out=tmp_path / "out") == 1


def test_without_a_model_the_next_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="facepairs train"):
        verb.champion(tmp_path / "models")


def test_the_picture_shows_photo_overlay_front_and_side() -> None:
    made = Reconstruction(
        np.float32([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0, 0.5, 0]]), np.int32([[0, 1, 2]]), 3
    )
    drawn = verb.picture(np.full((32, 32, 3), 200, np.uint8), made)
    assert drawn.shape == (32, 128, 3)
    assert (drawn[:, :32] == 200).all()
    assert (drawn[16, 48] != 200).all()
