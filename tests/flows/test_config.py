from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows.config import SynthesizeConfig, explain
from storage.errors import StoreError

ROOT = Path(__file__).parents[2]


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


def test_paths_become_absolute_and_survive_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = SynthesizeConfig(out="store", photos="photos")
    assert config.out == tmp_path / "store"
    assert SynthesizeConfig.model_validate_json(config.model_dump_json()) == config


def test_an_unknown_recipe_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="'nothing:here' cannot be found"):
        SynthesizeConfig(out="x", recipe="nothing:here").make_recipe()


def test_the_deployment_names_a_real_flow_and_valid_parameters() -> None:
    deployment = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"][0]
    file, name = deployment["entrypoint"].split(":")
    assert f"def {name}(" in (ROOT / file).read_text()
    SynthesizeConfig.model_validate(deployment["parameters"]["config"])
    assert deployment["work_pool"]["name"] == "faces"


def test_errors_of_the_store_are_told_as_they_are() -> None:
    from flows.cli import _sentence

    assert _sentence(StoreError("one sentence.")) == "one sentence."
    assert _sentence(KeyError("a bug")) is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("anny=3,ict=1", {"anny": 3.0, "ict": 1.0}),
        (["anny", "ict"], {"anny": 1.0, "ict": 1.0}),
        (("anny=0.5,ict", "lyhm=2"), {"anny": 0.5, "ict": 1.0, "lyhm": 2.0}),
        ({"anny": 2}, {"anny": 2.0}),
    ],
)
def test_heads_are_named_with_weights_or_without(tmp_path, given, wanted):
    config = SynthesizeConfig(out=tmp_path, heads=given)
    assert config.heads == wanted
    assert SynthesizeConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("given", ["anny=0", "anny=-1", "anny=x", []])
def test_weights_that_are_none_are_refused(tmp_path, given):
    with pytest.raises(ValidationError):
        SynthesizeConfig(out=tmp_path, heads=given)
