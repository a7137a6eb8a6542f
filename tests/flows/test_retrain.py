"""A new generation is learned from once, and its model is used when it is better on the fixed pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import levels, promotion, sdf_scores, train_run
from flows import retrain as command
from flows.retrain import retrain
from flows.train_run import TrainSettings
from models.geometry.metrics import Scores
from models.networks import hierarchical, sdf_nets
from storage.errors import StoreError
from storage.generation import publish
from storage.registry import Registry
from storage.store import Sample, Store
from tests.flows.sphere_store import sphere_fields, sphere_meta, sphere_store
from tests.flows.test_train import TINY

CD = {"now": 2.0}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, run_server: str) -> None:
    monkeypatch.setenv("PREFECT_API_URL", run_server)
    for module in (train_run, levels, hierarchical, sdf_nets):
        monkeypatch.setitem(module.SIZES, "tiny", TINY)
    monkeypatch.setattr(
        promotion, "score_pairs",
        lambda store, *rest: measured.append(rest[-1])
        or [sdf_scores.Row("00000000", 0.0, "model", Scores(CD["now"], 0.1, 0.1, 99.0))],
    )  # fmt: skip
    measured.clear()


measured: list[str] = []  # generations whose pairs were measured


def settings(out: Path, steps: int = 2) -> TrainSettings:
    return TrainSettings(
        out=out, preset="tiny", masks="labels", rows=("base",), steps={"base": steps}, pairs=1, threads=1
    )


def half_store(path: Path) -> Store:
    """A store of which one shard is committed and published."""
    whole = sphere_store(path.with_name("whole"))
    store = Store.create(path, whole.plan, {}, {}, sizes={"R": 64, "N": 2048})
    grow(store, 2)
    return store


def grow(store: Store, shards: int) -> None:
    """Commit the first shards and publish."""
    for shard, rows in list(store.plan.shards.items())[:shards]:
        if store.committed(shard) is None:
            store.write_shard(shard, [Sample(r.key, sphere_fields(r.key), sphere_meta(r.key)) for r in rows])
    publish(store, allow_pending=True)


def test_a_generation_is_learned_from_once(tmp_path: Path) -> None:
    store = sphere_store(tmp_path / "store")
    CD["now"] = 2.0
    first = retrain(store.root, settings=settings(tmp_path / "out"))
    assert len(first["trained"]) == 1
    assert "is in use" in first["verdict"]
    again = retrain(store.root, settings=settings(tmp_path / "out"))
    assert again["trained"] == []
    assert "already" in again["verdict"]
    assert first["trained"][0] in again["verdict"]


def test_other_settings_are_another_training(tmp_path: Path) -> None:
    store = sphere_store(tmp_path / "store")
    retrain(store.root, settings=settings(tmp_path / "out"))
    assert retrain(store.root, settings=settings(tmp_path / "out", steps=3))["trained"]


def test_a_newer_generation_is_compared_on_the_first_ones_pairs(tmp_path: Path) -> None:
    store = half_store(tmp_path / "store")
    CD["now"] = 2.0
    old = retrain(store.root, settings=settings(tmp_path / "out"))
    grow(store, 99)
    CD["now"] = 1.995  # better, but within the margin
    new = retrain(store.root, settings=settings(tmp_path / "out"))
    assert new["trained"]
    assert "stays in use" in new["verdict"]
    assert "must be better by 1 %" in new["verdict"]
    assert measured == ["gen-000001.json", "gen-000001.json"]
    champion = Registry(tmp_path / "out" / "models").champion()
    assert champion is not None
    assert [champion.name] == old["trained"]


def test_a_better_model_takes_over_and_an_older_generation_is_news_no_more(tmp_path: Path) -> None:
    store = half_store(tmp_path / "store")
    CD["now"] = 2.0
    grow(store, 99)
    retrain(store.root, settings=settings(tmp_path / "out"))
    late = retrain(store.root, generation="gen-000001.json", settings=settings(tmp_path / "out"))
    assert late["trained"] == []
    assert "older" in late["verdict"]
    CD["now"] = 1.0
    better = retrain(store.root, settings=settings(tmp_path / "out", steps=4))
    champion = Registry(tmp_path / "out" / "models").champion()
    assert champion is not None
    assert [champion.name] == better["trained"]


def test_a_store_that_is_not_there_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "api", None)
    store = sphere_store(tmp_path / "store")
    with pytest.raises(StoreError, match="nowhere is not a store"):
        command.run_retraining([store.root, tmp_path / "nowhere"], out=tmp_path / "out")
    with pytest.raises(StoreError, match="--threads must be 1 or more, got 0"):
        command.run_retraining([store.root], out=tmp_path / "out", threads=0)
    assert not (tmp_path / "out").exists()


def test_an_unknown_generation_is_told(tmp_path: Path) -> None:
    store = sphere_store(tmp_path / "store")
    with pytest.raises(StoreError, match="no generation"):
        retrain(store.root, generation="gen-000009.json", settings=settings(tmp_path / "out"))
