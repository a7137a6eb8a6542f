from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import pytest

from flows import logs
from flows.logs import JsonLines, RunLog


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_run_shard_and_stage(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run1", "run1", store="out/demo") as log:
        log.record("stage", shard=3, stage="warp", seconds=1.5)
        logging.getLogger("flows.runner").warning("worker %d died", 2)
    logging.getLogger("flows.runner").warning("not of this run")
    first, second = lines(log.path)
    assert {k: first[k] for k in ("run", "store", "event", "shard", "stage", "seconds", "level")} == {
        "run": "run1", "store": "out/demo", "event": "stage", "shard": 3, "stage": "warp", "seconds": 1.5,
        "level": "info",
    }  # fmt: skip
    assert first["time"].endswith("+00:00")
    assert (second["event"], second["message"], second["level"]) == ("log", "worker 2 died", "warning")


def test_an_exception_stays_one_line() -> None:
    try:
        raise ValueError("bad\nnews")
    except ValueError as error:
        record = logging.LogRecord(
            "flows", logging.ERROR, "", 0, "job %s", ("x",), (ValueError, error, error.__traceback__)
        )
    text = JsonLines({"run": "r", "shard": None}).format(record)
    assert "\n" not in text
    told = json.loads(text)
    assert "ValueError: bad" in told["traceback"]
    assert "shard" not in told


def test_the_file_rotates_and_old_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BYTES", 2000)
    monkeypatch.setattr(logs, "KEEP", 2)
    for n in range(4):
        with RunLog(tmp_path / f"run{n}", f"run{n}") as log:
            for i in range(100):
                log.record("note", "x" * 50, i=i)
        os.utime(tmp_path / f"run{n}", (time.time() + n, time.time() + n))
    assert {path.name for path in tmp_path.iterdir()} == {"run1", "run2", "run3"}, (
        "those before, and the new one"
    )
    assert {path.name for path in (tmp_path / "run3").iterdir()} == {
        "run.jsonl",
        *(f"run.jsonl.{k}" for k in (1, 2, 3)),
    }
    assert all(path.stat().st_size < 2400 for path in (tmp_path / "run3").iterdir())
    assert lines(log.path)[-1]["i"] == 99


def test_a_log_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RunLog(tmp_path / "run", "run")
    (tmp_path / "run" / "run.jsonl").mkdir()
    log.record("note", "lost")
    assert capsys.readouterr().err == ""
