from __future__ import annotations

from pathlib import Path

import pytest

from assets.benchmark import BENCH_TEXTURES
from assets.registry import ledger
from tasks.bench_recipe import BenchRecipe
from tasks.recipe import FaceRecipe

pytestmark = pytest.mark.skipif(
    bool(ledger().problem(ledger().entry("bisenet"))),
    reason="the parser is not fetched: facepairs assets fetch",
)


def recipe(kind: type[FaceRecipe], cache: Path) -> FaceRecipe:
    return kind(256, 1024, 1.0, 8, ("anny",), BENCH_TEXTURES[:1], {}, "cpu", "mediapipe", cache)


def test_the_chain_draws_freely_and_is_the_pair_makers_otherwise(tmp_path: Path) -> None:
    ours = recipe(BenchRecipe, tmp_path).chain("anny")
    theirs = recipe(FaceRecipe, tmp_path).chain("anny")
    names = [stage.name for stage in ours.stages]
    assert [n for n in names if n not in ("free_draw", "outside")] == [
        s.name for s in theirs.stages if s.name != "draw"
    ]
    assert names.index("free_draw") + 1 == names.index("outside") < names.index("relief")
    assert set(ours.keep) - set(theirs.keep) == {"vertices", "change", "remainder"}


def test_the_scan_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    known = recipe(BenchRecipe, tmp_path).description
    assert known["assets"]["james"] == ledger().entry("james").sha256
    assert known["stages"]["outside"] == 1
    assert [spec.name for spec in BenchRecipe.fields][-1] == "vertices"
