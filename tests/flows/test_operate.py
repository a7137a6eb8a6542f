from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_recipe

from flows import work
from flows.cli import main
from flows.config import SynthesizeConfig
from storage.generation import publish
from storage.store import Store
from storage.verify import verify_store


def toy(folder: Path, shards: tuple[int, ...] = (0, 1)) -> Path:
    """A store of 20 pairs whose licences let it be passed on; published when all of it is made."""
    photos = toy_recipe.make_photos(folder / "photos", 6)
    config = SynthesizeConfig(
        out=folder / "store", photos=photos, pairs=20, shard_size=10, batch=5, size=32, cache=folder / "cache",
        recipe="toy_recipe:ToyRecipe", workers=1, report=False,
    ).model_dump(mode="json")  # fmt: skip
    found = work.annotate(config, [[str(p), p.name] for p in sorted(photos.iterdir())], lambda event: None)
    for row in found:
        row["licence"] = "CC0-1.0"
    work.prepare(config, found, lambda event: None)
    for shard in shards:
        work.make(config, shard, lambda event: None)
    if len(shards) == 2:
        publish(Store.open(folder / "store"))
    return folder / "store"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def test_retry_diff_and_why_tell_one_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = toy(tmp_path)
    code, _, err = call(capsys, "retry", str(store), "--reason", "gap", "--limits.fifth", "0")
    assert code == 2
    assert "settings.limits.fifth: absent -> 0.0" in err
    assert "--allow-mixed" in err
    assert "StoreError" not in err
    code, _, err = call(capsys, "retry", str(store), "--reason", "seam")
    assert (code, err.count("\n")) == (2, 1)
    assert "was rejected for seam; it has gap 4" in err
    code, _, err = call(capsys, "retry", str(store), "--reason", "weather")
    assert (code, "there is no reason 'weather'" in err) == (2, True)

    code, out, _ = call(
        capsys, "retry", str(store), "--reason", "gap", "--limits.fifth", "0", "--allow-mixed", "--json"
    )
    told = json.loads(out)
    assert (code, told["became"], told["generation"]) == (0, {"committed": 4}, "gen-000002.json")
    assert told["totals"] == {
        "planned": 20, "committed": 20, "rejected": 0, "pending": 0, "shards": 2, "shards_done": 2,
    }  # fmt: skip
    assert verify_store(store, deep=True).ok
    (log,) = (tmp_path / "cache" / "logs").glob("retry-store-*/run.jsonl")
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()][-1] == "published"

    code, out, _ = call(capsys, "diff", "1", "latest", str(store), "--json")
    told = json.loads(out)
    assert (told["same"], told["totals"]["committed"], told["reasons"]["gap"]) == (False, [16, 20], [4, 0])
    assert {(row["before"], row["after"]) for row in told["rows"]} == {("gap", "committed")}
    assert list(told["settings"].values()) == ["settings.limits.fifth: absent -> 0.0"]
    code, out, _ = call(capsys, "diff", "1", "2", str(store), "--rows", "1")
    assert code == 0
    assert "and 3 more" in out
    assert "hold the same bytes" in call(capsys, "diff", "2", "2", str(store))[1]

    # Pairs of both makers can be made again, each as it was.
    for key in ("00000004", "00000013"):
        target = tmp_path / f"{key}.png"
        code, out, _ = call(capsys, "why", key, str(store), "--out", str(target), "--json")
        told = json.loads(out)
        assert (code, told["status"], told["note"], told["stages"]) == (0, "committed", "", ["draw", "judge"])
        assert target.stat().st_size > 500
    assert "retried" in call(capsys, "why", "00000004", str(store), "--no-pictures")[1]
    assert call(capsys, "report", str(store), "--rows", "2")[0] == 0
    assert "only as stored" not in (store / "report.html").read_text()


def test_why_and_report_still_answer_after_the_code_has_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = toy(tmp_path)
    changed = property(lambda self: {"settings": {}, "code": "newer"})
    monkeypatch.setattr(toy_recipe.ToyRecipe, "description", changed)
    code, out, _ = call(capsys, "why", "00000013", str(store), "--out", str(tmp_path / "why.png"), "--json")
    told = json.loads(out)
    assert (code, told["status"], told["stages"]) == (0, "committed", [])
    assert 'code: "toy" -> "newer"' in told["note"]
    assert (tmp_path / "why.png").stat().st_size > 500, "the stored picture"
    code, out, _ = call(capsys, "why", "00000004", str(store), "--out", str(tmp_path / "no.png"), "--json")
    assert (code, json.loads(out)["reason"]) == (0, "gap")
    assert not (tmp_path / "no.png").exists()
    assert call(capsys, "report", str(store), "--rows", "2")[0] == 0
    assert "some only as stored" in (store / "report.html").read_text()


@pytest.mark.parametrize("form", ["webdataset", "hf"])
def test_export_asks_the_ledger_and_takes_the_licences_along(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out = toy(tmp_path), tmp_path / "out"
    code, said, _ = call(capsys, "export", form, str(store), "--out", str(out), "--json")
    told = json.loads(said)
    assert (code, told["pairs"], told["publish"]) == (0, 16, True)
    assert "# Licences of store" in (out / "LICENCES.md").read_text()
    assert json.loads((out / "licences.json").read_text())["ledger"][0]["licence"] == "CC0-1.0"
    card = (out / "README.md").read_text()
    assert "16 pairs of generation `gen-000001.json`" in card
    assert ("data/train-*.parquet" in card) == (form == "hf")
    assert call(capsys, "export", form, str(store), "--out", str(out))[0] == 0, "finished: nothing to do"

    from flows import licences

    monkeypatch.setattr(licences, "store_ledger", lambda store: [
        {"name": "x.jpg", "kind": "photo", "licence": "not stated", "attribution": "", "source": "", "count": 1}
    ])  # fmt: skip
    code, _, err = call(capsys, "export", form, str(store), "--out", str(tmp_path / "no"))
    assert (code, "cannot be passed on" in err, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "no").exists()


def test_gc_lists_or_removes_and_never_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = toy(tmp_path)
    (store / "shards" / "000" / "stray.tar").write_bytes(b"left")
    code, _, err = call(capsys, "gc", str(store), "--dry-run", "--yes")
    assert (code, "give one of them" in err) == (2, True)
    code, out, _ = call(capsys, "gc", str(store), "--dry-run", "--json")
    assert (code, len(json.loads(out))) == (0, 1)
    assert (store / "shards" / "000" / "stray.tar").exists()
    assert call(capsys, "gc", str(store), "--yes")[0] == 0
    assert not (store / "shards" / "000" / "stray.tar").exists()


def test_run_goes_on_from_the_stores_own_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run_server: str
) -> None:
    store = toy(tmp_path, shards=(0,))
    _, out, _ = call(capsys, "status", str(store), "--json")
    told = json.loads(out)
    assert (told["pending"], told["generation"], told["working"], told["alarms"]) == (10, None, [], 0)
    code, out, err = call(capsys, "run", str(store), "--metrics", "0", "--json")
    told = json.loads(out)
    assert (code, told["state"], told["committed"], told["pending"]) == (0, "Completed", 16, 0)
    assert "metrics http://127.0.0.1:" in " ".join(err.split())
    assert json.loads(call(capsys, "status", str(store), "--json")[1])["generations"] == ["gen-000001.json"]
