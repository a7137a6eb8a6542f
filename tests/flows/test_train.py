"""The training flow on a store of spheres: trains, measures, keeps, promotes, resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows import levels, promotion, sdf_scores, train, train_run
from flows.train_run import TrainRun, TrainSettings
from models.geometry.metrics import Scores
from models.networks import hierarchical, sdf_nets
from models.networks.hourglass import HourglassSize
from models.networks.implicit import MlpSize
from models.networks.sdf_nets import SdfSize
from models.networks.shallow_encoder import ShallowSize
from storage.errors import StoreError
from storage.files import seal
from storage.store import Store
from tests.flows.sphere_store import R, sphere_store

TINY = SdfSize(
    R, R, HourglassSize(stem=8, middle=16, features=16, stacks=1, depth=1), MlpSize((32, 16), (1,)),
    ShallowSize(widths=(8, 8, 8)), MlpSize((16,), ()), 200,
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return path


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, run_server: str) -> None:
    monkeypatch.setenv("PREFECT_API_URL", run_server)
    for module in (train_run, levels, hierarchical, sdf_nets):
        monkeypatch.setitem(module.SIZES, "tiny", TINY)
    monkeypatch.setattr(promotion, "score_pairs", scored)


def scored(store: Path, *rest: object) -> list[sdf_scores.Row]:
    """One row whose CD the test decides."""
    return [sdf_scores.Row("00000000", 0.0, "model", Scores(scored.cd, 0.1, 0.1, 99.0))]  # type: ignore[attr-defined]


def run(store: Path, out: Path, steps: int = 3) -> TrainRun:
    settings = TrainSettings(
        out=out, preset="tiny", masks="labels", steps={"base": steps, "fine": 2}, pairs=1, threads=1
    )
    return train.run_of(store, settings)


def test_a_run_ends_with_a_champion_that_reconstructs(store: Path, tmp_path: Path) -> None:
    scored.cd = 2.0  # type: ignore[attr-defined]
    (result,) = train.train(run(store, tmp_path))
    models = run(store, tmp_path).models
    champion = models.champion()
    assert champion is not None
    assert champion.name == result["model"]
    assert "is in use" in result["verdict"]
    assert "facepairs train STORE" in (champion.folder / "card.md").read_text()
    net = hierarchical.HierarchicalSdf.from_bytes(champion.weights.read_bytes(), champion.config)
    assert net.fine is not None
    assert (tmp_path / "base" / "checkpoint.safetensors").is_file()


def test_the_same_run_again_changes_nothing(store: Path, tmp_path: Path) -> None:
    scored.cd = 2.0  # type: ignore[attr-defined]
    first, again = (train.train(run(store, tmp_path))[0]["model"] for _ in range(2))
    assert first == again
    assert len(run(store, tmp_path).models.models()) == 1


def test_a_worse_model_is_kept_and_not_promoted(store: Path, tmp_path: Path) -> None:
    scored.cd = 2.0  # type: ignore[attr-defined]
    best = train.train(run(store, tmp_path))[0]["model"]
    (tmp_path / "base" / "checkpoint.safetensors").unlink()
    scored.cd = 1.99  # type: ignore[attr-defined] # better, but within the margin
    (result,) = train.train(run(store, tmp_path, steps=4))
    assert "stays in use" in result["verdict"]
    champion = run(store, tmp_path).models.champion()
    assert champion is not None
    assert champion.name == best
    assert len(run(store, tmp_path).models.models()) == 2


def test_a_store_that_is_not_published_is_refused(tmp_path: Path) -> None:
    from storage.plan import SourceRef, draw_plan

    plan = draw_plan([SourceRef("0" * 16 + "-00", 0.0, "0" * 16)], ["sphere"], ["none"], 2, 0, 2)
    Store.create(tmp_path / "empty", plan, {}, {}, sizes={"R": R, "N": 64})
    with pytest.raises(StoreError, match="no published generation"):
        train.train(run(tmp_path / "empty", tmp_path / "out"))


def test_an_unknown_preset_is_told_in_a_sentence(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--preset takes"):
        train.run_training(store, out=tmp_path, preset="huge")


def test_what_cannot_be_trained_is_told_before_anything_starts(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "api", None)
    (tmp_path / "file").write_text("mine")
    for wrong, told in (
        ({"threads": 0}, "--threads must be 1 or more, got 0"),
        ({"pairs": -1}, "--pairs must be 1 or more, got -1"),
        ({"steps": "base=0"}, "--steps base must be 1 or more, got 0"),
        ({"out": tmp_path / "file"}, "is a file; give a folder"),
        ({"out": store}, "is a store; give a folder of its own"),
    ):
        with pytest.raises(StoreError, match=told):
            train.run_training(store, **{"out": tmp_path / "out", **wrong})
    (tmp_path / "run.json").write_bytes(seal({"photos": "mine"}))  # of some other program
    with pytest.raises(StoreError, match=r"run.json: it does not say what facepairs writes there"):
        train.run_training(store, out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run.json"]


def test_a_checkpoint_of_another_recipe_is_told_in_a_sentence(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored.cd = 2.0  # type: ignore[attr-defined]
    train.train(run(store, tmp_path))
    base = levels.LEVELS["base"]
    changed = replace(base, recipe=lambda preset: replace(base.recipe(preset), rate=0.5))
    monkeypatch.setitem(levels.LEVELS, "base", changed)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=r"was trained with rate .*, not 0\.5; go on with the old value"):
        train.train(run(store, tmp_path))


def test_bins_cover_all_angles() -> None:
    assert np.all(np.diff(sdf_scores.BINS) > 0)
    assert (sdf_scores.BINS[0], sdf_scores.BINS[-1]) == (0, 90)
