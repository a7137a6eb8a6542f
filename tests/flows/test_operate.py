from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_recipe

from assets.registry import AssetError
from flows import retry, work
from flows.cli import main
from flows.config import SynthesizeConfig
from flows.jobs import Job
from flows.remake import load_config
from storage.generation import publish
from storage.store import Store
from storage.verify import verify_store
from tasks.sources import SourceError


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


def test_a_retry_that_could_not_be_published_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "open_runner", None)
    code, _, err = call(capsys, "retry", str(toy(tmp_path / "half", (0,))), "--reason", "gap")
    assert (code, err.count("\n")) == (2, 1)
    assert (
        "is not finished (10 of 20 pairs are pending), so what is retried could not be published; type" in err
    )

    store = toy(tmp_path)
    made_by_others = load_config(store).model_copy(update={"limits": {"fifth": 0.0}, "allow_mixed": True})
    told = retry.remake_rejects(made_by_others.model_dump(mode="json"), 0, ["00000004"], lambda event: None)
    assert told["became"] == {"committed": 1}
    code, _, err = call(capsys, "retry", str(store), "--reason", "gap")
    assert (code, err.count("\n")) == (2, 1)
    assert "was made by 2 settings or versions of the code already" in err
    assert "--allow-mixed" in err


def test_a_worker_of_a_retry_opens_the_store_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(toy(tmp_path)).model_dump(mode="json")
    work._store.cache_clear()  # as in a fresh worker
    opened, times = Store.open, list[Path]()
    monkeypatch.setattr(
        Store, "open", staticmethod(lambda path, *a, **k: times.append(path) or opened(path, *a, **k))
    )
    keys = (["00000004", "00000009"], ["00000014", "00000019"])
    made = [retry.remake_rejects(config, shard, keys[shard], lambda event: None) for shard in (0, 1)]
    assert [(one["state"], one["became"]) for one in made] == [("same", {"gap": 2})] * 2
    assert len(times) == 1


def test_ctrl_c_in_a_retry_ends_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, done = toy(tmp_path), list[str]()

    class Pool:
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *exception: object) -> None: ...

        def kill(self) -> None:
            done.append("killed")

        def run(self, job: Job) -> dict[str, object]:
            done.append(job.name)
            if job.call.endswith("prepare"):
                return {"fingerprint": "f", "shards": {"0": ["00000004"], "1": ["00000014"]}}
            raise KeyboardInterrupt

    monkeypatch.setattr(retry, "open_runner", lambda config, logs: Pool())
    with pytest.raises(KeyboardInterrupt):
        retry.run_retry(store, ["gap"], workers=1)
    assert done[:2] == ["the retry's preparation", "the retry of shard 0"]
    assert "killed" in done


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


@pytest.mark.parametrize(
    "error", [SourceError("source 'x' is not annotated."), AssetError("no asset 'ict'.")]
)
def test_why_and_report_still_answer_where_annotations_or_heads_are_gone(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = toy(tmp_path)

    def gone(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(toy_recipe.ToyRecipe, "load", gone)
    code, out, _ = call(capsys, "why", "00000013", str(store), "--out", str(tmp_path / "why.png"), "--json")
    told = json.loads(out)
    assert (code, told["status"], told["note"]) == (0, "committed", str(error))
    assert (tmp_path / "why.png").stat().st_size > 500, "the stored picture"
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
    # A permission is kept with an export that is made, not with one that was mistyped.
    for mistyped in (
        ("--rows", "0"),
        ("--fields", "nose"),
        ("--generation", "7"),
        ("--out", str(out / "README.md")),
    ):
        words = [
            "export",
            form,
            str(store),
            "--out",
            str(tmp_path / "no"),
            *mistyped,
            "--despite-licences",
            "Ann",
        ]
        if mistyped[0] == "--out":
            del words[3:5]
        code, _, err = call(capsys, *words)
        assert (code, err.count("\n")) == (2, 1)
        assert licences.permissions(Store.open(store)) == []
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
    code, out, err = call(capsys, "gc", str(store), "--forget", "1", "--json")
    assert (code, len(json.loads(out))) == (0, 2)
    assert "shard 1 is pending again" in err


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
