from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import toy_recipe

from flows import work
from flows.config import SynthesizeConfig
from flows.progress import Board
from flows.run_page import RunPage
from storage.store import Counts, Store


def settings(folder: Path) -> dict[str, Any]:
    return SynthesizeConfig(
        out=folder / "store", photos=folder / "photos", pairs=20, shard_size=10, batch=5, size=32,
        cache=folder / "cache", recipe="toy_recipe:ToyRecipe",
    ).model_dump(mode="json")  # fmt: skip


def half_made(folder: Path) -> Store:
    """A store of 20 planned rows, 10 of them made: what a run that died leaves."""
    photos = toy_recipe.make_photos(folder / "photos", 6)
    config, tell = settings(folder), list[dict]().append
    work.prepare(
        config, work.annotate(config, [[str(p), p.name] for p in sorted(photos.iterdir())], tell), tell
    )
    work.make(config, 0, tell)
    return Store.open(folder / "store")


class Server:
    """Keeps artifacts as the API does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import prefect.artifacts
        import prefect.client.orchestration

        self.made: dict[str, Any] = {}
        self.away = False
        self.created = 0
        for kind in ("progress", "markdown", "table"):
            monkeypatch.setattr(prefect.artifacts, f"create_{kind}_artifact", self.create)
        monkeypatch.setattr(prefect.client.orchestration, "get_client", lambda **_: self)

    def create(self, data: Any, key: str, description: str) -> str:
        if self.away:
            raise ConnectionError("nobody answers")
        self.created += 1
        self.made[key] = (data, description)
        return key

    def update_artifact(self, key: str, update: Any) -> None:
        if self.away:
            raise ConnectionError("nobody answers")
        data = json.loads(update.data) if key in ("yield-per-stage", "reject-reasons") else update.data
        self.made[key] = (data, update.description)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def test_a_run_that_goes_on_shows_what_the_disk_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch)
    page = RunPage(half_made(tmp_path), Board(), tmp_path / "home")
    page.refresh()
    share, line = server.made["pairs"]
    assert share == 50.0
    assert line.startswith("10 of 20 rows made, 8 accepted; time left not known yet")
    assert [row["stage"] for row in server.made["yield-per-stage"][0]] == ["draw", "judge", "store"]
    assert server.made["reject-reasons"][0] == [{"where": "pairs", "reason": "gap", "count": 2}]


def test_artifacts_are_updated_in_place_and_not_at_every_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    store, board = half_made(tmp_path), Board()
    board.begin_pairs(Counts(20, 8, 2, 10, 4, 2, {}))
    page = RunPage(store, board, tmp_path / "home")
    page.refresh()
    work.make(settings(tmp_path), 1, list[dict]().append)
    page.refresh()
    assert server.made["pairs"][0] == 50.0, "a moment ago"
    page.refresh(now=True)
    assert server.made["pairs"][0] == 100.0
    assert server.created == 4


def test_a_server_that_is_away_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(monkeypatch)
    server.away = True
    with caplog.at_level(logging.WARNING):
        RunPage(half_made(tmp_path), Board(), tmp_path / "home").refresh()
    assert "could not be brought up to date (nobody answers); the pairs are not affected" in caplog.text
