from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from toy_recipe import make_photos

from flows import work
from flows.config import SynthesizeConfig, SynthesizeError
from flows.stage_costs import StageCost, flame_graph, markdown, profile, profile_rows, read_costs
from storage.errors import StoreError

COSTS = [StageCost("draw", 8, 2.0, 1.0, 3.0, 5.0, None), StageCost("label", 8, 4.0, 3.0, 9.0, 5.0, None)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profile")
    photos = make_photos(folder / "photos", 3)
    config = SynthesizeConfig(
        out=folder / "store", photos=photos, pairs=16, size=32, batch=4, shard_size=16, cache=folder / "cache",
        recipe="toy_recipe:ToyRecipe",
    ).model_dump(mode="json")  # fmt: skip

    def emit(event: dict) -> None: ...

    sources = work.annotate(config, [[str(p), p.name] for p in sorted(photos.iterdir())], emit)
    work.prepare(config, sources, emit)
    work.make(config, 0, emit)
    return folder / "store"


def test_each_stage_is_measured_and_the_store_stays(store: Path) -> None:
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    costs = profile_rows(store, 6)
    assert [cost.stage for cost in costs] == ["draw", "judge", "encode"]
    assert [cost.rows for cost in costs] == [8, 8, 7]  # whole sub-batches; one of eight was refused
    assert all(cost.wall_ms > 0 for cost in costs)
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before


def test_shares_sum_up_and_an_earlier_profile_stands_beside() -> None:
    text = markdown(COSTS, {"draw": {"cpu_ms": 2.0}, "gone": {"cpu_ms": 6.0}})
    rows = {line.split("|")[1].strip(): line for line in text.splitlines()}
    assert "| 1.0 | 25 % |" in rows["draw"]
    assert rows["draw"].endswith("| 2.0 | 0.50 |")
    assert rows["label"].endswith("| – | – |")
    assert rows["all"].endswith("| 8.0 | 0.50 |")
    assert "cache misses" not in text


def test_cache_misses_are_shown_where_the_machine_tells() -> None:
    assert "| 1,234 |" in markdown([StageCost("draw", 8, 2.0, 1.0, 3.0, 5.0, 1234.0)])


def test_numbers_are_kept_and_read_again(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    kept = tmp_path / "new" / "before.json"
    assert profile(store, pairs=4, save=kept, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == json.loads(kept.read_text())["stages"]
    assert set(read_costs(kept)) == {"draw", "judge", "encode"}


@pytest.mark.parametrize("text", ["", "[]", '{"stages": [{"stage": "x"}]}'])
def test_a_file_that_is_no_profile_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SynthesizeError, match="facepairs profile --save"):
        read_costs(path)


def test_no_rows_is_told(store: Path) -> None:
    with pytest.raises(StoreError, match="--pairs takes 1 or more"):
        profile(store, pairs=0)


def test_a_flame_graph_without_its_sampler_is_refused_before_any_work(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(SynthesizeError, match="pip install py-spy"):
        profile(store, pairs=4, flame=tmp_path / "flame.svg", save=tmp_path / "numbers.json")
    assert not list(tmp_path.iterdir())


def test_the_flame_graph_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = tmp_path / "py-spy"
    sampler.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no right to trace')\n")
    sampler.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(sampler))
    with pytest.raises(SynthesizeError, match="no right to trace"):
        flame_graph(tmp_path, 1, tmp_path / "flame.svg")
    assert not (tmp_path / "flame.svg").exists()
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(SynthesizeError, match="pip install py-spy"):
        flame_graph(tmp_path, 1, tmp_path / "flame.svg")
