from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.config import SynthesizeConfig, explain
from storage.errors import StoreError


def test_every_field_has_a_sentence() -> None:
    for name, field in SynthesizeConfig.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_unknown_keys_are_errors_in_one_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        SynthesizeConfig(out="x", pears=3)
    assert explain(caught.value).startswith("--pears is not an option of synthesize")


@pytest.mark.parametrize(("pairs", "shard"), [(1, 8), (200, 32), (2000, 250), (100_000, 250)])
def test_small_runs_have_several_shards(pairs: int, shard: int) -> None:
    assert SynthesizeConfig(out="x", pairs=pairs).shard == shard
    assert SynthesizeConfig(out="x", pairs=pairs, shard_size=7).shard == 7


@pytest.mark.parametrize(("size", "shard"), [(128, 250), (256, 250), (288, 192), (512, 56), (1024, 8)])
def test_shards_of_large_pictures_are_smaller(size: int, shard: int) -> None:
    assert SynthesizeConfig(out="x", pairs=100_000, size=size).shard == shard
    assert shard * size**2 <= 250 * 256**2


def test_paths_become_absolute_and_survive_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = SynthesizeConfig(out="store", photos="photos")
    assert config.out == tmp_path / "store"
    assert SynthesizeConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("edges", [(60, 30), (30, 30, 60), (0,), (30, 91)])
def test_yaw_edges_that_cannot_be_are_refused_before_anything_runs(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        SynthesizeConfig(out="x", yaw_edges=edges)
    assert explain(caught.value).startswith("--yaw-edges")
    assert SynthesizeConfig(out="x", yaw_edges=()).yaw_edges == ()


def test_a_kind_may_stand_before_the_photographs(tmp_path: Path) -> None:
    config = SynthesizeConfig(out="x", photos=f"ffhq:{tmp_path}")
    assert (config.photo_kind, config.photos) == ("ffhq", tmp_path)
    assert SynthesizeConfig.model_validate_json(config.model_dump_json()) == config
    assert SynthesizeConfig(out="x", photos=tmp_path).photo_kind == "auto"
    with pytest.raises(ValidationError) as caught:
        SynthesizeConfig(out="x", photo_kind="lfw")
    assert "'celeba'" in explain(caught.value)


def test_an_unknown_recipe_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="'nothing:here' cannot be found"):
        SynthesizeConfig(out="x", recipe="nothing:here").make_recipe()


def test_errors_of_the_store_are_told_as_they_are() -> None:
    from flows.cli import _sentence

    assert _sentence(StoreError("one sentence.")) == "one sentence."
    assert _sentence(KeyError("a bug")) is None


def test_what_the_machine_refuses_is_one_sentence_and_a_bug_stays_one() -> None:
    from flows.cli import _sentence

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x")
    assert _sentence(full) == (
        "/data/x: No space left on device; free some space, then type the same command again."
    )
    told = _sentence(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert told is not None
    assert told.startswith("a file that was being written: Permission denied; get the rights to it")
    assert _sentence(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "x")) is None


def test_several_values_may_follow_one_option(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.cli import app

    asked: list[SynthesizeConfig] = []
    monkeypatch.setattr(
        "flows.synthesize.run_synthesis", lambda config, board: asked.append(config) or _done()
    )
    for words in (["--textures", "a", "b", "--yaw-edges", "5", "30"], ["--textures", "a", "--textures", "b"]):
        app(["synthesize", "--out", "x", "--pairs", "3", *words], result_action="return_value")
    assert [config.textures for config in asked] == [("a", "b"), ("a", "b")]
    assert asked[0].yaw_edges == (5.0, 30.0)


def _done() -> dict[str, str]:
    return {"state": "Cancelled", "message": ""}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("anny=3,ict=1", {"anny": 3.0, "ict": 1.0}),
        (["anny", "ict"], {"anny": 1.0, "ict": 1.0}),
        (("anny=0.5,ict", "lyhm=2"), {"anny": 0.5, "ict": 1.0, "lyhm": 2.0}),
    ],
)
def test_heads_are_named_with_weights_or_without(tmp_path, given, wanted):
    config = SynthesizeConfig(out=tmp_path, heads=given)
    assert config.head_weights == wanted
    assert SynthesizeConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("given", ["anny=0", "anny=-1", "anny=x", "=2", []])
def test_weights_that_are_none_are_refused(tmp_path, given):
    with pytest.raises(ValidationError):
        SynthesizeConfig(out=tmp_path, heads=given)
