from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import toy_recipe

from flows import server
from flows.config import SynthesizeConfig, SynthesizeError
from flows.progress import Board
from flows.runner import Job, Pool
from flows.synthesize import photographs, run_synthesis
from storage.errors import StoreError
from storage.store import Store
from storage.verify import verify_store

pytestmark = pytest.mark.usefixtures("run_server")


def config(folder: Path, out: str = "store", **changes: Any) -> SynthesizeConfig:
    photos = folder / "photos"
    if not photos.exists():
        toy_recipe.make_photos(photos, 10)
    given = {
        "out": folder / out, "photos": photos, "pairs": 40, "size": 32, "cache": folder / "cache", "batch": 4,
        "shard_size": 8, "recipe": "toy_recipe:ToyRecipe", "textures": ("plain", "dark"), "report": False,
    }  # fmt: skip
    return SynthesizeConfig(**(given | changes))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, run_server: str) -> tuple[Path, dict[str, Any]]:
    """Folder and result of an undisturbed run with two workers; later tests compare with it."""
    folder = tmp_path_factory.mktemp("reference")
    return folder, run_synthesis(config(folder, report=True), Board())


def shards(out: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in Store.open(out).tar_paths()]


def test_a_run_fills_a_store_and_the_server_knows_its_task_runs(
    reference: tuple[Path, dict[str, Any]],
) -> None:
    tmp_path, result = reference
    assert result["state"] == "Completed"
    assert (result["planned"], result["committed"], result["rejected"], result["pending"]) == (40, 32, 8, 0)
    assert result["photo_reasons"] == {"no_face": 1}
    assert verify_store(tmp_path / "store", deep=True).ok
    page = (tmp_path / "store" / "report.html").read_text()
    assert "32" in page
    assert "is a fifth one" in page, "a reject is shown with its detail"
    assert "http://" not in page
    assert "https://" not in page
    assert (tmp_path / "store" / "contact_sheet.png").stat().st_size > 1000
    (log,) = (tmp_path / "cache" / "logs").glob("*/run.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines].count("shard") == 5
    assert {line["run"] for line in lines} == {log.parent.name}
    stages = {(line["shard"], line["stage"]) for line in lines if line["event"] == "stage"}
    assert stages == {(shard, stage) for shard in range(5) for stage in ("draw", "judge", "store")}

    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    from flows.records import drain

    with get_client(sync_client=True) as client:
        run = next(
            r for r in client.read_flow_runs() if str(tmp_path) in json.dumps(r.parameters, default=str)
        )
        assert run.state_name == "Completed"
        # annotate, plan, 2 warm-ups, 5 shards, each with draw, judge and store inside
        assert result["task_runs"] == 1 + 1 + 2 + 5 * 4
        assert drain(run.id, result["task_runs"], 60) == {"COMPLETED": 24}
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [run.id]}))
        names = {task.name for task in runs}
        assert {
            "annotate-0000",
            "plan",
            "warm-up-01",
            "shard-0004",
            "draw-0000",
            "judge-0003",
            "store-0004",
        } <= names
        artifacts = {a.key: a for a in client.read_artifacts() if a.flow_run_id == run.id}
        assert {"pairs", "run-summary", "yield-per-stage", "reject-reasons"} <= set(artifacts)
        assert artifacts["pairs"].data == 100.0
        assert "32 pairs of 40 planned" in artifacts["run-summary"].data


def test_bytes_do_not_depend_on_workers_or_order(
    tmp_path: Path, reference: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = Store.pending
    monkeypatch.setattr(Store, "pending", lambda self: [pending(self)[i] for i in (3, 0, 4, 2, 1)])
    result = run_synthesis(config(tmp_path, workers=1))
    assert shards(tmp_path / "store") == shards(reference[0] / "store")
    assert result["hash"] == reference[1]["hash"]


def test_a_killed_worker_costs_nothing(
    tmp_path: Path, reference: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, quiet = reference
    marker = tmp_path / "murdered"
    monkeypatch.setenv("TOY_MURDER", str(marker))
    result = run_synthesis(config(tmp_path, "loud"))
    assert marker.exists(), "a worker was killed in the middle of a stage"
    assert result["state"] == "Completed"
    assert result["hash"] == quiet["hash"]
    assert shards(tmp_path / "loud") == shards(before / "store")
    assert result["task_runs"] > quiet["task_runs"], "the stages of the shard were followed again"


def test_ctrl_c_keeps_shards_and_the_same_call_goes_on(tmp_path: Path) -> None:
    slow = config(tmp_path, workers=1, limits={"seconds": 0.04})
    timer = threading.Thread(target=_interrupt_after_first_commit, args=(slow.out,))
    timer.start()
    stopped = run_synthesis(slow)
    timer.join()
    assert stopped["state"] == "Cancelled"
    assert "type the same command to go on" in stopped["message"]
    counts = Store.open(slow.out).counts()
    assert 0 < counts.shards_done < 5
    assert verify_store(slow.out, deep=True).ok
    result = run_synthesis(slow)
    assert (result["state"], result["committed"], result["pending"]) == ("Completed", 32, 0)


def _interrupt_after_first_commit(out: Path) -> None:
    deadline = time.monotonic() + 60
    while not list((out / "commits").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def test_other_settings_on_the_same_store_are_refused_with_both_hashes(
    reference: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = reference
    with pytest.raises(
        Exception, match=r"begun with fingerprint \w{12}, the settings now give \w{12}.*spread"
    ):
        run_synthesis(config(folder, spread=0.5))
    with pytest.raises(
        SynthesizeError, match=r"begun with plan \w{12} of --pairs 40, now 48 is given; give the same"
    ):
        run_synthesis(config(folder, pairs=48))
    with pytest.raises(SynthesizeError, match=r"of --seed 0, now 7 is given"):
        run_synthesis(config(folder, seed=7))


def test_a_finished_store_is_left_as_it_is(reference: tuple[Path, dict[str, Any]]) -> None:
    folder, first = reference
    before = {p: p.stat().st_mtime_ns for p in (folder / "store").rglob("*.tar")}
    again = run_synthesis(config(folder))
    assert again["hash"] == first["hash"]
    assert {p: p.stat().st_mtime_ns for p in (folder / "store").rglob("*.tar")} == before


def test_a_reject_rate_above_budget_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="reject-budget"):
        run_synthesis(config(tmp_path, reject_budget=0.1))
    assert not (tmp_path / "store" / "LATEST").exists()


def test_photographs_are_found_in_depth_or_refused_in_a_sentence(tmp_path: Path) -> None:
    toy_recipe.make_photos(tmp_path / "a" / "deep", 2, empty=0)
    toy_recipe.make_photos(tmp_path / "a" / ".hidden", 1, empty=0)
    found = photographs(tmp_path / "a")
    assert (found.kind, [photo.name for photo in found.photos]) == (
        "folder",
        ["deep/000.png", "deep/001.png"],
    )
    assert [photo.name for photo in photographs(None).photos][:2] == ["32bit.png", "astronaut.png"]
    (tmp_path / "none").mkdir()
    with pytest.raises(
        SynthesizeError, match=r"has no photographs \(no files\); pass another folder with --photos"
    ):
        photographs(tmp_path / "none")
    with pytest.raises(SynthesizeError, match="is not there"):
        photographs(tmp_path / "nowhere")


def test_only_faceless_photographs_end_the_run(tmp_path: Path) -> None:
    toy_recipe.make_photos(tmp_path / "photos", 0, empty=2)
    with pytest.raises(SynthesizeError, match=r"no face to work with in 2 photographs \(no_face\)"):
        run_synthesis(config(tmp_path))


def test_workers_know_nothing_of_prefect(tmp_path: Path) -> None:
    with Pool(1) as pool:
        loaded = pool.run(Job("modules", "toy_jobs:modules", {}))
    assert "flows.work" in loaded
    assert not [name for name in loaded if name.split(".")[0] == "prefect"]


def test_a_server_that_goes_away_for_good_costs_the_page_and_no_pair(
    tmp_path: Path, reference: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, url = server.start(tmp_path / "home")
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv(
        "PREFECT_CLIENT_MAX_RETRIES", "0"
    )  # else its client tries for a minute to tell the end

    def fell(*_: object) -> None:
        server.stop(process)

    monkeypatch.setattr(Board, "begin_pairs", fell)
    result = run_synthesis(config(tmp_path))
    assert (result["state"], result["hash"]) == ("Completed", reference[1]["hash"])
    assert verify_store(tmp_path / "store", deep=True).ok


def test_a_server_that_is_not_there_at_first_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.free_port()}/api")
    monkeypatch.setattr(server, "GRACE", 0.0)
    with pytest.raises(server.ServerError, match=r"nobody answers at http://127.*unset PREFECT_API_URL"):
        run_synthesis(config(tmp_path))
    assert not (tmp_path / "store").exists()
