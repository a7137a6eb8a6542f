from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_audit import HEAD, PAIR_SHIFT, PHOTO_SHIFT, READER, Draw, Finish, ToyAuditRecipe, make_store

from flows import audit as auditing
from flows.audit import read_audit, run_audit, state_of
from flows.cli import main
from flows.config import SynthesizeError
from storage.errors import CorruptStore, StoreError
from storage.store import Store
from storage.verify import verify_store


def audited(root: Path, pairs: int = 100, **more: Any) -> dict[str, Any]:
    given = {"recipe": ToyAuditRecipe(), "observer": READER, "heads": lambda name: HEAD} | more
    return run_audit(root, pairs, **given)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("audit") / "store").root


@pytest.fixture(scope="module")
def summary(store: Path) -> dict[str, Any]:
    return audited(store, report=store.parent / "report")


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_known_shifts_come_out_as_gaps(summary: dict[str, Any]) -> None:
    gap = summary["gap"]
    for part in ("jaw", "nose", "lips"):
        floor, pair, photo = (gap[name][part]["mean"] for name in ("render", "pair", "photo"))
        assert floor < 0.5, (
            "the votes of the other half know this head's parts to a fraction of its large triangles"
        )
        assert 0.6 * PAIR_SHIFT * 2 / np.pi < pair < 1.3 * PAIR_SHIFT * 2 / np.pi
        # Small parts moved far come near to themselves again, so the gap grows more slowly than the move.
        assert 0.5 * PHOTO_SHIFT * 2 / np.pi < photo < 1.2 * PHOTO_SHIFT * 2 / np.pi
        assert photo > 1.5 * pair
    told = {row["what"]: row["met"] for row in summary["thresholds"]}
    assert told["gap of pairs / gap of fitted photographs"] is False, "about a half"
    assert told["accepted / planned"] is False, "every sixth is rejected: 83 %"
    assert told["cost of a pair / baseline"] is None
    assert summary["natural"]["found_pair"] == 1
    assert summary["natural"]["landmarks_pair"] == pytest.approx(0, abs=0.005), (
        "the observer's bias is taken out"
    )
    assert 0.35 < summary["spread"]["spread"] < 0.65


def test_a_row_per_pair_is_written_and_the_store_is_left_alone(store: Path, summary: dict[str, Any]) -> None:
    table = pq.read_table(store / "audit" / "audit.parquet")
    assert table.num_rows == summary["pairs"] == 20
    assert {"key", "pair_jaw", "render_gap", "photo_landmarks", "seam_energy", "ita"} <= set(
        table.column_names
    )
    assert read_audit(store) == json.loads(json.dumps(auditing._plain(summary)))
    assert verify_store(store, deep=True).ok
    page = (store / "audit" / "audit.html").read_text()
    assert "every sixth" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    text = (store.parent / "report" / "index.md").read_text()
    for line in text.splitlines():
        if line.startswith("!["):
            assert (store.parent / "report" / line.split("(")[-1][:-1]).is_file()


def test_the_same_command_gives_the_same_bytes_and_does_nothing_twice(
    store: Path, summary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(store / "audit")
    monkeypatch.setattr(type(READER), "look", lambda *given: pytest.fail("looked again"))
    audited(store)
    assert files(store / "audit") == before


def test_a_stopped_audit_goes_on_and_ends_with_the_same_bytes(
    store: Path, summary: dict[str, Any], tmp_path: Path
) -> None:
    other = make_store(tmp_path / "store").root
    looks = [0]

    class Stopped(type(READER)):  # type: ignore[misc]
        def look(self, *given: Any) -> Any:
            looks[0] += 1
            if looks[0] == 20:
                raise KeyboardInterrupt
            return super().look(*given)

    with pytest.raises(KeyboardInterrupt):
        audited(other, observer=Stopped(Path(), Path()))
    assert not (other / "audit" / "audit.json").exists()
    done = len(list((other / "audit" / "units").iterdir()))
    assert done > 6
    audited(other)
    assert files(other / "audit") == files(store / "audit")


def test_a_smaller_sample_is_part_of_the_larger_one(
    store: Path, summary: dict[str, Any], tmp_path: Path
) -> None:
    other = make_store(tmp_path / "store").root
    assert audited(other, 5)["pairs"] < 10
    few = set(pq.read_table(other / "audit" / "audit.parquet")["key"].to_pylist())
    assert few < set(pq.read_table(store / "audit" / "audit.parquet")["key"].to_pylist())


def test_an_audit_of_another_state_is_not_overwritten_unasked(tmp_path: Path) -> None:
    root = make_store(tmp_path / "store", shards=2).root
    first = audited(root)
    assert first["yield"]["pending"] == 8
    make_store(root)  # the rest
    with pytest.raises(StoreError, match=r"holds an audit of another state .* --anew"):
        audited(root)
    second = audited(root, anew=True)
    assert second["yield"]["pending"] == 0
    assert second["state"] == state_of(Store.open(root)) != first["state"]


def test_what_cannot_be_audited_is_told_in_a_sentence(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(tmp_path)])
    assert ended.value.code == 2
    assert "is not a store" in capsys.readouterr().err
    empty = make_store(tmp_path / "empty", shards=0).root
    with pytest.raises(StoreError, match="no committed pair to look at; run"):
        audited(empty)
    with pytest.raises(StoreError, match=r"--pairs takes 1 or more .* got 0"):
        audited(store, 0)
    with pytest.raises(SynthesizeError, match=r"run\.json"):
        audited(store, recipe=None)
    (tmp_path / "file").touch()
    nobody = {"recipe": None, "observer": None}  # nothing is looked at
    with pytest.raises(SynthesizeError, match=r"--baseline .*absent.json cannot be read"):
        audited(store, baseline=tmp_path / "absent.json", **nobody)
    with pytest.raises(StoreError, match=r"--report .*file is a file; give a folder"):
        audited(store, report=tmp_path / "file", **nobody)


def test_a_recipe_without_a_completed_render_is_refused(tmp_path: Path) -> None:
    root = make_store(tmp_path / "store").root

    class Other(Draw):
        gives = Draw.gives[:2]

    with pytest.raises(SynthesizeError, match="no stage that gives 'completed'"):
        audited(root, recipe=ToyAuditRecipe(stages=(Other(), Finish())))


def test_a_damaged_summary_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.json").write_text('{"body": {}}')
    with pytest.raises(CorruptStore):
        read_audit(tmp_path)
