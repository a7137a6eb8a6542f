from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import toy_recipe

from assets.registry import AssetError
from flows import work
from flows.config import SynthesizeConfig
from storage.errors import StoreError
from storage.store import Store
from storage.verify import verify_store


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"textures": ("nosuch",)}, "there is no texture 'nosuch'"),
        ({"heads": ("nosuch",)}, "no asset 'nosuch'"),
        ({"limits": {"nosuch": 1.0}}, "no limit 'nosuch'"),
    ],
)
def test_unknown_names_are_refused_before_the_first_photograph(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    config = SynthesizeConfig(out=tmp_path / "out", cache=tmp_path / "cache", **wrong).model_dump(mode="json")
    with pytest.raises(AssetError, match=said):
        work.annotate(config, [], lambda event: None)
    assert not (tmp_path / "out").exists()


def test_a_store_of_other_settings_is_refused_before_the_first_photograph(tmp_path: Path) -> None:
    photos = toy_recipe.make_photos(tmp_path / "photos", 2, empty=0)
    config = SynthesizeConfig(
        out=tmp_path / "store", cache=tmp_path / "cache", photos=photos, pairs=8, size=32, batch=4, shard_size=4,
        recipe="toy_recipe:ToyRecipe",
    )  # fmt: skip
    listed = [[str(path), path.name] for path in sorted(photos.iterdir())]
    told: list[dict[str, Any]] = []
    work.prepare(
        config.model_dump(mode="json"),
        work.annotate(config.model_dump(mode="json"), listed, told.append),
        told.append,
    )
    told.clear()
    other = config.model_copy(update={"spread": 0.5})
    with pytest.raises(StoreError, match=r"begun with fingerprint .*spread: 1\.0 -> 0\.5"):
        work.annotate(other.model_dump(mode="json"), listed, told.append)
    assert told == []
    mixed = other.model_copy(update={"allow_mixed": True})
    assert len(work.annotate(mixed.model_dump(mode="json"), listed, told.append)) == 2


def test_code_that_changes_under_a_run_is_refused_by_the_next_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = toy_recipe.make_photos(tmp_path / "photos", 4, empty=0)
    config = SynthesizeConfig(
        out=tmp_path / "store", cache=tmp_path / "cache", photos=photos, pairs=8, size=32, batch=4, shard_size=4,
        recipe="toy_recipe:ToyRecipe", textures=("plain",),
    ).model_dump(mode="json")  # fmt: skip
    told = list[dict]().append
    found = work.annotate(config, [[str(path), path.name] for path in sorted(photos.iterdir())], told)
    work.prepare(config, found, told)
    work.make(config, 0, told)
    before = toy_recipe.ToyRecipe.description

    changed = property(
        lambda self: {**before.fget(self), "code": "edited"}
    )  # as a worker begun later reads it
    monkeypatch.setattr(toy_recipe.ToyRecipe, "description", changed)
    with pytest.raises(
        StoreError, match=r"begun with fingerprint \w{12}, the settings now give \w{12} \(code: "
    ) as e:
        work.make(config, 1, told)
    for choice in ("go back to the old settings", "choose a new folder with --out", "--allow-mixed"):
        assert choice in str(e.value)
    store = Store.open(config["out"])
    assert store.pending() == [1]
    assert verify_store(store, deep=True).ok
    monkeypatch.undo()
    work.make(config, 1, told)
    assert Store.open(config["out"]).pending() == []


def test_a_store_is_opened_once_a_process_until_another_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_recipe.make_photos(tmp_path / "photos", 2, empty=0)
    config = SynthesizeConfig(
        out=tmp_path / "store", photos=tmp_path / "photos", pairs=8, size=32, cache=tmp_path / "cache", batch=4,
        shard_size=4, recipe="toy_recipe:ToyRecipe",
    )  # fmt: skip
    told = config.model_dump(mode="json")
    recipe = work.opened(told)[1]
    photos = sorted((tmp_path / "photos").iterdir())
    sources = [vars(row) for path in photos for row in recipe.annotate(path, path.name)]
    with pytest.raises(StoreError, match="is not a store"):
        work.opened_store(config, recipe)
    work.prepare(told, sources, lambda event: None)
    opened = Store.open
    times: list[Path] = []
    monkeypatch.setattr(
        Store, "open", staticmethod(lambda path, *a, **k: times.append(path) or opened(path, *a, **k))
    )
    made = [work.make(told, shard, lambda event: None) for shard in (0, 1)]
    assert [one["state"] for one in made] == ["committed", "committed"]
    assert len(times) == 1
    shutil.rmtree(config.out)
    work.prepare(told, sources, lambda event: None)
    times.clear()
    work.make(told, 0, lambda event: None)
    assert len(times) == 1, "another store.json is another store"
