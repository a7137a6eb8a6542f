"""Models are whole or absent, and the champion is always one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import CorruptStore, StoreError
from storage.registry import CHAMPION, WEIGHTS, Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def add(registry: Registry, weights: bytes = b"weights", steps: int = 10):  # type: ignore[no-untyped-def]
    return registry.add(weights, {"kind": "sdf", "steps": steps}, {"cd": 2.5}, "# card")


def test_a_model_comes_back_as_it_was_kept(registry: Registry) -> None:
    model = registry.model(add(registry).name)
    assert model.config == {"kind": "sdf", "steps": 10}
    assert model.metrics == {"cd": 2.5}
    assert model.weights.read_bytes() == b"weights"
    assert (model.folder / "card.md").read_text() == "# card"


def test_the_same_model_is_kept_once(registry: Registry) -> None:
    assert add(registry).name == add(registry).name
    assert len(registry.models()) == 1
    assert add(registry, b"other").name != add(registry).name
    assert len(registry.models()) == 2


def test_there_is_no_champion_before_one_is_promoted(registry: Registry) -> None:
    model = add(registry)
    assert registry.champion() is None
    registry.promote(model)
    champion = registry.champion()
    assert champion is not None
    assert champion.name == model.name


def test_promotion_replaces_the_champion(registry: Registry) -> None:
    first, second = add(registry), add(registry, steps=20)
    registry.promote(first)
    registry.promote(second)
    champion = registry.champion()
    assert champion is not None
    assert champion.name == second.name


def test_a_changed_bit_is_noticed(registry: Registry) -> None:
    model = add(registry)
    (model.folder / WEIGHTS).write_bytes(b"weightz")
    with pytest.raises(CorruptStore, match="not what was written"):
        registry.model(model.name)
    registry_pointer = registry.root / CHAMPION
    registry_pointer.write_bytes(b'{"body": {"name": "x"}, "seal": "no"}')
    with pytest.raises(CorruptStore):
        registry.champion()


@pytest.mark.parametrize("name", ["absent", "../models", ".hidden"])
def test_an_unknown_name_lists_the_known_ones(registry: Registry, name: str) -> None:
    model = add(registry)
    with pytest.raises(StoreError, match=model.name):
        registry.model(name)


def test_a_failed_write_leaves_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == WEIGHTS:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("storage.registry.write_replace", full)
    with pytest.raises(OSError, match="No space"):
        add(registry)
    assert list(registry.root.iterdir()) == []
