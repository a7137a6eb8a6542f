from __future__ import annotations

from pathlib import Path

import pytest

from assets.benchmark import BENCH_TEXTURES
from assets.registry import ledger
from tasks.recipe import FaceRecipe
from tasks.wide_recipe import WideRecipe

pytestmark = pytest.mark.skipif(
    bool(ledger().problem(ledger().entry("bisenet"))),
    reason="the parser is not fetched: facepairs assets fetch",
)


def recipe(kind: type[FaceRecipe], cache: Path) -> FaceRecipe:
    return kind(256, 1024, 1.0, 8, ("anny",), BENCH_TEXTURES[:1], {}, "cpu", "mediapipe", cache)


def test_the_chain_stirs_draws_freely_and_is_the_pair_makers_otherwise(tmp_path: Path) -> None:
    ours = recipe(WideRecipe, tmp_path).chain("anny")
    theirs = recipe(FaceRecipe, tmp_path).chain("anny")
    names = [stage.name for stage in ours.stages]
    assert names[names.index("turn") + 1 : names.index("relief")] == ["stir", "free_draw"]
    assert [n for n in names if n not in ("stir", "free_draw")] == [
        stage.name for stage in theirs.stages if stage.name != "draw"
    ]
    assert ours.keep == theirs.keep


def test_the_stage_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    assert recipe(WideRecipe, tmp_path).description["stages"]["stir"] == 1
