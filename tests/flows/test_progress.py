from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from flows import progress
from flows.logs import RunLog
from flows.progress import Board, showing
from storage.store import Counts


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
    board.begin_pairs(Counts(32, 6, 2, 24, 4, 1, {"seam": 2}))  # eight were there before
    assert board.eta is None
    now[0] += 10
    board.shard(made(1))
    assert (board.accepted, board.rejected, board.reasons) == (12, 4, {"gap": 2, "seam": 2})
    assert board.rate == pytest.approx(0.6)
    assert board.eta == pytest.approx(20)
    board.advance(2, 0.5, 8)
    assert board.eta == pytest.approx(12 * 10 / 12)
    assert board.stages["draw"] == {"rows": 8, "seconds": 1.0, "rejects": {"gap": 2}}


def test_events_are_json_lines(tmp_path: Path) -> None:
    board = Board()
    board.say("nobody keeps this")
    with RunLog(tmp_path / "run", "run") as board.log:
        board.say("hello")
        board.begin_pairs(Counts(8, 0, 0, 8, 1, 0, {}))
        board.shard(made(0))
    lines = [json.loads(line) for line in (tmp_path / "run" / "run.jsonl").read_text().splitlines()]
    assert [(line["event"], line.get("message")) for line in lines] == [("note", "hello"), ("shard", None)]
    assert (lines[1]["run"], lines[1]["shard"]) == ("run", 0)


def test_what_it_knows_at_one_moment() -> None:
    board = Board()
    board.begin_pairs(Counts(32, 6, 2, 24, 4, 1, {"gap": 2}))
    board.shard(made(1))
    now = board.now()
    assert (now.planned, now.accepted, now.pending, now.shards) == (32, 12, 16, 1)
    assert now.reasons == {"gap": 4}
    assert now.seconds["draw"].sum == 1.0
    board.shard(made(2))
    assert now.seconds["draw"].sum == 1.0, "a picture of that moment"


def test_a_live_board_shows_counts() -> None:
    out = io.StringIO()
    with showing(Board(Console(file=out, force_terminal=True, width=140))) as board:
        assert progress.current() is board
        board.begin_photos(2)
        board.photo(3)
        board.begin_pairs(Counts(8, 0, 0, 8, 1, 0, {}))
        board.shard(made(0))
    assert "3 faces" in out.getvalue()
    assert "6 accepted, 2 rejected" in out.getvalue()
    assert progress.current() is not board
