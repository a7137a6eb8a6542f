from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from flows.ship_model import ship
from storage.errors import StoreError
from storage.registry import Registry

CONFIG = {"kind": "sdf", "preset": "small", "levels": ["base", "fine"], "generation": "gen-000001.json"}


def trained(root: Path, width: int = 8) -> Registry:
    registry = Registry(root / "models")
    tensors = {"base.w": torch.linspace(0, 1, width), "fine.w": torch.ones(3)}
    registry.promote(registry.add(save(tensors), CONFIG, {"model/cd": 2.0}, "# card\n"))
    return registry


def test_the_model_in_use_ships_as_bfloat16_with_its_card(tmp_path: Path) -> None:
    made = ship(trained(tmp_path).root, ("base",), tmp_path / "sdf", "| CD |")
    kept = Registry(tmp_path / "sdf").champion()
    assert kept is not None
    assert kept.name == made.name
    tensors = load(kept.weights.read_bytes())
    assert set(tensors) == {"base.w"}
    assert tensors["base.w"].dtype == torch.bfloat16
    assert torch.allclose(tensors["base.w"].float(), torch.linspace(0, 1, 8), atol=4e-3)
    card = (kept.folder / "card.md").read_text()
    assert card.startswith("# card")
    assert "bfloat16" in card
    assert "| CD |" in card
    assert kept.config["levels"] == ["base"]


def test_shipping_again_replaces_what_was_there(tmp_path: Path) -> None:
    models = trained(tmp_path).root
    ship(models, ("base",), tmp_path / "sdf")
    ship(models, (), tmp_path / "sdf")
    assert [m.config["levels"] for m in Registry(tmp_path / "sdf").models()] == [["base", "fine"]]


def test_what_ships_already_can_be_shipped_again_with_fewer_levels(tmp_path: Path) -> None:
    ship(trained(tmp_path).root, (), tmp_path / "sdf")
    made = ship(tmp_path / "sdf", ("base",), tmp_path / "sdf")
    assert made.metrics == {"model/cd": 2.0}
    assert [m.config["levels"] for m in Registry(tmp_path / "sdf").models()] == [["base"]]


def test_a_full_disk_leaves_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship(models := trained(tmp_path).root, (), tmp_path / "sdf")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("storage.registry.write_replace", full)
    with pytest.raises(OSError, match="No space"):
        ship(models, ("base",), tmp_path / "sdf")
    kept = Registry(tmp_path / "sdf").champion()
    assert kept is not None
    assert kept.config["levels"] == ["base", "fine"]
    assert {path.name for path in tmp_path.iterdir()} == {"models", "sdf"}


def test_what_cannot_ship_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    models = trained(tmp_path).root
    ship(models, (), tmp_path / "sdf")
    with pytest.raises(StoreError, match=r"has no norm; it has base, fine"):
        ship(models, ("norm",), tmp_path / "sdf")
    large = trained(tmp_path / "large", 6_000_000).root
    with pytest.raises(StoreError, match=r"12\.0 MB and at most 10 ship"):
        ship(large, (), tmp_path / "sdf")
    with pytest.raises(StoreError, match="no model in use"):
        ship(tmp_path / "empty", (), tmp_path / "sdf")
    assert Registry(tmp_path / "sdf").champion() is not None
