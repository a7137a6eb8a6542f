from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_bench import toy_bench

from flows.bench import BINS, build, choose
from flows.cli import main
from flows.config import SynthesizeError
from models.heads.outside import KINDS


def metas(per_bin: int) -> dict[str, dict[str, Any]]:
    """So many heads inside the linear space, and as many outside it, in every bin."""
    found: dict[str, dict[str, Any]] = {}
    rng = np.random.default_rng(0)
    for low, high in pairwise(BINS):
        for k in range(2 * per_bin):
            yaw = rng.uniform(low + 0.01, high - 0.01) * (1 if k % 3 else -1)
            change = -1.0 if k % 2 else float(k % len(KINDS))
            found[f"{len(found):08d}"] = {"angles": [yaw, 0, 0], "quality": {"change": change}}
    return found


def test_every_bin_gets_as_many_heads_inside_the_space_as_outside() -> None:
    known = metas(6)
    chosen = choose(known, 8)
    assert len(chosen) == len(set(chosen)) == 32
    for n, (low, high) in enumerate(pairwise(BINS)):
        mine = [known[key] for key in chosen[8 * n : 8 * n + 8]]
        assert all(low <= abs(m["angles"][0]) < high for m in mine)
        assert sum(m["quality"]["change"] < 0 for m in mine) == 4
    assert choose(dict(reversed(known.items())), 8) == chosen


def test_too_few_of_a_kind_is_one_sentence() -> None:
    with pytest.raises(
        SynthesizeError, match=r"only 6 accepted pairs of heads inside the linear space lie at 0-5"
    ):
        choose(metas(6), 14)


@pytest.mark.parametrize("what", ["file", "store"])
def test_a_place_that_holds_something_else_stays_as_it_is(tmp_path: Path, what: str) -> None:
    place = tmp_path / "place"
    if what == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "store.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SynthesizeError, match=r"place holds something that is no benchmark; give a folder"):
        build(place)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_benchmark_is_verified_from_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = toy_bench(tmp_path)
    for damaged in (False, True):
        if damaged:
            (tmp_path / "images/0000.png").write_bytes(b"x")
        with pytest.raises(SystemExit) as ended:
            main(["bench", "verify", str(tmp_path)])
        said = capsys.readouterr().out
        assert int(ended.value.code or 0) == int(damaged)
        assert "images/0000.png is not what was written" in said if damaged else made.digest in said
