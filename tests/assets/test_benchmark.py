from __future__ import annotations

from assets.benchmark import BENCH_TEXTURES, expand_textures
from assets.registry import texture_pool


def test_the_benchmarks_textures_are_there() -> None:
    assert set(BENCH_TEXTURES) <= set(texture_pool().names)
    assert len(set(BENCH_TEXTURES)) == 15


def test_training_stands_for_all_others() -> None:
    names = texture_pool().names
    training = expand_textures(("training",), names)
    assert set(training) | set(BENCH_TEXTURES) == set(names)
    assert not set(training) & set(BENCH_TEXTURES)
    assert expand_textures(("scan_james", "training", training[0]), names) == ("scan_james", *training)
    assert expand_textures((), names) == ()
