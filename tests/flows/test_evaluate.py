"""The whole verb on a toy benchmark: real workers, scores that are kept, tables, CSV, pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from toy_bench import toy_bench

from flows.cli import main
from flows.eval_sets import recognise
from flows.eval_work import score_file
from flows.evaluate import spread
from storage.errors import StoreError
from tasks.eval_rows import floors
from tasks.evalset import Item


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *words])
    return int(ended.value.code or 0)


def test_a_benchmark_is_measured_once_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench, out = toy_bench(tmp_path / "bench"), tmp_path / "out"
    assert run(str(bench.root), "--out", str(out), "--workers", "1") == 0
    text = capsys.readouterr().out
    assert "| mean head, true pose | 0.00 |" in text
    assert (
        "| landmark fit of the head model | - | - | - | - | - | - | 0.0 |" in text
    )  # there is no face in grey
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert len(rows) == 2 * 3
    moved = next(r for r in rows if r["key"] == "0001" and r["method"] == "mean head, true pose")
    assert 0.1 < float(moved["cd_mm"]) < 5
    assert (out / "sheet.jpg").is_file()
    assert "sheet.jpg" in (out / "index.html").read_text()
    # A score that is there is taken as it is; one that is missing is measured.
    (true_pose, *_), (first, second) = floors(), _digests(bench.root)
    kept, gone = score_file(out, true_pose.digest, first), score_file(out, true_pose.digest, second)
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "cd": 7.0}))
    gone.unlink()
    assert run(str(bench.root), "--out", str(out), "--workers", "1") == 0
    again = capsys.readouterr().out
    assert "| mean head, true pose | 7.00 |" in again
    assert gone.is_file()


def _digests(root: Path) -> tuple[str, ...]:
    from storage.benchmark import Benchmark
    from tasks.evalset import BenchSet

    return tuple(item.digest for item in BenchSet(Benchmark.open(root)).items)


def test_a_share_of_the_images_is_spread_over_poses_and_kinds() -> None:
    items = [
        Item(f"{n}", "wild", column, kind, 0.0, f"{n}")
        for n, (column, kind) in enumerate(
            [(c, k) for c in ("0-5°", "5-30°") for k in ("inside", "outside")] * 25
        )
    ] + [Item("scan", "scan", "0°", "real", 0.0, "s")]
    chosen = spread(items, 20)
    assert len(chosen) == 4 * 4 + 1
    assert chosen == [item for item in items if item in chosen]
    assert spread(items, 0) == spread(items, 1000) == items


def test_what_is_no_set_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "absent")) == 2
    assert "there is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="is no benchmark, store"):
        recognise(tmp_path / "empty", ("val",))


def test_wrong_numbers_and_splits_are_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for words, told in (
        (("--workers", "0"), "--workers takes 1 or more, got 0"),
        (("--images=-5",), "--images takes 0 or more, got -5"),
        (("--splits", "test", "dev"), "--splits takes train, val, test, got 'dev'"),
        (("--out", str(tmp_path / "file")), "is a file; give a folder"),
    ):
        assert run(str(tmp_path / "absent"), *words) == 2
        assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_no_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = toy_bench(tmp_path / "bench", (0.0,))
    assert run(str(bench.root), "--models", str(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert "neither a trained model nor" in capsys.readouterr().err
