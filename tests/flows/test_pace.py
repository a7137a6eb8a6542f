from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.config import SynthesizeConfig, SynthesizeError
from flows.logs import RunLog
from flows.pace import bins, draw, find_log, markdown, pace, peaks, read_log
from flows.remake import save_config

BEGAN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def line(event: str, at: float, **facts: object) -> str:
    time = datetime.fromtimestamp(BEGAN + at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "level": "info", "event": event, **facts})


def use(pid: int, cpu: float, resident: float) -> dict[str, float]:
    return {"pid": pid, "cpu": cpu, "resident": resident, "peak": 2 * resident, "share": resident / 2}


def shard(end: float, seconds: float, committed: int) -> str:
    return line(
        "shard", end, seconds={"draw": seconds / 2, "store": seconds / 2}, committed=committed, planned=10
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two shards of 90 s each, one after the other, 9 and 6 accepted; the worker is replaced after the first."""
    path = tmp_path / "run.jsonl"
    told = [line("note", 0, message="hello"), line("ready", 0, seconds=8.5), shard(90, 90, 9)]
    told += [line("usage", t, processes={"worker 0": use(7, t, 1e9)}) for t in range(0, 91, 10)]
    path.with_name("run.jsonl.1").write_text("\n".join(told) + "\n")
    told = [line("usage", t, processes={"worker 0": use(8, t - 90, 5e8)}) for t in range(90, 181, 10)]
    path.write_text("\n".join([*told, shard(180, 90, 6), '{"time": "2026-', ""]))
    return path


def test_pairs_count_evenly_over_the_time_of_their_shard(log: Path) -> None:
    found = bins(read_log(log), 1.0)
    assert [p.minutes for p in found] == [(0, 1), (1, 2), (2, 3)]
    assert [p.accepted for p in found] == pytest.approx([6, 3 + 2, 4])
    assert [p.made for p in found] == pytest.approx([20 / 3] * 3)
    assert [p.per_second for p in found] == pytest.approx([0.1, 5 / 60, 4 / 60])
    assert [p.per_cpu_second for p in found] == pytest.approx([0.1, 5 / 60, 4 / 60])
    assert [p.resident["worker 0"] for p in found] == [1e9, 1e9, 5e8]
    assert sum(p.accepted for p in found) == pytest.approx(15)


def test_the_last_bin_takes_a_short_rest(log: Path) -> None:
    assert [p.minutes for p in bins(read_log(log), 1.25)] == [(0, 1.25), (1.25, 3)]
    assert [p.minutes for p in bins(read_log(log), 60)] == [(0, 3)]


def test_two_workers_add_up(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("\n".join([shard(60, 60, 10), shard(60, 60, 8)]))
    run = read_log(tmp_path / "run.jsonl")
    (only,) = bins(run, 1)
    assert only.accepted == pytest.approx(18)
    assert only.per_cpu_second is None
    assert "–" in markdown(run, [only])
    ET.fromstring(draw(run, [only]))


def test_the_table_ends_with_last_against_first(log: Path) -> None:
    run = read_log(log)
    last = markdown(run, bins(run, 1)).splitlines()[-1]
    assert last == "| last/first |  | 0.667 | 0.667 | 0.500 |"
    assert peaks(run) == {"worker 0": 2e9}


def test_the_picture_has_rate_and_memory(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pace(log=log, minutes=1, out=tmp_path / "new" / "pace.svg", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["accepted"], told["made"], told["seconds"], len(told["bins"])) == (15, 20, 180, 3)
    assert told["ready"] == 8.5
    words = [
        text.text for text in ET.parse(tmp_path / "new" / "pace.svg").iter() if text.tag.endswith("text")
    ]
    assert {"pairs/s", "pairs/CPU s", "worker 0", "resident memory, GB"} <= set(words)
    assert pace(log=log, minutes=1) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "15 accepted of 20 made in 3.0 minutes" in out
    assert "the first shard began 8.5 s after the command" in out


def test_the_newest_log_of_the_store_is_taken(tmp_path: Path) -> None:
    config = SynthesizeConfig(out=tmp_path / "store", cache=tmp_path / "cache")
    config.out.mkdir()
    save_config(config)
    with pytest.raises(SynthesizeError, match=r"no log of .* with --log"):
        find_log(config.out)
    for name, store in (("a", config.out), ("b", tmp_path / "other")):
        with RunLog(config.cache / "logs" / name, name, store=str(store)) as log:
            log.record("note", "x")
    assert find_log(config.out).parent.name == "a"


def test_what_is_no_log_of_a_run_is_told(tmp_path: Path, log: Path) -> None:
    (tmp_path / "none.jsonl").write_text("nothing\n")
    with pytest.raises(SynthesizeError, match="tells of no shard"):
        pace(log=tmp_path / "none.jsonl")
    with pytest.raises(SynthesizeError, match="is no file"):
        pace(log=tmp_path / "absent.jsonl")
    with pytest.raises(SynthesizeError, match="--minutes takes"):
        pace(log=log, minutes=0)
