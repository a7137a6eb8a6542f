from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from flows import progress
from flows.progress import Board, showing


def made(shard: int, committed: int = 6, rejected: int = 2) -> dict:
    return {
        "shard": shard, "planned": committed + rejected, "committed": committed, "rejected": rejected,
        "reasons": {"gap": rejected}, "seconds": {"draw": 1.0, "store": 0.5},
        "stages": [{"stage": "draw", "rows": 8, "rejects": {"gap": rejected}}],
    }  # fmt: skip


def test_counts_eta_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("flows.progress.time.monotonic", lambda: now[0])
    board = Board()
    board.begin_pairs(32, 6, 2)  # eight were there before
    assert board.eta is None
    now[0] += 10
    board.shard(made(1))
    assert (board.accepted, board.rejected, board.reasons) == (12, 4, {"gap": 2})
    assert board.rate == pytest.approx(0.6)
    assert board.eta == pytest.approx(20)
    board.advance(2, 0.5, 8)
    assert board.eta == pytest.approx(12 * 10 / 12)
    assert board.stages["draw"] == {"rows": 8, "seconds": 1.0, "rejects": {"gap": 2}}


def test_events_are_json_lines(tmp_path: Path) -> None:
    board = Board(events=tmp_path / "events.jsonl")
    board.say("hello")
    board.begin_pairs(8, 0, 0)
    board.shard(made(0))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["note", "shard"]
    assert all("time" in line for line in lines)


def test_a_live_board_shows_counts() -> None:
    out = io.StringIO()
    with showing(Board(Console(file=out, force_terminal=True, width=140))) as board:
        assert progress.current() is board
        board.begin_photos(2)
        board.photo(3)
        board.begin_pairs(8, 0, 0)
        board.shard(made(0))
    assert "3 faces" in out.getvalue()
    assert "6 accepted, 2 rejected" in out.getvalue()
    assert progress.current() is not board
